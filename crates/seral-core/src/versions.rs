//! How one version takes over from another: the state of every version of a community, and what a verb does about it.
//!
//! ```text
//!            started                a share             promoted         another takes over
//! Loading ─────────────▶ Inactive ─────────▶ Ramping ───────────▶ Current ─────┐
//!    │ start failed      ▲    │ drain           │ no share, abort, drain        │
//!    ▼                   │    ▼                 ▼                               │        nothing left            pool ended
//!  Failed                └─ Draining ◀──────────┴───────────────────────────────┘   Draining ───────▶ Drained ───────────▶ Retired
//!             deploy, ramp, promote, rollback: warm, from Draining to where they aim; cold, by Loading again
//! ```
//!
//! Rules:
//!
//! 1. Verbs take effect in the order in which they were called. While a version is loading, later verbs wait in line.
//! 2. A rollback never waits, nor does an abort or a rejection; pins and rules wait only for a version that they are about. If a deploy is loading, a rollback or an abort is what ends it, and nothing else
//!    changes.
//! 3. Whoever takes over is opened before the table is swapped, and whoever is replaced is narrowed after it. So at every
//!    moment some version takes new jobs.
//! 4. A start that fails changes nothing for any other version.
//! 5. A drain can be reversed until it is done: a draining version becomes current again without starting anything.
//! 6. A version that becomes current gets all new jobs: what was ramped drains with what was current. Only a fall back leaves
//!    what is ramped where it is.
//! 7. Whoever goes back while something is ramped goes back from that: the current version gets all new jobs again. An older version that gets
//!    nothing but by rules is not what anybody goes back from.
//! 8. A version whose workers cannot be kept running is left if it can be: if it is current, for the version that was first
//!    deployed last of those that drain; otherwise its jobs go where the table sends them without it. A version that was left so is
//!    *quarantined*: it is no target of a fall back, so that two bad versions cannot play ping-pong, and gets new jobs
//!    again only by force. So is one that is *rejected*, since it was found to be bad.
//!
//! The machine numbers each start of a pool ([`PoolId`]). News of a pool that it does not know any more is ignored.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::id::PoolId;
use crate::id::Revision;
use crate::id::VerbId;
use crate::id::Version;
use crate::placing::Aimed;
use crate::roster::Roster;
use crate::share::Share;
use crate::standing::Standing;
use crate::succession::Why;

pub use crate::limit::Limit;
pub use crate::roster::Entry;
pub use crate::verb::Aim;
pub use crate::verb::Build;
pub use crate::verb::Verb;
pub use crate::version::Action;
pub use crate::version::Answer;
pub use crate::version::Event;
pub use crate::version::Misuse;
pub use crate::version::Remedy;
pub use crate::version::State;
pub use crate::version::Takeover;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Loading {
    pool: PoolId,
    verb: VerbId,
    purpose: Purpose,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Deploy(Aimed),
    Rollback,
}

/// A verb that waits for the deploy that is loading.
#[derive(Clone, Debug, PartialEq, Eq)]
struct InLine {
    verb: VerbId,
    expected: Option<Revision>,
    what: Verb,
}

/// All versions of one community.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versions {
    roster: Roster,
    loading: Option<Loading>,
    line: VecDeque<InLine>,
    rolled_back: bool,
}

impl Versions {
    /// A community without versions.
    pub fn new() -> Self {
        Self { roster: Roster::new(), loading: None, line: VecDeque::new(), rolled_back: false }
    }

