//! What becomes of a job after an attempt. The one place where jobs end.
//!
//! The retry policy decides; what it decided is done here: reply, keep, try again. A job that is final lets go of its key, and the next
//! job of the key goes on.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use seral_core::id::Key;
use seral_core::id::Version;
use seral_core::mailbox::Queued;
use seral_core::retry::Disposition;
use seral_core::retry::Failure;
use seral_core::time::Time;
use seral_worker::Fault;
use seral_worker::Host;

use crate::dead_letter::DeadLetter;
use crate::desk::Desk;
use crate::error::JobError;
use crate::event::Event;
use crate::hand_back::HandBackReason;
use crate::intake::Stage;
use crate::job::Envelope;
use crate::job::reply;
use crate::placement::NotDelayed;
use crate::placement::Unservable;
use crate::plane::DataPlane;
use crate::user_code::drop_guarded;
use crate::user_code::guarded;
use crate::watcher;

/// How an attempt ended.
pub(crate) enum Ended<O> {
    /// With an output.
    Done(O),
    /// The worker said that it failed.
    Fault(Fault),
    /// The worker panicked, with this text.
    Panicked(String),
    /// The worker was gone before the job was done.
    Lost,
    /// The job was not started, since its deadline had passed.
    Expired,
    /// The worker was told to drop the job, since the time of the ecosystem is up.
    Interrupted,
}

impl<J: Send + Sync, O: Send> DataPlane<J, O> {
    /// Ends the attempt at the job in this worker's hand.
    pub(crate) fn settle(&self, desk: &Desk<J, O>, job: Envelope<J, O>, ended: Ended<O>) {
        match ended {
            Ended::Done(output) => {
                desk.settled(true);
                self.finish(job, Ok(output));
            }
            Ended::Fault(fault) => {
                let failure = fault.kind().into();
                let text = guarded(|| fault.to_string());
                drop_guarded(fault);
                let text = text.unwrap_or_else(|| "the fault could not be printed: that panicked".to_owned());
                self.fail(desk, job, failure, text);
            }
            Ended::Panicked(text) => self.fail(desk, job, Failure::Retry, format!("panicked: {text}")),
            Ended::Lost => self.fail(desk, job, Failure::Retry, "the worker was lost".to_owned()),
            Ended::Expired => {
                desk.let_go();
                self.expire(job);
            }
            Ended::Interrupted => {
                desk.let_go();
                self.hand_back(job, HandBackReason::Interrupted);
            }
        }
    }

    fn fail(&self, desk: &Desk<J, O>, mut job: Envelope<J, O>, failure: Failure, fault: String) {
        let is_fault = !matches!(failure, Failure::Snooze(_));
        if is_fault {
            self.tell(|community| Event::AttemptFailed {
                community,
                job: job.id,
                attempt: job.attempt,
                version: desk.version().clone(),
                worker: desk.worker,
                fault: fault.clone(),
            });
        }
        // Nothing is tried again once everything is handed back; the attempt that was cut short is not charged.
        let wants_more = matches!(failure, Failure::Retry | Failure::RetryAfter(_) | Failure::Snooze(_));
        if wants_more && self.intake.stage() == Stage::Closed {
            self.hand_back(job, HandBackReason::Interrupted);
            return desk.let_go();
        }
        match self.limits.retry.decide(job.attempt, failure) {
            Disposition::Again { attempt, delay } => {
                job.attempt = attempt;
                self.again(job, delay);
            }
            Disposition::Discard => {
                self.counters.discarded.fetch_add(1, Relaxed);
                self.finish(job, Err(JobError::Discarded { why: fault }));
            }
            Disposition::DeadLetter => self.bury(job, Some(desk.version().clone()), fault),
        }
        // Last: until then the lease holds the version, so that a retry is placed before its version could count as drained.
        if is_fault { desk.settled(false) } else { desk.let_go() }
    }

    fn again(&self, job: Envelope<J, O>, delay: Duration) {
        if delay.is_zero() {
            return self.readmit(job);
        }
        match self.delay(job, self.now().after(delay)) {
            Ok(()) => {}
            Err(NotDelayed::Unservable(job)) => self.bury_unservable(job),
            Err(NotDelayed::Closed(job)) => self.hand_back(job, HandBackReason::Delayed(delay)),
        }
    }
}

impl<J, O> DataPlane<J, O> {
    /// Places a job that was admitted before, wherever it has to go.
    pub(crate) fn readmit(&self, job: Envelope<J, O>) {
        if let Err(Unservable(job)) = self.place(job) {
            self.bury_unservable(job);
        }
    }

    /// A job has its final outcome.
    fn finish(&self, job: Envelope<J, O>, outcome: Result<O, JobError>) {
        let key = held_key(&job);
        let payload = job.finish(outcome);
        self.release(key);
        drop_guarded(payload);
    }

