//! What programs have in common: where an answer arrives, and the end.

use std::num::NonZeroUsize;
use std::thread::available_parallelism;
use std::time::Duration;

use savina_problems::program::BoxError;
use seral::Ecosystem;
use seral::ShutdownEnd;
use tokio::sync::mpsc;

/// Where a worker puts an answer. It is not a channel for one value, because a factory may have to make its worker again.
pub(crate) type Answers<T> = mpsc::UnboundedSender<T>;

/// The next answer.
pub(crate) async fn answer<T>(answers: &mut mpsc::UnboundedReceiver<T>) -> Result<T, BoxError> {
    Ok(answers.recv().await.ok_or("all workers have gone without an answer")?)
}

/// Lets all jobs finish, those that they send as well, and all workers leave.
pub(crate) async fn end(ecosystem: &Ecosystem) -> Result<(), BoxError> {
    let report = ecosystem.shutdown(Duration::from_secs(60)).await;
    if report.end == ShutdownEnd::Finished { Ok(()) } else { Err(report.to_string().into()) }
}

/// As many workers as there are cores, where it is up to us.
pub(crate) fn cores() -> usize {
    available_parallelism().map_or(1, NonZeroUsize::get)
}
