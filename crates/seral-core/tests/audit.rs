//! Long random histories of [`Versions`] with jobs flowing, on a toy data plane; an [`Audit`] is told what happens, and finds nothing.
//!
//! What `tests/versions.rs` enumerates is short and has no jobs. Here a history has 200 steps with every verb, with arguments that fit and
//! that do not, while jobs are sent, run, fail, wait behind their key or for their time, and are moved. Pools fail to start, break and
//! drain; pins expire; pools that are kept cool, or are brought back by a job; news comes late, or twice; the dispatcher begins anew. Between any two
//! actions of the machine a job may be sent, and a job that was resolved by one table may arrive when there are others. At the end everything
//! comes to rest: what is to run runs, and then all drains have ended.
//!
//! A seed decides everything, so a failure is repeated by its seed. `SERAL_SEEDS=10000` tries more of them. With `--nocapture` it is printed how
//! often each verb was called and took effect.

#![allow(clippy::print_stdout, reason = "how often each verb took effect is worth seeing with --nocapture")]

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::time::Duration;

use seral_core::audit::Audit;
use seral_core::fact::Broken;
use seral_core::fact::Fact;
use seral_core::fact::Fate;
use seral_core::fact::Profile;
use seral_core::fence::Fence;
use seral_core::gate::Gate;
use seral_core::id::Attempt;
use seral_core::id::JobId;
use seral_core::id::Key;
use seral_core::id::PoolId;
use seral_core::id::Revision;
use seral_core::id::VerbId;
use seral_core::id::Version;
use seral_core::routing::NoRoute;
use seral_core::routing::Reason;
use seral_core::routing::Route;
use seral_core::routing::RoutingTable;
use seral_core::share::Share;
use seral_core::time::Time;
use seral_core::versions::Action;
use seral_core::versions::Aim;
use seral_core::versions::Answer;
use seral_core::versions::Build;
use seral_core::versions::Event;
use seral_core::versions::Limit;
use seral_core::versions::Misuse;
use seral_core::versions::Remedy;
use seral_core::versions::State;
use seral_core::versions::Verb;
use seral_core::versions::Versions;
use seral_core::whose::Header;
use seral_core::whose::TENANT;
use seral_core::whose::Whose;

const STEPS: usize = 200;
/// Each so many seeds there are as many pins as there may be.
const FULL: u64 = 250;
const FULL_BY: u64 = 10_000;
/// Each so many seeds there are many versions, and most do not start, so that some are forgotten.
const MANY: u64 = 10;

// ---- chance --------------------------------------------------------------------------------------------------------

/// `SplitMix64`.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).expect("it is below a usize")
    }

    fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> Option<T> {
        of.get(self.below(of.len())).cloned()
    }

    /// Which of these, by their weights.
    fn weighted(&mut self, weights: &[usize]) -> usize {
        let mut at = self.below(weights.iter().sum());
        for (which, weight) in weights.iter().enumerate() {
            if at < *weight {
                return which;
            }
            at -= weight;
        }
        0
    }
}

/// How often what occurred.
type Seen = BTreeMap<String, usize>;

fn saw(seen: &mut Seen, what: impl Into<String>) {
    *seen.entry(what.into()).or_default() += 1;
}

/// The name of a variant.
fn name_of(variant: &impl std::fmt::Debug) -> String {
    let text = format!("{variant:?}");
    text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
}

// ---- the toy data plane --------------------------------------------------------------------------------------------

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Loading,
    Running,
    Drained { kept: bool },
    Over,
}

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is about something else")]
struct Pool {
    version: Version,
    life: Life,
    gate: Gate,
    /// It was narrowed, so that it is drained as soon as it has nothing left.
    closing: bool,
    halted: bool,
    /// Its workers do not run.
    broken: bool,
    limit: Limit,
    /// How many jobs it took of its limit.
    taken: u64,
    queue: VecDeque<u64>,
    running: Vec<u64>,
    /// What keeps it from being drained: pins, jobs elsewhere that name it, a decision that is being made.
    holds: usize,
    away: usize,
    steady: bool,
    /// Whether it is to be kept when it is drained.
    keep: bool,
    /// Whether it has a time to drain, and a time to be kept.
    deadline: bool,
    cools: bool,
}

#[derive(Debug)]
struct Job {
    profile: Profile,
    failures: u32,
    /// It is tied to the version where it is, by itself or by a pin.
    tied: bool,
    holds_key: bool,
    /// The pool that waits for it.
    away: Option<PoolId>,
}

/// A job that was resolved and has not arrived.
#[derive(Clone)]
struct Racing {
    profile: Profile,
    pool: PoolId,
    reason: Reason,
    seen: Revision,
    current: Option<PoolId>,
}

enum Refused {
    Gate,
    Limit,
}

#[derive(Clone, Debug)]
enum News {
    Drained(PoolId),
    Revived(PoolId),
    Ended(PoolId),
}

struct World<'a> {
    random: Random,
    versions: Versions,
    audit: Audit,
    /// By number, from 1.
    pools: Vec<Pool>,
    table: RoutingTable<PoolId>,
    jobs: BTreeMap<u64, Job>,
    last_job: u64,
    fence: Fence<u64>,
    delayed: Vec<u64>,
    unrouted: Vec<u64>,
    racing: Vec<Racing>,
    news: VecDeque<News>,
    calls: BTreeMap<VerbId, Verb>,
    last_call: u64,
    now: u64,
    names: usize,
    seen: &'a mut Seen,
    /// What was done, if somebody wants to know.
    log: Option<Vec<String>>,
}

