//! Promise 2: when a deploy or a rollback has returned, no new job reaches the old version; and promise 6, what a rollback does.
//!
//! Seen failing: the old gate not narrowed; narrowed before the table is swapped; a rollback that recalls nothing; one that does not halt.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use seral::Event;
use seral::Rollback;
use seral::Takeover;
use seral::error::DeployError;
use seral::error::RollbackError;
use seral::error::ScaleError;
use seral::error::SendError;
use seral::prelude::*;
use seral::view::VersionState;

use crate::kit::Act;
use crate::kit::community;
use crate::kit::job;
use crate::kit::settle;

const MINUTE: Duration = Duration::from_secs(60);

/// Four senders send without pause while versions succeed one another. Each job knows which version was current when its send began: it must
/// not be processed by an older one.
/// Rollout I2, and §6, row 26: elsewhere new jobs still went to where they did before.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_job_sent_after_a_deploy_returned_reaches_an_older_version() {
    const VERSIONS: u64 = 40;
    let shop = Ecosystem::new("shop");
    let orders = shop.community::<u64, u64>("orders").mailbox(256).await.unwrap();
    let pool =
        |version: u64| Pool::of_fn(2, move |_: u64, _| async move { Ok(version) }).build(version.to_string());
    orders.deploy("0", pool(0)).await.unwrap();
    let current = Arc::new(AtomicU64::new(0));
    let over = Arc::new(AtomicBool::new(false));
    let senders: Vec<_> = (0..4)
        .map(|_| {
            let (orders, current, over) = (orders.clone(), Arc::clone(&current), Arc::clone(&over));
            tokio::spawn(async move {
                let mut asked = 0_u64;
                while !over.load(Relaxed) {
                    let at_least = current.load(SeqCst);
                    let by = orders.ask(at_least).await.unwrap();
                    assert!(by >= at_least, "sent when {at_least} was current, processed by {by}");
                    asked += 1;
                }
                asked
            })
        })
        .collect();
    // At every moment some version takes new jobs: a send that does not wait finds room or none, but never nobody.
    let impatient = {
        let (orders, current, over) = (orders.clone(), Arc::clone(&current), Arc::clone(&over));
        tokio::spawn(async move {
            let mut admitted = 0_u64;
            while !over.load(Relaxed) {
                match orders.try_send(current.load(SeqCst)) {
                    Ok(_) => admitted += 1,
                    Err(SendError::Full(_)) => {}
                    Err(refused) => panic!("{refused}"),
                }
                tokio::task::yield_now().await;
            }
            admitted
        })
    };
    for version in 1..VERSIONS {
        orders.deploy(version.to_string(), pool(version)).await.unwrap();
        current.store(version, SeqCst);
        // Enough jobs between two deploys for both to meet.
        let before = orders.describe().done;
        while orders.describe().done < before + 50 {
            tokio::task::yield_now().await;
        }
    }
    over.store(true, Relaxed);
    let mut asked = impatient.await.unwrap();
    for sender in senders {
        asked += sender.await.unwrap();
    }
    let report = shop.shutdown(MINUTE).await;
    assert!(report.is_clean(), "{report}");
    let view = orders.describe();
    assert_eq!((view.admitted, view.done, view.accounted()), (asked, asked, asked));
}

/// Rollout, §6, row 47: elsewhere what had begun was moved to code that could not go on with it.
#[tokio::test(start_paused = true)]
async fn a_new_version_takes_new_jobs_while_the_old_one_finishes_its_own() {
    let (_shop, orders, floor) = community(1).await;
    for number in 1..=3 {
        orders.send(job(number, Act::WaitForGate)).await.unwrap();
    }
    settle().await;
    let deployed = orders.deploy("2.0.0", floor.pool(1)).await.unwrap();
    assert_eq!(deployed.replaced.unwrap().as_str(), "1.0.0");
    orders.ask(job(4, Act::Do)).await.unwrap();
    let view = orders.describe();
    assert_eq!(view.version("1.0.0").unwrap().state, VersionState::Draining);
    assert_eq!(view.version("1.0.0").unwrap().done, 0);
    floor.open(3);
    orders.drained("1.0.0").await.unwrap();
    let by: Vec<_> = floor.record().into_iter().map(|entry| (entry.number, entry.version)).collect();
    let expected = [(1, "1.0.0"), (4, "2.0.0"), (2, "1.0.0"), (3, "1.0.0")];
    assert_eq!(by, expected.map(|(number, version)| (number, version.to_owned())));
}

