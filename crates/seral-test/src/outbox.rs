//! A community for code that sends jobs: what it has sent is seen, and worked.

use std::any::type_name;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use parking_lot::Mutex;
use seral::Attempt;
use seral::BoxError;
use seral::Community;
use seral::Cycle;
use seral::Ecosystem;
use seral::Fault;
use seral::FaultKind;
use seral::Header;
use seral::JobContext;
use seral::Key;
use seral::Pool;
use seral::StartContext;
use seral::Worker;

use crate::virtual_time::settle;

/// A community of its own that notes each job that is sent to it.
///
/// Give [`community`](Self::community) to the code under test, and then ask what that has sent, by [`assert_submitted`](Self::assert_submitted) or
/// [`submitted`](Self::submitted). Both wait first until every job has been worked, also those that are delayed, and those that those have sent. A
/// `send` itself returns when its job is admitted, as it always does; in place of a `send` that works its job before it returns, as other systems have
/// it for tests, there is `send` and [`settle`](Self::settle). So jobs are worked here as they are elsewhere: by a worker, one after the other, after
/// retries and in order, and what holds only where nothing happens beside the sender is not taken for true.
///
/// ```
/// use seral::prelude::*;
/// use seral_test::{Outbox, virtual_time};
///
/// async fn sign_up(name: &str, mails: &Community<String, ()>) -> Result<(), BoxError> {
///     mails.send(format!("welcome, {name}")).await?;
///     mails.submit(format!("still there, {name}?")).delay(std::time::Duration::from_secs(86_400)).await?;
///     Ok(())
/// }
///
/// virtual_time(async {
///     let mails = Outbox::open(|_mail: &String| Ok(())).await.unwrap();
///     sign_up("Ada", mails.community()).await.unwrap();
///     mails.assert_submitted(|mail| mail.job == "welcome, Ada").await;
///     assert_eq!(mails.submitted().await.len(), 2);
/// });
/// ```
pub struct Outbox<J, O> {
    _ecosystem: Ecosystem,
    community: Community<J, O>,
    seen: Arc<Mutex<Vec<Submitted<J>>>>,
}

/// A job that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Submitted<J> {
    /// The job.
    pub job: J,
    /// Its number.
    pub number: u64,
    /// Its key.
    pub key: Option<Key>,
    /// Its headers; `tenant` is one.
    pub headers: Vec<Header>,
}

impl<J, O> Outbox<J, O>
where
    J: Clone + Send + Sync + 'static,
    O: Send + 'static,
{
    /// One whose jobs come to what `answer` says.
    ///
    /// # Errors
    ///
    /// Outside of a runtime.
    pub async fn open(
        answer: impl Fn(&J) -> Result<O, Fault> + Send + Sync + 'static,
    ) -> Result<Self, BoxError> {
        let answer = Arc::new(answer);
        Self::with(move || Answering { answer: Arc::clone(&answer), types: std::marker::PhantomData }).await
    }

    /// One whose jobs are worked by a worker of yours.
    ///
    /// # Errors
    ///
    /// Outside of a runtime; or the worker cannot start.
    pub async fn with<W>(factory: impl Fn() -> W + Send + Sync + 'static) -> Result<Self, BoxError>
    where
        W: Worker<Job = J, Output = O>,
    {
        let ecosystem = Ecosystem::new("outbox");
        let community = ecosystem.community("outbox").await?;
        let seen = Arc::<Mutex<Vec<Submitted<J>>>>::default();
        let notes = Arc::clone(&seen);
        let worker = move || Noting { worker: factory(), seen: Arc::clone(&notes) };
        community.deploy("test", Pool::of(1, worker)).await?;
        Ok(Self { _ecosystem: ecosystem, community, seen })
    }

    /// For the code under test.
    pub fn community(&self) -> &Community<J, O> {
        &self.community
    }

    /// Waits until every job has been worked, as [`settle`] does.
    ///
    /// # Panics
    ///
    /// If jobs do not come to an end within 30 days.
    pub async fn settle(&self) {
        if let Err(unsettled) = settle(&self.community).await {
            std::panic::panic_any(unsettled.to_string());
        }
    }

    /// All jobs that were sent, in the order in which they were begun. Waits first, as [`settle`](Self::settle) does.
    ///
    /// # Panics
    ///
    /// As [`settle`](Self::settle).
    pub async fn submitted(&self) -> Vec<Submitted<J>> {
        self.settle().await;
        self.seen.lock().clone()
    }

    /// A job like this was sent.
    ///
    /// # Panics
    ///
    /// If none was; the message lists those that were.
    pub async fn assert_submitted(&self, wanted: impl Fn(&Submitted<J>) -> bool)
    where
        J: fmt::Debug,
    {
        let submitted = self.submitted().await;
        assert!(
            submitted.iter().any(wanted),
            "no such {} was submitted, but {submitted:?}",
            type_name::<J>()
        );
    }

    /// No job like this was sent.
    ///
    /// # Panics
    ///
    /// If one was; the message shows it.
    pub async fn assert_not_submitted(&self, unwanted: impl Fn(&Submitted<J>) -> bool)
    where
        J: fmt::Debug,
    {
        let submitted = self.submitted().await;
        if let Some(found) = submitted.iter().find(|job| unwanted(job)) {
            std::panic::panic_any(format!("this {} was submitted: {found:?}", type_name::<J>()));
        }
    }
}

impl<J, O> fmt::Debug for Outbox<J, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").field("submitted", &self.seen.lock().len()).finish_non_exhaustive()
    }
}

/// A worker that answers.
struct Answering<F, J, O> {
    answer: Arc<F>,
    types: std::marker::PhantomData<fn(J) -> O>,
}

impl<F, J, O> Worker for Answering<F, J, O>
where
    J: Send + Sync + 'static,
    O: Send + 'static,
    F: Fn(&J) -> Result<O, Fault> + Send + Sync + 'static,
{
    type Job = J;
    type Output = O;

    async fn process(&mut self, job: &J, _: &JobContext) -> Result<O, Fault> {
        (self.answer)(job)
    }
}

/// A worker that notes each job before it begins with it.
struct Noting<W: Worker> {
    worker: W,
    seen: Arc<Mutex<Vec<Submitted<W::Job>>>>,
}

impl<W: Worker> Worker for Noting<W>
where
    W::Job: Clone,
{
    type Job = W::Job;
    type Output = W::Output;

    fn start(&mut self, cx: &StartContext) -> impl Future<Output = Result<(), Fault>> + Send {
        self.worker.start(cx)
    }

    async fn process(&mut self, job: &W::Job, cx: &JobContext) -> Result<W::Output, Fault> {
        if cx.attempt() == Attempt::FIRST {
            let (number, key) = (cx.id().get(), cx.key().cloned());
            let headers = cx.headers().to_vec();
            self.seen.lock().push(Submitted { job: job.clone(), number, key, headers });
        }
        self.worker.process(job, cx).await
    }

    fn retry(&self, fault: &Fault, attempt: Attempt) -> FaultKind {
        self.worker.retry(fault, attempt)
    }

    fn optimize(&mut self, cycle: &Cycle) -> impl Future<Output = ()> + Send {
        self.worker.optimize(cycle)
    }

    fn stop(&mut self) -> impl Future<Output = ()> + Send {
        self.worker.stop()
    }
}
