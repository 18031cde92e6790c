//! Carries out what was decided about versions: each [`Action`] of [`seral_core::versions`], in order.
//!
//! There is no decision in here. A pool is started, a gate opened, a table published because the machine said so.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use ractor::Actor;
use ractor::ActorCell;
use ractor::ActorProcessingErr;
use ractor::ActorRef;
use seral_core::id::PoolId;
use seral_core::id::Revision;
use seral_core::id::VerbId;
use seral_core::id::Version;
use seral_core::mailbox::Drained;
use seral_core::routing::RoutingTable;
use seral_core::time::Time;
use seral_core::versions::Action;
use seral_core::versions::Answer;
use seral_core::versions::Remedy;
use seral_core::versions::State;
use seral_core::versions::Verb;
use seral_core::whose::Whose;
use tokio::task::JoinHandle;

use crate::agenda::Duty;
use crate::any_plane::AnyPlane;
use crate::any_pool::AnyMailbox;
use crate::any_pool::AnyPool;
use crate::change::Change;
use crate::control::Control;
use crate::control::ControlState;
use crate::control::Running;
use crate::event::Event;
use crate::pool::Spec;
use crate::pool_actor::PoolActor;
use crate::pool_actor::PoolArguments;
use crate::pool_actor::PoolMessage;
use crate::pool_actor::PoolReport;
use crate::pool_actor::StartFailure;
use crate::verb::Call;
use crate::verb::Message;
use crate::verb::Outcome;
use crate::verb::Signed;

/// The dispatcher, as messages reach it.
pub(crate) type Myself = ActorRef<Message>;

/// The state of the dispatcher: only what concerns callers that wait for it. What must outlive it is in [`Control`].
pub(crate) struct Dispatching {
    pub(crate) control: Arc<Control>,
    pub(crate) community: ActorCell,
    pub(crate) last_verb: VerbId,
    pub(crate) calls: BTreeMap<VerbId, Call>,
    /// Why pools could not be started, until that is answered.
    pub(crate) start_failure: Option<StartFailure>,
    /// Since when what was decided last is being done.
    pub(crate) performing_since: Time,
    /// Pools that are to be kept no longer, as soon as they are not held for what is being done.
    pub(crate) cooling: Vec<PoolId>,
    pub(crate) timer: Option<(Time, JoinHandle<()>)>,
    /// Of the rollout's next look.
    pub(crate) course_timer: Option<JoinHandle<()>>,
}

impl Drop for Dispatching {
    /// A timer outlives neither its dispatcher nor the ecosystem.
    fn drop(&mut self) {
        if let Some((_, timer)) = self.timer.take() {
            timer.abort();
        }
        if let Some(timer) = self.course_timer.take() {
            timer.abort();
        }
    }
}

impl Dispatching {
    pub(crate) fn plane(&self) -> &Arc<dyn AnyPlane> {
        &self.control.plane
    }

    /// Does what was decided, in order.
    pub(crate) async fn perform(
        &mut self,
        myself: &Myself,
        actions: Vec<Action>,
    ) -> Result<(), ActorProcessingErr> {
        self.performing_since = self.plane().now();
        let mut from = self.plane().revision();
        let mut by_itself = Vec::new();
        // Many pins may end at once.
        let mut let_go = BTreeSet::new();
        for action in actions {
            match action {
                Action::Start(pool, version) => self.start(myself, pool, &version).await?,
                // A drained mailbox is never opened: `happened` saw to that.
                Action::Open(pool, limit) => self.admit_again(pool, |mailbox| mailbox.open(limit)),
                Action::Reserve(pool) => self.admit_again(pool, |mailbox| mailbox.reserve()),
                Action::Publish(table) => {
                    self.control.see_to_guards(&table, self.watch_for(&table));
                    self.plane().publish(&table, &|pool| self.control.handle(pool));
                }
                Action::Narrow(pool) => {
                    self.with_handle(pool, |handle| handle.mailbox().narrow());
                    self.control.tell_pool(pool, PoolMessage::Replaced);
                }
                Action::Halt(pool) => self.with_handle(pool, AnyPool::halt),
                Action::Recall(pool) => {
                    let since = self.performing_since;
                    let _ = myself.cast(Message::RecallSlice { pool, since, moved: 0 });
                }
                Action::Resume(pool) => self.with_handle(pool, |handle| handle.mailbox().resume()),
                Action::Dismiss(pool) => {
                    self.with_handle(pool, |handle| handle.mailbox().shut());
                    self.control.tell_pool(pool, PoolMessage::Dismiss);
                }
                Action::DrainWithin(pool, time) => self.enter_duty(time, Duty::Overdue(pool)),
                Action::AskToYield(pool) => self.with_handle(pool, AnyPool::ask_to_yield),
                Action::KeepWarm(pool) => {
                    let time = self.keep_warm_time(pool);
                    self.enter_duty(time, Duty::Cool(pool));
                }
                Action::Cool(pool) => self.cooling.push(pool),
                Action::Hold(pool) => self.hold_for_pins(pool),
                Action::LetGo(pool) => {
                    let_go.insert(pool);
                }
                Action::GiveUpPinned(pool) => {
                    if let Some(handle) = self.control.handle(pool) {
                        self.plane().give_up_pinned(handle);
                    }
                }
                Action::TellShare(version, share) => {
                    self.plane().tell(|community| Event::ShareChanged { community, version, share });
                }
                Action::TellUnpinned(whose, version) => {
                    by_itself.push(unpinned(&whose, &version));
                    self.plane().tell(|community| Event::PinEnded { community, whose, version });
                }
                Action::TellBroken(version, remedy) => {
                    by_itself.extend(remedied(&version, &remedy));
                    self.plane().tell(|community| Event::VersionBroken { community, version, remedy });
                }
                Action::Forget(version) => self.forget(&version),
                Action::Tell(version, state) => self.tell(version, state),
                Action::Answer(verb, answer) => {
                    self.answer(myself, verb, answer, from);
                    from = self.plane().revision();
                }
            }
        }
        for pool in let_go {
            self.hold_for_pins(pool);
        }
        for (what, signed) in by_itself {
            self.note_change(from, what, signed);
        }
        Ok(())
    }

