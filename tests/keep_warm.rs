//! Versions that are drained and kept for a while: a rollback finds their workers there.
//!
//! Seen failing: a version that is kept for ever; a pin that does not revive; a pool without workers that is not told of its end.

use std::time::Duration;

use seral::Rollback;
use seral::Takeover;
use seral::Whose;
use seral::error::VerbError;
use seral::prelude::*;
use seral::view::VersionState;

use crate::choices::ran_on;
use crate::kit::Act;
use crate::kit::Floor;
use crate::kit::Job;
use crate::kit::job;
use crate::kit::settle;

const MINUTE: Duration = Duration::from_secs(60);

/// A community whose versions are kept for a minute, with 1.0.0 drained by 2.0.0.
pub(crate) async fn kept() -> (Ecosystem, Community<Job, u64>, Floor) {
    let floor = Floor::new();
    let shop = Ecosystem::new("shop");
    let orders = shop.community("orders").await.unwrap();
    for version in ["1.0.0", "2.0.0"] {
        orders.deploy(version, floor.pool(2).keep_warm(MINUTE)).await.unwrap();
    }
    orders.drained("1.0.0").await.unwrap();
    settle().await;
    (shop, orders, floor)
}

fn state(orders: &Community<Job, u64>, version: &str) -> (VersionState, usize, bool) {
    let view = orders.describe();
    let version = view.version(version).unwrap();
    (version.state, version.workers, version.kept_warm)
}

async fn pass(time: Duration) {
    tokio::time::advance(time + Duration::from_millis(2)).await;
    settle().await;
}

/// Rollout, §6, row 14: as long as was said, and not longer.
#[tokio::test(start_paused = true)]
async fn a_drained_version_is_kept_for_its_time_and_then_leaves() {
    let (shop, orders, _) = kept().await;
    assert_eq!(state(&orders, "1.0.0"), (VersionState::Drained, 2, true));
    assert!(orders.describe().to_string().contains("Drained (kept warm)"));
    pass(MINUTE / 2).await;
    assert_eq!(state(&orders, "1.0.0"), (VersionState::Drained, 2, true));
    pass(MINUTE / 2).await;
    assert_eq!(state(&orders, "1.0.0"), (VersionState::Retired, 0, false));
    shop.shutdown(MINUTE).await;
}

/// Rollout I9: a rollback to it is warm.
#[tokio::test(start_paused = true)]
async fn a_rollback_to_a_kept_version_is_warm_and_it_is_kept_no_longer_for_that_drain() {
    let (shop, orders, floor) = kept().await;
    let back = orders.rollback().await.unwrap();
    assert!(matches!(back, Rollback::To { how: Takeover::Warm, .. }), "{back:?}");
    orders.ask(job(1, Act::Do)).await.unwrap();
    assert_eq!(ran_on(&floor, 1), "1.0.0");
    orders.drained("2.0.0").await.unwrap();
    pass(MINUTE * 2).await;
    assert_eq!(state(&orders, "1.0.0"), (VersionState::Current, 2, false));
    assert_eq!(state(&orders, "2.0.0"), (VersionState::Retired, 0, false));
    shop.shutdown(MINUTE).await;
}

