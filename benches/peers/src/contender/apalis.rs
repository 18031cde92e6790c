//! apalis with its storage in memory: one worker, which does as many jobs at a time as others have workers.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;

use apalis::prelude::*;
use futures_channel::mpsc;
use futures_util::SinkExt;
use futures_util::StreamExt;
use futures_util::lock::Mutex;
use futures_util::stream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::contender::channel::Parcel;
use crate::contender::channel::Request;
use crate::loss;
use crate::pool;
use crate::pool::Endure;
use crate::pool::Fate;
use crate::pool::Pool;
use crate::task::Crew;

/// What all calls of the handler share. A handler has no state of its own, so the sum is an atomic that each job adds to.
#[derive(Clone)]
struct Shared {
    spin: u64,
    sum: Arc<AtomicU64>,
}

async fn add<M: Parcel>(message: M, shared: Data<Shared>) {
    shared.sum.fetch_add(message.open(shared.spin), Relaxed);
}

type Line<M> = mpsc::UnboundedSender<Task<M>>;

/// The end of the storage into which one sender puts its jobs. A clone of a `MemorySink` must not be used beside another, because it takes
/// their common lock by `try_lock` and panics when it is held; so each has its own, over the same channel.
fn sink<M: Send + Sync + 'static>(line: &Line<M>) -> MemorySink<M> {
    let line = line.clone().sink_map_err(MemoryStorageError::from);
    MemorySink::new(Arc::new(Mutex::new(Box::new(line))))
}

/// A storage in memory, and what comes with it.
struct Storage<M> {
    backend: MemoryStorage<M>,
    /// The way in. When all clones are gone, no job comes any more.
    line: Line<M>,
    /// Tells when the worker has taken the last job. A worker does not stop by itself when nothing comes any more, and one that is stopped
    /// earlier leaves jobs behind.
    emptied: oneshot::Receiver<()>,
    /// The worker wants a way in too. It gets one to here, or its own would keep the storage from ever being at an end.
    elsewhere: mpsc::UnboundedReceiver<Task<M>>,
}

fn storage<M: Send + Sync + 'static>() -> Storage<M> {
    let (line, jobs) = mpsc::unbounded();
    let (unused, elsewhere) = mpsc::unbounded();
    let (end, emptied) = oneshot::channel();
    let mut end = Some(end);
    let jobs = jobs.chain(stream::poll_fn(move |_| {
        if let Some(end) = end.take() {
            let _ = end.send(());
        }
        Poll::Ready(None)
    }));
    Storage { backend: MemoryStorage::new_with(sink(&unused), jobs.boxed()), line, emptied, elsewhere }
}

/// When the worker is to stop.
async fn once(emptied: oneshot::Receiver<()>) -> Result<(), WorkerError> {
    let _ = emptied.await;
    Ok(())
}

/// One worker of apalis.
pub(crate) struct Adders<M> {
    line: Line<M>,
    worker: JoinHandle<Result<(), WorkerError>>,
    sum: Arc<AtomicU64>,
    elsewhere: mpsc::UnboundedReceiver<Task<M>>,
}

impl<M: Parcel + Sync> Pool for Adders<M> {
    type Sender = MemorySink<M>;

    async fn start(crew: Crew) -> Self {
        let Storage { backend, line, emptied, elsewhere } = storage();
        let shared = Shared { spin: crew.spin, sum: Arc::default() };
        let sum = Arc::clone(&shared.sum);
        let builder = WorkerBuilder::new("add").backend(backend);
        let worker = if crew.workers == 1 {
            tokio::spawn(builder.concurrency(1).data(shared).build(add::<M>).run_until(once(emptied)))
        } else {
            let builder = builder.concurrency(crew.workers).parallelize(tokio::spawn);
            tokio::spawn(builder.data(shared).build(add::<M>).run_until(once(emptied)))
        };
        Self { line, worker, sum, elsewhere }
    }

    fn sender(&self, _: usize) -> MemorySink<M> {
        sink(&self.line)
    }

    async fn finish(self) -> u64 {
        drop(self.line);
        self.worker.await.expect("the worker ends without a panic").expect("a clean end");
        drop(self.elsewhere);
        self.sum.load(Relaxed)
    }
}

impl pool::Tell for MemorySink<u64> {
    async fn tell(&mut self, job: u64) {
        self.send(Task::new(job)).await.expect("a worker");
    }
}

impl pool::Ask for MemorySink<Request> {
    async fn ask(&mut self, job: u64) -> u64 {
        let (request, answer) = Request::new(job);
        self.send(Task::new(request)).await.expect("a worker");
        answer.await.expect("a reply")
    }
}

async fn fragile(job: u64, done: Data<Arc<AtomicU64>>) {
    loss::do_or_panic(job, &done);
}

impl Endure for Adders<u64> {
    /// A panic is caught and becomes an error, which is told to whoever listens to the worker's events; the job itself is gone.
    async fn endure(jobs: u64) -> Fate {
        let Storage { backend, line, emptied, elsewhere } = storage();
        let done = Arc::<AtomicU64>::default();
        let worker = WorkerBuilder::new("fragile")
            .backend(backend)
            .concurrency(1)
            .catch_panic()
            .data(Arc::clone(&done))
            .build(fragile)
            .run_until(once(emptied));
        let worker = tokio::spawn(worker);
        let mut sink = sink(&line);
        for job in 0..jobs {
            sink.send(Task::new(job)).await.expect("a worker");
        }
        drop((sink, line));
        worker.await.expect("the worker ends without a panic").expect("a clean end");
        drop(elsewhere);
        Fate { done: done.load(Relaxed), returned: 0 }
    }
}