    /// A pool gets jobs, whatever it was: its workers take again, and nobody waits for its end any more.
    fn admit_again(&self, pool: PoolId, open: impl FnOnce(&dyn AnyMailbox) -> Result<(), Drained>) {
        let Some(handle) = self.control.handle(pool) else { return };
        {
            let mut state = self.control.state.lock();
            state.agenda.strike_out(Duty::Cool(pool));
            state.agenda.strike_out(Duty::Overdue(pool));
        }
        handle.mailbox().keep_warm(!self.keep_warm_time(pool).is_zero());
        let _ = open(handle.mailbox());
        handle.relent();
        handle.mailbox().resume();
    }

    /// For how long the version is to be watched that is current by this table, if it is being deployed or promoted, and whoever deployed it said so.
    fn watch_for(&self, table: &RoutingTable<PoolId>) -> Option<Duration> {
        let state = self.control.state.lock();
        let current = &state.pools.get(&table.current?)?.handle.version;
        let brings_it = |call: &&Call| match &call.what {
            Verb::Deploy { version, .. } | Verb::Promote { version, .. } => version == current,
            _ => false,
        };
        let call = self.calls.values().find(brings_it)?;
        let course = state.course.as_ref().filter(|course| course.version == *current);
        call.watch_for.or_else(|| course?.watch_for)
    }

    fn enter_duty(&self, time: Duration, duty: Duty) {
        let at = self.plane().now().after(time);
        self.control.state.lock().agenda.enter(at, duty);
    }

    /// A pool is held for as many pins as its version has.
    pub(crate) fn hold_for_pins(&self, pool: PoolId) {
        let (handle, pins) = {
            let state = self.control.state.lock();
            let Some(running) = state.pools.get(&pool) else { return };
            let handle = Arc::clone(&running.handle);
            let is_its_pool = state.versions.find(&handle.version).is_some_and(|entry| entry.pool == pool);
            let pins = if is_its_pool { state.versions.standing().pins_of(&handle.version) } else { 0 };
            (handle, pins)
        };
        handle.set_holds(pins);
    }

    fn keep_warm_time(&self, pool: PoolId) -> Duration {
        let watched = self.plane().guards.keep_for(pool, self.plane().now());
        let state = self.control.state.lock();
        let spec = state.pools.get(&pool).and_then(|running| running.spec.as_ref());
        spec.map_or(Duration::ZERO, |spec| spec.keep_warm).max(watched)
    }

    /// A pool that is kept is to be cooled some time, and one that is not, now: also if a dispatcher failed before it did that, or wrote it down.
    pub(crate) fn see_to_kept(&self, pool: PoolId) {
        let (is_kept, has_duty) = {
            let state = self.control.state.lock();
            let is_kept = state.versions.entries().iter().any(|entry| entry.pool == pool && entry.kept);
            (is_kept, state.agenda.has(Duty::Cool(pool)))
        };
        let is_warm = self.control.handle(pool).is_some_and(|handle| handle.mailbox().is_warm());
        if is_kept && !has_duty {
            self.enter_duty(self.keep_warm_time(pool), Duty::Cool(pool));
        } else if is_warm && !is_kept {
            self.cool(pool);
        }
    }

