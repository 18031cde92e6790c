//! A worker's desk: what others can reach of it while it works.
//!
//! On the desk lie the jobs that the worker took and has not begun, so that the pool and the watcher can take them back while a job
//! blocks the worker; its vitals, written by the worker alone and read by anybody; and what it is asked to do.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::AcqRel;
use std::sync::atomic::Ordering::Acquire;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::Ordering::Release;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;
use std::time::Duration;

use parking_lot::Mutex;
use seral_core::guard::Sign;
use seral_core::heartbeat::Change;
use seral_core::heartbeat::Doing;
use seral_core::heartbeat::HeartbeatPolicy;
use seral_core::heartbeat::Pulse;
use seral_core::heartbeat::Sight;
use seral_core::id::JobId;
use seral_core::id::Version;
use seral_core::id::WorkerId;
use seral_core::time::Time;
use seral_worker::Host;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::heartbeat::Vital;
use crate::job::Envelope;
use crate::panics::carry_place;
use crate::panics::take_place;
use crate::tally::Tally;
use crate::vitals::WorkerState;
use crate::vitals::WorkerView;

/// What a worker is asked to do beyond its cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Urge {
    /// Nothing.
    None,
    /// To let the newest version go on with the job in hand, if the job can.
    Yield,
    /// To end the job in hand early, of its own will.
    Cancel,
    /// To drop the job in hand at its next `await`.
    Abandon,
}

/// See the [module](self).
///
/// What a worker writes for each job comes first, in one line of the cache: where each job wakes another worker, it is fetched for each.
#[repr(C, align(64))]
pub(crate) struct Desk<J, O> {
    beats: AtomicU64,
    begun: AtomicU64,
    done: AtomicU64,
    batch: AtomicUsize,
    /// The id of the job in hand plus one; zero for none.
    in_hand: AtomicU64,
    /// Settled jobs that the mailbox has not been told of.
    unreported: AtomicUsize,
    /// The id of the job that is asked to end, plus one; zero for none.
    cancelled_job: AtomicU64,
    /// Whether the worker waits for jobs.
    is_idle: AtomicBool,
    urge: AtomicU8,
    state: AtomicU8,

    pub(crate) worker: WorkerId,
    version: Version,
    community: Arc<str>,
    clock: Clock,
    jobs: Mutex<VecDeque<Envelope<J, O>>>,

    faults: AtomicU64,
    panics: AtomicU64,
    /// Jobs that came by chance and failed with their first attempt, by sign.
    failures: [AtomicU64; 3],
    /// Attempts that came to an end and were not the first, or whose jobs did not come by chance.
    apart: AtomicU64,
    /// Attempts that had come to an end when the worker was made anew in its place.
    ended_before: AtomicU64,
    restarts: AtomicU64,
    /// How often the job in hand has begun to wait for something, and has gone on: odd while it waits.
    waits: AtomicU64,

    /// What the watcher makes of it.
    pulse: Mutex<Pulse>,

    /// The worker, while it waits for something in a job.
    waiting: Mutex<Option<Waker>>,
    /// Whoever waits to be told that the job should end, or make room.
    asked: Notify,
}

impl<J, O> Desk<J, O> {
    pub(crate) fn new(
        worker: WorkerId,
        version: Version,
        community: Arc<str>,
        clock: Clock,
        restarts: u64,
    ) -> Arc<Self> {
        Arc::new(Self {
            worker,
            version,
            community,
            clock,
            jobs: Mutex::new(VecDeque::new()),
            state: AtomicU8::new(WorkerState::Starting as u8),
            beats: AtomicU64::new(0),
            begun: AtomicU64::new(0),
            done: AtomicU64::new(0),
            faults: AtomicU64::new(0),
            panics: AtomicU64::new(0),
            failures: [const { AtomicU64::new(0) }; 3],
            apart: AtomicU64::new(0),
            ended_before: AtomicU64::new(0),
            restarts: AtomicU64::new(restarts),
            batch: AtomicUsize::new(0),
            waits: AtomicU64::new(0),
            is_idle: AtomicBool::new(false),
            in_hand: AtomicU64::new(0),
            unreported: AtomicUsize::new(0),
            pulse: Mutex::new(Pulse::default()),
            cancelled_job: AtomicU64::new(0),
            urge: AtomicU8::new(Urge::None as u8),
            waiting: Mutex::new(None),
            asked: Notify::new(),
        })
    }

