//! tokio's mpsc: it has one receiver, so each worker has a bounded channel of its own, used in turn.

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::contender::channel::Parcel;
use crate::contender::channel::Request;
use crate::pool::Ask;
use crate::pool::CAPACITY;
use crate::pool::Pool;
use crate::pool::Tell;
use crate::task::Crew;

/// Workers that add up what comes out of their channels.
pub(crate) struct Adders<M> {
    senders: Vec<mpsc::Sender<M>>,
    workers: Vec<JoinHandle<u64>>,
}

/// Sends to the workers in turn.
pub(crate) struct InTurn<M> {
    senders: Vec<mpsc::Sender<M>>,
    next: usize,
}

impl<M> InTurn<M> {
    fn next(&mut self) -> &mpsc::Sender<M> {
        self.next = (self.next + 1) % self.senders.len();
        &self.senders[self.next]
    }
}

impl<M: Parcel> Pool for Adders<M> {
    type Sender = InTurn<M>;

    async fn start(crew: Crew) -> Self {
        let (mut senders, mut workers) = (Vec::new(), Vec::new());
        for _ in 0..crew.workers {
            let (sender, mut receiver) = mpsc::channel::<M>(CAPACITY);
            senders.push(sender);
            workers.push(tokio::spawn(async move {
                let mut sum = 0;
                while let Some(message) = receiver.recv().await {
                    sum += message.open(crew.spin);
                }
                sum
            }));
        }
        Self { senders, workers }
    }

    fn sender(&self, number: usize) -> InTurn<M> {
        InTurn { senders: self.senders.clone(), next: number }
    }

    async fn finish(self) -> u64 {
        drop(self.senders);
        let mut sum = 0;
        for worker in self.workers {
            sum += worker.await.expect("a worker ends without a panic");
        }
        sum
    }
}

impl Tell for InTurn<u64> {
    async fn tell(&mut self, job: u64) {
        self.next().send(job).await.expect("a worker");
    }
}

impl Ask for InTurn<Request> {
    async fn ask(&mut self, job: u64) -> u64 {
        let (request, answer) = Request::new(job);
        assert!(self.next().send(request).await.is_ok(), "a worker");
        answer.await.expect("a reply")
    }
}
