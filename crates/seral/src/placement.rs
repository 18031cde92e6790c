//! Where a job goes that was admitted before: a retry, a recalled job, a delayed job that is due, the next of a key, a replayed dead letter.
//!
//! It is resolved by the table of this moment and always finds room. One that no version takes now waits for the next table; one that
//! names a version that takes nothing any more cannot be placed, and comes back to the caller.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use seral_core::id::Revision;
use seral_core::mailbox::Queued;
use seral_core::routing::NoRoute;
use seral_core::routing::Reason;
use seral_core::routing::Routed;

use crate::error::JobError;
use crate::hand_back::HandBackReason;
use crate::hand_back::HandedBack;
use crate::intake::Stage;
use crate::job::Envelope;
use crate::mailbox::Mailbox;
use crate::plane::DataPlane;
use crate::pool_handle::Hold;
use crate::pool_handle::PoolHandle;

/// How a job enters a mailbox.
pub(crate) type Enter<J, O> = fn(&Mailbox<Envelope<J, O>>, Envelope<J, O>) -> Result<(), Envelope<J, O>>;

/// Where a job went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placed {
    /// To a mailbox, or it waits for a table, or it was handed back.
    Onward,
    /// Into the fence, behind an earlier job of its key.
    InFence,
}

/// The job names a version that takes nothing any more.
pub(crate) struct Unservable<J, O>(pub(crate) Envelope<J, O>);

impl<J, O> DataPlane<J, O> {
    /// Places a job ahead of newer ones.
    pub(crate) fn place(&self, job: Envelope<J, O>) -> Result<Placed, Unservable<J, O>> {
        self.place_by(job, Mailbox::readmit)
    }

    pub(crate) fn place_by(
        &self,
        mut job: Envelope<J, O>,
        enter: Enter<J, O>,
    ) -> Result<Placed, Unservable<J, O>> {
        loop {
            if self.intake.stage() == Stage::Closed {
                self.hand_back(job, HandBackReason::Waiting);
                return Ok(Placed::Onward);
            }
            let table = self.routes.load();
            let mut found = table.resolve_avoiding(&job, |pool| job.has_panicked_on(&pool.version));
            // A version that has as many as it may have passes a job on to the current one.
            let refused = loop {
                let (pool, reason) = match found {
                    Ok(found) => found,
                    Err(NoRoute::PinUnserved) => return Err(Unservable(job)),
                    Err(NoRoute::NoVersion) => {
                        job.untie();
                        break job;
                    }
                };
                job.set_route(table.revision, reason, pool.id);
                match self.enter_at(pool, job, enter) {
                    Ok(placed) => return Ok(placed),
                    Err(refused) => job = refused,
                }
                if job.is_pinned() || reason == Reason::Current {
                    break job;
                }
                found = table.current();
            };
            let is_latest = self.routes.load().revision == table.revision;
            if refused.is_pinned() && is_latest && self.intake.stage() != Stage::Closed {
                return Err(Unservable(refused));
            }
            match self.park(refused, table.revision) {
                None => return Ok(Placed::Onward),
                Some(again) => job = again,
            }
        }
    }

    /// Puts a job that was resolved to this pool there, or behind its key. Gives it back if it is refused.
    fn enter_at(
        &self,
        pool: &Arc<PoolHandle<J, O>>,
        mut job: Envelope<J, O>,
        enter: Enter<J, O>,
    ) -> Result<Placed, Envelope<J, O>> {
        if job.wants_key() {
            // Counted before it enters: its turn may come before this line ends. A job that names its version itself is counted by whoever brings it.
            let is_tied = job.tied_to().is_some();
            if is_tied && pool.mailbox.pin_away().is_err() {
                return Err(job);
            }
            pool.mailbox.hold();
            match self.fence.enter(job, pool) {
                None => return Ok(Placed::InFence),
                Some(entered) => job = entered,
            }
            pool.mailbox.unhold();
            if is_tied {
                pool.mailbox.unpin_away();
            }
        }
        let deadline = job.deadline();
        // One that is drained and kept is there for a job that names it.
        let _held = if job.is_pinned() { Hold::of(pool) } else { None };
        enter(&pool.mailbox, job)?;
        self.note_deadline_of(deadline);
        Ok(Placed::Onward)
    }

    /// Keeps a job until the next table. Gives it back if there is one already, or nothing is kept any more.
    fn park(&self, job: Envelope<J, O>, seen: Revision) -> Option<Envelope<J, O>> {
        let mut unrouted = self.unrouted.lock();
        // Looked at under the lock that `publish` and `take_out_all` take after their change.
        if self.routes.load().revision != seen || self.intake.stage() == Stage::Closed {
            return Some(job);
        }
        let deadline = job.deadline();
        unrouted.push_back(job);
        drop(unrouted);
        self.note_deadline_of(deadline);
        None
    }

    // ---- taking out ------------------------------------------------------------------------------------------------

    /// Takes out the jobs that wait for a table and that `wanted` accepts, and gives each to `place`.
    pub(crate) fn take_out_unrouted(
        &self,
        wanted: &dyn Fn(&Envelope<J, O>) -> bool,
        place: &dyn Fn(Envelope<J, O>),
    ) {
        let (taken, _moving) = {
            let mut unrouted = self.unrouted.lock();
            let (taken, kept): (VecDeque<_>, VecDeque<_>) =
                std::mem::take(&mut *unrouted).into_iter().partition(|job| wanted(job));
            *unrouted = kept;
            let moving = self.moving(taken.len());
            (taken, moving)
        };
        taken.into_iter().for_each(place);
    }

    // ---- handing back ----------------------------------------------------------------------------------------------

    /// Takes note of a job for the hook; whoever waits for it hears.
    pub(crate) fn hand_back(&self, job: Envelope<J, O>, reason: HandBackReason) {
        self.counters.handed_back.fetch_add(1, Relaxed);
        let (key, pin) = (job.key().cloned(), job.pin().cloned());
        let (id, attempt) = (job.id, job.attempt());
        let payload = job.finish(Err(JobError::HandedBack));
        self.handed_back.lock().push(HandedBack { job: payload, id, key, pin, attempt, reason });
    }
}