    /// Whether this time has come.
    pub(crate) fn has_come(&self, time: Time) -> bool {
        self.clock.has_come(time)
    }

    // ---- jobs not begun --------------------------------------------------------------------------------------------

    /// Looks at the jobs that lie here, under the lock.
    pub(crate) fn with_jobs<R>(&self, look: impl FnOnce(&VecDeque<Envelope<J, O>>) -> R) -> R {
        look(&self.jobs.lock())
    }

    /// Lays jobs down. Nothing lies there: the memory for jobs comes in exchange.
    pub(crate) fn lay_down(&self, taken: &mut VecDeque<Envelope<J, O>>) {
        std::mem::swap(&mut *self.jobs.lock(), taken);
    }

    /// Puts the next job to begin into this hand. Returns whether more lie behind it.
    pub(crate) fn next(&self, hand: &mut Option<Envelope<J, O>>) -> bool {
        let mut jobs = self.jobs.lock();
        *hand = jobs.pop_front();
        !jobs.is_empty()
    }

    /// Clears the desk, if anything lies on it. The lock of the desk is not held when the jobs reach a mailbox.
    pub(crate) fn clear(&self) -> VecDeque<Envelope<J, O>> {
        let mut jobs = self.jobs.lock();
        // An empty desk keeps its memory.
        if jobs.is_empty() { VecDeque::new() } else { std::mem::take(&mut *jobs) }
    }

    // ---- vitals: written by the worker alone -----------------------------------------------------------------------

    pub(crate) fn beat(&self) {
        bump(&self.beats);
    }

    pub(crate) fn begin(&self, job: JobId) {
        bump(&self.begun);
        if self.cancelled_job.load(Relaxed) != 0 {
            // It may have been asked for by the same number, before that job died and was replayed.
            self.cancelled_job.store(0, Relaxed);
        }
        self.in_hand.store(job.get() + 1, Relaxed);
    }

    /// The job in hand is settled, as done or with a fault.
    pub(crate) fn settled(&self, done: bool) {
        bump(if done { &self.done } else { &self.faults });
        self.let_go();
    }

    /// The job in hand came by chance, and failed so with its first attempt.
    pub(crate) fn failed_by(&self, sign: Sign) {
        if sign != Sign::Errors {
            bump(&self.failures[Sign::Errors as usize]);
        }
        if let Some(counter) = self.failures.get(sign as usize) {
            bump(counter);
        }
    }

    /// The attempt that is about to be settled says nothing of the version.
    #[cold]
    pub(crate) fn set_apart(&self) {
        bump(&self.apart);
    }

    /// The job in hand has left without being done or failed: it was handed back, or had expired.
    pub(crate) fn let_go(&self) {
        self.in_hand.store(0, Relaxed);
        self.unreported.store(self.unreported.load(Relaxed) + 1, Relaxed);
    }

    /// The job in hand begins to wait for something, or goes on.
    pub(crate) fn set_waits(&self, waits: bool) {
        let now = self.waits.load(Relaxed);
        if (now % 2 == 1) != waits {
            self.waits.store(now + 1, Relaxed);
        }
    }

    /// The worker begins to wait for jobs, or has got some.
    pub(crate) fn set_idle(&self, idle: bool) {
        self.is_idle.store(idle, Relaxed);
    }

    pub(crate) fn set_batch(&self, batch: usize) {
        self.batch.store(batch, Relaxed);
    }

    /// The worker has panicked.
    pub(crate) fn panicked(&self) {
        bump(&self.panics);
    }

    /// The worker is made anew in its place.
    pub(crate) fn restarted(&self) {
        bump(&self.restarts);
        self.ended_before.store(self.ended(), Relaxed);
    }

