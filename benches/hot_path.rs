//! What a job costs from send to settlement, beside a bare channel.
//!
//! Run: `cargo bench -p benches --bench hot_path`. Rounds are interleaved, medians printed; trust ratios, not nanoseconds.
//! With `-- --instructions`, it runs itself under valgrind instead and prints the instructions for each job, which are the same each time.
#![allow(clippy::print_stdout, clippy::cast_precision_loss, reason = "a benchmark prints its table")]

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use std::time::Instant;

use seral::prelude::*;
use tokio::sync::mpsc;

const JOBS: u64 = 1_000_000;
/// With so many jobs under valgrind, and twice as many: the difference is what the jobs cost, without start and end.
const COUNTED_JOBS: u64 = 50_000;
const ROUNDS: usize = 7;

struct Adder {
    sum: Arc<AtomicU64>,
    local: u64,
}

impl Worker for Adder {
    type Job = u64;
    type Output = ();

    async fn process(&mut self, job: &u64, _: &JobContext) -> Result<(), Fault> {
        self.local += job;
        Ok(())
    }

    async fn stop(&mut self) {
        self.sum.fetch_add(self.local, Relaxed);
    }
}

async fn seral(jobs: u64, senders: u64, workers: usize) -> Duration {
    let sum = Arc::new(AtomicU64::new(0));
    let ecosystem = Ecosystem::new("bench");
    let community = ecosystem.community::<u64, ()>("add").await.expect("a community");
    let total = Arc::clone(&sum);
    let pool = Pool::of(workers, move || Adder { sum: Arc::clone(&total), local: 0 });
    community.deploy("1", pool).await.expect("a version");
    let began = Instant::now();
    let sending: Vec<_> = (0..senders)
        .map(|sender| {
            let community = community.clone();
            tokio::spawn(async move {
                for job in (sender..jobs).step_by(usize::try_from(senders).expect("few senders")) {
                    community.send(job).await.expect("admitted");
                    if job % 1024 == 0 {
                        tokio::task::yield_now().await;
                    }
                }
            })
        })
        .collect();
    for sender in sending {
        sender.await.expect("a sender");
    }
    let report = ecosystem.shutdown(Duration::from_secs(60)).await;
    let took = began.elapsed();
    assert!(report.is_clean(), "{report}");
    assert_eq!(sum.load(Relaxed), jobs * (jobs - 1) / 2, "each job is done once");
    took
}

async fn channel(senders: u64) -> Duration {
    let (sender, mut receiver) = mpsc::channel::<u64>(10_000);
    let began = Instant::now();
    let worker = tokio::spawn(async move {
        let (mut sum, mut batch) = (0, Vec::with_capacity(16));
        while receiver.recv_many(&mut batch, 16).await > 0 {
            sum += batch.drain(..).sum::<u64>();
        }
        sum
    });
    for first in 0..senders {
        let sender = sender.clone();
        tokio::spawn(async move {
            for job in (first..JOBS).step_by(usize::try_from(senders).expect("few senders")) {
                sender.send(job).await.expect("a receiver");
                if job % 1024 == 0 {
                    tokio::task::yield_now().await;
                }
            }
        });
    }
    drop(sender);
    assert_eq!(worker.await.expect("a worker"), JOBS * (JOBS - 1) / 2);
    began.elapsed()
}

fn median(mut rounds: Vec<Duration>) -> f64 {
    rounds.sort();
    rounds[rounds.len() / 2].as_secs_f64() * 1e9 / JOBS as f64
}

/// Runs this program under valgrind with so many jobs; returns how many instructions that took.
fn instructions(jobs: u64) -> u64 {
    let counts = std::env::temp_dir().join(format!("hot_path-{}-{jobs}", std::process::id()));
    let run = std::process::Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet"])
        .arg(format!("--callgrind-out-file={}", counts.display()))
        .arg(std::env::current_exe().expect("a path"))
        .args(["--round", &jobs.to_string()])
        .status();
    assert!(run.is_ok_and(|status| status.success()), "valgrind is needed: `apt install valgrind`");
    let text = std::fs::read_to_string(&counts).expect("counts");
    std::fs::remove_file(&counts).expect("the counts were there");
    let total = text.lines().find_map(|line| line.strip_prefix("totals: ")).expect("a total");
    total.trim().parse().expect("a number")
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--round") {
        let jobs = arguments[at + 1].parse().expect("a number of jobs");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(seral(jobs, 1, 1));
        return;
    }
    if arguments.iter().any(|argument| argument == "--instructions") {
        let (some, twice) = (instructions(COUNTED_JOBS), instructions(2 * COUNTED_JOBS));
        println!("{} instructions a job", (twice - some) / COUNTED_JOBS);
        return;
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut rounds: [Vec<Duration>; 4] = Default::default();
    for _ in 0..ROUNDS {
        rounds[0].push(runtime.block_on(async { tokio::spawn(seral(JOBS, 1, 1)).await.expect("a round") }));
        rounds[1].push(runtime.block_on(async { tokio::spawn(channel(1)).await.expect("a round") }));
        rounds[2].push(runtime.block_on(async { tokio::spawn(seral(JOBS, 4, 4)).await.expect("a round") }));
        rounds[3].push(runtime.block_on(async { tokio::spawn(channel(4)).await.expect("a round") }));
    }
    println!("| what | ns a job |\n|---|---|");
    let names = [
        "seral, 1 sender, 1 worker",
        "tokio mpsc, 1 sender",
        "seral, 4 senders, 4 workers",
        "tokio mpsc, 4 senders",
    ];
    for (name, rounds) in names.into_iter().zip(rounds) {
        println!("| {name} | {:.0} |", median(rounds));
    }
}
