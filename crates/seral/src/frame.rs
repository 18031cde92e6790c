//! The frame of a data plane: who it is, its limits, its counts, and whom it tells. All but its jobs.
//!
//! None of it depends on the type of the jobs, so it is compiled once. A [`DataPlane`](crate::plane::DataPlane) is this and its jobs.

use std::hash::BuildHasher;
use std::hash::RandomState;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::AcqRel;
use std::sync::atomic::Ordering::Acquire;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::Ordering::Release;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use parking_lot::Mutex;
use seral_core::guard::GuardPolicy;
use seral_core::heartbeat::HeartbeatPolicy;
use seral_core::id::PoolId;
use seral_core::id::WorkerId;
use seral_core::restart::RestartPolicy;
use seral_core::retry::RetryPolicy;
use seral_core::time::Time;

use crate::event::Event;
use crate::guards::Guards;
use crate::guards::Seen;
use crate::inside::Place;
use crate::intake::Intake;
use crate::root::Root;
use crate::root::Stir;

/// The limits of a community. Each has a default, with its reason where it is set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) mailbox: usize,
    pub(crate) delayed: usize,
    pub(crate) dead_letters: usize,
    pub(crate) retry: RetryPolicy,
    pub(crate) timeout: Option<Duration>,
    pub(crate) restart: RestartPolicy,
    pub(crate) heartbeat: HeartbeatPolicy,
    pub(crate) guard: GuardPolicy,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // A tenth of a second of work at 100,000 jobs a second: enough to keep workers busy, little enough to drain at once.
            mailbox: 10_000,
            // Some 400 MB of small jobs: a limit against runaway senders, not a target.
            delayed: 1_000_000,
            // More than a person will look at one by one.
            dead_letters: 10_000,
            retry: RetryPolicy::default(),
            // Nobody but the user knows how long a job may take; one that takes long is reported.
            timeout: None,
            restart: RestartPolicy::default(),
            heartbeat: HeartbeatPolicy::default(),
            guard: GuardPolicy::default(),
        }
    }
}

/// What the data plane tells the dispatcher. All of it can also be found by looking, so that a dispatcher that starts anew has missed
/// nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// This pool has been drained, or is not any more, since a job came that names its version.
    DrainedOrRevived(PoolId),
    /// Something is due earlier than was known.
    DueEarlier,
    /// The version with this pool was found to be bad.
    Condemned(PoolId),
}

/// See the [module](self).
pub(crate) struct Frame {
    pub(crate) name: Arc<str>,
    pub(crate) place: Place,
    pub(crate) root: Arc<Root>,
    pub(crate) stir: Arc<Stir>,
    pub(crate) limits: Limits,
    pub(crate) intake: Intake,
    pub(crate) guards: Guards,
    pub(crate) counters: Counters,
    /// Of the pauses between attempts.
    pub(crate) seed: u64,
    moving: AtomicUsize,
    pub(crate) moves: AtomicU64,
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
    pub(crate) cancelled: AtomicU64,
    pub(crate) handed_back: AtomicU64,
}

/// Jobs on the move between two places that are counted.
pub(crate) struct Moving<'a> {
    count: &'a AtomicUsize,
    moves: &'a AtomicU64,
    stir: &'a Stir,
    jobs: usize,
}

impl Drop for Moving<'_> {
    fn drop(&mut self) {
        // The arrival is a move of its own: who looked at the place before, and at this count after, must look again.
        self.moves.fetch_add(1, SeqCst);
        self.count.fetch_sub(self.jobs, SeqCst);
        self.stir.tell();
    }
}

impl Frame {
    pub(crate) fn new(name: &str, root: Arc<Root>, limits: Limits) -> Self {
        let given = limits.retry.seed_given().or(root.seed);
        Self {
            name: name.into(),
            place: Place::new(),
            stir: Arc::new(Stir::new(Arc::clone(&root))),
            root,
            limits,
            intake: Intake::new(),
            guards: Guards::new(),
            counters: Counters::default(),
            // The only source of chance in std.
            seed: given.unwrap_or_else(|| RandomState::new().hash_one(name)),
            moving: AtomicUsize::new(0),
            moves: AtomicU64::new(0),
            last_worker: AtomicU64::new(0),
            earliest_deadline: AtomicU64::new(u64::MAX),
            dispatcher: Mutex::new(None),
        }
    }

    pub(crate) fn next_worker(&self) -> WorkerId {
        WorkerId::new(self.last_worker.fetch_add(1, Relaxed) + 1)
    }

    #[inline]
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

    /// A first attempt failed. Whoever is condemned by that, the dispatcher hears of.
    pub(crate) fn saw_failure(&self, seen: Seen<'_>) {
        if let Some(pool) = self.guards.saw(seen) {
            self.tell_dispatcher(News::Condemned(pool));
        }
    }

    /// A first attempt was well and took so long, which may be slow.
    pub(crate) fn saw_slow(&self, seen: Seen<'_>, took: Duration) {
        if let Some(pool) = self.guards.saw_slow(seen, took) {
            self.tell_dispatcher(News::Condemned(pool));
        }
    }

    // ---- on the move -----------------------------------------------------------------------------------------------

    /// So many jobs have been taken from where they are counted, and are counted as moving until this is dropped.
    #[inline]
    pub(crate) fn moving(&self, jobs: usize) -> Moving<'_> {
        self.moving.fetch_add(jobs, SeqCst);
        self.moves.fetch_add(1, SeqCst);
        Moving { count: &self.moving, moves: &self.moves, stir: &self.stir, jobs }
    }

    /// How many jobs are on the move.
    #[inline]
    pub(crate) fn jobs_moving(&self) -> usize {
        self.moving.load(SeqCst)
    }

    /// How often jobs have been moved to or from where time or a table is waited for. If it is the same before and after a look at all
    /// places, no job slipped from a place that was still to be looked at to one that had been.
    pub(crate) fn moves(&self) -> u64 {
        self.moves.load(SeqCst)
    }

    // ---- deadlines -------------------------------------------------------------------------------------------------

    /// A job with this deadline waits: the dispatcher has to look by then.
    #[inline]
    pub(crate) fn note_deadline(&self, deadline: Time) {
        if self.earliest_deadline.fetch_min(deadline.as_nanos(), AcqRel) > deadline.as_nanos() {
            self.tell_dispatcher(News::DueEarlier);
        }
    }

    /// As [`note_deadline`](Self::note_deadline), for a job that may have none.
    #[inline]
    pub(crate) fn note_deadline_of(&self, deadline: Option<Time>) {
        if let Some(deadline) = deadline {
            self.note_deadline(deadline);
        }
    }

    pub(crate) fn earliest_deadline(&self) -> Time {
        Time::from_nanos(self.earliest_deadline.load(Acquire))
    }

    /// Begins to look for the earliest deadline anew.
    pub(crate) fn forget_deadlines(&self) {
        self.earliest_deadline.store(u64::MAX, Release);
    }
}
