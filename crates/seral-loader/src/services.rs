//! What the host does for a worker in a plugin: the table that the plugin gets, and what is behind it.
//!
//! Code of a plugin that is isolated runs on its own thread, and so must the wakers that it makes. So what it waits for there is a task of that thread's
//! runtime, and a send is handed to the host's side of the call, whose worker it is.
#![expect(unsafe_code, reason = "the ABI: what is known of a worker comes back as a pointer")]

use std::fmt;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use seral_plugin::future::FfiFuture;
use seral_plugin::memory::Slice;
use seral_plugin::outcome::Outcome;
use seral_plugin::panics::catch;
use seral_plugin::table::Blocking;
use seral_plugin::table::Head;
use seral_plugin::table::HostPtr;
use seral_plugin::table::HostTable;
use seral_worker::Host;
use seral_worker::JobId;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::events;
use crate::outlet;
use crate::outlet::Outlet;
use crate::outlet::Sending;

/// The table of this host.
pub(crate) static HOST_TABLE: HostTable = HostTable {
    head: Head::of::<HostTable>(),
    is_heard: Some(events::is_heard),
    tell: Some(events::tell),
    now: Some(now),
    sleep: Some(sleep),
    is_cancelled: Some(is_cancelled),
    cancelled: Some(cancelled),
    is_draining: Some(is_draining),
    draining: Some(draining),
    run_blocking: Some(run_blocking),
    send: Some(send),
    release: Some(release),
};

/// Something to be done on the host's side of a call.
pub(crate) type Errand = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Takes over errands.
pub(crate) type Post = Arc<dyn Fn(Errand) + Send + Sync>;

/// What is known of a worker, for as long as its plugin holds it.
pub(crate) struct Services {
    /// The runtime's side of the worker.
    pub(crate) host: Arc<dyn Host>,
    /// The runtime whose timers and threads serve it.
    pub(crate) runtime: Handle,
    /// Where it may send.
    pub(crate) outlets: Arc<[Outlet]>,
    /// If it is isolated: who sends for it.
    pub(crate) post: Option<Post>,
}

impl Services {
    /// To be given to the plugin, which releases it.
    pub(crate) fn into_ptr(self) -> HostPtr {
        Arc::into_raw(Arc::new(self)).cast()
    }

    /// A wait, as the plugin may have it.
    fn waiting(&self, wait: impl Future<Output = Outcome> + Send + 'static) -> FfiFuture {
        if self.post.is_some() {
            let task = Task(self.runtime.spawn(wait));
            FfiFuture::new(async {
                task.await.unwrap_or_else(|| Outcome::refused("the plugin's thread has ended"))
            })
        } else {
            FfiFuture::new(wait)
        }
    }
}

/// A task that ends when nobody waits for it any more.
struct Task<T>(JoinHandle<T>);

