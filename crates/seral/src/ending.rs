//! How jobs end. The one place where they do, except that [`hand_back`](DataPlane::hand_back) gives one to the application.
//!
//! A job that is final tells whoever waits for it, is counted once, and lets go of its key: the next job of the key goes on.

use std::sync::atomic::Ordering::Relaxed;

use seral_core::fingerprint::Fingerprint;
use seral_core::id::Key;
use seral_core::id::Version;
use seral_core::mailbox::Queued;
use seral_core::retry::Cause;

use crate::dead_letter::DeadLetter;
use crate::error::JobError;
use crate::error::instead;
use crate::event::Event;
use crate::job::Envelope;
use crate::job::reply;
use crate::placement::Unservable;
use crate::plane::DataPlane;
use crate::user_code::drop_guarded;

/// Why and by whom a job became a dead letter.
pub(crate) struct Death {
    pub(crate) cause: Cause,
    pub(crate) reason: String,
    pub(crate) version: Option<Version>,
    pub(crate) attempts: u32,
}

impl<J, O> DataPlane<J, O> {
    /// Places a job that was admitted before, wherever it has to go.
    pub(crate) fn readmit(&self, job: Envelope<J, O>) {
        if job.is_cancelled() {
            return self.end_cancelled(job);
        }
        if let Err(Unservable(job)) = self.place(job) {
            self.bury_unservable(job);
        }
    }

    /// A job has its final outcome.
    #[inline(always)]
    pub(crate) fn finish(&self, job: Envelope<J, O>, outcome: Result<O, JobError>) {
        let key = held_key(&job);
        let payload = job.finish(outcome);
        if let Some(key) = key {
            self.release(&key);
        }
        drop_guarded(payload);
    }

    /// The deadline of a job passed before it was started.
    pub(crate) fn expire(&self, job: Envelope<J, O>) {
        self.counters.expired.fetch_add(1, Relaxed);
        self.finish(job, Err(JobError::Expired));
    }

    /// The worker gave the job up.
    pub(crate) fn discard(&self, job: Envelope<J, O>, why: String) {
        self.counters.discarded.fetch_add(1, Relaxed);
        self.finish(job, Err(JobError::Discarded { why }));
    }

    /// A job ends because its sender asked it to.
    pub(crate) fn end_cancelled(&self, job: Envelope<J, O>) {
        self.counters.cancelled.fetch_add(1, Relaxed);
        self.finish(job, Err(JobError::Cancelled));
    }

    /// A job names a version that takes nothing any more: waiting will not help.
    pub(crate) fn bury_unservable(&self, job: Envelope<J, O>) {
        let death = self.death_of_unservable(&job);
        self.bury(job, death);
    }

    fn death_of_unservable(&self, job: &Envelope<J, O>) -> Death {
        let version = self.version_named(job);
        let reason = match &version {
            Some(version) => {
                let (successor, current) = (self.successor(version), self.current_version());
                let instead = instead(successor.as_ref(), current.as_ref());
                format!("version {version} takes no jobs any more{instead}")
            }
            None => "its version takes no jobs any more".to_owned(),
        };
        // The attempt that was to come is not made.
        Death { cause: Cause::VersionGone, reason, version, attempts: job.attempt().get() - 1 }
    }

    pub(crate) fn bury(&self, job: Envelope<J, O>, death: Death) {
        let key = held_key(&job);
        self.keep(job, death);
        if let Some(key) = key {
            self.release(&key);
        }
    }

    /// Sets a job aside for a person. The letter is there before the sender hears.
    fn keep(&self, mut job: Envelope<J, O>, death: Death) {
        let Death { cause, reason, version, attempts } = death;
        self.tell(|community| Event::DeadLettered { community, job: job.id, reason: reason.clone() });
        let failed = JobError::Failed { attempts, last: reason.clone() };
        let mut extras = job.extras.take();
        let to = extras.as_mut().and_then(|extras| {
            extras.set_over();
            extras.reply.take()
        });
        let history = extras.as_mut().and_then(|extras| extras.history.take());
        let letter = DeadLetter {
            id: job.id,
            key: extras.as_ref().and_then(|extras| extras.key.clone()),
            pin: extras.as_ref().and_then(|extras| extras.pin.clone()),
            attempts,
            cause,
            fingerprint: Fingerprint::of(&reason),
            reason,
            version,
            history: history.map(|history| history.into_attempts()).unwrap_or_default(),
            died: self.root.clock.by_calendar(),
            terms: extras.map(|extras| Box::new(extras.into_terms())),
            job: job.payload,
        };
        let dropped = self.dead.keep(letter);
        reply(to, Err(failed));
        if let Some(job) = dropped {
            self.tell(|community| Event::DeadLetterDropped { community, job });
        }
    }

    /// The holder of this key is final: the next job of the key goes on. A loop, since the next may be final too.
    fn release(&self, key: &Key) {
        while let Some(next) = self.fence.release(key) {
            let pinned = next.job.is_pinned();
            let goes_on = if next.job.is_cancelled() {
                self.counters.cancelled.fetch_add(1, Relaxed);
                drop_guarded(next.job.finish(Err(JobError::Cancelled)));
                false
            } else if next.job.is_expired(|| self.now()) {
                self.counters.expired.fetch_add(1, Relaxed);
                drop_guarded(next.job.finish(Err(JobError::Expired)));
                false
            } else {
                match self.place(next.job) {
                    Ok(_) => true,
                    Err(Unservable(job)) => {
                        let death = self.death_of_unservable(&job);
                        self.keep(job, death);
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
}

/// The key that has to be released when this job is final.
fn held_key<J, O>(job: &Envelope<J, O>) -> Option<Key> {
    if job.holds_key() { job.key().cloned() } else { None }
}
