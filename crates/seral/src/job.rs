//! A job on its way through a community, and the handle by which its sender follows it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Weak;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use seral_core::id::Attempt;
use seral_core::id::JobId;
use seral_core::id::Key;
use seral_core::id::PoolId;
use seral_core::id::Priority;
use seral_core::id::Revision;
use seral_core::id::Version;
use seral_core::mailbox::Queued;
use seral_core::retry::RetryPolicy;
use seral_core::routing::Reason;
use seral_core::routing::Route;
use seral_core::routing::Routed;
use seral_core::time::Stamp;
use seral_core::time::Time;
use seral_core::whose::Header;
use seral_worker::JobFacts;
use seral_worker::RareFacts;
use tokio::sync::oneshot;

use crate::cancellation::CancelJob;
use crate::cancellation::Cancellation;
use crate::error::JobError;
use crate::history::History;
use crate::inside::Askers;
use crate::user_code::drop_guarded;
use crate::user_code::guarded;

/// No pool has this number, so that a job carries no more than the number.
const NO_POOL: PoolId = PoolId::new(0);

/// Where the outcome of a job goes.
pub(crate) type Reply<O> = oneshot::Sender<Result<O, JobError>>;

/// A job with everything that travels with it. It is moved, never copied: at every moment it is in exactly one place.
pub(crate) struct Envelope<J, O> {
    pub(crate) id: JobId,
    /// When it was admitted, to some 20 ms. A letter that is replayed is admitted anew.
    pub(crate) admitted: Stamp,
    /// By which table it goes where it is, and why.
    pub(crate) route: Route,
    pub(crate) payload: J,
    /// What most jobs do not have, so that they do not pay for it: each word that a job carries is brought from one core to another.
    pub(crate) extras: Option<Box<Extras<O>>>,
}

/// What a job may have besides its payload. What is rare and large is boxed: there may be a million of these.
pub(crate) struct Extras<O> {
    /// Whoever waits for the outcome.
    pub(crate) reply: Option<Reply<O>>,
    pub(crate) key: Option<Key>,
    /// Whether this job holds its key: it is the one of its key that may go.
    pub(crate) holds_key: bool,
    pub(crate) pin: Option<Version>,
    /// The pool that a pin on jobs like it ties it to, or to which it was moved, until it is resolved again; [`NO_POOL`] if none.
    pub(crate) tied_to: PoolId,
    /// What rules and pins may go by.
    pub(crate) headers: Option<Arc<Vec<Header>>>,
    pub(crate) deadline: Option<Time>,
    pub(crate) priority: Priority,
    pub(crate) askers: Option<Arc<Askers>>,
    pub(crate) retry: Option<Box<RetryPolicy>>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) cancellation: Option<Arc<Cancellation>>,
    /// The span in which the job was sent, if somebody traces.
    pub(crate) sender: Option<Box<SenderSpan>>,
    pub(crate) history: Option<Box<History>>,
}

/// The span in which a job was sent.
pub(crate) struct SenderSpan {
    pub(crate) span: tracing::Span,
    /// Whether that was in a worker of the same ecosystem.
    pub(crate) is_of_worker: bool,
}

/// What a job keeps that is set aside: not its key's hold, which others have by then, nor anybody who waits for it, nor its time.
pub(crate) struct Terms {
    pub(crate) key: Option<Key>,
    pub(crate) headers: Option<Arc<Vec<Header>>>,
    pub(crate) priority: Priority,
    pub(crate) retry: Option<Box<RetryPolicy>>,
    pub(crate) timeout: Option<Duration>,
}

impl<O> Default for Extras<O> {
    fn default() -> Self {
        Self {
            reply: None,
            key: None,
            holds_key: false,
            pin: None,
            tied_to: NO_POOL,
            headers: None,
            deadline: None,
            priority: Priority::default(),
            askers: None,
            retry: None,
            timeout: None,
            cancellation: None,
            sender: None,
            history: None,
        }
    }
}

impl<O> Extras<O> {
    pub(crate) fn into_terms(self) -> Terms {
        drop_guarded(self.sender);
        let Self { key, headers, priority, retry, timeout, .. } = self;
        Terms { key, headers, priority, retry, timeout }
    }

    pub(crate) fn of_replay(terms: Terms) -> Self {
        let Terms { key, headers, priority, retry, timeout } = terms;
        Self { key, headers, priority, retry, timeout, ..Self::default() }
    }

