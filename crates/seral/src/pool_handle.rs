//! What the data plane knows of one pool: its mailbox and its workers' desks.

use std::any::Any;
use std::fmt;
use std::ops::Deref;
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use seral_core::id::PoolId;
use seral_core::id::Version;
use seral_core::mailbox::Seat;
use seral_core::time::Time;
use seral_core::waits::Prospect;

use crate::any_pool::AnyDesk;
use crate::any_pool::AnyMailbox;
use crate::any_pool::AnyPool;
use crate::any_pool::PoolFacts;
use crate::desk::Desk;
use crate::desk::Urge;
use crate::inside::Source;
use crate::job::Envelope;
use crate::mailbox::Mailbox;
use crate::tally::Tally;
use crate::vitals::WorkerState;

/// One pool, as senders and the dispatcher reach it.
pub(crate) struct PoolHandle<J, O> {
    pub(crate) mailbox: Mailbox<Envelope<J, O>>,
    facts: PoolFacts,
    workers: Mutex<Workers<J, O>>,
    /// For how many pins it is kept from being drained.
    holds: Mutex<usize>,
}

struct Workers<J, O> {
    present: Vec<Present<J, O>>,
    departed: Tally,
    /// Whether all of them are asked to yield, those that are still to come included.
    are_to_yield: bool,
}

impl<J, O> Workers<J, O> {
    fn find(&self, desk: &dyn AnyDesk) -> Option<&Present<J, O>> {
        self.present.iter().find(|present| ptr::addr_eq(Arc::as_ptr(&present.desk), desk))
    }
}

struct Present<J, O> {
    seat: Seat,
    desk: Arc<Desk<J, O>>,
}

impl<J, O> Deref for PoolHandle<J, O> {
    type Target = PoolFacts;

    fn deref(&self) -> &PoolFacts {
        &self.facts
    }
}

impl<J: Send + Sync, O: Send> Source for PoolHandle<J, O> {
    fn prospect(&self) -> Prospect {
        self.mailbox.prospect(self.size())
    }
}

impl<J, O> PoolHandle<J, O> {
    pub(crate) fn new(id: PoolId, version: Version, size: usize, mailbox: Mailbox<Envelope<J, O>>) -> Self {
        Self {
            mailbox,
            facts: PoolFacts::new(id, version, size),
            workers: Mutex::new(Workers {
                present: Vec::new(),
                departed: Tally::default(),
                are_to_yield: false,
            }),
            holds: Mutex::new(0),
        }
    }

    // ---- pins ------------------------------------------------------------------------------------------------------

