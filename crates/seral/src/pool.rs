//! What a user deploys: how many workers, and how to make one.

use std::any::TypeId;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use seral_core::guard::GuardPolicy;
use seral_core::id::Attempt;
use seral_core::versions::Build;
use seral_worker::Cycle;
use seral_worker::Fault;
use seral_worker::FaultKind;
use seral_worker::JobContext;
use seral_worker::StartContext;
use seral_worker::Worker;

use crate::library_view::LibraryView;
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
    pub(crate) spec: Spec,
    types: PhantomData<fn(J) -> O>,
}

/// The same, whatever its jobs are.
#[derive(Clone)]
pub(crate) struct Spec {
    pub(crate) size: usize,
    pub(crate) build: Build,
    pub(crate) start_deadline: Duration,
    pub(crate) keep_warm: Duration,
    /// By what it is watched, if not as all versions of its community are.
    pub(crate) guard: Option<GuardPolicy>,
    /// Looks at the library that its workers come from.
    pub(crate) library: Option<Arc<dyn Fn() -> LibraryView + Send + Sync>>,
    pub(crate) recruiter: Arc<dyn Recruiter>,
}

impl<J: Send + Sync + 'static, O: Send + 'static> Pool<J, O> {
    /// So many workers, each made by a call of `factory`. It is called again when a worker has panicked. For workers whose jobs or outputs are of
    /// another type than the community's there is [`adapt`](Self::adapt).
    pub fn of<W, F>(size: usize, factory: F) -> Self
    where
        W: Worker<Job = J, Output = O>,
        F: Fn() -> W + Send + Sync + 'static,
    {
        let spec = Spec {
            size,
            build: Build(format!("{:?}", TypeId::of::<F>())),
            start_deadline: START_DEADLINE,
            keep_warm: Duration::ZERO,
            guard: None,
            library: None,
            recruiter: Arc::new(Factory(Arc::new(factory))),
        };
        Self { spec, types: PhantomData }
    }

