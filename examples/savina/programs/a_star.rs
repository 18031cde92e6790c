//! A pool that sends to itself: what one search has not looked at becomes jobs, those nearer to the goal with a higher priority.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use savina_problems::a_star::AStar;
use savina_problems::a_star::Found;
use savina_problems::a_star::Grid;
use seral::Priority;
use seral::prelude::*;

use crate::stage::end;

struct Searcher {
    problem: AStar,
    grid: Arc<Grid>,
    own: Community<u32, ()>,
    is_found: Arc<AtomicBool>,
}

impl Worker for Searcher {
    /// The node to search on from.
    type Job = u32;
    type Output = ();

    async fn process(&mut self, node: &u32, _: &JobContext) -> Result<(), Fault> {
        if self.is_found.load(Relaxed) {
            return Ok(());
        }
        match self.grid.search(*node) {
            Found::Goal => self.is_found.store(true, Relaxed),
            Found::Rest(nodes) => {
                for node in nodes {
                    self.own.submit(node).priority(urgency(self.problem.distance(node))).send().await?;
                }
            }
        }
        Ok(())
    }
}

/// The suite has thirty priorities, of which its defaults use four.
fn urgency(distance: usize) -> Priority {
    match distance {
        0 | 1 => Priority::High,
        2 => Priority::Normal,
        _ => Priority::Low,
    }
}

pub(crate) async fn run(problem: AStar) -> Result<Vec<u32>, BoxError> {
    let ecosystem = Ecosystem::new("a-star");
    let (grid, is_found) = (Arc::new(problem.grid()), Arc::new(AtomicBool::new(false)));
    let nodes = ecosystem.community("nodes").mailbox(problem.edge.pow(3)).await?;
    let (own, of_all) = (nodes.clone(), Arc::clone(&grid));
    let searcher = move || {
        let (grid, is_found) = (Arc::clone(&of_all), Arc::clone(&is_found));
        Searcher { problem, grid, own: own.clone(), is_found }
    };
    nodes.deploy("1.0.0", Pool::of(problem.workers, searcher)).await?;

    nodes.send(AStar::START).await?;
    end(&ecosystem).await?;
    Ok(grid.way())
}
