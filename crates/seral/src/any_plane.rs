//! A data plane as the control plane reaches it, whatever its jobs are; see [`any_pool`](crate::any_pool).

use std::any::Any;
use std::ops::Deref;
use std::sync::Arc;

use seral_core::id::PoolId;
use seral_core::id::Revision;
use seral_core::id::Version;
use seral_core::routing::RoutingTable;
use seral_core::time::Time;

use crate::admission::Submission;
use crate::any_pool::AnyPool;
use crate::dead_letter::DeadCounts;
use crate::frame::Frame;
use crate::frame::News;
use crate::mailbox::Mailbox;
use crate::mailbox::Notice;
use crate::plane::DataPlane;
use crate::pool_handle::PoolHandle;
use crate::pool_handle::typed;
use crate::user_code::drop_guarded;

/// The jobs that are in no pool.
pub(crate) struct Census {
    pub(crate) unrouted: usize,
    pub(crate) fenced: usize,
    pub(crate) delayed: usize,
    pub(crate) next_due: Option<Time>,
    pub(crate) dead: DeadCounts,
}

/// A data plane of any type. Its pools are of the same type, and those of others are passed over.
pub(crate) trait AnyPlane: Any + Send + Sync {
    fn frame(&self) -> &Frame;
    /// The number of the published table.
    fn revision(&self) -> Revision;
    /// The pool that gets new jobs.
    fn current(&self) -> Option<Arc<dyn AnyPool>>;
    /// Publishes a table.
    fn publish(&self, table: &RoutingTable<PoolId>, find: &dyn Fn(PoolId) -> Option<Arc<dyn AnyPool>>);
    /// A new pool for this data plane, its gate shut.
    fn new_pool(self: Arc<Self>, id: PoolId, version: &Version, size: usize) -> Arc<dyn AnyPool>;
    /// Lets up to `max` of the jobs that wait at this pool go by the table. Returns how many.
    fn recall(&self, pool: Arc<dyn AnyPool>, max: usize) -> usize;
    /// Sets all jobs aside that name the version of this pool and wait.
    fn give_up_pinned(&self, pool: Arc<dyn AnyPool>);
    /// Admits the job of a [`Submission`].
    fn submit(&self, submission: Box<dyn Any + Send>);
    /// When the next delayed job is due.
    fn next_due(&self) -> Option<Time>;
    fn wake_due(&self, now: Time, max: usize) -> usize;
    fn sweep_expired(&self, now: Time);
    /// Whether jobs wait for a table.
    fn has_unrouted(&self) -> bool;
    /// Wakes all who wait for a newer table, since there may be another reason not to wait any more.
    fn wake_senders(&self);
    fn census(&self) -> Census;
    /// Lets go of all code of the user.
    fn forget_user_code(&self);
}

impl Deref for dyn AnyPlane {
    type Target = Frame;

    fn deref(&self) -> &Frame {
        self.frame()
    }
}

/// The data plane of this type, if it is one.
pub(crate) fn typed_plane<J, O>(plane: Arc<dyn AnyPlane>) -> Option<Arc<DataPlane<J, O>>>
where
    J: Send + Sync + 'static,
    O: Send + 'static,
{
    let plane: Arc<dyn Any + Send + Sync> = plane;
    plane.downcast().ok()
}

impl<J: Send + Sync + 'static, O: Send + 'static> AnyPlane for DataPlane<J, O> {
    fn frame(&self) -> &Frame {
        self
    }

    fn revision(&self) -> Revision {
        self.routes.load().revision
    }

    fn current(&self) -> Option<Arc<dyn AnyPool>> {
        Some(Arc::<PoolHandle<J, O>>::clone(self.routes.load().current.as_ref()?))
    }

    fn publish(&self, table: &RoutingTable<PoolId>, find: &dyn Fn(PoolId) -> Option<Arc<dyn AnyPool>>) {
        DataPlane::publish(self, table.map(|pool| typed(find(*pool)?)));
    }

    fn new_pool(self: Arc<Self>, id: PoolId, version: &Version, size: usize) -> Arc<dyn AnyPool> {
        // Weak, since the data plane holds the table, the table the pool, and the pool this mailbox.
        let plane = Arc::downgrade(&self);
        let stir = Arc::clone(&self.stir);
        let mailbox = Mailbox::new(self.limits.mailbox, move |notice| match notice {
            Notice::Drained | Notice::Revived => {
                if let Some(plane) = plane.upgrade() {
                    plane.tell_dispatcher(News::DrainedOrRevived(id));
                }
            }
            Notice::Quiet => stir.tell(),
        });
        Arc::new(PoolHandle::<J, O>::new(id, version.clone(), size, mailbox))
    }

    fn recall(&self, pool: Arc<dyn AnyPool>, max: usize) -> usize {
        let Some(pool) = typed::<J, O>(pool) else { return 0 };
        let table = self.routes.load_full();
        let jobs = pool.mailbox.remove_up_to(max, &|job| !table.is_tied(job, &pool.version));
        let count = jobs.len();
        for job in jobs {
            self.readmit(job);
        }
        pool.mailbox.arrived(count);
        count
    }

    fn give_up_pinned(&self, pool: Arc<dyn AnyPool>) {
        if let Some(pool) = typed(pool) {
            DataPlane::give_up_pinned(self, &pool);
        }
    }

    fn submit(&self, submission: Box<dyn Any + Send>) {
        if let Ok(submission) = submission.downcast::<Submission<J>>() {
            DataPlane::submit(self, *submission);
        }
    }

    fn next_due(&self) -> Option<Time> {
        self.delayed.lock().next_due()
    }

    fn wake_due(&self, now: Time, max: usize) -> usize {
        DataPlane::wake_due(self, now, max)
    }

    fn sweep_expired(&self, now: Time) {
        DataPlane::sweep_expired(self, now);
    }

    fn has_unrouted(&self) -> bool {
        !self.unrouted.lock().is_empty()
    }

    fn wake_senders(&self) {
        self.routes.wake_all();
    }

    fn census(&self) -> Census {
        let (unrouted, fenced, dead) = (self.unrouted.lock().len(), self.fence.waiting(), self.dead.counts());
        let delayed = self.delayed.lock();
        Census { unrouted, fenced, delayed: delayed.len(), next_due: delayed.next_due(), dead }
    }

    fn forget_user_code(&self) {
        let hook = self.hand_back.lock().take();
        // Outside of the lock: it has a destructor of the user's.
        drop_guarded(hook);
        self.dead.forget_hook();
    }
}
