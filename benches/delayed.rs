//! What a million delayed jobs cost: to admit, to keep, to cancel, and to start when they are due.
//!
//! Run: `cargo bench -p benches --bench delayed`. Beside it, a bare `BTreeMap` of the same million: the structure without the job.
#![allow(clippy::print_stdout, clippy::cast_precision_loss, reason = "a benchmark prints its table")]

use std::collections::BTreeMap;
use std::time::Duration;
use std::time::Instant;

use seral::prelude::*;

const JOBS: u64 = 1_000_000;
const HOUR: u64 = 3_600_000;

/// When a job is due, in milliseconds: spread over an hour, in no order.
fn delay(job: u64) -> Duration {
    Duration::from_millis(HOUR + job.wrapping_mul(0x9E37_79B9_7F4A_7C15) % HOUR)
}

/// How much memory the process has in use, in bytes; zero where that is not told.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) * 1024
}

fn row(what: &str, took: Duration, jobs: u64) {
    println!("| {what} | {:.0} |", took.as_secs_f64() * 1e9 / jobs as f64);
}

fn bare() {
    let began = Instant::now();
    let mut map = BTreeMap::new();
    for job in 0..JOBS {
        map.insert((delay(job), job), job);
    }
    row("bare `BTreeMap`: insert", began.elapsed(), JOBS);
    let began = Instant::now();
    while map.pop_first().is_some() {}
    row("bare `BTreeMap`: take out in order", began.elapsed(), JOBS);
}

async fn due(orders: &Community<u64, u64>) {
    let began = Instant::now();
    let mut handles = Vec::new();
    // Due at once, or nearly: what is measured is the way from the delayed jobs through the mailbox to the worker.
    for job in 0..JOBS / 10 {
        handles.push(orders.submit(job).delay(Duration::from_nanos(1)).await.expect("admitted"));
    }
    for handle in handles {
        handle.await.expect("done");
    }
    row("delayed by next to nothing: submit, start, done", began.elapsed(), JOBS / 10);
}

async fn seral() {
    let shop = Ecosystem::new("bench");
    let orders = shop.community::<u64, u64>("orders").hand_back(|_| async {}).await.expect("a community");
    orders.deploy("1", Pool::of_fn(1, |job, _| async move { Ok(job) })).await.expect("a version");
    due(&orders).await;

    let (before, began) = (memory(), Instant::now());
    let mut some = Vec::new();
    for job in 0..JOBS {
        let handle = orders.submit(job).delay(delay(job)).await.expect("admitted");
        if job % 10 == 0 {
            some.push(handle);
        }
    }
    row("submit with a delay", began.elapsed(), JOBS);
    println!("| (bytes each, handles dropped) | {} |", memory().saturating_sub(before) / JOBS);
    assert!(orders.submit(0).delay(delay(0)).await.is_err(), "a million is the limit");

    let began = Instant::now();
    for handle in &some {
        handle.cancel();
    }
    row("cancel one among a million", began.elapsed(), some.len() as u64);
    for handle in some {
        handle.await.expect_err("cancelled");
    }
    let began = Instant::now();
    let report = shop.shutdown(Duration::from_secs(60)).await;
    row("hand back at the shutdown", began.elapsed(), JOBS * 9 / 10);
    assert!(report.is_clean() && report.communities[0].handed_back as u64 == JOBS * 9 / 10, "{report}");
}

fn main() {
    println!("| what | ns a job |\n|---|---|");
    bare();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async { tokio::spawn(seral()).await.expect("a round") });
}
