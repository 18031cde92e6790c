//! Every short history of [`Rollout`], enumerated; its actions are carried out in a toy world, and the promises are checked.
//!
//! Enumerated are all histories of up to seven events of two plans of three steps: 3,203,183 of [`gated_then_by_hand`] and
//! 2,977,025 of [`by_hand_and_gated_then_waiting`]; and, since a gate that cannot be measured takes longer, 92,851 and 98,029
//! of five events that follow on verdicts that were none. The events are [`ALL`]: facts, also of other steps and unasked, all
//! verbs, the ends from outside, and a dispatcher that begins anew. An event that changes nothing is checked, and not followed.
//! A history that comes to an end is followed by each event once more, which must have no effect. 5,000 long histories of a
//! plan of five steps are drawn at random.
//!
//! After each event: the shares are those of the plan, each once and in order, except for those that are asked for again
//! after a restart or a pause; none is set, and nothing is promoted, before the step was live, its wait was over, and its gate
//! passed or was overruled by hand; what is ready is not held up. A gate is asked when it is due, and only then, and never twice
//! at once. A failure of the current step is one rollback in every phase. While paused there is no share, no promotion unless it
//! is forced, and no wake-up, and the time of the step stands still. A verb is refused exactly if it does not fit, and then
//! changed nothing. What waits is woken at the right time, or waits for a share that was asked for, for a gate that runs, or
//! for a person. Each change was told once, and what is told and shown is true.
//!
//! The scenarios below are for reading, and for what is too long to enumerate.
//!
//! # Mutations of the machine that were seen to fail
//!
//! - failures: heeded only while the gate runs, not while paused, or not while a person is waited for; a verdict of another step,
//!   or one that nobody asked for, counts;
//! - share: live is believed of another share, or again; jobs before it count; a step that becomes live in a pause loses its time;
//! - wait: by hand does not wait; the time, or the jobs, are ignored; one job fewer, or none, is enough; not woken while short of
//!   jobs, or after a look that came early; the first wait begins again; a look in a pause goes on;
//! - gate: skipped, or asked for a step without one; a pass in a pause is acted on, or lost; inconclusive passes, is asked again at
//!   once, or does not end a row of errors; errors are not counted, are four, roll back, or outlive the step or the resume; the
//!   third replaces the reason of a pause, or is not asked again at once; a gate is left alone for no time, always for 10 s, or for
//!   less; the time for that runs in a pause; the last verdict outlives its step;
//! - pause: a second one moves the first; the resume does not give the time back, to a step or to a gate; does not arm the timer;
//!   asks a running gate again; does not ask for the share again;
//! - by hand: next goes on while paused, over an error, past a gate, before the share is live, or while the gate runs, or asks an
//!   inconclusive gate again; a promotion goes on while paused or over an error, or not by force; a refused verb changes something;
//! - steps: one is left out; the promotion is a share of everybody, has one before it, or does not end the rollout;
//! - ends: an abort withdraws nothing, withdraws twice, rolls back, or is refused when it is over; events count after the end; a
//!   second end replaces the first; an end from outside withdraws; the share stays after the end;
//! - restart: asks for nothing, or not for the share or the gate; sets a share in a pause; does not ask a gate in a pause; a timer is
//!   armed in the past; jobs are lost, or a count that began anew is not taken over;
//! - count: a count that was overtaken counts jobs twice; it overflows; telling: each time, or never;
//! - plan: everybody is not added, or is twice; shares fall or stay; nobody, nothing, or a gate for everybody is accepted.

#![allow(
    clippy::print_stdout,
    reason = "the number of enumerated histories is worth seeing with --nocapture"
)]

use std::time::Duration;

use seral_core::rollout::Action;
use seral_core::rollout::End;
use seral_core::rollout::Event;
use seral_core::rollout::Note;
use seral_core::rollout::Phase;
use seral_core::rollout::Plan;
use seral_core::rollout::PlanError;
use seral_core::rollout::Refused;
use seral_core::rollout::Rollout;
use seral_core::rollout::Step;
use seral_core::rollout::Verb;
use seral_core::rollout::Verdict;
use seral_core::rollout::Wait;
use seral_core::share::Share;
use seral_core::time::Time;

const SECOND: Duration = Duration::from_secs(1);
/// What the default wait asks for.
const TIME: Duration = Duration::from_secs(60);
const JOBS: u64 = 200;
/// A gate is left alone at least so long.
const AGAIN_MIN: Duration = Duration::from_secs(10);

fn percent(percent: f64) -> Share {
    Share::percent(percent).expect("a share")
}

/// One step with a gate, one by hand.
fn gated_then_by_hand() -> Plan {
    let steps = [Step::of(percent(5.0)).gated(), Step::of(percent(25.0)).wait(Wait::ByHand)];
    Plan::new(steps).expect("a plan")
}

/// One step by hand with a gate, one that only waits.
fn by_hand_and_gated_then_waiting() -> Plan {
    let steps = [Step::of(percent(5.0)).wait(Wait::ByHand).gated(), Step::of(percent(25.0))];
    Plan::new(steps).expect("a plan")
}

// ---- the toy world -------------------------------------------------------------------------------------------------

/// What can happen. Verdicts are of the current step, except stale ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Happening {
    /// The share of the current step is live.
    Live,
    /// The share of another step is reported.
    LiveOther,
    /// So many seconds pass, the candidate finishes so many jobs, and somebody looks.
    Look(u64, u64),
    /// The same, and it is not seen that the candidate is no worse.
    Doubt(u64, u64),
    Pass,
    Fail,
    Inconclusive,
    Error,
    StalePass,
    StaleFail,
    Pause,
    Resume,
    Next,
    Promote,
    Force,
    Abort,
    Replaced,
    Broke,
    /// The dispatcher begins anew: all that was asked for and armed is lost.
    Restart,
}