    /// Takes note of what happened and returns what is to be done, in order.
    #[must_use = "the actions are the decision"]
    pub fn handle(&mut self, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Called { verb, expected, what, urgent } => {
                self.called(InLine { verb, expected, what }, urgent, &mut actions);
            }
            Event::Started(pool) => self.started(pool, &mut actions),
            Event::StartFailed(pool) => self.start_failed(pool, &mut actions),
            Event::Drained { pool, kept } => self.roster.drained(pool, kept, &mut actions),
            Event::Revived(pool) => self.roster.revived(pool, &mut actions),
            Event::Cooled(pool) => self.roster.cooled(pool, &mut actions),
            Event::Overdue(pool) => self.roster.overdue(pool, &mut actions),
            Event::Clock(now) => self.roster.clock(now, &mut actions),
            Event::Recalled(pool) => self.roster.recalled(pool, &mut actions),
            Event::Ended(pool) => self.roster.ended(pool, &mut actions),
            Event::Broken(pool) => self.broken(pool, &mut actions),
        }
        self.next_in_line(&mut actions);
        actions
    }

    /// The dispatcher begins anew: what it was told while it was away is lost. A pool that was loading is given up. Verbs that
    /// waited got no answer; their callers were told so.
    #[must_use = "the actions are the decision"]
    pub fn restart(&mut self) -> Vec<Action> {
        let mut actions = Vec::new();
        self.line.clear();
        if let Some(loading) = self.loading.take() {
            self.roster.give_up(loading.pool, &mut actions);
        }
        actions
    }

    /// All versions that are remembered, in the order of their first deploy.
    pub fn entries(&self) -> &[Entry] {
        &self.roster.entries
    }

    /// The current version.
    pub fn current(&self) -> Option<&Entry> {
        self.roster.current().map(|at| &self.roster.entries[at])
    }

    /// The number of the routing table.
    pub fn revision(&self) -> Revision {
        self.roster.revision
    }

    /// The version of this name, if it is remembered.
    pub fn find(&self, version: &Version) -> Option<&Entry> {
        self.roster.find(version).map(|at| &self.roster.entries[at])
    }

    /// The version from which waiting jobs can be moved, and the one to which: that one was not left for its failures.
    ///
    /// # Errors
    ///
    /// The answer of a verb that does not fit one of them.
    pub fn movers(&self, from: &Version, to: &Version) -> Result<(&Entry, &Entry), Answer> {
        let (from, to) = (self.roster.running(from)?, self.roster.warm(to)?);
        Ok((&self.roster.entries[from], &self.roster.entries[to]))
    }

    /// The share of new jobs that a version has: while it is ramped, what it was given; while it is current, what nobody else has.
    pub fn share(&self, version: &Version) -> Share {
        match self.roster.find(version) {
            Some(at) if self.roster.entries[at].state == State::Current => self.roster.free(),
            Some(at) => self.roster.share(at),
            None => Share::NOBODY,
        }
    }

    /// Its pins and rules.
    pub fn standing(&self) -> &Arc<Standing> {
        &self.roster.standing
    }

    /// Whether waiting jobs of this pool are still to be moved.
    pub fn is_recalling(&self, pool: PoolId) -> bool {
        self.roster.entries.iter().any(|entry| entry.pool == pool && entry.recalling)
    }

    // ---- verbs -----------------------------------------------------------------------------------------------------

    fn called(&mut self, call: InLine, urgent: bool, actions: &mut Vec<Action>) {
        let waits = match &call.what {
            Verb::Rollback { .. } | Verb::Reject { .. } | Verb::Abort => false,
            // They have nothing to do with what is being started, unless they are about it, or come after one that is.
            Verb::Unpin(_) | Verb::Unroute(_) => self.line.iter().any(|call| call.what.is_choice()),
            Verb::Pin { version, .. } | Verb::Route { version, .. } => {
                self.is_to_come(version) || self.line.iter().any(|call| call.what.is_choice())
            }
            _ => true,
        };
        if urgent || !waits {
            self.take_effect(call, actions);
        } else {
            self.line.push_back(call);
        }
    }

    /// Whether this version is loading, or in line for that.
    fn is_to_come(&self, version: &Version) -> bool {
        let is_loading = |loading: &Loading| self.roster.of_pool_in(loading.pool, State::Loading);
        let loading = self.loading.as_ref().and_then(is_loading);
        loading.is_some_and(|at| self.roster.entries[at].version == *version)
            || self.line.iter().any(|call| call.what.version().as_ref() == Some(version))
    }

    fn next_in_line(&mut self, actions: &mut Vec<Action>) {
        while self.loading.is_none() {
            let Some(next) = self.line.pop_front() else { return };
            self.take_effect(next, actions);
        }
    }

    fn take_effect(&mut self, InLine { verb, expected, what }: InLine, actions: &mut Vec<Action>) {
        if expected.is_some_and(|expected| expected != self.roster.revision) {
            return actions.push(Action::Answer(verb, Answer::Conflict(self.roster.revision)));
        }
        let answer = match what {
            Verb::Deploy { version, build, aim, force, drain_within } => {
                self.deploy(verb, version, build, Aimed { aim, drain_within }, force, actions)
            }
            Verb::Rollback { to } => self.rollback(verb, to, actions),
            Verb::Abort => Some(self.abort(actions)),
            Verb::Ramp { version, share, limit } => Some(self.roster.ramp(&version, share, limit, actions)),
            Verb::Promote { version, drain_within } => {
                Some(self.roster.promote(&version, drain_within, actions))
            }
            Verb::Drain { version, allow_empty, drain_within } => {
                Some(self.roster.drain(&version, allow_empty, drain_within, actions))
            }
            Verb::Reject { version, back_to } => Some(self.reject(&version, back_to.as_ref(), actions)),
            Verb::Retire(version) => Some(self.roster.retire(&version, actions)),
            Verb::Pin { whose, version, until } => Some(self.roster.pin(whose, version, until, actions)),
            Verb::Unpin(whose) => Some(self.roster.unpin(&whose, actions)),
            Verb::Route { whose, version } => Some(self.roster.route(whose, version, actions)),
            Verb::Unroute(whose) => Some(self.roster.unroute(&whose, actions)),
        };
        if let Some(answer) = answer {
            self.answer(verb, answer, actions);
        }
    }

    fn answer(&mut self, verb: VerbId, answer: Answer, actions: &mut Vec<Action>) {
        if matches!(answer, Answer::Current { .. } | Answer::Ramping { .. }) {
            self.rolled_back = false;
        }
        actions.push(Action::Answer(verb, answer));
    }

    /// No answer yet if its workers have to be started.
    fn deploy(
        &mut self,
        verb: VerbId,
        version: Version,
        build: Build,
        aimed: Aimed,
        force: bool,
        actions: &mut Vec<Action>,
    ) -> Option<Answer> {
        let known = self.roster.find(&version);
        if let Some(at) = known.filter(|at| self.roster.entries[*at].served) {
            let entry = &self.roster.entries[at];
            if entry.build != build {
                return Some(Answer::OtherBuild);
            }
            if entry.quarantined && !force {
                return Some(Answer::Quarantined(version));
            }
            match (entry.state, aimed.aim) {
                // One that is ramped by rules alone can be brought further.
                (State::Ramping, aim) if self.roster.share(at) == Share::NOBODY && aim.is_more() => {}
                (state @ (State::Current | State::Ramping), _) | (state @ State::Inactive, Aim::Hold) => {
                    return Some(Answer::Already(state));
                }
                _ => {}
            }
        }
        if let Aim::Ramp { share, beside: true, .. } = aimed.aim
            && share > self.roster.free()
        {
            return Some(Answer::Misused(Misuse::TooMuch(self.roster.free())));
        }
        if let Some(at) = known.filter(|at| self.roster.entries[*at].is_warm()) {
            return Some(self.roster.bring(at, aimed, Takeover::Warm, actions));
        }
        let at = match known {
            Some(at) => {
                // No job ever saw a build that could not be started, so the name is free for another.
                self.roster.entries[at].build = build;
                at
            }
            None => self.roster.enter(version, build),
        };
        self.load(at, verb, Purpose::Deploy(aimed), actions);
        None
    }

    fn abort(&mut self, actions: &mut Vec<Action>) -> Answer {
        let ramps = |loading: &mut Loading| {
            matches!(loading.purpose, Purpose::Deploy(Aimed { aim: Aim::Ramp { .. }, .. }))
        };
        let mut aborted = Vec::new();
        if let Some(loading) = self.loading.take_if(ramps) {
            aborted.extend(self.roster.give_up(loading.pool, actions));
            actions.push(Action::Answer(loading.verb, Answer::Overtaken));
        }
        let ramping = self.roster.ramping();
        aborted.extend(ramping.iter().map(|at| self.roster.name(*at)));
        self.roster.leave(&ramping, false, actions);
        Answer::Aborted(aborted)
    }

    /// A version was found to be bad. If it is current, it is left for that one, if its workers are there.
    fn reject(&mut self, version: &Version, back_to: Option<&Version>, actions: &mut Vec<Action>) -> Answer {
        let current = self.roster.find(version).filter(|at| self.roster.entries[*at].state == State::Current);
        let Some(at) = current else { return self.roster.reject(version, actions) };
        let target = back_to.and_then(|to| self.roster.warm(to).ok()).filter(|target| *target != at);
        let Some(target) = target else { return Answer::NothingBefore };
        self.roster.entries[at].quarantined = true;
        let from = self.take_over(target, Why::FallBack, actions);
        self.rolled_back_to(target, from, Takeover::Warm)
    }

    /// No answer yet if the workers of its target have to be started.
    fn rollback(&mut self, verb: VerbId, to: Option<Version>, actions: &mut Vec<Action>) -> Option<Answer> {
        if let Some(version) = self.end_what_is_to_come(actions) {
            // While a cold rollback goes on loading, nothing has been rolled back yet.
            self.rolled_back |= self.loading.is_none();
            return Some(Answer::EndedDeploy(version));
        }
        if self.loading.is_some() {
            return Some(Answer::AlreadyRolledBack);
        }
        let current = self.current().map(|current| current.version.clone());
        if to.is_none() || to == current {
            let ramping = self.roster.candidates();
            if let (Some(newest), Some(to)) = (ramping.last(), &current) {
                let (from, to) = (self.roster.name(*newest), to.clone());
                self.roster.leave(&ramping, true, actions);
                self.rolled_back = true;
                return Some(Answer::RolledBack { from, to, how: Takeover::Warm });
            }
            if self.rolled_back || to.is_some() {
                return Some(Answer::AlreadyRolledBack);
            }
        }
        if let Some(unknown) = to.as_ref().filter(|to| self.roster.find(to).is_none()) {
            return Some(Answer::Misused(Misuse::Unknown(unknown.clone())));
        }
        let target = to.or_else(|| self.current()?.before.clone());
        let Some(at) = target.and_then(|target| self.roster.find(&target)) else {
            return Some(Answer::NothingBefore);
        };
        if self.roster.entries[at].quarantined {
            return Some(Answer::Quarantined(self.roster.name(at)));
        }
        if !self.roster.entries[at].is_warm() {
            self.load(at, verb, Purpose::Rollback, actions);
            return None;
        }
        let from = self.take_over(at, Why::RolledBack, actions);
        Some(self.rolled_back_to(at, from, Takeover::Warm))
    }

    /// Ends the deploy that is loading and the verbs in line, which were called before the rollback that ends them. Returns the version
    /// of the last.
    fn end_what_is_to_come(&mut self, actions: &mut Vec<Action>) -> Option<Version> {
        let mut ended = None;
        if let Some(loading) = self.loading.take_if(|loading| loading.purpose != Purpose::Rollback) {
            ended = self.roster.give_up(loading.pool, actions);
            actions.push(Action::Answer(loading.verb, Answer::Overtaken));
        }
        for waiting in std::mem::take(&mut self.line) {
            actions.push(Action::Answer(waiting.verb, Answer::Overtaken));
            ended = waiting.what.version().or(ended);
        }
        ended
    }

    // ---- news of pools ---------------------------------------------------------------------------------------------

    fn started(&mut self, pool: PoolId, actions: &mut Vec<Action>) {
        let Some(loading) = self.loading.take_if(|loading| loading.pool == pool) else { return };
        let Some(at) = self.roster.of_pool(pool) else { return };
        let answer = match loading.purpose {
            Purpose::Deploy(aimed) => self.roster.bring(at, aimed, Takeover::Cold, actions),
            Purpose::Rollback => {
                let from = self.take_over(at, Why::RolledBack, actions);
                self.rolled_back_to(at, from, Takeover::Cold)
            }
        };
        self.answer(loading.verb, answer, actions);
    }

    fn start_failed(&mut self, pool: PoolId, actions: &mut Vec<Action>) {
        let Some(loading) = self.loading.take_if(|loading| loading.pool == pool) else { return };
        self.roster.give_up(pool, actions);
        actions.push(Action::Answer(loading.verb, Answer::StartFailed));
    }

    fn broken(&mut self, pool: PoolId, actions: &mut Vec<Action>) {
        let Some(at) = self.roster.of_pool(pool) else { return };
        let version = self.roster.name(at);
        match self.roster.entries[at].state {
            State::Current => {
                let warm =
                    |entry: &Entry| (entry.state == State::Draining || entry.kept) && !entry.quarantined;
                let Some(target) = self.roster.entries.iter().rposition(warm) else {
                    return actions.push(Action::TellBroken(version, Remedy::KeepTrying));
                };
                actions.push(Action::TellBroken(version, Remedy::FallBack(self.roster.name(target))));
                self.roster.entries[at].quarantined = true;
                let unpinned = self.roster.unpin_all(at);
                self.take_over(target, Why::FallBack, actions);
                self.roster.let_go_of(unpinned, actions);
                actions.push(Action::GiveUpPinned(pool));
            }
            State::Inactive | State::Ramping | State::Draining => {
                let was = self.roster.entries[at].clone();
                if !was.quarantined {
                    self.roster.entries[at].quarantined = true;
                    actions.push(Action::TellBroken(version, Remedy::GiveBack));
                }
                let unpinned = self.roster.unpin_all(at);
                if was.state == State::Draining {
                    if !unpinned.is_empty() {
                        self.roster.publish(actions);
                    }
                    if !was.recalling {
                        self.roster.recall(at, actions);
                    }
                } else {
                    self.roster.leave(&[at], true, actions);
                }
                self.roster.let_go_of(unpinned, actions);
                actions.push(Action::GiveUpPinned(pool));
            }
            State::Drained if self.roster.entries[at].kept => self.roster.cool(at, actions),
            // Loading fails by `StartFailed`; the others have no work.
            State::Loading | State::Drained | State::Retired | State::Failed => {}
        }
    }

    // ---- steps -----------------------------------------------------------------------------------------------------

    fn load(&mut self, at: usize, verb: VerbId, purpose: Purpose, actions: &mut Vec<Action>) {
        let pool = self.roster.load(at, actions);
        self.loading = Some(Loading { pool, verb, purpose });
    }

    fn take_over(&mut self, at: usize, why: Why, actions: &mut Vec<Action>) -> Option<Version> {
        self.rolled_back = why != Why::Promoted;
        self.roster.take_over(at, why, actions)
    }

    fn rolled_back_to(&self, at: usize, from: Option<Version>, how: Takeover) -> Answer {
        let to = self.roster.name(at);
        Answer::RolledBack { from: from.unwrap_or_else(|| to.clone()), to, how }
    }
}

impl Default for Versions {
    fn default() -> Self {
        Self::new()
    }
}
