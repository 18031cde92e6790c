//! The worker's cycle, the one loop of the product: *beat, get jobs, process, optimize, repeat.*
//!
//! A panic in `process` is the job's failure: it is caught where it happens, the job is settled by the retry policy, and the worker is made
//! anew, here and at once. If no attempt came to an end since the worker's last start, its actor ends instead, and so it does after a panic anywhere
//! else; then its pool starts another, with growing delays.

use std::future::poll_fn;
use std::pin::Pin;
use std::pin::pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use ractor::ActorProcessingErr;
use seral_core::tune;
use seral_core::tune::Batch;
use seral_worker::Cycle;
use seral_worker::Fault;
use seral_worker::FaultKind;
use seral_worker::Host;
use seral_worker::JobContext;
use seral_worker::StartContext;
use seral_worker::Worker;
use tokio::time::Instant;
use tokio::time::Sleep;

use crate::desk::Desk;
use crate::inside;
use crate::job::Envelope;
use crate::lease::Chair;
use crate::lease::InHand;
use crate::lease::Lease;
use crate::panics::Panicked;
use crate::panics::catch;
use crate::panics::catch_async;
use crate::plane::DataPlane;
use crate::pool_handle::PoolHandle;
use crate::settlement::Ended;
use crate::settlement::timed_out;
use crate::trace::AttemptSpan;
use crate::user_code::drop_guarded;
use crate::vitals::WorkerState;

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
    // The pool was just woken on this thread, in a slot that no other thread can take it from: it should run before a job that may block.
    tokio::task::yield_now().await;

    let mut batch = tune::BATCH_MAX;
    loop {
        desk.beat();
        desk.set_batch(batch);
        let Some(lease) = chair.get_jobs(batch).await else { break };
        let done = hired.process(&lease).await;
        if let Some(why) = done.panicked {
            drop(lease);
            chair.report();
            drop_guarded(hired);
            if chair.is_over() {
                return Ok(());
            }
            if !desk.has_ended_a_job_lately() {
                return Err(why.into());
            }
            desk.restarted();
            chair.tell_rebuilt(why);
            hired = Hired::start(factory, &desk, start_deadline).await?;
        } else {
            batch = match hired.optimize(batch, lease, done).await {
                Ok(batch) => batch,
                Err(panicked) => return Err(hired.ended_by("optimize", &panicked)),
            };
        }
    }

    desk.set_state(WorkerState::Stopping);
    if let Err(panicked) = catch_async(hired.worker.stop()).await {
        return Err(hired.ended_by("stop", &panicked));
    }
    drop_guarded(hired);
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
    /// The last job made the worker panic, with this text: it is to be made anew.
    panicked: Option<String>,
}

impl<W: Worker> Hired<W> {
    /// Makes a worker and starts it. Ends early when it is told to, or when that takes too long: a hanging start must not keep the pool.
    async fn start(
        factory: &(impl Fn() -> W + Send + Sync),
        desk: &Arc<Desk<W::Job, W::Output>>,
        deadline: Duration,
    ) -> Result<Self, ActorProcessingErr> {
        desk.set_state(WorkerState::Starting);
        let mut worker = catch(factory).map_err(|panicked| panicked_in("the factory", &panicked))?;
        let host: Arc<dyn Host> = Arc::<Desk<W::Job, W::Output>>::clone(desk);
        let cx = StartContext::new(host);
        let started = catch_async(async {
            let mut start = pin!(worker.start(&cx));
            let started = poll_fn(|task| match desk.poll_abandon(task) {
                Poll::Ready(()) => Poll::Ready(Err("the start was given up".into())),
                Poll::Pending => start.as_mut().poll(task),
            });
            match tokio::time::timeout(deadline, started).await {
                Ok(started) => started.map_err(|fault| fault.to_string()),
                Err(_) => Err(format!("it did not start within {deadline:?}")),
            }
        })
        .await;
        let why: ActorProcessingErr = match started {
            Ok(Ok(())) => {
                desk.set_state(WorkerState::Running);
                return Ok(Self { worker, desk: Arc::clone(desk), cx: None, since_yield: 0 });
            }
            Ok(Err(why)) => why.into(),
            Err(panicked) => panicked_in("`start`", &panicked),
        };
        drop_guarded(worker);
        Err(why)
    }

