//! A version that was left because its workers cannot be kept running, and has a job left: it drains, and can be taken back by force until it has.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use seral::JobHandle;
use seral::RestartPolicy;
use seral::Takeover;
use seral::error::DeployError;
use seral::prelude::*;
use seral::view::VersionState;
use seral::view::WorkerState;
use tokio::sync::Semaphore;

use crate::kit::hush;
use crate::script::MINUTE;
use crate::script::SECOND;
use crate::script::assert_accounted;
use crate::script::at_once;

/// Workers that wait with jobs 0 to 2, at their first attempt, until they are told whether to panic or to go on.
#[derive(Clone)]
struct Frail {
    gates: [Arc<Semaphore>; 3],
    panics: Arc<Mutex<Option<u64>>>,
    /// Which worker has which job.
    hands: Arc<Mutex<Vec<(u64, u64)>>>,
}

impl Frail {
    fn new() -> Self {
        Self {
            gates: [(); 3].map(|()| Arc::new(Semaphore::new(0))),
            panics: Arc::default(),
            hands: Arc::default(),
        }
    }

    fn pool(&self, workers: usize) -> Pool<u64, u64> {
        let frail = self.clone();
        let process = move |number: u64, cx: JobContext| {
            let frail = frail.clone();
            async move {
                if number < 3 && cx.attempt().get() == 1 {
                    frail.hands.lock().push((cx.worker().get(), number));
                    frail.gates[usize::try_from(number)?].acquire().await?.forget();
                    if *frail.panics.lock() == Some(number) {
                        std::panic::panic_any("told to panic");
                    }
                }
                Ok(number)
            }
        };
        Pool::of_fn(workers, process).build("frail")
    }
}

/// A community in which one failure is enough, with a version that has a job and so is there to fall back to.
async fn community() -> (Ecosystem, Community<u64, u64>, Frail, JobHandle<u64>) {
    hush();
    let shop = Ecosystem::new("shop");
    let orders = shop.community("orders").retry(at_once(3)).restart(RestartPolicy::limit(1, MINUTE));
    let orders: Community<u64, u64> = orders.await.unwrap();
    let warm = Frail::new();
    orders.deploy("warm", warm.pool(2)).await.unwrap();
    let stays = orders.submit(2).pin("warm").await.unwrap();
    (shop, orders, warm, stays)
}

async fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        tokio::time::sleep(Duration::from_micros(100)).await;
    }
}

/// Deploys a version and breaks it: of its two workers, one is to leave after its job, and the other panics. Returns the job that is left, and its
/// number.
async fn broken_with_a_job_left(
    orders: &Community<u64, u64>,
    version: &str,
    frail: &Frail,
) -> (JobHandle<u64>, usize) {
    orders.deploy(version, frail.pool(2)).await.unwrap();
    let mut handles = vec![orders.submit(0).await.unwrap(), orders.submit(1).await.unwrap()];
    until(|| frail.hands.lock().len() == 2).await;
    orders.scale(version, 1).await.unwrap();
    let leaving = || orders.heartbeats().into_iter().find(|worker| worker.state == WorkerState::Quiet);
    until(|| leaving().is_some()).await;
    let leaving = leaving().map(|worker| worker.id);
    let stays = |(worker, _): &&(u64, u64)| Some(*worker) != leaving;
    let (_, panics) = *frail.hands.lock().iter().find(stays).unwrap();
    *frail.panics.lock() = Some(panics);
    let panics = usize::try_from(panics).unwrap();
    frail.gates[panics].add_permits(1);
    let panicked = handles.remove(panics);
    assert_eq!(panicked.await, Ok(panics as u64), "another worker or version does it");
    until(|| orders.describe().version(version).unwrap().quarantined).await;
    let view = orders.describe();
    let left = view.version(version).unwrap();
    assert_eq!((left.state, left.running), (VersionState::Draining, 1), "{view}");
    (handles.remove(0), 1 - panics)
}

#[tokio::test(start_paused = true)]
async fn a_quarantined_version_that_still_drains_becomes_current_again_by_force() {
    let (shop, orders, warm, stays) = community().await;
    let frail = Frail::new();
    let (last, number) = broken_with_a_job_left(&orders, "2", &frail).await;
    assert_eq!(orders.describe().current.as_deref(), Some("warm"));
    let refused = orders.deploy("2", frail.pool(2)).await.unwrap_err();
    assert_eq!(refused, DeployError::Quarantined { version: "2".into() });
    let deployed = orders.deploy("2", frail.pool(2)).force().await.unwrap();
    assert_eq!(deployed.how, Some(Takeover::Warm));
    let view = orders.describe();
    let taken_back = view.version("2").unwrap();
    assert_eq!((taken_back.state, taken_back.quarantined), (VersionState::Current, false), "{view}");
    let pinned = orders.submit(10).pin("2").await.unwrap();
    assert_eq!(orders.ask(11).await.unwrap(), 11);
    assert_eq!(pinned.await, Ok(10));
    frail.gates[number].add_permits(1);
    assert_eq!(last.await, Ok(number as u64));
    warm.gates[2].add_permits(1);
    assert_eq!(stays.await, Ok(2));
    orders.drained("warm").await.unwrap();
    assert_eq!(orders.describe().version("2").unwrap().done, 3);
    assert_accounted(&orders, 5);
    assert!(shop.shutdown(MINUTE).await.is_clean());
}

/// Real threads: its last job ends while it is taken back, so that it is drained before, or not at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_version_that_is_taken_back_by_force_as_its_last_job_ends_takes_jobs() {
    let (shop, orders, warm, stays) = community().await;
    for round in 0..200 {
        let (version, frail) = (round.to_string(), Frail::new());
        let (last, number) = broken_with_a_job_left(&orders, &version, &frail).await;
        let taking_back = orders.deploy(version, frail.pool(2)).force();
        let taking_back = tokio::spawn(async move { taking_back.await });
        for _ in 0..fastrand::u32(..2_000) {
            std::hint::spin_loop();
        }
        frail.gates[number].add_permits(1);
        taking_back.await.unwrap().unwrap();
        assert_eq!(last.await, Ok(number as u64));
        let asked = tokio::time::timeout(SECOND * 10, orders.ask(11)).await;
        assert!(asked.is_ok(), "round {round}: nothing is taken any more\n{}", orders.describe());
    }
    warm.gates[2].add_permits(1);
    assert_eq!(stays.await, Ok(2));
    assert!(shop.shutdown(MINUTE).await.is_clean());
    assert_accounted(&orders, 601);
}
