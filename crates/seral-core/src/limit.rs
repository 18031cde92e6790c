//! How many jobs that do not name it a version takes: the limit of a canary.
//!
//! A share says which part of new jobs a version gets; a limit says how many, whatever comes. It is looked at only where the gate is
//! [limited](crate::gate::Gate::Limited), so that a mailbox without a limit does not pay for it.

use std::fmt;

/// How many jobs that do not name this version it takes at most while it is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Limit {
    /// As many as there is room for.
    #[default]
    None,
    /// So many since it was opened with this limit. A job counts whenever it comes to wait here: new, for a retry, or moved here. One
    /// that was admitted and stands in the fence counts when it leaves it, since until then it may still go elsewhere; so what is used
    /// up has been here.
    First(u64),
    /// One comes in only while fewer than so many jobs are unfinished here: waiting, held, leased or in transit. Jobs that name this
    /// version come in whatever the limit, but count.
    InFlight(u64),
}

/// As people would say it: `at most 10 at a time`.
impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("without a limit"),
            Self::First(jobs) => write!(f, "the first {jobs}"),
            Self::InFlight(jobs) => write!(f, "at most {jobs} at a time"),
        }
    }
}

/// A limit, and how much of it is used up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Quota {
    limit: Limit,
    /// Jobs that count against [`Limit::First`].
    let_in: u64,
}

impl Quota {
    pub(crate) const NONE: Self = Self { limit: Limit::None, let_in: 0 };

    /// From now on this limit counts. One that counts already keeps what is used up: a second verb in the same place is no new canary.
    pub(crate) fn set(&mut self, limit: Limit) {
        if self.limit != limit {
            *self = Self { limit, let_in: 0 };
        }
    }

    /// Whether one more may come in beside so many that are unfinished.
    pub(crate) fn allows_one_more(&self, unfinished: usize) -> bool {
        match self.limit {
            Limit::None => true,
            Limit::First(count) => self.let_in < count,
            Limit::InFlight(count) => (unfinished as u64) < count,
        }
    }

    /// One was let in.
    pub(crate) fn count(&mut self) {
        if matches!(self.limit, Limit::First(_)) {
            self.let_in += 1;
        }
    }
}
