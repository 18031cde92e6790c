//! Along the number of keys out of which each job has one, all as likely.
//!
//! Four senders, four workers, all threads; `submit`, the handle dropped. Beside each, as many jobs without keys, sent in the same way.
//!
//! Expected: a key costs the most up to a thousand of them, and less from ten thousand on, which is about how many jobs are on their way. With fewer
//! keys nearly each job finds its key held, waits in the fence, and comes into the mailbox a second time when the one before is done; with more,
//! most find it free. How many keys there are in all does not matter: a key that nobody holds takes no memory.

use seral::prelude::*;

use crate::extent::Extent;
use crate::growth::Growth;
use crate::growth::Unit::NanosAJob;
use crate::round;
use crate::round::Load;
use crate::round::MAILBOX;
use crate::round::Sending;

const KEYS: [u64; 8] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];
const JOBS: u64 = 500_000;

/// By `submit`, with a key out of so many if any; the handle is dropped.
#[derive(Clone)]
struct Keyed(Option<u64>);

impl Sending for Keyed {
    type Job = u64;

    async fn send(&self, adders: &Community<u64, u64>, number: u64) {
        let mut submit = adders.submit(number);
        if let Some(keys) = self.0 {
            submit = submit.key(scattered(number) % keys);
        }
        drop(submit.await.expect("admitted"));
    }
}

pub(crate) fn measure(extent: Extent) -> Growth {
    let points = extent.points(&KEYS, 100_000);
    let jobs = extent.jobs(JOBS);
    let run = |keys: Option<u64>| {
        let load = Load { jobs, senders: 4, workers: 4, mailbox: MAILBOX, turns: 0 };
        round::nanos_each(round::flow(Keyed(keys), load), jobs)
    };
    let measures = [("with a key", NanosAJob), ("without", NanosAJob)];
    let lines = Growth::interleaved(extent.rounds(), &points, measures, |keys| [run(Some(keys)), run(None)]);
    Growth {
        heading: "Keys: `submit`, four senders, four workers, all threads",
        along: "keys",
        points,
        lines,
    }
}

/// A number that says nothing about the next one (the finalizer of `SplitMix64`).
fn scattered(number: u64) -> u64 {
    let mut x = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}
