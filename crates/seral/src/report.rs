//! What a shutdown came to.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// How a shutdown ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub enum ShutdownEnd {
    /// Everything was finished.
    Finished,
    /// The deadline passed first; the rest was handed back.
    Deadline,
    /// A second signal cut it short, or, of a community that ended by itself, the shutdown of its ecosystem; the rest was handed back.
    CutShort,
    /// The shutdown failed, or its runtime ended in the middle of it: nothing is known of the rest.
    Interrupted,
}

/// What a shutdown came to. Prints as a few lines.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// How it ended.
    pub end: ShutdownEnd,
    /// How long it took.
    pub took: Duration,
    /// Each community, by name.
    pub communities: Vec<CommunityReport>,
}

/// What a shutdown came to for one community.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CommunityReport {
    /// Its name.
    pub name: String,
    /// Jobs that were brought to an output since the shutdown began.
    pub finished: u64,
    /// Jobs that were not done and went to the hand-back hook.
    pub handed_back: usize,
    /// Dead letters that went to the hand-back hook.
    pub dead_letters: usize,
    /// Whether the hook took them. `false` means that they are gone: there is no hook, or it failed.
    pub taken: bool,
    /// Jobs that would not end: their code blocks its thread.
    pub still_running: u64,
    /// Workers that had not left: their `stop` did not come to its end, or one of these jobs is theirs.
    pub still_there: usize,
}

impl CommunityReport {
    fn is_clean(&self) -> bool {
        self.taken && self.still_running == 0 && self.still_there == 0
    }

    /// Of a community that could not be closed in order: what was handed back there is not known to be taken.
    pub(crate) fn of_failure(name: String) -> Self {
        Self {
            name,
            finished: 0,
            handed_back: 0,
            dead_letters: 0,
            taken: false,
            still_running: 0,
            still_there: 0,
        }
    }
}

impl ShutdownReport {
    /// The report of a shutdown that did not come to its end.
    pub(crate) fn of_failure() -> Self {
        Self { end: ShutdownEnd::Interrupted, took: Duration::ZERO, communities: Vec::new() }
    }

    /// The report of an ecosystem in which nothing ever ran.
    pub(crate) fn of_nothing() -> Self {
        Self { end: ShutdownEnd::Finished, took: Duration::ZERO, communities: Vec::new() }
    }

    /// The part of one community.
    pub(crate) fn of_one(&self, community: CommunityReport) -> Self {
        Self { end: self.end, took: self.took, communities: vec![community] }
    }

    /// Adds what a community came to that ended by itself.
    pub(crate) fn add(&mut self, name: String, other: Self) {
        if self.end == ShutdownEnd::Finished {
            self.end = other.end;
        }
        let of_other = other.communities.into_iter().next();
        self.communities.push(of_other.unwrap_or_else(|| CommunityReport::of_failure(name)));
    }

    /// Whether nothing was lost: all jobs were finished or taken by a hook, none still runs, and all workers have closed.
    pub fn is_clean(&self) -> bool {
        self.end != ShutdownEnd::Interrupted && self.communities.iter().all(CommunityReport::is_clean)
    }
}

impl fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = match self.end {
            ShutdownEnd::Finished => "everything was finished",
            ShutdownEnd::Deadline => "the deadline passed, the rest was handed back",
            ShutdownEnd::CutShort => "cut short, the rest was handed back",
            ShutdownEnd::Interrupted => "interrupted, nothing is known of the rest",
        };
        write!(f, "shut down in {:.1?}: {end}", self.took)?;
        for community in &self.communities {
            write!(f, "\n{community}")?;
        }
        Ok(())
    }
}

impl fmt::Display for CommunityReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, finished, handed_back, dead_letters, taken, still_running, still_there } = self;
        write!(
            f,
            "{name}: {finished} finished meanwhile, {handed_back} handed back, {dead_letters} dead letters"
        )?;
        if !taken {
            f.write_str(", which nobody took")?;
        }
        if *still_running > 0 {
            write!(f, ", {still_running} still running")?;
        }
        if *still_there > 0 {
            write!(f, ", {still_there} workers still there")?;
        }
        Ok(())
    }
}
