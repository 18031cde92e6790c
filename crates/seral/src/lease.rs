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

    /// A lease on no jobs yet.
    pub(crate) fn lease(&self) -> Lease<'_, J, O> {
        let rest = Rest { chair: self, may_be_any: AtomicBool::new(false) };
        Lease { rest, taken: 0, first: None }
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
    rest: Rest<'a, J, O>,
    /// How many jobs were taken.
    pub(crate) taken: usize,
    /// The one that is to be begun at once. It comes here under the lock of the mailbox, and stays until it is settled: moving a job about costs
    /// more than most of what is done with it.
    first: Option<Envelope<J, O>>,
}

/// The jobs of a batch that lie on the desk.
pub(crate) struct Rest<'a, J: Send + Sync + 'static, O: Send + 'static> {
    chair: &'a Chair<J, O>,
    /// Whether there may be any. Others take some back, and nobody brings any, so once there is none the desk need not be locked to see that.
    /// Used by the worker alone.
    may_be_any: AtomicBool,
}

impl<J: Send + Sync + 'static, O: Send + 'static> Lease<'_, J, O> {
    /// Waits for jobs and takes up to `max`; `false` when the worker should leave. There are none yet. `chunk` is empty, and is again when this is
    /// ready: its memory goes round between the mailbox, the desk and here.
    ///
    /// One job can be begun at once; the others lie on the desk, where they can be taken back from the worker. If the worker owes others a turn
    /// first, so do all, unless they had theirs while it waited.
    ///
    /// Cancel safe: a lease gives back what it holds.
    pub(crate) async fn get_jobs(
        &mut self,
        max: usize,
        chunk: &mut VecDeque<Envelope<J, O>>,
        owes_a_turn: bool,
    ) -> bool {
        let Chair { pool, desk, seat, .. } = self.rest.chair;
        let mut settled = desk.take_unreported();
        let mut waited = false;
        poll_fn(|task| {
            let keep = |chunk: &mut VecDeque<_>| self.keep(chunk, owes_a_turn && !waited);
            let found = pool.mailbox.poll_take(*seat, &mut settled, max, chunk, task, keep);
            waited |= found.is_pending();
            desk.set_idle(found.is_pending());
            found
        })
        .await
    }

    /// Called under the lock of the mailbox: a rollback that halts it and then looks at the desk finds each job in one of the two.
    fn keep(&mut self, chunk: &mut VecDeque<Envelope<J, O>>, owes_a_turn: bool) {
        self.taken = chunk.len();
        if !owes_a_turn {
            self.first = chunk.pop_front();
        }
        if !chunk.is_empty() {
            self.rest.chair.desk.lay_down(chunk);
            *self.rest.may_be_any.get_mut() = true;
        }
    }

    /// The worker's place.
    pub(crate) fn chair(&self) -> &Chair<J, O> {
        self.rest.chair
    }

    /// The hand that takes the jobs of the batch, one after the other. If one is to be begun at once, it is begun.
    pub(crate) fn hand(&mut self) -> Hand<'_, J, O> {
        let Self { rest, first, .. } = self;
        if let Some(job) = first {
            rest.chair.desk.begin(job.id);
        }
        Hand { rest, job: first }
    }
}

impl<J: Send + Sync + 'static, O: Send + 'static> Rest<'_, J, O> {
    /// The worker's place.
    pub(crate) fn chair(&self) -> &Chair<J, O> {
        self.chair
    }

    /// Whether there are any.
    pub(crate) fn is_any(&self) -> bool {
        self.may_be_any.load(Relaxed) && self.chair.desk.not_begun() > 0
    }

    /// Gives them back: they must not wait behind the one in hand. Returns whether there were any.
    pub(crate) fn give_back(&self) -> bool {
        let any = self.is_any();
        if any {
            self.chair.pool.take_back(&self.chair.desk);
        }
        any
    }
}

impl<J: Send + Sync + 'static, O: Send + 'static> Drop for Lease<'_, J, O> {
    fn drop(&mut self) {
        self.rest.give_back();
        if let Some(first) = self.first.take() {
            self.chair().pool.mailbox.give_back(VecDeque::from([first]));
        }
    }
}

/// A worker's hand, with at most one job in it.
pub(crate) struct Hand<'a, J: Send + Sync + 'static, O: Send + 'static> {
    rest: &'a Rest<'a, J, O>,
    job: &'a mut Option<Envelope<J, O>>,
}

impl<J: Send + Sync + 'static, O: Send + 'static> Hand<'_, J, O> {
    /// Begins the next job of the batch. Returns whether there was one.
    pub(crate) fn begin(&mut self) -> bool {
        debug_assert!(self.job.is_none(), "one job at a time");
        let Rest { chair, may_be_any } = self.rest;
        if !may_be_any.load(Relaxed) {
            return false;
        }
        may_be_any.store(chair.desk.next(self.job), Relaxed);
        match self.job {
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

    /// The jobs of the batch that are not begun.
    pub(crate) fn rest(&self) -> &Rest<'_, J, O> {
        self.rest
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
            let chair = self.rest.chair;
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
