//! The data plane of a community: everything that jobs pass through, without an actor in between.
//!
//! The dispatcher decides and publishes; what is here reads what it published. A send reads the routing table and pushes straight into
//! the mailbox of a pool. No job lives in an actor: mailboxes, fence, delayed jobs and dead letters are here, so an actor that panics
//! loses none.
//!
//! What never happens here: waiting for an actor, and a second copy of a job.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::AcqRel;
use std::sync::atomic::Ordering::Acquire;
use std::sync::atomic::Ordering::Relaxed;

use parking_lot::Mutex;
use seral_core::delayed::Delayed;
use seral_core::id::JobId;
use seral_core::id::PoolId;
use seral_core::id::Revision;
use seral_core::id::Version;
use seral_core::id::WorkerId;
use seral_core::mailbox::Queued;
use seral_core::mailbox::Refusal;
use seral_core::mailbox::Sender;
use seral_core::retry::RetryPolicy;
use seral_core::routing::NoRoute;
use seral_core::routing::RoutingTable;
use seral_core::time::Time;

use crate::dead_letter::DeadLetters;
use crate::error::SendError;
use crate::event::Event;
use crate::fence::Fence;
use crate::hand_back::HandedBack;
use crate::inside;
use crate::inside::Place;
use crate::intake::Intake;
use crate::intake::Stage;
use crate::job::Envelope;
use crate::pool_handle::PoolHandle;
use crate::root::Root;
use crate::routes::Routes;

/// The limits of a community. Each has a default, with its reason where it is set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) mailbox: usize,
    pub(crate) delayed: usize,
    pub(crate) dead_letters: usize,
    pub(crate) retry: RetryPolicy,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // A tenth of a second of work at 100,000 jobs a second: enough to keep workers busy, little enough to drain at once.
            mailbox: 10_000,
            // Some 200 MB of small jobs: a limit against runaway senders, not a target.
            delayed: 1_000_000,
            // More than a person will look at one by one.
            dead_letters: 10_000,
            retry: RetryPolicy::default(),
        }
    }
}

/// What the data plane tells the dispatcher. All of it can also be found by looking, so that a dispatcher that starts anew has missed
/// nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// This pool has been drained.
    Drained(PoolId),
    /// Something is due earlier than was known.
    DueEarlier,
}

/// A delayed job.
pub(crate) struct Sleeping<J, O> {
    pub(crate) job: Envelope<J, O>,
    /// The pool that waits for it, if the job names its version.
    pub(crate) awaited_by: Option<Arc<PoolHandle<J, O>>>,
}

/// See the [module](self).
pub(crate) struct DataPlane<J, O> {
    pub(crate) name: Arc<str>,
    pub(crate) place: Place,
    pub(crate) root: Arc<Root>,
    pub(crate) limits: Limits,
    pub(crate) intake: Intake,
    pub(crate) routes: Routes<Arc<PoolHandle<J, O>>>,
    pub(crate) fence: Fence<J, O>,
    pub(crate) delayed: Mutex<Delayed<Sleeping<J, O>>>,
    /// Jobs admitted before that no version takes at the moment. They go on when a table is published.
    pub(crate) unrouted: Mutex<VecDeque<Envelope<J, O>>>,
    pub(crate) dead: DeadLetters<J>,
    /// Jobs that were taken out at shutdown and wait for the hook.
    pub(crate) handed_back: Mutex<Vec<HandedBack<J>>>,
    pub(crate) counters: Counters,
    last_job: AtomicU64,
    last_worker: AtomicU64,
    /// The earliest deadline of a waiting job, in nanoseconds: a sweep before this would find nothing.
    earliest_deadline: AtomicU64,
    dispatcher: Mutex<Option<NewsPort>>,
}

type NewsPort = Box<dyn Fn(News) + Send + Sync>;

/// What the mailboxes do not count.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) admitted_delayed: AtomicU64,
    /// Of pools that are gone.
    pub(crate) admitted_before: AtomicU64,
    pub(crate) done_before: AtomicU64,
    pub(crate) faults_before: AtomicU64,
    pub(crate) discarded: AtomicU64,
    pub(crate) expired: AtomicU64,
    pub(crate) handed_back: AtomicU64,
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

