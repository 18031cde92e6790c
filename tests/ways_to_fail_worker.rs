//! Each part of a worker that can fail outside of its jobs: its factory, `start`, `retry`, `optimize`, `stop`, its destructor. No job pays for it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use seral::Event;
use seral::error::DeployError;
use seral::error::JobError;
use seral::prelude::*;
use seral::view::VersionState;
use seral_test::fault;

use crate::kit::settle;
use crate::kit::timeless;
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

/// Submits the jobs of these numbers, each third one with a key, and waits for their outputs.
async fn all_are_done(orders: &Community<u64, u64>, numbers: std::ops::Range<u64>) {
    let mut handles = Vec::new();
    for number in numbers.clone() {
        let submit = orders.submit(number);
        let submit = if number % 3 == 0 { submit.key("k") } else { submit };
        handles.push(submit.await.unwrap());
    }
    for (number, handle) in numbers.zip(handles) {
        assert_eq!(handle.await, Ok(number));
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_retry_leaves_the_decision_to_the_fault_and_makes_the_worker_anew() {
    let script = Script::new(|number, attempt| match (number, attempt) {
        (1, 1) => Move::Fail(Fault::retry_after(MINUTE, "told to fail")),
        (2, 1) => Move::Fail(Fault::discard("told to fail")),
        (3, 1) => Move::Fail(Fault::dead_letter("told to fail")),
        (4, 1) => Move::Fail(Fault::cancelled("told to fail")),
        (5, 1) => Move::Wait(MINUTE),
        _ => Move::Go,
    });
    let script = script.retrying(|_, _| std::panic::panic_any("told to panic in retry"));
    let (_shop, orders) = script.open(1, at_once(2)).await;
    let mut events = orders.events();
    let mut handles = Vec::new();
    for number in 0..10 {
        handles.push(orders.submit(number).timeout(SECOND).await.unwrap());
    }
    for (number, handle) in (0..).zip(handles) {
        let outcome = match number {
            2 => Err(JobError::Discarded { why: "told to fail".to_owned() }),
            3 => Err(JobError::Failed { attempts: 1, last: "told to fail".to_owned() }),
            4 => Err(JobError::Cancelled),
            _ => Ok(number),
        };
        assert_eq!(handle.await, outcome);
        let attempts = if number == 1 || number == 5 { [1, 2].as_slice() } else { &[1] };
        assert_eq!(script.attempts_at(number), attempts);
    }
    settle().await;
    assert_eq!((script.times(Part::Start), script.times(Part::Drop)), (6, 5));
    let told = events_so_far(&mut events).await;
    let says = |event: &&Event| event.to_string().contains("`retry` panicked: told to panic in retry");
    assert_eq!(told.iter().filter(says).count(), 5, "{told:?}");
    assert_eq!(failures(&orders, 3), ["told to fail"]);
    assert_accounted(&orders, 10);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_optimize_makes_the_worker_anew_and_no_job_pays() {
    let script = Script::new(|number, _| if number % 4 == 0 { Move::Wait(SECOND) } else { Move::Go });
    let script = script.living(|part, before| match part {
        Part::Optimize if before % 2 == 0 => Move::Panic("told to panic in optimize"),
        _ => Move::Go,
    });
    let (shop, orders) = script.open(2, at_once(1)).await;
    all_are_done(&orders, 0..100).await;
    assert_eq!(script.begun().len(), 100, "each is begun once");
    assert_eq!((script.completed().len(), orders.describe().faults), (100, 0));
    assert!(script.times(Part::Start) > 10, "it did panic");
    assert_accounted(&orders, 100);
    assert!(shop.shutdown(MINUTE).await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn a_panic_or_a_hang_in_stop_holds_up_no_drain_and_no_job() {
    let script = Script::new(|_, _| Move::Wait(SECOND));
    let script = script.living(|part, before| match (part, before) {
        (Part::Stop, 0) => Move::Hang,
        (Part::Stop, _) => Move::Panic("told to panic in stop"),
        _ => Move::Go,
    });
    let (shop, orders) = script.open(3, at_once(1)).await;
    all_are_done(&orders, 0..10).await;
    orders.scale("1", 2).await.unwrap();
    settle().await;
    all_are_done(&orders, 10..20).await;
    orders.deploy("2", script.pool(2)).await.unwrap();
    orders.drained("1").await.unwrap();
    all_are_done(&orders, 20..30).await;
    settle().await;
    assert_eq!(script.times(Part::Stop), 3, "no worker is stopped twice");
    assert_eq!(script.begun().len(), 30);
    assert_accounted(&orders, 30);
    let report = shop.shutdown(MINUTE).await;
    let still_there = report.communities[0].still_there;
    assert!(!report.is_clean() && still_there == 1 && report.took <= MINUTE + SECOND * 2, "{report}");
    assert_eq!(script.times(Part::Stop), 5);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_destructor_of_a_worker_is_its_own() {
    let script = Script::new(|number, attempt| match (number % 5, attempt) {
        (0, 1) => Move::Panic("told to panic"),
        (1, _) => Move::Wait(SECOND),
        _ => Move::Go,
    });
    let script = script.living(|part, _| match part {
        // Not where it is dropped by a panic: two at once end the process.
        Part::Drop if !std::thread::panicking() => Move::Panic("told to panic in a destructor"),
        _ => Move::Go,
    });
    let (shop, orders) = script.open(2, at_once(2)).await;
    all_are_done(&orders, 0..50).await;
    fault::kill_worker(&orders);
    all_are_done(&orders, 50..60).await;
    orders.deploy("2", script.pool(1)).await.unwrap();
    orders.drained("1").await.unwrap();
    settle().await;
    let view = orders.describe();
    assert_eq!(view.version("1").unwrap().state, VersionState::Retired, "{view}");
    assert_eq!(script.completed(), (0..60).collect::<Vec<_>>());
    assert!(script.times(Part::Drop) >= 13, "it did panic");
    assert_accounted(&orders, 60);
    assert!(shop.shutdown(MINUTE).await.is_clean());
}

// ---- starts --------------------------------------------------------------------------------------------------------

/// A worker that cannot be made or started fails the deploy, whichever of them it is, and nothing else has changed.
#[tokio::test(start_paused = true)]
async fn a_deploy_of_workers_that_cannot_start_fails_and_changes_nothing() {
    for part in [Part::Make, Part::Start] {
        for bad in [0, 2] {
            for fails in [true, false] {
                if fails && part == Part::Make {
                    continue; // A factory has no way to fail but to panic.
                }
                deploy_fails(part, bad, fails).await;
            }
        }
    }
}

async fn deploy_fails(part: Part, bad: usize, fails: bool) {
    let good = Script::new(|number, _| if number == 0 { Move::Wait(MINUTE) } else { Move::Go });
    let (_shop, orders) = good.open(1, at_once(1)).await;
    let busy = orders.submit(0).await.unwrap();
    settle().await;
    let waiting = orders.submit(1).await.unwrap();
    let before = orders.describe();
    let bad = Script::new(|_, _| Move::Go).living(move |played, before| match played {
        _ if (played, before) != (part, bad) => Move::Go,
        _ if fails => Move::Fail("told to fail".into()),
        _ => Move::Panic("told to panic"),
    });
    let refused = orders.deploy("2", bad.pool(3)).await.unwrap_err();
    let DeployError::Start { version, why } = refused else { panic!("{refused:?}") };
    assert_eq!(version.as_str(), "2");
    assert!(why.contains(if fails { "told to fail" } else { "told to panic" }), "{why}");
    settle().await;
    let after = orders.describe();
    assert_eq!(after.version("2").unwrap().state, VersionState::Failed);
    assert_eq!((after.version("2").unwrap().workers, &after.current), (0, &before.current));
    assert_eq!(timeless(&after, "1"), timeless(&before, "1"));
    assert_eq!((after.revision, after.admitted, after.running), (before.revision, 2, before.running));
    assert_eq!((busy.await, waiting.await), (Ok(0), Ok(1)));
    assert_eq!(orders.ask(2).await.unwrap(), 2);
    assert!(bad.begun().is_empty(), "no job came near it");
    assert!(good.begun().iter().all(|begun| begun.version == "1" && begun.attempt == 1));
    assert_accounted(&orders, 3);
}

/// Its only worker panics at its first job and cannot be made or started again for a minute.
#[tokio::test(start_paused = true)]
async fn a_worker_that_cannot_start_again_is_tried_with_growing_delays_and_its_jobs_wait() {
    for (part, fails) in [(Part::Make, false), (Part::Start, false), (Part::Start, true)] {
        let down = Arc::new(AtomicBool::new(false));
        let is_down = Arc::clone(&down);
        let script = Script::new(|number, attempt| match (number, attempt) {
            (0, 1) => Move::Panic("told to panic"),
            _ => Move::Go,
        });
        let script = script.living(move |played, _| match played {
            _ if played != part || !is_down.load(Relaxed) => Move::Go,
            _ if fails => Move::Fail("told to fail".into()),
            _ => Move::Panic("told to panic"),
        });
        let (_shop, orders) = script.open(1, at_once(2)).await;
        down.store(true, Relaxed);
        let mut handles = vec![(0, orders.submit(0).await.unwrap())];
        settle().await;
        for number in 1..10 {
            let submit = orders.submit(number).deadline(MINUTE * 60);
            let submit = match number % 3 {
                0 => submit.key("k"),
                1 => submit.delay(SECOND * 10),
                _ => submit.pin("1"),
            };
            handles.push((number, submit.await.unwrap()));
        }
        tokio::time::sleep(MINUTE).await;
        assert_eq!(orders.describe().waiting + orders.describe().fenced, 10, "{}", orders.describe());
        assert_accounted(&orders, 10);
        down.store(false, Relaxed);
        for (number, handle) in handles {
            assert_eq!(handle.await, Ok(number));
            assert_eq!(script.attempts_at(number).len(), if number == 0 { 2 } else { 1 });
        }
        let tries = script.seconds_of(part);
        let gaps: Vec<_> = tries.windows(2).skip(2).map(|two| two[1] - two[0]).collect();
        assert!((8..16).contains(&tries.len()), "{tries:?}");
        assert!(
            gaps.windows(2).all(|two| two[1] > two[0] * 1.9 || two[1] > 29.9),
            "the delays grow: {gaps:?}"
        );
        assert!(
            *tries.last().unwrap() < 60.0 + 31.0,
            "it is back half a minute after its cause is cured: {tries:?}"
        );
        assert_accounted(&orders, 10);
    }
}

/// A panic that is not the first after the start costs no delay: the worker is back at once.
#[tokio::test(start_paused = true)]
async fn a_worker_that_brings_jobs_to_an_end_between_its_panics_is_back_at_once() {
    let script = Script::new(|number, attempt| match (number % 2, attempt) {
        (0, 1) => Move::Panic("told to panic"),
        _ => Move::Go,
    });
    let (_shop, orders) = script.open(1, at_once(2)).await;
    assert_eq!(orders.ask(1).await.unwrap(), 1);
    let began = tokio::time::Instant::now();
    all_are_done(&orders, 2..100).await;
    assert!(began.elapsed() < SECOND, "{:?}", began.elapsed());
    assert_eq!(script.times(Part::Start), 50);
    assert!(dead(&orders).is_empty());
    assert_accounted(&orders, 99);
}