impl<'a> World<'a> {
    fn new(seed: u64, seen: &'a mut Seen, log: bool) -> Self {
        Self {
            random: Random(seed),
            versions: Versions::new(),
            audit: Audit::new(),
            pools: Vec::new(),
            table: RoutingTable::empty(),
            jobs: BTreeMap::new(),
            last_job: 0,
            fence: Fence::new(),
            delayed: Vec::new(),
            unrouted: Vec::new(),
            racing: Vec::new(),
            news: VecDeque::new(),
            calls: BTreeMap::new(),
            last_call: 0,
            now: 0,
            names: if seed % MANY == MANY - 1 { 150 } else { 6 },
            seen,
            log: log.then(Vec::new),
        }
    }

    fn log(&mut self, what: impl FnOnce() -> String) {
        if let Some(log) = &mut self.log {
            log.push(what());
        }
    }

    fn at(&mut self, pool: PoolId) -> &mut Pool {
        let at = usize::try_from(pool.get() - 1).expect("pools are few");
        &mut self.pools[at]
    }

    fn pools_where(&self, wanted: impl Fn(&Pool) -> bool) -> Vec<PoolId> {
        let pools = (1..).zip(&self.pools).filter(|(_, pool)| wanted(pool));
        pools.map(|(number, _)| PoolId::new(number)).collect()
    }

    // ---- jobs ------------------------------------------------------------------------------------------------------

    fn new_profile(&mut self) -> Profile {
        self.last_job += 1;
        let id = self.last_job;
        let key = self.random.percent(50).then(|| self.random.below(6) as u64);
        let pin = if self.random.percent(12) { Some(self.name()) } else { None };
        let tenant = self.random.percent(30).then(|| if self.random.percent(50) { "a" } else { "b" });
        Profile {
            id: JobId::new(id),
            pin,
            key: key.map(Key::from),
            headers: tenant.iter().map(|tenant| Header::new(TENANT, tenant)).collect(),
            spread: key.unwrap_or(id + 1_000),
        }
    }

    /// A new job, resolved by the table of this moment. None if no version takes it: then it was never admitted.
    fn resolve_new(&mut self) -> Option<Racing> {
        let profile = self.new_profile();
        self.resolve(profile)
    }

    fn resolve(&mut self, profile: Profile) -> Option<Racing> {
        let (pool, reason) = self.table.resolve(&profile).ok()?;
        let (pool, seen, current) = (*pool, self.table.revision, self.table.current);
        Some(Racing { profile, pool, reason, seen, current })
    }

    fn send(&mut self) {
        if let Some(racing) = self.resolve_new() {
            self.arrive(racing);
        }
    }

    /// A job arrives that was resolved a while ago.
    fn late(&mut self) {
        if !self.racing.is_empty() {
            let at = self.random.below(self.racing.len());
            let racing = self.racing.swap_remove(at);
            self.arrive(racing);
        }
    }

    fn arrive(&mut self, mut job: Racing) {
        loop {
            let tied = matches!(job.reason, Reason::Pin | Reason::StandingPin);
            match self.enter(job.pool, tied) {
                Ok(()) => return self.admitted(job, tied),
                Err(Refused::Limit) => {
                    let Some(current) = job.current.filter(|current| *current != job.pool) else { return };
                    (job.pool, job.reason) = (current, Reason::Current);
                }
                Err(Refused::Gate) if job.seen == self.table.revision => return,
                Err(Refused::Gate) => match self.resolve(job.profile) {
                    Some(again) => job = again,
                    None => return,
                },
            }
        }
    }

    fn admitted(&mut self, Racing { profile, pool, reason, seen, .. }: Racing, tied: bool) {
        let id = profile.id.get();
        saw(self.seen, format!("reason {reason:?}"));
        let route = Route::new(seen, reason);
        self.audit.note(Fact::Admitted { job: profile.clone(), pool, route });
        let goes = profile.key.as_ref().is_none_or(|key| self.fence.enter(key, id).is_some());
        let holds_key = goes && profile.key.is_some();
        let pinned = profile.pin.is_some();
        self.jobs.insert(id, Job { profile, failures: 0, tied, holds_key, away: None });
        if goes {
            self.at(pool).queue.push_back(id);
        } else {
            self.audit.note(Fact::SetAside(JobId::new(id)));
            if pinned {
                self.wait_for(id, pool);
            }
            self.settle(pool);
        }
    }

    /// Whether a job may come into a pool; it is counted there if it may. A drained pool that is kept is brought back by one that is tied to it.
    fn enter(&mut self, pool: PoolId, tied: bool) -> Result<(), Refused> {
        let untied = |world: &Self, it: &Pool| {
            let jobs = it.queue.iter().chain(&it.running);
            jobs.filter(|job| !world.jobs[*job].tied).count() as u64
        };
        let at = usize::try_from(pool.get() - 1).expect("pools are few");
        let in_flight = untied(self, &self.pools[at]);
        let it = self.at(pool);
        let is_there = matches!(it.life, Life::Running | Life::Drained { kept: true });
        if !is_there || !it.gate.lets_through(tied) {
            return Err(Refused::Gate);
        }
        let has_room = match it.limit {
            Limit::None => true,
            Limit::First(most) => it.taken < most,
            Limit::InFlight(most) => in_flight < most,
        };
        if !tied && !has_room {
            return Err(Refused::Limit);
        }
        it.taken += u64::from(!tied);
        if it.life != Life::Running {
            saw(self.seen, "revived by a job");
            self.revive(pool);
            self.news.push_back(News::Revived(pool));
        }
        Ok(())
    }

