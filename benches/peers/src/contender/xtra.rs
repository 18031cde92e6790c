//! xtra: an actor with a bounded mailbox for each worker, in turn; jobs detached, requests awaited.
//!
//! Messages of one priority are not in order, so nothing can be asked "behind all others": an actor tells its sum when it stops, which it does
//! when its mailbox is empty and nobody can send to it any more.

use tokio::task::JoinHandle;
use xtra::prelude::*;

use crate::measure;
use crate::pool;
use crate::pool::CAPACITY;
use crate::pool::Idle;
use crate::pool::Pool;
use crate::task::Crew;

/// Adds up jobs.
pub(crate) struct Adder {
    spin: u64,
    local: u64,
}

impl Actor for Adder {
    type Stop = u64;

    async fn stopped(self) -> u64 {
        self.local
    }
}

/// A job.
struct Add(u64);

/// Asks the actor to stop.
struct Stop;

impl Handler<Add> for Adder {
    type Return = u64;

    async fn handle(&mut self, Add(job): Add, _: &mut Context<Self>) -> u64 {
        measure::spin(self.spin);
        self.local += job;
        job + 1
    }
}

impl Handler<Stop> for Adder {
    type Return = ();

    async fn handle(&mut self, _: Stop, context: &mut Context<Self>) {
        context.stop_self();
    }
}

/// So many adders.
pub(crate) struct Adders {
    actors: Vec<Address<Adder>>,
    running: Vec<JoinHandle<u64>>,
}

/// Sends to the adders in turn.
pub(crate) struct InTurn {
    actors: Vec<Address<Adder>>,
    next: usize,
}

impl InTurn {
    fn next(&mut self) -> &Address<Adder> {
        self.next = (self.next + 1) % self.actors.len();
        &self.actors[self.next]
    }
}

impl Pool for Adders {
    type Sender = InTurn;

    async fn start(crew: Crew) -> Self {
        let (mut actors, mut running) = (Vec::new(), Vec::new());
        for _ in 0..crew.workers {
            let (address, mailbox) = Mailbox::bounded(CAPACITY);
            actors.push(address);
            running.push(tokio::spawn(xtra::run(mailbox, Adder { spin: crew.spin, local: 0 })));
        }
        Self { actors, running }
    }

    fn sender(&self, number: usize) -> InTurn {
        InTurn { actors: self.actors.clone(), next: number }
    }

    async fn finish(self) -> u64 {
        drop(self.actors);
        let mut sum = 0;
        for running in self.running {
            sum += running.await.expect("an actor ends without a panic");
        }
        sum
    }
}

impl pool::Tell for InTurn {
    async fn tell(&mut self, job: u64) {
        // Detached, it waits for room and not for the reply, which is dropped.
        drop(self.next().send(Add(job)).detach().await.expect("the actor lives"));
    }
}

impl pool::Ask for InTurn {
    async fn ask(&mut self, job: u64) -> u64 {
        self.next().send(Add(job)).await.expect("the actor lives")
    }
}

/// Actors that wait.
pub(crate) struct IdleActors(Adders);

impl Idle for IdleActors {
    async fn start(count: usize) -> Self {
        Self(Adders::start(Crew { workers: count, spin: 0, threads: 0 }).await)
    }

    async fn stop(self) {
        for (actor, running) in self.0.actors.into_iter().zip(self.0.running) {
            actor.send(Stop).await.expect("the actor lives");
            running.await.expect("an actor ends without a panic");
        }
    }
}
