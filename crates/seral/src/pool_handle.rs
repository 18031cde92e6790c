//! What the data plane knows of one pool: its mailbox and its workers' desks.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use parking_lot::Mutex;
use seral_core::id::PoolId;
use seral_core::id::Version;
use seral_core::mailbox::Seat;

use crate::desk::Desk;
use crate::desk::Tally;
use crate::desk::Urge;
use crate::job::Envelope;
use crate::mailbox::Mailbox;
use crate::vitals::WorkerState;

/// One pool, as senders and the dispatcher reach it.
pub(crate) struct PoolHandle<J, O> {
    pub(crate) id: PoolId,
    pub(crate) version: Version,
    pub(crate) mailbox: Mailbox<Envelope<J, O>>,
    /// How many workers it is to have.
    pub(crate) size: AtomicUsize,
    workers: Mutex<Workers<J, O>>,
}

struct Workers<J, O> {
    present: Vec<Present<J, O>>,
    departed: Tally,
}

struct Present<J, O> {
    seat: Seat,
    desk: Arc<Desk<J, O>>,
}

impl<J, O> PoolHandle<J, O> {
    pub(crate) fn new(id: PoolId, version: Version, size: usize, mailbox: Mailbox<Envelope<J, O>>) -> Self {
        Self {
            id,
            version,
            mailbox,
            size: AtomicUsize::new(size),
            workers: Mutex::new(Workers { present: Vec::new(), departed: Tally::default() }),
        }
    }

    pub(crate) fn size(&self) -> usize {
        self.size.load(Relaxed)
    }

    // ---- workers come and go ---------------------------------------------------------------------------------------

    /// A worker takes a seat.
    pub(crate) fn join(&self, desk: &Arc<Desk<J, O>>) -> Seat {
        let mut workers = self.workers.lock();
        let seat = self.mailbox.attach();
        workers.present.push(Present { seat, desk: Arc::clone(desk) });
        if desk.state() == WorkerState::Quiet {
            // It was asked to leave before it came.
            self.mailbox.dismiss(seat);
        }
        seat
    }

    /// A worker leaves, however it ended: what it has not begun goes back, its tally stays.
    pub(crate) fn leave(&self, seat: Seat, desk: &Arc<Desk<J, O>>) {
        self.take_back(desk);
        let mut workers = self.workers.lock();
        workers.departed += desk.tally();
        workers.present.retain(|present| !Arc::ptr_eq(&present.desk, desk));
        drop(workers);
        self.mailbox.detach(seat, desk.take_unreported());
    }

    /// Asks a worker to leave after its job. One that has not taken its seat yet leaves when it does.
    pub(crate) fn dismiss(&self, desk: &Arc<Desk<J, O>>) {
        {
            let workers = self.workers.lock();
            desk.set_state(WorkerState::Quiet);
            if let Some(present) = workers.present.iter().find(|present| Arc::ptr_eq(&present.desk, desk)) {
                self.mailbox.dismiss(present.seat);
            }
        }
        self.take_back(desk);
    }

    /// Jobs that lie on this desk and were not begun go back to the front of the mailbox.
    pub(crate) fn take_back(&self, desk: &Desk<J, O>) {
        let jobs = desk.clear();
        if !jobs.is_empty() {
            self.mailbox.give_back(jobs);
        }
    }

    // ---- all workers -----------------------------------------------------------------------------------------------

    /// The desks of all workers that are present.
    pub(crate) fn desks(&self) -> Vec<Arc<Desk<J, O>>> {
        self.workers.lock().present.iter().map(|present| Arc::clone(&present.desk)).collect()
    }

    /// Workers finish the job in hand and take nothing more; what they had not begun waits again.
    pub(crate) fn halt(&self) {
        self.mailbox.halt();
        for desk in self.desks() {
            self.take_back(&desk);
        }
    }

    /// Asks all workers to end their jobs.
    pub(crate) fn urge(&self, urge: Urge) {
        for desk in self.desks() {
            desk.urge(urge);
        }
    }

    /// What all workers have done, those that left included.
    pub(crate) fn tally(&self) -> Tally {
        let workers = self.workers.lock();
        let mut tally = workers.departed;
        for present in &workers.present {
            tally += present.desk.tally();
        }
        tally
    }
}

impl<J, O> fmt::Debug for PoolHandle<J, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pool {} of version {}", self.id, self.version)
    }
}
