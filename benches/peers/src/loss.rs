//! W9: one percent of the jobs panics. How many jobs nobody has in the end.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::pool::Endure;
use crate::task::Reading;
use crate::task::Task;

/// What the panics say.
const BAD: &str = "this job is bad";

/// Does a job, or panics over it: each hundredth does. Counts what is done.
pub(crate) fn do_or_panic(job: u64, done: &AtomicU64) {
    assert!(job % 100 != 99, "{BAD}");
    done.fetch_add(1, Relaxed);
}

/// The readings of a loss: how many jobs are lost, and how many came back to somebody.
pub(crate) fn count<E: Endure>(task: Task) -> Vec<Reading> {
    be_silent_about_bad_jobs();
    let fate = E::block_on(task.threads, E::endure(task.jobs));
    let panics = task.jobs / 100;
    assert!(fate.done <= task.jobs - panics, "a job that panics is not done, and none is done twice");
    let lost = task.jobs.checked_sub(fate.done + fate.returned);
    let lost = lost.expect("no job is both done and returned");
    vec![
        Reading::new("sent", "jobs", task.jobs as f64),
        Reading::new("panicked", "jobs", panics as f64),
        Reading::new("returned", "jobs", fate.returned as f64),
        Reading::new("lost", "jobs", lost as f64),
    ]
}

/// Waits until nothing gets done any more, where that cannot be asked for; gives how many are done.
pub(crate) async fn settled(done: &AtomicU64) -> u64 {
    let mut before = u64::MAX;
    while before != done.load(Relaxed) {
        before = done.load(Relaxed);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    before
}

/// Many panics that were asked for need not be told one by one; all others are.
fn be_silent_about_bad_jobs() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let text = panic.payload().downcast_ref::<String>().map(String::as_str);
        if text.or(panic.payload().downcast_ref::<&str>().copied()) != Some(BAD) {
            usual(panic);
        }
    }));
}
