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
use ractor::RpcReplyPort;
use ractor::SupervisionEvent;
use seral_core::id::JobId;
use seral_core::id::PoolId;
use seral_core::id::VerbId;
use seral_core::id::Version;
use seral_core::routing::RoutingTable;
use seral_core::time::Time;
use seral_core::versions::Action;
use seral_core::versions::Answer;
use seral_core::versions::Event as Fact;
use seral_core::versions::State;
use seral_core::versions::Takeover;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::control::Control;
use crate::control::ControlState;
use crate::control::Running;
use crate::error::DeployError;
use crate::error::RollbackError;
use crate::error::ScaleError;
use crate::error::SendError;
use crate::event::Event;
use crate::job::Envelope;
use crate::mailbox::Mailbox;
use crate::mailbox::Notice;
use crate::plane::DataPlane;
use crate::plane::News;
use crate::plane::Obstacle;
use crate::pool::POOL_SIZE_MAX;
use crate::pool::Pool;
use crate::pool_actor::PoolActor;
use crate::pool_actor::PoolArguments;
use crate::pool_actor::PoolMessage;
use crate::pool_actor::PoolReport;
use crate::pool_actor::StartFailure;
use crate::pool_handle::PoolHandle;

/// How many jobs are moved before the dispatcher looks at its other messages: some 50 µs of work.
const SLICE: usize = 256;

type Answered<T, E> = oneshot::Sender<Result<T, E>>;

/// A job sent to the dispatcher's actor, for callers that hold nothing but its `ActorRef`. See
/// [`Community::dispatcher`](crate::Community::dispatcher).
#[derive(Debug)]
pub struct Submission<J> {
    /// The job.
    pub job: J,
    /// Where the answer goes: the number of the admitted job, or the job. If the port is dropped, the job was not admitted.
    pub reply: RpcReplyPort<Result<JobId, SendError<J>>>,
}

/// What the dispatcher is told.
pub(crate) enum Message<J, O> {
    Deploy(Version, Pool<J, O>, Answered<Deployment, DeployError>),
    Rollback(Answered<Rollback, RollbackError>),
    Scale(Version, usize, Answered<(), ScaleError>),
    Submit(Submission<J>),
    News(News),
    Report(PoolReport),
    PoolEnded(PoolId),
    RecallSlice {
        pool: PoolId,
        since: Time,
        moved: usize,
    },
    TimerFired,
    /// For tests: fail as a broken dispatcher would.
    Panic,
}

impl<J, O> From<Submission<J>> for Message<J, O> {
    fn from(submission: Submission<J>) -> Self {
        Self::Submit(submission)
    }
}

impl<J, O> TryFrom<Message<J, O>> for Submission<J> {
    type Error = ();

    fn try_from(message: Message<J, O>) -> Result<Self, ()> {
        match message {
            Message::Submit(submission) => Ok(submission),
            _ => Err(()),
        }
    }
}

/// A deploy that took effect.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deployment {
    /// The version that is current now.
    pub version: Version,
    /// The version that it replaced, and that drains now.
    pub replaced: Option<Version>,
    /// Whether its workers had to be started. `None` if it was current already and nothing changed.
    pub how: Option<Takeover>,
}

/// A rollback that took effect.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rollback {
    /// The earlier version is current again. Its predecessor's waiting jobs follow; [`Event::Recalled`] tells when all have.
    To {
        /// The version that was current.
        from: Version,
        /// The version that is current.
        to: Version,
        /// Whether its workers were still there.
        how: Takeover,
        /// How long gate, swap and halt took.
        switched_in: Duration,
    },
    /// A version that was still loading was given up; the current one stayed.
    DeployEnded {
        /// The version that was given up.
        version: Version,
    },
    /// The last change was this rollback already; nothing changed.
    Already,
}

/// The actor.
pub(crate) struct Dispatcher<J, O>(PhantomData<fn() -> (J, O)>);

