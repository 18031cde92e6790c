//! Everything that can fail or be called, at once, on four threads: jobs that fail in all ways, cancellations, replays, versions that cannot start,
//! kills, deploys by force. At the end every handle has resolved, no job was done twice, no two of a key ran together, and the books agree.
//!
//! `SERAL_STRESS_SECONDS=60` goes on for longer. Seen failing: a letter replayed to a version behind its key; a replay cancelled by its old handle.

use std::collections::BTreeMap;
use std::env;
use std::future::IntoFuture;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use std::time::Instant;

use parking_lot::Mutex;
use seral::HeartbeatPolicy;
use seral::JobHandle;
use seral::RestartPolicy;
use seral::Whose;
use seral::error::JobError;
use seral::prelude::*;
use seral::view::VersionState;
use seral_test::fault;

use crate::kit::hush;

const KEYS: usize = 6;
const TOO_LONG: Duration = Duration::from_secs(30);

fn millis(up_to: u64) -> Duration {
    Duration::from_micros(fastrand::u64(..up_to * 1_000))
}

/// What all workers have in common.
#[derive(Default)]
struct World {
    busy: [AtomicBool; KEYS],
    together: AtomicU64,
    completed: Mutex<BTreeMap<u64, u32>>,
    /// The version whose workers cannot start.
    sick: AtomicU64,
    overflowed: AtomicU64,
}

#[derive(Clone, Copy)]
struct Job {
    number: u64,
    key: usize,
}

struct Hand(Arc<World>);

/// While it lives, a job of this key runs.
struct Busy<'a>(&'a AtomicBool);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.store(false, SeqCst);
    }
}

impl Worker for Hand {
    type Job = Job;
    type Output = u64;

    async fn start(&mut self, cx: &StartContext) -> Result<(), Fault> {
        let version: u64 = cx.version().as_str().parse()?;
        if self.0.sick.load(SeqCst) == version { Err("told to be sick")? } else { Ok(()) }
    }

    async fn process(&mut self, job: &Job, cx: &JobContext) -> Result<u64, Fault> {
        let _busy = self.0.busy.get(job.key).map(|busy| {
            self.0.together.fetch_add(u64::from(busy.swap(true, SeqCst)), SeqCst);
            Busy(busy)
        });
        match fastrand::u8(..60) {
            0..20 => {}
            20..30 => tokio::task::yield_now().await,
            30..36 => tokio::time::sleep(millis(3)).await,
            36..40 => Err("told to fail")?,
            40 => std::panic::panic_any("told to panic"),
            41 => return Err(Fault::discard("told to discard")),
            42 => return Err(Fault::dead_letter("told to give up")),
            43 => return Err(Fault::snooze(millis(5))),
            44 => {
                let cancelled = tokio::time::timeout(Duration::from_millis(20), cx.cancelled()).await;
                if cancelled.is_ok() {
                    return Err(Fault::cancelled("as asked"));
                }
            }
            45 => std::future::pending().await,
            46 => cx.blocking(|| spin(Duration::from_millis(1))).await,
            47 if fastrand::u8(..10) == 0 => {
                spin(Duration::from_millis(70));
                if fastrand::bool() {
                    std::panic::panic_any("told to panic");
                }
            }
            _ => {}
        }
        *self.0.completed.lock().entry(job.number).or_default() += 1;
        Ok(job.number)
    }
}

/// Holds the thread.
fn spin(time: Duration) {
    let over = Instant::now() + time;
    while Instant::now() < over {
        std::hint::spin_loop();
    }
}

#[derive(Clone)]
struct Stage {
    orders: Community<Job, u64>,
    world: Arc<World>,
    versions: Arc<AtomicU64>,
    until: Instant,
}

impl Stage {
    fn goes_on(&self) -> bool {
        Instant::now() < self.until
    }

    fn pool(&self, workers: usize) -> Pool<Job, u64> {
        let world = Arc::clone(&self.world);
        let kept = if fastrand::bool() { millis(100) } else { Duration::ZERO };
        Pool::of(workers, move || Hand(Arc::clone(&world))).build("the build").keep_warm(kept)
    }

    /// A version that was deployed not long ago.
    fn recent(&self) -> String {
        self.versions.load(SeqCst).saturating_sub(fastrand::u64(..3)).max(1).to_string()
    }

    fn some_jobs() -> Whose {
        if fastrand::bool() {
            return Whose::tenant(fastrand::u8(..3).to_string());
        }
        Whose::key(fastrand::u64(..KEYS as u64))
    }

    async fn submit(&self, number: u64) -> Option<JobHandle<u64>> {
        let key = fastrand::usize(..KEYS * 2);
        let mut submit = self.orders.submit(Job { number, key }).tenant(fastrand::u8(..9).to_string());
        if key < KEYS {
            submit = submit.key(key as u64);
        }
        if fastrand::u8(..4) == 0 {
            submit = submit.delay(millis(4));
        }
        if fastrand::u8(..8) == 0 {
            submit = submit.deadline(millis(9));
        }
        if fastrand::u8(..6) == 0 {
            submit = submit.pin(self.recent());
        }
        submit.await.ok()
    }

    /// Sends until the time is over. Each handle that was got resolves.
    async fn send(self, sender: u64) {
        let mut waiting = Vec::new();
        let mut number = sender;
        while self.goes_on() {
            number += 4;
            let Some(handle) = self.submit(number).await else { continue };
            waiting.push(tokio::spawn(follow(handle)));
            if waiting.len() > 50 {
                for followed in waiting.drain(..) {
                    followed.await.unwrap();
                }
            }
        }
        for followed in waiting {
            followed.await.unwrap();
        }
    }