impl<J, O> DataPlane<J, O> {
    pub(crate) fn new(name: &str, root: Arc<Root>, limits: Limits) -> Self {
        Self {
            name: name.into(),
            place: Place::new(),
            root,
            limits,
            intake: Intake::new(),
            routes: Routes::new(),
            fence: Fence::new(),
            delayed: Mutex::new(Delayed::new()),
            unrouted: Mutex::new(VecDeque::new()),
            dead: DeadLetters::new(limits.dead_letters),
            handed_back: Mutex::new(Vec::new()),
            counters: Counters::default(),
            last_job: AtomicU64::new(0),
            last_worker: AtomicU64::new(0),
            earliest_deadline: AtomicU64::new(u64::MAX),
            dispatcher: Mutex::new(None),
        }
    }

    pub(crate) fn next_job(&self) -> JobId {
        JobId::new(self.last_job.fetch_add(1, Relaxed) + 1)
    }

    pub(crate) fn next_worker(&self) -> WorkerId {
        WorkerId::new(self.last_worker.fetch_add(1, Relaxed) + 1)
    }

    pub(crate) fn now(&self) -> Time {
        self.root.clock.now()
    }

    /// Tells whoever watches. `make` gets the name of the community, and is called only if somebody does.
    pub(crate) fn tell(&self, make: impl FnOnce(Arc<str>) -> Event) {
        self.root.events.tell(|| make(Arc::clone(&self.name)));
    }

    // ---- the dispatcher --------------------------------------------------------------------------------------------

    /// From now on, news goes to this dispatcher.
    pub(crate) fn set_dispatcher(&self, tell: impl Fn(News) + Send + Sync + 'static) {
        *self.dispatcher.lock() = Some(Box::new(tell));
    }

    pub(crate) fn tell_dispatcher(&self, news: News) {
        if let Some(tell) = &*self.dispatcher.lock() {
            tell(news);
        }
    }

    /// Publishes a table, and lets the jobs go on that waited for one.
    pub(crate) fn publish(&self, table: RoutingTable<Arc<PoolHandle<J, O>>>) {
        self.routes.publish(table);
        let waiting = std::mem::take(&mut *self.unrouted.lock());
        for job in waiting {
            self.readmit(job);
        }
    }

    // ---- new jobs --------------------------------------------------------------------------------------------------

    /// Admits a new job without waiting, or says what is in the way.
    pub(crate) fn try_admit(&self, job: Envelope<J, O>) -> Result<(), NotNow<J, O>> {
        let mut job = job;
        loop {
            if self.turns_away() {
                return Err((job, Obstacle::Closed));
            }
            let table = self.routes.load();
            let pool = match table.resolve(job.pin()) {
                Ok(pool) => pool,
                Err(NoRoute::NoVersion) => return Err((job, Obstacle::NoVersion(table.revision))),
                Err(NoRoute::PinUnserved) => return Err((job, Obstacle::PinUnserved)),
            };
            let refused = match self.admit_at(pool, job, Sender::Outside) {
                Ok(()) => return Ok(()),
                Err((back, Refusal::Full)) if inside::sender_to(self.place) == Sender::Inside => {
                    self.admit_at(pool, back, Sender::Inside)
                }
                Err(refused) => Err(refused),
            };
            match refused {
                Ok(()) => return Ok(()),
                Err((back, Refusal::Full)) => return Err((back, Obstacle::Full(Arc::clone(pool)))),
                Err((back, Refusal::Gate)) if self.routes.load().revision == table.revision => {
                    let obstacle = if back.pin().is_some() {
                        Obstacle::PinUnserved
                    } else {
                        Obstacle::NoVersion(table.revision)
                    };
                    return Err((back, obstacle));
                }
                // The table was replaced between the look and the push.
                Err((back, Refusal::Gate)) => job = back,
            }
        }
    }

    /// Admits a new job to this pool. The job passes the fence under the lock of the mailbox, so that jobs of one key are in the fence
    /// in the order in which they were admitted.
    pub(crate) fn admit_at(
        &self,
        pool: &Arc<PoolHandle<J, O>>,
        job: Envelope<J, O>,
        from: Sender,
    ) -> Result<(), (Envelope<J, O>, Refusal)> {
        let deadline = job.deadline();
        let pinned = job.is_pinned();
        let mut slot = Some(job);
        let admitted = pool.mailbox.admit(from, pinned, || {
            let job = slot.take()?;
            if job.wants_key() { self.fence.enter(job, pool) } else { Some(job) }
        });
        match (admitted, slot) {
            (Err(refusal), Some(job)) => return Err((job, refusal)),
            // An admitted job is not in the slot any more, and a refused one still is.
            (Ok(()), _) | (Err(_), None) => {}
        }
        if let Some(deadline) = deadline {
            self.note_deadline(deadline);
        }
        Ok(())
    }

