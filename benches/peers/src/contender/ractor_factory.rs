//! The factory of ractor: one actor that hands jobs to its workers, by the queue (`QueuerRouting`) or in turn.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use ractor::Actor;
use ractor::ActorProcessingErr;
use ractor::ActorRef;
use ractor::concurrency::JoinHandle;
use ractor::factory::Factory;
use ractor::factory::FactoryArguments;
use ractor::factory::FactoryMessage;
use ractor::factory::Job;
use ractor::factory::JobOptions;
use ractor::factory::Worker;
use ractor::factory::WorkerId;
use ractor::factory::queues::DefaultQueue;
use ractor::factory::routing::Router;
use ractor::factory::worker_builder;
use ractor::rpc::CallResult;

use crate::contender::ractor::Message;
use crate::contender::ractor::Request;
use crate::loss;
use crate::measure;
use crate::pool::Ask;
use crate::pool::Endure;
use crate::pool::Fate;
use crate::pool::Pool;
use crate::pool::Tell;
use crate::task::Crew;

/// The key of a job is the job: of that type, and different for each.
type ToFactory<M> = FactoryMessage<u64, M>;

/// Adds up jobs, and gives the sum away when it stops.
pub(crate) struct Adder<M> {
    spin: u64,
    sum: Arc<AtomicU64>,
    message: PhantomData<fn(M)>,
}

impl<M: Message> Worker for Adder<M> {
    type Key = u64;
    type Message = M;
    type State = u64;
    type Arguments = ();

    async fn pre_start(
        &self,
        _: WorkerId,
        _: &ActorRef<ToFactory<M>>,
        (): (),
    ) -> Result<u64, ActorProcessingErr> {
        Ok(0)
    }

    async fn handle(
        &self,
        _: WorkerId,
        _: &ActorRef<ToFactory<M>>,
        job: Job<u64, M>,
        local: &mut u64,
    ) -> Result<u64, ActorProcessingErr> {
        measure::spin(self.spin);
        *local += job.msg.job();
        job.msg.reply();
        Ok(job.key)
    }

    async fn post_stop(
        &self,
        _: WorkerId,
        _: &ActorRef<ToFactory<M>>,
        local: &mut u64,
    ) -> Result<(), ActorProcessingErr> {
        self.sum.fetch_add(*local, Relaxed);
        Ok(())
    }
}

/// A factory of adders, with the routing `R`.
pub(crate) struct Adders<M: ractor::Message, R> {
    factory: ActorRef<ToFactory<M>>,
    running: JoinHandle<()>,
    sum: Arc<AtomicU64>,
    routing: PhantomData<fn() -> R>,
}

impl<M: Message, R: Router<u64, M> + Default> Pool for Adders<M, R> {
    type Sender = ActorRef<ToFactory<M>>;

    async fn start(crew: Crew) -> Self {
        let sum = Arc::<AtomicU64>::default();
        let (spin, total) = (crew.spin, Arc::clone(&sum));
        let adder = move |_| (Adder { spin, sum: Arc::clone(&total), message: PhantomData }, ());
        let arguments = FactoryArguments::builder()
            .num_initial_workers(crew.workers)
            .queue(DefaultQueue::default())
            .router(R::default())
            .worker_builder(Box::new(worker_builder(adder)))
            .build();
        let factory = Factory::<u64, M, (), Adder<M>, R, DefaultQueue<u64, M>>::default();
        let (factory, running) = Actor::spawn(None, factory, arguments).await.expect("a factory");
        Self { factory, running, sum, routing: PhantomData }
    }

    fn sender(&self, _: usize) -> Self::Sender {
        self.factory.clone()
    }

    async fn finish(self) -> u64 {
        self.factory.cast(FactoryMessage::DrainRequests).expect("the factory lives");
        self.running.await.expect("a clean end");
        self.sum.load(Relaxed)
    }
}

fn dispatch<M: ractor::Message>(key: u64, msg: M) -> ToFactory<M> {
    FactoryMessage::Dispatch(Job { key, msg, options: JobOptions::default(), accepted: None })
}

impl Tell for ActorRef<ToFactory<u64>> {
    async fn tell(&mut self, job: u64) {
        self.cast(dispatch(job, job)).expect("the factory lives");
    }
}

impl Ask for ActorRef<ToFactory<Request>> {
    async fn ask(&mut self, job: u64) -> u64 {
        match self.call(|port| dispatch(job, Request::new(job, port)), None).await {
            Ok(CallResult::Success(reply)) => reply,
            _ => panic!("the factory lives and replies"),
        }
    }
}

/// A worker to which some jobs are fatal. The factory puts another in its place.
struct Fragile(Arc<AtomicU64>);

impl Worker for Fragile {
    type Key = u64;
    type Message = u64;
    type State = ();
    type Arguments = ();

    async fn pre_start(
        &self,
        _: WorkerId,
        _: &ActorRef<ToFactory<u64>>,
        (): (),
    ) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(
        &self,
        _: WorkerId,
        _: &ActorRef<ToFactory<u64>>,
        job: Job<u64, u64>,
        (): &mut (),
    ) -> Result<u64, ActorProcessingErr> {
        loss::do_or_panic(job.msg, &self.0);
        Ok(job.key)
    }
}

impl<R: Router<u64, u64> + Default> Endure for Adders<u64, R> {
    async fn endure(jobs: u64) -> Fate {
        let done = Arc::<AtomicU64>::default();
        let seen = Arc::clone(&done);
        let arguments = FactoryArguments::builder()
            .num_initial_workers(1)
            .queue(DefaultQueue::default())
            .router(R::default())
            .worker_builder(Box::new(worker_builder(move |_| (Fragile(Arc::clone(&seen)), ()))))
            .build();
        let factory = Factory::<u64, u64, (), Fragile, R, DefaultQueue<u64, u64>>::default();
        let (factory, running) = Actor::spawn(None, factory, arguments).await.expect("a factory");
        for job in 0..jobs {
            factory.cast(dispatch(job, job)).expect("the factory lives");
        }
        factory.cast(FactoryMessage::DrainRequests).expect("the factory lives");
        running.await.expect("a clean end");
        Fate { done: done.load(Relaxed), returned: 0 }
    }
}
