//! What a master and its workers do: queens, areas, terms, matrices, and a way through a grid.

use std::sync::Arc;

use savina_problems::a_star::AStar;
use savina_problems::a_star::Found;
use savina_problems::a_star::Grid;
use savina_problems::fixed_point::FixedPoint;
use savina_problems::matrix::Matrix;
use savina_problems::matrix::Part;
use savina_problems::matrix::Product;
use savina_problems::n_queens::Board;
use savina_problems::n_queens::NQueens;
use savina_problems::n_queens::Step;
use savina_problems::pi_precision::PiPrecision;
use savina_problems::program::BoxError;
use savina_problems::trapezoid;
use savina_problems::trapezoid::Trapezoid;

use crate::actor::Runtime;
use crate::pool;
use crate::pool::Task;

struct Queens(NQueens);

impl Task for Queens {
    type Job = Board;
    type Output = u64;

    fn work(&self, board: Board) -> (Option<u64>, Vec<Board>) {
        match self.0.step(&board) {
            Step::Boards(boards) => (None, boards),
            Step::Solutions(found) => (Some(found), Vec::new()),
        }
    }
}

pub(crate) async fn n_queens<R: Runtime>(problem: NQueens) -> Result<u64, BoxError> {
    let task = Arc::new(Queens(problem));
    Ok(pool::run::<R, _>(problem.workers, task, vec![Board::new()]).await?.into_iter().sum())
}

struct Areas;

impl Task for Areas {
    type Job = trapezoid::Part;
    type Output = f64;

    fn work(&self, part: trapezoid::Part) -> (Option<f64>, Vec<trapezoid::Part>) {
        (Some(part.area()), Vec::new())
    }
}

pub(crate) async fn trapezoid<R: Runtime>(problem: Trapezoid) -> Result<f64, BoxError> {
    let parts = problem.parts().collect();
    Ok(pool::run::<R, _>(problem.workers as usize, Arc::new(Areas), parts).await?.into_iter().sum())
}

struct Terms(PiPrecision);

impl Task for Terms {
    type Job = u32;
    type Output = FixedPoint;

    fn work(&self, k: u32) -> (Option<FixedPoint>, Vec<u32>) {
        (Some(self.0.term(k)), Vec::new())
    }
}

pub(crate) async fn pi_precision<R: Runtime>(problem: PiPrecision) -> Result<FixedPoint, BoxError> {
    let terms = (0..problem.terms()).collect();
    let mut pi = FixedPoint::zero(problem.groups());
    for term in pool::run::<R, _>(problem.workers, Arc::new(Terms(problem)), terms).await? {
        pi.add(&term);
    }
    Ok(pi)
}

struct Parts(Arc<Product>);

impl Task for Parts {
    type Job = Part;
    type Output = ();

    fn work(&self, part: Part) -> (Option<()>, Vec<Part>) {
        (None, self.0.split_or_multiply(part).map(Vec::from).unwrap_or_default())
    }
}

pub(crate) async fn matrix<R: Runtime>(problem: Matrix) -> Result<Arc<Product>, BoxError> {
    let product = Arc::new(problem.factors());
    let task = Arc::new(Parts(Arc::clone(&product)));
    pool::run::<R, _>(problem.workers, task, vec![problem.whole()]).await?;
    Ok(product)
}

/// The goal is the only output.
struct Searches(Grid);

impl Task for Searches {
    type Job = u32;
    type Output = ();

    fn work(&self, node: u32) -> (Option<()>, Vec<u32>) {
        match self.0.search(node) {
            Found::Goal => (Some(()), Vec::new()),
            Found::Rest(nodes) => (None, nodes.into()),
        }
    }

    fn is_over(&self, (): &()) -> bool {
        true
    }
}

pub(crate) async fn a_star<R: Runtime>(problem: AStar) -> Result<Vec<u32>, BoxError> {
    let task = Arc::new(Searches(problem.grid()));
    pool::run::<R, _>(problem.workers, Arc::clone(&task), vec![AStar::START]).await?;
    Ok(task.0.way())
}
