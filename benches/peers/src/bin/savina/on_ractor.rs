//! ractor, without message spans, which are its default and would make it slower.

use std::future::Future;

use ractor::ActorProcessingErr;
use ractor::ActorRef;

use crate::actor::Actor;
use crate::actor::Living;
use crate::actor::Next;
use crate::actor::Runtime;

pub(crate) struct Ractor;

/// An actor of ractor that has one of ours as its state.
struct Shell<A>(std::marker::PhantomData<fn() -> A>);

impl<A: Actor<Ractor>> ractor::Actor for Shell<A> {
    type Msg = A::Message;
    type State = Living<A>;
    type Arguments = Living<A>;

    async fn pre_start(
        &self,
        _: ActorRef<A::Message>,
        actor: Living<A>,
    ) -> Result<Living<A>, ActorProcessingErr> {
        Ok(actor)
    }

    async fn handle(
        &self,
        myself: ActorRef<A::Message>,
        message: A::Message,
        living: &mut Living<A>,
    ) -> Result<(), ActorProcessingErr> {
        if let Next::Stop = living.actor.handle(message, &myself) {
            myself.stop(None);
        }
        Ok(())
    }
}

impl Runtime for Ractor {
    type Address<A: Actor<Self>> = ActorRef<A::Message>;

    fn start<A: Actor<Self>>(actor: Living<A>) -> ActorRef<A::Message> {
        let shell = Shell::<A>(std::marker::PhantomData);
        ractor::ActorRuntime::spawn_instant(None, shell, actor).expect("an actor without a name").0
    }

    fn send<A: Actor<Self>>(to: &ActorRef<A::Message>, message: A::Message) {
        // An actor that has stopped has nothing more to do with it.
        let _ = to.cast(message);
    }

    fn stop<A: Actor<Self>>(actor: &ActorRef<A::Message>) {
        actor.stop(None);
    }
}

/// Runs this on as many threads as there are cores, as Seral's programs are.
pub(crate) fn block_on<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async { tokio::spawn(work).await.expect("no panic") })
}
