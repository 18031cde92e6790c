//! The host, as a worker in a plugin sees it.
#![expect(unsafe_code, reason = "the ABI: the host is reached by its table")]

use std::any::Any;
use std::ffi::c_void;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;
use std::time::Duration;

use seral_worker::JobId;
use seral_worker::Time;
use seral_worker::Version;
use seral_worker::WorkerId;

use crate::future::FfiFuture;
use crate::memory::Slice;
use crate::outcome::Ended;
use crate::outcome::Outcome;
use crate::panics::catch;
use crate::panics::go_on;
use crate::table::Blocking;
use crate::table::Host;
use crate::table::HostPtr;

/// The functions of the host that has loaded this plugin. There is one: a plugin is loaded for each of several hosts anew.
pub(crate) static HOST: OnceLock<Host> = OnceLock::new();

type Waiting<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// What the host gave for a worker, which goes back to it when it is dropped.
pub(crate) struct Held {
    table: Host,
    host: HostPtr,
}

impl Held {
    /// By this table.
    pub(crate) fn new(table: Host, host: HostPtr) -> Self {
        Self { table, host }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: the host gave the pointer once, and nothing uses it after this.
        unsafe { (self.table.release)(self.host) };
    }
}

/// What a worker may ask of its host.
pub(crate) struct WorkerHost {
    held: Held,
    version: Version,
    worker: WorkerId,
}

// SAFETY: the host's functions may be called from any thread, and at once.
unsafe impl Send for WorkerHost {}
// SAFETY: as above.
unsafe impl Sync for WorkerHost {}

impl WorkerHost {
    /// For a worker of which the host has given this.
    pub(crate) fn new(held: Held, version: Version, worker: WorkerId) -> Self {
        Self { held, version, worker }
    }

    /// Sends a job of this schema, written by the codec.
    pub(crate) fn send(&self, community: &str, schema: u64, job: &[u8]) -> FfiFuture {
        // SAFETY: it is the host's own function and pointer; both slices are lent for the call.
        unsafe {
            (self.held.table.send)(self.held.host, Slice::of(community.as_bytes()), schema, Slice::of(job))
        }
    }
}

/// A wait for the host, which does not fail.
fn waiting<'a>(future: FfiFuture) -> Waiting<'a> {
    Box::pin(async {
        if let Ended::Panicked(panic) = future.await.read() {
            go_on(panic);
        }
    })
}

// SAFETY of all calls below: it is the host's own function, with the pointer that it gave for this worker.
impl seral_worker::Host for WorkerHost {
    fn version(&self) -> &Version {
        &self.version
    }

    fn worker(&self) -> WorkerId {
        self.worker
    }

    fn now(&self) -> Time {
        // SAFETY: see above.
        Time::from_nanos(unsafe { (self.held.table.now)(self.held.host) })
    }

    fn sleep(&self, time: Duration) -> Waiting<'static> {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        // SAFETY: see above.
        waiting(unsafe { (self.held.table.sleep)(self.held.host, nanos) })
    }

    fn is_cancelled(&self, job: JobId) -> bool {
        // SAFETY: see above.
        unsafe { (self.held.table.is_cancelled)(self.held.host, job.get()) }
    }

    fn cancelled(&self, job: JobId) -> Waiting<'_> {
        // SAFETY: see above.
        waiting(unsafe { (self.held.table.cancelled)(self.held.host, job.get()) })
    }

    fn is_draining(&self) -> bool {
        // SAFETY: see above.
        unsafe { (self.held.table.is_draining)(self.held.host) }
    }

    fn draining(&self) -> Waiting<'_> {
        // SAFETY: see above.
        waiting(unsafe { (self.held.table.draining)(self.held.host) })
    }

    fn run_blocking(&self, code: Box<dyn FnOnce() + Send>) -> Waiting<'static> {
        let code = Blocking { data: Box::into_raw(Box::new(code)).cast(), run, drop: drop_unrun };
        // SAFETY: see above; the host calls one of the two functions, once.
        waiting(unsafe { (self.held.table.run_blocking)(self.held.host, code) })
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

type Code = Box<dyn FnOnce() + Send>;

unsafe extern "C" fn run(code: *mut c_void) -> Outcome {
    // SAFETY: it is what `run_blocking` boxed, and nobody else gets it.
    let code = unsafe { Box::from_raw(code.cast::<Code>()) };
    match catch(code) {
        Ok(()) => Outcome::DONE,
        Err(panic) => Outcome::panicked(&panic),
    }
}

unsafe extern "C" fn drop_unrun(code: *mut c_void) {
    // SAFETY: as in `run`.
    let code = unsafe { Box::from_raw(code.cast::<Code>()) };
    // What it would say, nobody waits for.
    let _ = catch(|| drop(code));
}

impl fmt::Debug for WorkerHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerHost")
            .field("version", &self.version)
            .field("worker", &self.worker)
            .finish_non_exhaustive()
    }
}
