//! Counts instructions, by running this program under valgrind's callgrind, and says on which step of a job's way they go.
//!
//! Each way is run with so many jobs and with twice as many; the difference is what the jobs cost, without start and end. Instructions are
//! the same each time, whatever else the machine does.

use std::collections::BTreeMap;
use std::process::Command;

use crate::path::Way;

/// So many jobs, and twice as many.
const JOBS: u64 = 20_000;

/// Where instructions go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    Resolve,
    Push,
    Send,
    Take,
    Process,
    Settle,
    Reply,
    Runtime,
}

impl Step {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Resolve => "resolve: read the routing table",
            Self::Push => "push: lock, gate, room, queue, whom to wake",
            Self::Send => "send: number the job, may it be sent, hand it on",
            Self::Take => "take: its share of a visit to the mailbox, and the desk with its counters",
            Self::Process => "process: beat, limits, the worker's code with panics caught; moving the job",
            Self::Settle => "settle: count, let go, what becomes of it",
            Self::Reply => "reply: the channel of the handle",
            Self::Runtime => "tokio, ractor, memory, the benchmark itself",
        }
    }
}

/// Instructions for each job, by step.
pub(crate) fn by_step(way: Way) -> BTreeMap<Step, f64> {
    let (some, twice) = (run(way, JOBS), run(way, 2 * JOBS));
    let mut steps = BTreeMap::new();
    for (place, count) in &twice {
        let before = some.get(place).copied().unwrap_or(0);
        #[expect(clippy::cast_precision_loss, reason = "millions")]
        let each = (*count as f64 - before as f64) / JOBS as f64;
        *steps.entry(step_of(&place.file, &place.function)).or_insert(0.0) += each;
    }
    steps
}

/// A source file, and the function of the program into which its code was compiled.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    file: String,
    function: String,
}

/// Code that was inlined is known by its file; code of the standard library by the function that it was inlined into.
fn step_of(file: &str, function: &str) -> Step {
    let is_one_of = |names: &[&str]| names.iter().any(|name| file.ends_with(name));
    let is_senders =
        ["path::send_one", "Round::send", "admission", "Submit", "community", "plane::DataPlane"]
            .iter()
            .any(|name| function.contains(name));
    let is_workers = function.contains("seral::") || function.contains("seral_core::");
    if file.contains("arc-swap") || function.contains("arc_swap") || is_one_of(&["/routes.rs", "/routing.rs"])
    {
        Step::Resolve
    } else if file.contains("/oneshot.rs") || function.contains("oneshot") {
        Step::Reply
    } else if function.contains("push_back") {
        Step::Push
    } else if is_one_of(&[
        "/mailbox.rs",
        "/queue.rs",
        "/chunks.rs",
        "/seats.rs",
        "/gate.rs",
        "/wakes.rs",
        "/raw_mutex.rs",
    ]) {
        if is_senders { Step::Push } else { Step::Take }
    } else if is_one_of(&["/desk.rs", "/lease.rs", "/pool_handle.rs"]) {
        Step::Take
    } else if is_one_of(&["/settlement.rs", "/ending.rs", "/job.rs", "/fence.rs", "/user_code.rs"])
        && !is_senders
    {
        Step::Settle
    } else if is_senders {
        Step::Send
    } else if is_workers {
        Step::Process
    } else {
        Step::Runtime
    }
}

fn run(way: Way, jobs: u64) -> BTreeMap<Place, u64> {
    let counts = std::env::temp_dir().join(format!("hot_path-{}-{jobs}", std::process::id()));
    let run = Command::new("valgrind")
        // What an allocation costs otherwise depends on what lies beside it: a `submit` by a fifth, from one run of a program to the next.
        .env("GLIBC_TUNABLES", "glibc.malloc.tcache_count=65535")
        .args(["--tool=callgrind", "--quiet"])
        .arg(format!("--callgrind-out-file={}", counts.display()))
        .arg(std::env::current_exe().expect("a path"))
        .args(["--round", way.name(), &jobs.to_string()])
        .status();
    assert!(run.is_ok_and(|status| status.success()), "valgrind is needed: `apt-get install valgrind`");
    let text = std::fs::read_to_string(&counts).expect("counts");
    std::fs::remove_file(&counts).expect("the counts were there");
    places(&text)
}

/// Reads what callgrind wrote: lines of cost, each behind the names of the function and the file that it belongs to. A name is written out
/// once, as `(number) name`, and only its number after that. The line of cost behind `calls=` is that of the callee.
fn places(text: &str) -> BTreeMap<Place, u64> {
    let (mut files, mut functions) = (BTreeMap::new(), BTreeMap::new());
    let mut here = Place { file: String::new(), function: String::new() };
    let mut is_of_callee = false;
    let mut places = BTreeMap::new();
    for line in text.lines() {
        match line.split_once('=') {
            Some(("fl" | "fi" | "fe", name)) => here.file = resolve(&mut files, name),
            Some(("fn", name)) => here.function = resolve(&mut functions, name),
            Some(("cfi" | "cfl", name)) => drop(resolve(&mut files, name)),
            Some(("cfn", name)) => drop(resolve(&mut functions, name)),
            Some(("calls", _)) => is_of_callee = true,
            Some(_) => {}
            None if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) => {
                let cost = line.split(' ').nth(1).and_then(|cost| cost.parse::<u64>().ok()).unwrap_or(0);
                if !std::mem::take(&mut is_of_callee) {
                    *places.entry(here.clone()).or_insert(0) += cost;
                }
            }
            None => {}
        }
    }
    places
}

fn resolve(names: &mut BTreeMap<String, String>, text: &str) -> String {
    let (number, name) = text.split_once(' ').unwrap_or((text, ""));
    if !name.is_empty() {
        names.insert(number.to_owned(), name.to_owned());
    }
    names.get(number).cloned().unwrap_or_default()
}
