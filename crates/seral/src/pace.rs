//! How long the jobs of a pool take, and which of them take longer than most.
//!
//! Attempts are timed until it is known what is usual; then one in 64; and while a guard watches the pool, all of them, or one in eight where a job is over in
//! less time than the clock takes to be read a few hundred times. The first attempts of a worker are none of these: it opens its connections, and fills its
//! caches.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crossbeam_utils::CachePadded;
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use seral_core::guard::Count;
use seral_core::id::JobId;

/// Of a worker's attempts, the first that is timed.
pub(crate) const WARMING_UP: u32 = 10;
/// Where nobody watches, a worker times one attempt in so many.
const SAMPLED: u32 = 64;
/// Where somebody does, and jobs take less than this, one in so many: to time each would cost a good part of it.
const TINY: Duration = Duration::from_micros(20);
const SAMPLED_IF_TINY: u32 = 8;
/// While attempts are timed to see which are slow, one in so many is written down.
const WRITTEN: u64 = 8;
/// Of 99 of 100 jobs it is known how long they take after so many.
const ENOUGH: u64 = 100;

/// Nothing takes longer.
const NEVER: u64 = u64::MAX;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Pace {
    /// Read by each worker for each batch.
    one_in: CachePadded<AtomicU32>,
    /// In microseconds: attempts that take longer are slow.
    slow_over: AtomicU64,
    /// In microseconds, to two digits. None if there could be none.
    times: Mutex<Option<Histogram<u32>>>,
}

impl Pace {
    pub(crate) fn new() -> Self {
        Self {
            one_in: CachePadded::new(AtomicU32::new(1)),
            slow_over: AtomicU64::new(NEVER),
            times: Mutex::new(Histogram::new(2).ok()),
        }
    }

    /// From now on attempts are timed for those who watch: to one of them those are slow that take longer than `least`, if it is known, to another those that take
    /// longer than `most`. How often they are timed goes by `most`, so that a candidate is not timed more often than the version beside it.
    pub(crate) fn watch(&self, least: Option<Duration>, most: Duration) {
        self.slow_over.store(least.map_or(NEVER, micros), Relaxed);
        self.one_in.store(if most < TINY { SAMPLED_IF_TINY } else { 1 }, Relaxed);
    }

    /// Nobody watches any more.
    pub(crate) fn unwatch(&self) {
        self.slow_over.store(NEVER, Relaxed);
        self.one_in.store(if self.usual().is_some() { SAMPLED } else { 1 }, Relaxed);
    }

    /// One attempt in so many is to be timed.
    pub(crate) fn one_in(&self) -> u32 {
        self.one_in.load(Relaxed)
    }

    /// An attempt was well and took so long. Returns whether that is slow.
    pub(crate) fn took(&self, job: JobId, time: Duration) -> bool {
        let slow_over = self.slow_over.load(Relaxed);
        if slow_over == NEVER || job.get().is_multiple_of(WRITTEN) {
            self.write_down(time);
        }
        micros(time) > slow_over
    }

    fn write_down(&self, time: Duration) {
        let mut times = self.times.lock();
        let Some(times) = &mut *times else { return };
        // It grows, so there is no time that it cannot hold.
        let _ = times.record(micros(time));
        if times.len() == ENOUGH && self.slow_over.load(Relaxed) == NEVER {
            // Whoever watches meanwhile says soon what is slow.
            let _ = self.one_in.compare_exchange(1, SAMPLED, Relaxed, Relaxed);
        }
    }

    /// How long 99 of 100 attempts take at most, if that is known.
    pub(crate) fn usual_most(&self) -> Option<Duration> {
        self.usual().map(|(most, _)| most)
    }

    /// The same, and how long the longest took.
    pub(crate) fn usual(&self) -> Option<(Duration, Duration)> {
        let times = self.times.lock();
        let times = times.as_ref().filter(|times| times.len() >= ENOUGH)?;
        Some((Duration::from_micros(times.value_at_quantile(0.99)), Duration::from_micros(times.max())))
    }

    /// How many attempts were written down, and how many of them took longer than this.
    pub(crate) fn record(&self, over: Duration) -> Count {
        let times = self.times.lock();
        let Some(times) = times.as_ref() else { return Count::default() };
        let jobs = times.len();
        Count { jobs, failures: jobs - times.count_between(0, micros(over)).min(jobs) }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    /// One that is not written down.
    const ODD: JobId = JobId::new(1);

    #[test]
    fn what_is_usual_is_known_after_a_hundred_attempts_and_some_take_longer() {
        let pace = Pace::new();
        for number in 1..=99 {
            assert!(!pace.took(ODD, MS * number), "nobody watches");
        }
        assert_eq!(pace.usual(), None);
        pace.took(ODD, MS * 5_000);
        let (most, longest) = pace.usual().unwrap();
        assert!((99 * MS..=101 * MS).contains(&most) && longest >= 5_000 * MS, "{most:?}, {longest:?}");
        assert_eq!(pace.record(most), Count { jobs: 100, failures: 1 });
    }

    /// However narrow they lie together: what is counted as slow of what was written down is what is slow of what comes.
    #[test]
    fn what_is_slow_in_the_record_would_be_slow_today() {
        let mut dice = fastrand::Rng::with_seed(1);
        for scale in [1.0, 5.0, 1_050.0, 90_000.0] {
            let pace = Pace::new();
            let mut time = || Duration::from_secs_f64(scale * (1.0 - dice.f64().ln() / 20.0) / 1e6);
            let times: Vec<Duration> = (0..8_000).map(|_| time()).collect();
            for time in &times {
                pace.took(JobId::new(0), *time);
            }
            let most = pace.usual_most().unwrap();
            pace.watch(Some(most), most);
            let before = pace.record(most).failures;
            let slow = times.iter().filter(|time| pace.took(ODD, **time)).count() as u64;
            assert_eq!(before, slow, "of some {scale} us");
            assert!(slow <= 80, "{slow} of 8,000");
        }
    }

    #[test]
    fn attempts_are_timed_until_it_is_known_what_is_usual_and_while_somebody_watches() {
        let pace = Pace::new();
        assert_eq!(pace.one_in(), 1);
        for number in 0..100 {
            pace.took(JobId::new(number), MS);
        }
        assert_eq!(pace.one_in(), 64);
        pace.watch(None, Duration::MAX);
        assert_eq!((pace.one_in(), pace.took(ODD, Duration::from_secs(1_000))), (1, false));
        pace.watch(Some(5 * MS), 5 * MS);
        assert_eq!((pace.one_in(), pace.took(ODD, 5 * MS), pace.took(ODD, 6 * MS)), (1, false, true));
        pace.watch(Some(TINY / 2), TINY);
        assert_eq!((pace.one_in(), pace.took(ODD, TINY)), (1, true), "to somebody jobs are not tiny");
        pace.watch(Some(TINY / 2), TINY / 2);
        assert_eq!((pace.one_in(), pace.took(ODD, TINY)), (8, true));
        pace.unwatch();
        assert_eq!((pace.one_in(), pace.took(ODD, 6 * MS)), (64, false));
    }
}
