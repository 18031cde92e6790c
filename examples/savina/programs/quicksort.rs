//! A pool that sends to itself: a piece becomes a smaller one on each side of its pivot. A worker must not wait for jobs of its own community, so
//! nothing is joined on the way up: a piece knows where it belongs, and goes to a collector when it is sorted.

use savina_problems::quicksort::Piece;
use savina_problems::quicksort::Quicksort;
use savina_problems::quicksort::Sorted;
use savina_problems::quicksort::Step;
use seral::prelude::*;
use tokio::sync::mpsc;

use crate::stage::Answers;
use crate::stage::answer;
use crate::stage::cores;
use crate::stage::end;

struct Sorter {
    problem: Quicksort,
    own: Community<Piece, ()>,
    collector: Community<Piece, ()>,
}

impl Worker for Sorter {
    type Job = Piece;
    type Output = ();

    async fn process(&mut self, piece: &Piece, _: &JobContext) -> Result<(), Fault> {
        match self.problem.step(piece) {
            Step::Sorted(piece) => {
                self.collector.send(piece).await?;
            }
            Step::Parted(less, equal, greater) => {
                self.own.send(less).await?;
                self.own.send(greater).await?;
                self.collector.send(equal).await?;
            }
        }
        Ok(())
    }
}

struct Collector {
    sorted: Sorted,
    answers: Answers<Vec<u64>>,
}

impl Worker for Collector {
    type Job = Piece;
    type Output = ();

    async fn process(&mut self, piece: &Piece, _: &JobContext) -> Result<(), Fault> {
        if let Some(all) = self.sorted.put(piece) {
            self.answers.send(all)?;
        }
        Ok(())
    }
}

pub(crate) async fn run(problem: Quicksort) -> Result<Vec<u64>, BoxError> {
    let ecosystem = Ecosystem::new("quicksort");
    let (answers, mut arrived) = mpsc::unbounded_channel();
    let collector = ecosystem.community("collector").await?;
    let worker = move || Collector { sorted: Sorted::of(problem), answers: answers.clone() };
    collector.deploy("1.0.0", Pool::of(1, worker)).await?;
    let pieces = ecosystem.community("pieces").await?;
    let own = pieces.clone();
    let sorter = move || Sorter { problem, own: own.clone(), collector: collector.clone() };
    pieces.deploy("1.0.0", Pool::of(cores(), sorter)).await?;

    pieces.send(problem.all()).await?;
    let sorted = answer(&mut arrived).await?;
    end(&ecosystem).await?;
    Ok(sorted)
}
