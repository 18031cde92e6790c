//! What went wrong elsewhere with drains, beats and the end. The table of all rows is in `others_mistakes`.
//!
//! Seen failing: a hand-back that forgets the fence; workers that are not asked to make room.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use seral::Event;
use seral::HandedBack;
use seral::ShutdownEnd;
use seral::Whose;
use seral::error::JobError;
use seral::error::SendError;
use seral::prelude::*;
use seral::signal;
use seral::view::Holder;
use seral::view::VersionState;
use seral::view::WorkerState;
use seral_test::fault;
use tokio::task::yield_now;

use crate::choices::ran_on;
use crate::kit::Act;
use crate::kit::Floor;
use crate::kit::community;
use crate::kit::end_if_it_hangs;
use crate::kit::hush;
use crate::kit::job;
use crate::kit::settle;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

async fn pass(time: Duration) {
    tokio::time::advance(time + Duration::from_millis(2)).await;
    settle().await;
}

/// Rollout, §6, row 11, and I6: elsewhere a status that was not known was taken for idle, and the workers were taken away.
#[tokio::test(start_paused = true)]
async fn a_dispatcher_that_begins_anew_takes_no_busy_version_for_drained() {
    hush();
    let (shop, orders, floor) = community(2).await;
    for number in 0..4 {
        orders.send(job(number, Act::WaitForGate)).await.unwrap();
    }
    let delayed = orders.submit(job(4, Act::Do)).pin("1.0.0").delay(HOUR).await.unwrap();
    settle().await;
    orders.deploy("2.0.0", floor.pool(1)).await.unwrap();
    let state = || {
        let view = orders.describe();
        let version = view.version("1.0.0").unwrap();
        (version.state, version.workers)
    };
    for jobs in [2, 2] {
        fault::panic_dispatcher(&orders);
        pass(MINUTE).await;
        assert_eq!(state(), (VersionState::Draining, 2));
        floor.open(jobs);
        settle().await;
    }
    fault::panic_dispatcher(&orders);
    pass(MINUTE).await;
    assert_eq!(state(), (VersionState::Draining, 2), "a delayed job names it");
    delayed.await.unwrap();
    assert_eq!(orders.drained("1.0.0").await.unwrap().done, 5);
    settle().await;
    assert_eq!(state(), (VersionState::Retired, 0));
    shop.shutdown(MINUTE).await;
}

/// Rollout, §6, rows 28 and 34: elsewhere a third load killed what was left of the first, and old jobs were taken for lost and run again.
#[tokio::test(start_paused = true)]
async fn a_job_that_takes_a_day_is_run_once_where_it_began_whatever_is_deployed_meanwhile() {
    let (shop, orders, floor) = community(2).await;
    let long = orders.submit(job(1, Act::WaitForGate)).key("k").await.unwrap();
    let next = orders.submit(job(2, Act::Do)).key("k").await.unwrap();
    settle().await;
    for version in 2..=6 {
        orders.deploy(format!("{version}.0.0"), floor.pool(2)).await.unwrap();
        orders.ask(job(10 + version, Act::Do)).await.unwrap();
        pass(5 * HOUR).await;
    }
    let old = orders.describe().version("1.0.0").unwrap().clone();
    assert_eq!((old.state, old.running), (VersionState::Draining, 1));
    floor.open(1);
    assert_eq!((long.await, next.await), (Ok(1), Ok(2)));
    let attempts = floor.record().into_iter().filter(|entry| entry.number == 1).count();
    assert_eq!((attempts, ran_on(&floor, 1).as_str(), ran_on(&floor, 2).as_str()), (1, "1.0.0", "6.0.0"));
    orders.drained("1.0.0").await.unwrap();
    shop.shutdown(MINUTE).await;
}