    /// Settled jobs since this was last asked.
    pub(crate) fn take_unreported(&self) -> usize {
        let settled = self.unreported.load(Relaxed);
        self.unreported.store(0, Relaxed);
        settled
    }

    /// Goes on to this state. A worker that was asked to be quiet does not run again.
    pub(crate) fn set_state(&self, state: WorkerState) {
        let is_quiet = |now: u8| now == WorkerState::Quiet as u8 && state < WorkerState::Quiet;
        // Two write here: the worker, and the pool that asks it to be quiet.
        let _ = self.state.fetch_update(AcqRel, Acquire, |now| (!is_quiet(now)).then_some(state as u8));
    }

    // ---- vitals: read by anybody -----------------------------------------------------------------------------------

    pub(crate) fn state(&self) -> WorkerState {
        match self.state.load(Acquire) {
            0 => WorkerState::Starting,
            1 => WorkerState::Running,
            2 => WorkerState::Quiet,
            3 => WorkerState::Stopping,
            _ => WorkerState::Stopped,
        }
    }

    pub(crate) fn tally(&self) -> Tally {
        Tally {
            done: self.done.load(Relaxed),
            faults: self.faults.load(Relaxed),
            begun: self.begun.load(Relaxed),
            failures: self.failures.each_ref().map(|counter| counter.load(Relaxed)),
            apart: self.apart.load(Relaxed),
        }
    }

    pub(crate) fn restarts(&self) -> u64 {
        self.restarts.load(Relaxed)
    }

    /// Whether the worker has brought an attempt to an end, well or not, without a panic, since it was made, or made anew in its place.
    pub(crate) fn has_ended_a_job_lately(&self) -> bool {
        self.ended() > self.ended_before.load(Relaxed)
    }

    /// How many attempts it has brought to an end without a panic, since its actor was started.
    pub(crate) fn ended(&self) -> u64 {
        let tally = self.tally();
        // A panic may be counted just before its fault is.
        tally.ended().saturating_sub(self.panics.load(Relaxed))
    }

    pub(crate) fn in_hand(&self) -> Option<JobId> {
        self.in_hand.load(Relaxed).checked_sub(1).map(JobId::new)
    }

    pub(crate) fn not_begun(&self) -> usize {
        self.jobs.lock().len()
    }

    // ---- watching --------------------------------------------------------------------------------------------------

    /// For the watcher, at intervals. Returns what has changed.
    pub(crate) fn look(&self, policy: HeartbeatPolicy, now: Time) -> Option<Change> {
        let steps = [&self.begun, &self.waits, &self.beats].map(|counter| counter.load(Relaxed));
        let sight = Sight { doing: self.doing(), begun: steps[0], steps: steps.iter().sum() };
        self.pulse.lock().look(policy, now, sight)
    }

    fn doing(&self) -> Doing {
        match (self.in_hand(), self.state()) {
            (Some(job), _) if self.waits.load(Relaxed) % 2 == 1 => Doing::Waiting(job),
            (Some(job), _) => Doing::Running(job),
            (None, WorkerState::Starting | WorkerState::Stopping | WorkerState::Stopped) => Doing::Nothing,
            // One that was asked to leave as it starts has not come round its cycle yet.
            (None, _) if self.is_idle.load(Relaxed) || self.beats.load(Relaxed) == 0 => Doing::Nothing,
            (None, _) => Doing::Between,
        }
    }

    /// For how long the worker has been at its job, as far as the watcher noticed.
    pub(crate) fn at_job_for(&self) -> Duration {
        self.pulse.lock().at_job_for()
    }

    // ---- urging ----------------------------------------------------------------------------------------------------

    /// Asks the worker to end its job, or to let others go on with it. An urge only grows, except that [`relent`](Self::relent) takes back the least.
    pub(crate) fn urge(&self, urge: Urge) {
        self.urge.fetch_max(urge as u8, Release);
        self.asked.notify_waiters();
        let waiting = self.waiting.lock().take();
        if let Some(worker) = waiting {
            worker.wake();
        }
    }

