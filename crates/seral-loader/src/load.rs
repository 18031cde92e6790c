//! What is loaded for a pool, and whether it is: opened when the first worker starts, and again when one starts after the last had gone.

use std::sync::Arc;
use std::sync::Weak;
use std::time::Duration;

use parking_lot::Mutex;
use seral_plugin::Schema;
use seral_plugin::outcome::Ended;
use seral_worker::Host;
use tokio::runtime::Handle;
use tokio::sync::Mutex as AsyncMutex;

use crate::call::Configuration;
use crate::image::Image;
use crate::mapped;
use crate::mapped::Entry;
use crate::mapped::Mapped;
use crate::outlet::Outlet;
use crate::precheck::Checked;
use crate::precheck::Expected;
use crate::refused::Refused;
use crate::running::Running;
use crate::running::Seat;
use crate::running::on_own_thread;

/// For how long a plugin is kept for the next worker, when the only one has panicked. It is made anew at once, or tried again after some tenths of a second.
const KEEP: Duration = Duration::from_secs(1);

/// A plugin to be loaded, with what its workers are given.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) checked: Checked,
    pub(crate) isolated: bool,
    pub(crate) config: Configuration,
    pub(crate) outlets: Arc<[Outlet]>,
    pub(crate) source: Arc<Source>,
}

/// A library, before it is opened and while it is open. All pools of one [`Library`](crate::Library) share it.
#[derive(Debug)]
pub(crate) struct Source {
    /// What was read and checked. One that is opened once and for all is let go of then.
    bytes: Mutex<Option<Arc<[u8]>>>,
    /// One that stays.
    resident: Mutex<Option<Arc<Image>>>,
    running: AsyncMutex<Weak<Running>>,
    /// Between a worker that panicked and the one in its place: what the plugin has of its own should outlive that, also where there is but one worker.
    kept: Mutex<Option<Arc<Running>>>,
    /// The last time that it was opened.
    entry: Mutex<Option<Entry>>,
}

impl Source {
    /// With these bytes.
    pub(crate) fn of(bytes: Vec<u8>) -> Self {
        Self::new(Some(bytes.into()))
    }

    /// The same bytes, to be opened anew.
    pub(crate) fn again(&self) -> Self {
        Self::new(self.bytes.lock().clone())
    }

    fn new(bytes: Option<Arc<[u8]>>) -> Self {
        Self {
            bytes: Mutex::new(bytes),
            resident: Mutex::new(None),
            running: AsyncMutex::default(),
            kept: Mutex::new(None),
            entry: Mutex::new(None),
        }
    }

    /// The library that stays: opened once, also if nobody waits for it any more. Runs code of it.
    fn resident(&self, checked: &Checked) -> Result<Arc<Image>, Refused> {
        // Held while it is opened: of two that open it, the second finds it.
        let mut resident = self.resident.lock();
        if let Some(image) = &*resident {
            return Ok(Arc::clone(image));
        }
        let file = self.bytes.lock().clone().ok_or(Refused::Resident)?;
        let image = Arc::new(Image::open(&file, checked, false)?);
        *self.bytes.lock() = None;
        Ok(Arc::clone(resident.insert(image)))
    }

    /// What of it is mapped, if it was opened and is not unmapped yet.
    pub(crate) fn mapped(&self) -> Option<Mapped> {
        mapped::find((*self.entry.lock())?)
    }
}

impl Load {
    /// Makes a worker, for this host.
    ///
    /// # Errors
    ///
    /// The plugin is not the one that is meant, or cannot be opened. Inside, what came of making the worker instead.
    pub(crate) async fn hire<J: Schema, O: Schema>(
        &self,
        host: &Arc<dyn Host>,
    ) -> Result<Result<Seat, Ended>, Refused> {
        self.checked.is_expected(&Expected {
            schema_job: J::FINGERPRINT,
            schema_output: O::FINGERPRINT,
            version: host.version().clone(),
            sha256: None,
        })?;
        let running = self.running().await?;
        let hired = running.hire(host, Arc::clone(&self.outlets), self.config.clone()).await;
        if hired.is_ok() {
            self.let_go();
        }
        Ok(hired)
    }

    /// Keeps the plugin in use for a moment, for a worker that may be about to be made in the place of this one.
    pub(crate) fn keep(&self, seat: &Seat) {
        let Ok(runtime) = Handle::try_current() else { return };
        let before = self.source.kept.lock().replace(seat.running());
        drop(before);
        let source = Arc::clone(&self.source);
        runtime.spawn(async move {
            tokio::time::sleep(KEEP).await;
            let kept = source.kept.lock().take();
            drop(kept);
        });
    }

    /// Keeps it in use no longer than there are workers.
    pub(crate) fn let_go(&self) {
        let kept = self.source.kept.lock().take();
        drop(kept);
    }

    /// The plugin in use. Of several workers that start at once, one opens it.
    async fn running(&self) -> Result<Arc<Running>, Refused> {
        let mut running = self.source.running.lock().await;
        if let Some(running) = running.upgrade() {
            return Ok(running);
        }
        let new = Arc::new(self.open().await?);
        *running = Arc::downgrade(&new);
        *self.source.entry.lock() = Some(new.entry());
        Ok(new)
    }

    async fn open(&self) -> Result<Running, Refused> {
        if self.isolated {
            let file = self.source.bytes.lock().clone().ok_or(Refused::Resident)?;
            return Running::isolated(file, self.checked.clone()).await;
        }
        let (source, checked) = (Arc::clone(&self.source), self.checked.clone());
        let image = on_own_thread(move || source.resident(&checked)).await??;
        Running::resident(image).await
    }
}