/// Rollout, §6, rows 31, 32 and 36, and I1, I2 and I3: elsewhere a job that was taken while the end began was run twice, one that succeeded
/// then was run again, and one behind the stop was accepted and dropped. Here the end comes at each turn of the work.
#[tokio::test(start_paused = true)]
async fn at_whatever_moment_the_end_comes_a_job_is_done_or_handed_back_or_refused() {
    const JOBS: u64 = 40;
    end_if_it_hangs();
    let (mut some_done, mut some_back, mut some_refused) = (false, false, false);
    for turns in 0..100 {
        let (started, back) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let kept = Arc::clone(&back);
        let shop = Ecosystem::new("shop");
        let orders = shop.community::<u64, u64>("orders").mailbox(8).hand_back(move |jobs| {
            kept.lock().extend(jobs.into_iter().map(|back: HandedBack<u64>| back.job));
            std::future::ready(())
        });
        let orders = orders.await.unwrap();
        let process = {
            let started = Arc::clone(&started);
            move |number: u64, _| {
                started.lock().push(number);
                async move {
                    if !number.is_multiple_of(3) {
                        yield_now().await;
                    }
                    Ok(number)
                }
            }
        };
        orders.deploy("1.0.0", Pool::of_fn(2, process)).await.unwrap();
        let sending = tokio::spawn(async move {
            let (mut handles, mut refused) = (Vec::new(), Vec::new());
            for number in 0..JOBS {
                let submit = orders.submit(number);
                let submit = if number % 4 == 0 { submit.key(number % 8) } else { submit };
                match submit.await {
                    Ok(handle) => handles.push((number, handle)),
                    Err(error) => refused.push(error.into_job()),
                }
            }
            (handles, refused)
        });
        for _ in 0..turns {
            yield_now().await;
        }
        let report = shop.shutdown(Duration::ZERO).await;
        assert!(report.is_clean(), "after {turns} turns: {report}");
        let (handles, refused) = sending.await.unwrap();
        let (mut done, mut returned) = (Vec::new(), Vec::new());
        for (number, handle) in handles {
            match handle.await {
                Ok(_) => done.push(number),
                Err(error) => {
                    assert_eq!(error, JobError::HandedBack, "job {number} after {turns} turns");
                    returned.push(number);
                }
            }
        }
        some_done |= !done.is_empty();
        some_back |= !returned.is_empty();
        some_refused |= !refused.is_empty();
        let sorted = |numbers: &mut Vec<u64>| {
            numbers.sort_unstable();
            numbers.clone()
        };
        assert_eq!(sorted(&mut started.lock()), done, "what was started is done, after {turns} turns");
        assert_eq!(sorted(&mut back.lock()), returned, "after {turns} turns");
        let mut all = [done, returned, refused].concat();
        assert_eq!(sorted(&mut all), (0..JOBS).collect::<Vec<_>>(), "after {turns} turns");
    }
    assert!(some_done && some_back && some_refused);
}

/// Rollout, §6, row 33, and I15: elsewhere beats ended when the drain began, or said that all was well and more work came.
#[tokio::test(start_paused = true)]
async fn a_worker_of_a_version_that_drains_is_seen_until_its_final_beat_and_gets_no_new_work() {
    let (shop, orders, floor) = community(1).await;
    let mut events = orders.events();
    for number in 0..3 {
        orders.send(job(number, Act::WaitForGate)).await.unwrap();
    }
    settle().await;
    orders.deploy("2.0.0", floor.pool(1)).await.unwrap();
    let beat = || orders.heartbeats().into_iter().find(|worker| worker.version == "1.0.0");
    let mut before = beat().unwrap();
    assert!(before.job.is_some() && before.state == WorkerState::Running, "{before:?}");
    floor.open(1);
    settle().await;
    let after = beat().unwrap();
    assert!(after.done == 1 && after.beats > before.beats, "{after:?} after {before:?}");
    orders.ask(job(10, Act::Do)).await.unwrap();
    assert_eq!(ran_on(&floor, 10), "2.0.0");

    let ending = tokio::spawn({
        let shop = shop.clone();
        async move { shop.shutdown(MINUTE).await }
    });
    settle().await;
    assert!(matches!(orders.send(job(11, Act::Do)).await, Err(SendError::Closed(_))));
    before = beat().unwrap();
    floor.open(1);
    settle().await;
    let after = beat().unwrap();
    assert!(after.done == 2 && after.beats > before.beats, "{after:?} after {before:?}");
    floor.open(1);
    assert!(ending.await.unwrap().is_clean());
    let mut last = None;
    while let Ok(Some(event)) = tokio::time::timeout(Duration::from_millis(1), events.next()).await {
        if let Event::WorkerLeft { worker } = event
            && worker.version == "1.0.0"
        {
            assert!(last.replace(worker).is_none(), "there is one last beat");
        }
    }
    let last = last.unwrap();
    assert_eq!((last.state, last.done, last.faults, last.job), (WorkerState::Stopped, 3, 0, None));
    assert!(orders.heartbeats().is_empty());
}

