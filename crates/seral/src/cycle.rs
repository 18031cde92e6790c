//! The worker's cycle, the one loop of the product: *beat, get jobs, process, optimize, repeat.*
//!
//! A panic in `process` is the job's failure: it is caught where it happens, the job is settled by the retry policy, and the worker is made
//! anew, here and at once. If no attempt came to an end since the worker's last start, its actor ends instead, and so it does after a panic anywhere
//! else; then its pool starts another, with growing delays.

use std::collections::VecDeque;
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
use tokio::runtime::Handle;
use tokio::runtime::RuntimeFlavor;
use tokio::time::Instant;

use crate::desk::Desk;
use crate::inside;
use crate::job::Envelope;
use crate::lease::Chair;
use crate::lease::Hand;
use crate::lease::Lease;
use crate::lease::Rest;
use crate::pace;
use crate::pace::Pace;
use crate::panics::Panicked;
use crate::panics::catch;
use crate::panics::catch_async;
use crate::plane::DataPlane;
use crate::pool_handle::PoolHandle;
use crate::settlement::Undone;
use crate::settlement::timed_out;
use crate::time_limit::Limit;
use crate::trace::AttemptSpan;
use crate::user_code::drop_guarded;
use crate::vitals::WorkerState;

/// After so many jobs in one go a worker lets tokio ask the system for news: of sockets, timers, signals. Rarely enough to cost nothing, often
/// enough that a burst of tiny jobs does not keep a neighbour waiting for more than some ten microseconds.
const NEWS_EACH: u32 = 128;

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
    let mut chunk = VecDeque::new();
    loop {
        desk.beat();
        desk.set_batch(batch);
        let mut lease = chair.lease();
        if !lease.get_jobs(batch, &mut chunk, hired.should_let_others_run()).await {
            break;
        }
        let mut done = Done::default();
        hired.process(&mut lease, &mut done).await;
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
            batch = match hired.optimize(batch, &lease, &done).await {
                Ok(batch) => batch,
                Err(panicked) => return Err(hired.ended_by("optimize", &panicked)),
            };
        }
    }

    desk.set_state(WorkerState::Stopping);
    hired.let_others_run().await;
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
    /// Whether others should run before it begins another job.
    owes_a_turn: bool,
    /// Whether the runtime has but one thread, where `block_on` gets a turn only when nobody else is ready.
    is_alone: bool,
    /// Jobs since tokio was let to ask the system for news.
    since_news: u32,
    /// Jobs until one is timed, and whether any was.
    untimed: u32,
    is_warm: bool,
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
        let is_alone =
            Handle::try_current().is_ok_and(|it| it.runtime_flavor() == RuntimeFlavor::CurrentThread);
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
                return Ok(Self {
                    worker,
                    desk: Arc::clone(desk),
                    cx: None,
                    owes_a_turn: true,
                    is_alone,
                    since_news: 0,
                    untimed: pace::WARMING_UP,
                    is_warm: false,
                });
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
    async fn process(&mut self, lease: &mut Lease<'_, W::Job, W::Output>, done: &mut Done) {
        if self.is_warm {
            // Somebody may watch by now.
            self.untimed = self.untimed.min(lease.chair().pace().one_in());
        }
        let mut hand = lease.hand();
        if !hand.is_empty() && self.owes_a_turn {
            // Others had their turn while it waited.
            self.owes_a_turn = false;
        }
        loop {
            if hand.is_empty() {
                if self.should_let_others_run() && hand.rest().is_any() {
                    self.let_others_run().await;
                }
                if !hand.begin() {
                    break;
                }
            }
            let mut ended = match hand.job() {
                None => Err(Box::new(Undone::Lost)),
                Some(job) => match self.turned_away(job) {
                    Some(undone) => Err(Box::new(undone)),
                    None => {
                        let began = self.begin_to_time(hand.rest().chair().pace());
                        let ended = self.attempt(job, hand.rest(), done).await;
                        if let Some(began) = began
                            && ended.is_ok()
                        {
                            hand.rest().chair().took(job, began.elapsed());
                        }
                        ended
                    }
                },
            };
            done.processed += 1;
            // As after a start: whoever waits for this job, or the dispatcher for its next attempt, is woken on this thread.
            self.owes_a_turn |= ended.is_err() || hand.is_awaited();
            if let Err(undone) = &mut ended {
                done.failed += 1;
                self.look_into(&hand, undone, done);
            }
            hand.settle(ended);
            if done.panicked.is_some() {
                self.desk.panicked();
                break;
            }
            self.since_news += 1;
        }
    }

    /// When an attempt begins, if it is to be timed.
    #[inline(always)]
    fn begin_to_time(&mut self, pace: &Pace) -> Option<Instant> {
        self.untimed -= 1;
        if self.untimed > 0 {
            return None;
        }
        self.is_warm = true;
        self.untimed = pace.one_in();
        Some(Instant::now())
    }

    fn should_let_others_run(&self) -> bool {
        self.owes_a_turn || self.since_news >= NEWS_EACH
    }

    /// Lets the tasks run that are ready on this thread.
    ///
    /// A turn alone needs no news of the system, for which `yield_now` would make a system call each time that somebody waits for a job.
    async fn let_others_run(&mut self) {
        if self.since_news >= NEWS_EACH || self.is_alone {
            self.since_news = 0;
            tokio::task::yield_now().await;
        } else {
            go_behind_all_others().await;
        }
        self.owes_a_turn = false;
    }

    /// Whether the job is not worth beginning any more.
    fn turned_away(&self, job: &Envelope<W::Job, W::Output>) -> Option<Undone> {
        let extras = job.extras.as_ref()?;
        if extras.cancellation.as_ref().is_some_and(|it| it.is_asked_as_it_begins()) {
            Some(Undone::Cancelled)
        } else if extras.deadline.is_some_and(|deadline| self.desk.has_come(deadline)) {
            Some(Undone::Expired)
        } else {
            None
        }
    }

    /// One attempt at the job in hand: runs the worker's code to its end, or as far as it may go.
    ///
    /// Most jobs come to their end at the first poll, and pay for nothing that only a wait needs.
    async fn attempt(
        &mut self,
        job: &Envelope<W::Job, W::Output>,
        rest: &Rest<'_, W::Job, W::Output>,
        done: &mut Done,
    ) -> Result<W::Output, Box<Undone>> {
        let span = AttemptSpan::of(job, rest.chair());
        let _askers = inside::Askings::of(job.extras.as_ref().and_then(|extras| extras.askers.as_ref()));
        let limit = Limit::begin(job, rest.chair());
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
        let worker = &mut self.worker;
        let mut given = Some((worker, &job.payload, cx));
        let mut process = pin!(None);
        let first = poll_fn(|task| {
            Poll::Ready(ended(|| {
                // Called where panics are caught: it may panic before its first line.
                process.set(given.take().map(|(worker, payload, cx)| worker.process(payload, cx)));
                poll_in(&span, process.as_mut(), task)
            }))
        });
        if let Poll::Ready(ended) = first.await {
            return ended;
        }
        let wait = wait_out(process.as_mut(), &span, limit, &self.desk, || {
            // The job has to wait for something; those behind it must not.
            done.gave_back |= rest.give_back();
        });
        // Boxed, so that a worker whose jobs never wait keeps no room for that.
        let ended = Box::pin(wait).await;
        if ended.as_ref().is_err_and(|undone| undone.is_cut_short()) {
            // What the job left unfinished is dropped here, where a panic in it is caught.
            catch(|| process.set(None)).map_err(|panicked| Box::new(Undone::Panicked(panicked)))?;
        }
        ended
    }

    /// An attempt has not come to an output. Asks the worker, if it has not panicked, what should become of the job.
    fn look_into(&self, hand: &Hand<'_, W::Job, W::Output>, undone: &mut Undone, done: &mut Done) {
        let Some(attempt) = hand.job().map(Envelope::attempt) else { return };
        let mut ask = |fault: &Fault| {
            catch(|| self.worker.retry(fault, attempt)).unwrap_or_else(|panicked| {
                done.panicked = Some(format!("`retry` panicked: {}", panicked.text));
                fault.kind()
            })
        };
        match undone {
            Undone::Fault(fault) => fault.set_kind(ask(fault)),
            Undone::TimedOut(after, kind) => *kind = ask(&Fault::retry(timed_out(*after))),
            Undone::Panicked(panic) => done.panicked = Some(format!("`process` panicked: {}", panic.text)),
            Undone::Lost | Undone::Expired | Undone::Cancelled | Undone::Interrupted => {}
        }
    }

    /// Tunes the size of the batch, then lets the worker tune itself.
    async fn optimize(
        &mut self,
        batch: usize,
        lease: &Lease<'_, W::Job, W::Output>,
        done: &Done,
    ) -> Result<usize, Panicked> {
        let went = match lease.taken {
            _ if done.gave_back => Batch::GivenBack,
            taken if taken >= batch => Batch::Full,
            _ => Batch::Short,
        };
        let next = tune::next_batch(batch, went);
        let cycle = Cycle::new(done.processed, done.failed, next);
        let optimize = self.worker.optimize(&cycle);
        // The default does nothing and captures nothing. Whatever else it is may take its time, like a job.
        if self.owes_a_turn && size_of_val(&optimize) > 1 {
            self.owes_a_turn = false;
            go_behind_all_others().await;
        }
        let mut optimize = pin!(optimize);
        poll_fn(|task| {
            let polled = catch(|| optimize.as_mut().poll(task));
            if matches!(polled, Ok(Poll::Pending)) {
                lease.chair().report();
                return Poll::Pending;
            }
            Poll::Ready(polled.map(|_| next))
        })
        .await
    }
}

