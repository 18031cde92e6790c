//! What can go wrong, named after the act. Errors of sending give the job back by value.

use std::fmt;
use std::time::Duration;

use seral_core::id::Revision;
use seral_core::id::Version;
use seral_core::rollout::Refused;
use seral_core::share::Share;
use seral_core::versions::State;
use seral_core::whose::Whose;
use thiserror::Error;

/// A job was not admitted. It comes back: see [`into_job`](Self::into_job).
#[derive(Error)]
#[non_exhaustive]
pub enum SendError<J> {
    /// There is no room now. `send` waits for it, unless it comes from a worker on whom that room depends.
    #[error(
        "the mailbox is full; `send` waits for room, but not in a worker on whom that room depends: try again later, or raise `mailbox`"
    )]
    Full(J),
    /// As many jobs are delayed as may be.
    #[error(
        "as many jobs are delayed as may be; try again when some of them are due, or raise `delayed` on the community"
    )]
    TooManyDelayed(J),
    /// No version has been deployed yet. `send` waits for one.
    #[error("no version is deployed; call `deploy` first, or use `send` to wait for one")]
    NoVersion(J),
    /// The community is shutting down and takes no jobs from outside.
    #[error("the community is shutting down and takes no new jobs")]
    Closed(J),
    /// The job names a version that does not serve it.
    #[error("version {version} does not take jobs{}", instead(.successor.as_ref(), .current.as_ref()))]
    PinUnserved {
        /// The job.
        job: J,
        /// The version that it names, or that a pin ties it to.
        version: Version,
        /// The version that took its place, if it is one that is gone.
        successor: Option<Version>,
        /// The version that is current, if there is one.
        current: Option<Version>,
    },
    /// A worker asked its own community, or a community that waits for it: no answer could ever come.
    #[error(
        "asking here would wait for ever: this worker is part of what the answer waits for; send instead of asking"
    )]
    WouldDeadlock(J),
}

/// Where jobs go that a version does not take, in words.
pub(crate) fn instead(successor: Option<&Version>, current: Option<&Version>) -> String {
    match (successor, current) {
        (Some(successor), _) => format!("; version {successor} took its place"),
        (None, Some(current)) => format!("; the current version is {current}"),
        (None, None) => String::new(),
    }
}

impl<J> SendError<J> {
    /// The job that was not admitted.
    pub fn into_job(self) -> J {
        match self {
            Self::Full(job)
            | Self::NoVersion(job)
            | Self::Closed(job)
            | Self::WouldDeadlock(job)
            | Self::TooManyDelayed(job)
            | Self::PinUnserved { job, .. } => job,
        }
    }
}

impl<J> SendError<J> {
    /// The same error with something made of the job.
    pub(crate) fn map<K>(self, make: impl FnOnce(J) -> K) -> SendError<K> {
        match self {
            Self::Full(job) => SendError::Full(make(job)),
            Self::NoVersion(job) => SendError::NoVersion(make(job)),
            Self::Closed(job) => SendError::Closed(make(job)),
            Self::WouldDeadlock(job) => SendError::WouldDeadlock(make(job)),
            Self::TooManyDelayed(job) => SendError::TooManyDelayed(make(job)),
            Self::PinUnserved { job, version, successor, current } => {
                SendError::PinUnserved { job: make(job), version, successor, current }
            }
        }
    }
}

/// Without the job, which need not be printable.
impl<J> fmt::Debug for SendError<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(_) => f.write_str("Full(..)"),
            Self::NoVersion(_) => f.write_str("NoVersion(..)"),
            Self::Closed(_) => f.write_str("Closed(..)"),
            Self::WouldDeadlock(_) => f.write_str("WouldDeadlock(..)"),
            Self::TooManyDelayed(_) => f.write_str("TooManyDelayed(..)"),
            Self::PinUnserved { version, .. } => write!(f, "PinUnserved({version:?}, ..)"),
        }
    }
}

/// `send_all` stopped early.
#[derive(Error)]
#[error("{sent} jobs were admitted, then: {why}")]
pub struct SendAllError<J> {
    /// How many jobs were admitted.
    pub sent: usize,
    /// Why the next was not. Gives back the job if one had been taken from the iterator.
    pub why: SendError<Option<J>>,
}

impl<J> fmt::Debug for SendAllError<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendAllError").field("sent", &self.sent).field("why", &self.why).finish()
    }
}

/// A replay stopped early. What was not replayed is still a dead letter.
#[derive(Error)]
#[non_exhaustive]
#[error("{replayed} dead letters were replayed, then: {why}")]
pub struct ReplayError {
    /// How many were replayed.
    pub replayed: usize,
    /// Why the next was not.
    pub why: SendError<()>,
}

impl fmt::Debug for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayError").field("replayed", &self.replayed).field("why", &self.why).finish()
    }
}

