//! How much failures speak for one version being worse than another.
//!
//! If the candidate is no worse than the baseline, each failure comes from it with a chance that is known: its part of the jobs. If its odds to
//! fail were ψ times as high, that chance would be higher, by as much as ψ says. So each failure makes one of the two likelier, whichever
//! version it comes from. As nobody knows ψ, eight values are tried at once and their likelihoods averaged.
//!
//! The average is a fair bet against the candidate: as long as it is no worse, the chance that the ratio *ever* reaches 1/α is at most α (Ville's inequality). So it may be
//! looked at after each failure, for as long as anybody likes; there is no window and no least number of jobs, the baseline need not fail at all, and
//! an outage that both suffer from says nothing. This is the family of tests of Lindon, Sanden and Shirikian (2022), "Rapid regression detection in software deployments".
//!
//! What is here knows numbers only: which failures count, and for which part, is decided in [`guard`](crate::guard).

/// By how much the odds of the candidate to fail may be higher: from what is hardly worth a rollback to what fails always.
const ODDS: [f64; 8] = [1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0];

/// Of those, the ones that are looked for where nothing runs beside the candidate: what changes with the hour of the day is less.
const LARGE_ODDS: &[f64] = &[3.0, 5.0, 10.0, 30.0, 100.0];

/// A record counts as if it were of so many jobs at most: what was long ago says less about today than its number promises.
const RECORD_MAX: f64 = 10_000.0;

/// What the failures of two versions that share new jobs have said so far. A few words, which change on failures only.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Evidence {
    /// For each of [`ODDS`], the logarithm of the likelihood ratio.
    logs: [f64; ODDS.len()],
}

impl Evidence {
    /// A job failed. `part` is the candidate's part of such jobs; where that is all or nothing, the failure says nothing.
    pub fn failed(&mut self, of_candidate: bool, part: f64) {
        if part <= 0.0 || part >= 1.0 {
            return;
        }
        for (log, odds) in self.logs.iter_mut().zip(ODDS) {
            let factor = if of_candidate { odds } else { 1.0 };
            *log += (factor / (odds * part + 1.0 - part)).ln();
        }
    }

    /// The logarithm of the likelihood ratio: how much likelier all of it is if the candidate is worse.
    pub fn log_ratio(&self) -> f64 {
        log_mean_exp(self.logs.into_iter())
    }
}

/// So many jobs, and how many of them failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Count {
    /// Jobs that were tried.
    pub jobs: u64,
    /// Of these, jobs whose first attempt failed.
    pub failures: u64,
}

/// The logarithm of the likelihood ratio where nothing runs beside the candidate: against the record of the baseline, from before.
///
/// How often the baseline fails is not known but from its record, so a short record decides nothing. Whatever changed from one time to the other
/// for another reason speaks against the candidate as well, so only large differences are looked for.
pub fn against_record(record: Count, candidate: Count) -> f64 {
    let (jobs, failures) = (to_float(record.jobs), to_float(record.failures.min(record.jobs)));
    let weight = if jobs > RECORD_MAX { RECORD_MAX / jobs } else { 1.0 };
    // Half a failure and half a job that was well are added to what was seen (Jeffreys).
    let (failed, well) = (failures * weight + 0.5, (jobs - failures) * weight + 0.5);
    let (more_failed, more_well) =
        (to_float(candidate.failures), to_float(candidate.jobs.saturating_sub(candidate.failures)));
    let as_before = log_beta(failed + more_failed, well + more_well) - log_beta(failed, well);
    log_mean_exp(LARGE_ODDS.iter().map(|odds| {
        let worse = odds * failed / (odds * failed + well);
        more_failed * worse.ln() + more_well * (1.0 - worse).ln() - as_before
    }))
}

/// How sure one is of a candidate before it gets more: the chance to go on with one that is worse by the margin.
const MISTAKEN: f64 = 0.05;

/// Whether the candidate was seen not to be worse by this margin, which is a part of its jobs: the mirror of the other test, with a chance of 1 in 20 to be mistaken.
///
/// Nothing is seen from no jobs. Each job that is well makes it surer, each failure less so.
pub fn is_no_worse(candidate: Count, baseline: Count, margin: f64) -> bool {
    // What the baseline is known to fail at least, but for luck.
    let (failures, jobs) = (to_float(baseline.failures), to_float(baseline.jobs.max(baseline.failures)));
    let luck = (failures * (1.0 - failures / jobs.max(1.0))).sqrt();
    let usual = (failures - luck) / (jobs + 1.0);
    let (good, bad) = (usual + margin / 4.0, usual + margin);
    if bad >= 1.0 {
        // It cannot be worse by so much.
        return candidate.jobs > 0;
    }
    let (failed, well) =
        (to_float(candidate.failures), to_float(candidate.jobs.saturating_sub(candidate.failures)));
    let log_ratio = failed * (good / bad).ln() + well * ((1.0 - good) / (1.0 - bad)).ln();
    log_ratio >= -MISTAKEN.ln() - f64::EPSILON * failed.max(well).max(1.0)
}

/// The margin that so many jobs can rule out if all of them are well.
pub fn margin_of(jobs: u64) -> f64 {
    let each = MISTAKEN.powf(-1.0 / to_float(jobs.max(1)));
    (each - 1.0) / (each - 0.25)
}

