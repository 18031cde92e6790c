//! A worker in a plugin, and what it is called for.
#![expect(unsafe_code, reason = "the ABI: the worker is reached by a pointer and the plugin's functions")]

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::ptr;
use std::task::Context;
use std::task::Poll;

use seral_plugin::future::FfiFuture;
use seral_plugin::memory::Slice;
use seral_plugin::outcome::Ended;
use seral_plugin::outcome::Outcome;
use seral_plugin::table::CallFacts;
use seral_plugin::table::Config;
use seral_plugin::table::CycleFacts;
use seral_plugin::table::Head;
use seral_plugin::table::HostPtr;
use seral_plugin::table::Plugin;
use seral_plugin::table::WorkerFacts;
use seral_plugin::table::WorkerPtr;
use seral_plugin::wire;
use seral_worker::Attempt;
use seral_worker::Cycle;
use seral_worker::JobFacts;
use seral_worker::Time;
use seral_worker::Version;
use seral_worker::WorkerId;

/// What a worker is made with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Configuration {
    /// The fingerprint of its type; zero, if there is none.
    pub(crate) schema: u64,
    /// It, by the codec.
    pub(crate) bytes: Vec<u8>,
}

/// What a worker is called for.
#[derive(Debug)]
pub(crate) enum Call<'a> {
    Start,
    Process { facts: &'a JobFacts, job: &'a [u8] },
    Optimize(Cycle),
    Stop,
}

/// A worker of a plugin. Dropped, it is destroyed, and a panic in that goes on, unless there is one already.
pub(crate) struct ForeignWorker {
    plugin: Plugin,
    worker: WorkerPtr,
}

// SAFETY: workers are `Send`, and the plugin's functions may be called from any thread, one after the other for each worker: they take it by `&mut`, or by
// `&` where the worker's own method does, whose type is not `Sync`.
unsafe impl Send for ForeignWorker {}

impl ForeignWorker {
    /// Makes a worker. Runs code of the plugin. It takes `host`, and gives that back to the host's table when it is dropped.
    ///
    /// # Errors
    ///
    /// What came of it instead.
    pub(crate) fn create(
        plugin: Plugin,
        host: HostPtr,
        (worker, version): (WorkerId, &Version),
        config: &Configuration,
    ) -> Result<Self, Ended> {
        let version = Slice::of(version.as_str().as_bytes());
        let facts = WorkerFacts { head: Head::of::<WorkerFacts>(), worker: worker.get(), version };
        let Configuration { schema, bytes } = config;
        let config = Config { head: Head::of::<Config>(), schema: *schema, bytes: Slice::of(bytes) };
        let mut made = ptr::null_mut();
        // SAFETY: it is the plugin's own function; what is lent stays until it returns, and `host` is handed over.
        let outcome = unsafe { (plugin.create)(host, &raw const facts, &raw const config, &raw mut made) };
        match outcome.read() {
            Ended::Done(_) => Ok(Self { plugin, worker: made }),
            other => Err(other),
        }
    }

    /// Begins a call.
    pub(crate) fn begin(&mut self, call: &Call<'_>) -> Calling<'_> {
        let Self { plugin, worker } = *self;
        // SAFETY: in all of them it is the plugin's own function and worker. That nothing else is called while the future lives is seen to by the borrow.
        let future = unsafe {
            match call {
                Call::Start => (plugin.start)(worker),
                Call::Process { facts, job } => {
                    let rare = facts.rare.as_ref().map(|rare| wire::Rare::of(rare).to_bytes());
                    let facts = CallFacts {
                        head: Head::of::<CallFacts>(),
                        job: facts.id.get(),
                        deadline: facts.deadline.map_or(u64::MAX, Time::as_nanos),
                        rare: rare.as_deref().map_or(Slice::EMPTY, Slice::of),
                        attempt: facts.attempt.get(),
                        admitted: facts.admitted.to_bits(),
                        route: facts.route.to_bits(),
                    };
                    (plugin.process)(worker, &raw const facts, Slice::of(job))
                }
                Call::Optimize(cycle) => {
                    let cycle = CycleFacts {
                        head: Head::of::<CycleFacts>(),
                        processed: cycle.processed as u64,
                        failed: cycle.failed as u64,
                        batch: cycle.batch as u64,
                    };
                    (plugin.optimize)(worker, &raw const cycle)
                }
                Call::Stop => (plugin.stop)(worker),
            }
        };
        Calling { future, worker: PhantomData }
    }

    /// Asks it what should become of a job with a fault that it has not made: done, with a [kind](wire::Kind).
    pub(crate) fn retry(&self, fault: &wire::Fault, attempt: Attempt) -> Ended {
        let fault = fault.to_bytes();
        // SAFETY: it is the plugin's own function and worker; no future of it lives, since that would borrow it.
        unsafe { (self.plugin.retry)(self.worker, Slice::of(&fault), attempt.get()) }.read()
    }
}

impl Drop for ForeignWorker {
    fn drop(&mut self) {
        // SAFETY: it is the plugin's own function and worker, of which nothing else is alive, and which nobody uses after this.
        let outcome = unsafe { (self.plugin.destroy)(self.worker) };
        if let Ended::Panicked(panic) = outcome.read()
            && !std::thread::panicking()
        {
            resume_unwind(Box::new(panic.text));
        }
    }
}

/// A call that has begun. Dropped, it is cancelled, and a panic in that goes on, unless there is one already.
#[derive(Debug)]
pub(crate) struct Calling<'a> {
    future: FfiFuture,
    worker: PhantomData<&'a mut ForeignWorker>,
}

impl Future for Calling<'_> {
    type Output = Ended;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Ended> {
        Pin::new(&mut self.future).poll(task).map(Outcome::read)
    }
}

impl fmt::Debug for ForeignWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForeignWorker").finish_non_exhaustive()
    }
}
