//! What may be observed as it happens: verbs, state changes, faults, restarts. Never one event for each successful job.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use seral_core::guard::Finding;
use seral_core::heartbeat::Condition;
use seral_core::id::Attempt;
use seral_core::id::JobId;
use seral_core::id::Version;
use seral_core::id::WorkerId;
use seral_core::rollout::Phase;
use seral_core::share::Share;
use seral_core::versions::Remedy;
use seral_core::versions::State;
use seral_core::versions::Takeover;
use seral_core::whose::Whose;
use tokio::sync::broadcast;

use crate::user_code::guarded;
use crate::vitals::WorkerView;

/// How many events a reader may be behind before it misses some. A burst of 1,000 faults is read without a gap; a reader that does
/// not read costs at most this much memory.
const BACKLOG: usize = 1024;

/// Something that happened in a community.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A version changed its state.
    VersionChanged {
        /// The community.
        community: Arc<str>,
        /// The version.
        version: Version,
        /// The state it is in now.
        state: State,
    },
    /// A rollback took effect.
    RolledBack {
        /// The community.
        community: Arc<str>,
        /// The version that was current.
        from: Version,
        /// The version that is current.
        to: Version,
        /// Whether its workers were still there.
        how: Takeover,
    },
    /// After a rollback, all waiting jobs of the replaced version have been moved.
    Recalled {
        /// The community.
        community: Arc<str>,
        /// The version that was replaced.
        version: Version,
        /// How many jobs were moved.
        jobs: usize,
        /// How long it took, since the rollback.
        took: Duration,
    },
    /// A pool was told to have another size.
    Scaled {
        /// The community.
        community: Arc<str>,
        /// The version.
        version: Version,
        /// How many workers it had.
        from: usize,
        /// How many it is to have.
        to: usize,
    },
    /// An attempt at a job failed.
    AttemptFailed {
        /// The community.
        community: Arc<str>,
        /// The job.
        job: JobId,
        /// Which attempt.
        attempt: Attempt,
        /// The version that processed it.
        version: Version,
        /// The worker that processed it.
        worker: WorkerId,
        /// How it failed.
        fault: String,
    },
    /// A version cannot keep its workers running.
    VersionBroken {
        /// The community.
        community: Arc<str>,
        /// The version.
        version: Version,
        /// What is done about it.
        remedy: Remedy,
    },
    /// A guard has found that a version has to go. It is taken back at once, if the one that it is compared with is still there.
    Condemned {
        /// The community.
        community: Arc<str>,
        /// The version.
        version: Version,
        /// The version that it is compared with.
        baseline: Version,
        /// What was seen of both.
        finding: Finding,
    },
    /// A job was set aside as a dead letter.
    DeadLettered {
        /// The community.
        community: Arc<str>,
        /// The job.
        job: JobId,
        /// Why.
        reason: String,
    },
    /// The dead letters were full, so the oldest went to the overflow hook, or was dropped.
    DeadLetterDropped {
        /// The community.
        community: Arc<str>,
        /// The job that was dropped.
        job: JobId,
    },
    /// Dead letters were replayed.
    DeadLettersReplayed {
        /// The community.
        community: Arc<str>,
        /// How many.
        jobs: usize,
    },
    /// Dead letters were given up for good.
    DeadLettersDiscarded {
        /// The community.
        community: Arc<str>,
        /// How many.
        jobs: usize,
    },
    /// A version that is being ramped has another share of new jobs.
    ShareChanged {
        /// The community.
        community: Arc<str>,
        /// The version.
        version: Version,
        /// Its share from now on.
        share: Share,
    },
    /// A pin has ended by itself: its time was over, or its version could not keep its workers.
    PinEnded {
        /// The community.
        community: Arc<str>,
        /// Whose jobs it was about.
        whose: Whose,
        /// The version.
        version: Version,
    },
    /// A rollout has come to another step, or waits for something else.
    Rollout {
        /// The community.
        community: Arc<str>,
        /// The candidate.
        version: Version,
        /// The number of the step, from 0.
        step: usize,
        /// The share that the candidate is to have.
        share: Share,
        /// What the rollout does or waits for, and why.
        phase: Phase,
    },
    /// A worker is not as it should be, or it is again.
    WorkerCondition {
        /// The community.
        community: Arc<str>,
        /// Its version.
        version: Version,
        /// The worker.
        worker: WorkerId,
        /// How it is now. `Well` means that it has recovered.
        condition: Condition,
        /// How it was before.
        before: Condition,
        /// The job in its hand, or the one from which it has recovered.
        job: Option<JobId>,
        /// For how long it has been so; if it has recovered, for how long it had been.
        after: Duration,
    },
    /// A worker was started beside one that is blocked. One of them leaves when the other has recovered.
    ReplacementStarted {
        /// The community.
        community: Arc<str>,
        /// The version.
        version: Version,
        /// The new worker.
        worker: WorkerId,
        /// The worker that is blocked.
        beside: WorkerId,
    },
    /// The final beat of a worker's life: it has left, or has failed and is started again, and this is what it did since its start.
    WorkerLeft {
        /// The worker, as it was.
        worker: WorkerView,
    },
    /// A worker ended against our will and is started again.
    WorkerFailed {
        /// The community.
        community: Arc<str>,
        /// Its version.
        version: Version,
        /// The worker.
        worker: WorkerId,
        /// What it ended with.
        why: String,
        /// How long until it is started again.
        restart_in: Duration,
    },
    /// A dispatcher or a pool failed and was started again. No job is lost by it.
    ActorRestarted {
        /// The community.
        community: Arc<str>,
        /// Which actor.
        actor: &'static str,
        /// What it ended with.
        why: String,
    },
    /// This reader was too slow and missed so many events.
    Missed(u64),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::VersionChanged { community, version, state } => {
                write!(f, "{community} {version} is {state:?}")
            }
            Self::RolledBack { community, from, to, how } => {
                write!(f, "{community} rolled back from {from} to {to} ({how:?})")
            }
            Self::Recalled { community, version, jobs, took } => {
                write!(f, "{community} {version}: {jobs} waiting jobs moved in {took:?}")
            }
            Self::ShareChanged { community, version, share } => {
                write!(f, "{community} {version} has {share} of new jobs")
            }
            Self::PinEnded { community, whose, version } => {
                write!(f, "{community}: {whose} are not pinned to {version} any more")
            }
            Self::Rollout { community, version, step, share, phase } => {
                write!(f, "{community} {version}: step {step} of its rollout, {share}: {phase}")
            }
            Self::Scaled { community, version, from, to } => {
                write!(f, "{community} {version} scaled from {from} to {to} workers")
            }
            Self::AttemptFailed { community, job, attempt, version, worker, fault } => {
                write!(
                    f,
                    "{community} {version}: job {job} failed at attempt {attempt} on worker {worker}: {fault}"
                )
            }
            Self::DeadLettered { community, job, reason } => {
                write!(f, "{community}: job {job} is a dead letter: {reason}")
            }
            Self::DeadLetterDropped { community, job } => {
                write!(f, "{community}: the dead letters are full, job {job} was dropped")
            }
            Self::VersionBroken { community, version, remedy } => {
                write!(f, "{community} {version} cannot keep its workers running: ")?;
                match remedy {
                    Remedy::FallBack(to) => write!(f, "{to} is current again"),
                    Remedy::GiveBack => f.write_str("its jobs go to the current version"),
                    _ => f.write_str("no other version is there, so they are tried again"),
                }
            }
            Self::Condemned { community, version, baseline, finding } => {
                write!(f, "{community} {version} has to go: {finding}, compared with {baseline}")
            }
            Self::DeadLettersReplayed { community, jobs } => {
                write!(f, "{community}: {jobs} dead letters were replayed")
            }
            Self::DeadLettersDiscarded { community, jobs } => {
                write!(f, "{community}: {jobs} dead letters were discarded")
            }
            Self::WorkerCondition { community, version, worker, condition, before, job, after } => {
                match condition {
                    Condition::Well => {
                        write!(f, "{community} {version}: worker {worker} is well again, was {before:?}")?;
                    }
                    bad => write!(f, "{community} {version}: worker {worker} is {bad:?}")?,
                }
                if let Some(job) = job {
                    write!(f, " with job {job}")?;
                }
                write!(f, " for {} ms", after.as_millis())
            }
            Self::ReplacementStarted { community, version, worker, beside } => {
                write!(
                    f,
                    "{community} {version}: worker {worker} was started beside {beside}, which is blocked"
                )
            }
            Self::WorkerLeft { worker: WorkerView { community, version, id, done, faults, .. } } => {
                write!(
                    f,
                    "{community} {version}: worker {id} has ended after {done} jobs and {faults} faults"
                )
            }
            Self::WorkerFailed { community, version, worker, why, restart_in } => {
                write!(f, "{community} {version}: worker {worker} failed, restarts in {restart_in:?}: {why}")
            }
            Self::ActorRestarted { community, actor, why } => {
                write!(f, "{community}: the {actor} was restarted: {why}")
            }
            Self::Missed(count) => write!(f, "{count} events were missed"),
        }
    }
}

