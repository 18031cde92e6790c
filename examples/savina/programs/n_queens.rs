//! A pool that sends to itself: a board that is not searched in one go becomes jobs for those with a queen more. When nothing is left to do, all is
//! counted; the shutdown knows when that is.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use savina_problems::n_queens::Board;
use savina_problems::n_queens::NQueens;
use savina_problems::n_queens::Step;
use seral::prelude::*;

use crate::stage::end;

struct Searcher {
    problem: NQueens,
    own: Community<Board, ()>,
    solutions: Arc<AtomicU64>,
}

impl Worker for Searcher {
    type Job = Board;
    type Output = ();

    async fn process(&mut self, board: &Board, _: &JobContext) -> Result<(), Fault> {
        match self.problem.step(board) {
            Step::Boards(boards) => {
                self.own.send_all(&mut boards.into_iter()).await?;
            }
            Step::Solutions(found) => {
                self.solutions.fetch_add(found, Relaxed);
            }
        }
        Ok(())
    }
}

pub(crate) async fn run(problem: NQueens) -> Result<u64, BoxError> {
    let ecosystem = Ecosystem::new("n-queens");
    let solutions = Arc::new(AtomicU64::new(0));
    let boards = ecosystem.community("boards").await?;
    let (own, found) = (boards.clone(), Arc::clone(&solutions));
    let searcher = move || Searcher { problem, own: own.clone(), solutions: Arc::clone(&found) };
    boards.deploy("1.0.0", Pool::of(problem.workers, searcher)).await?;

    boards.send(Board::new()).await?;
    end(&ecosystem).await?;
    Ok(solutions.load(Relaxed))
}
