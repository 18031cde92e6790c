//! A version that gets its jobs otherwise than by chance, or all of them, is compared with what the version before it did; and what takes a version back besides its failures: that it
//! is stuck, or cannot be kept running, and a dispatcher that fails in the middle.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use seral::Finding;
use seral::GuardPolicy;
use seral::error::DeployError;
use seral::prelude::*;
use seral::rollout::End;
use seral::rollout::Step;
use seral::view::VersionState;
use seral_test::fault;

use crate::guard::*;
use crate::kit::end_if_it_hangs;
use crate::kit::hush;
use crate::kit::settle;

#[tokio::test(start_paused = true)]
async fn a_canary_that_gets_the_first_jobs_is_compared_with_what_the_current_version_did_before() {
    for limited in ["first", "in flight", "half, first"] {
        let (shop, orders) = shop(Are::Well).await;
        send(&orders, 500).await;
        let mut events = orders.events();
        let deploy = orders.deploy("2.0.0", workers(5, Are::Failing));
        let deploy = match limited {
            "first" => deploy.first(50),
            "in flight" => deploy.in_flight(1),
            _ => deploy.share(50).first(50),
        };
        deploy.await.unwrap();
        send(&orders, 100).await;
        assert!(was_taken_back(&orders), "{limited}");
        let Some((_, _, Finding::Worse { candidate, baseline, .. })) = found(&mut events).await else {
            panic!("{limited}: nothing was found")
        };
        assert!(candidate.failures <= 5 && baseline.jobs >= 490, "{limited}: {candidate:?}, {baseline:?}");
        end(shop).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_deploy_that_is_watched_goes_back_to_the_version_before_which_is_kept_as_long() {
    let (shop, orders) = shop(Are::Well).await;
    send(&orders, 500).await;
    orders.deploy("2.0.0", workers(5, Are::FailingEach(2))).watch_for(10 * MINUTE).await.unwrap();
    settle().await;
    assert!(orders.describe().version("1.0.0").unwrap().kept_warm);
    let seen = guard(&orders).unwrap();
    assert!(!seen.beside && seen.baseline == "1.0.0", "{seen}");
    send(&orders, 100).await;
    assert!(was_taken_back(&orders));
    assert_eq!(guard(&orders), None);
    tokio::time::sleep(10 * MINUTE).await;
    let view = orders.describe();
    assert_eq!((view.done, view.dead, view.current.as_deref()), (600, 0, Some("1.0.0")));
    end(shop).await;
}

#[tokio::test(start_paused = true)]
async fn after_its_time_a_full_deploy_is_not_watched_and_the_version_before_leaves() {
    let (shop, orders) = shop(Are::Well).await;
    send(&orders, 500).await;
    orders.deploy("2.0.0", workers(5, Are::Well)).watch_for(10 * MINUTE).await.unwrap();
    send(&orders, 500).await;
    assert!(guard(&orders).is_some_and(|seen| seen.jobs > 490 && seen.failures == 0));
    tokio::time::sleep(9 * MINUTE).await;
    assert_eq!(state(&orders, "1.0.0"), VersionState::Drained);
    tokio::time::sleep(2 * MINUTE).await;
    assert_eq!((state(&orders, "1.0.0"), guard(&orders)), (VersionState::Retired, None));
    end(shop).await;
}

/// The same if it is still at a job when that time is over.
#[tokio::test(start_paused = true)]
async fn a_version_that_drains_longer_than_its_successor_is_watched_leaves_when_it_is_drained() {
    let (shop, orders) = shop(Are::Hanging).await;
    let never = Duration::from_secs(3_600);
    let _hour = orders.submit(1).timeout(never).retry(RetryPolicy::attempts(1)).await.unwrap();
    settle().await;
    orders.deploy("2.0.0", workers(5, Are::Well)).watch_for(MINUTE).await.unwrap();
    tokio::time::sleep(2 * MINUTE).await;
    assert_eq!((state(&orders, "1.0.0"), guard(&orders)), (VersionState::Draining, None));
    tokio::time::sleep(never).await;
    assert_eq!(state(&orders, "1.0.0"), VersionState::Retired);
    end(shop).await;
}

#[tokio::test(start_paused = true)]
async fn a_rollout_may_be_watched_after_its_end_too() {
    let (shop, orders) = shop(Are::Well).await;
    send(&orders, 500).await;
    // Bad at jobs that come when all is well.
    let late = Pool::of_fn(5, |job: u64, _| async move {
        if job > 1_000_000 {
            return Err("told to fail".into());
        }
        Ok(job)
    });
    let rollout = orders.deploy("2.0.0", late).watch_for(10 * MINUTE).ramp([20]).lasting(SECOND, 20);
    let rollout = rollout.await.unwrap();
    send(&orders, 500).await;
    assert_eq!(rollout.ended().await, End::Promoted);
    for job in 0..20 {
        orders.send(1_000_001 + job).await.unwrap();
    }
    tokio::time::sleep(10 * SECOND).await;
    assert!(was_taken_back(&orders));
    end(shop).await;
}

#[tokio::test(start_paused = true)]
async fn a_full_deploy_that_nobody_watches_or_whose_predecessor_did_nothing_stays() {
    for watched in [false, true] {
        let (shop, orders) = shop(Are::Well).await;
        if !watched {
            send(&orders, 500).await;
        }
        let deploy = orders.deploy("2.0.0", workers(5, Are::Failing));
        if watched { deploy.watch_for(MINUTE).await } else { deploy.await }.unwrap();
        send(&orders, 100).await;
        assert_eq!(state(&orders, "2.0.0"), VersionState::Current, "watched: {watched}");
        end(shop).await;
    }
}

// ---- stuck, broken, and a dispatcher that fails --------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn a_version_that_never_finishes_a_job_is_taken_back_and_what_waits_there_is_done_elsewhere() {
    hush();
    end_if_it_hangs();
    let shop = Ecosystem::new("shop");
    let orders = shop.community("orders").await.unwrap();
    orders.deploy("1.0.0", workers(5, Are::Well)).await.unwrap();
    let mut events = orders.events();
    let rollout = orders.deploy("2.0.0", workers(2, Are::Hanging)).ramp([5]).await.unwrap();
    send(&orders, 6_000).await;
    assert!(!was_taken_back(&orders), "no sooner than a minute");
    send(&orders, 1_500).await;
    assert!(was_taken_back(&orders));
    let End::RolledBack(why) = rollout.ended().await else { panic!("not rolled back") };
    assert!(why.starts_with("all 2 workers at the same jobs for 6"), "{why}");
    let Some((_, _, Finding::Stuck { time, workers, .. })) = found(&mut events).await else {
        panic!("nothing was found")
    };
    assert!(time >= MINUTE && workers == 2);
    tokio::time::sleep(MINUTE).await;
    let view = orders.describe();
    assert_eq!((view.done, view.running, view.waiting), (7_498, 2, 0));
    end(shop).await;
}

#[tokio::test(start_paused = true)]
async fn a_version_whose_workers_cannot_be_kept_running_or_started_is_no_candidate_any_more() {
    struct Restless(bool);
    impl Worker for Restless {
        type Job = u64;
        type Output = u64;

        async fn start(&mut self, _: &StartContext) -> Result<(), Fault> {
            if self.0 { Ok(()) } else { Err("told to fail at the start")? }
        }

        async fn process(&mut self, _: &u64, _: &JobContext) -> Result<u64, Fault> {
            std::panic::panic_any("told to panic")
        }
    }
    let (shop, orders) = shop(Are::Well).await;
    let refused = orders.deploy("2.0.0", Pool::of(1, || Restless(false))).ramp([5]).await.unwrap_err();
    assert!(matches!(refused, DeployError::Start { .. }), "{refused}");
    assert_eq!(state(&orders, "2.0.0"), VersionState::Failed);
    // Starts once, and not again.
    let starts = AtomicU32::new(0);
    let pool = Pool::of(1, move || Restless(starts.fetch_add(1, Relaxed) == 0));
    let rollout = orders.deploy("2.0.0", pool).guard(GuardPolicy::off()).ramp([Step::of(50).by_hand()]);
    let rollout = rollout.await.unwrap();
    send(&orders, 10).await;
    let End::RolledBack(why) = rollout.ended().await else { panic!("not rolled back") };
    assert_eq!(why, "its workers could not be kept running");
    assert!(was_taken_back(&orders));
    end(shop).await;
}

#[tokio::test(start_paused = true)]
async fn a_dispatcher_that_fails_before_it_is_told_takes_the_version_back_when_it_starts_again() {
    let (shop, orders) = shop(Are::Well).await;
    send(&orders, 100).await;
    let handle = orders.clone();
    let pool = Pool::of_fn(5, move |_, _| {
        // What the failure of this job comes to is behind that in line, and is never heard.
        fault::panic_dispatcher(&handle);
        async { Err("told to fail".into()) }
    });
    orders.deploy("2.0.0", pool).share(5).await.unwrap();
    send(&orders, 1_000).await;
    tokio::time::sleep(10 * MINUTE).await;
    assert!(was_taken_back(&orders));
    assert_eq!(orders.describe().done, 1_100);
    end(shop).await;
}
