//! A community of one worker for each place in the ring; each worker has the handle of the next one.

use savina_problems::thread_ring::ThreadRing;
use seral::prelude::*;
use tokio::sync::mpsc;

use crate::stage::Answers;
use crate::stage::answer;
use crate::stage::end;

struct Place {
    number: usize,
    next: Community<usize, ()>,
    answers: Answers<usize>,
}

impl Worker for Place {
    /// How often the token is to be passed on.
    type Job = usize;
    type Output = ();

    async fn process(&mut self, hops: &usize, _: &JobContext) -> Result<(), Fault> {
        match hops.checked_sub(1) {
            Some(hops) => {
                self.next.send(hops).await?;
            }
            None => self.answers.send(self.number)?,
        }
        Ok(())
    }
}

pub(crate) async fn run(ThreadRing { actors, hops }: ThreadRing) -> Result<usize, BoxError> {
    let ecosystem = Ecosystem::new("thread-ring");
    let (answers, mut arrived) = mpsc::unbounded_channel();
    let mut ring = Vec::new();
    for number in 0..actors {
        ring.push(ecosystem.community(&format!("place-{number}")).await?);
    }
    for (number, place) in ring.iter().enumerate() {
        let (next, answers) = (ring[(number + 1) % actors].clone(), answers.clone());
        let worker = move || Place { number, next: next.clone(), answers: answers.clone() };
        place.deploy("1.0.0", Pool::of(1, worker)).await?;
    }

    ring[0].send(hops).await?;
    let last = answer(&mut arrived).await?;
    end(&ecosystem).await?;
    Ok(last)
}
