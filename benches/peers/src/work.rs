//! The works: what all contenders are asked to do.

use clap::ValueEnum;

/// One of the works. Their numbers are those of the README.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Work {
    /// One sender, one worker, no reply.
    W1,
    /// Four senders, four workers, no reply.
    W2,
    /// As W2, with a microsecond of computing for each job.
    W3,
    /// Request and reply: one caller, one worker.
    W4a,
    /// Request and reply: 64 callers, four workers.
    W4b,
    /// Idle workers: to start, to keep, to stop.
    W5,
    /// A fast sender and a slow worker: the peak of memory.
    W6,
    /// Deploys under load.
    W7,
    /// Jobs with keys.
    W8,
    /// One percent of the jobs panics: what is lost.
    W9,
}

impl Work {
    pub(crate) const ALL: [Self; 10] = [
        Self::W1,
        Self::W2,
        Self::W3,
        Self::W4a,
        Self::W4b,
        Self::W5,
        Self::W6,
        Self::W7,
        Self::W8,
        Self::W9,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::W1 => "W1",
            Self::W2 => "W2",
            Self::W3 => "W3",
            Self::W4a => "W4a",
            Self::W4b => "W4b",
            Self::W5 => "W5",
            Self::W6 => "W6",
            Self::W7 => "W7",
            Self::W8 => "W8",
            Self::W9 => "W9",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::W1 => "one sender, one worker",
            Self::W2 => "four senders, four workers",
            Self::W3 => "four senders, four workers, 1 µs of computing for each job",
            Self::W4a => "request and reply, one caller, one worker",
            Self::W4b => "request and reply, 64 callers, four workers",
            Self::W5 => "idle workers: to start, to stop, to keep",
            Self::W6 => "a fast sender and a slow worker: peak of memory",
            Self::W7 => "Seral under load, with a deploy every 100 ms and without",
            Self::W8 => "Seral, jobs with a key out of a million, and without",
            Self::W9 => "one percent of the jobs panics",
        }
    }

    /// How many senders or callers it has.
    pub(crate) fn senders(self) -> usize {
        match self {
            Self::W2 | Self::W3 | Self::W7 | Self::W8 => 4,
            Self::W4b => 64,
            _ => 1,
        }
    }

    /// How many workers it has.
    pub(crate) fn workers(self) -> usize {
        match self {
            Self::W2 | Self::W3 | Self::W4b | Self::W7 | Self::W8 => 4,
            _ => 1,
        }
    }

    /// Whether each job computes for a microsecond.
    pub(crate) fn computes(self) -> bool {
        matches!(self, Self::W3 | Self::W6)
    }

    /// Whether its bars are worth drawing: those of which more is better.
    pub(crate) fn is_of_throughput(self) -> bool {
        matches!(self, Self::W1 | Self::W2 | Self::W3 | Self::W4a | Self::W4b)
    }
}