/// Rollout I6 and §6, row 12: drained is told again, for the next time that it is.
#[tokio::test(start_paused = true)]
async fn a_job_that_names_a_kept_version_finds_it_there_and_it_drains_again() {
    let (shop, orders, floor) = kept().await;
    pass(Duration::from_secs(59)).await;
    let slow = orders.submit(job(1, Act::WaitForGate)).pin("1.0.0").await.unwrap();
    settle().await;
    assert_eq!(state(&orders, "1.0.0"), (VersionState::Draining, 2, false));
    let delayed = orders.submit(job(2, Act::Do)).pin("1.0.0").delay(MINUTE).await.unwrap();
    floor.open(1);
    slow.await.unwrap();
    settle().await;
    assert_eq!(state(&orders, "1.0.0").0, VersionState::Draining, "a delayed job names it");
    delayed.await.unwrap();
    orders.drained("1.0.0").await.unwrap();
    settle().await;
    assert_eq!(state(&orders, "1.0.0"), (VersionState::Drained, 2, true));
    pass(MINUTE / 2).await;
    assert_eq!(state(&orders, "1.0.0").0, VersionState::Drained, "its time began anew");
    let late = orders.submit(job(3, Act::Do)).pin("1.0.0").delay(MINUTE / 4).await.unwrap();
    late.await.unwrap();
    orders.drained("1.0.0").await.unwrap();
    pass(MINUTE).await;
    assert_eq!(state(&orders, "1.0.0"), (VersionState::Retired, 0, false));
    shop.shutdown(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn a_pin_on_a_kept_version_revives_it_until_the_pin_has_ended() {
    let (shop, orders, floor) = kept().await;
    orders.pin(Whose::tenant("acme"), "1.0.0").lasting(MINUTE * 10).await.unwrap();
    assert_eq!(state(&orders, "1.0.0").0, VersionState::Draining);
    pass(MINUTE * 5).await;
    orders.submit(job(1, Act::Do)).tenant("acme").await.unwrap().await.unwrap();
    assert_eq!(ran_on(&floor, 1), "1.0.0");
    pass(MINUTE * 5).await;
    assert_eq!(state(&orders, "1.0.0"), (VersionState::Drained, 2, true));
    pass(MINUTE).await;
    assert_eq!(state(&orders, "1.0.0").0, VersionState::Retired);
    shop.shutdown(MINUTE).await;
}

/// Rollout I12: only what is drained, or held, is retired.
#[tokio::test(start_paused = true)]
async fn a_version_is_retired_early_if_it_is_drained_and_otherwise_a_sentence_says_so() {
    let (shop, orders, floor) = kept().await;
    let current = orders.retire("2.0.0").await.unwrap_err();
    assert_eq!(
        current.to_string(),
        "version 2.0.0 is not drained (it is Current); drain it first, or roll back from it"
    );
    assert!(matches!(orders.retire("9.0.0").await, Err(VerbError::Unknown { .. })));
    orders.retire("1.0.0").await.unwrap();
    settle().await;
    assert_eq!(state(&orders, "1.0.0"), (VersionState::Retired, 0, false));
    assert!(orders.retire("1.0.0").await.unwrap().how.is_none(), "it is already");

    orders.deploy("3.0.0", floor.pool(1).keep_warm(MINUTE)).hold().await.unwrap();
    let running = orders.submit(job(1, Act::WaitForGate)).pin("3.0.0").await.unwrap();
    settle().await;
    orders.retire("3.0.0").await.unwrap();
    assert_eq!(state(&orders, "3.0.0").0, VersionState::Draining);
    floor.open(1);
    running.await.unwrap();
    settle().await;
    assert_eq!(state(&orders, "3.0.0"), (VersionState::Retired, 0, false));
    shop.shutdown(MINUTE).await;
}

/// A worker of a kept version that fails is there again, and its jobs are none.
#[tokio::test(start_paused = true)]
async fn kept_versions_survive_their_pool_and_their_dispatcher() {
    let (shop, orders, floor) = kept().await;
    orders.sabotage(seral::community::Sabotage::PanicDispatcher);
    settle().await;
    assert_eq!(state(&orders, "1.0.0"), (VersionState::Drained, 2, true));
    let back = orders.rollback().await.unwrap();
    assert!(matches!(back, Rollback::To { how: Takeover::Warm, .. }), "{back:?}");
    orders.ask(job(1, Act::Do)).await.unwrap();
    assert_eq!(ran_on(&floor, 1), "1.0.0");
    orders.drained("2.0.0").await.unwrap();
    orders.sabotage(seral::community::Sabotage::PanicDispatcher);
    settle().await;
    pass(MINUTE * 2).await;
    assert_eq!(state(&orders, "2.0.0").0, VersionState::Retired, "its time goes on");
    shop.shutdown(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_kept_versions() {
    let (shop, orders, _) = kept().await;
    shop.shutdown(MINUTE).await;
    assert_eq!(state(&orders, "1.0.0").1, 0);
}

/// Nothing is waited for that would only come back to leave.
#[tokio::test(start_paused = true)]
async fn a_kept_version_whose_workers_are_down_ends_at_once_when_it_is_retired() {
    crate::kit::hush();
    let floor = Floor::new();
    let shop = Ecosystem::new("shop");
    let orders = shop.community("orders").await.unwrap();
    for version in ["1.0.0", "2.0.0"] {
        orders.deploy(version, floor.pool(1).keep_warm(MINUTE)).await.unwrap();
    }
    for number in 0..2 {
        let poison = orders.submit(job(number, Act::Panic)).pin("1.0.0").retry(RetryPolicy::attempts(1));
        poison.await.unwrap().await.unwrap_err();
        settle().await;
    }
    assert_eq!(
        state(&orders, "1.0.0"),
        (VersionState::Drained, 0, true),
        "its worker waits to be started again"
    );
    orders.retire("1.0.0").await.unwrap();
    settle().await;
    assert_eq!(state(&orders, "1.0.0"), (VersionState::Retired, 0, false));
    shop.shutdown(MINUTE).await;
}
