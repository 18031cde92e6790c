//! Jobs that wait for their time: a delayed job, a retry after a pause, a snooze.
//!
//! They are in one bounded structure, ordered by time, beside all mailboxes. A job that names its version holds that version's drain; all others
//! are resolved when they are due, so a pause never holds up a drain.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::Ordering::SeqCst;

use seral_core::delayed::Delayed;
use seral_core::id::JobId;
use seral_core::id::Version;
use seral_core::routing::Routed;
use seral_core::time::Time;

use crate::error::SendError;
use crate::frame::Moving;
use crate::frame::News;
use crate::intake::Stage;
use crate::job::Envelope;
use crate::mailbox::Mailbox;
use crate::placement::Placed;
use crate::placement::Unservable;
use crate::plane::DataPlane;
use crate::plane::Sleeping;
use crate::pool_handle::PoolHandle;

/// Why a job is not delayed.
pub(crate) enum NotDelayed<J, O> {
    /// It names a version that takes nothing any more.
    Unservable(Envelope<J, O>),
    /// Its sender asked it to end.
    Cancelled(Envelope<J, O>),
    /// Nothing is kept any more.
    Closed(Envelope<J, O>),
}

impl<J, O> DataPlane<J, O> {
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
                // Nobody has a handle yet to cancel it by.
                NotDelayed::Cancelled(job) | NotDelayed::Closed(job) => SendError::Closed(job.payload),
            }
        })
    }

    /// Keeps a job until `due`, or until its deadline if that is earlier. There is always room for a job that was admitted before.
    pub(crate) fn delay(&self, job: Envelope<J, O>, due: Time) -> Result<(), NotDelayed<J, O>> {
        let due = job.deadline().map_or(due, |deadline| due.min(deadline));
        let awaited_by = match job.pin() {
            None => None,
            Some(version) => match self.await_pinned(version) {
                Some(pool) => Some(pool),
                None if self.intake.stage() == Stage::Closed => return Err(NotDelayed::Closed(job)),
                None => return Err(NotDelayed::Unservable(job)),
            },
        };
        let mut delayed = self.delayed.lock();
        // Looked at under the lock that `take_out_all` and `cancel` take after their change.
        let (is_closed, is_cancelled) = (self.intake.stage() == Stage::Closed, job.is_cancelled());
        if is_closed || is_cancelled {
            drop(delayed);
            if let Some(pool) = awaited_by {
                pool.mailbox.unpin_away();
            }
            return Err(if is_cancelled { NotDelayed::Cancelled(job) } else { NotDelayed::Closed(job) });
        }
        self.moves.fetch_add(1, SeqCst);
        let first = delayed.insert(due, job.id, Sleeping { job, awaited_by });
        drop(delayed);
        if first {
            self.tell_dispatcher(News::DueEarlier);
        }
        Ok(())
    }

    /// Lets this version wait for a job that names it.
    pub(crate) fn await_pinned(&self, version: &Version) -> Option<Arc<PoolHandle<J, O>>> {
        let table = self.routes.load();
        let pool = table.serving(version)?;
        pool.mailbox.pin_away().ok()?;
        Some(Arc::clone(pool))
    }

    /// Places up to `max` delayed jobs that are due. Returns how many were.
    pub(crate) fn wake_due(&self, now: Time, max: usize) -> usize {
        for woken in 0..max {
            let Some((sleeping, _moving)) = self.take_delayed(|delayed| delayed.pop_due(now)) else {
                return woken;
            };
            self.wake(sleeping, now);
        }
        max
    }

    /// Places this job as if it were due, if it is delayed. Returns whether it was.
    pub(crate) fn run_now(&self, id: JobId) -> bool {
        match self.take_delayed(|delayed| delayed.remove(id)) {
            Some((sleeping, _moving)) => {
                self.wake(sleeping, self.now());
                true
            }
            None => false,
        }
    }

    fn wake(&self, sleeping: Sleeping<J, O>, now: Time) {
        if sleeping.job.is_cancelled() {
            sleeping.end(|job| self.end_cancelled(job));
        } else if sleeping.job.is_expired(|| now) {
            sleeping.end(|job| self.expire(job));
        } else if let Err(Unservable(job)) = self.place_at_the_end(sleeping) {
            self.bury_unservable(job);
        }
    }

    /// Places a job behind those that wait, and lets its version wait for it no longer than until it has come.
    pub(crate) fn place_at_the_end(&self, sleeping: Sleeping<J, O>) -> Result<(), Unservable<J, O>> {
        let Sleeping { job, awaited_by } = sleeping;
        let placed = self.place_by(job, Mailbox::enter_due);
        // A job that went into the fence is still one that its version waits for.
        if !matches!(placed, Ok(Placed::InFence))
            && let Some(pool) = awaited_by
        {
            pool.mailbox.unpin_away();
        }
        placed.map(|_| ())
    }

    /// Takes a delayed job out, which is on the move from then on.
    pub(crate) fn take_delayed(
        &self,
        take: impl FnOnce(&mut Delayed<Sleeping<J, O>>) -> Option<Sleeping<J, O>>,
    ) -> Option<(Sleeping<J, O>, Moving<'_>)> {
        let mut delayed = self.delayed.lock();
        let sleeping = take(&mut delayed)?;
        // Counted under the lock: at no moment is the job nowhere.
        Some((sleeping, self.moving(1)))
    }
}
