//! Random histories on paused time: sends of all kinds, deploys, rollbacks, canaries, pins, rules, moves, kept versions, drain deadlines, scalings, panics, timeouts, kills, workers that cannot start again,
//! cancelled sends and cancelled jobs, replays, and an end. Whatever happens, every admitted job comes to exactly one end (promise 1, by
//! numbers), and jobs of one key start in order (promise 4).
//!
//! `SERAL_SEEDS=10000` tries more histories, `SERAL_SEED=7` only one.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::env;
use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use parking_lot::Mutex;
use seral::Attempt;
use seral::FaultKind;
use seral::GuardPolicy;
use seral::JobHandle;
use seral::JobId;
use seral::Priority;
use seral::RestartPolicy;
use seral::Sign;
use seral::Verdict;
use seral::Whose;
use seral::error::JobError;
use seral::prelude::*;
use seral_test::Fate;
use seral_test::Ledger;
use seral_test::fault;

use crate::kit::end_if_it_hangs;
use crate::kit::hush;

const KEYS: u64 = 4;
const TENANTS: u64 = 3;
const MINUTE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug)]
struct Job {
    number: u64,
    key: Option<u64>,
    seed: u64,
}

/// What the workers saw, and what ails them.
#[derive(Default)]
struct Seen {
    completed: Vec<u64>,
    started_by_key: BTreeMap<u64, Vec<u64>>,
    /// Versions whose workers cannot start at the moment.
    sick: BTreeSet<u64>,
}

struct Hand {
    seen: Arc<Mutex<Seen>>,
}

impl Worker for Hand {
    type Job = Job;
    type Output = u64;

    async fn start(&mut self, cx: &StartContext) -> Result<(), Fault> {
        let version: u64 = cx.version().as_str().parse()?;
        if self.seen.lock().sick.contains(&version) { Err("told to be sick")? } else { Ok(()) }
    }

    async fn process(&mut self, job: &Job, cx: &JobContext) -> Result<u64, Fault> {
        process(&self.seen, *job, cx).await
    }

    fn retry(&self, fault: &Fault, attempt: Attempt) -> FaultKind {
        // Now and then, the worker wants more attempts than there are.
        if attempt.get().is_multiple_of(2) {
            FaultKind::RetryAfter(Duration::from_millis(70))
        } else {
            fault.kind()
        }
    }
}

struct World {
    rng: Rng,
    shop: Ecosystem,
    orders: Community<Job, u64>,
    seen: Arc<Mutex<Seen>>,
    ledger: Ledger,
    handles: Vec<(u64, JobHandle<u64>)>,
    replayed: BTreeSet<u64>,
    numbers: u64,
    versions: u64,
    admitted_by_key: BTreeMap<u64, Vec<u64>>,
}

/// What a worker does depends on the job's seed and the attempt alone.
async fn process(seen: &Mutex<Seen>, job: Job, cx: &JobContext) -> Result<u64, Fault> {
    if let Some(key) = job.key {
        let mut seen = seen.lock();
        let started = seen.started_by_key.entry(key).or_default();
        if started.last() != Some(&job.number) {
            started.push(job.number);
        }
    }
    let mut rng = Rng::with_seed(job.seed.wrapping_add(u64::from(cx.attempt().get())));
    match rng.u8(..10) {
        0..4 => {}
        4 => {
            tokio::time::sleep(Duration::from_millis(rng.u64(1..200))).await;
            if cx.is_draining() {
                return Err(Fault::snooze(Duration::ZERO));
            }
        }
        5..7 => tokio::time::sleep(Duration::from_millis(rng.u64(1..200))).await,
        _ => tokio::task::yield_now().await,
    }
    match rng.u8(..20) {
        0 => std::panic::panic_any("told to panic"),
        1 => Err("told to fail")?,
        2 => return Err(Fault::discard("told to discard")),
        3 => return Err(Fault::dead_letter("told to give up")),
        5 => return Err(Fault::cancelled("told to break off")),
        4 if cx.attempt().get() == 1 => {
            return Err(Fault::retry_after(Duration::from_millis(rng.u64(1..500)), "told to come back"));
        }
        _ => {}
    }
    seen.lock().completed.push(job.number);
    Ok(job.number)
}

