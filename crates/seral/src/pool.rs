//! What a user deploys: how many workers, and how to make one.

use std::any::TypeId;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use seral_core::versions::Build;
use seral_worker::Fault;
use seral_worker::JobContext;
use seral_worker::Worker;

use crate::worker::Factory;
use crate::worker::Recruiter;

/// The most workers of one pool. Each costs some kilobytes; a pool that wants more wants several communities.
pub const POOL_SIZE_MAX: usize = 10_000;

/// How long the workers of a pool may take to start.
const START_DEADLINE: Duration = Duration::from_secs(30);

/// The workers of one version: how many, and how to make one.
///
/// ```
/// # use seral::prelude::*;
/// let pool: Pool<u32, u32> = Pool::of_fn(5, |px: u32, _cx| async move { Ok(px / 2) });
/// ```
pub struct Pool<J, O> {
    pub(crate) size: usize,
    pub(crate) build: Build,
    pub(crate) start_deadline: Duration,
    pub(crate) recruiter: Arc<dyn Recruiter<J, O>>,
}

impl<J: Send + Sync + 'static, O: Send + 'static> Pool<J, O> {
    /// So many workers, each made by a call of `factory`. It is called again when a worker has panicked.
    pub fn of<W, F>(size: usize, factory: F) -> Self
    where
        W: Worker<Job = J, Output = O>,
        F: Fn() -> W + Send + Sync + 'static,
    {
        Self {
            size,
            build: Build(format!("{:?}", TypeId::of::<F>())),
            start_deadline: START_DEADLINE,
            recruiter: Arc::new(Factory(Arc::new(factory))),
        }
    }

    /// So many workers that call a closure. It gets a clone of the job, so that the job survives it.
    pub fn of_fn<F, Fut>(size: usize, process: F) -> Self
    where
        J: Clone,
        F: Fn(J, JobContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<O, Fault>> + Send + 'static,
    {
        let process = Arc::new(process);
        let build = Build(format!("{:?}", TypeId::of::<F>()));
        let factory = move || FnWorker { process: Arc::clone(&process), types: PhantomData };
        Self { build, ..Self::of(size, factory) }
    }

    /// Names the build, so that two deploys of one version can be told apart: a git revision, a checksum. Default = the type of the
    /// factory, which is the same each time one line of code runs.
    #[must_use]
    pub fn build(mut self, build: impl Into<String>) -> Self {
        self.build = Build(build.into());
        self
    }

    /// How long all workers together may take to start before the deploy fails. Default = 30 s.
    #[must_use]
    pub fn start_deadline(mut self, deadline: Duration) -> Self {
        self.start_deadline = deadline;
        self
    }
}

impl<J, O> Clone for Pool<J, O> {
    fn clone(&self) -> Self {
        Self {
            size: self.size,
            build: self.build.clone(),
            start_deadline: self.start_deadline,
            recruiter: Arc::clone(&self.recruiter),
        }
    }
}

impl<J, O> fmt::Debug for Pool<J, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("size", &self.size)
            .field("build", &self.build.0)
            .field("start_deadline", &self.start_deadline)
            .finish_non_exhaustive()
    }
}

/// A worker that calls a closure.
struct FnWorker<F, J, O> {
    process: Arc<F>,
    types: PhantomData<fn(J) -> O>,
}

impl<F, Fut, J, O> Worker for FnWorker<F, J, O>
where
    J: Clone + Send + Sync + 'static,
    O: Send + 'static,
    F: Fn(J, JobContext) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, Fault>> + Send + 'static,
{
    type Job = J;
    type Output = O;

    async fn process(&mut self, job: &J, cx: &JobContext) -> Result<O, Fault> {
        (self.process)(job.clone(), cx.clone()).await
    }
}
