//! The end of a community, step by step, and what an ecosystem sees of communities of any type.

use std::any::Any;
use std::any::type_name;
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use seral_core::heartbeat::Change;
use seral_core::heartbeat::Condition;
use seral_core::id::Attempt;
use seral_core::id::WorkerId;
use seral_core::mailbox::Queued;
use seral_core::time::Time;

use crate::any_pool::AnyPool;
use crate::community::Community;
use crate::control::Control;
use crate::dead_letter::DeadLetter;
use crate::desk::Urge;
use crate::event::Event;
use crate::hand_back;
use crate::hand_back::HandBackReason;
use crate::hand_back::HandedBack;
use crate::intake::Stage;
use crate::pool_actor::PoolMessage;
use crate::pool_handle::typed;
use crate::user_code::drop_guarded;
use crate::verb::Message;

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What was handed back, and to whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HandBack {
    pub(crate) jobs: usize,
    pub(crate) dead_letters: usize,
    /// Whether the application took them: there is a hook, and it came to its end.
    pub(crate) taken: bool,
}

/// A community of any type. Most of it is its [`Control`]; here is what concerns its jobs.
pub(crate) trait AnyCommunity: Send + Sync {
    fn as_any(&self) -> &dyn Any;
    fn job_type(&self) -> &'static str;
    fn output_type(&self) -> &'static str;
    fn control(&self) -> &Arc<Control>;
    /// Takes out all jobs that do not run, to be handed back.
    fn take_out_all(&self);
    /// Gives the application what was taken out, and the dead letters.
    fn hand_back(&self) -> Boxed<'_, HandBack>;
}

impl Deref for dyn AnyCommunity {
    type Target = Control;

    fn deref(&self) -> &Control {
        self.control()
    }
}

impl Control {
    /// For the watcher: takes jobs back that lie behind one that blocks its thread, passes on wake-ups that do not arrive, and tells of workers
    /// that are not well.
    pub(crate) fn look(&self, now: Time) {
        let policy = self.plane.limits.heartbeat;
        for pool in self.handles() {
            pool.mailbox().hurry();
            for desk in pool.any_desks() {
                if let Some(change) = desk.look(policy, now) {
                    self.tell_condition(&*pool, desk.number(), change);
                }
                if !desk.at_job_for().is_zero() {
                    pool.take_back_from(&*desk);
                }
            }
        }
    }

    /// Closes the intake further.
    pub(crate) fn close_to(&self, stage: Stage) {
        let plane = &self.plane;
        plane.stir.set_closing();
        plane.intake.close_to(stage);
        plane.wake_senders();
        if stage == Stage::Closed {
            // Not opened again: what is refused from here on goes to the hand-back.
            let pools: Vec<_> = {
                let mut state = self.state.lock();
                state.is_closed = true;
                state.pools.values().map(|running| Arc::clone(&running.handle)).collect()
            };
            for pool in pools {
                pool.mailbox().seal();
                // Whatever pins hold it for will not come any more.
                pool.set_holds(0);
            }
            if let Some(dispatcher) = self.dispatcher() {
                let _ = dispatcher.cast(Message::Closed);
            }
        }
    }

    /// A number that grows with each job that is admitted, and with each that moves between places. If it is the same before and after a look at
    /// all communities, the look saw one moment.
    pub(crate) fn activity(&self) -> u64 {
        let counters = &self.plane.counters;
        let pools: u64 = self.handles().iter().map(|pool| pool.mailbox().counts().admitted).sum();
        pools
            + counters.admitted_delayed.load(Relaxed)
            + counters.admitted_before.load(Relaxed)
            + self.plane.moves()
    }

    /// Whether nothing is unfinished, apart from what is delayed past `until`; or will be finished any more.
    pub(crate) fn is_quiet(&self, until: Time) -> bool {
        if self.finale.is_over() {
            return true;
        }
        let plane = &self.plane;
        plane.next_due().is_none_or(|due| due >= until)
            && plane.jobs_moving() == 0
            && !plane.has_unrouted()
            && self.handles().iter().all(|pool| pool.mailbox().is_quiet())
    }

