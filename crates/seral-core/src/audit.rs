//! Which promises a history of routing has broken.
//!
//! An [`Audit`] is told [facts](crate::fact), in the order in which they happened, and holds them against each other. It knows nothing of the
//! machines: a table that it was shown, a gate that it saw closing and a job that it saw going in are all it has. So it finds a bug in the
//! machine as well as in what carries the decisions out.
//!
//! Most promises are looked at with each fact. That nothing was lost, that shares came out right and that drains ended is seen at the
//! end, when the history has come to rest ([`Audit::finish`]).

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::fact::Broken;
use crate::fact::Fact;
use crate::fact::Profile;
use crate::fact::Promise;
use crate::gate::Gate;
use crate::id::Attempt;
use crate::id::JobId;
use crate::id::PoolId;
use crate::id::Revision;
use crate::id::VerbId;
use crate::id::Version;
use crate::limit::Limit;
use crate::roster::OVER_MAX;
use crate::routing::Reason;
use crate::routing::Route;
use crate::routing::RoutingTable;
use crate::share::Share;
use crate::standing::STANDING_MAX;
use crate::tally::Tally;
use crate::tally::moved;
use crate::verb::Verb;
use crate::version::Action;
use crate::version::Answer;
use crate::version::State;
use crate::whereabouts::Whereabouts;

/// How many tables are kept, for jobs that were resolved a while ago.
const TABLES_MAX: usize = 1_000;

/// Two more than the machine forgets at: the target of a rollback, and the one that was that just before.
const REMEMBERED_MAX: usize = OVER_MAX + 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Loading,
    Dismissed,
    Serving,
    /// Its gate was closed by a verb, so it is to be drained.
    Closing,
    /// And then it can be brought back, or not.
    Drained {
        kept: bool,
    },
}

#[derive(Clone, Debug)]
struct Pool {
    version: Version,
    gate: Gate,
    life: Life,
    /// It had a limit at some time, so that jobs passed it by.
    limited: bool,
    /// It was left by a rollback.
    left: bool,
}

/// What happened, as far as it still matters, and what was broken by it.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    tables: BTreeMap<Revision, RoutingTable<PoolId>>,
    pools: BTreeMap<PoolId, Pool>,
    jobs: Whereabouts,
    tally: Tally,
    asked: BTreeMap<VerbId, Verb>,
    /// The versions that are over and not forgotten.
    over: BTreeSet<Version>,
    /// The pool whose start has failed, until that is answered.
    failing: Option<PoolId>,
    broken: Vec<Broken>,
}

impl Audit {
    /// Nothing has happened yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The promises that were broken up to now.
    pub fn broken(&self) -> &[Broken] {
        &self.broken
    }

    /// The history has come to rest: nothing runs, and nothing is on its way. The promises that were broken.
    #[must_use = "it is what the audit is for"]
    pub fn finish(mut self) -> Vec<Broken> {
        self.broken.extend(self.jobs.lost());
        let mut found = Vec::new();
        for (id, pool) in &self.pools {
            let version = &pool.version;
            let serves = self.table().is_some_and(|table| table.serving(version) == Some(id));
            if pool.life == Life::Closing && !(serves && self.is_pinned(version)) {
                found.push((Promise::DrainsEnd, format!("{version}, pool {id}, is still draining")));
            }
            if serves && pool.life == (Life::Drained { kept: false }) {
                found.push((Promise::DrainedIsFinal, format!("{version} is drained, and in the table")));
            }
        }
        let wrong = self.tally.wrong();
        found.extend(wrong.map(|(pool, why)| (Promise::ShareIsExact, format!("pool {pool} got {why}"))));
        for (promise, what) in found {
            self.breaks(promise, what);
        }
        self.broken
    }

