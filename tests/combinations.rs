//! Combinations that are rare: one thing in the middle of another. Each was found by somebody who looked for it, and was seen failing before it
//! was mended.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use parking_lot::Mutex;
use seral::Event;
use seral::HeartbeatPolicy;
use seral::RestartPolicy;
use seral::error::JobError;
use seral::prelude::*;
use seral_test::fault;
use tokio::sync::Semaphore;

use crate::kit::end_if_it_hangs;
use crate::kit::settle;

const MINUTE: Duration = Duration::from_secs(60);

/// Fails unless mended; waits for the gate.
fn gated(bad: &Arc<AtomicBool>, gate: &Arc<Semaphore>) -> Pool<u32, u32> {
    let (bad, gate) = (Arc::clone(bad), Arc::clone(gate));
    Pool::of_fn(1, move |n, cx: JobContext| {
        let (bad, gate) = (Arc::clone(&bad), Arc::clone(&gate));
        async move {
            if bad.load(Relaxed) {
                return Err(Fault::dead_letter("bad"));
            }
            tokio::select! {
                permit = gate.acquire() => permit?.forget(),
                () = cx.cancelled() => return Err(Fault::cancelled("as asked")),
            }
            Ok(n)
        }
    })
    .build("gated")
}

#[tokio::test(start_paused = true)]
async fn a_letter_replayed_to_a_version_behind_its_key_keeps_the_books() {
    end_if_it_hangs();
    let shop = Ecosystem::new("shop");
    let orders = shop.community::<u32, u32>("orders").await.unwrap();
    let (bad, gate) = (Arc::new(AtomicBool::new(true)), Arc::new(Semaphore::new(0)));
    orders.deploy("1", gated(&bad, &gate)).await.unwrap();
    orders.submit(1).key("k").await.unwrap().await.unwrap_err();
    bad.store(false, Relaxed);
    let holder = orders.submit(2).key("k").await.unwrap();
    settle().await;
    assert_eq!(orders.dead_letters().replay().to("1").await.unwrap(), 1);
    assert_eq!(orders.describe().fenced, 1);
    gate.add_permits(9);
    assert_eq!(holder.await, Ok(2));
    settle().await;
    let view = orders.describe();
    assert_eq!((view.done, view.versions[0].each_worker[0].restarts), (2, 0), "{view}");
    let report = shop.shutdown(MINUTE).await;
    assert!(report.is_clean() && report.took < MINUTE && report.communities.len() == 1, "{report}");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_with_such_a_letter_behind_its_key_hands_it_back() {
    end_if_it_hangs();
    let shop = Ecosystem::new("shop");
    let back = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&back);
    let orders = shop
        .community::<u32, u32>("orders")
        .hand_back(move |jobs| {
            count.fetch_add(jobs.len(), Relaxed);
            async {}
        })
        .await
        .unwrap();
    let (bad, gate) = (Arc::new(AtomicBool::new(true)), Arc::new(Semaphore::new(0)));
    orders.deploy("1", gated(&bad, &gate)).await.unwrap();
    orders.submit(1).key("k").await.unwrap().await.unwrap_err();
    bad.store(false, Relaxed);
    let _holder = orders.submit(2).key("k").await.unwrap();
    settle().await;
    assert_eq!(orders.dead_letters().replay().to("1").await.unwrap(), 1);
    let report = shop.shutdown(Duration::from_secs(1)).await;
    assert_eq!((report.communities.len(), back.load(Relaxed)), (1, 2), "{report}");
}

