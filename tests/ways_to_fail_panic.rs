//! Attempts that are cut short: by a panic, a timeout, a kill, a deadline. Each is charged to its job and to no other, and told with its reason.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use seral::Event;
use seral::error::JobError;
use seral::prelude::*;
use seral_test::fault;

use crate::kit::hush;
use crate::kit::settle;
use crate::script::MINUTE;
use crate::script::Move;
use crate::script::Part;
use crate::script::SECOND;
use crate::script::Script;
use crate::script::assert_accounted;
use crate::script::at_once;
use crate::script::dead;
use crate::script::events_so_far;
use crate::script::failures;

const HOUR: Duration = Duration::from_secs(3600);

fn failed(attempts: u32, last: &str) -> Result<u64, JobError> {
    Err(JobError::Failed { attempts, last: last.to_owned() })
}

// ---- panics --------------------------------------------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failed_attempt_and_its_text_and_place_are_remembered() {
    hush();
    seral::panics::note_locations();
    let script = Script::new(|number, attempt| match (number, attempt) {
        (7, 1) => Move::Panic("told to panic"),
        (7, 2) => Move::Panic("told to panic again"),
        (7, _) => Move::Fail("told to fail".into()),
        _ => Move::Go,
    });
    let (_shop, orders) = script.open(2, at_once(3)).await;
    let mut handles = Vec::new();
    for number in 0..20 {
        handles.push(orders.submit(number).await.unwrap());
    }
    for (number, handle) in (0..).zip(handles) {
        let outcome = if number == 7 { failed(3, "told to fail") } else { Ok(number) };
        assert_eq!(handle.await, outcome);
        let attempts = if number == 7 { [1, 2, 3].as_slice() } else { &[1] };
        assert_eq!(script.attempts_at(number), attempts);
    }
    let history = &orders.dead_letters().list()[0].history;
    let texts: Vec<_> = history.iter().map(|failed| failed.chain.join(": ")).collect();
    assert_eq!(texts, ["panicked: told to panic", "panicked: told to panic again", "told to fail"]);
    for failed in &history[..2] {
        let place = failed.panicked_at.as_deref().unwrap();
        assert!(place.contains("script.rs:"), "{place}");
        assert!(failed.to_string().ends_with(place), "{failed}");
    }
    assert_eq!(history[2].panicked_at, None, "an error has no place");
    assert_eq!(dead(&orders), [7]);
    assert_accounted(&orders, 20);
}