/// What the dispatcher needs to begin.
pub(crate) struct DispatcherArguments<J, O> {
    pub(crate) control: Arc<Control<J, O, Message<J, O>>>,
    /// The community, which supervises the pools.
    pub(crate) community: ActorCell,
}

/// The state of the actor: only what concerns callers that wait for it.
pub(crate) struct Desk<J, O> {
    control: Arc<Control<J, O, Message<J, O>>>,
    community: ActorCell,
    last_verb: VerbId,
    deploys: HashMap<VerbId, Deploying<J, O>>,
    rollbacks: HashMap<VerbId, Answered<Rollback, RollbackError>>,
    /// Why pools could not be started, until that is answered.
    start_failure: Option<StartFailure>,
    switched_at: Option<Time>,
    timer: Option<(Time, JoinHandle<()>)>,
}

struct Deploying<J, O> {
    version: Version,
    spec: Pool<J, O>,
    answer: Answered<Deployment, DeployError>,
}

impl<J, O> Dispatcher<J, O> {
    pub(crate) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<J: Send + Sync + 'static, O: Send + 'static> Actor for Dispatcher<J, O> {
    type Msg = Message<J, O>;
    type State = Desk<J, O>;
    type Arguments = DispatcherArguments<J, O>;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        DispatcherArguments { control, community }: Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        let mut desk = Desk {
            control,
            community,
            last_verb: VerbId::default(),
            deploys: HashMap::new(),
            rollbacks: HashMap::new(),
            start_failure: None,
            switched_at: None,
            timer: None,
        };
        desk.begin(&myself).await?;
        Ok(desk)
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        desk: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Deploy(version, spec, answer) => desk.deploy(&myself, version, spec, answer).await?,
            Message::Rollback(answer) => desk.rollback(&myself, answer).await?,
            Message::Scale(version, size, answer) => {
                let _ = answer.send(desk.scale(version, size));
            }
            Message::Submit(submission) => desk.submit(submission),
            Message::News(News::Drained(pool)) => desk.happened(&myself, Fact::Drained(pool)).await?,
            Message::News(News::DueEarlier) => desk.set_timer(&myself),
            Message::Report(PoolReport::Started(pool)) => {
                desk.happened(&myself, Fact::Started(pool)).await?;
            }
            Message::Report(PoolReport::StartFailed(pool, why)) => {
                desk.start_failure = Some(why);
                desk.happened(&myself, Fact::StartFailed(pool)).await?;
            }
            Message::PoolEnded(pool) => desk.happened(&myself, Fact::Ended(pool)).await?,
            Message::RecallSlice { pool, since, moved } => {
                desk.recall_slice(&myself, pool, since, moved).await?;
            }
            Message::TimerFired => desk.look_at_the_clock(&myself),
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

type Myself<J, O> = ActorRef<Message<J, O>>;

impl<J: Send + Sync + 'static, O: Send + 'static> Desk<J, O> {
    fn plane(&self) -> &Arc<DataPlane<J, O>> {
        &self.control.plane
    }

    // ---- beginning -------------------------------------------------------------------------------------------------

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
        self.set_timer(myself);
        self.control.set_dispatcher(Some(myself.clone()));
        Ok(())
    }

    // ---- verbs -----------------------------------------------------------------------------------------------------

    async fn deploy(
        &mut self,
        myself: &Myself<J, O>,
        version: Version,
        spec: Pool<J, O>,
        answer: Answered<Deployment, DeployError>,
    ) -> Result<(), ActorProcessingErr> {
        if let Err(invalid) = check_deploy(&version, &spec) {
            let _ = answer.send(Err(DeployError::Invalid(invalid)));
            return Ok(());
        }
        if self.control.state.lock().is_closed {
            let _ = answer.send(Err(DeployError::Interrupted));
            return Ok(());
        }
        let verb = self.next_verb();
        let build = spec.build.clone();
        self.deploys.insert(verb, Deploying { version: version.clone(), spec, answer });
        self.happened(myself, Fact::Deploy { verb, version, build }).await
    }

    async fn rollback(
        &mut self,
        myself: &Myself<J, O>,
        answer: Answered<Rollback, RollbackError>,
    ) -> Result<(), ActorProcessingErr> {
        if self.control.state.lock().is_closed {
            let _ = answer.send(Err(RollbackError::Interrupted));
            return Ok(());
        }
        let verb = self.next_verb();
        self.rollbacks.insert(verb, answer);
        self.happened(myself, Fact::Rollback { verb }).await
    }

    fn scale(&self, version: Version, size: usize) -> Result<(), ScaleError> {
        if size == 0 || size > POOL_SIZE_MAX {
            return Err(ScaleError::Size { max: POOL_SIZE_MAX });
        }
        let pool = {
            let state = self.control.state.lock();
            let serves = |state: State| matches!(state, State::Current | State::Draining);
            state.versions.find(&version).filter(|entry| serves(entry.state)).map(|entry| entry.pool)
        };
        let pool = pool.ok_or(ScaleError::NotRunning { version })?;
        self.control.tell_pool(pool, PoolMessage::Scale(size));
        Ok(())
    }

    fn submit(&self, Submission { job, reply }: Submission<J>) {
        let plane = self.plane();
        let id = plane.next_job();
        let answer = match plane.try_admit(Envelope::new(id, job)) {
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
                match handle.mailbox.pin_away() {
                    Ok(()) => steadied.push(handle),
                    Err(_) => actions.extend(state.versions.handle(Fact::Drained(pool))),
                }
            }
            actions.extend(state.versions.handle(fact));
        }
        let performed = self.perform(myself, actions).await;
        for handle in steadied {
            handle.mailbox.unpin_away();
        }
        self.control.changed.notify_waiters();
        performed
    }

