//! The verbs of a community as messages, and what came of them.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use seral_core::id::PoolId;
use seral_core::id::Revision;
use seral_core::id::Version;
use seral_core::rollout::Refused;
use seral_core::rollout::Verb as RolloutVerb;
use seral_core::rollout::Verdict;
use seral_core::share::Share;
use seral_core::time::Time;
use seral_core::versions::Answer;
use seral_core::versions::Misuse;
use seral_core::versions::State;
use seral_core::versions::Takeover;
use seral_core::versions::Verb;
use seral_core::whose::Whose;
use tokio::sync::oneshot;

pub use crate::admission::Submission;
use crate::course::Log;
use crate::course::Planned;
use crate::error::DeployError;
use crate::error::RollbackError;
use crate::error::ScaleError;
use crate::error::VerbError;
use crate::frame::News;
use crate::pool::Spec;
use crate::pool_actor::PoolReport;
use crate::pool_actor::StartFailure;

/// Somebody calls a verb and waits for what comes of it.
pub(crate) struct Call {
    pub(crate) what: Verb,
    /// The table that they have in mind.
    pub(crate) expected: Option<Revision>,
    pub(crate) signed: Signed,
    /// Whether a version is promoted though none of its workers runs.
    pub(crate) forced: bool,
    /// How long the version is watched when it has taken over.
    pub(crate) watch_for: Option<Duration>,
    /// What is deployed, if that is the verb.
    pub(crate) pool: Option<Spec>,
    /// How it gets more new jobs, step by step, if it does.
    pub(crate) planned: Option<Planned>,
    pub(crate) answer: oneshot::Sender<Outcome>,
}

/// Who calls a verb, and why, if they say so.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signed {
    pub(crate) by: Option<String>,
    pub(crate) why: Option<String>,
}

/// What came of a verb.
pub(crate) struct Outcome {
    pub(crate) answer: Answer,
    /// Why a pool could not be started.
    pub(crate) why: Option<StartFailure>,
    /// How long gate, swap and halt took.
    pub(crate) switched_in: Duration,
    /// What the rollout tells that is in progress, if the version was being ramped by it already.
    pub(crate) rollout: Option<Arc<Log>>,
}

impl Outcome {
    /// Of a verb that is answered without anything having been done.
    pub(crate) fn of(answer: Answer) -> Self {
        Self { answer, why: None, switched_in: Duration::ZERO, rollout: None }
    }
}

/// Where the answer to a scaling goes.
pub(crate) type Answered<T, E> = oneshot::Sender<Result<T, E>>;

/// What the dispatcher is told.
pub(crate) enum Message {
    /// Boxed, since it is large and most messages are not.
    Call(Box<Call>),
    /// To the rollout with this log.
    Course(Arc<Log>, Told),
    Scale(Version, usize, Answered<(), ScaleError>),
    /// A [`Submission`] of the job type of the community.
    Submit(Box<dyn Any + Send>),
    News(News),
    Report(PoolReport),
    PoolEnded(PoolId),
    RecallSlice {
        pool: PoolId,
        since: Time,
        moved: usize,
    },
    TimerFired,
    /// The community has been closed for good.
    Closed,
    /// For tests: fail as a broken dispatcher would.
    Panic,
}

/// What a rollout is told.
pub(crate) enum Told {
    /// The time of a look has come.
    Look,
    /// The gate of a step has spoken.
    Verdict(usize, Verdict),
    /// Somebody calls one of its verbs.
    Call(RolloutVerb, oneshot::Sender<Result<(), Refused>>),
}

impl<J: Send + 'static> From<Submission<J>> for Message {
    fn from(submission: Submission<J>) -> Self {
        Self::Submit(Box::new(submission))
    }
}

impl<J: 'static> TryFrom<Message> for Submission<J> {
    type Error = ();

    fn try_from(message: Message) -> Result<Self, ()> {
        match message {
            Message::Submit(submission) => {
                submission.downcast().map(|submission| *submission).map_err(|_| ())
            }
            _ => Err(()),
        }
    }
}

/// What came of a deploy, or of another verb that gives a version its place.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deployment {
    /// The version.
    pub version: Version,
    /// Where it is now.
    pub state: State,
    /// Its share of new jobs, if it is being ramped.
    pub share: Option<Share>,
    /// The version that it replaced as the current one, and that drains now.
    pub replaced: Option<Version>,
    /// Whether its workers had to be started. `None` if it was there already and nothing changed.
    pub how: Option<Takeover>,
}

/// A rollback that took effect.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rollback {
    /// The earlier version is current again. Its predecessor's waiting jobs follow; [`Event::Recalled`](crate::Event::Recalled) tells when all have.
    To {
        /// The version that was current.
        from: Version,
        /// The version that is current.
        to: Version,
        /// Whether its workers were still there.
        how: Takeover,
        /// How long gate, swap and halt took.
        switched_in: Duration,
    },
    /// A version that was still loading was given up; the current one stayed.
    DeployEnded {
        /// The version that was given up.
        version: Version,
    },
    /// The last change was this rollback already; nothing changed.
    Already,
}

impl Deployment {
    fn new(version: Version, state: State, how: Option<Takeover>) -> Self {
        Self { version, state, share: None, replaced: None, how }
    }