use Happening::*;

const ALL: [Happening; 22] = [
    Live,
    LiveOther,
    Look(0, JOBS - 1),
    Look(30, 0),
    Look(60, 0),
    Look(60, JOBS),
    Doubt(60, JOBS),
    Pass,
    Fail,
    Inconclusive,
    Error,
    StalePass,
    StaleFail,
    Pause,
    Resume,
    Next,
    Promote,
    Force,
    Abort,
    Replaced,
    Broke,
    Restart,
];

/// The machine, a world in which its actions have been carried out, and what the rollout may therefore do.
#[derive(Clone, Debug, PartialEq)]
struct World {
    rollout: Rollout,
    now: Time,
    finished: u64,
    /// The share of this step has been asked for.
    asked: bool,
    gate_runs: bool,
    wake: Option<Time>,
    told: Option<Note>,
    end: Option<End>,
    paused: Option<&'static str>,
    step: usize,
    now_in_step: InStep,
}

/// What has come to pass in one step.
#[expect(clippy::struct_excessive_bools, reason = "they are facts, and independent of each other")]
#[derive(Clone, Debug, Default, PartialEq)]
struct InStep {
    live: bool,
    /// How long it has been live, pauses not counted.
    time: Duration,
    jobs: u64,
    /// A look found the time over, but too few jobs.
    short: bool,
    /// There were enough jobs, and it was not seen that the candidate is no worse.
    doubted: bool,
    /// The wait is over, or was ended by hand.
    waited: bool,
    /// The gate passed, or was overruled by hand.
    passed: bool,
    /// The gate could not decide, and is left alone until the step has lasted so long.
    held: Option<(Duration, &'static str)>,
    /// The last verdict was an error.
    error: bool,
    errors_in_a_row: u32,
}

type Checked = Result<(), String>;

/// Fails the event, with a sentence, unless the condition holds.
macro_rules! ensure {
    ($holds:expr, $($sentence:tt)+) => {
        if !$holds {
            return Err(format!($($sentence)+));
        }
    };
}

impl World {
    #[track_caller]
    fn new(plan: Plan) -> Self {
        let (rollout, actions) = Rollout::begin(plan);
        let mut world = Self {
            rollout,
            now: Time::ZERO.after(SECOND),
            finished: 1_000,
            asked: false,
            gate_runs: false,
            wake: None,
            told: None,
            end: None,
            paused: None,
            step: 0,
            now_in_step: InStep::default(),
        };
        if let Err(sentence) = world.settle(Restart, &actions) {
            panic!("{sentence}\n  at the beginning");
        }
        world
    }

    /// A world that has been through all this.
    #[track_caller]
    fn after(plan: Plan, happenings: &[Happening]) -> Self {
        let mut world = Self::new(plan);
        for happening in happenings {
            world.perform(*happening);
        }
        world
    }

    /// Lets this happen, and checks all promises. Returns what was to be done, without what was told.
    #[track_caller]
    fn perform(&mut self, happening: Happening) -> Vec<Action> {
        match self.happen(happening) {
            Ok(actions) => actions.into_iter().filter(|action| !matches!(action, Action::Tell(_))).collect(),
            Err(sentence) => panic!("{sentence}\n  after {happening:?}"),
        }
    }

    fn happen(&mut self, happening: Happening) -> Result<Vec<Action>, String> {
        let before = self.rollout.clone();
        let was_over = self.end.is_some();
        let actions = match verb(happening) {
            Some(verb) => {
                let refusal = self.refusal(&verb);
                match (self.rollout.call(self.now, verb), refusal) {
                    (Ok(actions), None) => actions,
                    (Err(refused), Some(refusal)) if refused == refusal => {
                        ensure!(self.rollout == before, "a verb that was refused changed something");
                        return Ok(Vec::new());
                    }
                    (answer, refusal) => return Err(format!("{answer:?}, and right is {refusal:?}")),
                }
            }
            None => self.tell(happening),
        };
        if was_over {
            ensure!(actions.is_empty() && self.rollout == before, "after the end: {actions:?}");
            return Ok(actions);
        }
        self.come_to_pass(happening);
        self.settle(happening, &actions)?;
        Ok(actions)
    }

    /// Why this verb does not fit.
    fn refusal(&self, verb: &Verb) -> Option<Refused> {
        let step = &self.now_in_step;
        let paused = self.paused.map(|_| Refused::Paused);
        let failed = step.error.then(|| Refused::GateFailed("unmeasured".to_owned()));
        if let Some(end) = &self.end {
            return (*verb != Verb::Abort).then(|| Refused::Over(end.clone()));
        }
        match verb {
            Verb::Pause(_) => paused,
            Verb::Resume => self.paused.is_none().then_some(Refused::NotPaused),
            Verb::Next => paused
                .or(failed)
                .or((!step.live).then_some(Refused::NotLive))
                .or(self.gate_runs.then_some(Refused::GateRuns)),
            Verb::Promote { force: false } => paused.or(failed),
            Verb::Promote { force: true } | Verb::Abort => None,
        }
    }

