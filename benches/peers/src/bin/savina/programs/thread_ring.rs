//! A ring of actors, each of which has the address of the next.

use savina_problems::program::BoxError;
use savina_problems::thread_ring::ThreadRing;
use tokio::sync::mpsc;

use crate::actor::Actor;
use crate::actor::Answers;
use crate::actor::Next;
use crate::actor::Runtime;
use crate::actor::World;
use crate::actor::answer;
use crate::actor::give;

struct Place<R: Runtime> {
    number: usize,
    next: Option<R::Address<Self>>,
    answers: Answers<usize>,
}

enum Message<R: Runtime> {
    Next(R::Address<Place<R>>),
    /// How often it is to be passed on.
    Token(usize),
}

impl<R: Runtime> Actor<R> for Place<R> {
    type Message = Message<R>;

    fn handle(&mut self, message: Message<R>, _: &R::Address<Self>) -> Next {
        match (message, &self.next) {
            (Message::Next(next), _) => self.next = Some(next),
            (Message::Token(0), _) => give(&self.answers, self.number),
            (Message::Token(hops), Some(next)) => R::send(next, Message::Token(hops - 1)),
            (Message::Token(_), None) => {}
        }
        Next::Continue
    }
}

pub(crate) async fn run<R: Runtime>(ThreadRing { actors, hops }: ThreadRing) -> Result<usize, BoxError> {
    let (world, end) = World::<R>::new();
    let (answers, mut arrived) = mpsc::unbounded_channel();
    let place = |number| world.start(Place::<R> { number, next: None, answers: answers.clone() });
    let ring: Vec<_> = (0..actors).map(place).collect();
    for (place, next) in ring.iter().zip(ring.iter().cycle().skip(1)) {
        R::send(place, Message::Next(next.clone()));
    }
    R::send(&ring[0], Message::Token(hops));
    let last = answer(&mut arrived).await?;
    ring.iter().for_each(R::stop);
    end.of(world).await;
    Ok(last)
}
