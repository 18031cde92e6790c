//! The dispatcher: the control plane of a community, one actor.
//!
//! Every verb is a message to it. It asks [`seral_core::versions`] what to do and does that, in order; it publishes the routing table; it
//! owns the timer of the delayed jobs and of the deadlines. It never waits for room, for a worker, or for user code.
//!
//! All that must outlive it is in [`Control`] and in the data plane. When it starts, it looks at both, so it does not matter what it was
//! told while it was away.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use ractor::Actor;
use ractor::ActorCell;
use ractor::ActorProcessingErr;
use ractor::ActorRef;
use ractor::SupervisionEvent;
use seral_core::id::PoolId;
use seral_core::id::VerbId;
use seral_core::id::Version;
use seral_core::time::Time;
use seral_core::versions::Event as Fact;
use seral_core::versions::State;
use seral_core::versions::Verb;
use tokio::sync::oneshot;

use crate::admission::Obstacle;
use crate::conduct::cause_of;
use crate::control::Control;
use crate::enact::Dispatching;
use crate::enact::Myself;
use crate::error::ScaleError;
use crate::error::SendError;
use crate::event::Event;
use crate::plane::News;
use crate::pool::POOL_SIZE_MAX;
use crate::pool_actor::PoolMessage;
use crate::pool_actor::PoolReport;
use crate::verb::Call;
use crate::verb::Message;
use crate::verb::Signed;
use crate::verb::Submission;

/// How many jobs are moved before the dispatcher looks at its other messages: some 50 µs of work.
const SLICE: usize = 256;

/// The actor.
pub(crate) struct Dispatcher<J, O>(PhantomData<fn() -> (J, O)>);

/// What the dispatcher needs to begin.
pub(crate) struct DispatcherArguments<J, O> {
    pub(crate) control: Arc<Control<J, O, Message<J, O>>>,
    /// The community, which supervises the pools.
    pub(crate) community: ActorCell,
}

