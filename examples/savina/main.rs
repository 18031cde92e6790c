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
//! What is printed is the median of the runs, and the median of the ratios of runs that followed each other. A run lasts from making the first community until the last worker has left. Each answer is
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
use crate::peers::Peer;
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

/// Runs a program, here and on the peers in turn, and says how long it took.
async fn line(program: &Program, args: &Args) -> Result<String, BoxError> {
    let peer = |runtime: &String| Peer::start(program.name, runtime, args);
    let mut peers = args.vs.iter().map(peer).collect::<Result<Vec<_>, _>>()?;
    // The first run finds the memory and the code cold.
    run(program, args).await?;
    let mut times = Vec::new();
    let mut of_peers = vec![Vec::new(); peers.len()];
    for _ in 0..args.runs.get() {
        times.push(run(program, args).await?);
        for (peer, times) in peers.iter_mut().zip(&mut of_peers) {
            if let Some(peer) = peer {
                times.push(peer.run()?);
            }
        }
    }
    peers.into_iter().flatten().try_for_each(Peer::end)?;
    let Quartiles { q1, median, q3 } = Quartiles::of(&times).ok_or("no runs, no median")?;
    let mut line = format!("{:<21} {:>30}", program.name, format!("{median:.2} ({q1:.2}-{q3:.2})"));
    for of_peer in of_peers {
        // Of the runs of the same round.
        let ratios: Vec<_> = of_peer.iter().zip(&times).map(|(peer, seral)| peer / seral).collect();
        let cells = match (Quartiles::of(&of_peer), Quartiles::of(&ratios)) {
            (Some(peer), Some(ratio)) => format!(" {:>11.2} {:>6.2}x", peer.median, ratio.median),
            _ => format!(" {:>11} {:>7}", "-", ""),
        };
        line.push_str(&cells);
    }
    Ok(line)
}

/// How long one run took, in milliseconds.
async fn run(program: &Program, args: &Args) -> Result<f64, BoxError> {
    // As a task of its own, so that its sends come from where those of its workers do.
    let took = tokio::spawn(timeout(PATIENCE, program.run(args.size()))).await???;
    Ok(took.as_secs_f64() * 1e3)
}
