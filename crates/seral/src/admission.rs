//! How a new job comes in: the one way for all sends.
//!
//! A job is resolved by the table of this moment and pushed straight into the mailbox of a pool. If the gate there has closed meanwhile, the
//! table is newer, and the job is resolved again: so a send that races with a deploy is re-routed, never dropped and never spinning.

use std::future::Future;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use ractor::RpcReplyPort;
use seral_core::id::JobId;
use seral_core::id::Revision;
use seral_core::id::Version;
use seral_core::mailbox::Queued;
use seral_core::mailbox::Refusal;
use seral_core::mailbox::Sender;
use seral_core::routing::NoRoute;
use seral_core::routing::Routed;
use seral_core::routing::RoutingTable;
use seral_core::time::Time;
use tokio::time::error::Elapsed;

use crate::error::SendError;
use crate::inside;
use crate::intake::Stage;
use crate::job::Envelope;
use crate::plane::DataPlane;
use crate::pool_handle::Hold;
use crate::pool_handle::PoolHandle;
use crate::ring::InVain;

/// How many new jobs of one sender go in on one look at the room: so many at most go beyond it, if others look at the same moment.
const TOGETHER: usize = 32;

/// How a wait ended.
#[derive(Clone, Copy, Debug)]
enum Waited {
    /// It is worth another look.
    Enough,
    /// The deadline passed.
    TooLong,
    /// No room will come: it would have to come from the worker that waits.
    InVain,
}

/// Why a job was not admitted just now.
pub(crate) enum Obstacle<J, O> {
    Full(Arc<PoolHandle<J, O>>),
    NoVersion(Revision),
    PinUnserved,
    Closed,
}

/// A job that was not admitted just now, and why.
pub(crate) type NotNow<J, O> = (Envelope<J, O>, Obstacle<J, O>);

/// A job sent to the dispatcher's actor, for callers that hold nothing but its `ActorRef`. See
/// [`Community::dispatcher`](crate::Community::dispatcher).
#[derive(Debug)]
pub struct Submission<J> {
    /// The job.
    pub job: J,
    /// Where the answer goes: the number of the admitted job, or the job. If the port is dropped, the job was not admitted.
    pub reply: RpcReplyPort<Result<JobId, SendError<J>>>,
}

impl<J, O> DataPlane<J, O> {
    /// Admits a job that came by way of the dispatcher, and answers.
    pub(crate) fn submit(&self, Submission { job, reply }: Submission<J>) {
        let envelope = self.new_job(job);
        let id = envelope.id;
        let answer = match self.try_admit(envelope) {
            Ok(()) => Ok(id),
            Err((back, Obstacle::Full(_))) => Err(SendError::Full(back.payload)),
            Err((back, Obstacle::NoVersion(_))) => Err(SendError::NoVersion(back.payload)),
            Err((back, Obstacle::PinUnserved | Obstacle::Closed)) => Err(SendError::Closed(back.payload)),
        };
        let _ = reply.send(answer);
    }

    /// Admits a new job without waiting, or says what is in the way.
    #[inline(always)]
    pub(crate) fn try_admit(&self, job: Envelope<J, O>) -> Result<(), NotNow<J, O>> {
        let mut job = job;
        loop {
            if self.turns_away() {
                return Err((job, Obstacle::Closed));
            }
            let table = self.routes.load();
            let (pool, reason) = match table.resolve(&job) {
                Ok(found) => found,
                Err(NoRoute::NoVersion) => return Err((job, Obstacle::NoVersion(table.revision))),
                Err(NoRoute::PinUnserved) => return Err((job, Obstacle::PinUnserved)),
            };
            job.set_route(table.revision, reason, pool.id);
            let Err((back, refusal)) = self.admit_at(pool, job, Sender::Outside) else { return Ok(()) };
            match self.refused(back, refusal, pool, &table)? {
                None => return Ok(()),
                Some(again) => job = again,
            }
        }
    }

