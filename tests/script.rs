//! A worker whose every part does what a script says: its factory, its start, each attempt at a job, its `retry`, `optimize`, `stop`, its end.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use seral::Attempt;
use seral::Event;
use seral::Events;
use seral::FaultKind;
use seral::prelude::*;
use tokio::time::Instant;

use crate::kit::end_if_it_hangs;
use crate::kit::hush;

pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// So many attempts, without a pause between them.
pub(crate) const fn at_once(attempts: u32) -> RetryPolicy {
    RetryPolicy::attempts(attempts).backoff(Duration::ZERO, Duration::ZERO)
}

/// What a worker does.
pub(crate) enum Move {
    /// Goes on at once.
    Go,
    /// Waits so long, then goes on.
    Wait(Duration),
    /// Waits so long, then goes on. If it is dropped meanwhile, that panics.
    WaitInTrap(Duration),
    /// Waits for ever.
    Hang,
    /// Waits so long, then fails.
    WaitAndFail(Duration),
    /// Fails with this.
    Fail(Fault),
    /// Panics with this text.
    Panic(&'static str),
}

impl Move {
    async fn make(self) -> Result<(), Fault> {
        match self {
            Self::Wait(time) => tokio::time::sleep(time).await,
            Self::WaitInTrap(time) => {
                let mut trap = Trap(true);
                tokio::time::sleep(time).await;
                trap.0 = false;
            }
            Self::Hang => pending().await,
            Self::WaitAndFail(time) => {
                tokio::time::sleep(time).await;
                return Err("told to fail".into());
            }
            other => return other.make_now(),
        }
        Ok(())
    }

    fn make_now(self) -> Result<(), Fault> {
        match self {
            Self::Fail(fault) => Err(fault),
            Self::Panic(text) => std::panic::panic_any(text),
            _ => Ok(()),
        }
    }
}

/// Panics when it is dropped, if it is armed.
struct Trap(bool);

impl Drop for Trap {
    fn drop(&mut self) {
        if self.0 && !std::thread::panicking() {
            std::panic::panic_any("told to panic in a destructor");
        }
    }
}

/// A part of a worker's life outside of its jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Make,
    Start,
    Optimize,
    Stop,
    Drop,
}

/// An attempt that was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Begun {
    pub(crate) number: u64,
    pub(crate) attempt: u32,
    pub(crate) version: String,
    pub(crate) worker: u64,
    /// Since the script was written.
    pub(crate) at: Duration,
}

#[derive(Default)]
struct Seen {
    begun: Vec<Begun>,
    completed: Vec<u64>,
    parts: Vec<(Part, Duration)>,
}

type Process = dyn Fn(u64, u32) -> Move + Send + Sync;
type Live = dyn Fn(Part, usize) -> Move + Send + Sync;
type Retry = dyn Fn(&Fault, Attempt) -> FaultKind + Send + Sync;

/// See the [module](self). Clones share what was seen.
#[derive(Clone)]
pub(crate) struct Script {
    process: Arc<Process>,
    live: Arc<Live>,
    retry: Arc<Retry>,
    seen: Arc<Mutex<Seen>>,
    began: Instant,
}

impl Script {
    /// Each attempt at a job does what `process` says for its number and the number of the attempt. All else goes well.
    pub(crate) fn new(process: impl Fn(u64, u32) -> Move + Send + Sync + 'static) -> Self {
        hush();
        end_if_it_hangs();
        Self {
            process: Arc::new(process),
            live: Arc::new(|_, _| Move::Go),
            retry: Arc::new(|fault, _| fault.kind()),
            seen: Arc::default(),
            began: Instant::now(),
        }
    }

    /// Each part of a worker's life does what this says. It is told how often the part was played before, by all workers.
    pub(crate) fn living(mut self, live: impl Fn(Part, usize) -> Move + Send + Sync + 'static) -> Self {
        self.live = Arc::new(live);
        self
    }

    /// The workers answer this when they are asked about a fault.
    pub(crate) fn retrying(
        mut self,
        retry: impl Fn(&Fault, Attempt) -> FaultKind + Send + Sync + 'static,
    ) -> Self {
        self.retry = Arc::new(retry);
        self
    }

    pub(crate) fn pool(&self, workers: usize) -> Pool<u64, u64> {
        let script = self.clone();
        let factory = move || {
            script.play(Part::Make).make_now().unwrap_or_else(|fault| panic!("{fault}"));
            Player { script: script.clone() }
        };
        Pool::of(workers, factory).build("a script")
    }