    /// Does what was decided, in order.
    async fn perform(
        &mut self,
        myself: &Myself<J, O>,
        actions: Vec<Action>,
    ) -> Result<(), ActorProcessingErr> {
        for action in actions {
            match action {
                Action::Start(pool, version) => self.start(myself, pool, &version).await?,
                Action::Open(pool) => {
                    self.switched_at = Some(self.plane().now());
                    if let Some(handle) = self.control.handle(pool) {
                        // A drained mailbox is never opened: `happened` saw to that.
                        let _ = handle.mailbox.open();
                        handle.mailbox.resume();
                    }
                }
                Action::Publish(pool, revision) => {
                    let table = self.table(pool, revision);
                    self.plane().publish(table);
                }
                Action::Narrow(pool) => self.with_handle(pool, |handle| handle.mailbox.narrow()),
                Action::Halt(pool) => self.with_handle(pool, PoolHandle::halt),
                Action::Recall(pool) => {
                    let since = self.switched_at.unwrap_or_else(|| self.plane().now());
                    let _ = myself.cast(Message::RecallSlice { pool, since, moved: 0 });
                }
                Action::Resume(pool) => self.with_handle(pool, |handle| handle.mailbox.resume()),
                Action::Dismiss(pool) => {
                    self.with_handle(pool, |handle| handle.mailbox.shut());
                    self.control.tell_pool(pool, PoolMessage::Dismiss);
                }
                Action::Forget(version) => self.forget(&version),
                Action::Tell(version, state) => self.tell(version, state),
                Action::Answer(verb, answer) => self.answer(verb, answer),
            }
        }
        Ok(())
    }

    fn with_handle(&self, pool: PoolId, act: impl FnOnce(&PoolHandle<J, O>)) {
        if let Some(handle) = self.control.handle(pool) {
            act(&handle);
        }
    }

    // ---- actions ---------------------------------------------------------------------------------------------------

