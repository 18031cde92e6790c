//! What becomes of a job after an attempt.
//!
//! The retry policy decides; what it decided is done here: the job goes on at once, after a pause, or comes to its end.

use std::time::Duration;

use seral_core::guard::Sign;
use seral_core::id::Key;
use seral_core::retry;
use seral_core::retry::Disposition;
use seral_core::retry::Failure;
use seral_core::retry::Trial;
use seral_worker::Fault;
use seral_worker::FaultKind;
use seral_worker::Host;

use crate::delayed::NotDelayed;
use crate::desk::Desk;
use crate::ending::Death;
use crate::event::Event;
use crate::guards::Seen;
use crate::hand_back::HandBackReason;
use crate::history::FailedAttempt;
use crate::intake::Stage;
use crate::job::Envelope;
use crate::panics::Panicked;
use crate::plane::DataPlane;
use crate::user_code::drop_guarded;
use crate::user_code::guarded;

/// How an attempt ended without an output. Boxed wherever it is passed on, so that it does not make the usual end larger.
pub(crate) enum Undone {
    /// The worker said that it failed, and what should become of the job.
    Fault(Fault),
    /// It took longer than it may; the worker said what should become of the job.
    TimedOut(Duration, FaultKind),
    /// The worker panicked.
    Panicked(Panicked),
    /// The worker was gone before the job was done.
    Lost,
    /// The job was not started, since its deadline had passed.
    Expired,
    /// The job was not started, since its sender had asked it to end.
    Cancelled,
    /// The worker was told to drop the job, since the time of its community is up.
    Interrupted,
}

impl Undone {
    /// Whether the worker's code has begun and was not let to its end.
    pub(crate) fn is_cut_short(&self) -> bool {
        matches!(self, Self::Interrupted | Self::TimedOut(..))
    }
}

/// What is to be remembered of a failed attempt.
struct Trouble {
    chain: Vec<String>,
    sign: Sign,
    panicked: bool,
    panicked_at: Option<String>,
}

impl Trouble {
    fn new(text: impl Into<String>, sign: Sign) -> Self {
        Self { chain: vec![text.into()], sign, panicked: false, panicked_at: None }
    }

    fn of_fault(fault: Fault) -> Self {
        let chain = guarded(|| fault.chain());
        drop_guarded(fault);
        Self {
            chain: chain.unwrap_or_else(|| vec!["the fault could not be printed: that panicked".to_owned()]),
            sign: Sign::Errors,
            panicked: false,
            panicked_at: None,
        }
    }

    fn of_panic(Panicked { text, place }: Panicked) -> Self {
        let chain = vec![format!("panicked: {text}")];
        Self { chain, sign: Sign::Panics, panicked: true, panicked_at: place }
    }
}

impl<J: Send + Sync, O: Send> DataPlane<J, O> {
    /// Ends the attempt at the job in this worker's hand.
    #[inline(always)]
    pub(crate) fn settle(&self, desk: &Desk<J, O>, job: Envelope<J, O>, ended: Result<O, Box<Undone>>) {
        match ended {
            Ok(output) => {
                if !job.is_comparable() {
                    desk.set_apart();
                }
                desk.settled(true);
                self.finish(job, Ok(output));
            }
            Err(undone) => self.settle_undone(desk, job, *undone),
        }
    }

    #[cold]
    fn settle_undone(&self, desk: &Desk<J, O>, job: Envelope<J, O>, undone: Undone) {
        match undone {
            Undone::Fault(fault) => {
                let failure = fault.kind().into();
                self.fail(desk, job, failure, Trouble::of_fault(fault));
            }
            Undone::TimedOut(after, kind) => {
                self.fail(desk, job, kind.into(), Trouble::new(timed_out(after), Sign::Timeouts));
            }
            Undone::Panicked(panic) => self.fail(desk, job, Failure::Retry, Trouble::of_panic(panic)),
            Undone::Lost => {
                self.fail(desk, job, Failure::Retry, Trouble::new("the worker was lost", Sign::Panics));
            }
            Undone::Expired => {
                desk.let_go();
                self.expire(job);
            }
            Undone::Cancelled => {
                desk.let_go();
                self.end_cancelled(job);
            }
            Undone::Interrupted => {
                desk.let_go();
                self.hand_back(job, HandBackReason::Interrupted);
            }
        }
    }

