//! Where a job goes that was admitted before: a retry, a recalled job, a delayed job that is due, the next of a key.
//!
//! It is resolved by the table of this moment and always finds room. One that no version takes now waits for the next table; one that
//! names a version that takes nothing any more cannot be placed, and comes back to the caller.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::Ordering::SeqCst;

use seral_core::id::Revision;
use seral_core::mailbox::Queued;
use seral_core::routing::NoRoute;
use seral_core::time::Time;

use crate::error::JobError;
use crate::error::SendError;
use crate::hand_back::HandBackReason;
use crate::hand_back::HandedBack;
use crate::intake::Stage;
use crate::job::Envelope;
use crate::mailbox::Mailbox;
use crate::plane::DataPlane;
use crate::plane::Moving;
use crate::plane::News;
use crate::plane::Sleeping;
use crate::pool_handle::PoolHandle;

/// How a job enters a mailbox.
type Enter<J, O> = fn(&Mailbox<Envelope<J, O>>, Envelope<J, O>) -> Result<(), Envelope<J, O>>;

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

/// Why a job is not delayed.
pub(crate) enum NotDelayed<J, O> {
    /// It names a version that takes nothing any more.
    Unservable(Envelope<J, O>),
    /// Nothing is kept any more.
    Closed(Envelope<J, O>),
}

impl<J, O> DataPlane<J, O> {
    /// Places a job ahead of newer ones.
    pub(crate) fn place(&self, job: Envelope<J, O>) -> Result<Placed, Unservable<J, O>> {
        self.place_by(job, Mailbox::readmit)
    }

    fn place_by(&self, mut job: Envelope<J, O>, enter: Enter<J, O>) -> Result<Placed, Unservable<J, O>> {
        loop {
            if self.intake.stage() == Stage::Closed {
                self.hand_back(job, HandBackReason::Waiting);
                return Ok(Placed::Onward);
            }
            let table = self.routes.load();
            let refused = match table.resolve(job.pin()) {
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

    // ---- delayed jobs ----------------------------------------------------------------------------------------------

    /// Admits a new job that is to be started at `due`.
    pub(crate) fn admit_delayed(&self, job: Envelope<J, O>, due: Time) -> Result<(), SendError<J>> {
        if self.turns_away() {
            return Err(SendError::Closed(job.payload));
        }
        if self.delayed.lock().len() >= self.limits.delayed {
            return Err(SendError::TooManyDelayed(job.payload));
        }
        // Counted first, so that nobody sees more jobs than were admitted.
        self.counters.admitted_delayed.fetch_add(1, Relaxed);
        self.delay(job, due).map_err(|not_delayed| {
            self.counters.admitted_delayed.fetch_sub(1, Relaxed);
            match not_delayed {
                NotDelayed::Unservable(job) => self.pin_unserved(job),
                NotDelayed::Closed(job) => SendError::Closed(job.payload),
            }
        })
    }

    /// Keeps a job until `due`, or until its deadline if that is earlier. There is always room for a job that was admitted before.
    pub(crate) fn delay(&self, job: Envelope<J, O>, due: Time) -> Result<(), NotDelayed<J, O>> {
        let due = job.deadline().map_or(due, |deadline| due.min(deadline));
        let awaited_by = match job.pin() {
            None => None,
            Some(_) => match self.await_pinned(&job) {
                Some(pool) => Some(pool),
                None if self.intake.stage() == Stage::Closed => return Err(NotDelayed::Closed(job)),
                None => return Err(NotDelayed::Unservable(job)),
            },
        };
        let mut delayed = self.delayed.lock();
        // Looked at under the lock that `take_out_all` takes after its change.
        if self.intake.stage() == Stage::Closed {
            drop(delayed);
            if let Some(pool) = awaited_by {
                pool.mailbox.unpin_away();
            }
            return Err(NotDelayed::Closed(job));
        }
        self.moves.fetch_add(1, SeqCst);
        let first = delayed.insert(due, Sleeping { job, awaited_by });
        drop(delayed);
        if first {
            self.tell_dispatcher(News::DueEarlier);
        }
        Ok(())
    }

    /// Lets the version that this job names wait for it.
    fn await_pinned(&self, job: &Envelope<J, O>) -> Option<Arc<PoolHandle<J, O>>> {
        let table = self.routes.load();
        let pool = table.resolve(job.pin()).ok()?;
        pool.mailbox.pin_away().ok()?;
        Some(Arc::clone(pool))
    }

    /// Places up to `max` delayed jobs that are due. Returns how many were.
    pub(crate) fn wake_due(&self, now: Time, max: usize) -> usize {
        for woken in 0..max {
            let Some((sleeping, _moving)) = self.pop_due(now) else { return woken };
            let placed = if sleeping.job.is_expired(|| now) {
                self.expire(sleeping.job);
                Ok(Placed::Onward)
            } else {
                self.place_by(sleeping.job, Mailbox::enter_due)
            };
            // A job that went into the fence is still one that its version waits for.
            if !matches!(placed, Ok(Placed::InFence))
                && let Some(pool) = sleeping.awaited_by
            {
                pool.mailbox.unpin_away();
            }
            if let Err(Unservable(job)) = placed {
                self.bury_unservable(job);
            }
        }
        max
    }

    fn pop_due(&self, now: Time) -> Option<(Sleeping<J, O>, Moving<'_>)> {
        let mut delayed = self.delayed.lock();
        let sleeping = delayed.pop_due(now)?;
        // Counted under the lock: at no moment is the job nowhere.
        Some((sleeping, self.moving(1)))
    }

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
    pub(crate) fn hand_back(&self, mut job: Envelope<J, O>, reason: HandBackReason) {
        self.counters.handed_back.fetch_add(1, Relaxed);
        let (key, pin) = match job.extras.take() {
            Some(extras) => (extras.key, extras.pin),
            None => (None, None),
        };
        let (id, attempt) = (job.id, job.attempt);
        let payload = job.finish(Err(JobError::HandedBack));
        self.handed_back.lock().push(HandedBack { job: payload, id, key, pin, attempt, reason });
    }
}