    /// From now on it is held for so many pins: it is not drained before they have ended. One that is drained and kept is revived; once all is sealed,
    /// there is nothing to hold.
    pub(crate) fn set_holds(&self, pins: usize) {
        let mut holds = self.holds.lock();
        while *holds < pins && self.mailbox.pin_away().is_ok() {
            *holds += 1;
        }
        let ended = holds.saturating_sub(pins);
        *holds -= ended;
        // Not under the lock: whoever hears that it is drained may look here.
        drop(holds);
        (0..ended).for_each(|_| self.mailbox.unpin_away());
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
        if workers.are_to_yield {
            // It has no job yet, so nobody waits there and is woken under the lock.
            desk.urge(Urge::Yield);
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

    /// Asks a worker to leave after its job. One that has not taken its seat yet has nothing on its desk, and leaves when it does.
    fn dismiss_from(&self, desk: &dyn AnyDesk) {
        let workers = self.workers.lock();
        desk.set_state(WorkerState::Quiet);
        let Some(present) = workers.find(desk) else { return };
        self.mailbox.dismiss(present.seat);
        let desk = Arc::clone(&present.desk);
        drop(workers);
        self.take_back(&desk);
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

    /// Asks all workers to let the newest version go on with their jobs, those that join later included. Called when the table is published that sends
    /// their jobs there: one that yields before comes back here.
    ///
    /// This and [`relent`](Self::relent) are called by one at a time.
    pub(crate) fn ask_to_yield(&self) {
        self.workers.lock().are_to_yield = true;
        self.urge(Urge::Yield);
    }

    /// Takes back that all workers are to yield. Called before the table is published that sends jobs here again, for the same reason.
    pub(crate) fn relent(&self) {
        let mut workers = self.workers.lock();
        workers.are_to_yield = false;
        for present in &workers.present {
            present.desk.relent();
        }
    }
}

/// The pool of this type, if it is one.
pub(crate) fn typed<J, O>(pool: Arc<dyn AnyPool>) -> Option<Arc<PoolHandle<J, O>>>
where
    J: Send + Sync + 'static,
    O: Send + 'static,
{
    let pool: Arc<dyn Any + Send + Sync> = pool;
    pool.downcast().ok()
}

impl<J: Send + Sync + 'static, O: Send + 'static> AnyPool for PoolHandle<J, O> {
    fn facts(&self) -> &PoolFacts {
        &self.facts
    }

    fn mailbox(&self) -> &dyn AnyMailbox {
        &self.mailbox
    }

    fn any_desks(&self) -> Vec<Arc<dyn AnyDesk>> {
        self.workers.lock().present.iter().map(|present| Arc::clone(&present.desk) as _).collect()
    }

    fn has_running_worker(&self) -> bool {
        self.workers.lock().present.iter().any(|present| present.desk.state() == WorkerState::Running)
    }

    fn in_hand(&self) -> (u64, u64) {
        let workers = self.workers.lock();
        let running = workers.present.iter().filter(|present| present.desk.state() == WorkerState::Running);
        let in_hand = workers.present.iter().filter(|present| present.desk.in_hand().is_some());
        (in_hand.count() as u64, running.count() as u64)
    }

    fn tally(&self) -> Tally {
        let workers = self.workers.lock();
        let mut tally = workers.departed;
        for present in &workers.present {
            tally += present.desk.tally();
        }
        tally
    }

    fn oldest_waiting(&self, now: Time) -> Option<Duration> {
        let mut oldest = None;
        self.mailbox.for_each_front(|job| oldest = oldest.max(Some(job.admitted.age(now))));
        oldest
    }

    fn holds(&self) -> usize {
        *self.holds.lock()
    }

    fn set_holds(&self, pins: usize) {
        PoolHandle::set_holds(self, pins);
    }

    fn dismiss(&self, desk: &dyn AnyDesk) {
        self.dismiss_from(desk);
    }

    fn take_back_from(&self, desk: &dyn AnyDesk) {
        let desk = self.workers.lock().find(desk).map(|present| Arc::clone(&present.desk));
        if let Some(desk) = desk {
            self.take_back(&desk);
        }
    }

    fn halt(&self) {
        PoolHandle::halt(self);
    }

    fn urge(&self, urge: Urge) {
        PoolHandle::urge(self, urge);
    }

    fn ask_to_yield(&self) {
        PoolHandle::ask_to_yield(self);
    }

    fn relent(&self) {
        PoolHandle::relent(self);
    }
}

/// Keeps a pool from being drained as long as it lives, and lets jobs in that name its version.
pub(crate) struct Hold<'a, J, O>(&'a PoolHandle<J, O>);

impl<'a, J, O> Hold<'a, J, O> {
    /// `None` if the pool takes no such job any more.
    pub(crate) fn of(pool: &'a PoolHandle<J, O>) -> Option<Self> {
        pool.mailbox.pin_away().ok()?;
        Some(Self(pool))
    }
}

impl<J, O> Drop for Hold<'_, J, O> {
    fn drop(&mut self) {
        self.0.mailbox.unpin_away();
    }
}

impl<J, O> fmt::Debug for PoolHandle<J, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pool {} of version {}", self.id, self.version)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use seral_core::id::Attempt;
    use seral_core::id::JobId;
    use seral_core::id::WorkerId;
    use seral_core::routing::Route;
    use seral_core::time::Stamp;
    use seral_core::time::Time;
    use seral_worker::Host;
    use seral_worker::JobContext;
    use seral_worker::JobFacts;
    use seral_worker::RareFacts;