    /// A pool refused a job that was resolved by this table. Gives it back if it is to be resolved anew; `None` if it was admitted after all.
    #[cold]
    fn refused(
        &self,
        job: Envelope<J, O>,
        refusal: Refusal,
        pool: &Arc<PoolHandle<J, O>>,
        table: &RoutingTable<Arc<PoolHandle<J, O>>>,
    ) -> Result<Option<Envelope<J, O>>, NotNow<J, O>> {
        let (job, refusal, pool) = match refusal {
            Refusal::Enough => match self.admit_beside(job, pool, table)? {
                None => return Ok(None),
                Some(refused) => refused,
            },
            refusal => (job, refusal, pool),
        };
        let (job, refusal) = match refusal {
            // A worker may go further than others.
            Refusal::Full if inside::sender_to(self.place) == Sender::Inside => {
                match self.admit_at(pool, job, Sender::Inside) {
                    Ok(()) => return Ok(None),
                    Err(refused) => refused,
                }
            }
            refusal => (job, refusal),
        };
        match refusal {
            Refusal::Full => Err((job, Obstacle::Full(Arc::clone(pool)))),
            _ if self.routes.load().revision != table.revision => Ok(Some(job)),
            // Somebody else took what was left of the limit: to be resolved anew.
            Refusal::Enough => Ok(Some(job)),
            Refusal::Gate if job.is_pinned() => match self.admit_held(job, pool) {
                Ok(()) => Ok(None),
                Err((job, Refusal::Full)) => Err((job, Obstacle::Full(Arc::clone(pool)))),
                Err((job, _)) => Err((job, Obstacle::PinUnserved)),
            },
            Refusal::Gate => Err((job, Obstacle::NoVersion(table.revision))),
        }
    }

    /// The version to which a job was resolved has as many as it may have: it goes to the current one. Gives it back, with what refused it
    /// there.
    #[expect(clippy::type_complexity, reason = "a refused job, as it goes on")]
    fn admit_beside<'a>(
        &self,
        mut job: Envelope<J, O>,
        pool: &Arc<PoolHandle<J, O>>,
        table: &'a RoutingTable<Arc<PoolHandle<J, O>>>,
    ) -> Result<Option<(Envelope<J, O>, Refusal, &'a Arc<PoolHandle<J, O>>)>, NotNow<J, O>> {
        match table.current() {
            Ok((current, reason)) if current.id != pool.id => {
                job.set_route(table.revision, reason, current.id);
                let refused = self.admit_at(current, job, Sender::Outside).err();
                Ok(refused.map(|(job, refusal)| (job, refusal, current)))
            }
            _ => Err((job, Obstacle::NoVersion(table.revision))),
        }
    }

    /// A job names a version whose gate was shut just now: if that is drained and its workers are still there, it is there for this job.
    fn admit_held(
        &self,
        job: Envelope<J, O>,
        pool: &Arc<PoolHandle<J, O>>,
    ) -> Result<(), (Envelope<J, O>, Refusal)> {
        match Hold::of(pool) {
            Some(_held) => self.admit_at(pool, job, inside::sender_to(self.place)),
            None => Err((job, Refusal::Gate)),
        }
    }

    /// Admits a new job to this pool. The job passes the fence under the lock of the mailbox, so that jobs of one key are in the fence
    /// in the order in which they were admitted.
    #[inline(always)]
    pub(crate) fn admit_at(
        &self,
        pool: &Arc<PoolHandle<J, O>>,
        job: Envelope<J, O>,
        from: Sender,
    ) -> Result<(), (Envelope<J, O>, Refusal)> {
        let deadline = job.deadline();
        if job.wants_key() {
            self.admit_by_key(pool, job, from)?;
        } else {
            pool.mailbox.admit(from, job, Some)?;
        }
        self.note_deadline_of(deadline);
        Ok(())
    }

    /// Apart, so that a job without a key is not moved for the sake of those that have one.
    #[inline(never)]
    fn admit_by_key(
        &self,
        pool: &Arc<PoolHandle<J, O>>,
        job: Envelope<J, O>,
        from: Sender,
    ) -> Result<(), (Envelope<J, O>, Refusal)> {
        pool.mailbox.admit(from, job, |job| self.fence.enter(job, pool))
    }

    /// Admits a new job that is in hand and must not wait, where it is full as far as this sender may go.
    pub(crate) fn admit_in_hand(&self, mut job: Envelope<J, O>, from: Sender) -> Result<(), NotNow<J, O>> {
        loop {
            job = match self.try_admit(job) {
                Err((back, Obstacle::Full(pool))) => {
                    // One that is drained and kept is there as long as it is held.
                    let held = if back.is_pinned() { Hold::of(&pool) } else { None };
                    let admitted = self.admit_at(&pool, back, from);
                    drop(held);
                    match admitted {
                        Err((back, Refusal::Full)) => return Err((back, Obstacle::Full(pool))),
                        Err((back, _)) => back,
                        Ok(()) => return Ok(()),
                    }
                }
                admitted_or_not => return admitted_or_not,
            }
        }
    }
}

