//! What a person does with dead letters: look, choose, replay, discard. Whatever they do, every job stays accounted for.

use std::future::IntoFuture;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use parking_lot::Mutex;
use seral::Cause;
use seral::DeadLetter;
use seral::Event;
use seral::JobId;
use seral::error::SendError;
use seral::prelude::*;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::kit::Act;
use crate::kit::end_if_it_hangs;
use crate::kit::hush;
use crate::kit::job;
use crate::kit::settle;

const MINUTE: Duration = Duration::from_secs(60);
const AT_ONCE: RetryPolicy = RetryPolicy::attempts(2).backoff(Duration::ZERO, Duration::ZERO);

/// Even numbers are refused, numbers divisible by three are broken, all others are done; nothing fails once it is mended.
fn picky(mended: &Arc<AtomicBool>) -> Pool<u64, u64> {
    let mended = Arc::clone(mended);
    let process = move |number: u64, _: JobContext| {
        let is_good = mended.load(Relaxed);
        async move {
            match number {
                _ if is_good => Ok(number),
                _ if number.is_multiple_of(3) => Err(Fault::dead_letter(format!("order {number} is broken"))),
                _ if number.is_multiple_of(2) => Err(format!("order {number} was refused"))?,
                _ => Ok(number),
            }
        }
    };
    Pool::of_fn(1, process)
}

