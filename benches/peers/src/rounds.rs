//! Runs the children: one process for each contender and round, all contenders in turn, so that a drift of the machine hits all alike.

use std::io::Read;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use crate::options::Options;
use crate::plan::Contender;
use crate::task::Reading;
use crate::work::Work;

/// On how many threads all contenders run. It is the number of cores of the machine on which this was made; on a larger one it still is two,
/// so that the works stay the same.
const THREADS: usize = 2;

/// Longer than any child may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a contender measured in one work: one list of readings for each round.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) contender: Contender,
    pub(crate) rounds: Vec<Vec<Reading>>,
    /// Why it was given up, if it was.
    pub(crate) failed: Option<String>,
}

impl Series {
    /// The values of a metric, round by round.
    pub(crate) fn values(&self, metric: &str) -> Vec<Option<f64>> {
        let value = |readings: &Vec<Reading>| {
            readings.iter().find(|reading| reading.metric == metric).map(|reading| reading.value)
        };
        self.rounds.iter().map(value).collect()
    }
}

/// The programs that children are made of.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    this: PathBuf,
    with_spans: PathBuf,
}

impl Programs {
    /// Finds this program, and builds the one with spans if it is wanted. A separate call of cargo, because what is built together has the
    /// same features.
    pub(crate) fn build(contenders: &[Contender]) -> Result<Self, String> {
        let this = std::env::current_exe().map_err(|error| format!("this program has no path: {error}"))?;
        let target = this.parent().and_then(Path::parent).ok_or("this program is in no target folder")?;
        let with_spans = target.join("release").join("ractor_spans");
        if contenders.contains(&Contender::RactorSpans) {
            let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
            let cargo = std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into());
            let built = Command::new(cargo)
                .args(["build", "--quiet", "--release", "--package", "ractor_spans", "--manifest-path"])
                .arg(manifest)
                .arg("--target-dir")
                .arg(target)
                .status();
            if !built.is_ok_and(|status| status.success()) {
                return Err("`ractor_spans` could not be built; leave it out with --contender".to_owned());
            }
        }
        Ok(Self { this, with_spans })
    }

    /// The command of a child, behind these words if there are any.
    pub(crate) fn child(&self, before: &[String], contender: Contender, task: &[String]) -> Command {
        let program = if contender == Contender::RactorSpans { &self.with_spans } else { &self.this };
        let mut words: Vec<_> = before.iter().map(Into::into).collect();
        words.push(program.clone().into_os_string());
        let mut command = Command::new(words.remove(0));
        command.args(words).args(["child", contender.name()]).args(task);
        command
    }
}

/// The arguments that tell a child its task.
pub(crate) fn task(work: Work, jobs: u64, spin: u64, threads: usize) -> Vec<String> {
    let options = [("--jobs", jobs), ("--spin", spin), ("--threads", threads as u64)];
    let mut words = vec![work.name().to_lowercase()];
    words.extend(options.into_iter().flat_map(|(name, value)| [name.to_owned(), value.to_string()]));
    words
}

/// All rounds of one work.
pub(crate) fn run(programs: &Programs, options: &Options, work: Work, spin: u64) -> Vec<Series> {
    let takes_part = |contender: &Contender| contender.belongs_to(work) && contender.blank(work).is_none();
    let contenders = options.contenders().into_iter().filter(takes_part);
    let mut all: Vec<_> =
        contenders.map(|contender| Series { contender, rounds: Vec::new(), failed: None }).collect();
    for round in 1..=options.rounds(work) {
        eprintln!("{}, round {round} of {}", work.name(), options.rounds(work));
        for series in all.iter_mut().filter(|series| series.failed.is_none()) {
            let contender = series.contender;
            let task = task(work, options.jobs(contender, work), spin, THREADS);
            match readings_of(programs.child(&[], contender, &task)) {
                Ok(readings) => series.rounds.push(readings),
                Err(why) => {
                    eprintln!("{} failed in {}: {why}", contender.name(), work.name());
                    series.failed = Some(why);
                }
            }
        }
    }
    all
}

/// Runs a child to its end.
fn readings_of(mut command: Command) -> Result<Vec<Reading>, String> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("it could not be started: {error}"))?;
    let clean = wait(&mut child)?;
    if !clean {
        let complaint = read(child.stderr.take());
        let line = complaint.lines().find(|line| !line.is_empty() && !line.starts_with("thread "));
        return Err(line.unwrap_or("it ended without a word").to_owned());
    }
    let told = read(child.stdout.take());
    serde_json::from_str(&told).map_err(|error| format!("it told no readings: {error}"))
}

/// Waits for the end of a child, but not for ever; gives whether it was a clean one.
fn wait(child: &mut Child) -> Result<bool, String> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status.success()),
            Ok(None) => std::thread::sleep(Duration::from_millis(5)),
            Err(error) => return Err(format!("it cannot be waited for: {error}")),
        }
    }
    // It may have ended just now; then there is nothing to kill.
    let _ = child.kill();
    let _ = child.wait();
    Err(format!("it did not end within {PATIENCE:?}"))
}

fn read(from: Option<impl Read>) -> String {
    let mut text = String::new();
    if let Some(mut from) = from {
        // What is no text is not worth telling.
        let _ = from.read_to_string(&mut text);
    }
    text
}
