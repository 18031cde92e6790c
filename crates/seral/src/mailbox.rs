//! The mailbox of a pool: the machine of [`seral_core::mailbox`] behind one lock, with the wakers.
//!
//! Nothing is decided here. Each operation takes the lock, asks the machine, lets go of the lock, and wakes whom the machine named.
//! One lock around queue, gate, idle workers and waiting senders beat every lock-free variant we measured, because taking a batch
//! pays it once. No user code runs under it, except moving and comparing jobs; no waker is called under it.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;

use seral_core::mailbox as core;
use seral_core::mailbox::Counts;
use seral_core::mailbox::Drained;
use seral_core::mailbox::Limit;
use seral_core::mailbox::NotWarm;
use seral_core::mailbox::Queued;
use seral_core::mailbox::Refusal;
use seral_core::mailbox::Seat;
use seral_core::mailbox::Sender;
use seral_core::mailbox::Take;
use seral_core::mailbox::Ticket;
use seral_core::mailbox::Wakes;
use seral_core::waits::Prospect;

use crate::sync::Mutex;

/// What the mailbox tells its owner, outside of the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// It has just been drained. Told once; of a mailbox that is kept warm, each time.
    Drained,
    /// It was drained and kept warm, and a job came that names its version.
    Revived,
    /// Nothing admitted is unfinished, for the moment.
    Quiet,
}

/// One pool's mailbox. It begins with a pair of cache lines of its own: what lies beside it must not move with it from core to core.
#[repr(C, align(128))]
pub(crate) struct Mailbox<T> {
    machine: Mutex<core::Mailbox<T, Waker>>,
    tell: Box<dyn Fn(Notice) + Send + Sync>,
}

impl<T: Queued> Mailbox<T> {
    /// A mailbox with room for `capacity` new jobs, its gate shut. `tell` must not block.
    pub(crate) fn new(capacity: usize, tell: impl Fn(Notice) + Send + Sync + 'static) -> Self {
        Self { machine: Mutex::new(core::Mailbox::new(capacity)), tell: Box::new(tell) }
    }

    // ---- senders ---------------------------------------------------------------------------------------------------

    /// Admits a new job, if gate and room allow it; `place` decides, under the lock, whether it waits here or in the fence.
    #[inline(always)]
    pub(crate) fn admit(
        &self,
        from: Sender,
        job: T,
        place: impl FnOnce(T) -> Option<T>,
    ) -> Result<(), (T, Refusal)> {
        let worker = self.machine.lock().admit(from, job, place)?;
        wake_worker(worker);
        Ok(())
    }

