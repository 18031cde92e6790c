//! Carries out what was decided about a rollout: each [`Action`] of [`seral_core::rollout`].
//!
//! What changes the routing table is returned as verbs, which the dispatcher calls at once: between a decision and its doing nobody comes in
//! between. Whatever happens to versions, the rollout then looks at what has become of its candidate.

use std::sync::Arc;

use seral_core::following::Place;
use seral_core::id::PoolId;
use seral_core::id::Version;
use seral_core::rollout::Action;
use seral_core::rollout::End;
use seral_core::rollout::Event as Fact;
use seral_core::rollout::Note;
use seral_core::rollout::Phase;
use seral_core::rollout::Refused;
use seral_core::rollout::Rollout;
use seral_core::rollout::Verb as RolloutVerb;
use seral_core::rollout::Verdict;
use seral_core::rollout::Wait;
use seral_core::share::Share;
use seral_core::time::Time;
use seral_core::versions::Answer;
use seral_core::versions::State;
use seral_core::versions::Verb;
use tokio::sync::oneshot;

use crate::control::ControlState;
use crate::course::Course;
use crate::course::Log;
use crate::course::Planned;
use crate::enact::Dispatching;
use crate::enact::Myself;
use crate::event::Event;
use crate::gate::GateStep;
use crate::user_code::drop_guarded;
use crate::verb::Message;
use crate::verb::Told;

/// The answer to a verb of a rollout, and whom it is for.
pub(crate) type Answered = (oneshot::Sender<Result<(), Refused>>, Result<(), Refused>);

impl Dispatching {
    /// A deploy that is to be rolled out has been answered. If the version has its first share, the rollout begins; if it is current, there is
    /// nothing left to do.
    pub(crate) fn begin_course(
        &mut self,
        myself: &Myself,
        planned: Planned,
        version: Version,
        answer: &Answer,
    ) {
        let Planned { plan, gate, log, drain_within, watch_for } = planned;
        let last = plan.last();
        let over = |end| Note { step: last, share: Share::EVERYBODY, phase: Phase::Over(end) };
        match answer {
            Answer::Ramping { .. } => {
                // The one before has lost its candidate's share by now, and is to hear of it.
                self.follow_course(myself, End::Replaced);
                let (machine, actions) = Rollout::begin(plan);
                let pool = {
                    let state = self.control.state.lock();
                    state.versions.find(&version).map(|entry| entry.pool).unwrap_or_default()
                };
                self.control.state.lock().course =
                    Some(Course { version, pool, machine, gate, drain_within, watch_for, log });
                // Its first share is live: the deploy was answered by it.
                let _ = self.conduct(myself, actions);
            }
            Answer::Current { .. } | Answer::Already(State::Current) => log.tell(over(End::Promoted)),
            _ => {}
        }
    }

    /// What the rollout of this version tells, if it is in progress.
    pub(crate) fn rollout_of(&self, version: &Version) -> Option<Arc<Log>> {
        let state = self.control.state.lock();
        let course = state.course.as_ref();
        let course = course.filter(|course| course.version == *version && !course.machine.is_over());
        course.map(|course| Arc::clone(&course.log))
    }

    /// The rollout with this log is told something. Returns what is to be done about the table, and then to be answered; one that was replaced
    /// hears nothing any more.
    #[must_use = "the verbs are the decision"]
    pub(crate) fn tell_course(
        &mut self,
        myself: &Myself,
        log: &Arc<Log>,
        told: Told,
    ) -> (Vec<Verb>, Option<Answered>) {
        let now = self.plane().now();
        let (actions, answered) = {
            let mut state = self.control.state.lock();
            let finished = finished(&state);
            let course = state.course.as_mut().filter(|course| Arc::ptr_eq(&course.log, log));
            // Who called hears by the end of the port.
            let Some(Course { machine, pool, .. }) = course else { return (Vec::new(), None) };
            match told {
                Told::Look => {
                    let proven = match machine.wait() {
                        Wait::For { jobs, .. } => self.control.plane.guards.is_no_worse(*pool, jobs),
                        Wait::ByHand => true,
                    };
                    (machine.handle(now, Fact::Look { finished, proven }), None)
                }
                Told::Verdict(step, verdict) => (machine.handle(now, Fact::Verdict { step, verdict }), None),
                Told::Call(verb, port) => match call(machine, now, verb) {
                    Ok(actions) => (actions, Some((port, Ok(())))),
                    Err(refused) => (Vec::new(), Some((port, Err(refused)))),
                },
            }
        };
        (self.conduct(myself, actions), answered)
    }

