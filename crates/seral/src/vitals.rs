//! What a worker shows of itself: plain data, for people and for tools.

use std::fmt;
use std::time::Duration;

use seral_core::heartbeat::Condition;
use serde::Serialize;
use serde::Serializer;

/// Where a worker is in its life: one way, from top to bottom, except that one that panicked starts again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub enum WorkerState {
    /// Its factory and `start` run.
    Starting,
    /// It takes jobs.
    Running,
    /// It finishes the job in hand and takes no more.
    Quiet,
    /// Its `stop` runs.
    Stopping,
    /// It is gone.
    Stopped,
}

/// One worker at one moment. Times are as the watcher knows them, which looks each 20 ms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct WorkerView {
    /// Its community.
    pub community: String,
    /// Its version.
    pub version: String,
    /// Its number.
    pub id: u64,
    /// Where it is in its life.
    pub state: WorkerState,
    /// How it is.
    #[serde(serialize_with = "as_debug")]
    pub condition: Condition,
    /// The job in its hand.
    pub job: Option<u64>,
    /// For how long it has been at that job.
    pub job_for: Duration,
    /// For how long it has shown no sign of life, though one was expected. Zero while it waits for jobs.
    pub silent_for: Duration,
    /// Jobs that it brought to an output since its last start.
    pub done: u64,
    /// Attempts of it that failed since its last start.
    pub faults: u64,
    /// How often it was started again after a failure.
    pub restarts: u64,
    /// How many jobs it takes at once.
    pub batch: usize,
    /// How often it has come round its cycle.
    pub beats: u64,
}

/// One line: `orders 1.0.0 worker 3  Running  job 17 for 40 ms  120 done`.
impl fmt::Display for WorkerView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { community, version, id, state, done, .. } = self;
        write!(f, "{community} {version} worker {id}  {state:?}")?;
        if self.condition != Condition::Well {
            write!(f, "  {:?}", self.condition)?;
        }
        if let Some(job) = self.job {
            write!(f, "  job {job} for {} ms", self.job_for.as_millis())?;
        }
        write!(f, "  {done} done")?;
        for (count, what) in [(self.faults, "failed"), (self.restarts, "restarts")] {
            if count > 0 {
                write!(f, "  {count} {what}")?;
            }
        }
        Ok(())
    }
}

/// Types of the core are not `Serialize`.
fn as_debug<S: Serializer>(value: &impl fmt::Debug, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{value:?}"))
}
