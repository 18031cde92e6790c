//! The life of one version, and the words in which the machine of `versions` is spoken to and answers.

use std::fmt;

use crate::id::PoolId;
use crate::id::Revision;
use crate::id::VerbId;
use crate::id::Version;
use crate::routing::RoutingTable;
use crate::share::Share;

/// Where a version is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// Its workers are starting. It gets no jobs.
    Loading,
    /// Its workers are there. It gets only jobs that name it.
    Inactive,
    /// It gets a share of all new jobs that name no version.
    Ramping,
    /// It gets all new jobs that name no version and that nothing else claims.
    Current,
    /// It gets no new jobs, except those that name it, and finishes what it has.
    Draining,
    /// It has finished everything; its workers are leaving.
    Drained,
    /// Its workers are gone.
    Retired,
    /// Its workers could not be started.
    Failed,
}

impl State {
    /// Whether its workers are there, so that it can become current at once.
    pub fn is_warm(self) -> bool {
        matches!(self, Self::Inactive | Self::Ramping | Self::Current | Self::Draining)
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody called a verb.
    Called {
        /// The call to answer.
        verb: VerbId,
        /// The table that whoever called it had in mind; of another one they are told, and nothing changes.
        expected: Option<Revision>,
        /// What to do.
        what: Verb,
        /// Whether it waits for nothing that loads: the step of a rollout that is on its way. A rollback, a rejection and an abort never wait.
        urgent: bool,
    },
    /// All workers of a loading pool have started.
    Started(PoolId),
    /// A loading pool could not be started.
    StartFailed(PoolId),
    /// A draining pool has finished everything.
    Drained(PoolId),
    /// The waiting jobs of a replaced pool have all been moved.
    Recalled(PoolId),
    /// The last worker of a pool has left.
    Ended(PoolId),
    /// No worker of a pool can be kept running. May be told again and again.
    Broken(PoolId),
}

/// What somebody wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Start a version, unless its workers are there, and do with it what is aimed at.
    Deploy {
        /// The name of the version.
        version: Version,
        /// What the version is made of; it tells two builds of one name apart.
        build: Build,
        /// What becomes of it when its workers are there.
        aim: Aim,
        /// Whether it is deployed though it is quarantined.
        force: bool,
    },
    /// Give a version whose workers are there another share of new jobs. With none it drains.
    Ramp {
        /// The version.
        version: Version,
        /// Its share from now on.
        share: Share,
    },
    /// Make a version current whose workers are there.
    Promote(Version),
    /// Go back.
    Rollback {
        /// To this version, or to the one that was promoted last before what is left.
        to: Option<Version>,
    },
    /// Leave a version that is being ramped, since it was found to be bad: its waiting jobs go back, and it is quarantined.
    Reject(Version),
    /// End what is being ramped, loading or not: it drains.
    Abort,
    /// Give a version no new jobs; it finishes what it has.
    Drain {
        /// The version.
        version: Version,
        /// Whether it may be the current one, so that new jobs wait.
        allow_empty: bool,
    },
}

impl Answer {
    /// Whether the verb changed anything.
    pub fn is_change(&self) -> bool {
        match self {
            Self::Current { .. }
            | Self::Ramping { .. }
            | Self::Inactive(_)
            | Self::Draining
            | Self::RolledBack { .. }
            | Self::EndedDeploy(_) => true,
            Self::Aborted(versions) => !versions.is_empty(),
            Self::Already(_)
            | Self::Conflict(_)
            | Self::OtherBuild
            | Self::Quarantined(_)
            | Self::Misused(_)
            | Self::StartFailed
            | Self::Overtaken
            | Self::AlreadyRolledBack
            | Self::NothingBefore => false,
        }
    }
}

impl Verb {
    /// The version that it is about.
    pub fn version(&self) -> Option<Version> {
        match self {
            Self::Deploy { version, .. }
            | Self::Ramp { version, .. }
            | Self::Promote(version)
            | Self::Reject(version)
            | Self::Drain { version, .. } => Some(version.clone()),
            Self::Rollback { to } => to.clone(),
            Self::Abort => None,
        }
    }
}

/// As people would say it: `ramp 2.0.0 to 25 %`.
impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deploy { version, aim: Aim::Current, .. } => write!(f, "deploy {version}"),
            Self::Deploy { version, aim: Aim::Ramp { share, .. }, .. } => {
                write!(f, "deploy {version} with {share}")
            }
            Self::Deploy { version, aim: Aim::Hold, .. } => write!(f, "deploy {version} and hold it"),
            Self::Ramp { version, share } => write!(f, "ramp {version} to {share}"),
            Self::Promote(version) => write!(f, "promote {version}"),
            Self::Rollback { to: None } => f.write_str("roll back"),
            Self::Rollback { to: Some(version) } => write!(f, "roll back to {version}"),
            Self::Reject(version) => write!(f, "reject {version}"),
            Self::Abort => f.write_str("abort"),
            Self::Drain { version, .. } => write!(f, "drain {version}"),
        }
    }
}

