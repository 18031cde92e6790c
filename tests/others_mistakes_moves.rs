//! What went wrong elsewhere when work changed hands, and with what was left of old versions. The table of all rows is in `others_mistakes`.
//!
//! Seen failing: a recall that ends after its first slice; rules that outlive their version; one of two overdue versions that is forgotten; a route
//! with an older table; a pool that is there when all but one of its workers have started; `scale` of the current version instead of the named.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use parking_lot::Mutex;
use seral::Event;
use seral::Reason;
use seral::Rollback;
use seral::Whose;
use seral::error::ScaleError;
use seral::prelude::*;
use seral::view::VersionState;
use tokio::sync::Semaphore;
use tokio::task::yield_now;

use crate::choices::ran_on;
use crate::kit::Act;
use crate::kit::Floor;
use crate::kit::community;
use crate::kit::end_if_it_hangs;
use crate::kit::job;
use crate::kit::settle;
use crate::others_mistakes_rollout::by_key;
use crate::others_mistakes_rollout::loaders;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// Rollout, §6, row 18, and I9: elsewhere jobs were recalled twice, or some were not found.
#[tokio::test(start_paused = true)]
async fn two_rollbacks_at_once_recall_each_waiting_job_once_and_leave_none() {
    let (shop, orders, floor) = community(1).await;
    let mut events = orders.events();
    let busy = orders.submit(job(1_000, Act::WaitForGate)).await.unwrap();
    settle().await;
    orders.deploy("2.0.0", floor.pool(1)).await.unwrap();
    let mut handles = vec![busy, orders.submit(job(0, Act::FailOnce)).await.unwrap()];
    settle().await;
    for number in 1..400 {
        let submit = orders.submit(job(number, Act::WaitForGate));
        handles.push(match number {
            1..100 => submit.await.unwrap(),
            100..300 => submit.key(number % 10).await.unwrap(),
            _ => submit.delay(Duration::from_millis(number)).await.unwrap(),
        });
        settle().await;
    }
    let (one, other) =
        tokio::join!(async { orders.rollback().await.unwrap() }, async { orders.rollback().await.unwrap() });
    assert!(matches!((&one, &other), (Rollback::To { .. }, Rollback::Already)), "{one:?}, {other:?}");
    floor.open(1_000);
    for handle in handles {
        handle.await.unwrap();
    }
    orders.drained("2.0.0").await.unwrap();
    let at_new = floor.record().into_iter().filter(|entry| entry.version == "2.0.0");
    let at_new: Vec<_> = at_new.map(|entry| entry.number).collect();
    assert_eq!(at_new, [0, 1], "the one that failed before, and the one in hand");
    assert_eq!(floor.record().len(), 402, "each once, and one a second time");
    let mut recalled = Vec::new();
    while let Ok(Some(event)) = tokio::time::timeout(Duration::from_millis(1), events.next()).await {
        recalled.extend(if let Event::Recalled { jobs, .. } = event { Some(jobs) } else { None });
    }
    // What waits behind its key has no place in a mailbox yet, and is placed by the table of the moment in which it has.
    assert_eq!(recalled, [98 + 10]);
    shop.shutdown(MINUTE).await;
}

/// Rollout, §6, row 22: elsewhere versions that drained were counted in with the one that was to be scaled.
#[tokio::test(start_paused = true)]
async fn each_version_is_counted_and_scaled_alone() {
    let (shop, orders, floor) = community(2).await;
    for number in 0..10 {
        orders.send(job(number, Act::WaitForGate)).await.unwrap();
    }
    settle().await;
    orders.deploy("2.0.0", floor.pool(1)).await.unwrap();
    let counts = |version: &str| {
        let view = orders.describe();
        let version = view.version(version).unwrap();
        (version.workers, version.running, version.waiting)
    };
    assert_eq!((counts("1.0.0"), counts("2.0.0")), ((2, 2, 8), (1, 0, 0)));
    orders.scale("2.0.0", 4).await.unwrap();
    settle().await;
    assert_eq!((counts("1.0.0"), counts("2.0.0")), ((2, 2, 8), (4, 0, 0)));
    orders.scale("1.0.0", 3).await.unwrap();
    settle().await;
    assert_eq!((counts("1.0.0"), counts("2.0.0")), ((3, 3, 7), (4, 0, 0)), "one that drains can be helped");
    assert!(matches!(orders.scale("1.0.0", 0).await, Err(ScaleError::Size { .. })), "and not starved");
    orders.scale("2.0.0", 1).await.unwrap();
    settle().await;
    assert_eq!((counts("1.0.0"), counts("2.0.0")), ((3, 3, 7), (1, 0, 0)));
    floor.open(10);
    assert_eq!(orders.drained("1.0.0").await.unwrap().done, 10);
    assert_eq!(counts("2.0.0"), (1, 0, 0));
    shop.shutdown(MINUTE).await;
}