    fn revive(&mut self, pool: PoolId) {
        if self.at(pool).life == (Life::Drained { kept: true }) {
            self.at(pool).life = Life::Running;
            self.audit.note(Fact::Revived(pool));
        }
    }

    /// Places a job that is aside, by the table of this moment.
    fn place(&mut self, id: u64) {
        let profile = &self.jobs[&id].profile;
        match self.table.resolve(profile).map(|(pool, reason)| (*pool, reason)) {
            Err(NoRoute::PinUnserved) => self.end(id, Fate::Unserved),
            Err(NoRoute::NoVersion) => self.unrouted.push(id),
            Ok((pool, reason)) => self.place_at(id, pool, reason),
        }
    }

    fn place_at(&mut self, id: u64, mut pool: PoolId, mut reason: Reason) {
        let tied = matches!(reason, Reason::Pin | Reason::StandingPin);
        let mut entered = self.enter(pool, tied);
        if entered.is_err() && reason == Reason::Moved {
            return self.place(id);
        }
        if let (Err(Refused::Limit), Some(current)) = (&entered, self.table.current) {
            (pool, reason) = (current, Reason::Current);
            entered = self.enter(pool, tied);
        }
        match entered {
            Ok(()) => {
                saw(self.seen, format!("reason {reason:?}"));
                let route = Route::new(self.table.revision, reason);
                self.audit.note(Fact::Placed { job: JobId::new(id), pool, route });
                self.job(id).tied = tied;
                self.at(pool).queue.push_back(id);
                self.has_come(id);
            }
            Err(_) if tied => self.end(id, Fate::Unserved),
            Err(_) => self.unrouted.push(id),
        }
    }

    fn job(&mut self, id: u64) -> &mut Job {
        self.jobs.get_mut(&id).expect("it has not ended")
    }

    /// A pool waits for a job that names its version.
    fn wait_for(&mut self, id: u64, pool: PoolId) {
        self.job(id).away = Some(pool);
        self.at(pool).away += 1;
    }

    /// A job that was waited for has come, or is gone.
    fn has_come(&mut self, id: u64) {
        if let Some(pool) = self.job(id).away.take() {
            self.at(pool).away -= 1;
            self.settle(pool);
        }
    }

    /// A job that is nowhere any more has come to its end; if it runs, its attempt counts.
    fn end(&mut self, id: u64, fate: Fate) {
        let attempts = self.job(id).failures;
        self.end_after(id, fate, attempts);
    }

    fn end_after(&mut self, id: u64, fate: Fate, attempts: u32) {
        saw(self.seen, format!("fate {fate:?}"));
        self.audit.note(Fact::Over { job: JobId::new(id), fate, attempts });
        self.has_come(id);
        let job = self.jobs.remove(&id).expect("it has not ended");
        if let Some(key) = job.profile.key.filter(|_| job.holds_key)
            && let Some(next) = self.fence.release(&key)
        {
            self.job(next).holds_key = true;
            self.place(next);
        }
    }

    /// Is the pool drained?
    fn settle(&mut self, pool: PoolId) {
        let it = self.at(pool);
        let is_done = it.queue.is_empty() && it.running.is_empty();
        let is_free = it.holds == 0 && it.away == 0 && !it.steady;
        if it.life == Life::Running && it.closing && is_done && is_free {
            let kept = it.keep;
            it.life = Life::Drained { kept };
            saw(self.seen, if kept { "drained and kept" } else { "drained" });
            self.audit.note(Fact::Drained { pool, kept });
            self.news.push_back(News::Drained(pool));
        }
    }

    // ---- workers ---------------------------------------------------------------------------------------------------

    /// One job begins or ends. Returns whether any could.
    fn work(&mut self, failures: bool) -> bool {
        let pools = self.pools_where(|pool| {
            !pool.running.is_empty() || (!pool.queue.is_empty() && !pool.halted && !pool.broken)
        });
        let Some(pool) = self.random.pick(&pools) else { return false };
        let begins = self.random.percent(50);
        let it = self.at(pool);
        let can_begin = !it.queue.is_empty() && !it.halted && !it.broken && it.life == Life::Running;
        if can_begin && (begins || it.running.is_empty()) {
            let id = it.queue.pop_front().expect("it has one");
            it.running.push(id);
            let attempt = Attempt::nth(self.job(id).failures + 1);
            self.audit.note(Fact::Started { job: JobId::new(id), pool, attempt });
            return true;
        }
        let running = self.at(pool).running.len();
        if running == 0 {
            return false;
        }
        let at = self.random.below(running);
        let id = self.at(pool).running.swap_remove(at);
        let attempts = self.job(id).failures + 1;
        match self.random.weighted(if failures { &[70, 20, 10] } else { &[1] }) {
            0 => self.end_after(id, Fate::Done, attempts),
            1 => {
                self.audit.note(Fact::Failed(JobId::new(id)));
                self.job(id).failures += 1;
                let pin = self.job(id).profile.pin.clone();
                self.delayed.push(id);
                if let Some(pin) = pin {
                    let serving = self.table.serving(&pin).copied();
                    let alive = serving.filter(|serving| self.at(*serving).life == Life::Running);
                    self.wait_for(id, alive.unwrap_or(pool));
                }
            }
            _ => self.end_after(id, Fate::Dead, attempts),
        }
        self.settle(pool);
        true
    }