    async fn start(
        &mut self,
        myself: &Myself<J, O>,
        id: PoolId,
        version: &Version,
    ) -> Result<(), ActorProcessingErr> {
        let Some(spec) = self.spec_for(version) else { return Ok(()) };
        let handle = Arc::new(PoolHandle::new(id, version.clone(), spec.size, self.mailbox(id)));
        let arguments = PoolArguments {
            plane: Arc::clone(self.plane()),
            pool: Arc::clone(&handle),
            spec: spec.clone(),
            is_loading: true,
            report: reporter(&self.control),
        };
        let actor = PoolActor(PhantomData);
        let started = Actor::spawn_linked(None, actor, arguments, self.community.clone()).await;
        let (actor, why) = match started {
            Ok((actor, _)) => (Some(actor), None),
            Err(error) => (None, Some(error.to_string())),
        };
        {
            let mut state = self.control.state.lock();
            let replaced: Vec<PoolId> = state
                .pools
                .iter()
                .filter(|(_, running)| running.handle.version == *version)
                .map(|(pool, _)| *pool)
                .collect();
            for pool in replaced {
                self.fold(&mut state, pool);
            }
            state.specs.insert(version.clone(), spec.clone());
            state.pools.insert(id, Running { handle, spec, actor });
        }
        if let Some(why) = why {
            let why = StartFailure::Worker(why);
            let _ = myself.cast(Message::Report(PoolReport::StartFailed(id, why)));
        }
        Ok(())
    }

    /// What this version is made of: what is being deployed, or what was deployed under this name.
    fn spec_for(&self, version: &Version) -> Option<Pool<J, O>> {
        let state = self.control.state.lock();
        let build = state.versions.find(version).map(|entry| entry.build.clone())?;
        let offered = self
            .deploys
            .values()
            .find(|deploying| deploying.version == *version && deploying.spec.build == build);
        offered.map(|deploying| deploying.spec.clone()).or_else(|| state.specs.get(version).cloned())
    }

    fn mailbox(&self, pool: PoolId) -> Mailbox<Envelope<J, O>> {
        // Weak, since the data plane holds the table, the table the pool, and the pool this mailbox.
        let plane = Arc::downgrade(self.plane());
        Mailbox::new(self.plane().limits.mailbox, move |notice| {
            let Some(plane) = plane.upgrade() else { return };
            match notice {
                Notice::Drained => plane.tell_dispatcher(News::Drained(pool)),
                Notice::Quiet => plane.root.stirred.notify_one(),
            }
        })
    }

