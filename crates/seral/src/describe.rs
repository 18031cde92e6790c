//! Looks at a community and makes its view.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use seral_core::id::Version;
use seral_core::limit::Limit;
use seral_core::standing::Pin;
use seral_core::standing::Standing;
use seral_core::versions::Entry;
use seral_core::versions::State;
use seral_core::whose::Whose;

use crate::any_plane::Census;
use crate::any_pool::AnyPool;
use crate::control::Control;
use crate::course::Course;
use crate::guard_view::GuardView;
use crate::guards::Sight;
use crate::tally::Tally;
use crate::view::CommunityView;
use crate::view::Holder;
use crate::view::PinView;
use crate::view::RolloutView;
use crate::view::RuleView;
use crate::view::VersionView;

/// What one pool has.
struct PoolCounts {
    admitted: u64,
    waiting: usize,
    not_begun: usize,
    running: usize,
    in_transit: usize,
    tally: Tally,
}

impl Control {
    /// The view of this moment. Counts are read one after the other: they agree when nothing moves.
    pub(crate) fn describe(&self) -> CommunityView {
        let plane = &self.plane;
        let counters = &plane.counters;
        let (revision, current, versions, standing, rollout) = {
            let state = self.state.lock();
            let look = |entry: &Entry| {
                let pool = state.pools.get(&entry.pool).map(|running| &*running.handle);
                let library =
                    state.specs.get(&entry.version).and_then(|spec| Some((spec.library.as_ref()?)()));
                let share = state.versions.share(&entry.version).get();
                VersionView { library, ..self.version_view(entry, share, pool) }
            };
            let versions: Vec<_> = state.versions.entries().iter().map(look).collect();
            let current = state.versions.current().map(|entry| entry.version.to_string());
            let rollout = state.course.as_ref().and_then(rollout_view);
            (
                state.versions.revision().get(),
                current,
                versions,
                Arc::clone(state.versions.standing()),
                rollout,
            )
        };
        let Census { unrouted, fenced, delayed, next_due, dead } = plane.census();
        let mut view = CommunityView {
            name: plane.name.to_string(),
            revision,
            current,
            versions,
            rollout,
            pins: self.pin_views(&standing),
            rules: standing.rules.iter().map(|(whose, version)| rule_view(whose, version)).collect(),
            admitted: counters.admitted_delayed.load(Relaxed) + counters.admitted_before.load(Relaxed),
            done: counters.done_before.load(Relaxed),
            faults: counters.faults_before.load(Relaxed),
            waiting: unrouted as u64,
            fenced: fenced as u64,
            delayed: delayed as u64,
            next_due: next_due.map(|due| due.since(plane.now())),
            running: 0,
            in_transit: 0,
            discarded: counters.discarded.load(Relaxed),
            expired: counters.expired.load(Relaxed),
            cancelled: counters.cancelled.load(Relaxed),
            dead: dead.kept,
            overflowed: dead.overflowed,
            dead_discarded: dead.discarded,
            handed_back: dead.taken + counters.handed_back.load(Relaxed),
        };
        for counts in self.handles().iter().map(|pool| count(&**pool)) {
            view.admitted += counts.admitted;
            view.done += counts.tally.done;
            view.faults += counts.tally.faults;
            view.waiting += (counts.waiting + counts.not_begun) as u64;
            view.running += counts.running as u64;
            view.in_transit += counts.in_transit as u64;
        }
        view
    }