    /// Does what needs no change of the table. Returns the rest.
    fn conduct(&mut self, myself: &Myself, actions: Vec<Action>) -> Vec<Verb> {
        let known = {
            let state = self.control.state.lock();
            state.course.as_ref().map(|course| {
                let Course { log, version, machine, drain_within, .. } = course;
                (Arc::clone(log), version.clone(), machine.limit(), *drain_within)
            })
        };
        let Some((log, version, limit, drain_within)) = known else { return Vec::new() };
        let mut verbs = Vec::new();
        for action in actions {
            match action {
                Action::SetShare(share) => {
                    verbs.push(Verb::Ramp { version: version.clone(), share, limit });
                }
                Action::Promote => {
                    verbs.push(Verb::Promote { version: version.clone(), drain_within });
                }
                Action::RollBack { .. } => {
                    verbs.push(Verb::Reject { version: version.clone(), back_to: None });
                }
                Action::Withdraw => verbs.push(Verb::Abort),
                Action::RunGate { step } => self.run_gate(myself, &log, step),
                Action::WakeAt(at) => self.wake_course(myself, &log, at),
                Action::Tell(note) => self.tell_note(&log, version.clone(), note),
            }
        }
        self.forget_gate_of_ended();
        verbs
    }

    /// The version with this pool was found to be bad. Returns what is to be done about the table by its rollout, if it has one.
    #[must_use = "the verbs are the decision"]
    pub(crate) fn fail_course(&mut self, myself: &Myself, pool: PoolId, why: String) -> Option<Vec<Verb>> {
        let now = self.plane().now();
        let actions = {
            let mut state = self.control.state.lock();
            let course = state.course.as_mut()?;
            let machine = Some(&mut course.machine).filter(|it| course.pool == pool && !it.is_over())?;
            machine.handle(now, Fact::Verdict { step: machine.step(), verdict: Verdict::Fail(why) })
        };
        Some(self.conduct(myself, actions))
    }

    /// Why the rollout does what it does, how it ended or at which step it is.
    pub(crate) fn reason_of_course(&self) -> Option<String> {
        let state = self.control.state.lock();
        let machine = &state.course.as_ref()?.machine;
        match machine.phase() {
            Phase::Over(end) => Some(end.to_string()),
            _ => Some(format!("step {}", machine.step())),
        }
    }

    /// A gate may hold a handle of its own community, and nobody asks it after the end.
    fn forget_gate_of_ended(&self) {
        let gate = {
            let mut state = self.control.state.lock();
            let ended = state.course.as_mut().filter(|course| course.machine.is_over());
            ended.and_then(|course| course.gate.take())
        };
        drop_guarded(gate);
    }

    fn run_gate(&self, myself: &Myself, log: &Arc<Log>, step: usize) {
        let asked = {
            let state = self.control.state.lock();
            state.course.as_ref().and_then(|course| {
                let (machine, version) = (&course.machine, course.version.clone());
                let told = GateStep { version, step, share: machine.share(), jobs: machine.jobs() };
                Some((course.gate.clone()?, told))
            })
        };
        let Some((gate, told)) = asked else { return };
        let (dispatcher, log) = (myself.clone(), Arc::clone(log));
        tokio::spawn(async move {
            let verdict = gate.ask(told).await;
            let _ = dispatcher.cast(Message::Course(log, Told::Verdict(step, verdict)));
        });
    }