    /// Time passes, and the machine is told a fact.
    fn tell(&mut self, happening: Happening) -> Vec<Action> {
        let plan = self.rollout.plan().clone();
        let other = (self.step + 1).min(plan.last());
        let verdict = |step, verdict| Event::Verdict { step, verdict };
        let event = match happening {
            Live => Event::Live { share: plan.steps()[self.step].share, finished: self.finished },
            LiveOther => Event::Live { share: plan.steps()[other].share, finished: self.finished },
            Look(seconds, jobs) | Doubt(seconds, jobs) => {
                let passed = Duration::from_secs(seconds);
                self.now = self.now.after(passed);
                self.finished += jobs;
                let step = &mut self.now_in_step;
                if step.live {
                    step.jobs += jobs;
                }
                if step.live && self.paused.is_none() {
                    step.time += passed;
                }
                self.wake = self.wake.filter(|wake| *wake > self.now);
                let proven = matches!(happening, Look(..));
                Event::Look { finished: self.finished, proven }
            }
            Pass => verdict(self.step, Verdict::Pass),
            Fail => verdict(self.step, Verdict::Fail("bad".to_owned())),
            Inconclusive => verdict(self.step, Verdict::Inconclusive("too few".to_owned())),
            Error => verdict(self.step, Verdict::Error("unmeasured".to_owned())),
            StalePass => verdict(other, Verdict::Pass),
            StaleFail => verdict(self.step.wrapping_sub(1), Verdict::Fail("bad".to_owned())),
            Replaced => return self.rollout.end(End::Replaced),
            Broke => return self.rollout.end(End::RolledBack("broke".to_owned())),
            Restart => {
                self.asked = false;
                self.gate_runs = false;
                self.wake = None;
                return self.rollout.restart(self.now, self.finished);
            }
            Pause | Resume | Next | Promote | Force | Abort => unreachable!("these are verbs"),
        };
        self.rollout.handle(self.now, event)
    }

    // ---- what this means for the rollout ---------------------------------------------------------------------------

    fn come_to_pass(&mut self, happening: Happening) {
        let again = self.again();
        let enough = self.is_enough();
        let ran = std::mem::take(&mut self.gate_runs);
        let step = &mut self.now_in_step;
        match happening {
            Live if !step.live => *step = InStep { live: true, ..InStep::default() },
            Look(..) if self.paused.is_none() && step.live => {
                step.short = matches!(enough, Some((true, false))) && !step.waited;
                step.doubted = false;
                step.waited |= matches!(enough, Some((true, true)));
                step.held = step.held.filter(|(until, _)| step.time < *until);
            }
            Doubt(..) if self.paused.is_none() && step.live => {
                step.short = matches!(enough, Some((true, false))) && !step.waited;
                step.doubted = matches!(enough, Some((true, true))) && !step.waited;
                step.held = step.held.filter(|(until, _)| step.time < *until);
            }
            Pass if ran => {
                step.passed = true;
                step.error = false;
            }
            Inconclusive if ran => {
                step.held = Some((step.time + again, "too few"));
                step.errors_in_a_row = 0;
                step.error = false;
            }
            Error if ran => {
                step.errors_in_a_row += 1;
                step.error = true;
                let third = step.errors_in_a_row >= 3;
                step.held = Some((step.time + if third { Duration::ZERO } else { again }, "unmeasured"));
                if third {
                    self.paused.get_or_insert("unmeasured");
                }
            }
            Fail => self.end = Some(End::RolledBack("bad".to_owned())),
            Broke => self.end = Some(End::RolledBack("broke".to_owned())),
            Replaced => self.end = Some(End::Replaced),
            Abort => self.end = Some(End::Aborted),
            Pause => {
                self.paused = Some("by a person");
                self.wake = None;
            }
            Resume => {
                self.paused = None;
                step.errors_in_a_row = 0;
            }
            Next => {
                step.waited = true;
                step.passed |= step.held.take().is_some();
            }
            Live | LiveOther | Look(..) | Doubt(..) | Pass | Inconclusive | Error => {}
            StalePass | StaleFail | Promote | Force | Restart => {}
        }
        self.gate_runs = ran && !matches!(happening, Pass | Inconclusive | Error | Restart);
    }

    fn current(&self) -> Step {
        self.rollout.plan().steps()[self.step]
    }

    /// How long a gate that could not decide is left alone.
    fn again(&self) -> Duration {
        match self.current().wait {
            Wait::ByHand => AGAIN_MIN,
            Wait::For { .. } => TIME,
        }
    }

    /// Whether the time is over, and whether there are enough jobs; `None` if a person decides.
    fn is_enough(&self) -> Option<(bool, bool)> {
        let step = &self.now_in_step;
        match self.current().wait {
            Wait::ByHand => None,
            Wait::For { .. } => Some((step.time >= TIME, step.jobs >= JOBS)),
        }
    }

    /// Whether the step has all that it needs for the next one.
    fn is_ready(&self) -> bool {
        let step = &self.now_in_step;
        step.live && step.waited && (step.passed || !self.current().gated)
    }

    // ---- the interpreter -------------------------------------------------------------------------------------------

    fn settle(&mut self, happening: Happening, actions: &[Action]) -> Checked {
        let done = actions.iter().filter(|action| !matches!(action, Action::Tell(_))).count();
        ensure!(done <= 1, "more than one thing is to be done: {actions:?}");
        let unasked = matches!(happening, Fail | Abort) && done != 1;
        ensure!(!unasked, "neither rolled back nor withdrawn: {actions:?}");
        for action in actions {
            self.carry_out(happening, action)?;
        }
        self.check()
    }

    fn carry_out(&mut self, happening: Happening, action: &Action) -> Checked {
        match action {
            Action::SetShare(share) => self.set_share(happening, *share)?,
            Action::RunGate { step } => {
                ensure!(*step == self.step && self.current().gated, "nobody wants the gate of {step}");
                ensure!(!self.gate_runs, "the gate of {step} runs already");
                ensure!(self.now_in_step.waited, "the gate of {step} was asked before the wait was over");
                ensure!(self.now_in_step.held.is_none(), "the gate of {step} is to be left alone");
                ensure!(self.paused.is_none() || happening == Restart, "paused, and a gate is asked");
                self.gate_runs = true;
            }
            Action::WakeAt(at) => {
                ensure!(*at >= self.now, "to be woken in the past: {at:?}");
                ensure!(self.paused.is_none(), "paused, and its time runs");
                self.wake = Some(*at);
            }
            Action::Promote => self.promote(happening)?,
            Action::RollBack { reason } => {
                ensure!(happening == Fail && reason == "bad", "rolled back: {reason}");
            }
            Action::Withdraw => ensure!(happening == Abort, "nobody aborted it"),
            Action::Tell(note) => {
                ensure!(self.told.as_ref() != Some(note), "told twice: {note:?}");
                self.told = Some(note.clone());
            }
        }
        Ok(())
    }

