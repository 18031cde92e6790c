//! How long the jobs of a pool take, and which of them take longer than most.
//!
//! Attempts are timed until it is known what is usual; then one in 64; and all of them while a guard watches the pool, of which one in eight is written
//! down. The first attempts of a worker are none of these: it opens its connections, and fills its caches.

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
/// A worker reads the clock for one job in so many.
const SAMPLED: u32 = 64;
/// While all are timed, one in so many is written down.
const WRITTEN: u64 = 8;
/// Of 99 of 100 jobs it is known how long they take after so many.
const ENOUGH: u64 = 100;

/// Nobody watches, and enough is known.
const UNWATCHED: u64 = u64::MAX;
/// Nobody watches or knows what is slow, and more is to be known.
const LEARNING: u64 = u64::MAX - 1;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Pace {
    /// In microseconds: attempts that take longer are slow.
    slow_over: CachePadded<AtomicU64>,
    /// In microseconds, to two digits. None if there could be none.
    times: Mutex<Option<Histogram<u32>>>,
}

impl Pace {
    pub(crate) fn new() -> Self {
        let slow_over = CachePadded::new(AtomicU64::new(LEARNING));
        Self { slow_over, times: Mutex::new(Histogram::new(2).ok()) }
    }

    /// From now on all attempts are timed, and those are slow that take longer than this, if it is known.
    pub(crate) fn watch(&self, slow_over: Option<Duration>) {
        self.slow_over.store(slow_over.map_or(LEARNING, micros).min(LEARNING), Relaxed);
    }

    /// Nobody watches any more.
    pub(crate) fn unwatch(&self) {
        let known = self.usual_most().is_some();
        self.slow_over.store(if known { UNWATCHED } else { LEARNING }, Relaxed);
    }

    /// One attempt in so many is to be timed.
    pub(crate) fn one_in(&self) -> u32 {
        if self.slow_over.load(Relaxed) == UNWATCHED { SAMPLED } else { 1 }
    }

    /// An attempt was well and took so long. Returns whether that is slow.
    pub(crate) fn took(&self, job: JobId, time: Duration) -> bool {
        let slow_over = self.slow_over.load(Relaxed);
        if slow_over >= LEARNING || job.get().is_multiple_of(WRITTEN) {
            self.write_down(time);
        }
        micros(time) > slow_over
    }

    fn write_down(&self, time: Duration) {
        let mut times = self.times.lock();
        let Some(times) = &mut *times else { return };
        // It grows, so there is no time that it cannot hold.
        let _ = times.record(micros(time));
        if times.len() == ENOUGH {
            // Whoever watches meanwhile says soon what is slow.
            let _ = self.slow_over.compare_exchange(LEARNING, UNWATCHED, Relaxed, Relaxed);
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
            pace.watch(Some(most));
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
        pace.watch(None);
        assert_eq!((pace.one_in(), pace.took(ODD, Duration::from_secs(1_000))), (1, false));
        pace.watch(Some(5 * MS));
        assert_eq!((pace.one_in(), pace.took(ODD, 5 * MS), pace.took(ODD, 6 * MS)), (1, false, true));
        pace.unwatch();
        assert_eq!((pace.one_in(), pace.took(ODD, 6 * MS)), (64, false));
    }
}