/// Rollout, §6, row 37, and I1: elsewhere what waited anywhere but in a mailbox was forgotten at the stop.
#[tokio::test(start_paused = true)]
async fn wherever_a_job_is_the_end_hands_it_back_once() {
    let (floor, shop, back) = (Floor::new(), Ecosystem::new("shop"), Arc::new(Mutex::new(Vec::new())));
    let hook = || {
        let kept = Arc::clone(&back);
        move |jobs: Vec<HandedBack<crate::kit::Job>>| {
            kept.lock().extend(jobs.into_iter().map(|back| back.job.number));
            std::future::ready(())
        }
    };
    let orders = shop.community("orders").hand_back(hook()).await.unwrap();
    let later = shop.community::<_, u64>("later").hand_back(hook()).await.unwrap();
    drop(later.submit(job(1, Act::Do)).delay(SECOND).await.unwrap());
    orders.deploy("1.0.0", floor.pool(1)).await.unwrap();
    orders.send(job(2, Act::WaitForGate)).await.unwrap();
    settle().await;
    orders.deploy("2.0.0", floor.pool(1)).await.unwrap();
    for (number, act) in [(3, Act::FailOnce), (4, Act::SnoozeOnce), (5, Act::WaitForGate)] {
        orders.send(job(number, act)).await.unwrap();
        settle().await;
    }
    drop(orders.submit(job(6, Act::Fail)).pin("1.0.0").retry(RetryPolicy::attempts(1)).await.unwrap());
    drop(orders.submit(job(7, Act::Do)).delay(HOUR).await.unwrap());
    drop(orders.submit(job(8, Act::Do)).delay(HOUR).pin("1.0.0").key("d").await.unwrap());
    for number in 10..20 {
        drop(orders.submit(job(number, Act::Do)).key("k").await.unwrap());
        drop(orders.submit(job(number + 10, Act::Do)).await.unwrap());
    }
    tokio::time::advance(SECOND + Duration::from_millis(2)).await;
    settle().await;
    drop(orders.submit(job(30, Act::Fail)).retry(RetryPolicy::attempts(1)).pin("2.0.0").await.unwrap());
    let places = orders.describe();
    assert!(places.running > 0 && places.waiting > 0 && places.fenced > 0 && places.delayed > 0, "{places}");
    assert_eq!(later.describe().waiting, 1, "it waits for a version");
    // And now some are on their way from the one version to the other.
    orders.rollback().await.unwrap();
    shop.shutdown(Duration::ZERO).await;
    let mut back = back.lock().clone();
    back.sort_unstable();
    let ended: Vec<_> = (1..=30).filter(|number| *number != 9).collect();
    assert_eq!(back, ended, "{}", orders.describe());
}

/// Rollout, §6, row 38, and I19: elsewhere a stream without end held a drain up for ever, and nobody could say which.
#[tokio::test(start_paused = true)]
async fn a_job_without_end_that_holds_up_a_drain_is_named_then_told_and_cut_short_at_the_end() {
    end_if_it_hangs();
    let back = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&back);
    let shop = Ecosystem::new("shop");
    let streams = shop.community::<&str, ()>("streams").hand_back(move |jobs| {
        kept.lock().extend(jobs.into_iter().map(|back: HandedBack<&str>| (back.job, back.attempt.get())));
        std::future::ready(())
    });
    let streams = streams.await.unwrap();
    let process = |kind: &'static str, cx: JobContext| async move {
        loop {
            tokio::select! {
                () = cx.draining(), if kind == "listens" => return Err(Fault::snooze(Duration::ZERO)),
                () = tokio::time::sleep(SECOND) => {}
            }
        }
    };
    let pool = || Pool::of_fn(2, process).build("streams");
    streams.deploy("1.0.0", pool()).await.unwrap();
    let listens = streams.submit("listens").await.unwrap();
    let deaf = streams.submit("deaf").await.unwrap();
    settle().await;
    streams.deploy("2.0.0", pool()).hand_back_after(MINUTE).await.unwrap();
    let held_up_by = || {
        let holders = streams.describe().version("1.0.0").unwrap().held_up_by.clone();
        let running = |holder: Holder| match holder {
            Holder::Running { job, .. } => job,
            other => panic!("{other}"),
        };
        let mut jobs: Vec<_> = holders.into_iter().map(running).collect();
        jobs.sort_unstable();
        jobs
    };
    let both = [listens.id().get(), deaf.id().get()];
    assert_eq!(held_up_by(), both, "at once");
    for _ in 0..30 {
        pass(SECOND).await;
    }
    assert_eq!(held_up_by(), both, "before the deadline");
    for _ in 0..31 {
        pass(SECOND).await;
    }
    assert_eq!(held_up_by(), both[1..], "the deaf one");
    assert_eq!(streams.describe().version("2.0.0").unwrap().running, 1, "the other goes on there");
    let report = shop.shutdown(SECOND).await;
    assert_eq!(report.end, ShutdownEnd::Deadline);
    assert_eq!((listens.await, deaf.await), (Err(JobError::HandedBack), Err(JobError::HandedBack)));
    let mut back = back.lock().clone();
    back.sort_unstable();
    assert_eq!(back, [("deaf", 1), ("listens", 1)]);
    streams.drained("1.0.0").await.unwrap();
}

