//! Seral beside its peers, on the same work. The README says what is measured and how.

mod work;
mod task;
mod pool;
mod measure;
mod flow;
mod request;
mod idle;
mod loss;
mod plan;
mod contender;
mod deploys;
mod keys;
mod options;
mod stats;
mod machine;
mod rounds;
mod instructions;
mod results;
mod table;
mod chart;

use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::machine::Machine;
use crate::machine::Versions;
use crate::options::Options;
use crate::options::Role;
use crate::rounds::Programs;
use crate::task::Task;

fn main() -> ExitCode {
    let options = match Options::try_parse() {
        Ok(options) => options,
        // Help was asked for, which is no mistake.
        Err(error) if error.exit_code() == 0 => error.exit(),
        Err(error) => return give_up(&options::sentence(&error), 2),
    };
    match options.role {
        Some(Role::Child { contender, task }) => work_as(contender, task),
        None => compare(&options).unwrap_or_else(|why| give_up(&why, 1)),
    }
}

fn give_up(why: &str, code: u8) -> ExitCode {
    eprintln!("{why}");
    ExitCode::from(code)
}

/// The part of a child: does one work, once.
fn work_as(contender: plan::Contender, task: Task) -> ExitCode {
    match contender::measure_of(contender, task.work) {
        Some(measure) => {
            task::tell(&measure(task));
            ExitCode::SUCCESS
        }
        None => give_up(&format!("{} does not do {}", contender.name(), task.work.name()), 2),
    }
}

/// The part of the program that is started by a person: runs all, prints the tables, writes the files.
fn compare(options: &Options) -> Result<ExitCode, String> {
    let (machine, versions) = (Machine::here(), Versions::here());
    if options.instructions {
        instructions::check()?;
    }
    let contenders = options.contenders();
    let programs = Programs::build(&contenders)?;
    let command = command();
    println!("{}\n\n`{command}`\n", machine.line());
    if let Some(warning) = machine.warning() {
        println!("{warning}\n");
    }
    let spin = measure::turns_for_a_microsecond();
    let (mut entries, mut all_is_well) = (Vec::new(), true);
    for work in options.works() {
        let all = if !options.instructions {
            rounds::run(&programs, options, work, spin)
        } else if instructions::WORKS.contains(&work) {
            instructions::run(&programs, options, work)
        } else {
            continue;
        };
        let blanks = table::blanks(work, &contenders, &all);
        let of_work = results::entries(work, &all, &versions);
        println!("{}", table::table(work, &of_work, &blanks, &versions));
        all_is_well &= all.iter().all(|series| series.failed.is_none());
        entries.extend(of_work);
    }
    let json = target().join("peers.json");
    results::write(&entries, options.instructions, &json)
        .map_err(|error| format!("{}: {error}", json.display()))?;
    let notes = [
        "Median of the rounds; the line is from the first to the third quartile; in brackets the median of the ratios to Seral's of the same round."
            .to_owned(),
        machine.line(),
        command,
    ];
    chart::draw(&entries, &notes, &target().join("peers.svg"))?;
    Ok(if all_is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Where the files go: to those of the other benchmarks.
fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench")
}

/// The command that gives these numbers again.
fn command() -> String {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut command = "cargo run --release --manifest-path benches/peers/Cargo.toml".to_owned();
    if !arguments.is_empty() {
        command = format!("{command} -- {}", arguments.join(" "));
    }
    command
}