    #[inline(never)]
    fn rare_facts(&self) -> Option<Box<RareFacts>> {
        let Self { key, pin, headers, .. } = self;
        if key.is_none() && pin.is_none() && headers.is_none() {
            return None;
        }
        Some(Box::new(RareFacts { key: key.clone(), pin: pin.clone(), headers: headers.clone() }))
    }

    /// The job has ended: its handle has nothing to cancel any more.
    pub(crate) fn set_over(&self) {
        if let Some(cancellation) = &self.cancellation {
            cancellation.set_over();
        }
    }
}

impl<J, O> Envelope<J, O> {
    pub(crate) fn new(id: JobId, admitted: Stamp, payload: J) -> Self {
        Self { id, admitted, route: Route::default(), payload, extras: None }
    }

    /// Which attempt the next one is, or the one that is being made. It is in the history, since a job without one is at its first.
    pub(crate) fn attempt(&self) -> Attempt {
        let history = self.extras.as_ref().and_then(|extras| extras.history.as_ref());
        history.map_or(Attempt::FIRST, |history| history.attempt)
    }

    pub(crate) fn set_attempt(&mut self, attempt: Attempt) {
        if attempt != self.attempt() {
            self.extras_mut().history.get_or_insert_default().attempt = attempt;
        }
    }

    /// It was resolved to this pool, by this table and for this reason.
    #[inline(always)]
    pub(crate) fn set_route(&mut self, revision: Revision, reason: Reason, pool: PoolId) {
        self.route = Route::new(revision, reason);
        if matches!(reason, Reason::StandingPin | Reason::Moved) {
            self.extras_mut().tied_to = pool;
        } else if let Some(extras) = &mut self.extras {
            extras.tied_to = NO_POOL;
        }
    }

    /// Nothing ties it to a pool but what it names itself.
    pub(crate) fn untie(&mut self) {
        if let Some(extras) = &mut self.extras {
            extras.tied_to = NO_POOL;
        }
    }

    /// The pool that a pin on jobs like it ties it to, or to which it was moved.
    pub(crate) fn tied_to(&self) -> Option<PoolId> {
        Some(self.extras.as_ref()?.tied_to).filter(|pool| *pool != NO_POOL)
    }

    pub(crate) fn key(&self) -> Option<&Key> {
        self.extras.as_ref()?.key.as_ref()
    }

    pub(crate) fn deadline(&self) -> Option<Time> {
        self.extras.as_ref()?.deadline
    }

    /// Whether what becomes of this attempt says something of the version: it is the first, also of those before a replay, and the job came by chance.
    #[inline(always)]
    pub(crate) fn is_comparable(&self) -> bool {
        // What has no extras was tried never before, and is tied to nothing but by its number.
        self.extras.as_ref().is_none_or(|extras| self.route.is_by_chance() && extras.history.is_none())
    }

    /// Whether the job has panicked on this version.
    pub(crate) fn has_panicked_on(&self, version: &Version) -> bool {
        let history = self.extras.as_ref().and_then(|extras| extras.history.as_ref());
        history.is_some_and(|history| history.has_panicked_on(version))
    }

    /// Whether the sender asked the job to end.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.extras.as_ref().and_then(|extras| extras.cancellation.as_ref()).is_some_and(|it| it.is_asked())
    }

    pub(crate) fn extras_mut(&mut self) -> &mut Extras<O> {
        self.extras.get_or_insert_default()
    }

    pub(crate) fn is_expired(&self, now: impl FnOnce() -> Time) -> bool {
        self.deadline().is_some_and(|deadline| deadline <= now())
    }

    pub(crate) fn holds_key(&self) -> bool {
        self.extras.as_ref().is_some_and(|extras| extras.holds_key)
    }

    /// Whether somebody waits for the outcome.
    pub(crate) fn is_awaited(&self) -> bool {
        let reply = self.extras.as_ref().and_then(|extras| extras.reply.as_ref());
        reply.is_some_and(|reply| !reply.is_closed())
    }

    /// Whether the job has a key that it does not hold yet, so that it has to pass the fence.
    pub(crate) fn wants_key(&self) -> bool {
        self.extras.as_ref().is_some_and(|extras| extras.key.is_some() && !extras.holds_key)
    }

    pub(crate) fn set_holds_key(&mut self, holds: bool) {
        if let Some(extras) = &mut self.extras {
            extras.holds_key = holds;
        }
    }

    #[inline(always)]
    pub(crate) fn facts(&self) -> JobFacts {
        let facts = JobFacts {
            id: self.id,
            attempt: Attempt::FIRST,
            admitted: self.admitted,
            route: self.route,
            deadline: None,
            rare: None,
        };
        match &self.extras {
            None => facts,
            Some(extras) => JobFacts {
                attempt: self.attempt(),
                deadline: extras.deadline,
                rare: extras.rare_facts(),
                ..facts
            },
        }
    }

    /// Ends the job: whoever waits for it hears, and the payload remains.
    #[inline(always)]
    pub(crate) fn finish(self, outcome: Result<O, JobError>) -> J {
        let Self { payload, extras, .. } = self;
        match extras {
            None => drop_guarded(outcome.ok()),
            Some(mut extras) => {
                extras.set_over();
                reply(extras.reply.take(), outcome);
                // What is in there is partly not ours: closing a span is up to whoever listens.
                drop_guarded(extras);
            }
        }
        payload
    }
}

