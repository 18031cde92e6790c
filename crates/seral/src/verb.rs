//! The verbs of a community as messages, and what came of them.

use std::time::Duration;

use ractor::RpcReplyPort;
use seral_core::id::JobId;
use seral_core::id::PoolId;
use seral_core::id::Version;
use seral_core::time::Time;
use seral_core::versions::Answer;
use seral_core::versions::Takeover;
use tokio::sync::oneshot;

use crate::error::DeployError;
use crate::error::RollbackError;
use crate::error::ScaleError;
use crate::error::SendError;
use crate::plane::News;
use crate::pool::Pool;
use crate::pool_actor::PoolReport;
use crate::pool_actor::StartFailure;

/// Where the answer to a verb goes.
pub(crate) type Answered<T, E> = oneshot::Sender<Result<T, E>>;

/// A job sent to the dispatcher's actor, for callers that hold nothing but its `ActorRef`. See
/// [`Community::dispatcher`](crate::Community::dispatcher).
#[derive(Debug)]
pub struct Submission<J> {
    /// The job.
    pub job: J,
    /// Where the answer goes: the number of the admitted job, or the job. If the port is dropped, the job was not admitted.
    pub reply: RpcReplyPort<Result<JobId, SendError<J>>>,
}

/// What the dispatcher is told.
pub(crate) enum Message<J, O> {
    Deploy {
        version: Version,
        pool: Pool<J, O>,
        /// Though it is quarantined.
        force: bool,
        answer: Answered<Deployment, DeployError>,
    },
    Rollback(Answered<Rollback, RollbackError>),
    Scale(Version, usize, Answered<(), ScaleError>),
    Submit(Submission<J>),
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

impl<J, O> From<Submission<J>> for Message<J, O> {
    fn from(submission: Submission<J>) -> Self {
        Self::Submit(submission)
    }
}

impl<J, O> TryFrom<Message<J, O>> for Submission<J> {
    type Error = ();

    fn try_from(message: Message<J, O>) -> Result<Self, ()> {
        match message {
            Message::Submit(submission) => Ok(submission),
            _ => Err(()),
        }
    }
}

/// A deploy that took effect.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deployment {
    /// The version that is current now.
    pub version: Version,
    /// The version that it replaced, and that drains now.
    pub replaced: Option<Version>,
    /// Whether its workers had to be started. `None` if it was current already and nothing changed.
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

/// What the caller of a deploy hears.
pub(crate) fn deploy_answer(
    version: Version,
    answer: Answer,
    why: Option<StartFailure>,
    deadline: Duration,
) -> Result<Deployment, DeployError> {
    match answer {
        Answer::Deployed { how, replaced } => Ok(Deployment { version, replaced, how: Some(how) }),
        Answer::AlreadyCurrent => Ok(Deployment { version, replaced: None, how: None }),
        Answer::OtherBuild => Err(DeployError::OtherBuild { version }),
        Answer::StartFailed => match why {
            Some(StartFailure::Timeout(deadline)) => Err(DeployError::StartTimeout { version, deadline }),
            Some(StartFailure::Worker(why)) => Err(DeployError::Start { version, why }),
            None => Err(DeployError::StartTimeout { version, deadline }),
        },
        Answer::Overtaken => Err(DeployError::Overtaken { version }),
        Answer::Quarantined(version) => Err(DeployError::Quarantined { version }),
        Answer::RolledBack { .. }
        | Answer::EndedDeploy(_)
        | Answer::AlreadyRolledBack
        | Answer::NothingBefore => Err(DeployError::Interrupted),
    }
}

/// What the caller of a rollback hears.
pub(crate) fn rollback_answer(
    answer: Answer,
    why: Option<StartFailure>,
    switched_in: Duration,
) -> Result<Rollback, RollbackError> {
    match answer {
        Answer::RolledBack { from, to, how } => Ok(Rollback::To { from, to, how, switched_in }),
        Answer::EndedDeploy(version) => Ok(Rollback::DeployEnded { version }),
        Answer::AlreadyRolledBack => Ok(Rollback::Already),
        Answer::NothingBefore => Err(RollbackError::NothingBefore),
        Answer::Quarantined(version) => Err(RollbackError::Quarantined { version }),
        Answer::StartFailed => Err(RollbackError::Start {
            why: match why {
                Some(StartFailure::Worker(why)) => why,
                Some(StartFailure::Timeout(deadline)) => format!("no start within {deadline:?}"),
                None => "unknown".to_owned(),
            },
        }),
        Answer::Deployed { .. } | Answer::AlreadyCurrent | Answer::OtherBuild | Answer::Overtaken => {
            Err(RollbackError::Interrupted)
        }
    }
}
