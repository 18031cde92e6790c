//! What an [`audit`](crate::audit) is told, and the promises that it holds this against.
//!
//! A fact is what somebody outside of the machines can see: what was asked for, what was done to gates and to the table, and where each job
//! went. So the same facts can be told by a toy in a test and by the runtime.

use std::fmt;

use crate::id::Attempt;
use crate::id::JobId;
use crate::id::Key;
use crate::id::PoolId;
use crate::id::VerbId;
use crate::id::Version;
use crate::routing::Route;
use crate::verb::Verb;
use crate::version::Action;
use crate::whose::Header;
use crate::whose::Routed;

/// What routing sees of a job, written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Its number.
    pub id: JobId,
    /// The version that it names.
    pub pin: Option<Version>,
    /// Its key.
    pub key: Option<Key>,
    /// Its headers.
    pub headers: Vec<Header>,
    /// What its share is found by.
    pub spread: u64,
}

impl Routed for Profile {
    fn pin(&self) -> Option<&Version> {
        self.pin.as_ref()
    }

    fn spread(&self) -> u64 {
        self.spread
    }

    fn id(&self) -> JobId {
        self.id
    }

    fn key(&self) -> Option<&Key> {
        self.key.as_ref()
    }

    fn headers(&self) -> &[Header] {
        &self.headers
    }
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Fate {
    /// It is done.
    Done,
    /// It failed for the last time.
    Dead,
    /// The version that it is tied to takes nothing any more.
    Unserved,
    /// Somebody wanted it no longer.
    Discarded,
    /// It went back to whoever had sent it.
    HandedBack,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// Somebody called a verb.
    Called(VerbId, Verb),
    /// A pool could not be started.
    StartFailed(PoolId),
    /// This was done, as the machine of versions had asked.
    Done(Action),
    /// A pool has nothing left.
    Drained {
        /// The pool.
        pool: PoolId,
        /// Whether it can be brought back.
        kept: bool,
    },
    /// A drained pool was brought back.
    Revived(PoolId),
    /// A new job was let in. Unless it is set aside next, it waits in this pool.
    Admitted {
        /// The job.
        job: Profile,
        /// The pool.
        pool: PoolId,
        /// By which table and why.
        route: Route,
    },
    /// A job waits outside of all pools: behind its key, for its time, for a table, or on its way. If it ran, that counts as no attempt.
    SetAside(JobId),
    /// A job that was aside waits in this pool.
    Placed {
        /// The job.
        job: JobId,
        /// The pool.
        pool: PoolId,
        /// By which table and why.
        route: Route,
    },
    /// A job runs in this pool.
    Started {
        /// The job.
        job: JobId,
        /// The pool.
        pool: PoolId,
        /// For which time.
        attempt: Attempt,
    },
    /// An attempt at a job failed, and there will be another. It is aside.
    Failed(JobId),
    /// A job came to its end.
    Over {
        /// The job.
        job: JobId,
        /// How.
        fate: Fate,
        /// How many attempts were made, as it was told.
        attempts: u32,
    },
}

/// What is promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Promise {
    /// I1.
    Conservation,
    /// I2.
    ClosedIsClosed,
    /// I4.
    KeyOrder,
    /// I5.
    MonotoneRamp,
    /// I6.
    DrainedIsFinal,
    /// I7.
    ShareIsExact,
    /// I8.
    PinIsStrict,
    /// I9.
    RollbackHolds,
    /// I10.
    FailedStartIsAlone,
    /// I11.
    RouteIsExplained,
    /// I12.
    SomebodyTakes,
    /// I14.
    MovesAreFree,
    /// I16.
    MemoryIsBounded,
    /// I19.
    DrainsEnd,
}

impl Promise {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Conservation,
        Self::ClosedIsClosed,
        Self::KeyOrder,
        Self::MonotoneRamp,
        Self::DrainedIsFinal,
        Self::ShareIsExact,
        Self::PinIsStrict,
        Self::RollbackHolds,
        Self::FailedStartIsAlone,
        Self::RouteIsExplained,
        Self::SomebodyTakes,
        Self::MovesAreFree,
        Self::MemoryIsBounded,
        Self::DrainsEnd,
    ];
}

/// The promise as one sentence.
impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Conservation => "each admitted job is in one place, or has one end",
            Self::ClosedIsClosed => "a version that was closed to new jobs takes none",
            Self::KeyOrder => "the jobs of a key start in the order of their admission, one at a time",
            Self::MonotoneRamp => {
                "raising a share takes no key away from a version, and lowering brings none to it"
            }
            Self::DrainedIsFinal => "a version is drained when nothing of it is left, and stays so",
            Self::ShareIsExact => "a version gets its share of new jobs",
            Self::PinIsStrict => "a job that is tied to a version runs there or not at all",
            Self::RollbackHolds => "after a rollback no new job reaches the version that was left",
            Self::FailedStartIsAlone => "a start that fails changes nothing for other versions",
            Self::RouteIsExplained => "where a job went is explained by the table that is written on it",
            Self::SomebodyTakes => "while nobody asks for anything else, some version takes new jobs",
            Self::MovesAreFree => "only an attempt that was made and failed is counted",
            Self::MemoryIsBounded => "what is remembered stays bounded",
            Self::DrainsEnd => "when all jobs have ended, all drains have",
        })
    }
}

/// A promise that was not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which.
    pub promise: Promise,
    /// By what.
    pub what: String,
}

/// The promise, and what broke it.
impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.promise, self.what)
    }
}
