//! The dispatcher: the control plane of a community, one actor.
//!
//! Every verb is a message to it. It asks [`seral_core::versions`] what to do and does that, in order; it publishes the routing table; it
//! owns the timer of the delayed jobs and of the deadlines. It never waits for room, for a worker, or for user code.
//!
//! All that must outlive it is in [`Control`] and in the data plane. When it starts, it looks at both, so it does not matter what it was
//! told while it was away.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use ractor::Actor;
use ractor::ActorCell;
use ractor::ActorProcessingErr;
use ractor::ActorRef;
use ractor::SupervisionEvent;
use seral_core::following::cause_of;
use seral_core::id::PoolId;
use seral_core::id::VerbId;
use seral_core::id::Version;
use seral_core::time::Time;
use seral_core::versions::Answer;
use seral_core::versions::Event as Fact;
use seral_core::versions::Misuse;
use seral_core::versions::State;
use seral_core::versions::Verb;
use tokio::sync::oneshot;

use crate::agenda::Duty;
use crate::any_pool::AnyPool;
use crate::control::Control;
use crate::enact::Dispatching;
use crate::enact::Myself;
use crate::error::ScaleError;
use crate::event::Event;
use crate::frame::News;
use crate::guards::Condemned;
use crate::pool::POOL_SIZE_MAX;
use crate::pool_actor::PoolMessage;
use crate::pool_actor::PoolReport;
use crate::verb::Call;
use crate::verb::Message;
use crate::verb::Outcome;
use crate::verb::Signed;

/// How many jobs are moved before the dispatcher looks at its other messages: some 50 µs of work.
const SLICE: usize = 256;

/// The actor.
pub(crate) struct Dispatcher;

/// What the dispatcher needs to begin.
pub(crate) struct DispatcherArguments {
    pub(crate) control: Arc<Control>,
    /// The community, which supervises the pools.
    pub(crate) community: ActorCell,
}

impl Actor for Dispatcher {
    type Msg = Message;
    type State = Dispatching;
    type Arguments = DispatcherArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        DispatcherArguments { control, community }: Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        let performing_since = control.plane.now();
        let mut dispatching = Dispatching {
            control,
            community,
            last_verb: VerbId::default(),
            calls: BTreeMap::new(),
            start_failure: None,
            performing_since,
            cooling: Vec::new(),
            timer: None,
            course_timer: None,
        };
        dispatching.begin(&myself).await?;
        Ok(dispatching)
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        dispatching: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Call(call) => dispatching.call(&myself, *call).await?,
            Message::Course(log, told) => {
                let (verbs, answered) = dispatching.tell_course(&myself, &log, told);
                dispatching.step(&myself, verbs).await?;
                if let Some((port, answer)) = answered {
                    let _ = port.send(answer);
                }
            }
            Message::Scale(version, size, answer) => {
                let _ = answer.send(dispatching.scale(version, size));
            }
            Message::Submit(submission) => dispatching.plane().submit(submission),
            Message::News(News::DrainedOrRevived(pool)) => dispatching.look_at(&myself, pool).await?,
            Message::News(News::DueEarlier) => dispatching.set_timer(&myself),
            Message::News(News::Condemned(pool)) => dispatching.condemn(&myself, pool).await?,
            Message::Report(PoolReport::Started(pool)) => {
                dispatching.happened(&myself, Fact::Started(pool)).await?;
            }
            Message::Report(PoolReport::StartFailed(pool, why)) => {
                dispatching.start_failure = Some(why);
                dispatching.happened(&myself, Fact::StartFailed(pool)).await?;
            }
            Message::Report(PoolReport::Broken(pool)) => {
                dispatching.happened(&myself, Fact::Broken(pool)).await?;
            }
            Message::PoolEnded(pool) => {
                dispatching.happened(&myself, Fact::Ended(pool)).await?;
                dispatching.fold_replaced(pool);
            }
            Message::RecallSlice { pool, since, moved } => {
                dispatching.recall_slice(&myself, pool, since, moved).await?;
            }
            Message::TimerFired => dispatching.look_at_the_clock(&myself).await?,
            Message::Closed => dispatching.close(&myself).await?,
            Message::Panic => return Err("the dispatcher was told to fail".into()),
        }
        Ok(())
    }

    /// The dispatcher has no children; an event here is a mistake that must not end it.
    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Self::Msg>,
        _: SupervisionEvent,
        _: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}

