//! What fails around the jobs: a pool, a dispatcher, a reader of events; and one poisonous job among a thousand good ones. The jobs do not notice.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use seral::Event;
use seral::JobHandle;
use seral::error::JobError;
use seral::prelude::*;
use seral_test::fault;

use crate::kit::settle;
use crate::script::MINUTE;
use crate::script::Move;
use crate::script::SECOND;
use crate::script::Script;
use crate::script::assert_accounted;
use crate::script::at_once;
use crate::script::dead;

async fn submit_all(
    orders: &Community<u64, u64>,
    numbers: std::ops::Range<u64>,
) -> Vec<(u64, JobHandle<u64>)> {
    let mut handles = Vec::new();
    for number in numbers {
        handles.push((number, orders.submit(number).await.unwrap()));
    }
    handles
}

// ---- one bad job ---------------------------------------------------------------------------------------------------

/// It comes first or in the middle, makes its worker panic, blocks its key for as long as it is tried, and there are pauses between its attempts.
#[tokio::test(start_paused = true)]
async fn a_poisonous_job_is_one_dead_letter_and_the_thousand_others_are_done_at_once() {
    for poison in [0, 500] {
        for policy in [at_once(3), RetryPolicy::attempts(3)] {
            let script = Script::new(move |number, _| match number {
                _ if number == poison => Move::Panic("told to panic"),
                number if number % 10 == 0 => Move::Wait(Duration::from_millis(1)),
                _ => Move::Go,
            });
            let (_shop, orders) = script.open(4, policy).await;
            let began = tokio::time::Instant::now();
            let mut handles = Vec::new();
            for number in 0..=1_000 {
                let submit = orders.submit(number);
                // The poison and those next to it are of one key.
                let submit = if number / 10 == poison / 10 { submit.key("k") } else { submit };
                handles.push((number, submit.await.unwrap()));
            }
            for (number, handle) in handles {
                let outcome = handle.await;
                if number == poison {
                    assert!(matches!(outcome, Err(JobError::Failed { attempts: 3, .. })), "{outcome:?}");
                } else {
                    assert_eq!(outcome, Ok(number));
                    assert_eq!(script.attempts_at(number), [1]);
                }
            }
            assert!(began.elapsed() < SECOND, "{:?}", began.elapsed());
            assert_eq!(script.attempts_at(poison), [1, 2, 3]);
            assert_eq!(dead(&orders), [poison]);
            let view = orders.describe();
            assert_eq!((view.done, view.faults, view.version("1").unwrap().workers), (1_000, 3, 4), "{view}");
            assert_accounted(&orders, 1_001);
        }
    }
}

// ---- actors --------------------------------------------------------------------------------------------------------

/// A pool that panics charges what is in hand; a dispatcher charges nothing. Retries, delayed jobs and jobs of a key are among those that wait.
#[tokio::test(start_paused = true)]
async fn pools_and_dispatchers_that_panic_among_retries_and_delayed_jobs_lose_and_repeat_none() {
    let script = Script::new(|number, attempt| match (number % 5, attempt) {
        (0, 1) => Move::Fail("told to fail".into()),
        (1, 1) => Move::Fail(Fault::retry_after(Duration::from_millis(100 + number), "told to fail")),
        (2, 1) => Move::Panic("told to panic"),
        (3, _) => Move::Wait(Duration::from_millis(5)),
        _ => Move::Go,
    });
    // With short pauses, since the time is one in which pools panic again and again.
    let policy = RetryPolicy::attempts(1_000).backoff(Duration::from_millis(10), Duration::from_millis(10));
    let (shop, orders) = script.open(4, policy).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let breaking = tokio::spawn({
        let (orders, is_over) = (orders.clone(), Arc::clone(&is_over));
        async move {
            for turn in 0_u64.. {
                tokio::time::sleep(Duration::from_millis(7)).await;
                if is_over.load(Relaxed) {
                    return turn;
                }
                match turn % 3 {
                    0 => fault::panic_pool(&orders),
                    _ => fault::panic_dispatcher(&orders),
                }
            }
            0
        }
    });
    let mut handles = Vec::new();
    for number in 0..1_000 {
        let submit = orders.submit(number);
        let submit = match number % 7 {
            0 => submit.delay(Duration::from_millis(1 + number % 977)),
            1 => submit.key(number % 3),
            2 => submit.pin("1"),
            _ => submit,
        };
        handles.push((number, submit.await.unwrap()));
    }
    for (number, handle) in handles {
        assert_eq!(handle.await, Ok(number));
    }
    is_over.store(true, Relaxed);
    assert!(breaking.await.unwrap() > 50, "they did panic");
    assert_eq!(script.completed(), (0..1_000).collect::<Vec<_>>(), "each is completed once");
    for number in 0..1_000 {
        let attempts = script.attempts_at(number);
        assert!(attempts.iter().copied().eq(1..=u32::try_from(attempts.len()).unwrap()), "{attempts:?}");
    }
    settle().await;
    assert_accounted(&orders, 1_000);
    assert_eq!(orders.describe().version("1").unwrap().workers, 4);
    assert!(shop.shutdown(MINUTE).await.is_clean());
}

