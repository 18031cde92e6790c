//! One community for all, and a key for each: jobs of one key run one at a time and in order, so each has a state of its own, which no worker
//! has: it lies in a table that all share.

use std::sync::Arc;

use parking_lot::Mutex;
use savina_problems::big::BigByKey;
use savina_problems::big::Pings;
use seral::prelude::*;
use tokio::sync::mpsc;

use crate::stage::Answers;
use crate::stage::answer;
use crate::stage::cores;
use crate::stage::end;

#[derive(Clone, Copy, Debug)]
enum Message {
    Start,
    /// From the one of this number.
    Ping(usize),
    Pong,
}

#[derive(Clone, Copy, Debug)]
struct Letter {
    to: usize,
    message: Message,
}

/// What each one knows.
struct State {
    pings: Pings,
    pongs: u64,
}

struct Actors {
    own: Community<Letter, ()>,
    // A lock for each that is never waited for: the key sees to that, but the compiler does not know.
    states: Arc<Vec<Mutex<State>>>,
    answers: Answers<u64>,
}

impl Actors {
    async fn send(&self, to: usize, message: Message) -> Result<(), Fault> {
        self.own.submit(Letter { to, message }).key(to as u64).send().await?;
        Ok(())
    }

    /// A pong has come, or the start: whom to send the next ping to.
    fn next(&self, number: usize, pongs: u64) -> Result<Option<usize>, Fault> {
        let mut state = self.states[number].lock();
        state.pongs += pongs;
        let next = state.pings.next();
        if next.is_none() {
            self.answers.send(state.pongs)?;
        }
        Ok(next)
    }
}

impl Worker for Actors {
    type Job = Letter;
    type Output = ();

    async fn process(
        &mut self,
        &Letter { to: myself, message }: &Letter,
        _: &JobContext,
    ) -> Result<(), Fault> {
        let next = match message {
            Message::Start => self.next(myself, 0)?,
            Message::Pong => self.next(myself, 1)?,
            Message::Ping(from) => return self.send(from, Message::Pong).await,
        };
        match next {
            Some(to) => self.send(to, Message::Ping(myself)).await,
            None => Ok(()),
        }
    }
}

pub(crate) async fn run(BigByKey(problem): BigByKey) -> Result<u64, BoxError> {
    let ecosystem = Ecosystem::new("big");
    let (answers, mut arrived) = mpsc::unbounded_channel();
    let state = |number| Mutex::new(State { pings: problem.pings_of(number), pongs: 0 });
    let states: Arc<Vec<_>> = Arc::new((0..problem.actors).map(state).collect());
    let actors = ecosystem.community("actors").await?;
    let own = actors.clone();
    let worker = move || Actors { own: own.clone(), states: Arc::clone(&states), answers: answers.clone() };
    actors.deploy("1.0.0", Pool::of(cores(), worker)).await?;

    for to in 0..problem.actors {
        actors.submit(Letter { to, message: Message::Start }).key(to as u64).send().await?;
    }
    let mut pongs = 0;
    for _ in 0..problem.actors {
        pongs += answer(&mut arrived).await?;
    }
    end(&ecosystem).await?;
    Ok(pongs)
}
