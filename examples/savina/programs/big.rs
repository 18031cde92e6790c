//! A community of one worker for each; all workers have the handles of all, and a reply is a job that is sent back.

use std::sync::Arc;

use savina_problems::big::Big;
use savina_problems::big::Pings;
use seral::prelude::*;
use tokio::sync::mpsc;

use crate::stage::Answers;
use crate::stage::answer;
use crate::stage::end;

#[derive(Debug)]
enum Message {
    Start,
    /// From the one of this number.
    Ping(usize),
    Pong,
}

struct Actor {
    number: usize,
    all: Arc<Vec<Community<Message, ()>>>,
    pings: Pings,
    pongs: u64,
    answers: Answers<u64>,
}

impl Worker for Actor {
    type Job = Message;
    type Output = ();

    async fn process(&mut self, message: &Message, _: &JobContext) -> Result<(), Fault> {
        match *message {
            Message::Start => {}
            Message::Ping(from) => {
                self.all[from].send(Message::Pong).await?;
                return Ok(());
            }
            Message::Pong => self.pongs += 1,
        }
        match self.pings.next() {
            Some(to) => {
                self.all[to].send(Message::Ping(self.number)).await?;
            }
            None => self.answers.send(self.pongs)?,
        }
        Ok(())
    }
}

pub(crate) async fn run(problem: Big) -> Result<u64, BoxError> {
    let ecosystem = Ecosystem::new("big");
    let (answers, mut arrived) = mpsc::unbounded_channel();
    let mut all = Vec::new();
    for number in 0..problem.actors {
        all.push(ecosystem.community(&format!("actor-{number}")).await?);
    }
    let all = Arc::new(all);
    for (number, community) in all.iter().enumerate() {
        let (all, answers) = (Arc::clone(&all), answers.clone());
        let actor = move || {
            let (all, answers) = (Arc::clone(&all), answers.clone());
            Actor { number, all, pings: problem.pings_of(number), pongs: 0, answers }
        };
        community.deploy("1.0.0", Pool::of(1, actor)).await?;
    }

    for community in all.iter() {
        community.send(Message::Start).await?;
    }
    let mut pongs = 0;
    for _ in 0..problem.actors {
        pongs += answer(&mut arrived).await?;
    }
    end(&ecosystem).await?;
    Ok(pongs)
}