/// What becomes of a version that is deployed, when its workers are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Aim {
    /// It becomes current. What was current or ramped before it drains.
    Current,
    /// It gets a share. Without a current version it becomes current, since nobody else is there for the rest.
    Ramp {
        /// How much.
        share: Share,
        /// Whether what is being ramped keeps its share; else it drains.
        beside: bool,
    },
    /// It gets only jobs that name it.
    Hold,
}

/// What a version is made of: two builds are the same if they are equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Build(pub String);

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start a pool for this version, beside all others.
    Start(PoolId, Version),
    /// Open the gate of this pool's mailbox to all jobs, and let its workers take.
    Open(PoolId),
    /// Open the gate of this pool's mailbox to jobs that name its version, and let its workers take.
    Reserve(PoolId),
    /// Publish this routing table.
    Publish(RoutingTable<PoolId>),
    /// Let only jobs into this pool's mailbox that name its version, and let it drain.
    Narrow(PoolId),
    /// Let this pool's workers take nothing more.
    Halt(PoolId),
    /// Move the waiting jobs of this pool to where the table sends them, then report [`Event::Recalled`].
    Recall(PoolId),
    /// Let this pool's workers take again.
    Resume(PoolId),
    /// Stop this pool, which never served.
    Dismiss(PoolId),
    /// Set the jobs of this pool aside that name its version, and let no more of them in.
    GiveUpPinned(PoolId),
    /// Drop what is kept of this version.
    Forget(Version),
    /// Tell whoever watches that a version changed its state.
    Tell(Version, State),
    /// Tell whoever watches that a version has another share.
    TellShare(Version, Share),
    /// Tell whoever watches what is done about a version that cannot keep its workers.
    TellBroken(Version, Remedy),
    /// Answer a call.
    Answer(VerbId, Answer),
}

/// What became of a verb.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The version is current.
    Current {
        /// How it came to be.
        how: Takeover,
        /// The version that it replaced.
        replaced: Option<Version>,
    },
    /// The version has a share of new jobs.
    Ramping {
        /// How much.
        share: Share,
        /// How it came to be.
        how: Takeover,
    },
    /// The version gets jobs that name it.
    Inactive(Takeover),
    /// The version drains.
    Draining,
    /// The version was in this state already, and stays in it; nothing changed.
    Already(State),
    /// What was ramped drains: these versions, or none if nothing was.
    Aborted(Vec<Version>),
    /// The table is another than the caller thought: this one. Nothing changed.
    Conflict(Revision),
    /// The version has another build than the one that was deployed under this name.
    OtherBuild,
    /// The version was left for its failures; nothing changed.
    Quarantined(Version),
    /// The verb does not fit; nothing changed, except that a version that was started for it and finds no room for its share is held.
    Misused(Misuse),
    /// The version could not be started; nothing else changed.
    StartFailed,
    /// A rollback or an abort was called before it could take effect; it changed nothing.
    Overtaken,
    /// An earlier version has all new jobs again.
    RolledBack {
        /// The version that was left.
        from: Version,
        /// The version that is current.
        to: Version,
        /// How it came to be.
        how: Takeover,
    },
    /// A deploy that was still loading, or a verb in line, has been ended; the current version stayed.
    EndedDeploy(Version),
    /// The last change was this rollback already; nothing changed.
    AlreadyRolledBack,
    /// There is no earlier version.
    NothingBefore,
}

/// Why a verb does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Misuse {
    /// Nothing is known of this version.
    Unknown(Version),
    /// Its workers are not there.
    NotRunning(Version, State),
    /// It is current: it gets all that nobody else does.
    IsCurrent(Version),
    /// No version is current, which would get the rest.
    NothingCurrent,
    /// Others that are ramped own too much; this is the most that it can have.
    TooMuch(Share),
}

/// How a version came to its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Takeover {
    /// Its workers were still there: one gate and one swap.
    Warm,
    /// Its workers had to be started first.
    Cold,
}

/// What is done about a version whose workers cannot be kept running.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// It was current. This version, which was still there, is current again; the broken one is quarantined.
    FallBack(Version),
    /// Its jobs go to where the table sends them without it, those that name it are set aside, and it is quarantined.
    GiveBack,
    /// It is current, and no other version is there to take its place: its workers are tried again, and its jobs wait.
    KeepTrying,
}
