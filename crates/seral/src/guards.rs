//! The versions that are watched, each by a guard of [`seral_core::guard`].
//!
//! A failed first attempt comes by here, and a slow one; jobs that are well do not. The dispatcher says who is watched, by each table that it publishes, and
//! hears who is condemned. Counts are taken from the desks, only when something has failed or somebody looks.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Acquire;
use std::sync::atomic::Ordering::Release;
use std::time::Duration;

use parking_lot::Mutex;
use seral_core::guard::Failure;
use seral_core::guard::Finding;
use seral_core::guard::Guard;
use seral_core::guard::GuardPolicy;
use seral_core::guard::Jobs;
use seral_core::guard::Record;
use seral_core::guard::Side;
use seral_core::guard::Sign;
use seral_core::guard::Workload;
use seral_core::id::PoolId;
use seral_core::id::Revision;
use seral_core::id::Version;
use seral_core::routing::Route;
use seral_core::time::Time;

use crate::any_pool::AnyPool;
use crate::tally::Tally;

/// See the [module](self).
pub(crate) struct Guards {
    is_any: AtomicBool,
    watches: Mutex<Vec<Watch>>,
}

/// Who is to be watched beside whom, by a table that is about to be published.
pub(crate) struct Suspect {
    pub(crate) candidate: Arc<dyn AnyPool>,
    pub(crate) baseline: Arc<dyn AnyPool>,
    pub(crate) policy: GuardPolicy,
    /// The candidate's part of new jobs that go to one of the two by chance; nothing if it gets its jobs otherwise.
    pub(crate) part: Option<f64>,
    /// Until when, if the candidate has all new jobs.
    pub(crate) until: Option<Time>,
}

/// A job whose first attempt failed or was slow.
#[derive(Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub(crate) version: &'a Version,
    pub(crate) sign: Sign,
    pub(crate) route: Route,
    pub(crate) key: Option<u64>,
}

/// Why a version has to go.
pub(crate) struct Condemned {
    pub(crate) candidate: Arc<dyn AnyPool>,
    pub(crate) baseline: Arc<dyn AnyPool>,
    pub(crate) finding: Finding,
}

/// What a guard has seen so far.
pub(crate) struct Sight {
    pub(crate) baseline: Version,
    pub(crate) is_beside: bool,
    pub(crate) jobs: Jobs,
    /// The sign that speaks most against the candidate, how much, and from when on it has to go.
    pub(crate) ratio: Option<(Sign, u64, u64)>,
    /// Of that sign.
    pub(crate) failures: (u64, u64),
}

struct Watch {
    candidate: Party,
    baseline: Party,
    guard: Guard,
    slow_over: Option<Duration>,
    until: Option<Time>,
}

struct Party {
    pool: Arc<dyn AnyPool>,
    /// What it had done before it was watched.
    before: Tally,
}

impl Party {
    fn of(pool: &Arc<dyn AnyPool>) -> Self {
        Self { pool: Arc::clone(pool), before: pool.tally() }
    }

    /// How many jobs have ended here that can be compared.
    fn ended(&self) -> u64 {
        self.pool.tally().comparable().saturating_sub(self.before.comparable())
    }
}

impl Watch {
    fn begin(suspect: &Suspect) -> Self {
        let Suspect { candidate, baseline, policy, part, until } = suspect;
        let slow_over = baseline.pace.usual_most();
        let record = part.is_none().then(|| record_of(&**baseline, slow_over));
        let mut guard = Guard::new(*policy, record);
        if slow_over.is_some() {
            guard.know_slow(Jobs::default());
        }
        Self {
            candidate: Party::of(candidate),
            baseline: Party::of(baseline),
            guard,
            slow_over,
            until: *until,
        }
    }

    fn is_of(&self, suspect: &Suspect) -> bool {
        self.candidate.pool.id == suspect.candidate.id
            && self.baseline.pool.id == suspect.baseline.id
            && self.guard.is_beside() == suspect.part.is_some()
            && *self.guard.policy() == suspect.policy
    }

    fn jobs(&self) -> Jobs {
        // What is in hand matters only in comparison with a record.
        let in_hand = if self.guard.is_beside() { 0 } else { self.candidate.pool.in_hand().0 };
        Jobs { candidate: self.candidate.ended(), in_hand, baseline: self.baseline.ended() }
    }

    fn load(&self) -> Workload {
        let (in_hand, workers) = self.candidate.pool.in_hand();
        let (begun, baseline) = (self.candidate.pool.tally().begun, self.baseline.pool.tally().ended());
        Workload { begun, in_hand, workers, baseline, usual: self.baseline.pool.pace.usual() }
    }

