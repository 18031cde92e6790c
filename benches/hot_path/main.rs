//! What a job costs, in time and in instructions, and where that goes.
//!
//! Run: `cargo bench --bench hot_path`. Needs valgrind for the instructions; `-- --time` does without. Times are medians of interleaved rounds;
//! trust their ratios within one run. Instructions are the same each time, so there are limits to them, which `-- --limits` checks.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    reason = "a benchmark prints its tables"
)]

/// The runtime's own, for its mailbox, which `steps` compiles as it stands.
#[path = "../../crates/seral/src/sync.rs"]
mod sync;
mod path;
mod count;
mod deploys;
mod steps;

use std::time::Duration;

use path::Way;

/// Odd, so that there is a middle one.
const ROUNDS: usize = 7;
const JOBS: u64 = 200_000;

/// What a job may cost in instructions: a twentieth more than it did when this was written. A compiler may move it by a few; whoever adds
/// something to the path of each job raises the limit and says why.
const LIMITS: [(Way, f64); 4] =
    [(Way::Send, 720.0), (Way::Submit, 1_730.0), (Way::Ask, 3_390.0), (Way::Hop, 1_910.0)];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => {
            times();
            steps::print();
            deploys::print();
            instructions(&Way::ALL);
        }
        ["--time"] => {
            times();
            steps::print();
            deploys::print();
        }
        ["--instructions"] => instructions(&Way::ALL),
        ["--limits"] => keep_limits(),
        ["--round", way, jobs] => {
            let way = Way::named(way).expect("a way of a job");
            on_one_thread(way, jobs.parse().expect("a number of jobs"));
        }
        _ => {
            eprintln!(
                "options: none, `--time` (needs no valgrind), `--instructions`, or `--limits` (have they grown?)"
            );
            std::process::exit(2);
        }
    }
}

/// One sender, one worker, one thread: nothing moves between cores, so that a job costs the same each time.
fn on_one_thread(way: Way, jobs: u64) -> Duration {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        match way {
            Way::Span => path::with_spans_heard(path::round(way, jobs, 1, 1)).await,
            Way::Hop => path::hops(jobs).await,
            way => path::round(way, jobs, 1, 1).await,
        }
    })
}

fn on_all_threads(way: Way, jobs: u64) -> Duration {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    // In a task: the thread of `main` is none of the runtime's.
    runtime.block_on(async move { tokio::spawn(path::round(way, jobs, 4, 4)).await.expect("a round") })
}

fn times() {
    println!("## The ways of a job, one sender and one worker on one thread\n");
    println!("| way | ns a job | more than without |\n|---|---|---|");
    let rounds = interleaved(|way| on_one_thread(way, JOBS), &Way::ALL);
    let of = |way| rounds[Way::ALL.iter().position(|it| *it == way).expect("a way")];
    for way in Way::ALL {
        let (own, without) = (of(way), of(way.without()));
        println!("| {} | {own:.0} | {:.0} |", way.name(), own - without);
    }
    println!("\n## Four senders and four workers on all threads\n");
    println!("| way | ns a job |\n|---|---|");
    let ways = [Way::Send, Way::Submit, Way::AskOfMany, Way::Key];
    for (way, ns) in ways.iter().zip(interleaved(|way| on_all_threads(way, 4 * JOBS), &ways)) {
        println!("| {} | {:.0} |", way.name(), ns / 4.0);
    }
    println!();
}

/// The median of all rounds of each way, in nanoseconds for each of [`JOBS`].
fn interleaved(run: impl Fn(Way) -> Duration, ways: &[Way]) -> Vec<f64> {
    let mut took = vec![Vec::new(); ways.len()];
    for _ in 0..ROUNDS {
        for (way, took) in ways.iter().zip(&mut took) {
            took.push(run(*way));
        }
    }
    took.into_iter().map(|took| nanos_each(took, JOBS)).collect()
}

/// The median, for each of so many jobs.
pub(crate) fn nanos_each(mut took: Vec<Duration>, jobs: u64) -> f64 {
    took.sort();
    took[took.len() / 2].as_secs_f64() * 1e9 / jobs as f64
}

fn instructions(ways: &[Way]) {
    println!("## Instructions\n");
    println!("| way | instructions a job |\n|---|---|");
    let mut shown = Vec::new();
    for way in ways {
        let steps = count::by_step(*way);
        println!("| {} | {:.0} |", way.name(), steps.values().sum::<f64>());
        if matches!(way, Way::Send | Way::Ask) {
            shown.push((way, steps));
        }
    }
    for (way, steps) in shown {
        println!("\n| step of `{}` | instructions |\n|---|---|", way.name());
        for (step, count) in steps {
            println!("| {} | {count:.0} |", step.name());
        }
    }
}

fn keep_limits() {
    let mut is_over = false;
    for (way, limit) in LIMITS {
        let count: f64 = count::by_step(way).values().sum();
        println!("{}: {count:.0} instructions a job, the limit is {limit:.0}", way.name());
        is_over |= count > limit;
    }
    if is_over {
        eprintln!("a job has become more expensive; `--instructions` shows on which step");
        std::process::exit(1);
    }
}