#[tokio::test(start_paused = true)]
async fn a_panic_before_the_first_await_or_with_a_strange_payload_is_one_as_any_other() {
    hush();
    let shop = Ecosystem::new("shop");
    let orders = shop.community("orders").retry(at_once(2)).await.unwrap();
    let process = |number: u64, cx: JobContext| {
        // Not in the future: it is not even made.
        match (number, cx.attempt().get()) {
            (1 | 2, 1) => std::panic::panic_any("told to panic"),
            (3, _) => std::panic::resume_unwind(Box::new(17)),
            (4, _) => std::panic::resume_unwind(Box::new("told to panic as a string".to_owned())),
            _ => async move { Ok(number) },
        }
    };
    orders.deploy("1", Pool::of_fn(1, process)).await.unwrap();
    let mut handles = Vec::new();
    for number in 0..6 {
        handles.push(orders.submit(number).await.unwrap());
    }
    for (number, handle) in (0..).zip(handles) {
        let outcome = match number {
            3 => failed(2, "panicked: without a text"),
            4 => failed(2, "panicked: told to panic as a string"),
            _ => Ok(number),
        };
        assert_eq!(handle.await, outcome);
    }
    let mut dead = dead(&orders);
    dead.sort_unstable();
    assert_eq!(dead, [3, 4]);
    assert_eq!(orders.describe().faults, 6);
    assert_accounted(&orders, 6);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_what_a_timed_out_job_leaves_behind_makes_the_worker_anew() {
    let script = Script::new(|number, attempt| match (number, attempt) {
        (1, 1 | 2) => Move::WaitInTrap(HOUR),
        (2, _) => Move::WaitInTrap(HOUR),
        _ => Move::Go,
    });
    let (_shop, orders) = script.open(1, at_once(3)).await;
    let recovers = orders.submit(1).timeout(SECOND).await.unwrap();
    let dies = orders.submit(2).timeout(SECOND).await.unwrap();
    let good = orders.submit(3).await.unwrap();
    assert_eq!(good.await, Ok(3), "it does not wait behind them");
    assert_eq!(recovers.await, Ok(1));
    assert_eq!(dies.await, failed(3, "panicked: told to panic in a destructor"));
    assert_eq!((script.attempts_at(1), script.attempts_at(2)), (vec![1, 2, 3], vec![1, 2, 3]));
    settle().await;
    assert_eq!((script.times(Part::Start), script.times(Part::Drop)), (6, 5), "each panic costs a worker");
    assert_eq!(orders.describe().version("1").unwrap().workers, 1);
    assert_accounted(&orders, 3);
}

// ---- timeouts ------------------------------------------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn a_timeout_drops_the_attempt_charges_it_and_the_same_worker_goes_on() {
    let script = Script::new(|number, attempt| match (number, attempt) {
        (1, 1) => Move::Hang,
        (2, _) => Move::Wait(MINUTE),
        (3, _) => Move::Wait(SECOND * 2),
        _ => Move::Go,
    });
    let shop = Ecosystem::new("shop");
    let orders = shop.community("orders").retry(at_once(2)).timeout(SECOND * 10).await.unwrap();
    orders.deploy("1", script.pool(1)).await.unwrap();
    let outcomes = [Ok(1), failed(2, "timed out after 10s"), failed(2, "timed out after 1s"), Ok(4)];
    for (number, outcome) in (1..).zip(outcomes) {
        let submit = orders.submit(number);
        // Its own time goes over that of the community.
        let submit = if number == 3 { submit.timeout(SECOND) } else { submit };
        assert_eq!(submit.await.unwrap().await, outcome);
    }
    let begun: Vec<_> =
        script.begun().into_iter().map(|begun| (begun.number, begun.attempt, begun.at.as_secs())).collect();
    let expected = [(1, 1, 0), (1, 2, 10), (2, 1, 10), (2, 2, 20), (3, 1, 30), (3, 2, 31), (4, 1, 32)];
    assert_eq!(begun, expected);
    assert!(script.begun().iter().all(|begun| begun.worker == 1));
    assert_eq!((script.times(Part::Start), script.times(Part::Drop)), (1, 0), "the worker stays");
    assert_eq!(script.completed(), [1, 4]);
    assert_eq!(failures(&orders, 2), ["timed out after 10s", "timed out after 10s"]);
    assert_accounted(&orders, 4);
}

// ---- deadlines -----------------------------------------------------------------------------------------------------

/// Behind a busy worker, behind its key, as a delayed job, and as one that waits for its second attempt.
#[tokio::test(start_paused = true)]
async fn a_job_whose_deadline_passes_while_it_waits_is_expired_then_and_not_started() {
    let script = Script::new(|number, attempt| match (number, attempt) {
        (1, _) => Move::Wait(MINUTE),
        (5, 1) => Move::Fail(Fault::retry_after(MINUTE, "told to fail")),
        _ => Move::Go,
    });
    let (_shop, orders) = script.open(1, at_once(3)).await;
    let retried = orders.submit(5).deadline(SECOND * 4).await.unwrap();
    settle().await;
    let busy = orders.submit(1).key("k").await.unwrap();
    settle().await;
    let mut handles = Vec::new();
    handles.push((2, orders.submit(2).deadline(SECOND).await.unwrap()));
    handles.push((3, orders.submit(3).key("k").deadline(SECOND * 2).await.unwrap()));
    handles.push((4, orders.submit(4).delay(HOUR).deadline(SECOND * 3).await.unwrap()));
    handles.push((5, retried));
    let behind = orders.submit(6).key("k").await.unwrap();
    let began = tokio::time::Instant::now();
    for (number, handle) in handles {
        assert_eq!(handle.await, Err(JobError::Expired), "job {number}");
        assert_eq!(began.elapsed().as_secs(), number - 1, "job {number}");
        assert_eq!(script.attempts_at(number).len(), usize::from(number == 5), "job {number}");
    }
    assert_eq!((busy.await, behind.await), (Ok(1), Ok(6)));
    let view = orders.describe();
    assert_eq!((view.expired, view.done, view.delayed, view.fenced), (4, 2, 0, 0), "{view}");
    assert_accounted(&orders, 6);
}