/// An admitted job did not come to an output.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JobError {
    /// All attempts failed, or the worker set the job aside. It is kept as a dead letter.
    #[error("the job failed after {attempts} attempt(s), the last one with: {last}")]
    Failed {
        /// How many attempts were made; zero, if the job named a version that took nothing any more before the first.
        attempts: u32,
        /// What the last one ended with.
        last: String,
    },
    /// The worker gave the job up.
    #[error("the worker discarded the job: {why}")]
    Discarded {
        /// What it said.
        why: String,
    },
    /// The job's deadline passed before it was started, or before it could be tried again.
    #[error("the deadline passed before the job was started, or tried again")]
    Expired,
    /// Its sender asked it to end, and it did.
    #[error("the job was cancelled")]
    Cancelled,
    /// The ecosystem or the community shut down first; the job went to the hand-back hook.
    #[error("the community shut down before the job was done; the job was handed back")]
    HandedBack,
    /// The runtime went away with the job in it.
    #[error("the runtime ended before the job was done")]
    RuntimeGone,
}

/// [`ask`](crate::Community::ask) got no output.
#[derive(Error)]
#[non_exhaustive]
pub enum AskError<J> {
    /// The job was not admitted and comes back.
    #[error(transparent)]
    Send(#[from] SendError<J>),
    /// The job was admitted and did not come to an output.
    #[error(transparent)]
    Job(JobError),
}

/// Without the job, which need not be printable.
impl<J> fmt::Debug for AskError<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send(why) => f.debug_tuple("Send").field(why).finish(),
            Self::Job(why) => f.debug_tuple("Job").field(why).finish(),
        }
    }
}

/// A community could not be made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CommunityError {
    /// There is no tokio runtime here.
    #[error("there is no tokio runtime here; call this inside `#[tokio::main]` or `Runtime::block_on`")]
    NoRuntime,
    /// The ecosystem has a community of this name, perhaps one that is being shut down: the name is free when that is over.
    #[error("the ecosystem has a community {name:?} already; `find` gives its handle")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// The ecosystem has been shut down.
    #[error("the ecosystem is shutting down and takes no new communities")]
    ShutDown,
    /// What was asked for makes no sense.
    #[error("{0}")]
    Invalid(&'static str),
    /// An actor could not be started.
    #[error("the actors of the community could not be started: {why}")]
    Spawn {
        /// What the actor runtime said.
        why: String,
    },
}

/// There is no such community.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FindError {
    /// No community has this name.
    #[error("there is no community {name:?}; there are: {}", if .known.is_empty() { "none".to_owned() } else { .known.join(", ") })]
    Unknown {
        /// The name that was looked for.
        name: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// The community has other types.
    #[error("community {name:?} is a `Community<{job}, {output}>`")]
    OtherTypes {
        /// The name that was looked for.
        name: String,
        /// The type of its jobs.
        job: &'static str,
        /// The type of its outputs.
        output: &'static str,
    },
}

/// A version could not be deployed. Nothing else has changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DeployError {
    /// Its workers could not be started.
    #[error("version {version} could not be started and gets no jobs: {why}")]
    Start {
        /// The version.
        version: Version,
        /// What the first worker that failed said.
        why: String,
    },
    /// Its workers took too long to start.
    #[error("version {version} did not start within {deadline:?} and gets no jobs")]
    StartTimeout {
        /// The version.
        version: Version,
        /// How long it had.
        deadline: Duration,
    },
    /// The name belongs to another build.
    #[error("version {version} was deployed before with another build; give the new build a new name")]
    OtherBuild {
        /// The version.
        version: Version,
    },
    /// The version was left because a gate failed or its workers could not be kept running.
    #[error(
        "version {version} is quarantined, because a gate failed or its workers could not be kept running; deploy it with `.force()`, or a mended build under a new name"
    )]
    Quarantined {
        /// The version.
        version: Version,
    },
    /// The name, the size or the share is not usable.
    #[error("{0}")]
    Invalid(String),
    /// Others that are being ramped have too much of the new jobs. If they took it while the version's workers were started, it is held.
    #[error(
        "version {version} can have at most {most} of new jobs, since others are being ramped; lower their shares first"
    )]
    TooMuch {
        /// The version.
        version: Version,
        /// The most that it can have.
        most: Share,
    },
    /// The version is being ramped by hand, so there is no plan to go on with.
    #[error("version {version} is being ramped by hand; go on with `ramp` and `promote`, or `abort` first")]
    RampedByHand {
        /// The version.
        version: Version,
    },
    /// The routing table has changed since the caller looked.
    #[error(
        "the routing table is revision {current} by now; look at `describe` again, then repeat the deploy if it still fits"
    )]
    Conflict {
        /// The number of the table that there is.
        current: Revision,
    },
    /// A rollback or an abort was called while the version was loading.
    #[error("a rollback or an abort was called before version {version} had its place; it gets no jobs")]
    Overtaken {
        /// The version.
        version: Version,
    },
    /// The community is shutting down, or the dispatcher was restarted meanwhile.
    #[error("the deploy was interrupted; `describe` says which version is current")]
    Interrupted,
}

