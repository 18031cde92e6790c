//! Where a job goes that was admitted before: a retry, a recalled job, a delayed job that is due, the next of a key, a replayed dead letter.
//!
//! It is resolved by the table of this moment and always finds room. One that no version takes now waits for the next table; one that
//! names a version that takes nothing any more cannot be placed, and comes back to the caller.

use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;

use seral_core::id::Revision;
use seral_core::mailbox::Queued;
use seral_core::routing::NoRoute;
use seral_core::routing::Routed;

use crate::error::JobError;
use crate::hand_back::HandBackReason;
use crate::hand_back::HandedBack;
use crate::intake::Stage;
use crate::job::Envelope;
use crate::mailbox::Mailbox;
use crate::plane::DataPlane;

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
            let refused = match table.resolve(&job) {
                Err(NoRoute::PinUnserved) => return Err(Unservable(job)),
                Err(NoRoute::NoVersion) => job,
                Ok(pool) => {
                    if job.wants_key() {
                        // Counted before it enters: its turn may come before this line ends.
                        pool.mailbox.hold();
                        match self.fence.enter(job, pool) {
                            None => return Ok(Placed::InFence),
                            Some(entered) => job = entered,
                        }
                        pool.mailbox.unhold();
                    }
                    let deadline = job.deadline();
                    match enter(&pool.mailbox, job) {
                        Ok(()) => {
                            self.note_deadline_of(deadline);
                            return Ok(Placed::Onward);
                        }
                        Err(refused) => refused,
                    }
                }
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
        mut wanted: impl FnMut(&Envelope<J, O>) -> bool,
        mut place: impl FnMut(Envelope<J, O>),
    ) {
        let (taken, _moving) = {
            let mut unrouted = self.unrouted.lock();
            let (taken, kept): (VecDeque<_>, VecDeque<_>) =
                std::mem::take(&mut *unrouted).into_iter().partition(|job| wanted(job));
            *unrouted = kept;
            let moving = self.moving(taken.len());
            (taken, moving)
        };
        taken.into_iter().for_each(&mut place);
    }

    // ---- handing back ----------------------------------------------------------------------------------------------

    /// Takes note of a job for the hook; whoever waits for it hears.
    pub(crate) fn hand_back(&self, job: Envelope<J, O>, reason: HandBackReason) {
        self.counters.handed_back.fetch_add(1, Relaxed);
        let (key, pin) = (job.key().cloned(), job.pin().cloned());
        let (id, attempt) = (job.id, job.attempt);
        let payload = job.finish(Err(JobError::HandedBack));
        self.handed_back.lock().push(HandedBack { job: payload, id, key, pin, attempt, reason });
    }
}