    use super::*;
    use crate::clock::Clock;

    const JOB: JobId = JobId::new(7);

    fn pool() -> PoolHandle<u32, u32> {
        PoolHandle::new(PoolId::new(1), "1.0.0".into(), 2, Mailbox::new(10, |_| {}))
    }

    fn desk() -> Arc<Desk<u32, u32>> {
        Desk::new(WorkerId::new(1), "1.0.0".into(), "orders".into(), Clock::start(), 0)
    }

    /// The context of the job in hand.
    fn context(desk: &Arc<Desk<u32, u32>>, is_pinned: bool) -> JobContext {
        let host: Arc<dyn Host> = Arc::<Desk<u32, u32>>::clone(desk);
        let facts = JobFacts {
            id: JOB,
            attempt: Attempt::FIRST,
            admitted: Stamp::of(Time::ZERO),
            route: Route::default(),
            deadline: None,
            rare: is_pinned
                .then(|| Box::new(RareFacts { pin: Some("1.0.0".into()), ..RareFacts::default() })),
        };
        desk.begin(JOB);
        JobContext::new(host, facts)
    }

    #[test]
    fn workers_are_to_yield_whether_they_joined_before_they_were_asked_or_after_until_that_is_taken_back() {
        let pool = pool();
        let (before, after, later) = (desk(), desk(), desk());
        let _ = pool.join(&before);
        assert!(!before.is_draining());
        pool.ask_to_yield();
        let _ = pool.join(&after);
        for desk in [&before, &after] {
            assert!(desk.is_draining() && !desk.is_cancelled(JOB));
        }
        pool.relent();
        let _ = pool.join(&later);
        for desk in [&before, &after, &later] {
            assert!(!desk.is_draining());
        }
        pool.ask_to_yield();
        assert!(before.is_draining() && after.is_draining() && later.is_draining());
    }

    #[test]
    fn nothing_but_yielding_is_taken_back_and_nothing_is_lowered_by_it() {
        for urge in [Urge::Cancel, Urge::Abandon] {
            let (pool, desk) = (pool(), desk());
            let _ = pool.join(&desk);
            pool.ask_to_yield();
            pool.urge(urge);
            pool.ask_to_yield();
            pool.relent();
            assert!(desk.is_cancelled(JOB) && desk.is_draining());
            let is_dropped =
                desk.poll_abandon(&std::task::Context::from_waker(std::task::Waker::noop())).is_ready();
            assert_eq!(is_dropped, urge == Urge::Abandon);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_hears_that_it_should_make_room_whether_it_waits_for_that_already_or_not() {
        const SOON: Duration = Duration::from_secs(1);
        let (pool, desk) = (pool(), desk());
        let _ = pool.join(&desk);
        let (free, pinned) = (context(&desk, false), context(&desk, true));
        let cx = free.clone();
        let mut waiting = tokio::spawn(async move { cx.draining().await });
        // It is told, and it is taken back before it looks.
        tokio::time::timeout(SOON, &mut waiting).await.unwrap_err();
        pool.ask_to_yield();
        pool.relent();
        tokio::time::timeout(SOON, &mut waiting).await.unwrap_err();
        pool.ask_to_yield();
        tokio::time::timeout(SOON, waiting).await.unwrap().unwrap();
        tokio::time::timeout(SOON, free.draining()).await.unwrap();
        assert!(free.is_draining());
        tokio::time::timeout(SOON, free.cancelled()).await.unwrap_err();
        // No other version may have this one: it would come back here for ever.
        assert!(!pinned.is_draining());
        tokio::time::timeout(SOON, pinned.draining()).await.unwrap_err();
    }
}