    fn set_share(&mut self, happening: Happening, share: Share) -> Checked {
        ensure!(self.paused.is_none(), "paused, and the share is set to {share}");
        if matches!(happening, Restart | Resume) && !self.now_in_step.live {
            ensure!(share == self.current().share, "{share} was not asked for before");
        } else {
            ensure!(self.is_ready(), "{share} before the step was over: {:?}", self.now_in_step);
            self.step += 1;
            ensure!(share == self.current().share, "{share} is not the share of step {}", self.step);
            ensure!(self.step < self.rollout.plan().last(), "everybody, without a promotion");
            self.now_in_step = InStep::default();
        }
        self.asked = true;
        Ok(())
    }

    fn promote(&mut self, happening: Happening) -> Checked {
        ensure!(self.end.is_none(), "promoted, and it is over");
        let last = self.rollout.plan().last();
        let by_hand = matches!(happening, Promote | Force);
        ensure!(by_hand || self.paused.is_none(), "paused, and promoted");
        ensure!(by_hand || self.step + 1 == last, "a step was left out after {}", self.step);
        ensure!(by_hand || self.is_ready(), "promoted before the step was over: {:?}", self.now_in_step);
        self.step = last;
        self.end = Some(End::Promoted);
        Ok(())
    }

    // ---- the promises ----------------------------------------------------------------------------------------------

    /// What holds when all actions of an event have been carried out.
    fn check(&self) -> Checked {
        let note = Note { step: self.step, share: self.share(), phase: self.phase() };
        ensure!(self.told.as_ref() == Some(&note), "told was {:?}, and true is {note:?}", self.told);
        let rollout = &self.rollout;
        let shown = Note { step: rollout.step(), share: rollout.share(), phase: rollout.phase() };
        ensure!(shown == note, "{shown:?} is shown, and true is {note:?}");
        if self.end.is_some() {
            ensure!(rollout.next_look().is_none(), "it is over, and will look");
            return Ok(());
        }
        let step = &self.now_in_step;
        let error = matches!(rollout.verdict(), Some(Verdict::Error(_)));
        ensure!(error == step.error, "the last verdict is shown as {:?}", rollout.verdict());
        ensure!(step.live || rollout.verdict().is_none(), "a verdict outlives its step");
        ensure!(!step.live || rollout.jobs() == step.jobs, "{} jobs, not {}", rollout.jobs(), step.jobs);
        let gate_is_due = step.waited && self.current().gated && !step.passed && step.held.is_none();
        ensure!(gate_is_due == self.gate_runs, "a gate is due: {gate_is_due}, it runs: {}", self.gate_runs);
        if self.paused.is_some() {
            ensure!(rollout.next_look().is_none(), "it is paused, and will look");
            return Ok(());
        }
        ensure!(!self.is_ready(), "the step is over, and the next one was not taken");
        ensure!(step.live || self.asked, "the share was not asked for");
        self.check_wake()
    }

    /// What waits for a time is woken at that time, and what waits for jobs soon.
    fn check_wake(&self) -> Checked {
        let step = &self.now_in_step;
        let left = match (&self.phase(), &step.held) {
            (Phase::Held(_), Some((until, _))) => until.saturating_sub(step.time),
            (Phase::Stepping, _) => TIME.saturating_sub(step.time),
            (Phase::ShortOfJobs | Phase::Unproven, _) => SECOND,
            (phase, _) => {
                let look = self.rollout.next_look();
                ensure!(look.is_none(), "it looks at {look:?}, and is {phase:?}");
                return Ok(());
            }
        };
        let at = self.now.after(left);
        ensure!(self.wake == Some(at), "it is to look at {at:?}, and is woken at {:?}", self.wake);
        ensure!(self.rollout.next_look() == Some(at), "it says that it looks at another time");
        Ok(())
    }

    fn share(&self) -> Share {
        match self.end {
            None | Some(End::Promoted) => self.current().share,
            Some(End::RolledBack(_) | End::Aborted | End::Replaced) => Share::NOBODY,
        }
    }

    fn phase(&self) -> Phase {
        let step = &self.now_in_step;
        match (&self.end, self.paused) {
            (Some(end), _) => Phase::Over(end.clone()),
            (None, Some(why)) => Phase::Paused(why.to_owned()),
            (None, None) if !step.live => Phase::Raising,
            (None, None) if self.gate_runs => Phase::Gating,
            (None, None) => match (step.held, self.current().wait) {
                (Some((_, reason)), _) => Phase::Held(reason.to_owned()),
                (None, Wait::ByHand) => Phase::ByHand,
                (None, Wait::For { .. }) if step.short => Phase::ShortOfJobs,
                (None, Wait::For { .. }) if step.doubted => Phase::Unproven,
                (None, Wait::For { .. }) => Phase::Stepping,
            },
        }
    }
}

fn verb(happening: Happening) -> Option<Verb> {
    match happening {
        Pause => Some(Verb::Pause("by a person".to_owned())),
        Resume => Some(Verb::Resume),
        Next => Some(Verb::Next),
        Promote => Some(Verb::Promote { force: false }),
        Force => Some(Verb::Promote { force: true }),
        Abort => Some(Verb::Abort),
        Live | LiveOther | Look(..) | Doubt(..) | Pass | Fail | Inconclusive | Error => None,
        StalePass | StaleFail | Replaced | Broke | Restart => None,
    }
}

// ---- the search ----------------------------------------------------------------------------------------------------

#[derive(Default)]
struct Search {
    history: Vec<Happening>,
    histories: usize,
    ends: usize,
}

/// Enumerates every history of up to `events` events that can follow on `start`. Returns how many there are.
#[track_caller]
fn explore(plan: Plan, start: &[Happening], events: usize) -> usize {
    let mut search = Search { history: start.to_vec(), ..Search::default() };
    search.extend(&World::after(plan, start), events);
    let Search { histories, ends, .. } = search;
    println!("{events} events after {}: {histories} histories, {ends} come to an end", start.len());
    histories
}

impl Search {
    fn extend(&mut self, world: &World, events: usize) {
        if events == 0 {
            self.histories += 1;
            return;
        }
        for happening in ALL {
            let mut next = world.clone();
            self.follow(&mut next, happening);
            if next.end.is_some() {
                self.histories += 1;
                self.ends += 1;
                self.check_end(&next);
            } else if next != *world {
                self.extend(&next, events - 1);
            }
            self.history.pop();
        }
    }

