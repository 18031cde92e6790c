//! Promises 1 and 3: a job that was admitted comes to one end, and one that was not comes back.
//!
//! Seen failing: a waiting worker that keeps its batch; deadlines that are not swept; jobs that wait for ever for a table.

use std::future::Future;
use std::future::IntoFuture;
use std::time::Duration;

use ractor::RpcReplyPort;
use seral::Event;
use seral::Priority;
use seral::Submission;
use seral::error::AskError;
use seral::error::FindError;
use seral::error::JobError;
use seral::error::SendError;
use seral::prelude::*;
use tokio::time::Instant;

use crate::kit::Act;
use crate::kit::Floor;
use crate::kit::community;
use crate::kit::hush;
use crate::kit::job;
use crate::kit::settle;

const MINUTE: Duration = Duration::from_secs(60);

/// Rollout I3.
#[tokio::test(start_paused = true)]
async fn a_job_without_room_or_version_comes_back() {
    let floor = Floor::new();
    let shop = Ecosystem::new("shop");
    let orders = shop.community("orders").mailbox(2).await.unwrap();
    let refused = orders.try_send(job(1, Act::Do)).unwrap_err();
    assert!(matches!(refused, SendError::NoVersion(_)));
    assert_eq!(refused.into_job().number, 1);

    orders.deploy("1.0.0", floor.pool(1)).await.unwrap();
    orders.send(job(1, Act::WaitForGate)).await.unwrap();
    settle().await;
    orders.try_send(job(2, Act::Do)).unwrap();
    orders.try_send(job(3, Act::Do)).unwrap();
    let refused = orders.try_send(job(4, Act::Do)).unwrap_err();
    assert!(matches!(refused, SendError::Full(_)));
    assert_eq!(refused.into_job().number, 4);
    floor.open(1);
    orders.ready().await.unwrap();
    orders.try_send(job(4, Act::Do)).unwrap();
    let report = shop.shutdown(MINUTE).await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(floor.numbers(), [1, 2, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn a_send_waits_for_a_version_and_for_room() {
    let floor = Floor::new();
    let shop = Ecosystem::new("shop");
    let orders = shop.community("orders").mailbox(1).await.unwrap();
    let sender = orders.clone();
    let sending = tokio::spawn(async move {
        for number in 1..=20 {
            sender.send(job(number, Act::Do)).await.unwrap();
        }
    });
    settle().await;
    assert!(!sending.is_finished());
    orders.deploy("1.0.0", floor.pool(1)).await.unwrap();
    sending.await.unwrap();
    shop.shutdown(MINUTE).await;
    assert_eq!(floor.numbers(), (1..=20).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_send_was_not_admitted_and_its_wake_up_is_not_lost() {
    let floor = Floor::new();
    let shop = Ecosystem::new("shop");
    let orders = shop.community("orders").mailbox(1).await.unwrap();
    orders.deploy("1.0.0", floor.pool(1)).await.unwrap();
    orders.send(job(1, Act::WaitForGate)).await.unwrap();
    settle().await;
    orders.send(job(2, Act::WaitForGate)).await.unwrap();
    let send = |number| {
        let orders = orders.clone();
        tokio::spawn(async move { orders.send(job(number, Act::Do)).await.unwrap() })
    };
    let dropped = send(3);
    settle().await;
    let kept = send(4);
    settle().await;
    floor.open(1);
    dropped.abort();
    kept.await.unwrap();
    floor.open(1);
    shop.shutdown(MINUTE).await;
    assert_eq!(floor.numbers(), [1, 2, 4]);
}

#[tokio::test(start_paused = true)]
async fn send_all_takes_from_the_iterator_only_what_has_room() {
    let floor = Floor::new();
    let shop = Ecosystem::new("shop");
    let orders = shop.community("orders").mailbox(3).await.unwrap();
    orders.deploy("1.0.0", floor.pool(1)).await.unwrap();
    let mut jobs = (1..=10).map(|number| job(number, Act::WaitForGate));
    {
        let sending = orders.send_all(&mut jobs);
        assert!(tokio::time::timeout(MINUTE, sending).await.is_err(), "there is no room for ten");
    }
    assert_eq!(orders.describe().admitted, 4, "one in hand, three waiting");
    floor.open(10);
    assert_eq!(orders.send_all(&mut jobs).await.unwrap(), 6);
    shop.shutdown(MINUTE).await;
    assert_eq!(floor.numbers(), (1..=10).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_failed_attempt_is_made_three_times_and_then_kept() {
    hush();
    let (shop, orders, floor) = community(2).await;
    let mut events = orders.events();
    for (number, act) in [(1, Act::Fail), (2, Act::Panic)] {
        let failed = orders.ask(job(number, act)).await.unwrap_err();
        let AskError::Job(JobError::Failed { attempts, last }) = failed else { panic!("{failed:?}") };
        assert_eq!(attempts, 3);
        assert!(last.contains("told to"), "{last}");
    }
    assert_eq!(orders.ask(job(3, Act::FailOnce)).await.unwrap(), 3);
    assert_eq!(orders.ask(job(4, Act::PanicOnce)).await.unwrap(), 4);
    assert_eq!(floor.numbers(), [1, 1, 1, 2, 2, 2, 3, 3, 4, 4]);
    let letters = orders.dead_letters().take();
    assert_eq!(letters.iter().map(|letter| letter.job.number).collect::<Vec<_>>(), [1, 2]);
    let mut failed = 0;
    while let Ok(Some(event)) = tokio::time::timeout(MINUTE, events.next()).await {
        failed += usize::from(matches!(event, Event::AttemptFailed { .. }));
    }
    assert_eq!(failed, 8, "an event for each failed attempt, none for those that succeed");
    assert!(shop.shutdown(MINUTE).await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn a_discarded_job_is_counted_and_forgotten_and_a_snooze_charges_no_attempt() {
    let (_shop, orders, floor) = community(1).await;
    let gone = orders.ask(job(1, Act::Discard)).await.unwrap_err();
    assert!(matches!(gone, AskError::Job(JobError::Discarded { .. })));
    let began = Instant::now();
    assert_eq!(orders.ask(job(2, Act::SnoozeOnce)).await.unwrap(), 2);
    assert!(began.elapsed() >= MINUTE / 2);
    assert!(floor.record().iter().all(|entry| entry.attempt == 1));
    let view = orders.describe();
    assert_eq!((view.discarded, view.dead, view.faults), (1, 0, 1));
    assert_eq!(view.accounted(), view.admitted);
}

#[tokio::test(start_paused = true)]
async fn a_delayed_job_starts_when_it_is_due_and_not_before() {
    let (_shop, orders, _floor) = community(1).await;
    let began = Instant::now();
    let second = orders.submit(job(2, Act::Do)).delay(MINUTE * 2).await.unwrap();
    let first = orders.submit(job(1, Act::Do)).delay(MINUTE).await.unwrap();
    assert_eq!(orders.describe().delayed, 2);
    first.await.unwrap();
    let waited = began.elapsed();
    assert!((MINUTE..MINUTE + Duration::from_millis(5)).contains(&waited), "{waited:?}");
    second.await.unwrap();
    let waited = began.elapsed();
    assert!((MINUTE * 2..MINUTE * 2 + Duration::from_millis(5)).contains(&waited), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_job_past_its_deadline_is_never_started_and_its_sender_hears_at_once() {
    let (_shop, orders, floor) = community(1).await;
    orders.send(job(1, Act::WaitForGate)).await.unwrap();
    settle().await;
    let began = Instant::now();
    let waiting = orders.submit(job(2, Act::Do)).deadline(MINUTE).await.unwrap();
    let fenced = orders.submit(job(3, Act::Do)).key("k").await.unwrap();
    let behind = orders.submit(job(4, Act::Do)).key("k").deadline(MINUTE).await.unwrap();
    let delayed = orders.submit(job(5, Act::Do)).delay(MINUTE * 2).deadline(MINUTE).await.unwrap();
    assert_eq!(waiting.await, Err(JobError::Expired));
    assert_eq!(behind.await, Err(JobError::Expired));
    let waited = began.elapsed();
    assert!((MINUTE..MINUTE + Duration::from_millis(5)).contains(&waited), "{waited:?}");
    assert_eq!(delayed.await, Err(JobError::Expired));
    floor.open(1);
    assert_eq!(fenced.await, Ok(3));
    assert_eq!(floor.numbers(), [1, 3]);
    let view = orders.describe();
    assert_eq!(view.expired, 3);
    assert_eq!(view.accounted(), view.admitted);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_is_kept_wherever_the_job_waits() {
    let floor = Floor::new();
    let shop = Ecosystem::new("shop");
    let orders = shop.community("orders").await.unwrap();
    let second = Duration::from_secs(1);
    let began = Instant::now();
    let due_without_a_version = orders.submit(job(1, Act::Do)).delay(second).deadline(MINUTE).await.unwrap();
    assert_eq!(due_without_a_version.await, Err(JobError::Expired));
    assert_eq!(began.elapsed().as_secs(), 60);
    orders.deploy("1.0.0", floor.pool(1)).await.unwrap();
    let began = Instant::now();
    let snoozing = orders.submit(job(2, Act::SnoozeOnce)).deadline(second).await.unwrap();
    assert_eq!(snoozing.await, Err(JobError::Expired));
    assert_eq!(began.elapsed().as_secs(), 1);
    assert_eq!(orders.describe().expired, 2);
}

#[tokio::test(start_paused = true)]
async fn an_urgent_job_overtakes_those_that_wait() {
    let (shop, orders, floor) = community(1).await;
    orders.send(job(1, Act::WaitForGate)).await.unwrap();
    settle().await;
    for (number, priority) in [(2, Priority::Low), (3, Priority::Normal), (4, Priority::High)] {
        drop(orders.submit(job(number, Act::Do)).priority(priority).await.unwrap());
    }
    floor.open(1);
    shop.shutdown(MINUTE).await;
    assert_eq!(floor.numbers(), [1, 4, 3, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_pinned_job_runs_on_its_version_or_comes_back() {
    let (_shop, orders, floor) = community(1).await;
    orders.send(job(1, Act::WaitForGate)).await.unwrap();
    settle().await;
    orders.deploy("2.0.0", floor.pool(1)).await.unwrap();
    let pinned = orders.submit(job(2, Act::Do)).pin("1.0.0").await.unwrap();
    let refused = orders.submit(job(3, Act::Do)).pin("0.9.0").await.unwrap_err();
    assert_eq!(refused.to_string(), "version 0.9.0 does not take jobs; the current version is 2.0.0");
    assert_eq!(refused.into_job().number, 3);
    floor.open(1);
    pinned.await.unwrap();
    assert_eq!(floor.record().last().unwrap().version, "1.0.0");
    orders.drained("1.0.0").await.unwrap();
    let refused = orders.submit(job(4, Act::Do)).pin("1.0.0").await.unwrap_err();
    assert!(matches!(refused, SendError::PinUnserved { .. }), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn a_job_sent_without_a_handle_has_its_settings_all_the_same() {
    let (_shop, orders, floor) = community(1).await;
    orders.send(job(1, Act::WaitForGate)).await.unwrap();
    settle().await;
    orders.submit(job(2, Act::Do)).send().await.unwrap();
    orders.submit(job(3, Act::Do)).priority(Priority::High).send().await.unwrap();
    orders.submit(job(4, Act::Do)).delay(MINUTE).send().await.unwrap();
    let refused = orders.submit(job(5, Act::Do)).pin("0.9.0").send().await.unwrap_err();
    assert_eq!(refused.into_job().number, 5);
    floor.open(1);
    tokio::time::sleep(MINUTE * 2).await;
    assert_eq!(floor.numbers(), [1, 3, 2, 4]);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_handle_lets_the_job_run_on() {
    let (shop, orders, floor) = community(1).await;
    drop(orders.submit(job(1, Act::WaitForGate)).await.unwrap());
    let asking = tokio::spawn({
        let orders = orders.clone();
        async move { orders.ask(job(2, Act::WaitForGate)).await }
    });
    settle().await;
    asking.abort();
    floor.open(2);
    shop.shutdown(MINUTE).await;
    assert_eq!(floor.numbers(), [1, 2]);
    assert_eq!(orders.describe().done, 2);
}

#[tokio::test(start_paused = true)]
async fn a_job_cast_to_the_dispatcher_is_admitted_or_comes_back() {
    let floor = Floor::new();
    let shop = Ecosystem::new("shop");
    let orders = shop.community("orders").mailbox(1).await.unwrap();
    let cast = async |number| {
        let (port, answer) = tokio::sync::oneshot::channel();
        let reply = RpcReplyPort::from(port);
        let submission = Submission { job: job(number, Act::WaitForGate), reply };
        orders.dispatcher().unwrap().cast(submission).unwrap();
        answer.await.unwrap()
    };
    assert!(matches!(cast(0).await, Err(SendError::NoVersion(_))));
    orders.deploy("1.0.0", floor.pool(1)).await.unwrap();
    cast(1).await.unwrap();
    settle().await;
    cast(2).await.unwrap();
    let refused = cast(3).await.unwrap_err();
    assert!(matches!(refused, SendError::Full(_)));
    assert_eq!(refused.into_job().number, 3);
    floor.open(2);
    shop.shutdown(MINUTE).await;
    assert_eq!(floor.numbers(), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_due_before_the_first_deploy_waits_for_it() {
    let floor = Floor::new();
    let shop = Ecosystem::new("shop");
    let orders = shop.community("orders").await.unwrap();
    let plain = orders.submit(job(1, Act::Do)).delay(MINUTE).await.unwrap();
    let keyed = orders.submit(job(2, Act::Do)).key("k").delay(MINUTE).await.unwrap();
    tokio::time::sleep(MINUTE * 2).await;
    assert_eq!((orders.describe().delayed, orders.describe().waiting), (0, 2));
    orders.deploy("1.0.0", floor.pool(1)).await.unwrap();
    plain.await.unwrap();
    keyed.await.unwrap();
    assert!(shop.shutdown(MINUTE).await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn dead_letters_are_bounded_and_the_oldest_makes_room_with_an_event() {
    let floor = Floor::new();
    let shop = Ecosystem::new("shop");
    let orders = shop.community("orders").dead_letters(2).await.unwrap();
    orders.deploy("1.0.0", floor.pool(1)).await.unwrap();
    let mut events = orders.events();
    for number in 1..=3 {
        orders.ask(job(number, Act::Fail)).await.unwrap_err();
    }
    let dropped = loop {
        if let Event::DeadLetterDropped { job, .. } = events.next().await.unwrap() {
            break job.get();
        }
    };
    assert_eq!(dropped, 1);
    let view = orders.describe();
    assert_eq!((view.dead, view.overflowed, view.accounted()), (2, 1, 3));
    let kept: Vec<_> = orders.dead_letters().take().into_iter().map(|letter| letter.job.number).collect();
    assert_eq!(kept, [2, 3]);
    assert_eq!(orders.describe().handed_back, 2, "a letter that was taken is still accounted for");
}

#[tokio::test(start_paused = true)]
async fn two_ecosystems_of_one_process_do_not_meet() {
    let (one, orders, _) = community(1).await;
    let (two, other, _) = community(1).await;
    orders.ask(job(1, Act::Do)).await.unwrap();
    assert_eq!(other.describe().admitted, 0);
    one.shutdown(MINUTE).await;
    assert_eq!(other.ask(job(2, Act::Do)).await.unwrap(), 2);
    two.shutdown(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn a_community_is_found_by_name_and_types() {
    let (shop, _orders, _) = community(1).await;
    let found = shop.find::<crate::kit::Job, u64>("orders").unwrap();
    found.ask(job(1, Act::Do)).await.unwrap();
    let unknown = shop.find::<crate::kit::Job, u64>("order").unwrap_err();
    assert_eq!(unknown.to_string(), "there is no community \"order\"; there are: orders");
    let other = shop.find::<u8, u64>("orders").unwrap_err();
    assert!(matches!(other, FindError::OtherTypes { .. }));
    assert!(other.to_string().contains("kit::Job, u64"), "{other}");
    let taken = shop.community::<u8, u8>("orders").await.unwrap_err();
    assert_eq!(
        taken.to_string(),
        "the ecosystem has a community \"orders\" already; `find` gives its handle"
    );
}

#[test]
fn outside_of_a_runtime_a_community_says_so() {
    let shop = Ecosystem::new("shop");
    let mut making = std::pin::pin!(shop.community::<u8, u8>("orders").into_future());
    let mut task = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(Err(error)) = making.as_mut().poll(&mut task) else { panic!("it was made") };
    assert!(error.to_string().starts_with("there is no tokio runtime here"), "{error}");
}

/// Seen failing: the stamp of the watcher's last look, where time is advanced.
#[tokio::test(start_paused = true)]
async fn a_job_knows_its_age_and_the_view_that_of_the_oldest_one_waiting() {
    let second = Duration::from_secs(1);
    let shop = Ecosystem::new("shop");
    let orders = shop.community("orders").await.unwrap();
    let pool = Pool::of_fn(1, move |seconds: u32, cx: JobContext| async move {
        tokio::time::sleep(second * seconds).await;
        Ok(cx.age())
    });
    orders.deploy("1.0.0", pool).await.unwrap();
    let mut handles = Vec::new();
    for seconds in [30, 0, 0] {
        handles.push(orders.submit(seconds).await.unwrap());
        settle().await;
        tokio::time::sleep(second * 5).await;
    }
    let view = orders.describe();
    let version = view.version("1.0.0").unwrap();
    let oldest = version.oldest.unwrap();
    assert!(oldest.abs_diff(second * 10) < second / 10, "the second waits since {oldest:?}");
    assert!(version.to_string().contains("2 waiting (the oldest "), "{version}");
    for (handle, age) in handles.into_iter().zip([30, 25, 20]) {
        let told = handle.await.unwrap();
        assert!(told.abs_diff(second * age) < second / 10, "{told:?}, not {age} s");
    }
    settle().await;
    assert_eq!(orders.describe().version("1.0.0").unwrap().oldest, None);
}