// ---- kills ---------------------------------------------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn a_job_is_charged_an_attempt_for_each_kill_and_three_kills_make_it_a_dead_letter() {
    let script = Script::new(|number, attempt| match (number, attempt) {
        (1, 1) | (2, _) => Move::Hang,
        _ => Move::Go,
    });
    let (_shop, orders) = script.open(1, at_once(3)).await;
    let mut events = orders.events();
    let once = orders.submit(1).await.unwrap();
    settle().await;
    fault::kill_worker(&orders);
    assert_eq!(once.await, Ok(1));
    let thrice = orders.submit(2).key("k").await.unwrap();
    let behind = orders.submit(3).key("k").await.unwrap();
    for attempt in 1..=3 {
        while script.attempts_at(2).len() < attempt {
            tokio::time::sleep(SECOND).await;
        }
        fault::kill_worker(&orders);
    }
    assert_eq!(thrice.await, failed(3, "the worker was lost"));
    assert_eq!(behind.await, Ok(3));
    assert_eq!((script.attempts_at(1), script.attempts_at(2)), (vec![1, 2], vec![1, 2, 3]));
    assert_eq!(failures(&orders, 2), ["the worker was lost"; 3]);
    let told = events_so_far(&mut events).await;
    let lost = told.iter().filter(|event| matches!(event, Event::WorkerFailed { .. })).count();
    let left = told.iter().filter(|event| matches!(event, Event::WorkerLeft { .. })).count();
    assert_eq!((lost, left), (4, 4), "{told:?}");
    let workers = orders.heartbeats();
    assert_eq!((workers.len(), workers[0].restarts), (1, 4));
    assert_accounted(&orders, 3);
}

#[tokio::test(start_paused = true)]
async fn a_kill_of_an_idle_worker_charges_nobody() {
    let script = Script::new(|_, _| Move::Go);
    let (shop, orders) = script.open(1, at_once(1)).await;
    for number in 0..10 {
        fault::kill_worker(&orders);
        assert_eq!(orders.ask(number).await.unwrap(), number);
        settle().await;
    }
    assert_eq!(script.completed(), (0..10).collect::<Vec<_>>());
    assert_accounted(&orders, 10);
    assert!(shop.shutdown(MINUTE).await.is_clean());
}

/// The job's future is dropped with the worker, and panics as it is.
#[tokio::test(start_paused = true)]
async fn a_panic_in_what_a_killed_job_leaves_behind_loses_neither_job_nor_worker() {
    let kills = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&kills);
    let script = Script::new(move |number, _| match number {
        0 if counter.fetch_add(1, Relaxed) < 2 => Move::WaitInTrap(HOUR),
        _ => Move::Go,
    });
    let (shop, orders) = script.open(1, at_once(3)).await;
    let mut handles = Vec::new();
    for number in 0..20 {
        handles.push(orders.submit(number).await.unwrap());
    }
    for attempt in 1..=2 {
        while script.attempts_at(0).len() < attempt {
            tokio::time::sleep(SECOND).await;
        }
        fault::kill_worker(&orders);
    }
    for (number, handle) in (0..).zip(handles) {
        assert_eq!(handle.await, Ok(number));
        let attempts = if number == 0 { [1, 2, 3].as_slice() } else { &[1] };
        assert_eq!(script.attempts_at(number), attempts);
    }
    settle().await;
    assert_eq!(orders.describe().version("1").unwrap().workers, 1);
    assert_accounted(&orders, 20);
    assert!(shop.shutdown(MINUTE).await.is_clean());
}
