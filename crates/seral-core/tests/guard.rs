//! What a [`Guard`] decides, over streams of jobs with fixed seeds: how often it takes a good version for a bad one, and how soon it finds a bad one.
//!
//! The numbers are those of a simulation of the same rule by other means, in another language; the rule of thumb that it is compared with there (twice the
//! rate within a window) takes nearly every good version back.
//!
//! Seen failing, each on its own: one value of ψ instead of the mixture (1.25: `what_always_fails_…`; 100: `the_table_of_regressions`); the last
//! cohort for each failure (`a_share_that_was_lowered_…`); a window of 1,000 jobs instead of the ratio (`a_good_version_…`); keys that count each time
//! (`a_key_that_fails_…`), or not at all when there are many (`after_a_million_keys_…`); no part of the finished jobs (`a_baseline_that_does_not_keep_up_…`); no α
//! for each sign (`an_unbounded_run_…`); panics that are no errors (`errors_and_panics_together_…`); a baseline taken at its word (`a_baseline_of_which_…`); a step
//! that is not marked (`what_counts_for_more_…`); a free worker, the usual or the longest time that is ignored (`one_of_whose_workers_…`, `where_jobs_take_long_…`).

#![expect(clippy::print_stdout, reason = "its numbers are what one wants to see")]
#![expect(clippy::cast_precision_loss, reason = "counts of a test")]

use std::time::Duration;

use seral_core::evidence;
use seral_core::guard::Count;
use seral_core::guard::Failure;
use seral_core::guard::Finding;
use seral_core::guard::Guard;
use seral_core::guard::GuardPolicy;
use seral_core::guard::Jobs;
use seral_core::guard::Record;
use seral_core::guard::Side;
use seral_core::guard::Sign;
use seral_core::guard::Workload;
use seral_core::id::Revision;
use seral_core::routing::Reason;
use seral_core::routing::Route;
use seral_core::time::Time;

const JOBS: u64 = 200_000;
const RUNS: u64 = 300;

/// Numbers from a seed (a `SplitMix64`).
struct Dice(u64);