/// A version could not be rolled back. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RollbackError {
    /// There is no version before the current one.
    #[error("there is no earlier version to go back to")]
    NothingBefore,
    /// The earlier version was left because a gate failed or its workers could not be kept running.
    #[error(
        "the earlier version {version} is quarantined, because a gate failed or its workers could not be kept running; deploy it with `.force()`, or another version"
    )]
    Quarantined {
        /// The version.
        version: Version,
    },
    /// There is no such version to go back to.
    #[error("version {version} is not known here; `describe` lists the versions that are")]
    Unknown {
        /// The version.
        version: Version,
    },
    /// The routing table has changed since the caller looked.
    #[error(
        "the routing table is revision {current} by now; look at `describe` again, then repeat the rollback if it still fits"
    )]
    Conflict {
        /// The number of the table that there is.
        current: Revision,
    },
    /// The earlier version's workers were gone, and could not be started again.
    #[error("the earlier version could not be started again, so the current one stays: {why}")]
    Start {
        /// What the first worker that failed said.
        why: String,
    },
    /// The community is shutting down, or the dispatcher was restarted meanwhile.
    #[error("the rollback was interrupted; `describe` says which version is current")]
    Interrupted,
}

/// A verb did not fit. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VerbError {
    /// Nothing is known of the version.
    #[error("version {version} is not known here; deploy it first")]
    Unknown {
        /// The version.
        version: Version,
    },
    /// The version's workers are gone.
    #[error("version {version} has no workers any more (it is {state:?}); deploy it again")]
    NotRunning {
        /// The version.
        version: Version,
        /// Where it is in its life.
        state: State,
    },
    /// The version is current, and gets what no other version has.
    #[error("version {version} is current; promote another version first, or roll back")]
    IsCurrent {
        /// The version.
        version: Version,
    },
    /// There is no current version for the rest of the new jobs.
    #[error("no version is current that could get the rest; promote version {version} instead")]
    NothingCurrent {
        /// The version.
        version: Version,
    },
    /// Others that are being ramped have too much of the new jobs.
    #[error(
        "version {version} can have at most {most} of new jobs, since others are being ramped; lower their shares first"
    )]
    TooMuch {
        /// The version.
        version: Version,
        /// The most that it can have.
        most: Share,
    },
    /// The version was left because a gate failed or its workers could not be kept running.
    #[error(
        "version {version} is quarantined, because a gate failed or its workers could not be kept running; deploy it with `.force()`, or a mended build under a new name"
    )]
    Quarantined {
        /// The version.
        version: Version,
    },
    /// The version is not drained, so it is not retired.
    #[error("version {version} is not drained (it is {state:?}); drain it first, or roll back from it")]
    NotDrained {
        /// The version.
        version: Version,
        /// Where it is in its life.
        state: State,
    },
    /// None of the version's workers runs at the moment.
    #[error(
        "none of the workers of version {version} runs; wait until they do, or promote it with `.force()`"
    )]
    NoWorkers {
        /// The version.
        version: Version,
    },
    /// There is no such pin or rule.
    #[error("there is none for {whose}; `describe` lists the pins and rules that there are")]
    NoSuchChoice {
        /// Whose jobs it was to be about.
        whose: Whose,
    },
    /// There are as many pins and rules as there may be.
    #[error(
        "there are 10,000 pins and rules, which is the most; end some of them first, or let pins last for a while only"
    )]
    TooManyChoices,
    /// What was written does not fit together.
    #[error("{0}")]
    Invalid(String),
    /// The share is not a percentage.
    #[error("{percent} is no share: it must be from 0 to 100 percent")]
    NoShare {
        /// What was given.
        percent: String,
    },
    /// The routing table has changed since the caller looked.
    #[error(
        "the routing table is revision {current} by now; look at `describe` again, then repeat the verb if it still fits"
    )]
    Conflict {
        /// The number of the table that there is.
        current: Revision,
    },
    /// A rollback was called before the verb could take effect.
    #[error("a rollback was called before it was the turn of version {version}; nothing was done")]
    Overtaken {
        /// The version.
        version: Version,
    },
    /// The community is shutting down, or the dispatcher was restarted meanwhile.
    #[error("the verb was interrupted; `describe` says which version gets new jobs")]
    Interrupted,
}

/// A verb of a rollout did not fit. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RolloutError {
    /// It does not fit where the rollout is.
    #[error(transparent)]
    Refused(Refused),
    /// The community is shutting down, or the dispatcher was restarted meanwhile.
    #[error("the verb was interrupted; the rollout's `status` says where it is")]
    Interrupted,
}

/// A pool could not be scaled.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ScaleError {
    /// No such version has workers.
    #[error("version {version} has no workers; deploy it first")]
    NotRunning {
        /// The version.
        version: Version,
    },
    /// A pool needs a worker.
    #[error("a pool needs between 1 and {max} workers")]
    Size {
        /// The most workers that a pool may have.
        max: usize,
    },
    /// The community is shutting down, or an actor was restarted meanwhile.
    #[error("the scaling was interrupted; `describe` says how many workers there are")]
    Interrupted,
}

/// Nothing can be said about a version.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("version {version} is not known here; `describe` lists the versions that are")]
pub struct UnknownVersion {
    /// The version.
    pub version: Version,
}