    /// A pool is kept no longer. If a job came just before that names its version, its workers leave after that.
    pub(crate) fn cool(&self, pool: PoolId) {
        let Some(handle) = self.control.handle(pool) else { return };
        self.control.state.lock().agenda.strike_out(Duty::Cool(pool));
        handle.mailbox().keep_warm(false);
        if handle.mailbox().cool().is_ok() {
            self.control.tell_pool(pool, PoolMessage::Drained);
        }
    }

    fn with_handle(&self, pool: PoolId, act: impl FnOnce(&dyn AnyPool)) {
        if let Some(handle) = self.control.handle(pool) {
            act(&*handle);
        }
    }

    // ---- actions ---------------------------------------------------------------------------------------------------

    async fn start(
        &mut self,
        myself: &Myself,
        id: PoolId,
        version: &Version,
    ) -> Result<(), ActorProcessingErr> {
        let spec = match self.spec_for(version) {
            Some(spec) if !self.control.state.lock().is_closed => spec,
            _ => {
                let why = StartFailure::Worker("the community is shutting down".to_owned());
                let _ = myself.cast(Message::Report(PoolReport::StartFailed(id, why)));
                return Ok(());
            }
        };
        let handle = Arc::clone(self.plane()).new_pool(id, version, spec.size);
        let arguments = PoolArguments {
            plane: Arc::clone(self.plane()),
            pool: Arc::clone(&handle),
            spec: spec.clone(),
            is_loading: true,
            report: reporter(&self.control),
        };
        let started = Actor::spawn_linked(None, PoolActor, arguments, self.community.clone()).await;
        let (actor, why) = match started {
            Ok((actor, _)) => (Some(actor), None),
            Err(error) => (None, Some(error.to_string())),
        };
        {
            let mut state = self.control.state.lock();
            let replaced: Vec<PoolId> = state
                .pools
                .iter()
                .filter(|(_, running)| running.handle.version == *version && running.actor.is_none())
                .map(|(pool, _)| *pool)
                .collect();
            for pool in replaced {
                self.fold(&mut state, pool);
            }
            if state.is_closed {
                // Closed while the actor was started: what closing did to all other mailboxes is done to this one here.
                handle.mailbox().seal();
                if let Some(actor) = &actor {
                    let _ = actor.cast(PoolMessage::Dismiss);
                }
            }
            state.specs.insert(version.clone(), spec.clone());
            state.pools.insert(id, Running { handle, spec: Some(spec), actor });
        }
        if let Some(why) = why {
            let why = StartFailure::Worker(why);
            let _ = myself.cast(Message::Report(PoolReport::StartFailed(id, why)));
        }
        Ok(())
    }

    /// What this version is made of: what is being deployed, or what was deployed under this name.
    fn spec_for(&self, version: &Version) -> Option<Spec> {
        let state = self.control.state.lock();
        let build = state.versions.find(version).map(|entry| entry.build.clone())?;
        let offered = self.calls.values().filter(|call| call.what.version().as_ref() == Some(version));
        let offered = offered.filter_map(|call| call.pool.as_ref()).find(|pool| pool.build == build);
        offered.cloned().or_else(|| state.specs.get(version).cloned())
    }

    fn forget(&self, version: &Version) {
        let mut state = self.control.state.lock();
        state.specs.remove(version);
        let pools: Vec<PoolId> = state
            .pools
            .iter()
            .filter(|(_, running)| running.handle.version == *version)
            .map(|(pool, _)| *pool)
            .collect();
        for pool in pools {
            self.fold(&mut state, pool);
        }
    }

    /// Lets go of a pool that has ended, if its version has a newer one.
    pub(crate) fn fold_replaced(&self, pool: PoolId) {
        let mut state = self.control.state.lock();
        if !state.versions.entries().iter().any(|entry| entry.pool == pool) {
            self.fold(&mut state, pool);
        }
    }

    /// Lets go of a pool that is over, and keeps its counts.
    fn fold(&self, state: &mut ControlState, pool: PoolId) {
        state.agenda.strike_out(Duty::Cool(pool));
        state.agenda.strike_out(Duty::Overdue(pool));
        if let Some(running) = state.pools.remove(&pool) {
            let counters = &self.plane().counters;
            let tally = running.handle.tally();
            counters.admitted_before.fetch_add(running.handle.mailbox().counts().admitted, Relaxed);
            counters.done_before.fetch_add(tally.done, Relaxed);
            counters.faults_before.fetch_add(tally.faults, Relaxed);
        }
    }

