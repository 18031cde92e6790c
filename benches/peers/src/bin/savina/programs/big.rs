//! Actors that all have the addresses of all.

use std::sync::Arc;

use savina_problems::big::Big;
use savina_problems::big::Pings;
use savina_problems::program::BoxError;
use tokio::sync::mpsc;

use crate::actor::Actor;
use crate::actor::Answers;
use crate::actor::Next;
use crate::actor::Runtime;
use crate::actor::World;
use crate::actor::answer;
use crate::actor::give;

struct Pinger<R: Runtime> {
    number: usize,
    all: Arc<Vec<R::Address<Self>>>,
    pings: Pings,
    pongs: u64,
    answers: Answers<u64>,
}

enum Message<R: Runtime> {
    All(Arc<Vec<R::Address<Pinger<R>>>>),
    Start,
    /// From the one of this number.
    Ping(usize),
    Pong,
}

impl<R: Runtime> Actor<R> for Pinger<R> {
    type Message = Message<R>;

    fn handle(&mut self, message: Message<R>, _: &R::Address<Self>) -> Next {
        match message {
            Message::All(all) => {
                self.all = all;
                return Next::Continue;
            }
            Message::Start => {}
            Message::Ping(from) => {
                R::send(&self.all[from], Message::Pong);
                return Next::Continue;
            }
            Message::Pong => self.pongs += 1,
        }
        match self.pings.next() {
            Some(to) => R::send(&self.all[to], Message::Ping(self.number)),
            None => give(&self.answers, self.pongs),
        }
        Next::Continue
    }
}

pub(crate) async fn run<R: Runtime>(problem: Big) -> Result<u64, BoxError> {
    let (world, end) = World::<R>::new();
    let (answers, mut arrived) = mpsc::unbounded_channel();
    let pinger = |number| {
        let (all, answers) = (Arc::default(), answers.clone());
        world.start(Pinger::<R> { number, all, pings: problem.pings_of(number), pongs: 0, answers })
    };
    let all: Arc<Vec<_>> = Arc::new((0..problem.actors).map(pinger).collect());
    for pinger in all.iter() {
        R::send(pinger, Message::All(Arc::clone(&all)));
    }
    // Only now: whoever gets a ping has to know all.
    for pinger in all.iter() {
        R::send(pinger, Message::Start);
    }
    let mut pongs = 0;
    for _ in 0..problem.actors {
        pongs += answer(&mut arrived).await?;
    }
    all.iter().for_each(R::stop);
    end.of(world).await;
    Ok(pongs)
}
