//! A node is a key, not an actor: jobs for one node run in order and one at a time. What a node knows of its children lies in a table that all share;
//! what it needs for one job comes with the job. Urgent nodes are traversed by jobs of a higher priority.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use savina_problems::cobwebbed_tree::BEFORE_ASKING;
use savina_problems::cobwebbed_tree::CobwebbedTree;
use savina_problems::cobwebbed_tree::Grant;
use savina_problems::cobwebbed_tree::Root;
use savina_problems::cobwebbed_tree::compute;
use seral::Priority;
use seral::prelude::*;
use tokio::sync::mpsc;

use crate::stage::Answers;
use crate::stage::answer;
use crate::stage::cores;
use crate::stage::end;

/// What there is to do for a node.
#[derive(Clone, Copy, Debug)]
enum What {
    AskForChildren,
    HaveChildren(Grant),
    /// With so much to compute in it.
    Traverse(u32),
}

#[derive(Clone, Copy, Debug)]
struct Visit {
    node: u32,
    what: What,
}

type Nodes = Community<Visit, ()>;

async fn send(nodes: &Nodes, node: u32, what: What, priority: Priority) -> Result<(), Fault> {
    nodes.submit(Visit { node, what }).key(u64::from(node)).priority(priority).send().await?;
    Ok(())
}

/// Sends all children on their way.
async fn traverse(nodes: &Nodes, problem: CobwebbedTree, grant: Grant) -> Result<(), Fault> {
    for child in grant.first..grant.first + problem.children {
        let priority = if grant.urgent == Some(child) { Priority::High } else { Priority::Normal };
        send(nodes, child, What::Traverse(grant.work), priority).await?;
    }
    Ok(())
}

struct Node {
    problem: CobwebbedTree,
    nodes: Nodes,
    root: Community<u32, ()>,
    children: Arc<Vec<OnceLock<Grant>>>,
    traversed: Arc<AtomicU32>,
    answers: Answers<u32>,
}

impl Worker for Node {
    type Job = Visit;
    type Output = ();

    async fn process(&mut self, &Visit { node, what }: &Visit, _: &JobContext) -> Result<(), Fault> {
        let children = &self.children[node as usize];
        match what {
            What::AskForChildren => {
                compute(BEFORE_ASKING);
                self.root.send(node).await?;
            }
            What::HaveChildren(grant) => {
                children.get_or_init(|| grant);
                for child in grant.first..grant.first + self.problem.children {
                    send(&self.nodes, child, What::AskForChildren, Priority::Normal).await?;
                }
            }
            What::Traverse(work) => {
                compute(work);
                if let Some(grant) = children.get() {
                    traverse(&self.nodes, self.problem, *grant).await?;
                }
                let traversed = self.traversed.fetch_add(1, Relaxed) + 1;
                if traversed == self.problem.final_size() {
                    self.answers.send(traversed)?;
                }
            }
        }
        Ok(())
    }
}

/// Decides who has children, and sends everybody on their way when the tree has grown.
struct Decider {
    problem: CobwebbedTree,
    root: Root,
    own: Option<Grant>,
    nodes: Nodes,
}

impl Worker for Decider {
    /// The node that asks.
    type Job = u32;
    type Output = ();

    async fn process(&mut self, &node: &u32, _: &JobContext) -> Result<(), Fault> {
        if let Some(grant) = self.root.decide() {
            self.own.get_or_insert(grant);
            send(&self.nodes, node, What::HaveChildren(grant), Priority::Normal).await?;
        }
        if let (true, Some(grant)) = (self.root.is_grown(), self.own) {
            traverse(&self.nodes, self.problem, grant).await?;
        }
        Ok(())
    }
}

pub(crate) async fn run(problem: CobwebbedTree) -> Result<u32, BoxError> {
    let ecosystem = Ecosystem::new("cobwebbed-tree");
    let (answers, mut arrived) = mpsc::unbounded_channel();
    let root = ecosystem.community("root").await?;
    // With room for all nodes, which send ten for one to each other.
    let nodes: Nodes = ecosystem.community("nodes").mailbox(problem.nodes as usize).await?;
    let of_root = nodes.clone();
    let decider = move || Decider { problem, root: Root::of(problem), own: None, nodes: of_root.clone() };
    root.deploy("1.0.0", Pool::of(1, decider)).await?;
    let (own, to_root) = (nodes.clone(), root.clone());
    let children: Arc<Vec<_>> = Arc::new((0..problem.nodes).map(|_| OnceLock::new()).collect());
    let traversed = Arc::new(AtomicU32::new(0));
    let node = move || Node {
        problem,
        nodes: own.clone(),
        root: to_root.clone(),
        children: Arc::clone(&children),
        traversed: Arc::clone(&traversed),
        answers: answers.clone(),
    };
    nodes.deploy("1.0.0", Pool::of(cores(), node)).await?;

    root.send(0).await?;
    let traversed = answer(&mut arrived).await?;
    end(&ecosystem).await?;
    Ok(traversed)
}
