//! What is known of each version, and the routing table that follows from it.
//!
//! Here is the state and its elementary changes; what becomes of which version is decided in [`versions`](crate::versions).

use crate::id::PoolId;
use crate::id::Revision;
use crate::id::Version;
use crate::routing::RoutingTable;
use crate::share::Share;
use crate::share::Shares;
use crate::share::TooMuch;
use crate::version::Action;
use crate::version::Answer;
use crate::version::Build;
use crate::version::Misuse;
use crate::version::State;

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
    /// Whether it was left because a gate failed or its workers could not be kept running.
    pub quarantined: bool,
    /// Whether its build has seen a job, or could have.
    pub(crate) served: bool,
    pub(crate) recalling: bool,
}

/// All versions of one community, by their place in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Roster {
    pub(crate) entries: Vec<Entry>,
    pub(crate) revision: Revision,
    shares: Shares<PoolId>,
    last_pool: PoolId,
}

impl Roster {
    pub(crate) fn new() -> Self {
        Self {
            entries: Vec::new(),
            revision: Revision::new(0),
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

    /// A version whose workers are there and that was not left for its failures.
    pub(crate) fn warm(&self, version: &Version) -> Result<usize, Answer> {
        let Some(at) = self.find(version) else {
            return Err(Answer::Misused(Misuse::Unknown(version.clone())));
        };
        let entry = &self.entries[at];
        if !entry.state.is_warm() {
            return Err(Answer::Misused(Misuse::NotRunning(version.clone(), entry.state)));
        }
        if entry.quarantined { Err(Answer::Quarantined(version.clone())) } else { Ok(at) }
    }

    fn table(&self) -> RoutingTable<PoolId> {
        let serving = self.entries.iter().filter(|entry| entry.state.is_warm());
        RoutingTable {
            revision: self.revision,
            current: self.current().map(|at| self.entries[at].pool),
            shares: self.shares.clone(),
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
