//! The sender of a job asks it to end, wherever it is: the handle tells what became of it, and every job has one end.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use parking_lot::Mutex;
use seral::HeartbeatPolicy;
use seral::JobHandle;
use seral::error::JobError;
use seral::prelude::*;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::kit::Act;
use crate::kit::community;
use crate::kit::end_if_it_hangs;
use crate::kit::job;
use crate::kit::settle;

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn a_job_that_waits_is_never_started() {
    let (_shop, orders, floor) = community(1).await;
    let running = orders.submit(job(1, Act::WaitForGate)).await.unwrap();
    settle().await;
    let mut waiting = Vec::new();
    for number in 2..40 {
        waiting.push(orders.submit(job(number, Act::WaitForGate)).await.unwrap());
    }
    for handle in &waiting {
        handle.cancel();
    }
    let began = Instant::now();
    for handle in waiting {
        assert_eq!(handle.await, Err(JobError::Cancelled));
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
    floor.open(1);
    assert_eq!(running.await, Ok(1));
    assert_eq!(floor.numbers(), [1]);
    let view = orders.describe();
    assert_eq!((view.cancelled, view.done, view.accounted()), (38, 1, 39), "{view}");
}

#[tokio::test(start_paused = true)]
async fn a_delayed_job_is_found_among_thousands_and_frees_its_room() {
    let (_shop, orders, floor) = community(1).await;
    let mut handles = Vec::new();
    for number in 0..5_000 {
        let delay = Duration::from_millis(1 + number % 97);
        handles.push(orders.submit(job(number, Act::Do)).delay(delay).await.unwrap());
    }
    for handle in handles.iter().step_by(2) {
        handle.cancel();
        handle.cancel();
    }
    assert_eq!(orders.describe().delayed, 2_500);
    for (number, handle) in (0..).zip(handles) {
        let expected = if number % 2 == 0 { Err(JobError::Cancelled) } else { Ok(number) };
        assert_eq!(handle.await, expected);
    }
    assert!(floor.numbers().iter().all(|number| number % 2 == 1));
    assert_eq!(orders.describe().accounted(), 5_000);
}

/// Rollout, §6, row 45.
#[tokio::test(start_paused = true)]
async fn a_job_behind_its_key_is_taken_out_and_the_others_keep_their_order() {
    let (_shop, orders, floor) = community(2).await;
    let mut handles: Vec<JobHandle<u64>> = Vec::new();
    for number in 0..6 {
        handles.push(orders.submit(job(number, Act::WaitForGate)).key("k").await.unwrap());
    }
    settle().await;
    for at in [2, 4] {
        handles[at].cancel();
    }
    floor.open(6);
    let mut ended = Vec::new();
    for handle in handles {
        ended.push(handle.await.ok());
    }
    assert_eq!(ended, [Some(0), Some(1), None, Some(3), None, Some(5)]);
    assert_eq!(floor.numbers(), [0, 1, 3, 5]);
}

/// What a job makes of being asked to end.
type AtTheEnd = fn() -> Result<u32, Fault>;

/// Waits until it is asked to end, or says what it does when it is.
fn patient(at_the_end: AtTheEnd) -> (Pool<u32, u32>, Arc<AtomicU32>) {
    let begun = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&begun);
    let process = move |_, cx: JobContext| {
        counter.fetch_add(1, Relaxed);
        async move {
            cx.cancelled().await;
            assert!(cx.is_cancelled());
            at_the_end()
        }
    };
    (Pool::of_fn(1, process), begun)
}

