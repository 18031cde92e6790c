//! The arbiter is a community of one worker that has the forks; a philosopher is a job that asks it until it has both.

use savina_problems::philosophers::Philosophers;
use savina_problems::philosophers::Table;
use seral::prelude::*;
use tokio::sync::mpsc;

use crate::stage::Answers;
use crate::stage::answer;
use crate::stage::end;

#[derive(Debug)]
enum Request {
    Take(usize),
    PutBack(usize),
}

struct Arbiter {
    table: Table,
    all: u64,
    answers: Answers<u64>,
}

impl Worker for Arbiter {
    type Job = Request;
    /// Whether the philosopher has both forks.
    type Output = bool;

    async fn process(&mut self, request: &Request, _: &JobContext) -> Result<bool, Fault> {
        match *request {
            Request::Take(philosopher) => Ok(self.table.take(philosopher)),
            Request::PutBack(philosopher) => {
                let eaten = self.table.put_back(philosopher);
                if eaten == self.all {
                    self.answers.send(eaten)?;
                }
                Ok(false)
            }
        }
    }
}

struct Philosopher {
    rounds: u64,
    arbiter: Community<Request, bool>,
}

impl Worker for Philosopher {
    type Job = usize;
    type Output = ();

    async fn process(&mut self, number: &usize, _: &JobContext) -> Result<(), Fault> {
        for _ in 0..self.rounds {
            // The arbiter asks nobody, so nobody waits for ever.
            while !self.arbiter.ask(Request::Take(*number)).await? {}
            self.arbiter.send(Request::PutBack(*number)).await?;
        }
        Ok(())
    }
}

pub(crate) async fn run(problem: Philosophers) -> Result<u64, BoxError> {
    let ecosystem = Ecosystem::new("philosophers");
    let (answers, mut arrived) = mpsc::unbounded_channel();
    let arbiter = ecosystem.community("arbiter").await?;
    let worker = move || Arbiter { table: Table::of(problem), all: problem.all(), answers: answers.clone() };
    arbiter.deploy("1.0.0", Pool::of(1, worker)).await?;
    let philosophers = ecosystem.community("philosophers").await?;
    let worker = move || Philosopher { rounds: problem.rounds, arbiter: arbiter.clone() };
    philosophers.deploy("1.0.0", Pool::of(problem.philosophers, worker)).await?;

    philosophers.send_all(&mut (0..problem.philosophers)).await?;
    let eaten = answer(&mut arrived).await?;
    end(&ecosystem).await?;
    Ok(eaten)
}
