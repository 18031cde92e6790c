//! Two communities of one worker, each with the other's handle: a job is sent to and fro.

use savina_problems::ping_pong::PingPong;
use seral::prelude::*;
use tokio::sync::mpsc;

use crate::stage::Answers;
use crate::stage::answer;
use crate::stage::end;

#[derive(Debug)]
enum Ball {
    Serve,
    Pong,
}

/// Sends a ping at the serve, and for each pong but the last.
struct Ping {
    pong: Community<(), ()>,
    pings: u64,
    pongs: u64,
    answers: Answers<u64>,
}

impl Worker for Ping {
    type Job = Ball;
    type Output = ();

    async fn process(&mut self, ball: &Ball, _: &JobContext) -> Result<(), Fault> {
        if matches!(ball, Ball::Pong) {
            self.pongs += 1;
        }
        if self.pongs == self.pings {
            self.answers.send(self.pongs)?;
        } else {
            self.pong.send(()).await?;
        }
        Ok(())
    }
}

struct Pong {
    ping: Community<Ball, ()>,
}

impl Worker for Pong {
    type Job = ();
    type Output = ();

    async fn process(&mut self, (): &(), _: &JobContext) -> Result<(), Fault> {
        self.ping.send(Ball::Pong).await?;
        Ok(())
    }
}

pub(crate) async fn run(PingPong { pings }: PingPong) -> Result<u64, BoxError> {
    let court = Ecosystem::new("court");
    let (answers, mut arrived) = mpsc::unbounded_channel();
    // A handle is there before the version is, so two communities can know each other.
    let (ping, pong) = (court.community("ping").await?, court.community("pong").await?);
    let to_ping = ping.clone();
    pong.deploy("1.0.0", Pool::of(1, move || Pong { ping: to_ping.clone() })).await?;
    let pinger = move || Ping { pong: pong.clone(), pings, pongs: 0, answers: answers.clone() };
    ping.deploy("1.0.0", Pool::of(1, pinger)).await?;

    ping.send(Ball::Serve).await?;
    let pongs = answer(&mut arrived).await?;
    end(&court).await?;
    Ok(pongs)
}
