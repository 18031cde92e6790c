//! A rollout as users see it: its steps, and the handle to watch it and to step in.
//!
//! What it does is decided in [`seral_core::rollout`] and carried out by the dispatcher. Dropping the handle changes nothing.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use seral_core::id::Version;
use seral_core::limit::Limit;
use seral_core::share::Share;

use crate::control::Control;
use crate::course::Log;
use crate::error::RolloutError;
use crate::percent::Percent;
use crate::verb::Deployment;
use crate::verb::Message;
use crate::verb::Told;

pub use crate::gate::GateStep;
pub use seral_core::rollout::End;
pub use seral_core::rollout::Note;
pub use seral_core::rollout::Phase;
pub use seral_core::rollout::Refused;
pub use seral_core::rollout::Verdict;

use seral_core::rollout::Verb;
use seral_core::rollout::Wait;

/// A step of a rollout: a share of new jobs in percent, and what must pass before the next. `5` is a step, too.
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use]
pub struct Step {
    percent: Percent,
    limit: Limit,
    wait: Option<Wait>,
    ungated: bool,
}

impl Step {
    /// A step of this share in percent. It lasts at least 60 s, and until the candidate has finished 200 jobs in it and was seen to be no worse.
    pub fn of(percent: impl Into<Percent>) -> Self {
        Self { percent: percent.into(), limit: Limit::None, wait: None, ungated: false }
    }

    /// A canary: the first so many jobs go to the candidate, and then none until the next step. Until they are done, or for the time of the step
    /// if that is longer.
    pub fn first(jobs: u64) -> Self {
        Self { limit: Limit::First(jobs), ..Self::of(100) }
    }

    /// Of its share, the candidate takes at most so many at a time; the current version takes the rest. Default = no limit.
    pub fn in_flight(mut self, jobs: u64) -> Self {
        self.limit = Limit::InFlight(jobs);
        self
    }

    /// It lasts at least this time, and until the candidate has finished so many jobs in it (at least one) and was seen from them to be no worse. Default = 60 s
    /// and 200 jobs.
    pub fn lasts(mut self, time: Duration, jobs: u64) -> Self {
        self.wait = Some(Wait::For { time, jobs });
        self
    }

    /// It lasts until somebody calls [`Rollout::next`].
    pub fn by_hand(mut self) -> Self {
        self.wait = Some(Wait::ByHand);
        self
    }

    /// The gate of the rollout is not asked at this step.
    pub fn without_gate(mut self) -> Self {
        self.ungated = true;
        self
    }

    /// As the core knows it, or what was written if that is no share. The step of everybody has nothing after it: no wait, no gate.
    pub(crate) fn resolve(self, wait: Wait, has_gate: bool) -> Result<seral_core::rollout::Step, String> {
        let step = seral_core::rollout::Step::of(self.percent.share()?).limit(self.limit);
        if step.share == Share::EVERYBODY && self.limit == Limit::None && self.wait.is_none() {
            return Ok(step);
        }
        let step = step.wait(match (self.wait.unwrap_or(wait), self.limit) {
            // More will not come.
            (Wait::For { time, jobs }, Limit::First(first)) => Wait::For { time, jobs: jobs.min(first) },
            (wait, _) => wait,
        });
        Ok(if has_gate && !self.ungated { step.gated() } else { step })
    }
}

impl<P: Into<Percent>> From<P> for Step {
    fn from(percent: P) -> Self {
        Self::of(percent)
    }
}

/// A rollout in progress. Dropping it changes nothing; a clone is the same rollout.
pub struct Rollout<J, O> {
    pub(crate) types: PhantomData<fn(J) -> O>,
    pub(crate) control: Arc<Control>,
    pub(crate) deployment: Deployment,
    pub(crate) log: Arc<Log>,
}

impl<J, O> Clone for Rollout<J, O> {
    fn clone(&self) -> Self {
        Self {
            types: PhantomData,
            control: Arc::clone(&self.control),
            deployment: self.deployment.clone(),
            log: Arc::clone(&self.log),
        }
    }
}