/// A community in which the orders from 1 to 12 were processed by version 1: 8 of them are dead letters.
async fn community() -> (Ecosystem, Community<u64, u64>, Arc<AtomicBool>) {
    end_if_it_hangs();
    hush();
    let shop = Ecosystem::new("shop");
    let orders = shop.community("orders").retry(AT_ONCE).await.unwrap();
    let mended = Arc::new(AtomicBool::new(false));
    orders.deploy("1", picky(&mended)).await.unwrap();
    for number in 1..=12 {
        drop(orders.submit(number).await.unwrap().await);
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    (shop, orders, mended)
}

fn check_books(orders: &Community<u64, u64>) {
    let view = orders.describe();
    assert_eq!(view.accounted(), view.admitted, "{view}");
}

fn numbers(letters: &seral::DeadLetters<u64, u64>) -> Vec<u64> {
    let mut numbers = Vec::new();
    letters.for_each(|letter| numbers.push(letter.job));
    numbers
}

#[tokio::test(start_paused = true)]
async fn letters_are_chosen_by_what_is_known_of_them() {
    let (_shop, orders, _) = community().await;
    let all = orders.dead_letters();
    assert_eq!(numbers(&all), [2, 3, 4, 6, 8, 9, 10, 12]);
    assert_eq!(numbers(&orders.dead_letters().cause(Cause::Asked)), [3, 6, 9, 12]);
    assert_eq!(numbers(&orders.dead_letters().which(|letter| letter.job > 8)), [9, 10, 12]);
    let id = all.list()[1].id;
    assert_eq!(numbers(&orders.dead_letters().job(JobId::new(id))), [3]);
    assert_eq!(orders.dead_letters().version("2").count(), 0);
    let fourth = all.list()[3].died;
    assert_eq!(numbers(&orders.dead_letters().before(fourth)), [2, 3, 4]);
    assert_eq!(numbers(&orders.dead_letters().since(fourth).version("1")), [6, 8, 9, 10, 12]);
    check_books(&orders);
}

#[tokio::test(start_paused = true)]
async fn letters_that_failed_in_the_same_way_are_one_group_whatever_their_numbers() {
    let (_shop, orders, _) = community().await;
    let preview = orders.dead_letters().preview();
    let groups: Vec<_> =
        preview.groups.iter().map(|group| (group.count, group.versions.join(","), &*group.reason)).collect();
    let expected = [(4, "1".to_owned(), "order 2 was refused"), (4, "1".to_owned(), "order 3 is broken")];
    assert_eq!(groups, expected);
    assert_eq!((preview.count, preview.oldest.as_secs(), preview.youngest.as_secs()), (8, 11, 1));
    let refused = orders.dead_letters().fingerprint(preview.groups[0].fingerprint);
    assert_eq!(numbers(&refused), [2, 4, 8, 10]);
    let text = preview.to_string();
    assert!(text.starts_with("8 dead letters, 1 s to 11 s old\n    4 × order 2 was refused (1)"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_letter_tells_each_attempt_and_keeps_them_through_a_replay() {
    let (_shop, orders, _) = community().await;
    orders.deploy("2", picky(&Arc::default()).build("2")).await.unwrap();
    assert_eq!(orders.dead_letters().which(|letter| letter.job == 4).replay().await.unwrap(), 1);
    settle().await;
    let letter = orders.dead_letters().which(|letter| letter.job == 4).list().remove(0);
    let attempts: Vec<_> = letter.history.iter().map(|attempt| (attempt.number, &*attempt.version)).collect();
    assert_eq!(attempts, [(1, "1"), (2, "1"), (1, "2"), (2, "2")]);
    assert_eq!((letter.attempts, letter.version.as_deref()), (2, Some("2")));
    assert!(letter.history.iter().all(|attempt| attempt.chain == ["order 4 was refused"]));
    assert!(letter.history[2].at >= letter.history[1].at);
    check_books(&orders);
}

#[tokio::test(start_paused = true)]
async fn of_many_attempts_the_last_twenty_are_remembered() {
    let shop = Ecosystem::new("shop");
    let orders = shop.community::<u64, u64>("orders").retry(RetryPolicy::attempts(50)).await.unwrap();
    orders.deploy("1", Pool::of_fn(1, |_, _| async { Err("no")? })).await.unwrap();
    assert!(orders.submit(1).await.unwrap().await.is_err());
    let letter = orders.dead_letters().take().remove(0);
    let numbers: Vec<_> = letter.history.iter().map(|attempt| attempt.number).collect();
    assert_eq!(numbers, (31..=50).collect::<Vec<_>>());
    assert_eq!((letter.attempts, letter.cause), (50, Cause::AttemptsUsedUp));
}

#[tokio::test(start_paused = true)]
async fn a_replay_goes_to_the_current_version_and_every_letter_is_done_there() {
    let (_shop, orders, mended) = community().await;
    let mut events = orders.events();
    mended.store(true, Relaxed);
    orders.deploy("2", picky(&mended).build("2")).await.unwrap();
    assert_eq!(orders.dead_letters().replay().await.unwrap(), 8);
    orders.drained("1").await.unwrap();
    settle().await;
    let view = orders.describe();
    assert_eq!((view.done, view.dead, view.version("2").unwrap().done), (12, 0, 8), "{view}");
    check_books(&orders);
    while !matches!(events.next().await.unwrap(), Event::DeadLettersReplayed { jobs: 8, .. }) {}
}

#[tokio::test(start_paused = true)]
async fn a_replay_to_a_named_version_goes_there_or_stays() {
    let (_shop, orders, mended) = community().await;
    orders.deploy("2", picky(&mended).build("2")).await.unwrap();
    let refused = orders.dead_letters().replay().to("3").await.unwrap_err();
    let expected =
        "0 dead letters were replayed, then: version 3 does not take jobs; the current version is 2";
    assert_eq!(refused.to_string(), expected);
    assert_eq!(orders.dead_letters().count(), 8);
    mended.store(true, Relaxed);
    assert_eq!(orders.dead_letters().cause(Cause::Asked).replay().to("2").await.unwrap(), 4);
    settle().await;
    assert_eq!(orders.describe().version("2").unwrap().done, 4);
    assert_eq!(numbers(&orders.dead_letters()), [2, 4, 8, 10]);
    check_books(&orders);
}

/// Version 1 still drains, since a job keeps it.
#[tokio::test(start_paused = true)]
async fn a_replay_to_a_version_that_still_drains_goes_there_and_one_without_a_name_forgets_the_old_one() {
    let (_shop, orders, floor) = crate::kit::community(2).await;
    drop(orders.submit(job(1, Act::Fail)).pin("1.0.0").deadline(MINUTE).await.unwrap().await);
    drop(orders.submit(job(2, Act::Fail)).await.unwrap().await);
    orders.send(job(3, Act::WaitForGate)).await.unwrap();
    settle().await;
    orders.deploy("2.0.0", floor.pool(1)).await.unwrap();
    // The deadline of the first has passed by then.
    tokio::time::advance(MINUTE * 2).await;
    let letter = |number| orders.dead_letters().which(move |letter| letter.job.number == number);
    assert_eq!(letter(2).replay().to("1.0.0").await.unwrap(), 1);
    assert_eq!(letter(1).replay().await.unwrap(), 1);
    while orders.describe().dead < 2 {
        tokio::time::advance(Duration::from_millis(10)).await;
    }
    let last = |number: u64| floor.record().into_iter().rfind(|entry| entry.number == number).unwrap();
    assert_eq!((&*last(1).version, last(1).attempt), ("2.0.0", 3));
    assert_eq!((&*last(2).version, last(2).attempt), ("1.0.0", 3));
    floor.open(1);
}

#[tokio::test(start_paused = true)]
async fn a_replayed_letter_comes_after_the_jobs_that_wait() {
    let (_shop, orders, floor) = crate::kit::community(1).await;
    drop(orders.submit(job(1, Act::Fail)).await.unwrap().await);
    for number in 2..6 {
        orders.send(job(number, Act::WaitForGate)).await.unwrap();
    }
    settle().await;
    assert_eq!(orders.dead_letters().replay().await.unwrap(), 1);
    floor.open(4);
    settle().await;
    assert_eq!(floor.numbers(), [1, 1, 1, 2, 3, 4, 5, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_paced_replay_takes_its_time_and_can_be_dropped_in_the_middle() {
    let (_shop, orders, mended) = community().await;
    mended.store(true, Relaxed);
    let began = Instant::now();
    let cut = tokio::time::timeout(Duration::from_millis(1_600), async {
        orders.dead_letters().replay().pace(2).await
    });
    assert!(cut.await.is_err());
    settle().await;
    // At 0, 500, 1,000 and 1,500 ms.
    assert_eq!((orders.describe().dead, orders.describe().done), (4, 8));
    assert_eq!(orders.dead_letters().replay().pace(4).await.unwrap(), 4);
    assert_eq!(began.elapsed().as_millis(), 1_600 + 750);
    settle().await;
    assert_eq!(orders.describe().done, 12);
    check_books(&orders);
}

#[tokio::test(start_paused = true)]
async fn a_replay_waits_for_room_and_admitted_jobs_go_first() {
    end_if_it_hangs();
    let shop = Ecosystem::new("shop");
    let orders = shop.community("orders").mailbox(2).retry(RetryPolicy::attempts(1)).await.unwrap();
    let (gate, seen) = (Arc::new(Semaphore::new(0)), Arc::new(Mutex::new(Vec::new())));
    let (opened, record) = (Arc::clone(&gate), Arc::clone(&seen));
    let process = move |number: u64, cx: JobContext| {
        let (gate, record) = (Arc::clone(&opened), Arc::clone(&record));
        async move {
            if cx.version().as_str() == "1" {
                Err("no")?;
            }
            gate.acquire().await?.forget();
            record.lock().push(number);
            Ok(number)
        }
    };
    orders.deploy("1", Pool::of_fn(1, process.clone())).await.unwrap();
    for number in 0..10 {
        assert!(orders.submit(number).await.unwrap().await.is_err());
    }
    orders.deploy("2", Pool::of_fn(1, process).build("2")).await.unwrap();
    orders.send_all(&mut (100..103)).await.unwrap();
    let replaying = tokio::spawn(orders.dead_letters().replay().into_future());
    settle().await;
    assert_eq!(orders.describe().dead, 10, "there is no room");
    gate.add_permits(13);
    assert_eq!(replaying.await.unwrap().unwrap(), 10);
    settle().await;
    let expected: Vec<_> = (100..103).chain(0..10).collect();
    assert_eq!(*seen.lock(), expected);
    check_books(&orders);
}

#[tokio::test(start_paused = true)]
async fn a_replayed_letter_with_a_key_queues_at_the_end_of_its_key() {
    end_if_it_hangs();
    let shop = Ecosystem::new("shop");
    let orders = shop.community("orders").retry(RetryPolicy::attempts(1)).await.unwrap();
    let (gate, seen) = (Arc::new(Semaphore::new(0)), Arc::new(Mutex::new(Vec::new())));
    let failed = Arc::new(AtomicU32::new(0));
    let (opened, record) = (Arc::clone(&gate), Arc::clone(&seen));
    let process = move |number: u64, _: JobContext| {
        let (gate, record, failed) = (Arc::clone(&opened), Arc::clone(&record), Arc::clone(&failed));
        async move {
            if number == 0 && failed.fetch_add(1, Relaxed) == 0 {
                Err("no")?;
            }
            gate.acquire().await?.forget();
            record.lock().push(number);
            Ok(number)
        }
    };
    orders.deploy("1", Pool::of_fn(3, process)).await.unwrap();
    assert!(orders.submit(0).key("k").await.unwrap().await.is_err());
    for number in 1..4 {
        drop(orders.submit(number).key("k").await.unwrap());
    }
    assert_eq!(orders.dead_letters().key("k").replay().await.unwrap(), 1);
    gate.add_permits(4);
    settle().await;
    assert_eq!(*seen.lock(), [1, 2, 3, 0]);
    check_books(&orders);
}

#[tokio::test(start_paused = true)]
async fn a_letter_for_which_there_is_no_room_goes_to_the_hook_and_is_counted() {
    end_if_it_hangs();
    hush();
    let shop = Ecosystem::new("shop");
    let spilled = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&spilled);
    let hook = move |letter: DeadLetter<u64>| {
        into.lock().push((letter.job, letter.reason.clone()));
        if letter.job == 2 {
            std::panic::panic_any("told to panic in the hook");
        }
    };
    let orders = shop.community("orders").dead_letters(2).dead_letter_overflow(hook).retry(AT_ONCE);
    let orders = orders.await.unwrap();
    orders.deploy("1", picky(&Arc::default())).await.unwrap();
    for number in 2..=6 {
        drop(orders.submit(number).await.unwrap().await);
    }
    let expected = [(2, "order 2 was refused".to_owned()), (3, "order 3 is broken".to_owned())];
    assert_eq!(*spilled.lock(), expected, "the oldest first, and a hook that panics loses no other");
    assert_eq!(numbers(&orders.dead_letters()), [4, 6]);
    let view = orders.describe();
    assert_eq!((view.dead, view.overflowed, view.done), (2, 2, 1));
    assert_eq!(orders.heartbeats()[0].restarts, 0, "the worker has nothing to do with it");
    check_books(&orders);
}

#[tokio::test(start_paused = true)]
async fn what_a_person_gives_up_or_takes_is_accounted_for() {
    let (shop, orders, _) = community().await;
    let mut events = orders.events();
    assert_eq!(orders.dead_letters().cause(Cause::Asked).discard(), 4);
    assert!(matches!(events.next().await.unwrap(), Event::DeadLettersDiscarded { jobs: 4, .. }));
    check_books(&orders);
    let taken: Vec<_> = orders.dead_letters().which(|letter| letter.job < 5).take();
    assert_eq!(taken.iter().map(|letter| letter.job).collect::<Vec<_>>(), [2, 4]);
    check_books(&orders);
    let view = orders.describe();
    assert_eq!((view.dead, view.dead_discarded, view.handed_back), (2, 4, 2), "{view}");
    assert_eq!(shop.shutdown(MINUTE).await.communities[0].dead_letters, 2);
}

#[tokio::test(start_paused = true)]
async fn a_choice_that_panics_moves_nothing() {
    let (_shop, orders, _) = community().await;
    let chosen = AtomicU32::new(0);
    let choice = orders.dead_letters().which(move |_| {
        assert!(chosen.fetch_add(1, Relaxed) < 3, "told to panic");
        true
    });
    assert!(tokio::spawn(async move { choice.discard() }).await.is_err());
    assert_eq!(numbers(&orders.dead_letters()), [2, 3, 4, 6, 8, 9, 10, 12]);
    check_books(&orders);
}

#[tokio::test(start_paused = true)]
async fn a_replay_into_a_community_that_closes_leaves_the_rest_to_the_hand_back() {
    let (shop, orders, mended) = community().await;
    mended.store(true, Relaxed);
    let replay = tokio::spawn(orders.dead_letters().replay().pace(1).into_future());
    settle().await;
    let report = shop.shutdown(MINUTE).await;
    let refused = replay.await.unwrap().unwrap_err();
    assert!(matches!((refused.replayed, refused.why), (1, SendError::Closed(()))));
    assert_eq!(report.communities[0].dead_letters, 7);
    check_books(&orders);
}
