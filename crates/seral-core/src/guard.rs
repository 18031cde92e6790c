//! Whether a candidate has to go: by its failures, beside those of the version that it is to replace, the *baseline*.
//!
//! Rules:
//!
//! 1. Four signs are watched, each by a test of its own ([`evidence`]): failures of any kind, panics, timeouts, and jobs that take longer than 99 of 100 do on
//!    the baseline. They share one α, the chance that a candidate which is no worse is ever condemned.
//! 2. A job counts with its first attempt, and a key with its first failure: what fails because of the job itself says nothing twice.
//! 3. Only jobs count that went where they went by chance: by the share, or because nothing else claimed them. Pins, rules and moves are choices.
//! 4. A failure counts by the part of the *cohort* with which its job was admitted, or of a later one if that is larger: a job that fails late was admitted
//!    under an earlier table. A larger part never speaks more against the candidate, and so does the part of jobs that it has really
//!    finished, where the baseline does not keep up with its own.
//! 5. Where the candidate gets its jobs otherwise than by chance (the first few, a few at a time, all of them), its failures are compared with the record that the
//!    baseline had before.
//! 6. One whose workers are all at the same jobs for too long is *stuck*, and has to go, whatever the chances.
//! 7. No data decides nothing: neither to roll back nor to go on. What it gets more by is what it has shown since it has its present part.
//!
//! Nothing here knows of pauses or of people: a guard is alive while a rollout waits for somebody.

use crate::evidence;
use crate::evidence::Evidence;
use crate::evidence::to_float;
use crate::id::Revision;
use crate::once::Once;
use crate::routing::Reason;
use crate::routing::Route;
use crate::sign::SIGNS;
use crate::standstill::Standstill;
use crate::time::Time;

pub use crate::evidence::Count;
pub use crate::sign::Failure;
pub use crate::sign::Finding;
pub use crate::sign::GuardPolicy;
pub use crate::sign::Jobs;
pub use crate::sign::Record;
pub use crate::sign::Side;
pub use crate::sign::Sign;
pub use crate::sign::Workload;

/// What is slow depends on more than the version, so a candidate may be worse by so many times the margin.
const SLOWNESS_MARGIN: f64 = 3.0;
/// How many tables are remembered by which new jobs were shared: more than people change shares while jobs run. Older ones count as one.
const COHORTS_MAX: usize = 64;

/// A table by which new jobs were shared, and the candidate's part of those that went to one of the two.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Cohort {
    from: Revision,
    part: f64,
}

/// By sign, of the candidate and of the baseline.
type BySide = [[u64; 2]; SIGNS];

/// See the [module](self).
#[derive(Clone, Debug, PartialEq)]
pub struct Guard {
    policy: GuardPolicy,
    /// Nothing if the two share new jobs.
    record: Option<Record>,
    cohorts: Vec<Cohort>,
    keys: [Once; SIGNS],
    evidence: [Evidence; SIGNS],
    /// All failures.
    failures: BySide,
    /// Those that count for the evidence: of each key one.
    counted: BySide,
    /// What was the case when the candidate got its present part.
    step: (Jobs, BySide),
    /// How many jobs there were when it became known what is slow.
    slow_since: Option<Jobs>,
    standstill: Option<Standstill>,
    finding: Option<Finding>,
}

impl Guard {
    /// A guard of a candidate that shares new jobs with the baseline, or that is compared with its record.
    pub fn new(policy: GuardPolicy, record: Option<Record>) -> Self {
        Self {
            policy,
            record,
            cohorts: Vec::new(),
            keys: Default::default(),
            evidence: [Evidence::default(); SIGNS],
            failures: BySide::default(),
            counted: BySide::default(),
            step: (Jobs::default(), BySide::default()),
            slow_since: None,
            standstill: None,
            finding: None,
        }
    }

    // ---- what happens ----------------------------------------------------------------------------------------------

