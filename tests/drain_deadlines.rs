//! What a version that is left has not finished in its time goes to the newest version, uncharged.
//!
//! Seen failing: a deadline that outlives the drain; waiting jobs that stay, by a deadline that recalls nothing or a recall that moves nothing; a running job that nobody asks; a
//! job that is charged for making room.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use seral::prelude::*;
use seral::view::VersionState;

use crate::choices::ran_on;
use crate::kit::Act;
use crate::kit::community;
use crate::kit::job;
use crate::kit::settle;

const MINUTE: Duration = Duration::from_secs(60);

async fn pass(time: Duration) {
    tokio::time::advance(time + Duration::from_millis(2)).await;
    settle().await;
}

/// Rollout, §6, row 41: each verb says how long.
#[tokio::test(start_paused = true)]
async fn what_waits_at_the_deadline_goes_to_the_newest_version_and_what_runs_stays() {
    let (shop, orders, floor) = community(1).await;
    for number in 0..10 {
        let submit = orders.submit(job(number, Act::WaitForGate));
        let submit = if number == 9 { submit.pin("1.0.0") } else { submit };
        drop(submit.await.unwrap());
    }
    settle().await;
    orders.deploy("2.0.0", floor.pool(1)).hand_back_after(MINUTE).await.unwrap();
    pass(MINUTE / 2).await;
    let waiting = |version: &str| orders.describe().version(version).unwrap().waiting;
    assert_eq!((waiting("1.0.0"), waiting("2.0.0")), (9, 0));
    pass(MINUTE / 2).await;
    assert_eq!((waiting("1.0.0"), waiting("2.0.0")), (1, 7), "one runs at each, and one names 1.0.0");
    floor.open(10);
    assert_eq!(orders.drained("1.0.0").await.unwrap().done, 2);
    settle().await;
    assert_eq!(ran_on(&floor, 9), "1.0.0");
    assert!(floor.record().iter().all(|entry| entry.attempt == 1), "{:?}", floor.record());
    shop.shutdown(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn without_a_deadline_a_version_finishes_what_it_has() {
    let (shop, orders, floor) = community(1).await;
    for number in 0..5 {
        orders.send(job(number, Act::WaitForGate)).await.unwrap();
    }
    orders.deploy("2.0.0", floor.pool(1)).await.unwrap();
    pass(MINUTE * 60 * 24).await;
    assert_eq!(orders.describe().version("1.0.0").unwrap().state, VersionState::Draining);
    floor.open(5);
    assert_eq!(orders.drained("1.0.0").await.unwrap().done, 5);
    shop.shutdown(MINUTE).await;
}

/// A deadline belongs to one drain: a version that gets jobs again has none.
#[tokio::test(start_paused = true)]
async fn the_deadline_of_a_drain_is_void_when_the_version_is_current_again() {
    let (shop, orders, floor) = community(1).await;
    for number in 0..5 {
        orders.send(job(number, Act::WaitForGate)).await.unwrap();
    }
    orders.deploy("2.0.0", floor.pool(1)).hand_back_after(MINUTE).await.unwrap();
    pass(MINUTE / 2).await;
    orders.rollback().await.unwrap();
    orders.deploy("3.0.0", floor.pool(1)).await.unwrap();
    pass(MINUTE * 10).await;
    assert_eq!(orders.describe().version("1.0.0").unwrap().waiting, 4, "this drain has no deadline");
    orders.drain("1.0.0").hand_back_after(Duration::from_secs(1)).await.unwrap();
    pass(Duration::from_secs(1)).await;
    assert_eq!(orders.describe().version("1.0.0").unwrap().waiting, 0, "one that drains may be given one");
    floor.open(5);
    orders.drained("1.0.0").await.unwrap();
    shop.shutdown(MINUTE).await;
}

/// Rows of which some are done.
struct Import {
    rows: u64,
    done: AtomicU64,
}

fn importer() -> Pool<Import, (String, u64, u32)> {
    struct Importer;

    impl Worker for Importer {
        type Job = Import;
        type Output = (String, u64, u32);

        async fn process(&mut self, import: &Import, cx: &JobContext) -> Result<Self::Output, Fault> {
            let began_at = import.done.load(Relaxed);
            while import.done.load(Relaxed) < import.rows {
                if cx.is_draining() {
                    return Err(Fault::snooze(Duration::ZERO));
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
                import.done.fetch_add(1, Relaxed);
            }
            Ok((cx.version().to_string(), began_at, cx.attempt().get()))
        }
    }

    Pool::of(1, || Importer).build("importer")
}

/// Rollout I14, and S6: it goes on where it was.
#[tokio::test(start_paused = true)]
async fn a_running_job_that_makes_room_goes_on_at_the_newest_version_where_it_was_uncharged() {
    let shop = Ecosystem::new("shop");
    let orders = shop.community("imports").await.unwrap();
    orders.deploy("1.0.0", importer()).await.unwrap();
    let import = orders.submit(Import { rows: 100, done: AtomicU64::new(0) }).await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    orders.deploy("2.0.0", importer()).hand_back_after(Duration::from_secs(20)).await.unwrap();
    let (version, began_at, attempt) = import.await.unwrap();
    assert_eq!((version.as_str(), attempt), ("2.0.0", 1));
    assert!((29..=32).contains(&began_at), "it began there at row {began_at}");
    orders.drained("1.0.0").await.unwrap();
    shop.shutdown(MINUTE).await;
}

/// The same by the future, which a job can wait for beside its work.
#[tokio::test(start_paused = true)]
async fn a_job_that_waits_for_the_drain_hears_of_it_and_of_nothing_else() {
    let shop = Ecosystem::new("shop");
    let orders = shop.community("waits").await.unwrap();
    let pool = || {
        Pool::of_fn(1, |(): (), cx: JobContext| async move {
            if cx.version().as_str() == "1.0.0" {
                cx.draining().await;
                return Err(Fault::snooze(Duration::ZERO));
            }
            Ok(cx.version().to_string())
        })
        .build("waits")
    };
    orders.deploy("1.0.0", pool()).await.unwrap();
    let waits = orders.submit(()).await.unwrap();
    settle().await;
    orders.deploy("2.0.0", pool()).await.unwrap();
    pass(MINUTE).await;
    assert_eq!(orders.describe().version("1.0.0").unwrap().running, 1, "nobody asked it to make room");
    orders.drain("1.0.0").hand_back_after(Duration::ZERO).await.unwrap();
    assert_eq!(waits.await.as_deref(), Ok("2.0.0"));
    orders.drained("1.0.0").await.unwrap();
    shop.shutdown(MINUTE).await;
}
