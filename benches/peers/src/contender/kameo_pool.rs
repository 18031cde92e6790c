//! The pool of `kameo_actors`: one actor that hands each job to the worker with the least to do.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use kameo::prelude::*;
use kameo_actors::pool::ActorPool;
use kameo_actors::pool::Broadcast;
use kameo_actors::pool::Dispatch;
use tokio::sync::mpsc;

use crate::contender::kameo::Add;
use crate::contender::kameo::Adder;
use crate::contender::kameo::Fragile;
use crate::loss;
use crate::pool;
use crate::pool::CAPACITY;
use crate::pool::Endure;
use crate::pool::Fate;
use crate::pool::Pool;
use crate::task::Crew;

/// Tells the sum, behind all jobs that were sent before.
#[derive(Clone)]
struct TellTotal(mpsc::UnboundedSender<u64>);

impl Message<TellTotal> for Adder {
    type Reply = ();

    async fn handle(&mut self, TellTotal(to): TellTotal, _: &mut Context<Self, ()>) {
        to.send(self.local).expect("somebody asked");
    }
}

/// A pool of adders.
pub(crate) struct Adders {
    pool: ActorRef<ActorPool<Adder>>,
    workers: usize,
}

impl Pool for Adders {
    type Sender = ActorRef<ActorPool<Adder>>;

    async fn start(crew: Crew) -> Self {
        let adder = move || {
            Adder::spawn_with_mailbox(Adder { spin: crew.spin, local: 0 }, mailbox::bounded(CAPACITY))
        };
        let pool = ActorPool::new(crew.workers, adder);
        let pool = ActorPool::spawn_with_mailbox(pool, mailbox::bounded(CAPACITY));
        Self { pool, workers: crew.workers }
    }

    fn sender(&self, _: usize) -> Self::Sender {
        self.pool.clone()
    }

    async fn finish(self) -> u64 {
        let (to, mut totals) = mpsc::unbounded_channel();
        self.pool.tell(Broadcast(TellTotal(to))).await.expect("the pool lives");
        let mut sum = 0;
        for _ in 0..self.workers {
            sum += totals.recv().await.expect("each worker tells its sum");
        }
        self.pool.stop_gracefully().await.expect("the pool lives");
        self.pool.wait_for_shutdown().await;
        sum
    }
}

impl pool::Tell for ActorRef<ActorPool<Adder>> {
    async fn tell(&mut self, job: u64) {
        ActorRef::tell(self, Dispatch(Add(job))).await.expect("the pool lives");
    }
}

impl pool::Ask for ActorRef<ActorPool<Adder>> {
    async fn ask(&mut self, job: u64) -> u64 {
        ActorRef::ask(self, Dispatch(Add(job))).await.expect("the pool lives")
    }
}

impl Endure for Adders {
    /// The pool replaces a worker that died; with only one, it would end itself when it has a job and no worker for it, so there are four. What is
    /// still under way cannot be asked for, so it is waited until nothing happens any more.
    async fn endure(jobs: u64) -> Fate {
        let done = Arc::<AtomicU64>::default();
        let seen = Arc::clone(&done);
        let fragile =
            move || Fragile::spawn_with_mailbox(Fragile(Arc::clone(&seen)), mailbox::bounded(CAPACITY));
        let pool = ActorPool::spawn_with_mailbox(ActorPool::new(4, fragile), mailbox::bounded(CAPACITY));
        let mut returned = 0;
        for job in 0..jobs {
            if pool.tell(Dispatch(Add(job))).await.is_err() {
                returned += 1;
            }
        }
        Fate { done: loss::settled(&done).await, returned }
    }
}