    fn follow(&mut self, world: &mut World, happening: Happening) {
        self.history.push(happening);
        if let Err(sentence) = world.happen(happening) {
            panic!("{sentence}\n  after {:?}", self.history);
        }
    }

    /// Whatever happens after the end, nothing is done.
    fn check_end(&mut self, world: &World) {
        for happening in ALL {
            self.follow(&mut world.clone(), happening);
            self.history.pop();
        }
    }
}

#[test]
fn every_history_of_a_gated_step_and_one_by_hand_keeps_all_promises() {
    assert_eq!(explore(gated_then_by_hand(), &[], 7), 3_203_183);
}

#[test]
fn every_history_of_a_gated_step_by_hand_and_one_that_waits_keeps_all_promises() {
    assert_eq!(explore(by_hand_and_gated_then_waiting(), &[], 7), 2_977_025);
}

/// What takes longer than seven events: a gate that can often not be measured, in and out of pauses.
#[test]
fn every_history_after_two_verdicts_that_were_none_keeps_all_promises() {
    let twice = [Live, Look(60, JOBS), Error, Look(60, 0), Error, Look(60, 0)];
    assert_eq!(explore(gated_then_by_hand(), &twice, 5), 92_851);
    let broken_row = [Live, Next, Error, Look(10, 0), Inconclusive, Look(10, 0), Error, Look(10, 0)];
    assert_eq!(explore(by_hand_and_gated_then_waiting(), &broken_row, 5), 98_029);
}

/// Long histories of a longer plan, at random, that end seldom.
#[test]
fn long_histories_keep_all_promises() {
    let steps = [
        Step::of(percent(1.0)).gated(),
        Step::of(percent(5.0)).wait(Wait::ByHand).gated(),
        Step::of(percent(25.0)),
        Step::of(percent(50.0)).wait(Wait::ByHand),
    ];
    let plan = Plan::new(steps).expect("a plan");
    let mut random = 7_u64;
    let mut promoted = 0;
    for _ in 0..5_000 {
        let mut world = World::new(plan.clone());
        let mut search = Search::default();
        while world.end.is_none() && search.history.len() < 100 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let drawn = usize::try_from(random >> 33).expect("31 bits");
            let happening = ALL[drawn % ALL.len()];
            let ends = matches!(happening, Fail | Promote | Force | Abort | Replaced | Broke);
            if !ends || (drawn / ALL.len()).is_multiple_of(50) {
                search.follow(&mut world, happening);
            }
        }
        promoted += usize::from(world.end == Some(End::Promoted));
    }
    assert!(promoted > 500, "only {promoted} of 5,000 came to promotion");
}

// ---- scenarios -----------------------------------------------------------------------------------------------------

/// How to come to each phase of [`gated_then_by_hand`], and to its name.
const PHASES: [(&str, &[Happening]); 11] = [
    ("Raising", &[]),
    ("Stepping", &[Live]),
    ("ShortOfJobs", &[Live, Look(60, 0)]),
    ("Unproven", &[Live, Doubt(60, JOBS)]),
    ("Gating", &[Live, Look(60, JOBS)]),
    ("Held by Inconclusive", &[Live, Look(60, JOBS), Inconclusive]),
    ("Held by Error", &[Live, Look(60, JOBS), Error]),
    ("Raising again", &[Live, Look(60, JOBS), Pass]),
    ("ByHand", &[Live, Look(60, JOBS), Pass, Live]),
    ("Paused", &[Live, Pause]),
    ("Paused with a Pass", &[Live, Look(60, JOBS), Pause, Pass]),
];

fn bad() -> Vec<Action> {
    vec![Action::RollBack { reason: "bad".to_owned() }]
}

fn set_share(share: f64) -> Vec<Action> {
    vec![Action::SetShare(percent(share))]
}

fn run_gate(step: usize) -> Vec<Action> {
    vec![Action::RunGate { step }]
}

fn wake_in(world: &World, seconds: u32) -> Vec<Action> {
    vec![Action::WakeAt(world.now.after(SECOND * seconds))]
}

#[test]
fn a_candidate_of_which_it_is_not_seen_that_it_is_no_worse_gets_no_more_until_it_is_or_a_person_says_so() {
    let mut world = World::after(by_hand_and_gated_then_waiting(), &[Live, Next, Pass, Live]);
    for _ in 0..3 {
        assert!(!world.perform(Doubt(60, JOBS)).iter().any(|action| matches!(action, Action::Promote)));
        assert_eq!(world.rollout.phase(), Phase::Unproven);
    }
    let mut by_hand =
        World::after(by_hand_and_gated_then_waiting(), &[Live, Next, Pass, Live, Doubt(60, JOBS)]);
    assert_eq!(world.perform(Look(1, 1))[0], Action::Promote);
    assert_eq!(by_hand.perform(Next)[0], Action::Promote);
}

