//! A community ends by itself as all end together, and the others go on.
//!
//! Seen failing: workers of others let in, or its own turned away; closed at once, or to nobody; a name that is not freed, or too early; a second call that cuts
//! it short; an end that is no task of its own; a deadline that is ignored; waiting jobs, or dead letters, left where they are; a dispatcher that is not told; a
//! rollout that is not ended; actors or the user's code kept; pools that are waited for though their workers are blocked.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc;
use std::time::Duration;

use parking_lot::Mutex;
use seral::HandBackReason;
use seral::HandedBack;
use seral::ShutdownEnd;
use seral::error::CommunityError;
use seral::error::DeployError;
use seral::error::FindError;
use seral::error::JobError;
use seral::error::RolloutError;
use seral::error::SendError;
use seral::error::VerbError;
use seral::prelude::*;
use seral::rollout::End;
use seral::rollout::Refused;
use seral_test::fault;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::kit::Act;
use crate::kit::Floor;
use crate::kit::Job;
use crate::kit::Slow;
use crate::kit::community;
use crate::kit::end_if_it_hangs;
use crate::kit::job;
use crate::kit::settle;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn end<J: Send + Sync + 'static, O: Send + 'static>(
    community: &Community<J, O>,
    deadline: Duration,
) -> tokio::task::JoinHandle<seral::ShutdownReport> {
    let community = community.clone();
    tokio::spawn(async move { community.shutdown(deadline).await })
}

#[tokio::test(start_paused = true)]
async fn its_jobs_are_finished_and_new_ones_come_back_while_the_others_go_on() {
    let (shop, orders, floor) = community(2).await;
    let mail = shop.community("mail").await.unwrap();
    mail.deploy("1", floor.pool(3)).await.unwrap();
    let mut handles = Vec::new();
    for number in 1..=5 {
        handles.push(orders.submit(job(number, Act::WaitForGate)).key(number % 2).await.unwrap());
    }
    handles.push(orders.submit(job(6, Act::Do)).delay(SECOND).await.unwrap());
    let ending = end(&orders, MINUTE);
    settle().await;
    assert_eq!(orders.send(job(7, Act::Do)).await.unwrap_err().into_job().number, 7);
    assert!(matches!(orders.try_send(job(7, Act::Do)), Err(SendError::Closed(_))));
    assert!(matches!(orders.submit(job(7, Act::Do)).delay(SECOND).await, Err(SendError::Closed(_))));
    assert_eq!(mail.ask(job(8, Act::Do)).await.unwrap(), 8);
    // As long as it closes, its name is taken, and whoever looks finds it.
    let taken = shop.community::<Job, u64>("orders").await.unwrap_err();
    assert!(matches!(taken, CommunityError::NameTaken { .. }), "{taken}");
    assert!(shop.find::<Job, u64>("orders").is_ok());
    floor.open(5);
    for handle in handles {
        handle.await.unwrap();
    }
    let report = ending.await.unwrap();
    assert_eq!(report.end, ShutdownEnd::Finished);
    let names: Vec<_> = report.communities.iter().map(|part| (part.name.as_str(), part.finished)).collect();
    assert_eq!(names, [("orders", 6)]);
    assert!(report.is_clean(), "{report}");
    // Everything of it is gone, and nothing of the other.
    assert!(
        matches!(shop.find::<Job, u64>("orders"), Err(FindError::Unknown { known, .. }) if known == ["mail"])
    );
    assert_eq!(shop.describe().communities.len(), 1);
    assert_eq!(shop.heartbeats().len(), 3);
    assert_eq!(mail.ask(job(9, Act::Do)).await.unwrap(), 9);
    let all = shop.shutdown(MINUTE).await;
    assert!(all.is_clean() && all.communities.len() == 1, "{all}");
    assert_eq!(orders.shutdown(SECOND).await, report, "it has its own report still");
}

