//! A community of one worker that counts in `&mut self`, and an ask that stands behind all that was sent before.

use savina_problems::counting::Counting;
use seral::prelude::*;

use crate::stage::end;

#[derive(Debug)]
enum Count {
    Increment,
    Retrieve,
}

struct Counter {
    counted: u64,
}

impl Worker for Counter {
    type Job = Count;
    type Output = u64;

    async fn process(&mut self, job: &Count, _: &JobContext) -> Result<u64, Fault> {
        if matches!(job, Count::Increment) {
            self.counted += 1;
        }
        Ok(self.counted)
    }
}

pub(crate) async fn run(Counting { messages }: Counting) -> Result<u64, BoxError> {
    let ecosystem = Ecosystem::new("counting");
    let counter = ecosystem.community("counter").await?;
    counter.deploy("1.0.0", Pool::of(1, || Counter { counted: 0 })).await?;

    counter.send_all(&mut (0..messages).map(|_| Count::Increment)).await?;
    let counted = counter.ask(Count::Retrieve).await?;
    end(&ecosystem).await?;
    Ok(counted)
}
