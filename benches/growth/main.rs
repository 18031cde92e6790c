//! How the cost of a job grows: with the workers of a version, the versions alive at once, the jobs that wait, the size of a job, and the
//! number of keys.
//!
//! Run: `cargo bench -p benches --bench growth`, with the name of an axis for that one alone, with `-- --quick` for a tenth of the jobs. For
//! each axis it prints a table and draws `target/bench/growth-<axis>.svg`. Times are medians of interleaved rounds; trust how they change along
//! a line more than the nanoseconds themselves. What is measured, what is not, and where the lines bend is said in the file of the axis.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    reason = "a benchmark prints its tables, and its numbers are floats"
)]

mod extent;
mod stats;
mod growth;
mod table;
mod chart;
mod gate;
mod adder;
mod round;
mod memory;
mod workers;
mod versions;
mod waiting;
mod payload;
mod keys;

use std::path::Path;
use std::process::ExitCode;

use extent::Extent;
use growth::Growth;

/// An axis: its name, and how it is measured.
type Axis = (&'static str, fn(Extent) -> Growth);

const AXES: [Axis; 5] = [
    ("workers", workers::measure),
    ("versions", versions::measure),
    ("waiting", waiting::measure),
    ("payload", payload::measure),
    ("keys", keys::measure),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [option, jobs] = &arguments[..]
        && option == memory::OPTION
    {
        println!("{}", waiting::bytes_here(jobs.parse().expect("a number of jobs")));
        return ExitCode::SUCCESS;
    }
    match chosen(&arguments) {
        Ok((extent, axes)) => {
            for (axis, measure) in axes {
                show(axis, &measure(extent));
            }
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}

/// What the options ask for.
fn chosen(arguments: &[String]) -> Result<(Extent, Vec<Axis>), String> {
    let mut extent = Extent::Full;
    let mut axes = Vec::new();
    for argument in arguments {
        match AXES.iter().find(|(name, _)| name == argument) {
            Some(axis) => axes.push(*axis),
            None if argument == "--quick" => extent = Extent::Quick,
            None => {
                let names = AXES.map(|(name, _)| format!("`{name}`")).join(", ");
                return Err(format!("`{argument}` is no option: there are `--quick` and the axes {names}."));
            }
        }
    }
    if axes.is_empty() {
        axes.extend(AXES);
    }
    Ok((extent, axes))
}

fn show(axis: &str, growth: &Growth) {
    table::print(growth);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench");
    std::fs::create_dir_all(&folder).expect("a folder for the charts");
    let path = folder.join(format!("growth-{axis}.svg"));
    chart::draw(growth, &path).expect("a chart");
    println!("Chart: `target/bench/growth-{axis}.svg`\n");
}
