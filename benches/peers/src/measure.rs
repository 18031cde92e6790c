//! What is measured: time, processor time, memory, and the computing that a job does.

use std::hint::black_box;
use std::time::Duration;
use std::time::Instant;

use cpu_time::ProcessTime;
use hdrhistogram::Histogram;

use crate::task::Reading;

/// Computes for as many turns. Every contender's worker calls it for each job; no turns cost next to nothing.
#[inline]
pub(crate) fn spin(turns: u64) {
    if turns > 0 {
        black_box(compute(black_box(turns)));
    }
}

/// Never inlined, so that all contenders run the same instructions; and each turn waits for the one before, so that it does not matter where in
/// memory they lie. (A plain counting loop, inlined, took twice as long in one contender as in another.)
#[inline(never)]
fn compute(turns: u64) -> u64 {
    let mut state = turns;
    for _ in 0..turns {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
    }
    state
}

/// How many turns take a microsecond here: the best of some tries, because a try can only be disturbed to the worse.
pub(crate) fn turns_for_a_microsecond() -> u64 {
    const TURNS: u64 = 200_000;
    let tries = (0..20).map(|_| {
        let began = Instant::now();
        spin(TURNS);
        began.elapsed()
    });
    let best = tries.min().expect("some tries").max(Duration::from_nanos(1));
    (TURNS * 1_000 / best.as_nanos() as u64).max(1)
}

/// Time and processor time from one moment on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch {
    began: Instant,
    /// In user code and in the kernel, of all threads.
    cpu: ProcessTime,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self { cpu: ProcessTime::now(), began: Instant::now() }
    }

    /// What doing so many jobs came to.
    pub(crate) fn stop(self, jobs: u64) -> [Reading; 2] {
        let took = self.began.elapsed();
        let cpu = self.cpu.elapsed();
        [
            Reading::new("throughput", "M/s", jobs as f64 / took.as_secs_f64() / 1e6),
            Reading::new("cpu", "ns/job", cpu.as_secs_f64() * 1e9 / jobs as f64),
        ]
    }
}

/// How much memory the process has in use, in bytes; nothing where that is not told.
pub(crate) fn memory() -> Option<u64> {
    status("VmRSS:")
}

/// The most memory that the process ever had in use, in bytes.
pub(crate) fn memory_peak() -> Option<u64> {
    status("VmHWM:")
}

fn status(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? * 1024)
}

/// How long each of many things took.
#[derive(Clone, Debug)]
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    pub(crate) fn new() -> Self {
        Self(Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("bounds in order"))
    }

    pub(crate) fn note(&mut self, took: Duration) {
        self.0.saturating_record(took.as_nanos() as u64);
    }

    pub(crate) fn add(&mut self, others: &Self) {
        self.0.add(&others.0).expect("the same bounds");
    }

    pub(crate) fn readings(&self) -> [Reading; 3] {
        [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)]
            .map(|(name, quantile)| Reading::new(name, "µs", self.0.value_at_quantile(quantile) as f64 / 1e3))
    }
}