    fn wake_course(&mut self, myself: &Myself, log: &Arc<Log>, at: Time) {
        let wait = at.since(self.plane().now());
        let (dispatcher, log) = (myself.clone(), Arc::clone(log));
        let timer = tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            let _ = dispatcher.cast(Message::Course(log, Told::Look));
        });
        if let Some(earlier) = self.course_timer.replace(timer) {
            earlier.abort();
        }
    }

    fn tell_note(&self, log: &Arc<Log>, version: Version, note: Note) {
        let (step, share, phase) = (note.step, note.share, note.phase.clone());
        self.plane().tell(|community| Event::Rollout { community, version, step, share, phase });
        log.tell(note);
    }

    /// Something has happened to versions: what has become of the candidate? `cause` is how its rollout ended if it is no candidate any more.
    pub(crate) fn follow_course(&mut self, myself: &Myself, cause: End) {
        let now = self.plane().now();
        let actions = {
            let mut state = self.control.state.lock();
            let finished = finished(&state);
            let Some(course) = state.course.as_ref().filter(|course| !course.machine.is_over()) else {
                return;
            };
            let entry = state.versions.find(&course.version).filter(|entry| entry.pool == course.pool);
            let place = Place::of(
                entry.map(|entry| (entry.state, state.versions.share(&entry.version), entry.limit)),
            );
            let Some(Course { machine, .. }) = &mut state.course else { return };
            machine.follow(now, place, cause, finished)
        };
        // Nothing of this changes the table: the wait of a step begins, or the rollout is paused or over.
        let _ = self.conduct(myself, actions);
    }

    /// A step of the rollout was just done. If its share is not live, others have too much, and a person has to make room; who resumes then tries again.
    pub(crate) fn pause_if_not_live(&mut self, myself: &Myself) {
        let now = self.plane().now();
        let actions = {
            let mut state = self.control.state.lock();
            let course = state.course.as_mut().filter(|course| course.machine.phase() == Phase::Raising);
            let Some(Course { machine, .. }) = course else { return };
            let why = format!("there is no room for {}, since others are being ramped", machine.share());
            machine.call(now, RolloutVerb::Pause(why)).unwrap_or_default()
        };
        // A pause changes no share.
        let _ = self.conduct(myself, actions);
    }

    /// The dispatcher begins anew: what the rollout was to do may be lost. Returns what is to be done about the table.
    #[must_use = "the verbs are the decision"]
    pub(crate) fn resume_course(&mut self, myself: &Myself) -> Vec<Verb> {
        let now = self.plane().now();
        let actions = {
            let mut state = self.control.state.lock();
            let finished = finished(&state);
            let Some(course) = &state.course else { return Vec::new() };
            let ramps = state
                .versions
                .find(&course.version)
                .is_some_and(|entry| entry.pool == course.pool && entry.state == State::Ramping);
            let Some(course) = &mut state.course else { return Vec::new() };
            match course.machine.phase() {
                Phase::Over(End::Promoted) if ramps => vec![Action::Promote],
                Phase::Over(End::RolledBack(reason)) if ramps => vec![Action::RollBack { reason }],
                Phase::Over(End::Aborted) if ramps => vec![Action::Withdraw],
                _ => course.machine.restart(now, finished),
            }
        };
        self.conduct(myself, actions)
    }
}

/// Somebody calls a verb of the rollout.
fn call(machine: &mut Rollout, now: Time, verb: RolloutVerb) -> Result<Vec<Action>, Refused> {
    let resumes = verb == RolloutVerb::Resume;
    let mut actions = machine.call(now, verb)?;
    if resumes && !machine.is_over() {
        // It may have been paused because somebody had set another share.
        actions.push(Action::SetShare(machine.share()));
    }
    Ok(actions)
}

/// How many jobs the candidate has finished, well or not.
fn finished(state: &ControlState) -> u64 {
    let course = state.course.as_ref();
    let running = course.and_then(|course| state.pools.get(&course.pool));
    running.map_or(0, |running| {
        let tally = running.handle.tally();
        tally.done + tally.faults
    })
}
