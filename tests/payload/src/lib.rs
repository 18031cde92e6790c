//! The jobs and outputs that test plugins and tests agree on.

use seral_plugin::Fault;
use seral_plugin::JobContext;
use seral_plugin::Schema;
use seral_plugin::Worker;
use serde::Deserialize;
use serde::Serialize;

/// What a scripted worker is told to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum Task {
    /// Say which job this is.
    Say(String),
    /// Tell what is known of the job.
    Facts,
    /// Wait for so many milliseconds.
    Sleep(u64),
    /// Wait until the job is asked to end, and end it.
    UntilCancelled,
    /// Wait until the version makes room, and make room.
    UntilDraining,
    /// Fail, so that this becomes of the job.
    Fail(Becomes),
    /// Fail with an error that `retry` knows by its type.
    FailTyped,
    /// Fail with an error for which `retry` panics.
    FailSoThatRetryPanics,
    /// Panic.
    Panic(String),
    /// Panic after a wait.
    PanicLater(String),
    /// Panic with a value whose destructor panics.
    PanicWithBomb,
    /// Wait for ever, with a value on the stack whose destructor panics.
    SleepOnBomb,
    /// Run code that blocks until the gate with this number is opened.
    Block,
    /// Panic in code that blocks.
    PanicBlocking,
    /// Compute without an `await` for so many milliseconds.
    Spin(u64),
    /// Send this number to that community.
    Send(String, u64),
    /// Tell an event of `tracing`.
    Tell(String),
    /// Wait with tokio, which needs a runtime.
    Tokio,
    /// Give back so many bytes.
    Bytes(usize),
}

/// What becomes of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum Becomes {
    /// Tried again.
    Retry,
    /// Tried again at once, uncharged.
    Snooze,
    /// Given up.
    Discarded,
    /// Set aside.
    DeadLetter,
}

/// What a scripted worker does beside its jobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Script {
    /// When it is made.
    pub create: Mood,
    /// When it is started.
    pub start: Mood,
    /// When it tunes itself.
    pub optimize: Mood,
    /// When it is stopped.
    pub stop: Mood,
    /// When it is dropped.
    pub drop: Mood,
}

/// How it goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum Mood {
    /// Well.
    #[default]
    Well,
    /// It fails, where it can.
    Fails,
    /// It panics.
    Panics,
    /// It never ends.
    Hangs,
}

/// What benchmarks send, empty or with something in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Parcel {
    /// Which one it is.
    pub number: u64,
    /// Of an output: the sum of the numbers that its worker has had so far.
    pub sum: u64,
    /// As a normal type has them: serde writes and reads them one by one.
    pub bytes: Vec<u8>,
    /// These it writes and reads at once.
    pub text: String,
}

/// A worker that gives back what it gets, and adds up the numbers.
#[derive(Debug, Default)]
pub struct Echo {
    sum: u64,
}

impl Worker for Echo {
    type Job = Parcel;
    type Output = Parcel;

    async fn process(&mut self, parcel: &Parcel, _: &JobContext) -> Result<Parcel, Fault> {
        self.sum += parcel.number;
        Ok(Parcel { sum: self.sum, ..parcel.clone() })
    }
}
