//! The actor of a pool: supervises the workers of one version.
//!
//! Duties: start the workers; start one again that ended against our will; change their number; end when the last has left, and never
//! before. A pool that panics takes its workers with it, as supervisors do; the community starts it again over the same mailbox, and what
//! the workers held has gone back there by then.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ractor::Actor;
use ractor::ActorId;
use ractor::ActorProcessingErr;
use ractor::ActorRef;
use ractor::SupervisionEvent;
use seral_core::id::PoolId;
use seral_core::id::WorkerId;
use seral_core::restart::RestartLog;
use tokio::task::AbortHandle;

use crate::any_plane::AnyPlane;
use crate::any_pool::AnyDesk;
use crate::any_pool::AnyPool;
use crate::desk::Urge;
use crate::event::Event;
use crate::pool::Spec;
use crate::vitals::WorkerState;
use crate::worker::Opening;
use crate::worker::WorkerRef;

/// What a pool is told.
#[derive(Debug)]
pub(crate) enum PoolMessage {
    /// Begin: start all workers.
    Hire,
    /// A worker has started.
    Started,
    /// The time to start is up.
    StartDeadline,
    /// Start a worker again that failed.
    Respawn(WorkerId),
    /// Have as many workers as the handle says.
    Scale,
    /// A worker blocks its thread, or has let go of it.
    Blocked(WorkerId, bool),
    /// Another version is current now: if no worker can be kept running, its jobs should not wait for the next try.
    Replaced,
    /// Stop everything: the pool never served.
    Dismiss,
    /// The mailbox is drained: is there anything left to wait for?
    Drained,
    /// For tests: fail as a broken pool would.
    Panic,
    /// For tests: kill the first worker, as a bug in the actor runtime would.
    KillWorker,
}

/// What a pool reports to the dispatcher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PoolReport {
    /// All workers have started.
    Started(PoolId),
    /// A worker could not be started, for this reason.
    StartFailed(PoolId, StartFailure),
    /// No worker can be kept running.
    Broken(PoolId),
}

/// Why a pool could not be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StartFailure {
    Worker(String),
    Timeout(Duration),
}

/// What a pool needs to begin.
pub(crate) struct PoolArguments {
    pub(crate) plane: Arc<dyn AnyPlane>,
    pub(crate) pool: Arc<dyn AnyPool>,
    pub(crate) spec: Spec,
    /// Whether the version is being deployed, so that a worker that cannot start fails the deploy.
    pub(crate) is_loading: bool,
    pub(crate) report: Arc<dyn Fn(PoolReport) + Send + Sync>,
}

/// The actor.
pub(crate) struct PoolActor;

/// Its state. No job is in it.
pub(crate) struct Supervision {
    arguments: PoolArguments,
    members: BTreeMap<ActorId, Member>,
    /// Workers that failed and wait to be started again.
    absent: BTreeMap<WorkerId, Record>,
    phase: Phase,
    /// While the version loads.
    deadline: Option<Deadline>,
}

/// A timer, which holds what it tells as long as it runs: so it ends when it is not needed any more.
struct Deadline(AbortHandle);

impl Drop for Deadline {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// So many workers have not started yet.
    Loading {
        missing: usize,
    },
    Serving,
    /// It serves no more; workers that end are not replaced.
    Ending,
}

struct Member {
    worker: WorkerRef,
    desk: Arc<dyn AnyDesk>,
    log: RestartLog,
    leaving: bool,
    /// It blocks its thread, and another is there in its place.
    blocked: bool,
}

/// What is remembered of a worker from one start to the next.
#[derive(Clone, Default)]
struct Record {
    log: RestartLog,
    restarts: u64,
}

