//! What a guard has seen so far, for people and for tools.

use std::fmt;

use serde::Serialize;

/// What the guard of a version has seen of it and of the one that it is compared with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct GuardView {
    /// The version that it is compared with.
    pub baseline: String,
    /// Whether the two share new jobs; else it is compared with what the other did before.
    pub beside: bool,
    /// Attempts that it has ended since it is watched.
    pub jobs: u64,
    /// Those of the other.
    pub baseline_jobs: u64,
    /// The sign that speaks most against it: errors, panics, timeouts or slowness.
    pub sign: String,
    /// How many of its jobs showed that sign.
    pub failures: u64,
    /// How many of the other's.
    pub baseline_failures: u64,
    /// How much likelier that is if it is worse.
    pub ratio: u64,
    /// From when on it has to go.
    pub enough: u64,
}

/// In a few words.
impl fmt::Display for GuardView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { baseline, jobs, sign, failures, baseline_failures, ratio, enough, .. } = self;
        write!(f, "guarded over {jobs} jobs: {sign} in {failures}, in {baseline_failures} ")?;
        if self.beside {
            write!(f, "of {} of {baseline}", self.baseline_jobs)?;
        } else {
            write!(f, "of {baseline} before")?;
        }
        write!(f, "; {ratio} times as likely if it is worse, {enough} are enough")
    }
}
