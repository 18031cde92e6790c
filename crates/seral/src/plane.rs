//! The data plane of a community: everything that jobs pass through, without an actor in between.
//!
//! The dispatcher decides and publishes; what is here reads what it published. A send reads the routing table and pushes straight into
//! the mailbox of a pool. No job lives in an actor: mailboxes, fence, delayed jobs and dead letters are here, so an actor that panics
//! loses none.
//!
//! What never happens here: waiting for an actor, and a second copy of a job.

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use crossbeam_utils::CachePadded;
use parking_lot::Mutex;
use seral_core::delayed::Delayed;
use seral_core::id::JobId;
use seral_core::id::Version;
use seral_core::routing::RoutingTable;
use seral_core::time::Stamp;

use crate::dead_letter::LetterBox;
use crate::dead_letter::OverflowHook;
use crate::fence::Fence;
use crate::frame::Frame;
use crate::frame::Limits;
use crate::hand_back::HandBackHook;
use crate::hand_back::HandedBack;
use crate::job::Envelope;
use crate::pool_handle::PoolHandle;
use crate::root::Root;
use crate::routes::Routes;

/// A delayed job.
pub(crate) struct Sleeping<J, O> {
    pub(crate) job: Envelope<J, O>,
    /// The pool that waits for it, if the job names its version.
    pub(crate) awaited_by: Option<Arc<PoolHandle<J, O>>>,
}

impl<J, O> Sleeping<J, O> {
    /// Ends the job; then its version waits for it no longer.
    pub(crate) fn end(self, end: impl FnOnce(Envelope<J, O>)) {
        end(self.job);
        if let Some(pool) = self.awaited_by {
            pool.mailbox.unpin_away();
        }
    }
}

/// See the [module](self).
pub(crate) struct DataPlane<J, O> {
    frame: Frame,
    pub(crate) routes: Routes<Arc<PoolHandle<J, O>>>,
    pub(crate) fence: Fence<J, O>,
    pub(crate) delayed: Mutex<Delayed<Sleeping<J, O>>>,
    /// Jobs admitted before that no version takes at the moment. They go on when a table is published.
    pub(crate) unrouted: Mutex<VecDeque<Envelope<J, O>>>,
    pub(crate) dead: LetterBox<J>,
    /// Jobs that were taken out at shutdown and wait for the hook.
    pub(crate) handed_back: Mutex<Vec<HandedBack<J>>>,
    /// What the application does with them.
    pub(crate) hand_back: Mutex<Option<HandBackHook<J>>>,
    /// Written by each send, and so kept from what each send only reads.
    last_job: CachePadded<AtomicU64>,
}

impl<J, O> Deref for DataPlane<J, O> {
    type Target = Frame;

    #[inline]
    fn deref(&self) -> &Frame {
        &self.frame
    }
}

impl<J, O> DataPlane<J, O> {
    pub(crate) fn new(
        name: &str,
        root: Arc<Root>,
        limits: Limits,
        hand_back: Option<HandBackHook<J>>,
        overflow: Option<OverflowHook<J>>,
    ) -> Self {
        Self {
            frame: Frame::new(name, root, limits),
            routes: Routes::new(),
            fence: Fence::new(),
            delayed: Mutex::new(Delayed::new()),
            unrouted: Mutex::new(VecDeque::new()),
            dead: LetterBox::new(limits.dead_letters, overflow),
            handed_back: Mutex::new(Vec::new()),
            hand_back: Mutex::new(hand_back),
            last_job: CachePadded::new(AtomicU64::new(0)),
        }
    }

    /// A new job, with the next number.
    pub(crate) fn new_job(&self, payload: J) -> Envelope<J, O> {
        let id = JobId::new(self.last_job.fetch_add(1, Relaxed) + 1);
        Envelope::new(id, Stamp::of(self.root.clock.recent()), payload)
    }

    /// Publishes a table, and lets the jobs go on that waited for one.
    pub(crate) fn publish(&self, table: RoutingTable<Arc<PoolHandle<J, O>>>) {
        self.routes.publish(table);
        self.take_out_unrouted(&|_| true, &|job| self.readmit(job));
    }

    /// The version that gets new jobs.
    pub(crate) fn current_version(&self) -> Option<Version> {
        self.routes.load().current.as_ref().map(|pool| pool.version.clone())
    }
}
