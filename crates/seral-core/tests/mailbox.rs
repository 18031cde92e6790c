//! Everything that three actors can do to a [`Mailbox`], enumerated and compared with an independent model.
//!
//! The actors are the sender side, the worker side (two workers, batches of two) and the control side. Each performs four
//! operations, in every order among them and with every choice of operation, at capacity 1 and at capacity 2. All
//! operations at once would be 10⁷ states and more, so each search has a *theme*: an alphabet for each actor, chosen so that
//! the operations that meddle with each other meet. One search has every kind of operation (except [`KillUnbegun`]), two for
//! each actor; the nightly run does three. A state that was seen is not gone through again. The search is breadth first, so that a
//! history that fails is a shortest one.
//!
//! | theme | states, capacity 1 + 2 | operations, the same |
//! |---|---|---|
//! | [`LINE`] | 17,159 + 11,351 | 48,589 + 30,316 |
//! | [`PINNED_LINE`] | 3,586 + 3,648 | 7,054 + 6,600 |
//! | [`POLLED`] (capacity 3, five operations) | 487 | 883 |
//! | [`WORKERS`] | 17,656 + 14,405 | 45,585 + 39,277 |
//! | [`DRAIN`] | 15,028 + 11,724 | 59,613 + 45,833 |
//! | [`RECALL`] | 16,610 + 13,242 | 38,506 + 31,184 |
//! | [`FENCE`] | 16,339 + 18,505 | 29,490 + 34,933 |
//! | [`WARM`] | 28,904 + 22,081 | 133,284 + 101,155 |
//! | [`WARMTH`] (three operations) | 50,613 + 65,237 | 225,171 + 278,298 |
//! | [`FIRST`] | 183,814 + 179,345 | 524,399 + 501,724 |
//! | [`IN_FLIGHT`] | 66,068 + 54,044 | 189,388 + 160,630 |
//! | [`WARM_CANARY`] (three operations) | 153,566 + 113,018 | 741,309 + 540,963 |
//! | [`ALL`] (two operations) | 13,624 + 12,458 | 38,440 + 36,065 |
//! | [`ALL`] (three, nightly) | 725,903 + 645,485 | 2,689,094 + 2,330,518 |
//!
//! After each operation: each job is in exactly one place, by id; the counts agree; nobody who could go on waits un-woken;
//! no busy worker and no sender out of turn is woken; a job is refused exactly when the gate, the limit or the room say so; *drained* is
//! announced once, at the first moment at which it is true, and is final. One that is kept warm is announced once each time, calls no
//! worker, and is cooled only when nothing is unfinished; then all workers are called. No more jobs come in than the limit says, and
//! nobody waits because of it when `hurry` or `open` is over. At the end of each history the workers that are
//! awake go on until nothing changes: then no job waits. Then all obstacles are removed: then nobody waits in line.
//! Then the gate is shut: then it is drained. If it is warm, it is revived for nothing: then it is drained again; and cooled: then it is over.
//!
//! # Mutations of the machine that were seen to fail
//!
//! - senders: `cancel` passes nothing on; `forget` forgets nothing; a retry loses its ticket; narrow, a drain, `take`, `recall` or
//!   `unhold` wakes no sender; one is woken where there is room for two; they are woken only when nothing is left;
//!   outside one too many; inside without extra room or without a limit; the pinned gate lets all in; `readmit` ignores the
//!   gate; `pin_away` when shut; `steady` when shut or drained; a held pin is not counted;
//! - workers: `admit`, `readmit`, `give_back`, `take`, `detach`, `resume`, `hurry` or a leaving worker wakes no other; `detach`
//!   or `take` keeps the wake-up on its way; two wake-ups at once; a woken worker stays idle; `hurry` at the first look;
//!   `dismiss` wakes nobody or keeps the worker among the idle; a new worker inherits the dismissal; `give_back` in reverse;
//!   `detach` keeps its share; a halted mailbox gives jobs;
//! - end: `reserve` keeps it closing, or wakes no sender; leased, in transit or pins away not counted; `take`, `detach`, `arrived`, `unpin_away`, `narrow` and `shut`
//!   do not look round; announced twice; the gate stays; idle workers are not woken, or wait again; opened after the end;
//!   `recall` takes pinned jobs;
//! - warm: `seal` stays kept, or leaves it warm; a sealed one is kept warm; `narrow` closes it again; `revive` without a pin, with the gate
//!   shut, or so that it is not drained again; cooled in spite of a pin, or though it is not warm; `cool` wakes no worker, or announces; it is final;
//!   it is announced again, or never; its workers are called;
//! - limit: `open` ignores it; `admit` or `readmit` does not count, a held job does; `readmit` lets all in; held, leased or in transit not in
//!   flight; one too many of either kind; full said before enough, enough before the gate; an equal limit begins anew, another goes on, or
//!   a closed one; pinned jobs are limited; none is; waiting senders hear nothing of it from `hurry`, or from `open`.
//!
//! One mutation changes nothing that can be seen: `open` need not wake senders because of room, for none waits un-woken where there is any.

#![allow(clippy::print_stdout, reason = "the number of enumerated states is worth seeing with --nocapture")]

use std::collections::HashSet;
use std::collections::VecDeque;
use std::hash::BuildHasherDefault;
use std::hash::Hash;
use std::hash::Hasher;

use seral_core::id::Priority;
use seral_core::mailbox::Gate;
use seral_core::mailbox::Limit;
use seral_core::mailbox::Mailbox;
use seral_core::mailbox::Queued;
use seral_core::mailbox::Refusal;
use seral_core::mailbox::Seat;
use seral_core::mailbox::Sender;
use seral_core::mailbox::Take;
use seral_core::mailbox::Ticket;
use seral_core::mailbox::Wakes;

use Sender::Inside;
use Sender::Outside;
use Step::*;

/// How many operations each of the three actors performs.
const JOBS: usize = 4;
/// How many jobs there can be: one for each operation of the sender side.
/// How many workers there are.
const SEATS: usize = 2;
/// How many jobs a worker takes at most.
const BATCH: usize = 2;
/// After so many calls of `hurry` a wake-up that has not arrived counts as stuck.
const STUCK: u8 = 2;

// ---- what is enumerated --------------------------------------------------------------------------------------------

/// One operation of one actor. Jobs and workers are numbered from 0; a sender has the number of its job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// A sender comes with a new job, pinned or not; an outside one waits if there is no room.
    Push(Sender, bool),
    /// The same, with a job whose key is busy: it is held in the fence.
    PushKeyed(bool),
    /// A waiting sender is polled because it was woken.
    Retry(u8),
    /// A waiting sender is polled although nobody woke it.
    Poll(u8),
    /// A waiting sender gives up, woken or not.
    Cancel(u8),

    /// A worker settles all it holds and comes to take.
    Take(u8),
    /// A job fails and is readmitted, before its lease is reported.
    Fail(u8),
    /// A worker returns all it holds, not begun.
    GiveBack(u8),
    /// A worker is killed: the job in hand is lost, the others go back.
    Kill(u8),
    /// A worker is killed before it began: all its jobs go back.
    KillUnbegun(u8),
    /// A worker is started again.
    Attach(u8),

    /// The gate lets only pinned jobs in.
    Narrow,
    /// The gate lets no job in.
    Shut,
    /// The gate lets all jobs in.
    Open,
    /// The gate lets all pinned jobs in, and others up to this limit.
    OpenTo(Limit),
    /// The gate lets only pinned jobs in, and it does not drain.
    Reserve,
    /// Workers take nothing more.
    Halt,
    /// Workers take again.
    Resume,
    /// One unpinned job is taken out.
    Recall,
    /// The first job in transit comes back to this mailbox.
    Readmit,
    /// A job in transit is reported as arrived: here if one was readmitted, else elsewhere.
    Arrived,
    /// A job that names this version waits elsewhere.
    PinAway,
    /// The mailbox is kept from being drained for a while.
    Steady,
    /// It waits there no more, or the while is over.
    UnpinAway,
    /// The first held job leaves the fence.
    Unfence,
    /// The watcher passes by.
    Hurry,
    /// A worker is asked to leave.
    Dismiss(u8),

    /// From now on it is kept warm when it is drained, or not.
    KeepWarm(bool),
    /// It lets pinned jobs in again, if it is warm.
    Revive,
    /// It ends, if it is warm.
    Cool,
    /// The gate lets no job in, for good.
    Seal,
}