#[test]
fn a_rollout_that_nothing_disturbs_takes_each_step_and_ends_with_the_promotion() {
    let (rollout, begin) = Rollout::begin(gated_then_by_hand());
    let told = Note { step: 0, share: percent(5.0), phase: Phase::Raising };
    assert_eq!(begin, [Action::SetShare(percent(5.0)), Action::Tell(told)]);
    assert_eq!(rollout.jobs(), 0);
    let mut world = World::new(gated_then_by_hand());
    assert_eq!(world.perform(Live), wake_in(&world, 60));
    assert_eq!(world.perform(Look(30, JOBS)), wake_in(&world, 30));
    assert_eq!(world.perform(Look(30, 0)), run_gate(0));
    assert_eq!(world.perform(Pass), set_share(25.0));
    assert_eq!(world.perform(Live), []);
    assert_eq!(world.rollout.phase(), Phase::ByHand);
    assert_eq!(world.perform(Next), [Action::Promote]);
    assert_eq!((world.rollout.step(), world.rollout.share()), (2, Share::EVERYBODY));
    assert_eq!(world.rollout.phase(), Phase::Over(End::Promoted));
}

/// Row 1: an abort without a rollout took the work from the version that served.
#[test]
fn an_abort_withdraws_the_candidate_once_and_does_nothing_when_the_rollout_is_over() {
    for (phase, start) in PHASES {
        let mut world = World::after(gated_then_by_hand(), start);
        assert_eq!(world.perform(Abort), [Action::Withdraw], "{phase}");
        assert_eq!(world.perform(Abort), [], "{phase}");
        for end in [Fail, Force, Replaced, Broke] {
            let mut world = World::after(gated_then_by_hand(), start);
            world.perform(end);
            assert_eq!(world.perform(Abort), [], "{phase}, {end:?}");
        }
    }
}

/// Row 3: another candidate came in the middle of a rollout, and work still went to the first.
#[test]
fn whatever_ends_a_rollout_from_outside_ends_it_in_every_phase_and_nothing_is_done_any_more() {
    for (phase, start) in PHASES {
        for end in [Replaced, Broke] {
            let mut world = World::after(gated_then_by_hand(), start);
            assert_eq!(world.perform(end), [], "{phase}: it was done by whoever tells it");
            assert_eq!(world.rollout.share(), Share::NOBODY, "{phase}");
            for late in ALL {
                assert_eq!(world.perform(late), [], "{phase}, {end:?}, {late:?}");
            }
        }
    }
}

/// Row 5: an analysis failed, and the rollout went on.
#[test]
fn a_gate_that_fails_rolls_back_in_every_phase_once() {
    for (phase, start) in PHASES {
        let mut world = World::after(gated_then_by_hand(), start);
        assert_eq!(world.perform(Fail), bad(), "{phase}");
        assert_eq!(world.rollout.phase(), Phase::Over(End::RolledBack("bad".to_owned())));
        assert_eq!(world.perform(Fail), [], "{phase}");
    }
}

/// Row 6: while it waited for a person, the automatic rollback was off.
#[test]
fn a_guard_rolls_back_also_while_the_rollout_waits_for_a_person() {
    let by_hand = [Live, Look(60, JOBS), Pass, Live];
    for wait in [&[][..], &[Pause], &[Look(10_000, 10_000)], &[Pause, Look(10_000, 10_000), Restart]] {
        let mut world = World::after(gated_then_by_hand(), &by_hand);
        for happening in wait {
            world.perform(*happening);
        }
        assert_eq!(world.perform(Fail), bad(), "after {wait:?}");
    }
    let errors = [Live, Look(60, JOBS), Error, Look(60, 0), Error, Look(60, 0), Error];
    let mut paused_itself = World::after(gated_then_by_hand(), &errors);
    assert_eq!(paused_itself.perform(Fail), bad());
}

/// Row 7: without traffic a rollout stalled without a word, or went on.
#[test]
fn without_jobs_nothing_is_promoted_nothing_is_rolled_back_and_it_says_so() {
    for jobs in [0, 1, JOBS] {
        let step = Step::of(percent(5.0)).wait(Wait::For { time: TIME, jobs });
        let (mut rollout, _begin) = Rollout::begin(Plan::new([step]).expect("a plan"));
        let mut now = Time::ZERO;
        let _wakes = rollout.handle(now, Event::Live { share: step.share, finished: 7 });
        for second in 0..86_400 {
            now = now.after(SECOND);
            for action in rollout.handle(now, Event::Look { finished: 7, proven: true }) {
                let quiet = matches!(action, Action::WakeAt(_) | Action::Tell(_));
                assert!(quiet, "{action:?} after {second} s without jobs");
            }
        }
        assert_eq!(rollout.phase(), Phase::ShortOfJobs);
        assert!(rollout.phase().to_string().contains("inconclusive"), "{}", rollout.phase());
        let enough = rollout.handle(now, Event::Look { finished: 7 + jobs.max(1), proven: true });
        assert_eq!(enough.first(), Some(&Action::Promote), "as soon as there are jobs");
    }
}

