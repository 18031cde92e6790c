//! The worker's cycle, the one loop of the product: *beat, get jobs, process, optimize, repeat.*
//!
//! A panic in `process` is the job's failure: it is caught where it happens, the job is settled by the retry policy, and the worker is made
//! anew. A panic anywhere else ends the actor that runs the cycle, and its pool starts another.

use std::any::Any;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use ractor::ActorProcessingErr;
use seral_core::tune;
use seral_core::tune::Batch;
use seral_worker::Cycle;
use seral_worker::Host;
use seral_worker::JobContext;
use seral_worker::StartContext;
use seral_worker::Worker;

use crate::desk::Desk;
use crate::desk::WorkerState;
use crate::inside;
use crate::lease::Chair;
use crate::lease::InHand;
use crate::lease::Lease;
use crate::plane::DataPlane;
use crate::pool_handle::PoolHandle;
use crate::settlement::Ended;
use crate::user_code::drop_guarded;

/// After so many jobs in one go a worker lets other tasks run: rarely enough to cost nothing, often enough that a burst of tiny jobs does
/// not keep a neighbour waiting for more than some ten microseconds.
const YIELD_EACH: u32 = 128;

/// What a worker needs to begin.
pub(crate) struct Post<J, O> {
    pub(crate) plane: Arc<DataPlane<J, O>>,
    pub(crate) pool: Arc<PoolHandle<J, O>>,
    pub(crate) desk: Arc<Desk<J, O>>,
    /// How long a start may take that is not part of a deploy.
    pub(crate) start_deadline: Duration,
    /// Whether the version is being deployed.
    pub(crate) is_loading: bool,
    /// Called once, when the worker has started.
    pub(crate) started: Box<dyn FnOnce() + Send + Sync>,
}

/// A worker's life: start, work until there is nothing left to do here, stop.
pub(crate) async fn work<W: Worker>(
    post: Post<W::Job, W::Output>,
    factory: &(impl Fn() -> W + Send + Sync),
) -> Result<(), ActorProcessingErr> {
    let Post { plane, pool, desk, started, start_deadline, is_loading } = post;
    let chair = Chair::take(&plane, &pool, &desk);
    // While the version loads, its pool keeps the time for all workers together.
    let deadline = if is_loading { Duration::MAX } else { start_deadline };
    let mut hired = Hired::start(factory, &desk, deadline).await?;
    started();

    let mut batch = tune::BATCH_MAX;
    loop {
        desk.beat();
        let Some(lease) = chair.get_jobs(batch).await else { break };
        let done = hired.process(&lease).await;
        if done.panicked {
            drop(lease);
            chair.report();
            drop_guarded(hired);
            if chair.is_over() {
                return Ok(());
            }
            hired = Hired::start(factory, &desk, start_deadline).await?;
        } else {
            batch = hired.optimize(batch, lease, done).await;
        }
    }

    desk.set_state(WorkerState::Stopping);
    hired.worker.stop().await;
    desk.beat();
    desk.set_state(WorkerState::Stopped);
    Ok(())
}

/// The user's worker and what it is told.
struct Hired<W: Worker> {
    worker: W,
    desk: Arc<Desk<W::Job, W::Output>>,
    cx: Option<JobContext>,
    since_yield: u32,
}

/// How a batch went.
#[derive(Default)]
struct Done {
    processed: usize,
    failed: usize,
    gave_back: bool,
    /// The last job made the worker panic: it is to be made anew.
    panicked: bool,
}

impl<W: Worker> Hired<W> {
    /// Makes a worker and starts it. Ends early when it is told to, or when that takes too long: a hanging start must not keep the pool.
    async fn start(
        factory: &(impl Fn() -> W + Send + Sync),
        desk: &Arc<Desk<W::Job, W::Output>>,
        deadline: Duration,
    ) -> Result<Self, ActorProcessingErr> {
        desk.set_state(WorkerState::Starting);
        let mut worker = factory();
        let host: Arc<dyn Host> = Arc::<Desk<W::Job, W::Output>>::clone(desk);
        let cx = StartContext::new(host);
        {
            let mut start = pin!(worker.start(&cx));
            let started = poll_fn(|task| match desk.poll_abandon(task) {
                Poll::Ready(()) => Poll::Ready(Err("the start was given up".into())),
                Poll::Pending => start.as_mut().poll(task),
            });
            match tokio::time::timeout(deadline, started).await {
                Ok(started) => started.map_err(|fault| fault.to_string())?,
                Err(_) => return Err(format!("it did not start within {deadline:?}").into()),
            }
        }
        desk.set_state(WorkerState::Running);
        Ok(Self { worker, desk: Arc::clone(desk), cx: None, since_yield: 0 })
    }