/// What each actor may do in one search. The gate is open at first.
struct Theme {
    /// What has happened before the search begins.
    first: &'static [Step],
    senders: &'static [Step],
    workers: &'static [Step],
    control: &'static [Step],
    /// Whether the workers wait for jobs at first. Else they have not come yet.
    parked: bool,
    /// How many operations each actor performs.
    operations: u8,
}

impl Theme {
    fn actors(&self) -> [&'static [Step]; 3] {
        [self.senders, self.workers, self.control]
    }
}

const BOTH_TAKE: &[Step] = &[Take(0), Take(1)];

// ---- the model -----------------------------------------------------------------------------------------------------

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Job {
    id: u8,
    pinned: bool,
}

impl Queued for Job {
    fn priority(&self) -> Priority {
        Priority::Normal
    }

    fn is_pinned(&self) -> bool {
        self.pinned
    }
}

/// Whom a waker wakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Who {
    Worker(u8),
    Sender(u8),
}

/// The one place in which a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Place {
    /// With a sender that waits for room.
    InLine {
        ticket: Ticket,
        woken: bool,
    },
    /// With its sender again: it was not admitted.
    Refused,
    Waiting,
    Held,
    Leased(u8),
    InTransit,
    /// In another mailbox.
    Moved,
    Settled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Presence {
    Busy,
    Parked,
    /// A wake-up for work is on its way, and `hurry` passed by so many times.
    Woken(u8),
    /// Woken to leave.
    Called,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Worker {
    seat: Option<Seat>,
    presence: Presence,
    /// It was dismissed.
    leaving: bool,
    /// It was told to leave, and has only to detach.
    told: bool,
    /// Jobs that it has settled and not reported.
    settled: u8,
}

impl Worker {
    fn comes_to_take(self) -> bool {
        self.seat.is_some() && self.presence != Presence::Parked && !self.told
    }
}

/// What should be the case, kept beside the machine and without looking into it.
#[derive(Clone, Debug, Hash)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a fact by itself; one state would be the machine's own"
)]
struct World {
    mailbox: Mailbox<Job, Who>,
    capacity: usize,
    jobs: Vec<(Job, Place)>,
    workers: [Worker; SEATS],
    gate: Gate,
    /// The gate was narrowed or shut, and not opened since.
    closing: bool,
    halted: bool,
    /// It was announced as drained, and it is over.
    drained: bool,
    /// It was announced as drained, and it can be opened again.
    warm: bool,
    /// It is to be kept warm.
    kept: bool,
    sealed: bool,
    limit: Limit,
    /// Jobs that do not name the version and came to wait here, since it was opened to this limit.
    let_in: u8,
    pins_away: u8,
    /// Jobs that were readmitted and are still counted as in transit.
    not_arrived: u8,
    admitted: u8,
    /// How many operations each actor has left.
    left: [u8; 3],
}

type Checked = Result<(), String>;

/// Fails the step, with a sentence, unless the condition holds.
macro_rules! ensure {
    ($holds:expr, $($sentence:tt)+) => {
        if !$holds {
            return Err(format!($($sentence)+));
        }
    };
}

impl World {
    fn new(capacity: usize, parked: bool, operations: u8) -> Self {
        let mut mailbox = Mailbox::new(capacity);
        let _nobody_waits = mailbox.open(Limit::None);
        let mut worker = |number| {
            let seat = mailbox.attach();
            if parked {
                let mut none = Wakes::none();
                let _idle =
                    mailbox.take(seat, 0, BATCH, &mut VecDeque::new(), &mut none, || Who::Worker(number));
            }
            let presence = if parked { Presence::Parked } else { Presence::Busy };
            Worker { seat: Some(seat), presence, leaving: false, told: false, settled: 0 }
        };
        let workers = [worker(0), worker(1)];
        Self {
            mailbox,
            capacity,
            jobs: Vec::new(),
            workers,
            gate: Gate::Open,
            closing: false,
            halted: false,
            drained: false,
            warm: false,
            kept: false,
            sealed: false,
            limit: Limit::None,
            let_in: 0,
            pins_away: 0,
            not_arrived: 0,
            admitted: 0,
            left: [operations; 3],
        }
    }

    // ---- steps -----------------------------------------------------------------------------------------------------

    fn is_possible(&self, step: Step) -> bool {
        let worker = |number: u8| self.workers[usize::from(number)];
        match step {
            Push(..) | PushKeyed(_) => self.jobs.len() < JOBS,
            Retry(job) => matches!(self.place(job), Some(Place::InLine { woken: true, .. })),
            Poll(job) => matches!(self.place(job), Some(Place::InLine { woken: false, .. })),
            Cancel(job) => matches!(self.place(job), Some(Place::InLine { .. })),
            Take(number) => worker(number).comes_to_take(),
            Fail(number) | GiveBack(number) | KillUnbegun(number) => self.count(Place::Leased(number)) > 0,
            Kill(number) => worker(number).seat.is_some(),
            Attach(number) => worker(number).seat.is_none(),
            Narrow => self.gate != Gate::Pinned,
            Shut => self.gate != Gate::Shut,
            Open => self.gate != Gate::Open,
            Reserve => self.gate != Gate::Pinned || self.closing,
            Halt => !self.halted,
            Resume => self.halted,
            OpenTo(_) | Recall | PinAway | Steady | Revive | Cool | Seal => true,
            KeepWarm(kept) => kept != self.kept,
            Readmit => self.count(Place::InTransit) > 0,
            Arrived => self.count(Place::InTransit) > 0 || self.not_arrived > 0,
            UnpinAway => usize::from(self.pins_away) > self.held_pins(),
            Unfence => self.count(Place::Held) > 0,
            Hurry => {
                let woken = self.workers.iter().any(|worker| matches!(worker.presence, Presence::Woken(_)));
                woken || self.gate == Gate::Limited
            }
            Dismiss(number) => worker(number).seat.is_some() && !worker(number).leaving,
        }
    }

    /// Does what the step says to the machine and to the model, and compares their answers.
    fn perform(&mut self, step: Step) -> Checked {
        match step {
            Push(from, pinned) => self.push(from, pinned, Place::Waiting)?,
            PushKeyed(pinned) => self.push(Outside, pinned, Place::Held)?,
            Retry(job) | Poll(job) => self.retry(job)?,
            Cancel(job) => self.cancel(job)?,
            Take(worker) => self.take(worker)?,
            Fail(worker) => self.fail(worker)?,
            GiveBack(worker) => self.give_back(worker)?,
            Kill(worker) => {
                self.lose_job_in_hand(worker);
                self.give_back(worker)?;
                self.detach(worker)?;
            }
            KillUnbegun(worker) => {
                self.give_back(worker)?;
                self.detach(worker)?;
            }
            Attach(worker) => self.attach(worker),
            Narrow => self.close(Gate::Pinned)?,
            Shut => self.close(Gate::Shut)?,
            Open => self.open(Gate::Open, Limit::None)?,
            OpenTo(limit) => self.open(Gate::Limited, limit)?,
            Reserve => self.open(Gate::Pinned, Limit::None)?,
            Halt => {
                self.mailbox.halt();
                self.halted = true;
            }
            Resume => {
                self.halted = false;
                let wakes = self.mailbox.resume();
                self.deliver(wakes)?;
            }
            Recall => self.recall()?,
            Readmit => self.readmit()?,
            Arrived => self.arrived()?,
            PinAway => self.pin_away()?,
            Steady => self.steady()?,
            UnpinAway => {
                self.pins_away -= 1;
                let wakes = self.mailbox.unpin_away();
                self.deliver(wakes)?;
            }
            Unfence => self.unfence()?,
            Hurry => self.hurry()?,
            Dismiss(worker) => self.dismiss(worker)?,
            KeepWarm(kept) => {
                self.mailbox.keep_warm(kept);
                self.kept = kept && !self.sealed && !self.drained;
            }
            Revive => self.revive()?,
            Cool => self.cool()?,
            Seal => self.seal()?,
        }
        Ok(())
    }