#[tokio::test(start_paused = true)]
async fn a_failed_job_of_the_old_version_is_healed_by_the_new_one() {
    let (_shop, orders, floor) = community(1).await;
    orders.send(job(1, Act::WaitForGate)).await.unwrap();
    let failing = orders.submit(job(2, Act::FailOnce)).await.unwrap();
    settle().await;
    orders.deploy("2.0.0", floor.pool(1)).await.unwrap();
    floor.open(1);
    failing.await.unwrap();
    let by: Vec<_> =
        floor.record().into_iter().filter(|entry| entry.number == 2).map(|entry| entry.version).collect();
    assert_eq!(by, ["1.0.0", "2.0.0"]);
}

/// Rollout, §6, row 40: elsewhere a drain that took long held up the next deploy.
#[tokio::test(start_paused = true)]
async fn any_number_of_versions_drains_at_once() {
    let (_shop, orders, floor) = community(1).await;
    for version in 2..=20 {
        orders.send(job(version, Act::WaitForGate)).await.unwrap();
        settle().await;
        orders.deploy(format!("{version}.0.0"), floor.pool(1)).await.unwrap();
    }
    let draining = |view: seral::view::CommunityView| {
        view.versions.iter().filter(|version| version.state == VersionState::Draining).count()
    };
    assert_eq!(draining(orders.describe()), 19);
    floor.open(19);
    for version in 1..20 {
        orders.drained(format!("{version}.0.0")).await.unwrap();
    }
    assert_eq!(draining(orders.describe()), 0);
    assert_eq!(orders.describe().done, 19);
}

#[tokio::test(start_paused = true)]
async fn a_warm_rollback_moves_waiting_jobs_before_newer_ones() {
    let (_shop, orders, floor) = community(1).await;
    let mut events = orders.events();
    orders.send(job(1, Act::WaitForGate)).await.unwrap();
    settle().await;
    orders.deploy("2.0.0", floor.pool(1)).await.unwrap();
    for number in 2..=600 {
        orders.send(job(number, Act::WaitForGate)).await.unwrap();
    }
    settle().await;
    let Rollback::To { from, to, how, .. } = orders.rollback().await.unwrap() else { panic!("no rollback") };
    assert_eq!((from.as_str(), to.as_str(), how), ("2.0.0", "1.0.0", Takeover::Warm));
    orders.send(job(601, Act::WaitForGate)).await.unwrap();
    assert_eq!(orders.rollback().await.unwrap(), Rollback::Already);
    let recalled = loop {
        if let Event::Recalled { jobs, .. } = events.next().await.unwrap() {
            break jobs;
        }
    };
    assert_eq!(recalled, 598, "all but the one in hand");
    floor.open(601);
    orders.drained("2.0.0").await.unwrap();
    orders.ask(job(602, Act::Do)).await.unwrap();
    let of = |version: &str| -> Vec<u64> {
        floor
            .record()
            .into_iter()
            .filter(|entry| entry.version == version)
            .map(|entry| entry.number)
            .collect()
    };
    assert_eq!(of("2.0.0"), [2], "what was in hand is finished, nothing else is started");
    let expected: Vec<u64> = std::iter::once(1).chain(3..=602).collect();
    assert_eq!(of("1.0.0"), expected);
}

/// Workers of the version that is left finish the job in hand and take nothing more, while its waiting jobs are moved.
/// Rollout I9.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_rollback_the_version_that_was_left_starts_only_what_it_had_in_hand() {
    const WORKERS: u64 = 2;
    let shop = Ecosystem::new("shop");
    let orders = shop.community::<u64, ()>("orders").await.unwrap();
    let rolled_back = Arc::new(AtomicBool::new(false));
    let started_late = Arc::new(AtomicU64::new(0));
    let pool = |build: &str| {
        let (rolled_back, started_late) = (Arc::clone(&rolled_back), Arc::clone(&started_late));
        let process = move |_: u64, cx: JobContext| {
            let is_left = cx.version().as_str() == "2" && rolled_back.load(SeqCst);
            started_late.fetch_add(u64::from(is_left), SeqCst);
            async {
                tokio::task::yield_now().await;
                Ok(())
            }
        };
        Pool::of_fn(2, process).build(build)
    };
    orders.deploy("1", pool("1")).await.unwrap();
    // A delayed job that names it keeps the first version warm.
    drop(orders.submit(0).pin("1").delay(Duration::from_secs(2)).await.unwrap());
    orders.deploy("2", pool("2")).await.unwrap();
    orders.send_all(&mut (0..10_000)).await.unwrap();
    let Rollback::To { how, .. } = orders.rollback().await.unwrap() else { panic!("no rollback") };
    rolled_back.store(true, SeqCst);
    assert_eq!(how, Takeover::Warm);
    orders.drained("2").await.unwrap();
    assert!(started_late.load(SeqCst) <= WORKERS, "{} jobs were started late", started_late.load(SeqCst));
    assert!(shop.shutdown(MINUTE).await.is_clean());
    assert_eq!(orders.describe().done, 10_001);
}

