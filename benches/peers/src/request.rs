//! W4: how many requests are answered, and how long a caller waits.

use std::time::Instant;

use crate::flow::sum_of;
use crate::measure::Latencies;
use crate::measure::Stopwatch;
use crate::pool::Ask;
use crate::pool::JOBS_IN_A_ROW;
use crate::pool::Pool;
use crate::task::Reading;
use crate::task::Task;

/// The readings of requests: throughput, processor time, and the latencies that the callers saw.
pub(crate) fn latency<P: Pool<Sender: Ask>>(task: Task) -> Vec<Reading> {
    P::block_on(task.threads, async move {
        if !task.cold {
            once::<P>(Task { jobs: task.jobs / 10, ..task }).await;
        }
        once::<P>(task).await
    })
}

async fn once<P: Pool<Sender: Ask>>(task: Task) -> Vec<Reading> {
    let pool = P::start(task.crew()).await;
    let callers = task.work.senders();
    let watch = Stopwatch::start();
    let mut calling = Vec::new();
    for number in 0..callers {
        let sender = pool.sender(number);
        calling.push(pool.spawn(number, ask_all(sender, number as u64, callers as u64, task.jobs)));
    }
    let mut latencies = Latencies::new();
    let mut replies = 0;
    for caller in calling {
        let (seen, sum) = caller.await;
        latencies.add(&seen);
        replies += sum;
    }
    let mut readings = watch.stop(task.jobs).to_vec();
    readings.extend(latencies.readings());
    assert_eq!(replies, sum_of(task.jobs) + task.jobs, "each request has its reply");
    assert_eq!(pool.finish().await, sum_of(task.jobs), "each job is done once");
    readings
}

/// Asks one after the other, each when the one before is answered; gives the latencies, and the sum of the replies.
async fn ask_all<S: Ask>(mut sender: S, first: u64, step: u64, jobs: u64) -> (Latencies, u64) {
    let mut latencies = Latencies::new();
    let (mut sum, mut in_a_row) = (0, 0);
    let mut job = first;
    while job < jobs {
        let asked = Instant::now();
        sum += sender.ask(job).await;
        latencies.note(asked.elapsed());
        job += step;
        in_a_row += 1;
        if in_a_row == JOBS_IN_A_ROW {
            in_a_row = 0;
            tokio::task::yield_now().await;
        }
    }
    (latencies, sum)
}
