//! One worker and one job, without a community around them.

use std::fmt;
use std::future::Future;
use std::future::IntoFuture;
use std::future::pending;
use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use seral::Attempt;
use seral::Cycle;
use seral::Fault;
use seral::Header;
use seral::JobContext;
use seral::JobId;
use seral::Key;
use seral::Route;
use seral::StartContext;
use seral::Version;
use seral::Worker;
use seral::WorkerId;
use seral_core::time::Stamp;
use seral_core::time::Time;
use seral_worker::Host;
use seral_worker::context::JobFacts;
use seral_worker::context::RareFacts;
use tokio::time::Instant;

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Runs one job on one worker through the whole of its life: `start`, `process`, `retry` if there was a fault, `optimize`, `stop`. Await it for the output,
/// or the fault, of the kind that `retry` said. The fault of a start that failed is that.
///
/// Needs a runtime for its time, which is virtual within [`virtual_time`](crate::virtual_time) and `#[tokio::test(start_paused = true)]`. A panic of
/// the worker is one of the test.
///
/// ```
/// # use seral::prelude::*;
/// use seral::FaultKind;
/// use seral_test::{run_one, virtual_time};
/// # use std::time::Duration;
///
/// struct Mailer;
///
/// impl Worker for Mailer {
///     type Job = String;
///     type Output = usize;
///
///     async fn process(&mut self, to: &String, cx: &JobContext) -> Result<usize, Fault> {
///         cx.sleep(Duration::from_secs(3600)).await; // takes no time here
///         if to.contains('@') { Ok(to.len()) } else { Err(Fault::discard("no address")) }
///     }
/// }
///
/// virtual_time(async {
///     assert_eq!(run_one(Mailer, "a@b.c".to_owned()).await.unwrap(), 5);
///     let fault = run_one(Mailer, "nobody".to_owned()).attempt(2).await.unwrap_err();
///     assert_eq!(fault.kind(), FaultKind::Discard);
/// });
/// ```
pub fn run_one<W: Worker>(worker: W, job: W::Job) -> RunOne<W> {
    let facts = JobFacts {
        id: JobId::new(1),
        attempt: Attempt::FIRST,
        admitted: Stamp::of(Time::ZERO),
        route: Route::default(),
        rare: Some(Box::default()),
        deadline: None,
    };
    let desk = LoneDesk { version: "test".into(), began: Instant::now(), cancelled: None, draining: None };
    RunOne { worker, job, facts, desk }
}

/// A job about to be run; see [`run_one`].
#[must_use = "a job is run when this is awaited"]
pub struct RunOne<W: Worker> {
    worker: W,
    job: W::Job,
    facts: JobFacts,
    desk: LoneDesk,
}

impl<W: Worker> RunOne<W> {
    /// It is this attempt at the job, from 1. Default = the first.
    pub fn attempt(mut self, number: u32) -> Self {
        self.facts.attempt = Attempt::nth(number);
        self
    }

    /// The job has this number. Default = 1.
    pub fn id(mut self, number: u64) -> Self {
        self.facts.id = JobId::new(number);
        self
    }

    /// The job has this key. Default = none.
    pub fn key(mut self, key: impl Into<Key>) -> Self {
        self.rare().key = Some(key.into());
        self
    }

    /// The job has this header; `tenant` is one. Default = none.
    pub fn header(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        let headers = self.rare().headers.get_or_insert_default();
        Arc::make_mut(headers).push(Header::new(name, value));
        self
    }

    /// The worker is of this version. Default = `test`.
    pub fn version(mut self, version: impl Into<Version>) -> Self {
        self.desk.version = version.into();
        self
    }

    /// The job's deadline is so long after its beginning: `cx.time_left()` says so. Default = none.
    pub fn deadline(mut self, time: Duration) -> Self {
        self.facts.deadline = Some(Time::ZERO.after(time));
        self
    }

    /// The job is asked to end so long after its beginning: `cx.is_cancelled()`, `cx.cancelled()`. Default = never.
    pub fn cancelled_after(mut self, time: Duration) -> Self {
        self.desk.cancelled = Some(time);
        self
    }

    /// The job is asked to make room so long after its beginning: `cx.is_draining()`, `cx.draining()`. Default = never.
    pub fn draining_after(mut self, time: Duration) -> Self {
        self.desk.draining = Some(time);
        self
    }

    fn rare(&mut self) -> &mut RareFacts {
        self.facts.rare.get_or_insert_default()
    }

    async fn run(self) -> Result<W::Output, Fault> {
        let Self { mut worker, job, facts, mut desk } = self;
        desk.began = Instant::now();
        let host: Arc<dyn Host> = Arc::new(desk);
        worker.start(&StartContext::new(Arc::clone(&host))).await?;
        let attempt = facts.attempt;
        let mut ended = worker.process(&job, &JobContext::new(host, facts)).await;
        if let Err(fault) = &mut ended {
            fault.set_kind(worker.retry(fault, attempt));
        }
        worker.optimize(&Cycle::new(1, usize::from(ended.is_err()), 1)).await;
        worker.stop().await;
        ended
    }
}

impl<W: Worker> IntoFuture for RunOne<W> {
    type Output = Result<W::Output, Fault>;
    type IntoFuture = Boxed<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<W: Worker> fmt::Debug for RunOne<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunOne").field("facts", &self.facts).field("desk", &self.desk).finish_non_exhaustive()
    }
}

/// The desk of a worker without a community.
#[derive(Clone, Debug)]
struct LoneDesk {
    version: Version,
    began: Instant,
    cancelled: Option<Duration>,
    draining: Option<Duration>,
}

impl LoneDesk {
    fn has_passed(&self, time: Option<Duration>) -> bool {
        time.is_some_and(|time| self.began.elapsed() >= time)
    }

    fn passes(&self, time: Option<Duration>) -> Boxed<'_, ()> {
        let at = time.and_then(|time| self.began.checked_add(time));
        match at {
            Some(at) => Box::pin(tokio::time::sleep_until(at)),
            None => Box::pin(pending()),
        }
    }
}

impl Host for LoneDesk {
    fn version(&self) -> &Version {
        &self.version
    }

    fn worker(&self) -> WorkerId {
        WorkerId::new(1)
    }

    fn now(&self) -> Time {
        Time::from(self.began.elapsed())
    }

    fn sleep(&self, time: Duration) -> Boxed<'static, ()> {
        Box::pin(tokio::time::sleep(time))
    }

    fn is_cancelled(&self, _: JobId) -> bool {
        self.has_passed(self.cancelled)
    }

    fn cancelled(&self, _: JobId) -> Boxed<'_, ()> {
        self.passes(self.cancelled)
    }

    fn is_draining(&self) -> bool {
        self.has_passed(self.draining)
    }

    fn draining(&self) -> Boxed<'_, ()> {
        self.passes(self.draining)
    }

    /// In place: nobody else is held up by it.
    fn run_blocking(&self, code: Box<dyn FnOnce() + Send>) -> Boxed<'static, ()> {
        code();
        Box::pin(ready(()))
    }
}
