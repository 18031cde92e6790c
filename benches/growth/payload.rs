//! Along the size of a job: its bytes in the job itself, in an `Arc` of its own, and in one that all jobs share.
//!
//! Four senders, four workers, all threads. A sender fills the bytes of each job, unless they are shared; a worker reads the first and the last
//! of them. What it costs to make and read the job by value without a community is measured beside, on one thread.
//!
//! Expected: by value, a job is copied some 14 times on its way (counted with a `memcpy` of our own), and from a few hundred bytes on that is most
//! of what it costs. At 64 KiB a copy does not fit into the first cache, nor the jobs that wait into the last. In an `Arc` of its own, what grows is
//! to fill it and to give it back: it comes from one thread and goes back on another, which takes the allocator a lock if it is larger than 128
//! bytes. A shared `Arc` does not grow.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use seral::prelude::*;

use crate::adder::Number;
use crate::extent::Extent;
use crate::growth::Growth;
use crate::growth::Unit::NanosAJob;
use crate::round;
use crate::round::Load;
use crate::round::Sending;

const JOBS: u64 = 400_000;
/// Of large jobs, fewer are sent: so many bytes.
const BYTES: u64 = 1 << 30;
/// Less than the default, which large jobs would fill with 640 MB.
const MAILBOX: usize = 1_000;
/// What a job's bytes are filled with, behind its number. Not zero, since zeroed memory comes for nothing.
const FILL: u8 = 1;

/// The sizes in bytes, each with the measure of jobs by value: their type depends on it.
type Size = (usize, fn(u64) -> [f64; 2]);

const SIZES: [Size; 5] = [
    // The array of eight is a number like that of the other axes; one type less to compile.
    (8, |jobs| by_value(Numbers, jobs)),
    (64, |jobs| by_value(Arrays::<64>, jobs)),
    (512, |jobs| by_value(Arrays::<512>, jobs)),
    (4 << 10, |jobs| by_value(Arrays::<{ 4 << 10 }>, jobs)),
    (64 << 10, |jobs| by_value(Arrays::<{ 64 << 10 }>, jobs)),
];

pub(crate) fn measure(extent: Extent) -> Growth {
    let points = extent.points(&SIZES.map(|(size, _)| size as u64), 4 << 10);
    let measures = [
        ("by value", NanosAJob),
        ("in an `Arc`", NanosAJob),
        ("in a shared `Arc`", NanosAJob),
        ("by value, without a community", NanosAJob),
    ];
    let lines = Growth::interleaved(extent.rounds(), &points, measures, |bytes| {
        let (size, by_value) = *SIZES.iter().find(|(size, _)| *size as u64 == bytes).expect("a size");
        let jobs = extent.jobs(JOBS.min(BYTES / bytes));
        let [value, alone] = by_value(jobs);
        let shared = Sharing { bytes: filled(size) };
        [value, through(Owning { size }, jobs), through(shared, extent.jobs(JOBS)), alone]
    });
    let heading = "Size of a job: four senders, four workers, all threads";
    Growth { heading, along: "bytes", points, lines }
}

/// Nanoseconds for each job by value, through a community and without one.
fn by_value<M: Make>(make: M, jobs: u64) -> [f64; 2] {
    let began = Instant::now();
    for number in 0..jobs {
        let job = black_box(make.make(number));
        black_box(job.number());
    }
    let alone = round::nanos_each(began.elapsed(), jobs);
    [through(make, jobs), alone]
}

/// Nanoseconds for each job that is made so, through a community.
fn through<M: Make>(make: M, jobs: u64) -> f64 {
    let load = Load { jobs, senders: 4, workers: 4, mailbox: MAILBOX, turns: 0 };
    round::nanos_each(round::flow(Made(make), load), jobs)
}

// ---- the jobs ------------------------------------------------------------------------------------------------------

/// How a job is made.
trait Make: Clone + Send + Sync + 'static {
    type Job: Number;

    fn make(&self, number: u64) -> Self::Job;
}

/// By `send`, made so.
#[derive(Clone)]
struct Made<M>(M);

impl<M: Make> Sending for Made<M> {
    type Job = M::Job;

    async fn send(&self, adders: &Community<M::Job, u64>, number: u64) {
        adders.send(self.0.make(number)).await.expect("admitted");
    }
}

#[derive(Clone)]
struct Numbers;

impl Make for Numbers {
    type Job = u64;

    fn make(&self, number: u64) -> u64 {
        number
    }
}

/// Makes arrays with the number in front.
#[derive(Clone)]
struct Arrays<const N: usize>;

impl<const N: usize> Make for Arrays<N> {
    type Job = [u8; N];

    fn make(&self, number: u64) -> [u8; N] {
        let mut bytes = [FILL; N];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        bytes
    }
}

/// The number in front, wrong if the last byte is.
impl<const N: usize> Number for [u8; N] {
    fn number(&self) -> u64 {
        let (number, rest) = self.split_first_chunk().expect("eight bytes");
        u64::from_le_bytes(*number) + wrong(rest)
    }
}

/// A number, and bytes elsewhere.
struct Away {
    number: u64,
    bytes: Arc<[u8]>,
}

impl Number for Away {
    fn number(&self) -> u64 {
        self.number + wrong(&self.bytes)
    }
}

/// Gives each job so many bytes of its own.
#[derive(Clone)]
struct Owning {
    size: usize,
}

impl Make for Owning {
    type Job = Away;

    fn make(&self, number: u64) -> Away {
        Away { number, bytes: filled(self.size) }
    }
}

/// Gives each job the same bytes.
#[derive(Clone)]
struct Sharing {
    bytes: Arc<[u8]>,
}

impl Make for Sharing {
    type Job = Away;

    fn make(&self, number: u64) -> Away {
        Away { number, bytes: Arc::clone(&self.bytes) }
    }
}

fn filled(size: usize) -> Arc<[u8]> {
    std::iter::repeat_n(FILL, size).collect()
}

/// Nothing, unless the last byte is not what it was filled with.
fn wrong(bytes: &[u8]) -> u64 {
    bytes.last().map_or(0, |last| u64::from(last ^ FILL))
}