fn verdict(seed: u64, step: usize) -> Verdict {
    match Rng::with_seed(seed.wrapping_add(step as u64)).u8(..8) {
        0 => Verdict::Fail("told to fail".to_owned()),
        1 => Verdict::Inconclusive("told not to know".to_owned()),
        2 => Verdict::Error("told not to measure".to_owned()),
        3 => std::panic::panic_any("told to panic"),
        _ => Verdict::Pass,
    }
}

impl World {
    async fn new(seed: u64) -> Self {
        end_if_it_hangs();
        let mut rng = Rng::with_seed(seed);
        let shop = Ecosystem::new("shop");
        let orders = shop
            .community("orders")
            .mailbox(rng.usize(1..20))
            .dead_letters(rng.usize(1..10))
            .retry(RetryPolicy::attempts(3).backoff(Duration::from_millis(rng.u64(..200)), MINUTE).seed(seed))
            .restart(RestartPolicy::limit(2, MINUTE))
            .hand_back(|_| async {})
            .await
            .unwrap();
        let mut world = Self {
            rng,
            shop,
            orders,
            seen: Arc::default(),
            ledger: Ledger::new(),
            handles: Vec::new(),
            replayed: BTreeSet::new(),
            numbers: 0,
            versions: 0,
            admitted_by_key: BTreeMap::new(),
        };
        world.deploy().await;
        world
    }

    async fn step(&mut self) {
        match self.rng.u8(..100) {
            0..60 => self.send().await,
            60..68 => tokio::time::advance(Duration::from_millis(self.rng.u64(1..100))).await,
            68..78 => {
                for _ in 0..self.rng.u8(1..30) {
                    tokio::task::yield_now().await;
                }
            }
            78..84 => self.deploy().await,
            84..86 => drop(self.orders.rollback().await),
            86..89 => self.ramp().await,
            89..91 => self.choose().await,
            91 => {
                let version = self.rng.u64(1..=self.versions).to_string();
                let _ = self.orders.scale(version, self.rng.usize(1..6)).await;
            }
            92..94 => fault::kill_worker(&self.orders),
            94 => fault::panic_pool(&self.orders),
            95 => fault::panic_dispatcher(&self.orders),
            96 => self.cancel(),
            97 => self.replay().await,
            _ => self.fall_ill_or_recover(),
        }
    }

    fn cancel(&mut self) {
        if !self.handles.is_empty() {
            let at = self.rng.usize(..self.handles.len());
            self.handles[at].1.cancel();
        }
    }

    /// Replays those without a key: one with a key would come after later ones of its key, as it should.
    async fn replay(&mut self) {
        let letters = self.orders.dead_letters().which(|letter| letter.key.is_none());
        letters.for_each(|letter| {
            self.replayed.insert(letter.job.number);
        });
        let patience = Duration::from_millis(self.rng.u64(..50));
        let replay = letters.replay().pace(self.rng.u32(10..1_000));
        let _ = tokio::time::timeout(patience, replay.into_future()).await;
    }

    /// Ties some jobs to a version, or no longer; moves some; lets a version go.
    async fn choose(&mut self) {
        let orders = &self.orders;
        let rng = &mut self.rng;
        let recent =
            |rng: &mut Rng, versions: u64| rng.u64(versions.saturating_sub(3).max(1)..=versions).to_string();
        let (version, other) = (recent(rng, self.versions), recent(rng, self.versions));
        let whose = match rng.u8(..4) {
            0 => Whose::job(JobId::new(rng.u64(1..=self.numbers.max(1)))),
            1 => Whose::key(rng.u64(..KEYS)),
            _ => Whose::tenant(rng.u64(..TENANTS).to_string()),
        };
        match rng.u8(..10) {
            0..3 => {
                let time = Duration::from_millis(rng.u64(1..2_000));
                drop(orders.pin(whose, version).lasting(time).await);
            }
            3 => drop(orders.pin(whose, version).forever().await),
            4 => drop(orders.unpin(whose).await),
            5 => drop(orders.route(whose, version).await),
            6 => drop(orders.unroute(whose).await),
            7 => drop(orders.retire(version).await),
            8 => drop(orders.move_waiting(version, other).await),
            _ => {
                // Given up in the middle, perhaps.
                let moving = orders.move_waiting(version, other).of(whose);
                let _ = tokio::time::timeout(Duration::ZERO, moving.into_future()).await;
            }
        }
    }