impl<J: Send + Sync + 'static, O: Send + 'static> Rollout<J, O> {
    /// The candidate.
    pub fn version(&self) -> &Version {
        &self.deployment.version
    }

    /// What came of the deploy with which it began.
    pub fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// Where it is now. `None` only before its first step is told.
    pub fn status(&self) -> Option<Note> {
        self.log.last()
    }

    /// Each step with its reason, from the beginning.
    pub fn events(&self) -> RolloutEvents {
        RolloutEvents { log: Arc::clone(&self.log), next: 0, is_over: false }
    }

    /// Waits until it has ended.
    ///
    /// Cancel safe.
    pub async fn ended(&self) -> End {
        let mut from = 0;
        loop {
            let (number, note) = self.log.read(from).await;
            if let Phase::Over(end) = note.phase {
                return end;
            }
            from = number + 1;
        }
    }

    /// Freezes it where it is, for this reason: shares stay, the time of the step stands still, and nothing is promoted. A gate that fails still rolls the
    /// candidate back.
    ///
    /// # Errors
    ///
    /// [`RolloutError`]; then nothing has changed.
    pub async fn pause(&self, why: impl Into<String>) -> Result<(), RolloutError> {
        self.call(Verb::Pause(why.into())).await
    }

    /// Goes on after a pause, with the share of the step.
    ///
    /// # Errors
    ///
    /// [`RolloutError`]; then nothing has changed.
    pub async fn resume(&self) -> Result<(), RolloutError> {
        self.call(Verb::Resume).await
    }

    /// Ends the wait of this step now. Its gate is still asked; one that could not decide is overruled.
    ///
    /// # Errors
    ///
    /// [`RolloutError`]; then nothing has changed.
    pub async fn next(&self) -> Result<(), RolloutError> {
        self.call(Verb::Next).await
    }

    /// Gives all new jobs to the candidate now, without the steps that are left.
    ///
    /// # Errors
    ///
    /// [`RolloutError`] if it is over or paused, or if the gate could not be measured; then nothing has changed.
    pub async fn promote(&self) -> Result<(), RolloutError> {
        self.call(Verb::Promote { force: false }).await
    }

    /// As [`promote`](Self::promote), though it is paused or the gate could not be measured.
    ///
    /// # Errors
    ///
    /// [`RolloutError`] if it is over; then nothing has changed.
    pub async fn force_promote(&self) -> Result<(), RolloutError> {
        self.call(Verb::Promote { force: true }).await
    }

    /// Takes all new jobs from the candidate, which finishes what it has. Nothing is done if the rollout is over.
    ///
    /// # Errors
    ///
    /// [`RolloutError::Interrupted`] only.
    pub async fn abort(&self) -> Result<(), RolloutError> {
        self.call(Verb::Abort).await
    }

    async fn call(&self, verb: Verb) -> Result<(), RolloutError> {
        let told = |answer| Message::Course(Arc::clone(&self.log), Told::Call(verb, answer));
        match self.control.command(told).await {
            Some(answer) => answer.map_err(RolloutError::Refused),
            None => match self.status().map(|note| note.phase) {
                Some(Phase::Over(end)) => Err(RolloutError::Refused(Refused::Over(end))),
                _ => Err(RolloutError::Interrupted),
            },
        }
    }
}

impl<J, O> fmt::Debug for Rollout<J, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rollout")
            .field("version", &self.deployment.version)
            .field("status", &self.log.last())
            .finish_non_exhaustive()
    }
}

/// What a rollout has told and tells, in order. See [`Rollout::events`].
#[derive(Debug)]
pub struct RolloutEvents {
    log: Arc<Log>,
    next: usize,
    is_over: bool,
}

impl RolloutEvents {
    /// The next step or change of what it waits for; `None` after the end. Of the last 1,000; a reader that is slower misses the oldest.
    ///
    /// Cancel safe.
    pub async fn next(&mut self) -> Option<Note> {
        if self.is_over {
            return None;
        }
        let (number, note) = self.log.read(self.next).await;
        self.next = number + 1;
        self.is_over = matches!(note.phase, Phase::Over(_));
        Some(note)
    }
}