/// Row 8: steps that did not come out at the whole were a success, and the old version still ran.
#[test]
fn any_list_of_steps_that_is_a_plan_ends_exactly_at_everybody() {
    let shares = [0.01, 33.0, 34.0, 66.6, 99.99, 100.0];
    for chosen in 1_usize..1 << shares.len() {
        let steps: Vec<Share> =
            (0..shares.len()).filter(|at| chosen & (1 << at) != 0).map(|at| percent(shares[at])).collect();
        let plan = Plan::new(steps.iter().copied().map(Step::of)).expect("shares rise");
        let (mut rollout, mut actions) = Rollout::begin(plan);
        let mut taken = Vec::new();
        let mut now = Time::ZERO;
        let mut finished = 0;
        while let Some(Action::SetShare(share)) = actions.first().cloned() {
            taken.push(share);
            let _wakes = rollout.handle(now, Event::Live { share, finished });
            now = now.after(TIME);
            finished += JOBS;
            actions = rollout.handle(now, Event::Look { finished, proven: true });
        }
        let partial: Vec<Share> = steps.into_iter().filter(|share| *share < Share::EVERYBODY).collect();
        assert_eq!(taken, partial);
        assert_eq!(actions.first(), Some(&Action::Promote), "after {taken:?}");
        assert_eq!(rollout.share(), Share::EVERYBODY);
    }
}

#[test]
fn a_list_of_steps_that_is_no_plan_is_refused_with_a_sentence() {
    let (five, half) = (Step::of(percent(5.0)), Step::of(percent(50.0)));
    let everybody = Step::of(Share::EVERYBODY);
    let error = |steps: &[Step]| Plan::new(steps.iter().copied()).expect_err("no plan");
    assert_eq!(error(&[]), PlanError::Empty);
    assert_eq!(error(&[Step::of(Share::NOBODY), half]), PlanError::Nobody);
    assert_eq!(error(&[five, Step::of(Share::NOBODY)]), PlanError::Nobody);
    let falling = PlanError::NotRising { share: five.share, before: half.share };
    assert_eq!(error(&[half, five]), falling);
    assert_eq!(falling.to_string(), "a step of 5 % follows one of 50 %, and shares must rise with each step");
    assert_eq!(error(&[five, five]), PlanError::NotRising { share: five.share, before: five.share });
    let after_all = PlanError::NotRising { share: Share::EVERYBODY, before: Share::EVERYBODY };
    assert_eq!(error(&[everybody, everybody]), after_all);
    assert_eq!(error(&[five, everybody.gated()]), PlanError::AfterEverybody);
    assert_eq!(error(&[five, everybody.wait(Wait::ByHand)]), PlanError::AfterEverybody);
    let plan = Plan::new([five, everybody]).expect("a plan");
    assert_eq!(plan, Plan::new([five]).expect("a plan"), "everybody is not added twice");
}

#[test]
fn a_pause_freezes_the_time_of_the_step_and_jobs_still_count() {
    let mut world = World::after(gated_then_by_hand(), &[Live, Look(20, 0), Pause]);
    assert_eq!(world.perform(Look(10_000, JOBS)), []);
    assert_eq!(world.rollout.next_look(), None);
    assert_eq!(world.perform(Resume), wake_in(&world, 40));
    assert_eq!(world.perform(Look(39, 0)), wake_in(&world, 1));
    assert_eq!(world.perform(Look(1, 0)), run_gate(0));
}

#[test]
fn a_step_that_becomes_live_during_a_pause_begins_when_the_pause_ends() {
    let mut world = World::after(gated_then_by_hand(), &[Pause, Look(100, 0), Live, Look(100, 0)]);
    assert_eq!(world.perform(Resume), wake_in(&world, 60));
}

#[test]
fn a_gate_that_passes_during_a_pause_is_acted_on_when_the_pause_ends() {
    let mut world = World::after(gated_then_by_hand(), &[Live, Look(60, JOBS), Pause]);
    assert_eq!(world.perform(Pass), []);
    assert_eq!(world.perform(Look(1_000, JOBS)), []);
    assert_eq!(world.perform(Resume), set_share(25.0));
}

#[test]
fn a_gate_that_cannot_decide_is_asked_again_after_the_time_of_the_step_and_at_least_ten_seconds() {
    let mut world = World::after(gated_then_by_hand(), &[Live, Look(60, JOBS)]);
    assert_eq!(world.perform(Inconclusive), wake_in(&world, 60));
    assert_eq!(world.perform(Look(60, 0)), run_gate(0));
    let mut by_hand = World::after(by_hand_and_gated_then_waiting(), &[Live, Next]);
    assert_eq!(by_hand.perform(Inconclusive), wake_in(&by_hand, 10));
    for (time, again) in [(1, 10), (11, 11)] {
        let wait = Wait::For { time: SECOND * time, jobs: 1 };
        let plan = Plan::new([Step::of(percent(5.0)).wait(wait).gated()]).expect("a plan");
        let (mut rollout, _begin) = Rollout::begin(plan);
        let _live = rollout.handle(Time::ZERO, Event::Live { share: percent(5.0), finished: 0 });
        let now = Time::ZERO.after(SECOND * time);
        let _asks = rollout.handle(now, Event::Look { finished: 1, proven: true });
        let verdict = Verdict::Inconclusive("too few".to_owned());
        let _held = rollout.handle(now, Event::Verdict { step: 0, verdict });
        assert_eq!(rollout.next_look(), Some(now.after(SECOND * again)));
    }
}

#[test]
fn a_gate_that_cannot_be_measured_three_times_in_a_row_pauses_the_rollout_and_is_asked_at_the_resume() {
    let start = [Live, Look(60, JOBS), Error, Look(60, 0), Inconclusive, Look(60, 0), Error, Look(60, 0)];
    let mut world = World::after(gated_then_by_hand(), &start);
    assert_eq!(world.perform(Error), wake_in(&world, 60), "two in a row");
    assert_eq!(world.perform(Look(60, 0)), run_gate(0));
    assert_eq!(world.perform(Error), []);
    assert_eq!(world.rollout.phase(), Phase::Paused("unmeasured".to_owned()));
    world.perform(Look(1_000, 0));
    assert_eq!(world.perform(Resume), wake_in(&world, 0));
    assert_eq!(world.perform(Look(0, 0)), run_gate(0));
    assert_eq!(world.perform(Error), wake_in(&world, 60), "it counts from the resume");
}