    fn due(&mut self) -> bool {
        if self.delayed.is_empty() {
            return false;
        }
        let at = self.random.below(self.delayed.len());
        let id = self.delayed.swap_remove(at);
        self.place(id);
        true
    }

    /// Takes a waiting job out of a pool.
    fn take_out(&mut self, from: &[PoolId], wanted: impl Fn(&Job) -> bool) -> Option<(PoolId, u64)> {
        let pool = self.random.pick(from)?;
        let at = usize::try_from(pool.get() - 1).expect("pools are few");
        let place = self.pools[at].queue.iter().position(|id| wanted(&self.jobs[id]))?;
        Some((pool, self.pools[at].queue.remove(place)?))
    }

    /// Somebody does something to a job that waits: it is discarded, handed back, or moved to another version.
    fn meddle(&mut self) {
        let pools = self.pools_where(|pool| !pool.queue.is_empty());
        let Some((pool, id)) = self.take_out(&pools, |job| job.profile.pin.is_none() && !job.tied) else {
            return;
        };
        let open = self.pools_where(|pool| pool.gate == Gate::Open && pool.life == Life::Running);
        let to = self.random.pick(&open).filter(|to| self.table.serving.iter().any(|(_, it)| it == to));
        match (self.random.below(3), to) {
            (0, Some(to)) => {
                self.audit.note(Fact::SetAside(JobId::new(id)));
                self.place_at(id, to, Reason::Moved);
            }
            (1, _) => self.end(id, Fate::HandedBack),
            _ => self.end(id, Fate::Discarded),
        }
        self.settle(pool);
    }

    // ---- what was decided ------------------------------------------------------------------------------------------

    /// As the dispatcher does it: what is drained already, or came back, is news that comes first, and nothing is drained while it is decided and done. Not
    /// only what drains now: one verb may close what is current, or open what is kept, and the next in line do the opposite.
    fn happened(&mut self, event: Event) {
        self.log(|| format!("{event:?}"));
        let all = self.versions.entries().iter().map(|entry| (entry.pool, entry.state));
        let all: Vec<(PoolId, State)> = all.collect();
        let mut actions = Vec::new();
        for (pool, state) in &all {
            if let Life::Drained { kept } = self.at(*pool).life {
                actions.extend(self.tell_drained(*pool, kept));
            }
            self.at(*pool).steady = true;
            if self.at(*pool).life == Life::Running && *state == State::Drained {
                actions.extend(self.versions.handle(Event::Revived(*pool)));
            }
        }
        let fact = match &event {
            Event::StartFailed(pool) => Some(Fact::StartFailed(*pool)),
            Event::Called { verb, what, .. } => Some(Fact::Called(*verb, what.clone())),
            _ => None,
        };
        let decided = self.versions.handle(event);
        self.perform(actions);
        if let Some(fact) = fact {
            self.audit.note(fact);
        }
        self.perform(decided);
        for (pool, _) in all {
            self.at(pool).steady = false;
            self.settle(pool);
        }
    }

    fn perform(&mut self, actions: Vec<Action>) {
        let revision = self.table.revision;
        for action in actions {
            self.log(|| format!("    {action:?}"));
            self.carry_out(action);
            match self.random.below(25) {
                0 => self.send(),
                1 => self.late(),
                _ => {}
            }
        }
        if self.table.revision != revision {
            for id in std::mem::take(&mut self.unrouted) {
                self.place(id);
            }
        }
    }

    fn tell_drained(&mut self, pool: PoolId, kept: bool) -> Vec<Action> {
        if !kept {
            self.at(pool).life = Life::Over;
            self.news.push_back(News::Ended(pool));
        }
        self.versions.handle(Event::Drained { pool, kept })
    }

    fn carry_out(&mut self, action: Action) {
        if let Action::Open(pool, _) | Action::Reserve(pool) | Action::Hold(pool) = action {
            self.revive(pool);
        }
        self.audit.note(Fact::Done(action.clone()));
        match action {
            Action::Start(_, version) => self.start(version),
            Action::Open(pool, limit) => self.open(pool, Gate::Open, limit),
            Action::Reserve(pool) => self.open(pool, Gate::Pinned, Limit::None),
            Action::Publish(table) => self.table = table,
            Action::Narrow(pool) => {
                let it = self.at(pool);
                (it.gate, it.closing) = (Gate::Pinned, true);
                self.settle(pool);
            }
            Action::Halt(pool) => self.at(pool).halted = true,
            Action::Resume(pool) => self.at(pool).halted = false,
            Action::DrainWithin(pool, _) => self.at(pool).deadline = true,
            Action::AskToYield(pool) => self.yields(pool),
            Action::KeepWarm(pool) => self.at(pool).cools = true,
            Action::Cool(pool) => self.cool(pool),
            Action::Hold(pool) => self.at(pool).holds += 1,
            Action::LetGo(pool) => {
                self.at(pool).holds -= 1;
                self.settle(pool);
            }
            Action::Dismiss(pool) => self.at(pool).life = Life::Over,
            Action::GiveUpPinned(pool) => self.give_up_pinned(pool),
            Action::TellBroken(_, remedy) => saw(self.seen, format!("remedy {}", name_of(&remedy))),
            Action::Answer(verb, answer) => self.answered(verb, &answer),
            Action::Forget(_) => saw(self.seen, "forgotten"),
            Action::TellUnpinned(..) => saw(self.seen, "unpinned by itself"),
            Action::Recall(_) | Action::Tell(..) | Action::TellShare(..) => {}
        }
    }

