//! The long form of sending a job: with a key, a delay, a deadline, a priority, a version.

use std::fmt;
use std::future::Future;
use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Weak;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use seral_core::id::JobId;
use seral_core::id::Key;
use seral_core::id::Priority;
use seral_core::id::Version;
use seral_core::mailbox::Sender;
use seral_core::retry::RetryPolicy;
use seral_core::time::Time;
use seral_core::whose::Header;
use seral_core::whose::TENANT;
use seral_worker::JobContext;
use tokio::sync::oneshot;

use crate::cancellation::CancelJob;
use crate::cancellation::Cancellation;
use crate::error::SendError;
use crate::inside;
use crate::job::Envelope;
use crate::job::Extras;
use crate::job::JobHandle;
use crate::plane::DataPlane;
use crate::trace;

/// A job about to be submitted. Await it to submit it: ready when the job is admitted, with a handle for its outcome. Without one: [`send`](Self::send).
///
/// Dropping the future before it is ready means that the job was not admitted.
#[must_use = "a job is submitted when this is awaited"]
pub struct Submit<J, O> {
    plane: Arc<DataPlane<J, O>>,
    job: J,
    extras: Extras<O>,
    delay: Duration,
    deadline: Option<Duration>,
}

impl<J, O> Submit<J, O> {
    pub(crate) fn new(plane: Arc<DataPlane<J, O>>, job: J) -> Self {
        Self { plane, job, extras: Extras::default(), delay: Duration::ZERO, deadline: None }
    }

    /// Jobs with the same key start in the order of admission, one at a time, whatever version they go to. Default = no key.
    pub fn key(mut self, key: impl Into<Key>) -> Self {
        self.extras.key = Some(key.into());
        self
    }

    /// Starts the job no earlier than this, from now. It is admitted at once; a job with a key takes its place when it is due. Default =
    /// no delay.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// If the job has not been started by then, from now, or would be tried again only later, it ends as
    /// [`Expired`](crate::error::JobError::Expired). A job that runs is not interrupted. Default = no deadline.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// How urgent the job is among those that wait. Default = [`Priority::Normal`].
    pub fn priority(mut self, priority: Priority) -> Self {
        self.extras.priority = priority;
        self
    }

    /// What becomes of the job after a failed attempt. Default = as the community has it.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.extras.retry = Some(Box::new(policy));
        self
    }

    /// How long an attempt may take. Then its future is dropped at its next `await`, and the attempt counts as failed. Code that does not come to
    /// an `await` cannot be timed out, and what `cx.blocking` runs goes on beside the next attempt. Default = as the community has it.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.extras.timeout = Some(timeout);
        self
    }

    /// The job runs on this version or not at all. Default = whichever the routing table says.
    pub fn pin(mut self, version: impl Into<Version>) -> Self {
        self.extras.pin = Some(version.into());
        self
    }

    /// For whom the job is done: the header `tenant`. [Rules](crate::Community::route) and [pins](crate::Community::pin) go by it. Default = nobody in
    /// particular.
    pub fn tenant(self, tenant: impl AsRef<str>) -> Self {
        self.header(TENANT, tenant)
    }

    /// A word about the job, by name: [rules](crate::Community::route) and [pins](crate::Community::pin) go by it, and the worker sees it
    /// ([`JobContext::header`]). One of the same name takes the place of the one before. Default = none.
    pub fn header(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        let header = Header::new(name, value);
        let headers = Arc::make_mut(self.extras.headers.get_or_insert_default());
        headers.retain(|other| other.name != header.name);
        headers.push(header);
        self
    }

    /// Of a job that a worker sends: it is for whom the job in hand is, with the same headers; and if that is tied to a version of this community, by
    /// its own pin or by one on jobs like it, this one names that version too. Default = it is resolved as any other.
    pub fn inherit(mut self, cx: &JobContext) -> Self {
        for Header { name, value } in cx.headers() {
            self = self.header(name, value);
        }
        if let Some(version) = cx.pin().filter(|_| inside::sender_to(self.plane.place) == Sender::Inside) {
            self.extras.pin = Some(version.clone());
        }
        self
    }
}

