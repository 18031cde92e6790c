//! Dead letters: jobs set aside for a person, with what went wrong. Bounded; the oldest makes room for the newest.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;
use seral_core::fingerprint::Fingerprint;
use seral_core::id::JobId;
use seral_core::id::Key;
use seral_core::id::Version;
use seral_core::retry::Cause;

use crate::history::FailedAttempt;
use crate::job::Terms;
use crate::user_code::drop_guarded;
use crate::user_code::guarded;

/// A job that was set aside, with what is known about why.
#[non_exhaustive]
pub struct DeadLetter<J> {
    /// The job.
    pub job: J,
    /// Its number.
    pub id: JobId,
    /// Its key, if it had one.
    pub key: Option<Key>,
    /// The version that it named, if it named one.
    pub pin: Option<Version>,
    /// How many attempts were made. After a replay they are counted anew.
    pub attempts: u32,
    /// Why no more are made.
    pub cause: Cause,
    /// What the last attempt ended with, or what else was the reason.
    pub reason: String,
    /// The version that made the last attempt, or that the job named.
    pub version: Option<Version>,
    /// Letters with the same fingerprint have the same reason, apart from numbers in it.
    pub fingerprint: Fingerprint,
    /// The last attempts, at most 20, the earliest first.
    pub history: Vec<FailedAttempt>,
    /// When it was set aside.
    pub died: SystemTime,
    /// What else the job had, for its replay.
    pub(crate) terms: Option<Box<Terms>>,
}

/// Without the job, which need not be printable.
impl<J> fmt::Debug for DeadLetter<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetter")
            .field("id", &self.id)
            .field("key", &self.key)
            .field("pin", &self.pin)
            .field("attempts", &self.attempts)
            .field("cause", &self.cause)
            .field("reason", &self.reason)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// What the application does with dead letters for which there is no room.
pub(crate) type OverflowHook<J> = Arc<dyn Fn(DeadLetter<J>) + Send + Sync>;

/// The dead letters of a community.
pub(crate) struct LetterBox<J> {
    capacity: usize,
    letters: Mutex<Letters<J>>,
    overflow: Mutex<Option<OverflowHook<J>>>,
}

struct Letters<J> {
    kept: VecDeque<(Slip, DeadLetter<J>)>,
    last: Slip,
    overflowed: u64,
    taken: u64,
    discarded: u64,
}

/// The number of a letter in its box. Later letters have higher ones; a job that dies twice gets another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slip(u64);

/// How many dead letters there are and were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DeadCounts {
    pub(crate) kept: u64,
    pub(crate) overflowed: u64,
    pub(crate) taken: u64,
    pub(crate) discarded: u64,
}

impl<J> LetterBox<J> {
    pub(crate) fn new(capacity: usize, overflow: Option<OverflowHook<J>>) -> Self {
        let letters =
            Letters { kept: VecDeque::new(), last: Slip::default(), overflowed: 0, taken: 0, discarded: 0 };
        Self { capacity: capacity.max(1), letters: Mutex::new(letters), overflow: Mutex::new(overflow) }
    }

    /// Keeps a letter. If the oldest had to make room, it goes to the hook; returns its number.
    pub(crate) fn keep(&self, letter: DeadLetter<J>) -> Option<JobId> {
        let dropped = {
            let mut letters = self.letters.lock();
            let dropped = if letters.kept.len() >= self.capacity { letters.kept.pop_front() } else { None };
            letters.overflowed += u64::from(dropped.is_some());
            letters.last = Slip(letters.last.0 + 1);
            let slip = letters.last;
            letters.kept.push_back((slip, letter));
            dropped
        };
        let (_, letter) = dropped?;
        let job = letter.id;
        let hook = self.overflow.lock().clone();
        // Outside of the locks: both are code of the user's.
        match hook {
            Some(hook) => drop(guarded(|| hook(letter))),
            None => drop_guarded(letter),
        }
        Some(job)
    }

    /// The letters that `wanted` accepts, the oldest first. `wanted` runs under the lock.
    pub(crate) fn select(&self, mut wanted: impl FnMut(&DeadLetter<J>) -> bool) -> Vec<Slip> {
        let letters = self.letters.lock();
        letters.kept.iter().filter(|(_, letter)| wanted(letter)).map(|(slip, _)| *slip).collect()
    }

    /// Calls `look` with each letter, the oldest first, under the lock.
    pub(crate) fn for_each(&self, mut look: impl FnMut(&DeadLetter<J>)) {
        self.letters.lock().kept.iter().for_each(|(_, letter)| look(letter));
    }

    /// Gives letters away that `wanted` accepts.
    pub(crate) fn take(&self, wanted: impl FnMut(&DeadLetter<J>) -> bool) -> Vec<DeadLetter<J>> {
        let mut letters = self.letters.lock();
        let taken = letters.take_out(wanted);
        letters.taken += taken.len() as u64;
        taken
    }

    /// Drops letters that `wanted` accepts. Returns how many.
    pub(crate) fn discard(&self, wanted: impl FnMut(&DeadLetter<J>) -> bool) -> usize {
        let discarded = {
            let mut letters = self.letters.lock();
            let discarded = letters.take_out(wanted);
            letters.discarded += discarded.len() as u64;
            discarded
        };
        let count = discarded.len();
        for letter in discarded {
            drop_guarded(letter);
        }
        count
    }

    /// Takes one letter out, for its replay.
    pub(crate) fn take_one(&self, slip: Slip) -> Option<DeadLetter<J>> {
        let mut letters = self.letters.lock();
        let at = letters.kept.binary_search_by_key(&slip, |(slip, _)| *slip).ok()?;
        letters.kept.remove(at).map(|(_, letter)| letter)
    }

    pub(crate) fn counts(&self) -> DeadCounts {
        let letters = self.letters.lock();
        DeadCounts {
            kept: letters.kept.len() as u64,
            overflowed: letters.overflowed,
            taken: letters.taken,
            discarded: letters.discarded,
        }
    }

    /// Lets go of the hook.
    pub(crate) fn forget_hook(&self) {
        let hook = self.overflow.lock().take();
        drop_guarded(hook);
    }
}

impl<J> Letters<J> {
    fn take_out(&mut self, mut wanted: impl FnMut(&DeadLetter<J>) -> bool) -> Vec<DeadLetter<J>> {
        // Chosen before anything is moved: `wanted` is code of the user's and may panic.
        let chosen: Vec<bool> = self.kept.iter().map(|(_, letter)| wanted(letter)).collect();
        let mut taken = Vec::new();
        let mut chosen = chosen.into_iter();
        for _ in 0..self.kept.len() {
            let Some((slip, letter)) = self.kept.pop_front() else { break };
            if chosen.next() == Some(true) {
                taken.push(letter);
            } else {
                self.kept.push_back((slip, letter));
            }
        }
        taken
    }
}