/// Rollout, §6, row 45, and I4: elsewhere a job that was dropped while its key changed hands was taken for one that was done.
#[tokio::test(start_paused = true)]
async fn jobs_that_are_taken_out_while_their_key_changes_its_version_let_nobody_overtake() {
    let (shop, orders, floor) = community(4).await;
    let submit = |number, act| orders.submit(job(number, act)).key("k");
    let first = submit(1, Act::WaitForGate).await.unwrap();
    let cancelled = submit(2, Act::Do).await.unwrap();
    let expires = submit(3, Act::Do).deadline(MINUTE).await.unwrap();
    let mut last = Vec::new();
    for number in 4..=6 {
        last.push(submit(number, Act::WaitForGate).await.unwrap());
    }
    settle().await;
    orders.deploy("2.0.0", floor.pool(4)).share(100).await.unwrap();
    cancelled.cancel();
    pass(MINUTE).await;
    assert_eq!((cancelled.await, expires.await), (Err(JobError::Cancelled), Err(JobError::Expired)));
    assert_eq!(orders.move_waiting("1.0.0", "2.0.0").of(Whose::key("k")).await, Ok(0), "they name nobody");
    pass(MINUTE).await;
    assert_eq!(floor.numbers(), [1], "the first has not ended");
    for started in 2..=4 {
        floor.open(1);
        settle().await;
        assert_eq!((floor.numbers().len(), orders.describe().running), (started, 1));
    }
    floor.open(1);
    first.await.unwrap();
    for handle in last {
        handle.await.unwrap();
    }
    assert_eq!(floor.numbers(), [1, 4, 5, 6]);
    assert_eq!([1, 4].map(|number| ran_on(&floor, number)), ["1.0.0", "2.0.0"]);
    shop.shutdown(MINUTE).await;
}

/// Rollout, §6, row 49: elsewhere a process ended before others had heard that it would. Here the signal can be given later, and until then
/// jobs are taken as ever.
#[tokio::test(start_paused = true)]
async fn jobs_that_come_until_all_have_heard_of_the_end_are_done_and_later_ones_come_back() {
    let (shop, orders, floor) = community(1).await;
    let (terminate, told) = tokio::sync::oneshot::channel::<()>();
    let ending = tokio::spawn({
        let shop = shop.clone();
        async move {
            let lame_duck = async {
                told.await.unwrap();
                tokio::time::sleep(10 * SECOND).await;
            };
            shop.run_until(signal::once(lame_duck)).await
        }
    });
    settle().await;
    terminate.send(()).unwrap();
    for number in 0..9 {
        orders.ask(job(number, Act::Do)).await.unwrap();
        pass(SECOND).await;
    }
    orders.send(job(9, Act::WaitForGate)).await.unwrap();
    pass(SECOND).await;
    let late = orders.send(job(10, Act::Do)).await.unwrap_err();
    assert!(matches!(late, SendError::Closed(_)), "{late}");
    assert_eq!(late.into_job().number, 10);
    floor.open(1);
    let report = ending.await.unwrap();
    assert_eq!((report.end, report.is_clean()), (ShutdownEnd::Finished, true));
    assert_eq!(floor.numbers(), (0..10).collect::<Vec<_>>());
}