    /// Takes note of what happened.
    pub fn note(&mut self, fact: Fact) {
        match fact {
            Fact::Called(verb, what) => {
                self.failing = None;
                self.asked.insert(verb, what);
            }
            Fact::StartFailed(pool) => {
                self.failing =
                    Some(pool).filter(|pool| self.pools.get(pool).is_some_and(|it| it.life == Life::Loading));
            }
            Fact::Done(action) => self.done(action),
            Fact::Drained { pool, kept } => self.drained(pool, kept),
            Fact::Revived(pool) => self.revived(pool),
            Fact::Admitted { job, pool, route } => {
                self.enters(&job, pool, route);
                self.counts(&job, pool, route);
                self.broken.extend(self.jobs.admitted(job, pool));
            }
            Fact::SetAside(job) => self.broken.extend(self.jobs.set_aside(job)),
            Fact::Placed { job, pool, route } => {
                self.broken.extend(self.jobs.placed(job, pool));
                if let Some(profile) = self.jobs.profile(job).cloned() {
                    self.enters(&profile, pool, route);
                }
            }
            Fact::Started { job, pool, attempt } => self.started(job, pool, attempt),
            Fact::Failed(job) => self.broken.extend(self.jobs.failed(job)),
            Fact::Over { job, attempts, .. } => self.broken.extend(self.jobs.over(job, attempts)),
        }
    }

    fn breaks(&mut self, promise: Promise, what: impl Into<String>) {
        self.broken.push(Broken { promise, what: what.into() });
    }

    fn table(&self) -> Option<&RoutingTable<PoolId>> {
        self.tables.last_key_value().map(|(_, table)| table)
    }

    /// Whether the table that was published last ties jobs to this version.
    fn is_pinned(&self, version: &Version) -> bool {
        let standing = self.table().and_then(|table| table.standing.as_ref());
        standing.is_some_and(|standing| standing.pins_of(version) > 0)
    }

    // ---- what was done ---------------------------------------------------------------------------------------------

    fn done(&mut self, action: Action) {
        match action {
            Action::Start(pool, version) => {
                let pool_of_it =
                    Pool { version, gate: Gate::Shut, life: Life::Loading, limited: false, left: false };
                self.pools.insert(pool, pool_of_it);
            }
            Action::Open(pool, limit) => self.gate(pool, Gate::Open, limit),
            Action::Reserve(pool) => self.gate(pool, Gate::Pinned, Limit::None),
            Action::Narrow(pool) => {
                self.stands_alone("a gate was closed");
                if let Some(it) = self.pools.get_mut(&pool) {
                    (it.gate, it.life) = (Gate::Pinned, Life::Closing);
                }
                self.takers_are_open();
            }
            Action::GiveUpPinned(pool) => {
                if let Some(it) = self.pools.get_mut(&pool) {
                    it.gate = Gate::Shut;
                }
                self.takers_are_open();
            }
            Action::Dismiss(pool) => {
                if let Some(it) = self.pools.get_mut(&pool) {
                    it.life = Life::Dismissed;
                }
            }
            Action::Cool(pool) => {
                if let Some(Pool { life: Life::Drained { kept }, .. }) = self.pools.get_mut(&pool) {
                    *kept = false;
                }
            }
            Action::Publish(table) => self.published(table),
            Action::Tell(version, state) => self.told(version, state),
            Action::Forget(version) => {
                self.over.remove(&version);
            }
            Action::Answer(verb, answer) => self.answered(verb, &answer),
            _ => {}
        }
    }

    /// A start that fails opens, closes and publishes nothing.
    fn stands_alone(&mut self, what: &str) {
        if let Some(failing) = self.failing {
            self.breaks(Promise::FailedStartIsAlone, format!("{what} when pool {failing} did not start"));
        }
    }

    fn gate(&mut self, pool: PoolId, gate: Gate, limit: Limit) {
        self.stands_alone("a gate was opened");
        let Some(it) = self.pools.get_mut(&pool) else { return };
        let was = std::mem::replace(&mut it.life, Life::Serving);
        (it.gate, it.left) = (gate, false);
        it.limited |= limit != Limit::None;
        if matches!(was, Life::Drained { .. } | Life::Dismissed) {
            self.breaks(Promise::DrainedIsFinal, format!("pool {pool} is opened, and was {was:?}"));
        }
        self.takers_are_open();
    }

    /// Those to which the table sends jobs that are tied to nothing can take them.
    fn takers_are_open(&mut self) {
        let Some(table) = self.table() else { return };
        let rules = table.standing.iter().flat_map(|standing| standing.rules.values());
        let by_rule = rules.filter_map(|version| table.serving(version));
        let shut: BTreeSet<PoolId> = table
            .takers()
            .chain(by_rule)
            .filter(|pool| self.pools.get(pool).is_none_or(|pool| pool.gate != Gate::Open))
            .copied()
            .collect();
        for pool in shut {
            self.breaks(Promise::SomebodyTakes, format!("new jobs go to pool {pool}, which is closed"));
        }
    }