/// Of logarithms, the logarithm of the average of what they are of.
fn log_mean_exp(logs: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = logs.clone().fold(f64::NEG_INFINITY, f64::max);
    let count = to_float(logs.clone().count() as u64);
    largest + (logs.map(|log| (log - largest).exp()).sum::<f64>() / count).ln()
}

/// Of B(a, b), for positive arguments.
fn log_beta(a: f64, b: f64) -> f64 {
    log_gamma(a) + log_gamma(b) - log_gamma(a + b)
}

/// Of Γ(x) for x > 0, by Stirling's series, which is exact to ten digits from 10 on.
fn log_gamma(x: f64) -> f64 {
    let (mut x, mut shift) = (x, 0.0);
    while x < 10.0 {
        shift += x.ln();
        x += 1.0;
    }
    let series = 1.0 / (12.0 * x) - 1.0 / (360.0 * x.powi(3)) + 1.0 / (1260.0 * x.powi(5));
    (x - 0.5) * x.ln() - x + 0.5 * (2.0 * std::f64::consts::PI).ln() + series - shift
}

#[expect(clippy::cast_precision_loss, reason = "a count of jobs, of which the first 15 digits are enough")]
pub(crate) fn to_float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(failures: u64, jobs: u64) -> Count {
        Count { jobs, failures }
    }

    #[test]
    fn a_failure_that_comes_from_whom_it_must_come_from_says_nothing() {
        let mut evidence = Evidence::default();
        for part in [0.0, 1.0] {
            evidence.failed(true, part);
            evidence.failed(false, part);
        }
        assert!(evidence.log_ratio().abs() < 1e-12);
    }

    #[test]
    fn three_failures_of_three_at_a_twentieth_are_as_likely_as_computed_by_hand() {
        let mut evidence = Evidence::default();
        for _ in 0..3 {
            evidence.failed(true, 0.05);
        }
        let cubes = ODDS.map(|odds| (odds / (odds * 0.05 + 0.95)).powi(3));
        let mean = cubes.iter().sum::<f64>() / 8.0;
        assert!((evidence.log_ratio().exp() - mean).abs() < 1e-6 * mean);
        assert!((870.0..880.0).contains(&mean), "{mean}");
    }

    #[test]
    fn the_larger_the_part_that_is_assumed_the_less_any_failure_speaks_against_the_candidate() {
        for of_candidate in [true, false] {
            let ratio = |part| {
                let mut evidence = Evidence::default();
                evidence.failed(of_candidate, part);
                evidence.log_ratio()
            };
            let parts = [0.01, 0.05, 0.25, 0.5, 0.9, 0.99];
            assert!(parts.windows(2).all(|two| ratio(two[0]) > ratio(two[1])), "{of_candidate}");
        }
    }

    #[test]
    fn gamma_is_that_of_the_factorials_and_halves() {
        for (x, gamma) in [(0.5, std::f64::consts::PI.sqrt()), (1.0, 1.0), (5.0, 24.0), (11.0, 3_628_800.0)] {
            assert!((log_gamma(x) - f64::ln(gamma)).abs() < 1e-9, "{x}");
        }
    }

    #[test]
    fn a_long_record_without_failures_makes_five_failures_plain_and_a_short_one_does_not() {
        assert!(against_record(count(0, 1_000), count(5, 5)) > 4_000_f64.ln());
        assert!(against_record(count(0, 3), count(5, 5)) < 1_000_f64.ln());
        assert!(against_record(count(0, 0), count(500, 500)) < 10_f64.ln());
        assert!(against_record(count(10, 1_000), count(10, 1_000)) < 0.0);
    }

    #[test]
    fn a_record_of_years_says_no_more_than_one_of_ten_thousand_jobs() {
        let (long, enough) = (count(10_000, 1_000_000), count(100, 10_000));
        let (candidate, close) = (count(40, 1_000), 1e-6);
        assert!((against_record(long, candidate) - against_record(enough, candidate)).abs() < close);
    }

    #[test]
    fn as_many_jobs_as_a_margin_is_made_of_rule_it_out_if_all_are_well_and_one_less_does_not() {
        for jobs in [1, 2, 10, 200, 5_000] {
            let margin = margin_of(jobs);
            assert!((0.0..1.0).contains(&margin), "{jobs}: {margin}");
            assert!(is_no_worse(count(0, jobs), count(0, 10_000), margin), "{jobs}");
            assert!(!is_no_worse(count(0, jobs - 1), count(0, 10_000), margin), "{jobs}");
        }
        assert!((margin_of(200) - 0.0198).abs() < 0.001, "{}", margin_of(200));
    }

    #[test]
    fn one_that_fails_as_often_as_the_other_needs_more_jobs_and_one_that_is_worse_by_the_margin_never_has_enough()
     {
        let (margin, baseline) = (margin_of(200), count(100, 10_000));
        let alike = |jobs: u64| is_no_worse(count(jobs / 100, jobs), baseline, margin);
        assert!(!alike(200) && alike(1_000));
        let worse = |jobs: u64| is_no_worse(count(jobs * 3 / 100, jobs), baseline, margin);
        assert!(!(1..50).any(|hundreds| worse(hundreds * 100)));
    }

    #[test]
    fn where_everything_fails_nothing_can_be_worse() {
        assert!(is_no_worse(count(5, 5), count(1_000, 1_000), 0.02));
        assert!(!is_no_worse(count(0, 0), count(1_000, 1_000), 0.02));
    }
}
