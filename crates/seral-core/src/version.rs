//! The life of one version, and the words in which the machine of `versions` is spoken to and answers.

use crate::id::PoolId;
use crate::id::Revision;
use crate::id::VerbId;
use crate::id::Version;

/// Where a version is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// Its workers are starting. It gets no jobs.
    Loading,
    /// It gets all new jobs that name no version.
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

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody deploys a version. `build` tells two builds of one name apart.
    Deploy {
        /// The call to answer.
        verb: VerbId,
        /// The name of the version.
        version: Version,
        /// What the version is made of.
        build: Build,
        /// Whether it is deployed though it is quarantined.
        force: bool,
    },
    /// Somebody goes back to the version that was current before this one.
    Rollback {
        /// The call to answer.
        verb: VerbId,
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
    /// Publish the routing table in which this pool is current.
    Publish(PoolId, Revision),
    /// Let only jobs into this pool's mailbox that name its version.
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
    /// Tell whoever watches what is done about a version that cannot keep its workers.
    TellBroken(Version, Remedy),
    /// Answer a call.
    Answer(VerbId, Answer),
}

/// What became of a verb.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The version is current.
    Deployed {
        /// How it came to be.
        how: Takeover,
        /// The version that it replaced.
        replaced: Option<Version>,
    },
    /// The version was current already; nothing changed.
    AlreadyCurrent,
    /// The version has another build than the one that was deployed under this name.
    OtherBuild,
    /// The version was left for its failures; nothing changed.
    Quarantined(Version),
    /// The version could not be started; nothing else changed.
    StartFailed,
    /// A rollback was called while the version was loading; nothing else changed.
    Overtaken,
    /// The earlier version is current again.
    RolledBack {
        /// The version that was current.
        from: Version,
        /// The version that is current.
        to: Version,
        /// How it came to be.
        how: Takeover,
    },
    /// A deploy that was still loading has been ended; the current version stayed.
    EndedDeploy(Version),
    /// The last change was this rollback already; nothing changed.
    AlreadyRolledBack,
    /// There is no earlier version.
    NothingBefore,
}

/// How a version became current.
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
    /// It was draining. Its jobs go to the current version, those that name it are set aside, and it is quarantined.
    GiveBack,
    /// It is current, and no other version is there to take its place: its workers are tried again, and its jobs wait.
    KeepTrying,
}