    /// From the table of this number on, the candidate has this part of the new jobs that go to one of the two. There were so many until then.
    pub fn shared(&mut self, from: Revision, part: f64, jobs: Jobs) {
        let from = Route::new(from, Reason::Share).revision();
        if self.cohorts.last().is_some_and(|last| last.part.total_cmp(&part).is_eq()) {
            return;
        }
        if self.cohorts.len() == COHORTS_MAX {
            let second = self.cohorts.remove(1);
            self.cohorts[0].part = self.cohorts[0].part.max(second.part);
        }
        self.cohorts.push(Cohort { from, part });
        self.step = (jobs, self.failures);
    }

    /// It is known what is slow, from so many jobs on.
    pub fn know_slow(&mut self, jobs: Jobs) {
        self.slow_since.get_or_insert(jobs);
    }

    /// The baseline has done more meanwhile, if its record is what the candidate is compared with.
    pub fn set_record(&mut self, record: Record) {
        if let Some(known) = &mut self.record {
            *known = record;
        }
    }

    /// A job failed with its first attempt, or was slow. Says why the candidate has to go if that is known now, once.
    #[must_use = "the finding is the decision"]
    pub fn failed(&mut self, failure: Failure, jobs: Jobs) -> Option<Finding> {
        let part = self.part_of(failure, jobs)?;
        let found = self.count(failure, part, jobs);
        match failure.sign {
            // These are errors, too: one that says so instead of panicking is no worse.
            Sign::Panics | Sign::Timeouts => {
                let as_error = self.count(Failure { sign: Sign::Errors, ..failure }, part, jobs);
                found.or(as_error)
            }
            Sign::Errors | Sign::Slowness => found,
        }
    }

    /// Somebody looks whether the candidate is stuck. To be called each few seconds.
    #[must_use = "the finding is the decision"]
    pub fn look(&mut self, now: Time, load: Workload) -> Option<Finding> {
        self.standstill = Standstill::look(self.standstill, now, load);
        if self.policy.is_off() {
            return None;
        }
        let found = self.standstill?.judge(now, load, self.policy.patience, self.is_beside())?;
        self.find(found)
    }

    // ---- what is known ---------------------------------------------------------------------------------------------

    /// Whether the candidate was seen to be no worse than the baseline by more than the margin since it has its present part, so that it may have more; the margin,
    /// if it was not set, is what so many jobs can tell.
    pub fn is_no_worse(&self, jobs: Jobs, of_jobs: u64) -> bool {
        let margin = self.policy.margin.unwrap_or_else(|| evidence::margin_of(of_jobs));
        self.policy.signs().all(|sign| {
            let [candidate, baseline] =
                [Side::Candidate, Side::Baseline].map(|side| self.in_step(sign, side, jobs));
            match sign {
                // It may have become known late what is slow; that its jobs end at all, the others say.
                Sign::Slowness if candidate.failures == 0 => true,
                Sign::Slowness => evidence::is_no_worse(candidate, baseline, margin * SLOWNESS_MARGIN),
                _ => evidence::is_no_worse(candidate, baseline, margin),
            }
        })
    }

    /// Why the candidate has to go, if it has.
    pub fn finding(&self) -> Option<&Finding> {
        self.finding.as_ref()
    }

    /// Whether the two share new jobs; else the candidate is compared with a record.
    pub fn is_beside(&self) -> bool {
        self.record.is_none()
    }

    /// What it watches, and how sure it has to be.
    pub fn policy(&self) -> &GuardPolicy {
        &self.policy
    }

    /// How much likelier what was seen is if the candidate is worse, by the sign of those that were seen which says so most; and from which ratio on it has to
    /// go.
    pub fn ratio(&self, jobs: Jobs) -> Option<(Sign, u64, u64)> {
        let was_seen = |sign: Sign| self.failures[sign as usize] != [0, 0];
        let rank = |sign: Sign| (was_seen(sign), self.log_ratio(sign, jobs));
        let likelier = |a, b| if rank(b) > rank(a) { b } else { a };
        let sign = self.policy.signs().reduce(likelier)?;
        Some((sign, to_count(self.log_ratio(sign, jobs).exp()), to_count(self.policy.enough().exp())))
    }

    /// The jobs of one of the two, and how many of them showed this sign; of each key one counts.
    pub fn seen(&self, sign: Sign, side: Side, jobs: Jobs) -> Count {
        match (&self.record, side) {
            (Some(record), Side::Baseline) => record[sign as usize],
            _ => {
                let failures = self.counted[sign as usize][side as usize];
                let jobs = of_side(jobs, side).saturating_sub(of_side(self.jobs_before(sign), side));
                Count { jobs: jobs.max(failures), failures }
            }
        }
    }

