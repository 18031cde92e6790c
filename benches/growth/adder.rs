//! The worker of all rounds: it adds up the numbers of its jobs, after some computing if asked to.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use std::time::Instant;

use parking_lot::Mutex;
use seral::prelude::*;

use crate::gate::FIRST_SIGNAL;
use crate::gate::Gate;

/// A job with a number in it.
pub(crate) trait Number: Send + Sync + 'static {
    fn number(&self) -> u64;
}

impl Number for u64 {
    fn number(&self) -> u64 {
        *self
    }
}

/// What all workers of a round have done.
#[derive(Default)]
pub(crate) struct Ledger {
    pages: Mutex<Vec<Arc<Page>>>,
}

/// What one worker has done. Written by it alone, and apart from those of others, so that counting costs next to nothing.
#[derive(Default)]
#[repr(align(128))]
struct Page {
    done: AtomicU64,
    sum: AtomicU64,
}

impl Ledger {
    /// How many jobs are done, and what their numbers add up to.
    pub(crate) fn total(&self) -> (u64, u64) {
        let add =
            |(done, sum), page: &Arc<Page>| (done + page.done.load(Relaxed), sum + page.sum.load(Relaxed));
        self.pages.lock().iter().fold((0, 0), add)
    }

    fn new_page(&self) -> Arc<Page> {
        let page = Arc::<Page>::default();
        self.pages.lock().push(Arc::clone(&page));
        page
    }
}

impl Page {
    fn note(&self, number: u64) {
        self.done.store(self.done.load(Relaxed) + 1, Relaxed);
        self.sum.store(self.sum.load(Relaxed) + number, Relaxed);
    }
}

/// So many workers that add numbers, and compute for so many turns before.
pub(crate) fn pool<J: Number>(
    workers: usize,
    turns: u64,
    ledger: &Arc<Ledger>,
    gate: &Arc<Gate>,
) -> Pool<J, u64> {
    let (ledger, gate) = (Arc::clone(ledger), Arc::clone(gate));
    let adder = move || Adder::<J> {
        page: ledger.new_page(),
        gate: Arc::clone(&gate),
        turns,
        job: std::marker::PhantomData,
    };
    Pool::of(workers, adder)
}

struct Adder<J> {
    page: Arc<Page>,
    gate: Arc<Gate>,
    turns: u64,
    job: std::marker::PhantomData<fn(J)>,
}

impl<J: Number> Worker for Adder<J> {
    type Job = J;
    type Output = u64;

    async fn process(&mut self, job: &J, _: &JobContext) -> Result<u64, Fault> {
        let number = job.number();
        if number >= FIRST_SIGNAL {
            // Boxed, since most jobs are none of these and should not carry the room for it.
            Box::pin(self.gate.heed(number)).await;
            return Ok(number);
        }
        if self.turns > 0 {
            black_box(compute(self.turns));
        }
        self.page.note(number);
        Ok(number)
    }
}

/// Computes something, each turn from the one before, so that no turn can be left out or done beside another.
#[inline(never)]
fn compute(turns: u64) -> u64 {
    (0..turns).fold(1, |x: u64, turn| x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(turn))
}

/// How many turns of [`compute`] take so long: by the fastest of some runs, which was disturbed least.
pub(crate) fn turns_of(time: Duration) -> u64 {
    const TURNS: u32 = 1_000_000;
    let run = || {
        let began = Instant::now();
        black_box(compute(black_box(u64::from(TURNS))));
        began.elapsed()
    };
    let fastest = (0..9).map(|_| run()).min().expect("some runs");
    let turns = time.as_nanos() * u128::from(TURNS) / fastest.as_nanos();
    u64::try_from(turns).expect("it is short")
}