    /// Lets go of the worker, which panicked in this; says so.
    fn ended_by(self, what: &str, panicked: &Panicked) -> ActorProcessingErr {
        drop_guarded(self);
        panicked_in(&format!("`{what}`"), panicked)
    }

    /// Processes the jobs of a batch, one after the other, until one makes the worker panic.
    async fn process(&mut self, lease: &Lease<'_, W::Job, W::Output>) -> Done {
        let mut done = Done::default();
        while let Some(hand) = lease.begin() {
            let mut ended = match hand.job() {
                None => Ended::Lost,
                Some(job) => match self.turned_away(job) {
                    Some(ended) => ended,
                    None => self.attempt(job, lease, &mut done).await,
                },
            };
            done.processed += 1;
            // As after a start: whoever waits for this job, or the dispatcher for its next attempt, is woken on this thread.
            let wakes_somebody = hand.has_reply() || !matches!(ended, Ended::Done(_));
            if !matches!(ended, Ended::Done(_)) {
                done.failed += 1;
                self.look_into(&hand, &mut ended, &mut done);
            }
            hand.settle(ended);
            if done.panicked.is_some() {
                self.desk.panicked();
                break;
            }
            self.let_others_run(wakes_somebody).await;
        }
        done
    }

    /// Whether the job is not worth beginning any more.
    fn turned_away(&self, job: &Envelope<W::Job, W::Output>) -> Option<Ended<W::Output>> {
        let extras = job.extras.as_ref()?;
        if extras.cancellation.as_ref().is_some_and(|it| it.is_asked_as_it_begins()) {
            Some(Ended::Cancelled)
        } else if job.is_expired(|| self.desk.now()) {
            Some(Ended::Expired)
        } else {
            None
        }
    }

    /// One attempt at the job in hand: runs the worker's code to its end, or as far as it may go.
    async fn attempt(
        &mut self,
        job: &Envelope<W::Job, W::Output>,
        lease: &Lease<'_, W::Job, W::Output>,
        done: &mut Done,
    ) -> Ended<W::Output> {
        let span = AttemptSpan::of(job, lease.chair());
        let _askers = inside::Askings::of(job.extras.as_ref().and_then(|extras| extras.askers.clone()));
        let mut patience = Patience::begin(job, lease.chair());
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
        let mut waits = false;
        // Called inside a future, so that a `process` that panics before its first line is caught as well.
        let mut process = pin!(Some(async { worker.process(&job.payload, cx).await }));
        let ended = poll_fn(|task| {
            if waits {
                desk.set_waits(false);
            }
            let polled = catch(|| {
                span.in_scope(|| match process.as_mut().as_pin_mut() {
                    Some(process) => process.poll(task),
                    None => Poll::Pending,
                })
            });
            match polled {
                Ok(Poll::Ready(Ok(output))) => Poll::Ready(Ended::Done(output)),
                Ok(Poll::Ready(Err(fault))) => Poll::Ready(Ended::Fault(fault)),
                Err(panicked) => Poll::Ready(Ended::Panicked(Box::new(panicked))),
                Ok(Poll::Pending) => {
                    waits = true;
                    desk.set_waits(true);
                    // The job has to wait for something; those behind it must not.
                    done.gave_back |= lease.give_back_rest();
                    if desk.poll_abandon(task).is_ready() {
                        return Poll::Ready(Ended::Interrupted);
                    }
                    patience.poll_over(task).map(|after| Ended::TimedOut(after, FaultKind::Retry))
                }
            }
        })
        .await;
        if !matches!(ended, Ended::Interrupted | Ended::TimedOut(..)) {
            return ended;
        }
        desk.set_waits(false);
        // What the job left unfinished is dropped here, where a panic in it is caught.
        match catch(|| process.set(None)) {
            Ok(()) => ended,
            Err(panicked) => Ended::Panicked(Box::new(panicked)),
        }
    }

