//! What workers have done, as counted.

use seral_core::guard::Count;
use seral_core::guard::Sign;

/// A worker's counters, as read at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) done: u64,
    pub(crate) faults: u64,
    pub(crate) begun: u64,
    /// First attempts at jobs that came by chance and failed, by sign.
    pub(crate) failures: [u64; 3],
    /// Attempts that were not the first, or whose jobs did not come by chance.
    pub(crate) apart: u64,
}

impl Tally {
    /// How many attempts came to an end.
    pub(crate) fn ended(&self) -> u64 {
        self.done + self.faults
    }

    /// First attempts at jobs that came by chance.
    pub(crate) fn comparable(&self) -> u64 {
        self.ended().saturating_sub(self.apart)
    }

    /// These, and how many of them failed so.
    pub(crate) fn count(&self, sign: Sign) -> Count {
        let failures = self.failures.get(sign as usize).copied().unwrap_or(0);
        Count { jobs: self.comparable(), failures }
    }
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.done += other.done;
        self.faults += other.faults;
        self.begun += other.begun;
        self.apart += other.apart;
        for (mine, others) in self.failures.iter_mut().zip(other.failures) {
            *mine += others;
        }
    }
}
