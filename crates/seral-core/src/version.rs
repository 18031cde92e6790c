//! The life of one version, and the words in which the machine of `versions` is spoken to and answers.

use std::time::Duration;

use crate::id::PoolId;
use crate::id::Revision;
use crate::id::VerbId;
use crate::id::Version;
use crate::limit::Limit;
use crate::routing::RoutingTable;
use crate::share::Share;
use crate::time::Time;
use crate::verb::Verb;
use crate::whose::Whose;

/// Where a version is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// Its workers are starting. It gets no jobs.
    Loading,
    /// Its workers are there. It gets only jobs that name it.
    Inactive,
    /// It gets a share of all new jobs that name no version, or those that rules send to it.
    Ramping,
    /// It gets all new jobs that name no version and that nothing else claims.
    Current,
    /// It gets no new jobs, except those that name it, and finishes what it has.
    Draining,
    /// It has finished everything; its workers are leaving, or are kept for a while.
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
    Drained {
        /// The pool.
        pool: PoolId,
        /// Whether its workers are kept, so that it can be opened again.
        kept: bool,
    },
    /// A job that names its version came to a pool that was drained and kept.
    Revived(PoolId),
    /// The time is over for which a drained pool was to be kept.
    Cooled(PoolId),
    /// The time is over that a pool had to drain.
    Overdue(PoolId),
    /// It is so late: pins may have ended.
    Clock(Time),
    /// The waiting jobs of a replaced pool have all been moved.
    Recalled(PoolId),
    /// The last worker of a pool has left.
    Ended(PoolId),
    /// No worker of a pool can be kept running. May be told again and again.
    Broken(PoolId),
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start a pool for this version, beside all others.
    Start(PoolId, Version),
    /// Open the gate of this pool's mailbox to all jobs, up to this limit, and let its workers take. Nobody is asked to make room any more.
    Open(PoolId, Limit),
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
    /// If this pool is not drained in so much time, report [`Event::Overdue`].
    DrainWithin(PoolId, Duration),
    /// Ask what runs in this pool to make room.
    AskToYield(PoolId),
    /// Keep the workers of this drained pool for its time, then report [`Event::Cooled`].
    KeepWarm(PoolId),
    /// Keep the workers of this pool no longer: they leave when it is drained, or now if it is.
    Cool(PoolId),
    /// Keep this pool from being drained, for a pin.
    Hold(PoolId),
    /// A pin for which this pool was held has ended.
    LetGo(PoolId),
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
    /// Tell whoever watches that a pin has ended by itself: its time was over, or its version broke.
    TellUnpinned(Whose, Version),
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
    /// The jobs go to the version by a rule or a pin, or do no longer.
    Chosen,
    /// There is no such rule or pin.
    NoSuchChoice,
    /// The workers of the version leave.
    Retired,
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
    /// It is not drained.
    NotDrained(Version, State),
    /// None of its workers runs.
    NoWorkers(Version),
    /// There are as many pins and rules as there may be.
    TooManyChoices,
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

impl Answer {
    /// Whether the verb changed anything.
    pub fn is_change(&self) -> bool {
        match self {
            Self::Current { .. }
            | Self::Ramping { .. }
            | Self::Inactive(_)
            | Self::Chosen
            | Self::Retired
            | Self::Draining
            | Self::RolledBack { .. }
            | Self::EndedDeploy(_) => true,
            Self::Aborted(versions) => !versions.is_empty(),
            Self::Already(_)
            | Self::Conflict(_)
            | Self::OtherBuild
            | Self::NoSuchChoice
            | Self::Quarantined(_)
            | Self::Misused(_)
            | Self::StartFailed
            | Self::Overtaken
            | Self::AlreadyRolledBack
            | Self::NothingBefore => false,
        }
    }
}
