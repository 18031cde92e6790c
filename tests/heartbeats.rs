//! Anybody can see how each worker is, and its final beat says what it did. Time is real here: the watcher is a thread of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use seral::Condition;
use seral::Event;
use seral::Events;
use seral::HeartbeatPolicy;
use seral::WorkerId;
use seral::prelude::*;
use seral::view::WorkerState;
use tokio::sync::Semaphore;

const MINUTE: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_millis(60);

/// The next change of a worker's condition.
async fn next_condition(events: &mut Events) -> (Condition, Condition, Option<u64>) {
    loop {
        if let Event::WorkerCondition { before, condition, job, after, .. } = events.next().await.unwrap() {
            assert!(after >= SOON, "after {after:?}");
            return (before, condition, job.map(seral::JobId::get));
        }
    }
}

/// Waits for the gate in `process`, or in `optimize` if it is told to.
struct Waiter {
    gate: Arc<Semaphore>,
    in_optimize: bool,
}

impl Worker for Waiter {
    type Job = u32;
    type Output = u32;

    async fn process(&mut self, job: &u32, _: &JobContext) -> Result<u32, Fault> {
        if !self.in_optimize {
            self.gate.acquire().await?.forget();
        }
        Ok(*job)
    }

    async fn optimize(&mut self, _: &Cycle) {
        if self.in_optimize {
            self.gate.acquire().await.unwrap().forget();
        }
    }
}

async fn waiters(in_optimize: bool) -> (Ecosystem, Community<u32, u32>, Arc<Semaphore>) {
    let shop = Ecosystem::new("shop");
    let soon = HeartbeatPolicy::default().late(SOON).long(SOON);
    let orders = shop.community::<u32, u32>("orders").heartbeat(soon).await.unwrap();
    let gate = Arc::new(Semaphore::new(0));
    let opened = Arc::clone(&gate);
    let pool = Pool::of(1, move || Waiter { gate: Arc::clone(&opened), in_optimize });
    orders.deploy("1", pool).await.unwrap();
    (shop, orders, gate)
}

#[tokio::test]
async fn a_job_over_its_expected_time_is_reported_once_and_so_is_its_end() {
    let (shop, orders, gate) = waiters(false).await;
    let mut events = orders.events();
    let handle = orders.submit(1).await.unwrap();
    let id = handle.id().get();
    assert_eq!(next_condition(&mut events).await, (Condition::Well, Condition::Long, Some(id)));
    let worker = orders.heartbeats().remove(0);
    assert_eq!((worker.condition, worker.job), (Condition::Long, Some(id)));
    assert!(worker.job_for >= SOON, "{worker:?}");
    assert!(orders.describe().to_string().contains("Long  job 1 for"), "{}", orders.describe());
    gate.add_permits(1);
    assert_eq!(handle.await, Ok(1));
    assert_eq!(next_condition(&mut events).await, (Condition::Long, Condition::Well, Some(id)));
    assert!(shop.shutdown(MINUTE).await.is_clean());
}

#[tokio::test]
async fn a_job_that_waits_blocks_nobody_however_long_it_waits() {
    let shop = Ecosystem::new("shop");
    let soon = HeartbeatPolicy::default().blocked(SOON);
    let orders = shop.community::<u32, u32>("orders").heartbeat(soon).await.unwrap();
    let gate = Arc::new(Semaphore::new(0));
    let opened = Arc::clone(&gate);
    let pool = Pool::of(1, move || Waiter { gate: Arc::clone(&opened), in_optimize: false });
    orders.deploy("1", pool).await.unwrap();
    let mut events = orders.events();
    let handle = orders.submit(1).await.unwrap();
    let nothing = tokio::time::timeout(SOON * 5, next_condition(&mut events)).await;
    assert!(nothing.is_err(), "a worker that waits is {nothing:?}");
    gate.add_permits(1);
    assert_eq!(handle.await, Ok(1));
    assert_eq!(orders.heartbeats().len(), 1);
}