    /// Waits until a new job would probably be admitted, or would be refused for another reason than room. Dropping the future passes a wake-up
    /// on.
    pub(crate) fn room(&self, from: Sender, pinned: bool) -> Room<'_, T> {
        Room { mailbox: self, from, pinned, ticket: None }
    }

    /// Takes back a job that was admitted before; there is always room. The job comes back if the gate refuses it, or the limit.
    pub(crate) fn readmit(&self, job: T) -> Result<(), T> {
        let worker = self.machine.lock().readmit(job)?;
        wake_worker(worker);
        Ok(())
    }

    /// Takes in a delayed job that is due; there is always room. The job comes back if the gate refuses it, or the limit.
    pub(crate) fn enter_due(&self, job: T) -> Result<(), T> {
        let worker = self.machine.lock().enter_due(job)?;
        wake_worker(worker);
        Ok(())
    }

    /// Counts a job that waits in the fence against this capacity.
    pub(crate) fn hold(&self) {
        self.machine.lock().hold();
    }

    /// A job counted against this capacity has left the fence.
    pub(crate) fn unhold(&self) {
        let wakes = self.machine.lock().unhold();
        self.wake(wakes);
    }

    /// Counts a job that names this version and waits elsewhere, or is about to come, unless the version takes no such job any more. One that is
    /// warm is revived.
    pub(crate) fn pin_away(&self) -> Result<(), Refusal> {
        let is_revived = self.machine.lock().pin_away()?;
        if is_revived {
            (self.tell)(Notice::Revived);
        }
        Ok(())
    }

    /// A job counted by [`pin_away`](Self::pin_away) has come or is gone.
    pub(crate) fn unpin_away(&self) {
        let wakes = self.machine.lock().unpin_away();
        self.wake(wakes);
    }

    /// Keeps it from being drained while somebody decides, until [`release`](Self::release). Nobody sees that.
    pub(crate) fn detain(&self) -> Result<(), Drained> {
        self.machine.lock().detain()
    }

    /// What [`detain`](Self::detain) was for is done.
    pub(crate) fn release(&self) {
        let wakes = self.machine.lock().release();
        self.wake(wakes);
    }

    // ---- workers ---------------------------------------------------------------------------------------------------

    /// Gives a worker a seat.
    pub(crate) fn attach(&self) -> Seat {
        self.machine.lock().attach()
    }

    /// A worker's next batch: ready with whether there is one, or whether the worker should leave. `keep` is called under the lock with `out`,
    /// which was empty and has the jobs in it, so that nobody finds them neither here nor where it keeps them. `settled` counts the worker's settled
    /// jobs since it came last, and is set to zero.
    pub(crate) fn poll_take(
        &self,
        seat: Seat,
        settled: &mut usize,
        max: usize,
        out: &mut VecDeque<T>,
        task: &Context<'_>,
        keep: impl FnOnce(&mut VecDeque<T>),
    ) -> Poll<bool> {
        let mut wakes = Wakes::none();
        let mut machine = self.machine.lock();
        let found =
            machine.take(seat, std::mem::take(settled), max, out, &mut wakes, || task.waker().clone());
        if found == Take::Jobs {
            keep(out);
        }
        drop(machine);
        // Now that the jobs are where they are not lost: whoever is woken may run code that panics.
        self.wake(wakes);
        match found {
            Take::Jobs => Poll::Ready(true),
            Take::Leave => Poll::Ready(false),
            Take::Idle => Poll::Pending,
        }
    }

    /// A worker that will not come for a while reports the jobs that it settled since it came last.
    pub(crate) fn report(&self, settled: usize) {
        let wakes = self.machine.lock().report(settled);
        self.wake(wakes);
    }

    /// Jobs taken and not begun come back to the front, in their order.
    pub(crate) fn give_back(&self, jobs: VecDeque<T>) {
        let wakes = self.machine.lock().give_back(jobs.into_iter());
        self.wake(wakes);
    }

    /// Asks one worker to leave when it has settled the job in hand.
    pub(crate) fn dismiss(&self, seat: Seat) {
        let wakes = self.machine.lock().dismiss(seat);
        self.wake(wakes);
    }

    /// A worker gives up its seat, having settled so many jobs since it came last.
    pub(crate) fn detach(&self, seat: Seat, settled: usize) {
        let wakes = self.machine.lock().detach(seat, settled);
        self.wake(wakes);
    }

    /// Passes on a wake-up that has not arrived since the last call.
    pub(crate) fn hurry(&self) {
        let wakes = self.machine.lock().hurry();
        self.wake(wakes);
    }

    // ---- control ---------------------------------------------------------------------------------------------------

    /// Lets all jobs in, up to a limit those that do not name this version.
    pub(crate) fn open(&self, limit: Limit) -> Result<(), Drained> {
        let wakes = self.machine.lock().open(limit)?;
        self.wake(wakes);
        Ok(())
    }

    /// Lets only jobs in that name this version, and does not drain.
    pub(crate) fn reserve(&self) -> Result<(), Drained> {
        let wakes = self.machine.lock().reserve()?;
        self.wake(wakes);
        Ok(())
    }

    /// Lets only jobs in that name this version: it begins to drain.
    pub(crate) fn narrow(&self) {
        let wakes = self.machine.lock().narrow();
        self.wake(wakes);
    }

    /// Lets no job in.
    pub(crate) fn shut(&self) {
        let wakes = self.machine.lock().shut();
        self.wake(wakes);
    }

    /// Lets no job in, for good.
    pub(crate) fn seal(&self) {
        let wakes = self.machine.lock().seal();
        self.wake(wakes);
    }

    /// Says whether it is kept warm when it is drained.
    pub(crate) fn keep_warm(&self, kept: bool) {
        self.machine.lock().keep_warm(kept);
    }

    /// Ends a mailbox that is warm, unless somebody holds it. The caller is not told that it is drained.
    pub(crate) fn cool(&self) -> Result<(), NotWarm> {
        let wakes = self.machine.lock().cool()?;
        self.wake(wakes);
        Ok(())
    }

    /// Workers take nothing more, until [`resume`](Self::resume).
    pub(crate) fn halt(&self) {
        self.machine.lock().halt();
    }

    /// Workers take again.
    pub(crate) fn resume(&self) {
        let wakes = self.machine.lock().resume();
        self.wake(wakes);
    }

    /// Takes out all waiting jobs that `wanted` accepts. They are in transit until [`arrived`](Self::arrived).
    pub(crate) fn remove(&self, wanted: &dyn Fn(&T) -> bool) -> Vec<T> {
        self.remove_up_to(usize::MAX, wanted)
    }

    /// Takes out up to `max` waiting jobs that `wanted` accepts, earliest first. They are in transit until [`arrived`](Self::arrived).
    pub(crate) fn remove_up_to(&self, max: usize, wanted: &dyn Fn(&T) -> bool) -> Vec<T> {
        let (jobs, wakes) = self.machine.lock().remove(max, wanted);
        self.wake(wakes);
        jobs
    }

    /// So many jobs in transit have been placed elsewhere, or settled.
    pub(crate) fn arrived(&self, count: usize) {
        let wakes = self.machine.lock().arrived(count);
        self.wake(wakes);
    }

    // ---- what is the case ------------------------------------------------------------------------------------------

    /// Whether a new job would be admitted now.
    pub(crate) fn has_room(&self, from: Sender, pinned: bool) -> Result<(), Refusal> {
        self.machine.lock().has_room(from, pinned)
    }

    /// Whether it was drained for good: it is not kept warm.
    pub(crate) fn is_drained(&self) -> bool {
        self.machine.lock().is_drained()
    }

    /// Whether it was drained and is kept warm.
    pub(crate) fn is_warm(&self) -> bool {
        self.machine.lock().is_warm()
    }

    /// Whether nothing that belongs to this version is unfinished.
    pub(crate) fn is_quiet(&self) -> bool {
        self.machine.lock().is_quiet()
    }

    /// Whether so many new jobs that do not name this version would be admitted now.
    pub(crate) fn has_room_for(&self, jobs: usize, from: Sender) -> Result<(), Refusal> {
        self.machine.lock().has_room_for(jobs, from, false)
    }

    /// What somebody sees who waits for room.
    pub(crate) fn prospect(&self, size: usize) -> Prospect {
        self.machine.lock().prospect(size)
    }

    /// Its counts.
    pub(crate) fn counts(&self) -> Counts {
        self.machine.lock().counts()
    }

    /// Calls `look` with each job that waits here, under the lock.
    pub(crate) fn for_each_waiting(&self, mut look: impl FnMut(&T)) {
        self.machine.lock().waiting().for_each(&mut look);
    }

    /// Calls `look` with the few jobs that are next to be taken, under the lock.
    pub(crate) fn for_each_front(&self, look: impl FnMut(&T)) {
        self.machine.lock().fronts().for_each(look);
    }

    /// Wakes and tells whom the machine named. The lock is not held here: a waker may run a task, and a task may come back to this mailbox.
    #[inline]
    fn wake(&self, wakes: Wakes<Waker>) {
        let Wakes { worker, others, drained, quiet } = wakes;
        wake_worker(worker);
        if !others.is_empty() {
            wake_all(others);
        }
        if drained {
            (self.tell)(Notice::Drained);
        }
        if quiet {
            (self.tell)(Notice::Quiet);
        }
    }
}