    /// A community of its own ecosystem in which so many workers play this, as version 1.
    pub(crate) async fn open(&self, workers: usize, policy: RetryPolicy) -> (Ecosystem, Community<u64, u64>) {
        let shop = Ecosystem::new("shop");
        let orders = shop.community("orders").retry(policy).await.unwrap();
        orders.deploy("1", self.pool(workers)).await.unwrap();
        (shop, orders)
    }

    fn play(&self, part: Part) -> Move {
        let before = self.times(part);
        self.seen.lock().parts.push((part, self.began.elapsed()));
        (self.live)(part, before)
    }

    // ---- what was seen ---------------------------------------------------------------------------------------------

    /// How often this part was played.
    pub(crate) fn times(&self, part: Part) -> usize {
        self.seen.lock().parts.iter().filter(|(played, _)| *played == part).count()
    }

    /// When this part was played, in seconds since the script was written.
    pub(crate) fn seconds_of(&self, part: Part) -> Vec<f64> {
        let seen = self.seen.lock();
        seen.parts.iter().filter(|(played, _)| *played == part).map(|(_, at)| at.as_secs_f64()).collect()
    }

    /// All attempts, in the order of their start.
    pub(crate) fn begun(&self) -> Vec<Begun> {
        self.seen.lock().begun.clone()
    }

    /// The numbers of the attempts at this job.
    pub(crate) fn attempts_at(&self, number: u64) -> Vec<u32> {
        let begun = self.begun();
        begun.iter().filter(|begun| begun.number == number).map(|begun| begun.attempt).collect()
    }

    /// The jobs that came to an output, sorted.
    pub(crate) fn completed(&self) -> Vec<u64> {
        let mut completed = self.seen.lock().completed.clone();
        completed.sort_unstable();
        completed
    }
}

/// Plays a script.
struct Player {
    script: Script,
}

impl Worker for Player {
    type Job = u64;
    type Output = u64;

    async fn start(&mut self, _: &StartContext) -> Result<(), Fault> {
        self.script.play(Part::Start).make().await
    }

    async fn process(&mut self, job: &u64, cx: &JobContext) -> Result<u64, Fault> {
        let begun = Begun {
            number: *job,
            attempt: cx.attempt().get(),
            version: cx.version().to_string(),
            worker: cx.worker().get(),
            at: self.script.began.elapsed(),
        };
        self.script.seen.lock().begun.push(begun);
        (self.script.process)(*job, cx.attempt().get()).make().await?;
        self.script.seen.lock().completed.push(*job);
        Ok(*job)
    }

    fn retry(&self, fault: &Fault, attempt: Attempt) -> FaultKind {
        (self.script.retry)(fault, attempt)
    }

    async fn optimize(&mut self, _: &Cycle) {
        // A part that is not asked for a result goes on after a fault.
        let _ = self.script.play(Part::Optimize).make().await;
    }

    async fn stop(&mut self) {
        let _ = self.script.play(Part::Stop).make().await;
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        let _ = self.script.play(Part::Drop).make_now();
    }
}

// ---- looking -------------------------------------------------------------------------------------------------------

/// So many jobs were admitted, and each is known to be somewhere.
#[track_caller]
pub(crate) fn assert_accounted(orders: &Community<u64, u64>, admitted: u64) {
    let view = orders.describe();
    assert_eq!((view.admitted, view.accounted()), (admitted, admitted), "{view}");
}

/// The numbers of the jobs that are dead letters, the oldest first.
pub(crate) fn dead(orders: &Community<u64, u64>) -> Vec<u64> {
    let mut dead = Vec::new();
    orders.dead_letters().for_each(|letter| dead.push(letter.job));
    dead
}

/// How each failed attempt at a dead job ended.
pub(crate) fn failures(orders: &Community<u64, u64>, number: u64) -> Vec<String> {
    let mut failures = Vec::new();
    orders.dead_letters().which(move |letter| letter.job == number).for_each(|letter| {
        failures.extend(letter.history.iter().map(|failed| failed.chain.join(": ")));
    });
    failures
}

/// What has happened until now. Only on paused time.
pub(crate) async fn events_so_far(events: &mut Events) -> Vec<Event> {
    let mut seen = Vec::new();
    while let Ok(Some(event)) = tokio::time::timeout(Duration::from_millis(1), events.next()).await {
        seen.push(event);
    }
    seen
}
