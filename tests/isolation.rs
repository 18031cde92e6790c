//! Promise 7: a failed deploy changes nothing for any other version.

use std::future::IntoFuture;
use std::future::pending;
use std::time::Duration;

use seral::error::DeployError;
use seral::prelude::*;
use seral::view::VersionState;
use tokio::time::Instant;

use crate::kit::Act;
use crate::kit::Job;
use crate::kit::community;
use crate::kit::hush;
use crate::kit::job;
use crate::kit::settle;
use crate::kit::timeless;

/// A worker whose start goes wrong in one of several ways.
struct Broken(How);

#[derive(Clone, Copy)]
enum How {
    Fails,
    Panics,
    Hangs,
}

impl Worker for Broken {
    type Job = Job;
    type Output = u64;

    async fn start(&mut self, _: &StartContext) -> Result<(), Fault> {
        match self.0 {
            How::Fails => Err("no database")?,
            How::Panics => std::panic::panic_any("told to panic"),
            How::Hangs => pending().await,
        }
    }

    async fn process(&mut self, _: &Job, _: &JobContext) -> Result<u64, Fault> {
        Ok(0)
    }
}

/// Rollout I10, and §6, row 42: elsewhere a start that hung was waited for.
#[tokio::test(start_paused = true)]
async fn a_version_that_cannot_start_changes_nothing_for_the_current_one() {
    hush();
    let (_shop, orders, floor) = community(2).await;
    let running = orders.submit(job(1, Act::WaitForGate)).await.unwrap();
    settle().await;
    let before = orders.describe();

    let failing = orders.deploy("2.0.0", Pool::of(2, || Broken(How::Fails))).await.unwrap_err();
    assert_eq!(failing, DeployError::Start { version: "2.0.0".into(), why: "no database".to_owned() });
    let panicking = orders.deploy("2.0.0", Pool::of(2, || Broken(How::Panics))).await.unwrap_err();
    assert!(
        matches!(panicking, DeployError::Start { ref why, .. } if why.contains("told to panic")),
        "{panicking}"
    );
    let factory = || -> Broken { std::panic::panic_any("told to panic") };
    let panicking = orders.deploy("2.0.0", Pool::of(2, factory)).await.unwrap_err();
    assert!(matches!(panicking, DeployError::Start { .. }), "{panicking}");
    let began = Instant::now();
    let hanging = orders.deploy("2.0.0", Pool::of(2, || Broken(How::Hangs))).await.unwrap_err();
    assert!(matches!(hanging, DeployError::StartTimeout { .. }), "{hanging}");
    assert_eq!(began.elapsed().as_secs(), 30);
    settle().await;

    let after = orders.describe();
    assert_eq!(timeless(&after, "1.0.0"), timeless(&before, "1.0.0"));
    assert_eq!((after.revision, after.current), (before.revision, before.current));
    let failed = after.versions.iter().find(|version| version.name == "2.0.0").unwrap();
    assert_eq!((failed.state, failed.workers), (VersionState::Failed, 0), "its workers are gone");
    floor.open(1);
    running.await.unwrap();
    orders.ask(job(2, Act::Do)).await.unwrap();
    orders.deploy("2.0.0", floor.pool(1)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_worker_of_many_that_cannot_start_fails_the_deploy() {
    let (_shop, orders, _floor) = community(1).await;
    let made = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let factory = move || {
        let number = made.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Broken(if number == 3 { How::Fails } else { How::Hangs })
    };
    let failed = orders.deploy("2.0.0", Pool::of(4, factory)).await.unwrap_err();
    assert!(matches!(failed, DeployError::Start { .. }), "{failed}");
    settle().await;
    assert_eq!(orders.describe().version("2.0.0").unwrap().workers, 0);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_deployed_is_refused_in_one_sentence() {
    let (_shop, orders, floor) = community(1).await;
    let nameless = orders.deploy(" ", floor.pool(1)).await.unwrap_err();
    assert_eq!(nameless.to_string(), "a version needs a name, such as \"1.0.0\"");
    let empty = orders.deploy("2.0.0", floor.pool(0)).await.unwrap_err();
    assert_eq!(empty.to_string(), "a pool needs at least one worker");
    assert!(orders.deploy("2.0.0", floor.pool(10_001)).await.is_err());
    assert_eq!(orders.describe().versions.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_rollback_ends_a_deploy_that_hangs_and_a_later_deploy_waits_in_line() {
    let (_shop, orders, floor) = community(1).await;
    let deploy = |version: &'static str, pool: Pool<Job, u64>| {
        let orders = orders.clone();
        tokio::spawn(async move { orders.deploy(version, pool).await })
    };
    let hanging = deploy("2.0.0", Pool::of(1, || Broken(How::Hangs)));
    settle().await;
    let waiting = deploy("3.0.0", floor.pool(1));
    settle().await;
    let began = Instant::now();
    orders.rollback().await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(1), "a rollback does not wait for a start");
    assert!(matches!(hanging.await.unwrap(), Err(DeployError::Overtaken { .. })));
    assert!(matches!(waiting.await.unwrap(), Err(DeployError::Overtaken { .. })));
    assert_eq!(orders.describe().current.unwrap(), "1.0.0");
    orders.deploy("3.0.0", floor.pool(1)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_deploy_once_polled_finishes_though_its_future_is_dropped() {
    let (_shop, orders, floor) = community(1).await;
    let deploying = orders.deploy("2.0.0", floor.pool(1)).into_future();
    assert!(tokio::time::timeout(Duration::ZERO, deploying).await.is_err());
    settle().await;
    assert_eq!(orders.describe().current.unwrap(), "2.0.0");
}
