//! The hold that a worker has on its seat and on the jobs it took. Whatever ends the worker, nothing it held is lost.
//!
//! Three guards, each inside the one before: the *chair* (a seat at the mailbox), the *lease* (the jobs taken and not begun), and the
//! *job in hand*. They are locals of the worker's running future, so a panic, a kill or the end of the runtime drops them before the
//! supervisor hears, in the right order:
//!
//! 1. the job in hand, if it is not settled, is settled as lost: the retry policy decides, an attempt is charged;
//! 2. the jobs not begun go back to the front of the mailbox, uncharged;
//! 3. the seat is given up, the mailbox learns how many jobs were settled, and the worker's final beat is told.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use seral_core::guard::Sign;
use seral_core::id::Key;
use seral_core::mailbox::Seat;

use crate::desk::Desk;
use crate::event::Event;
use crate::guards::Seen;
use crate::heartbeat::Vital;
use crate::job::Envelope;
use crate::pace::Pace;
use crate::plane::DataPlane;
use crate::pool_handle::PoolHandle;
use crate::settlement::Undone;

/// A worker's place at the mailbox of its pool, for as long as the worker runs.
pub(crate) struct Chair<J: Send + Sync + 'static, O: Send + 'static> {
    plane: Arc<DataPlane<J, O>>,
    pool: Arc<PoolHandle<J, O>>,
    desk: Arc<Desk<J, O>>,
    seat: Seat,
}

impl<J: Send + Sync + 'static, O: Send + 'static> Chair<J, O> {
    /// Takes a place.
    pub(crate) fn take(
        plane: &Arc<DataPlane<J, O>>,
        pool: &Arc<PoolHandle<J, O>>,
        desk: &Arc<Desk<J, O>>,
    ) -> Self {
        let seat = pool.join(desk);
        plane.root.directory.enter(plane.place, desk.worker, vital(desk));
        Self { plane: Arc::clone(plane), pool: Arc::clone(pool), desk: Arc::clone(desk), seat }
    }

    /// Waits for jobs and takes up to `max`; `None` when the worker should leave. `chunk` is empty, and is again when this is ready: its memory
    /// goes round between the mailbox, the desk and here.
    ///
    /// One job can be begun at once; the others lie on the desk, where they can be taken back from the worker. If the worker owes others a turn
    /// first, so do all, unless they had theirs while it waited.
    ///
    /// Cancel safe: a lease gives back what it holds.
    pub(crate) async fn get_jobs(
        &self,
        max: usize,
        chunk: &mut VecDeque<Envelope<J, O>>,
        owes_a_turn: bool,
    ) -> Option<Lease<'_, J, O>> {
        let mut settled = self.desk.take_unreported();
        let mut waited = false;
        poll_fn(|task| {
            let keep = |chunk: &mut VecDeque<_>| self.lease(chunk, owes_a_turn && !waited);
            let (lease, wakes) = self.pool.mailbox.poll_take(self.seat, &mut settled, max, chunk, task, keep);
            waited |= lease.is_pending();
            self.desk.set_idle(lease.is_pending());
            // Now that the jobs are where they are not lost: whoever is woken may run code that panics.
            self.pool.mailbox.wake(wakes);
            lease
        })
        .await
    }

    /// Called under the lock of the mailbox: a rollback that halts it and then looks at the desk finds each job in one of the two.
    fn lease(&self, chunk: &mut VecDeque<Envelope<J, O>>, owes_a_turn: bool) -> Lease<'_, J, O> {
        let taken = chunk.len();
        let first = if owes_a_turn { None } else { chunk.pop_front() };
        let any_left = !chunk.is_empty();
        if any_left {
            self.desk.lay_down(chunk);
        }
        Lease { chair: self, taken, first, may_have_next: AtomicBool::new(any_left) }
    }
}

impl<J: Send + Sync + 'static, O: Send + 'static> Chair<J, O> {
    /// Tells the mailbox which jobs are settled, when the next visit there may be a while off: nobody should wait for that.
    pub(crate) fn report(&self) {
        let settled = self.desk.take_unreported();
        if settled > 0 {
            self.pool.mailbox.report(settled);
        }
    }

    /// How long an attempt may take, unless its job says otherwise.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.plane.limits.timeout
    }

    /// How long jobs take here.
    pub(crate) fn pace(&self) -> &Pace {
        &self.pool.pace
    }

    /// An attempt at this job was well and took so long.
    #[cold]
    pub(crate) fn took(&self, job: &Envelope<J, O>, time: Duration) {
        if self.pool.pace.took(job.id, time) && job.is_comparable() {
            let (version, sign, route) = (&self.pool.version, Sign::Slowness, job.route);
            self.plane.saw_slow(Seen { version, sign, route, key: job.key().map(Key::spread) }, time);
        }
    }

    /// The name of the community.
    pub(crate) fn community(&self) -> &str {
        &self.plane.name
    }

    pub(crate) fn desk(&self) -> &Desk<J, O> {
        &self.desk
    }

    /// Tells that the worker panicked and is made anew at once.
    pub(crate) fn tell_rebuilt(&self, why: String) {
        self.plane.tell(|community| Event::WorkerFailed {
            community,
            version: self.pool.version.clone(),
            worker: self.desk.worker,
            why,
            restart_in: Duration::ZERO,
        });
    }

    /// Whether there is nothing left to do here, for good.
    pub(crate) fn is_over(&self) -> bool {
        self.pool.mailbox.is_drained()
    }
}

