//! What a worker is told about itself and the job in hand.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use seral_core::id::Attempt;
use seral_core::id::JobId;
use seral_core::id::Key;
use seral_core::id::Version;
use seral_core::id::WorkerId;
use seral_core::routing::Reason;
use seral_core::routing::Route;
use seral_core::time::Stamp;
use seral_core::time::Time;
use seral_core::whose::Header;

/// What a worker may ask of the process that runs it. Implemented by the runtime, once for each worker.
pub trait Host: Send + Sync {
    /// The version that the worker belongs to.
    fn version(&self) -> &Version;
    /// The worker's number.
    fn worker(&self) -> WorkerId;
    /// The runtime's clock, which tests may stop and advance.
    fn now(&self) -> Time;
    /// Ready after this time, by that clock.
    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;
    /// Whether this job, in the worker's hand, is asked to end early.
    fn is_cancelled(&self, job: JobId) -> bool;
    /// Ready once this job, in the worker's hand, is asked to end early.
    fn cancelled(&self, job: JobId) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
    /// Whether the worker's version is asked to make room for the newest one.
    fn is_draining(&self) -> bool;
    /// Ready once the worker's version is asked to make room for the newest one.
    fn draining(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
    /// Runs code that blocks on a thread where it may. Ready when it has run; a panic in it goes on in whoever waits.
    fn run_blocking(&self, code: Box<dyn FnOnce() + Send>) -> Pin<Box<dyn Future<Output = ()> + Send>>;
    /// For runtimes that offer more than this: themselves.
    fn as_any(&self) -> Option<&dyn Any> {
        None
    }
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

    /// The runtime's clock: the time since the ecosystem began, which tests may stop and advance.
    pub fn now(&self) -> Time {
        self.host.now()
    }

    /// Waits for so long, by the runtime's clock.
    ///
    /// Cancel safe: nothing is lost when the future is dropped.
    pub async fn sleep(&self, time: Duration) {
        self.host.sleep(time).await;
    }

    /// For runtimes: what is behind it.
    pub fn host(&self) -> &Arc<dyn Host> {
        &self.host
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
    /// When the job was admitted.
    pub admitted: Stamp,
    /// By which routing table it came to this version, and why.
    pub route: Route,
    /// What few jobs have; in a box, so that the others do not pay for it.
    pub rare: Option<Box<RareFacts>>,
    /// When the job is no longer worth starting, if ever.
    pub deadline: Option<Time>,
}

/// What few jobs have.
#[derive(Clone, Debug, Default)]
pub struct RareFacts {
    /// The job's key.
    pub key: Option<Key>,
    /// The version that the job names.
    pub pin: Option<Version>,
    /// Its headers.
    pub headers: Option<Arc<Vec<Header>>>,
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
    #[inline(always)]
    pub fn turn_to(&mut self, facts: JobFacts) {
        // Looked at here, since the destructor is a call, and most jobs have nothing in there.
        if let Some(rare) = std::mem::replace(&mut self.facts, facts).rare {
            drop(rare);
        }
    }

    /// For runtimes: what distinguishes the job.
    pub fn facts(&self) -> &JobFacts {
        &self.facts
    }

    /// For runtimes: what is behind it.
    pub fn host(&self) -> &Arc<dyn Host> {
        &self.host
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
        self.facts.rare.as_ref()?.key.as_ref()
    }

    /// What the job was submitted with under this header, such as `tenant`.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().iter().find(|header| &*header.name == name).map(|header| &*header.value)
    }

    /// All headers that the job was submitted with.
    pub fn headers(&self) -> &[Header] {
        let headers = self.facts.rare.as_ref().and_then(|rare| rare.headers.as_deref());
        headers.map_or(&[], Vec::as_slice)
    }

    /// The version that the job itself names: one that it was submitted with, or that a pin on jobs like it ties it to.
    pub fn pin(&self) -> Option<&Version> {
        match self.facts.route.reason() {
            Reason::StandingPin => Some(self.version()),
            _ => self.facts.rare.as_ref()?.pin.as_ref(),
        }
    }

    /// By which routing table the job came to this version, and why.
    pub fn route(&self) -> Route {
        self.facts.route
    }

    /// The runtime's clock: the time since the ecosystem began, which tests may stop and advance.
    pub fn now(&self) -> Time {
        self.host.now()
    }

    /// Waits for so long, by the runtime's clock. Works in any worker, linked or loaded from a library, which has no timers of its own.
    ///
    /// Cancel safe: nothing is lost when the future is dropped.
    pub async fn sleep(&self, time: Duration) {
        self.host.sleep(time).await;
    }

    /// How long ago the job was admitted: what it waited, and what earlier attempts took. To some 20 ms, and for up to 104 days.
    pub fn age(&self) -> Duration {
        self.facts.admitted.age(self.host.now())
    }

    /// How much time is left until the job's deadline, if it has one. Zero when it has passed.
    pub fn time_left(&self) -> Option<Duration> {
        self.facts.deadline.map(|deadline| deadline.since(self.host.now()))
    }

    /// Whether the job is asked to end early: its sender cancelled it, or the ecosystem or the community shuts down and its time is up. A job that ends now with
    /// any [`Fault`](crate::Fault) is not tried again: it is cancelled, or, at the shutdown, handed back uncharged. One that ends with an output is
    /// done.
    pub fn is_cancelled(&self) -> bool {
        self.host.is_cancelled(self.facts.id)
    }

    /// Waits until the job is asked to end early; see [`is_cancelled`](Self::is_cancelled). Meant for `select!`.
    ///
    /// Cancel safe: nothing is lost when the future is dropped.
    pub async fn cancelled(&self) {
        self.host.cancelled(self.facts.id).await;
    }

    /// Whether the job should make room: its version is draining, and its unfinished jobs go to the newest version. Put what has been done so far into
    /// the job (it is lent, so in an atomic or a lock), and return [`Fault::snooze(Duration::ZERO)`](crate::Fault::snooze): the newest version goes on
    /// with it, uncharged. One that does not look runs to its end here.
    ///
    /// Never so for a job that names this version, since no other may have it. Also so when the ecosystem or the community shuts down and its time is up: a job that
    /// makes room then is handed back with what has been done so far. It may be taken back, if the version becomes current again.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    /// # use std::time::Duration;
    /// # use seral_worker::{Fault, JobContext, Worker};
    ///
    /// struct Import {
    ///     rows: Vec<String>,
    ///     done: AtomicUsize,
    /// }
    /// # struct Importer;
    /// # impl Importer {
    /// #     async fn import(&mut self, _row: &str) -> Result<(), Fault> { Ok(()) }
    /// # }
    /// # impl Worker for Importer {
    /// #     type Job = Import;
    /// #     type Output = ();
    ///
    /// async fn process(&mut self, job: &Import, cx: &JobContext) -> Result<(), Fault> {
    ///     while let Some(row) = job.rows.get(job.done.load(Relaxed)) {
    ///         if cx.is_draining() {
    ///             return Err(Fault::snooze(Duration::ZERO)); // the newest version goes on at this row
    ///         }
    ///         self.import(row).await?;
    ///         job.done.fetch_add(1, Relaxed);
    ///     }
    ///     Ok(())
    /// }
    /// # }
    /// ```
    pub fn is_draining(&self) -> bool {
        self.pin().is_none() && self.host.is_draining()
    }

    /// Waits until the job should make room; see [`is_draining`](Self::is_draining). Meant for `select!`. Never ready for a job that names its
    /// version.
    ///
    /// Cancel safe: nothing is lost when the future is dropped.
    pub async fn draining(&self) {
        if self.pin().is_some() {
            std::future::pending::<()>().await;
        }
        self.host.draining().await;
    }

    /// Runs code that blocks, or computes for long, on a thread that is there for it, so that it holds up no other job.
    ///
    /// Not cancel safe: code that has begun runs to its end, though the future is dropped; its result is then lost.
    ///
    /// # Panics
    ///
    /// If `code` does, which is then a panic of the job.
    pub async fn blocking<T: Send + 'static>(&self, code: impl FnOnce() -> T + Send + 'static) -> T {
        let result = Arc::new(Mutex::new(None));
        let put = Arc::clone(&result);
        self.host.run_blocking(Box::new(move || *lock(&put) = Some(code()))).await;
        let result = lock(&result).take();
        match result {
            Some(result) => result,
            // The code was never run: the runtime is ending, and nobody waits any more.
            None => std::future::pending().await,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that runs under it can panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
    /// How many of them did not come to an output: they failed, or were put off, cancelled or expired.
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
