//! A community: all versions of one kind of work, behind one handle.

use std::any::type_name;
use std::fmt;
use std::future::Future;
use std::future::IntoFuture;
use std::pin::Pin;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use ractor::DerivedActorRef;
use seral_core::id::JobId;
use seral_core::id::Version;
use seral_core::id::WorkerId;
use tokio::sync::oneshot;

use crate::admission::Obstacle;
use crate::control::Control;
use crate::dead_letters::DeadLetters;
use crate::error::AskError;
use crate::error::DeployError;
use crate::error::JobError;
use crate::error::RollbackError;
use crate::error::ScaleError;
use crate::error::SendAllError;
use crate::error::SendError;
use crate::error::UnknownVersion;
use crate::event::Events;
use crate::inside;
use crate::job::Extras;
use crate::pool::Pool;
use crate::pool_actor::PoolMessage;
use crate::submit::Submit;
use crate::trace;
use crate::verb::Deployment;
use crate::verb::Message;
use crate::verb::Rollback;
use crate::verb::Submission;
use crate::view::CommunityView;
use crate::view::VersionState;
use crate::view::VersionView;
use crate::view::WorkerView;

/// How long [`Community::ask`] waits for its job to be started. Longer than any patient caller, short enough that nothing waits for ever.
const ASK_DEADLINE: Duration = Duration::from_secs(60);

/// A handle to a community, cheap to clone. Jobs go in here; versions are deployed here.
///
/// Dropping handles changes nothing: a community lives until its ecosystem is shut down.
pub struct Community<J, O> {
    pub(crate) control: Arc<Control<J, O, Message<J, O>>>,
}

impl<J, O> Clone for Community<J, O> {
    fn clone(&self) -> Self {
        Self { control: Arc::clone(&self.control) }
    }
}

impl<J, O> fmt::Debug for Community<J, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Community<{}, {}>({:?})", type_name::<J>(), type_name::<O>(), self.control.plane.name)
    }
}