/// Tells whoever waits. Nobody listening is fine: the handle was dropped, the job ran on.
#[inline(always)]
pub(crate) fn reply<O>(to: Option<Reply<O>>, outcome: Result<O, JobError>) {
    match to {
        // Sending wakes whoever waits, by a waker that may be anybody's code.
        Some(reply) => drop_guarded(guarded(|| reply.send(outcome)).and_then(Result::err)),
        None => drop_guarded(outcome.ok()),
    }
}

impl<J, O> Routed for Envelope<J, O> {
    #[inline(always)]
    fn pin(&self) -> Option<&Version> {
        self.extras.as_ref()?.pin.as_ref()
    }

    fn spread(&self) -> u64 {
        self.key().map_or(self.id.get(), Key::spread)
    }

    fn id(&self) -> JobId {
        self.id
    }

    fn key(&self) -> Option<&Key> {
        Envelope::key(self)
    }

    fn headers(&self) -> &[Header] {
        let headers = self.extras.as_ref().and_then(|extras| extras.headers.as_deref());
        headers.map_or(&[], Vec::as_slice)
    }
}

impl<J, O> Queued for Envelope<J, O> {
    fn priority(&self) -> Priority {
        self.extras.as_ref().map_or(Priority::Normal, |extras| extras.priority)
    }

    fn is_pinned(&self) -> bool {
        self.extras.as_ref().is_some_and(|extras| extras.pin.is_some() || extras.tied_to != NO_POOL)
    }
}

/// A job that was admitted. Awaiting it gives the job's final outcome; dropping it lets the job run on.
///
/// Cancel safe: it can be awaited by reference, and a dropped wait loses nothing. Like other futures, it is not to be awaited again once it
/// gave its outcome.
#[must_use = "await it for the outcome; drop it explicitly to let the job run on"]
pub struct JobHandle<O> {
    pub(crate) id: JobId,
    pub(crate) outcome: oneshot::Receiver<Result<O, JobError>>,
    pub(crate) cancellation: Arc<Cancellation>,
    pub(crate) community: Weak<dyn CancelJob>,
}

impl<O> JobHandle<O> {
    /// The job's number in its community.
    pub fn id(&self) -> JobId {
        self.id
    }

    /// Asks the job to end. Await the handle for what became of it.
    ///
    /// A job that waits is taken out at once, and ends as [`Cancelled`](JobError::Cancelled). A job that runs is asked by
    /// [`is_cancelled`](seral_worker::JobContext::is_cancelled) and [`cancelled`](seral_worker::JobContext::cancelled): if it then ends with a
    /// fault it is cancelled and not tried again, and if it ends with an output it is done. It is not interrupted, so one that does not look runs
    /// on. A job that has ended stays as it is.
    ///
    /// Takes time in proportion to the jobs that wait in the community, except for a delayed job.
    pub fn cancel(&self) {
        self.cancellation.ask();
        if let Some(community) = self.community.upgrade() {
            community.cancel(self.id, &self.cancellation);
        }
    }
}

/// The output, or why there is none.
impl<O> Future for JobHandle<O> {
    type Output = Result<O, JobError>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.outcome).poll(task).map(|outcome| outcome.unwrap_or(Err(JobError::RuntimeGone)))
    }
}

impl<O> fmt::Debug for JobHandle<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobHandle").field("id", &self.id).finish_non_exhaustive()
    }
}