    fn side_of(&self, version: &Version) -> Option<Side> {
        if self.candidate.pool.version == *version {
            Some(Side::Candidate)
        } else if self.baseline.pool.version == *version {
            Some(Side::Baseline)
        } else {
            None
        }
    }

    /// The job is still in hand, and counts as ended here.
    fn saw(&mut self, seen: Seen<'_>, side: Side) -> bool {
        let mut jobs = self.jobs();
        match side {
            Side::Candidate => {
                jobs.candidate += 1;
                jobs.in_hand = jobs.in_hand.saturating_sub(1);
            }
            Side::Baseline => jobs.baseline += 1,
        }
        let Seen { sign, route, key, .. } = seen;
        self.guard.failed(Failure { sign, side, route, key }, jobs).is_some()
    }

    /// What is slow, as far as it is known by now; and what the baseline does beside a candidate that does not get its jobs by chance.
    fn learn(&mut self) {
        self.slow_over = self.baseline.pool.pace.usual_most();
        if self.slow_over.is_some() {
            self.guard.know_slow(self.jobs());
        }
        if self.until.is_none() {
            self.guard.set_record(record_of(&*self.baseline.pool, self.slow_over));
        }
    }

    fn is_over(&self, now: Time) -> bool {
        self.until.is_some_and(|until| until <= now || self.baseline.pool.mailbox().is_drained())
    }

    fn pools(&self) -> [&Arc<dyn AnyPool>; 2] {
        [&self.candidate.pool, &self.baseline.pool]
    }
}

impl Guards {
    pub(crate) fn new() -> Self {
        Self { is_any: AtomicBool::new(false), watches: Mutex::new(Vec::new()) }
    }

    // ---- who is watched --------------------------------------------------------------------------------------------

    /// A table of this number is about to be published: from then on these are watched, and those that had all new jobs, as long as they still have.
    pub(crate) fn follow(&self, revision: Revision, suspects: Vec<Suspect>, current: Option<PoolId>) {
        let mut watches = self.watches.lock();
        let before = std::mem::take(&mut *watches);
        let (mut kept, left): (Vec<_>, Vec<_>) = before.into_iter().partition(|watch| {
            // One that was found to be bad just before somebody promoted it is still to go.
            let has_reason = watch.until.is_some() || watch.guard.finding().is_some();
            let stays_current = has_reason && Some(watch.candidate.pool.id) == current;
            stays_current || suspects.iter().any(|suspect| watch.is_of(suspect))
        });
        for suspect in suspects {
            let known = kept.iter().position(|watch| watch.is_of(&suspect));
            let at = known.unwrap_or_else(|| {
                kept.push(Watch::begin(&suspect));
                kept.len() - 1
            });
            // What it gets otherwise than by chance counts whole.
            let jobs = kept[at].jobs();
            kept[at].guard.shared(revision, suspect.part.unwrap_or(1.0), jobs);
        }
        *watches = kept;
        self.settle(&watches, &left);
        // Before those that are left: a pool may be dropped with them.
        drop(watches);
    }

    /// What was found of the candidate with this pool has been dealt with.
    pub(crate) fn end(&self, candidate: PoolId) {
        let mut watches = self.watches.lock();
        let before = std::mem::take(&mut *watches);
        let is_dealt_with =
            |watch: &Watch| watch.candidate.pool.id == candidate && watch.guard.finding().is_some();
        let (left, kept): (Vec<_>, Vec<_>) = before.into_iter().partition(is_dealt_with);
        *watches = kept;
        self.settle(&watches, &left);
        drop(watches);
    }

    /// For the dispatcher, each few seconds. Returns who is condemned.
    pub(crate) fn look(&self, now: Time) -> Vec<PoolId> {
        let mut watches = self.watches.lock();
        let before = std::mem::take(&mut *watches);
        let (kept, over): (Vec<_>, Vec<_>) = before.into_iter().partition(|watch| !watch.is_over(now));
        *watches = kept;
        let mut condemned = Vec::new();
        for watch in &mut *watches {
            watch.learn();
            let load = watch.load();
            if watch.guard.look(now, load).is_some() {
                condemned.push(watch.candidate.pool.id);
            }
        }
        self.settle(&watches, &over);
        drop(watches);
        condemned
    }

