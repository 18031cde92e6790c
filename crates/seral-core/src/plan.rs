//! The steps of a rollout, and the words in which the machine of `rollout` is spoken to and answers.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::limit::Limit;
use crate::share::Share;
use crate::time::Time;

/// The default time of a step: long enough for a few windows of whatever is measured.
const TIME: Duration = Duration::from_secs(60);
/// The default number of jobs of a step: with fewer, one failure in a hundred is seen by luck only.
const JOBS: u64 = 200;
/// A gate that could not decide is asked again no sooner than this: numbers do not change faster.
const AGAIN_MIN: Duration = Duration::from_secs(10);

// ---- the plan ------------------------------------------------------------------------------------------------------

/// What must pass before a step is long enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wait {
    /// A person says so.
    ByHand,
    /// Both have been reached, counted from when the share of the step was live. Default = 60 s and 200 jobs.
    For {
        /// How long the step lasts at least, pauses not counted.
        time: Duration,
        /// How many jobs the candidate must have finished in this step. Zero is taken as one.
        jobs: u64,
    },
}

impl Default for Wait {
    fn default() -> Self {
        Self::For { time: TIME, jobs: JOBS }
    }
}

/// One step of a plan: a share, and what must pass before the next one is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Step {
    /// The share of new work that the candidate gets.
    pub share: Share,
    /// How many jobs the candidate takes of that. A step with a limit is a canary: its share need not rise.
    pub limit: Limit,
    /// How long the step lasts.
    pub wait: Wait,
    /// Whether a gate must pass when the wait is over.
    pub gated: bool,
}

impl Step {
    /// A step of this share, with the default wait and without a gate.
    pub const fn of(share: Share) -> Self {
        Self { share, limit: Limit::None, wait: Wait::For { time: TIME, jobs: JOBS }, gated: false }
    }

    /// The same step with this limit.
    #[must_use]
    pub const fn limit(mut self, limit: Limit) -> Self {
        self.limit = limit;
        self
    }

    /// The same step with this wait.
    #[must_use]
    pub const fn wait(mut self, wait: Wait) -> Self {
        self.wait = wait;
        self
    }

    /// The same step with a gate.
    #[must_use]
    pub const fn gated(mut self) -> Self {
        self.gated = true;
        self
    }

    /// How long a gate that could not decide is left alone: the time of the step, and at least 10 s.
    pub(crate) fn again(self) -> Duration {
        match self.wait {
            Wait::ByHand => AGAIN_MIN,
            Wait::For { time, .. } => time.max(AGAIN_MIN),
        }
    }
}

/// The steps of a rollout. The last one is everybody.
///
/// ```
/// # use seral_core::plan::{Plan, Step, Wait};
/// # use seral_core::share::Share;
/// let few = Share::percent(5.0).ok_or("no share")?;
/// let half = Share::percent(50.0).ok_or("no share")?;
/// let plan = Plan::new([Step::of(few).gated(), Step::of(half).wait(Wait::ByHand)])?;
/// assert_eq!(plan.steps().len(), 3, "the last is everybody");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Plan {
    /// Never empty; shares without a limit rise, and the last is everybody.
    steps: Vec<Step>,
}

impl Plan {
    /// A plan of these steps. If the last one is not everybody, that step is added.
    ///
    /// # Errors
    ///
    /// A [`PlanError`] if the steps are no plan.
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Result<Self, PlanError> {
        let mut steps: Vec<Step> = steps.into_iter().collect();
        let everybody = Step::of(Share::EVERYBODY);
        let mut before = Share::NOBODY;
        for step in &steps {
            if step.share == Share::NOBODY {
                return Err(PlanError::Nobody);
            }
            let is_canary = step.limit != Limit::None;
            if is_canary && before < Share::EVERYBODY {
                continue;
            }
            if step.share <= before {
                return Err(PlanError::NotRising { share: step.share, before });
            }
            if step.share == Share::EVERYBODY && *step != everybody {
                return Err(PlanError::AfterEverybody);
            }
            before = step.share;
        }
        if steps.is_empty() {
            return Err(PlanError::Empty);
        }
        if steps.last() != Some(&everybody) {
            steps.push(everybody);
        }
        Ok(Self { steps })
    }

    /// All steps. The last is everybody, and its wait means nothing.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The number of the step of everybody.
    pub fn last(&self) -> usize {
        self.steps.len() - 1
    }
}

/// Why a list of steps is no plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlanError {
    /// There are no steps.
    Empty,
    /// A step gives nothing to the candidate.
    Nobody,
    /// A share is not more than the one before it.
    NotRising {
        /// The share that does not rise.
        share: Share,
        /// The share before it.
        before: Share,
    },
    /// The step of everybody has a wait or a gate.
    AfterEverybody,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a plan needs at least one step"),
            Self::Nobody => f.write_str("a step must give the candidate more than 0 % of new work"),
            Self::NotRising { share, before } => {
                write!(f, "a step of {share} follows one of {before}, and shares must rise with each step")
            }
            Self::AfterEverybody => f.write_str(
                "the step of 100 % is the promotion, so its wait or gate would never be passed: give it to the step before",
            ),
        }
    }
}

impl Error for PlanError {}

// ---- the words -----------------------------------------------------------------------------------------------------

/// What a gate says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The candidate is good enough for the next step.
    Pass,
    /// The candidate was measured, and is bad.
    Fail(String),
    /// There is too little to decide by.
    Inconclusive(String),
    /// It could not be measured.
    Error(String),
}