impl<J: Send + Sync + 'static, O: Send + 'static> Drop for Chair<J, O> {
    fn drop(&mut self) {
        self.pool.leave(self.seat, &self.desk);
        self.plane.root.directory.strike_out(self.plane.place, self.desk.worker, &vital(&self.desk));
        self.plane.tell(|_| Event::WorkerLeft { worker: self.desk.view() });
    }
}

fn vital<J, O>(desk: &Arc<Desk<J, O>>) -> Arc<dyn Vital>
where
    J: Send + Sync + 'static,
    O: Send + 'static,
{
    Arc::<Desk<J, O>>::clone(desk)
}

/// The jobs of one batch.
pub(crate) struct Lease<'a, J: Send + Sync + 'static, O: Send + 'static> {
    chair: &'a Chair<J, O>,
    /// How many jobs were taken.
    pub(crate) taken: usize,
    /// The one that is to be begun at once.
    first: Option<Envelope<J, O>>,
    /// Whether there may be jobs not begun. Others take some back, and nobody brings any, so once there is none the desk need not be locked to
    /// see that. Used by the worker alone.
    may_have_next: AtomicBool,
}

impl<J: Send + Sync + 'static, O: Send + 'static> Lease<'_, J, O> {
    /// The worker's place.
    pub(crate) fn chair(&self) -> &Chair<J, O> {
        self.chair
    }

    /// The hand that takes the jobs of the batch, one after the other. If one is to be begun at once, it is begun.
    pub(crate) fn hand(&mut self) -> Hand<'_, J, O> {
        let job = self.first.take();
        if let Some(job) = &job {
            self.chair.desk.begin(job.id);
        }
        Hand { lease: self, job }
    }

    /// Whether there are jobs not begun.
    pub(crate) fn has_next(&self) -> bool {
        self.may_have_next.load(Relaxed) && self.chair.desk.not_begun() > 0
    }

    /// Gives the jobs back that were not begun: they must not wait behind the one in hand. Returns whether there were any.
    pub(crate) fn give_back_rest(&self) -> bool {
        let any = self.has_next();
        if any {
            self.chair.pool.take_back(&self.chair.desk);
        }
        any
    }
}

impl<J: Send + Sync + 'static, O: Send + 'static> Drop for Lease<'_, J, O> {
    fn drop(&mut self) {
        self.give_back_rest();
        if let Some(first) = self.first.take() {
            self.chair.pool.mailbox.give_back(VecDeque::from([first]));
        }
    }
}

/// A worker's hand, with at most one job in it. A job stays where it is from when it is begun until it is settled: moving it about costs more
/// than most of what is done with it.
pub(crate) struct Hand<'a, J: Send + Sync + 'static, O: Send + 'static> {
    lease: &'a Lease<'a, J, O>,
    job: Option<Envelope<J, O>>,
}

impl<J: Send + Sync + 'static, O: Send + 'static> Hand<'_, J, O> {
    /// Begins the next job of the batch. Returns whether there was one.
    pub(crate) fn begin(&mut self) -> bool {
        debug_assert!(self.job.is_none(), "one job at a time");
        let Lease { chair, may_have_next, .. } = self.lease;
        if !may_have_next.load(Relaxed) {
            return false;
        }
        may_have_next.store(chair.desk.next(&mut self.job), Relaxed);
        match &self.job {
            Some(job) => {
                chair.desk.begin(job.id);
                true
            }
            None => false,
        }
    }

    /// Whether no job is in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.job.is_none()
    }

    /// The batch.
    pub(crate) fn lease(&self) -> &Lease<'_, J, O> {
        self.lease
    }

    /// The job, until it is settled.
    pub(crate) fn job(&self) -> Option<&Envelope<J, O>> {
        self.job.as_ref()
    }

    /// Whether somebody waits for the outcome.
    pub(crate) fn is_awaited(&self) -> bool {
        self.job.as_ref().is_some_and(Envelope::is_awaited)
    }

    /// Ends the attempt. The hand is empty then.
    #[inline(always)]
    pub(crate) fn settle(&mut self, ended: Result<O, Box<Undone>>) {
        if let Some(job) = self.job.take() {
            let chair = self.lease.chair;
            chair.plane.settle(&chair.desk, job, ended);
        }
    }
}

impl<J: Send + Sync + 'static, O: Send + 'static> Drop for Hand<'_, J, O> {
    fn drop(&mut self) {
        if self.job.is_some() {
            self.settle(Err(Box::new(Undone::Lost)));
        }
    }
}