/// Sends to another community, and says how that went.
fn sender(to: &Community<u32, ()>, gate: &Arc<Notify>, said: &Arc<Mutex<Vec<String>>>) -> Pool<u32, ()> {
    let (to, gate, said) = (to.clone(), Arc::clone(gate), Arc::clone(said));
    Pool::of_fn(1, move |n: u32, _: JobContext| {
        let (to, gate, said) = (to.clone(), Arc::clone(&gate), Arc::clone(&said));
        async move {
            if n < 10 {
                gate.notified().await;
                let sent = to.send(n + 10).await.map(|_| ());
                said.lock().push(format!("{n}: {sent:?}"));
            }
            Ok(())
        }
    })
}

#[tokio::test(start_paused = true)]
async fn its_own_workers_may_still_send_to_it_and_those_of_others_may_not() {
    end_if_it_hangs();
    let shop = Ecosystem::new("shop");
    let (gate, said) = (Arc::new(Notify::new()), Arc::default());
    let orders = shop.community::<u32, ()>("orders").await.unwrap();
    let others = shop.community::<u32, ()>("others").await.unwrap();
    orders.deploy("1", sender(&orders, &gate, &said)).await.unwrap();
    others.deploy("1", sender(&orders, &gate, &said)).await.unwrap();
    others.send(1).await.unwrap();
    settle().await;
    orders.send(2).await.unwrap();
    settle().await;
    let ending = end(&orders, MINUTE);
    settle().await;
    gate.notify_waiters();
    let report = ending.await.unwrap();
    assert_eq!((report.end, report.communities[0].finished), (ShutdownEnd::Finished, 2), "{report}");
    settle().await;
    said.lock().sort();
    assert_eq!(*said.lock(), ["1: Err(Closed(..))", "2: Ok(())"]);
    assert!(shop.shutdown(MINUTE).await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn at_its_deadline_what_is_unfinished_and_dead_letters_are_handed_back_once() {
    crate::kit::hush();
    let (floor, shop) = (Floor::new(), Ecosystem::new("shop"));
    let back = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&back);
    let hook = move |jobs: Vec<HandedBack<Job>>| {
        kept.lock().extend(jobs.into_iter().map(|back| (back.job.number, back.reason)));
        std::future::ready(())
    };
    let orders = shop.community("orders").mailbox(2).hand_back(hook).await.unwrap();
    orders.deploy("1.0.0", floor.pool(1)).await.unwrap();
    let _ = orders.ask(job(1, Act::Fail)).await;
    let running = orders.submit(job(2, Act::WaitForGate)).await.unwrap();
    settle().await;
    let waiting = orders.submit(job(3, Act::Do)).await.unwrap();
    let fenced = orders.submit(job(4, Act::Do)).key("k").await.unwrap();
    let delayed = orders.submit(job(5, Act::Do)).delay(MINUTE * 60).await.unwrap();
    let blocked = tokio::spawn({
        let orders = orders.clone();
        async move { orders.send(job(6, Act::Do)).await }
    });
    settle().await;
    let began = Instant::now();
    let report = orders.shutdown(SECOND * 10).await;
    assert_eq!((report.end, began.elapsed().as_secs()), (ShutdownEnd::Deadline, 11));
    for handle in [running, waiting, fenced, delayed] {
        assert_eq!(handle.await, Err(JobError::HandedBack));
    }
    assert!(matches!(blocked.await.unwrap(), Err(SendError::Closed(_))), "it was not admitted");
    let back = back.lock();
    assert_eq!(back.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert!(matches!(back[0].1, HandBackReason::DeadLetter(_)));
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.communities[0].handed_back, report.communities[0].dead_letters), (4, 1));
}

