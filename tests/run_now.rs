//! Delayed jobs that are run before their time; and with that, answers that are given later, in another order.
//!
//! Seen failing: another job that is taken instead; a version that goes on waiting for it; a place before
//! those that wait.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use seral::JobId;
use seral::prelude::*;

use crate::kit::Act;
use crate::kit::community;
use crate::kit::job;
use crate::kit::settle;

const HOUR: Duration = Duration::from_secs(3_600);
const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn a_delayed_job_runs_now_behind_those_that_wait_and_once() {
    let (shop, orders, floor) = community(1).await;
    let began = tokio::time::Instant::now();
    let delayed = orders.submit(job(1, Act::Do)).delay(HOUR).await.unwrap();
    let gate = orders.submit(job(2, Act::WaitForGate)).await.unwrap();
    settle().await;
    let waits = orders.submit(job(3, Act::Do)).await.unwrap();
    settle().await;
    assert!(orders.run_now(delayed.id()));
    assert_eq!(orders.describe().delayed, 0);
    for known in [&delayed, &gate, &waits] {
        assert!(!orders.run_now(known.id()), "it is not delayed");
    }
    assert!(!orders.run_now(JobId::new(4_711)), "there is no such job");
    floor.open(1);
    delayed.await.unwrap();
    assert_eq!(floor.numbers(), [2, 3, 1]);
    assert!(began.elapsed() < MINUTE);
    assert!(shop.shutdown(HOUR * 2).await.is_clean());
    assert_eq!(floor.numbers(), [2, 3, 1], "its time does not come as well");
}

#[tokio::test(start_paused = true)]
async fn a_retry_and_a_snooze_need_not_wait_either() {
    let (shop, orders, floor) = community(1).await;
    let began = tokio::time::Instant::now();
    let policy = RetryPolicy::attempts(3).backoff(HOUR, HOUR);
    let fails_once = orders.submit(job(1, Act::FailOnce)).retry(policy).await.unwrap();
    let snoozes = orders.submit(job(2, Act::SnoozeOnce)).await.unwrap();
    settle().await;
    assert_eq!(orders.describe().delayed, 2);
    assert!(orders.run_now(fails_once.id()) && orders.run_now(snoozes.id()));
    fails_once.await.unwrap();
    snoozes.await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(1));
    let attempts: Vec<_> = floor.record().iter().map(|entry| (entry.number, entry.attempt)).collect();
    assert_eq!(attempts, [(1, 1), (2, 1), (1, 2), (2, 1)]);
    assert!(shop.shutdown(MINUTE).await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_run_now_keeps_the_order_of_its_key() {
    let (shop, orders, floor) = community(4).await;
    let delayed = orders.submit(job(9, Act::Do)).key("k").delay(HOUR).await.unwrap();
    let first = orders.submit(job(1, Act::WaitForGate)).key("k").await.unwrap();
    let second = orders.submit(job(2, Act::Do)).key("k").await.unwrap();
    settle().await;
    assert!(orders.run_now(delayed.id()));
    settle().await;
    assert_eq!(floor.numbers(), [1], "it waits behind its key");
    floor.open(1);
    first.await.unwrap();
    second.await.unwrap();
    delayed.await.unwrap();
    assert_eq!(floor.numbers(), [1, 2, 9]);
    assert!(shop.shutdown(MINUTE).await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn a_version_that_waits_for_a_delayed_job_is_drained_when_that_has_run() {
    let (shop, orders, floor) = community(1).await;
    let delayed = orders.submit(job(1, Act::Do)).pin("1.0.0").delay(HOUR).await.unwrap();
    orders.deploy("2.0.0", floor.pool(1).build("2")).await.unwrap();
    assert!(orders.run_now(delayed.id()));
    orders.drained("1.0.0").await.unwrap();
    delayed.await.unwrap();
    assert_eq!(floor.record()[0].version, "1.0.0");
    assert!(shop.shutdown(MINUTE).await.is_clean());
}

/// One worker that answers when it can: the last that asked first.
#[tokio::test(start_paused = true)]
async fn answers_are_given_later_and_in_another_order() {
    #[derive(Clone, Copy)]
    enum Request {
        Ask,
        AnswerAll,
    }

    struct Later {
        own: Community<Request, u64>,
        open: bool,
        waiting: Vec<JobId>,
        answered: Arc<Mutex<Vec<u64>>>,
    }

    impl Worker for Later {
        type Job = Request;
        type Output = u64;

        async fn process(&mut self, request: &Request, cx: &JobContext) -> Result<u64, Fault> {
            match request {
                Request::Ask if !self.open => {
                    self.waiting.push(cx.id());
                    return Err(Fault::snooze(HOUR));
                }
                Request::Ask => self.answered.lock().push(cx.id().get()),
                Request::AnswerAll => {
                    self.open = true;
                    while let Some(job) = self.waiting.pop() {
                        assert!(self.own.run_now(job));
                    }
                }
            }
            Ok(cx.id().get())
        }
    }

    let shop = Ecosystem::new("shop");
    let later = shop.community("later").await.unwrap();
    let answered = Arc::new(Mutex::new(Vec::new()));
    let (own, notes) = (later.clone(), Arc::clone(&answered));
    let worker =
        move || Later { own: own.clone(), open: false, waiting: Vec::new(), answered: Arc::clone(&notes) };
    later.deploy("1.0.0", Pool::of(1, worker)).await.unwrap();
    let mut asked = Vec::new();
    for _ in 0..5 {
        asked.push(later.submit(Request::Ask).await.unwrap());
    }
    later.ask(Request::AnswerAll).await.unwrap();
    for handle in asked {
        let id = handle.id().get();
        assert_eq!(handle.await.unwrap(), id);
    }
    assert_eq!(*answered.lock(), [5, 4, 3, 2, 1]);
    assert_eq!(later.describe().faults, 0, "to wait is no failure");
    assert!(shop.shutdown(MINUTE).await.is_clean());
}
