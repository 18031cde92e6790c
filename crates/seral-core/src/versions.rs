//! How one version takes over from another: the state of every version of a community, and what a verb does about it.
//!
//! ```text
//!            started            another takes over            nothing left          pool ended
//! Loading ───────────▶ Current ───────────────────▶ Draining ─────────────▶ Drained ───────────▶ Retired
//!    │ start failed        ▲                            │                       │                     │
//!    ▼                     └── deploy or rollback, warm ┘     deploy or rollback, cold: Loading again │
//!  Failed                  ▲                                                    ▼                     │
//!                          └────────────────────────────────── Loading ◀────────┴─────────────────────┘
//! ```
//!
//! Rules:
//!
//! 1. Verbs take effect in the order in which they were called. While a version is loading, later deploys wait in line.
//! 2. A rollback never waits: if a deploy is loading, the rollback is what ends it, and nothing else changes.
//! 3. Whoever takes over is opened before the table is swapped, and whoever is replaced is narrowed after it. So at every
//!    moment some version takes new jobs.
//! 4. A start that fails changes nothing for any other version.
//! 5. A drain can be reversed until it is done: a draining version becomes current again without starting anything.
//! 6. A version whose workers cannot be kept running is left if it can be: if it is current, for the version that was first
//!    deployed last of those still there; if it is draining, its jobs go to the current one. A version that was left so is
//!    *quarantined*: it is no target of a fall back, so that two bad versions cannot play ping-pong, and becomes current again
//!    only by force.
//!
//! The machine numbers each start of a pool ([`PoolId`]). News of a pool that it does not know any more is ignored.

use std::collections::VecDeque;

use crate::id::PoolId;
use crate::id::Revision;
use crate::id::VerbId;
use crate::id::Version;

pub use crate::version::Action;
pub use crate::version::Answer;
pub use crate::version::Build;
pub use crate::version::Event;
pub use crate::version::Remedy;
pub use crate::version::State;
pub use crate::version::Takeover;

/// How many versions that are over (Retired or Failed) are remembered, for `describe` and as targets of a rollback. Enough
/// for weeks of deploys; without a limit, memory would grow with each deploy.
const OVER_MAX: usize = 64;

/// One version, as the machine knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub version: Version,
    /// What it is made of.
    pub build: Build,
    /// Where it is in its life.
    pub state: State,
    /// Its pool, or its last one.
    pub pool: PoolId,
    /// The version that was current before it.
    pub before: Option<Version>,
    /// Whether it was left because its workers could not be kept running.
    pub quarantined: bool,
    served: bool,
    recalling: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Loading {
    pool: PoolId,
    verb: VerbId,
    purpose: Purpose,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Deploy,
    Rollback,
}

/// A deploy that waits for the one that is loading.
#[derive(Clone, Debug, PartialEq, Eq)]
struct InLine {
    verb: VerbId,
    version: Version,
    build: Build,
    force: bool,
}

/// All versions of one community.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versions {
    entries: Vec<Entry>,
    revision: Revision,
    last_pool: PoolId,
    loading: Option<Loading>,
    line: VecDeque<InLine>,
    rolled_back: bool,
}

impl Versions {
    /// A community without versions.
    pub fn new() -> Self {
        Self {
            entries: Vec::new(),
            revision: Revision::new(0),
            last_pool: PoolId::new(0),
            loading: None,
            line: VecDeque::new(),
            rolled_back: false,
        }
    }

