//! Canaries: a version that gets the first few jobs, or a few at a time, and no more.
//!
//! Seen failing: a version opened without its limit; a refused job that waits instead of going to the current version.

use std::collections::BTreeMap;
use std::time::Duration;

use seral::State;
use seral::error::DeployError;
use seral::rollout::Step;

use crate::kit::Act;
use crate::kit::Floor;
use crate::kit::community;
use crate::kit::job;
use crate::kit::settle;

const MINUTE: Duration = Duration::from_secs(60);

fn by_version(floor: &Floor) -> BTreeMap<String, usize> {
    let mut by_version = BTreeMap::new();
    for entry in floor.record() {
        *by_version.entry(entry.version).or_default() += 1;
    }
    by_version
}

fn counts(v1: usize, v2: usize) -> BTreeMap<String, usize> {
    BTreeMap::from([("1.0.0".to_owned(), v1), ("2.0.0".to_owned(), v2)])
}

#[tokio::test(start_paused = true)]
async fn a_canary_gets_the_first_jobs_and_then_none_until_it_is_ramped() {
    let (shop, orders, floor) = community(1).await;
    let canary = orders.deploy("2.0.0", floor.pool(1)).first(10).await.unwrap();
    assert_eq!(canary.state, State::Ramping);
    assert!(orders.describe().to_string().contains("Ramping, the first 10"), "{}", orders.describe());
    for number in 0..30 {
        orders.ask(job(number, Act::Do)).await.unwrap();
    }
    assert_eq!(by_version(&floor), counts(20, 10));
    orders.ramp("2.0.0", 100).first(10).await.unwrap();
    orders.ask(job(30, Act::Do)).await.unwrap();
    assert_eq!(by_version(&floor), counts(21, 10), "the same canary is no new one");
    orders.ramp("2.0.0", 100).first(15).await.unwrap();
    for number in 31..51 {
        orders.send(job(number, Act::Do)).await.unwrap();
    }
    settle().await;
    assert_eq!(by_version(&floor), counts(26, 25));
    orders.promote("2.0.0").await.unwrap();
    orders.ask(job(51, Act::Do)).await.unwrap();
    assert_eq!(by_version(&floor), counts(26, 26));
    shop.shutdown(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn a_canary_has_at_most_so_many_jobs_at_a_time_and_the_rest_goes_to_the_current_version() {
    let (shop, orders, floor) = community(4).await;
    orders.deploy("2.0.0", floor.pool(4)).in_flight(3).await.unwrap();
    for number in 0..10 {
        orders.send(job(number, Act::WaitForGate)).await.unwrap();
    }
    settle().await;
    let at_new = |view: seral::view::CommunityView| {
        let v2 = view.version("2.0.0").unwrap();
        v2.running + v2.waiting
    };
    assert_eq!(at_new(orders.describe()), 3);
    floor.open(10);
    settle().await;
    for number in 10..20 {
        orders.ask(job(number, Act::Do)).await.unwrap();
    }
    assert_eq!(by_version(&floor), counts(7, 13), "one at a time, so all go to the canary");
    shop.shutdown(MINUTE).await;
}

/// Rollout I4: a key may be on the one and the other version, and its jobs keep their order.
#[tokio::test(start_paused = true)]
async fn keys_keep_their_order_between_a_canary_and_the_current_version() {
    let (shop, orders, floor) = community(4).await;
    orders.deploy("2.0.0", floor.pool(4)).in_flight(2).await.unwrap();
    let mut handles = Vec::new();
    for number in 0..200 {
        let act = if number % 3 == 0 { Act::FailOnce } else { Act::Do };
        handles.push(orders.submit(job(number, act)).key(number % 5).await.unwrap());
    }
    for handle in handles {
        handle.await.unwrap();
    }
    for key in 0..5 {
        let order: Vec<_> = floor.numbers().into_iter().filter(|number| number % 5 == key).collect();
        assert!(order.is_sorted(), "key {key}: {order:?}");
    }
    assert!(by_version(&floor).len() == 2, "{:?}", by_version(&floor));
    shop.shutdown(MINUTE).await;
}

/// Rollout, §6, row 8: whatever the steps are, the last is everybody.
#[tokio::test(start_paused = true)]
async fn a_plan_may_begin_with_canaries_and_ends_at_everybody() {
    let (shop, orders, floor) = community(1).await;
    let steps = [Step::first(5), Step::of(50).in_flight(1), Step::of(60)];
    let rollout =
        orders.deploy("2.0.0", floor.pool(1)).ramp(steps).lasting(Duration::from_secs(1), 20).await.unwrap();
    for number in 0..10 {
        orders.ask(job(number, Act::Do)).await.unwrap();
    }
    assert_eq!(by_version(&floor), counts(5, 5), "the canary's first step is five jobs");
    let mut number = 10;
    while rollout.status().is_some_and(|note| !matches!(note.phase, seral::rollout::Phase::Over(_))) {
        orders.ask(job(number, Act::Do)).await.unwrap();
        tokio::time::advance(Duration::from_millis(100)).await;
        settle().await;
        number += 1;
        assert!(number < 1_000, "{:?}", rollout.status());
    }
    assert_eq!(orders.describe().current.as_deref(), Some("2.0.0"));
    orders.drained("1.0.0").await.unwrap();
    shop.shutdown(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn a_canary_without_jobs_or_of_a_held_version_is_refused_with_a_sentence() {
    let (shop, orders, floor) = community(1).await;
    let none = orders.deploy("2.0.0", floor.pool(1)).first(0).await.unwrap_err();
    assert_eq!(none.to_string(), "a canary takes at least one job; use `.hold()` for none");
    let held = orders.deploy("2.0.0", floor.pool(1)).hold().in_flight(3).await;
    assert!(matches!(held, Err(DeployError::Invalid(_))), "{held:?}");
    let wrong = orders.promote("1.0.0").first(3).await.unwrap_err();
    assert_eq!(wrong.to_string(), "`.first(..)` and `.in_flight(..)` are for a ramp");
    shop.shutdown(MINUTE).await;
}
