//! A plugin on a thread of its own: all its code runs there, so that the library can be unmapped once the thread has ended.
//!
//! Where code of a library has run, its destructors may wait for the end of the thread. So a library whose code ran on threads that live on is never
//! unmapped; and one that is to be unmapped runs on threads that end before: this one, and those of its runtime where code may block.
#![expect(unsafe_code, reason = "a library is closed")]

use std::fmt;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use seral_plugin::outcome::Ended;
use seral_worker::Host;
use tokio::runtime::Builder;
use tokio::runtime::Handle;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::task::LocalSet;

use crate::call::Configuration;
use crate::call::ForeignWorker;
use crate::image::Image;
use crate::outlet::Outlet;
use crate::precheck::Checked;
use crate::refused::Refused;
use crate::services::HOST_TABLE;
use crate::services::Services;
use crate::slot;
use crate::slot::Slot;

/// The thread of a plugin. Dropped, it ends when the workers have ended, and the library is closed; that takes its time elsewhere.
pub(crate) struct Apart {
    image: Option<Arc<Image>>,
    runtime: Handle,
    orders: Option<mpsc::UnboundedSender<Order>>,
    thread: Option<thread::JoinHandle<()>>,
}

/// Something to be done on the thread; tasks in the set are waited for before it ends.
type Order = Box<dyn FnOnce(&mut JoinSet<()>) + Send>;

impl Apart {
    /// Opens a library on a new thread.
    ///
    /// # Errors
    ///
    /// It cannot be opened or used.
    pub(crate) async fn open(
        bytes: Arc<[u8]>,
        checked: Checked,
        shutdown: Duration,
    ) -> Result<Self, Refused> {
        let (tell, told) = oneshot::channel();
        let name = format!("plugin {}", checked.note.version);
        let thread = thread::Builder::new().name(name).spawn(move || live(&bytes, &checked, shutdown, tell));
        let thread = thread.map_err(|why| Refused::NoThread { why: why.kind() })?;
        let (image, runtime, orders) =
            told.await.unwrap_or(Err(Refused::Unwilling { why: "its thread ended".to_owned() }))?;
        Ok(Self { image: Some(image), runtime, orders: Some(orders), thread: Some(thread) })
    }

    /// The library, until the thread is told to end.
    pub(crate) fn image(&self) -> Option<&Image> {
        self.image.as_deref()
    }

    /// Makes a worker there.
    ///
    /// # Errors
    ///
    /// What came of it instead.
    pub(crate) async fn hire(
        &self,
        host: &Arc<dyn Host>,
        outlets: Arc<[Outlet]>,
        config: Configuration,
    ) -> Result<Arc<Slot>, Ended> {
        let gone = || Ended::Refused("the plugin's thread has ended".to_owned());
        let (Some(image), Some(orders)) = (&self.image, &self.orders) else { return Err(gone()) };
        let plugin = image.plugin();
        let slot = Arc::new(Slot::default());
        let at = Arc::clone(&slot);
        let post = Some(Arc::new(move |errand| at.post(errand)) as Arc<_>);
        let services = Services { host: Arc::clone(host), runtime: self.runtime.clone(), outlets, post };
        let (tell, told) = oneshot::channel();
        let (worker, version) = (host.worker(), host.version().clone());
        let order: Order = Box::new(move |workers| {
            let made = ForeignWorker::create(plugin, services.into_ptr(), (worker, &version), &config);
            let hired = made.map(|made| {
                workers.spawn_local(slot::serve(Arc::clone(&slot), made));
                slot
            });
            if let Err(Ok(slot)) = tell.send(hired) {
                // Nobody waits for it any more.
                slot.leave();
            }
        });
        orders.send(order).map_err(|_| gone())?;
        told.await.unwrap_or_else(|_| Err(gone()))
    }
}

/// What whoever opens a library is told.
type Opened = (Arc<Image>, Handle, mpsc::UnboundedSender<Order>);

/// The life of the thread.
fn live(bytes: &[u8], checked: &Checked, shutdown: Duration, tell: oneshot::Sender<Result<Opened, Refused>>) {
    let begun = begin(bytes, checked);
    let (image, runtime) = match begun {
        Ok(begun) => begun,
        Err(refused) => {
            let _ = tell.send(Err(refused));
            return;
        }
    };
    let (orders, mut inbox) = mpsc::unbounded_channel::<Order>();
    let _ = tell.send(Ok((Arc::clone(&image), runtime.handle().clone(), orders)));
    let work = async {
        let mut workers = JoinSet::new();
        while let Some(order) = inbox.recv().await {
            order(&mut workers);
        }
        while workers.join_next().await.is_some() {}
    };
    LocalSet::new().block_on(&runtime, work);
    image.shut_down(shutdown);
    // Waits for the threads that run code that blocks.
    drop(runtime);
}

fn begin(bytes: &[u8], checked: &Checked) -> Result<(Arc<Image>, Runtime), Refused> {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|why| Refused::NoThread { why: why.kind() })?;
    let image = Image::open(bytes, checked, true)?;
    image.init(&HOST_TABLE)?;
    Ok((Arc::new(image), runtime))
}

impl Drop for Apart {
    fn drop(&mut self) {
        drop(self.orders.take());
        let (Some(image), Some(thread)) = (self.image.take(), self.thread.take()) else { return };
        let closing = thread::Builder::new().name("seral-close".to_owned()).spawn(move || {
            if thread.join().is_err() {
                return;
            }
            if let Some(image) = Arc::into_inner(image) {
                // SAFETY: all code of the library ran on the thread that was joined, and on threads of its runtime, which it waited for; what it made was
                // dropped there. Threads of the plugin's own have ended by its `shutdown`, or have destructors to run, and then it stays mapped.
                unsafe { image.close() };
            }
        });
        if let Err(why) = closing {
            tracing::warn!(%why, "a plugin stays mapped, for there is no thread to close it on");
        }
    }
}

impl fmt::Debug for Apart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Apart").finish_non_exhaustive()
    }
}