#[tokio::test(start_paused = true)]
async fn the_handle_of_a_job_that_died_does_not_end_its_replay_that_waits() {
    end_if_it_hangs();
    let shop = Ecosystem::new("shop");
    let orders = shop.community::<u32, u32>("orders").await.unwrap();
    let (bad, gate) = (Arc::new(AtomicBool::new(true)), Arc::new(Semaphore::new(0)));
    orders.deploy("1", gated(&bad, &gate)).await.unwrap();
    let mut handle = orders.submit(1).await.unwrap();
    assert!(matches!((&mut handle).await, Err(JobError::Failed { .. })));
    bad.store(false, Relaxed);
    let _other = orders.submit(2).await.unwrap();
    settle().await;
    orders.dead_letters().replay().await.unwrap();
    handle.cancel(); // "A job that has ended stays as it is."
    gate.add_permits(9);
    settle().await;
    let view = orders.describe();
    assert_eq!((view.done, view.cancelled), (2, 0), "{view}");
}

#[tokio::test(start_paused = true)]
async fn the_handle_of_a_job_that_died_does_not_end_its_replay_that_runs() {
    end_if_it_hangs();
    let shop = Ecosystem::new("shop");
    let orders = shop.community::<u32, u32>("orders").await.unwrap();
    let (bad, gate) = (Arc::new(AtomicBool::new(true)), Arc::new(Semaphore::new(0)));
    orders.deploy("1", gated(&bad, &gate)).await.unwrap();
    let mut handle = orders.submit(1).await.unwrap();
    assert!(matches!((&mut handle).await, Err(JobError::Failed { .. })));
    bad.store(false, Relaxed);
    orders.dead_letters().replay().await.unwrap();
    settle().await;
    handle.cancel();
    settle().await;
    gate.add_permits(9);
    settle().await;
    let view = orders.describe();
    assert_eq!((view.done, view.cancelled), (1, 0), "{view}");
}

/// Its start fails while `down`.
struct Shaky {
    down: Arc<AtomicBool>,
    gate: Arc<Semaphore>,
}

impl Worker for Shaky {
    type Job = u32;
    type Output = u32;
    async fn start(&mut self, _: &StartContext) -> Result<(), Fault> {
        if self.down.load(Relaxed) { Err("down")? } else { Ok(()) }
    }
    async fn process(&mut self, job: &u32, _: &JobContext) -> Result<u32, Fault> {
        self.gate.acquire().await?.forget();
        Ok(*job)
    }
}

fn shaky(down: &Arc<AtomicBool>, gate: &Arc<Semaphore>) -> Pool<u32, u32> {
    let (down, gate) = (Arc::clone(down), Arc::clone(gate));
    Pool::of(1, move || Shaky { down: Arc::clone(&down), gate: Arc::clone(&gate) }).build("shaky")
}

#[tokio::test(start_paused = true)]
async fn a_version_that_recovered_is_not_taken_for_broken_when_it_is_replaced() {
    end_if_it_hangs();
    let shop = Ecosystem::new("shop");
    let orders = shop.community::<u32, u32>("orders").await.unwrap();
    let (down, gate) = (Arc::new(AtomicBool::new(false)), Arc::new(Semaphore::new(0)));
    orders.deploy("1", shaky(&down, &gate)).await.unwrap();
    down.store(true, Relaxed);
    fault::kill_worker(&orders);
    tokio::time::sleep(MINUTE * 3).await;
    down.store(false, Relaxed);
    tokio::time::sleep(MINUTE * 3).await; // up again for minutes
    let running = orders.submit(1).pin("1").await.unwrap();
    let waiting = orders.submit(2).pin("1").await.unwrap();
    settle().await;
    assert_eq!(orders.describe().running, 1, "{}", orders.describe());
    orders.deploy("2", shaky(&down, &gate)).await.unwrap();
    settle().await;
    let view = orders.describe();
    assert!(!view.version("1").unwrap().quarantined, "{view}");
    gate.add_permits(9);
    assert_eq!((running.await, waiting.await), (Ok(1), Ok(2)));
}

struct SlowStop;

