//! What a verb would do at this moment, without doing it.
//!
//! The machine of the versions is plain data: a copy of it is asked, and its actions are told instead of done.

use std::fmt;

use seral_core::id::PoolId;
use seral_core::id::Revision;
use seral_core::id::VerbId;
use seral_core::versions::Action;
use seral_core::versions::Answer;
use seral_core::versions::Event;
use seral_core::versions::Verb;
use seral_core::versions::Versions;

use crate::control::Control;
use crate::verb::Outcome;

/// What a verb would do, in order, in words. Empty if nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DryRun {
    /// A line each: `2.0.0 becomes Current`.
    pub steps: Vec<String>,
}

/// A line for each step.
impl fmt::Display for DryRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.steps.is_empty() {
            return f.write_str("nothing would change");
        }
        f.write_str(&self.steps.join("\n"))
    }
}

impl Control {
    /// What this verb would do, and its answer, if it would have one at once.
    pub(crate) fn dry_run(&self, what: Verb, expected: Option<Revision>) -> (DryRun, Option<Outcome>) {
        let mut versions = self.state.lock().versions.clone();
        // The number of no call.
        let verb = VerbId::new(u64::MAX);
        let in_short = what.to_string();
        let actions = versions.handle(Event::Called { verb, expected, what, urgent: false });
        let chosen = actions.iter().any(|action| matches!(action, Action::Answer(_, Answer::Chosen)));
        let mut steps = Vec::from_iter(chosen.then_some(in_short));
        steps.extend(actions.iter().filter_map(|action| in_words(action, &versions)));
        let answer = actions.into_iter().find_map(|action| match action {
            Action::Answer(called, answer) if called == verb => Some(answer),
            _ => None,
        });
        match &answer {
            None if steps.is_empty() => steps.push("wait for the version that is loading".to_owned()),
            None => steps.push("the rest follows when its workers have started".to_owned()),
            Some(_) => {}
        }
        (DryRun { steps }, answer.map(Outcome::of))
    }
}

/// What people would see of this.
fn in_words(action: &Action, versions: &Versions) -> Option<String> {
    let name = |pool: PoolId| {
        let entry = versions.entries().iter().find(|entry| entry.pool == pool)?;
        Some(entry.version.clone())
    };
    match action {
        Action::Start(_, version) => Some(format!("the workers of {version} are started")),
        Action::Tell(version, state) => Some(format!("{version} becomes {state:?}")),
        Action::TellShare(version, share) => Some(format!("{version} has {share} of new jobs")),
        Action::Recall(pool) => Some(format!("the waiting jobs of {} go by the new table", name(*pool)?)),
        Action::DrainWithin(pool, time) => {
            Some(format!("{} has {time:?} to drain, then its jobs go by the table", name(*pool)?))
        }
        Action::Cool(pool) => Some(format!("the workers of {} leave", name(*pool)?)),
        Action::Dismiss(pool) => Some(format!("the start of {} is given up", name(*pool)?)),
        _ => None,
    }
}