    fn tell(&self, version: Version, state: State) {
        if state == State::Drained {
            // Once more, for the dispatcher may have found it drained when it began anew.
            let pool = self.control.state.lock().versions.find(&version).map(|entry| entry.pool);
            if let Some(pool) = pool {
                // A deadline belongs to one drain, and this one is done.
                self.control.state.lock().agenda.strike_out(Duty::Overdue(pool));
            }
            let handle = pool.and_then(|pool| self.control.handle(pool));
            if let Some(handle) = handle.filter(|handle| handle.mailbox().is_drained()) {
                self.control.tell_pool(handle.id, PoolMessage::Drained);
            }
        }
        self.plane().tell(|community| Event::VersionChanged { community, version, state });
    }

    /// Writes down who changed the table that had this number until then.
    fn note_change(&self, from: Revision, what: String, Signed { by, why }: Signed) {
        let (from, to) = (from.get(), self.plane().revision().get());
        let at = self.plane().root.clock.by_calendar();
        self.control.state.lock().changes.note(Change { at, what, by, why, from, to });
    }

    fn answer(&mut self, myself: &Myself, verb: VerbId, answer: Answer, from: Revision) {
        let Some(call) = self.calls.remove(&verb) else { return };
        if let Answer::RolledBack { from, to, how } = &answer {
            let (from, to, how) = (from.clone(), to.clone(), *how);
            self.plane().tell(|community| Event::RolledBack { community, from, to, how });
        }
        if answer.is_change() {
            self.note_change(from, call.what.to_string(), call.signed);
        }
        let mut rollout = None;
        if let (Some(planned), Some(version)) = (call.planned, call.what.version()) {
            rollout = self.rollout_of(&version).filter(|_| answer == Answer::Already(State::Ramping));
            self.begin_course(myself, planned, version, &answer);
        }
        let why = if answer == Answer::StartFailed { self.start_failure.take() } else { None };
        let switched_in = self.plane().now().since(self.performing_since);
        let _ = call.answer.send(Outcome { answer, why, switched_in, rollout });
    }

    // ---- time ------------------------------------------------------------------------------------------------------

    /// Sets the timer to whatever is due first.
    pub(crate) fn set_timer(&mut self, myself: &Myself) {
        let plane = self.plane();
        let next_due = plane.next_due();
        let (next_duty, next_end) = {
            let state = self.control.state.lock();
            (state.agenda.next(), state.versions.standing().next_end())
        };
        let next = [next_due, next_duty, next_end].into_iter().flatten().fold(Time::MAX, Time::min);
        let next = next.min(plane.earliest_deadline());
        if next == Time::MAX || self.timer.as_ref().is_some_and(|(at, _)| *at <= next) {
            return;
        }
        // Rounded up to the timer's resolution of a millisecond, so that it does not fire just before anything is due.
        let wait = next.since(plane.now()) + Duration::from_micros(999);
        let dispatcher = myself.clone();
        let timer = tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            let _ = dispatcher.cast(Message::TimerFired);
        });
        if let Some((_, earlier)) = self.timer.replace((next, timer)) {
            earlier.abort();
        }
    }
}

/// What was done by itself about a version that cannot keep its workers, if anything, and why.
fn remedied(version: &Version, remedy: &Remedy) -> Option<(String, Signed)> {
    let what = match remedy {
        Remedy::FallBack(to) => format!("fall back from {version} to {to}"),
        Remedy::GiveBack => format!("give back the jobs of {version}"),
        _ => return None,
    };
    let why = Some("its workers could not be kept running".to_owned());
    Some((what, Signed { by: Some("supervision".to_owned()), why }))
}

/// A pin that ended by itself, and why.
fn unpinned(whose: &Whose, version: &Version) -> (String, Signed) {
    let why = Some("its time was over, or the version could not keep its workers".to_owned());
    (format!("unpin {whose} from {version}"), Signed { by: Some("the dispatcher".to_owned()), why })
}

/// How a pool reports, to whoever is the dispatcher by then.
pub(crate) fn reporter(control: &Arc<Control>) -> Arc<dyn Fn(PoolReport) + Send + Sync> {
    let control = Arc::downgrade(control);
    Arc::new(move |report| {
        if let Some(dispatcher) = control.upgrade().and_then(|control| control.dispatcher()) {
            let _ = dispatcher.cast(Message::Report(report));
        }
    })
}
