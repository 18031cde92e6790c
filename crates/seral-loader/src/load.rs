//! What is loaded for a pool, and whether it is: opened when the first worker starts, and again when one starts after the last had gone.

use std::sync::Arc;
use std::sync::Weak;

use parking_lot::Mutex;
use seral_plugin::Schema;
use seral_plugin::outcome::Ended;
use seral_worker::Host;
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
            entry: Mutex::new(None),
        }
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
        Ok(running.hire(host, Arc::clone(&self.outlets), self.config.clone()).await)
    }

    /// The plugin in use. Of several workers that start at once, one opens it.
    async fn running(&self) -> Result<Arc<Running>, Refused> {
        let mut running = self.source.running.lock().await;
        if let Some(running) = running.upgrade() {
            return Ok(running);
        }
        let new = Arc::new(self.open().await?);
        *running = Arc::downgrade(&new);
        *self.source.entry.lock() = new.entry();
        Ok(new)
    }

    async fn open(&self) -> Result<Running, Refused> {
        let Source { bytes, resident, .. } = &*self.source;
        let image = resident.lock().clone();
        if let Some(image) = image {
            return Running::resident(image).await;
        }
        let file = bytes.lock().clone();
        let gone = || Refused::NotOpened {
            why: "it was opened as resident before; call `isolated` first".to_owned(),
        };
        let file = file.ok_or_else(gone)?;
        if self.isolated {
            return Running::isolated(file, self.checked.clone()).await;
        }
        let image = Running::open_resident(file, self.checked.clone()).await?;
        *resident.lock() = Some(Arc::clone(&image));
        *bytes.lock() = None;
        Running::resident(image).await
    }
}