    async fn verbs(self) {
        let Self { orders, world, versions, .. } = &self;
        while self.goes_on() {
            tokio::time::sleep(millis(30)).await;
            match fastrand::u8(..20) {
                0..3 => {
                    let next = versions.load(SeqCst) + 1;
                    let deploy = orders.deploy(next.to_string(), self.pool(fastrand::usize(1..5)));
                    let deploy = if fastrand::bool() { deploy.share(fastrand::i32(1..100)) } else { deploy };
                    if deploy.await.is_ok() {
                        versions.store(next, SeqCst);
                    }
                }
                3 => drop(orders.rollback().await),
                4 => drop(orders.deploy(self.recent(), self.pool(3)).force().await),
                5 => drop(orders.scale(self.recent(), fastrand::usize(1..6)).await),
                6 => fault::kill_worker(orders),
                7 => fault::panic_pool(orders),
                8 => fault::panic_dispatcher(orders),
                9 => {
                    drop(
                        tokio::time::timeout(millis(20), orders.dead_letters().replay().into_future()).await,
                    );
                }
                10 => {
                    let replay = orders.dead_letters().replay().to(self.recent());
                    let _ = tokio::time::timeout(millis(20), replay.into_future()).await;
                }
                11 => {
                    orders.dead_letters().which(|_| fastrand::bool()).discard();
                }
                12 => drop(orders.ramp(self.recent(), fastrand::i32(..=100)).await),
                13 => drop(orders.promote(self.recent()).hand_back_after(millis(20)).await),
                14 => drop(orders.pin(Self::some_jobs(), self.recent()).lasting(millis(200)).await),
                15 => drop(orders.route(Self::some_jobs(), self.recent()).await),
                16 => drop(orders.move_waiting(self.recent(), self.recent()).await),
                17 => drop(orders.ramp(self.recent(), 100).in_flight(fastrand::u64(1..9)).await),
                18 => {
                    world.sick.store(versions.load(SeqCst), SeqCst);
                    for _ in 0..8 {
                        fault::kill_worker(orders);
                        tokio::time::sleep(millis(8)).await;
                    }
                }
                _ => world.sick.store(0, SeqCst),
            }
        }
        world.sick.store(0, SeqCst);
    }
}

/// Waits for the job, and cancels it now and then.
async fn follow(handle: JobHandle<u64>) {
    if fastrand::u8(..5) == 0 {
        if fastrand::bool() {
            tokio::time::sleep(millis(3)).await;
        }
        handle.cancel();
    }
    let outcome = tokio::time::timeout(TOO_LONG, handle).await.expect("every handle resolves");
    assert!(!matches!(outcome, Err(JobError::RuntimeGone | JobError::HandedBack)), "{outcome:?}");
}

async fn stage(until: Instant) -> (Ecosystem, Stage) {
    let (shop, world) = (Ecosystem::new("shop"), Arc::<World>::default());
    let overflowing = Arc::clone(&world);
    let orders = shop
        .community("orders")
        .mailbox(60)
        .dead_letters(40)
        .dead_letter_overflow(move |_| {
            overflowing.overflowed.fetch_add(1, SeqCst);
        })
        .timeout(Duration::from_millis(30))
        .heartbeat(HeartbeatPolicy::default().blocked(Duration::from_millis(25)))
        .restart(RestartPolicy::limit(3, TOO_LONG).delay_max(Duration::from_millis(20)))
        .retry(RetryPolicy::attempts(3).backoff(Duration::from_millis(2), Duration::from_millis(5)))
        .await
        .unwrap();
    let stage = Stage { orders, world, versions: Arc::new(AtomicU64::new(1)), until };
    stage.orders.deploy("1", stage.pool(3)).await.unwrap();
    (shop, stage)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_books_agree_whatever_happens_at_once() {
    hush();
    let seconds = env::var("SERAL_STRESS_SECONDS").ok().and_then(|value| value.parse().ok()).unwrap_or(5);
    let (shop, stage) = stage(Instant::now() + Duration::from_secs(seconds)).await;
    let senders: Vec<_> = (0..4).map(|sender| tokio::spawn(stage.clone().send(sender))).collect();
    tokio::spawn(stage.clone().verbs()).await.unwrap();
    for sender in senders {
        sender.await.unwrap();
    }
    let Stage { orders, world, .. } = stage;
    // Replayed letters have no handle to wait for.
    let is_at_rest = || {
        let view = orders.describe();
        let draining = view.versions.iter().any(|version| version.state == VersionState::Draining);
        !draining && view.running + view.waiting + view.fenced + view.delayed + view.in_transit == 0
    };
    let rest = async {
        while !is_at_rest() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(
        tokio::time::timeout(TOO_LONG, rest).await.is_ok(),
        "it does not come to rest: {}",
        orders.describe()
    );
    let view = orders.describe();
    assert_eq!(view.accounted(), view.admitted, "{view}");
    assert_eq!(view.overflowed, world.overflowed.load(SeqCst));
    assert_eq!(world.together.load(SeqCst), 0, "jobs of one key ran together");
    assert!(world.completed.lock().values().all(|times| *times == 1), "a job was done twice");
    assert!(view.done > 100, "{view}");
    let report = shop.shutdown(TOO_LONG).await;
    assert!(report.took < TOO_LONG / 2, "{report}");
    assert!(shop.heartbeats().is_empty(), "{:?}", shop.heartbeats());
}