    fn version_view(&self, entry: &Entry, share: u16, pool: Option<&dyn AnyPool>) -> VersionView {
        let mut view = VersionView {
            community: self.plane.name.to_string(),
            name: entry.version.to_string(),
            state: entry.state.into(),
            share,
            limit: (entry.state == State::Ramping && entry.limit != Limit::None)
                .then(|| entry.limit.to_string()),
            quarantined: entry.quarantined,
            kept_warm: entry.kept,
            successor: entry.successor.as_ref().map(Version::to_string),
            guard: self.guard_view(entry),
            library: None,
            workers: 0,
            waiting: 0,
            oldest: None,
            running: 0,
            done: 0,
            faults: 0,
            held_up_by: Vec::new(),
            each_worker: Vec::new(),
        };
        let Some(pool) = pool else { return view };
        let counts = count(pool);
        view.each_worker = pool.any_desks().iter().map(|desk| desk.view()).collect();
        view.workers = view.each_worker.len();
        view.waiting = counts.waiting + counts.not_begun;
        view.oldest = pool.oldest_waiting(self.plane.now());
        view.running = counts.running;
        view.done = counts.tally.done;
        view.faults = counts.tally.faults;
        if entry.state == State::Draining {
            view.held_up_by = holders(pool);
        }
        view
    }

    fn guard_view(&self, entry: &Entry) -> Option<GuardView> {
        let Sight { baseline, is_beside, jobs, ratio, failures } = self.plane.guards.sight(entry.pool)?;
        let (sign, ratio, enough) = ratio?;
        Some(GuardView {
            baseline: baseline.to_string(),
            beside: is_beside,
            jobs: jobs.candidate,
            baseline_jobs: jobs.baseline,
            sign: sign.to_string(),
            failures: failures.0,
            baseline_failures: failures.1,
            ratio,
            enough,
        })
    }

    /// By whose jobs they are about, the narrowest first.
    fn pin_views(&self, standing: &Standing) -> Vec<PinView> {
        let now = self.plane.now();
        let view = |(whose, pin): (&Whose, &Pin)| PinView {
            whose: whose.to_string(),
            version: pin.version.to_string(),
            left: pin.until.map(|until| until.since(now)),
        };
        standing.pins.iter().map(view).collect()
    }
}

fn rollout_view(course: &Course) -> Option<RolloutView> {
    let Course { machine, version, .. } = course;
    (!machine.is_over()).then(|| RolloutView {
        version: version.to_string(),
        step: machine.step(),
        steps: machine.steps(),
        phase: machine.phase().to_string(),
    })
}

fn rule_view(whose: &Whose, version: &Version) -> RuleView {
    RuleView { whose: whose.to_string(), version: version.to_string() }
}

fn count(pool: &dyn AnyPool) -> PoolCounts {
    let counts = pool.mailbox().counts();
    let desks = pool.any_desks();
    PoolCounts {
        admitted: counts.admitted,
        waiting: counts.waiting,
        not_begun: desks.iter().map(|desk| desk.not_begun()).sum(),
        running: desks.iter().filter(|desk| desk.in_hand().is_some()).count(),
        in_transit: counts.in_transit,
        tally: pool.tally(),
    }
}

/// Who holds up a draining version.
fn holders(pool: &dyn AnyPool) -> Vec<Holder> {
    let counts = pool.mailbox().counts();
    let desks = pool.any_desks();
    let waiting = counts.waiting + desks.iter().map(|desk| desk.not_begun()).sum::<usize>();
    let running = desks.iter().filter_map(|desk| {
        let job = desk.in_hand()?.get();
        Some(Holder::Running { job, worker: desk.number().get(), at_least: desk.at_job_for() })
    });
    let in_hand = desks.iter().filter(|desk| desk.in_hand().is_some()).count();
    let not_begun: usize = desks.iter().map(|desk| desk.not_begun()).sum();
    let settling = counts.leased.saturating_sub(in_hand + not_begun);
    let held = pool.holds();
    let pinned = counts.pins_away.saturating_sub(held);
    let rest = [
        (settling, Holder::Settling(settling)),
        (waiting, Holder::Waiting(waiting)),
        (pinned, Holder::Pinned(pinned)),
        (counts.in_transit, Holder::InTransit(counts.in_transit)),
        (held, Holder::Held(held)),
    ];
    running.chain(rest.into_iter().filter(|(count, _)| *count > 0).map(|(_, holder)| holder)).collect()
}