    fn published(&mut self, table: RoutingTable<PoolId>) {
        self.stands_alone("a table was published");
        let choices = table.standing.as_ref().map_or(0, |standing| standing.len());
        if choices > STANDING_MAX {
            self.breaks(Promise::MemoryIsBounded, format!("there are {choices} pins and rules"));
        }
        if table.successors.len() > REMEMBERED_MAX + table.serving.len() {
            self.breaks(Promise::MemoryIsBounded, format!("{} have successors", table.successors.len()));
        }
        if let Some(before) = self.table() {
            let moved = moved(&before.shares, &table.shares);
            let lost = before.current.filter(|_| table.current.is_none());
            let is_next = table.revision == before.revision.next();
            if let Some(moved) = moved {
                self.breaks(Promise::MonotoneRamp, moved);
            }
            if let Some(lost) = lost.and_then(|pool| self.pools.get(&pool)).map(|pool| pool.version.clone())
                && !self.asked.values().any(
                    |verb| matches!(verb, Verb::Drain { version, allow_empty: true, .. } if *version == lost),
                )
            {
                self.breaks(Promise::SomebodyTakes, format!("{lost} was current, and nobody is"));
            }
            if !is_next {
                let what = format!("table {} is not the next", table.revision);
                self.breaks(Promise::RouteIsExplained, what);
            }
        }
        self.tables.insert(table.revision, table);
        if self.tables.len() > TABLES_MAX {
            self.tables.pop_first();
        }
        self.takers_are_open();
    }

    fn told(&mut self, version: Version, state: State) {
        if matches!(state, State::Retired | State::Failed) {
            self.over.insert(version);
        } else {
            self.over.remove(&version);
        }
        // The machine forgets after it has told.
        if self.over.len() > REMEMBERED_MAX + 1 {
            let count = self.over.len();
            self.breaks(Promise::MemoryIsBounded, format!("{count} versions are over and remembered"));
        }
    }

    fn answered(&mut self, verb: VerbId, answer: &Answer) {
        self.failing = None;
        self.asked.remove(&verb);
        if let Answer::RolledBack { from, to, .. } = answer
            && from != to
            && let Some(left) = self.pools.values_mut().rfind(|pool| pool.version == *from)
        {
            left.left = true;
        }
    }

    // ---- what became of pools --------------------------------------------------------------------------------------

    fn drained(&mut self, pool: PoolId, kept: bool) {
        let Some(it) = self.pools.get_mut(&pool) else { return };
        let was = std::mem::replace(&mut it.life, Life::Drained { kept });
        let version = it.version.clone();
        let (jobs, away) = (self.jobs.of_pool(pool), self.jobs.away(&version));
        let serves = self.table().is_some_and(|table| table.serving(&version) == Some(&pool));
        let why = match () {
            () if was != Life::Closing => Some(format!("and was {was:?}")),
            () if jobs > 0 => Some(format!("with {jobs} jobs")),
            () if serves && away > 0 => Some(format!("and {away} jobs that name it wait elsewhere")),
            () if serves && self.is_pinned(&version) => Some("and jobs are pinned to it".to_owned()),
            () => None,
        };
        if let Some(why) = why {
            self.breaks(Promise::DrainedIsFinal, format!("{version}, pool {pool}, is drained {why}"));
        }
    }

    fn revived(&mut self, pool: PoolId) {
        let Some(it) = self.pools.get_mut(&pool) else { return };
        let was = std::mem::replace(&mut it.life, Life::Closing);
        if was != (Life::Drained { kept: true }) {
            self.breaks(Promise::DrainedIsFinal, format!("pool {pool} came back, and was not kept"));
        }
    }

    // ---- what became of jobs ---------------------------------------------------------------------------------------

