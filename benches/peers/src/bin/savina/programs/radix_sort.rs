//! A chain of actors, each of which sorts by one bit.

use savina_problems::program::BoxError;
use savina_problems::radix_sort::ByBit;
use savina_problems::radix_sort::RadixSort;
use tokio::sync::mpsc;

use crate::actor::Actor;
use crate::actor::Answers;
use crate::actor::Next;
use crate::actor::Runtime;
use crate::actor::World;
use crate::actor::answer;
use crate::actor::give;

struct Sorter<R: Runtime> {
    by_bit: ByBit,
    left: usize,
    next: To<R>,
}

/// Who comes next in the chain.
enum To<R: Runtime> {
    Sorter(R::Address<Sorter<R>>),
    Collector(R::Address<Collector>),
}

impl<R: Runtime> To<R> {
    fn send(&self, number: u64) {
        match self {
            Self::Sorter(next) => R::send(next, number),
            Self::Collector(next) => R::send::<Collector>(next, number),
        }
    }
}

impl<R: Runtime> Actor<R> for Sorter<R> {
    type Message = u64;

    fn handle(&mut self, number: u64, _: &R::Address<Self>) -> Next {
        let (goes_on, kept) = self.by_bit.take(number);
        goes_on.into_iter().chain(kept).for_each(|number| self.next.send(number));
        self.left -= 1;
        if self.left == 0 { Next::Stop } else { Next::Continue }
    }
}

/// The end of the chain.
struct Collector {
    numbers: usize,
    sorted: Vec<u64>,
    answers: Answers<Vec<u64>>,
}

impl<R: Runtime> Actor<R> for Collector {
    type Message = u64;

    fn handle(&mut self, number: u64, _: &R::Address<Self>) -> Next {
        self.sorted.push(number);
        if self.sorted.len() < self.numbers {
            return Next::Continue;
        }
        give(&self.answers, std::mem::take(&mut self.sorted));
        Next::Stop
    }
}

pub(crate) async fn run<R: Runtime>(problem: RadixSort) -> Result<Vec<u64>, BoxError> {
    let (world, end) = World::<R>::new();
    let (answers, mut arrived) = mpsc::unbounded_channel();
    let collector = world.start(Collector { numbers: problem.numbers, sorted: Vec::new(), answers });
    let mut first = To::<R>::Collector(collector);
    for bit in (0..problem.bits).rev() {
        let sorter = Sorter { by_bit: ByBit::of(problem, bit), left: problem.numbers, next: first };
        first = To::Sorter(world.start(sorter));
    }
    for number in problem.numbers() {
        first.send(number);
    }
    let sorted = answer(&mut arrived).await?;
    drop(first);
    end.of(world).await;
    Ok(sorted)
}