#[test]
fn a_person_ends_a_wait_and_overrules_a_gate_that_could_not_decide_but_none_that_was_not_measured() {
    let mut world = World::after(gated_then_by_hand(), &[Live]);
    assert_eq!(world.perform(Next), run_gate(0), "the wait is ended, the gate is asked");
    assert_eq!(world.rollout.call(world.now, Verb::Next), Err(Refused::GateRuns));
    world.perform(Error);
    let failed = Refused::GateFailed("unmeasured".to_owned());
    assert_eq!(world.rollout.call(world.now, Verb::Next), Err(failed.clone()));
    let promote = Verb::Promote { force: false };
    assert_eq!(world.rollout.call(world.now, promote), Err(failed.clone()));
    assert_eq!(failed.to_string(), "the gate of this step could not be measured: unmeasured");
    world.perform(Look(60, 0));
    world.perform(Inconclusive);
    assert_eq!(world.perform(Next), set_share(25.0));
}

#[test]
fn a_promotion_by_hand_is_refused_while_paused_unless_it_is_forced() {
    for (phase, start) in PHASES {
        let mut world = World::after(gated_then_by_hand(), start);
        let refused = phase.starts_with("Paused") || phase == "Held by Error";
        let promoted = if refused { vec![] } else { vec![Action::Promote] };
        assert_eq!(world.perform(Promote), promoted, "{phase}");
        let forced = if refused { vec![Action::Promote] } else { vec![] };
        assert_eq!(world.perform(Force), forced, "{phase}");
    }
}

#[test]
fn a_dispatcher_that_begins_anew_asks_again_for_what_the_rollout_waits_for() {
    let right = |phase: &str, world: &World| match phase {
        "Raising" => set_share(5.0),
        "Raising again" => set_share(25.0),
        "Stepping" | "Held by Inconclusive" | "Held by Error" => wake_in(world, 60),
        "ShortOfJobs" | "Unproven" => wake_in(world, 1),
        "Gating" => run_gate(0),
        _ => vec![],
    };
    for (phase, start) in PHASES {
        let mut world = World::after(gated_then_by_hand(), start);
        assert_eq!(world.perform(Restart), right(phase, &world), "{phase}");
        if phase.starts_with("Paused") {
            assert_ne!(world.perform(Resume), [], "{phase}");
        }
    }
    let mut gate_in_pause = World::after(gated_then_by_hand(), &[Live, Look(60, JOBS), Pause]);
    assert_eq!(gate_in_pause.perform(Restart), run_gate(0), "a pause does not keep a gate from failing");
    let mut share_in_pause = World::after(gated_then_by_hand(), &[Pause, Restart]);
    assert_eq!(share_in_pause.perform(Resume), set_share(5.0));
}

#[test]
fn a_timer_that_was_lost_and_is_late_is_armed_for_now() {
    let mut world = World::after(gated_then_by_hand(), &[Live]);
    let late = world.now.after(TIME * 2);
    assert_eq!(world.rollout.restart(late, world.finished), [Action::WakeAt(late)]);
}

#[test]
fn jobs_are_counted_once_though_a_count_is_overtaken_or_begins_anew_with_the_dispatcher() {
    let (mut rollout, _begin) = Rollout::begin(gated_then_by_hand());
    let now = Time::ZERO;
    let _raises = rollout.handle(now, Event::Look { finished: 1_000, proven: true });
    let _live = rollout.handle(now, Event::Live { share: percent(5.0), finished: 1_100 });
    let mut jobs_after = |finished| {
        let _wakes = rollout.handle(now, Event::Look { finished, proven: true });
        rollout.jobs()
    };
    assert_eq!([1_150, 1_140, 1_150, 1_160].map(&mut jobs_after), [50, 50, 50, 60]);
    let _wakes = rollout.restart(now, 1_170);
    assert_eq!(rollout.jobs(), 70);
    let _wakes = rollout.restart(now, 20);
    assert_eq!(rollout.jobs(), 70);
    let actions = rollout.handle(now.after(TIME), Event::Look { finished: 20 + JOBS - 70, proven: true });
    assert_eq!(actions.first(), Some(&Action::RunGate { step: 0 }));
}

#[test]
fn a_plan_of_everybody_promotes_at_once() {
    let (rollout, actions) = Rollout::begin(Plan::new([Step::of(Share::EVERYBODY)]).expect("a plan"));
    let told = Note { step: 0, share: Share::EVERYBODY, phase: Phase::Over(End::Promoted) };
    assert_eq!(actions, [Action::Promote, Action::Tell(told)]);
    assert!(rollout.is_over());
}

#[test]
fn a_step_without_end_does_not_overflow() {
    let step = Step::of(percent(5.0)).wait(Wait::For { time: Duration::MAX, jobs: u64::MAX });
    let (mut rollout, _begin) = Rollout::begin(Plan::new([step]).expect("a plan"));
    let live = rollout.handle(Time::ZERO, Event::Live { share: step.share, finished: 9 });
    assert_eq!(live.first(), Some(&Action::WakeAt(Time::MAX)));
    let late = rollout.handle(Time::MAX, Event::Look { finished: u64::MAX, proven: true });
    let _wakes = rollout.restart(Time::MAX, 0);
    assert_eq!(late.first(), Some(&Action::WakeAt(Time::MAX)), "it looks again, and that is all");
    let enough = rollout.handle(Time::MAX, Event::Look { finished: u64::MAX, proven: true });
    assert_eq!(enough.first(), Some(&Action::Promote));
}