    /// Gives some version another place. Most verbs fit, as most that are known are there.
    async fn ramp(&mut self) {
        let orders = &self.orders;
        let version = self.rng.u64(self.versions.saturating_sub(3).max(1)..=self.versions).to_string();
        match self.rng.u8(..8) {
            0..2 => drop(orders.ramp(version, i32::from(self.rng.u8(..=100))).await),
            2 => drop(orders.ramp(version, 100).first(self.rng.u64(1..20)).await),
            3 => drop(orders.ramp(version, 100).in_flight(self.rng.u64(1..5)).await),
            4 => drop(
                orders.promote(version).hand_back_after(Duration::from_millis(self.rng.u64(..200))).await,
            ),
            5 => drop(orders.drain(version).await),
            6 => drop(orders.abort().await),
            _ => drop(orders.rollback().to(version).await),
        }
    }

    fn fall_ill_or_recover(&mut self) {
        let version = self.rng.u64(1..=self.versions);
        let mut seen = self.seen.lock();
        if !seen.sick.remove(&version) {
            seen.sick.insert(version);
        }
    }

    async fn deploy(&mut self) {
        let again = self.versions > 1 && self.rng.u8(..4) == 0;
        let version = if again { self.rng.u64(1..=self.versions) } else { self.versions + 1 };
        self.versions = self.versions.max(version);
        let seen = Arc::clone(&self.seen);
        let pool =
            Pool::of(self.rng.usize(1..5), move || Hand { seen: Arc::clone(&seen) }).build("the build");
        let kept = Duration::from_millis(self.rng.u64(..3) * self.rng.u64(1..500));
        let pool = pool.keep_warm(kept);
        let deploy = self.orders.deploy(version.to_string(), pool);
        let deploy = if self.rng.bool() { deploy.force() } else { deploy };
        let in_time = Duration::from_millis(self.rng.u64(..300));
        let deploy = if self.rng.bool() { deploy.hand_back_after(in_time) } else { deploy };
        // A guard as hasty as one may be, so that versions are condemned at any moment.
        let hasty = GuardPolicy::default().alpha(0.999).without(Sign::Timeouts).without(Sign::Slowness);
        let hasty = hasty.without(if self.rng.bool() { Sign::Errors } else { Sign::Panics });
        let deploy = if self.rng.bool() { deploy.guard(hasty) } else { deploy };
        let deploy = match self.rng.u8(..9) {
            0 => deploy.hold(),
            1 => deploy.share(i32::from(self.rng.u8(..=100))),
            2 => deploy.share_beside(i32::from(self.rng.u8(..=100))),
            4 => deploy.first(self.rng.u64(1..20)),
            5 => deploy.watch_for(Duration::from_millis(self.rng.u64(..500))),
            3 => {
                let seed = self.rng.u64(..);
                let ramp = deploy.ramp([20, 60]).lasting(Duration::from_millis(self.rng.u64(..300)), 1);
                let _ = ramp.gate(move |step| std::future::ready(verdict(seed, step.step))).await;
                return;
            }
            _ => deploy,
        };
        // A deploy may be interrupted by a dispatcher that was told to panic, or its version is sick.
        let _ = deploy.await;
    }