/// Rollout, §6, row 23, and I1: elsewhere jobs that were sent while work changed hands were dropped without a word.
#[tokio::test(start_paused = true)]
async fn of_a_storm_of_jobs_while_versions_change_each_is_done_once() {
    const SENDERS: u64 = 8;
    const EACH: u64 = 200;
    let (floor, shop) = (Floor::new(), Ecosystem::new("shop"));
    // A small mailbox, so that senders wait for room when the version that they wait at is left.
    let orders = shop.community("orders").mailbox(8).await.unwrap();
    orders.deploy("1.0.0", floor.pool(2)).await.unwrap();
    let mut senders = tokio::task::JoinSet::new();
    for sender in 0..SENDERS {
        let orders = orders.clone();
        senders.spawn(async move {
            for number in sender * EACH..(sender + 1) * EACH {
                let submit = orders.submit(job(number, Act::Do));
                let submit = if number % 3 == 0 { submit.key(number % 7) } else { submit };
                drop(submit.await.unwrap());
                if number % 5 == 0 {
                    yield_now().await;
                }
            }
        });
    }
    let mut round = 1;
    while !senders.is_empty() {
        round += 1;
        let deploy = orders.deploy(format!("{round}.0.0"), floor.pool(2).keep_warm(MINUTE));
        match round % 4 {
            0 => drop(deploy.share(50).await.unwrap()),
            1 => drop(deploy.hand_back_after(Duration::ZERO).await.unwrap()),
            _ => drop(deploy.await.unwrap()),
        }
        if round % 3 == 0 {
            orders.rollback().await.unwrap();
        }
        while let Some(sent) = senders.try_join_next() {
            sent.unwrap();
        }
    }
    assert!(round > 20, "only {round} versions");
    assert!(shop.shutdown(HOUR).await.is_clean());
    let mut numbers = floor.numbers();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..SENDERS * EACH).collect::<Vec<_>>());
    let view = orders.describe();
    assert_eq!((view.admitted, view.done), (SENDERS * EACH, SENDERS * EACH), "{view}");
}

/// Rollout, §6, row 27: elsewhere two that left at once waited for each other.
#[tokio::test(start_paused = true)]
async fn two_versions_that_are_left_at_once_hand_over_all_that_waits() {
    let (shop, orders, floor) = community(1).await;
    orders.deploy("2.0.0", floor.pool(1)).share(50).await.unwrap();
    let mut handles = Vec::new();
    for number in 0..120 {
        handles.push(orders.submit(job(number, Act::WaitForGate)).key(number % 12).await.unwrap());
    }
    settle().await;
    let running: Vec<_> = floor.record();
    assert_eq!(running.len(), 2, "one at each: {running:?}");
    orders.deploy("3.0.0", floor.pool(1)).hand_back_after(Duration::ZERO).await.unwrap();
    tokio::time::advance(Duration::from_millis(2)).await;
    settle().await;
    let state = |version: &str| {
        let view = orders.describe();
        let version = view.version(version).unwrap();
        (version.state, version.running, version.waiting)
    };
    assert_eq!(state("1.0.0"), (VersionState::Draining, 1, 0));
    assert_eq!(state("2.0.0"), (VersionState::Draining, 1, 0));
    floor.open(120);
    for handle in handles {
        handle.await.unwrap();
    }
    for version in ["1.0.0", "2.0.0"] {
        assert_eq!(orders.drained(version).await.unwrap().done, 1, "{version}");
    }
    for (key, started) in by_key(&floor, 12) {
        assert!(started.is_sorted() && started.len() == 10, "key {key}: {started:?}");
    }
    shop.shutdown(MINUTE).await;
}