impl Actor for PoolActor {
    type Msg = PoolMessage;
    type State = Supervision;
    type Arguments = PoolArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<PoolMessage>,
        arguments: PoolArguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        let (phase, deadline) = if arguments.is_loading {
            let deadline = myself.send_after(arguments.spec.start_deadline, || PoolMessage::StartDeadline);
            (Phase::Loading { missing: arguments.pool.size() }, Some(Deadline(deadline.abort_handle())))
        } else {
            (Phase::Serving, None)
        };
        // Hired in a handler, not here: whoever starts the pool waits for this function.
        myself.cast(PoolMessage::Hire).map_err(|_| "the pool ended before it began")?;
        Ok(Supervision { arguments, members: BTreeMap::new(), absent: BTreeMap::new(), phase, deadline })
    }

    async fn handle(
        &self,
        myself: ActorRef<PoolMessage>,
        message: PoolMessage,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            PoolMessage::Hire => {
                for _ in 0..state.arguments.pool.size() {
                    let worker = state.arguments.plane.next_worker();
                    state.hire(&myself, worker, Record::default()).await?;
                }
            }
            PoolMessage::Started => state.worker_started(),
            PoolMessage::StartDeadline => {
                let deadline = state.arguments.spec.start_deadline;
                state.start_failed(StartFailure::Timeout(deadline));
            }
            PoolMessage::Respawn(worker) => {
                // A worker may be told to come back when there is nothing left to do, or when another is there in its place.
                if let Some(record) = state.absent.remove(&worker)
                    && !state.arguments.pool.mailbox().is_drained()
                    && state.workers_that_can_work() < state.arguments.pool.size()
                {
                    state.hire(&myself, worker, record).await?;
                }
            }
            PoolMessage::Scale => drop(state.scale(&myself).await?),
            PoolMessage::Blocked(worker, is_blocked) => state.replace(&myself, worker, is_blocked).await?,
            PoolMessage::Replaced => state.report_if_broken(),
            PoolMessage::Dismiss => state.end(),
            PoolMessage::Drained => {
                state.phase = Phase::Ending;
                state.absent.clear();
            }
            PoolMessage::Panic => {
                // As ractor does it when a supervisor fails, but one after the other: it goes by a map that is hashed by chance.
                state.members.values().for_each(|member| member.worker.kill());
                return Err("the pool was told to fail".into());
            }
            PoolMessage::KillWorker => {
                if let Some(member) = state.members.values().find(|member| !member.leaving) {
                    member.worker.kill();
                }
            }
        }
        state.end_if_empty(&myself);
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<PoolMessage>,
        event: SupervisionEvent,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorTerminated(worker, _, reason) => {
                let why = reason.unwrap_or_else(|| "it ended by itself".to_owned());
                state.worker_ended(&myself, worker.get_id(), why);
            }
            SupervisionEvent::ActorFailed(worker, error) => {
                state.worker_ended(&myself, worker.get_id(), error.to_string());
            }
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => {}
        }
        state.end_if_empty(&myself);
        Ok(())
    }
}

impl Supervision {
    async fn hire(
        &mut self,
        myself: &ActorRef<PoolMessage>,
        worker: WorkerId,
        record: Record,
    ) -> Result<(), ActorProcessingErr> {
        let PoolArguments { plane, pool, spec, .. } = &self.arguments;
        let pool_actor = myself.clone();
        let opening = Opening {
            plane: Arc::clone(plane),
            pool: Arc::clone(pool),
            worker,
            restarts: record.restarts,
            start_deadline: spec.start_deadline,
            is_loading: matches!(self.phase, Phase::Loading { .. }),
            started: Box::new(move || {
                let _ = pool_actor.cast(PoolMessage::Started);
            }),
        };
        let (actor, desk) = spec.recruiter.hire(opening, myself.get_cell()).await?;
        let id = actor.get_id();
        let member = Member { worker: actor, desk, log: record.log, leaving: false, blocked: false };
        self.members.insert(id, member);
        Ok(())
    }

    // ---- starting --------------------------------------------------------------------------------------------------

    fn worker_started(&mut self) {
        if let Phase::Loading { missing } = &mut self.phase {
            *missing -= 1;
            if *missing == 0 {
                self.phase = Phase::Serving;
                self.deadline = None;
                (self.arguments.report)(PoolReport::Started(self.arguments.pool.id));
            }
        }
    }

    fn start_failed(&mut self, why: StartFailure) {
        if let Phase::Loading { .. } = self.phase {
            self.end();
            (self.arguments.report)(PoolReport::StartFailed(self.arguments.pool.id, why));
        }
    }

    // ---- restarting ------------------------------------------------------------------------------------------------

    fn worker_ended(&mut self, myself: &ActorRef<PoolMessage>, actor: ActorId, why: String) {
        let Some(member) = self.members.remove(&actor) else { return };
        member.desk.set_state(WorkerState::Stopped);
        match self.phase {
            Phase::Loading { .. } => self.start_failed(StartFailure::Worker(why)),
            Phase::Ending => {}
            Phase::Serving if member.leaving || self.arguments.pool.mailbox().is_drained() => {}
            Phase::Serving => self.worker_failed(myself, member, why),
        }
    }

