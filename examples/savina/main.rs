//! The Savina actor benchmarks (Imam and Sarkar, 2014): twenty small programs, as one writes them with communities, pools, keys and asks.
//!
//! Run: `cargo run --release --example savina -- --all`
//!
//! - `--list`: which programs there are, and with which parameters.
//! - `ping-pong big`: these two.
//! - `--vs ractor,actix`: the same on these runtimes, where `benches/peers` has the program, and by which factor they take longer.
//! - `--runs 3`: how often each is run; ten times if nothing is said. One run before these is not measured.
//! - `--quick`: with so small parameters that all take seconds.
//!
//! What is printed is the median of the runs. A run lasts from making the first community until the last worker has left. Each answer is
//! checked; the exit code is 1 if one is wrong, and 2 if the arguments could not be read.
//!
//! [`programs`] has them, a file each; what they compute, without a runtime, is in the package `savina-problems` beside this file.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

mod args;
mod stats;
mod stage;
mod peers;
mod programs;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use savina_problems::program::BoxError;
use savina_problems::program::Program;
use tokio::time::timeout;

use crate::args::Args;
use crate::stats::Quartiles;

/// More than any program needs on a slow machine; one that lost a job would otherwise wait for ever.
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let programs = programs::all();
    if args.list {
        for program in &programs {
            println!(
                "{:<21} {}\n{:21} {}",
                program.name,
                program.about,
                "",
                (program.parameters)(args.size())
            );
        }
        return ExitCode::SUCCESS;
    }
    let unknown = args.names.iter().find(|name| programs.iter().all(|program| program.name != **name));
    if let Some(name) = unknown {
        eprintln!("there is no program '{name}'; --list shows all");
        return ExitCode::from(2);
    }
    if args.names.is_empty() && !args.all {
        eprintln!("which program? Name some, or say --all; --list shows all");
        return ExitCode::from(2);
    }
    println!("{}", heading(&args));
    let mut code = ExitCode::SUCCESS;
    for program in
        programs.iter().filter(|program| args.all || args.names.iter().any(|it| it == program.name))
    {
        match line(program, &args).await {
            Ok(line) => println!("{line}"),
            Err(why) => {
                eprintln!("{}: {why}", program.name);
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}

fn heading(args: &Args) -> String {
    let of_peer = |peer: &String| format!(" {:>11} {:>7}", format!("{peer}, ms"), "times");
    let of_peers: String = args.vs.iter().map(of_peer).collect();
    format!("{:<21} {:>30}{of_peers}", "", "seral: median (quartiles), ms")
}

/// Runs a program, here and on the peers, and says how long it took.
async fn line(program: &Program, args: &Args) -> Result<String, BoxError> {
    let times = measure(program, args).await?;
    let Quartiles { q1, median, q3 } = Quartiles::of(&times).ok_or("no runs, no median")?;
    let mut line = format!("{:<21} {:>30}", program.name, format!("{median:.2} ({q1:.2}-{q3:.2})"));
    for peer in &args.vs {
        let cells = match peers::measure(program.name, peer, args)?.and_then(|times| Quartiles::of(&times)) {
            Some(of_peer) => format!(" {:>11.2} {:>6.2}x", of_peer.median, of_peer.median / median),
            None => format!(" {:>11} {:>7}", "-", ""),
        };
        line.push_str(&cells);
    }
    Ok(line)
}

/// How long each run took, in milliseconds.
async fn measure(program: &Program, args: &Args) -> Result<Vec<f64>, BoxError> {
    let mut times = Vec::new();
    for _ in 0..=args.runs.get() {
        // As a task of its own, so that its sends come from where those of its workers do.
        let took = tokio::spawn(timeout(PATIENCE, program.run(args.size()))).await???;
        times.push(took.as_secs_f64() * 1e3);
    }
    // The first one finds the memory and the code cold.
    times.remove(0);
    Ok(times)
}