    fn start(&mut self, version: Version) {
        let keep = self.random.percent(50);
        self.pools.push(Pool {
            version,
            life: Life::Loading,
            gate: Gate::Shut,
            closing: false,
            halted: false,
            broken: false,
            limit: Limit::None,
            taken: 0,
            queue: VecDeque::new(),
            running: Vec::new(),
            holds: 0,
            away: 0,
            steady: false,
            keep,
            deadline: false,
            cools: false,
        });
    }

    fn open(&mut self, pool: PoolId, gate: Gate, limit: Limit) {
        let it = self.at(pool);
        (it.gate, it.limit, it.taken) = (gate, limit, 0);
        (it.closing, it.halted, it.broken, it.deadline, it.cools) = (false, false, false, false, false);
    }

    fn yields(&mut self, pool: PoolId) {
        saw(self.seen, "asked to yield");
        for id in std::mem::take(&mut self.at(pool).running) {
            if self.random.percent(50) {
                self.at(pool).running.push(id);
            } else {
                self.audit.note(Fact::SetAside(JobId::new(id)));
                self.place(id);
            }
        }
        self.settle(pool);
    }

    fn cool(&mut self, pool: PoolId) {
        let is_known = self.versions.entries().iter().any(|it| it.pool == pool && it.state == State::Drained);
        let it = self.at(pool);
        it.keep = false;
        match it.life {
            Life::Drained { .. } if is_known => {
                it.life = Life::Over;
                self.news.push_back(News::Ended(pool));
            }
            Life::Drained { .. } => it.life = Life::Drained { kept: false },
            _ => saw(self.seen, "cooled while it came back or drains"),
        }
    }

    fn give_up_pinned(&mut self, pool: PoolId) {
        let it = self.at(pool);
        it.gate = Gate::Shut;
        let version = Some(it.version.clone());
        let names_it = |jobs: &BTreeMap<u64, Job>, id: &u64| jobs[id].profile.pin == version;
        let mut ending = self.fence.remove(|id| names_it(&self.jobs, id));
        ending.sort_unstable();
        for waiting in [&mut self.delayed, &mut self.unrouted] {
            ending.extend(waiting.extract_if(.., |id| names_it(&self.jobs, id)));
        }
        let at = usize::try_from(pool.get() - 1).expect("pools are few");
        let queue = std::mem::take(&mut self.pools[at].queue);
        let (pinned, others): (Vec<u64>, Vec<u64>) =
            queue.into_iter().partition(|id| names_it(&self.jobs, id));
        self.pools[at].queue = others.into();
        for id in ending.into_iter().chain(pinned) {
            self.end(id, Fate::Unserved);
        }
        self.settle(pool);
    }

    fn answered(&mut self, verb: VerbId, answer: &Answer) {
        let what = self.calls.remove(&verb).expect("it was called, and not answered");
        let name = name_of(&what);
        saw(self.seen, format!("answer {}", name_of(answer)));
        if answer.is_change() {
            saw(self.seen, format!("verb {name}"));
        }
        if let Answer::Misused(misuse) = answer {
            saw(self.seen, format!("misuse {}", name_of(misuse)));
        }
    }

    // ---- steps -----------------------------------------------------------------------------------------------------

    fn name(&mut self) -> Version {
        let name = self.random.below(self.names);
        format!("v{name}").into()
    }

    /// Mostly one that is there, and mostly one whose workers are.
    fn known(&mut self) -> Version {
        let only_warm = self.random.percent(70);
        let known = self.versions.entries().iter().filter(|entry| entry.is_warm() || !only_warm);
        let known: Vec<Version> = known.map(|entry| entry.version.clone()).collect();
        match self.random.pick(&known) {
            Some(known) if self.random.percent(95) => known,
            _ => self.name(),
        }
    }

    fn share(&mut self) -> Share {
        let parts = self.random.pick(&[0, 1, 100, 1_000, 3_000, 5_000, 10_000]).expect("some");
        Share::of_ten_thousand(parts).expect("a share")
    }

    fn limit(&mut self) -> Limit {
        match self.random.below(6) {
            0 => Limit::First(self.random.next() % 20),
            1 => Limit::InFlight(self.random.next() % 4),
            _ => Limit::None,
        }
    }

    fn whose(&mut self) -> Whose {
        match self.random.below(4) {
            0 => Whose::job(JobId::new(self.last_job + self.random.next() % 4)),
            1 => Whose::tenant(if self.random.percent(50) { "a" } else { "b" }),
            _ => Whose::key(self.random.next() % 6),
        }
    }

    fn chosen(&mut self, rules: bool) -> Whose {
        let standing = self.versions.standing();
        let known: Vec<Whose> = if rules {
            standing.rules.keys().cloned().collect()
        } else {
            standing.pins.keys().take(20).cloned().collect()
        };
        match self.random.pick(&known) {
            Some(known) if self.random.percent(80) => known,
            _ => self.whose(),
        }
    }

    fn drain_within(&mut self) -> Option<Duration> {
        self.random.percent(30).then(|| Duration::from_secs(1))
    }

    fn aim(&mut self) -> Aim {
        match self.random.below(5) {
            0 | 1 => Aim::Current,
            2 | 3 => Aim::Ramp { share: self.share(), limit: self.limit(), beside: self.random.percent(50) },
            _ => Aim::Hold,
        }
    }

