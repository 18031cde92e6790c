//! How a candidate version comes from its first share of new work to all of it, step by step.
//!
//! ```text
//!            share live                 time over, jobs enough            gate passed
//!  Raising ─────────────▶ Stepping, ─────────────────────────────▶ Gating ────────────▶ Raising, or Promoted
//!     │                   ShortOfJobs,                            ▲  │  ▲
//!     │                   Unproven      a person: next            │  ▼  │ asked again
//!     └─────────────────▶ ByHand ─────────────────────────────────┘  Held
//! ```
//!
//! Rules:
//!
//! 1. The wait and the gate of a step are passed before the next step is taken. The last step is everybody: it is the promotion.
//! 2. A gate that fails ends the rollout, in every phase: also while it is paused, or waits for a person.
//! 3. Without jobs nothing is promoted and nothing is rolled back, nor as long as it is not seen from them that the candidate is no worse. Only a person goes on
//!    without that.
//! 4. A pause freezes the time of the step, shares and promotion. Jobs still count, and a gate that runs still answers.
//! 5. Until the end the share never falls. After the end nothing is done.
//! 6. Whoever lost the actions that it was given asks for them again by [`Rollout::restart`].
//!
//! The machine knows neither pools nor routing nor statistics. Steps are numbered from 0.

use std::time::Duration;

use crate::limit::Limit;
use crate::share::Share;
use crate::time::Time;

pub use crate::plan::Action;
pub use crate::plan::End;
pub use crate::plan::Event;
pub use crate::plan::Note;
pub use crate::plan::Phase;
pub use crate::plan::Plan;
pub use crate::plan::PlanError;
pub use crate::plan::Refused;
pub use crate::plan::Step;
pub use crate::plan::Verb;
pub use crate::plan::Verdict;
pub use crate::plan::Wait;

/// How long to wait for jobs before it is looked again. The shell may look sooner.
const LOOK: Duration = Duration::from_secs(1);
/// A gate that could not be measured so many times in a row is for a person to look at.
const ERRORS_MAX: u32 = 3;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum State {
    /// The share is not live yet.
    Raising,
    /// Until then the time of the step runs.
    Waiting(Time),
    /// It is over, and there are too few jobs; the next look is then.
    ShortOfJobs(Time),
    /// It is over, and the jobs leave open whether the candidate is worse; the next look is then.
    Unproven(Time),
    ByHand,
    Gating,
    /// The gate passed while the rollout was paused.
    Passed,
    /// The gate is asked again then.
    Held(Time),
    Over(End),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Pause {
    since: Time,
    why: String,
}

/// One rollout, of one candidate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rollout {
    plan: Plan,
    step: usize,
    state: State,
    pause: Option<Pause>,
    /// The last verdict of the gate of this step.
    verdict: Option<Verdict>,
    /// How often in a row it could not be measured, since the rollout was last resumed.
    errors: u32,
    /// How many jobs the candidate has finished in this step.
    jobs: u64,
    /// The highest count that was told.
    finished: u64,
}

impl Rollout {
    /// Begins with the first step of this plan. Returns also what is to be done, in order.
    #[must_use = "the actions are the decision"]
    pub fn begin(plan: Plan) -> (Self, Vec<Action>) {
        let state = State::Raising;
        let mut rollout =
            Self { plan, step: 0, state, pause: None, verdict: None, errors: 0, jobs: 0, finished: 0 };
        let mut actions = rollout.take(0);
        actions.push(Action::Tell(rollout.note()));
        (rollout, actions)
    }

    /// Takes note of what happened and returns what is to be done, in order.
    #[must_use = "the actions are the decision"]
    pub fn handle(&mut self, now: Time, event: Event) -> Vec<Action> {
        if self.is_over() {
            return Vec::new();
        }
        let before = self.note();
        if let Event::Live { finished, .. } | Event::Look { finished, .. } = event {
            self.count(finished);
        }
        let actions = self.decide(now, event);
        self.and_tell(&before, actions)
    }

    /// Does what a person asks for and returns what is to be done, in order.
    ///
    /// # Errors
    ///
    /// [`Refused`] if it does not fit; then nothing has changed.
    pub fn call(&mut self, now: Time, verb: Verb) -> Result<Vec<Action>, Refused> {
        let before = self.note();
        let actions = match (&self.state, verb) {
            (State::Over(_), Verb::Abort) => Vec::new(),
            (State::Over(end), _) => return Err(Refused::Over(end.clone())),
            (_, Verb::Pause(why)) => self.pause(now, why)?,
            (_, Verb::Resume) => self.resume(now)?,
            (_, Verb::Next) => self.next_by_hand()?,
            (_, Verb::Promote { force: true }) => self.take(self.plan.last()),
            (_, Verb::Promote { force: false }) => {
                self.may_go_on()?;
                self.take(self.plan.last())
            }
            (_, Verb::Abort) => self.end_with(End::Aborted, Action::Withdraw),
        };
        Ok(self.and_tell(&before, actions))
    }