    /// A worker ended against our will: it is started again, after a while if it has failed often in a row.
    fn worker_failed(&mut self, myself: &ActorRef<PoolMessage>, mut member: Member, why: String) {
        let PoolArguments { plane, pool, .. } = &self.arguments;
        let brought_a_job_to_an_end = member.desk.ended() > 0;
        let restart = member.log.on_failure(plane.limits.restart, plane.now(), brought_a_job_to_an_end);
        let worker = member.desk.number();
        plane.tell(|community| Event::WorkerFailed {
            community,
            version: pool.version.clone(),
            worker,
            why,
            restart_in: restart.delay,
        });
        let record = Record { log: member.log, restarts: member.desk.restarts() + 1 };
        self.absent.insert(worker, record);
        if restart.delay.is_zero() {
            let _ = myself.cast(PoolMessage::Respawn(worker));
        } else {
            myself.send_after(restart.delay, move || PoolMessage::Respawn(worker));
        }
        self.report_if_broken();
    }

    fn report_if_broken(&self) {
        if self.phase == Phase::Serving && self.is_broken() {
            (self.arguments.report)(PoolReport::Broken(self.arguments.pool.id));
        }
    }

    /// Whether each worker has failed too often in a row: none can be kept running.
    fn is_broken(&self) -> bool {
        // One that has started may be at its first job: that it has not ended one yet says nothing.
        let is_down = |member: &Member| {
            member.log.is_down() && member.desk.state() == WorkerState::Starting && member.desk.ended() == 0
        };
        let staying = self.members.values().filter(|member| !member.leaving);
        self.absent.values().all(|record| record.log.is_down()) && staying.into_iter().all(is_down)
    }

    // ---- scaling ---------------------------------------------------------------------------------------------------

    /// Has as many workers as it should. Returns those that were started.
    async fn scale(&mut self, myself: &ActorRef<PoolMessage>) -> Result<Vec<WorkerId>, ActorProcessingErr> {
        let mut hired = Vec::new();
        if self.phase == Phase::Ending || self.arguments.pool.mailbox().is_drained() {
            return Ok(hired);
        }
        let size = self.arguments.pool.size();
        let mut have = self.workers_that_can_work();
        while have < size {
            let worker = self.arguments.plane.next_worker();
            self.hire(myself, worker, Record::default()).await?;
            hired.push(worker);
            have += 1;
        }
        for _ in size..have {
            self.let_one_go();
        }
        Ok(hired)
    }

    /// Workers that are here to stay or will come back. One that blocks its thread does not count, so that another is started beside it; but
    /// never more than one for each worker: if all threads are blocked, more workers are no help.
    fn workers_that_can_work(&self) -> usize {
        let staying = self.members.values().filter(|member| !member.leaving).count() + self.absent.len();
        let blocked = self.members.values().filter(|member| member.blocked && !member.leaving).count();
        staying - blocked.min(self.arguments.pool.size())
    }

    /// Starts a worker beside one that is blocked; lets one go when it has recovered.
    async fn replace(
        &mut self,
        myself: &ActorRef<PoolMessage>,
        worker: WorkerId,
        is_blocked: bool,
    ) -> Result<(), ActorProcessingErr> {
        let by_number = |member: &&mut Member| member.desk.number() == worker;
        let Some(member) = self.members.values_mut().find(by_number) else { return Ok(()) };
        if std::mem::replace(&mut member.blocked, is_blocked) == is_blocked {
            return Ok(());
        }
        let hired = self.scale(myself).await?;
        let PoolArguments { plane, pool, .. } = &self.arguments;
        for replacement in hired {
            plane.tell(|community| Event::ReplacementStarted {
                community,
                version: pool.version.clone(),
                worker: replacement,
                beside: worker,
            });
        }
        Ok(())
    }

    /// Lets a worker go: one that is not there rather than one that is, an idle one rather than a busy one; none that is blocked, since it does not
    /// count.
    fn let_one_go(&mut self) {
        if let Some(worker) = self.absent.keys().next().copied() {
            self.absent.remove(&worker);
            return;
        }
        let staying = self.members.values_mut().filter(|member| !member.leaving && !member.blocked);
        if let Some(member) =
            staying.min_by_key(|member| (member.desk.in_hand().is_some(), Reverse(member.desk.number())))
        {
            member.leaving = true;
            self.arguments.pool.dismiss(&*member.desk);
        }
    }

    // ---- ending ----------------------------------------------------------------------------------------------------

    /// Ends a pool that never served: its mailbox is empty, and workers that still start are told to give up.
    fn end(&mut self) {
        self.phase = Phase::Ending;
        self.absent.clear();
        self.arguments.pool.mailbox().shut();
        for member in self.members.values() {
            member.desk.urge(Urge::Abandon);
        }
    }

    fn end_if_empty(&self, myself: &ActorRef<PoolMessage>) {
        let is_over = self.phase == Phase::Ending || self.arguments.pool.mailbox().is_drained();
        if is_over && self.members.is_empty() {
            myself.stop(Some("all workers have left".to_owned()));
        }
    }
}
