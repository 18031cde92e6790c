//! W5: what a worker costs that has nothing to do.

use std::time::Instant;

use crate::measure;
use crate::pool::Idle;
use crate::task::Reading;
use crate::task::Task;

/// The readings of idle workers: to start one, to stop one, and the memory of one. The jobs of the task are the workers.
pub(crate) fn cost<I: Idle>(task: Task) -> Vec<Reading> {
    I::block_on(task.threads, async move {
        let workers = task.jobs as f64;
        if !task.cold {
            I::start(100).await.stop().await;
        }
        let before = measure::memory();
        let began = Instant::now();
        let idle = I::start(task.jobs as usize).await;
        let started = began.elapsed();
        let after = measure::memory();
        let began = Instant::now();
        idle.stop().await;
        let stopped = began.elapsed();
        let mut readings = vec![
            Reading::new("start", "ns/worker", started.as_secs_f64() * 1e9 / workers),
            Reading::new("stop", "ns/worker", stopped.as_secs_f64() * 1e9 / workers),
        ];
        if let (Some(before), Some(after)) = (before, after) {
            readings.push(Reading::new(
                "memory",
                "bytes/worker",
                after.saturating_sub(before) as f64 / workers,
            ));
        }
        readings
    })
}
