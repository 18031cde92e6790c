//! What actor runtimes have in common, as far as these programs need it.

use std::marker::PhantomData;

use savina_problems::program::BoxError;
use tokio::sync::mpsc;

/// Whether an actor goes on after a message.
pub(crate) enum Next {
    Continue,
    Stop,
}

/// A state, and what it does with a message.
pub(crate) trait Actor<R: Runtime>: Sized + Send + 'static {
    type Message: Send + 'static;

    fn handle(&mut self, message: Self::Message, myself: &R::Address<Self>) -> Next;
}

/// A runtime for actors.
pub(crate) trait Runtime: Sized + Send + Sync + 'static {
    type Address<A: Actor<Self>>: Clone + Send + Sync + 'static;

    fn start<A: Actor<Self>>(actor: Living<A>) -> Self::Address<A>;
    fn send<A: Actor<Self>>(to: &Self::Address<A>, message: A::Message);
    /// Stops an actor, which has nothing more to do.
    fn stop<A: Actor<Self>>(actor: &Self::Address<A>);
}

/// An actor, and that it lives.
pub(crate) struct Living<A> {
    pub(crate) actor: A,
    _alive: mpsc::UnboundedSender<()>,
}

/// Where the actors of one run are started, and where it is known when all of them have ended.
pub(crate) struct World<R> {
    alive: mpsc::UnboundedSender<()>,
    runtime: PhantomData<fn() -> R>,
}

impl<R> Clone for World<R> {
    fn clone(&self) -> Self {
        Self { alive: self.alive.clone(), runtime: PhantomData }
    }
}

/// Ready when all actors have ended.
pub(crate) struct End(mpsc::UnboundedReceiver<()>);

impl<R: Runtime> World<R> {
    pub(crate) fn new() -> (Self, End) {
        let (alive, end) = mpsc::unbounded_channel();
        (Self { alive, runtime: PhantomData }, End(end))
    }

    pub(crate) fn start<A: Actor<R>>(&self, actor: A) -> R::Address<A> {
        R::start(Living { actor, _alive: self.alive.clone() })
    }
}

impl End {
    /// Waits for the end of all actors of this world. Those that do not stop of their own have been stopped.
    pub(crate) async fn of<R>(mut self, world: World<R>) {
        drop(world);
        while self.0.recv().await.is_some() {}
    }
}

/// Where an actor puts an answer.
pub(crate) type Answers<T> = mpsc::UnboundedSender<T>;

/// The next answer.
pub(crate) async fn answer<T>(answers: &mut mpsc::UnboundedReceiver<T>) -> Result<T, BoxError> {
    Ok(answers.recv().await.ok_or("all actors have gone without an answer")?)
}

/// Gives an answer. Whoever waits for it is still there, or has failed.
pub(crate) fn give<T>(answers: &Answers<T>, answer: T) {
    let _ = answers.send(answer);
}
