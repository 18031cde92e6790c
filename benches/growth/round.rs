//! One round: a community of workers that add numbers, sent there by some tasks, and the check that each was added once.

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use seral::Version;
use seral::prelude::*;
use tokio::runtime::Builder;

use crate::adder;
use crate::adder::Ledger;
use crate::adder::Number;
use crate::gate::Gate;

/// After so many jobs a sender lets others run.
const YIELD_EACH: usize = 1024;
/// As the runtime has it.
pub(crate) const MAILBOX: usize = 10_000;

/// Twice as much as a thread has by default. A job of 64 KiB by value needs a little more than that to wait for room: it lies on the stack more than
/// thirty times.
const STACK: usize = 4 << 20;

/// How one job is made and sent.
pub(crate) trait Sending: Clone + Send + Sync + 'static {
    type Job: Number;

    fn send(&self, adders: &Community<Self::Job, u64>, number: u64) -> impl Future<Output = ()> + Send;
}

/// By `send`, a bare number.
#[derive(Clone)]
pub(crate) struct Plain;

impl Sending for Plain {
    type Job = u64;

    async fn send(&self, adders: &Community<u64, u64>, number: u64) {
        adders.send(number).await.expect("admitted");
    }
}

/// Who sends how many jobs to whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) jobs: u64,
    pub(crate) senders: u64,
    pub(crate) workers: usize,
    pub(crate) mailbox: usize,
    /// Of computing, for each job.
    pub(crate) turns: u64,
}

/// A community that adds numbers.
pub(crate) struct Round<J> {
    shop: Ecosystem,
    pub(crate) adders: Community<J, u64>,
    pub(crate) gate: Arc<Gate>,
    ledger: Arc<Ledger>,
}

impl<J: Number> Round<J> {
    /// Without a version.
    pub(crate) async fn new(mailbox: usize) -> Self {
        let shop = Ecosystem::new("bench");
        let adders = shop.community::<J, u64>("adders").mailbox(mailbox).await.expect("a community");
        Self { shop, adders, gate: Arc::new(Gate::new()), ledger: Arc::default() }
    }

    pub(crate) async fn deploy(&self, version: impl Into<Version>, workers: usize, turns: u64) {
        let pool = adder::pool(workers, turns, &self.ledger, &self.gate);
        self.adders.deploy(version, pool).await.expect("a version");
    }

    /// Sends the jobs from 0 on, from so many tasks.
    pub(crate) async fn send<S: Sending<Job = J>>(&self, sending: &S, jobs: u64, senders: u64) {
        let sender = |first| {
            let (adders, sending) = (self.adders.clone(), sending.clone());
            let numbers = (first..jobs).step_by(usize::try_from(senders).expect("few senders"));
            tokio::spawn(async move {
                for (count, number) in numbers.enumerate() {
                    sending.send(&adders, number).await;
                    if count % YIELD_EACH == 0 {
                        tokio::task::yield_now().await;
                    }
                }
            })
        };
        for sender in (0..senders).map(sender).collect::<Vec<_>>() {
            sender.await.expect("a sender");
        }
    }

    /// Waits for so many jobs to be done, to a millisecond.
    pub(crate) async fn done(&self, jobs: u64) {
        while self.ledger.total().0 < jobs {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Ends it, and checks that the numbers from 0 on were each added once, in each of so many passes.
    pub(crate) async fn finish(self, jobs: u64, passes: u64) {
        let report = self.shop.shutdown(Duration::from_secs(60)).await;
        assert!(report.is_clean(), "{report}");
        let sum = jobs * jobs.saturating_sub(1) / 2;
        assert_eq!(self.ledger.total(), (jobs * passes, sum * passes), "each job is done once");
    }
}

/// Runs one round on all threads. Returns the time from the first job sent to the last one done, without start and end.
pub(crate) fn flow<S: Sending>(sending: S, load: Load) -> Duration {
    on_all_threads(async move {
        let round = Round::new(load.mailbox).await;
        round.deploy("1", load.workers, load.turns).await;
        let began = Instant::now();
        round.send(&sending, load.jobs, load.senders).await;
        round.done(load.jobs).await;
        let took = began.elapsed();
        round.finish(load.jobs, 1).await;
        took
    })
}

pub(crate) fn on_all_threads<F>(run: F) -> F::Output
where
    F: Future<Output: Send> + Send + 'static,
{
    let runtime =
        Builder::new_multi_thread().enable_all().thread_stack_size(STACK).build().expect("a runtime");
    // In a task: the thread of `main` is none of the runtime's.
    runtime.block_on(async move { tokio::spawn(run).await.expect("a round") })
}

/// Nothing moves between cores here, so that a job costs the same each time.
pub(crate) fn on_one_thread<F: Future>(run: F) -> F::Output {
    Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(run)
}

/// So long for each of so many jobs.
pub(crate) fn nanos_each(took: Duration, jobs: u64) -> f64 {
    took.as_secs_f64() * 1e9 / jobs as f64
}
