//! Pins and rules: which version some jobs go to, whatever the shares say.
//!
//! A *pin* is strict: its jobs run on its version or not at all, the version is not drained before the pin has ended, and it ends at its time.
//! A *rule* is a part of new work, as a share is: its jobs go to its version as long as that takes new jobs, and it ends when the version is left.
//! Where several fit a job, the narrowest decides: its number, its key, then its headers in the order in which the job has them.

use std::collections::BTreeMap;

use crate::id::Version;
use crate::time::Time;
use crate::whose::Routed;
use crate::whose::Whose;

/// The most pins and rules together. All of them are copied when one is changed, which takes a millisecond then.
pub const STANDING_MAX: usize = 10_000;

/// Where the jobs of a pin run, and how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// The version.
    pub version: Version,
    /// When the pin ends, if ever.
    pub until: Option<Time>,
}

/// All pins and rules of a community.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// By whose jobs they are about.
    pub pins: BTreeMap<Whose, Pin>,
    /// By whose jobs they are about.
    pub rules: BTreeMap<Whose, Version>,
}

impl Standing {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pins.is_empty() && self.rules.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.pins.len() + self.rules.len()
    }

    /// The version to which a pin ties this job.
    pub fn pin(&self, job: &impl Routed) -> Option<&Version> {
        narrowest(&self.pins, job).map(|pin| &pin.version)
    }

    /// The version to which a rule sends this job.
    pub fn rule(&self, job: &impl Routed) -> Option<&Version> {
        narrowest(&self.rules, job)
    }

    /// When the next pin ends.
    pub fn next_end(&self) -> Option<Time> {
        self.pins.values().filter_map(|pin| pin.until).min()
    }

    /// How many pins this version has.
    pub fn pins_of(&self, version: &Version) -> usize {
        self.pins.values().filter(|pin| pin.version == *version).count()
    }

    /// Whether a rule sends jobs to this version.
    pub fn has_rule_for(&self, version: &Version) -> bool {
        self.rules.values().any(|it| it == version)
    }
}

fn narrowest<'a, C>(choices: &'a BTreeMap<Whose, C>, job: &impl Routed) -> Option<&'a C> {
    if choices.is_empty() {
        return None;
    }
    let by_job = choices.get(&Whose::Job(job.id()));
    let by_key = || choices.get(&Whose::Key(job.key()?.clone()));
    let by_headers = || {
        let headers = job.headers().iter();
        headers.cloned().find_map(|header| choices.get(&Whose::Header(header)))
    };
    by_job.or_else(by_key).or_else(by_headers)
}