impl<J: Send + Sync + 'static, O: Send + 'static> Submit<J, O> {
    /// Submits the job without a handle: [`Community::send`](crate::Community::send) with these settings. `Ok` exactly when the job is admitted. Nobody
    /// can await its outcome or cancel it, and it costs the two allocations less of which a handle is made.
    ///
    /// ```
    /// # use seral::prelude::*;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), BoxError> {
    /// # let orders = Ecosystem::new("shop").community("orders").await?;
    /// # orders.deploy("1.0.0", Pool::of_fn(1, |order: u32, _| async move { Ok(order) })).await?;
    /// orders.submit(17).key("customer-42").send().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Cancel safe in this sense: dropped before it is ready, the job was not admitted, and is dropped too.
    ///
    /// # Errors
    ///
    /// [`SendError`] with the job, if it cannot be admitted by waiting.
    pub async fn send(self) -> Result<JobId, SendError<J>> {
        let Self { plane, job, mut extras, delay, deadline } = self;
        let due = (delay > Duration::ZERO).then(|| plane.now().after(delay));
        extras.deadline = deadline.map(|deadline| plane.now().after(deadline));
        let mut job = plane.new_job(job);
        job.extras = Some(Box::new(extras));
        trace::note_sender(&mut job, plane.root.place);
        let id = job.id;
        match due {
            Some(due) => plane.admit_delayed(job, due)?,
            None => plane.admit(job).await?,
        }
        Ok(id)
    }

    /// Makes the job, and the handle of its sender.
    ///
    /// What it shares with `send` is written twice: in a function of its own it costs fifty instructions more, for moving the parts.
    fn make(self) -> Made<J, O> {
        let Self { plane, job, mut extras, delay, deadline } = self;
        let due = (delay > Duration::ZERO).then(|| plane.now().after(delay));
        extras.deadline = deadline.map(|deadline| plane.now().after(deadline));
        let (reply, outcome) = oneshot::channel();
        extras.reply = Some(reply);
        let cancellation = Arc::<Cancellation>::default();
        extras.cancellation = Some(Arc::clone(&cancellation));
        let community: Weak<dyn CancelJob> = Arc::<DataPlane<J, O>>::downgrade(&plane);
        let mut job = plane.new_job(job);
        job.extras = Some(Box::new(extras));
        trace::note_sender(&mut job, plane.root.place);
        let handle = JobHandle { id: job.id, outcome, cancellation, community };
        Made { plane, job, due, handle }
    }
}

/// A job about to be admitted.
struct Made<J, O> {
    plane: Arc<DataPlane<J, O>>,
    job: Envelope<J, O>,
    /// When it is to be started, if not as soon as possible.
    due: Option<Time>,
    handle: JobHandle<O>,
}

/// The submission of a job; see [`Submit`]. Not to be polled again once it is ready: it waits for ever then.
#[must_use = "a job is submitted when this is awaited"]
pub struct Submitting<J, O> {
    step: Step<J, O>,
}

type Waiting<J, O> = Pin<Box<dyn Future<Output = Result<JobHandle<O>, SendError<J>>> + Send>>;

enum Step<J, O> {
    New(Submit<J, O>),
    /// It was not admitted at once. Boxed, since few are.
    Waiting(Waiting<J, O>),
    Over,
}

/// Nothing in it is pinned but what is boxed.
impl<J, O> Unpin for Submitting<J, O> {}

impl<J: Send + Sync + 'static, O: Send + 'static> Future for Submitting<J, O> {
    type Output = Result<JobHandle<O>, SendError<J>>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        let mut waiting = match std::mem::replace(&mut self.step, Step::Over) {
            Step::New(submit) => {
                let Made { plane, job, due, handle } = submit.make();
                if let Some(due) = due {
                    return Poll::Ready(plane.admit_delayed(job, due).map(|()| handle));
                }
                match plane.try_admit(job) {
                    Ok(()) => return Poll::Ready(Ok(handle)),
                    Err(not_now) => {
                        Box::pin(async move { plane.admit_later(not_now).await.map(|()| handle) })
                    }
                }
            }
            Step::Waiting(waiting) => waiting,
            // A future is not polled again after its end; one that is waits for ever.
            Step::Over => return Poll::Pending,
        };
        let admitted = waiting.as_mut().poll(task);
        if admitted.is_pending() {
            self.step = Step::Waiting(waiting);
        }
        admitted
    }
}

impl<J, O> fmt::Debug for Submitting<J, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submitting").finish_non_exhaustive()
    }
}

impl<J: Send + Sync + 'static, O: Send + 'static> IntoFuture for Submit<J, O> {
    type Output = Result<JobHandle<O>, SendError<J>>;
    type IntoFuture = Submitting<J, O>;

    fn into_future(self) -> Submitting<J, O> {
        Submitting { step: Step::New(self) }
    }
}

/// Without the job, which need not be printable.
impl<J, O> fmt::Debug for Submit<J, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submit")
            .field("key", &self.extras.key)
            .field("pin", &self.extras.pin)
            .field("headers", &self.extras.headers)
            .field("delay", &self.delay)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