/// Where events are sent. Costs one load when nobody listens.
#[derive(Clone, Debug)]
pub(crate) struct EventSink {
    sender: broadcast::Sender<Event>,
}

impl EventSink {
    pub(crate) fn new() -> Self {
        Self { sender: broadcast::Sender::new(BACKLOG) }
    }

    /// Tells whoever listens: readers of `events()`, and the subscriber of `tracing` if there is one.
    pub(crate) fn tell(&self, make: impl FnOnce() -> Event) {
        if self.is_heard() {
            self.tell_all(make());
        }
    }

    fn is_heard(&self) -> bool {
        self.sender.receiver_count() > 0 || tracing::enabled!(target: "seral", tracing::Level::INFO)
    }

    fn tell_all(&self, event: Event) {
        // A subscriber that panics must not do it in the middle of our bookkeeping.
        guarded(|| trace(&event));
        // Without a reader it comes back, and is dropped.
        let _ = self.sender.send(event);
    }

    pub(crate) fn subscribe(&self) -> Events {
        Events { receiver: self.sender.subscribe() }
    }
}

fn trace(event: &Event) {
    match event {
        Event::AttemptFailed { .. }
        | Event::WorkerFailed { .. }
        | Event::WorkerCondition { .. }
        | Event::ActorRestarted { .. } => {
            tracing::warn!(target: "seral", "{event}");
        }
        Event::Condemned { .. }
        | Event::DeadLettered { .. }
        | Event::DeadLetterDropped { .. }
        | Event::VersionBroken { .. } => {
            tracing::error!(target: "seral", "{event}");
        }
        _ => tracing::info!(target: "seral", "{event}"),
    }
}

/// A reader of events, from the moment of its making. A slow reader never slows the ecosystem: it gets [`Event::Missed`].
#[derive(Debug)]
pub struct Events {
    receiver: broadcast::Receiver<Event>,
}

impl Events {
    /// The next event; `None` when the ecosystem is gone.
    ///
    /// Cancel safe: no event is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Event> {
        match self.receiver.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(Event::Missed(missed)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}
