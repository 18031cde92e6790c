//! The mailbox of a pool: who may send, who takes, whom to wake, and when it is drained.
//!
//! This is the machine that runs under the mailbox's one lock. It never wakes anybody itself: each operation returns
//! [`Wakes`], and the caller wakes after it has let go of the lock. `W` is whatever the caller wakes with.
//!
//! # The protocol
//!
//! **Senders.** A new job is admitted when the [`Gate`] lets it through and there is room. Without room the sender
//! registers and waits; it is woken when the mailbox is half empty, then tries again. Room is not reserved for it: a woken
//! sender that nobody polls holds nobody up for longer than until the next [`Mailbox::hurry`]. One that gives up passes its wake-up on ([`Mailbox::cancel`]). When the gate
//! narrows, all waiting senders are woken, find it, and go elsewhere. Jobs that were admitted before always have room. Where there is a
//! [`Limit`] and it is reached, no sender begins to wait, since another version takes the job; those that wait already are woken by the next [`Mailbox::hurry`].
//!
//! **Workers.** Each has a [`Seat`]. A worker that finds nothing to take becomes idle. A push wakes the worker that became
//! idle last, and only if no wake-up is on its way; the woken worker, having taken its batch, wakes the next if jobs are
//! left. So a busy worker is never disturbed, and a burst wakes as many workers as it needs. A worker that leaves while a
//! wake-up is on its way to it passes the wake-up on.
//!
//! **Counting.** A job that was admitted is in exactly one place: *waiting* here, *held* in the fence of the community (and
//! counted against this capacity), *leased* to a worker, or *in transit* to another mailbox. Jobs that name this version and
//! wait elsewhere, delayed or fenced, are counted as *pins away*.
//!
//! **Drained** is decided here and nowhere else: the gate is not open, and nothing waits, is leased, in transit, or
//! pinned to this version elsewhere. It is announced once, shuts the gate, sends the workers home, and is final; until
//! then the gate can be opened again. A mailbox that is *kept warm* keeps its workers then, and can be opened again, until it is cooled.

use std::collections::VecDeque;

use crate::end::End;
use crate::id::Priority;
use crate::limit::Quota;
use crate::line::Line;
use crate::queue::Queue;
use crate::seats::Seats;

pub use crate::counts::Counts;
pub use crate::end::Drained;
pub use crate::end::NotWarm;
pub use crate::gate::Gate;
pub use crate::gate::Refusal;
pub use crate::gate::Sender;
pub use crate::limit::Limit;
pub use crate::line::Ticket;
pub use crate::queue::Queued;
pub use crate::seats::Seat;
pub use crate::wakes::Take;
pub use crate::wakes::Wakes;

/// The state of one pool's mailbox. See the [module](self) for the protocol.
///
/// What each push reads and writes comes first, and the queue last of that, whose first words are of the same kind: threads that send bring
/// these few lines of the cache to each other for each job.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Mailbox<T, W> {
    pub(crate) gate: Gate,
    halted: bool,
    pub(crate) end: End,
    pub(crate) capacity: usize,
    admitted: u64,
    pub(crate) held: usize,
    pub(crate) leased: usize,
    pub(crate) in_transit: usize,
    pub(crate) seats: Seats<W>,
    pub(crate) queue: Queue<T>,

    pub(crate) pins_away: usize,
    /// Those of them that are no jobs: somebody decides, and nobody needs to hear of it.
    pub(crate) detained: usize,
    pub(crate) line: Line<W>,
    pub(crate) quota: Quota,
    pub(crate) kept: bool,
}

