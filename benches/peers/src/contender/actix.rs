//! actix: actors and senders on arbiters, each a thread of its own; jobs by `do_send`, requests by `send`.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use actix::dev::ToEnvelope;
use actix::prelude::*;
use tokio::sync::oneshot;

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
pub(crate) struct Adder {
    spin: u64,
    local: u64,
}

/// A job.
#[derive(Message)]
#[rtype(result = "u64")]
struct Add(u64);

/// Asks for the sum, behind all jobs that were sent before, and ends the actor.
#[derive(Message)]
#[rtype(result = "u64")]
struct Finish;

impl Actor for Adder {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        context.set_mailbox_capacity(CAPACITY);
    }
}

impl Handler<Add> for Adder {
    type Result = u64;

    fn handle(&mut self, Add(job): Add, _: &mut Context<Self>) -> u64 {
        measure::spin(self.spin);
        self.local += job;
        job + 1
    }
}

impl Handler<Finish> for Adder {
    type Result = u64;

    fn handle(&mut self, _: Finish, context: &mut Context<Self>) -> u64 {
        context.stop();
        self.local
    }
}

/// Adders on as many arbiters as other contenders have threads.
pub(crate) struct Adders {
    arbiters: Vec<Arbiter>,
    actors: Vec<Addr<Adder>>,
}

/// Sends to the adders in turn.
pub(crate) struct InTurn {
    actors: Vec<Addr<Adder>>,
    next: usize,
}

impl InTurn {
    fn next(&mut self) -> &Addr<Adder> {
        self.next = (self.next + 1) % self.actors.len();
        &self.actors[self.next]
    }
}

impl Pool for Adders {
    type Sender = InTurn;

    async fn start(crew: Crew) -> Self {
        let arbiters: Vec<_> = (0..crew.threads).map(|_| Arbiter::new()).collect();
        let adder = move |_: &mut Context<Adder>| Adder { spin: crew.spin, local: 0 };
        let start =
            |number: usize| Adder::start_in_arbiter(&arbiters[number % arbiters.len()].handle(), adder);
        let actors = (0..crew.workers).map(start).collect();
        Self { arbiters, actors }
    }

    fn sender(&self, number: usize) -> InTurn {
        InTurn { actors: self.actors.clone(), next: number }
    }

    async fn finish(self) -> u64 {
        let mut sum = 0;
        for actor in self.actors {
            sum += actor.send(Finish).await.expect("the actor lives");
        }
        for arbiter in self.arbiters {
            arbiter.stop();
            arbiter.join().expect("a clean end");
        }
        sum
    }

    /// On the arbiters in turn, as the actors are: the only sender meets the only worker on one thread.
    fn spawn<T: Send + 'static>(
        &self,
        number: usize,
        task: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> + Send {
        let (done, output) = oneshot::channel();
        let spawned = self.arbiters[number % self.arbiters.len()].spawn(async move {
            let _ = done.send(task.await);
        });
        assert!(spawned, "the arbiter lives");
        async move { output.await.expect("the task ends without a panic") }
    }

    fn block_on<T: Send + 'static>(_: usize, work: impl Future<Output = T> + Send + 'static) -> T {
        System::new().block_on(work)
    }
}

impl pool::Tell for InTurn {
    async fn tell(&mut self, job: u64) {
        self.next().do_send(Add(job));
    }
}

impl pool::Ask for InTurn {
    async fn ask(&mut self, job: u64) -> u64 {
        self.next().send(Add(job)).await.expect("the actor lives")
    }
}

/// Actors that wait, on one thread: the arbiter of the system, where `start` puts them.
pub(crate) struct IdleActors(Vec<Addr<Adder>>);

impl Idle for IdleActors {
    async fn start(count: usize) -> Self {
        let actors: Vec<_> = (0..count).map(|_| Adder { spin: 0, local: 0 }.start()).collect();
        // An actor runs when its task is polled; behind all of them, all have started.
        if let Some(actor) = actors.last() {
            actor.send(Add(0)).await.expect("the actor lives");
        }
        Self(actors)
    }

    async fn stop(self) {
        for actor in self.0 {
            actor.send(Finish).await.expect("the actor lives");
        }
    }

    fn block_on<T: Send + 'static>(_: usize, work: impl Future<Output = T> + Send + 'static) -> T {
        System::new().block_on(work)
    }
}

/// An actor to which some jobs are fatal.
struct Fragile(Arc<AtomicU64>);

impl Actor for Fragile {
    type Context = Context<Self>;
}

impl Supervised for Fragile {}

impl Handler<Add> for Fragile {
    type Result = u64;

    fn handle(&mut self, Add(job): Add, _: &mut Context<Self>) -> u64 {
        loss::do_or_panic(job, &self.0);
        job
    }
}

impl Handler<Finish> for Fragile {
    type Result = u64;

    fn handle(&mut self, _: Finish, _: &mut Context<Self>) -> u64 {
        0
    }
}

/// Starts a supervised actor on the thread of this arbiter.
fn supervise(arbiter: &Arbiter, done: &Arc<AtomicU64>) -> Addr<Fragile> {
    let done = Arc::clone(done);
    Supervisor::start_in_arbiter(&arbiter.handle(), move |context| {
        context.set_mailbox_capacity(CAPACITY);
        Fragile(done)
    })
}

impl Endure for Adders {
    /// The supervisor restarts an actor that stopped, but a panic ends it too: then the sender starts another. Jobs are sent by `try_send`, so
    /// that what a dead actor refuses is known.
    async fn endure(jobs: u64) -> Fate {
        let (arbiter, done) = (Arbiter::new(), Arc::<AtomicU64>::default());
        let mut actor = supervise(&arbiter, &done);
        for job in 0..jobs {
            while let Err(refused) = send(&actor, Add(job)) {
                match refused {
                    SendError::Full(_) => tokio::task::yield_now().await,
                    SendError::Closed(_) => actor = supervise(&arbiter, &done),
                }
            }
            if job % 1024 == 0 {
                tokio::task::yield_now().await;
            }
        }
        // Refused or cancelled if it died meanwhile; then nothing is left to wait for.
        let _ = actor.send(Finish).await;
        arbiter.stop();
        arbiter.join().expect("a clean end");
        Fate { done: done.load(Relaxed), returned: 0 }
    }

    fn block_on<T: Send + 'static>(_: usize, work: impl Future<Output = T> + Send + 'static) -> T {
        System::new().block_on(work)
    }
}

fn send<A, M>(actor: &Addr<A>, message: M) -> Result<(), SendError<M>>
where
    A: Handler<M, Context: ToEnvelope<A, M>>,
    M: Message<Result: Send> + Send + 'static,
{
    actor.try_send(message)
}