impl Dispatching {
    // ---- beginning -------------------------------------------------------------------------------------------------

    /// The community has been closed for good: what is loading is given up, and callers that wait are told so by the end of their ports.
    async fn close(&mut self, myself: &Myself) -> Result<(), ActorProcessingErr> {
        let actions = self.control.state.lock().versions.restart();
        self.perform(myself, actions).await?;
        self.calls.clear();
        Ok(())
    }

    /// Takes over from nobody, or from a dispatcher that failed.
    async fn begin(&mut self, myself: &Myself) -> Result<(), ActorProcessingErr> {
        let news = myself.clone();
        self.plane().set_dispatcher(move |told| {
            let _ = news.cast(Message::News(told));
        });
        let (actions, pools) = {
            let mut state = self.control.state.lock();
            let actions = state.versions.restart();
            let pools: Vec<PoolId> = state.versions.entries().iter().map(|entry| entry.pool).collect();
            (actions, pools)
        };
        self.perform(myself, actions).await?;
        for pool in pools {
            self.look_at(myself, pool).await?;
            self.hold_for_pins(pool);
            self.see_to_kept(pool);
            if self.control.state.lock().pools.get(&pool).is_none_or(|running| running.actor.is_none()) {
                self.happened(myself, Fact::Ended(pool)).await?;
            }
            let since = self.plane().now();
            myself
                .cast(Message::RecallSlice { pool, since, moved: 0 })
                .map_err(|_| "ended before it began")?;
        }
        let verbs = self.resume_course(myself);
        self.step(myself, verbs).await?;
        for condemned in self.plane().guards.all_condemned() {
            self.condemn(myself, condemned.candidate.id).await?;
        }
        self.set_timer(myself);
        self.control.set_dispatcher(Some(myself.clone()));
        Ok(())
    }

    // ---- verbs -----------------------------------------------------------------------------------------------------

    /// Somebody called a verb. Once the community is closed, the end of the port is the answer.
    async fn call(&mut self, myself: &Myself, call: Call) -> Result<(), ActorProcessingErr> {
        if self.control.state.lock().is_closed {
            return Ok(());
        }
        if let Some(misuse) = self.misuse(&call) {
            let _ = call.answer.send(Outcome::of(Answer::Misused(misuse)));
            return Ok(());
        }
        let verb = self.next_verb();
        let (expected, what) = (call.expected, call.what.clone());
        self.calls.insert(verb, call);
        self.happened(myself, Fact::Called { verb, expected, what, urgent: false }).await
    }

    /// Why a call does not fit what its pool is at: a version without a worker that runs would take all jobs and do none.
    fn misuse(&self, call: &Call) -> Option<Misuse> {
        let Verb::Promote { version, .. } = &call.what else { return None };
        let state = self.control.state.lock();
        let entry =
            state.versions.find(version).filter(|entry| entry.is_warm() && entry.state != State::Current)?;
        let handle = state.pools.get(&entry.pool).map(|running| &running.handle);
        // Drained just now: its workers leave, and none is to be waited for. The machine hears of it first, and says that it is gone.
        if handle.is_some_and(|handle| handle.mailbox().is_drained()) {
            return None;
        }
        let running = handle.is_some_and(|handle| handle.has_running_worker());
        (!running && !call.forced).then(|| Misuse::NoWorkers(version.clone()))
    }

    /// Does what a rollout decided about the routing table.
    async fn step(&mut self, myself: &Myself, verbs: Vec<Verb>) -> Result<(), ActorProcessingErr> {
        for what in verbs {
            let signed = Signed { by: Some("a rollout".to_owned()), why: self.reason_of_course() };
            self.call_urgently(myself, what, signed).await?;
        }
        self.pause_if_not_live(myself);
        Ok(())
    }