    fn verb(&mut self) -> Verb {
        let deploys = if self.names > 6 { 200 } else { 22 };
        match self.random.weighted(&[deploys, 12, 8, 6, 4, 3, 8, 6, 10, 5, 9, 5]) {
            0 => Verb::Deploy {
                version: self.name(),
                build: Build(if self.random.percent(5) { "b" } else { "a" }.to_owned()),
                aim: self.aim(),
                force: self.random.percent(30),
                drain_within: self.drain_within(),
            },
            1 => Verb::Ramp { version: self.known(), share: self.share(), limit: self.limit() },
            2 => Verb::Promote { version: self.known(), drain_within: self.drain_within() },
            3 => Verb::Rollback { to: if self.random.percent(70) { None } else { Some(self.known()) } },
            4 => Verb::Reject { version: self.known(), back_to: Some(self.known()) },
            5 => Verb::Abort,
            6 => Verb::Drain {
                version: self.known(),
                allow_empty: self.random.percent(30),
                drain_within: self.drain_within(),
            },
            7 => Verb::Retire(self.known()),
            8 => {
                let now = self.now;
                let until = self.random.percent(50).then(|| Time::from_nanos(now + self.random.next() % 40));
                Verb::Pin { whose: self.whose(), version: self.known(), until }
            }
            9 => Verb::Unpin(self.chosen(false)),
            10 => Verb::Route { whose: self.whose(), version: self.known() },
            _ => Verb::Unroute(self.chosen(true)),
        }
    }

    fn call(&mut self) {
        let what = self.verb();
        let waits = matches!(what, Verb::Deploy { .. } | Verb::Rollback { .. });
        let urgent = !waits && self.random.percent(10);
        let revision = self.table.revision.get();
        let expected = match self.random.below(20) {
            0 => Some(Revision::new(revision)),
            1 => Some(Revision::new(revision.saturating_sub(1))),
            _ => None,
        };
        self.call_with(what, expected, urgent);
    }

    fn call_with(&mut self, what: Verb, expected: Option<Revision>, urgent: bool) {
        self.last_call += 1;
        let verb = VerbId::new(self.last_call);
        saw(self.seen, format!("called {}", name_of(&what)));
        self.calls.insert(verb, what.clone());
        self.happened(Event::Called { verb, expected, what, urgent });
    }

    /// A pool that is loading has started, or not.
    fn load(&mut self, failures: bool) -> bool {
        let loading = self.pools_where(|pool| pool.life == Life::Loading);
        let Some(pool) = loading.first().copied() else { return false };
        let percent = if self.names > 6 { 80 } else { 20 };
        if failures && self.random.percent(percent) {
            self.at(pool).life = Life::Over;
            saw(self.seen, "start failed");
            self.happened(Event::StartFailed(pool));
        } else {
            self.at(pool).life = Life::Running;
            self.happened(Event::Started(pool));
        }
        true
    }

    /// News is looked at again when it comes: what it tells may be over, and what it told twice may be true again.
    fn hear(&mut self) -> bool {
        let Some(news) = self.news.pop_front() else { return false };
        match news {
            News::Drained(pool) => {
                if let Life::Drained { kept } = self.at(pool).life {
                    self.log(|| format!("{news:?}, kept: {kept}"));
                    let actions = self.tell_drained(pool, kept);
                    self.perform(actions);
                }
            }
            News::Revived(pool) if self.at(pool).life == Life::Running => {
                self.happened(Event::Revived(pool));
            }
            News::Revived(_) => {}
            News::Ended(pool) => self.happened(Event::Ended(pool)),
        }
        true
    }

    /// A few waiting jobs of a version that was left go where the table sends them.
    fn recall(&mut self) -> bool {
        let recalling = (1..=self.pools.len() as u64).map(PoolId::new);
        let recalling: Vec<_> = recalling.filter(|pool| self.versions.is_recalling(*pool)).collect();
        let Some(pool) = self.random.pick(&recalling) else { return false };
        let version = self.at(pool).version.clone();
        for _ in 0..3 {
            let standing = self.table.standing.clone();
            let is_tied = |job: &Job| {
                let pin = standing.as_ref().and_then(|standing| standing.pin(&job.profile));
                job.profile.pin.is_some() || pin == Some(&version)
            };
            let Some((_, id)) = self.take_out(&[pool], |job| !is_tied(job)) else {
                self.happened(Event::Recalled(pool));
                return true;
            };
            self.audit.note(Fact::SetAside(JobId::new(id)));
            self.place(id);
            self.settle(pool);
        }
        true
    }

    fn timers(&mut self) {
        let overdue = self.pools_where(|pool| pool.deadline);
        let cooled = self.pools_where(|pool| pool.cools);
        if let Some(pool) = self.random.pick(&overdue) {
            self.at(pool).deadline = false;
            self.happened(Event::Overdue(pool));
        }
        if let Some(pool) = self.random.pick(&cooled) {
            self.at(pool).cools = false;
            saw(self.seen, "cooled");
            self.happened(Event::Cooled(pool));
        }
    }

    fn break_pool(&mut self) {
        // All pins of a version that breaks end; that one is to keep them.
        let is_full = |pool: &Pool| pool.holds > 1_000;
        let is_there = |pool: &Pool| matches!(pool.life, Life::Running | Life::Drained { .. });
        let pools = self.pools_where(|pool| is_there(pool) && !is_full(pool));
        if let Some(pool) = self.random.pick(&pools) {
            self.at(pool).broken = true;
            self.happened(Event::Broken(pool));
        }
    }