impl<T: Queued, W> Mailbox<T, W> {
    /// A mailbox that admits `capacity` jobs (at least one), with its gate shut.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            gate: Gate::Shut,
            halted: false,
            end: End::NotInSight,
            queue: Queue::new(),
            admitted: 0,
            held: 0,
            leased: 0,
            in_transit: 0,
            pins_away: 0,
            detained: 0,
            seats: Seats::new(),
            line: Line::new(),
            quota: Quota::NONE,
            kept: false,
        }
    }

    // ---- senders ---------------------------------------------------------------------------------------------------

    /// Admits a new job, if the gate and the room allow it. `place` is called only then, and decides where the job waits: here
    /// (`Some`), or in the fence behind an earlier job of its key (`None`). Returns the worker to wake, if any.
    ///
    /// # Errors
    ///
    /// The job and the [`Refusal`] when it is not admitted; then `place` was not called.
    #[inline(always)]
    pub fn admit(
        &mut self,
        from: Sender,
        job: T,
        place: impl FnOnce(T) -> Option<T>,
    ) -> Result<Option<W>, (T, Refusal)> {
        let pinned = job.is_pinned();
        if !self.gate.lets_through(pinned) {
            return self.admit_within_limit(from, job, place);
        }
        if self.is_full(from) {
            return Err((job, Refusal::Full));
        }
        Ok(self.let_in(job, pinned, place))
    }

    /// [`admit`](Self::admit) for a job that the gate does not let through at once: there may be a limit that is not reached.
    #[cold]
    fn admit_within_limit(
        &mut self,
        from: Sender,
        job: T,
        place: impl FnOnce(T) -> Option<T>,
    ) -> Result<Option<W>, (T, Refusal)> {
        if let Err(refusal) = self.has_room(from, job.is_pinned()) {
            return Err((job, refusal));
        }
        let waiting = self.queue.len();
        let worker = self.let_in(job, false, place);
        if self.queue.len() > waiting {
            self.quota.count();
        }
        Ok(worker)
    }

    #[inline(always)]
    fn let_in(&mut self, job: T, pinned: bool, place: impl FnOnce(T) -> Option<T>) -> Option<W> {
        self.admitted += 1;
        match place(job) {
            Some(job) => {
                self.queue.push(job.priority(), job);
                self.worker_to_wake()
            }
            None => {
                self.held += 1;
                self.pins_away += usize::from(pinned);
                None
            }
        }
    }

    /// Registers a sender that found no room. One that was woken and found none again keeps its place with its `ticket`.
    pub fn wait(&mut self, ticket: Option<Ticket>, waker: W) -> Ticket {
        self.line.join(ticket, waker)
    }

    /// Removes a sender that was admitted. It needs no wake-up any more.
    pub fn forget(&mut self, ticket: Ticket) {
        self.line.leave(ticket);
    }

    /// Removes a sender that gave up, or that goes elsewhere since the limit is reached. If it had been woken, its wake-up goes to the
    /// next in line.
    pub fn cancel(&mut self, ticket: Ticket) -> Wakes<W> {
        let mut wakes = Wakes::none();
        let was_woken = !self.line.leave(ticket);
        if was_woken && self.used() < self.capacity {
            wakes.others.extend(self.line.wake(1));
        }
        wakes
    }

    /// Takes back a job that was admitted before: a retry, a recalled job, the next of a key. There is always room. Returns the worker to
    /// wake, if any.
    ///
    /// # Errors
    ///
    /// The job, if the gate does not let it through, or the limit is reached.
    pub fn readmit(&mut self, job: T) -> Result<Option<W>, T> {
        self.enter_admitted(job, Queue::readmit)
    }

    /// As [`readmit`](Self::readmit), for a delayed job that is due: it stands behind the jobs that wait.
    ///
    /// # Errors
    ///
    /// The job, if the gate does not let it through, or the limit is reached.
    pub fn enter_due(&mut self, job: T) -> Result<Option<W>, T> {
        self.enter_admitted(job, Queue::push)
    }

    fn enter_admitted(&mut self, job: T, enter: fn(&mut Queue<T>, Priority, T)) -> Result<Option<W>, T> {
        if !self.gate.lets_through(job.is_pinned()) {
            if self.limit_allows().is_err() {
                return Err(job);
            }
            self.quota.count();
        }
        enter(&mut self.queue, job.priority(), job);
        Ok(self.worker_to_wake())
    }

    /// Counts a job of the fence, admitted before, against this capacity.
    pub fn hold(&mut self) {
        self.held += 1;
    }

    /// A job that was held against this capacity has left the fence.
    pub fn unhold(&mut self) -> Wakes<W> {
        self.held -= 1;
        let mut wakes = Wakes::none();
        self.wake_senders(&mut wakes);
        self.look_round(&mut wakes);
        wakes
    }

    // ---- workers ---------------------------------------------------------------------------------------------------

    /// Gives a worker a seat. It counts as busy until it comes to take.
    pub fn attach(&mut self) -> Seat {
        self.seats.attach()
    }

    /// A worker comes for its next batch, and reports how many of its jobs it `settled` since it came last. Up to `max` jobs, and
    /// no more than its fair share of what waits, go into `out`, which is empty. `park` is called if it has to wait. Whom to wake is
    /// written into `wakes`, which names nobody: to return it would copy it several times, in the midst of each visit.
    pub fn take(
        &mut self,
        seat: Seat,
        settled: usize,
        max: usize,
        out: &mut VecDeque<T>,
        wakes: &mut Wakes<W>,
        park: impl FnOnce() -> W,
    ) -> Take {
        self.leased -= settled;
        self.seats.arrive(seat);
        if settled > 0 {
            self.look_round(wakes);
        }
        if self.end == End::Drained || self.seats.is_leaving(seat) {
            wakes.worker = self.worker_to_wake();
            return Take::Leave;
        }
        if self.halted || self.queue.is_empty() {
            self.seats.park(seat, park());
            return Take::Idle;
        }
        let fair_share = self.queue.len().div_ceil(self.seats.occupied());
        self.leased += self.queue.take(max.min(fair_share), out);
        wakes.worker = self.worker_to_wake();
        self.wake_senders(wakes);
        Take::Jobs
    }

    /// Jobs that a worker took and did not begin come back to the front, in their order. The gate does not matter: they never
    /// left this pool.
    pub fn give_back(&mut self, jobs: impl DoubleEndedIterator<Item = T>) -> Wakes<W> {
        for job in jobs.rev() {
            self.leased -= 1;
            self.queue.give_back(job.priority(), job);
        }
        let mut wakes = Wakes::none();
        wakes.worker = self.worker_to_wake();
        wakes
    }

    /// A worker that will not come for a while reports the jobs that it `settled` since it came last.
    pub fn report(&mut self, settled: usize) -> Wakes<W> {
        self.leased -= settled;
        let mut wakes = Wakes::none();
        self.look_round(&mut wakes);
        wakes
    }

    /// Asks one worker to leave when it has settled the job in hand.
    pub fn dismiss(&mut self, seat: Seat) -> Wakes<W> {
        let mut wakes = Wakes::none();
        wakes.others.extend(self.seats.dismiss(seat));
        wakes
    }

    /// A worker gives up its seat, however it ended, and reports the jobs it `settled` since it came last.
    pub fn detach(&mut self, seat: Seat, settled: usize) -> Wakes<W> {
        let mut wakes = Wakes::none();
        self.leased -= settled;
        self.seats.detach(seat);
        self.look_round(&mut wakes);
        wakes.worker = self.worker_to_wake();
        wakes
    }

    /// Called at intervals. A wake-up that was on its way at the last call and has not arrived is stuck behind a task that blocks its
    /// thread: another worker is woken in its place. Senders that still wait though there is room are woken too: one that was woken before
    /// them may never come. And so are those whose jobs are beyond the limit.
    pub fn hurry(&mut self) -> Wakes<W> {
        let mut wakes = Wakes::none();
        if self.seats.is_wake_up_stuck() {
            wakes.worker = self.worker_to_wake();
        }
        self.wake_senders_beyond_limit(&mut wakes);
        self.wake_senders(&mut wakes);
        wakes
    }

    // ---- control ---------------------------------------------------------------------------------------------------

    /// Lets all jobs in; of those that do not name this version, only as many as the limit says. What waits here counts as earlier than
    /// jobs that are moved here from now on. What is used up of a limit stays so if it is opened with an equal one again.
    ///
    /// # Errors
    ///
    /// [`Drained`], which is final. A sealed mailbox counts as drained here; one that is warm does not.
    pub fn open(&mut self, limit: Limit) -> Result<Wakes<W>, Drained> {
        let gate = if limit == Limit::None { Gate::Open } else { Gate::Limited };
        self.open_to(gate, limit)
    }

    /// Lets only jobs in that name this version, and does not drain: it is there for them as long as it is not closed. All waiting senders
    /// are woken: those whose jobs do not name it go elsewhere.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn reserve(&mut self) -> Result<Wakes<W>, Drained> {
        let mut wakes = self.open_to(Gate::Pinned, Limit::None)?;
        wakes.others.extend(self.line.wake(usize::MAX));
        Ok(wakes)
    }

    fn open_to(&mut self, gate: Gate, limit: Limit) -> Result<Wakes<W>, Drained> {
        if self.end.is_final() {
            return Err(Drained);
        }
        self.gate = gate;
        self.quota.set(limit);
        self.end = End::NotInSight;
        self.queue.age();
        let mut wakes = Wakes::none();
        self.wake_senders_beyond_limit(&mut wakes);
        self.wake_senders(&mut wakes);
        Ok(wakes)
    }

    /// Workers finish what they have and take nothing more, until [`resume`](Self::resume).
    pub fn halt(&mut self) {
        self.halted = true;
    }

    /// Workers take again.
    pub fn resume(&mut self) -> Wakes<W> {
        self.halted = false;
        let mut wakes = Wakes::none();
        wakes.worker = self.worker_to_wake();
        wakes
    }

    /// Takes out up to `max` waiting jobs that `wanted` accepts, earliest first. They are in transit until [`arrived`](Self::arrived).
    pub fn remove(&mut self, max: usize, wanted: impl FnMut(&T) -> bool) -> (Vec<T>, Wakes<W>) {
        let jobs = self.queue.remove(max, wanted);
        self.in_transit += jobs.len();
        let mut wakes = Wakes::none();
        self.wake_senders(&mut wakes);
        (jobs, wakes)
    }

    /// So many jobs in transit have been placed elsewhere, or settled.
    pub fn arrived(&mut self, count: usize) -> Wakes<W> {
        self.in_transit -= count;
        let mut wakes = Wakes::none();
        self.look_round(&mut wakes);
        wakes
    }

    // ---- what is the case ------------------------------------------------------------------------------------------

    /// Whether nothing is unfinished here. Jobs that wait elsewhere do not count, also if they name this version: each is delayed,
    /// or stands in the fence behind a holder that is unfinished somewhere.
    pub fn is_quiet(&self) -> bool {
        self.queue.is_empty() && self.leased + self.in_transit == 0
    }

    /// Its counts.
    pub fn counts(&self) -> Counts {
        Counts {
            admitted: self.admitted,
            waiting: self.queue.len(),
            held: self.held,
            leased: self.leased,
            in_transit: self.in_transit,
            pins_away: self.pins_away - self.detained,
            senders: self.line.len(),
        }
    }

    /// The jobs that wait here.
    pub fn waiting(&self) -> impl Iterator<Item = &T> {
        self.queue.iter()
    }

    /// The jobs at the front of what waits here, at most six: those that are next to be taken.
    pub fn fronts(&self) -> impl Iterator<Item = &T> {
        self.queue.fronts()
    }

    // ---- leaves ----------------------------------------------------------------------------------------------------

    /// One idle worker, if there is something to take and no wake-up is on its way.
    fn worker_to_wake(&mut self) -> Option<W> {
        if self.halted || self.queue.is_empty() { None } else { self.seats.wake_one() }
    }

    /// Wakes as many waiting senders as there is room for.
    fn wake_senders(&mut self, wakes: &mut Wakes<W>) {
        if self.line.is_empty() || !self.lets_senders_in() {
            return;
        }
        let room = self.capacity - self.used();
        wakes.others.extend(self.line.wake(room));
    }

    /// Wakes all waiting senders if the limit was reached while they waited: another version takes their jobs. Not at each take: those
    /// that name this version come back to wait.
    fn wake_senders_beyond_limit(&mut self, wakes: &mut Wakes<W>) {
        if self.gate == Gate::Limited && self.limit_allows().is_err() {
            wakes.others.extend(self.line.wake(usize::MAX));
        }
    }

    /// After something was finished: is all of it?
    pub(crate) fn look_round(&mut self, wakes: &mut Wakes<W>) {
        if !self.is_quiet() {
            return;
        }
        wakes.quiet = true;
        if !self.end.is_near() || self.pins_away > 0 {
            return;
        }
        self.gate = Gate::Shut;
        wakes.drained = true;
        wakes.others.extend(self.line.wake(usize::MAX));
        if self.kept {
            self.end = End::Warm;
        } else {
            self.finish(wakes);
        }
    }

    /// It is over: the workers go home.
    pub(crate) fn finish(&mut self, wakes: &mut Wakes<W>) {
        self.end = End::Drained;
        wakes.others.extend(self.seats.wake_all());
    }
}