    /// The deadline of a job passed before it was started.
    pub(crate) fn expire(&self, job: Envelope<J, O>) {
        self.counters.expired.fetch_add(1, Relaxed);
        self.finish(job, Err(JobError::Expired));
    }

    /// A job names a version that takes nothing any more: waiting will not help.
    pub(crate) fn bury_unservable(&self, job: Envelope<J, O>) {
        let key = held_key(&job);
        self.keep_unservable(job);
        self.release(key);
    }

    fn keep_unservable(&self, job: Envelope<J, O>) {
        let version = job.pin().cloned();
        let current = self.current_version();
        let reason = match (&version, current) {
            (Some(version), Some(current)) => {
                format!("version {version} is gone; the current version is {current}")
            }
            _ => "its version is gone".to_owned(),
        };
        self.keep(job, version, reason);
    }

    fn bury(&self, job: Envelope<J, O>, version: Option<Version>, reason: String) {
        let key = held_key(&job);
        self.keep(job, version, reason);
        self.release(key);
    }

    /// Sets a job aside for a person. The letter is there before the sender hears.
    fn keep(&self, mut job: Envelope<J, O>, version: Option<Version>, reason: String) {
        self.tell(|community| Event::DeadLettered { community, job: job.id, reason: reason.clone() });
        let to = job.reply.take();
        let failed = JobError::Failed { attempts: job.attempt, last: reason.clone() };
        let dropped = self.dead.keep(DeadLetter {
            id: job.id,
            key: job.key().cloned(),
            pin: job.pin().cloned(),
            attempts: job.attempt,
            version,
            reason,
            job: job.payload,
        });
        reply(to, Err(failed));
        if let Some(dropped) = dropped {
            self.tell(|community| Event::DeadLetterDropped { community, job: dropped.id });
            drop_guarded(dropped);
        }
    }

    /// The holder of this key is final: the next job of the key goes on. A loop, since the next may be final too.
    fn release(&self, key: Option<Key>) {
        let Some(key) = key else { return };
        while let Some(next) = self.fence.release(&key) {
            let pinned = next.job.is_pinned();
            let goes_on = if next.job.is_expired(|| self.now()) {
                self.counters.expired.fetch_add(1, Relaxed);
                drop_guarded(next.job.finish(Err(JobError::Expired)));
                false
            } else {
                match self.place(next.job) {
                    Ok(_) => true,
                    Err(Unservable(job)) => {
                        self.keep_unservable(job);
                        false
                    }
                }
            };
            next.counted_by.mailbox.unhold();
            if pinned {
                next.counted_by.mailbox.unpin_away();
            }
            if goes_on {
                return;
            }
        }
    }

    // ---- deadlines -------------------------------------------------------------------------------------------------

    /// Ends all waiting jobs whose deadline has passed.
    pub(crate) fn sweep_expired(&self, now: Time) {
        self.forget_deadlines();
        let is_expired = |job: &Envelope<J, O>| job.is_expired(|| now);
        let table = self.routes.load_full();
        for (_, pool) in &table.serving {
            let expired = pool.mailbox.remove(is_expired);
            let count = expired.len();
            for job in expired {
                self.expire(job);
            }
            pool.mailbox.arrived(count);
        }
        for held in self.fence.remove(is_expired) {
            let pinned = held.job.is_pinned();
            self.expire(held.job);
            held.counted_by.mailbox.unhold();
            if pinned {
                held.counted_by.mailbox.unpin_away();
            }
        }
        self.take_out_unrouted(is_expired, |job| self.expire(job));
        self.note_earliest_deadline(now);
    }

    /// Looks for the earliest deadline of all waiting jobs.
    fn note_earliest_deadline(&self, now: Time) {
        let mut earliest = Time::MAX;
        let mut note = |job: &Envelope<J, O>| {
            earliest = job.deadline().map_or(earliest, |deadline| earliest.min(deadline));
        };
        let table = self.routes.load_full();
        for (_, pool) in &table.serving {
            pool.mailbox.for_each_waiting(&mut note);
        }
        self.fence.for_each(&mut note);
        self.unrouted.lock().iter().for_each(&mut note);
        // A job on a desk is begun, or comes back to the mailbox, within the watcher's next looks: to be looked at then.
        let mut on_desks = Time::MAX;
        let mut note_desk = |job: &Envelope<J, O>| {
            on_desks = job.deadline().map_or(on_desks, |deadline| on_desks.min(deadline));
        };
        for (_, pool) in &table.serving {
            for desk in pool.desks() {
                desk.with_jobs(|jobs| jobs.iter().for_each(&mut note_desk));
            }
        }
        if on_desks < Time::MAX {
            earliest = earliest.min(on_desks.max(now.after(watcher::INTERVAL * 3)));
        }
        if earliest < Time::MAX {
            self.note_deadline(earliest);
        }
    }
}

/// The key that has to be released when this job is final.
fn held_key<J, O>(job: &Envelope<J, O>) -> Option<Key> {
    if job.holds_key() { job.key().cloned() } else { None }
}
