//! A community: all versions of one kind of work, behind one handle.

use std::any::type_name;
use std::fmt;
use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use ractor::DerivedActorRef;
use seral_core::id::JobId;
use seral_core::id::Version;
use seral_core::id::WorkerId;
use seral_core::mailbox::Sender;
use seral_core::versions::Verb;
use tokio::sync::oneshot;

use crate::admission::Obstacle;
use crate::change::Change;
use crate::command::Command;
use crate::command::ramp;
use crate::control::Control;
use crate::dead_letters::DeadLetters;
use crate::deploy::Deploy;
use crate::error::AskError;
use crate::error::JobError;
use crate::error::RollbackError;
use crate::error::ScaleError;
use crate::error::SendAllError;
use crate::error::SendError;
use crate::error::UnknownVersion;
use crate::error::VerbError;
use crate::event::Events;
use crate::inside;
use crate::inside::Asking;
use crate::intake::Stage;
use crate::job::Extras;
use crate::percent::Percent;
use crate::plane::DataPlane;
use crate::pool::Pool;
use crate::pool_actor::PoolMessage;
use crate::submit::Submit;
use crate::trace;
use crate::verb::Deployment;
use crate::verb::Message;
use crate::verb::Rollback;
use crate::verb::Submission;
use crate::verb::abort_answer;
use crate::verb::place_answer;
use crate::verb::rollback_answer;
use crate::view::CommunityView;
use crate::view::VersionState;
use crate::view::VersionView;
use crate::view::WorkerView;

/// How long [`Community::ask`] waits for its job to be started. Longer than any patient caller, short enough that nothing waits for ever.
const ASK_DEADLINE: Duration = Duration::from_secs(60);

/// A handle to a community, cheap to clone. Jobs go in here; versions are deployed here.
///
/// Dropping handles changes nothing: a community lives until it is [shut down](Self::shutdown), or its ecosystem is.
pub struct Community<J, O> {
    pub(crate) plane: Arc<DataPlane<J, O>>,
    pub(crate) control: Arc<Control>,
}

impl<J, O> Clone for Community<J, O> {
    fn clone(&self) -> Self {
        Self { plane: Arc::clone(&self.plane), control: Arc::clone(&self.control) }
    }
}

impl<J, O> fmt::Debug for Community<J, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Community<{}, {}>({:?})", type_name::<J>(), type_name::<O>(), self.plane.name)
    }
}