#[tokio::test]
async fn a_worker_that_does_not_come_back_for_jobs_is_late_and_an_idle_one_never_is() {
    let (shop, orders, gate) = waiters(true).await;
    let mut events = orders.events();
    orders.ask(1).await.unwrap();
    assert_eq!(next_condition(&mut events).await, (Condition::Well, Condition::Late, None));
    gate.add_permits(1);
    assert_eq!(next_condition(&mut events).await, (Condition::Late, Condition::Well, None));
    let nothing = tokio::time::timeout(SOON * 5, next_condition(&mut events)).await;
    assert!(nothing.is_err(), "an idle worker is {nothing:?}");
    let worker = orders.heartbeats().remove(0);
    assert_eq!((worker.condition, worker.silent_for), (Condition::Well, Duration::ZERO));
    gate.add_permits(10);
    assert!(shop.shutdown(MINUTE).await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn the_directory_has_each_worker_of_each_community_with_its_counts() {
    let shop = Ecosystem::new("shop");
    let at_once = RetryPolicy::attempts(1);
    let orders = shop.community::<u32, u32>("orders").retry(at_once).await.unwrap();
    let mail = shop.community::<u32, u32>("mail").await.unwrap();
    let process = |number, _| async move { if number == 3 { Err("no")? } else { Ok(number) } };
    orders.deploy("1", Pool::of_fn(1, process)).await.unwrap();
    mail.deploy("7", Pool::of_fn(2, process)).await.unwrap();
    for number in 0..5 {
        drop(orders.ask(number).await);
    }
    crate::kit::settle().await;
    let beats = shop.heartbeats();
    let seen: Vec<_> = beats.iter().map(|it| (&*it.community, &*it.version, it.id)).collect();
    assert_eq!(seen, [("orders", "1", 1), ("mail", "7", 1), ("mail", "7", 2)]);
    assert_eq!((beats[0].done, beats[0].faults, beats[0].job), (4, 1, None));
    assert_eq!((beats[0].state, beats[0].restarts), (WorkerState::Running, 0));
    assert!(beats[0].beats >= 5 && beats[0].batch >= 1, "{:?}", beats[0]);
    assert_eq!(orders.worker(WorkerId::new(1)), Some(beats[0].clone()));
    assert_eq!(orders.worker(WorkerId::new(9)), None);
    shop.shutdown(MINUTE).await;
    assert!(shop.heartbeats().is_empty());
}

/// Workers that fail, panic, are scaled, replaced and shut down: the counts of their final beats add up to those of the community.
/// Rollout I15.
#[tokio::test(start_paused = true)]
async fn the_final_beats_of_all_workers_add_up_to_what_was_done() {
    crate::kit::hush();
    let shop = Ecosystem::new("shop");
    let at_once = RetryPolicy::attempts(3).backoff(Duration::ZERO, Duration::ZERO);
    let orders = shop.community::<u32, u32>("orders").retry(at_once).await.unwrap();
    let mut events = shop.events();
    let process = |number: u32, cx: JobContext| async move {
        match number % 10 {
            1 if cx.attempt().get() == 1 => std::panic::panic_any("told to panic"),
            2 => Err("told to fail")?,
            _ => Ok(number),
        }
    };
    orders.deploy("1", Pool::of_fn(3, process)).await.unwrap();
    orders.send_all(&mut (0..100)).await.unwrap();
    orders.scale("1", 1).await.unwrap();
    orders.deploy("2", Pool::of_fn(2, process).build("2")).await.unwrap();
    orders.send_all(&mut (100..200)).await.unwrap();
    orders.drained("1").await.unwrap();
    shop.shutdown(MINUTE).await;
    let (mut done, mut faults, mut lives) = (0, 0, BTreeMap::new());
    while let Ok(Some(event)) = tokio::time::timeout(Duration::from_millis(1), events.next()).await {
        match event {
            Event::WorkerLeft { worker } => {
                done += worker.done;
                faults += worker.faults;
                *lives.entry((worker.version, worker.id)).or_insert(0) += 1;
                assert_eq!(worker.job, None);
            }
            Event::Missed(missed) => panic!("{missed} events were missed"),
            _ => {}
        }
    }
    let view = orders.describe();
    assert_eq!((done, faults), (view.done, view.faults), "{lives:?}");
    assert_eq!((view.done, view.dead + view.handed_back), (180, 20), "{view}");
    assert!(lives.len() >= 5, "{lives:?}");
}