    /// The rollout was ended by something else, such as a rollback, another candidate, or workers that broke. Whoever did that
    /// has taken care of the candidate; it is only told. After an end, nothing is done.
    #[must_use = "the actions are the decision"]
    pub fn end(&mut self, how: End) -> Vec<Action> {
        let before = self.note();
        match how {
            _ if self.is_over() => {}
            End::Promoted => drop(self.take(self.plan.last())),
            End::RolledBack(_) | End::Aborted | End::Replaced => self.state = State::Over(how),
        }
        self.and_tell(&before, Vec::new())
    }

    /// The dispatcher begins anew: what it was told to do, or was to report, may be lost. Returns what the rollout waits for.
    #[must_use = "the actions are the decision"]
    pub fn restart(&mut self, now: Time, finished: u64) -> Vec<Action> {
        if self.is_over() {
            return Vec::new();
        }
        self.count(finished);
        // It may have begun anew with the dispatcher.
        self.finished = finished;
        // What a pause freezes is asked for again by the resume.
        if self.pause.is_some() && self.state != State::Gating { Vec::new() } else { self.ask(now) }
    }

    // ---- to see it -------------------------------------------------------------------------------------------------

    /// Its plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The number of its step. When it is over: of its last one.
    pub fn step(&self) -> usize {
        self.step
    }

    /// How many steps there are.
    pub fn steps(&self) -> usize {
        self.plan.steps().len()
    }

    /// The share that the candidate is to have. Nobody, if it was rolled back, aborted or replaced.
    pub fn share(&self) -> Share {
        match &self.state {
            State::Over(End::Promoted) => Share::EVERYBODY,
            State::Over(End::RolledBack(_) | End::Aborted | End::Replaced) => Share::NOBODY,
            _ => self.current().share,
        }
    }

    /// How many jobs the candidate is to take of its share.
    pub fn limit(&self) -> Limit {
        if self.is_over() { Limit::None } else { self.current().limit }
    }

    /// What it does or waits for.
    pub fn phase(&self) -> Phase {
        match (&self.state, &self.pause) {
            (State::Over(end), _) => Phase::Over(end.clone()),
            (_, Some(pause)) => Phase::Paused(pause.why.clone()),
            (State::Raising | State::Passed, None) => Phase::Raising,
            (State::Waiting(_), None) => Phase::Stepping,
            (State::ShortOfJobs(_), None) => Phase::ShortOfJobs,
            (State::Unproven(_), None) => Phase::Unproven,
            (State::ByHand, None) => Phase::ByHand,
            (State::Gating, None) => Phase::Gating,
            (State::Held(_), None) => Phase::Held(self.reason()),
        }
    }

    /// When it will look next, if it waits for a time.
    pub fn next_look(&self) -> Option<Time> {
        match self.state {
            _ if self.pause.is_some() => None,
            State::Waiting(until)
            | State::ShortOfJobs(until)
            | State::Unproven(until)
            | State::Held(until) => Some(until),
            State::Raising | State::ByHand | State::Gating | State::Passed | State::Over(_) => None,
        }
    }

    /// How many jobs the candidate has finished in this step, as far as was told.
    pub fn jobs(&self) -> u64 {
        self.jobs
    }

    /// What must pass before the step is long enough.
    pub fn wait(&self) -> Wait {
        self.current().wait
    }

    /// What the gate of this step said last.
    pub fn verdict(&self) -> Option<&Verdict> {
        self.verdict.as_ref()
    }