    fn push(&mut self, from: Sender, pinned: bool, to: Place) -> Checked {
        let id = u8::try_from(self.jobs.len()).unwrap_or(u8::MAX);
        let job = Job { id, pinned };
        self.jobs.push((job, Place::Refused));
        match self.admit(from, job, to)? {
            Err(Refusal::Full) if from == Outside => {
                let ticket = self.mailbox.wait(None, Who::Sender(id));
                self.jobs[usize::from(id)].1 = Place::InLine { ticket, woken: false };
            }
            Ok(()) | Err(_) => {}
        }
        Ok(())
    }

    fn retry(&mut self, id: u8) -> Checked {
        let (job, place) = self.jobs[usize::from(id)];
        let Place::InLine { ticket, .. } = place else { return Ok(()) };
        match self.admit(Outside, job, Place::Waiting)? {
            Err(Refusal::Full) => {
                let kept = self.mailbox.wait(Some(ticket), Who::Sender(id));
                ensure!(kept == ticket, "sender {id} lost its place in the line");
                self.jobs[usize::from(id)].1 = Place::InLine { ticket, woken: false };
            }
            Err(Refusal::Gate) => {
                self.mailbox.forget(ticket);
                self.jobs[usize::from(id)].1 = Place::Refused;
            }
            // Others may wait whose jobs come in: there is room.
            Err(Refusal::Enough) => self.cancel(id)?,
            Ok(()) => self.mailbox.forget(ticket),
        }
        Ok(())
    }

    /// Admits a job exactly if the model says so.
    fn admit(&mut self, from: Sender, job: Job, to: Place) -> Result<Result<(), Refusal>, String> {
        let limit = if from == Inside { 2 * self.capacity } else { self.capacity };
        let room = if self.used() >= limit { Err(Refusal::Full) } else { Ok(()) };
        let expected = self.lets_in(job).and(room);
        let asked = self.mailbox.has_room(from, job.pinned);
        ensure!(asked == expected, "has_room says {asked:?}, it should be {expected:?}");
        let mut placed = false;
        let admitted = self.mailbox.admit(from, job, |job| {
            placed = true;
            (to == Place::Waiting).then_some(job)
        });
        ensure!(placed == expected.is_ok(), "place was called: {placed}, for a job that is {expected:?}");
        match admitted {
            Ok(worker) => {
                ensure!(expected.is_ok(), "admitted, it should be {expected:?}");
                self.admitted += 1;
                self.jobs[usize::from(job.id)].1 = to;
                self.check_limit(job)?;
                self.pins_away += u8::from(to == Place::Held && job.pinned);
                ensure!(self.used() <= limit, "{} jobs, the limit is {limit}", self.used());
                self.deliver(Wakes { worker, ..Wakes::none() })?;
                Ok(Ok(()))
            }
            Err((back, refusal)) => {
                ensure!(expected == Err(refusal), "refused as {refusal:?}, it should be {expected:?}");
                ensure!(back == job, "{job:?} was refused, and {back:?} came back");
                Ok(Err(refusal))
            }
        }
    }

    fn cancel(&mut self, id: u8) -> Checked {
        let Some(Place::InLine { ticket, .. }) = self.place(id) else { return Ok(()) };
        self.jobs[usize::from(id)].1 = Place::Refused;
        let wakes = self.mailbox.cancel(ticket);
        self.deliver(wakes)
    }

    fn take(&mut self, number: u8) -> Checked {
        let at = usize::from(number);
        let Some(seat) = self.workers[at].seat else { return Ok(()) };
        let settled = self.settle_all(number);
        let front: Vec<Job> = self.mailbox.waiting().copied().collect();
        self.workers[at].presence = Presence::Busy;
        let mut taken = VecDeque::new();
        let mut wakes = Wakes::none();
        let found = self.mailbox.take(seat, settled, BATCH, &mut taken, &mut wakes, || Who::Worker(number));
        for job in &taken {
            ensure!(self.place(job.id) == Some(Place::Waiting), "took {job:?}, which did not wait");
            self.jobs[usize::from(job.id)].1 = Place::Leased(number);
        }
        ensure!(
            front.iter().zip(&taken).all(|(waiting, taken)| waiting == taken),
            "took {taken:?} out of order"
        );
        let ends = self.should_be_over() && !self.warm && !self.kept;
        let leaves = self.workers[at].leaving || self.drained || ends;
        match found {
            Take::Leave => {
                ensure!(leaves, "worker {number} was sent away");
                self.workers[at].told = true;
                self.deliver(wakes)
            }
            Take::Idle => {
                ensure!(!leaves, "worker {number} should leave, and was left to wait");
                ensure!(self.halted || front.is_empty(), "worker {number} found nothing, and jobs wait");
                self.deliver(wakes)?;
                self.workers[at].presence = Presence::Parked;
                Ok(())
            }
            Take::Jobs => {
                ensure!(!leaves, "worker {number} should leave, and got jobs");
                ensure!(!self.halted, "worker {number} got jobs of a halted mailbox");
                let seats = self.workers.iter().filter(|worker| worker.seat.is_some()).count();
                let share = front.len().div_ceil(seats).min(BATCH);
                // Fewer than its share where the jobs do not stand together.
                ensure!(
                    (1..=share).contains(&taken.len()),
                    "worker {number} got {} jobs of {share}",
                    taken.len()
                );
                self.deliver(wakes)
            }
        }
    }

    fn fail(&mut self, number: u8) -> Checked {
        let Some(job) = self.first(Place::Leased(number)) else { return Ok(()) };
        self.enter_admitted(job, Place::Moved)?;
        self.workers[usize::from(number)].settled += 1;
        Ok(())
    }

    /// An admitted job enters exactly if the gate and the limit let it in; else it is put `otherwise`.
    fn enter_admitted(&mut self, job: Job, otherwise: Place) -> Checked {
        let expected = self.lets_in(job).is_ok();
        match self.mailbox.readmit(job) {
            Ok(worker) => {
                ensure!(expected, "{job:?} came in, the gate is {:?}, the limit {:?}", self.gate, self.limit);
                self.jobs[usize::from(job.id)].1 = Place::Waiting;
                self.check_limit(job)?;
                self.deliver(Wakes { worker, ..Wakes::none() })
            }
            Err(back) => {
                ensure!(!expected && back == job, "{job:?} was not readmitted");
                self.jobs[usize::from(job.id)].1 = otherwise;
                Ok(())
            }
        }
    }

    fn lose_job_in_hand(&mut self, number: u8) {
        if let Some(job) = self.first(Place::Leased(number)) {
            self.jobs[usize::from(job.id)].1 = Place::Settled;
            self.workers[usize::from(number)].settled += 1;
        }
    }

    fn give_back(&mut self, number: u8) -> Checked {
        let mut back = Vec::new();
        for (job, place) in &mut self.jobs {
            if *place == Place::Leased(number) {
                *place = Place::Waiting;
                back.push(*job);
            }
        }
        let wakes = self.mailbox.give_back(back.clone().into_iter());
        let front: Vec<Job> = self.mailbox.waiting().take(back.len()).copied().collect();
        ensure!(front == back, "{back:?} went back, at the front are {front:?}");
        self.deliver(wakes)
    }

    fn detach(&mut self, number: u8) -> Checked {
        let worker = &mut self.workers[usize::from(number)];
        let settled = usize::from(std::mem::take(&mut worker.settled));
        let Some(seat) = worker.seat.take() else { return Ok(()) };
        *worker = Worker { seat: None, presence: Presence::Busy, leaving: false, told: false, settled: 0 };
        let wakes = self.mailbox.detach(seat, settled);
        self.deliver(wakes)
    }

    fn attach(&mut self, number: u8) {
        self.workers[usize::from(number)].seat = Some(self.mailbox.attach());
    }

