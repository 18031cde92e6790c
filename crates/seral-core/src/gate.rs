//! Who may come in.

/// Which new jobs may come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gate {
    /// All of them.
    Open,
    /// All that name this version, and others up to a [`Limit`](crate::limit::Limit).
    Limited,
    /// Only jobs that name this version: it is draining.
    Pinned,
    /// None.
    Shut,
}

/// Where a send comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sender {
    /// From outside the community: it waits for room.
    Outside,
    /// From a worker that cannot wait for room: it makes that room itself, as it is of the same community, or others wait for it who do. So it is
    /// admitted up to twice the capacity.
    Inside,
    /// Room was seen for it, and it must not wait: it is admitted, however many wait by now.
    Promised,
}

/// Why a new job was not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// There is no room now.
    Full,
    /// The gate does not let it through, and will not until it is opened again.
    Gate,
    /// It has as many as it may have; another version takes the job.
    Enough,
}

impl Gate {
    /// Whether a job comes in that names this version, or does not. One that does not is stopped where there is a limit: that is asked
    /// next, off the path on which there is none.
    pub fn lets_through(self, pinned: bool) -> bool {
        match self {
            Self::Open => true,
            Self::Limited | Self::Pinned => pinned,
            Self::Shut => false,
        }
    }
}

impl Sender {
    /// How many jobs may wait before this sender is refused.
    pub fn limit(self, capacity: usize) -> usize {
        match self {
            Self::Outside => capacity,
            Self::Inside => capacity.saturating_mul(2),
            Self::Promised => usize::MAX,
        }
    }
}