    /// Whether it has ended.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over(_))
    }

    fn reason(&self) -> String {
        self.verdict.as_ref().and_then(Verdict::reason).unwrap_or_default().to_owned()
    }

    // ---- what happened ---------------------------------------------------------------------------------------------

    fn decide(&mut self, now: Time, event: Event) -> Vec<Action> {
        match self.state {
            State::Raising => match event {
                Event::Live { share, .. } if share == self.share() => self.begin_wait(now),
                Event::Live { .. } | Event::Look { .. } => Vec::new(),
                Event::Verdict { step, verdict } => self.unasked(step, verdict),
            },
            State::Waiting(until) => match event {
                // Armed again, in case that this look was the one that was armed, and came early.
                Event::Look { .. } if self.pause.is_some() || now < until => self.wake(now),
                Event::Look { proven, .. } => self.count_up(now, proven),
                Event::Live { .. } => Vec::new(),
                Event::Verdict { step, verdict } => self.unasked(step, verdict),
            },
            State::ShortOfJobs(_) | State::Unproven(_) => match event {
                Event::Look { .. } if self.pause.is_some() => Vec::new(),
                Event::Look { proven, .. } => self.count_up(now, proven),
                Event::Live { .. } => Vec::new(),
                Event::Verdict { step, verdict } => self.unasked(step, verdict),
            },
            State::Gating => match event {
                Event::Live { .. } | Event::Look { .. } => Vec::new(),
                Event::Verdict { step, .. } if step != self.step => Vec::new(),
                Event::Verdict { verdict, .. } => self.judge(now, verdict),
            },
            State::Held(until) => match event {
                Event::Look { .. } if self.pause.is_some() || now < until => self.wake(now),
                Event::Look { .. } => self.ask_gate(),
                Event::Live { .. } => Vec::new(),
                Event::Verdict { step, verdict } => self.unasked(step, verdict),
            },
            State::ByHand | State::Passed => match event {
                Event::Live { .. } | Event::Look { .. } => Vec::new(),
                Event::Verdict { step, verdict } => self.unasked(step, verdict),
            },
            State::Over(_) => Vec::new(),
        }
    }

    fn begin_wait(&mut self, now: Time) -> Vec<Action> {
        self.jobs = 0;
        self.state = match self.current().wait {
            Wait::ByHand => State::ByHand,
            Wait::For { time, .. } => State::Waiting(self.unfrozen(now).after(time)),
        };
        self.wake(now)
    }

    /// The time of the step is over: are there enough jobs, and did they go well enough?
    fn count_up(&mut self, now: Time, proven: bool) -> Vec<Action> {
        match self.current().wait {
            Wait::For { jobs, .. } if self.jobs < jobs.max(1) => {
                self.state = State::ShortOfJobs(now.after(LOOK));
                self.wake(now)
            }
            Wait::For { .. } if !proven => {
                self.state = State::Unproven(now.after(LOOK));
                self.wake(now)
            }
            Wait::For { .. } | Wait::ByHand => self.waited(),
        }
    }

    /// A verdict that no gate was asked for. A guard speaks so, and is heard in every phase: otherwise a wait for a person would
    /// disarm it.
    fn unasked(&mut self, step: usize, verdict: Verdict) -> Vec<Action> {
        match verdict {
            Verdict::Fail(reason) if step == self.step => self.fail(reason),
            Verdict::Fail(_) | Verdict::Pass | Verdict::Inconclusive(_) | Verdict::Error(_) => Vec::new(),
        }
    }

    /// The verdict of the gate.
    fn judge(&mut self, now: Time, verdict: Verdict) -> Vec<Action> {
        self.verdict = Some(verdict.clone());
        match verdict {
            Verdict::Pass if self.pause.is_some() => {
                self.state = State::Passed;
                Vec::new()
            }
            Verdict::Pass => self.take(self.step + 1),
            Verdict::Fail(reason) => self.fail(reason),
            Verdict::Inconclusive(_) => {
                self.errors = 0;
                self.hold(now, self.current().again())
            }
            Verdict::Error(why) => self.not_measured(now, why),
        }
    }

    fn not_measured(&mut self, now: Time, why: String) -> Vec<Action> {
        self.errors += 1;
        if self.errors < ERRORS_MAX {
            return self.hold(now, self.current().again());
        }
        self.pause.get_or_insert(Pause { since: now, why });
        // Who resumes it has done something about the cause, and wants to know at once whether that was it.
        self.hold(now, Duration::ZERO)
    }

    fn hold(&mut self, now: Time, again: Duration) -> Vec<Action> {
        self.state = State::Held(self.unfrozen(now).after(again));
        self.wake(now)
    }

    fn fail(&mut self, reason: String) -> Vec<Action> {
        self.end_with(End::RolledBack(reason.clone()), Action::RollBack { reason })
    }

    // ---- verbs -----------------------------------------------------------------------------------------------------

    fn pause(&mut self, now: Time, why: String) -> Result<Vec<Action>, Refused> {
        if self.pause.is_some() {
            return Err(Refused::Paused);
        }
        self.pause = Some(Pause { since: now, why });
        Ok(Vec::new())
    }

    fn resume(&mut self, now: Time) -> Result<Vec<Action>, Refused> {
        let Some(pause) = self.pause.take() else { return Err(Refused::NotPaused) };
        self.errors = 0;
        let frozen = now.since(pause.since);
        Ok(match &mut self.state {
            State::Waiting(until)
            | State::ShortOfJobs(until)
            | State::Unproven(until)
            | State::Held(until) => {
                *until = until.after(frozen);
                self.wake(now)
            }
            State::Passed => self.take(self.step + 1),
            // The share may have been what could not be done, and why it was paused.
            State::Raising => self.ask(now),
            State::ByHand | State::Gating | State::Over(_) => Vec::new(),
        })
    }

    fn next_by_hand(&mut self) -> Result<Vec<Action>, Refused> {
        self.may_go_on()?;
        match &self.state {
            State::Raising => Err(Refused::NotLive),
            State::Gating => Err(Refused::GateRuns),
            State::Waiting(_) | State::ShortOfJobs(_) | State::Unproven(_) | State::ByHand => {
                Ok(self.waited())
            }
            // Inconclusive: a person decides what the numbers could not.
            State::Held(_) | State::Passed => Ok(self.take(self.step + 1)),
            State::Over(end) => Err(Refused::Over(end.clone())),
        }
    }

    /// Neither a pause nor the gate is against it. A gate that failed has ended the rollout: what is left is one that could not be
    /// measured.
    fn may_go_on(&self) -> Result<(), Refused> {
        match (&self.pause, &self.verdict) {
            (Some(_), _) => Err(Refused::Paused),
            (None, Some(Verdict::Error(why) | Verdict::Fail(why))) => Err(Refused::GateFailed(why.clone())),
            (None, Some(Verdict::Pass | Verdict::Inconclusive(_)) | None) => Ok(()),
        }
    }

    // ---- steps -----------------------------------------------------------------------------------------------------

    /// The wait of the step is over.
    fn waited(&mut self) -> Vec<Action> {
        if self.current().gated { self.ask_gate() } else { self.take(self.step + 1) }
    }

    fn ask_gate(&mut self) -> Vec<Action> {
        self.state = State::Gating;
        vec![Action::RunGate { step: self.step }]
    }

    /// Takes this step. The last is the promotion.
    fn take(&mut self, step: usize) -> Vec<Action> {
        self.step = step;
        self.verdict = None;
        self.errors = 0;
        self.jobs = 0;
        if step == self.plan.last() {
            self.state = State::Over(End::Promoted);
            return vec![Action::Promote];
        }
        self.state = State::Raising;
        vec![Action::SetShare(self.current().share)]
    }

    fn end_with(&mut self, end: End, action: Action) -> Vec<Action> {
        self.state = State::Over(end);
        vec![action]
    }

    /// Asks for what it waits for.
    fn ask(&self, now: Time) -> Vec<Action> {
        match self.state {
            State::Raising => vec![Action::SetShare(self.current().share)],
            State::Gating => vec![Action::RunGate { step: self.step }],
            State::Waiting(_) | State::ShortOfJobs(_) | State::Unproven(_) | State::Held(_) => self.wake(now),
            State::ByHand | State::Passed | State::Over(_) => Vec::new(),
        }
    }

    /// Arms the next look, if it waits for a time.
    fn wake(&self, now: Time) -> Vec<Action> {
        self.next_look().map(|at| Action::WakeAt(at.max(now))).into_iter().collect()
    }

    /// What was done, and what is to be told about it.
    fn and_tell(&self, before: &Note, mut actions: Vec<Action>) -> Vec<Action> {
        let note = self.note();
        if note != *before {
            actions.push(Action::Tell(note));
        }
        actions
    }

    fn note(&self) -> Note {
        Note { step: self.step, share: self.share(), phase: self.phase() }
    }

    fn current(&self) -> Step {
        self.plan.steps()[self.step]
    }

    /// The time as the rollout sees it: it stands still during a pause.
    fn unfrozen(&self, now: Time) -> Time {
        self.pause.as_ref().map_or(now, |pause| pause.since)
    }

    /// A count that is less than an earlier one was overtaken on its way, and says nothing new.
    fn count(&mut self, finished: u64) {
        self.jobs = self.jobs.saturating_add(finished.saturating_sub(self.finished));
        self.finished = self.finished.max(finished);
    }
}