    /// The pools of those that are watched are timed, and those of the others no longer.
    fn settle(&self, watches: &[Watch], left: &[Watch]) {
        for pool in left.iter().flat_map(Watch::pools) {
            pool.pace.unwatch();
        }
        for pool in watches.iter().flat_map(Watch::pools) {
            let mine = watches.iter().filter(|watch| watch.pools().iter().any(|it| it.id == pool.id));
            let slow = mine.map(|watch| watch.slow_over);
            let most = slow.clone().map(|over| over.unwrap_or(Duration::MAX)).max().unwrap_or(Duration::MAX);
            pool.pace.watch(slow.flatten().min(), most);
        }
        self.is_any.store(!watches.is_empty(), Release);
    }

    // ---- what they see ---------------------------------------------------------------------------------------------

    /// A first attempt failed. Returns the pool that is condemned by that, if one is.
    pub(crate) fn saw(&self, seen: Seen<'_>) -> Option<PoolId> {
        self.saw_where(seen, |_| true)
    }

    /// A first attempt was well and took so long, which is longer than one of the guards thinks usual.
    pub(crate) fn saw_slow(&self, seen: Seen<'_>, took: Duration) -> Option<PoolId> {
        self.saw_where(seen, |watch| watch.slow_over.is_some_and(|over| took.as_micros() > over.as_micros()))
    }

    fn saw_where(&self, seen: Seen<'_>, counts: impl Fn(&Watch) -> bool) -> Option<PoolId> {
        if !self.is_any() {
            return None;
        }
        let mut condemned = None;
        for watch in &mut *self.watches.lock() {
            let Some(side) = watch.side_of(seen.version).filter(|_| counts(watch)) else { continue };
            if watch.saw(seen, side) {
                condemned = Some(watch.candidate.pool.id);
            }
        }
        condemned
    }

    // ---- what is known ---------------------------------------------------------------------------------------------

    /// Whether anybody is watched.
    #[inline]
    pub(crate) fn is_any(&self) -> bool {
        self.is_any.load(Acquire)
    }

    /// Whether the candidate with this pool was seen to be no worse, as far as so many jobs can tell; so are those that nobody watches.
    pub(crate) fn is_no_worse(&self, candidate: PoolId, of_jobs: u64) -> bool {
        let watches = self.watches.lock();
        let mut of_it = watches.iter().filter(|watch| watch.candidate.pool.id == candidate);
        of_it.all(|watch| watch.guard.is_no_worse(watch.jobs(), of_jobs))
    }

    /// Why the version with this pool has to go, if it has.
    pub(crate) fn condemned(&self, candidate: PoolId) -> Option<Condemned> {
        self.all_condemned().into_iter().find(|condemned| condemned.candidate.id == candidate)
    }

    /// All that have to go.
    pub(crate) fn all_condemned(&self) -> Vec<Condemned> {
        let condemned = |watch: &Watch| {
            let [candidate, baseline] = watch.pools().map(Arc::clone);
            Some(Condemned { candidate, baseline, finding: watch.guard.finding()?.clone() })
        };
        self.watches.lock().iter().filter_map(condemned).collect()
    }

    /// For how long this pool is to be kept, since the version after it may have to go.
    pub(crate) fn keep_for(&self, baseline: PoolId, now: Time) -> Duration {
        let watches = self.watches.lock();
        let until = |watch: &Watch| watch.until.filter(|_| watch.baseline.pool.id == baseline);
        watches.iter().filter_map(until).max().map_or(Duration::ZERO, |until| until.since(now))
    }

    /// What was seen of the candidate with this pool.
    pub(crate) fn sight(&self, candidate: PoolId) -> Option<Sight> {
        let watches = self.watches.lock();
        let watch = watches.iter().find(|watch| watch.candidate.pool.id == candidate)?;
        let jobs = watch.jobs();
        let ratio = watch.guard.ratio(jobs);
        let failures = ratio.map_or((0, 0), |(sign, ..)| {
            let guard = &watch.guard;
            let failures = |side| guard.seen(sign, side, jobs).failures;
            (failures(Side::Candidate), failures(Side::Baseline))
        });
        let baseline = watch.baseline.pool.version.clone();
        Some(Sight { baseline, is_beside: watch.guard.is_beside(), jobs, ratio, failures })
    }
}

/// What a pool has done so far, by sign.
fn record_of(pool: &dyn AnyPool, slow_over: Option<Duration>) -> Record {
    let tally = pool.tally();
    Sign::ALL.map(|sign| match sign {
        Sign::Slowness => slow_over.map(|over| pool.pace.record(over)).unwrap_or_default(),
        _ => tally.count(sign),
    })
}
