//! What a verb does about versions whose workers are there: it gives one another place, ties jobs to it, or lets it go.
//!
//! None of these starts anything or waits, so each has its answer at once.

use std::sync::Arc;
use std::time::Duration;

use crate::id::Version;
use crate::limit::Limit;
use crate::roster::Roster;
use crate::share::Share;
use crate::standing::Pin;
use crate::standing::STANDING_MAX;
use crate::succession::Why;
use crate::time::Time;
use crate::verb::Aim;
use crate::version::Action;
use crate::version::Answer;
use crate::version::Misuse;
use crate::version::State;
use crate::version::Takeover;
use crate::whose::Whose;

/// Where a deploy aims, and how long what it replaces has to drain, if not as long as it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Aimed {
    pub(crate) aim: Aim,
    pub(crate) drain_within: Option<Duration>,
}

impl Roster {
    // ---- places ----------------------------------------------------------------------------------------------------

    /// Brings a version whose workers are there to where its deploy aims. If a rollout has taken the room for its share meanwhile, it is held.
    pub(crate) fn bring(
        &mut self,
        at: usize,
        Aimed { aim, drain_within }: Aimed,
        how: Takeover,
        actions: &mut Vec<Action>,
    ) -> Answer {
        let from = actions.len();
        let answer = match aim {
            Aim::Ramp { share, limit, beside } if self.current().is_some() && share > Share::NOBODY => {
                let free = self.free();
                if beside && share > free {
                    self.hold(at, actions);
                    return Answer::Misused(Misuse::TooMuch(free));
                }
                let left = if beside { Vec::new() } else { self.ramping() };
                self.give_share(at, share, limit, &left, actions);
                Answer::Ramping { share, how }
            }
            Aim::Hold | Aim::Ramp { share: Share::NOBODY, .. } => {
                self.hold(at, actions);
                Answer::Inactive(how)
            }
            Aim::Current | Aim::Ramp { .. } => {
                let replaced = self.take_over(at, Why::Promoted, actions);
                Answer::Current { how, replaced }
            }
        };
        drain_those_narrowed(drain_within, from, actions);
        answer
    }

    pub(crate) fn ramp(
        &mut self,
        version: &Version,
        share: Share,
        limit: Limit,
        actions: &mut Vec<Action>,
    ) -> Answer {
        let at = match self.warm(version) {
            Ok(at) => at,
            Err(answer) => return answer,
        };
        let state = self.entries[at].state;
        if state == State::Current {
            return Answer::Misused(Misuse::IsCurrent(version.clone()));
        }
        if share == Share::NOBODY {
            if state != State::Ramping {
                return Answer::Already(state);
            }
            self.leave(&[at], false, actions);
            return Answer::Draining;
        }
        if self.current().is_none() {
            return Answer::Misused(Misuse::NothingCurrent);
        }
        let most = self.most(at);
        if share > most {
            return Answer::Misused(Misuse::TooMuch(most));
        }
        if share == self.share(at) && limit == self.entries[at].limit {
            return Answer::Already(state);
        }
        self.give_share(at, share, limit, &[], actions);
        Answer::Ramping { share, how: Takeover::Warm }
    }

    pub(crate) fn promote(
        &mut self,
        version: &Version,
        drain_within: Option<Duration>,
        actions: &mut Vec<Action>,
    ) -> Answer {
        match self.warm(version) {
            Err(answer) => answer,
            Ok(at) if self.entries[at].state == State::Current => Answer::Already(State::Current),
            Ok(at) => {
                let from = actions.len();
                let replaced = self.take_over(at, Why::Promoted, actions);
                drain_those_narrowed(drain_within, from, actions);
                Answer::Current { how: Takeover::Warm, replaced }
            }
        }
    }

    // ---- leaving ---------------------------------------------------------------------------------------------------

    pub(crate) fn drain(
        &mut self,
        version: &Version,
        allow_empty: bool,
        drain_within: Option<Duration>,
        actions: &mut Vec<Action>,
    ) -> Answer {
        let Some(at) = self.find(version) else {
            return Answer::Misused(Misuse::Unknown(version.clone()));
        };
        match self.entries[at].state {
            State::Current if !allow_empty => Answer::Misused(Misuse::IsCurrent(version.clone())),
            State::Inactive | State::Ramping | State::Current => {
                let from = actions.len();
                self.leave(&[at], false, actions);
                drain_those_narrowed(drain_within, from, actions);
                Answer::Draining
            }
            // One that drains already is given a time for it.
            State::Draining if drain_within.is_some() => {
                let pool = self.entries[at].pool;
                actions.extend(drain_within.map(|time| Action::DrainWithin(pool, time)));
                Answer::Draining
            }
            state => Answer::Already(state),
        }
    }

    pub(crate) fn reject(&mut self, version: &Version, actions: &mut Vec<Action>) -> Answer {
        let Some(at) = self.find(version) else {
            return Answer::Misused(Misuse::Unknown(version.clone()));
        };
        let entry = &mut self.entries[at];
        if entry.state != State::Ramping {
            return Answer::Already(entry.state);
        }
        entry.quarantined = true;
        self.leave(&[at], true, actions);
        Answer::Draining
    }