impl<J: Send + Sync + 'static, O: Send + 'static> DataPlane<J, O> {
    /// Admits a new job, waiting for a version and for room, but not past its deadline: then it comes back.
    ///
    /// Dropping the future before it is ready means that the job was not admitted.
    pub(crate) async fn admit(&self, job: Envelope<J, O>) -> Result<(), SendError<J>> {
        match self.try_admit(job) {
            Ok(()) => Ok(()),
            // Boxed, so that the future of each send is small though few of them wait.
            Err(not_now) => Box::pin(self.admit_later(not_now)).await,
        }
    }

    /// Goes on with a job that was not admitted at once.
    pub(crate) async fn admit_later(&self, not_now: NotNow<J, O>) -> Result<(), SendError<J>> {
        let (mut job, mut obstacle) = not_now;
        loop {
            match obstacle {
                Obstacle::Closed => return Err(SendError::Closed(job.payload)),
                Obstacle::PinUnserved => return Err(self.pin_unserved(job)),
                Obstacle::NoVersion(seen) => {
                    if inside::sender_to(self.place) == Sender::Inside {
                        return Err(SendError::NoVersion(job.payload));
                    }
                    let newer = self.routes.newer_than(seen, || self.turns_away());
                    if self.until_deadline(job.deadline(), newer).await.is_err() {
                        return Err(SendError::NoVersion(job.payload));
                    }
                }
                Obstacle::Full(pool) => {
                    if inside::sender_to(self.place) == Sender::Inside {
                        return Err(SendError::Full(job.payload));
                    }
                    match self.admit_when_room(&pool, job).await {
                        Ok(()) => return Ok(()),
                        Err((back, Waited::TooLong)) => return Err(SendError::Full(back.payload)),
                        Err((back, Waited::Enough)) => job = back,
                        Err((back, Waited::InVain)) => {
                            (job, obstacle) = match self.admit_in_hand(back, Sender::Inside) {
                                Ok(()) => return Ok(()),
                                Err((back, Obstacle::Full(_))) => return Err(SendError::Full(back.payload)),
                                Err(not_now) => not_now,
                            };
                            continue;
                        }
                    }
                }
            }
            (job, obstacle) = match self.try_admit(job) {
                Ok(()) => return Ok(()),
                Err(not_now) => not_now,
            };
        }
    }

