//! A node is an actor, and knows the addresses of its children.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use savina_problems::cobwebbed_tree::BEFORE_ASKING;
use savina_problems::cobwebbed_tree::CobwebbedTree;
use savina_problems::cobwebbed_tree::Grant;
use savina_problems::cobwebbed_tree::Root;
use savina_problems::cobwebbed_tree::compute;
use savina_problems::program::BoxError;
use tokio::sync::mpsc;

use crate::actor::Actor;
use crate::actor::Answers;
use crate::actor::Next;
use crate::actor::Runtime;
use crate::actor::World;
use crate::actor::answer;
use crate::actor::give;

struct Node<R: Runtime> {
    problem: CobwebbedTree,
    world: World<R>,
    root: R::Address<Decider<R>>,
    /// How much is computed in it.
    work: u32,
    children: Vec<R::Address<Self>>,
    traversed: Arc<AtomicU32>,
    answers: Answers<u32>,
}

enum ToNode {
    AskForChildren,
    HaveChildren(Grant),
    Traverse,
}

impl<R: Runtime> Node<R> {
    /// Starts its children and lets them ask.
    fn bear(&mut self, grant: Grant) {
        for _ in 0..self.problem.children {
            let child = self.world.start(Self {
                problem: self.problem,
                world: self.world.clone(),
                root: self.root.clone(),
                work: grant.work,
                children: Vec::new(),
                traversed: Arc::clone(&self.traversed),
                answers: self.answers.clone(),
            });
            R::send(&child, ToNode::AskForChildren);
            self.children.push(child);
        }
    }
}

impl<R: Runtime> Actor<R> for Node<R> {
    type Message = ToNode;

    fn handle(&mut self, message: ToNode, myself: &R::Address<Self>) -> Next {
        match message {
            ToNode::AskForChildren => {
                compute(BEFORE_ASKING);
                R::send(&self.root, ToDecider::May(myself.clone()));
                Next::Continue
            }
            ToNode::HaveChildren(grant) => {
                self.bear(grant);
                Next::Continue
            }
            ToNode::Traverse => {
                compute(self.work);
                for child in &self.children {
                    R::send(child, ToNode::Traverse);
                }
                let traversed = self.traversed.fetch_add(1, Relaxed) + 1;
                if traversed == self.problem.final_size() {
                    give(&self.answers, traversed);
                }
                Next::Stop
            }
        }
    }
}

/// The root: decides who has children, and traverses the tree when it has grown.
struct Decider<R: Runtime> {
    root: Root,
    problem: CobwebbedTree,
    world: World<R>,
    children: Vec<R::Address<Node<R>>>,
    answers: Answers<u32>,
}

enum ToDecider<R: Runtime> {
    Begin,
    May(R::Address<Node<R>>),
}

impl<R: Runtime> Actor<R> for Decider<R> {
    type Message = ToDecider<R>;

    fn handle(&mut self, message: ToDecider<R>, myself: &R::Address<Self>) -> Next {
        match (message, self.root.decide()) {
            (ToDecider::Begin, Some(grant)) => {
                let (traversed, answers) = (Arc::default(), self.answers.clone());
                let (problem, world, root) = (self.problem, self.world.clone(), myself.clone());
                let children = Vec::new();
                let mut node = Node { problem, world, root, work: 0, children, traversed, answers };
                node.bear(grant);
                self.children = node.children;
            }
            (ToDecider::May(node), Some(grant)) => R::send(&node, ToNode::HaveChildren(grant)),
            (_, None) => {}
        }
        if !self.root.is_grown() {
            return Next::Continue;
        }
        for child in &self.children {
            R::send(child, ToNode::Traverse);
        }
        Next::Stop
    }
}

pub(crate) async fn run<R: Runtime>(problem: CobwebbedTree) -> Result<u32, BoxError> {
    let (world, end) = World::<R>::new();
    let (answers, mut arrived) = mpsc::unbounded_channel();
    let (root, children) = (Root::of(problem), Vec::new());
    let root = world.start(Decider::<R> { root, problem, world: world.clone(), children, answers });
    R::send(&root, ToDecider::Begin);
    let traversed = answer(&mut arrived).await?;
    drop(root);
    end.of(world).await;
    Ok(traversed)
}