/// What a worker of an old version leaves behind, for others to call when it is gone.
#[derive(Clone, Default)]
struct Left {
    waker: Arc<Mutex<Option<Waker>>>,
    code: Arc<Mutex<Vec<Code>>>,
}

type Code = Box<dyn Fn() -> String + Send>;

/// Rollout, §6, row 29: elsewhere code of a version that was gone was called from where it had been left, and ended the process.
#[tokio::test(start_paused = true)]
async fn what_an_old_version_left_elsewhere_can_be_called_when_it_is_gone() {
    end_if_it_hangs();
    let (left, gate) = (Left::default(), Arc::new(Semaphore::new(0)));
    let shop = Ecosystem::new("shop");
    let orders = shop.community::<u64, ()>("orders").await.unwrap();
    let process = {
        let (left, gate, orders) = (left.clone(), Arc::clone(&gate), orders.clone());
        move |number: u64, cx: JobContext| {
            let (left, gate, orders) = (left.clone(), Arc::clone(&gate), orders.clone());
            async move {
                std::future::poll_fn(|task| {
                    *left.waker.lock() = Some(task.waker().clone());
                    std::task::Poll::Ready(())
                })
                .await;
                let context = cx.clone();
                let told = move || format!("{number} on {}, {}", context.version(), context.is_draining());
                left.code.lock().push(Box::new(told));
                // A task of its own, which lives longer than its version, and sends when that is gone.
                tokio::spawn(async move {
                    gate.acquire().await.unwrap().forget();
                    assert!(!cx.is_cancelled());
                    orders.send(number + 1).await.unwrap();
                });
                Ok(())
            }
        }
    };
    orders.deploy("1.0.0", Pool::of_fn(1, process)).await.unwrap();
    orders.ask(1).await.unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let second = {
        let seen = Arc::clone(&seen);
        move |number: u64, cx: JobContext| {
            seen.lock().push((number, cx.version().to_string()));
            async { Ok(()) }
        }
    };
    orders.deploy("2.0.0", Pool::of_fn(1, second).build("second")).await.unwrap();
    orders.drained("1.0.0").await.unwrap();
    settle().await;
    let gone = orders.describe().version("1.0.0").unwrap().clone();
    assert_eq!((gone.state, gone.workers), (VersionState::Retired, 0));
    left.waker.lock().take().unwrap().wake();
    let told: Vec<_> = left.code.lock().iter().map(|code| code()).collect();
    assert_eq!(told, ["1 on 1.0.0, false"]);
    gate.add_permits(1);
    settle().await;
    assert_eq!(seen.lock()[..], [(2, "2.0.0".to_owned())]);
    assert!(shop.shutdown(MINUTE).await.is_clean());
}

/// Rollout, §6, row 46, and I11: elsewhere one decision looked three times and saw two states, and jobs in the middle of a batch were run twice.
#[tokio::test(start_paused = true)]
async fn each_job_is_where_one_table_says_and_runs_once_though_batches_change_hands() {
    const JOBS: u64 = 2_000;
    end_if_it_hangs();
    let ran = Arc::new(Mutex::new(Vec::new()));
    let pool = || {
        let ran = Arc::clone(&ran);
        let process = move |number: u64, cx: JobContext| {
            ran.lock().push(number);
            async move {
                yield_now().await;
                Ok((cx.version().to_string(), cx.route()))
            }
        };
        Pool::of_fn(2, process).build("hands").keep_warm(HOUR)
    };
    let shop = Ecosystem::new("shop");
    let orders = shop.community::<u64, (String, seral::Route)>("orders").await.unwrap();
    orders.deploy("1.0.0", pool()).await.unwrap();
    orders.deploy("2.0.0", pool()).hold().await.unwrap();
    let sending = tokio::spawn({
        let orders = orders.clone();
        async move {
            let mut handles = Vec::new();
            for number in 0..JOBS {
                handles.push(orders.submit(number).await.unwrap());
                if number % 8 == 0 {
                    yield_now().await;
                }
            }
            handles
        }
    });
    // Who was current by each table.
    let mut tables = BTreeMap::from([(orders.describe().revision, "1.0.0")]);
    let mut moved = 0;
    for (round, (to, from)) in
        [("2.0.0", "1.0.0"), ("1.0.0", "2.0.0")].into_iter().cycle().take(100).enumerate()
    {
        orders.promote(to).await.unwrap();
        tables.insert(orders.describe().revision, to);
        if round % 2 == 0 {
            moved += orders.move_waiting(from, to).await.unwrap();
        }
        for _ in 0..round % 7 {
            yield_now().await;
        }
    }
    let mut by_table = 0;
    for handle in sending.await.unwrap() {
        let (version, route) = handle.await.unwrap();
        if route.reason() == Reason::Current {
            let (_, current) = tables.range(..=route.revision().get()).next_back().unwrap();
            assert_eq!(version, *current, "{route:?}");
            by_table += 1;
        }
    }
    assert!(by_table > JOBS / 2 && moved > 0, "{by_table} by the table, and {moved} were moved");
    let mut ran = ran.lock().clone();
    ran.sort_unstable();
    assert_eq!(ran, (0..JOBS).collect::<Vec<_>>());
    shop.shutdown(MINUTE).await;
}