    fn close(&mut self, gate: Gate) -> Checked {
        if !self.drained && !self.warm && !self.sealed {
            self.gate = gate;
            self.closing = true;
            (self.limit, self.let_in) = (Limit::None, 0);
        }
        let wakes = if gate == Gate::Pinned { self.mailbox.narrow() } else { self.mailbox.shut() };
        self.deliver(wakes)?;
        ensure!(self.in_line(false) == 0, "the gate narrowed, and a sender waits un-woken");
        Ok(())
    }

    fn open(&mut self, gate: Gate, limit: Limit) -> Checked {
        let opened = if gate == Gate::Pinned { self.mailbox.reserve() } else { self.mailbox.open(limit) };
        match opened {
            Ok(wakes) => {
                ensure!(!self.drained && !self.sealed, "opened after it was drained or sealed");
                self.gate = gate;
                self.closing = false;
                self.warm = false;
                if self.limit != limit {
                    (self.limit, self.let_in) = (limit, 0);
                }
                self.deliver(wakes)?;
                let waits_in_vain = gate == Gate::Pinned && self.in_line(false) > 0;
                ensure!(!waits_in_vain, "the gate narrowed, and a sender waits un-woken");
                self.check_nobody_waits_for_enough()
            }
            Err(_) => {
                ensure!(self.drained || self.sealed, "not opened, and it was neither drained nor sealed");
                Ok(())
            }
        }
    }

    fn recall(&mut self) -> Checked {
        let expected = self.mailbox.waiting().find(|job| !job.pinned).copied();
        let (jobs, wakes) = self.mailbox.remove(1, |job| !job.is_pinned());
        ensure!(jobs == Vec::from_iter(expected), "recalled {jobs:?}, it should be {expected:?}");
        for job in jobs {
            self.jobs[usize::from(job.id)].1 = Place::InTransit;
        }
        self.deliver(wakes)
    }

    fn readmit(&mut self) -> Checked {
        let Some(job) = self.first(Place::InTransit) else { return Ok(()) };
        self.enter_admitted(job, Place::InTransit)?;
        self.not_arrived += u8::from(self.place(job.id) == Some(Place::Waiting));
        Ok(())
    }

    fn arrived(&mut self) -> Checked {
        if self.not_arrived > 0 {
            self.not_arrived -= 1;
        } else if let Some(job) = self.first(Place::InTransit) {
            self.jobs[usize::from(job.id)].1 = Place::Moved;
        }
        let wakes = self.mailbox.arrived(1);
        self.deliver(wakes)
    }

    fn pin_away(&mut self) -> Checked {
        let before = self.mailbox.clone();
        let counted = self.mailbox.pin_away();
        let takes = self.gate != Gate::Shut || self.warm;
        ensure!(counted.is_ok() == takes, "a pin of elsewhere is {counted:?}");
        ensure!(
            counted.is_err() || counted == Ok(self.warm),
            "revived is {counted:?}, warm is {}",
            self.warm
        );
        ensure!(takes || self.mailbox == before, "refused, and something changed");
        self.pins_away += u8::from(takes);
        if self.warm {
            self.warm = false;
            self.closing = true;
            self.gate = Gate::Pinned;
        }
        Ok(())
    }

    fn steady(&mut self) -> Checked {
        let steadied = self.mailbox.steady();
        let too_late = self.drained || self.sealed;
        ensure!(steadied.is_ok() != too_late, "steadied is {steadied:?}, drained or sealed is {too_late}");
        self.pins_away += u8::from(steadied.is_ok());
        Ok(())
    }

    fn unfence(&mut self) -> Checked {
        let Some(job) = self.first(Place::Held) else { return Ok(()) };
        self.enter_admitted(job, Place::Moved)?;
        let wakes = self.mailbox.unhold();
        self.deliver(wakes)?;
        if job.pinned {
            self.pins_away -= 1;
            let wakes = self.mailbox.unpin_away();
            self.deliver(wakes)?;
        }
        Ok(())
    }

    fn hurry(&mut self) -> Checked {
        for worker in &mut self.workers {
            if let Presence::Woken(passed) = &mut worker.presence {
                *passed = (*passed + 1).min(STUCK);
            }
        }
        let wakes = self.mailbox.hurry();
        self.deliver(wakes)?;
        self.check_nobody_waits_for_enough()
    }

    fn dismiss(&mut self, number: u8) -> Checked {
        let worker = &mut self.workers[usize::from(number)];
        let Some(seat) = worker.seat else { return Ok(()) };
        let was_parked = worker.presence == Presence::Parked;
        worker.leaving = true;
        let wakes = self.mailbox.dismiss(seat);
        self.deliver(wakes)?;
        let called = self.workers[usize::from(number)].presence == Presence::Called;
        ensure!(called || !was_parked, "a dismissed worker that is idle was not woken");
        Ok(())
    }

    fn revive(&mut self) -> Checked {
        if self.warm { self.pin_away() } else { Ok(()) }
    }

    fn cool(&mut self) -> Checked {
        let before = self.mailbox.clone();
        match self.mailbox.cool() {
            Ok(wakes) => {
                ensure!(self.warm, "cooled, and it was not warm");
                ensure!(self.is_quiet() && self.pins_away == 0, "cooled, and something is unfinished");
                self.warm = false;
                self.drained = true;
                self.deliver(wakes)
            }
            Err(_) => {
                ensure!(!self.warm || self.pins_away > 0, "not cooled, and nothing is in the way");
                ensure!(self.mailbox == before, "not cooled, and something changed");
                Ok(())
            }
        }
    }

    fn seal(&mut self) -> Checked {
        self.sealed = true;
        self.kept = false;
        self.closing = true;
        self.warm = false;
        self.gate = Gate::Shut;
        (self.limit, self.let_in) = (Limit::None, 0);
        let wakes = self.mailbox.seal();
        self.deliver(wakes)?;
        ensure!(self.in_line(false) == 0, "sealed, and a sender waits un-woken");
        Ok(())
    }

    // ---- checks ----------------------------------------------------------------------------------------------------

    /// The wake-ups reach whom they should, and the end is announced when it should be.
    fn deliver(&mut self, wakes: Wakes<Who>) -> Checked {
        if let Some(who) = wakes.worker {
            let Who::Worker(number) = who else { return Err(format!("{who:?} was woken for work")) };
            ensure!(!self.is_wake_up_on_its_way(), "two wake-ups are on their way");
            self.wake(number, Presence::Woken(0))?;
        }
        let over = self.should_be_over() && !self.is_over();
        if over {
            (self.warm, self.drained) = (self.kept, !self.kept);
            self.closing = self.drained;
            self.gate = Gate::Shut;
        }
        for who in wakes.others {
            match who {
                Who::Worker(number) => {
                    let goes = self.drained || self.workers[usize::from(number)].leaving;
                    ensure!(goes, "worker {number} was called, and it is not to go");
                    self.wake(number, Presence::Called)?;
                }
                Who::Sender(id) => self.wake_sender(id)?,
            }
        }
        ensure!(wakes.drained == over, "announced as drained: {}, it should be {over}", wakes.drained);
        ensure!(!wakes.quiet || self.is_quiet(), "announced as quiet, and it is not");
        ensure!(!over || wakes.quiet, "drained, and not announced as quiet");
        Ok(())
    }

    fn wake(&mut self, number: u8, presence: Presence) -> Checked {
        let worker = &mut self.workers[usize::from(number)];
        ensure!(worker.presence == Presence::Parked, "worker {number} was disturbed: {worker:?}");
        worker.presence = presence;
        Ok(())
    }

    fn wake_sender(&mut self, id: u8) -> Checked {
        let earliest = self.jobs.iter().filter_map(|(_, place)| match place {
            Place::InLine { ticket, woken: false } => Some(*ticket),
            _ => None,
        });
        let earliest = earliest.min();
        match &mut self.jobs[usize::from(id)].1 {
            Place::InLine { ticket, woken } if !*woken => {
                ensure!(Some(*ticket) == earliest, "sender {id} was woken before its turn");
                *woken = true;
                Ok(())
            }
            place => Err(format!("sender {id} was woken, and it is {place:?}")),
        }
    }