impl Verdict {
    /// Why it did not pass.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Pass => None,
            Self::Fail(reason) | Self::Inconclusive(reason) | Self::Error(reason) => Some(reason),
        }
    }
}

/// What happened. `finished` is how many jobs the candidate has finished so far, in all steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// New work goes to the candidate by this share.
    Live {
        /// The share that is live.
        share: Share,
        /// How many jobs the candidate has finished so far.
        finished: u64,
    },
    /// Somebody looks: the time of [`Action::WakeAt`] has come, or jobs were finished. A look too many does no harm.
    Look {
        /// How many jobs the candidate has finished so far.
        finished: u64,
        /// Whether the candidate was seen to be no worse than the current version, as far as anybody watches that. Until then it gets no more by itself.
        proven: bool,
    },
    /// What the gate of a step says. One of another step, or that nobody asked for, is ignored. Only a
    /// [`Verdict::Fail`] of the current step counts unasked: so a guard that watches all the time speaks.
    Verdict {
        /// The number of the step.
        step: usize,
        /// What the gate says.
        verdict: Verdict,
    },
}

/// What a person asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Freeze the rollout where it is, for this reason.
    Pause(String),
    /// Go on after a pause.
    Resume,
    /// End the wait of this step now. Its gate is still asked. One that could not decide is overruled.
    Next,
    /// Give all new work to the candidate now.
    Promote {
        /// Whether it is done though the rollout is paused, or the gate could not be measured.
        force: bool,
    },
    /// Take all new work from the candidate. If the rollout is over, nothing is done.
    Abort,
}

/// Why a verb was refused. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// The rollout has ended.
    Over(End),
    /// The rollout is paused.
    Paused,
    /// The rollout is not paused.
    NotPaused,
    /// The share of the step is not live yet.
    NotLive,
    /// The gate of the step is running.
    GateRuns,
    /// The gate of the step could not be measured, for this reason.
    GateFailed(String),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Over(end) => write!(f, "the rollout is over: {end}"),
            Self::Paused => f.write_str("the rollout is paused: resume it first"),
            Self::NotPaused => f.write_str("the rollout is not paused"),
            Self::NotLive => f.write_str("the share of this step is not live yet"),
            Self::GateRuns => f.write_str("the gate of this step is running: wait for its verdict"),
            Self::GateFailed(reason) => write!(f, "the gate of this step could not be measured: {reason}"),
        }
    }
}

impl Error for Refused {}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Give the candidate this share of new work, then report [`Event::Live`]. May come again for the same share.
    SetShare(Share),
    /// Ask the gate of this step, then report [`Event::Verdict`]. Nothing else is waited for, so a gate that takes too long is to be
    /// reported as a [`Verdict::Error`].
    RunGate {
        /// The number of the step.
        step: usize,
    },
    /// Report [`Event::Look`] at this time. Replaces what was armed before.
    WakeAt(Time),
    /// Make the candidate the current version. The rollout is over.
    Promote,
    /// Roll the candidate back. The rollout is over.
    RollBack {
        /// What was found.
        reason: String,
    },
    /// Give the candidate no new work any more, and let it drain. The rollout is over.
    Withdraw,
    /// Tell whoever watches.
    Tell(Note),
}

/// Where a rollout is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Note {
    /// The number of the step.
    pub step: usize,
    /// The share that the candidate is to have.
    pub share: Share,
    /// What it does or waits for.
    pub phase: Phase,
}

/// What a rollout does or waits for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Waits until the share of the step is live.
    Raising,
    /// Waits until the time of the step is over.
    Stepping,
    /// The time of the step is over; waits for more jobs.
    ShortOfJobs,
    /// There were enough jobs, and their failures leave open whether the candidate is worse than the current version; waits for more jobs, or for a person.
    Unproven,
    /// Waits for a person.
    ByHand,
    /// Waits for the verdict of the gate.
    Gating,
    /// The gate could not decide, for this reason; waits until it is asked again.
    Held(String),
    /// Frozen, for this reason.
    Paused(String),
    /// Nothing more will be done.
    Over(End),
}

/// In a few words.
impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Raising => f.write_str("waiting for its share"),
            Self::Stepping => f.write_str("waiting for the time of the step"),
            Self::ShortOfJobs => f.write_str("inconclusive, waiting for more jobs"),
            Self::Unproven => f.write_str("inconclusive: its failures leave open whether it is worse"),
            Self::ByHand => f.write_str("waiting for a person"),
            Self::Gating => f.write_str("waiting for the gate"),
            Self::Held(reason) => write!(f, "held by the gate: {reason}"),
            Self::Paused(reason) => write!(f, "paused: {reason}"),
            Self::Over(end) => end.fmt(f),
        }
    }
}

/// How a rollout ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// The candidate gets all new work.
    Promoted,
    /// The candidate was left, for this reason.
    RolledBack(String),
    /// A person ended it, or its community has ended.
    Aborted,
    /// Another candidate took its place.
    Replaced,
}

/// In a few words.
impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Promoted => f.write_str("promoted"),
            Self::RolledBack(reason) => write!(f, "rolled back: {reason}"),
            Self::Aborted => f.write_str("aborted"),
            Self::Replaced => f.write_str("replaced by another candidate"),
        }
    }
}