    /// The worker need not yield any more. Whatever else it is asked to do, it still is.
    pub(crate) fn relent(&self) {
        let _ = self.urge.compare_exchange(Urge::Yield as u8, Urge::None as u8, Release, Relaxed);
    }

    /// Asks the job of this number to end, if it is the one in hand.
    pub(crate) fn cancel(&self, job: JobId) {
        if self.in_hand() == Some(job) {
            self.cancelled_job.store(job.get() + 1, Release);
            self.asked.notify_waiters();
        }
    }

    fn is_asked_to_end(&self, job: JobId) -> bool {
        self.is_urged(Urge::Cancel) || self.cancelled_job.load(Acquire) == job.get() + 1
    }

    /// For the worker, while it waits: whether it is to abandon what it does; if not, it is woken when that changes.
    pub(crate) fn poll_abandon(&self, task: &Context<'_>) -> Poll<()> {
        if self.is_urged(Urge::Abandon) {
            return Poll::Ready(());
        }
        let mut waiting = self.waiting.lock();
        if !waiting.as_ref().is_some_and(|worker| worker.will_wake(task.waker())) {
            *waiting = Some(task.waker().clone());
        }
        drop(waiting);
        // Looked at again after registering, so that an urge in between is not missed.
        if self.is_urged(Urge::Abandon) { Poll::Ready(()) } else { Poll::Pending }
    }

    fn is_urged(&self, urge: Urge) -> bool {
        self.urge.load(Acquire) >= urge as u8
    }

    /// Waits until the worker, or its job, is asked for this.
    async fn until(&self, is_asked: impl Fn() -> bool) {
        loop {
            let mut told = pin!(self.asked.notified());
            // Registered before the look, so that an urge between the look and the wait is not missed.
            told.as_mut().enable();
            if is_asked() {
                return;
            }
            told.await;
        }
    }
}

/// One writer, so load and store are enough and cost no locked instruction.
fn bump(counter: &AtomicU64) {
    counter.store(counter.load(Relaxed) + 1, Relaxed);
}

impl<J: Send + Sync, O: Send> Host for Desk<J, O> {
    fn version(&self) -> &Version {
        &self.version
    }

    fn worker(&self) -> WorkerId {
        self.worker
    }

    fn now(&self) -> Time {
        self.clock.now()
    }

    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(time))
    }

    fn is_cancelled(&self, job: JobId) -> bool {
        self.is_asked_to_end(job)
    }

    fn cancelled(&self, job: JobId) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.until(move || self.is_asked_to_end(job)))
    }

    fn is_draining(&self) -> bool {
        self.is_urged(Urge::Yield)
    }

    fn draining(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.until(move || self.is_urged(Urge::Yield)))
    }

    fn run_blocking(&self, code: Box<dyn FnOnce() + Send>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        // In a simulation there is one thread: another would be ready sooner or later, as the machine has time for it.
        if self.clock.is_simulated() {
            code();
            return Box::pin(std::future::ready(()));
        }
        run_on_another_thread(code)
    }
}

fn run_on_another_thread(code: Box<dyn FnOnce() + Send>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    let running = tokio::task::spawn_blocking(|| {
        catch_unwind(AssertUnwindSafe(code)).map_err(|payload| (payload, take_place()))
    });
    Box::pin(async move {
        if let Ok(Err((payload, place))) = running.await {
            carry_place(place);
            resume_unwind(payload);
        }
    })
}

impl<J: Send + Sync, O: Send> Vital for Desk<J, O> {
    fn view(&self) -> WorkerView {
        let tally = self.tally();
        let pulse = *self.pulse.lock();
        WorkerView {
            community: self.community.to_string(),
            version: self.version.to_string(),
            id: self.worker.get(),
            state: self.state(),
            condition: pulse.condition(),
            job: self.in_hand().map(JobId::get),
            job_for: pulse.at_job_for(),
            silent_for: pulse.still_for(),
            done: tally.done,
            faults: tally.faults,
            restarts: self.restarts(),
            batch: self.batch.load(Relaxed),
            beats: self.beats.load(Relaxed),
        }
    }
}
