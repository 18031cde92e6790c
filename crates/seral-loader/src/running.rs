//! A plugin in use: its workers are made here, and when the last has gone it is shut down.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use seral_plugin::outcome::Ended;
use seral_plugin::wire;
use seral_worker::Attempt;
use seral_worker::Host;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::apart::Apart;
use crate::apart::Guest;
use crate::call::Call;
use crate::call::Configuration;
use crate::call::ForeignWorker;
use crate::image::Image;
use crate::mapped::Entry;
use crate::outlet::Outlet;
use crate::precheck::Checked;
use crate::refused::Refused;
use crate::services::HOST_TABLE;
use crate::services::Services;

/// How long a plugin may take to end what threads it has.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// A plugin in use.
#[derive(Debug)]
pub(crate) enum Running {
    /// Its code runs on the threads of the host. It stays mapped for ever.
    Resident(Arc<Image>),
    /// Its code runs on a thread of its own.
    Isolated(Apart),
}

/// Runs code of a plugin that is no future: on a thread made for it, since it may hang.
pub(crate) async fn on_own_thread<T: Send + 'static>(
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refused> {
    let (tell, told) = oneshot::channel();
    let thread = thread::Builder::new().name("seral-load".to_owned()).spawn(move || {
        let _ = tell.send(run());
    });
    thread.map_err(|why| Refused::NoThread { why: why.kind() })?;
    told.await.map_err(|_| Refused::Unwilling { why: "its thread ended".to_owned() })
}

impl Running {
    /// Takes a library into use that is open.
    ///
    /// # Errors
    ///
    /// It cannot be used.
    pub(crate) async fn resident(image: Arc<Image>) -> Result<Self, Refused> {
        let used = move || {
            image.init(&HOST_TABLE)?;
            // Made there: if nobody waits for it any more, it is shut down again.
            Ok(Self::Resident(image))
        };
        on_own_thread(used).await?
    }

    /// Opens a library on a thread of its own and takes it into use.
    ///
    /// # Errors
    ///
    /// It cannot be opened or used.
    pub(crate) async fn isolated(bytes: Arc<[u8]>, checked: Checked) -> Result<Self, Refused> {
        Apart::open(bytes, checked, SHUTDOWN_TIMEOUT).await.map(Self::Isolated)
    }

    /// Where its library is in the list of what is mapped.
    pub(crate) fn entry(&self) -> Entry {
        match self {
            Self::Resident(image) => image.entry(),
            Self::Isolated(apart) => apart.entry(),
        }
    }

    /// Makes a worker.
    ///
    /// # Errors
    ///
    /// What came of it instead.
    pub(crate) async fn hire(
        self: &Arc<Self>,
        host: &Arc<dyn Host>,
        outlets: Arc<[Outlet]>,
        config: Configuration,
    ) -> Result<Seat, Ended> {
        let worker = match &**self {
            Self::Resident(image) => {
                let plugin = image.plugin();
                let services =
                    Services { host: Arc::clone(host), runtime: Handle::current(), outlets, post: None };
                let (worker, version) = (host.worker(), host.version().clone());
                // Kept beside the worker: where nobody waits for it any more, the plugin is not shut down before it is destroyed.
                let running = Arc::clone(self);
                let make = move || {
                    let made =
                        ForeignWorker::create(plugin, services.into_ptr(), (worker, &version), &config);
                    (made, running)
                };
                let (made, _) = on_own_thread(make).await.map_err(|why| Ended::Refused(why.to_string()))?;
                Side::Here(made?)
            }
            Self::Isolated(apart) => Side::Apart(apart.hire(host, outlets, config).await?),
        };
        Ok(Seat { worker, running: Arc::clone(self) })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Self::Resident(image) = self else { return };
        let image = Arc::clone(image);
        let shutting = thread::Builder::new()
            .name("seral-close".to_owned())
            .spawn(move || image.shut_down(SHUTDOWN_TIMEOUT));
        if let Err(why) = shutting {
            tracing::warn!(%why, "a plugin is not shut down, for there is no thread to do it on");
        }
    }
}

/// A worker, wherever it is. Dropped, it is destroyed.
#[derive(Debug)]
pub(crate) struct Seat {
    worker: Side,
    /// Let go of after the worker.
    running: Arc<Running>,
}

#[derive(Debug)]
enum Side {
    Here(ForeignWorker),
    Apart(Guest),
}

impl Seat {
    /// The plugin that it is of.
    pub(crate) fn running(&self) -> Arc<Running> {
        Arc::clone(&self.running)
    }

    /// Calls the worker. Dropped, the call is cancelled.
    pub(crate) async fn call(&mut self, call: Call<'_>) -> Ended {
        match &mut self.worker {
            Side::Here(worker) => worker.begin(&call).await,
            Side::Apart(guest) => guest.slot().call(&call).await,
        }
    }

    /// Asks the worker what should become of a job with a fault that it has not made.
    pub(crate) fn retry(&self, fault: wire::Fault, attempt: Attempt) -> Ended {
        match &self.worker {
            Side::Here(worker) => worker.retry(&fault, attempt),
            Side::Apart(guest) => guest.slot().retry(fault, attempt),
        }
    }
}