impl<J: Send + Sync + 'static, O: Send + 'static> Community<J, O> {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.plane.name
    }

    // ---- sending ---------------------------------------------------------------------------------------------------

    /// Sends a job, waiting for room, and for a version if none is deployed. `Ok` exactly when the job is admitted.
    ///
    /// It does not wait for a worker on whom all room here depends: one of this community; and one of another for whom all workers of this community
    /// wait, itself or by way of others, for room in its mailbox or for the answer to the job in its hand. From there a job is admitted up to twice the
    /// capacity, so that no ring of communities waits for itself; then it is `Full`. Communities of another ecosystem are not seen in a ring.
    ///
    /// Cancel safe in this sense: dropped before it is ready, the job was not admitted, and is dropped too. To keep it, use
    /// [`ready`](Self::ready) and [`try_send`](Self::try_send).
    ///
    /// # Errors
    ///
    /// [`SendError`] with the job, if it cannot be admitted by waiting.
    pub async fn send(&self, job: J) -> Result<JobId, SendError<J>> {
        let plane = &self.plane;
        let mut envelope = plane.new_job(job);
        let id = envelope.id;
        trace::note_sender(&mut envelope, plane.root.place);
        if let Err(not_now) = plane.try_admit(envelope) {
            // Boxed, so that the future of each send is small though few of them wait.
            Box::pin(plane.admit_later(not_now)).await?;
        }
        Ok(id)
    }

    /// Sends a job without waiting. `Ok` exactly when the job is admitted.
    ///
    /// # Errors
    ///
    /// [`SendError`] with the job: `Full` without room, `NoVersion` without a version.
    pub fn try_send(&self, job: J) -> Result<JobId, SendError<J>> {
        let plane = &self.plane;
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
    /// The job must be started within 60 s, else it expires, also if it was started, and put off until later; [`submit`](Self::submit) sets other deadlines. Dropped
    /// before the job was admitted, the job is dropped too; dropped after, the job runs on.
    ///
    /// A worker that asks takes nothing meanwhile. If it asks another community, whose workers wait for room in its own, nobody goes on until the job
    /// expires; and one that awaits a [`JobHandle`](crate::JobHandle) has no such deadline. Give its community room, or send instead of asking.
    ///
    /// # Errors
    ///
    /// [`AskError::Send`] with the job if it was not admitted; from a worker that is part of what the answer would wait for, that is
    /// `WouldDeadlock`, at once. [`AskError::Job`] if the job came to no output.
    pub async fn ask(&self, job: J) -> Result<O, AskError<J>> {
        let plane = &self.plane;
        let Ok(askers) = inside::ask(plane.place) else {
            return Err(SendError::WouldDeadlock(job).into());
        };
        let _asking = Asking(askers.clone());
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
        Submit::new(Arc::clone(&self.plane), job)
    }

    /// Waits until a job would probably be admitted. No room is kept: follow it with [`try_send`](Self::try_send), in a loop.
    ///
    /// Cancel safe. It does not wait for a worker on whom the room depends; see [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// `Closed` when the community is shutting down; from a worker on whom its room depends, `Full`, and from one of its own, `NoVersion`.
    pub async fn ready(&self) -> Result<(), SendError<()>> {
        let plane = &self.plane;
        let from = inside::sender_to(plane.place);
        // One that would go further if it had to does not with `try_send`, which need not wait.
        if plane.ready(None).await? == from { Ok(()) } else { Err(SendError::Full(())) }
    }

    /// Sends all jobs of an iterator. A job is taken from it only when there is room for it, so that what was not sent is still there when
    /// the future is dropped. Returns how many were sent.
    ///
    /// It does not wait for a worker on whom the room depends, as [`send`](Self::send). From a worker of this community all jobs that the iterator
    /// says it has ([`size_hint`](Iterator::size_hint)) go in together, or none is taken: so an attempt for which there is no room has sent nothing, and the
    /// next one sends nothing again. From others the same holds of what is left in the iterator when a ring has closed.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// [`SendAllError`] says how many were admitted, and gives back the job in hand if there is one.
    pub async fn send_all(
        &self,
        jobs: &mut (impl Iterator<Item = J> + Send),
    ) -> Result<usize, SendAllError<J>> {
        let plane = &self.plane;
        let mut sent = 0;
        while jobs.size_hint().1 != Some(0) {
            let ready = plane.ready(None).await;
            let from = ready.map_err(|why| SendAllError { sent, why: why.map(|()| None) })?;
            while jobs.size_hint().1 != Some(0) {
                let together = plane.how_many_fit(jobs.size_hint().0.max(1), from);
                if together == 0 && from == Sender::Inside && plane.has_room_for(1, from) {
                    return Err(SendAllError { sent, why: SendError::Full(None) });
                }
                if together == 0 {
                    break;
                }
                for _ in 0..together {
                    let Some(job) = jobs.next() else { return Ok(sent) };
                    let mut envelope = plane.new_job(job);
                    trace::note_sender(&mut envelope, plane.root.place);
                    // If another sender took the room, this one goes over the capacity: the job is out of the iterator.
                    if let Err((back, obstacle)) = plane.admit_in_hand(envelope, Sender::Promised) {
                        return Err(SendAllError { sent, why: refusal(Some(back.payload), &obstacle) });
                    }
                    sent += 1;
                }
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
    /// current, and those that were being ramped, get no new jobs, finish what they have, and leave. Await it to deploy.
    ///
    /// With [`share`](Deploy::share) it gets a part of new jobs, with [`hold`](Deploy::hold) none but those that name it; then the current version
    /// stays.
    ///
    /// The name of a version belongs to one build. Deployed again, a version that is current or being ramped stays as it is; a draining one has
    /// its place again at once; one that is gone is started again. One that was left because its workers could not be kept running needs
    /// [`force`](Deploy::force).
    ///
    /// Once polled, the deploy finishes though the future is dropped.
    ///
    /// # Errors
    ///
    /// [`DeployError`](crate::error::DeployError); then nothing has changed for any other version.
    pub fn deploy(&self, version: impl Into<Version>, pool: Pool<J, O>) -> Deploy<J, O> {
        Deploy::new(Arc::clone(&self.control), version.into(), pool)
    }

    /// Gives a version whose workers are there this part of new jobs, in percent: `ramp("2.0.0", 25)`. The current version has what nobody else has.
    /// Several versions may be ramped. With 0 the version drains.
    ///
    /// Which jobs go to it is decided by their key, or by their number if they have none. Raising a share takes no key away from the version, and
    /// each ramp begins with other keys.
    ///
    /// # Errors
    ///
    /// [`VerbError`]; then nothing has changed.
    pub fn ramp(
        &self,
        version: impl Into<Version>,
        percent: impl Into<Percent>,
    ) -> Command<J, O, Deployment, VerbError> {
        let version = version.into();
        self.place(ramp(&version, percent.into()), version)
    }

    /// Makes a version current whose workers are there: held, being ramped, or draining. It gets all new jobs; the version that was current, and
    /// those that were being ramped, drain.
    ///
    /// # Errors
    ///
    /// [`VerbError`]; then nothing has changed. If none of its workers runs, it is promoted only with [`force`](Command::force).
    pub fn promote(&self, version: impl Into<Version>) -> Command<J, O, Deployment, VerbError> {
        let version = version.into();
        self.place(Ok(Verb::Promote { version: version.clone(), drain_within: None }), version)
    }

    /// Gives a version no more new jobs, except those that name it; it finishes what it has, and leaves. Does not wait for that:
    /// [`drained`](Self::drained) does.
    ///
    /// # Errors
    ///
    /// [`VerbError`]; then nothing has changed. The current version is drained only with [`allow_empty`](Command::allow_empty).
    pub fn drain(&self, version: impl Into<Version>) -> Command<J, O, Deployment, VerbError> {
        let version = version.into();
        self.place(
            Ok(Verb::Drain { version: version.clone(), allow_empty: false, drain_within: None }),
            version,
        )
    }

    /// Ends what is being ramped, or about to be: it drains, and the current version has all new jobs again. Returns the versions, or none if nothing
    /// was being ramped. Jobs that wait at them stay there; [`rollback`](Self::rollback) moves them.
    ///
    /// # Errors
    ///
    /// [`VerbError`]; then nothing has changed.
    pub fn abort(&self) -> Command<J, O, Vec<Version>, VerbError> {
        Command::new(&self.control, Ok(Verb::Abort), |outcome| {
            abort_answer(outcome.ok_or(VerbError::Interrupted)?.answer)
        })
    }

    pub(crate) fn place(
        &self,
        what: Result<Verb, VerbError>,
        version: Version,
    ) -> Command<J, O, Deployment, VerbError> {
        Command::new(&self.control, what, |outcome| {
            place_answer(version, outcome.ok_or(VerbError::Interrupted)?.answer)
        })
    }

    /// Goes back: from what is being ramped to the current version, or, if nothing is, from the current version to the one before, or to the one that is
    /// named with [`to`](Command::to). Await it to go.
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
    pub fn rollback(&self) -> Command<J, O, Rollback, RollbackError> {
        Command::new(&self.control, Ok(Verb::Rollback { to: None }), |outcome| {
            rollback_answer(outcome.ok_or(RollbackError::Interrupted)?)
        })
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
        self.control.command(scale).await.unwrap_or(Err(ScaleError::Interrupted))
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
                    VersionState::Loading
                    | VersionState::Inactive
                    | VersionState::Ramping
                    | VersionState::Current
                    | VersionState::Draining => {}
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

    /// The last 1,000 verbs that changed something, oldest first: who, what, why, and from which routing table to which.
    pub fn changes(&self) -> Vec<Change> {
        self.control.state.lock().changes.list()
    }

    /// Waits until the community takes no jobs from outside any more, since it is being shut down, or its ecosystem is: for what deploys by itself, and
    /// should end then.
    ///
    /// Cancel safe.
    pub async fn closed(&self) {
        let intake = &self.plane.intake;
        intake.unless_closed(|| intake.stage() != Stage::Open, pending::<()>()).await;
    }

    /// What happens in the ecosystem of this community, from now on.
    pub fn events(&self) -> Events {
        self.plane.root.events.subscribe()
    }

    /// How each worker is, by its number.
    pub fn heartbeats(&self) -> Vec<WorkerView> {
        let plane = &self.plane;
        plane.root.directory.list(|community| community == plane.place)
    }

    /// How this worker is, if it is there.
    pub fn worker(&self, id: WorkerId) -> Option<WorkerView> {
        let plane = &self.plane;
        plane.root.directory.find(plane.place, id)
    }

    /// The jobs that were set aside for a person: look, choose, replay, discard.
    pub fn dead_letters(&self) -> DeadLetters<J, O> {
        DeadLetters::all(&self.plane)
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