/// Rollout, §6, row 48: elsewhere a new version had its share while its caches were empty.
#[tokio::test(start_paused = true)]
async fn no_job_reaches_a_version_before_all_its_workers_have_loaded_once() {
    let (shop, orders, floor) = community(1).await;
    let loads = Arc::new(Semaphore::new(0));
    let deploying = tokio::spawn({
        let (orders, pool) = (orders.clone(), loaders(&floor, &loads, 3));
        async move { orders.deploy("2.0.0", pool).share(50).await }
    });
    for number in 0..30 {
        settle().await;
        if number % 10 == 9 {
            let loading = orders.describe().version("2.0.0").unwrap().state;
            assert_eq!((loading, deploying.is_finished()), (VersionState::Loading, false), "job {number}");
            loads.add_permits(1);
        }
        tokio::time::advance(Duration::from_secs(1)).await;
        orders.ask(job(number, Act::Do)).await.unwrap();
    }
    deploying.await.unwrap().unwrap();
    let before: Vec<_> = floor.record().into_iter().filter(|entry| entry.number < 29).collect();
    assert!(before.iter().all(|entry| entry.version == "1.0.0"), "{before:?}");
    for number in 100..200 {
        orders.ask(job(number, Act::Do)).await.unwrap();
    }
    assert!(floor.record().iter().any(|entry| entry.version == "2.0.0"));
    assert_eq!(loads.available_permits(), 0, "nobody loads twice");
    shop.shutdown(MINUTE).await;
}

/// Rollout I16, and §6, row 13: elsewhere drained versions counted against a limit of versions until a deploy was refused.
#[tokio::test(start_paused = true)]
async fn ten_thousand_versions_that_came_and_went_leave_nothing_behind() {
    let (shop, orders, floor) = community(1).await;
    for number in 2..10_000_u64 {
        let version = format!("{number}.0.0");
        orders.deploy(&*version, floor.pool(1).keep_warm(HOUR)).hold().await.unwrap();
        let tenant = number.to_string();
        orders.route(Whose::tenant(&*tenant), &*version).await.unwrap();
        let behind = orders.submit(job(number, Act::Do)).key("k").tenant(tenant).await.unwrap();
        orders.promote(&*version).await.unwrap();
        behind.await.unwrap();
        // As soon as it is drained.
        let left = format!("{}.0.0", number - 1);
        while orders.retire(&*left).await.is_err() {
            yield_now().await;
        }
    }
    settle().await;
    let view = orders.describe();
    assert!(view.versions.len() <= 70, "{} versions are remembered", view.versions.len());
    assert_eq!((view.rules.len(), view.fenced), (1, 0), "the rule of the current version: {view}");
    assert_eq!((orders.heartbeats().len(), orders.changes().len()), (1, 1_000));
    assert_eq!(ran_on(&floor, 9_999), "9999.0.0");
    shop.shutdown(MINUTE).await;
}