    /// Processes the jobs of a batch, one after the other, until one makes the worker panic.
    async fn process(&mut self, lease: &Lease<'_, W::Job, W::Output>) -> Done {
        let mut done = Done::default();
        while let Some(hand) = lease.begin() {
            let ended = self.attempt(&hand, lease, &mut done).await;
            done.panicked = matches!(ended, Ended::Panicked(_));
            done.processed += 1;
            done.failed += usize::from(!matches!(ended, Ended::Done(_)));
            hand.settle(ended);
            if done.panicked {
                break;
            }
            self.let_others_run().await;
        }
        done
    }

    /// One attempt at the job in hand.
    async fn attempt(
        &mut self,
        hand: &InHand<'_, W::Job, W::Output>,
        lease: &Lease<'_, W::Job, W::Output>,
        done: &mut Done,
    ) -> Ended<W::Output> {
        let Some(job) = hand.job() else { return Ended::Lost };
        if job.is_expired(|| self.desk.now()) {
            return Ended::Expired;
        }
        let _askers = inside::Askings::of(job.extras.as_ref().and_then(|extras| extras.askers.clone()));
        let cx = match &mut self.cx {
            Some(cx) => {
                cx.turn_to(job.facts());
                &*cx
            }
            none => {
                let host: Arc<dyn Host> = Arc::<Desk<W::Job, W::Output>>::clone(&self.desk);
                none.insert(JobContext::new(host, job.facts()))
            }
        };
        let desk = &self.desk;
        let worker = &mut self.worker;
        // Called inside a future, so that a `process` that panics before its first line is caught as well.
        let mut process = pin!(async { worker.process(&job.payload, cx).await });
        poll_fn(|task| {
            let polled = catch_unwind(AssertUnwindSafe(|| process.as_mut().poll(task)));
            match polled {
                Ok(Poll::Ready(Ok(output))) => Poll::Ready(Ended::Done(output)),
                Ok(Poll::Ready(Err(fault))) => Poll::Ready(Ended::Fault(fault)),
                Err(panic) => Poll::Ready(Ended::Panicked(panic_text(&*panic))),
                Ok(Poll::Pending) => {
                    // The job has to wait for something; those behind it must not.
                    done.gave_back |= lease.give_back_rest();
                    desk.poll_abandon(task).map(|()| Ended::Interrupted)
                }
            }
        })
        .await
    }

    /// Tunes the size of the batch, then lets the worker tune itself.
    async fn optimize(&mut self, batch: usize, lease: Lease<'_, W::Job, W::Output>, done: Done) -> usize {
        let went = match lease.taken {
            _ if done.gave_back => Batch::GivenBack,
            taken if taken >= batch => Batch::Full,
            _ => Batch::Short,
        };
        let next = tune::next_batch(batch, went);
        let cycle = Cycle::new(done.processed, done.failed, next);
        let mut optimize = pin!(self.worker.optimize(&cycle));
        poll_fn(|task| {
            let polled = optimize.as_mut().poll(task);
            if polled.is_pending() {
                lease.chair().report();
            }
            polled
        })
        .await;
        next
    }

    async fn let_others_run(&mut self) {
        self.since_yield += 1;
        if self.since_yield >= YIELD_EACH {
            self.since_yield = 0;
            tokio::task::yield_now().await;
        }
    }
}

/// What a panic says.
fn panic_text(panic: &(dyn Any + Send)) -> String {
    if let Some(text) = panic.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        "without a text".to_owned()
    }
}
