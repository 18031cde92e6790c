//! Along the workers of one version, from one to as many as a pool may have.
//!
//! Four senders, as fast as they can, once with jobs that only add and once with a microsecond of computing each. Starting and stopping the
//! workers is not in it.
//!
//! Expected: with two cores, two workers are all that can compute at once, and up to 64 a job costs the same: the worker that became idle last is
//! woken first, so some twenty of them do all the work and the others are not touched. From some hundred workers on it costs more, with ten thousand
//! two and a half times as much. Not because of caches, as one might think, but because a worker takes no more than its fair share of what waits, and
//! the idle ones have theirs: among 10,000 workers and at most 10,000 jobs, that is one job for each visit to the mailbox, and not sixteen. The
//! watcher, which looks at every worker each 20 ms, takes a twentieth of the time there.

use std::time::Duration;

use crate::adder;
use crate::extent::Extent;
use crate::growth::Growth;
use crate::growth::Unit::NanosAJob;
use crate::round;
use crate::round::Load;
use crate::round::MAILBOX;
use crate::round::Plain;

const WORKERS: [u64; 8] = [1, 4, 16, 64, 256, 1024, 4096, 10_000];
const JOBS: u64 = 1_000_000;
/// Fewer of those that compute, to take as long.
const COMPUTING_JOBS: u64 = 200_000;

pub(crate) fn measure(extent: Extent) -> Growth {
    let points = extent.points(&WORKERS, 1024);
    let turns = adder::turns_of(Duration::from_micros(1));
    let run = |workers: u64, jobs: u64, turns: u64| {
        let workers = usize::try_from(workers).expect("few workers");
        let load = Load { jobs, senders: 4, workers, mailbox: MAILBOX, turns };
        round::nanos_each(round::flow(Plain, load), jobs)
    };
    let measures = [("a job that adds", NanosAJob), ("a job of 1 µs", NanosAJob)];
    let lines = Growth::interleaved(extent.rounds(), &points, measures, |workers| {
        [run(workers, extent.jobs(JOBS), 0), run(workers, extent.jobs(COMPUTING_JOBS), turns)]
    });
    Growth { heading: "Workers of one version: four senders, all threads", along: "workers", points, lines }
}