    /// Takes note of what happened and returns what is to be done, in order.
    #[must_use = "the actions are the decision"]
    pub fn handle(&mut self, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Deploy { verb, version, build, force } => {
                self.line.push_back(InLine { verb, version, build, force });
            }
            Event::Rollback { verb } => self.rollback(verb, &mut actions),
            Event::Started(pool) => self.started(pool, &mut actions),
            Event::StartFailed(pool) => self.start_failed(pool, &mut actions),
            Event::Drained(pool) => self.drained(pool, &mut actions),
            Event::Recalled(pool) => self.recalled(pool, &mut actions),
            Event::Ended(pool) => self.ended(pool, &mut actions),
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
            self.give_up(loading.pool, &mut actions);
        }
        actions
    }

    /// All versions that are remembered, in the order of their first deploy.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The current version.
    pub fn current(&self) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.state == State::Current)
    }

    /// The number of the routing table.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The version of this name, if it is remembered.
    pub fn find(&self, version: &Version) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.version == *version)
    }

    /// Whether waiting jobs of this pool are still to be moved.
    pub fn is_recalling(&self, pool: PoolId) -> bool {
        self.entries.iter().any(|entry| entry.pool == pool && entry.recalling)
    }

    // ---- verbs -----------------------------------------------------------------------------------------------------

    fn next_in_line(&mut self, actions: &mut Vec<Action>) {
        while self.loading.is_none() {
            let Some(next) = self.line.pop_front() else { return };
            self.deploy(next, actions);
        }
    }

    fn deploy(&mut self, next: InLine, actions: &mut Vec<Action>) {
        let InLine { verb, version, build, force } = next;
        let Some(at) = self.entries.iter().position(|entry| entry.version == version) else {
            self.entries.push(Entry {
                version,
                build,
                state: State::Retired,
                pool: PoolId::default(),
                before: None,
                quarantined: false,
                served: false,
                recalling: false,
            });
            return self.load(self.entries.len() - 1, verb, Purpose::Deploy, actions);
        };
        let entry = &mut self.entries[at];
        if !entry.served {
            // No job ever saw the build that could not be started, so the name is free for another.
            entry.build = build;
            return self.load(at, verb, Purpose::Deploy, actions);
        }
        if entry.build != build {
            return actions.push(Action::Answer(verb, Answer::OtherBuild));
        }
        if entry.quarantined && !force {
            return actions.push(Action::Answer(verb, Answer::Quarantined(entry.version.clone())));
        }
        match entry.state {
            State::Current => actions.push(Action::Answer(verb, Answer::AlreadyCurrent)),
            State::Draining => {
                let replaced = self.take_over(at, Purpose::Deploy, actions);
                let how = Takeover::Warm;
                actions.push(Action::Answer(verb, Answer::Deployed { how, replaced }));
            }
            State::Drained | State::Retired | State::Failed | State::Loading => {
                self.load(at, verb, Purpose::Deploy, actions);
            }
        }
    }

    fn rollback(&mut self, verb: VerbId, actions: &mut Vec<Action>) {
        let mut overtaken = None;
        if let Some(loading) = self.loading.take_if(|loading| loading.purpose == Purpose::Deploy) {
            overtaken = self.give_up(loading.pool, actions);
            actions.push(Action::Answer(loading.verb, Answer::Overtaken));
        }
        // Deploys in line were called before this rollback: it undoes them all.
        for waiting in std::mem::take(&mut self.line) {
            actions.push(Action::Answer(waiting.verb, Answer::Overtaken));
            overtaken = Some(waiting.version);
        }
        if let Some(version) = overtaken {
            // While a cold rollback goes on loading, nothing has been rolled back yet.
            self.rolled_back |= self.loading.is_none();
            return actions.push(Action::Answer(verb, Answer::EndedDeploy(version)));
        }
        if self.rolled_back || self.loading.is_some() {
            return actions.push(Action::Answer(verb, Answer::AlreadyRolledBack));
        }
        let target = self
            .current()
            .and_then(|current| current.before.clone())
            .and_then(|before| self.entries.iter().position(|entry| entry.version == before));
        let Some(at) = target else {
            return actions.push(Action::Answer(verb, Answer::NothingBefore));
        };
        if self.entries[at].quarantined {
            let version = self.entries[at].version.clone();
            return actions.push(Action::Answer(verb, Answer::Quarantined(version)));
        }
        match self.entries[at].state {
            State::Draining => {
                let from = self.take_over(at, Purpose::Rollback, actions);
                self.answer_rollback(verb, at, from, Takeover::Warm, actions);
            }
            State::Drained | State::Retired | State::Failed => {
                self.load(at, verb, Purpose::Rollback, actions);
            }
            // Neither is before the current version: only one is current, and nothing is loading here.
            State::Current | State::Loading => actions.push(Action::Answer(verb, Answer::NothingBefore)),
        }
    }

    // ---- news of pools ---------------------------------------------------------------------------------------------

    fn started(&mut self, pool: PoolId, actions: &mut Vec<Action>) {
        let Some(loading) = self.loading.take_if(|loading| loading.pool == pool) else { return };
        let Some(at) = self.position(pool) else { return };
        let replaced = self.take_over(at, loading.purpose, actions);
        match loading.purpose {
            Purpose::Deploy => {
                let how = Takeover::Cold;
                actions.push(Action::Answer(loading.verb, Answer::Deployed { how, replaced }));
            }
            Purpose::Rollback => {
                self.answer_rollback(loading.verb, at, replaced, Takeover::Cold, actions);
            }
        }
    }

    fn start_failed(&mut self, pool: PoolId, actions: &mut Vec<Action>) {
        let Some(loading) = self.loading.take_if(|loading| loading.pool == pool) else { return };
        self.give_up(pool, actions);
        actions.push(Action::Answer(loading.verb, Answer::StartFailed));
    }

    fn drained(&mut self, pool: PoolId, actions: &mut Vec<Action>) {
        if let Some(at) = self.position(pool).filter(|at| self.entries[*at].state == State::Draining) {
            self.set(at, State::Drained, actions);
            if let Some(current) = self.current().map(|current| current.pool) {
                self.revision = self.revision.next();
                actions.push(Action::Publish(current, self.revision));
            }
        }
    }

    fn recalled(&mut self, pool: PoolId, actions: &mut Vec<Action>) {
        if let Some(at) = self.position(pool).filter(|at| self.entries[*at].recalling) {
            self.entries[at].recalling = false;
            // Jobs that name this version are still there, and its own to finish.
            actions.push(Action::Resume(pool));
        }
    }

    fn ended(&mut self, pool: PoolId, actions: &mut Vec<Action>) {
        if let Some(at) = self.position(pool).filter(|at| self.entries[*at].state == State::Drained) {
            self.set(at, State::Retired, actions);
            self.forget_oldest(actions);
        }
    }

    fn broken(&mut self, pool: PoolId, actions: &mut Vec<Action>) {
        let Some(at) = self.position(pool) else { return };
        let version = self.entries[at].version.clone();
        match self.entries[at].state {
            State::Current => {
                let warm = |entry: &Entry| entry.state == State::Draining && !entry.quarantined;
                let Some(target) = self.entries.iter().rposition(warm) else {
                    return actions.push(Action::TellBroken(version, Remedy::KeepTrying));
                };
                let to = self.entries[target].version.clone();
                actions.push(Action::TellBroken(version, Remedy::FallBack(to)));
                self.entries[at].quarantined = true;
                self.take_over(target, Purpose::Rollback, actions);
                actions.push(Action::GiveUpPinned(pool));
            }
            State::Draining => {
                if !self.entries[at].quarantined {
                    self.entries[at].quarantined = true;
                    actions.push(Action::TellBroken(version, Remedy::GiveBack));
                }
                if !self.entries[at].recalling {
                    self.recall(at, actions);
                }
                actions.push(Action::GiveUpPinned(pool));
            }
            // Loading fails by `StartFailed`; the others have no work.
            State::Loading | State::Drained | State::Retired | State::Failed => {}
        }
    }

    // ---- steps -----------------------------------------------------------------------------------------------------

    fn load(&mut self, at: usize, verb: VerbId, purpose: Purpose, actions: &mut Vec<Action>) {
        self.last_pool = self.last_pool.next();
        let pool = self.last_pool;
        self.entries[at].pool = pool;
        self.entries[at].recalling = false;
        self.set(at, State::Loading, actions);
        self.loading = Some(Loading { pool, verb, purpose });
        actions.push(Action::Start(pool, self.entries[at].version.clone()));
    }

    /// Makes this version current: open, swap, narrow. Returns the version that was current.
    fn take_over(&mut self, at: usize, purpose: Purpose, actions: &mut Vec<Action>) -> Option<Version> {
        let replaced = self.entries.iter().position(|entry| entry.state == State::Current);
        let pool = self.entries[at].pool;
        self.revision = self.revision.next();
        self.rolled_back = purpose == Purpose::Rollback;
        self.entries[at].recalling = false;
        self.entries[at].quarantined = false;
        self.entries[at].served = true;
        actions.push(Action::Open(pool));
        actions.push(Action::Publish(pool, self.revision));
        self.set(at, State::Current, actions);

        let replaced = replaced?;
        let replaced_pool = self.entries[replaced].pool;
        let replaced_name = self.entries[replaced].version.clone();
        if purpose == Purpose::Deploy {
            self.entries[at].before = Some(replaced_name.clone());
        }
        actions.push(Action::Narrow(replaced_pool));
        self.set(replaced, State::Draining, actions);
        if purpose == Purpose::Rollback {
            self.recall(replaced, actions);
        }
        Some(replaced_name)
    }

    /// Begins to move the waiting jobs of this version to where the table sends them.
    fn recall(&mut self, at: usize, actions: &mut Vec<Action>) {
        self.entries[at].recalling = true;
        let pool = self.entries[at].pool;
        actions.push(Action::Halt(pool));
        actions.push(Action::Recall(pool));
    }

    fn answer_rollback(
        &self,
        verb: VerbId,
        at: usize,
        from: Option<Version>,
        how: Takeover,
        actions: &mut Vec<Action>,
    ) {
        let to = self.entries[at].version.clone();
        let from = from.unwrap_or_else(|| to.clone());
        actions.push(Action::Answer(verb, Answer::RolledBack { from, to, how }));
    }

    /// Ends a pool that was loading. Returns its version.
    fn give_up(&mut self, pool: PoolId, actions: &mut Vec<Action>) -> Option<Version> {
        let at = self.position(pool)?;
        actions.push(Action::Dismiss(pool));
        let over = if self.entries[at].served { State::Retired } else { State::Failed };
        self.set(at, over, actions);
        let version = self.entries[at].version.clone();
        self.forget_oldest(actions);
        Some(version)
    }

    fn set(&mut self, at: usize, state: State, actions: &mut Vec<Action>) {
        self.entries[at].state = state;
        actions.push(Action::Tell(self.entries[at].version.clone(), state));
    }

    fn forget_oldest(&mut self, actions: &mut Vec<Action>) {
        let before = self.current().and_then(|current| current.before.clone());
        let is_over = |entry: &Entry| {
            matches!(entry.state, State::Retired | State::Failed) && Some(&entry.version) != before.as_ref()
        };
        if self.entries.iter().filter(|&entry| is_over(entry)).count() > OVER_MAX
            && let Some(oldest) = self.entries.iter().position(is_over)
        {
            let forgotten = self.entries.remove(oldest);
            actions.push(Action::Forget(forgotten.version));
        }
    }

    fn position(&self, pool: PoolId) -> Option<usize> {
        self.entries.iter().position(|entry| entry.pool == pool)
    }
}

impl Default for Versions {
    fn default() -> Self {
        Self::new()
    }
}
