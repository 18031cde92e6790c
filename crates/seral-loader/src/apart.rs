//! A plugin on threads made for it, so that its library can be unmapped once they have ended.
//!
//! Where code of a library has run, its destructors may wait for the end of the thread. So a library whose code ran on threads that live on is never
//! unmapped; and one that is to be unmapped runs on threads that end before.
//!
//! | what | which thread |
//! |---|---|
//! | to open it, `init` | one made for that |
//! | all that a worker does, its waits, its destructor | one for each worker, with a runtime for the waits, and threads of that where code may block |
//! | `shutdown` | one made for that, when those of all workers have ended |
//! | to close it | the *keeper*, on which none of its code runs; it joins all of these |
//!
//! A thread for each worker, and not one for all: one that hangs, or computes for long, holds up itself alone.
#![expect(unsafe_code, reason = "a library is closed")]

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;

use seral_plugin::outcome::Ended;
use seral_plugin::table::Plugin;
use seral_worker::Host;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

use crate::call::Configuration;
use crate::call::ForeignWorker;
use crate::image::Image;
use crate::mapped::Entry;
use crate::outlet::Outlet;
use crate::precheck::Checked;
use crate::refused::Refused;
use crate::services::HOST_TABLE;
use crate::services::Services;
use crate::slot;
use crate::slot::Slot;

/// A plugin in use. Dropped, its library is closed when the threads of its workers have ended; that takes its time elsewhere.
pub(crate) struct Apart {
    plugin: Plugin,
    entry: Entry,
    /// To the keeper, which joins them.
    threads: mpsc::Sender<JoinHandle<()>>,
    name: String,
}

impl Apart {
    /// Opens a library.
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
        spawn("seral-keeper", move || keep(&bytes, &checked, shutdown, tell))?;
        told.await.unwrap_or_else(|_| Err(Refused::Unwilling { why: "its thread ended".to_owned() }))
    }

    /// Where its library is in the list of what is mapped.
    pub(crate) fn entry(&self) -> Entry {
        self.entry
    }

    /// Makes a worker, on a thread of its own.
    ///
    /// # Errors
    ///
    /// What came of it instead.
    pub(crate) async fn hire(
        &self,
        host: &Arc<dyn Host>,
        outlets: Arc<[Outlet]>,
        config: Configuration,
    ) -> Result<Guest, Ended> {
        let refused = |why: Refused| Ended::Refused(why.to_string());
        let (plugin, host) = (self.plugin, Arc::clone(host));
        let (tell, told) = oneshot::channel();
        let thread =
            spawn(&self.name, move || live(plugin, host, outlets, &config, tell)).map_err(refused)?;
        // The keeper is there as long as this is.
        let _ = self.threads.send(thread);
        told.await.unwrap_or_else(|_| Err(refused(Refused::Unwilling { why: "its thread ended".to_owned() })))
    }
}

/// The host's side of a worker. Dropped, the worker is destroyed, and that is waited for: its successor must find what it holds.
#[derive(Debug)]
pub(crate) struct Guest {
    slot: Arc<Slot>,
}

impl Guest {
    /// Where it is called.
    pub(crate) fn slot(&self) -> &Slot {
        &self.slot
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.slot.leave();
        self.slot.wait_until_closed();
    }
}

fn spawn<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, Refused> {
    let thread = thread::Builder::new().name(name.to_owned()).spawn(run);
    thread.map_err(|why| Refused::NoThread { why: why.kind() })
}

/// The life of the keeper: has the library opened, joins all threads on which its code runs, and closes it.
fn keep(
    bytes: &Arc<[u8]>,
    checked: &Checked,
    shutdown: Duration,
    tell: oneshot::Sender<Result<Apart, Refused>>,
) {
    let (bytes, about) = (Arc::clone(bytes), checked.clone());
    let opened = spawn("seral-load", move || {
        let image = Image::open(&bytes, &about, true)?;
        let used = image.init(&HOST_TABLE);
        Ok((image, used))
    });
    let ended = || Refused::Unwilling { why: "the thread that opened it ended".to_owned() };
    let opened = opened.and_then(|thread| thread.join().unwrap_or_else(|_| Err(ended())));
    let (image, used) = match opened {
        Ok(opened) => opened,
        Err(refused) => {
            let _ = tell.send(Err(refused));
            return;
        }
    };
    let is_used = used.is_ok();
    let (threads, inbox) = mpsc::channel();
    let name = format!("plugin {}", checked.note.version);
    let apart = used.map(|()| Apart { plugin: image.plugin(), entry: image.entry(), threads, name });
    // If nobody waits for it any more, it is dropped here, and with it the sender of threads.
    let _ = tell.send(apart);
    join_all(&inbox);
    let image = if is_used { shut_down(image, shutdown) } else { Some(image) };
    if let Some(image) = image {
        // SAFETY: all code of the library ran on threads that were joined: that which opened it, those of its workers, which waited for those of their
        // runtimes, and that which shut it down. What it made was dropped there. Threads of the plugin's own have ended by its `shutdown`.
        unsafe { image.close() };
    }
}

/// Joins the threads of workers, until no more can come and all have ended.
fn join_all(inbox: &mpsc::Receiver<JoinHandle<()>>) {
    let mut threads: Vec<JoinHandle<()>> = Vec::new();
    while let Ok(thread) = inbox.recv() {
        threads.push(thread);
        for ended in threads.extract_if(.., |thread| thread.is_finished()) {
            let _ = ended.join();
        }
    }
    for thread in threads {
        let _ = thread.join();
    }
}

/// `None`, if there is no thread to do it on: then the library stays.
fn shut_down(image: Image, timeout: Duration) -> Option<Image> {
    let image = Arc::new(image);
    let used = Arc::clone(&image);
    spawn("seral-close", move || used.shut_down(timeout)).ok()?.join().ok()?;
    Arc::into_inner(image)
}

/// The life of a worker's thread.
fn live(
    plugin: Plugin,
    host: Arc<dyn Host>,
    outlets: Arc<[Outlet]>,
    config: &Configuration,
    tell: oneshot::Sender<Result<Guest, Ended>>,
) {
    let runtime = match Builder::new_current_thread().enable_time().build() {
        Ok(runtime) => runtime,
        Err(why) => {
            let _ = tell.send(Err(Ended::Refused(Refused::NoThread { why: why.kind() }.to_string())));
            return;
        }
    };
    let slot = Arc::new(Slot::default());
    let at = Arc::clone(&slot);
    let post = Some(Arc::new(move |errand| at.post(errand)) as Arc<_>);
    let (worker, version) = (host.worker(), host.version().clone());
    let services = Services { host, runtime: runtime.handle().clone(), outlets, post };
    let made = {
        let _entered = runtime.enter();
        ForeignWorker::create(plugin, services.into_ptr(), (worker, &version), config)
    };
    match made {
        Err(ended) => drop(tell.send(Err(ended))),
        Ok(made) => {
            let serving = slot::serve(Arc::clone(&slot), made);
            if let Err(Ok(guest)) = tell.send(Ok(Guest { slot })) {
                // Nobody waits for it any more. Not dropped here, where it is served: that would wait for itself.
                guest.slot.leave();
                runtime.spawn_blocking(|| drop(guest));
            }
            runtime.block_on(serving);
        }
    }
    // Waits for the threads that run code that blocks.
    drop(runtime);
}

impl fmt::Debug for Apart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Apart").field("name", &self.name).finish_non_exhaustive()
    }
}
