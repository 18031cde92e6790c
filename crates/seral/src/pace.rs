//! How long the jobs of a pool take, and which of them take longer than most.
//!
//! One attempt in 64 is timed anyway, so that it is known what is usual before anybody asks; all of them while a guard watches the pool.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use hdrhistogram::Histogram;
use parking_lot::Mutex;
use seral_core::guard::Count;
use tokio::time::Instant;

/// A worker reads the clock for one job in so many.
const SAMPLED: u32 = 64;
/// Of 99 of 100 jobs it is known how long they take after so many.
const ENOUGH: u64 = 100;

/// Nobody watches.
const UNWATCHED: u64 = 0;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Pace {
    /// In nanoseconds: attempts that take longer are slow. More than anything takes as long as that is not known.
    slow_over: AtomicU64,
    /// In microseconds, to two digits. None if there could be none.
    times: Mutex<Option<Histogram<u32>>>,
}

impl Pace {
    pub(crate) fn new() -> Self {
        Self { slow_over: AtomicU64::new(UNWATCHED), times: Mutex::new(Histogram::new(2).ok()) }
    }

    /// From now on all attempts are timed, and those are slow that take longer than this, if it is known.
    pub(crate) fn watch(&self, slow_over: Option<Duration>) {
        let nanos = slow_over.and_then(|over| u64::try_from(over.as_nanos()).ok());
        self.slow_over.store(nanos.unwrap_or(u64::MAX).max(UNWATCHED + 1), Relaxed);
    }

    /// Nobody watches any more.
    pub(crate) fn unwatch(&self) {
        self.slow_over.store(UNWATCHED, Relaxed);
    }

    /// When an attempt begins, if it is to be timed; `number` is that of the attempt, roughly.
    #[inline(always)]
    pub(crate) fn begin(&self, number: u32) -> Option<Instant> {
        let is_timed = number.is_multiple_of(SAMPLED) || self.slow_over.load(Relaxed) != UNWATCHED;
        if is_timed { Some(Instant::now()) } else { None }
    }

    /// An attempt was well and took so long. Returns whether that is slow.
    pub(crate) fn took(&self, time: Duration) -> bool {
        if let Some(times) = &mut *self.times.lock() {
            // It grows, so there is no time that it cannot hold.
            let _ = times.record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
        }
        let slow_over = self.slow_over.load(Relaxed);
        slow_over != UNWATCHED && time.as_nanos() > u128::from(slow_over)
    }

    /// How long 99 of 100 attempts take at most, if that is known.
    pub(crate) fn usual_most(&self) -> Option<Duration> {
        let times = self.times.lock();
        let times = times.as_ref().filter(|times| times.len() >= ENOUGH)?;
        Some(Duration::from_micros(times.value_at_quantile(0.99) + 1))
    }

    /// How many attempts were timed, and how many of them took longer than this.
    pub(crate) fn record(&self, over: Duration) -> Count {
        let times = self.times.lock();
        let Some(times) = times.as_ref() else { return Count::default() };
        let jobs = times.len();
        let usual = u64::try_from(over.as_micros()).unwrap_or(u64::MAX);
        Count { jobs, failures: jobs - times.count_between(0, usual).min(jobs) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn what_is_usual_is_known_after_a_hundred_attempts_and_some_take_longer() {
        let pace = Pace::new();
        for number in 1..=99 {
            assert!(!pace.took(MS * number), "nobody watches");
        }
        assert_eq!(pace.usual_most(), None);
        pace.took(MS * 5_000);
        let usual = pace.usual_most().unwrap();
        assert!((99 * MS..=101 * MS).contains(&usual), "{usual:?}");
        assert_eq!(pace.record(usual), Count { jobs: 100, failures: 1 });
    }

    #[tokio::test]
    async fn one_attempt_in_sixty_four_is_timed_and_all_while_somebody_watches() {
        let pace = Pace::new();
        let timed = |pace: &Pace| (0..128).filter(|number| pace.begin(*number).is_some()).count();
        assert_eq!(timed(&pace), 2);
        pace.watch(None);
        assert_eq!((timed(&pace), pace.took(Duration::from_secs(1_000))), (128, false));
        pace.watch(Some(5 * MS));
        assert_eq!((pace.took(5 * MS), pace.took(6 * MS)), (false, true));
        pace.unwatch();
        assert_eq!((timed(&pace), pace.took(6 * MS)), (2, false));
    }
}
