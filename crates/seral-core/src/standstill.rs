//! Whether a candidate is stuck: all its workers are at the same jobs, and do not end them.
//!
//! One job that takes long is none of its faults: others go on beside it, and the baseline has such jobs too. So no worker may be free, and the time must be
//! long in comparison with anything that the baseline does.

use std::time::Duration;

use crate::sign::Finding;
use crate::sign::Workload;
use crate::time::Time;

/// It is not stuck before so many times as long as 99 of 100 jobs of the baseline take,
const TIMES_USUAL: u32 = 10;
/// and so many times as long as any of them took.
const TIMES_LONGEST: u32 = 2;
/// Meanwhile the baseline must have ended so many, if it has new jobs: it may be that nothing ends anywhere.
const ENDED_BESIDE: u64 = 20;

/// Since when no worker has begun a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standstill {
    since: Time,
    begun: u64,
    beside: u64,
}

impl Standstill {
    /// What is the case now, if it is a standstill, from what was the case before.
    pub(crate) fn look(before: Option<Self>, now: Time, load: Workload) -> Option<Self> {
        let is_still = load.workers > 0 && load.in_hand >= load.workers;
        let here = Self { since: now, begun: load.begun, beside: load.baseline };
        is_still.then(|| before.filter(|before| before.begun == load.begun).unwrap_or(here))
    }

    /// Why the candidate has to go, if it has. `goes_on` says whether the baseline gets new jobs meanwhile.
    pub(crate) fn judge(
        self,
        now: Time,
        load: Workload,
        patience: Duration,
        goes_on: bool,
    ) -> Option<Finding> {
        // How long jobs take has to be known: they may all take longer than this.
        let (usual, longest) = load.usual?;
        let time = now.since(self.since);
        let baseline = load.baseline.saturating_sub(self.beside);
        let enough =
            patience.max(usual.saturating_mul(TIMES_USUAL)).max(longest.saturating_mul(TIMES_LONGEST));
        let is_alone = goes_on && baseline < ENDED_BESIDE;
        (time >= enough && !is_alone).then_some(Finding::Stuck { time, workers: load.workers, baseline })
    }
}
