//! What a guard watches and how sure it has to be, and the words in which the machine of `guard` is spoken to and answers.

use std::fmt;
use std::time::Duration;

use crate::evidence::Count;
use crate::evidence::to_float;
use crate::routing::Route;

/// The default chance that a good candidate is ever rolled back: a manual look costs little, a needless rollback costs trust.
const ALPHA: f64 = 0.001;
/// How long a candidate may finish nothing at least, by default: as long as a step takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many signs there are.
pub(crate) const SIGNS: usize = 4;

/// By what a candidate may be seen to be worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Sign {
    /// The first attempt at a job failed, in whatever way: its worker said so, panicked, or took too long.
    Errors,
    /// Its worker panicked, or was lost.
    Panics,
    /// An attempt took longer than it may.
    Timeouts,
    /// An attempt was well, and took longer than 99 of 100 do on the baseline.
    Slowness,
}

impl Sign {
    /// All of them.
    pub const ALL: [Self; SIGNS] = [Self::Errors, Self::Panics, Self::Timeouts, Self::Slowness];
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Errors => "errors",
            Self::Panics => "panics",
            Self::Timeouts => "timeouts",
            Self::Slowness => "slowness",
        })
    }
}

/// What a guard watches, and how sure it has to be.
///
/// # What it finds, and what it does not
///
/// Of a hundred versions that became worse, so many are taken back within 200,000 jobs, after so many jobs of theirs (median), with the defaults:
///
/// | share | failures before | failures now | taken back | after |
/// |---|---|---|---|---|
/// | 5 % | 1 % | 100 % | all | 5 jobs |
/// | 5 % | none | 1 % | all | 392 jobs, 4 failures |
/// | 5 % | 1 % | 5 % | all | 283 jobs, 14 failures |
/// | 5 % | 1 % | 2 % | all | 2,589 jobs, 55 failures |
/// | 5 % | 0.1 % | 0.2 % | **8 in 100** | 7,915 jobs |
/// | 25 % | 0.1 % | 0.2 % | 78 in 100 | 29,730 jobs |
///
/// So small regressions at small shares take thousands of jobs, or go unseen: from 0.1 % to 0.2 % at a share of 5 % is found one time in four with an `alpha` of 0.01 for that sign
/// alone, and less often with the default. Of versions that are no worse, a ramp takes at most one in a thousand back, however long it lasts.
///
/// What always fails is taken back after 4 failures at a share of 5 %, 8 at 25 %, and 15 at a half: the larger the share, the likelier it is that a failure comes from
/// the candidate though it is no worse.
///
/// Each comparison has its own chance to be mistaken: that of a canary with a limit, that of a ramp, and that of a version that is watched after it got all new jobs. In the
/// first and the last nothing runs beside the candidate that gets its jobs by chance too, so it is compared with what the other did before: only odds of
/// three times and more are looked for, an outage meanwhile looks like a bad version, and the chance of a mistake holds on average over how often versions fail.
///
/// It takes the current version as the measure, so it does not see what is wrong with both. It compares by failures, by timeouts, and by how long an attempt takes; an
/// output that is wrong is seen only if a worker says that it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GuardPolicy {
    alpha: f64,
    watched: [bool; SIGNS],
    /// A part of the jobs.
    pub(crate) margin: Option<f64>,
    pub(crate) patience: Duration,
}

impl Default for GuardPolicy {
    fn default() -> Self {
        Self { alpha: ALPHA, watched: [true; SIGNS], margin: None, patience: PATIENCE }
    }
}

impl GuardPolicy {
    /// No guard: only people, gates, and workers that cannot be kept running end a rollout.
    #[must_use]
    pub fn off() -> Self {
        Self { watched: [false; SIGNS], ..Self::default() }
    }

    /// The chance that a candidate which is no worse is ever rolled back, over all signs and for as long as it is watched. Default = 0.001. Ten times
    /// more finds a bad version a third sooner.
    #[must_use]
    pub const fn alpha(mut self, alpha: f64) -> Self {
        self.alpha = alpha;
        self
    }

    /// Does not watch this sign; the others share α. Default = all four are watched.
    #[must_use]
    pub const fn without(mut self, sign: Sign) -> Self {
        self.watched[sign as usize] = false;
        self
    }