    /// So many workers that call a closure. It gets a clone of the job, so that the job survives it.
    pub fn of_fn<F, Fut>(size: usize, process: F) -> Self
    where
        J: Clone,
        F: Fn(J, JobContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<O, Fault>> + Send + 'static,
    {
        let process = Arc::new(process);
        let build = format!("{:?}", TypeId::of::<F>());
        let factory = move || FnWorker { process: Arc::clone(&process), types: PhantomData };
        Self::of(size, factory).build(build)
    }

    /// So many workers whose jobs and outputs are of other types than the community's: a version whose types differ from those of the versions beside
    /// it. Otherwise like [`of`](Self::of).
    ///
    /// Each attempt gets a conversion of a clone of the job, so that the job survives for the next one, on whichever version that is. What such a worker
    /// puts into its job is gone after the attempt, unless clone and conversion share it, as an `Arc` is shared. Both conversions are part
    /// of the attempt: a panic in one of them is a panic of that job.
    ///
    /// ```
    /// # use seral::prelude::*;
    /// #[derive(Clone)]
    /// struct OrderV1 {
    ///     cents: u64,
    /// }
    ///
    /// struct OrderV2 {
    ///     cents: u64,
    ///     currency: &'static str,
    /// }
    ///
    /// impl From<OrderV1> for OrderV2 {
    ///     fn from(order: OrderV1) -> Self {
    ///         Self { cents: order.cents, currency: "EUR" }
    ///     }
    /// }
    ///
    /// struct TillV2;
    ///
    /// impl Worker for TillV2 {
    ///     type Job = OrderV2;
    ///     type Output = &'static str;
    ///
    ///     async fn process(&mut self, order: &OrderV2, _cx: &JobContext) -> Result<&'static str, Fault> {
    ///         if order.cents > 0 { Ok(order.currency) } else { Err(Fault::discard("nothing to pay")) }
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), BoxError> {
    /// # let shop = Ecosystem::new("shop");
    /// let orders = shop.community::<OrderV1, String>("orders").await?;
    /// orders.deploy("1.0.0", Pool::of_fn(5, |_order: OrderV1, _cx| async { Ok("?".to_owned()) })).await?;
    /// orders.deploy("2.0.0", Pool::adapt(5, || TillV2)).await?;
    /// assert_eq!(orders.ask(OrderV1 { cents: 500 }).await?, "EUR");
    /// # Ok(())
    /// # }
    /// ```
    pub fn adapt<W, F>(size: usize, factory: F) -> Self
    where
        J: Clone,
        W: Worker,
        W::Job: From<J>,
        O: From<W::Output>,
        F: Fn() -> W + Send + Sync + 'static,
    {
        let build = format!("{:?}", TypeId::of::<F>());
        let factory = move || Adapted { worker: factory(), types: PhantomData };
        Self::of(size, factory).build(build)
    }

    /// Names the build, so that two deploys of one version can be told apart: a git revision, a checksum. Default = the type of the
    /// factory, which is the same each time one line of code runs.
    #[must_use]
    pub fn build(mut self, build: impl Into<String>) -> Self {
        self.spec.build = Build(build.into());
        self
    }

    /// How long all workers together may take to start before the deploy fails. Default = 30 s.
    #[must_use]
    pub fn start_deadline(mut self, deadline: Duration) -> Self {
        self.spec.start_deadline = deadline;
        self
    }

    /// How long the workers stay when their version is drained: so long a rollback to it, another ramp of it, or a job that names it finds them
    /// there. What they hold, they hold as long: connections, memory. Default = not at all, a drained version leaves.
    #[must_use]
    pub fn keep_warm(mut self, time: Duration) -> Self {
        self.spec.keep_warm = time;
        self
    }

    /// For loaders: how to look at the library that the workers come from, for `describe`. Called often, and must not wait.
    #[must_use]
    pub fn library(mut self, look: impl Fn() -> LibraryView + Send + Sync + 'static) -> Self {
        self.spec.library = Some(Arc::new(look));
        self
    }
}

impl<J, O> Clone for Pool<J, O> {
    fn clone(&self) -> Self {
        Self { spec: self.spec.clone(), types: PhantomData }
    }
}

impl<J, O> fmt::Debug for Pool<J, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.spec.fmt(f)
    }
}

impl fmt::Debug for Spec {
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

/// A worker among jobs of another type.
struct Adapted<W, J, O> {
    worker: W,
    types: PhantomData<fn(J) -> O>,
}

impl<W, J, O> Worker for Adapted<W, J, O>
where
    W: Worker,
    W::Job: From<J>,
    J: Clone + Send + Sync + 'static,
    O: From<W::Output> + Send + 'static,
{
    type Job = J;
    type Output = O;

    fn start(&mut self, cx: &StartContext) -> impl Future<Output = Result<(), Fault>> + Send {
        self.worker.start(cx)
    }

    async fn process(&mut self, job: &J, cx: &JobContext) -> Result<O, Fault> {
        let job = W::Job::from(job.clone());
        self.worker.process(&job, cx).await.map(O::from)
    }

    fn retry(&self, fault: &Fault, attempt: Attempt) -> FaultKind {
        self.worker.retry(fault, attempt)
    }

    // The future itself, and not one around it: the cycle knows one that does nothing by its size.
    fn optimize(&mut self, cycle: &Cycle) -> impl Future<Output = ()> + Send {
        self.worker.optimize(cycle)
    }

    fn stop(&mut self) -> impl Future<Output = ()> + Send {
        self.worker.stop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Plain;

    impl Worker for Plain {
        type Job = u64;
        type Output = u32;

        async fn process(&mut self, _: &u64, _: &JobContext) -> Result<u32, Fault> {
            Ok(0)
        }
    }

    #[test]
    fn a_worker_that_does_not_optimize_pays_nothing_for_it_when_it_is_adapted() {
        let cycle = Cycle::new(1, 0, 1);
        let size = size_of_val(&Plain.optimize(&cycle));
        let mut adapted = Adapted::<Plain, u32, u64> { worker: Plain, types: PhantomData };
        assert_eq!(size_of_val(&adapted.optimize(&cycle)), size);
    }
}
