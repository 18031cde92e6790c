//! The same as `simulation`, on four threads and real time: here the races are real. Sets of numbers are compared, not totals.
//!
//! `SERAL_STRESS_SECONDS=60` goes on for longer.

use std::collections::BTreeSet;
use std::env;
use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use fastrand::Rng;
use parking_lot::Mutex;
use seral::error::JobError;
use seral::prelude::*;
use seral_test::fault;

use crate::kit::hush;

type Numbers = Arc<Mutex<BTreeSet<u64>>>;

/// Fails now and then, waits now and then, and notes what it completed. Panics if it completes something twice.
fn pool(completed: &Numbers, workers: usize, build: u64) -> Pool<u64, u64> {
    let completed = Arc::clone(completed);
    let process = move |number: u64, cx: JobContext| {
        let completed = Arc::clone(&completed);
        async move {
            let mut rng = Rng::with_seed(number ^ u64::from(cx.attempt().get()) << 60);
            match rng.u8(..100) {
                0 if cx.attempt().get() < 3 => std::panic::panic_any("told to panic"),
                1 if cx.attempt().get() < 3 => Err("told to fail")?,
                2 if cx.attempt().get() < 3 => {
                    return Err(Fault::retry_after(
                        Duration::from_millis(rng.u64(1..5)),
                        "told to come back",
                    ));
                }
                3..6 => tokio::time::sleep(Duration::from_millis(rng.u64(1..3))).await,
                6..20 => tokio::task::yield_now().await,
                _ => {}
            }
            assert!(completed.lock().insert(number), "job {number} was completed twice");
            Ok(number)
        }
    };
    Pool::of_fn(workers, process).build(build.to_string())
}

/// Sends until the time is up; returns what was admitted, and what came to an output or to a dead letter.
async fn send(
    orders: Community<u64, u64>,
    sender: u64,
    until: Instant,
) -> (BTreeSet<u64>, BTreeSet<u64>, BTreeSet<u64>) {
    let mut rng = Rng::with_seed(sender);
    let (mut admitted, mut done, mut dead) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut handles = Vec::new();
    let mut number = sender;
    while Instant::now() < until {
        number += 4;
        let submit = orders.submit(number);
        let submit = match rng.u8(..10) {
            0..3 => submit.key(rng.u64(..50)),
            3 => submit.delay(Duration::from_millis(rng.u64(1..20))),
            _ => submit,
        };
        let handle = if rng.u8(..20) == 0 {
            // Given up at its first wait.
            match tokio::time::timeout(Duration::ZERO, submit.into_future()).await {
                Ok(handle) => handle,
                Err(_) => continue,
            }
        } else {
            submit.await
        };
        let handle = handle.unwrap();
        if rng.u8(..4) == 0 {
            // As its time comes, as it is tried again, or not at all.
            orders.run_now(handle.id());
        }
        admitted.insert(number);
        handles.push((number, handle));
        if handles.len() > 500 {
            for (number, handle) in handles.drain(..) {
                note(number, handle.await, &mut done, &mut dead);
            }
        }
    }
    for (number, handle) in handles {
        note(number, handle.await, &mut done, &mut dead);
    }
    (admitted, done, dead)
}

fn note(number: u64, outcome: Result<u64, JobError>, done: &mut BTreeSet<u64>, dead: &mut BTreeSet<u64>) {
    match outcome {
        Ok(output) => assert!(output == number && done.insert(number)),
        // Three kills of its worker in a row, or a pool that panicked each time.
        Err(JobError::Failed { .. }) => assert!(dead.insert(number)),
        Err(lost) => panic!("job {number}: {lost}"),
    }
}

async fn verbs(orders: Community<u64, u64>, completed: Numbers, until: Instant) -> u64 {
    let mut rng = Rng::with_seed(7);
    let mut version = 1;
    while Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(rng.u64(..10))).await;
        match rng.u8(..10) {
            0..4 => {
                version += 1;
                let workers = rng.usize(1..6);
                let _ = orders.deploy(version.to_string(), pool(&completed, workers, version)).await;
            }
            4 => drop(orders.rollback().await),
            5 => {
                let recent = rng.u64(version.saturating_sub(2).max(1)..=version).to_string();
                match rng.u8(..6) {
                    0..3 => drop(orders.ramp(recent, i32::from(rng.u8(..=100))).await),
                    3 => drop(orders.promote(recent).await),
                    4 => drop(orders.drain(recent).await),
                    _ => drop(orders.abort().await),
                }
            }
            6 => drop(orders.scale(version.to_string(), rng.usize(1..8)).await),
            7 => fault::kill_worker(&orders),
            8 => fault::panic_dispatcher(&orders),
            _ => fault::panic_pool(&orders),
        }
    }
    version
}

/// Rollout I1.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_job_is_lost_or_done_twice_under_real_races() {
    hush();
    let seconds = env::var("SERAL_STRESS_SECONDS").ok().and_then(|value| value.parse().ok()).unwrap_or(5);
    let until = Instant::now() + Duration::from_secs(seconds);
    let completed = Numbers::default();
    let shop = Ecosystem::new("shop");
    let orders = shop.community("orders").mailbox(100).hand_back(|_| async {}).await.unwrap();
    orders.deploy("1", pool(&completed, 4, 1)).await.unwrap();
    let senders: Vec<_> = (0..4).map(|sender| tokio::spawn(send(orders.clone(), sender, until))).collect();
    let verbs = tokio::spawn(verbs(orders.clone(), Arc::clone(&completed), until));

    let (mut admitted, mut done, mut dead) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for sender in senders {
        let sent = sender.await.unwrap();
        admitted.extend(sent.0);
        done.extend(sent.1);
        dead.extend(sent.2);
    }
    assert!(verbs.await.unwrap() > 10, "versions succeeded one another");
    let report = shop.shutdown(Duration::from_secs(20)).await;
    assert!(report.is_clean(), "{report}");
    let lost: Vec<_> =
        admitted.iter().filter(|number| !done.contains(number) && !dead.contains(number)).collect();
    assert!(lost.is_empty(), "lost {lost:?}");
    assert_eq!(*completed.lock(), done, "what workers completed is what senders heard of");
    assert!(done.is_disjoint(&dead));
    assert!(done.len() > 1_000, "only {} jobs were done", done.len());
    let view = orders.describe();
    assert_eq!(view.accounted(), view.admitted, "{view}");
    assert_eq!(view.admitted, admitted.len() as u64, "{view}");
}
