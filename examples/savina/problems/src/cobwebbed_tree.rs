//! A tree that grows where chance has it, and is then traversed: many small actors, a few of them urgent.

use std::hint::black_box;

use crate::program::BoxError;
use crate::program::Problem;
use crate::program::Size;
use crate::program::same;
use crate::random::Random;

/// The parameters.
#[derive(Clone, Copy, Debug)]
pub struct CobwebbedTree {
    /// The most nodes that it may have.
    pub nodes: u32,
    /// How many children a node has, if any.
    pub children: u32,
    /// How much is computed in a node, on average.
    pub work: u32,
    /// By how much that differs.
    pub work_differs: u32,
    /// How many of a hundred nodes with children have one that is urgent.
    pub urgent: u64,
}

/// What a node may have: children from this number on.
#[derive(Clone, Copy, Debug)]
pub struct Grant {
    /// The number of the first.
    pub first: u32,
    /// Which of them is urgent.
    pub urgent: Option<u32>,
    /// How much is computed in each.
    pub work: u32,
}

/// The root, which says who may have children: nodes are numbered as it grants them, and 0 is itself.
#[derive(Clone, Debug)]
pub struct Root {
    problem: CobwebbedTree,
    random: Random,
    size: u32,
    undecided: u32,
}

impl Root {
    /// A root alone, which has not decided about itself.
    pub fn of(problem: CobwebbedTree) -> Self {
        Self { problem, random: Random::new(2), size: 1, undecided: 1 }
    }

    /// Whether a node may have children. By chance, as long as there is room; but the last one that asks always may, so that the tree becomes
    /// as large as it may.
    pub fn decide(&mut self) -> Option<Grant> {
        let CobwebbedTree { children, urgent, .. } = self.problem;
        self.undecided -= 1;
        let has_room = self.size + children <= self.problem.nodes;
        if !has_room || (self.undecided > 0 && self.random.below(2) == 0) {
            return None;
        }
        let first = self.size;
        self.size += children;
        self.undecided += children;
        let urgent = (self.random.below(100) < urgent).then(|| first + self.below(children));
        Some(Grant { first, urgent, work: self.work() })
    }

    /// Whether the tree is as it will be.
    pub fn is_grown(&self) -> bool {
        self.undecided == 0
    }

    /// About normal: the sum of a few that are as likely as each other.
    fn work(&mut self) -> u32 {
        let CobwebbedTree { work, work_differs, .. } = self.problem;
        let sum: u32 = (0..12).map(|_| self.below(work_differs + 1)).sum();
        (work + sum).saturating_sub(6 * work_differs).max(1)
    }

    fn below(&mut self, limit: u32) -> u32 {
        u32::try_from(self.random.below(u64::from(limit))).unwrap_or_default()
    }
}

/// Computes so much.
pub fn compute(work: u32) {
    for turn in 0..work {
        black_box(turn);
    }
}

/// What is computed before a node asks for children.
pub const BEFORE_ASKING: u32 = 100;

impl CobwebbedTree {
    /// How many nodes it has in the end, the root not counted.
    pub fn final_size(&self) -> u32 {
        (self.nodes - 1) / self.children * self.children
    }
}

impl Problem for CobwebbedTree {
    const NAME: &'static str = "cobwebbed-tree";
    const ABOUT: &'static str = "a tree of two hundred thousand grows, and is traversed";
    type Answer = u32;

    fn of(size: Size) -> Self {
        Self { nodes: size.pick(200_000, 2_000), children: 10, work: 500, work_differs: 100, urgent: 50 }
    }

    /// The answer is how many nodes were traversed.
    fn check(&self, traversed: &u32) -> Result<(), BoxError> {
        same("nodes", traversed, &self.final_size())
    }
}
