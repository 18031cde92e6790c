//! Whether a candidate has to go: by its failures, beside those of the version that it is to replace, the *baseline*.
//!
//! Rules:
//!
//! 1. Four signs are watched, each by a test of its own ([`evidence`]): errors, panics, timeouts, and jobs that take longer than 99 of 100 do on
//!    the baseline. They share one α, the chance that a candidate which is no worse is ever condemned.
//! 2. A job counts with its first attempt, and a key with its first failure: what fails because of the job itself says nothing twice.
//! 3. Only jobs count that went where they went by chance: by the share, or because nothing else claimed them. Pins, rules and moves are choices.
//! 4. A failure counts by the part of the *cohort* with which its job was admitted, or of a later one if that is larger: a job that fails late was admitted
//!    under an earlier table. A larger part never speaks more against the candidate, and so does the part of jobs that it has really
//!    finished, where the baseline does not keep up with its own.
//! 5. Where the candidate gets its jobs otherwise than by chance (the first few, a few at a time, all of them), its failures are compared with the record that the
//!    baseline had before.
//! 6. One that finishes no job any more, though it has some in hand, is *stuck*: condemned when the baseline goes on, and any job of the baseline would be over
//!    long since.
//! 7. No data decides nothing: neither to roll back nor to go on.
//!
//! Nothing here knows of pauses or of people: a guard is alive while a rollout waits for somebody.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::evidence;
use crate::evidence::Evidence;
use crate::evidence::to_float;
use crate::id::Revision;
use crate::routing::Reason;
use crate::routing::Route;
use crate::sign::SIGNS;
use crate::time::Time;

pub use crate::evidence::Count;
pub use crate::sign::Failure;
pub use crate::sign::Finding;
pub use crate::sign::GuardPolicy;
pub use crate::sign::Jobs;
pub use crate::sign::Record;
pub use crate::sign::Side;
pub use crate::sign::Sign;

/// A candidate is not stuck before so many times as long as 99 of 100 jobs of the baseline take.
const TIMES_USUAL: u32 = 10;
/// Meanwhile the baseline must have finished so many: it may be that nothing is finished anywhere.
const FINISHED_BESIDE: u64 = 20;
/// What is slow depends on more than the version, so a candidate may be worse by so many times the margin.
const SLOWNESS_MARGIN: f64 = 3.0;
/// How many tables are remembered by which new jobs were shared: more than people change shares while jobs run. Older ones count as one.
const COHORTS_MAX: usize = 64;
/// How many keys are remembered that have failed. Those that fail later do not count; which version they come from has nothing to do with that.
const KEYS_MAX: usize = 10_000;

/// A table by which new jobs were shared, and the candidate's part of those that went to one of the two.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Cohort {
    from: Revision,
    part: f64,
}

/// Since when the candidate has finished nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Standstill {
    since: Time,
    finished: u64,
    beside: u64,
}

