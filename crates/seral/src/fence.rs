//! The fence of a community: [`seral_core::fence`] behind locks, one for each sixteenth of the keys.

use std::sync::Arc;

use parking_lot::Mutex;
use seral_core::fence as core;
use seral_core::id::Key;

use crate::job::Envelope;
use crate::pool_handle::PoolHandle;

/// Enough that the workers of a pool seldom meet at one lock, few enough to walk through.
const SHARDS: usize = 16;

/// A job that waits behind an earlier one of its key.
pub(crate) struct Held<J, O> {
    pub(crate) job: Envelope<J, O>,
    /// The pool against whose capacity it counts: the one it was resolved to when it came.
    pub(crate) counted_by: Arc<PoolHandle<J, O>>,
}

/// See the [module](self).
pub(crate) struct Fence<J, O> {
    shards: [Mutex<core::Fence<Held<J, O>>>; SHARDS],
}

impl<J, O> Fence<J, O> {
    pub(crate) fn new() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::new(core::Fence::new())) }
    }

    /// A job whose key it does not hold yet. `Some`: it holds the key now and may go on. `None`: it waits here, and the caller
    /// counts it as held by `pool`.
    pub(crate) fn enter(&self, job: Envelope<J, O>, pool: &Arc<PoolHandle<J, O>>) -> Option<Envelope<J, O>> {
        let Some(key) = job.key().cloned() else { return Some(job) };
        let held = Held { job, counted_by: Arc::clone(pool) };
        let mut entered = self.shard(&key).lock().enter(&key, held)?;
        entered.job.set_holds_key(true);
        Some(entered.job)
    }

    /// The holder of this key is final: the next job of the key, which holds it now.
    pub(crate) fn release(&self, key: &Key) -> Option<Held<J, O>> {
        let mut next = self.shard(key).lock().release(key)?;
        next.job.set_holds_key(true);
        Some(next)
    }

    /// Removes the waiting jobs that `wanted` accepts.
    pub(crate) fn remove(&self, wanted: &dyn Fn(&Envelope<J, O>) -> bool) -> Vec<Held<J, O>> {
        let remove =
            |shard: &Mutex<core::Fence<_>>| shard.lock().remove(|held: &Held<_, _>| wanted(&held.job));
        self.shards.iter().flat_map(remove).collect()
    }

    /// Calls `look` with each waiting job, under a lock.
    pub(crate) fn for_each(&self, mut look: impl FnMut(&Envelope<J, O>)) {
        for shard in &self.shards {
            shard.lock().iter().for_each(|held| look(&held.job));
        }
    }

    /// Calls `change` with each waiting job, under a lock.
    pub(crate) fn for_each_held(&self, mut change: impl FnMut(&mut Held<J, O>)) {
        for shard in &self.shards {
            shard.lock().iter_mut().for_each(&mut change);
        }
    }

    /// How many jobs wait here.
    pub(crate) fn waiting(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().waiting()).sum()
    }

    fn shard(&self, key: &Key) -> &Mutex<core::Fence<Held<J, O>>> {
        #[expect(clippy::cast_possible_truncation, reason = "less than sixteen")]
        let shard = (key.spread() % SHARDS as u64) as usize;
        &self.shards[shard]
    }
}
