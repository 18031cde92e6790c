//! An actor for each piece, that starts one for each side of its pivot.

use savina_problems::program::BoxError;
use savina_problems::quicksort::Piece;
use savina_problems::quicksort::Quicksort;
use savina_problems::quicksort::Sorted;
use savina_problems::quicksort::Step;
use tokio::sync::mpsc;

use crate::actor::Actor;
use crate::actor::Answers;
use crate::actor::Next;
use crate::actor::Runtime;
use crate::actor::World;
use crate::actor::answer;
use crate::actor::give;

struct Sorter<R: Runtime> {
    problem: Quicksort,
    world: World<R>,
    collector: R::Address<Collector>,
}

impl<R: Runtime> Actor<R> for Sorter<R> {
    type Message = Piece;

    fn handle(&mut self, piece: Piece, _: &R::Address<Self>) -> Next {
        match self.problem.step(&piece) {
            Step::Sorted(piece) => R::send::<Collector>(&self.collector, piece),
            Step::Parted(less, equal, greater) => {
                for piece in [less, greater] {
                    let (world, collector) = (self.world.clone(), self.collector.clone());
                    R::send(&self.world.start(Self { problem: self.problem, world, collector }), piece);
                }
                R::send::<Collector>(&self.collector, equal);
            }
        }
        Next::Stop
    }
}

struct Collector {
    sorted: Sorted,
    answers: Answers<Vec<u64>>,
}

impl<R: Runtime> Actor<R> for Collector {
    type Message = Piece;

    fn handle(&mut self, piece: Piece, _: &R::Address<Self>) -> Next {
        let Some(all) = self.sorted.put(&piece) else { return Next::Continue };
        give(&self.answers, all);
        Next::Stop
    }
}

pub(crate) async fn run<R: Runtime>(problem: Quicksort) -> Result<Vec<u64>, BoxError> {
    let (world, end) = World::<R>::new();
    let (answers, mut arrived) = mpsc::unbounded_channel();
    let collector = world.start(Collector { sorted: Sorted::of(problem), answers });
    let sorter = world.start(Sorter::<R> { problem, world: world.clone(), collector });
    R::send(&sorter, problem.all());
    drop(sorter);
    let sorted = answer(&mut arrived).await?;
    end.of(world).await;
    Ok(sorted)
}
