//! W7: whether a deploy every 100 ms is felt, by the throughput and by one more caller beside it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use std::time::Instant;

use seral::Community;
use tokio::time::MissedTickBehavior;
use tokio::time::interval;

use crate::contender::seral::Adders;
use crate::flow::send_all;
use crate::flow::sum_of;
use crate::measure::Latencies;
use crate::measure::Stopwatch;
use crate::pool::Pool;
use crate::task::Reading;
use crate::task::Task;

const BETWEEN_DEPLOYS: Duration = Duration::from_millis(100);
const BETWEEN_CALLS: Duration = Duration::from_millis(1);

/// The readings of load on one version.
pub(crate) fn without(task: Task) -> Vec<Reading> {
    Adders::block_on(task.threads, warm(task, false))
}

/// The readings of the same load, while one version takes over from another.
pub(crate) fn with(task: Task) -> Vec<Reading> {
    Adders::block_on(task.threads, warm(task, true))
}

async fn warm(task: Task, deploys: bool) -> Vec<Reading> {
    if !task.cold {
        once(Task { jobs: task.jobs / 10, ..task }, deploys).await;
    }
    once(task, deploys).await
}

async fn once(task: Task, deploys: bool) -> Vec<Reading> {
    let adders = Arc::new(Adders::start(task.crew()).await);
    let over = Arc::new(AtomicBool::new(false));
    let senders = task.work.senders();
    let watch = Stopwatch::start();
    let caller = tokio::spawn(call(adders.community.clone(), Arc::clone(&over)));
    let deployer = deploys.then(|| tokio::spawn(deploy(Arc::clone(&adders), Arc::clone(&over))));
    let sending: Vec<_> = (0..senders)
        .map(|number| send_all(adders.sender(number), number as u64, senders as u64, task.jobs))
        .map(tokio::spawn)
        .collect();
    for sender in sending {
        sender.await.expect("a sender ends without a panic");
    }
    over.store(true, Relaxed);
    let latencies = caller.await.expect("the caller ends without a panic");
    let deployed = match deployer {
        Some(deployer) => deployer.await.expect("the deployer ends without a panic"),
        None => 0,
    };
    let adders = Arc::into_inner(adders).expect("nobody else has it any more");
    let sum = adders.finish().await;
    let mut readings = watch.stop(task.jobs).to_vec();
    assert_eq!(sum, sum_of(task.jobs), "no job is lost, and none is done twice");
    readings.extend(latencies.readings());
    readings.push(Reading::new("deploys", "count", deployed as f64));
    readings
}

/// Asks in a steady pace, and notes how long each reply took. Its jobs are zeros, so that the sum stays what it is.
async fn call(community: Community<u64, u64>, over: Arc<AtomicBool>) -> Latencies {
    let mut latencies = Latencies::new();
    let mut pace = interval(BETWEEN_CALLS);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !over.load(Relaxed) {
        pace.tick().await;
        let asked = Instant::now();
        let reply = community.ask(0).await.expect("an output");
        latencies.note(asked.elapsed());
        assert_eq!(reply, 1);
    }
    latencies
}

/// Deploys one version after the other; each is new. Gives how many there were.
async fn deploy(adders: Arc<Adders>, over: Arc<AtomicBool>) -> u64 {
    let mut version = 1;
    let mut pace = interval(BETWEEN_DEPLOYS);
    pace.tick().await;
    loop {
        pace.tick().await;
        if over.load(Relaxed) {
            return version - 1;
        }
        version += 1;
        adders.community.deploy(version.to_string(), adders.version()).await.expect("a version");
    }
}