    /// Asks running jobs to end.
    pub(crate) fn urge(&self, urge: Urge) {
        for pool in self.handles() {
            pool.urge(urge);
        }
    }

    /// Lets the workers leave, and waits until all are gone.
    pub(crate) async fn stop(&self) {
        self.close_to(Stage::Closed);
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            if !self.has_running_pools() {
                return;
            }
            changed.await;
        }
    }

    /// A worker is not as it should be, or it is again. Beside one that is blocked, another is started.
    fn tell_condition(&self, pool: &dyn AnyPool, worker: WorkerId, change: Change) {
        let Change { from, to, job, after } = change;
        self.plane.tell(|community| Event::WorkerCondition {
            community,
            version: pool.version.clone(),
            worker,
            condition: to,
            before: from,
            job,
            after,
        });
        if from == Condition::Blocked || to == Condition::Blocked {
            self.tell_pool(pool.id, PoolMessage::Blocked(worker, to == Condition::Blocked));
        }
    }
}

impl<J: Send + Sync + 'static, O: Send + 'static> AnyCommunity for Community<J, O> {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn job_type(&self) -> &'static str {
        type_name::<J>()
    }

    fn output_type(&self) -> &'static str {
        type_name::<O>()
    }

    fn control(&self) -> &Arc<Control> {
        &self.control
    }

    fn take_out_all(&self) {
        let plane = &self.plane;
        for pool in self.control.handles().into_iter().filter_map(typed::<J, O>) {
            for desk in pool.desks() {
                pool.take_back(&desk);
            }
            let waiting = pool.mailbox.remove(&|_| true);
            let count = waiting.len();
            for job in waiting {
                plane.hand_back(job, HandBackReason::Waiting);
            }
            pool.mailbox.arrived(count);
        }
        for held in plane.fence.remove(&|_| true) {
            let pinned = held.job.is_pinned();
            plane.hand_back(held.job, HandBackReason::Waiting);
            held.counted_by.mailbox.unhold();
            if pinned {
                held.counted_by.mailbox.unpin_away();
            }
        }
        plane.take_out_unrouted(&|_| true, &|job| plane.hand_back(job, HandBackReason::Waiting));
        let now = plane.now();
        let delayed: Vec<_> = plane.delayed.lock().drain().collect();
        for (due, sleeping) in delayed {
            plane.hand_back(sleeping.job, HandBackReason::Delayed(due.since(now)));
            if let Some(pool) = sleeping.awaited_by {
                pool.mailbox.unpin_away();
            }
        }
    }

    fn hand_back(&self) -> Boxed<'_, HandBack> {
        Box::pin(async move {
            let plane = &self.plane;
            let mut jobs = std::mem::take(&mut *plane.handed_back.lock());
            let letters = plane.dead.take(|_| true);
            let mut handed = HandBack { jobs: jobs.len(), dead_letters: letters.len(), taken: true };
            jobs.extend(letters.into_iter().map(from_dead_letter));
            if jobs.is_empty() {
                return handed;
            }
            // In the order of admission, so that jobs submitted again keep it.
            jobs.sort_by_key(|job| job.id);
            let hook = plane.hand_back.lock().clone();
            handed.taken = match hook {
                None => {
                    jobs.into_iter().for_each(drop_guarded);
                    false
                }
                Some(hook) => hand_back::taken(Box::pin(async move { hook(jobs).await })).await,
            };
            if !handed.taken {
                tracing::error!(
                    target: "seral",
                    community = %plane.name,
                    jobs = handed.jobs + handed.dead_letters,
                    "jobs were handed back and nobody took them; set `hand_back` on the community"
                );
            }
            handed
        })
    }
}

fn from_dead_letter<J>(letter: DeadLetter<J>) -> HandedBack<J> {
    HandedBack {
        job: letter.job,
        id: letter.id,
        key: letter.key,
        pin: letter.pin,
        attempt: Attempt::nth(letter.attempts),
        reason: HandBackReason::DeadLetter(letter.reason),
    }
}
