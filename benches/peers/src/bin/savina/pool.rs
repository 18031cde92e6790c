//! Workers that get their jobs from a master, in turn, and tell it what came of them, as the suite's programs have it.

use std::sync::Arc;

use savina_problems::program::BoxError;
use tokio::sync::mpsc;

use crate::actor::Actor;
use crate::actor::Answers;
use crate::actor::End;
use crate::actor::Next;
use crate::actor::Runtime;
use crate::actor::World;
use crate::actor::answer;
use crate::actor::give;

/// What the workers do.
pub(crate) trait Task: Send + Sync + 'static {
    type Job: Send + 'static;
    type Output: Send + 'static;

    /// Does a job: what came of it, and what is to be done next.
    fn work(&self, job: Self::Job) -> (Option<Self::Output>, Vec<Self::Job>);
    /// Whether nothing more is to be done, after this output.
    fn is_over(&self, _: &Self::Output) -> bool {
        false
    }
}

struct Worker<R: Runtime, T: Task> {
    task: Arc<T>,
    master: R::Address<Master<R, T>>,
}

impl<R: Runtime, T: Task> Actor<R> for Worker<R, T> {
    type Message = T::Job;

    fn handle(&mut self, job: T::Job, _: &R::Address<Self>) -> Next {
        let (output, more) = self.task.work(job);
        R::send(&self.master, ToMaster::Done(output, more));
        Next::Continue
    }
}

/// Knows how many jobs are under way.
struct Master<R: Runtime, T: Task> {
    task: Arc<T>,
    world: World<R>,
    size: usize,
    workers: Vec<R::Address<Worker<R, T>>>,
    given: usize,
    done: usize,
    outputs: Vec<T::Output>,
    answers: Answers<Vec<T::Output>>,
}

enum ToMaster<T: Task> {
    Begin(Vec<T::Job>),
    Done(Option<T::Output>, Vec<T::Job>),
}

impl<R: Runtime, T: Task> Actor<R> for Master<R, T> {
    type Message = ToMaster<T>;

    fn handle(&mut self, message: ToMaster<T>, myself: &R::Address<Self>) -> Next {
        let (jobs, mut is_over) = match message {
            ToMaster::Begin(jobs) => {
                let worker = || Worker { task: Arc::clone(&self.task), master: myself.clone() };
                self.workers = (0..self.size).map(|_| self.world.start(worker())).collect();
                (jobs, false)
            }
            ToMaster::Done(output, jobs) => {
                self.done += 1;
                let is_over = output.as_ref().is_some_and(|output| self.task.is_over(output));
                self.outputs.extend(output);
                (jobs, is_over)
            }
        };
        for job in jobs {
            R::send(&self.workers[self.given % self.workers.len()], job);
            self.given += 1;
        }
        is_over |= self.given == self.done;
        if !is_over {
            return Next::Continue;
        }
        self.workers.iter().for_each(R::stop);
        give(&self.answers, std::mem::take(&mut self.outputs));
        Next::Stop
    }
}

/// Lets so many workers do these jobs, and all that come of them; gives all outputs, in the order in which they came.
pub(crate) async fn run<R: Runtime, T: Task>(
    size: usize,
    task: Arc<T>,
    jobs: Vec<T::Job>,
) -> Result<Vec<T::Output>, BoxError> {
    let (world, end): (World<R>, End) = World::new();
    let (answers, mut arrived) = mpsc::unbounded_channel();
    let master = world.start(Master {
        task,
        world: world.clone(),
        size,
        workers: Vec::new(),
        given: 0,
        done: 0,
        outputs: Vec::new(),
        answers,
    });
    R::send(&master, ToMaster::Begin(jobs));
    let outputs = answer(&mut arrived).await?;
    end.of(world).await;
    Ok(outputs)
}