impl Worker for SlowStop {
    type Job = u32;
    type Output = u32;
    async fn process(&mut self, job: &u32, _: &JobContext) -> Result<u32, Fault> {
        Ok(*job)
    }
    async fn stop(&mut self) {
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
}

#[tokio::test]
async fn a_worker_that_closes_its_connections_is_not_late() {
    let shop = Ecosystem::new("shop");
    let soon = HeartbeatPolicy::default().late(Duration::from_millis(60));
    let orders = shop.community::<u32, u32>("orders").heartbeat(soon).await.unwrap();
    orders.deploy("1", Pool::of(1, || SlowStop)).await.unwrap();
    orders.ask(1).await.unwrap();
    let mut events = orders.events();
    let _ = shop.shutdown(MINUTE).await;
    let mut seen = Vec::new();
    while let Ok(Some(event)) = tokio::time::timeout(Duration::from_millis(50), events.next()).await {
        if let Event::WorkerCondition { .. } = event {
            seen.push(event.to_string());
        }
    }
    assert!(seen.is_empty(), "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_does_not_wait_for_a_worker_that_is_to_be_started_again() {
    end_if_it_hangs();
    let shop = Ecosystem::new("shop");
    let patient = RestartPolicy::limit(5, MINUTE * 600).delay_max(MINUTE * 10);
    let orders = shop.community::<u32, u32>("orders").restart(patient).await.unwrap();
    let (down, gate) = (Arc::new(AtomicBool::new(false)), Arc::new(Semaphore::new(0)));
    orders.deploy("1", shaky(&down, &gate)).await.unwrap();
    down.store(true, Relaxed);
    fault::kill_worker(&orders);
    tokio::time::sleep(MINUTE * 60).await;
    let report = shop.shutdown(MINUTE * 5).await;
    assert!(report.took < Duration::from_secs(3), "{report}");
}

#[tokio::test(start_paused = true)]
async fn a_pinned_job_delayed_past_the_deadline_is_not_waited_for() {
    end_if_it_hangs();
    let shop = Ecosystem::new("shop");
    let orders = shop.community::<u32, u32>("orders").await.unwrap();
    orders.deploy("1", Pool::of_fn(1, |n, _| async move { Ok(n) })).await.unwrap();
    let _handle = orders.submit(1).pin("1").delay(MINUTE * 60).await.unwrap();
    let report = shop.shutdown(MINUTE).await;
    assert!(report.took < Duration::from_secs(1), "{report}");
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_panics_job_after_job_counts_as_failing_whatever_it_did_long_ago() {
    crate::kit::hush();
    end_if_it_hangs();
    let shop = Ecosystem::new("shop");
    let once = RetryPolicy::attempts(1);
    let orders = shop.community::<u32, u32>("orders").retry(once).await.unwrap();
    let process = |n, _| async move {
        if n > 0 {
            std::panic::panic_any("told to panic");
        }
        Ok(n)
    };
    orders.deploy("1", Pool::of_fn(1, process)).await.unwrap();
    orders.ask(0).await.unwrap();
    let mut events = orders.events();
    for n in 1..200 {
        let _ = orders.ask(n).await;
    }
    let mut broken = false;
    while let Ok(Some(event)) = tokio::time::timeout(Duration::from_millis(1), events.next()).await {
        broken |= matches!(event, Event::VersionBroken { .. });
    }
    assert!(broken, "200 panics in a row: {}", orders.describe());
}

struct NeverStops;

impl Worker for NeverStops {
    type Job = u32;
    type Output = u32;
    async fn process(&mut self, job: &u32, _: &JobContext) -> Result<u32, Fault> {
        Ok(*job)
    }
    async fn stop(&mut self) {
        std::future::pending::<()>().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_does_not_stop_is_not_a_clean_end() {
    end_if_it_hangs();
    let shop = Ecosystem::new("shop");
    let orders = shop.community::<u32, u32>("orders").await.unwrap();
    orders.deploy("1", Pool::of(1, || NeverStops)).await.unwrap();
    orders.ask(1).await.unwrap();
    let report = shop.shutdown(MINUTE).await;
    assert!(!report.is_clean(), "{report}");
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_broken_with_many_delayed_jobs() {
    end_if_it_hangs();
    let shop = Ecosystem::new("shop");
    let orders = shop.community::<u32, u32>("orders").await.unwrap();
    let (down, gate) = (Arc::new(AtomicBool::new(false)), Arc::new(Semaphore::new(0)));
    orders.deploy("1", shaky(&down, &gate)).await.unwrap();
    let running = orders.submit(0).pin("1").await.unwrap();
    let pinned = orders.submit(1).pin("1").delay(MINUTE * 600).await.unwrap();
    let keyed = orders.submit(2).pin("1").key("k").delay(MINUTE * 600).await.unwrap();
    settle().await;
    down.store(true, Relaxed);
    fault::kill_worker(&orders);
    tokio::time::sleep(MINUTE).await;
    orders.deploy("2", Pool::of_fn(1, |n, _| async move { Ok(n) })).await.unwrap();
    settle().await;
    for handle in [running, pinned, keyed] {
        let ended = tokio::time::timeout(MINUTE, handle).await;
        assert!(matches!(ended, Ok(Err(JobError::Failed { .. }))), "{ended:?}");
    }
    tokio::time::sleep(MINUTE * 2).await;
    let view = orders.describe();
    assert_eq!((view.accounted(), view.dead), (3, 3), "{view}");
    assert_eq!(view.version("1").unwrap().state, seral::view::VersionState::Retired, "{view}");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_never_due_is_not_waited_for() {
    let shop = Ecosystem::new("shop");
    let orders = shop.community::<u32, u32>("orders").await.unwrap();
    orders.deploy("1", Pool::of_fn(1, |_, _| async { Err(Fault::snooze(Duration::MAX)) })).await.unwrap();
    let _handle = orders.submit(1).await.unwrap();
    settle().await;
    let report = tokio::time::timeout(MINUTE * 60 * 24, shop.shutdown(Duration::MAX)).await;
    assert!(report.is_ok(), "{}", orders.describe());
}

#[tokio::test(start_paused = true)]
async fn timeouts_of_zero_and_of_for_ever_are_kept() {
    end_if_it_hangs();
    let shop = Ecosystem::new("shop");
    let orders = shop
        .community::<u32, u32>("orders")
        .retry(RetryPolicy::attempts(2).backoff(Duration::ZERO, Duration::MAX))
        .await
        .unwrap();
    orders
        .deploy(
            "1",
            Pool::of_fn(1, |n, _| async move {
                tokio::time::sleep(MINUTE).await;
                Ok(n)
            }),
        )
        .await
        .unwrap();
    assert!(orders.submit(1).timeout(Duration::ZERO).await.unwrap().await.is_err());
    assert_eq!(orders.submit(2).timeout(Duration::MAX).await.unwrap().await, Ok(2));
}

struct Sender(Community<u32, u32>, Arc<Mutex<Vec<String>>>);
impl Worker for Sender {
    type Job = u32;
    type Output = u32;
    async fn process(&mut self, job: &u32, _: &JobContext) -> Result<u32, Fault> {
        Ok(*job)
    }
    async fn stop(&mut self) {
        let sent = self.0.send(7).await.map(seral::JobId::get).map_err(seral::error::SendError::into_job);
        self.1.lock().push(format!("{sent:?}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stopped_worker_in_a_stage_sends_to_a_closed_community_and_gets_its_job_back() {
    end_if_it_hangs();
    let shop = Ecosystem::new("shop");
    let first = shop.community::<u32, u32>("first").await.unwrap();
    let last = shop.community::<u32, u32>("last").await.unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (to, from, h1, h2) = (first.clone(), last.clone(), Arc::clone(&heard), Arc::clone(&heard));
    first.deploy("1", Pool::of(1, move || Sender(from.clone(), Arc::clone(&h1)))).await.unwrap();
    last.deploy("1", Pool::of(1, move || Sender(to.clone(), Arc::clone(&h2)))).await.unwrap();
    let report = shop.shutdown(MINUTE).await;
    assert_eq!(*heard.lock(), ["Ok(1)", "Err(7)"], "{report}");
    assert_eq!(first.describe().done, 1);
}
