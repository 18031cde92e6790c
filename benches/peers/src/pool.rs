//! What the works ask of a contender. Each contender implements these traits in the way its documentation recommends.

use std::future::Future;

use crate::task::Crew;

/// How many jobs may wait for a worker, where a contender can bound that at all. It is Seral's default.
pub(crate) const CAPACITY: usize = 10_000;

/// So many jobs are sent in a row before the sender lets others run; the same for all.
pub(crate) const JOBS_IN_A_ROW: u64 = 1024;

/// Workers that add up numbers, from their start to their end.
pub(crate) trait Pool: Sized + Send + Sync + 'static {
    /// A way to send to the workers, owned by one sender.
    type Sender: Send + 'static;

    fn start(crew: Crew) -> impl Future<Output = Self> + Send;

    /// The way for the sender of this number.
    fn sender(&self, number: usize) -> Self::Sender;

    /// Lets the workers do what they still have, ends them, and gives the sum of the jobs that they did.
    fn finish(self) -> impl Future<Output = u64> + Send;

    /// Starts a task beside the workers, in the way in which this contender's senders run.
    fn spawn<T: Send + 'static>(
        &self,
        number: usize,
        task: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> + Send {
        let _ = number;
        let running = tokio::spawn(task);
        async move { running.await.expect("the task ends without a panic") }
    }

    /// Runs the whole work in the runtime that this contender needs.
    fn block_on<T: Send + 'static>(threads: usize, work: impl Future<Output = T> + Send + 'static) -> T {
        block_on_tokio(threads, work)
    }
}

/// Sends a job without a reply, waiting for room if there is none.
pub(crate) trait Tell {
    fn tell(&mut self, job: u64) -> impl Future<Output = ()> + Send;
}

/// Sends a job and waits for the reply, which is the job plus one.
pub(crate) trait Ask {
    fn ask(&mut self, job: u64) -> impl Future<Output = u64> + Send;
}

/// Workers that have nothing to do.
pub(crate) trait Idle: Sized + Send + 'static {
    /// Starts so many, and keeps a reference to each. Ready when all have started.
    fn start(count: usize) -> impl Future<Output = Self> + Send;

    /// Stops them. Ready when all have stopped.
    fn stop(self) -> impl Future<Output = ()> + Send;

    /// Runs the whole work in the runtime that this contender needs.
    fn block_on<T: Send + 'static>(threads: usize, work: impl Future<Output = T> + Send + 'static) -> T {
        block_on_tokio(threads, work)
    }
}

/// What became of the jobs of a run in which some panicked. What is in neither number is lost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fate {
    pub(crate) done: u64,
    /// Jobs that did not get done and that somebody has in hand: a dead letter, or the sender.
    pub(crate) returned: u64,
}

/// Sends jobs of which some panic to one supervised worker, and makes up the count.
pub(crate) trait Endure {
    fn endure(jobs: u64) -> impl Future<Output = Fate> + Send + 'static;

    /// Runs the whole work in the runtime that this contender needs.
    fn block_on<T: Send + 'static>(threads: usize, work: impl Future<Output = T> + Send + 'static) -> T {
        block_on_tokio(threads, work)
    }
}

/// The runtime of all contenders but one. The work itself is a task, so that it runs on the same threads as what it starts.
fn block_on_tokio<T: Send + 'static>(threads: usize, work: impl Future<Output = T> + Send + 'static) -> T {
    let mut builder = match threads {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = builder.worker_threads(threads).enable_all().build().expect("a runtime");
    runtime.block_on(async { tokio::spawn(work).await.expect("the work ends without a panic") })
}
