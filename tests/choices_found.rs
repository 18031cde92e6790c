//! What a review of pins, kept versions, canaries and moves found: each test is named after what must hold, and fails without its mending.

use std::future::Future;
use std::future::IntoFuture;
use std::sync::Arc;
use std::task::Context;
use std::task::Wake;
use std::task::Waker;
use std::time::Duration;

use seral::State;
use seral::Whose;
use seral::error::JobError;
use seral::prelude::*;
use seral::rollout::Phase;
use seral::view::VersionState;
use tokio::task::JoinHandle;

use crate::choices::ran_on;
use crate::keep_warm::kept;
use crate::kit::Act;
use crate::kit::Floor;
use crate::kit::Job;
use crate::kit::community;
use crate::kit::hush;
use crate::kit::job;
use crate::kit::settle;

const MINUTE: Duration = Duration::from_secs(60);

async fn pass(time: Duration) {
    tokio::time::advance(time + Duration::from_millis(2)).await;
    settle().await;
}

/// A community with room for so few jobs at each version.
async fn small(room: usize) -> (Ecosystem, Community<Job, u64>, Floor) {
    let floor = Floor::new();
    let shop = Ecosystem::new("shop");
    let orders = shop.community("orders").mailbox(room).await.unwrap();
    orders.deploy("1.0.0", floor.pool(1)).await.unwrap();
    (shop, orders, floor)
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_pin_has_ended_waits_for_a_version_as_others_do() {
    let (shop, orders, floor) = community(1).await;
    orders.pin(Whose::tenant("acme"), "1.0.0").forever().await.unwrap();
    let tied = orders.submit(job(1, Act::SnoozeOnce)).tenant("acme").await.unwrap();
    let free = orders.submit(job(2, Act::SnoozeOnce)).await.unwrap();
    settle().await;
    orders.unpin(Whose::tenant("acme")).await.unwrap();
    orders.drain("1.0.0").allow_empty().await.unwrap();
    pass(MINUTE).await;
    assert_eq!(orders.describe().dead, 0, "{}", orders.describe());
    orders.deploy("2.0.0", floor.pool(1)).await.unwrap();
    assert_eq!((free.await, tied.await), (Ok(2), Ok(1)));
    shop.shutdown(MINUTE).await;
}

/// The only version is full, and job 50, of the tenant "acme", waits for room there.
async fn sender_that_waits(orders: &Community<Job, u64>) -> JoinHandle<Result<u64, JobError>> {
    for number in 0..3 {
        drop(orders.submit(job(number, Act::WaitForGate)).await.unwrap());
        settle().await;
    }
    let sender = orders.clone();
    let waits =
        tokio::spawn(async move { sender.submit(job(50, Act::Do)).tenant("acme").await.unwrap().await });
    settle().await;
    waits
}

/// Found by a simulated rollout, which did not end: the gate let the sender's wait through, since it was for a job without a pin, and the full mailbox
/// refused the job, which had one by then.
#[tokio::test(start_paused = true)]
async fn a_sender_whose_job_is_pinned_while_it_waits_for_room_waits_and_does_not_spin() {
    let (shop, orders, floor) = small(2).await;
    let waits = sender_that_waits(&orders).await;
    orders.pin(Whose::tenant("acme"), "1.0.0").lasting(MINUTE).await.unwrap();
    settle().await;
    orders.deploy("2.0.0", floor.pool(1)).await.unwrap();
    settle().await;
    assert_eq!(orders.describe().version("1.0.0").unwrap().waiting, 2, "{}", orders.describe());
    floor.open(3);
    assert_eq!(waits.await.unwrap(), Ok(50));
    assert_eq!(ran_on(&floor, 50), "1.0.0");
    shop.shutdown(MINUTE).await;
}

/// The table of the moment in which a job enters decides, not that of the moment in which its sender began to wait.
#[tokio::test(start_paused = true)]
async fn a_sender_that_waits_for_room_goes_where_a_newer_table_sends_it() {
    let (shop, orders, floor) = small(2).await;
    orders.deploy("2.0.0", floor.pool(1)).hold().await.unwrap();
    let waits = sender_that_waits(&orders).await;
    orders.pin(Whose::tenant("acme"), "2.0.0").forever().await.unwrap();
    // Without room at 1.0.0.
    assert_eq!(waits.await.unwrap(), Ok(50));
    assert_eq!(ran_on(&floor, 50), "2.0.0");
    floor.open(3);
    shop.shutdown(MINUTE).await;
}

/// A drained version may be full: of jobs behind a key, that count there and hold nothing.
#[tokio::test(start_paused = true)]
async fn a_job_that_names_a_kept_version_which_is_full_waits_there_without_spinning() {
    let floor = Floor::new();
    let shop = Ecosystem::new("shop");
    let orders = shop.community("orders").mailbox(1).await.unwrap();
    orders.deploy("1.0.0", floor.pool(1)).await.unwrap();
    let holder = orders.submit(job(1, Act::WaitForGate)).key("k").await.unwrap();
    settle().await;
    orders.deploy("2.0.0", floor.pool(1).keep_warm(MINUTE)).await.unwrap();
    let behind = orders.submit(job(2, Act::Do)).key("k").await.unwrap();
    orders.deploy("3.0.0", floor.pool(1)).await.unwrap();
    orders.drained("2.0.0").await.unwrap();
    let mut named = Box::pin(orders.submit(job(3, Act::Do)).pin("2.0.0").into_future());
    assert!(named.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    settle().await;
    assert_eq!(orders.describe().version("2.0.0").unwrap().state, VersionState::Draining);
    floor.open(1);
    holder.await.unwrap();
    behind.await.unwrap();
    named.await.unwrap().await.unwrap();
    assert_eq!(ran_on(&floor, 3), "2.0.0");
    orders.drained("2.0.0").await.unwrap();
    shop.shutdown(MINUTE).await;
}

/// Two at once: the first revives it, and the second finds it revived.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_job_that_names_a_kept_version_is_admitted_whoever_else_comes() {
    let (shop, orders, _floor) = kept().await;
    for round in 0..200 {
        let start = Arc::new(tokio::sync::Barrier::new(4));
        let sent = (0..4).map(|number| {
            let (orders, start) = (orders.clone(), Arc::clone(&start));
            tokio::spawn(async move {
                start.wait().await;
                orders.submit(job(round * 4 + number, Act::Do)).pin("1.0.0").await
            })
        });
        for sent in sent.collect::<Vec<_>>() {
            sent.await.unwrap().unwrap().await.unwrap();
        }
        orders.drained("1.0.0").await.unwrap();
    }
    shop.shutdown(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn a_move_leaves_jobs_that_a_pin_ties_where_they_are() {
    let (shop, orders, floor) = community(1).await;
    orders.deploy("2.0.0", floor.pool(1)).hold().await.unwrap();
    orders.pin(Whose::tenant("acme"), "1.0.0").forever().await.unwrap();
    for number in 0..6 {
        let tenant = if number % 2 == 0 { "acme" } else { "other" };
        drop(orders.submit(job(number, Act::WaitForGate)).tenant(tenant).await.unwrap());
    }
    settle().await;
    assert_eq!(orders.move_waiting("1.0.0", "2.0.0").await, Ok(3));
    floor.open(6);
    orders.drain("2.0.0").await.unwrap();
    orders.drained("2.0.0").await.unwrap();
    settle().await;
    let ran: Vec<_> = (0..6).map(|number| ran_on(&floor, number)).collect();
    assert_eq!(ran, ["1.0.0", "2.0.0", "1.0.0", "2.0.0", "1.0.0", "2.0.0"]);
    shop.shutdown(MINUTE).await;
}

struct Bad;

impl Wake for Bad {
    fn wake(self: Arc<Self>) {
        std::panic::panic_any("told to panic in a waker");
    }
}

#[tokio::test(start_paused = true)]
async fn a_waker_that_panics_under_the_dispatcher_holds_no_version_back() {
    hush();
    let (shop, orders, floor) = small(1).await;
    for number in 0..2 {
        drop(orders.submit(job(number, Act::WaitForGate)).await.unwrap());
        settle().await;
    }
    let mut send = Box::pin(orders.submit(job(9, Act::Do)).into_future());
    assert!(send.as_mut().poll(&mut Context::from_waker(&Waker::from(Arc::new(Bad)))).is_pending());
    assert_eq!(orders.deploy("2.0.0", floor.pool(1)).await.unwrap().state, State::Current);
    floor.open(2);
    assert_eq!(orders.drained("1.0.0").await.unwrap().done, 2);
    assert_eq!(send.await.unwrap().await, Ok(9));
    shop.shutdown(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn a_version_that_was_to_be_retired_and_came_back_is_kept_again_when_it_is_drained() {
    let floor = Floor::new();
    let shop = Ecosystem::new("shop");
    let orders = shop.community("orders").await.unwrap();
    orders.deploy("1.0.0", floor.pool(1)).await.unwrap();
    orders.deploy("2.0.0", floor.pool(1).keep_warm(MINUTE)).hold().await.unwrap();
    let running = orders.submit(job(1, Act::WaitForGate)).pin("2.0.0").await.unwrap();
    settle().await;
    orders.retire("2.0.0").await.unwrap();
    orders.promote("2.0.0").await.unwrap();
    floor.open(1);
    running.await.unwrap();
    orders.deploy("3.0.0", floor.pool(1)).await.unwrap();
    orders.drained("2.0.0").await.unwrap();
    settle().await;
    assert!(orders.describe().version("2.0.0").unwrap().kept_warm);
    orders.scale("2.0.0", 2).await.unwrap();
    shop.shutdown(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn a_drain_that_is_done_takes_its_deadline_along() {
    let (shop, orders, floor) = kept().await;
    orders.deploy("3.0.0", floor.pool(1)).hand_back_after(MINUTE).await.unwrap();
    orders.drained("2.0.0").await.unwrap();
    pass(MINUTE / 2).await;
    // Revived: another drain, and nobody gave it a deadline.
    for number in 0..3 {
        drop(orders.submit(job(number, Act::WaitForGate)).pin("3.0.0").await.unwrap());
    }
    orders.pin(Whose::tenant("acme"), "2.0.0").forever().await.unwrap();
    for number in 10..13 {
        drop(orders.submit(job(number, Act::WaitForGate)).tenant("acme").await.unwrap());
    }
    orders.unpin(Whose::tenant("acme")).await.unwrap();
    pass(MINUTE).await;
    let view = orders.describe();
    let v2 = view.version("2.0.0").unwrap();
    assert_eq!((v2.running, v2.waiting), (2, 1), "none of the three was taken away");
    floor.open(6);
    orders.drained("2.0.0").await.unwrap();
    shop.shutdown(MINUTE).await;
}

/// Who looked at the table acts on what is still true: that a kept version had a job changes nothing about where jobs go.
#[tokio::test(start_paused = true)]
async fn a_revival_does_not_change_the_number_of_the_table() {
    let (shop, orders, _floor) = kept().await;
    let revision = orders.describe().revision;
    orders.submit(job(1, Act::Do)).pin("1.0.0").await.unwrap().await.unwrap();
    orders.drained("1.0.0").await.unwrap();
    settle().await;
    assert_eq!(orders.describe().revision, revision);
    shop.shutdown(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_somebody_sets_by_hand_pauses_the_rollout_and_says_so() {
    let (shop, orders, floor) = community(1).await;
    let plan = orders.deploy("2.0.0", floor.pool(1)).ramp([50]).lasting(Duration::from_secs(1), 20);
    let rollout = plan.await.unwrap();
    orders.ramp("2.0.0", 50).first(1).await.unwrap();
    let why = "its share was set to 50 %, the first 1, by hand".to_owned();
    assert_eq!(rollout.status().unwrap().phase, Phase::Paused(why));
    rollout.resume().await.unwrap();
    settle().await;
    assert_eq!(orders.describe().version("2.0.0").unwrap().limit, None);
    shop.shutdown(MINUTE).await;
}

/// Nobody could do them elsewhere.
#[tokio::test(start_paused = true)]
async fn without_another_version_the_deadline_of_a_drain_takes_nothing_away() {
    let (shop, orders, floor) = community(1).await;
    for number in 0..5 {
        drop(orders.submit(job(number, Act::WaitForGate)).await.unwrap());
    }
    settle().await;
    orders.drain("1.0.0").allow_empty().hand_back_after(MINUTE).await.unwrap();
    pass(MINUTE).await;
    assert_eq!(orders.describe().version("1.0.0").unwrap().waiting, 4);
    floor.open(5);
    assert_eq!(orders.drained("1.0.0").await.unwrap().done, 5);
    shop.shutdown(MINUTE).await;
}

/// It comes in as any other job does, also where a version takes a few only.
#[tokio::test(start_paused = true)]
async fn a_job_whose_pin_has_ended_counts_as_others_do_against_the_limit_of_a_canary() {
    let (shop, orders, floor) = community(1).await;
    orders.pin(Whose::tenant("acme"), "1.0.0").forever().await.unwrap();
    let was_tied = orders.submit(job(1, Act::SnoozeOnce)).tenant("acme").await.unwrap();
    settle().await;
    orders.unpin(Whose::tenant("acme")).await.unwrap();
    orders.deploy("2.0.0", floor.pool(1)).first(1).await.unwrap();
    orders.ask(job(2, Act::Do)).await.unwrap();
    was_tied.await.unwrap();
    assert_eq!([ran_on(&floor, 2), ran_on(&floor, 1)], ["2.0.0", "1.0.0"]);
    shop.shutdown(MINUTE).await;
}