impl<J, O> Dispatcher<J, O> {
    pub(crate) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<J: Send + Sync + 'static, O: Send + 'static> Actor for Dispatcher<J, O> {
    type Msg = Message<J, O>;
    type State = Dispatching<J, O>;
    type Arguments = DispatcherArguments<J, O>;

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
            calls: HashMap::new(),
            start_failure: None,
            performing_since,
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
            Message::Call(call) => dispatching.call(&myself, call).await?,
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
            Message::Submit(submission) => dispatching.submit(submission),
            Message::News(News::Drained(pool)) => {
                // Also where no version changes its state by it: at the end, when the current one is drained as well.
                dispatching.control.tell_pool(pool, PoolMessage::Drained);
                dispatching.happened(&myself, Fact::Drained(pool)).await?;
            }
            Message::News(News::DueEarlier) => dispatching.set_timer(&myself),
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
            Message::TimerFired => dispatching.look_at_the_clock(&myself),
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

impl<J: Send + Sync + 'static, O: Send + 'static> Dispatching<J, O> {
    // ---- beginning -------------------------------------------------------------------------------------------------

    /// The community has been closed for good: what is loading is given up, and callers that wait are told so by the end of their ports.
    async fn close(&mut self, myself: &Myself<J, O>) -> Result<(), ActorProcessingErr> {
        let actions = self.control.state.lock().versions.restart();
        self.perform(myself, actions).await?;
        self.calls.clear();
        Ok(())
    }

    /// Takes over from nobody, or from a dispatcher that failed.
    async fn begin(&mut self, myself: &Myself<J, O>) -> Result<(), ActorProcessingErr> {
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
            let Some(handle) = self.control.handle(pool) else { continue };
            if handle.mailbox.is_drained() {
                self.happened(myself, Fact::Drained(pool)).await?;
            }
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
        self.set_timer(myself);
        self.control.set_dispatcher(Some(myself.clone()));
        Ok(())
    }

    // ---- verbs -----------------------------------------------------------------------------------------------------

    /// Somebody called a verb. Once the community is closed, the end of the port is the answer.
    async fn call(&mut self, myself: &Myself<J, O>, call: Call<J, O>) -> Result<(), ActorProcessingErr> {
        if self.control.state.lock().is_closed {
            return Ok(());
        }
        let verb = self.next_verb();
        let (expected, what) = (call.expected, call.what.clone());
        self.calls.insert(verb, call);
        self.happened(myself, Fact::Called { verb, expected, what, urgent: false }).await
    }

    /// Does what a rollout decided about the routing table.
    async fn step(&mut self, myself: &Myself<J, O>, verbs: Vec<Verb>) -> Result<(), ActorProcessingErr> {
        for what in verbs {
            let verb = self.next_verb();
            let signed = Signed { by: Some("a rollout".to_owned()), why: self.reason_of_course() };
            // Nobody waits for the answer.
            let (answer, _) = oneshot::channel();
            let call = Call { what: what.clone(), expected: None, signed, pool: None, planned: None, answer };
            self.calls.insert(verb, call);
            self.happened(myself, Fact::Called { verb, expected: None, what, urgent: true }).await?;
        }
        self.pause_if_not_live(myself);
        Ok(())
    }

    fn scale(&self, version: Version, size: usize) -> Result<(), ScaleError> {
        if size == 0 || size > POOL_SIZE_MAX {
            return Err(ScaleError::Size { max: POOL_SIZE_MAX });
        }
        let pool = {
            let state = self.control.state.lock();
            let entry = state.versions.find(&version).filter(|entry| entry.state.is_warm());
            entry.and_then(|entry| state.pools.get(&entry.pool)).map(|running| Arc::clone(&running.handle))
        };
        let pool = pool.ok_or_else(|| ScaleError::NotRunning { version: version.clone() })?;
        // Kept where a pool that fails finds it when it starts again.
        let from = pool.size.swap(size, Relaxed);
        self.plane().tell(|community| Event::Scaled { community, version, from, to: size });
        self.control.tell_pool(pool.id, PoolMessage::Scale);
        Ok(())
    }

    fn submit(&self, Submission { job, reply }: Submission<J>) {
        let plane = self.plane();
        let envelope = plane.new_job(job);
        let id = envelope.id;
        let answer = match plane.try_admit(envelope) {
            Ok(()) => Ok(id),
            Err((back, Obstacle::Full(_))) => Err(SendError::Full(back.payload)),
            Err((back, Obstacle::NoVersion(_))) => Err(SendError::NoVersion(back.payload)),
            Err((back, Obstacle::PinUnserved | Obstacle::Closed)) => Err(SendError::Closed(back.payload)),
        };
        let _ = reply.send(answer);
    }

    fn next_verb(&mut self) -> VerbId {
        self.last_verb = self.last_verb.next();
        self.last_verb
    }

    // ---- deciding --------------------------------------------------------------------------------------------------

    /// Asks the machine what to do about a fact, and does it.
    ///
    /// While it decides, no draining mailbox may be drained under its hands: what it takes for draining must still be so when its gate is
    /// opened. A mailbox that is drained already is news that comes first.
    async fn happened(&mut self, myself: &Myself<J, O>, fact: Fact) -> Result<(), ActorProcessingErr> {
        let cause = cause_of(&fact);
        let mut steadied = Vec::new();
        let mut actions = Vec::new();
        {
            let mut state = self.control.state.lock();
            let draining: Vec<PoolId> = state
                .versions
                .entries()
                .iter()
                .filter(|entry| entry.state == State::Draining)
                .map(|entry| entry.pool)
                .collect();
            for pool in draining {
                let Some(running) = state.pools.get(&pool) else { continue };
                let handle = Arc::clone(&running.handle);
                match handle.mailbox.steady() {
                    Ok(()) => steadied.push(handle),
                    // Sealed without being drained: the community has been closed.
                    Err(_) if !handle.mailbox.is_drained() => {}
                    Err(_) => actions.extend(state.versions.handle(Fact::Drained(pool))),
                }
            }
            actions.extend(state.versions.handle(fact));
        }
        let performed = self.perform(myself, actions).await;
        for handle in steadied {
            handle.mailbox.unpin_away();
        }
        self.follow_course(myself, cause);
        self.control.changed.notify_waiters();
        performed
    }

    // ---- recall ----------------------------------------------------------------------------------------------------

    /// Moves some waiting jobs of a version that was rolled back. In slices, so that any verb can come in between.
    async fn recall_slice(
        &mut self,
        myself: &Myself<J, O>,
        pool: PoolId,
        since: Time,
        moved: usize,
    ) -> Result<(), ActorProcessingErr> {
        if !self.control.state.lock().versions.is_recalling(pool) {
            return Ok(());
        }
        let Some(handle) = self.control.handle(pool) else { return Ok(()) };
        let jobs = handle.mailbox.recall(SLICE);
        let count = jobs.len();
        for job in jobs {
            self.plane().readmit(job);
        }
        handle.mailbox.arrived(count);
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

    /// Sets the timer to whatever is due first.
    fn set_timer(&mut self, myself: &Myself<J, O>) {
        let plane = self.plane();
        let next_due = plane.delayed.lock().next_due().unwrap_or(Time::MAX);
        let next = next_due.min(plane.earliest_deadline());
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

    fn look_at_the_clock(&mut self, myself: &Myself<J, O>) {
        self.timer = None;
        let plane = self.plane();
        let now = plane.now();
        if plane.wake_due(now, SLICE) == SLICE {
            let _ = myself.cast(Message::TimerFired);
            return;
        }
        if plane.earliest_deadline() <= now {
            plane.sweep_expired(now);
        }
        plane.root.stir();
        self.set_timer(myself);
    }
}