    async fn send(&mut self) {
        self.numbers += 1;
        let number = self.numbers;
        let key = (self.rng.u8(..3) == 0).then(|| self.rng.u64(..KEYS));
        let job = Job { number, key, seed: self.rng.u64(..) };
        let mut submit = self.orders.submit(job);
        if self.rng.bool() {
            submit = submit.tenant(self.rng.u64(..TENANTS).to_string());
        }
        if let Some(key) = key {
            submit = submit.key(key);
        }
        let mut delayed = false;
        match self.rng.u8(..10) {
            // A delayed job takes its place when it is due, so its order is not that of admission.
            0 if key.is_none() => {
                delayed = true;
                submit = submit.delay(Duration::from_millis(self.rng.u64(1..2_000)));
            }
            1 => submit = submit.deadline(Duration::from_millis(self.rng.u64(1..500))),
            2 => submit = submit.pin(self.rng.u64(1..=self.versions).to_string()),
            3 => submit = submit.priority(Priority::High),
            4 => submit = submit.priority(Priority::Low),
            5 => submit = submit.timeout(Duration::from_millis(self.rng.u64(1..200))),
            6 => submit = submit.retry(RetryPolicy::attempts(self.rng.u32(1..6))),
            _ => {}
        }
        // A send that is not admitted within this time is dropped.
        let patience = Duration::from_millis(self.rng.u64(..50));
        let Ok(Ok(handle)) = tokio::time::timeout(patience, submit.into_future()).await else { return };
        self.ledger.admitted(number);
        if let Some(key) = key.filter(|_| !delayed) {
            self.admitted_by_key.entry(key).or_default().push(number);
        }
        self.handles.push((number, handle));
    }

    async fn end(mut self, seed: u64) {
        let deadline = Duration::from_millis(self.rng.u64(..20_000));
        let report = self.shop.shutdown(deadline).await;
        assert!(report.is_clean(), "seed {seed}: {report}");
        let mut done = Vec::new();
        for (number, handle) in self.handles {
            let fate = match handle.await {
                Ok(output) => {
                    assert_eq!(output, number, "seed {seed}");
                    done.push(number);
                    Fate::Done
                }
                Err(JobError::Failed { .. }) => Fate::Dead,
                Err(JobError::Discarded { .. }) => Fate::Discarded,
                Err(JobError::Expired) => Fate::Expired,
                Err(JobError::HandedBack) => Fate::HandedBack,
                Err(JobError::Cancelled) => Fate::Cancelled,
                Err(lost) => panic!("seed {seed}: job {number}: {lost}"),
            };
            self.ledger.ended(number, fate);
        }
        let findings = self.ledger.audit();
        assert!(findings.is_clean(), "seed {seed}: {findings}");
        let seen = self.seen.lock();
        let mut completed = seen.completed.clone();
        completed.sort_unstable();
        done.sort_unstable();
        // A replayed job is one of which its sender heard that it had failed.
        assert!(completed.is_sorted_by(|a, b| a < b), "seed {seed}: completed twice");
        completed.retain(|number| !self.replayed.contains(number) || done.contains(number));
        assert_eq!(
            completed, done,
            "seed {seed}: what workers completed is what senders heard of, once each"
        );
        let view = self.orders.describe();
        assert_eq!(view.accounted(), view.admitted, "seed {seed}: {view}\n{view:?}");
        assert_eq!(view.admitted, self.ledger.len() as u64, "seed {seed}: {view}");
        for (key, started) in &seen.started_by_key {
            let admitted = self.admitted_by_key.get(key).cloned().unwrap_or_default();
            let expected: Vec<u64> = admitted.into_iter().filter(|number| started.contains(number)).collect();
            assert_eq!(*started, expected, "seed {seed}: key {key} out of order");
        }
    }
}

fn run(seed: u64) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut world = World::new(seed).await;
        for _ in 0..world.rng.u32(10..200) {
            world.step().await;
        }
        world.end(seed).await;
    });
}

/// Rollout I1.
#[test]
fn every_admitted_job_comes_to_one_end_whatever_happens() {
    hush();
    let number = |name| env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    match number("SERAL_SEED") {
        Some(seed) => run(seed),
        None => (0..number("SERAL_SEEDS").unwrap_or(1_000)).for_each(run),
    }
}