    /// The workers of a pool that is kept leave by themselves.
    fn lose_kept(&mut self) {
        let known = |pool: &Pool| pool.life == Life::Drained { kept: true };
        let entries = self.versions.entries().iter();
        let kept: Vec<_> = entries.filter(|entry| entry.kept).map(|entry| entry.pool).collect();
        let mut pools = self.pools_where(known);
        pools.retain(|pool| kept.contains(pool));
        if let Some(pool) = self.random.pick(&pools) {
            saw(self.seen, "lost while it was kept");
            self.at(pool).life = Life::Over;
            self.happened(Event::Ended(pool));
        }
    }

    fn begin_anew(&mut self) {
        saw(self.seen, "restarted");
        self.log(|| "the dispatcher begins anew".to_owned());
        let actions = self.versions.restart();
        self.perform(actions);
        self.calls.clear();
        // It looks for itself what has happened.
        for pool in self.pools_where(|pool| matches!(pool.life, Life::Drained { .. })) {
            self.news.push_back(News::Drained(pool));
        }
    }

    /// News of what is not so any more.
    fn stale(&mut self) {
        let pools = self.pools_where(|pool| pool.life != Life::Loading);
        let Some(pool) = self.random.pick(&pools) else { return };
        let entry = self.versions.entries().iter().find(|entry| entry.pool == pool);
        let is_kept = entry.is_some_and(|entry| entry.kept);
        let drains = entry.is_some_and(|entry| entry.state == State::Draining);
        match self.random.below(4) {
            0 => self.happened(Event::Started(pool)),
            1 => self.happened(Event::StartFailed(pool)),
            2 if !is_kept => self.happened(Event::Cooled(pool)),
            3 if !drains => self.happened(Event::Overdue(pool)),
            _ => {}
        }
    }

    fn step(&mut self) {
        self.now += 1;
        match self.random.weighted(&[40, 20, 6, 6, 26, 26, 14, 8, 6, 4, 4, 2, 1, 4, 2, 1]) {
            0 => self.call(),
            1 => (0..=self.random.below(6)).for_each(|_| self.send()),
            2 => {
                let resolved = self.resolve_new();
                self.racing.extend(resolved);
            }
            3 => self.late(),
            4 => {
                for _ in 0..=self.random.below(20) {
                    self.work(true);
                }
            }
            5 => drop(self.load(true)),
            6 => drop(self.hear()),
            7 => drop(self.recall()),
            8 => drop(self.due()),
            9 => self.timers(),
            10 => self.happened(Event::Clock(Time::from_nanos(self.now))),
            11 => self.break_pool(),
            12 => self.begin_anew(),
            13 => self.meddle(),
            14 => self.stale(),
            15 => self.lose_kept(),
            _ => {}
        }
    }

    // ---- the end ---------------------------------------------------------------------------------------------------

    /// Everything that is on its way arrives.
    fn rest(&mut self) {
        for racing in std::mem::take(&mut self.racing) {
            self.arrive(racing);
        }
        for _ in 0..100_000 {
            for pool in &mut self.pools {
                pool.broken = false;
            }
            let goes_on = self.work(false) || self.hear() || self.load(false) || self.recall() || self.due();
            if !goes_on {
                let Some(id) = self.unrouted.pop() else { return };
                // No version takes it, as at the end of a community.
                self.end(id, Fate::HandedBack);
            }
        }
        panic!("it does not come to rest");
    }

    fn quiesce(&mut self) {
        self.log(|| "it comes to rest".to_owned());
        self.rest();
        if self.random.percent(50) {
            self.happened(Event::Clock(Time::MAX));
            let pins: Vec<Whose> = self.versions.standing().pins.keys().cloned().collect();
            for whose in pins {
                self.call_with(Verb::Unpin(whose), None, false);
            }
            self.rest();
        }
    }

    /// What the machine says when all is at rest.
    fn unrest(&self) -> Vec<String> {
        let mut found = Vec::new();
        for entry in self.versions.entries() {
            let at = usize::try_from(entry.pool.get() - 1).expect("pools are few");
            let (pool, pins) = (&self.pools[at], self.versions.standing().pins_of(&entry.version));
            if pool.holds != pins {
                found.push(format!("{} has {pins} pins, and is held {} times", entry.version, pool.holds));
            }
            let is_over = match entry.state {
                State::Loading => false,
                State::Draining => pins > 0,
                State::Drained => entry.kept,
                _ => true,
            };
            if !is_over {
                found.push(format!("{} is {:?} for ever", entry.version, entry.state));
            }
        }
        if !self.calls.is_empty() {
            found.push(format!("nobody answered {:?}", self.calls));
        }
        found
    }
}

// ---- the histories -------------------------------------------------------------------------------------------------

/// Tells which history it was, if it ends by a panic.
struct Told(u64, usize);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("seed {}, step {}", self.0, self.1);
        }
    }
}