    /// What holds after each step.
    fn check(&self) -> Checked {
        self.check_counts()?;
        self.check_end()?;
        self.check_workers_are_woken()?;
        self.check_senders_are_woken()
    }

    fn check_counts(&self) -> Checked {
        let counts = self.mailbox.counts();
        let mut unseen: u32 = 0;
        for (job, place) in &self.jobs {
            unseen |= u32::from(*place == Place::Waiting) << job.id;
        }
        for job in self.mailbox.waiting() {
            ensure!(unseen & 1 << job.id != 0, "{job:?} waits twice, or should not");
            unseen &= !(1 << job.id);
        }
        ensure!(unseen == 0, "a job that should wait does not: {unseen:b}");
        let leased: usize = self.jobs.iter().filter(|job| matches!(job.1, Place::Leased(_))).count();
        let settled: usize = self.workers.iter().map(|worker| usize::from(worker.settled)).sum();
        let in_transit = self.count(Place::InTransit) + usize::from(self.not_arrived);
        ensure!(counts.admitted == u64::from(self.admitted), "{counts:?}: admitted {}", self.admitted);
        ensure!(counts.held == self.count(Place::Held), "{counts:?}: held {}", self.count(Place::Held));
        ensure!(counts.leased == leased + settled, "{counts:?}: leased {leased} + {settled}");
        ensure!(counts.in_transit == in_transit, "{counts:?}: in transit {in_transit}");
        ensure!(counts.pins_away == usize::from(self.pins_away), "{counts:?}: away {}", self.pins_away);
        ensure!(counts.senders == self.in_line(false), "{counts:?}: in line {}", self.in_line(false));
        Ok(())
    }

    fn check_end(&self) -> Checked {
        let gate = self.mailbox.gate();
        ensure!(gate == self.gate, "the gate is {gate:?}, it should be {:?}", self.gate);
        ensure!(self.mailbox.is_drained() == self.drained, "drained should be {}", self.drained);
        ensure!(self.mailbox.is_warm() == self.warm, "warm should be {}", self.warm);
        ensure!(self.mailbox.is_quiet() == self.is_quiet(), "quiet should be {}", self.is_quiet());
        ensure!(!self.warm || self.is_quiet(), "warm, and something is unfinished");
        ensure!(!self.warm || self.in_line(false) == 0, "warm, and a sender waits un-woken");
        ensure!(self.is_over() == self.should_be_over(), "drained was not announced at its moment");
        let parked = self.workers.iter().any(|worker| worker.presence == Presence::Parked);
        ensure!(!(self.drained && parked), "drained, and an idle worker was not woken");
        Ok(())
    }

    fn check_workers_are_woken(&self) -> Checked {
        let parked = self.workers.iter().any(|worker| worker.presence == Presence::Parked);
        let work = !self.halted && self.count(Place::Waiting) > 0;
        ensure!(!work || !parked || self.is_wake_up_on_its_way(), "jobs wait, and so does a worker");
        let dismissed =
            self.workers.iter().any(|worker| worker.leaving && worker.presence == Presence::Parked);
        ensure!(!dismissed, "a dismissed worker was left to wait");
        Ok(())
    }

    fn check_senders_are_woken(&self) -> Checked {
        let shut_out = self.jobs.iter().any(|(job, place)| {
            matches!(place, Place::InLine { woken: false, .. }) && !self.lets_through(*job)
        });
        ensure!(!shut_out, "a sender waits un-woken before a gate that does not let it through");
        let room = self.used() <= self.capacity / 2;
        let coming = self.in_line(true) >= self.capacity.saturating_sub(self.used());
        let forgotten = room && self.in_line(false) > 0 && !coming;
        ensure!(!forgotten, "there is room, and a sender waits un-woken");
        Ok(())
    }

    /// A job was let in that may have been one too many.
    fn check_limit(&mut self, job: Job) -> Checked {
        if job.pinned {
            return Ok(());
        }
        match self.limit {
            Limit::None => Ok(()),
            Limit::First(count) => {
                self.let_in += u8::from(self.place(job.id) == Some(Place::Waiting));
                ensure!(u64::from(self.let_in) <= count, "{} jobs came in, of {count}", self.let_in);
                Ok(())
            }
            Limit::InFlight(count) => {
                let place = |place| !matches!(place, Place::InLine { .. } | Place::Refused);
                let finished = |place| matches!(place, Place::Moved | Place::Settled);
                let in_flight = |job: &&(Job, Place)| !job.0.pinned && place(job.1) && !finished(job.1);
                let in_flight = self.jobs.iter().filter(in_flight).count();
                ensure!(in_flight as u64 <= count, "{in_flight} jobs are in flight, of {count}");
                Ok(())
            }
        }
    }

    /// After those were looked for: no sender waits whose job another version takes.
    fn check_nobody_waits_for_enough(&self) -> Checked {
        let in_vain = self.jobs.iter().any(|(job, place)| {
            matches!(place, Place::InLine { woken: false, .. }) && self.lets_in(*job) == Err(Refusal::Enough)
        });
        ensure!(!in_vain, "the limit is reached, and a sender waits un-woken");
        Ok(())
    }

    // ---- what the model says ---------------------------------------------------------------------------------------

    fn place(&self, id: u8) -> Option<Place> {
        self.jobs.get(usize::from(id)).map(|job| job.1)
    }

    fn count(&self, place: Place) -> usize {
        self.jobs.iter().filter(|job| job.1 == place).count()
    }

    fn first(&self, place: Place) -> Option<Job> {
        self.jobs.iter().find(|job| job.1 == place).map(|job| job.0)
    }

    fn in_line(&self, how: bool) -> usize {
        let in_line = |place| matches!(place, Place::InLine { woken, .. } if woken == how);
        self.jobs.iter().filter(|job| in_line(job.1)).count()
    }

    fn used(&self) -> usize {
        self.count(Place::Waiting) + self.count(Place::Held)
    }

    /// Held jobs that name this version. They count as away too, until they leave the fence.
    fn held_pins(&self) -> usize {
        self.jobs.iter().filter(|(job, place)| job.pinned && *place == Place::Held).count()
    }

    fn lets_through(&self, job: Job) -> bool {
        match self.gate {
            Gate::Open | Gate::Limited => true,
            Gate::Pinned => job.pinned,
            Gate::Shut => false,
        }
    }

    /// Whether gate and limit let it in.
    fn lets_in(&self, job: Job) -> Result<(), Refusal> {
        let has_enough = match self.limit {
            Limit::None => false,
            Limit::First(count) => u64::from(self.let_in) >= count,
            Limit::InFlight(count) => self.unfinished() as u64 >= count,
        };
        if !self.lets_through(job) {
            Err(Refusal::Gate)
        } else if has_enough && !job.pinned {
            Err(Refusal::Enough)
        } else {
            Ok(())
        }
    }

    /// What waits, is held, is with a worker or not yet reported by it, or is on its way elsewhere.
    fn unfinished(&self) -> usize {
        let settled: u8 = self.workers.iter().map(|worker| worker.settled).sum();
        let leased = self.jobs.iter().filter(|job| matches!(job.1, Place::Leased(_))).count();
        let elsewhere = self.count(Place::InTransit) + usize::from(self.not_arrived);
        self.used() + leased + usize::from(settled) + elsewhere
    }

    fn is_quiet(&self) -> bool {
        let finished = |place| !matches!(place, Place::Waiting | Place::Leased(_) | Place::InTransit);
        let reported = self.workers.iter().all(|worker| worker.settled == 0);
        self.jobs.iter().all(|job| finished(job.1)) && reported && self.not_arrived == 0
    }

    /// It was announced as drained, and not opened since.
    fn is_over(&self) -> bool {
        self.drained || self.warm
    }

    fn should_be_over(&self) -> bool {
        self.is_over() || self.closing && self.is_quiet() && self.pins_away == 0
    }

    fn is_wake_up_on_its_way(&self) -> bool {
        let on_its_way = |presence| matches!(presence, Presence::Woken(passed) if passed < STUCK);
        self.workers.iter().any(|worker| on_its_way(worker.presence))
    }

