//! Promise 4: jobs of one key start in the order of admission, one at a time, whatever happens to versions and workers.
//!
//! Seen failing: a job that does not pass the fence; a final job that keeps its key; a fenced job that stays counted; a worker that is dropped with
//! the job in its hand.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use seral::prelude::*;
use seral_test::fault;

use crate::kit::Act;
use crate::kit::community;
use crate::kit::end_if_it_hangs;
use crate::kit::hush;
use crate::kit::job;

const MINUTE: Duration = Duration::from_secs(60);

/// What was started and not ended, and what was started so far, for each key.
#[derive(Default)]
struct Keys {
    running: BTreeMap<u64, u64>,
    started: BTreeMap<u64, Vec<u64>>,
    together: Vec<(u64, u64)>,
}

fn pool(keys: &Arc<Mutex<Keys>>, build: &str) -> Pool<(u64, u64), ()> {
    let keys = Arc::clone(keys);
    let process = move |(key, number): (u64, u64), cx: JobContext| {
        let keys = Arc::clone(&keys);
        async move {
            {
                let mut keys = keys.lock();
                if let Some(other) = keys.running.insert(key, number) {
                    keys.together.push((other, number));
                }
                let started = keys.started.entry(key).or_default();
                // A job that is tried again is started again, and none of its key in between.
                if started.last() != Some(&number) {
                    started.push(number);
                }
            }
            let running = Running { keys: Arc::clone(&keys), key };
            tokio::task::yield_now().await;
            if number % 7 == 0 && cx.attempt().get() == 1 {
                std::panic::panic_any("told to panic");
            }
            drop(running);
            Ok(())
        }
    };
    Pool::of_fn(4, process).build(build)
}

/// Ends with the attempt, however that ends.
struct Running {
    keys: Arc<Mutex<Keys>>,
    key: u64,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.keys.lock().running.remove(&self.key);
    }
}

async fn jobs_of_a_key_start_in_order(threads: &str) {
    hush();
    end_if_it_hangs();
    let keys = Arc::new(Mutex::new(Keys::default()));
    let shop = Ecosystem::new("shop");
    let orders = shop.community::<(u64, u64), ()>("orders").mailbox(64).await.unwrap();
    orders.deploy("1", pool(&keys, "1")).await.unwrap();
    let verbs = {
        let (orders, keys) = (orders.clone(), Arc::clone(&keys));
        tokio::spawn(async move {
            for round in 2..12 {
                tokio::task::yield_now().await;
                orders.deploy(round.to_string(), pool(&keys, &round.to_string())).await.unwrap();
                if round % 3 == 0 {
                    orders.rollback().await.unwrap();
                }
                fault::kill_worker(&orders);
                if round % 4 == 0 {
                    fault::panic_pool(&orders);
                }
            }
        })
    };
    for number in 0..2_000_u64 {
        drop(orders.submit((number % 10, number)).key(number % 10).await.unwrap());
    }
    verbs.await.unwrap();
    let report = shop.shutdown(MINUTE).await;
    assert!(report.is_clean(), "{threads}: {report}\n{}", orders.describe());
    let keys = keys.lock();
    assert_eq!(keys.together, [], "two jobs of one key ran at once");
    for (key, started) in &keys.started {
        let expected: Vec<u64> = (0..2_000).filter(|number| number % 10 == *key).collect();
        assert_eq!(*started, expected, "key {key}");
    }
    let view = orders.describe();
    assert_eq!(view.done + view.dead + view.handed_back, 2_000, "{view}");
}

/// Rollout I4, and §6, row 24: elsewhere the same key was alive twice while all came to its end.
#[tokio::test(start_paused = true)]
async fn jobs_of_a_key_start_in_order_on_one_thread() {
    jobs_of_a_key_start_in_order("one thread").await;
}

/// Rollout I4, and §6, row 24, with races.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn jobs_of_a_key_start_in_order_on_four_threads() {
    jobs_of_a_key_start_in_order("four threads").await;
}

#[tokio::test(start_paused = true)]
async fn a_key_is_held_through_a_snooze_and_a_delayed_job_takes_its_place_when_due() {
    let (shop, orders, floor) = community(4).await;
    let delayed = orders.submit(job(9, Act::Do)).key("k").delay(Duration::from_secs(10)).await.unwrap();
    let first = orders.submit(job(1, Act::SnoozeOnce)).key("k").await.unwrap();
    let second = orders.submit(job(2, Act::Do)).key("k").await.unwrap();
    let other = orders.submit(job(3, Act::Do)).key("other").await.unwrap();
    other.await.unwrap();
    assert_eq!(floor.numbers(), [1, 3], "the second waits behind the first, the other key does not");
    first.await.unwrap();
    second.await.unwrap();
    delayed.await.unwrap();
    assert_eq!(floor.numbers(), [1, 3, 1, 2, 9]);
    assert!(shop.shutdown(MINUTE).await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn jobs_behind_their_key_count_against_the_capacity() {
    let (floor, shop) = (crate::kit::Floor::new(), Ecosystem::new("shop"));
    let orders = shop.community("orders").mailbox(3).await.unwrap();
    orders.deploy("1.0.0", floor.pool(4)).await.unwrap();
    for number in 1..=4 {
        drop(orders.submit(job(number, Act::WaitForGate)).key("k").await.unwrap());
        crate::kit::settle().await;
    }
    let view = orders.describe();
    assert_eq!((view.running, view.fenced, view.waiting), (1, 3, 0));
    assert!(orders.try_send(job(5, Act::Do)).is_err(), "there is no room");
    floor.open(4);
    orders.send(job(5, Act::Do)).await.unwrap();
    assert!(shop.shutdown(MINUTE).await.is_clean());
    assert_eq!(orders.describe().done, 5);
}
