//! A pool as the control plane knows it, whatever its jobs are.
//!
//! What supervises, decides and watches sees no job. It goes through these traits, so it is compiled once, and not again for each type of job.
//! The path of a job goes through none of them.

use std::any::Any;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use seral_core::heartbeat::Change;
use seral_core::heartbeat::HeartbeatPolicy;
use seral_core::id::JobId;
use seral_core::id::PoolId;
use seral_core::id::Version;
use seral_core::id::WorkerId;
use seral_core::mailbox::Counts;
use seral_core::mailbox::Drained;
use seral_core::mailbox::Limit;
use seral_core::mailbox::NotWarm;
use seral_core::mailbox::Queued;
use seral_core::time::Time;

use crate::desk::Desk;
use crate::desk::Urge;
use crate::heartbeat::Vital;
use crate::mailbox::Mailbox;
use crate::pace::Pace;
use crate::tally::Tally;
use crate::vitals::WorkerState;

/// What is known of a pool, whatever its jobs are.
pub(crate) struct PoolFacts {
    pub(crate) id: PoolId,
    pub(crate) version: Version,
    /// How many workers it is to have.
    pub(crate) size: AtomicUsize,
    /// How long its jobs take.
    pub(crate) pace: Pace,
}

impl PoolFacts {
    pub(crate) fn new(id: PoolId, version: Version, size: usize) -> Self {
        Self { id, version, size: AtomicUsize::new(size), pace: Pace::new() }
    }

    pub(crate) fn size(&self) -> usize {
        self.size.load(Relaxed)
    }
}

/// A pool of any type.
pub(crate) trait AnyPool: Any + Send + Sync {
    fn facts(&self) -> &PoolFacts;
    fn mailbox(&self) -> &dyn AnyMailbox;
    /// The desks of all workers that are present.
    fn any_desks(&self) -> Vec<Arc<dyn AnyDesk>>;
    fn has_running_worker(&self) -> bool;
    /// How many jobs are in its workers' hands, and how many of them run.
    fn in_hand(&self) -> (u64, u64);
    fn tally(&self) -> Tally;
    /// For how long the job has waited that has waited longest.
    fn oldest_waiting(&self, now: Time) -> Option<Duration>;
    fn holds(&self) -> usize;
    fn set_holds(&self, pins: usize);
    /// Asks a worker to leave after its job.
    fn dismiss(&self, desk: &dyn AnyDesk);
    /// Jobs that lie on this desk and were not begun go back to the front of the mailbox.
    fn take_back_from(&self, desk: &dyn AnyDesk);
    fn halt(&self);
    fn urge(&self, urge: Urge);
    fn ask_to_yield(&self);
    fn relent(&self);
}

impl Deref for dyn AnyPool {
    type Target = PoolFacts;

    fn deref(&self) -> &PoolFacts {
        self.facts()
    }
}

/// The mailbox of such a pool; see [`Mailbox`].
pub(crate) trait AnyMailbox: Send + Sync {
    fn open(&self, limit: Limit) -> Result<(), Drained>;
    fn reserve(&self) -> Result<(), Drained>;
    fn narrow(&self);
    fn shut(&self);
    fn seal(&self);
    fn keep_warm(&self, kept: bool);
    fn cool(&self) -> Result<(), NotWarm>;
    fn resume(&self);
    fn detain(&self) -> Result<(), Drained>;
    fn release(&self);
    fn hurry(&self);
    fn is_drained(&self) -> bool;
    fn is_warm(&self) -> bool;
    fn is_quiet(&self) -> bool;
    fn counts(&self) -> Counts;
}

/// The desk of one of its workers; see [`Desk`].
pub(crate) trait AnyDesk: Vital {
    fn number(&self) -> WorkerId;
    fn state(&self) -> WorkerState;
    fn set_state(&self, state: WorkerState);
    fn ended(&self) -> u64;
    fn restarts(&self) -> u64;
    fn in_hand(&self) -> Option<JobId>;
    fn not_begun(&self) -> usize;
    fn at_job_for(&self) -> Duration;
    fn look(&self, policy: HeartbeatPolicy, now: Time) -> Option<Change>;
    fn urge(&self, urge: Urge);
}

impl<T: Queued + Send> AnyMailbox for Mailbox<T> {
    fn open(&self, limit: Limit) -> Result<(), Drained> {
        Mailbox::open(self, limit)
    }

    fn reserve(&self) -> Result<(), Drained> {
        Mailbox::reserve(self)
    }

    fn narrow(&self) {
        Mailbox::narrow(self);
    }

    fn shut(&self) {
        Mailbox::shut(self);
    }

    fn seal(&self) {
        Mailbox::seal(self);
    }

    fn keep_warm(&self, kept: bool) {
        Mailbox::keep_warm(self, kept);
    }

    fn cool(&self) -> Result<(), NotWarm> {
        Mailbox::cool(self)
    }

    fn resume(&self) {
        Mailbox::resume(self);
    }

    fn detain(&self) -> Result<(), Drained> {
        Mailbox::detain(self)
    }

    fn release(&self) {
        Mailbox::release(self);
    }

    fn hurry(&self) {
        Mailbox::hurry(self);
    }

    fn is_drained(&self) -> bool {
        Mailbox::is_drained(self)
    }

    fn is_warm(&self) -> bool {
        Mailbox::is_warm(self)
    }

    fn is_quiet(&self) -> bool {
        Mailbox::is_quiet(self)
    }

    fn counts(&self) -> Counts {
        Mailbox::counts(self)
    }
}

impl<J: Send + Sync, O: Send> AnyDesk for Desk<J, O> {
    fn number(&self) -> WorkerId {
        self.worker
    }

    fn state(&self) -> WorkerState {
        Desk::state(self)
    }

    fn set_state(&self, state: WorkerState) {
        Desk::set_state(self, state);
    }

    fn ended(&self) -> u64 {
        Desk::ended(self)
    }

    fn restarts(&self) -> u64 {
        Desk::restarts(self)
    }

    fn in_hand(&self) -> Option<JobId> {
        Desk::in_hand(self)
    }

    fn not_begun(&self) -> usize {
        Desk::not_begun(self)
    }

    fn at_job_for(&self) -> Duration {
        Desk::at_job_for(self)
    }

    fn look(&self, policy: HeartbeatPolicy, now: Time) -> Option<Change> {
        Desk::look(self, policy, now)
    }

    fn urge(&self, urge: Urge) {
        Desk::urge(self, urge);
    }
}