    fn settle_all(&mut self, number: u8) -> usize {
        let mut settled = usize::from(std::mem::take(&mut self.workers[usize::from(number)].settled));
        for (_, place) in &mut self.jobs {
            if *place == Place::Leased(number) {
                *place = Place::Settled;
                settled += 1;
            }
        }
        settled
    }

    // ---- the end of a history --------------------------------------------------------------------------------------

    /// When nobody interferes any more, everything is taken, then everybody is let in, then it can be drained.
    fn check_quiescence(mut self) -> Checked {
        self.run_workers()?;
        let served = self.workers.iter().any(|worker| worker.seat.is_some() && !worker.leaving);
        ensure!(self.halted || !served || self.count(Place::Waiting) == 0, "at rest, and jobs wait");

        self.set_right()?;
        while self.run_workers()? | self.run_senders()? {}
        ensure!(self.count(Place::Waiting) == 0, "at rest, resumed, and jobs wait");
        ensure!(self.in_line(false) + self.in_line(true) == 0, "at rest, and senders wait");

        self.perform(Shut)?;
        self.check()?;
        ensure!(self.is_over(), "at rest, shut, and not drained");
        if self.warm { self.check_afterlife() } else { Ok(()) }
    }

    /// A warm mailbox that is revived and gets nothing is drained again, and announced again. It ends when it is cooled.
    fn check_afterlife(&mut self) -> Checked {
        self.perform(Revive)?;
        self.check()?;
        ensure!(!self.is_over(), "revived, and drained before anything could come");
        self.perform(UnpinAway)?;
        self.check()?;
        ensure!(self.drained != self.kept && self.warm == self.kept, "revived for nothing, and not drained");
        if self.warm {
            self.perform(Cool)?;
            self.check()?;
        }
        ensure!(self.drained, "cooled, and not drained");
        Ok(())
    }

    /// Undoes whatever may stand in the way: a halt, jobs in transit or elsewhere, a missing worker.
    fn set_right(&mut self) -> Checked {
        for step in [Resume, Arrived, Unfence, UnpinAway] {
            while self.is_possible(step) {
                self.perform(step)?;
            }
        }
        if self.workers.iter().all(|worker| worker.seat.is_none()) {
            self.perform(Attach(0))?;
        }
        Ok(())
    }

    /// Lets each worker that is awake take until it waits or leaves. Returns whether one did.
    fn run_workers(&mut self) -> Result<bool, String> {
        let mut moved = false;
        for worker in [0, 1, 0, 1] {
            while self.is_possible(Take(worker)) {
                self.perform(Take(worker))?;
                moved = true;
            }
            if self.workers[usize::from(worker)].told {
                self.perform(Kill(worker))?;
            }
        }
        Ok(moved)
    }

    fn run_senders(&mut self) -> Result<bool, String> {
        let mut moved = false;
        for job in 0..JOBS {
            let retry = Retry(u8::try_from(job).unwrap_or(u8::MAX));
            if self.is_possible(retry) {
                self.perform(retry)?;
                moved = true;
            }
        }
        Ok(moved)
    }
}

// ---- the search ----------------------------------------------------------------------------------------------------

/// Enumerates everything that three actors can do, breadth first, so that a history that fails is a shortest one.
struct Search {
    seen: HashSet<u64, BuildHasherDefault<Mixer>>,
    /// How each state was reached: from which, by which step.
    trail: Vec<(usize, Step)>,
    steps: usize,
    ends: usize,
}

#[derive(Debug)]
struct Found {
    states: usize,
    steps: usize,
    ends: usize,
}

fn explore(capacity: usize, theme: &Theme) -> Found {
    let mut search = Search { seen: HashSet::default(), trail: Vec::new(), steps: 0, ends: 0 };
    let mut first = World::new(capacity, theme.parked, theme.operations);
    for step in theme.first {
        let performed = first.perform(*step);
        assert_eq!(performed, Ok(()), "{step:?}, before the search began");
    }
    let mut layer = vec![(first, usize::MAX)];
    while !layer.is_empty() {
        let mut next = Vec::new();
        for (world, at) in layer {
            search.expand(theme, world, at, &mut next);
        }
        layer = next;
    }
    let found = Found { states: search.seen.len(), steps: search.steps, ends: search.ends };
    let Found { states, steps, ends } = found;
    println!("capacity {capacity}: {states} states, {steps} operations, {ends} ends");
    found
}

impl Search {
    fn expand(&mut self, theme: &Theme, world: World, at: usize, next: &mut Vec<(World, usize)>) {
        let mut is_end = true;
        for (actor, alphabet) in theme.actors().into_iter().enumerate() {
            if world.left[actor] == 0 {
                continue;
            }
            for step in alphabet.iter().copied().filter(|step| world.is_possible(*step)) {
                is_end = false;
                self.steps += 1;
                let mut after = world.clone();
                after.left[actor] -= 1;
                let performed = after.perform(step);
                self.report(performed, at, Some(step));
                if self.seen.insert(fingerprint(&after)) {
                    self.report(after.check(), at, Some(step));
                    self.trail.push((at, step));
                    next.push((after, self.trail.len() - 1));
                }
            }
        }
        if is_end {
            self.ends += 1;
            let checked = world.check_quiescence();
            self.report(checked, at, None);
        }
    }

    fn report(&self, checked: Checked, at: usize, last: Option<Step>) {
        if let Err(sentence) = checked {
            let mut history = Vec::from_iter(last);
            let mut at = at;
            while let Some((before, step)) = self.trail.get(at) {
                history.push(*step);
                at = *before;
            }
            history.reverse();
            panic!("{sentence}\n  after {history:?}");
        }
    }
}

/// A state by its 64-bit fingerprint: of a hundred thousand states, two share one with a chance of 1 to 10⁹.
fn fingerprint(world: &World) -> u64 {
    let mut mixer = Mixer::default();
    world.hash(&mut mixer);
    mixer.finish()
}

/// A hasher that is quick without optimisation, where most of the time of the search would go into the standard one.
#[derive(Default)]
struct Mixer(u64);

impl Mixer {
    fn mix(&mut self, word: u64) {
        let mixed = (self.0 ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = (mixed ^ mixed >> 32).wrapping_add(1);
    }
}

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.mix(u64::from(*byte));
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.mix(u64::from(byte));
    }

    fn write_u64(&mut self, word: u64) {
        self.mix(word);
    }

    fn write_usize(&mut self, word: usize) {
        self.mix(word as u64);
    }

    fn write_isize(&mut self, word: isize) {
        self.mix(word.cast_unsigned() as u64);
    }
}

// ---- the searches --------------------------------------------------------------------------------------------------

/// Senders wait, are woken, come again, give up; the gate narrows and opens again.
const LINE: Theme = Theme {
    first: &[],
    senders: &[Push(Outside, false), Retry(1), Retry(2), Retry(3), Cancel(1), Cancel(2), Cancel(3)],
    workers: BOTH_TAKE,
    control: &[Narrow, Open, Reserve, Halt, Resume],
    parked: true,
    operations: 4,
};

/// Senders that name the version wait while it drains, and some are polled although nobody woke them.
const PINNED_LINE: Theme = Theme {
    first: &[],
    senders: &[Push(Outside, true), Push(Inside, false), Poll(2), Retry(1), Retry(2), Cancel(2)],
    workers: &[Take(0)],
    control: &[Narrow, Shut, Open],
    parked: true,
    operations: 4,
};

/// A sender finds room that is not enough to wake it, because it is polled for another reason.
const POLLED: Theme = Theme {
    first: &[],
    senders: &[Push(Outside, false), Poll(3), Retry(3), Cancel(3)],
    workers: &[Take(0)],
    control: &[Recall, Readmit, Arrived],
    parked: true,
    operations: 5,
};

/// Workers are woken, killed, started again, dismissed and overlooked.
const WORKERS: Theme = Theme {
    first: &[],
    senders: &[Push(Inside, false)],
    workers: &[Take(0), Take(1), KillUnbegun(0), Kill(1), Attach(1)],
    control: &[Dismiss(1), Hurry, Halt],
    parked: true,
    operations: 4,
};

