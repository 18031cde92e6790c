//! What is known of each version, and the routing table that follows from it.
//!
//! Here is the state and its elementary changes; what becomes of which version is decided in [`versions`](crate::versions).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::id::PoolId;
use crate::id::Revision;
use crate::id::Version;
use crate::limit::Limit;
use crate::routing::RoutingTable;
use crate::share::Share;
use crate::share::Shares;
use crate::share::TooMuch;
use crate::standing::Pin;
use crate::standing::Standing;
use crate::verb::Build;
use crate::version::Action;
use crate::version::Answer;
use crate::version::Misuse;
use crate::version::State;
use crate::whose::Whose;

/// How many versions that are over (Retired or Failed) are remembered, for `describe` and as targets of a rollback. Enough
/// for weeks of deploys; without a limit, memory would grow with each deploy.
pub(crate) const OVER_MAX: usize = 64;

/// One version, as the machine knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is about something else")]
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
    /// The version that took its place when it was left, if one did.
    pub successor: Option<Version>,
    /// How many jobs it takes of its share.
    pub limit: Limit,
    /// Whether it is drained and its workers are kept, so that it can get jobs again at once.
    pub kept: bool,
    /// Whether it was left because a gate failed or its workers could not be kept running.
    pub quarantined: bool,
    /// Whether its build has seen a job, or could have.
    pub(crate) served: bool,
    pub(crate) recalling: bool,
}

impl Entry {
    /// Whether its workers are there, so that it can get jobs at once.
    pub fn is_warm(&self) -> bool {
        self.state.is_warm() || self.kept
    }
}

/// All versions of one community, by their place in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Roster {
    pub(crate) entries: Vec<Entry>,
    pub(crate) revision: Revision,
    pub(crate) standing: Arc<Standing>,
    shares: Shares<PoolId>,
    last_pool: PoolId,
}

impl Roster {
    pub(crate) fn new() -> Self {
        Self {
            entries: Vec::new(),
            revision: Revision::new(0),
            standing: Arc::default(),
            shares: Shares::none(),
            last_pool: PoolId::new(0),
        }
    }

    // ---- what is the case ------------------------------------------------------------------------------------------

    pub(crate) fn current(&self) -> Option<usize> {
        self.entries.iter().position(|entry| entry.state == State::Current)
    }

    /// Those that are being ramped, in the order of their first deploy.
    pub(crate) fn ramping(&self) -> Vec<usize> {
        (0..self.entries.len()).filter(|at| self.entries[*at].state == State::Ramping).collect()
    }

    /// Those of them that a rollback goes back from: they have a share, or are newer than the current version. An older one that only rules send
    /// jobs to is none.
    pub(crate) fn candidates(&self) -> Vec<usize> {
        let current = self.current();
        let is_candidate = |at: &usize| self.share(*at) > Share::NOBODY || Some(*at) > current;
        self.ramping().into_iter().filter(is_candidate).collect()
    }

    pub(crate) fn of_pool(&self, pool: PoolId) -> Option<usize> {
        self.entries.iter().position(|entry| entry.pool == pool)
    }

    pub(crate) fn of_pool_in(&self, pool: PoolId, state: State) -> Option<usize> {
        self.of_pool(pool).filter(|at| self.entries[*at].state == state)
    }

    pub(crate) fn find(&self, version: &Version) -> Option<usize> {
        self.entries.iter().position(|entry| entry.version == *version)
    }

    pub(crate) fn name(&self, at: usize) -> Version {
        self.entries[at].version.clone()
    }

    pub(crate) fn share(&self, at: usize) -> Share {
        self.shares.of(&self.entries[at].pool)
    }

    /// The most that this one can have of new jobs.
    pub(crate) fn most(&self, at: usize) -> Share {
        self.shares.most(&self.entries[at].pool)
    }

    /// The most that one can have which has nothing.
    pub(crate) fn free(&self) -> Share {
        self.shares.free()
    }

    /// A version whose workers are there.
    pub(crate) fn running(&self, version: &Version) -> Result<usize, Answer> {
        let Some(at) = self.find(version) else {
            return Err(Answer::Misused(Misuse::Unknown(version.clone())));
        };
        let entry = &self.entries[at];
        if entry.is_warm() {
            return Ok(at);
        }
        Err(Answer::Misused(Misuse::NotRunning(version.clone(), entry.state)))
    }

    /// A version whose workers are there and that was not left for its failures.
    pub(crate) fn warm(&self, version: &Version) -> Result<usize, Answer> {
        let at = self.running(version)?;
        if self.entries[at].quarantined { Err(Answer::Quarantined(version.clone())) } else { Ok(at) }
    }

    fn table(&self) -> RoutingTable<PoolId> {
        let serving = self.entries.iter().filter(|entry| entry.is_warm());
        let gone = self.entries.iter().filter(|entry| !entry.is_warm());
        let successors = gone.filter_map(|entry| Some((entry.version.clone(), entry.successor.clone()?)));
        RoutingTable {
            revision: self.revision,
            current: self.current().map(|at| self.entries[at].pool),
            shares: self.shares.clone(),
            standing: (!self.standing.is_empty()).then(|| Arc::clone(&self.standing)),
            successors: successors.collect(),
            serving: serving.map(|entry| (entry.version.clone(), entry.pool)).collect(),
        }
    }

