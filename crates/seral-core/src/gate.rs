//! Who may come in.

/// Which new jobs may come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gate {
    /// All of them.
    Open,
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
    /// From a worker of the same community. It cannot wait for room, since it is the one who makes room; so it is admitted
    /// up to twice the capacity.
    Inside,
}

/// Why a new job was not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// There is no room now.
    Full,
    /// The gate does not let it through, and will not until it is opened again.
    Gate,
}

impl Gate {
    /// Whether a job comes in that names this version, or does not.
    pub fn lets_through(self, pinned: bool) -> bool {
        match self {
            Self::Open => true,
            Self::Pinned => pinned,
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
        }
    }
}
