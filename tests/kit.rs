//! Workers that do as they are told, and communities to put them in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use parking_lot::Mutex;
use seral::prelude::*;
use seral::view::CommunityView;
use seral::view::VersionView;
use tokio::sync::Semaphore;

/// What a worker does with a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Does it at once.
    Do,
    /// Waits for the gate, then does it.
    WaitForGate,
    /// Fails each time.
    Fail,
    /// Fails the first time.
    FailOnce,
    /// Panics each time.
    Panic,
    /// Panics the first time.
    PanicOnce,
    /// Gives the job up.
    Discard,
    /// Comes back once, half a minute later.
    SnoozeOnce,
}

/// A job that says what is to be done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Job {
    pub(crate) number: u64,
    pub(crate) act: Act,
}

pub(crate) fn job(number: u64, act: Act) -> Job {
    Job { number, act }
}

/// What the workers of all versions have in common: a gate that lets jobs through, and a record of what they did.
#[derive(Clone)]
pub(crate) struct Floor {
    gate: Arc<Semaphore>,
    record: Arc<Mutex<Vec<Entry>>>,
    snoozed: Arc<Mutex<BTreeMap<u64, u32>>>,
}

/// An attempt as a worker saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) number: u64,
    pub(crate) version: String,
    pub(crate) attempt: u32,
}

impl Floor {
    pub(crate) fn new() -> Self {
        end_if_it_hangs();
        Self { gate: Arc::new(Semaphore::new(0)), record: Arc::default(), snoozed: Arc::default() }
    }

    /// Lets so many waiting jobs through.
    pub(crate) fn open(&self, jobs: usize) {
        self.gate.add_permits(jobs);
    }

    /// All attempts so far, in the order of their start.
    pub(crate) fn record(&self) -> Vec<Entry> {
        self.record.lock().clone()
    }

    /// The numbers of the jobs of all attempts so far.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        self.record().into_iter().map(|entry| entry.number).collect()
    }

    /// So many workers that do as they are told.
    pub(crate) fn pool(&self, workers: usize) -> Pool<Job, u64> {
        let floor = self.clone();
        Pool::of(workers, move || floor.hand()).build("hand")
    }

    /// One of them.
    pub(crate) fn hand(&self) -> Hand {
        Hand { floor: self.clone() }
    }
}

/// A worker that does as it is told.
pub(crate) struct Hand {
    floor: Floor,
}

impl Worker for Hand {
    type Job = Job;
    type Output = u64;

    async fn process(&mut self, job: &Job, cx: &JobContext) -> Result<u64, Fault> {
        self.floor.record.lock().push(Entry {
            number: job.number,
            version: cx.version().to_string(),
            attempt: cx.attempt().get(),
        });
        let first = cx.attempt().get() == 1;
        match job.act {
            Act::Do => {}
            Act::WaitForGate => self.floor.gate.acquire().await?.forget(),
            Act::Fail => Err("told to fail")?,
            Act::FailOnce if first => Err("told to fail once")?,
            Act::Panic => std::panic::panic_any("told to panic"),
            Act::PanicOnce if first => std::panic::panic_any("told to panic once"),
            Act::Discard => return Err(Fault::discard("told to discard")),
            Act::SnoozeOnce if self.floor.snoozed.lock().insert(job.number, 1).is_none() => {
                return Err(Fault::snooze(std::time::Duration::from_secs(30)));
            }
            Act::FailOnce | Act::PanicOnce | Act::SnoozeOnce => {}
        }
        Ok(job.number)
    }
}

/// Signals at these moments.
pub(crate) struct Signals(pub(crate) tokio::time::Interval);

impl futures_core::Stream for Signals {
    type Item = ();

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        task: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<()>> {
        self.0.poll_tick(task).map(|_| Some(()))
    }
}

/// A worker that takes ten seconds to start, and counts how often one began to.
pub(crate) struct Slow(pub(crate) Arc<AtomicUsize>);

impl Worker for Slow {
    type Job = Job;
    type Output = u64;

    async fn start(&mut self, _: &StartContext) -> Result<(), Fault> {
        self.0.fetch_add(1, Relaxed);
        tokio::time::sleep(std::time::Duration::from_secs(10)).await;
        Ok(())
    }

    async fn process(&mut self, job: &Job, _: &JobContext) -> Result<u64, Fault> {
        Ok(job.number)
    }
}

/// Ends a test that waits for ever. On paused time, time passes at once when nothing else can happen: a month is over when a test hangs, and
/// never while it does anything.
pub(crate) fn end_if_it_hangs() {
    tokio::spawn(async {
        tokio::time::sleep(std::time::Duration::from_secs(30 * 24 * 3600)).await;
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        std::io::Write::write_all(&mut std::io::stderr(), format!("{test} waits for ever\n").as_bytes())
            .unwrap();
        std::process::exit(101);
    });
}

/// A community of its own ecosystem with version 1.0.0.
pub(crate) async fn community(workers: usize) -> (Ecosystem, Community<Job, u64>, Floor) {
    let floor = Floor::new();
    let shop = Ecosystem::new("shop");
    let orders = shop.community("orders").await.unwrap();
    orders.deploy("1.0.0", floor.pool(workers)).await.unwrap();
    (shop, orders, floor)
}

/// Lets all other tasks run until each waits for something other than time. Only on paused time.
pub(crate) async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

/// Keeps panics of workers that are told to panic out of the output of the tests.
pub(crate) fn hush() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let told = panic.payload().downcast_ref::<&str>().is_some_and(|text| text.starts_with("told to"));
            if !told {
                usual(panic);
            }
        }));
    });
}

/// What a version is, without what the watcher makes of it: that goes by real time.
pub(crate) fn timeless(view: &CommunityView, version: &str) -> VersionView {
    let mut version = view.version(version).unwrap().clone();
    version.oldest = None;
    version.each_worker.clear();
    version
}
