//! A manager that has the buffer, and tells producers when to produce, because mailboxes are not bounded.

use std::collections::VecDeque;

use savina_problems::bounded_buffer::BoundedBuffer;
use savina_problems::bounded_buffer::Consumed;
use savina_problems::program::BoxError;
use tokio::sync::mpsc;

use crate::actor::Actor;
use crate::actor::Answers;
use crate::actor::Next;
use crate::actor::Runtime;
use crate::actor::World;
use crate::actor::answer;
use crate::actor::give;

struct Manager<R: Runtime> {
    problem: BoundedBuffer,
    buffer: VecDeque<u64>,
    producers: VecDeque<R::Address<Producer<R>>>,
    consumers: VecDeque<R::Address<Consumer<R>>>,
    producing: usize,
    consumed: Consumed,
    answers: Answers<Consumed>,
}

enum ToManager<R: Runtime> {
    Produced(u64, R::Address<Producer<R>>),
    ProducerEnds,
    /// This one waits for an item, and has consumed that one.
    Consumer(R::Address<Consumer<R>>, Option<u64>),
}

impl<R: Runtime> Actor<R> for Manager<R> {
    type Message = ToManager<R>;

    fn handle(&mut self, message: ToManager<R>, _: &R::Address<Self>) -> Next {
        match message {
            ToManager::Produced(item, producer) => {
                match self.consumers.pop_front() {
                    Some(consumer) => R::send(&consumer, item),
                    None => self.buffer.push_back(item),
                }
                // Each producer may have one item under way.
                if self.buffer.len() + self.problem.producers >= self.problem.buffer {
                    self.producers.push_back(producer);
                } else {
                    R::send(&producer, ());
                }
            }
            ToManager::ProducerEnds => self.producing -= 1,
            ToManager::Consumer(consumer, consumed) => {
                if let Some(item) = consumed {
                    self.consumed = (self.consumed.0 + 1, self.consumed.1 + item);
                }
                match self.buffer.pop_front() {
                    None => self.consumers.push_back(consumer),
                    Some(item) => {
                        R::send(&consumer, item);
                        if let Some(producer) = self.producers.pop_front() {
                            R::send(&producer, ());
                        }
                    }
                }
            }
        }
        if self.producing > 0 || self.consumers.len() < self.problem.consumers {
            return Next::Continue;
        }
        self.consumers.iter().for_each(R::stop);
        give(&self.answers, self.consumed);
        Next::Stop
    }
}

struct Producer<R: Runtime> {
    problem: BoundedBuffer,
    manager: R::Address<Manager<R>>,
    items: std::ops::Range<u64>,
}

impl<R: Runtime> Actor<R> for Producer<R> {
    /// Produce an item.
    type Message = ();

    fn handle(&mut self, (): (), myself: &R::Address<Self>) -> Next {
        match self.items.next() {
            Some(item) => {
                self.problem.work();
                R::send(&self.manager, ToManager::Produced(item, myself.clone()));
                Next::Continue
            }
            None => {
                R::send(&self.manager, ToManager::ProducerEnds);
                Next::Stop
            }
        }
    }
}

struct Consumer<R: Runtime> {
    problem: BoundedBuffer,
    manager: R::Address<Manager<R>>,
}

impl<R: Runtime> Actor<R> for Consumer<R> {
    type Message = u64;

    fn handle(&mut self, item: u64, myself: &R::Address<Self>) -> Next {
        self.problem.work();
        R::send(&self.manager, ToManager::Consumer(myself.clone(), Some(item)));
        Next::Continue
    }
}

pub(crate) async fn run<R: Runtime>(problem: BoundedBuffer) -> Result<Consumed, BoxError> {
    let (world, end) = World::<R>::new();
    let (answers, mut arrived) = mpsc::unbounded_channel();
    let manager = world.start(Manager {
        problem,
        buffer: VecDeque::new(),
        producers: VecDeque::new(),
        consumers: VecDeque::new(),
        producing: problem.producers,
        consumed: (0, 0),
        answers,
    });
    for _ in 0..problem.consumers {
        let consumer = world.start(Consumer { problem, manager: manager.clone() });
        R::send(&manager, ToManager::Consumer(consumer, None));
    }
    for number in 0..problem.producers {
        let items = problem.items_of(number);
        let producer = world.start(Producer { problem, manager: manager.clone(), items });
        R::send(&producer, ());
    }
    let consumed = answer(&mut arrived).await?;
    end.of(world).await;
    Ok(consumed)
}