    /// What came of a verb that gives this version its place; else the answer.
    pub(crate) fn of(version: &Version, answer: Answer) -> Result<Self, Answer> {
        let place = |state, how| Self::new(version.clone(), state, how);
        match answer {
            Answer::Current { how, replaced } => Ok(Self { replaced, ..place(State::Current, Some(how)) }),
            Answer::Ramping { share, how } => {
                Ok(Self { share: Some(share), ..place(State::Ramping, Some(how)) })
            }
            Answer::Inactive(how) => Ok(place(State::Inactive, Some(how))),
            Answer::Draining => Ok(place(State::Draining, Some(Takeover::Warm))),
            Answer::Already(state) => Ok(place(state, None)),
            Answer::Retired => Ok(place(State::Drained, Some(Takeover::Warm))),
            other => Err(other),
        }
    }
}

/// What the caller of a deploy hears.
pub(crate) fn deploy_answer(version: Version, outcome: Outcome) -> Result<Deployment, DeployError> {
    let why = outcome.why;
    Deployment::of(&version, outcome.answer).map_err(|answer| match answer {
        Answer::OtherBuild => DeployError::OtherBuild { version },
        Answer::StartFailed => match why {
            Some(StartFailure::Timeout(deadline)) => DeployError::StartTimeout { version, deadline },
            Some(StartFailure::Worker(why)) => DeployError::Start { version, why },
            None => DeployError::Interrupted,
        },
        Answer::Overtaken => DeployError::Overtaken { version },
        Answer::Quarantined(version) => DeployError::Quarantined { version },
        Answer::Misused(Misuse::TooMuch(most)) => DeployError::TooMuch { version, most },
        Answer::Conflict(current) => DeployError::Conflict { current },
        _ => DeployError::Interrupted,
    })
}

/// What the caller of a rollback hears.
pub(crate) fn rollback_answer(outcome: Outcome) -> Result<Rollback, RollbackError> {
    let Outcome { answer, why, switched_in, .. } = outcome;
    match answer {
        Answer::RolledBack { from, to, how } => Ok(Rollback::To { from, to, how, switched_in }),
        Answer::EndedDeploy(version) => Ok(Rollback::DeployEnded { version }),
        Answer::AlreadyRolledBack => Ok(Rollback::Already),
        Answer::NothingBefore => Err(RollbackError::NothingBefore),
        Answer::Quarantined(version) => Err(RollbackError::Quarantined { version }),
        Answer::Misused(Misuse::Unknown(version)) => Err(RollbackError::Unknown { version }),
        Answer::Conflict(current) => Err(RollbackError::Conflict { current }),
        Answer::StartFailed => Err(RollbackError::Start {
            why: match why {
                Some(StartFailure::Worker(why)) => why,
                Some(StartFailure::Timeout(deadline)) => format!("no start within {deadline:?}"),
                None => "unknown".to_owned(),
            },
        }),
        _ => Err(RollbackError::Interrupted),
    }
}

/// What the caller of a verb hears that gives a version another place.
pub(crate) fn place_answer(version: Version, answer: Answer) -> Result<Deployment, VerbError> {
    Deployment::of(&version, answer).map_err(|answer| verb_error(version, answer))
}

/// What the caller of a verb hears that ties some jobs to a version, or no longer.
pub(crate) fn choice_answer(whose: Whose, version: Option<Version>, answer: Answer) -> Result<(), VerbError> {
    match answer {
        Answer::Chosen | Answer::Already(_) => Ok(()),
        Answer::NoSuchChoice => Err(VerbError::NoSuchChoice { whose }),
        other => Err(match (other, version) {
            (Answer::Conflict(current), _) => VerbError::Conflict { current },
            (Answer::Overtaken, None) => VerbError::Interrupted,
            (other, Some(version)) => verb_error(version, other),
            (_, None) => VerbError::Interrupted,
        }),
    }
}

/// What the caller of an abort hears.
pub(crate) fn abort_answer(answer: Answer) -> Result<Vec<Version>, VerbError> {
    match answer {
        Answer::Aborted(versions) => Ok(versions),
        Answer::Conflict(current) => Err(VerbError::Conflict { current }),
        _ => Err(VerbError::Interrupted),
    }
}

/// Why a verb about this version does not fit.
pub(crate) fn verb_error(version: Version, answer: Answer) -> VerbError {
    match answer {
        Answer::Overtaken => VerbError::Overtaken { version },
        Answer::Quarantined(version) => VerbError::Quarantined { version },
        Answer::Conflict(current) => VerbError::Conflict { current },
        Answer::Misused(Misuse::NothingCurrent) => VerbError::NothingCurrent { version },
        Answer::Misused(Misuse::TooMuch(most)) => VerbError::TooMuch { version, most },
        Answer::Misused(misuse) => misuse_error(misuse),
        _ => VerbError::Interrupted,
    }
}

/// What the caller of a verb hears that does not fit, where the misuse says all.
fn misuse_error(misuse: Misuse) -> VerbError {
    match misuse {
        Misuse::Unknown(version) => VerbError::Unknown { version },
        Misuse::NotRunning(version, state) => VerbError::NotRunning { version, state },
        Misuse::IsCurrent(version) => VerbError::IsCurrent { version },
        Misuse::NotDrained(version, state) => VerbError::NotDrained { version, state },
        Misuse::NoWorkers(version) => VerbError::NoWorkers { version },
        Misuse::TooManyChoices => VerbError::TooManyChoices,
        _ => VerbError::Interrupted,
    }
}