    /// Waits for room at this pool, keeping the place in the line as long as the table sends the job there. Gives the job back when it has to be
    /// resolved anew.
    async fn admit_when_room(
        &self,
        pool: &Arc<PoolHandle<J, O>>,
        mut job: Envelope<J, O>,
    ) -> Result<(), (Envelope<J, O>, Waited)> {
        // A version is there for a job that names it as long as that waits for room: a drained one may be full of jobs behind their keys.
        let is_pinned = job.is_pinned();
        let held = if is_pinned { Hold::of(pool) } else { None };
        if is_pinned && held.is_none() {
            return Err((job, Waited::Enough));
        }
        let waits = self.root.rings.begin(Arc::<PoolHandle<J, O>>::clone(pool));
        let mut room = pool.mailbox.room(Sender::Outside, is_pinned);
        loop {
            let seen = self.routes.load().revision;
            // Tied to this version meanwhile, or no longer, it has other rights at the gate than those it waits with.
            if !self.still_goes_to(pool, &mut job) || job.is_pinned() != is_pinned {
                return Err((job, Waited::Enough));
            }
            let wait = waits.for_room(either(&mut room, self.routes.newer_than(seen, || false)));
            match self.until_deadline(job.deadline(), wait).await {
                Ok(None | Some(Ok(()))) => {}
                Ok(Some(Err(InVain))) => return Err((job, Waited::InVain)),
                Err(_) => return Err((job, Waited::TooLong)),
            }
            if self.turns_away() || !self.still_goes_to(pool, &mut job) || job.is_pinned() != is_pinned {
                return Err((job, Waited::Enough));
            }
            match self.admit_at(pool, job, Sender::Outside) {
                Ok(()) => {
                    room.admitted();
                    return Ok(());
                }
                Err((back, Refusal::Full)) => job = back,
                Err((back, _)) => return Err((back, Waited::Enough)),
            }
        }
    }

    /// Whether the table of this moment sends a job to this pool, for whatever reason; or passes it on to it, if that is the current one.
    fn still_goes_to(&self, pool: &Arc<PoolHandle<J, O>>, job: &mut Envelope<J, O>) -> bool {
        let table = self.routes.load();
        if job.route.is_by(table.revision) {
            return true;
        }
        match table.resolve(job) {
            Ok((found, reason)) if found.id == pool.id => {
                job.set_route(table.revision, reason, pool.id);
                true
            }
            _ => false,
        }
    }

    /// Waits, unless the sender is turned away (`None`) or this deadline passes meanwhile.
    async fn until_deadline<T>(
        &self,
        deadline: Option<Time>,
        wait: impl Future<Output = T>,
    ) -> Result<Option<T>, Elapsed> {
        let wait = self.intake.unless_closed(|| self.turns_away(), wait);
        match deadline {
            None => Ok(wait.await),
            Some(deadline) => tokio::time::timeout(deadline.since(self.now()), wait).await,
        }
    }

    /// Waits until a new job, that names this version if any, would probably be admitted, and says as whose. Does not wait for a worker on whom the
    /// room depends: it is counted as one of this community.
    pub(crate) async fn ready(&self, pin: Option<&Version>) -> Result<Sender, SendError<()>> {
        let mut from = inside::sender_to(self.place);
        loop {
            if self.turns_away() {
                return Err(SendError::Closed(()));
            }
            let table = self.routes.load_full();
            let pool = match pin {
                Some(version) => Some(table.serving(version).ok_or_else(|| self.unserved(pin))?),
                // Nobody knows yet which of these will get the job.
                None => table.takers().find(|pool| !has_room_or_enough(pool, 1, from)),
            };
            match pool.map(|pool| (pool, pool.mailbox.has_room(from, pin.is_some()))) {
                Some((_, Err(Refusal::Full))) if from == Sender::Inside => return Err(SendError::Full(())),
                // Drained and kept: it is there for the job that names it.
                Some((pool, Err(Refusal::Gate))) if pin.is_some() && pool.mailbox.is_warm() => {
                    return Ok(from);
                }
                // The version takes nothing any more, and no newer table will change that.
                Some((_, Err(Refusal::Gate))) if pin.is_some() => return Err(self.unserved(pin)),
                Some((pool, Err(_))) => {
                    let wait = self.root.rings.begin(Arc::<PoolHandle<J, O>>::clone(pool));
                    let mut room = pool.mailbox.room(from, pin.is_some());
                    let room = wait.for_room(&mut room);
                    if self.intake.unless_closed(|| self.turns_away(), room).await == Some(Err(InVain)) {
                        from = Sender::Inside;
                    }
                }
                Some((_, Ok(()))) => return Ok(from),
                None if table.current.is_some() => return Ok(from),
                None if from == Sender::Inside => return Err(SendError::NoVersion(())),
                None => {
                    let newer = self.routes.newer_than(table.revision, || self.turns_away());
                    self.intake.unless_closed(|| self.turns_away(), newer).await;
                }
            }
        }
    }
}

