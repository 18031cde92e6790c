//! actix: an arbiter for each core, and actors on them in turn. The program itself runs on the first.

use std::future::Future;
use std::num::NonZeroUsize;
use std::sync::OnceLock;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::available_parallelism;

use actix::ActorContext;
use actix::Addr;
use actix::Arbiter;
use actix::ArbiterHandle;
use actix::AsyncContext;
use actix::Context;
use actix::Handler;
use actix::System;
use tokio::sync::oneshot;

use crate::actor::Actor;
use crate::actor::Living;
use crate::actor::Next;
use crate::actor::Runtime;

pub(crate) struct Actix;

/// The arbiters of this process, and whose turn it is.
static ARBITERS: OnceLock<Vec<ArbiterHandle>> = OnceLock::new();
static TURN: AtomicUsize = AtomicUsize::new(0);

/// An actor of actix that has one of ours as its state, and its own address, which the context would make anew each time.
pub(crate) struct Shell<A: Actor<Actix>> {
    living: Living<A>,
    myself: Option<Addr<Self>>,
}

struct Message<M>(M);

impl<M> actix::Message for Message<M> {
    type Result = ();
}

struct Stop;

impl actix::Message for Stop {
    type Result = ();
}

impl<A: Actor<Actix>> Unpin for Shell<A> {}

impl<A: Actor<Actix>> actix::Actor for Shell<A> {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        self.myself = Some(context.address());
    }

    fn stopped(&mut self, _: &mut Context<Self>) {
        self.myself = None;
    }
}

impl<A: Actor<Actix>> Handler<Message<A::Message>> for Shell<A> {
    type Result = ();

    fn handle(&mut self, Message(message): Message<A::Message>, context: &mut Context<Self>) {
        let myself = self.myself.as_ref().expect("it has started");
        if let Next::Stop = self.living.actor.handle(message, myself) {
            context.stop();
        }
    }
}

impl<A: Actor<Actix>> Handler<Stop> for Shell<A> {
    type Result = ();

    fn handle(&mut self, _: Stop, context: &mut Context<Self>) {
        context.stop();
    }
}

impl Runtime for Actix {
    type Address<A: Actor<Self>> = Addr<Shell<A>>;

    fn start<A: Actor<Self>>(actor: Living<A>) -> Addr<Shell<A>> {
        let arbiters = ARBITERS.get().expect("they were made first");
        let arbiter = &arbiters[TURN.fetch_add(1, Relaxed) % arbiters.len()];
        actix::Actor::start_in_arbiter(arbiter, |_| Shell { living: actor, myself: None })
    }

    fn send<A: Actor<Self>>(to: &Addr<Shell<A>>, message: A::Message) {
        to.do_send(Message(message));
    }

    fn stop<A: Actor<Self>>(actor: &Addr<Shell<A>>) {
        actor.do_send(Stop);
    }
}

pub(crate) fn block_on<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    System::new().block_on(async {
        let cores = available_parallelism().map_or(1, NonZeroUsize::get);
        let arbiters: Vec<_> = (0..cores).map(|_| Arbiter::new()).collect();
        ARBITERS.get_or_init(|| arbiters.iter().map(Arbiter::handle).collect());
        let (done, output) = oneshot::channel();
        arbiters[0].spawn(async move {
            let _ = done.send(work.await);
        });
        output.await.expect("no panic")
    })
}
