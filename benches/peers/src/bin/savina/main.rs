//! The Savina programs on other runtimes: a child of `cargo run --release --example savina -- --vs ractor,actix`.
//!
//! They are written once, as actor programs are, over what these runtimes have in common ([`actor`]): start an actor, send it a message, stop it.
//! None of that costs anything at run time. Parameters and checks are those of Seral's programs, from the same package.

mod actor;
mod on_ractor;
mod on_actix;
mod pool;
mod programs;

use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use clap::ValueEnum;
use savina_problems::program::BoxError;
use savina_problems::program::Program;
use savina_problems::program::Size;
use tokio::io::AsyncBufReadExt;
use tokio::io::BufReader;
use tokio::io::stdin;
use tokio::time::timeout;

use crate::on_actix::Actix;
use crate::on_ractor::Ractor;

/// More than any program needs on a slow machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A Savina program on another runtime; prints how long each run took, in milliseconds, one program after the other.
#[derive(Parser)]
struct Args {
    /// Which program; all, if none is named
    name: Option<String>,
    /// On which runtime
    #[arg(long)]
    on: On,
    /// How often it is run, after one run that is not measured
    #[arg(long, default_value = "10")]
    runs: NonZeroUsize,
    /// Run it once for each line of the input, instead
    #[arg(long, conflicts_with = "runs")]
    in_turn: bool,
    /// With small parameters
    #[arg(long)]
    quick: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum On {
    Ractor,
    Actix,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let programs = match args.on {
        On::Ractor => programs::all::<Ractor>(),
        On::Actix => programs::all::<Actix>(),
    };
    let chosen = |program: &Program| args.name.as_ref().is_none_or(|name| name == program.name);
    let programs: Vec<_> = programs.into_iter().filter(chosen).collect();
    if programs.is_empty() {
        return ExitCode::from(3);
    }
    let size = if args.quick { Size::Quick } else { Size::Full };
    let runs = measure(programs, size, (!args.in_turn).then_some(args.runs));
    let measured = match args.on {
        On::Ractor => on_ractor::block_on(runs),
        On::Actix => on_actix::block_on(runs),
    };
    if let Err(why) = measured {
        eprintln!("{why}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Runs each of them so often, after a run that is not measured; or as often as it is told to.
async fn measure(programs: Vec<Program>, size: Size, runs: Option<NonZeroUsize>) -> Result<(), BoxError> {
    let mut lines = BufReader::new(stdin()).lines();
    for program in programs {
        if let Some(runs) = runs {
            run(&program, size).await?;
            for _ in 0..runs.get() {
                println!("{}", run(&program, size).await?);
            }
            continue;
        }
        while lines.next_line().await?.is_some() {
            println!("{}", run(&program, size).await?);
        }
    }
    Ok(())
}

/// How long one run took, in milliseconds.
async fn run(program: &Program, size: Size) -> Result<f64, BoxError> {
    let took = timeout(PATIENCE, program.run(size)).await?;
    Ok(took.map_err(|why| format!("{}: {why}", program.name))?.as_secs_f64() * 1e3)
}
