//! Along the jobs that wait in the mailbox of a version.
//!
//! The one worker is held in a job while so many are sent; then it is let go and works them off. One thread, so that the two do not overlap.
//! Few jobs are sent and worked off several times, for a time that can be measured; the memory is of one time, in a process of its own.
//!
//! Expected: flat, since jobs are added at one end of a queue of chunks and taken as chunks from the other. Between 100,000 and a million the
//! sending goes up by a third. From there on a round sends them once, into memory that is new from the system: a page fault for each 117 jobs, which
//! is 15 ns a job (100,000 sent once cost the same). Working off does not change, though the jobs leave the caches: they are read in the order in
//! which they lie, so the processor fetches them ahead.

use std::time::Duration;
use std::time::Instant;

use crate::extent::Extent;
use crate::gate::BELL;
use crate::gate::HOLD;
use crate::growth::Growth;
use crate::growth::Unit::BytesAJob;
use crate::growth::Unit::NanosAJob;
use crate::memory;
use crate::round;
use crate::round::Round;

const JOBS: [u64; 5] = [1_000, 10_000, 100_000, 1_000_000, 10_000_000];
/// At least so many are sent in each round.
const AT_LEAST: u64 = 1_000_000;

pub(crate) fn measure(extent: Extent) -> Growth {
    let points = extent.points(&JOBS, 100_000);
    let measures = [("to send", NanosAJob), ("to work off", NanosAJob)];
    let mut lines = Growth::interleaved(extent.rounds(), &points, measures, |jobs| {
        let passes = extent.jobs(AT_LEAST).div_ceil(jobs);
        let (sent, worked) = round::on_one_thread(pile_up(jobs, passes));
        [round::nanos_each(sent, jobs * passes), round::nanos_each(worked, jobs * passes)]
    });
    lines.extend(Growth::interleaved(3, &points, [("while it waits", BytesAJob)], |jobs| {
        [memory::elsewhere(jobs)]
    }));
    Growth {
        heading: "Jobs waiting in the mailbox: one sender, one worker, one thread",
        along: "jobs waiting",
        points,
        lines,
    }
}

/// The bytes that each of so many waiting jobs takes, in a process that has done nothing else.
pub(crate) fn bytes_here(jobs: u64) -> f64 {
    round::on_one_thread(async {
        let round = held(jobs).await;
        let before = memory::resident();
        send(&round, jobs).await;
        let bytes = memory::resident().saturating_sub(before) as f64 / jobs as f64;
        round.gate.let_go(1);
        round.finish(jobs, 1).await;
        bytes
    })
}

/// How long it took to send the jobs, and to work them off, in so many passes together.
async fn pile_up(jobs: u64, passes: u64) -> (Duration, Duration) {
    let round = held(jobs).await;
    let (mut sent, mut worked) = (Duration::ZERO, Duration::ZERO);
    for pass in 0..passes {
        let began = Instant::now();
        send(&round, jobs).await;
        sent += began.elapsed();
        round.adders.send(BELL).await.expect("admitted");
        let began = Instant::now();
        round.gate.let_go(1);
        round.gate.bell().await;
        worked += began.elapsed();
        if pass + 1 < passes {
            hold(&round).await;
        }
    }
    round.finish(jobs, passes).await;
    (sent, worked)
}

/// A mailbox with room for so many jobs, its one worker held.
async fn held(jobs: u64) -> Round<u64> {
    let round = Round::new(usize::try_from(jobs).expect("they fit") + 1).await;
    round.deploy("1", 1, 0).await;
    hold(&round).await;
    round
}

async fn hold(round: &Round<u64>) {
    round.adders.send(HOLD).await.expect("admitted");
    round.gate.holds_one().await;
}

async fn send(round: &Round<u64>, jobs: u64) {
    for number in 0..jobs {
        round.adders.send(number).await.expect("there is room");
    }
}
