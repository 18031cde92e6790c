//! crossfire: one bounded channel, from which all workers take.

use crossfire::MAsyncTx;
use crossfire::mpmc;
use crossfire::mpmc::Array;
use tokio::task::JoinHandle;

use crate::contender::channel::Parcel;
use crate::contender::channel::Request;
use crate::pool::Ask;
use crate::pool::CAPACITY;
use crate::pool::Pool;
use crate::pool::Tell;
use crate::task::Crew;

/// Workers that add up what comes out of one channel.
pub(crate) struct Adders<M: Parcel> {
    sender: MAsyncTx<Array<M>>,
    workers: Vec<JoinHandle<u64>>,
}

impl<M: Parcel> Pool for Adders<M> {
    type Sender = MAsyncTx<Array<M>>;

    async fn start(crew: Crew) -> Self {
        // It is how its documentation wants machines of few cores told from others.
        crossfire::detect_backoff_cfg();
        let (sender, receiver) = mpmc::bounded_async::<M>(CAPACITY);
        let work = |_| {
            let receiver = receiver.clone();
            tokio::spawn(async move {
                let mut sum = 0;
                while let Ok(message) = receiver.recv().await {
                    sum += message.open(crew.spin);
                }
                sum
            })
        };
        Self { sender, workers: (0..crew.workers).map(work).collect() }
    }

    fn sender(&self, _: usize) -> Self::Sender {
        self.sender.clone()
    }

    async fn finish(self) -> u64 {
        drop(self.sender);
        let mut sum = 0;
        for worker in self.workers {
            sum += worker.await.expect("a worker ends without a panic");
        }
        sum
    }
}

impl Tell for MAsyncTx<Array<u64>> {
    async fn tell(&mut self, job: u64) {
        self.send(job).await.expect("a worker");
    }
}

impl Ask for MAsyncTx<Array<Request>> {
    async fn ask(&mut self, job: u64) -> u64 {
        let (request, answer) = Request::new(job);
        assert!(self.send(request).await.is_ok(), "a worker");
        answer.await.expect("a reply")
    }
}
