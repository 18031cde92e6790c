//! What went wrong with a job so far: its failed attempts.

use std::collections::VecDeque;
use std::fmt;
use std::time::SystemTime;

use seral_core::id::Attempt;
use seral_core::id::Version;
use seral_core::time::Time;
use serde::Serialize;

/// How many failed attempts are remembered of a job: more than most policies allow. The first are forgotten first.
const ATTEMPTS_KEPT: usize = 20;

/// One attempt that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FailedAttempt {
    /// Which attempt it was. After a replay they are counted anew.
    pub number: u32,
    /// The version that made it.
    pub version: String,
    /// The worker that made it.
    pub worker: u64,
    /// When it failed.
    pub at: SystemTime,
    /// By which routing table it came to that version, and why.
    pub route: String,
    /// How it failed: the error and its sources, outermost first, or what a panic said.
    pub chain: Vec<String>,
    /// Whether it panicked.
    pub panicked: bool,
    /// Where it panicked, if it did and [`note_locations`](crate::panics::note_locations) was called.
    pub panicked_at: Option<String>,
}

/// How it failed, in one line.
impl fmt::Display for FailedAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.chain.join(": "))?;
        if let Some(place) = &self.panicked_at {
            write!(f, " at {place}")?;
        }
        Ok(())
    }
}

/// The failed attempts at one job.
#[derive(Debug)]
pub(crate) struct History {
    /// Which attempt the next one is, or the one that is being made.
    pub(crate) attempt: Attempt,
    attempts: VecDeque<FailedAttempt>,
    /// When the first of the present attempts failed.
    failing_since: Option<Time>,
    /// The versions on which it has panicked since it was admitted, or replayed.
    panicked_on: Vec<Version>,
}

impl Default for History {
    fn default() -> Self {
        Self {
            attempt: Attempt::FIRST,
            attempts: VecDeque::new(),
            failing_since: None,
            panicked_on: Vec::new(),
        }
    }
}

impl History {
    /// Takes note of a failed attempt.
    pub(crate) fn failed(&mut self, now: Time, attempt: FailedAttempt) {
        self.failing_since.get_or_insert(now);
        if self.attempts.len() == ATTEMPTS_KEPT {
            self.attempts.pop_front();
        }
        self.attempts.push_back(attempt);
    }

    /// It panicked on this version.
    pub(crate) fn panicked_on(&mut self, version: &Version) {
        if !self.has_panicked_on(version) {
            self.panicked_on.push(version.clone());
        }
    }

    /// Whether it has panicked on this version.
    pub(crate) fn has_panicked_on(&self, version: &Version) -> bool {
        self.panicked_on.contains(version)
    }

    pub(crate) fn failing_since(&self) -> Option<Time> {
        self.failing_since
    }

    /// The job is replayed: its time begins anew, and what happened stays known.
    pub(crate) fn of_replay(attempts: Vec<FailedAttempt>) -> Self {
        Self { attempts: attempts.into(), ..Self::default() }
    }

    pub(crate) fn into_attempts(self) -> Vec<FailedAttempt> {
        self.attempts.into()
    }
}
