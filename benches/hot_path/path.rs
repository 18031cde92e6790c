//! The ways of a job whose costs are compared, each as one round of so many jobs.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use std::time::Instant;

use seral::prelude::*;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// After so many jobs a sender lets others run.
const YIELD_EACH: usize = 1024;
const HOUR: Duration = Duration::from_secs(3600);
/// The first jobs of a process read the clock, until its watcher has looked twice.
const UNTIL_CLOCK_IS_KNOWN: Duration = Duration::from_millis(60);

/// How a job is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// `send`: nobody waits for the outcome.
    Send,
    /// `ask`, one after the other.
    Ask,
    /// `ask`, from 64 tasks at once.
    AskOfMany,
    /// `submit`, the handle dropped.
    Submit,
    /// `submit` with a key out of a thousand.
    Key,
    /// `submit` with a deadline: the clock is read when it is sent and when it begins.
    Deadline,
    /// `submit` with a timeout: the clock is read when it begins.
    Timeout,
    /// `submit` with a delay of next to nothing.
    Delay,
    /// `send`, while somebody listens to the spans of attempts.
    Span,
    /// `send` from a worker to one that has nothing to do: what it costs to wake it.
    Hop,
}

impl Way {
    pub(crate) const ALL: [Self; 10] = [
        Self::Send,
        Self::Submit,
        Self::Ask,
        Self::AskOfMany,
        Self::Key,
        Self::Deadline,
        Self::Timeout,
        Self::Delay,
        Self::Span,
        Self::Hop,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Ask => "ask",
            Self::AskOfMany => "ask, 64 callers",
            Self::Submit => "submit",
            Self::Key => "submit, with a key",
            Self::Deadline => "submit, with a deadline",
            Self::Timeout => "submit, with a timeout",
            Self::Delay => "submit, with a delay",
            Self::Span => "send, with spans heard",
            Self::Hop => "hop",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|way| way.name() == name)
    }

    /// What it is compared with: the same without what it is about.
    pub(crate) fn without(self) -> Self {
        match self {
            Self::Send | Self::Ask | Self::AskOfMany | Self::Submit | Self::Span | Self::Hop => Self::Send,
            Self::Key | Self::Deadline | Self::Timeout | Self::Delay => Self::Submit,
        }
    }
}

struct Adder {
    sum: Arc<AtomicU64>,
    local: u64,
}

impl Worker for Adder {
    type Job = u64;
    type Output = u64;

    async fn process(&mut self, job: &u64, _: &JobContext) -> Result<u64, Fault> {
        self.local += job;
        Ok(*job)
    }

    async fn stop(&mut self) {
        self.sum.fetch_add(self.local, Relaxed);
    }
}

/// A community that adds numbers.
pub(crate) struct Round {
    pub(crate) shop: Ecosystem,
    pub(crate) adders: Community<u64, u64>,
    sum: Arc<AtomicU64>,
}

impl Round {
    pub(crate) async fn new(workers: usize) -> Self {
        let shop = Ecosystem::new("bench");
        let adders = shop.community::<u64, u64>("adders").await.expect("a community");
        let round = Self { shop, adders, sum: Arc::default() };
        round.adders.deploy("1", round.pool(workers)).await.expect("a version");
        tokio::time::sleep(UNTIL_CLOCK_IS_KNOWN).await;
        round
    }

    pub(crate) fn pool(&self, workers: usize) -> Pool<u64, u64> {
        let sum = Arc::clone(&self.sum);
        Pool::of(workers, move || Adder { sum: Arc::clone(&sum), local: 0 })
    }

    /// Sends the jobs from 0 on, from so many tasks.
    pub(crate) fn send(&self, way: Way, jobs: u64, senders: u64) -> Vec<JoinHandle<()>> {
        let sender = |first| {
            let adders = self.adders.clone();
            tokio::spawn(async move {
                for (count, job) in
                    (first..jobs).step_by(usize::try_from(senders).expect("few senders")).enumerate()
                {
                    send_one(&adders, way, job).await;
                    if count % YIELD_EACH == 0 {
                        tokio::task::yield_now().await;
                    }
                }
            })
        };
        (0..senders).map(sender).collect()
    }

    /// Waits for all jobs and checks that each was done once.
    pub(crate) async fn finish(self, jobs: u64) {
        let report = self.shop.shutdown(Duration::from_secs(60)).await;
        assert!(report.is_clean(), "{report}");
        assert_eq!(self.sum.load(Relaxed), jobs * jobs.saturating_sub(1) / 2, "each job is done once");
    }
}

async fn send_one(adders: &Community<u64, u64>, way: Way, job: u64) {
    let submit = match way {
        Way::Send | Way::Span | Way::Hop => {
            adders.send(job).await.expect("admitted");
            return;
        }
        Way::Ask | Way::AskOfMany => {
            assert_eq!(adders.ask(job).await.expect("done"), job);
            return;
        }
        Way::Submit => adders.submit(job),
        Way::Key => adders.submit(job).key(job % 1000),
        Way::Deadline => adders.submit(job).deadline(HOUR),
        Way::Timeout => adders.submit(job).timeout(HOUR),
        Way::Delay => adders.submit(job).delay(Duration::from_nanos(1)),
    };
    drop(submit.await.expect("admitted"));
}

/// Runs one round. Returns the time from the first job sent to the last one done, to a millisecond; the end of the ecosystem is not in it.
pub(crate) async fn round(way: Way, jobs: u64, senders: u64, workers: usize) -> Duration {
    let round = Round::new(workers).await;
    let began = Instant::now();
    let senders = if way == Way::AskOfMany { 64 } else { senders };
    for sender in round.send(way, jobs, senders) {
        sender.await.expect("a sender");
    }
    while round.adders.describe().done < jobs {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let took = began.elapsed();
    round.finish(jobs).await;
    took
}

/// Passes a token on.
struct Place {
    next: Community<u64, ()>,
    ended: Arc<Notify>,
}

impl Worker for Place {
    /// How often it is to be passed on.
    type Job = u64;
    type Output = ();

    async fn process(&mut self, hops: &u64, _: &JobContext) -> Result<(), Fault> {
        match hops.checked_sub(1) {
            Some(left) => drop(self.next.send(left).await?),
            None => self.ended.notify_one(),
        }
        Ok(())
    }
}

/// Passes a token to and fro between two communities of one worker each, so often. Returns the time that takes.
pub(crate) async fn hops(hops: u64) -> Duration {
    let court = Ecosystem::new("bench");
    let here = court.community("here").await.expect("a community");
    let there = court.community("there").await.expect("a community");
    let ended = Arc::new(Notify::new());
    for (place, next) in [(&here, &there), (&there, &here)] {
        let (next, ended) = (next.clone(), Arc::clone(&ended));
        let worker = move || Place { next: next.clone(), ended: Arc::clone(&ended) };
        place.deploy("1", Pool::of(1, worker)).await.expect("a version");
    }
    tokio::time::sleep(UNTIL_CLOCK_IS_KNOWN).await;
    let began = Instant::now();
    here.send(hops).await.expect("admitted");
    ended.notified().await;
    let took = began.elapsed();
    let report = court.shutdown(Duration::from_secs(60)).await;
    assert!(report.is_clean(), "{report}");
    took
}

/// Runs it while somebody listens to spans, and does nothing with them.
pub(crate) async fn with_spans_heard<F: Future>(run: F) -> F::Output {
    let subscriber = tracing_subscriber::registry();
    let _listening = tracing::subscriber::set_default(subscriber);
    run.await
}
