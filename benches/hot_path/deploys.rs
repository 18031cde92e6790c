//! What a deploy costs, on an idle community and under load, and what the load pays for it.

use std::time::Duration;
use std::time::Instant;

use tokio::runtime::Runtime;

use crate::path::Round;
use crate::path::Way;

const DEPLOYS: usize = 50;
/// While so many jobs are sent, again and again, until all deploys are done.
const JOBS: u64 = 2_000_000;

pub(crate) fn print() {
    println!("## A deploy of four workers, the old version warm\n");
    println!("| load | median µs | longest µs |\n|---|---|---|");
    let runtime = Runtime::new().expect("a runtime");
    for (load, jobs) in [("none", 0), ("four senders, as fast as they can", JOBS)] {
        let took = runtime.block_on(async move { tokio::spawn(deploys(jobs)).await.expect("deploys") });
        let micros = |took: Duration| took.as_secs_f64() * 1e6;
        println!("| {load} | {:.0} | {:.0} |", micros(took[took.len() / 2]), micros(took[took.len() - 1]));
    }
    println!();
}

/// How long each deploy took, sorted.
async fn deploys(jobs: u64) -> Vec<Duration> {
    let round = Round::new(4).await;
    let sending = round.send(Way::Send, jobs, 4);
    let mut took = Vec::new();
    for version in 2..2 + DEPLOYS {
        let began = Instant::now();
        round.adders.deploy(version.to_string(), round.pool(4)).await.expect("a version");
        took.push(began.elapsed());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for sender in sending {
        sender.await.expect("a sender");
    }
    round.finish(jobs).await;
    took.sort();
    took
}