    /// Calls a verb that was decided here, ahead of those in line. Nobody waits for the answer.
    async fn call_urgently(
        &mut self,
        myself: &Myself,
        what: Verb,
        signed: Signed,
    ) -> Result<(), ActorProcessingErr> {
        let verb = self.next_verb();
        let (answer, _) = oneshot::channel();
        let (expected, watch_for, pool, planned) = (None, None, None, None);
        let call =
            Call { what: what.clone(), expected, signed, forced: true, watch_for, pool, planned, answer };
        self.calls.insert(verb, call);
        self.happened(myself, Fact::Called { verb, expected: None, what, urgent: true }).await
    }

    /// A guard has found that the version with this pool has to go, unless it has gone meanwhile.
    async fn condemn(&mut self, myself: &Myself, pool: PoolId) -> Result<(), ActorProcessingErr> {
        let Some(Condemned { candidate, baseline, finding }) = self.plane().guards.condemned(pool) else {
            return Ok(());
        };
        let why = format!("{finding}, compared with {}", baseline.version);
        let version = candidate.version.clone();
        self.plane().tell(|community| Event::Condemned {
            community,
            version: version.clone(),
            baseline: baseline.version.clone(),
            finding,
        });
        match self.fail_course(myself, pool, why.clone()) {
            Some(verbs) => self.step(myself, verbs).await?,
            None => {
                let signed = Signed { by: Some("a guard".to_owned()), why: Some(why) };
                let back_to = Some(baseline.version.clone());
                self.call_urgently(myself, Verb::Reject { version, back_to }, signed).await?;
            }
        }
        // Not before: a dispatcher that fails meanwhile leaves it to the next.
        self.plane().guards.end(pool);
        Ok(())
    }

    fn scale(&self, version: Version, size: usize) -> Result<(), ScaleError> {
        if size == 0 || size > POOL_SIZE_MAX {
            return Err(ScaleError::Size { max: POOL_SIZE_MAX });
        }
        let pool = {
            let state = self.control.state.lock();
            let entry = state.versions.find(&version).filter(|entry| entry.is_warm());
            entry.and_then(|entry| state.pools.get(&entry.pool)).map(|running| Arc::clone(&running.handle))
        };
        let pool = pool.ok_or_else(|| ScaleError::NotRunning { version: version.clone() })?;
        // Kept where a pool that fails finds it when it starts again.
        let from = pool.size.swap(size, Relaxed);
        self.plane().tell(|community| Event::Scaled { community, version, from, to: size });
        self.control.tell_pool(pool.id, PoolMessage::Scale);
        Ok(())
    }

    fn next_verb(&mut self) -> VerbId {
        self.last_verb = self.last_verb.next();
        self.last_verb
    }

    // ---- deciding --------------------------------------------------------------------------------------------------

    /// Looks whether this pool is drained: what was told of it may be old by now.
    async fn look_at(&mut self, myself: &Myself, pool: PoolId) -> Result<(), ActorProcessingErr> {
        let Some(handle) = self.control.handle(pool) else { return Ok(()) };
        if handle.mailbox().is_drained() {
            // Also where no version changes its state by it: at the end, when the current one is drained as well.
            self.control.tell_pool(pool, PoolMessage::Drained);
        }
        self.happened(myself, whether_drained(&*handle)).await
    }