    pub(crate) fn retire(&mut self, version: &Version, actions: &mut Vec<Action>) -> Answer {
        let Some(at) = self.find(version) else {
            return Answer::Misused(Misuse::Unknown(version.clone()));
        };
        let pool = self.entries[at].pool;
        match self.entries[at].state {
            State::Drained if self.entries[at].kept => {
                self.cool(at, actions);
                Answer::Retired
            }
            State::Inactive => {
                self.leave(&[at], false, actions);
                actions.push(Action::Cool(pool));
                Answer::Draining
            }
            state @ (State::Drained | State::Retired | State::Failed) => Answer::Already(state),
            state => Answer::Misused(Misuse::NotDrained(version.clone(), state)),
        }
    }

    /// A drained version is kept no longer.
    pub(crate) fn cool(&mut self, at: usize, actions: &mut Vec<Action>) {
        self.entries[at].kept = false;
        // First the table, so that no job comes that names it, then the pool: one that came just before is seen there.
        self.publish(actions);
        actions.push(Action::Cool(self.entries[at].pool));
    }

    // ---- pins and rules --------------------------------------------------------------------------------------------

    pub(crate) fn pin(
        &mut self,
        whose: Whose,
        version: Version,
        until: Option<Time>,
        actions: &mut Vec<Action>,
    ) -> Answer {
        let at = match self.warm(&version) {
            Ok(at) => at,
            Err(answer) => return answer,
        };
        if self.standing.len() >= STANDING_MAX && !self.standing.pins.contains_key(&whose) {
            return Answer::Misused(Misuse::TooManyChoices);
        }
        // First the hold: a pin is not to come to a version that is drained meanwhile.
        actions.push(Action::Hold(self.entries[at].pool));
        let pin = Pin { version, until };
        let before = Arc::make_mut(&mut self.standing).pins.insert(whose, pin);
        if self.entries[at].kept {
            self.entries[at].kept = false;
            self.set(at, State::Draining, actions);
        }
        self.publish(actions);
        if let Some(Pin { version, .. }) = before {
            self.let_go(&version, actions);
        }
        Answer::Chosen
    }

    pub(crate) fn unpin(&mut self, whose: &Whose, actions: &mut Vec<Action>) -> Answer {
        if !self.standing.pins.contains_key(whose) {
            return Answer::NoSuchChoice;
        }
        let ended = Arc::make_mut(&mut self.standing).pins.remove(whose);
        self.publish(actions);
        if let Some(Pin { version, .. }) = ended {
            self.let_go(&version, actions);
        }
        Answer::Chosen
    }

    pub(crate) fn route(&mut self, whose: Whose, version: Version, actions: &mut Vec<Action>) -> Answer {
        let at = match self.warm(&version) {
            Ok(at) => at,
            Err(answer) => return answer,
        };
        let known = self.standing.rules.get(&whose);
        if known == Some(&version) {
            return Answer::Already(self.entries[at].state);
        }
        if self.current().is_none() {
            return Answer::Misused(Misuse::NothingCurrent);
        }
        if known.is_none() && self.standing.len() >= STANDING_MAX {
            return Answer::Misused(Misuse::TooManyChoices);
        }
        let before = Arc::make_mut(&mut self.standing).rules.insert(whose, version);
        self.take_by_rule(at, actions);
        self.leave_if_idle(before, actions);
        Answer::Chosen
    }

    pub(crate) fn unroute(&mut self, whose: &Whose, actions: &mut Vec<Action>) -> Answer {
        if !self.standing.rules.contains_key(whose) {
            return Answer::NoSuchChoice;
        }
        let before = Arc::make_mut(&mut self.standing).rules.remove(whose);
        self.publish(actions);
        self.leave_if_idle(before, actions);
        Answer::Chosen
    }

    /// A rule to this version has ended. If it was ramped by that alone, it drains.
    fn leave_if_idle(&mut self, version: Option<Version>, actions: &mut Vec<Action>) {
        let Some((at, version)) = version.and_then(|version| Some((self.find(&version)?, version))) else {
            return;
        };
        if self.entries[at].state == State::Ramping
            && self.share(at) == Share::NOBODY
            && !self.standing.has_rule_for(&version)
        {
            self.leave(&[at], false, actions);
        }
    }
}

/// Those that were narrowed since there were so many actions have this time to drain.
fn drain_those_narrowed(time: Option<Duration>, since: usize, actions: &mut Vec<Action>) {
    let Some(time) = time else { return };
    let narrowed = actions[since..].iter().filter_map(|action| match action {
        Action::Narrow(pool) => Some(Action::DrainWithin(*pool, time)),
        _ => None,
    });
    let deadlines: Vec<_> = narrowed.collect();
    actions.extend(deadlines);
}