impl Dice {
    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to 1.
    fn fraction(&mut self) -> f64 {
        (self.number() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn falls(&mut self, chance: f64) -> bool {
        self.fraction() < chance
    }
}

fn only_errors() -> GuardPolicy {
    GuardPolicy::default().without(Sign::Panics).without(Sign::Timeouts).without(Sign::Slowness)
}

fn route(revision: u64, side: Side) -> Route {
    let reason = if side == Side::Candidate { Reason::Share } else { Reason::Current };
    Route::new(Revision::new(revision), reason)
}

/// A guard, and the jobs that it has seen.
struct Watched {
    guard: Guard,
    jobs: Jobs,
    failures: u64,
    finding: Option<Finding>,
}

impl Watched {
    fn sharing(policy: GuardPolicy, part: f64) -> Self {
        let mut guard = Guard::new(policy, None);
        guard.shared(Revision::new(1), part, Jobs::default());
        Self { guard, jobs: Jobs::default(), failures: 0, finding: None }
    }

    fn against(record: Record) -> Self {
        let mut guard = Guard::new(GuardPolicy::default(), Some(record));
        guard.shared(Revision::new(1), 1.0, Jobs::default());
        Self { guard, jobs: Jobs::default(), failures: 0, finding: None }
    }

    /// A job has ended.
    fn job(&mut self, side: Side, fails: bool) {
        self.job_of(side, fails, 1, None);
    }

    /// A job has ended that was admitted under this table.
    fn job_of(&mut self, side: Side, fails: bool, revision: u64, key: Option<u64>) {
        match side {
            Side::Candidate => self.jobs.candidate += 1,
            Side::Baseline => self.jobs.baseline += 1,
        }
        if fails {
            self.fails(Sign::Errors, side, revision, key);
        }
    }

    fn fails(&mut self, sign: Sign, side: Side, revision: u64, key: Option<u64>) {
        self.failures += u64::from(side == Side::Candidate);
        let found = self.guard.failed(Failure { sign, side, route: route(revision, side), key }, self.jobs);
        self.finding = self.finding.take().or(found);
    }

    fn is_condemned(&self) -> bool {
        self.finding.is_some()
    }
}

/// One run: jobs until the candidate is condemned, or all are over.
fn run(policy: GuardPolicy, part: f64, rates: (f64, f64), jobs: u64, dice: &mut Dice) -> Watched {
    let mut watched = Watched::sharing(policy, part);
    for _ in 0..jobs {
        let side = if dice.falls(part) { Side::Candidate } else { Side::Baseline };
        let rate = if side == Side::Candidate { rates.1 } else { rates.0 };
        let fails = dice.falls(rate);
        watched.job(side, fails);
        if watched.is_condemned() {
            break;
        }
    }
    watched
}

fn median(mut numbers: Vec<u64>) -> u64 {
    numbers.sort_unstable();
    numbers.get(numbers.len() / 2).copied().unwrap_or(0)
}

/// I17.
#[test]
fn a_good_version_is_taken_back_as_seldom_as_alpha_says() {
    let policies = [only_errors().alpha(0.01), GuardPolicy::default()];
    let mut condemned = [Vec::new(), Vec::new()];
    for part in [0.05, 0.25, 0.5] {
        for rate in [0.001, 0.01, 0.05] {
            let mut dice = Dice(7 + condemned[0].len() as u64);
            let here = good_versions_condemned(policies, part, rate, &mut dice);
            println!("part {part:4}, rate {rate:5}: {here:?} of {RUNS} condemned");
            (0..2).for_each(|at| condemned[at].push(here[at]));
        }
    }
    for (cells, (all, one)) in condemned.iter().zip([(0.01, 0.02), (0.001, 0.0034)]) {
        let of_all = cells.iter().sum::<u64>() as f64 / (cells.len() as u64 * RUNS) as f64;
        let of_worst = cells.iter().copied().max().unwrap_or(0) as f64 / RUNS as f64;
        println!("{of_all:.4} of all, {of_worst:.4} of the worst cell");
        assert!(of_all <= all && of_worst <= one, "{of_all} of all, {of_worst} of the worst cell");
    }
}

/// Of so many runs, in how many each of two guards condemned a version that is as good as the other.
fn good_versions_condemned(policies: [GuardPolicy; 2], part: f64, rate: f64, dice: &mut Dice) -> [u64; 2] {
    let mut condemned = [0; 2];
    for _ in 0..RUNS {
        let mut watched = policies.map(|policy| Watched::sharing(policy, part));
        for _ in 0..JOBS {
            let side = if dice.falls(part) { Side::Candidate } else { Side::Baseline };
            let fails = dice.falls(rate);
            for watched in &mut watched {
                watched.job(side, fails);
            }
        }
        (0..2).for_each(|at| condemned[at] += u64::from(watched[at].is_condemned()));
    }
    condemned
}

/// Ville's bound holds however long one looks: each failure is looked at, and there are enough for the candidate's luck to change many times.
#[test]
fn an_unbounded_run_trips_no_more_often_than_alpha_over_all_signs() {
    let (alpha, runs) = (0.05, 1_000);
    let mut condemned = 0;
    for seed in 0..runs {
        let mut dice = Dice(seed);
        let mut watched = Watched::sharing(GuardPolicy::default().alpha(alpha), 0.2);
        for _ in 0..20_000 {
            let side = if dice.falls(0.2) { Side::Candidate } else { Side::Baseline };
            let sign = Sign::ALL[(dice.number() % 4) as usize];
            watched.fails(sign, side, 1, None);
        }
        condemned += u64::from(watched.is_condemned());
    }
    println!("{condemned} of {runs} condemned at alpha {alpha}");
    assert!(condemned <= 50 && condemned > 2, "{condemned} of {runs}");
}

/// What is caught of a hundred runs, and how many jobs and failures of the candidate that costs (medians).
fn caught(policy: GuardPolicy, part: f64, rates: (f64, f64), seed: u64) -> (usize, u64, u64) {
    let mut dice = Dice(seed);
    let all: Vec<_> = (0..100).map(|_| run(policy, part, rates, JOBS, &mut dice)).collect();
    let caught: Vec<_> = all.iter().filter(|it| it.is_condemned()).collect();
    let spent = median(caught.iter().map(|it| it.jobs.candidate).collect());
    let failed = median(caught.iter().map(|it| it.failures).collect());
    println!("part {part:4}, {rates:?}: {} caught after {spent} jobs, {failed} failures", caught.len());
    (caught.len(), spent, failed)
}

const REGRESSIONS: [(f64, (f64, f64)); 6] = [
    (0.05, (0.01, 1.0)),
    (0.05, (0.0, 0.01)),
    (0.05, (0.01, 0.05)),
    (0.05, (0.01, 0.02)),
    (0.05, (0.001, 0.002)),
    (0.25, (0.001, 0.002)),
];

#[test]
fn the_table_of_regressions() {
    // The least that is caught, the most of it, and the most jobs and failures.
    let limits = [
        (100, 100, 4, 4),
        (100, 100, 400, 4),
        (100, 100, 220, 11),
        (100, 100, 1_700, 36),
        (17, 37, 8_000, 22),
    ];
    let limits = limits.into_iter().chain([(93, 100, 22_000, 45)]);
    for (number, ((part, rates), (least, most, jobs, failures))) in
        (100..).zip(REGRESSIONS.into_iter().zip(limits))
    {
        let (caught, spent, failed) = caught(only_errors().alpha(0.01), part, rates, number);
        assert!((least..=most).contains(&caught) && spent <= jobs && failed <= failures, "{part}, {rates:?}");
    }
}

/// These numbers are in the documentation of [`GuardPolicy`].
#[test]
fn the_table_of_regressions_for_the_default_policy() {
    let rows = (100..)
        .zip(REGRESSIONS)
        .map(|(seed, (part, rates))| caught(GuardPolicy::default(), part, rates, seed));
    let expected =
        [(100, 5, 5), (100, 392, 4), (100, 283, 14), (100, 2_589, 55), (8, 7_915, 23), (78, 29_730, 63)];
    assert_eq!(rows.collect::<Vec<_>>(), expected);
}

#[test]
fn what_always_fails_is_taken_back_within_five_failures_at_a_share_of_five_percent() {
    for seed in 0..1_000 {
        let watched = run(GuardPolicy::default(), 0.05, (0.0, 1.0), JOBS, &mut Dice(seed));
        assert!(
            watched.is_condemned() && watched.failures <= 5,
            "seed {seed}: {} failures",
            watched.failures
        );
    }
    let mut dice = Dice(1);
    let spent = |part: f64, dice: &mut Dice| {
        median((0..100).map(|_| run(GuardPolicy::default(), part, (0.0, 1.0), JOBS, dice).failures).collect())
    };
    let more = [0.01, 0.05, 0.25, 0.5].map(|part| spent(part, &mut dice));
    println!("failures spent at 1, 5, 25 and 50 %: {more:?}");
    assert_eq!(more, [3, 4, 8, 15]);
}

#[test]
fn an_outage_from_which_both_suffer_trips_nothing() {
    for seed in 0..300 {
        let mut dice = Dice(seed);
        let mut watched = Watched::sharing(GuardPolicy::default(), 0.25);
        for number in 0..20_000 {
            let side = if dice.falls(0.25) { Side::Candidate } else { Side::Baseline };
            let is_out = (5_000..8_000).contains(&number) || (12_000..12_500).contains(&number);
            let rate = if is_out { 0.9 } else { 0.001 };
            let fails = dice.falls(rate);
            watched.job(side, fails);
        }
        assert!(!watched.is_condemned(), "seed {seed}: {:?}", watched.finding);
    }
}

/// Half of the jobs went to the candidate; then it was given a twentieth, and what fails late still comes from that half.
#[test]
fn a_share_that_was_lowered_does_not_make_late_failures_of_earlier_jobs_count_for_more() {
    let mut watched = Watched::sharing(GuardPolicy::default(), 0.5);
    let late: Vec<Side> =
        (0..400).map(|number| if number % 2 == 0 { Side::Candidate } else { Side::Baseline }).collect();
    watched.guard.shared(Revision::new(2), 0.05, Jobs::default());
    for side in &late {
        watched.job_of(*side, true, 1, None);
    }
    assert!(!watched.is_condemned(), "{:?}", watched.finding);
    // The same failures of jobs that were admitted since would be plain.
    let mut watched = Watched::sharing(GuardPolicy::default(), 0.05);
    watched.jobs.baseline = 10_000;
    for side in late {
        watched.job(side, true);
    }
    assert!(watched.is_condemned());
}

/// A ramp begins while the baseline has a long queue: what it fails by then was admitted before there was a candidate, and counts.
#[test]
fn a_candidate_that_comes_beside_a_long_queue_is_not_worse_for_being_quicker() {
    for seed in 0..200 {
        let mut dice = Dice(seed);
        let mut watched = Watched::sharing(GuardPolicy::default(), 0.05);
        watched.guard.shared(Revision::new(2), 0.05, Jobs::default());
        for _ in 0..20_000 {
            let side = if dice.falls(0.05) { Side::Candidate } else { Side::Baseline };
            let fails = dice.falls(0.02);
            watched.job_of(side, fails, u64::from(side == Side::Candidate), None);
        }
        assert!(!watched.is_condemned(), "seed {seed}: {:?}", watched.finding);
    }
}

/// The baseline finishes half of what it is given, so the candidate has nearly a tenth of what is finished instead of a twentieth.
#[test]
fn a_baseline_that_does_not_keep_up_does_not_make_the_candidate_look_bad() {
    let mut condemned = 0;
    for seed in 0..300 {
        let mut dice = Dice(seed);
        let mut watched = Watched::sharing(GuardPolicy::default(), 0.05);
        for _ in 0..40_000 {
            let side = if dice.falls(0.05) { Side::Candidate } else { Side::Baseline };
            let is_finished = side == Side::Candidate || dice.falls(0.5);
            let fails = dice.falls(0.02);
            if is_finished {
                watched.job(side, fails);
            }
        }
        condemned += usize::from(watched.is_condemned());
    }
    assert!(condemned <= 2, "{condemned} of 300");
}

#[test]
fn a_key_that_fails_again_and_again_counts_once() {
    let mut watched = Watched::sharing(GuardPolicy::default(), 0.05);
    watched.jobs.baseline = 30_000;
    for _ in 0..1_000 {
        watched.job_of(Side::Candidate, true, 1, Some(17));
    }
    assert!(!watched.is_condemned(), "{:?}", watched.finding);
    for key in 1..=4 {
        watched.job_of(Side::Candidate, true, 1, Some(key));
    }
    let Some(Finding::Worse { candidate, .. }) = watched.finding else { panic!("not condemned") };
    assert_eq!(candidate, Count { jobs: 1_003, failures: 4 }, "a key counts once");
}

#[test]
fn jobs_that_somebody_sent_to_the_candidate_do_not_count() {
    let mut watched = Watched::sharing(GuardPolicy::default(), 0.05);
    for reason in [Reason::Pin, Reason::StandingPin, Reason::Rule, Reason::Moved, Reason::Elsewhere] {
        for _ in 0..100 {
            let route = Route::new(Revision::new(1), reason);
            let failure = Failure { sign: Sign::Panics, side: Side::Candidate, route, key: None };
            assert_eq!(watched.guard.failed(failure, Jobs { candidate: 1, ..Jobs::default() }), None);
        }
    }
    assert_eq!(watched.guard.seen(Sign::Panics, Side::Candidate, watched.jobs).failures, 0);
}

/// A version that says that it failed, where the other panicked, is no worse; one that panics where the other said so is.
#[test]
fn a_panic_is_an_error_too_and_an_error_is_no_panic() {
    for (of_candidate, of_baseline, is_worse) in [
        (Sign::Errors, Sign::Panics, false),
        (Sign::Errors, Sign::Timeouts, false),
        (Sign::Panics, Sign::Errors, true),
    ] {
        let mut dice = Dice(5);
        let mut watched = Watched::sharing(GuardPolicy::default(), 0.2);
        watched.jobs = jobs(1_000, 4_000);
        for _ in 0..300 {
            let side = if dice.falls(0.2) { Side::Candidate } else { Side::Baseline };
            watched.fails(if side == Side::Candidate { of_candidate } else { of_baseline }, side, 1, None);
        }
        assert_eq!(watched.is_condemned(), is_worse, "{of_candidate} where there were {of_baseline}");
    }
}

#[test]
fn errors_and_panics_together_are_enough_where_neither_is_alone() {
    let mut watched = Watched::sharing(GuardPolicy::default(), 0.05);
    watched.jobs = jobs(100, 1_900);
    for sign in [Sign::Errors, Sign::Errors, Sign::Panics, Sign::Panics] {
        assert!(!watched.is_condemned());
        watched.fails(sign, Side::Candidate, 1, None);
    }
    assert!(
        matches!(watched.finding, Some(Finding::Worse { sign: Sign::Errors, .. })),
        "{:?}",
        watched.finding
    );
}

/// Keys that count are not used up by a long ramp.
#[test]
fn after_a_million_keys_that_failed_alike_a_bad_hour_is_still_found() {
    let mut dice = Dice(9);
    let mut watched = Watched::sharing(GuardPolicy::default(), 0.05);
    watched.jobs = jobs(50_000, 950_000);
    for key in 0..1_000_000 {
        let side = if dice.falls(0.05) { Side::Candidate } else { Side::Baseline };
        watched.fails(Sign::Slowness, side, 1, Some(key));
    }
    assert!(!watched.is_condemned());
    for key in 1_000_000..1_200_000 {
        watched.fails(Sign::Slowness, Side::Candidate, 1, Some(key));
    }
    assert!(watched.is_condemned());
}

#[test]
fn what_came_to_the_candidate_before_it_was_watched_does_not_count() {
    let mut watched = Watched::sharing(GuardPolicy::default(), 0.05);
    for _ in 0..100 {
        watched.job_of(Side::Candidate, true, 0, None);
    }
    assert!(!watched.is_condemned());
}

#[test]
fn more_tables_than_are_remembered_count_by_the_largest_part_of_those() {
    let mut watched = Watched::sharing(GuardPolicy::default(), 0.5);
    for revision in 2..1_000 {
        watched.guard.shared(
            Revision::new(revision),
            if revision % 2 == 0 { 0.01 } else { 0.02 },
            Jobs::default(),
        );
    }
    watched.jobs.baseline = 10_000;
    for _ in 0..10 {
        watched.job_of(Side::Candidate, true, 3, None);
    }
    assert!(!watched.is_condemned(), "at a half, ten failures are not enough");
    for _ in 0..4 {
        watched.job_of(Side::Candidate, true, 999, None);
    }
    assert!(watched.is_condemned());
}

#[test]
fn tables_that_share_alike_are_one_cohort() {
    let mut watched = Watched::sharing(GuardPolicy::default(), 0.5);
    for revision in 2..1_000 {
        watched.guard.shared(Revision::new(revision), 0.05, Jobs::default());
    }
    watched.jobs.baseline = 10_000;
    for _ in 0..4 {
        watched.job_of(Side::Candidate, true, 500, None);
    }
    assert!(watched.is_condemned());
}

// ---- against a record ----------------------------------------------------------------------------------------------

fn record_of(rate: f64, jobs: u64, dice: &mut Dice) -> Record {
    let failures = (0..jobs).filter(|_| dice.falls(rate)).count() as u64;
    let none = Count { jobs, failures: 0 };
    [Count { jobs, failures }, none, none, none]
}

#[test]
fn a_good_version_is_seldom_taken_back_for_the_record_of_the_one_before() {
    for (rate, jobs) in [(0.001, 200), (0.001, 10_000), (0.01, 200), (0.01, 10_000), (0.05, 1_000)] {
        let mut condemned = 0;
        for seed in 0..1_000 {
            let mut dice = Dice(seed);
            let mut watched = Watched::against(record_of(rate, jobs, &mut dice));
            for _ in 0..20_000 {
                let fails = dice.falls(rate);
                watched.job(Side::Candidate, fails);
            }
            condemned += u64::from(watched.is_condemned());
        }
        println!("rate {rate}, record of {jobs}: {condemned} of 1,000 condemned");
        assert!(condemned <= 2, "rate {rate}, record of {jobs}: {condemned} of 1,000");
    }
}

#[test]
fn what_always_fails_is_taken_back_within_five_failures_though_nothing_runs_beside_it() {
    for (rate, jobs) in [(0.0, 50), (0.0, 10_000), (0.01, 200), (0.01, 10_000)] {
        let mut watched = Watched::against(record_of(rate, jobs, &mut Dice(3)));
        while !watched.is_condemned() {
            watched.job(Side::Candidate, true);
        }
        assert!(watched.failures <= 5, "rate {rate}, record of {jobs}: {} failures", watched.failures);
    }
}

/// Failures come first, since what is well takes longer: as long as that is in hand it may be well.
#[test]
fn jobs_in_hand_count_as_if_they_were_well() {
    let mut watched = Watched::against([Count { jobs: 10_000, failures: 100 }; 4]);
    watched.jobs.in_hand = 1_000;
    for _ in 0..10 {
        watched.job(Side::Candidate, true);
    }
    assert!(!watched.is_condemned(), "{:?}", watched.finding);
}

// ---- stuck ---------------------------------------------------------------------------------------------------------

fn at(seconds: u64) -> Time {
    Time::from(Duration::from_secs(seconds))
}

fn jobs(candidate: u64, baseline: u64) -> Jobs {
    Jobs { candidate, in_hand: 0, baseline }
}

fn guard() -> Guard {
    Watched::sharing(GuardPolicy::default(), 0.05).guard
}

/// Two workers, and a baseline whose jobs take two seconds at most.
fn load(begun: u64, in_hand: u64, baseline: u64) -> Workload {
    let usual = Some((Duration::from_secs(1), Duration::from_secs(2)));
    Workload { begun, in_hand, workers: 2, baseline, usual }
}

#[test]
fn a_candidate_whose_workers_are_all_at_the_same_jobs_is_stuck_after_a_minute_if_the_baseline_goes_on() {
    let mut guard = guard();
    assert_eq!(guard.look(at(10), load(2, 2, 100)), None);
    assert_eq!(guard.look(at(69), load(2, 2, 900)), None);
    let stuck = Finding::Stuck { time: Duration::from_secs(60), workers: 2, baseline: 900 };
    assert_eq!(guard.look(at(70), load(2, 2, 1_000)), Some(stuck.clone()));
    assert_eq!(stuck.to_string(), "all 2 workers at the same jobs for 60 s, while 900 were done elsewhere");
    assert_eq!(guard.look(at(80), load(2, 2, 1_100)), None, "it is told once");
    assert_eq!(guard.finding(), Some(&stuck));
}

#[test]
fn one_that_got_stuck_after_a_thousand_jobs_is_found_as_well() {
    let mut guard = guard();
    assert_eq!(guard.look(at(0), load(1_001, 2, 19_000)), None);
    assert_eq!(guard.look(at(5), load(1_002, 2, 19_100)), None);
    assert_eq!(guard.look(at(60), load(1_002, 2, 20_000)), None);
    assert!(guard.look(at(65), load(1_002, 2, 20_100)).is_some());
}

#[test]
fn one_of_whose_workers_one_is_free_or_that_begins_jobs_or_is_beside_one_that_ends_none_either_is_not_stuck()
{
    for (name, load_at) in [
        ("nothing in hand", (|second| load(0, 0, second * 10)) as fn(u64) -> Workload),
        ("one job that takes long, and a free worker", |second| load(1, 1, second * 10)),
        ("now and then both at a job", |second| load(2, 1 + second / 5 % 2, second * 10)),
        ("begins jobs", |second| load(second / 50, 2, second * 10)),
        ("so is the baseline", |second| load(2, 2, second / 100)),
        ("no workers", |second| Workload { workers: 0, ..load(0, 0, second * 10) }),
        ("nobody knows how long jobs take", |second| Workload { usual: None, ..load(2, 2, second * 10) }),
    ] {
        let mut guard = guard();
        for second in (0..1_000).step_by(5) {
            assert_eq!(guard.look(at(second), load_at(second)), None, "{name}, second {second}");
        }
    }
}

#[test]
fn where_jobs_take_long_one_is_stuck_after_ten_times_as_long_and_twice_as_long_as_the_longest() {
    for (usual, longest, after) in [(30, 40, 300), (1, 400, 800), (1, 2, 60)] {
        let mut guard = guard();
        let usual = Some((Duration::from_secs(usual), Duration::from_secs(longest)));
        let load = |baseline| Workload { usual, ..load(2, 2, baseline) };
        assert_eq!(guard.look(at(0), load(0)), None);
        assert_eq!(guard.look(at(after - 1), load(1_000)), None);
        assert!(guard.look(at(after), load(1_000)).is_some(), "{after}");
    }
}

#[test]
fn where_the_baseline_has_no_new_jobs_it_need_not_go_on() {
    let mut guard = Watched::against([Count::default(); 4]).guard;
    assert_eq!(guard.look(at(0), load(2, 2, 0)), None);
    assert!(guard.look(at(60), load(2, 2, 0)).is_some());
}

#[test]
fn nothing_is_stuck_for_a_guard_that_is_off() {
    let mut guard = Guard::new(GuardPolicy::off(), None);
    assert_eq!(guard.look(at(0), load(2, 2, 0)), None);
    assert_eq!(guard.look(at(900), load(2, 2, 1_000)), None);
}

// ---- to have more --------------------------------------------------------------------------------------------------

/// Row 7.
#[test]
fn without_jobs_nothing_is_promoted_and_nothing_rolled_back() {
    let mut guard = guard();
    for second in 0..1_000 {
        assert_eq!(guard.look(at(second), load(0, 0, second)), None);
        assert!(!guard.is_no_worse(jobs(0, second), 200));
    }
}

#[test]
fn as_many_jobs_as_a_step_has_are_enough_if_all_are_well_and_more_are_needed_if_some_fail() {
    let mut watched = Watched::sharing(only_errors(), 0.05);
    assert!(!watched.guard.is_no_worse(jobs(199, 4_000), 200));
    assert!(watched.guard.is_no_worse(jobs(200, 4_000), 200));
    for _ in 0..2 {
        watched.fails(Sign::Errors, Side::Candidate, 1, None);
    }
    assert!(!watched.guard.is_no_worse(jobs(200, 4_000), 200));
    assert!(watched.guard.is_no_worse(jobs(500, 10_000), 200));
}

/// Ten thousand that were well at a twentieth say nothing of a quarter.
#[test]
fn what_counts_for_more_is_what_happened_since_the_candidate_has_its_present_part() {
    let mut watched = Watched::sharing(only_errors(), 0.05);
    watched.jobs = jobs(10_000, 190_000);
    watched.guard.shared(Revision::new(2), 0.25, watched.jobs);
    assert!(!watched.guard.is_no_worse(jobs(10_199, 190_600), 200));
    assert!(watched.guard.is_no_worse(jobs(10_200, 190_600), 200));
    for _ in 0..6 {
        watched.fails(Sign::Errors, Side::Candidate, 2, None);
    }
    assert!(!watched.guard.is_no_worse(jobs(10_200, 190_600), 200));
    assert_eq!(watched.guard.seen(Sign::Errors, Side::Candidate, jobs(10_200, 190_600)).jobs, 10_200);
}

#[test]
fn slow_jobs_are_counted_from_when_it_is_known_what_is_slow() {
    let mut watched = Watched::sharing(GuardPolicy::default(), 0.05);
    assert!(watched.guard.is_no_worse(jobs(200, 4_000), 200), "what cannot be known yet holds nothing up");
    watched.guard.know_slow(jobs(200, 4_000));
    assert!(watched.guard.is_no_worse(jobs(200, 4_000), 200));
    watched.jobs = jobs(209, 4_200);
    watched.fails(Sign::Slowness, Side::Candidate, 1, None);
    let guard = &mut watched.guard;
    assert!(!guard.is_no_worse(jobs(210, 4_200), 200));
    assert!(guard.is_no_worse(jobs(300, 6_000), 200));
    guard.know_slow(jobs(290, 5_800));
    assert_eq!(guard.seen(Sign::Slowness, Side::Candidate, jobs(300, 6_000)).jobs, 100);
    assert_eq!(guard.seen(Sign::Errors, Side::Candidate, jobs(300, 6_000)).jobs, 300);
}

/// A baseline that failed one job in ten is not known to fail a tenth.
#[test]
fn a_baseline_of_which_little_is_known_does_not_excuse_failures() {
    let mut watched = Watched::sharing(only_errors(), 0.9);
    watched.jobs = jobs(1, 10);
    watched.fails(Sign::Errors, Side::Baseline, 1, None);
    for _ in 0..8 {
        watched.fails(Sign::Errors, Side::Candidate, 1, None);
    }
    assert!(!watched.guard.is_no_worse(jobs(400, 10), 200));
}

#[test]
fn a_margin_may_be_given() {
    let wide = Watched::sharing(only_errors().margin_percent(50.0), 0.05).guard;
    assert!(wide.is_no_worse(jobs(6, 100), 200));
    let narrow = Watched::sharing(only_errors().margin_percent(0.1), 0.05).guard;
    assert!(!narrow.is_no_worse(jobs(200, 4_000), 200));
    assert!(narrow.is_no_worse(jobs(4_500, 90_000), 200));
}

#[test]
fn a_policy_that_makes_no_sense_says_so() {
    assert_eq!(GuardPolicy::default().complaint(), None);
    assert!(!GuardPolicy::default().is_off() && GuardPolicy::off().is_off());
    for alpha in [0.0, 1.0, -1.0, f64::NAN] {
        assert!(GuardPolicy::default().alpha(alpha).complaint().is_some_and(|it| it.contains("alpha")));
    }
    for margin in [0.0, 100.0, f64::NAN] {
        assert!(
            GuardPolicy::default().margin_percent(margin).complaint().is_some_and(|it| it.contains("margin"))
        );
    }
}

#[test]
fn a_finding_says_what_was_seen_of_both() {
    let mut watched = Watched::sharing(GuardPolicy::default(), 0.05);
    (0..95).for_each(|_| watched.job(Side::Baseline, false));
    (0..4).for_each(|_| watched.job(Side::Candidate, true));
    let found = watched.finding.map(|finding| finding.to_string()).unwrap_or_default();
    assert_eq!(found, "errors in 4 of 4 jobs, against 0 of 95: 13113 times as likely if it is worse");
}

/// The margin that is used for a step is the one that its jobs can tell.
#[test]
fn the_default_margin_of_a_step_of_two_hundred_jobs_is_two_percent() {
    assert!((evidence::margin_of(200) - 0.02).abs() < 0.000_5);
}