/// Rollout, §6, row 20: elsewhere the version that was left stayed the newest, and new jobs went there.
#[tokio::test(start_paused = true)]
async fn a_cold_rollback_starts_the_earlier_version_first_and_says_so() {
    let (_shop, orders, floor) = community(1).await;
    assert_eq!(orders.rollback().await, Err(RollbackError::NothingBefore));
    orders.deploy("2.0.0", floor.pool(1)).await.unwrap();
    orders.drained("1.0.0").await.unwrap();
    settle().await;
    assert_eq!(orders.describe().version("1.0.0").unwrap().state, VersionState::Retired);
    let Rollback::To { how, .. } = orders.rollback().await.unwrap() else { panic!("no rollback") };
    assert_eq!(how, Takeover::Cold);
    orders.ask(job(1, Act::Do)).await.unwrap();
    assert_eq!(floor.record()[0].version, "1.0.0");
}

#[tokio::test(start_paused = true)]
async fn a_draining_version_becomes_current_again_without_starting_anything() {
    let (_shop, orders, floor) = community(1).await;
    orders.send(job(1, Act::WaitForGate)).await.unwrap();
    settle().await;
    orders.deploy("2.0.0", floor.pool(1)).await.unwrap();
    let again = orders.deploy("1.0.0", floor.pool(1)).await.unwrap();
    assert_eq!(again.how, Some(Takeover::Warm));
    assert_eq!(orders.deploy("1.0.0", floor.pool(1)).await.unwrap().how, None, "it is current already");
    let other = orders.deploy("1.0.0", floor.pool(1).build("other")).await.unwrap_err();
    assert_eq!(other, DeployError::OtherBuild { version: "1.0.0".into() });
    assert_eq!(orders.describe().current.unwrap(), "1.0.0");
}

#[tokio::test(start_paused = true)]
async fn scaling_adds_workers_and_lets_single_ones_leave_after_their_job() {
    let (_shop, orders, floor) = community(2).await;
    let workers = || orders.describe().version("1.0.0").unwrap().workers;
    let handles: Vec<_> = {
        let mut handles = Vec::new();
        for number in 1..=4 {
            handles.push(orders.submit(job(number, Act::WaitForGate)).await.unwrap());
        }
        handles
    };
    settle().await;
    assert_eq!(orders.describe().running, 2);
    orders.scale("1.0.0", 4).await.unwrap();
    settle().await;
    assert_eq!((workers(), orders.describe().running), (4, 4));
    orders.scale("1.0.0", 1).await.unwrap();
    settle().await;
    assert_eq!((workers(), orders.describe().running), (4, 4), "nobody leaves in the middle of a job");
    floor.open(4);
    for handle in handles {
        handle.await.unwrap();
    }
    settle().await;
    assert_eq!(workers(), 1);
    orders.ask(job(5, Act::Do)).await.unwrap();
    assert_eq!(orders.scale("1.0.0", 0).await, Err(ScaleError::Size { max: 10_000 }));
    assert_eq!(orders.scale("7", 1).await, Err(ScaleError::NotRunning { version: "7".into() }));
}

#[tokio::test(start_paused = true)]
async fn scaling_down_right_after_scaling_up_leaves_no_worker_too_many() {
    let (_shop, orders, _floor) = community(1).await;
    let (up, down) = tokio::join!(orders.scale("1.0.0", 5), orders.scale("1.0.0", 1));
    up.unwrap();
    down.unwrap();
    settle().await;
    assert_eq!(orders.describe().version("1.0.0").unwrap().workers, 1);
    orders.ask(job(1, Act::Do)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn memory_of_versions_is_bounded_over_a_thousand_deploys() {
    let (_shop, orders, floor) = community(1).await;
    for version in 2..=1_000_u64 {
        orders.ask(job(version, Act::Do)).await.unwrap();
        orders.deploy(format!("{version}.0.0"), floor.pool(1)).await.unwrap();
    }
    settle().await;
    let view = orders.describe();
    assert!(view.versions.len() <= 70, "{} versions are remembered", view.versions.len());
    assert_eq!((view.admitted, view.done, view.accounted()), (999, 999, 999));
}