    // ---- changes ---------------------------------------------------------------------------------------------------

    /// A version of which nothing was known.
    pub(crate) fn enter(&mut self, version: Version, build: Build) -> usize {
        self.entries.push(Entry {
            version,
            build,
            state: State::Retired,
            pool: PoolId::default(),
            before: None,
            successor: None,
            limit: Limit::None,
            kept: false,
            quarantined: false,
            served: false,
            recalling: false,
        });
        self.entries.len() - 1
    }

    /// A new pool for this version.
    pub(crate) fn load(&mut self, at: usize, actions: &mut Vec<Action>) -> PoolId {
        self.last_pool = self.last_pool.next();
        self.entries[at].pool = self.last_pool;
        self.entries[at].recalling = false;
        self.entries[at].kept = false;
        self.set(at, State::Loading, actions);
        actions.push(Action::Start(self.last_pool, self.name(at)));
        self.last_pool
    }

    pub(crate) fn set(&mut self, at: usize, state: State, actions: &mut Vec<Action>) {
        self.entries[at].state = state;
        actions.push(Action::Tell(self.name(at), state));
    }

    /// Shares are salted with the number of the table in which the first of them is.
    pub(crate) fn set_share(&mut self, at: usize, share: Share) -> Result<(), TooMuch> {
        let salt = self.revision.next().get();
        self.shares.set(&self.entries[at].pool, share, salt)
    }

    pub(crate) fn clear_share(&mut self, at: usize) {
        // Less is never too much.
        let _ = self.set_share(at, Share::NOBODY);
    }

    /// No rule sends jobs to this version any more.
    pub(crate) fn clear_rules(&mut self, at: usize) {
        let version = &self.entries[at].version;
        if self.standing.has_rule_for(version) {
            Arc::make_mut(&mut self.standing).rules.retain(|_, to| to != version);
        }
    }

    /// Ends all pins to this version, which cannot run jobs. Returns them, to be let go of when the table without them is published.
    #[must_use = "the version is held until they are let go of"]
    pub(crate) fn unpin_all(&mut self, at: usize) -> Vec<(Whose, Pin)> {
        let version = self.entries[at].version.clone();
        self.unpin_where(|pin| pin.version == version)
    }

    /// Ends the pins that `ends` accepts. Returns them, to be let go of when the table without them is published.
    #[must_use = "the version is held until they are let go of"]
    pub(crate) fn unpin_where(&mut self, ends: impl Fn(&Pin) -> bool) -> Vec<(Whose, Pin)> {
        if !self.standing.pins.values().any(&ends) {
            return Vec::new();
        }
        let standing = Arc::make_mut(&mut self.standing);
        let (ended, kept) = std::mem::take(&mut standing.pins)
            .into_iter()
            .partition::<BTreeMap<_, _>, _>(|(_, pin)| ends(pin));
        standing.pins = kept;
        ended.into_iter().collect()
    }

    /// These pins have ended by themselves.
    pub(crate) fn let_go_of(&self, ended: Vec<(Whose, Pin)>, actions: &mut Vec<Action>) {
        for (whose, Pin { version, .. }) in ended {
            self.let_go(&version, actions);
            actions.push(Action::TellUnpinned(whose, version));
        }
    }

    /// A pin to this version has ended.
    pub(crate) fn let_go(&self, version: &Version, actions: &mut Vec<Action>) {
        let pinned = self.find(version).map(|at| self.entries[at].pool);
        actions.extend(pinned.map(Action::LetGo));
    }

    /// The table of this moment is the next one.
    pub(crate) fn publish(&mut self, actions: &mut Vec<Action>) {
        self.revision = self.revision.next();
        actions.push(Action::Publish(self.table()));
    }

    /// Begins to move the waiting jobs of this version to where the table sends them.
    pub(crate) fn recall(&mut self, at: usize, actions: &mut Vec<Action>) {
        self.entries[at].recalling = true;
        let pool = self.entries[at].pool;
        actions.push(Action::Halt(pool));
        actions.push(Action::Recall(pool));
    }

    /// Ends a pool that was loading. Returns its version.
    pub(crate) fn give_up(&mut self, pool: PoolId, actions: &mut Vec<Action>) -> Option<Version> {
        let at = self.of_pool(pool)?;
        actions.push(Action::Dismiss(pool));
        let over = if self.entries[at].served { State::Retired } else { State::Failed };
        self.set(at, over, actions);
        let version = self.name(at);
        self.forget_oldest(actions);
        Some(version)
    }

    pub(crate) fn forget_oldest(&mut self, actions: &mut Vec<Action>) {
        let before = self.current().and_then(|at| self.entries[at].before.clone());
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
}
