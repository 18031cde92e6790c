//! A way through a grid of three dimensions, searched by many at once, where what is nearer to the goal is more urgent.

use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use crate::program::BoxError;
use crate::program::Problem;
use crate::program::Size;
use crate::program::same;
use crate::random::Random;

/// The parameters.
#[derive(Clone, Copy, Debug)]
pub struct AStar {
    /// How many workers search.
    pub workers: usize,
    /// How many nodes an edge of the grid has.
    pub edge: usize,
    /// So many nodes are looked at in one go.
    pub threshold: usize,
}

const NOBODY: u32 = u32::MAX;

/// The nodes: where one can go from each, and from where each was reached first.
#[derive(Debug)]
pub struct Grid {
    problem: AStar,
    neighbours: Vec<Vec<u32>>,
    reached_from: Vec<AtomicU32>,
}

/// What a search came to.
#[derive(Clone, Debug)]
pub enum Found {
    /// The goal.
    Goal,
    /// These nodes have not been looked at yet.
    Rest(VecDeque<u32>),
}

impl AStar {
    /// Where the search begins.
    pub const START: u32 = 0;

    /// The grid, with ways in ascending directions, about half of them.
    pub fn grid(&self) -> Grid {
        let mut random = Random::new(123_456);
        let nodes = self.edge.pow(3);
        let neighbours = (0..nodes).map(|node| self.neighbours(node, &mut random)).collect();
        let reached_from = (0..nodes).map(|_| AtomicU32::new(NOBODY)).collect();
        Grid { problem: *self, neighbours, reached_from }
    }

    fn neighbours(&self, node: usize, random: &mut Random) -> Vec<u32> {
        let mut found = Vec::new();
        let place = self.place(node);
        // Not itself, and not the opposite corner.
        for step in 1..7 {
            let must = step == 6 && found.is_empty();
            if must || random.below(2) == 1 {
                let to = [place[0] + (step >> 2), place[1] + (step >> 1 & 1), place[2] + (step & 1)];
                let to = self.node(to.map(|at| at.min(self.edge - 1)));
                if to != node && !found.contains(&number(to)) {
                    found.push(number(to));
                }
            }
        }
        found
    }

    /// The goal, at four fifths of each edge.
    fn goal(&self) -> u32 {
        number(self.node([self.edge * 4 / 5; 3]))
    }

    fn node(&self, [x, y, z]: [usize; 3]) -> usize {
        (x * self.edge + y) * self.edge + z
    }

    fn place(&self, node: usize) -> [usize; 3] {
        [node / self.edge / self.edge, node / self.edge % self.edge, node % self.edge]
    }

    /// How far a node is from the far corner, in eighths of the grid as the suite has it: the less, the more urgent.
    pub fn distance(&self, node: u32) -> usize {
        let nearest = self.place(node as usize).into_iter().min().unwrap_or_default();
        (self.edge - nearest) / 8
    }
}

impl Grid {
    /// Searches on from this node.
    pub fn search(&self, from: u32) -> Found {
        let goal = self.problem.goal();
        let mut waiting = VecDeque::from([from]);
        for _ in 0..self.problem.threshold {
            let Some(node) = waiting.pop_front() else { break };
            think();
            for neighbour in &self.neighbours[node as usize] {
                let place = &self.reached_from[*neighbour as usize];
                if *neighbour != AStar::START
                    && place.compare_exchange(NOBODY, node, Relaxed, Relaxed).is_ok()
                {
                    if *neighbour == goal {
                        return Found::Goal;
                    }
                    waiting.push_back(*neighbour);
                }
            }
        }
        Found::Rest(waiting)
    }

    /// The way to the goal, from its end, as long as it goes on.
    pub fn way(&self) -> Vec<u32> {
        let before =
            |node: &u32| Some(self.reached_from[*node as usize].load(Relaxed)).filter(|node| *node != NOBODY);
        std::iter::successors(Some(self.problem.goal()), before).collect()
    }
}

/// What the suite does for each node, so that there is something to do.
fn think() {
    let mut random = Random::new(1);
    for _ in 0..100 {
        black_box(random.number());
    }
}

fn number(node: usize) -> u32 {
    u32::try_from(node).unwrap_or(NOBODY)
}

impl Problem for AStar {
    const NAME: &'static str = "a-star";
    const ABOUT: &'static str = "a way through a grid, the nearest first";
    type Answer = Vec<u32>;

    fn of(size: Size) -> Self {
        Self { workers: 20, edge: size.pick(30, 10), threshold: size.pick(1_024, 32) }
    }

    /// The answer is a way from the goal back to the start, which must be one in the grid.
    fn check(&self, way: &Vec<u32>) -> Result<(), BoxError> {
        let grid = self.grid();
        let is_step = |step: &[u32]| grid.neighbours[step[1] as usize].contains(&step[0]);
        same("start of the way", &way.last(), &Some(&Self::START))?;
        same("goal of the way", &way.first(), &Some(&self.goal()))?;
        same("a way in the grid", &way.windows(2).all(is_step), &true)
    }
}