impl<J: Send + Sync + 'static, O: Send + 'static> Community<J, O> {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.control.plane.name
    }

    // ---- sending ---------------------------------------------------------------------------------------------------

    /// Sends a job, waiting for room, and for a version if none is deployed. `Ok` exactly when the job is admitted.
    ///
    /// From a worker of this community it does not wait: it is admitted up to twice the capacity.
    ///
    /// Cancel safe in this sense: dropped before it is ready, the job was not admitted, and is dropped too. To keep it, use
    /// [`ready`](Self::ready) and [`try_send`](Self::try_send).
    ///
    /// # Errors
    ///
    /// [`SendError`] with the job, if it cannot be admitted by waiting.
    pub async fn send(&self, job: J) -> Result<JobId, SendError<J>> {
        let plane = &self.control.plane;
        let mut envelope = plane.new_job(job);
        let id = envelope.id;
        trace::note_sender(&mut envelope, plane.root.place);
        plane.admit(envelope).await?;
        Ok(id)
    }

    /// Sends a job without waiting. `Ok` exactly when the job is admitted.
    ///
    /// # Errors
    ///
    /// [`SendError`] with the job: `Full` without room, `NoVersion` without a version.
    pub fn try_send(&self, job: J) -> Result<JobId, SendError<J>> {
        let plane = &self.control.plane;
        let mut envelope = plane.new_job(job);
        let id = envelope.id;
        trace::note_sender(&mut envelope, plane.root.place);
        match plane.try_admit(envelope) {
            Ok(()) => Ok(id),
            Err((back, obstacle)) => Err(refusal(back.payload, &obstacle)),
        }
    }

    /// Sends a job and waits for its final outcome, retries included.
    ///
    /// The job must be started within 60 s, else it expires; [`submit`](Self::submit) sets other deadlines. Dropped before the job was
    /// admitted, the job is dropped too; dropped after, the job runs on.
    ///
    /// # Errors
    ///
    /// [`AskError::Send`] with the job if it was not admitted; from a worker that is part of what the answer would wait for, that is
    /// `WouldDeadlock`, at once. [`AskError::Job`] if the job came to no output.
    pub async fn ask(&self, job: J) -> Result<O, AskError<J>> {
        let plane = &self.control.plane;
        let Ok(askers) = inside::ask(plane.place) else {
            return Err(SendError::WouldDeadlock(job).into());
        };
        let (reply, outcome) = oneshot::channel();
        let mut envelope = plane.new_job(job);
        let deadline = Some(plane.now().after(ASK_DEADLINE));
        envelope.extras =
            Some(Box::new(Extras { reply: Some(reply), deadline, askers, ..Extras::default() }));
        trace::note_sender(&mut envelope, plane.root.place);
        plane.admit(envelope).await?;
        outcome.await.unwrap_or(Err(JobError::RuntimeGone)).map_err(AskError::Job)
    }

    /// The long form: `submit(job).key("customer-42").delay(d).await` gives a handle for the job's outcome.
    pub fn submit(&self, job: J) -> Submit<J, O> {
        Submit::new(Arc::clone(&self.control.plane), job)
    }

    /// Waits until a job would probably be admitted. No room is kept: follow it with [`try_send`](Self::try_send), in a loop.
    ///
    /// Cancel safe. From a worker of this community it does not wait.
    ///
    /// # Errors
    ///
    /// `Closed` when the community is shutting down; from a worker of it, `Full` or `NoVersion`.
    pub async fn ready(&self) -> Result<(), SendError<()>> {
        self.control.plane.ready(None).await
    }

    /// Sends all jobs of an iterator. A job is taken from it only when there is room for it, so that what was not sent is still there when
    /// the future is dropped. Returns how many were sent.
    ///
    /// Cancel safe. From a worker of this community it does not wait, as [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// [`SendAllError`] says how many were admitted, and gives back the job in hand if there is one.
    pub async fn send_all(
        &self,
        jobs: &mut (impl Iterator<Item = J> + Send),
    ) -> Result<usize, SendAllError<J>> {
        let plane = &self.control.plane;
        let mut sent = 0;
        while jobs.size_hint().1 != Some(0) {
            plane.ready(None).await.map_err(|why| SendAllError { sent, why: why.map(|()| None) })?;
            while plane.has_room() {
                let Some(job) = jobs.next() else { return Ok(sent) };
                // Room was seen for it. If another sender took that, this one goes over the capacity, as a worker may: the job is out of the
                // iterator and must not wait.
                let mut envelope = plane.new_job(job);
                trace::note_sender(&mut envelope, plane.root.place);
                let refused = match plane.admit_in_hand(envelope) {
                    Ok(()) => None,
                    Err((back, obstacle)) => Some(refusal(Some(back.payload), &obstacle)),
                };
                if let Some(why) = refused {
                    return Err(SendAllError { sent, why });
                }
                sent += 1;
            }
            tokio::task::yield_now().await;
        }
        Ok(sent)
    }

    /// The dispatcher's actor, for callers that speak ractor: cast it a [`Submission`]. It goes through the same routing as every send, and
    /// costs a hop more. A dispatcher that failed is replaced; take the reference anew when a cast fails.
    pub fn dispatcher(&self) -> Option<DerivedActorRef<Submission<J>>> {
        Some(self.control.dispatcher()?.get_derived())
    }

    // ---- verbs -----------------------------------------------------------------------------------------------------

    /// Deploys a version: starts its workers beside all others, and makes it current when they all have started. The version that was
    /// current gets no new jobs, finishes what it has, and leaves. Await it to deploy.
    ///
    /// The name of a version belongs to one build. Deployed again, the current version stays as it is; a draining one becomes current
    /// again at once; one that is gone is started again. One that was left because its workers could not be kept running needs
    /// [`force`](Deploy::force).
    ///
    /// Once polled, the deploy finishes though the future is dropped.
    ///
    /// # Errors
    ///
    /// [`DeployError`]; then nothing has changed for any other version.
    pub fn deploy(&self, version: impl Into<Version>, pool: Pool<J, O>) -> Deploy<J, O> {
        Deploy { community: self.clone(), version: version.into(), pool, force: false }
    }

    /// Goes back to the version that was current before this one.
    ///
    /// If its workers are still there, that is one gate and one swap, whatever waits; the waiting jobs of the version that is left follow.
    /// If they are gone, they are started first, while the current version goes on. If a deploy is still loading, the rollback is what ends
    /// it. Repeating a rollback changes nothing, and says so.
    ///
    /// Once polled, the rollback finishes though the future is dropped.
    ///
    /// # Errors
    ///
    /// [`RollbackError`]; then nothing has changed.
    pub async fn rollback(&self) -> Result<Rollback, RollbackError> {
        self.command(Message::Rollback).await.unwrap_or(Err(RollbackError::Interrupted))
    }

    /// Gives a version another number of workers. New ones are started; of those that are too many, each leaves after its job. Returns when
    /// the pool has been told.
    ///
    /// # Errors
    ///
    /// [`ScaleError`]; then nothing has changed.
    pub async fn scale(&self, version: impl Into<Version>, workers: usize) -> Result<(), ScaleError> {
        let version = version.into();
        let scale = |answer| Message::Scale(version, workers, answer);
        self.command(scale).await.unwrap_or(Err(ScaleError::Interrupted))
    }

    /// Gives the dispatcher a command and waits for its answer. `None` if the answer was lost with a dispatcher that failed.
    async fn command<R>(&self, make: impl FnOnce(oneshot::Sender<R>) -> Message<J, O>) -> Option<R> {
        let (answer, answered) = oneshot::channel();
        let mut command = make(answer);
        loop {
            let mut changed = pin!(self.control.changed.notified());
            changed.as_mut().enable();
            if let Some(dispatcher) = self.control.dispatcher() {
                match dispatcher.cast(command) {
                    Ok(()) => return answered.await.ok(),
                    Err(ractor::MessagingErr::SendErr(back)) => command = back,
                    Err(_) => return None,
                }
            }
            if self.control.state.lock().is_closed {
                return None;
            }
            // The dispatcher failed and is being replaced.
            changed.await;
        }
    }

    /// Waits until a version has finished everything and its workers are leaving. At once if it has, or if the community has ended.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// [`UnknownVersion`] if it was never deployed, or so long ago that it is forgotten.
    pub async fn drained(&self, version: impl Into<Version>) -> Result<VersionView, UnknownVersion> {
        let version = version.into();
        loop {
            let mut changed = pin!(self.control.changed.notified());
            changed.as_mut().enable();
            let view = self.describe();
            match view.version(version.as_str()) {
                None => return Err(UnknownVersion { version }),
                // Nothing will change any more.
                Some(seen) if self.control.is_over() => return Ok(seen.clone()),
                Some(seen) => match seen.state {
                    VersionState::Drained | VersionState::Retired | VersionState::Failed => {
                        return Ok(seen.clone());
                    }
                    VersionState::Loading | VersionState::Current | VersionState::Draining => {}
                },
            }
            changed.await;
        }
    }

    // ---- seeing ----------------------------------------------------------------------------------------------------

    /// Versions, states, workers, and where the jobs are, at this moment. Prints as a table.
    pub fn describe(&self) -> CommunityView {
        self.control.describe()
    }

    /// What happens in the ecosystem of this community, from now on.
    pub fn events(&self) -> Events {
        self.control.plane.root.events.subscribe()
    }

    /// How each worker is, by its number.
    pub fn heartbeats(&self) -> Vec<WorkerView> {
        let plane = &self.control.plane;
        plane.root.directory.list(|community| community == plane.place)
    }

    /// How this worker is, if it is there.
    pub fn worker(&self, id: WorkerId) -> Option<WorkerView> {
        let plane = &self.control.plane;
        plane.root.directory.find(plane.place, id)
    }

    /// The jobs that were set aside for a person: look, choose, replay, discard.
    pub fn dead_letters(&self) -> DeadLetters<J, O> {
        DeadLetters::all(&self.control.plane)
    }

    /// For tests of recovery: breaks something.
    #[doc(hidden)]
    pub fn sabotage(&self, what: Sabotage) {
        let current = || self.control.state.lock().versions.current().map(|current| current.pool);
        match what {
            Sabotage::PanicDispatcher => {
                if let Some(dispatcher) = self.control.dispatcher() {
                    let _ = dispatcher.cast(Message::Panic);
                }
            }
            Sabotage::PanicPool => {
                if let Some(pool) = current() {
                    self.control.tell_pool(pool, PoolMessage::Panic);
                }
            }
            Sabotage::KillWorker => {
                if let Some(pool) = current() {
                    self.control.tell_pool(pool, PoolMessage::KillWorker);
                }
            }
        }
    }
}