/// A task that is woken while it runs goes behind all others on its thread.
async fn go_behind_all_others() {
    let mut has_run = false;
    poll_fn(|task| {
        if std::mem::replace(&mut has_run, true) {
            return Poll::Ready(());
        }
        task.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Polls the worker's code in the span of its attempt.
#[inline(always)]
fn poll_in<F: Future>(
    span: &AttemptSpan,
    process: Pin<&mut Option<F>>,
    task: &mut Context<'_>,
) -> Poll<F::Output> {
    match process.as_pin_mut() {
        Some(process) => span.in_scope(|| process.poll(task)),
        None => Poll::Pending,
    }
}

/// What a poll of the worker's code comes to. What is rare is boxed where it is found, so that no room for it is passed on.
#[inline(always)]
fn ended<O>(poll: impl FnOnce() -> Poll<Result<O, Fault>>) -> Poll<Result<O, Box<Undone>>> {
    let polled = catch(|| poll().map_err(|fault| Box::new(Undone::Fault(fault))));
    polled.unwrap_or_else(|panicked| Poll::Ready(Err(Box::new(Undone::Panicked(panicked)))))
}

/// Goes on with an attempt that waits for something, until it ends, is to be abandoned, or has taken too long. `waits` is called each time it
/// has to wait.
async fn wait_out<F, J, O>(
    mut process: Pin<&mut Option<F>>,
    span: &AttemptSpan,
    limit: Option<Limit>,
    desk: &Desk<J, O>,
    mut waits: impl FnMut(),
) -> Result<O, Box<Undone>>
where
    F: Future<Output = Result<O, Fault>>,
    J: Send + Sync + 'static,
    O: Send + 'static,
{
    let mut is_first = true;
    let mut over = limit.map(|limit| Box::pin(limit.over()));
    let ended = poll_fn(|task| {
        if !std::mem::take(&mut is_first) {
            desk.set_waits(false);
            if let Poll::Ready(ended) = ended(|| poll_in(span, process.as_mut(), task)) {
                return Poll::Ready(ended);
            }
        }
        desk.set_waits(true);
        waits();
        if desk.poll_abandon(task).is_ready() {
            return Poll::Ready(Err(Box::new(Undone::Interrupted)));
        }
        match &mut over {
            Some(over) => {
                over.as_mut().poll(task).map(|after| Err(Box::new(Undone::TimedOut(after, FaultKind::Retry))))
            }
            None => Poll::Pending,
        }
    })
    .await;
    desk.set_waits(false);
    ended
}

fn panicked_in(what: &str, panicked: &Panicked) -> ActorProcessingErr {
    let Panicked { text, place } = panicked;
    match place {
        Some(place) => format!("{what} panicked: {text} at {place}").into(),
        None => format!("{what} panicked: {text}").into(),
    }
}
