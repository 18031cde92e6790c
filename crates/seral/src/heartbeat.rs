//! The directory of all workers of an ecosystem, by which anybody sees how each of them is.
//!
//! A worker is entered when it takes its seat and leaves when it gives it up. Its beats are counters that it writes as it works; nobody is
//! told of them, they are read.

use std::sync::Arc;

use dashmap::DashMap;
use seral_core::id::WorkerId;

use crate::inside::Place;
use crate::vitals::WorkerView;

/// Something that shows how a worker is.
pub(crate) trait Vital: Send + Sync {
    fn view(&self) -> WorkerView;
}

/// See the [module](self).
#[derive(Default)]
pub(crate) struct Directory {
    workers: DashMap<(Place, WorkerId), Arc<dyn Vital>>,
}

impl Directory {
    pub(crate) fn enter(&self, community: Place, worker: WorkerId, vital: Arc<dyn Vital>) {
        self.workers.insert((community, worker), vital);
    }

    /// Strikes a worker out, unless another has been entered under its number: it was started again.
    pub(crate) fn strike_out(&self, community: Place, worker: WorkerId, vital: &Arc<dyn Vital>) {
        self.workers.remove_if(&(community, worker), |_, entered| Arc::ptr_eq(entered, vital));
    }

    /// One worker.
    pub(crate) fn find(&self, community: Place, worker: WorkerId) -> Option<WorkerView> {
        let vital = Arc::clone(self.workers.get(&(community, worker))?.value());
        Some(vital.view())
    }

    /// All workers of the communities that `wanted` accepts, by community and number.
    pub(crate) fn list(&self, wanted: impl Fn(Place) -> bool) -> Vec<WorkerView> {
        let mut vitals: Vec<_> = self
            .workers
            .iter()
            .filter(|entry| wanted(entry.key().0))
            .map(|entry| (*entry.key(), Arc::clone(entry.value())))
            .collect();
        vitals.sort_by_key(|(key, _)| *key);
        vitals.into_iter().map(|(_, vital)| vital.view()).collect()
    }
}