#[tokio::test(start_paused = true)]
async fn its_name_is_free_again_also_for_a_community_of_other_types() {
    let (shop, orders, floor) = community(1).await;
    assert_eq!(orders.ask(job(1, Act::Do)).await.unwrap(), 1);
    orders.shutdown(MINUTE).await;
    let other = shop.community::<u8, u8>("orders").await.unwrap();
    other.deploy("1", Pool::of_fn(1, |n: u8, _: JobContext| async move { Ok(n) })).await.unwrap();
    assert_eq!(other.ask(7).await.unwrap(), 7);
    assert!(matches!(shop.find::<Job, u64>("orders"), Err(FindError::OtherTypes { .. })));
    // The handle of the one before is still that of the one before.
    assert!(matches!(orders.send(job(2, Act::Do)).await, Err(SendError::Closed(_))));
    orders.shutdown(MINUTE).await;
    assert_eq!(shop.find::<u8, u8>("orders").unwrap().ask(8).await.unwrap(), 8);
    assert_eq!(floor.numbers(), [1]);
    assert!(shop.shutdown(MINUTE).await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn it_is_shut_down_once_the_first_deadline_holds_and_all_hear_the_same() {
    let (_shop, orders, _floor) = community(1).await;
    orders.send(job(1, Act::WaitForGate)).await.unwrap();
    settle().await;
    let began = Instant::now();
    let first = end(&orders, SECOND * 5);
    settle().await;
    // Given up, it changes nothing.
    let second = tokio::time::timeout(SECOND, orders.shutdown(Duration::ZERO)).await;
    assert!(second.is_err());
    let third = orders.shutdown(MINUTE).await;
    assert_eq!((third.end, began.elapsed().as_secs()), (ShutdownEnd::Deadline, 6));
    assert_eq!(first.await.unwrap(), third);
}

#[tokio::test(start_paused = true)]
async fn once_begun_it_goes_on_though_nobody_waits_for_it() {
    let (shop, orders, floor) = community(1).await;
    orders.send(job(1, Act::WaitForGate)).await.unwrap();
    settle().await;
    let closed = tokio::spawn({
        let orders = orders.clone();
        async move { orders.closed().await }
    });
    drop(orders.shutdown(MINUTE));
    settle().await;
    assert!(orders.try_send(job(2, Act::Do)).is_ok(), "a shutdown that is not awaited has not begun");
    assert!(tokio::time::timeout(Duration::ZERO, orders.shutdown(MINUTE)).await.is_err());
    assert!(matches!(orders.try_send(job(3, Act::Do)), Err(SendError::Closed(_))));
    closed.await.unwrap();
    floor.open(1);
    settle().await;
    assert!(shop.find::<Job, u64>("orders").is_err());
    assert_eq!(floor.numbers(), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn verbs_that_wait_and_verbs_that_come_later_hear_that_they_were_interrupted() {
    let (_shop, orders, floor) = community(1).await;
    let started = Arc::new(AtomicUsize::new(0));
    let deploy = |version: &'static str| {
        let (orders, counter) = (orders.clone(), Arc::clone(&started));
        let pool = Pool::of(1, move || Slow(Arc::clone(&counter))).build(version);
        tokio::spawn(async move { orders.deploy(version, pool).await })
    };
    let loading = deploy("2.0.0");
    settle().await;
    let in_line = deploy("3.0.0");
    settle().await;
    let report = orders.shutdown(MINUTE).await;
    assert!(report.is_clean() && report.took < SECOND, "{report}");
    for verb in [loading, in_line] {
        assert_eq!(verb.await.unwrap().unwrap_err(), DeployError::Interrupted);
    }
    assert_eq!(orders.deploy("4.0.0", floor.pool(1)).await.unwrap_err(), DeployError::Interrupted);
    assert_eq!(orders.promote("1.0.0").await.unwrap_err(), VerbError::Interrupted);
    assert!(orders.scale("1.0.0", 2).await.is_err());
    orders.drained("1.0.0").await.unwrap();
    tokio::time::sleep(MINUTE).await;
    assert_eq!(started.load(Relaxed), 1, "the one in line was never started");
    assert!(orders.describe().versions.iter().all(|version| version.workers == 0));
}

#[tokio::test(start_paused = true)]
async fn a_rollout_in_progress_ends_with_it() {
    let (_shop, orders, floor) = community(1).await;
    let rollout = orders.deploy("2.0.0", floor.pool(1)).ramp([50, 100]).by_hand().await.unwrap();
    let report = orders.shutdown(MINUTE).await;
    assert!(report.is_clean() && report.took < SECOND, "{report}");
    assert_eq!(rollout.ended().await, End::Aborted);
    assert_eq!(rollout.next().await, Err(RolloutError::Refused(Refused::Over(End::Aborted))));
}

/// What fails in the middle is not started again, or is, and the end comes.
#[tokio::test(start_paused = true)]
async fn an_actor_that_panics_in_the_middle_holds_nothing_up() {
    crate::kit::hush();
    for panic in [fault::panic_dispatcher, fault::panic_pool, fault::kill_worker] {
        // Before the jobs are done, as the mailboxes are sealed, and after.
        for turns in [0, 1, 2, 3, 5, 8, 13, 21, 34, 55] {
            let (shop, orders, floor) = community(2).await;
            orders.send(job(1, Act::WaitForGate)).await.unwrap();
            settle().await;
            let ending = end(&orders, MINUTE);
            settle().await;
            floor.open(2);
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
            panic(&orders);
            let report = ending.await.unwrap();
            assert!(report.is_clean() && report.took < MINUTE / 2, "after {turns} turns: {report}");
            assert!(shop.find::<Job, u64>("orders").is_err());
        }
    }
}

/// In the second of grace.
#[tokio::test(start_paused = true)]
async fn an_actor_that_panics_when_the_time_is_over_holds_nothing_up() {
    crate::kit::hush();
    for panic in [fault::panic_dispatcher, fault::panic_pool, fault::kill_worker] {
        let (shop, orders, _floor) = community(2).await;
        let job = orders.submit(job(1, Act::WaitForGate)).await.unwrap();
        settle().await;
        let ending = end(&orders, Duration::ZERO);
        tokio::time::sleep(SECOND / 2).await;
        panic(&orders);
        let report = ending.await.unwrap();
        assert!(report.took <= SECOND, "{report}");
        assert_eq!(
            (report.communities[0].handed_back, report.communities[0].still_there),
            (1, 0),
            "{report}"
        );
        assert_eq!(job.await, Err(JobError::HandedBack));
        assert!(shop.find::<Job, u64>("orders").is_err() && shop.heartbeats().is_empty());
    }
}

/// It waits for itself. The deadline ends that.
#[tokio::test(start_paused = true)]
async fn its_own_worker_may_begin_it_and_waits_for_it_until_the_deadline_at_most() {
    end_if_it_hangs();
    for spawns in [true, false] {
        let (shop, back) = (Ecosystem::new("shop"), Arc::new(AtomicUsize::new(0)));
        let counter = Arc::clone(&back);
        let hook = move |jobs: Vec<HandedBack<u8>>| {
            assert!(jobs.iter().all(|back| back.reason == HandBackReason::Interrupted));
            counter.fetch_add(jobs.len(), Relaxed);
            std::future::ready(())
        };
        let orders = shop.community::<u8, ()>("orders").hand_back(hook).await.unwrap();
        let own = orders.clone();
        let process = move |_: u8, _: JobContext| {
            let own = own.clone();
            async move {
                if spawns {
                    drop(tokio::spawn(async move { own.shutdown(SECOND * 10).await }));
                } else {
                    own.shutdown(SECOND * 10).await;
                }
                Ok(())
            }
        };
        orders.deploy("1", Pool::of_fn(1, process)).await.unwrap();
        let asked = tokio::spawn({
            let orders = orders.clone();
            async move { orders.ask(1).await.is_ok() }
        });
        orders.closed().await;
        let report = orders.shutdown(MINUTE).await;
        assert_eq!(asked.await.unwrap(), spawns);
        assert!(report.is_clean(), "{report}");
        let expected = if spawns { (ShutdownEnd::Finished, 0, 0) } else { (ShutdownEnd::Deadline, 11, 1) };
        assert_eq!((report.end, report.took.as_secs(), back.load(Relaxed)), expected);
    }
}

/// A worker that holds what a test looks for, and its own community.
struct Holder(
    #[expect(dead_code, reason = "it is held")] Arc<()>,
    #[expect(dead_code, reason = "it is held")] Community<Arc<()>, ()>,
);

impl Worker for Holder {
    type Job = Arc<()>;
    type Output = ();

    async fn process(&mut self, _: &Arc<()>, _: &JobContext) -> Result<(), Fault> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_that_were_made_and_ended_leave_nothing() {
    end_if_it_hangs();
    let shop = Ecosystem::new("shop");
    let held = Arc::new(());
    // The first makes what the ecosystem keeps.
    shop.community::<u8, u8>("kept").await.unwrap();
    let tasks = Handle::current().metrics().num_alive_tasks();
    for round in 0..1_000 {
        let kept = Arc::clone(&held);
        let hook = move |_| {
            let _ = &kept;
            std::future::ready(())
        };
        let kept = Arc::clone(&held);
        let overflow = move |_| drop(Arc::clone(&kept));
        let name = if round % 2 == 0 { "even" } else { "odd" };
        let community = shop.community(name).hand_back(hook).dead_letter_overflow(overflow).await.unwrap();
        let (own, kept) = (community.clone(), Arc::clone(&held));
        let pool = Pool::of(2, move || Holder(Arc::clone(&kept), own.clone()));
        community.deploy("1", pool.clone().build("1")).await.unwrap();
        community.deploy("2", pool.build("2")).ramp([50, 100]).by_hand().await.unwrap();
        for key in 0..4 {
            community.submit(Arc::clone(&held)).key(key).await.unwrap().await.unwrap();
        }
        drop(community.submit(Arc::clone(&held)).delay(MINUTE * 60).await.unwrap());
        let report = community.shutdown(MINUTE).await;
        assert!(report.is_clean(), "{report}");
    }
    settle().await;
    assert_eq!(Arc::strong_count(&held), 1, "what workers, jobs and hooks held");
    assert_eq!(Handle::current().metrics().num_alive_tasks(), tasks);
    assert!(shop.heartbeats().is_empty());
    assert_eq!(shop.describe().communities.len(), 1);
}

/// Real time, since blocking a thread is what it is about.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_blocks_its_thread_is_reported_and_leaves_nothing_once_it_lets_go() {
    let shop = Ecosystem::new("shop");
    let (begun, held) = (Arc::new(Notify::new()), Arc::new(()));
    let (release, blocked) = mpsc::channel::<()>();
    let orders = shop.community::<u8, ()>("orders").await.unwrap();
    let (blocked, begins, kept) = (Mutex::new(blocked), Arc::clone(&begun), Arc::clone(&held));
    let process = move |_: u8, _: JobContext| {
        let _ = &kept;
        begins.notify_one();
        let _ = blocked.lock().recv_timeout(MINUTE);
        async { Ok(()) }
    };
    orders.deploy("1", Pool::of_fn(1, process)).await.unwrap();
    let job = orders.submit(1).await.unwrap();
    begun.notified().await;
    let report = orders.shutdown(Duration::ZERO).await;
    assert_eq!((report.end, report.communities[0].still_running), (ShutdownEnd::Deadline, 1), "{report}");
    // Nobody waits for it: neither the next of that name, nor who waits for its version.
    shop.community::<u8, ()>("orders").await.unwrap().shutdown(MINUTE).await;
    orders.drained("1").await.unwrap();
    release.send(()).unwrap();
    job.await.unwrap();
    drop(orders);
    while Arc::strong_count(&held) > 1 || !shop.heartbeats().is_empty() {
        tokio::task::yield_now().await;
    }
}