/// What [`Community::sabotage`] breaks.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sabotage {
    PanicDispatcher,
    PanicPool,
    KillWorker,
}

fn refusal<J, K, O>(job: K, obstacle: &Obstacle<J, O>) -> SendError<K> {
    match obstacle {
        Obstacle::Full(_) => SendError::Full(job),
        Obstacle::NoVersion(_) => SendError::NoVersion(job),
        // A job without a pin always finds its pin served.
        Obstacle::PinUnserved | Obstacle::Closed => SendError::Closed(job),
    }
}

/// A deploy about to be made; see [`Community::deploy`].
#[must_use = "a version is deployed when this is awaited"]
pub struct Deploy<J, O> {
    community: Community<J, O>,
    version: Version,
    pool: Pool<J, O>,
    force: bool,
}

impl<J, O> Deploy<J, O> {
    /// Deploys the version though it is quarantined: it was left because its workers could not be kept running.
    pub fn force(mut self) -> Self {
        self.force = true;
        self
    }
}

impl<J: Send + Sync + 'static, O: Send + 'static> IntoFuture for Deploy<J, O> {
    type Output = Result<Deployment, DeployError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { community, version, pool, force } = self;
        Box::pin(async move {
            let deploy = |answer| Message::Deploy { version, pool, force, answer };
            community.command(deploy).await.unwrap_or(Err(DeployError::Interrupted))
        })
    }
}

impl<J, O> fmt::Debug for Deploy<J, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deploy")
            .field("version", &self.version)
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}