    /// Admits a new job, waiting for a version and for room.
    ///
    /// Dropping the future before it is ready means that the job was not admitted.
    pub(crate) async fn admit(&self, mut job: Envelope<J, O>) -> Result<(), SendError<J>> {
        loop {
            let (back, obstacle) = match self.try_admit(job) {
                Ok(()) => return Ok(()),
                Err(refused) => refused,
            };
            job = back;
            match obstacle {
                Obstacle::Closed => return Err(SendError::Closed(job.payload)),
                Obstacle::PinUnserved => return Err(self.pin_unserved(job)),
                Obstacle::NoVersion(seen) => {
                    if inside::sender_to(self.place) == Sender::Inside {
                        return Err(SendError::NoVersion(job.payload));
                    }
                    let newer = self.routes.newer_than(seen, || self.turns_away());
                    self.intake.unless_closed(|| self.turns_away(), newer).await;
                }
                Obstacle::Full(pool) => {
                    if inside::sender_to(self.place) == Sender::Inside {
                        return Err(SendError::Full(job.payload));
                    }
                    match self.admit_when_room(&pool, job).await {
                        Ok(()) => return Ok(()),
                        Err(back) => job = back,
                    }
                }
            }
        }
    }

    /// Waits for room at this pool, keeping the place in the line. Gives the job back when it has to be resolved anew.
    async fn admit_when_room(
        &self,
        pool: &Arc<PoolHandle<J, O>>,
        mut job: Envelope<J, O>,
    ) -> Result<(), Envelope<J, O>> {
        let mut room = pool.mailbox.room(Sender::Outside, job.is_pinned());
        loop {
            if !self.intake.unless_closed(|| self.turns_away(), &mut room).await {
                return Err(job);
            }
            match self.admit_at(pool, job, Sender::Outside) {
                Ok(()) => {
                    room.admitted();
                    return Ok(());
                }
                Err((back, Refusal::Full)) => job = back,
                Err((back, Refusal::Gate)) => return Err(back),
            }
        }
    }

    /// Waits until a new job would probably be admitted.
    pub(crate) async fn ready(&self) -> Result<(), SendError<()>> {
        loop {
            if self.turns_away() {
                return Err(SendError::Closed(()));
            }
            let table = self.routes.load_full();
            match &table.current {
                None => {
                    let newer = self.routes.newer_than(table.revision, || self.turns_away());
                    self.intake.unless_closed(|| self.turns_away(), newer).await;
                }
                Some(pool) => {
                    let mut room = pool.mailbox.room(Sender::Outside, false);
                    self.intake.unless_closed(|| self.turns_away(), &mut room).await;
                    match pool.mailbox.has_room(Sender::Outside, false) {
                        // This sender has been woken for the room and will use it, or say so by waiting again.
                        Ok(()) => return Ok(()),
                        Err(Refusal::Full | Refusal::Gate) => {}
                    }
                }
            }
        }
    }

    /// Whether whoever runs here may not send any more.
    pub(crate) fn turns_away(&self) -> bool {
        match self.intake.stage() {
            Stage::Open => false,
            Stage::WorkersOnly => !inside::is_worker_of(self.root.place),
            Stage::Closed => true,
        }
    }

    pub(crate) fn pin_unserved(&self, job: Envelope<J, O>) -> SendError<J> {
        let current = self.current_version();
        match job.extras.and_then(|extras| extras.pin) {
            Some(version) => SendError::PinUnserved { job: job.payload, version, current },
            None => SendError::Closed(job.payload),
        }
    }

    pub(crate) fn current_version(&self) -> Option<Version> {
        self.routes.load().current.as_ref().map(|pool| pool.version.clone())
    }

    // ---- deadlines -------------------------------------------------------------------------------------------------

    /// A job with this deadline waits: the dispatcher has to look by then.
    pub(crate) fn note_deadline(&self, deadline: Time) {
        if self.earliest_deadline.fetch_min(deadline.as_nanos(), AcqRel) > deadline.as_nanos() {
            self.tell_dispatcher(News::DueEarlier);
        }
    }

    pub(crate) fn earliest_deadline(&self) -> Time {
        Time::from_nanos(self.earliest_deadline.load(Acquire))
    }

    /// Begins to look for the earliest deadline anew.
    pub(crate) fn forget_deadlines(&self) {
        self.earliest_deadline.store(u64::MAX, std::sync::atomic::Ordering::Release);
    }
}
