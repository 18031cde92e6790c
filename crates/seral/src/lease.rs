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
use std::time::Duration;

use seral_core::mailbox::Seat;

use crate::desk::Desk;
use crate::event::Event;
use crate::heartbeat::Vital;
use crate::job::Envelope;
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

    /// Waits for jobs and takes up to `max`; `None` when the worker should leave.
    ///
    /// Cancel safe: what was taken when the future is dropped lies on the desk, and goes back when the chair is given up.
    pub(crate) async fn get_jobs(&self, max: usize) -> Option<Lease<'_, J, O>> {
        let mut settled = self.desk.take_unreported();
        let mut waited = false;
        let taken = poll_fn(|task| {
            let (came_to, wakes) = self.desk.with_jobs(|jobs: &mut VecDeque<_>| {
                let (came_to, wakes) = self.pool.mailbox.poll_take(self.seat, &mut settled, max, jobs, task);
                (came_to.map(|got_jobs| got_jobs.then_some(jobs.len())), wakes)
            });
            self.pool.mailbox.wake(wakes);
            self.desk.set_idle(came_to.is_pending());
            waited |= came_to.is_pending();
            came_to
        })
        .await?;
        Some(Lease { chair: self, taken, waited })
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
    /// Whether the worker had to wait for them.
    pub(crate) waited: bool,
}

impl<J: Send + Sync + 'static, O: Send + 'static> Lease<'_, J, O> {
    /// The worker's place.
    pub(crate) fn chair(&self) -> &Chair<J, O> {
        self.chair
    }

    /// The hand that takes the jobs of the batch, one after the other. It is empty.
    pub(crate) fn hand(&self) -> Hand<'_, J, O> {
        Hand { chair: self.chair, job: None }
    }

    /// Whether there are jobs not begun.
    pub(crate) fn has_next(&self) -> bool {
        self.chair.desk.not_begun() > 0
    }

    /// Gives the jobs back that were not begun: they must not wait behind the one in hand. Returns whether there were any.
    pub(crate) fn give_back_rest(&self) -> bool {
        let any = self.has_next();
        self.chair.pool.take_back(&self.chair.desk);
        any
    }
}

impl<J: Send + Sync + 'static, O: Send + 'static> Drop for Lease<'_, J, O> {
    fn drop(&mut self) {
        self.chair.pool.take_back(&self.chair.desk);
    }
}

/// A worker's hand, with at most one job in it. A job stays where it is from when it is begun until it is settled: moving it about costs more
/// than most of what is done with it.
pub(crate) struct Hand<'a, J: Send + Sync + 'static, O: Send + 'static> {
    chair: &'a Chair<J, O>,
    job: Option<Envelope<J, O>>,
}

impl<J: Send + Sync + 'static, O: Send + 'static> Hand<'_, J, O> {
    /// Begins the next job of the batch. Returns whether there was one.
    pub(crate) fn begin(&mut self) -> bool {
        debug_assert!(self.job.is_none(), "one job at a time");
        self.chair.desk.next(&mut self.job);
        match &self.job {
            Some(job) => {
                self.chair.desk.begin(job.id);
                true
            }
            None => false,
        }
    }

    /// The job, until it is settled.
    pub(crate) fn job(&self) -> Option<&Envelope<J, O>> {
        self.job.as_ref()
    }

    /// Whether somebody may wait for the outcome.
    pub(crate) fn has_reply(&self) -> bool {
        self.job.as_ref().is_some_and(Envelope::has_reply)
    }

    /// Ends the attempt. The hand is empty then.
    #[inline(always)]
    pub(crate) fn settle(&mut self, ended: Result<O, Box<Undone>>) {
        if let Some(job) = self.job.take() {
            self.chair.plane.settle(&self.chair.desk, job, ended);
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
