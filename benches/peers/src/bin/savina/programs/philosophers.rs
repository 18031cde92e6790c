//! An arbiter that has the forks, and philosophers who ask again when they are denied.

use std::marker::PhantomData;

use savina_problems::philosophers::Philosophers;
use savina_problems::philosophers::Table;
use savina_problems::program::BoxError;
use tokio::sync::mpsc;

use crate::actor::Actor;
use crate::actor::Answers;
use crate::actor::Next;
use crate::actor::Runtime;
use crate::actor::World;
use crate::actor::answer;
use crate::actor::give;

struct Arbiter<R> {
    table: Table,
    all: u64,
    answers: Answers<u64>,
    runtime: PhantomData<fn() -> R>,
}

enum ToArbiter<R: Runtime> {
    Hungry(usize, R::Address<Philosopher<R>>),
    Done(usize),
}

impl<R: Runtime> Actor<R> for Arbiter<R> {
    type Message = ToArbiter<R>;

    fn handle(&mut self, message: ToArbiter<R>, _: &R::Address<Self>) -> Next {
        match message {
            ToArbiter::Hungry(number, philosopher) => {
                let answer = if self.table.take(number) { Answer::Eat } else { Answer::Denied };
                R::send(&philosopher, answer);
            }
            ToArbiter::Done(number) => {
                let eaten = self.table.put_back(number);
                if eaten == self.all {
                    give(&self.answers, eaten);
                    return Next::Stop;
                }
            }
        }
        Next::Continue
    }
}

struct Philosopher<R: Runtime> {
    number: usize,
    left: u64,
    arbiter: R::Address<Arbiter<R>>,
}

enum Answer {
    /// Nobody has asked yet.
    Begin,
    Eat,
    Denied,
}

impl<R: Runtime> Actor<R> for Philosopher<R> {
    type Message = Answer;

    fn handle(&mut self, answer: Answer, myself: &R::Address<Self>) -> Next {
        if let Answer::Eat = answer {
            R::send(&self.arbiter, ToArbiter::Done(self.number));
            self.left -= 1;
            if self.left == 0 {
                return Next::Stop;
            }
        }
        R::send(&self.arbiter, ToArbiter::Hungry(self.number, myself.clone()));
        Next::Continue
    }
}

pub(crate) async fn run<R: Runtime>(problem: Philosophers) -> Result<u64, BoxError> {
    let (world, end) = World::<R>::new();
    let (answers, mut arrived) = mpsc::unbounded_channel();
    let (table, all) = (Table::of(problem), problem.all());
    let arbiter = world.start(Arbiter { table, all, answers, runtime: PhantomData });
    for number in 0..problem.philosophers {
        let philosopher = Philosopher { number, left: problem.rounds, arbiter: arbiter.clone() };
        R::send(&world.start(philosopher), Answer::Begin);
    }
    let eaten = answer(&mut arrived).await?;
    end.of(world).await;
    Ok(eaten)
}