/// See the [module](self).
#[derive(Clone, Debug, PartialEq)]
pub struct Guard {
    policy: GuardPolicy,
    /// Nothing if the two share new jobs.
    record: Option<Record>,
    cohorts: Vec<Cohort>,
    keys: BTreeSet<(Sign, u64)>,
    evidence: [Evidence; SIGNS],
    /// Failures of the candidate that count for its comparison with a record.
    counted: [u64; SIGNS],
    candidate: [u64; SIGNS],
    baseline: [u64; SIGNS],
    /// What is slow, and how many jobs there were when that became known.
    slow: Option<(Duration, Jobs)>,
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
            keys: BTreeSet::new(),
            evidence: [Evidence::default(); SIGNS],
            counted: [0; SIGNS],
            candidate: [0; SIGNS],
            baseline: [0; SIGNS],
            slow: None,
            standstill: None,
            finding: None,
        }
    }

    // ---- what happens ----------------------------------------------------------------------------------------------

    /// From the table of this number on, the candidate has this part of the new jobs that go to one of the two.
    pub fn shared(&mut self, from: Revision, part: f64) {
        let from = Route::new(from, Reason::Share).revision();
        if self.cohorts.last().is_some_and(|last| last.part.total_cmp(&part).is_eq()) {
            return;
        }
        if self.cohorts.len() == COHORTS_MAX {
            let second = self.cohorts.remove(1);
            self.cohorts[0].part = self.cohorts[0].part.max(second.part);
        }
        self.cohorts.push(Cohort { from, part });
    }

    /// Jobs are slow that take longer than this.
    pub fn set_slow(&mut self, over: Duration, jobs: Jobs) {
        self.slow = Some((over, self.slow.map_or(jobs, |(_, known_since)| known_since)));
    }

    /// A job failed with its first attempt, or was slow. Says why the candidate has to go if that is known now, once.
    #[must_use = "the finding is the decision"]
    pub fn failed(&mut self, failure: Failure, jobs: Jobs) -> Option<Finding> {
        let Failure { sign, side, route, key } = failure;
        let at = sign as usize;
        if !self.policy.watches(sign) || !matches!(route.reason(), Reason::Share | Reason::Current) {
            return None;
        }
        let part = self.part_of(side, route, jobs)?;
        match side {
            Side::Candidate => self.candidate[at] += 1,
            Side::Baseline => self.baseline[at] += 1,
        }
        if !self.is_first_of(sign, key) {
            return None;
        }
        match side {
            Side::Candidate => self.counted[at] += 1,
            Side::Baseline => {}
        }
        self.evidence[at].failed(side == Side::Candidate, part);
        let log_ratio = self.log_ratio(sign, jobs);
        if side == Side::Baseline || log_ratio < self.policy.enough() {
            return None;
        }
        let (candidate, baseline) = (self.candidate_count(sign, jobs), self.baseline_count(sign, jobs));
        self.find(Finding::Worse { sign, candidate, baseline, ratio: to_count(log_ratio.exp()) })
    }

    /// Somebody looks whether the candidate is stuck. To be called each few seconds.
    #[must_use = "the finding is the decision"]
    pub fn look(&mut self, now: Time, jobs: Jobs) -> Option<Finding> {
        let is_idle = jobs.in_hand == 0;
        let here = Standstill { since: now, finished: jobs.candidate, beside: jobs.baseline };
        let still = self.standstill.filter(|still| !is_idle && still.finished == jobs.candidate);
        let Some(still) = still else {
            self.standstill = (!is_idle).then_some(here);
            return None;
        };
        // How long jobs take has to be known: they may all take longer than this.
        let (usual, _) = self.slow?;
        let time = now.since(still.since);
        let baseline = jobs.baseline - still.beside.min(jobs.baseline);
        let goes_on = match &self.record {
            None => baseline >= FINISHED_BESIDE,
            Some(record) => record[0].jobs >= FINISHED_BESIDE,
        };
        if self.policy.is_off() || !goes_on || time < self.policy.patience.max(usual * TIMES_USUAL) {
            return None;
        }
        self.find(Finding::Stuck { time, in_hand: jobs.in_hand, baseline })
    }

    // ---- what is known ---------------------------------------------------------------------------------------------

    /// Whether the candidate was seen to be no worse than the baseline by more than the margin, so that it may have more; the margin, if it was not set, is what so
    /// many jobs can tell.
    pub fn is_no_worse(&self, jobs: Jobs, of_jobs: u64) -> bool {
        let margin = self.policy.margin.unwrap_or_else(|| evidence::margin_of(of_jobs));
        self.policy.signs().all(|sign| {
            let (candidate, baseline) = (self.candidate_count(sign, jobs), self.baseline_count(sign, jobs));
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
        let was_seen = |sign: Sign| self.candidate[sign as usize] + self.baseline[sign as usize] > 0;
        let rank = |sign: Sign| (was_seen(sign), self.log_ratio(sign, jobs));
        let likelier = |a, b| if rank(b) > rank(a) { b } else { a };
        let sign = self.policy.signs().reduce(likelier)?;
        Some((sign, to_count(self.log_ratio(sign, jobs).exp()), to_count(self.policy.enough().exp())))
    }

    /// The candidate's jobs, and how many of them showed this sign.
    pub fn candidate_count(&self, sign: Sign, jobs: Jobs) -> Count {
        let before = self.jobs_before(sign).candidate;
        Count { jobs: jobs.candidate.saturating_sub(before), failures: self.candidate[sign as usize] }
    }

    /// The same of the baseline.
    pub fn baseline_count(&self, sign: Sign, jobs: Jobs) -> Count {
        match &self.record {
            Some(record) => record[sign as usize],
            None => {
                let jobs = jobs.baseline.saturating_sub(self.jobs_before(sign).baseline);
                Count { jobs, failures: self.baseline[sign as usize] }
            }
        }
    }

    // ---- deciding --------------------------------------------------------------------------------------------------

    /// The part for which a failure on this side counts, if it counts.
    fn part_of(&self, side: Side, route: Route, jobs: Jobs) -> Option<f64> {
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

    /// Whether nothing of this key has shown this sign before.
    fn is_first_of(&mut self, sign: Sign, key: Option<u64>) -> bool {
        match key {
            None => true,
            Some(key) => self.keys.len() < KEYS_MAX && self.keys.insert((sign, key)),
        }
    }

    fn log_ratio(&self, sign: Sign, jobs: Jobs) -> f64 {
        match &self.record {
            None => self.evidence[sign as usize].log_ratio(),
            Some(record) => {
                // What is in hand may yet be well.
                let tried = self.candidate_count(sign, jobs).jobs + jobs.in_hand;
                let failures = self.counted[sign as usize];
                evidence::against_record(record[sign as usize], Count { jobs: tried.max(failures), failures })
            }
        }
    }

    /// Jobs of which it was not known whether they showed this sign.
    fn jobs_before(&self, sign: Sign) -> Jobs {
        match (sign, self.slow) {
            (Sign::Slowness, Some((_, jobs))) => jobs,
            _ => Jobs::default(),
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