/// As many pins as there may be. The audit comes in afterwards: a table for each of them would be too much to keep.
fn fill(world: &mut World<'_>) {
    let version = Version::from("v0");
    let build = Build("a".to_owned());
    let (aim, force, drain_within) = (Aim::Current, false, None);
    let deploy = Verb::Deploy { version: version.clone(), build, aim, force, drain_within };
    world.call_with(deploy, None, false);
    while world.load(false) {}
    for job in 0..FULL_BY {
        let whose = Whose::job(JobId::new(1_000_000 + job));
        let pin = Verb::Pin { whose, version: version.clone(), until: Some(Time::from_nanos(1_000_000)) };
        let verb = VerbId::new(1_000_000 + job);
        let actions = world.versions.handle(Event::Called { verb, expected: None, what: pin, urgent: false });
        for action in actions {
            if let Action::Publish(table) = action {
                world.table = table;
            }
        }
        // Else it would be copied for each.
        world.table.standing = None;
    }
    world.table.standing = Some(std::sync::Arc::clone(world.versions.standing()));
    world.at(PoolId::new(1)).holds = usize::try_from(FULL_BY).expect("few");
    world.audit = Audit::new();
    for action in [
        Action::Start(PoolId::new(1), version),
        Action::Open(PoolId::new(1), Limit::None),
        Action::Publish(world.table.clone()),
    ] {
        world.audit.note(Fact::Done(action));
    }
    world.jobs.clear();
    world.fence = Fence::new();
    world.at(PoolId::new(1)).queue.clear();
}

/// The step at which a history went wrong, why, and what happened before.
type Wrong = (usize, Vec<String>, Vec<String>);

fn history(seed: u64, seen: &mut Seen, log: bool) -> Result<(), Wrong> {
    let mut world = World::new(seed, seen, log);
    let mut told = Told(seed, 0);
    if seed.is_multiple_of(FULL) {
        fill(&mut world);
    }
    let texts = |broken: &[Broken]| broken.iter().map(ToString::to_string).collect::<Vec<_>>();
    let steps = if seed % MANY == MANY - 1 { 4 * STEPS } else { STEPS };
    for step in 1..=steps {
        told.1 = step;
        world.step();
        if !world.audit.broken().is_empty() {
            return Err((step, texts(world.audit.broken()), world.log.take().unwrap_or_default()));
        }
    }
    world.quiesce();
    let unrest = world.unrest();
    let log = world.log.take().unwrap_or_default();
    let broken = world.audit.finish();
    if broken.is_empty() && unrest.is_empty() {
        return Ok(());
    }
    Err((steps + 1, [texts(&broken), unrest].concat(), log))
}

fn check(seed: u64, seen: &mut Seen) {
    if history(seed, seen, false).is_ok() {
        return;
    }
    // The same again, with its log.
    let (step, wrong, log) = history(seed, seen, true).expect_err("a seed decides everything");
    // The steps are the lines that are not indented; what was done in them follows each.
    let starts: Vec<usize> = (0..log.len()).filter(|at| !log[*at].starts_with(' ')).collect();
    let from = starts.iter().rev().nth(19).copied().unwrap_or(0);
    panic!("seed {seed}, step {step}: {}\n  after\n{}", wrong.join("\n  "), log[from..].join("\n"));
}

/// Of each verb, misuse and reason: a name as it is seen.
fn all_that_can_be() -> Vec<String> {
    let version = || Version::from("v");
    let misuses = [
        Misuse::Unknown(version()),
        Misuse::NotRunning(version(), State::Drained),
        Misuse::IsCurrent(version()),
        Misuse::NothingCurrent,
        Misuse::TooMuch(Share::NOBODY),
        Misuse::NotDrained(version(), State::Current),
        Misuse::TooManyChoices,
        // Not `NoWorkers`: that is for the runtime to say, which knows of workers.
    ];
    let reasons =
        [Reason::Current, Reason::Share, Reason::Rule, Reason::StandingPin, Reason::Pin, Reason::Moved];
    let fates = [Fate::Done, Fate::Dead, Fate::Unserved, Fate::Discarded, Fate::HandedBack];
    let remedies = [Remedy::FallBack(version()), Remedy::GiveBack, Remedy::KeepTrying];
    let verbs = [
        "Deploy", "Ramp", "Promote", "Rollback", "Reject", "Abort", "Drain", "Retire", "Pin", "Unpin",
        "Route", "Unroute",
    ];
    let others = [
        "drained",
        "drained and kept",
        "revived by a job",
        "cooled",
        "cooled while it came back or drains",
        "lost while it was kept",
        "asked to yield",
        "unpinned by itself",
        "restarted",
        "start failed",
        "forgotten",
        "answer Conflict",
        "answer Quarantined",
        "answer OtherBuild",
        "answer Overtaken",
        "answer EndedDeploy",
    ];
    let mut all: Vec<String> = others.map(str::to_owned).to_vec();
    all.extend(verbs.iter().map(|verb| format!("verb {verb}")));
    all.extend(misuses.iter().map(|misuse| format!("misuse {}", name_of(misuse))));
    all.extend(reasons.iter().map(|reason| format!("reason {reason:?}")));
    all.extend(fates.iter().map(|fate| format!("fate {fate:?}")));
    all.extend(remedies.iter().map(|remedy| format!("remedy {}", name_of(remedy))));
    all
}

#[test]
fn in_a_thousand_random_histories_with_jobs_no_promise_is_broken() {
    let seeds = std::env::var("SERAL_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(1_000);
    let mut seen = Seen::new();
    for seed in 0..seeds {
        check(seed, &mut seen);
    }
    for (what, count) in &seen {
        println!("{count:>9} {what}");
    }
    let missed: Vec<_> = all_that_can_be().into_iter().filter(|what| !seen.contains_key(what)).collect();
    assert!(missed.is_empty(), "never seen: {missed:?}");
}