impl<J, O> DataPlane<J, O> {
    /// How many of so many new jobs from there go in on this look: all or none from a sender that must not wait.
    pub(crate) fn how_many_fit(&self, jobs: usize, from: Sender) -> usize {
        let all = if from == Sender::Inside { jobs } else { jobs.min(TOGETHER) };
        if self.has_room_for(all, from) {
            all
        } else {
            usize::from(from == Sender::Outside && self.has_room_for(1, from))
        }
    }

    /// Whether so many new jobs from there would be admitted now, to whichever version they go.
    pub(crate) fn has_room_for(&self, jobs: usize, from: Sender) -> bool {
        let table = self.routes.load();
        !self.turns_away()
            && table.current.is_some()
            && table.takers().all(|pool| has_room_or_enough(pool, jobs, from))
    }

    /// Whether whoever runs here may not send any more.
    pub(crate) fn turns_away(&self) -> bool {
        match self.intake.stage() {
            Stage::Open => false,
            Stage::WorkersOnly => !inside::is_worker_of(self.root.place),
            Stage::OwnWorkersOnly => inside::sender_to(self.place) == Sender::Outside,
            Stage::Closed => true,
        }
    }

    /// Why no job goes to the version of this name, or to any version.
    pub(crate) fn unserved(&self, version: Option<&Version>) -> SendError<()> {
        match version {
            Some(version) => self.pin_unserved_by((), version.clone()),
            None => SendError::NoVersion(()),
        }
    }

    pub(crate) fn pin_unserved(&self, job: Envelope<J, O>) -> SendError<J> {
        match self.version_named(&job) {
            Some(version) => self.pin_unserved_by(job.payload, version),
            None => SendError::Closed(job.payload),
        }
    }

    fn pin_unserved_by<K>(&self, job: K, version: Version) -> SendError<K> {
        let (successor, current) = (self.successor(&version), self.current_version());
        SendError::PinUnserved { job, version, successor, current }
    }

    /// The version that a job names, or that a pin ties it to.
    pub(crate) fn version_named(&self, job: &Envelope<J, O>) -> Option<Version> {
        let table = self.routes.load();
        let tied = || table.standing.as_ref().and_then(|standing| standing.pin(job));
        job.pin().or_else(tied).cloned()
    }

    /// The version that took the place of one that is gone.
    pub(crate) fn successor(&self, gone: &Version) -> Option<Version> {
        self.routes.load().successor(gone).cloned()
    }
}

/// Whether so many new jobs that may go to this pool would not have to wait: there is room, or they would go to another.
fn has_room_or_enough<J, O>(pool: &PoolHandle<J, O>, jobs: usize, from: Sender) -> bool {
    matches!(pool.mailbox.has_room_for(jobs, from), Ok(()) | Err(Refusal::Enough))
}

/// Ready when one of the two is.
async fn either(one: impl Future<Output = ()>, other: impl Future<Output = ()>) {
    let (mut one, mut other) = (pin!(one), pin!(other));
    poll_fn(|task| match one.as_mut().poll(task) {
        Poll::Ready(()) => Poll::Ready(()),
        Poll::Pending => other.as_mut().poll(task),
    })
    .await;
}