    /// An attempt has not come to an output. Asks the worker, if it has not panicked, what should become of the job.
    fn look_into(&self, hand: &InHand<'_, W::Job, W::Output>, ended: &mut Ended<W::Output>, done: &mut Done) {
        let Some(attempt) = hand.job().map(|job| job.attempt) else { return };
        let mut ask = |fault: &Fault| {
            catch(|| self.worker.retry(fault, attempt)).unwrap_or_else(|panicked| {
                done.panicked = Some(format!("`retry` panicked: {}", panicked.text));
                fault.kind()
            })
        };
        match ended {
            Ended::Fault(fault) => fault.set_kind(ask(fault)),
            Ended::TimedOut(after, kind) => *kind = ask(&Fault::retry(timed_out(*after))),
            Ended::Panicked(panic) => done.panicked = Some(format!("`process` panicked: {}", panic.text)),
            Ended::Done(_) | Ended::Lost | Ended::Expired | Ended::Cancelled | Ended::Interrupted => {}
        }
    }

    /// Tunes the size of the batch, then lets the worker tune itself.
    async fn optimize(
        &mut self,
        batch: usize,
        lease: Lease<'_, W::Job, W::Output>,
        done: Done,
    ) -> Result<usize, Panicked> {
        let went = match lease.taken {
            _ if done.gave_back => Batch::GivenBack,
            taken if taken >= batch => Batch::Full,
            _ => Batch::Short,
        };
        let next = tune::next_batch(batch, went);
        let cycle = Cycle::new(done.processed, done.failed, next);
        let mut optimize = pin!(self.worker.optimize(&cycle));
        let tuned = catch_async(poll_fn(|task| {
            let polled = optimize.as_mut().poll(task);
            if polled.is_pending() {
                lease.chair().report();
            }
            polled
        }));
        tuned.await.map(|()| next)
    }

    async fn let_others_run(&mut self, now: bool) {
        self.since_yield += 1;
        if now || self.since_yield >= YIELD_EACH {
            self.since_yield = 0;
            tokio::task::yield_now().await;
        }
    }
}

fn panicked_in(what: &str, panicked: &Panicked) -> ActorProcessingErr {
    let Panicked { text, place } = panicked;
    match place {
        Some(place) => format!("{what} panicked: {text} at {place}").into(),
        None => format!("{what} panicked: {text}").into(),
    }
}

/// How long the attempt may take, if there is a limit. The timer is set only if the job waits for something at all.
struct Patience(Option<Limit>);

struct Limit {
    after: Duration,
    began: Instant,
    over: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    fn begin<J, O>(job: &Envelope<J, O>, chair: &Chair<J, O>) -> Self
    where
        J: Send + Sync + 'static,
        O: Send + 'static,
    {
        let own = job.extras.as_ref().and_then(|extras| extras.timeout);
        let limit = |after| Limit { after, began: Instant::now(), over: None };
        Self(own.or(chair.timeout()).map(limit))
    }

    /// Ready once the time is over.
    fn poll_over(&mut self, task: &mut Context<'_>) -> Poll<Duration> {
        let Some(Limit { after, began, over }) = &mut self.0 else { return Poll::Pending };
        let over = over.get_or_insert_with(|| {
            // A time that the clock cannot tell is as good as none.
            Box::pin(match began.checked_add(*after) {
                Some(at) => tokio::time::sleep_until(at),
                None => tokio::time::sleep(Duration::MAX),
            })
        });
        over.as_mut().poll(task).map(|()| *after)
    }
}
