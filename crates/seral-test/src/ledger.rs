//! A ledger of jobs by number: what was admitted, and what became of each.
//!
//! Totals can hide a job that was lost behind one that was done twice. A ledger of numbers cannot.

use std::collections::BTreeMap;
use std::fmt;

/// What became of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Fate {
    /// It came to an output.
    Done,
    /// It was set aside as a dead letter.
    Dead,
    /// Its worker gave it up.
    Discarded,
    /// Its deadline passed.
    Expired,
    /// Its sender cancelled it.
    Cancelled,
    /// It was handed back at the shutdown.
    HandedBack,
}

impl Fate {
    /// In words.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Dead => "a dead letter",
            Self::Discarded => "discarded",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::HandedBack => "handed back",
        }
    }
}

/// Which jobs were admitted, and what became of them.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    jobs: BTreeMap<u64, Vec<Fate>>,
    strangers: Vec<(u64, Fate)>,
}

/// What is wrong with a ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Jobs that were admitted and have no end.
    pub lost: Vec<u64>,
    /// Jobs that have more than one end.
    pub ended_twice: Vec<u64>,
    /// Ends of jobs that were never admitted.
    pub never_admitted: Vec<u64>,
}

impl Ledger {
    /// An empty ledger.
    pub fn new() -> Self {
        Self::default()
    }

    /// A job was admitted.
    pub fn admitted(&mut self, job: u64) {
        self.jobs.entry(job).or_default();
    }

    /// A job came to an end.
    pub fn ended(&mut self, job: u64, fate: Fate) {
        match self.jobs.get_mut(&job) {
            Some(fates) => fates.push(fate),
            None => self.strangers.push((job, fate)),
        }
    }

    /// How many jobs ended like this.
    pub fn count(&self, fate: Fate) -> usize {
        self.jobs.values().flatten().filter(|one| **one == fate).count()
    }

    /// How many jobs were admitted.
    pub fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Whether no job was admitted.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Compares what was admitted with what ended.
    pub fn audit(&self) -> Findings {
        let ends = |wanted: fn(usize) -> bool| {
            self.jobs.iter().filter(move |(_, fates)| wanted(fates.len())).map(|(job, _)| *job).collect()
        };
        Findings {
            lost: ends(|count| count == 0),
            ended_twice: ends(|count| count > 1),
            never_admitted: self.strangers.iter().map(|(job, _)| *job).collect(),
        }
    }
}

impl Findings {
    /// Whether every admitted job has exactly one end.
    pub fn is_clean(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "lost {:?}, ended twice {:?}, never admitted {:?}",
            self.lost, self.ended_twice, self.never_admitted
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_job_does_not_hide_behind_one_that_was_done_twice() {
        let mut ledger = Ledger::new();
        for job in 1..=3 {
            ledger.admitted(job);
        }
        ledger.ended(1, Fate::Done);
        ledger.ended(2, Fate::Done);
        ledger.ended(2, Fate::Dead);
        ledger.ended(9, Fate::Done);
        let findings = ledger.audit();
        assert_eq!(findings, Findings { lost: vec![3], ended_twice: vec![2], never_admitted: vec![9] });
        assert!(!findings.is_clean());
        assert_eq!(ledger.count(Fate::Done), 2);
    }
}
