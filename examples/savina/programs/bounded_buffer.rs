//! A mailbox is a bounded buffer: the consumers are a pool whose mailbox has the size of the buffer, and a producer's `send` waits for room.

use savina_problems::bounded_buffer::BoundedBuffer;
use savina_problems::bounded_buffer::Consumed;
use seral::prelude::*;
use tokio::sync::mpsc;

use crate::stage::Answers;
use crate::stage::end;

struct Producer {
    problem: BoundedBuffer,
    buffer: Community<u64, ()>,
}

impl Worker for Producer {
    /// The number of the producer.
    type Job = usize;
    type Output = ();

    async fn process(&mut self, number: &usize, _: &JobContext) -> Result<(), Fault> {
        for item in self.problem.items_of(*number) {
            self.problem.work();
            self.buffer.send(item).await?;
        }
        Ok(())
    }
}

struct Consumer {
    problem: BoundedBuffer,
    consumed: Consumed,
    answers: Answers<Consumed>,
}

impl Worker for Consumer {
    type Job = u64;
    type Output = ();

    async fn process(&mut self, item: &u64, _: &JobContext) -> Result<(), Fault> {
        self.problem.work();
        self.consumed.0 += 1;
        self.consumed.1 += item;
        Ok(())
    }

    async fn stop(&mut self) {
        // Whoever would hear it is there until all have left.
        let _ = self.answers.send(self.consumed);
    }
}

pub(crate) async fn run(problem: BoundedBuffer) -> Result<Consumed, BoxError> {
    let ecosystem = Ecosystem::new("bounded-buffer");
    let (answers, mut arrived) = mpsc::unbounded_channel();
    let buffer = ecosystem.community("buffer").mailbox(problem.buffer).await?;
    let consumer = move || Consumer { problem, consumed: (0, 0), answers: answers.clone() };
    buffer.deploy("1.0.0", Pool::of(problem.consumers, consumer)).await?;
    let producers = ecosystem.community("producers").await?;
    let producer = move || Producer { problem, buffer: buffer.clone() };
    producers.deploy("1.0.0", Pool::of(problem.producers, producer)).await?;

    producers.send_all(&mut (0..problem.producers)).await?;
    end(&ecosystem).await?;
    let mut all = (0, 0);
    while let Ok((count, sum)) = arrived.try_recv() {
        all = (all.0 + count, all.1 + sum);
    }
    Ok(all)
}
