//! Each way in which an attempt at a job can fail, and what becomes of the job. No other job is touched by it.
//!
//! How a worker can fail is in `ways_to_fail_worker`, a version in `ways_to_fail_version`, the runtime in `ways_to_fail_actor`.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use seral::Cause;
use seral::Event;
use seral::FaultKind;
use seral::error::JobError;
use seral::prelude::*;
use tokio::time::Instant;

use crate::script::MINUTE;
use crate::script::Move;
use crate::script::SECOND;
use crate::script::Script;
use crate::script::assert_accounted;
use crate::script::at_once;
use crate::script::dead;
use crate::script::events_so_far;
use crate::script::failures;

const HOUR: Duration = Duration::from_secs(3600);

/// Each timer is exact to the millisecond.
#[track_caller]
fn assert_seconds(found: &[Duration], expected: &[u64]) {
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (found, expected) in found.iter().zip(expected) {
        let expected = SECOND * u32::try_from(*expected).unwrap();
        assert!(
            (expected..expected + Duration::from_millis(10)).contains(found),
            "{found:?}, not {expected:?}"
        );
    }
}

fn failed(attempts: u32, last: &str) -> Result<u64, JobError> {
    Err(JobError::Failed { attempts, last: last.to_owned() })
}

// ---- errors --------------------------------------------------------------------------------------------------------

#[derive(Debug)]
struct Declined(std::num::ParseIntError);

impl std::fmt::Display for Declined {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the card was declined")
    }
}

impl std::error::Error for Declined {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_is_tried_again_up_to_the_limit_then_its_letter_tells_of_every_attempt() {
    let script = Script::new(|number, attempt| match (number, attempt) {
        (7, 1 | 3) => Move::Fail("x".parse::<u8>().map_err(Declined).or_retry_after(SECOND).unwrap_err()),
        (7, _) => Move::Fail(Fault::retry_after(SECOND, "the bank is closed")),
        _ => Move::Go,
    });
    let (_shop, orders) = script.open(1, RetryPolicy::attempts(4)).await;
    let mut events = orders.events();
    let job = orders.submit(7).key("k").await.unwrap();
    let id = job.id();
    let behind = orders.submit(8).key("k").await.unwrap();
    tokio::time::sleep(SECOND * 3 / 2).await;
    orders.deploy("2", script.pool(2)).await.unwrap();
    assert_eq!(job.await, failed(4, "the bank is closed"));
    assert_eq!(behind.await, Ok(8), "the next of its key goes on");

