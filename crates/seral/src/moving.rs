//! Moves waiting jobs from one version to another, because a person said so.
//!
//! Jobs that wait at the one go to the other, uncharged and ahead of newer ones; jobs that name the one and are delayed, or stand behind
//! their key, name the other from then on. What runs stays, and what a pin ties to the one version. Each job is at every moment counted at one of the two.

use std::sync::Arc;

use seral_core::routing::Reason;
use seral_core::routing::Routed;

use crate::job::Envelope;
use crate::plane::DataPlane;
use crate::pool_handle::PoolHandle;

/// How many jobs are moved before others get a turn: some 50 µs of work.
const SLICE: usize = 256;

impl<J: Send + Sync, O: Send> DataPlane<J, O> {
    /// Moves the jobs that wait at `from` and that `wanted` accepts to `to`. Returns how many.
    ///
    /// Dropped before it is ready, it has moved some of them.
    pub(crate) async fn move_waiting(
        &self,
        from: &Arc<PoolHandle<J, O>>,
        to: &Arc<PoolHandle<J, O>>,
        wanted: impl Fn(&Envelope<J, O>) -> bool,
    ) -> usize {
        for desk in from.desks() {
            from.take_back(&desk);
        }
        let mut moved = self.rename_in_fence(from, to, &wanted) + self.rename_delayed(from, to, &wanted);
        loop {
            let table = self.routes.load_full();
            let tied = |job: &Envelope<J, O>| job.pin().is_none() && table.is_tied(job, &from.version);
            let jobs = from.mailbox.remove_up_to(SLICE, &|job| wanted(job) && !tied(job));
            let count = jobs.len();
            moved += jobs.into_iter().map(|job| self.move_one(job, to)).filter(|moved| *moved).count();
            from.mailbox.arrived(count);
            if count < SLICE {
                return moved;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Returns whether it was moved. If the other takes nothing any more, the job goes where it would have gone without this.
    fn move_one(&self, mut job: Envelope<J, O>, to: &Arc<PoolHandle<J, O>>) -> bool {
        let named = job.pin().cloned();
        if named.is_some() {
            job.extras_mut().pin = Some(to.version.clone());
        }
        let table = self.routes.load().revision;
        job.set_route(table, Reason::Moved, to.id);
        let Err(mut refused) = to.mailbox.readmit(job) else { return true };
        if named.is_some() {
            refused.extras_mut().pin = named;
        }
        self.readmit(refused);
        false
    }

    /// Jobs that stand behind their key and name the one version name the other from now on.
    fn rename_in_fence(
        &self,
        from: &Arc<PoolHandle<J, O>>,
        to: &Arc<PoolHandle<J, O>>,
        wanted: &impl Fn(&Envelope<J, O>) -> bool,
    ) -> usize {
        let names_it = |job: &Envelope<J, O>| job.pin() == Some(&from.version) && wanted(job);
        let mut most = 0;
        self.fence.for_each(|job| most += usize::from(names_it(job)));
        // The other is held for them before they name it, and the one let go of after, and neither under the lock of the fence.
        let most = hold(to, most);
        (0..most).for_each(|_| to.mailbox.hold());
        let mut left = Vec::new();
        self.fence.for_each_held(|held| {
            if left.len() < most && names_it(&held.job) {
                held.job.extras_mut().pin = Some(to.version.clone());
                left.push(std::mem::replace(&mut held.counted_by, Arc::clone(to)));
            }
        });
        for pool in &left {
            pool.mailbox.unhold();
            pool.mailbox.unpin_away();
        }
        (left.len()..most).for_each(|_| to.mailbox.unhold());
        let_go(to, most - left.len());
        left.len()
    }

    /// Jobs that are delayed and name the one version name the other from now on.
    fn rename_delayed(
        &self,
        from: &Arc<PoolHandle<J, O>>,
        to: &Arc<PoolHandle<J, O>>,
        wanted: &impl Fn(&Envelope<J, O>) -> bool,
    ) -> usize {
        let names_it = |job: &Envelope<J, O>| job.pin() == Some(&from.version) && wanted(job);
        let most = self.delayed.lock().iter_mut().filter(|sleeping| names_it(&sleeping.job)).count();
        let most = hold(to, most);
        let mut left = Vec::new();
        for sleeping in self.delayed.lock().iter_mut() {
            if left.len() < most && names_it(&sleeping.job) {
                sleeping.job.extras_mut().pin = Some(to.version.clone());
                left.extend(sleeping.awaited_by.replace(Arc::clone(to)));
            }
        }
        for pool in &left {
            pool.mailbox.unpin_away();
        }
        let_go(to, most - left.len());
        left.len()
    }
}

/// Lets this version wait for so many jobs. Returns for how many it does: none, if it takes none any more.
fn hold<J, O>(pool: &PoolHandle<J, O>, jobs: usize) -> usize {
    (0..jobs).take_while(|_| pool.mailbox.pin_away().is_ok()).count()
}

fn let_go<J, O>(pool: &PoolHandle<J, O>, jobs: usize) {
    for _ in 0..jobs {
        pool.mailbox.unpin_away();
    }
}
