//! Who changed what, and why: the last changes of a community's routing table.

use std::collections::VecDeque;
use std::fmt;
use std::time::SystemTime;

use serde::Serialize;

/// How many changes are remembered: months of deploys, and some 200 kB.
const CHANGES_MAX: usize = 1_000;

/// A verb that took effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Change {
    /// When.
    pub at: SystemTime,
    /// What was done: `ramp 2.0.0 to 25 %`.
    pub what: String,
    /// Who did it, if they said so: `.by("alice")`. What the runtime did by itself is by `a rollout` or `supervision`.
    pub by: Option<String>,
    /// Why, if they said so: `.because("the error rate is fine")`.
    pub why: Option<String>,
    /// The number of the routing table before.
    pub from: u64,
    /// The number of the routing table after. The same if what was ended had not begun.
    pub to: u64,
}

/// A line: `3 to 4: ramp 2.0.0 to 25 %, by alice: the error rate is fine`.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, by, why, from, to, .. } = self;
        write!(f, "{from} to {to}: {what}")?;
        if let Some(by) = by {
            write!(f, ", by {by}")?;
        }
        if let Some(why) = why {
            write!(f, ": {why}")?;
        }
        Ok(())
    }
}

/// The last changes, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Changes(VecDeque<Change>);

impl Changes {
    pub(crate) fn note(&mut self, change: Change) {
        if self.0.len() == CHANGES_MAX {
            self.0.pop_front();
        }
        self.0.push_back(change);
    }

    pub(crate) fn list(&self) -> Vec<Change> {
        self.0.iter().cloned().collect()
    }
}