    /// A job comes into a pool, new or not.
    fn enters(&mut self, job: &Profile, pool: PoolId, route: Route) {
        let (id, reason) = (job.id, route.reason());
        let Some(it) = self.pools.get(&pool) else {
            self.breaks(Promise::RouteIsExplained, format!("job {id} went to pool {pool}, which is none"));
            return;
        };
        let (version, gate, left) = (it.version.clone(), it.gate, it.left);
        let is_drained = matches!(it.life, Life::Drained { .. });
        let table = self.tables.get(&route.revision());
        let standing = table.and_then(|table| table.standing.as_ref()?.pin(job)).cloned();
        let tied = job.pin.is_some() || reason == Reason::StandingPin;
        let tie = job.pin.clone().or(standing);
        let mut found = Vec::new();
        if is_drained {
            found.push((Promise::DrainedIsFinal, "which is drained".to_owned()));
        }
        if !gate.lets_through(tied) {
            found.push((Promise::ClosedIsClosed, "which is closed".to_owned()));
        }
        if left && !tied {
            found.push((Promise::RollbackHolds, "which was left by a rollback".to_owned()));
        }
        if let Some(tie) = tie.filter(|tie| *tie != version && reason != Reason::Moved) {
            found.push((Promise::PinIsStrict, format!("and is tied to {tie}")));
        }
        if let Err(why) = self.explains(job, pool, route) {
            found.push((Promise::RouteIsExplained, why));
        }
        for (promise, why) in found {
            self.breaks(promise, format!("job {id} went to {version}, pool {pool}, {route}, {why}"));
        }
    }

    /// Whether the table that is written on a job sends it there, and for the reason that is.
    fn explains(&self, job: &Profile, pool: PoolId, route: Route) -> Result<(), String> {
        let (revision, reason) = (route.revision(), route.reason());
        let Some(table) = self.tables.get(&revision) else {
            let oldest = self.tables.first_key_value().map_or(Revision::new(1), |(oldest, _)| *oldest);
            // One that is not kept any more is believed.
            let is_forgotten = revision < oldest && oldest > Revision::new(TABLES_MAX as u64);
            return if is_forgotten { Ok(()) } else { Err(format!("and there is no table {revision}")) };
        };
        let resolved = table.resolve(job).map(|(to, why)| (*to, why));
        let passed_by = |to: &PoolId| self.pools.get(to).is_some_and(|it| it.limited);
        let is_right = match (reason, resolved) {
            (Reason::Moved, _) => table.serving.iter().any(|(_, serving)| *serving == pool),
            (reason, Ok(resolved)) if resolved == (pool, reason) => true,
            (Reason::Current, Ok((to, Reason::Share | Reason::Rule))) => {
                table.current == Some(pool) && passed_by(&to)
            }
            _ => false,
        };
        if is_right { Ok(()) } else { Err(format!("and that table says {resolved:?}")) }
    }

    /// A new job that is tied to nothing is one of those that shares are about.
    fn counts(&mut self, job: &Profile, pool: PoolId, route: Route) {
        let Some(table) = self.tables.get(&route.revision()) else { return };
        let passed_by = |owner: &PoolId| self.pools.get(owner).is_some_and(|it| it.limited);
        let is_limited = table.shares.owners().any(passed_by);
        let wrong = match route.reason() {
            Reason::Share if table.shares.of(&pool) == Share::NOBODY => Some("has no share"),
            Reason::Current if table.shares.free() == Share::NOBODY && !is_limited => {
                Some("has nothing left")
            }
            Reason::Share | Reason::Current => None,
            _ => return,
        };
        // Where none is current, only jobs that fall into a share come in.
        if table.current.is_some() && !is_limited {
            self.tally.count(&table.shares, job.spread, pool);
        }
        if let Some(wrong) = wrong {
            self.breaks(Promise::ShareIsExact, format!("job {} went to pool {pool}, which {wrong}", job.id));
        }
    }

    fn started(&mut self, id: JobId, pool: PoolId, attempt: Attempt) {
        self.broken.extend(self.jobs.started(id, pool, attempt));
        let pin = self.jobs.profile(id).and_then(|job| job.pin.as_ref());
        let Some((pin, it)) = pin.zip(self.pools.get(&pool)) else { return };
        if *pin != it.version {
            let what = format!("job {id} names {pin}, and runs on {}", it.version);
            self.breaks(Promise::PinIsStrict, what);
        }
    }
}