/// It drains, is opened again, and is drained at last.
const DRAIN: Theme = Theme {
    first: &[],
    senders: &[Push(Outside, true)],
    workers: &[Take(0), Take(1), Fail(0), Kill(0)],
    control: &[Narrow, Open, Reserve, PinAway, Steady, UnpinAway],
    parked: true,
    operations: 4,
};

/// Waiting jobs are taken out, and come back or go elsewhere.
const RECALL: Theme = Theme {
    first: &[],
    senders: &[Push(Inside, false)],
    workers: &[Take(1), GiveBack(1)],
    control: &[Narrow, Recall, Readmit, Arrived],
    parked: true,
    operations: 4,
};

/// Jobs of busy keys are held, and leave the fence.
const FENCE: Theme = Theme {
    first: &[],
    senders: &[Push(Outside, true), PushKeyed(false), PushKeyed(true), Retry(1)],
    workers: &[Take(1)],
    control: &[Unfence, Narrow],
    parked: true,
    operations: 4,
};

/// It is kept warm, is opened again or revived, and ends in one of two ways.
const WARM: Theme = Theme {
    first: &[KeepWarm(true)],
    senders: &[Push(Outside, true)],
    workers: &[Take(0), Take(1), Fail(0), Kill(0)],
    control: &[Narrow, Revive, Cool, Seal, Steady, UnpinAway, KeepWarm(false)],
    parked: true,
    operations: 4,
};

/// It is warm already, and everything is tried that it might be or might not be ready for, in shorter histories.
const WARMTH: Theme = Theme {
    first: &[KeepWarm(true), Narrow],
    senders: &[Push(Outside, true), Push(Outside, false), Push(Outside, true), PushKeyed(true), Retry(1)],
    workers: &[Take(0), Kill(1), Attach(1)],
    control: &[
        Revive,
        Cool,
        Seal,
        Steady,
        UnpinAway,
        PinAway,
        Open,
        Reserve,
        Narrow,
        Shut,
        KeepWarm(false),
        KeepWarm(true),
        Dismiss(0),
        Unfence,
    ],
    parked: true,
    operations: 3,
};

/// A canary takes its first jobs, is opened again to as many or to fewer, and has senders that wait for room meanwhile.
const FIRST: Theme = Theme {
    first: &[OpenTo(Limit::First(2))],
    senders: &[Push(Outside, false), Push(Inside, false), Push(Outside, true), PushKeyed(false), Retry(1)],
    workers: &[Take(0), Fail(0)],
    control: &[OpenTo(Limit::First(2)), OpenTo(Limit::First(1)), Narrow, Recall, Readmit, Unfence, Hurry],
    parked: true,
    operations: 4,
};

/// A canary has few jobs at a time, among others that name it.
const IN_FLIGHT: Theme = Theme {
    first: &[OpenTo(Limit::InFlight(2))],
    senders: &[Push(Outside, false), Push(Inside, true), PushKeyed(false), Retry(1)],
    workers: &[Take(0), Fail(0)],
    control: &[OpenTo(Limit::InFlight(1)), Narrow, Recall, Readmit, Arrived, Unfence, Hurry],
    parked: true,
    operations: 4,
};

/// A canary is kept warm: limits and ends together, in shorter histories.
const WARM_CANARY: Theme = Theme {
    first: &[KeepWarm(true), OpenTo(Limit::First(1))],
    senders: &[Push(Outside, false), Push(Outside, true), Push(Inside, false), Retry(1), Cancel(1)],
    workers: &[Take(0), Take(1), Fail(0), GiveBack(0), Kill(0)],
    control: &[
        OpenTo(Limit::First(1)),
        OpenTo(Limit::InFlight(1)),
        Open,
        Reserve,
        Narrow,
        Shut,
        Seal,
        Revive,
        Cool,
        Steady,
        UnpinAway,
        Recall,
        Readmit,
        Arrived,
        Halt,
        Resume,
        Hurry,
    ],
    parked: true,
    operations: 3,
};

/// Everything at once, in shorter histories. The workers have not come yet.
const ALL: Theme = Theme {
    first: &[],
    senders: &[
        Push(Outside, false),
        Push(Outside, true),
        Push(Inside, false),
        PushKeyed(true),
        Retry(1),
        Poll(1),
        Cancel(1),
    ],
    workers: &[Take(0), Take(1), Fail(0), GiveBack(0), Kill(0), Attach(0)],
    control: &[
        Narrow,
        Shut,
        Open,
        Halt,
        Resume,
        Recall,
        Readmit,
        Arrived,
        PinAway,
        Steady,
        UnpinAway,
        Unfence,
        Hurry,
        Dismiss(0),
    ],
    parked: false,
    operations: 2,
};

#[track_caller]
fn expect(capacity: usize, theme: &Theme, states: usize) {
    let found = explore(capacity, theme);
    assert!(found.states >= states, "the search has become smaller: {found:?}");
}

#[test]
fn no_sender_waits_for_room_that_is_there() {
    expect(1, &LINE, 8_900);
    expect(2, &LINE, 5_500);
}

#[test]
fn a_sender_that_names_the_version_waits_until_it_is_shut_and_no_longer() {
    expect(1, &PINNED_LINE, 3_500);
    expect(2, &PINNED_LINE, 3_600);
}

#[test]
fn a_sender_that_finds_room_by_chance_leaves_the_line() {
    expect(3, &POLLED, 480);
}

#[test]
fn no_worker_waits_beside_a_job_whoever_is_killed_dismissed_or_slow() {
    expect(1, &WORKERS, 17_400);
    expect(2, &WORKERS, 14_100);
}

#[test]
fn drained_is_announced_once_and_at_the_first_moment_that_nothing_is_left() {
    expect(1, &DRAIN, 7_700);
    expect(2, &DRAIN, 5_800);
}

#[test]
fn a_recalled_job_is_in_one_place_and_holds_up_the_drain_until_it_has_arrived() {
    expect(1, &RECALL, 15_300);
    expect(2, &RECALL, 12_200);
}

#[test]
fn a_held_job_counts_against_the_capacity_and_holds_up_the_drain_only_if_pinned() {
    expect(1, &FENCE, 16_300);
    expect(2, &FENCE, 18_500);
}

#[test]
fn a_warm_mailbox_is_announced_each_time_sends_no_worker_home_and_ends_once() {
    expect(1, &WARM, 26_000);
    expect(2, &WARM, 20_000);
    expect(1, &WARMTH, 45_000);
    expect(2, &WARMTH, 58_000);
}

#[test]
fn a_canary_takes_no_more_than_its_first_jobs() {
    expect(1, &FIRST, 165_000);
    expect(2, &FIRST, 161_000);
}

#[test]
fn a_canary_has_no_more_jobs_in_flight_than_its_limit() {
    expect(1, &IN_FLIGHT, 59_000);
    expect(2, &IN_FLIGHT, 48_000);
}

#[test]
fn a_canary_that_is_kept_warm_breaks_no_promise() {
    expect(1, &WARM_CANARY, 138_000);
    expect(2, &WARM_CANARY, 101_000);
}

#[test]
fn two_operations_of_every_kind_break_no_promise() {
    expect(1, &ALL, 13_600);
    expect(2, &ALL, 12_400);
}

#[test]
#[ignore = "6 s with optimisation, a minute without: for the nightly run"]
fn three_operations_of_every_kind_break_no_promise() {
    expect(1, &Theme { operations: 3, ..ALL }, 700_000);
    expect(2, &Theme { operations: 3, ..ALL }, 600_000);
}

/// The pool of a version that is loading: its workers come and go before the gate was ever opened.
#[test]
fn a_mailbox_that_was_never_opened_is_not_drained_when_a_worker_detaches() {
    let mut mailbox: Mailbox<Job, Who> = Mailbox::new(1);
    let seat = mailbox.attach();
    let wakes = mailbox.detach(seat, 0);
    assert!(!wakes.drained, "announced as drained before it was opened");
    assert!(mailbox.open(Limit::None).is_ok(), "a version that has just started cannot be opened");
}

