//! How many instructions a job takes in W1 and W2, counted by valgrind: nearly the same each time, on whatever machine.

use std::process::Command;
use std::process::Stdio;

use crate::options::Options;
use crate::plan::Contender;
use crate::results::INSTRUCTIONS;
use crate::rounds;
use crate::rounds::Programs;
use crate::rounds::Series;
use crate::task::Reading;
use crate::work::Work;

/// With so many jobs, and twice as many: the difference is what the jobs cost, without start and end.
const JOBS: u64 = 20_000;

/// The works that are counted.
pub(crate) const WORKS: [Work; 2] = [Work::W1, Work::W2];

/// Whether valgrind is there; else what to do about it.
pub(crate) fn check() -> Result<(), String> {
    let version = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status();
    match version {
        Ok(status) if status.success() => Ok(()),
        _ => Err("valgrind is needed to count instructions: `apt install valgrind`".to_owned()),
    }
}

/// One reading for each contender.
pub(crate) fn run(programs: &Programs, options: &Options, work: Work) -> Vec<Series> {
    let takes_part = |contender: &Contender| contender.belongs_to(work) && contender.blank(work).is_none();
    let count = |contender: Contender| {
        eprintln!("{}, {}", work.name(), contender.name());
        let counted = count(programs, contender, work, JOBS)
            .and_then(|some| Ok((some, count(programs, contender, work, 2 * JOBS)?)));
        match counted {
            Ok((some, twice)) => {
                let each = twice.saturating_sub(some) as f64 / JOBS as f64;
                let readings = vec![Reading::new(INSTRUCTIONS, "instructions/job", each)];
                Series { contender, rounds: vec![readings], failed: None }
            }
            Err(why) => Series { contender, rounds: Vec::new(), failed: Some(why) },
        }
    };
    options.contenders().into_iter().filter(takes_part).map(count).collect()
}

/// The instructions of a child with so many jobs. It has one thread: with two, waiting for each other costs as many as the scheduler likes.
fn count(programs: &Programs, contender: Contender, work: Work, jobs: u64) -> Result<u64, String> {
    let counts = std::env::temp_dir().join(format!("peers-{}-{jobs}", std::process::id()));
    let valgrind = [
        "valgrind".to_owned(),
        "--tool=callgrind".to_owned(),
        "--quiet".to_owned(),
        format!("--callgrind-out-file={}", counts.display()),
    ];
    let mut task = rounds::task(work, jobs, 0, 1);
    task.push("--cold".to_owned());
    let mut child = programs.child(&valgrind, contender, &task);
    let run = child.stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !run.is_ok_and(|status| status.success()) {
        return Err("it does not run under valgrind".to_owned());
    }
    let text = std::fs::read_to_string(&counts).map_err(|error| format!("no counts: {error}"))?;
    // Nobody else reads it; if it stays, it stays.
    let _ = std::fs::remove_file(&counts);
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    total.and_then(|total| total.trim().parse().ok()).ok_or_else(|| "the counts have no total".to_owned())
}
