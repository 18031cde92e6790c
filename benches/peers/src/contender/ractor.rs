//! ractor: an actor for each worker, in turn; jobs by `cast`, requests by `call`, the end by `drain_and_wait`.
//!
//! This file is compiled twice: here without message spans, and in `ractor_spans` with them.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use ractor::Actor;
use ractor::ActorProcessingErr;
use ractor::ActorRef;
use ractor::MessagingErr;
use ractor::RpcReplyPort;
use ractor::SupervisionEvent;
use ractor::rpc::CallResult;
use tokio::sync::watch;

use crate::loss;
use crate::measure;
use crate::pool::Ask;
use crate::pool::Endure;
use crate::pool::Fate;
use crate::pool::Idle;
use crate::pool::Pool;
use crate::pool::Tell;
use crate::task::Crew;

/// A request: the job and where its reply goes.
pub(crate) struct Request(u64, RpcReplyPort<u64>);

impl Request {
    pub(crate) fn new(job: u64, reply: RpcReplyPort<u64>) -> Self {
        Self(job, reply)
    }
}

/// What an adder can be sent: a bare job, or a request.
pub(crate) trait Message: ractor::Message {
    fn job(&self) -> u64;

    fn reply(self);
}

impl Message for u64 {
    fn job(&self) -> u64 {
        *self
    }

    fn reply(self) {}
}

impl Message for Request {
    fn job(&self) -> u64 {
        self.0
    }

    fn reply(self) {
        // A caller that has left needs no reply.
        let _ = self.1.send(self.0 + 1);
    }
}

/// Adds up jobs, and gives the sum away when it stops.
struct Adder<M> {
    spin: u64,
    sum: Arc<AtomicU64>,
    message: std::marker::PhantomData<fn(M)>,
}

impl<M: Message> Actor for Adder<M> {
    type Msg = M;
    type State = u64;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<M>, (): ()) -> Result<u64, ActorProcessingErr> {
        Ok(0)
    }

    async fn handle(&self, _: ActorRef<M>, message: M, local: &mut u64) -> Result<(), ActorProcessingErr> {
        measure::spin(self.spin);
        *local += message.job();
        message.reply();
        Ok(())
    }

    async fn post_stop(&self, _: ActorRef<M>, local: &mut u64) -> Result<(), ActorProcessingErr> {
        self.sum.fetch_add(*local, Relaxed);
        Ok(())
    }
}

/// So many adders, for one kind of message.
pub(crate) struct Adders<M> {
    actors: Vec<ActorRef<M>>,
    sum: Arc<AtomicU64>,
}

/// Sends to the adders in turn.
pub(crate) struct InTurn<M> {
    actors: Vec<ActorRef<M>>,
    next: usize,
}

impl<M> InTurn<M> {
    fn next(&mut self) -> &ActorRef<M> {
        self.next = (self.next + 1) % self.actors.len();
        &self.actors[self.next]
    }
}

impl<M: Message> Pool for Adders<M> {
    type Sender = InTurn<M>;

    async fn start(crew: Crew) -> Self {
        let sum = Arc::<AtomicU64>::default();
        let mut actors = Vec::new();
        for _ in 0..crew.workers {
            let adder = Adder { spin: crew.spin, sum: Arc::clone(&sum), message: std::marker::PhantomData };
            actors.push(Actor::spawn(None, adder, ()).await.expect("an actor").0);
        }
        Self { actors, sum }
    }

    fn sender(&self, number: usize) -> InTurn<M> {
        InTurn { actors: self.actors.clone(), next: number }
    }

    async fn finish(self) -> u64 {
        for actor in self.actors {
            actor.drain_and_wait(None).await.expect("a clean end");
        }
        self.sum.load(Relaxed)
    }
}

impl Tell for InTurn<u64> {
    async fn tell(&mut self, job: u64) {
        self.next().cast(job).expect("the actor lives");
    }
}

impl Ask for InTurn<Request> {
    async fn ask(&mut self, job: u64) -> u64 {
        match self.next().call(|port| Request::new(job, port), None).await {
            Ok(CallResult::Success(reply)) => reply,
            _ => panic!("the actor lives and replies"),
        }
    }
}

/// Actors that wait.
pub(crate) struct IdleActors(Vec<ActorRef<u64>>);

impl Idle for IdleActors {
    async fn start(count: usize) -> Self {
        Self(Adders::<u64>::start(Crew { workers: count, spin: 0, threads: 0 }).await.actors)
    }

    async fn stop(self) {
        for actor in self.0 {
            actor.stop_and_wait(None, None).await.expect("a clean end");
        }
    }
}

/// An actor to which some jobs are fatal.
struct Fragile(Arc<AtomicU64>);

impl Actor for Fragile {
    type Msg = u64;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<u64>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(&self, _: ActorRef<u64>, job: u64, (): &mut ()) -> Result<(), ActorProcessingErr> {
        loss::do_or_panic(job, &self.0);
        Ok(())
    }
}

/// The actor that is there now; nothing once it has ended in order.
type Present = watch::Sender<Option<ActorRef<u64>>>;

/// Starts the fragile actor again whenever it has failed, as a supervisor does.
struct Supervisor(Arc<AtomicU64>);

impl Supervisor {
    async fn raise(&self, myself: &ActorRef<()>, present: &Present) -> Result<(), ActorProcessingErr> {
        let child = Actor::spawn_linked(None, Fragile(Arc::clone(&self.0)), (), myself.get_cell()).await?.0;
        present.send_replace(Some(child));
        Ok(())
    }
}

impl Actor for Supervisor {
    type Msg = ();
    type State = Present;
    type Arguments = Present;

    async fn pre_start(&self, myself: ActorRef<()>, present: Present) -> Result<Present, ActorProcessingErr> {
        self.raise(&myself, &present).await?;
        Ok(present)
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<()>,
        event: SupervisionEvent,
        present: &mut Present,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(..) => self.raise(&myself, present).await?,
            SupervisionEvent::ActorTerminated(..) => {
                present.send_replace(None);
            }
            _ => {}
        }
        Ok(())
    }
}

impl Endure for Adders<u64> {
    /// A job that `cast` gives back goes to the next actor. The last one is drained, and again the next if it fails meanwhile.
    async fn endure(jobs: u64) -> Fate {
        let done = Arc::<AtomicU64>::default();
        let (present, mut seen) = watch::channel(None);
        let (supervisor, _) =
            Actor::spawn(None, Supervisor(Arc::clone(&done)), present).await.expect("a supervisor");
        let mut actor = seen.borrow_and_update().clone().expect("an actor");
        for job in 0..jobs {
            let mut sent = actor.cast(job);
            while let Err(MessagingErr::SendErr(_) | MessagingErr::ChannelClosed) = sent {
                seen.changed().await.expect("a supervisor");
                actor = seen.borrow_and_update().clone().expect("an actor");
                sent = actor.cast(job);
            }
            if job % 1024 == 0 {
                tokio::task::yield_now().await;
            }
        }
        // Its failure is told to the supervisor, which puts another in its place.
        let mut last = seen.borrow_and_update().clone();
        while let Some(actor) = &last {
            let _ = actor.drain();
            seen.changed().await.expect("a supervisor");
            last.clone_from(&seen.borrow_and_update());
        }
        supervisor.stop_and_wait(None, None).await.expect("a clean end");
        Fate { done: done.load(Relaxed), returned: 0 }
    }
}