    fn table(
        &self,
        current: PoolId,
        revision: seral_core::id::Revision,
    ) -> RoutingTable<Arc<PoolHandle<J, O>>> {
        let state = self.control.state.lock();
        let serving = state
            .versions
            .entries()
            .iter()
            .filter(|entry| matches!(entry.state, State::Current | State::Draining))
            .filter_map(|entry| {
                let running = state.pools.get(&entry.pool)?;
                Some((entry.version.clone(), Arc::clone(&running.handle)))
            })
            .collect();
        let current = state.pools.get(&current).map(|running| Arc::clone(&running.handle));
        RoutingTable { revision, current, serving }
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

    /// Lets go of a pool that is over, and keeps its counts.
    fn fold(&self, state: &mut ControlState<J, O>, pool: PoolId) {
        if let Some(running) = state.pools.remove(&pool) {
            let counters = &self.plane().counters;
            let tally = running.handle.tally();
            counters.admitted_before.fetch_add(running.handle.mailbox.counts().admitted, Relaxed);
            counters.done_before.fetch_add(tally.done, Relaxed);
            counters.faults_before.fetch_add(tally.faults, Relaxed);
        }
    }

    fn tell(&self, version: Version, state: State) {
        if state == State::Drained {
            let pool = self.control.state.lock().versions.find(&version).map(|entry| entry.pool);
            if let Some(pool) = pool {
                self.control.tell_pool(pool, PoolMessage::Drained);
            }
        }
        self.plane().tell(|community| Event::VersionChanged { community, version, state });
    }

    fn answer(&mut self, verb: VerbId, answer: Answer) {
        if let Some(deploying) = self.deploys.remove(&verb) {
            let deadline = deploying.spec.start_deadline;
            let why = if answer == Answer::StartFailed { self.start_failure.take() } else { None };
            let answered = deploy_answer(deploying.version, answer, why, deadline);
            let _ = deploying.answer.send(answered);
        } else if let Some(port) = self.rollbacks.remove(&verb) {
            let why = if answer == Answer::StartFailed { self.start_failure.take() } else { None };
            let now = self.plane().now();
            let switched_in = now.since(self.switched_at.unwrap_or(now));
            let answered = rollback_answer(answer, why, switched_in);
            if let Ok(Rollback::To { from, to, how, .. }) = &answered {
                self.plane().tell(|community| Event::RolledBack {
                    community,
                    from: from.clone(),
                    to: to.clone(),
                    how: *how,
                });
            }
            let _ = port.send(answered);
        }
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
        if plane.delayed.lock().is_empty() {
            plane.root.stirred.notify_one();
        }
        self.set_timer(myself);
    }
}

/// How a pool reports, to whoever is the dispatcher by then.
pub(crate) fn reporter<J, O>(
    control: &Arc<Control<J, O, Message<J, O>>>,
) -> Arc<dyn Fn(PoolReport) + Send + Sync>
where
    J: Send + Sync + 'static,
    O: Send + 'static,
{
    let control = Arc::downgrade(control);
    Arc::new(move |report| {
        if let Some(dispatcher) = control.upgrade().and_then(|control| control.dispatcher()) {
            let _ = dispatcher.cast(Message::Report(report));
        }
    })
}

fn check_deploy<J, O>(version: &Version, spec: &Pool<J, O>) -> Result<(), &'static str> {
    if version.as_str().trim().is_empty() {
        Err("a version needs a name, such as \"1.0.0\"")
    } else if spec.size == 0 {
        Err("a pool needs at least one worker")
    } else if spec.size > POOL_SIZE_MAX {
        Err("a pool has at most 10,000 workers; use several communities for more")
    } else {
        Ok(())
    }
}

fn deploy_answer(
    version: Version,
    answer: Answer,
    why: Option<StartFailure>,
    deadline: Duration,
) -> Result<Deployment, DeployError> {
    match answer {
        Answer::Deployed { how, replaced } => Ok(Deployment { version, replaced, how: Some(how) }),
        Answer::AlreadyCurrent => Ok(Deployment { version, replaced: None, how: None }),
        Answer::OtherBuild => Err(DeployError::OtherBuild { version }),
        Answer::StartFailed => match why {
            Some(StartFailure::Timeout(deadline)) => Err(DeployError::StartTimeout { version, deadline }),
            Some(StartFailure::Worker(why)) => Err(DeployError::Start { version, why }),
            None => Err(DeployError::StartTimeout { version, deadline }),
        },
        Answer::Overtaken => Err(DeployError::Overtaken { version }),
        Answer::RolledBack { .. }
        | Answer::EndedDeploy(_)
        | Answer::AlreadyRolledBack
        | Answer::NothingBefore => Err(DeployError::Interrupted),
    }
}

fn rollback_answer(
    answer: Answer,
    why: Option<StartFailure>,
    switched_in: Duration,
) -> Result<Rollback, RollbackError> {
    match answer {
        Answer::RolledBack { from, to, how } => Ok(Rollback::To { from, to, how, switched_in }),
        Answer::EndedDeploy(version) => Ok(Rollback::DeployEnded { version }),
        Answer::AlreadyRolledBack => Ok(Rollback::Already),
        Answer::NothingBefore => Err(RollbackError::NothingBefore),
        Answer::StartFailed => Err(RollbackError::Start {
            why: match why {
                Some(StartFailure::Worker(why)) => why,
                Some(StartFailure::Timeout(deadline)) => format!("no start within {deadline:?}"),
                None => "unknown".to_owned(),
            },
        }),
        Answer::Deployed { .. } | Answer::AlreadyCurrent | Answer::OtherBuild | Answer::Overtaken => {
            Err(RollbackError::Interrupted)
        }
    }
}
