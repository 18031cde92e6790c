//! W1, W2, W3: how many jobs go through. W6: how much memory they take meanwhile.

use crate::measure;
use crate::measure::Stopwatch;
use crate::pool::JOBS_IN_A_ROW;
use crate::pool::Pool;
use crate::pool::Tell;
use crate::task::Reading;
use crate::task::Task;

/// The readings of a throughput.
pub(crate) fn throughput<P: Pool<Sender: Tell>>(task: Task) -> Vec<Reading> {
    P::block_on(task.threads, async move {
        if !task.cold {
            once::<P>(Task { jobs: task.jobs / 10, ..task }).await;
        }
        once::<P>(task).await.to_vec()
    })
}

/// The readings of memory. There is no warm-up: memory that it left behind would be used again, and not be seen.
pub(crate) fn peak<P: Pool<Sender: Tell>>(task: Task) -> Vec<Reading> {
    P::block_on(task.threads, async move {
        let before = measure::memory();
        let mut readings = once::<P>(task).await.to_vec();
        if let (Some(before), Some(peak)) = (before, measure::memory_peak()) {
            readings.insert(0, Reading::new("peak", "MB", peak.saturating_sub(before) as f64 / 1e6));
        }
        readings
    })
}

/// Sends all jobs and waits for the end of the last. Starting the workers does not count, ending them does: only then is all done.
async fn once<P: Pool<Sender: Tell>>(task: Task) -> [Reading; 2] {
    let pool = P::start(task.crew()).await;
    let senders = task.work.senders();
    let watch = Stopwatch::start();
    let mut sending = Vec::new();
    for number in 0..senders {
        let sender = pool.sender(number);
        sending.push(pool.spawn(number, send_all(sender, number as u64, senders as u64, task.jobs)));
    }
    for sender in sending {
        sender.await;
    }
    let sum = pool.finish().await;
    let readings = watch.stop(task.jobs);
    assert_eq!(sum, sum_of(task.jobs), "each job is done once");
    readings
}

/// Sends the jobs from `first` on, each `step` after the one before.
pub(crate) async fn send_all<S: Tell>(mut sender: S, first: u64, step: u64, jobs: u64) {
    let mut in_a_row = 0;
    let mut job = first;
    while job < jobs {
        sender.tell(job).await;
        job += step;
        in_a_row += 1;
        if in_a_row == JOBS_IN_A_ROW {
            in_a_row = 0;
            tokio::task::yield_now().await;
        }
    }
}

/// What the workers' sum must be.
pub(crate) fn sum_of(jobs: u64) -> u64 {
    jobs * jobs.saturating_sub(1) / 2
}
