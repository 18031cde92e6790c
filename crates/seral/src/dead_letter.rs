//! Dead letters: jobs set aside for a person.

use std::collections::VecDeque;
use std::fmt;

use parking_lot::Mutex;
use seral_core::id::Attempt;
use seral_core::id::JobId;
use seral_core::id::Key;
use seral_core::id::Version;

/// A job that was set aside, with what is known about why.
pub struct DeadLetter<J> {
    /// The job.
    pub job: J,
    /// Its number.
    pub id: JobId,
    /// Its key, if it had one.
    pub key: Option<Key>,
    /// The version that it named, if it named one.
    pub pin: Option<Version>,
    /// How many attempts were made.
    pub attempts: Attempt,
    /// The version that made the last one.
    pub version: Option<Version>,
    /// What the last one ended with.
    pub reason: String,
}

/// Without the job, which need not be printable.
impl<J> fmt::Debug for DeadLetter<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetter")
            .field("id", &self.id)
            .field("key", &self.key)
            .field("pin", &self.pin)
            .field("attempts", &self.attempts)
            .field("version", &self.version)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

/// The dead letters of a community: bounded, the oldest makes room for the newest.
pub(crate) struct DeadLetters<J> {
    capacity: usize,
    letters: Mutex<Letters<J>>,
}

struct Letters<J> {
    kept: VecDeque<DeadLetter<J>>,
    overflowed: u64,
    taken: u64,
}

/// How many dead letters there are and were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DeadCounts {
    pub(crate) kept: u64,
    pub(crate) overflowed: u64,
    pub(crate) taken: u64,
}

impl<J> DeadLetters<J> {
    pub(crate) fn new(capacity: usize) -> Self {
        let letters = Letters { kept: VecDeque::new(), overflowed: 0, taken: 0 };
        Self { capacity: capacity.max(1), letters: Mutex::new(letters) }
    }

    /// Keeps a letter. Returns the oldest if it had to make room.
    pub(crate) fn keep(&self, letter: DeadLetter<J>) -> Option<DeadLetter<J>> {
        let mut letters = self.letters.lock();
        let dropped = if letters.kept.len() >= self.capacity { letters.kept.pop_front() } else { None };
        letters.overflowed += u64::from(dropped.is_some());
        letters.kept.push_back(letter);
        dropped
    }

    /// Gives all letters away.
    pub(crate) fn take(&self) -> Vec<DeadLetter<J>> {
        let mut letters = self.letters.lock();
        letters.taken += letters.kept.len() as u64;
        letters.kept.drain(..).collect()
    }

    pub(crate) fn counts(&self) -> DeadCounts {
        let letters = self.letters.lock();
        DeadCounts { kept: letters.kept.len() as u64, overflowed: letters.overflowed, taken: letters.taken }
    }
}
