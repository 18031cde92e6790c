//! One that counts.

use savina_problems::counting::Counting;
use savina_problems::program::BoxError;
use tokio::sync::mpsc;

use crate::actor::Actor;
use crate::actor::Answers;
use crate::actor::Next;
use crate::actor::Runtime;
use crate::actor::World;
use crate::actor::answer;
use crate::actor::give;

struct Counter {
    counted: u64,
    answers: Answers<u64>,
}

enum Count {
    Increment,
    Retrieve,
}

impl<R: Runtime> Actor<R> for Counter {
    type Message = Count;

    fn handle(&mut self, message: Count, _: &R::Address<Self>) -> Next {
        match message {
            Count::Increment => {
                self.counted += 1;
                Next::Continue
            }
            Count::Retrieve => {
                give(&self.answers, self.counted);
                Next::Stop
            }
        }
    }
}

pub(crate) async fn run<R: Runtime>(Counting { messages }: Counting) -> Result<u64, BoxError> {
    let (world, end) = World::<R>::new();
    let (answers, mut arrived) = mpsc::unbounded_channel();
    let counter = world.start(Counter { counted: 0, answers });
    for message in 0..messages {
        R::send(&counter, Count::Increment);
        // As every sender of these benchmarks does, for a counter on the same thread.
        if message % 1024 == 0 {
            tokio::task::yield_now().await;
        }
    }
    R::send(&counter, Count::Retrieve);
    let counted = answer(&mut arrived).await?;
    end.of(world).await;
    Ok(counted)
}