    let begun: Vec<_> = script.begun().into_iter().filter(|begun| begun.number == 7).collect();
    assert_eq!(begun.iter().map(|begun| begun.attempt).collect::<Vec<_>>(), [1, 2, 3, 4]);
    let letters = orders.dead_letters().list();
    assert_eq!((letters.len(), letters[0].id, letters[0].key.as_deref()), (1, id.get(), Some("k")));
    assert_eq!((letters[0].attempts, letters[0].cause), (4, Cause::AttemptsUsedUp));
    assert_eq!(
        (letters[0].reason.as_str(), letters[0].version.as_deref()),
        ("the bank is closed", Some("2"))
    );
    let history = &letters[0].history;
    assert_eq!(history.iter().map(|failed| failed.number).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(history.iter().map(|failed| &*failed.version).collect::<Vec<_>>(), ["1", "1", "2", "2"]);
    for (failed, begun) in history.iter().zip(&begun) {
        assert_eq!((failed.worker, &failed.version), (begun.worker, &begun.version));
        let declined = ["the card was declined", "invalid digit found in string"].as_slice();
        let expected = if failed.number % 2 == 1 { declined } else { &["the bank is closed"] };
        assert!(failed.chain.iter().eq(expected), "{failed:?}");
        assert_eq!(failed.panicked_at, None);
    }
    assert!(history.windows(2).all(|two| two[0].at < two[1].at), "{history:?}");

    let told = events_so_far(&mut events).await;
    let attempts = told.iter().filter_map(|event| match event {
        Event::AttemptFailed { job, attempt, .. } if *job == id => Some(attempt.get()),
        _ => None,
    });
    assert_eq!(attempts.collect::<Vec<_>>(), [1, 2, 3, 4]);
    let letters = told.iter().filter(|event| matches!(event, Event::DeadLettered { .. }));
    assert_eq!(letters.count(), 1);
    assert_eq!(orders.describe().faults, 4);
    assert_accounted(&orders, 2);
}

/// What a fault asks for, and what comes of it: how the job ends, its attempts, and their times in seconds.
#[tokio::test(start_paused = true)]
async fn each_kind_of_fault_does_what_it_says_and_no_more() {
    type Asks = fn() -> Fault;
    type Case = (Asks, Result<u64, JobError>, &'static [u32], &'static [u64]);
    let cases: [Case; 6] = [
        (|| Fault::retry("no"), failed(3, "no"), &[1, 2, 3], &[0, 0, 0]),
        (|| Fault::retry_after(HOUR, "no"), failed(3, "no"), &[1, 2, 3], &[0, 3600, 7200]),
        (|| Fault::discard("no"), Err(JobError::Discarded { why: "no".to_owned() }), &[1], &[0]),
        (|| Fault::dead_letter("no"), failed(1, "no"), &[1], &[0]),
        (|| Fault::cancelled("no"), Err(JobError::Cancelled), &[1], &[0]),
        (|| Fault::from("no"), failed(3, "no"), &[1, 2, 3], &[0, 0, 0]),
    ];
    for (fault, outcome, attempts, seconds) in cases {
        let script = Script::new(move |number, _| if number == 1 { Move::Fail(fault()) } else { Move::Go });
        let (_shop, orders) = script.open(1, at_once(3)).await;
        let job = orders.submit(1).await.unwrap();
        let good = orders.submit(2).await.unwrap();
        assert_eq!(job.await, outcome);
        assert_eq!(good.await, Ok(2));
        assert_eq!(script.attempts_at(1), attempts, "{outcome:?}");
        let begun = script.begun().into_iter().filter(|begun| begun.number == 1);
        assert_seconds(&begun.map(|begun| begun.at).collect::<Vec<_>>(), seconds);
        let view = orders.describe();
        let (dead_is, is) = (u64::from(matches!(outcome, Err(JobError::Failed { .. }))), u64::from);
        assert_eq!((view.dead, dead(&orders).len() as u64), (dead_is, dead_is), "{outcome:?}");
        assert_eq!(view.discarded, is(matches!(outcome, Err(JobError::Discarded { .. }))), "{outcome:?}");
        assert_eq!(view.cancelled, is(outcome == Err(JobError::Cancelled)), "{outcome:?}");
        let failed = if outcome == Err(JobError::Cancelled) { 0 } else { attempts.len() as u64 };
        assert_eq!((view.done, view.faults), (1, failed), "{outcome:?}");
        assert_accounted(&orders, 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_snoozed_job_is_charged_no_attempt_however_often() {
    let snoozes = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&snoozes);
    let script = Script::new(move |_, _| match counter.fetch_add(1, Relaxed) {
        0..50 => Move::Fail(Fault::snooze(MINUTE)),
        50 => Move::Fail("told to fail".into()),
        _ => Move::Go,
    });
    let (_shop, orders) = script.open(1, at_once(2)).await;
    let mut events = orders.events();
    assert_eq!(orders.submit(1).await.unwrap().await, Ok(1));
    assert_eq!(script.attempts_at(1), [vec![1; 51], vec![2]].concat());
    let times: Vec<_> = script.begun().into_iter().map(|begun| begun.at).collect();
    assert_seconds(&times[..2], &[0, 60]);
    assert!(times.windows(2).take(50).all(|two| two[1] >= two[0] + MINUTE), "{times:?}");
    assert_eq!(events_so_far(&mut events).await.len(), 1, "only the error is told as a failure");
    assert_eq!(orders.describe().faults, 1);
    assert_accounted(&orders, 1);
}

// ---- who decides ---------------------------------------------------------------------------------------------------

/// What the first attempt does and how it looks to the worker, what that makes of it, and what comes of that: outcome, attempts, seconds.
#[tokio::test(start_paused = true)]
async fn what_the_worker_says_in_retry_goes_over_what_the_fault_says() {
    use FaultKind::{Cancelled, DeadLetter, Discard, Retry, RetryAfter, Snooze};
    type Case = (fn() -> Move, &'static str, FaultKind, Result<u64, JobError>, &'static [u32], u64);
    let fails = || Move::Fail("no".into());
    let discarded = |why: &str| Err(JobError::Discarded { why: why.to_owned() });
    let late = "timed out after 5s";
    let cases: [Case; 11] = [
        (fails, "no", Discard, discarded("no"), &[1], 0),
        (fails, "no", DeadLetter, failed(1, "no"), &[1], 0),
        (fails, "no", Snooze(MINUTE), Ok(1), &[1, 1], 60),
        (fails, "no", Cancelled, Err(JobError::Cancelled), &[1], 0),
        (fails, "no", RetryAfter(MINUTE), Ok(1), &[1, 2], 60),
        (|| Move::Fail(Fault::dead_letter("no")), "no", Retry, Ok(1), &[1, 2], 0),
        (|| Move::Fail(Fault::discard("no")), "no", RetryAfter(MINUTE), Ok(1), &[1, 2], 60),
        (|| Move::Fail(Fault::snooze(MINUTE)), "snoozed", Discard, discarded("snoozed"), &[1], 0),
        (|| Move::Hang, late, Discard, discarded(late), &[1], 0),
        (|| Move::Hang, late, RetryAfter(MINUTE), Ok(1), &[1, 2], 65),
        (|| Move::Hang, late, Snooze(MINUTE), Ok(1), &[1, 1], 65),
    ];
    for (first, looks, says, outcome, attempts, seconds) in cases {
        let is_first = AtomicBool::new(true);
        let script = Script::new(move |_, _| if is_first.swap(false, Relaxed) { first() } else { Move::Go });
        let script = script.retrying(move |fault, attempt| {
            assert_eq!((fault.to_string().as_str(), attempt.get()), (looks, 1));
            says
        });
        let (_shop, orders) = script.open(1, at_once(3)).await;
        assert_eq!(orders.submit(1).timeout(SECOND * 5).await.unwrap().await, outcome, "{looks} {says:?}");
        assert_eq!(script.attempts_at(1), attempts, "{looks} {says:?}");
        assert_seconds(&[script.begun().pop().unwrap().at], &[seconds]);
        assert_accounted(&orders, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_attempts_are_made_than_the_policy_allows_whatever_the_worker_says() {
    for says in [FaultKind::Retry, FaultKind::RetryAfter(Duration::ZERO), FaultKind::RetryAfter(HOUR)] {
        let script = Script::new(|number, _| match number % 3 {
            0 => Move::Fail(Fault::dead_letter("no")),
            1 => Move::Fail(Fault::discard("no")),
            _ => Move::Wait(HOUR),
        });
        let script = script.retrying(move |_, _| says);
        let (_shop, orders) = script.open(2, at_once(3)).await;
        for number in 0..9 {
            let job = orders.submit(number).timeout(SECOND).await.unwrap();
            let last = if number % 3 == 2 { "timed out after 1s" } else { "no" };
            assert_eq!(job.await, failed(3, last), "{says:?}");
            assert_eq!(script.attempts_at(number), [1, 2, 3], "{says:?}");
        }
        assert_eq!(dead(&orders), (0..9).collect::<Vec<_>>());
        assert_accounted(&orders, 9);
    }
}

#[tokio::test(start_paused = true)]
async fn the_policy_of_a_job_goes_over_that_of_its_community() {
    let script = Script::new(|_, _| Move::Fail("told to fail".into()));
    let (_shop, orders) = script.open(1, at_once(5)).await;
    let patient = at_once(7).backoff(MINUTE, MINUTE).seed(1);
    for (number, policy, attempts) in
        [(1, None, 5), (2, Some(at_once(2)), 2), (3, Some(at_once(1)), 1), (4, Some(patient), 7)]
    {
        let submit = orders.submit(number);
        let submit = if let Some(policy) = policy { submit.retry(policy) } else { submit };
        let began = Instant::now();
        assert_eq!(submit.await.unwrap().await, failed(attempts, "told to fail"));
        assert_eq!(script.attempts_at(number), (1..=attempts).collect::<Vec<_>>());
        assert_eq!(failures(&orders, number).len(), attempts as usize);
        assert_eq!(began.elapsed() > SECOND, number == 4, "only the patient one pauses");
    }
    assert_accounted(&orders, 4);
}

#[tokio::test(start_paused = true)]
async fn no_attempt_begins_later_than_within_allows() {
    let script = Script::new(|_, _| Move::Fail(Fault::retry_after(SECOND * 3, "told to fail")));
    let (_shop, orders) = script.open(1, RetryPolicy::attempts(100).within(SECOND * 10)).await;
    assert_eq!(orders.submit(1).await.unwrap().await, failed(4, "told to fail"));
    assert_seconds(&script.begun().iter().map(|begun| begun.at).collect::<Vec<_>>(), &[0, 3, 6, 9]);
    let letters = orders.dead_letters().list();
    assert_eq!((letters[0].cause, letters[0].history.len()), (Cause::TimeUsedUp, 4));
    // What waits before its first attempt has all the time.
    let late = orders.submit(2).delay(MINUTE).await.unwrap();
    assert_eq!(late.await, failed(4, "told to fail"));
    assert_accounted(&orders, 2);
}