impl<T> Future for Task<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<T>> {
        Pin::new(&mut self.0).poll(task).map(Result::ok)
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What is behind this pointer.
///
/// # Safety
///
/// [`Services::into_ptr`] made it, and it is not released yet.
unsafe fn services(host: HostPtr) -> ManuallyDrop<Arc<Services>> {
    // SAFETY: the caller says so. It is not dropped here: the plugin holds it.
    ManuallyDrop::new(unsafe { Arc::from_raw(host.cast()) })
}

unsafe extern "C" fn release(host: HostPtr) {
    // SAFETY: the plugin calls this once, and nothing with this pointer after it.
    let services = ManuallyDrop::into_inner(unsafe { services(host) });
    let _ = catch(|| drop(services));
}

/// Asks what is behind this pointer. A panic must not unwind into the plugin.
///
/// # Safety
///
/// As of [`services`].
unsafe fn ask<T: Default>(host: HostPtr, ask: impl FnOnce(&dyn Host) -> T) -> T {
    // SAFETY: the caller says so.
    let services = unsafe { services(host) };
    catch(|| ask(&*services.host)).unwrap_or_default()
}

/// As [`ask`], for what takes its time.
///
/// # Safety
///
/// As of [`services`].
unsafe fn begin(host: HostPtr, begin: impl FnOnce(&Arc<Services>) -> FfiFuture) -> FfiFuture {
    // SAFETY: the caller says so.
    let services = unsafe { services(host) };
    catch(|| {
        // A plugin may call this on a thread of its own.
        let _entered = services.runtime.enter();
        begin(&services)
    })
    .unwrap_or_else(|panic| FfiFuture::new(async move { Outcome::panicked(&panic) }))
}

unsafe extern "C" fn now(host: HostPtr) -> u64 {
    // SAFETY: the plugin has it still.
    unsafe { ask(host, |host| host.now().as_nanos()) }
}

unsafe extern "C" fn is_cancelled(host: HostPtr, job: u64) -> bool {
    // SAFETY: as above.
    unsafe { ask(host, |host| host.is_cancelled(JobId::new(job))) }
}

unsafe extern "C" fn is_draining(host: HostPtr) -> bool {
    // SAFETY: as above.
    unsafe { ask(host, |host| host.is_draining()) }
}

unsafe extern "C" fn sleep(host: HostPtr, nanos: u64) -> FfiFuture {
    let begun = |services: &Arc<Services>| {
        let sleep = services.host.sleep(Duration::from_nanos(nanos));
        services.waiting(async {
            sleep.await;
            Outcome::DONE
        })
    };
    // SAFETY: as above.
    unsafe { begin(host, begun) }
}

unsafe extern "C" fn cancelled(host: HostPtr, job: u64) -> FfiFuture {
    let begun = |services: &Arc<Services>| {
        let host = Arc::clone(&services.host);
        services.waiting(async move {
            host.cancelled(JobId::new(job)).await;
            Outcome::DONE
        })
    };
    // SAFETY: as above.
    unsafe { begin(host, begun) }
}

unsafe extern "C" fn draining(host: HostPtr) -> FfiFuture {
    let begun = |services: &Arc<Services>| {
        let host = Arc::clone(&services.host);
        services.waiting(async move {
            host.draining().await;
            Outcome::DONE
        })
    };
    // SAFETY: as above.
    unsafe { begin(host, begun) }
}

/// Code of a plugin that is to be run once, or else dropped.
struct Code(Blocking);

// SAFETY: the plugin hands over what may run on any thread.
unsafe impl Send for Code {}

impl Code {
    fn run(self) -> Outcome {
        let this = ManuallyDrop::new(self);
        // SAFETY: it is the plugin's own function, and one of the two is called, once: this one, since the drop is kept from being called.
        unsafe { (this.0.run)(this.0.data) }
    }
}

impl Drop for Code {
    fn drop(&mut self) {
        // SAFETY: as in `run`, which keeps this from being called.
        unsafe { (self.0.drop)(self.0.data) };
    }
}

unsafe extern "C" fn run_blocking(host: HostPtr, code: Blocking) -> FfiFuture {
    let code = Code(code);
    let begun = |services: &Arc<Services>| {
        let (tell, told) = oneshot::channel();
        let run = || {
            let _ = tell.send(code.run());
        };
        if services.post.is_some() {
            services.runtime.spawn_blocking(run);
        } else {
            // It begins without being waited for.
            drop(services.host.run_blocking(Box::new(run)));
        }
        services.waiting(async { told.await.unwrap_or_else(|_| Outcome::refused("the runtime has ended")) })
    };
    // SAFETY: as above.
    unsafe { begin(host, begun) }
}

unsafe extern "C" fn send(host: HostPtr, community: Slice, schema: u64, job: Slice) -> FfiFuture {
    // SAFETY: both are lent for this call.
    let (community, job) = unsafe { (community.as_slice(), job.as_slice()) };
    let begun = |services: &Arc<Services>| {
        let sending = outlet::send(&services.outlets, &String::from_utf8_lossy(community), schema, job);
        let Some(post) = &services.post else { return FfiFuture::new(sent(sending)) };
        let (tell, told) = oneshot::channel();
        post(Box::pin(async {
            let _ = tell.send(sent(sending).await);
        }));
        let ended = "the call from which it was sent has ended";
        services.waiting(async move { told.await.unwrap_or_else(|_| Outcome::refused(ended)) })
    };
    // SAFETY: as above.
    unsafe { begin(host, begun) }
}

async fn sent(sending: Sending) -> Outcome {
    match sending.await {
        Ok(()) => Outcome::DONE,
        Err(why) => Outcome::refused(why),
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Services").field("worker", &self.host.worker()).finish_non_exhaustive()
    }
}