#[test]
fn a_sealed_mailbox_is_not_opened_again_and_drains() {
    let mut mailbox: Mailbox<Job, Who> = Mailbox::new(2);
    let _woken = mailbox.open(Limit::None).unwrap();
    let wakes = mailbox.seal();
    assert!(wakes.drained);
    assert!(mailbox.open(Limit::None).is_err());
    let _nobody = mailbox.narrow();
    assert_eq!(mailbox.gate(), Gate::Shut);
}

fn job(id: u8, pinned: bool) -> Job {
    Job { id, pinned }
}

/// A mailbox with room, one job that has been finished, and a worker that waits.
fn closed_after_one_job(kept: bool) -> (Mailbox<Job, Who>, Wakes<Who>) {
    let mut mailbox = Mailbox::new(8);
    let _nobody_waits = mailbox.open(Limit::None);
    mailbox.keep_warm(kept);
    let seat = mailbox.attach();
    let mut taken = VecDeque::new();
    let _nobody_waits = mailbox.admit(Outside, job(0, false), Some);
    for settled in [0, 1] {
        let _nobody_waits =
            mailbox.take(seat, settled, BATCH, &mut taken, &mut Wakes::none(), || Who::Worker(0));
    }
    let closed = mailbox.narrow();
    (mailbox, closed)
}

#[test]
fn a_warm_mailbox_keeps_its_workers_and_a_cold_one_sends_them_home() {
    let (cold, closed) = closed_after_one_job(false);
    assert!(cold.is_drained() && !cold.is_warm() && closed.drained);
    assert_eq!(closed.others, [Who::Worker(0)]);

    let (mut warm, closed) = closed_after_one_job(true);
    assert!(warm.is_warm() && !warm.is_drained() && closed.drained);
    assert_eq!((closed.others, warm.gate()), (vec![], Gate::Shut));
    let cooled = warm.cool().unwrap();
    assert!(warm.is_drained() && !warm.is_warm() && !cooled.drained);
    assert_eq!(cooled.others, [Who::Worker(0)]);
    assert!(warm.cool().is_err() && warm.open(Limit::None).is_err() && warm.pin_away().is_err());
}

#[test]
fn a_warm_mailbox_that_is_opened_wakes_the_worker_that_waited() {
    let (mut mailbox, _) = closed_after_one_job(true);
    assert!(mailbox.open(Limit::None).unwrap().others.is_empty());
    assert_eq!(mailbox.admit(Outside, job(1, false), Some), Ok(Some(Who::Worker(0))));
}

#[test]
fn a_revived_mailbox_lets_in_what_names_it_and_is_announced_again() {
    let (mut mailbox, _) = closed_after_one_job(true);
    assert_eq!(mailbox.pin_away(), Ok(true));
    assert_eq!(mailbox.has_room(Outside, false), Err(Refusal::Gate));
    assert!(mailbox.cool().is_err(), "cooled while it is revived");
    assert_eq!(mailbox.admit(Outside, job(1, true), Some), Ok(Some(Who::Worker(0))));
    assert!(!mailbox.unpin_away().drained);
    let (_gone, _) = mailbox.remove(1, |_| true);
    assert!(mailbox.arrived(1).drained && mailbox.is_warm());
}

/// Whoever seals a mailbox waits for the announcement, and would wait for ever if the earlier one were the only one.
#[test]
fn a_warm_mailbox_that_is_sealed_is_announced_once_more_as_soon_as_nobody_holds_it() {
    let (mut mailbox, _) = closed_after_one_job(true);
    let sealed = mailbox.seal();
    assert!(mailbox.is_drained() && sealed.drained && sealed.others == [Who::Worker(0)]);

    let (mut mailbox, _) = closed_after_one_job(true);
    mailbox.steady().unwrap();
    assert!(!mailbox.seal().drained && !mailbox.is_drained());
    mailbox.keep_warm(true);
    assert!(mailbox.unpin_away().drained && mailbox.is_drained());
}

#[test]
fn a_mailbox_that_is_detained_is_not_drained_and_nobody_is_counted_for_it() {
    for kept in [false, true] {
        let (mut mailbox, _) = closed_after_one_job(true);
        assert_eq!(mailbox.pin_away(), Ok(true));
        mailbox.keep_warm(kept);
        mailbox.detain().unwrap();
        assert_eq!(mailbox.counts().pins_away, 1, "the one for which it was revived");
        assert!(!mailbox.unpin_away().drained);
        assert_eq!(mailbox.counts().pins_away, 0);
        assert!(mailbox.release().drained);
        assert_eq!((mailbox.is_drained(), mailbox.is_warm()), (!kept, kept));
    }
}

/// A mailbox that takes its first `count` jobs. They may go at once: what is finished counts too.
fn canary(count: u64) -> Mailbox<Job, Who> {
    let mut mailbox = Mailbox::new(8);
    let _nobody_waits = mailbox.open(Limit::First(count));
    mailbox
}

#[test]
fn new_jobs_retries_and_jobs_that_are_due_count_among_the_first() {
    let mut mailbox = canary(3);
    assert!(mailbox.admit(Outside, job(0, false), Some).is_ok());
    assert!(mailbox.readmit(job(1, false)).is_ok());
    assert!(mailbox.enter_due(job(2, false)).is_ok());
    assert_eq!(mailbox.admit(Outside, job(3, false), Some), Err((job(3, false), Refusal::Enough)));
    assert_eq!(mailbox.readmit(job(3, false)), Err(job(3, false)));
    assert_eq!(mailbox.enter_due(job(3, false)), Err(job(3, false)));
    assert!(mailbox.admit(Outside, job(3, true), Some).is_ok(), "a job that names it was refused");
}

/// Else a canary could be used up by jobs that have never been there: the fence may send them elsewhere.
#[test]
fn a_held_job_counts_among_the_first_when_it_leaves_the_fence() {
    let mut mailbox = canary(1);
    assert!(mailbox.admit(Outside, job(0, false), |_| None).is_ok());
    assert_eq!(mailbox.has_room(Outside, false), Ok(()));
    assert!(mailbox.readmit(job(0, false)).is_ok());
    assert_eq!(mailbox.has_room(Outside, false), Err(Refusal::Enough));
}

#[test]
fn a_limit_that_is_set_again_keeps_what_is_used_up_and_any_other_verb_forgets_it() {
    type Verb = fn(&mut Mailbox<Job, Who>);
    let forgets = |verb: Verb| {
        let mut mailbox = canary(1);
        assert!(mailbox.admit(Outside, job(0, false), Some).is_ok());
        verb(&mut mailbox);
        let _nobody_waits = mailbox.open(Limit::First(1)).unwrap();
        mailbox.has_room(Outside, false).is_ok()
    };
    assert!(!forgets(|mailbox| drop(mailbox.open(Limit::First(1)))));
    assert!(forgets(|mailbox| drop(mailbox.open(Limit::First(2)))));
    assert!(forgets(|mailbox| drop(mailbox.open(Limit::InFlight(1)))));
    assert!(forgets(|mailbox| drop(mailbox.open(Limit::None))));
    assert!(forgets(|mailbox| drop(mailbox.reserve())));
    assert!(forgets(|mailbox| drop(mailbox.narrow())));
    assert!(forgets(|mailbox| drop(mailbox.shut())));
}

#[test]
fn whoever_waits_for_room_is_woken_when_the_limit_is_lowered_below_what_is_there() {
    let mut mailbox: Mailbox<Job, Who> = Mailbox::new(1);
    let _nobody_waits = mailbox.open(Limit::None).unwrap();
    assert!(mailbox.admit(Outside, job(0, false), Some).is_ok());
    let _ticket = mailbox.wait(None, Who::Sender(1));
    let opened = mailbox.open(Limit::InFlight(1)).unwrap();
    assert_eq!(opened.others, [Who::Sender(1)]);
    assert_eq!(mailbox.has_room(Outside, false), Err(Refusal::Enough), "full was said before enough");
}
