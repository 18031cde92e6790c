//! A community ends by itself, and its ecosystem, or another community, ends before it has.
//!
//! Seen failing: the one not waited for, or not cut short; its jobs not counted, or for ever; its part missing, on either side; all finished though it was not; the
//! others closed before its last words; one listener told of two; its end not told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc;
use std::time::Duration;

use parking_lot::Mutex;
use seral::HandedBack;
use seral::ShutdownEnd;
use seral::ShutdownReport;
use seral::error::JobError;
use seral::error::SendError;
use seral::prelude::*;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::kit::Act;
use crate::kit::Floor;
use crate::kit::Job;
use crate::kit::Signals;
use crate::kit::end_if_it_hangs;
use crate::kit::job;
use crate::kit::settle;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Two communities, each at a job that waits for the gate.
async fn two() -> (Ecosystem, Community<Job, u64>, Community<Job, u64>, Floor) {
    let (floor, shop) = (Floor::new(), Ecosystem::new("shop"));
    let mut both = Vec::new();
    for (number, name) in [(1, "orders"), (2, "mail")] {
        let community = shop.community(name).hand_back(|_| async {}).await.unwrap();
        community.deploy("1.0.0", floor.pool(1)).await.unwrap();
        community.send(job(number, Act::WaitForGate)).await.unwrap();
        both.push(community);
    }
    settle().await;
    let (mail, orders) = (both.pop().unwrap(), both.pop().unwrap());
    (shop, orders, mail, floor)
}

fn end(community: &Community<Job, u64>, deadline: Duration) -> JoinHandle<ShutdownReport> {
    let community = community.clone();
    tokio::spawn(async move { community.shutdown(deadline).await })
}

fn end_all(shop: &Ecosystem, deadline: Duration) -> JoinHandle<ShutdownReport> {
    let shop = shop.clone();
    tokio::spawn(async move { shop.shutdown(deadline).await })
}