    /// Asks the machine what to do about a fact, and does it.
    ///
    /// While it decides, and until that is done, no mailbox may be drained under its hands: one event may bring several verbs to their turn, and what
    /// the first leaves, the next may open. A mailbox that is drained already, or not any more, is news that comes first.
    async fn happened(&mut self, myself: &Myself, fact: Fact) -> Result<(), ActorProcessingErr> {
        let cause = cause_of(&fact);
        let mut detained = Detained(Vec::new());
        let mut actions = Vec::new();
        {
            let mut state = self.control.state.lock();
            let entries = state.versions.entries().iter().map(|entry| (entry.pool, entry.state));
            for (pool, was) in entries.collect::<Vec<_>>() {
                let Some(running) = state.pools.get(&pool) else { continue };
                let handle = Arc::clone(&running.handle);
                let is_detained = handle.mailbox().detain().is_ok();
                // Sealed without being drained: the community has been closed.
                let is_known = is_detained || handle.mailbox().is_drained();
                if is_known && matches!(was, State::Draining | State::Drained) {
                    actions.extend(state.versions.handle(whether_drained(&*handle)));
                }
                if is_detained {
                    detained.0.push(handle);
                }
            }
            actions.extend(state.versions.handle(fact));
        }
        let performed = self.perform(myself, actions).await;
        drop(detained);
        for pool in std::mem::take(&mut self.cooling) {
            self.cool(pool);
        }
        self.follow_course(myself, cause);
        // A pin may have been set, or something be due at another time.
        self.set_timer(myself);
        self.control.changed.notify_waiters();
        performed
    }

    // ---- recall ----------------------------------------------------------------------------------------------------

    /// Moves some waiting jobs of a version that was rolled back. In slices, so that any verb can come in between.
    async fn recall_slice(
        &mut self,
        myself: &Myself,
        pool: PoolId,
        since: Time,
        moved: usize,
    ) -> Result<(), ActorProcessingErr> {
        if !self.control.state.lock().versions.is_recalling(pool) {
            return Ok(());
        }
        let Some(handle) = self.control.handle(pool) else { return Ok(()) };
        let count = self.plane().recall(Arc::clone(&handle), SLICE);
        let moved = moved + count;
        if count == SLICE {
            let _ = myself.cast(Message::RecallSlice { pool, since, moved });
            return Ok(());
        }
        self.plane().tell(|community| Event::Recalled {
            community,
            version: handle.version.clone(),
            jobs: moved,
            took: self.plane().now().since(since),
        });
        self.happened(myself, Fact::Recalled(pool)).await
    }

    // ---- time ------------------------------------------------------------------------------------------------------

    async fn look_at_the_clock(&mut self, myself: &Myself) -> Result<(), ActorProcessingErr> {
        self.timer = None;
        let now = self.plane().now();
        while let Some(duty) = self.take_due(now) {
            match duty {
                Duty::Cool(pool) => self.happened(myself, Fact::Cooled(pool)).await?,
                Duty::Overdue(pool) => self.happened(myself, Fact::Overdue(pool)).await?,
                Duty::Look => {
                    for pool in self.control.look_at_guards(now) {
                        self.condemn(myself, pool).await?;
                    }
                }
            }
        }
        if self.control.state.lock().versions.standing().next_end().is_some_and(|end| end <= now) {
            self.happened(myself, Fact::Clock(now)).await?;
        }
        let plane = self.plane();
        if plane.wake_due(now, SLICE) == SLICE {
            let _ = myself.cast(Message::TimerFired);
            return Ok(());
        }
        if plane.earliest_deadline() <= now {
            plane.sweep_expired(now);
        }
        plane.stir.tell();
        self.set_timer(myself);
        Ok(())
    }

    fn take_due(&self, now: Time) -> Option<Duty> {
        self.control.state.lock().agenda.take_due(now)
    }
}

/// Pools that are not drained as long as this lives, whatever becomes of what is being done.
struct Detained(Vec<Arc<dyn AnyPool>>);

impl Drop for Detained {
    fn drop(&mut self) {
        for pool in &self.0 {
            pool.mailbox().release();
        }
    }
}

/// Whether a pool is drained, as the machine of the versions is told. What it knows already, it ignores.
fn whether_drained(handle: &dyn AnyPool) -> Fact {
    let (pool, mailbox) = (handle.id, handle.mailbox());
    let kept = mailbox.is_warm();
    if kept || mailbox.is_drained() { Fact::Drained { pool, kept } } else { Fact::Revived(pool) }
}