    /// An attempt has failed, or was put off.
    fn fail(&self, desk: &Desk<J, O>, mut job: Envelope<J, O>, failure: Failure, trouble: Trouble) {
        let was_cancelled = job.is_cancelled();
        let failure = if was_cancelled { Failure::Cancelled } else { failure };
        if self.intake.stage() == Stage::Closed && !was_cancelled && !is_final(failure) {
            // Nothing is tried again once everything is handed back; the attempt that was cut short is not charged.
            self.hand_back(job, HandBackReason::Interrupted);
            return desk.let_go();
        }
        let is_fault = !matches!(failure, Failure::Snooze(_) | Failure::Cancelled);
        let reason = if is_fault { self.note_fault(desk, &mut job, trouble) } else { String::new() };
        match self.decide(&job, failure) {
            Disposition::Again { attempt, delay } => {
                job.set_attempt(attempt);
                self.again(job, delay);
            }
            Disposition::Discard => self.discard(job, reason),
            Disposition::Cancel => self.end_cancelled(job),
            Disposition::DeadLetter(cause) => {
                let attempts = job.attempt().get();
                self.bury(job, Death { cause, reason, version: Some(desk.version().clone()), attempts });
            }
        }
        // Last: until then the lease holds the version, so that a retry is placed before its version could count as drained.
        if is_fault { desk.settled(false) } else { desk.let_go() }
    }

    /// Tells of a failed attempt and writes it into the job's history. Returns how it failed.
    fn note_fault(&self, desk: &Desk<J, O>, job: &mut Envelope<J, O>, trouble: Trouble) -> String {
        if job.is_comparable() {
            desk.failed_by(trouble.sign);
            let (route, key) = (job.route, job.key().map(Key::spread));
            self.saw_failure(Seen { version: desk.version(), sign: trouble.sign, route, key });
        } else {
            desk.set_apart();
        }
        let failed = FailedAttempt {
            number: job.attempt().get(),
            version: desk.version().to_string(),
            worker: desk.worker.get(),
            at: self.root.clock.by_calendar(),
            route: job.route.to_string(),
            chain: trouble.chain,
            panicked: trouble.panicked,
            panicked_at: trouble.panicked_at,
        };
        let line = failed.to_string();
        let reason = failed.chain.join(": ");
        self.tell(|community| Event::AttemptFailed {
            community,
            job: job.id,
            attempt: job.attempt(),
            version: desk.version().clone(),
            worker: desk.worker,
            fault: line,
        });
        let now = self.now();
        let history = job.extras_mut().history.get_or_insert_default();
        if failed.panicked {
            history.panicked_on(desk.version());
        }
        history.failed(now, failed);
        reason
    }

    fn decide(&self, job: &Envelope<J, O>, failure: Failure) -> Disposition {
        let extras = job.extras.as_ref();
        let policy = extras.and_then(|extras| extras.retry.as_deref()).copied().unwrap_or(self.limits.retry);
        let since =
            extras.and_then(|extras| extras.history.as_ref()).and_then(|history| history.failing_since());
        policy.decide(Trial {
            attempt: job.attempt(),
            failure,
            failing_for: since.map_or(Duration::ZERO, |since| self.now().since(since)),
            draw: retry::draw(policy.seed_given().unwrap_or(self.seed), job.id, job.attempt()),
        })
    }

    fn again(&self, job: Envelope<J, O>, delay: Duration) {
        if delay.is_zero() {
            return self.readmit(job);
        }
        match self.delay(job, self.now().after(delay)) {
            Ok(()) => {}
            Err(NotDelayed::Unservable(job)) => self.bury_unservable(job),
            Err(NotDelayed::Cancelled(job)) => self.end_cancelled(job),
            Err(NotDelayed::Closed(job)) => self.hand_back(job, HandBackReason::Delayed(delay)),
        }
    }
}

/// Whether the worker wants the job to end with this attempt. One that it cancelled was cut short.
fn is_final(failure: Failure) -> bool {
    match failure {
        Failure::Discard | Failure::DeadLetter => true,
        Failure::Retry | Failure::RetryAfter(_) | Failure::Snooze(_) | Failure::Cancelled => false,
    }
}

/// What a timeout is called, in events and to the worker.
pub(crate) fn timed_out(after: Duration) -> String {
    format!("timed out after {after:?}")
}