    /// By how much of its jobs the candidate may be worse to go on to the next step, in percent. Default = what the jobs of the step can tell: 2 % for 200.
    #[must_use]
    pub const fn margin_percent(mut self, percent: f64) -> Self {
        self.margin = Some(percent / 100.0);
        self
    }

    /// A candidate is stuck whose workers are all at the same jobs for this long, for ten times as long as 99 of 100 jobs of the baseline take, and for twice as long
    /// as any did. Default = 60 s.
    #[must_use]
    pub const fn patience(mut self, time: Duration) -> Self {
        self.patience = time;
        self
    }

    /// Whether nothing is watched.
    pub fn is_off(&self) -> bool {
        self.signs().next().is_none()
    }

    /// Whether this sign is watched.
    pub fn watches(&self, sign: Sign) -> bool {
        self.watched[sign as usize]
    }

    /// What is wrong with it, if anything.
    pub fn complaint(&self) -> Option<&'static str> {
        if !(self.alpha > 0.0 && self.alpha < 1.0) {
            return Some("the alpha of a guard is a chance: more than 0 and less than 1, such as 0.001");
        }
        if self.margin.is_some_and(|margin| !(margin > 0.0 && margin < 1.0)) {
            return Some(
                "the margin of a guard is a part of the jobs: more than 0 and less than 100 percent",
            );
        }
        None
    }

    pub(crate) fn signs(&self) -> impl Iterator<Item = Sign> {
        Sign::ALL.into_iter().filter(|sign| self.watches(*sign))
    }

    /// The logarithm of the ratio at which one sign is enough.
    pub(crate) fn enough(&self) -> f64 {
        (to_float(self.signs().count() as u64) / self.alpha).ln()
    }
}

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The version that is watched.
    Candidate,
    /// The version that it is compared with.
    Baseline,
}

/// A job failed with its first attempt, or was slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// How.
    pub sign: Sign,
    /// On which version.
    pub side: Side,
    /// How the job came to that version.
    pub route: Route,
    /// The number of the job's key, if it has one.
    pub key: Option<u64>,
}

/// How many jobs there were since the guard began: those that came by chance, each with its first attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Jobs {
    /// Those that the candidate has ended, well or not.
    pub candidate: u64,
    /// Jobs that it has in hand.
    pub in_hand: u64,
    /// Those that the baseline has ended.
    pub baseline: u64,
}

/// What the workers of a candidate are at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Workload {
    /// Jobs that they have begun.
    pub begun: u64,
    /// Jobs in their hands.
    pub in_hand: u64,
    /// How many they are.
    pub workers: u64,
    /// Attempts that the baseline has ended.
    pub baseline: u64,
    /// How long 99 of 100 jobs of the baseline take at most, and the longest of all, as far as that is known.
    pub usual: Option<(Duration, Duration)>,
}

/// What the baseline did before there was a candidate: for each sign, in the order of [`Sign::ALL`].
pub type Record = [Count; SIGNS];

/// Why a candidate has to go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Finding {
    /// It fails more often than the baseline.
    Worse {
        /// By what.
        sign: Sign,
        /// Its jobs, and how many of them failed.
        candidate: Count,
        /// Those of the baseline.
        baseline: Count,
        /// How much likelier that is if the candidate is worse.
        ratio: u64,
    },
    /// Its workers are all at the same jobs, and do not end them.
    Stuck {
        /// For how long.
        time: Duration,
        /// How many workers it has.
        workers: u64,
        /// How many the baseline has finished meanwhile; none if it has no new jobs.
        baseline: u64,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Worse { sign, candidate, baseline, ratio } => write!(
                f,
                "{sign} in {} of {} jobs, against {} of {}: {ratio} times as likely if it is worse",
                candidate.failures, candidate.jobs, baseline.failures, baseline.jobs
            ),
            Self::Stuck { time, workers, baseline } => {
                let seconds = time.as_secs();
                write!(
                    f,
                    "all {workers} workers at the same jobs for {seconds} s, while {baseline} were done elsewhere"
                )
            }
        }
    }
}