    // ---- deciding --------------------------------------------------------------------------------------------------

    /// The part for which a failure counts, if it counts.
    fn part_of(&self, Failure { side, route, .. }: Failure, jobs: Jobs) -> Option<f64> {
        if !route.is_by_chance() {
            return None;
        }
        let admitted = self.cohorts.partition_point(|cohort| cohort.from <= route.revision()).checked_sub(1);
        let since = match (side, admitted) {
            (_, Some(at)) => at,
            // It came to the candidate before the two were compared.
            (Side::Candidate, None) => return None,
            // It was to fail all the same had the candidate had its part by then.
            (Side::Baseline, None) => 0,
        };
        let shared = self.cohorts.get(since..)?.iter().map(|cohort| cohort.part).fold(0.0, f64::max);
        Some(shared.max(finished_part(jobs)))
    }

    fn count(&mut self, Failure { sign, side, key, .. }: Failure, part: f64, jobs: Jobs) -> Option<Finding> {
        if !self.policy.watches(sign) {
            return None;
        }
        let at = sign as usize;
        self.failures[at][side as usize] += 1;
        if key.is_some_and(|key| !self.keys[at].is_first(key)) {
            return None;
        }
        self.counted[at][side as usize] += 1;
        self.evidence[at].failed(side == Side::Candidate, part);
        let log_ratio = self.log_ratio(sign, jobs);
        if side == Side::Baseline || log_ratio < self.policy.enough() {
            return None;
        }
        let [candidate, baseline] = [Side::Candidate, Side::Baseline].map(|side| self.seen(sign, side, jobs));
        self.find(Finding::Worse { sign, candidate, baseline, ratio: to_count(log_ratio.exp()) })
    }

    fn log_ratio(&self, sign: Sign, jobs: Jobs) -> f64 {
        match &self.record {
            None => self.evidence[sign as usize].log_ratio(),
            Some(record) => {
                let Count { jobs: ended, failures } = self.seen(sign, Side::Candidate, jobs);
                // What is in hand may yet be well.
                evidence::against_record(
                    record[sign as usize],
                    Count { jobs: ended + jobs.in_hand, failures },
                )
            }
        }
    }

    /// Of the present part: the jobs of one of the two, and all that showed this sign.
    fn in_step(&self, sign: Sign, side: Side, jobs: Jobs) -> Count {
        match (&self.record, side) {
            (Some(record), Side::Baseline) => record[sign as usize],
            _ => {
                let (began, before) = &self.step;
                let since = of_side(*began, side).max(of_side(self.jobs_before(sign), side));
                let (at, side_at) = (sign as usize, side as usize);
                let failures = self.failures[at][side_at] - before[at][side_at];
                Count { jobs: of_side(jobs, side).saturating_sub(since), failures }
            }
        }
    }

    /// Jobs of which it was not known whether they showed this sign.
    fn jobs_before(&self, sign: Sign) -> Jobs {
        match sign {
            Sign::Slowness => self.slow_since.unwrap_or_default(),
            Sign::Errors | Sign::Panics | Sign::Timeouts => Jobs::default(),
        }
    }

    fn find(&mut self, finding: Finding) -> Option<Finding> {
        if self.finding.is_some() {
            return None;
        }
        self.finding = Some(finding);
        self.finding.clone()
    }
}

fn of_side(jobs: Jobs, side: Side) -> u64 {
    match side {
        Side::Candidate => jobs.candidate,
        Side::Baseline => jobs.baseline,
    }
}

/// The candidate's part of the jobs that were finished, as far as it is not by luck.
fn finished_part(jobs: Jobs) -> f64 {
    let (candidate, baseline) = (to_float(jobs.candidate), to_float(jobs.baseline));
    (candidate - 2.0 * candidate.sqrt()).max(0.0) / (candidate + baseline).max(1.0)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a positive number, rounded, and cut off at the end"
)]
fn to_count(number: f64) -> u64 {
    number.round() as u64
}