fn names(report: &ShutdownReport) -> Vec<&str> {
    report.communities.iter().map(|part| part.name.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn all_wait_for_the_one_that_ends_already_and_have_it_in_their_report() {
    let (shop, orders, mail, floor) = two().await;
    let one = end(&orders, MINUTE);
    settle().await;
    let all = end_all(&shop, MINUTE);
    settle().await;
    assert!(matches!(mail.try_send(job(3, Act::Do)), Err(SendError::Closed(_))));
    tokio::time::sleep(SECOND).await;
    assert!(!one.is_finished() && !all.is_finished());
    floor.open(2);
    let (one, all) = (one.await.unwrap(), all.await.unwrap());
    assert_eq!((one.end, names(&one)), (ShutdownEnd::Finished, vec!["orders"]));
    assert_eq!((all.end, names(&all)), (ShutdownEnd::Finished, vec!["mail", "orders"]));
    assert_eq!(all.communities[1], one.communities[0]);
    assert!(all.is_clean() && one.is_clean(), "{all}");
    assert_eq!(mail.shutdown(MINUTE).await.communities, all.communities[..1]);
}

#[tokio::test(start_paused = true)]
async fn when_the_time_of_all_is_over_so_is_that_of_the_one() {
    let (shop, _orders, mail, floor) = two().await;
    let began = Instant::now();
    let one = end(&mail, MINUTE * 60);
    settle().await;
    // There is nothing else that is waited for.
    floor.open(1);
    let all = shop.shutdown(SECOND * 10).await;
    assert_eq!((all.end, began.elapsed().as_secs()), (ShutdownEnd::Deadline, 11));
    let one = one.await.unwrap();
    assert_eq!(one.end, ShutdownEnd::Deadline, "the sooner of the two");
    assert_eq!((all.communities[0].handed_back, &all.communities[0]), (1, &one.communities[0]));
    assert!(all.is_clean(), "{all}");
}

#[tokio::test(start_paused = true)]
async fn a_job_of_the_one_that_is_not_due_in_the_time_of_all_holds_nobody_up() {
    let (shop, orders, _, floor) = two().await;
    let delayed = orders.submit(job(3, Act::Do)).delay(MINUTE * 30).await.unwrap();
    floor.open(2);
    let one = end(&orders, MINUTE * 60);
    tokio::time::sleep(SECOND).await;
    assert!(!one.is_finished(), "it waits for that job");
    let (began, all) = (Instant::now(), shop.shutdown(SECOND * 25).await);
    assert!(began.elapsed() < SECOND, "{all}");
    assert_eq!((all.end, one.await.unwrap().end), (ShutdownEnd::Finished, ShutdownEnd::Finished));
    assert_eq!(all.communities[1].handed_back, 1, "{all}");
    assert_eq!(delayed.await, Err(JobError::HandedBack));
}

#[tokio::test(start_paused = true)]
async fn of_two_that_end_at_a_time_each_hears_of_its_own_jobs() {
    let (shop, orders, mail, floor) = two().await;
    let first = end(&mail, MINUTE);
    settle().await;
    let second = end(&orders, MINUTE);
    settle().await;
    floor.open(1);
    let second = second.await.unwrap();
    assert!(second.end == ShutdownEnd::Finished && second.took < SECOND, "{second}");
    floor.open(1);
    let first = first.await.unwrap();
    assert!(first.end == ShutdownEnd::Finished && first.took < SECOND, "{first}");
    assert!(shop.describe().communities.is_empty());
}

/// Real time, since blocking a thread is what it is about.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_job_of_the_one_that_blocks_its_thread_holds_all_up_as_little_as_the_one() {
    let shop = Ecosystem::new("shop");
    let begun = Arc::new(Notify::new());
    let (release, blocked) = mpsc::channel::<()>();
    let one = shop.community::<u8, ()>("one").await.unwrap();
    let (blocked, begins) = (Mutex::new(blocked), Arc::clone(&begun));
    let process = move |_: u8, _: JobContext| {
        begins.notify_one();
        let _ = blocked.lock().recv_timeout(MINUTE);
        async { Ok(()) }
    };
    one.deploy("1", Pool::of_fn(1, process)).await.unwrap();
    one.send(1).await.unwrap();
    begun.notified().await;
    let ending = tokio::spawn({
        let one = one.clone();
        async move { one.shutdown(Duration::ZERO).await }
    });
    one.closed().await;
    let all = shop.shutdown(MINUTE).await;
    let one = ending.await.unwrap();
    assert_eq!((all.end, all.communities[0].still_running), (ShutdownEnd::Deadline, 1), "{all}");
    assert_eq!(all.communities, one.communities);
    assert!(all.took < MINUTE / 2, "{all}");
    release.send(()).unwrap();
}

#[tokio::test(start_paused = true)]
async fn when_all_are_cut_short_so_is_the_one() {
    let (shop, orders, _mail, _floor) = two().await;
    let began = Instant::now();
    let one = end(&orders, MINUTE * 60);
    settle().await;
    let all = shop.run_until(Signals(tokio::time::interval(SECOND * 3))).await;
    assert_eq!((all.end, began.elapsed().as_secs()), (ShutdownEnd::CutShort, 4));
    assert_eq!(one.await.unwrap().end, ShutdownEnd::CutShort);
    assert_eq!(names(&all), ["mail", "orders"]);
    assert!(all.is_clean(), "{all}");
}

/// A worker that never stops.
struct Hanging;

impl Worker for Hanging {
    type Job = u8;
    type Output = ();

    async fn process(&mut self, _: &u8, _: &JobContext) -> Result<(), Fault> {
        Ok(())
    }

    async fn stop(&mut self) {
        std::future::pending::<()>().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_of_the_one_that_does_not_stop_holds_all_up_until_their_deadline_at_most() {
    end_if_it_hangs();
    let shop = Ecosystem::new("shop");
    let one = shop.community::<u8, ()>("one").await.unwrap();
    one.deploy("1", Pool::of(2, || Hanging)).await.unwrap();
    let ending = tokio::spawn({
        let one = one.clone();
        async move { one.shutdown(MINUTE * 60).await }
    });
    settle().await;
    let all = shop.shutdown(SECOND * 10).await;
    let one = ending.await.unwrap();
    assert_eq!((one.end, all.end), (ShutdownEnd::Finished, ShutdownEnd::Finished), "no job was left");
    assert!(all.took >= SECOND * 10 && all.took <= SECOND * 12, "{all}");
    assert!(shop.heartbeats().is_empty());
}

#[tokio::test(start_paused = true)]
async fn its_own_deadline_holds_while_all_wait_longer() {
    let (shop, orders, _mail, floor) = two().await;
    let began = Instant::now();
    let one = end(&orders, SECOND * 5);
    settle().await;
    let all = end_all(&shop, MINUTE * 60);
    let one = one.await.unwrap();
    assert_eq!((one.end, began.elapsed().as_secs()), (ShutdownEnd::Deadline, 6));
    settle().await;
    floor.open(1);
    let all = all.await.unwrap();
    assert_eq!(all.end, ShutdownEnd::Deadline, "not everything was finished");
    assert_eq!((all.took.as_secs(), all.communities[1].handed_back), (6, 1), "{all}");
}

#[tokio::test(start_paused = true)]
async fn one_that_is_to_end_after_all_began_to_has_its_own_part_of_that() {
    let (shop, orders, _mail, floor) = two().await;
    let all = end_all(&shop, MINUTE);
    settle().await;
    let one = end(&orders, Duration::ZERO);
    settle().await;
    tokio::time::sleep(SECOND * 5).await;
    assert!(!one.is_finished(), "the first deadline holds");
    floor.open(2);
    let (one, all) = (one.await.unwrap(), all.await.unwrap());
    assert_eq!((one.end, names(&one)), (ShutdownEnd::Finished, vec!["orders"]));
    assert_eq!(all.communities[1], one.communities[0]);
    assert_eq!(orders.shutdown(MINUTE).await, one);
}

/// A worker that says goodbye to another community.
struct Polite(Community<u32, ()>);

impl Worker for Polite {
    type Job = u32;
    type Output = ();

    async fn process(&mut self, _: &u32, _: &JobContext) -> Result<(), Fault> {
        tokio::time::sleep(SECOND).await;
        Ok(())
    }

    async fn stop(&mut self) {
        tokio::time::sleep(SECOND).await;
        self.0.send(100).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_words_of_the_one_are_heard_by_the_others() {
    end_if_it_hangs();
    let shop = Ecosystem::new("shop");
    let heard = Arc::new(AtomicU64::new(0));
    let hear = Arc::clone(&heard);
    let listen = move |n: u32, _: JobContext| {
        hear.fetch_add(u64::from(n), Relaxed);
        async { Ok(()) }
    };
    // Whatever the order of their making.
    let earlier = shop.community::<u32, ()>("earlier").await.unwrap();
    earlier.deploy("1", Pool::of_fn(1, listen)).await.unwrap();
    let one = shop.community::<u32, ()>("one").await.unwrap();
    let later = shop.community::<u32, ()>("later").await.unwrap();
    let listen = {
        let heard = Arc::clone(&heard);
        move |n: u32, _: JobContext| {
            heard.fetch_add(u64::from(n), Relaxed);
            async { Ok(()) }
        }
    };
    later.deploy("1", Pool::of_fn(1, listen)).await.unwrap();
    let to = Mutex::new(vec![earlier.clone(), later.clone()]);
    one.deploy("1", Pool::of(2, move || Polite(to.lock().pop().unwrap()))).await.unwrap();
    one.send(1).await.unwrap();
    let ending = tokio::spawn({
        let one = one.clone();
        async move { one.shutdown(MINUTE).await }
    });
    settle().await;
    let all = shop.shutdown(MINUTE).await;
    assert!(all.is_clean() && ending.await.unwrap().is_clean(), "{all}");
    assert_eq!((all.end, heard.load(Relaxed)), (ShutdownEnd::Finished, 200));
}

/// What became of each job, by number.
type Fates = Arc<Mutex<BTreeMap<u64, &'static str>>>;

fn note(fates: &Fates, number: u64, fate: &'static str) {
    let before = fates.lock().insert(number, fate);
    assert_eq!(before, None, "job {number} has two ends");
}

/// Sends every eighth number from this one on until it is turned away, and notes which came back. Returns all that it has sent.
async fn send_until_closed(to: Community<u64, u64>, first: u64, fates: Fates) -> Vec<u64> {
    let (mut sent, mut handles) = (Vec::new(), Vec::new());
    for number in (first..).step_by(8) {
        sent.push(number);
        let submit = to.submit(number);
        let submit = match number % 7 {
            0 => submit.key(number % 5),
            1 => submit.delay(Duration::from_millis(number % 3)),
            2 => submit.delay(MINUTE * 60),
            _ => submit,
        };
        match submit.await {
            Ok(handle) => handles.push(handle),
            Err(SendError::Closed(back)) => {
                assert_eq!(back, number);
                note(&fates, number, "came back");
                break;
            }
            Err(other) => panic!("job {number}: {other}"),
        }
        if sent.len().is_multiple_of(64) {
            tokio::task::yield_now().await;
        }
    }
    for handle in handles {
        if let Err(lost) = handle.await {
            assert_eq!(lost, JobError::HandedBack);
        }
    }
    sent
}

/// A community that notes what it does with which job.
async fn noting(shop: &Ecosystem, name: &str, fates: &Fates) -> Community<u64, u64> {
    let kept = Arc::clone(fates);
    let hook = move |jobs: Vec<HandedBack<u64>>| {
        for back in jobs {
            note(&kept, back.job, "handed back");
        }
        std::future::ready(())
    };
    let community = shop.community::<u64, u64>(name).mailbox(100).hand_back(hook).await.unwrap();
    let done = Arc::clone(fates);
    let process = move |number: u64, _: JobContext| {
        let done = Arc::clone(&done);
        async move {
            if number.is_multiple_of(11) {
                tokio::task::yield_now().await;
            }
            note(&done, number, "done");
            Ok(number)
        }
    };
    community.deploy("1", Pool::of_fn(3, process)).await.unwrap();
    community
}

/// Two communities end at a time, while others send to them from outside and from a third.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_job_has_one_end_whoever_sends_meanwhile() {
    for round in 0..30 {
        let (shop, fates) = (Ecosystem::new("shop"), Fates::default());
        let third = shop.community::<u64, Vec<u64>>("third").await.unwrap();
        let both = [noting(&shop, "a", &fates).await, noting(&shop, "b", &fates).await];
        let send = {
            let (both, fates) = (both.clone(), Arc::clone(&fates));
            move |sender: u64| {
                send_until_closed(
                    both[usize::from(sender.is_multiple_of(2))].clone(),
                    sender,
                    Arc::clone(&fates),
                )
            }
        };
        let from_third = send.clone();
        let process = move |sender: u64, _: JobContext| {
            let sending = from_third(sender);
            async move { Ok(sending.await) }
        };
        third.deploy("1", Pool::of_fn(4, process)).await.unwrap();
        let senders: Vec<_> = (0..8)
            .map(|sender| {
                let (send, third) = (send.clone(), third.clone());
                tokio::spawn(async move {
                    if sender < 4 { third.ask(sender).await.unwrap() } else { send(sender).await }
                })
            })
            .collect();
        while both.iter().any(|community| community.describe().done < 50 * (round % 4)) {
            tokio::task::yield_now().await;
        }
        let deadline = if round % 2 == 0 { SECOND * 20 } else { Duration::ZERO };
        let endings =
            both.clone().map(|community| tokio::spawn(async move { community.shutdown(deadline).await }));
        for ending in endings {
            let report = ending.await.unwrap();
            assert!(report.is_clean() && report.took < SECOND * 15, "{report}");
        }
        let mut sent = Vec::new();
        for sender in senders {
            sent.extend(sender.await.unwrap());
        }
        sent.sort_unstable();
        assert_eq!(fates.lock().keys().copied().collect::<Vec<_>>(), sent);
        for community in &both {
            let view = community.describe();
            assert_eq!(view.accounted(), view.admitted, "{view}");
        }
        assert!(shop.shutdown(MINUTE).await.is_clean());
    }
}
