//! Two actors, each with the address of the other.

use std::marker::PhantomData;

use savina_problems::ping_pong::PingPong;
use savina_problems::program::BoxError;
use tokio::sync::mpsc;

use crate::actor::Actor;
use crate::actor::Answers;
use crate::actor::Next;
use crate::actor::Runtime;
use crate::actor::World;
use crate::actor::answer;
use crate::actor::give;

struct Ping<R: Runtime> {
    pong: R::Address<Pong<R>>,
    pings: u64,
    pongs: u64,
    answers: Answers<u64>,
}

enum Ball {
    Serve,
    Pong,
}

impl<R: Runtime> Actor<R> for Ping<R> {
    type Message = Ball;

    fn handle(&mut self, ball: Ball, myself: &R::Address<Self>) -> Next {
        if let Ball::Pong = ball {
            self.pongs += 1;
        }
        if self.pongs == self.pings {
            give(&self.answers, self.pongs);
            R::stop(&self.pong);
            return Next::Stop;
        }
        R::send(&self.pong, From::<R>(myself.clone()));
        Next::Continue
    }
}

struct Pong<R>(PhantomData<fn() -> R>);

/// A ping, and from whom.
struct From<R: Runtime>(R::Address<Ping<R>>);

impl<R: Runtime> Actor<R> for Pong<R> {
    type Message = From<R>;

    fn handle(&mut self, From(ping): From<R>, _: &R::Address<Self>) -> Next {
        R::send(&ping, Ball::Pong);
        Next::Continue
    }
}

pub(crate) async fn run<R: Runtime>(PingPong { pings }: PingPong) -> Result<u64, BoxError> {
    let (world, end) = World::<R>::new();
    let (answers, mut arrived) = mpsc::unbounded_channel();
    let pong = world.start(Pong(PhantomData));
    let ping = world.start(Ping { pong, pings, pongs: 0, answers });
    R::send(&ping, Ball::Serve);
    let pongs = answer(&mut arrived).await?;
    end.of(world).await;
    Ok(pongs)
}
