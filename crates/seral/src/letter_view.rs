//! What can be seen of dead letters, as plain data: for people (by `Display`) and for tools (by serde).

use std::fmt;
use std::time::Duration;
use std::time::SystemTime;

use seral_core::fingerprint::Fingerprint;
use seral_core::retry::Cause;
use serde::Serialize;
use serde::Serializer;

use crate::dead_letter::DeadLetter;
use crate::history::FailedAttempt;

/// One dead letter, without its job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DeadLetterView {
    /// The number of the job.
    pub id: u64,
    /// Its key.
    pub key: Option<String>,
    /// The version that it named.
    pub pin: Option<String>,
    /// How many attempts were made.
    pub attempts: u32,
    /// Why no more are made.
    #[serde(serialize_with = "as_debug")]
    pub cause: Cause,
    /// What the last attempt ended with, or what else was the reason.
    pub reason: String,
    /// The version that made the last attempt, or that the job named.
    pub version: Option<String>,
    /// What letters with the same reason have in common.
    #[serde(serialize_with = "as_text")]
    pub fingerprint: Fingerprint,
    /// The last attempts, the earliest first.
    pub history: Vec<FailedAttempt>,
    /// When it was set aside.
    pub died: SystemTime,
}

impl DeadLetterView {
    pub(crate) fn of<J>(letter: &DeadLetter<J>) -> Self {
        Self {
            id: letter.id.get(),
            key: letter.key.as_ref().map(ToString::to_string),
            pin: letter.pin.as_ref().map(ToString::to_string),
            attempts: letter.attempts,
            cause: letter.cause,
            reason: letter.reason.clone(),
            version: letter.version.as_ref().map(ToString::to_string),
            fingerprint: letter.fingerprint,
            history: letter.history.clone(),
            died: letter.died,
        }
    }
}

/// The job and its reason, then a line for each attempt.
impl fmt::Display for DeadLetterView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "job {}", self.id)?;
        if let Some(key) = &self.key {
            write!(f, " of {key}")?;
        }
        write!(f, ", {} attempts: {}", self.attempts, self.reason)?;
        for attempt in &self.history {
            let FailedAttempt { number, version, worker, .. } = attempt;
            write!(f, "\n    attempt {number}, {version}, worker {worker}: {attempt}")?;
        }
        Ok(())
    }
}

/// Dead letters that failed in the same way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DeadLetterGroup {
    /// What they have in common.
    #[serde(serialize_with = "as_text")]
    pub fingerprint: Fingerprint,
    /// How many they are.
    pub count: usize,
    /// The reason of one of them.
    pub reason: String,
    /// The versions that made the last attempts.
    pub versions: Vec<String>,
    /// When the first was set aside.
    pub first: SystemTime,
    /// When the last was set aside.
    pub last: SystemTime,
}

impl DeadLetterGroup {
    pub(crate) fn begun_by<J>(letter: &DeadLetter<J>) -> Self {
        Self {
            fingerprint: letter.fingerprint,
            count: 0,
            reason: letter.reason.clone(),
            versions: Vec::new(),
            first: letter.died,
            last: letter.died,
        }
    }
}

/// One line: `17 × card refused (2.0.0)`.
impl fmt::Display for DeadLetterGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} × {} ({})", self.count, self.reason, self.versions.join(", "))
    }
}

/// What a replay or a discard would concern.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Preview {
    /// How many letters.
    pub count: usize,
    /// The age of the oldest.
    pub oldest: Duration,
    /// The age of the youngest.
    pub youngest: Duration,
    /// Why they were set aside, the largest group first.
    pub groups: Vec<DeadLetterGroup>,
}

impl Preview {
    pub(crate) fn of(groups: Vec<DeadLetterGroup>, now: SystemTime) -> Self {
        let age = |died: SystemTime| now.duration_since(died).unwrap_or_default();
        Self {
            count: groups.iter().map(|group| group.count).sum(),
            oldest: groups.iter().map(|group| age(group.first)).max().unwrap_or_default(),
            youngest: groups.iter().map(|group| age(group.last)).min().unwrap_or_default(),
            groups,
        }
    }
}

/// The count with the ages, then a line for each reason.
impl fmt::Display for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, oldest, youngest, .. } = self;
        write!(f, "{count} dead letters, {} s to {} s old", youngest.as_secs(), oldest.as_secs())?;
        for group in &self.groups {
            write!(f, "\n    {group}")?;
        }
        Ok(())
    }
}

/// Types of the core are not `Serialize`.
fn as_text<S: Serializer>(value: &impl fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn as_debug<S: Serializer>(value: &impl fmt::Debug, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{value:?}"))
}