/// Out of the way of those who have nobody to wake but a worker.
#[cold]
fn wake_all(others: Vec<Waker>) {
    others.into_iter().for_each(wake);
}

/// As [`Mailbox::wake`], for the operations that may leave a worker to wake and nothing else.
#[inline(always)]
fn wake_worker(worker: Option<Waker>) {
    if let Some(worker) = worker {
        wake(worker);
    }
}

/// A waker may be anybody's code. A panic in it must not keep others from being woken, nor spread to whoever changed the mailbox.
fn wake(waker: Waker) {
    let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
}

/// A sender's wait for room; see [`Mailbox::room`]. It may be awaited again when the room was gone by the time the sender came, and
/// keeps its place in the line.
pub(crate) struct Room<'a, T: Queued> {
    mailbox: &'a Mailbox<T>,
    from: Sender,
    pinned: bool,
    ticket: Option<Ticket>,
}

impl<T: Queued> Room<'_, T> {
    /// The sender was admitted: it needs no wake-up any more and has none to pass on.
    pub(crate) fn admitted(mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.mailbox.machine.lock().forget(ticket);
        }
    }
}

impl<T: Queued> Future for Room<'_, T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<()> {
        let mut machine = self.mailbox.machine.lock();
        match machine.has_room(self.from, self.pinned) {
            Ok(()) | Err(Refusal::Gate | Refusal::Enough) => Poll::Ready(()),
            Err(Refusal::Full) => {
                let ticket = machine.wait(self.ticket, task.waker().clone());
                drop(machine);
                self.ticket = Some(ticket);
                Poll::Pending
            }
        }
    }
}

/// A sender that gave up. If it had been woken, the next in line is woken in its place; without that, room would be free and
/// nobody would know.
impl<T: Queued> Drop for Room<'_, T> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            let wakes = self.mailbox.machine.lock().cancel(ticket);
            self.mailbox.wake(wakes);
        }
    }
}
