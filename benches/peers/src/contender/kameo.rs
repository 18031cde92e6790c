//! kameo: an actor with a bounded mailbox for each worker, in turn; jobs by `tell`, requests by `ask`.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use kameo::prelude::*;
use kameo::supervision::RestartPolicy;

use crate::loss;
use crate::measure;
use crate::pool;
use crate::pool::CAPACITY;
use crate::pool::Endure;
use crate::pool::Fate;
use crate::pool::Idle;
use crate::pool::Pool;
use crate::task::Crew;

/// Adds up jobs.
#[derive(Actor)]
pub(crate) struct Adder {
    pub(crate) spin: u64,
    pub(crate) local: u64,
}

/// A job.
pub(crate) struct Add(pub(crate) u64);

/// Asks for the sum, behind all jobs that were sent before.
struct Total;

impl Message<Add> for Adder {
    type Reply = u64;

    async fn handle(&mut self, Add(job): Add, _: &mut Context<Self, u64>) -> u64 {
        measure::spin(self.spin);
        self.local += job;
        job + 1
    }
}

impl Message<Total> for Adder {
    type Reply = u64;

    async fn handle(&mut self, _: Total, _: &mut Context<Self, u64>) -> u64 {
        self.local
    }
}

/// So many adders.
pub(crate) struct Adders(Vec<ActorRef<Adder>>);

/// Sends to the adders in turn.
pub(crate) struct InTurn {
    actors: Vec<ActorRef<Adder>>,
    next: usize,
}

impl InTurn {
    fn next(&mut self) -> &ActorRef<Adder> {
        self.next = (self.next + 1) % self.actors.len();
        &self.actors[self.next]
    }
}

impl Pool for Adders {
    type Sender = InTurn;

    async fn start(crew: Crew) -> Self {
        let adder = || Adder { spin: crew.spin, local: 0 };
        let spawn = |_| Adder::spawn_with_mailbox(adder(), mailbox::bounded(CAPACITY));
        Self((0..crew.workers).map(spawn).collect())
    }

    fn sender(&self, number: usize) -> InTurn {
        InTurn { actors: self.0.clone(), next: number }
    }

    async fn finish(self) -> u64 {
        let mut sum = 0;
        for actor in self.0 {
            sum += actor.ask(Total).await.expect("the actor lives");
            actor.stop_gracefully().await.expect("the actor lives");
            actor.wait_for_shutdown().await;
        }
        sum
    }
}

impl pool::Tell for InTurn {
    async fn tell(&mut self, job: u64) {
        self.next().tell(Add(job)).await.expect("the actor lives");
    }
}

impl pool::Ask for InTurn {
    async fn ask(&mut self, job: u64) -> u64 {
        self.next().ask(Add(job)).await.expect("the actor lives")
    }
}

/// Actors that wait, with the mailbox that is kameo's default: it allocates in blocks as jobs come.
pub(crate) struct IdleActors(Vec<ActorRef<Adder>>);

impl Idle for IdleActors {
    async fn start(count: usize) -> Self {
        let actors: Vec<_> = (0..count).map(|_| Adder::spawn(Adder { spin: 0, local: 0 })).collect();
        for actor in &actors {
            actor.wait_for_startup().await;
        }
        Self(actors)
    }

    async fn stop(self) {
        for actor in self.0 {
            actor.stop_gracefully().await.expect("the actor lives");
            actor.wait_for_shutdown().await;
        }
    }
}

/// An actor to which some jobs are fatal.
#[derive(Actor, Clone)]
pub(crate) struct Fragile(pub(crate) Arc<AtomicU64>);

impl Message<Add> for Fragile {
    type Reply = ();

    async fn handle(&mut self, Add(job): Add, _: &mut Context<Self, ()>) {
        loss::do_or_panic(job, &self.0);
    }
}

/// Restarts its child after a panic, which is kameo's default strategy.
#[derive(Actor)]
struct Supervisor;

impl Endure for Adders {
    /// The supervised child keeps its mailbox. Its restarts are not limited: by default the sixth panic within five seconds ends it for good.
    async fn endure(jobs: u64) -> Fate {
        let done = Arc::<AtomicU64>::default();
        let supervisor = Supervisor::spawn(Supervisor);
        let actor = Fragile::supervise(&supervisor, Fragile(Arc::clone(&done)))
            .restart_policy(RestartPolicy::Transient)
            .restart_limit(u32::MAX, Duration::from_secs(5))
            .spawn_with_mailbox(mailbox::bounded(CAPACITY))
            .await;
        let mut returned = 0;
        for job in 0..jobs {
            if actor.tell(Add(job)).await.is_err() {
                returned += 1;
            }
        }
        // A request would not wait for all of them: what is sent while the actor is restarted comes out of order.
        Fate { done: loss::settled(&done).await, returned }
    }
}