#[tokio::test(start_paused = true)]
async fn a_running_job_is_asked_and_its_end_is_what_it_makes_of_it() {
    end_if_it_hangs();
    let ends: [(AtTheEnd, Result<u32, JobError>); 5] = [
        (|| Err(Fault::cancelled("as asked")), Err(JobError::Cancelled)),
        (|| Err("it broke off")?, Err(JobError::Cancelled)),
        (|| Err(Fault::snooze(MINUTE)), Err(JobError::Cancelled)),
        (|| Err(Fault::dead_letter("odd")), Err(JobError::Cancelled)),
        (|| Ok(7), Ok(7)),
    ];
    for (at_the_end, expected) in ends {
        let shop = Ecosystem::new("shop");
        let orders = shop.community::<u32, u32>("orders").await.unwrap();
        let (pool, begun) = patient(at_the_end);
        orders.deploy("1", pool).await.unwrap();
        let handle = orders.submit(1).await.unwrap();
        settle().await;
        handle.cancel();
        assert_eq!(handle.await, expected);
        settle().await;
        assert_eq!(begun.load(Relaxed), 1, "it is not tried again");
        let view = orders.describe();
        assert_eq!((view.accounted(), view.dead, view.faults), (1, 0, 0), "{view}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_the_job_that_is_cancelled_is_asked_to_end() {
    end_if_it_hangs();
    let shop = Ecosystem::new("shop");
    let orders = shop.community::<u32, u32>("orders").await.unwrap();
    let gate = Arc::new(Semaphore::new(0));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (opened, record) = (Arc::clone(&gate), Arc::clone(&asked));
    let process = move |number, cx: JobContext| {
        let (gate, record) = (Arc::clone(&opened), Arc::clone(&record));
        async move {
            gate.acquire().await?.forget();
            if cx.is_cancelled() {
                record.lock().push(number);
                return Err(Fault::cancelled("as asked"));
            }
            Ok(number)
        }
    };
    orders.deploy("1", Pool::of_fn(2, process)).await.unwrap();
    let handles = [orders.submit(1).await.unwrap(), orders.submit(2).await.unwrap()];
    settle().await;
    handles[0].cancel();
    gate.add_permits(2);
    let [first, second] = handles;
    assert_eq!((first.await, second.await), (Err(JobError::Cancelled), Ok(2)));
    // Both workers take one more.
    let (third, fourth) = (orders.submit(3).await.unwrap(), orders.submit(4).await.unwrap());
    settle().await;
    assert_eq!(orders.describe().running, 2);
    gate.add_permits(2);
    assert_eq!((third.await, fourth.await), (Ok(3), Ok(4)), "the worker's next job is not asked");
    assert_eq!(*asked.lock(), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_job_in_the_pause_between_two_attempts_is_taken_out() {
    end_if_it_hangs();
    let shop = Ecosystem::new("shop");
    let patient = RetryPolicy::attempts(9).backoff(MINUTE * 60, MINUTE * 60);
    let orders = shop.community::<u32, u32>("orders").retry(patient).await.unwrap();
    orders.deploy("1", Pool::of_fn(1, |_, _| async { Err("no")? })).await.unwrap();
    let handle = orders.submit(1).await.unwrap();
    settle().await;
    let began = Instant::now();
    assert_eq!(orders.describe().delayed, 1);
    handle.cancel();
    assert_eq!(handle.await, Err(JobError::Cancelled));
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(orders.describe().delayed, 0);
}

/// The jobs of a batch lie with their worker, which blocks its thread in the first of them; and nobody is there to take them over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_behind_one_that_blocks_its_thread_is_taken_out() {
    let shop = Ecosystem::new("shop");
    let never = HeartbeatPolicy::default().blocked(MINUTE);
    let orders = shop.community::<u32, u32>("orders").heartbeat(never).await.unwrap();
    let (release, blocked) = std::sync::mpsc::channel::<()>();
    let blocked = Arc::new(Mutex::new(blocked));
    let gate = Arc::new(Semaphore::new(0));
    let opened = Arc::clone(&gate);
    let process = move |number, _| {
        let (blocked, gate) = (Arc::clone(&blocked), Arc::clone(&opened));
        async move {
            match number {
                0 => gate.acquire().await?.forget(),
                1 => drop(blocked.lock().recv_timeout(MINUTE)),
                _ => {}
            }
            Ok(number)
        }
    };
    orders.deploy("1", Pool::of_fn(1, process)).await.unwrap();
    // The worker comes back for more when all others wait, and takes them at once.
    let mut handles = Vec::new();
    for number in 0..5 {
        handles.push(orders.submit(number).await.unwrap());
    }
    gate.add_permits(1);
    assert_eq!(handles.remove(0).await, Ok(0));
    while orders.describe().running == 0 {
        tokio::task::yield_now().await;
    }
    let last = handles.pop().unwrap();
    last.cancel();
    let ended =
        tokio::time::timeout(MINUTE / 4, last).await.expect("it does not wait for the one that blocks");
    assert_eq!(ended, Err(JobError::Cancelled));
    release.send(()).unwrap();
    for (number, handle) in (1..).zip(handles) {
        assert_eq!(handle.await, Ok(number));
    }
    assert!(shop.shutdown(MINUTE).await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn a_job_that_has_ended_stays_as_it_is() {
    let (shop, orders, _floor) = community(1).await;
    let handle = orders.submit(job(1, Act::Do)).await.unwrap();
    settle().await;
    handle.cancel();
    assert_eq!(handle.await, Ok(1));
    let late = orders.submit(job(2, Act::Do)).delay(MINUTE * 60).await.unwrap();
    shop.shutdown(MINUTE).await;
    late.cancel();
    assert_eq!(late.await, Err(JobError::HandedBack));
    assert_eq!(orders.describe().cancelled, 0);
}

/// A cancellation that races with the start, on real threads: either the job was never started, or it was asked and answered. 20,000 jobs, each
/// with one end.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cancellation_that_races_with_the_start_is_never_missed() {
    let shop = Ecosystem::new("shop");
    let orders = shop.community::<u64, u64>("orders").await.unwrap();
    let process = |number, cx: JobContext| async move {
        // Half of the jobs end by themselves; the others only if they hear that they should.
        if number % 2 == 0 {
            return Ok(number);
        }
        cx.cancelled().await;
        Err(Fault::cancelled("as asked"))
    };
    orders.deploy("1", Pool::of_fn(4, process)).await.unwrap();
    let mut cancelled = 0;
    for round in 0..200 {
        let mut handles = Vec::new();
        for number in 0..100 {
            handles.push(orders.submit(number).await.unwrap());
        }
        let cancelling: Vec<_> = handles
            .into_iter()
            .map(|handle| {
                tokio::spawn(async move {
                    if round % 2 == 0 {
                        tokio::task::yield_now().await;
                    }
                    handle.cancel();
                    handle.await
                })
            })
            .collect();
        for (number, ended) in (0..).zip(cancelling) {
            match ended.await.unwrap() {
                Ok(output) => assert!(output == number && number % 2 == 0),
                Err(JobError::Cancelled) => cancelled += 1,
                Err(other) => panic!("{other}"),
            }
        }
    }
    let view = orders.describe();
    assert_eq!((view.cancelled, view.accounted()), (cancelled, 20_000), "{view}");
    assert!(shop.shutdown(MINUTE).await.is_clean());
}
