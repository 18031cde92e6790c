//! What a worker is told about itself and the job in hand.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use seral_core::id::Attempt;
use seral_core::id::JobId;
use seral_core::id::Key;
use seral_core::id::Version;
use seral_core::id::WorkerId;
use seral_core::time::Time;

/// What a worker may ask of the process that runs it. Implemented by the runtime, once for each worker.
pub trait Host: Send + Sync {
    /// The version that the worker belongs to.
    fn version(&self) -> &Version;
    /// The worker's number.
    fn worker(&self) -> WorkerId;
    /// The runtime's clock, which tests may stop and advance.
    fn now(&self) -> Time;
    /// Whether the job in hand is asked to end early.
    fn is_cancelled(&self) -> bool;
    /// Ready once the job in hand is asked to end early.
    fn cancelled(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// What a worker is told when it starts.
#[derive(Clone)]
pub struct StartContext {
    host: Arc<dyn Host>,
}

impl StartContext {
    /// For the runtime: the context of the worker behind this host.
    pub fn new(host: Arc<dyn Host>) -> Self {
        Self { host }
    }

    /// The version that the worker belongs to.
    pub fn version(&self) -> &Version {
        self.host.version()
    }

    /// The worker's number. A worker that is started again after a failure keeps it.
    pub fn worker(&self) -> WorkerId {
        self.host.worker()
    }
}

impl fmt::Debug for StartContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartContext")
            .field("version", self.version())
            .field("worker", &self.worker())
            .finish_non_exhaustive()
    }
}

/// What distinguishes one job, or one attempt at it, from another.
#[derive(Clone, Debug)]
pub struct JobFacts {
    /// The job's number; all attempts have the same.
    pub id: JobId,
    /// Which attempt this is.
    pub attempt: Attempt,
    /// The job's key, if it has one.
    pub key: Option<Key>,
    /// When the job is no longer worth starting, if ever.
    pub deadline: Option<Time>,
}

/// What a worker is told about the job in hand, and what it may ask. Cheap to clone.
#[derive(Clone)]
pub struct JobContext {
    facts: JobFacts,
    host: Arc<dyn Host>,
}

impl JobContext {
    /// For the runtime: the context of a job in the hand of the worker behind this host.
    pub fn new(host: Arc<dyn Host>, facts: JobFacts) -> Self {
        Self { facts, host }
    }

    /// For the runtime: turns to the next job. Clones made before keep their job.
    pub fn turn_to(&mut self, facts: JobFacts) {
        self.facts = facts;
    }

    /// The job's number in its community. All attempts at a job have the same, so it serves to make effects idempotent.
    pub fn id(&self) -> JobId {
        self.facts.id
    }

    /// Which attempt this is. The first is 1.
    pub fn attempt(&self) -> Attempt {
        self.facts.attempt
    }

    /// The version that processes the job.
    pub fn version(&self) -> &Version {
        self.host.version()
    }

    /// The number of the worker that processes the job.
    pub fn worker(&self) -> WorkerId {
        self.host.worker()
    }

    /// The job's key, if it was submitted with one.
    pub fn key(&self) -> Option<&Key> {
        self.facts.key.as_ref()
    }

    /// How much time is left until the job's deadline, if it has one. Zero when it has passed.
    pub fn time_left(&self) -> Option<Duration> {
        self.facts.deadline.map(|deadline| deadline.since(self.host.now()))
    }

    /// Whether the job is asked to end early, because the ecosystem shuts down and its time is up. A job that ends now with a
    /// [`Fault`](crate::Fault) is handed back uncharged.
    pub fn is_cancelled(&self) -> bool {
        self.host.is_cancelled()
    }

    /// Waits until the job is asked to end early; see [`is_cancelled`](Self::is_cancelled). Meant for `select!`.
    ///
    /// Cancel safe: nothing is lost when the future is dropped.
    pub async fn cancelled(&self) {
        self.host.cancelled().await;
    }
}

impl fmt::Debug for JobContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobContext")
            .field("version", self.version())
            .field("worker", &self.worker())
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}

/// What a worker is told between two batches, to tune itself by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cycle {
    /// How many jobs the worker has settled since the last cycle.
    pub processed: usize,
    /// How many of them ended with a fault.
    pub failed: usize,
    /// How many jobs the worker will take at once next time.
    pub batch: usize,
}

impl Cycle {
    /// For the runtime: a cycle with these counts.
    pub fn new(processed: usize, failed: usize, batch: usize) -> Self {
        Self { processed, failed, batch }
    }
}