/// All attempts are charged to the pool that panics: the job is set aside in the end, rather than tried for ever.
#[tokio::test(start_paused = true)]
async fn a_job_in_hand_of_pools_that_panic_is_charged_an_attempt_for_each() {
    let script = Script::new(|_, _| Move::Hang);
    let (_shop, orders) = script.open(2, at_once(3)).await;
    let handles = submit_all(&orders, 0..2).await;
    for attempt in 1..=3 {
        settle().await;
        assert_eq!(script.begun().len(), attempt * 2);
        fault::panic_pool(&orders);
    }
    for (_, handle) in handles {
        let lost = JobError::Failed { attempts: 3, last: "the worker was lost".to_owned() };
        assert_eq!(handle.await, Err(lost));
    }
    assert_accounted(&orders, 2);
}

// ---- readers of events ---------------------------------------------------------------------------------------------

/// A thousand jobs that fail three times each. Returns how long they took.
async fn a_thousand_fail(orders: &Community<u64, u64>) -> Duration {
    let began = tokio::time::Instant::now();
    for (_, handle) in submit_all(orders, 0..1_000).await {
        assert!(handle.await.is_err());
    }
    began.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_reader_of_events_that_is_slow_or_fails_slows_nobody_and_knows_what_it_missed() {
    let fails = |_, _| Move::WaitAndFail(Duration::from_millis(1));
    let (_shop, orders) = Script::new(fails).open(2, at_once(3)).await;
    let alone = a_thousand_fail(&orders).await;

    let (_shop, orders) = Script::new(fails).open(2, at_once(3)).await;
    let (mut slow, mut quick, mut panics) = (orders.events(), orders.events(), orders.events());
    drop(orders.events());
    let panicking = tokio::spawn(async move {
        let _ = panics.next().await;
        std::panic::panic_any("told to panic")
    });
    let reading = tokio::spawn(async move {
        let mut attempts = Vec::new();
        // Three attempts and a letter for each job.
        for _ in 0..4_000 {
            match quick.next().await.unwrap() {
                Event::AttemptFailed { job, attempt, .. } => attempts.push((job.get(), attempt.get())),
                Event::DeadLettered { .. } => {}
                event => panic!("{event:?}"),
            }
        }
        attempts
    });
    assert_eq!(a_thousand_fail(&orders).await, alone);
    let panicked: Result<(), _> = panicking.await;
    assert!(panicked.is_err());
    let mut attempts = reading.await.unwrap();
    attempts.sort_unstable();
    let all: Vec<_> = (1..=1_000).flat_map(|job| (1..=3).map(move |attempt| (job, attempt))).collect();
    assert_eq!(attempts, all, "who reads misses nothing");

    let Some(Event::Missed(missed)) = slow.next().await else { panic!("it missed nothing") };
    let mut read = 0;
    while let Ok(Some(event)) = tokio::time::timeout(SECOND, slow.next()).await {
        assert!(!matches!(event, Event::Missed(_)), "only once");
        read += 1;
    }
    assert_eq!(missed + read, 4_000);
    assert_accounted(&orders, 1_000);
}
