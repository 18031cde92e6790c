//! Jobs that come back to the application when their ecosystem or their community shuts down before they are done.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use seral_core::id::Attempt;
use seral_core::id::JobId;
use seral_core::id::Key;
use seral_core::id::Version;

/// How long the hand-back hook of a community may take. With the deadline and the grace before it, that stays within the 30 s that
/// container platforms give a process.
const HOOK_TIME: Duration = Duration::from_secs(3);

/// Why a job was handed back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandBackReason {
    /// It had not been started.
    Waiting,
    /// It was to be started so much later.
    Delayed(Duration),
    /// It was running, was asked to end, and did not finish. No attempt is charged.
    Interrupted,
    /// It was a dead letter, for this reason.
    DeadLetter(String),
}

/// A job that was not done when its ecosystem or its community shut down. Store it, and submit it again after the start.
pub struct HandedBack<J> {
    /// The job.
    pub job: J,
    /// Its number in the community that is gone.
    pub id: JobId,
    /// Its key, if it had one.
    pub key: Option<Key>,
    /// The version that it named, if it named one.
    pub pin: Option<Version>,
    /// The attempt that is to be made next; of a dead letter, the last one that was made.
    pub attempt: Attempt,
    /// Why it was handed back.
    pub reason: HandBackReason,
}

/// Without the job, which need not be printable.
impl<J> fmt::Debug for HandedBack<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandedBack")
            .field("id", &self.id)
            .field("key", &self.key)
            .field("pin", &self.pin)
            .field("attempt", &self.attempt)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

type Pending = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What the application does with jobs that are handed back.
pub(crate) type HandBackHook<J> = Arc<dyn Fn(Vec<HandedBack<J>>) -> Pending + Send + Sync>;

/// Makes a hook of an async closure.
pub(crate) fn hook<J, F, Fut>(take: F) -> HandBackHook<J>
where
    F: Fn(Vec<HandedBack<J>>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    Arc::new(move |jobs| Box::pin(take(jobs)))
}

/// Waits for the hook. Returns whether it came to its end. Not an `async fn`, so that it is compiled here, and not once more for each type of job.
pub(crate) fn taken(taking: Pending) -> Pin<Box<dyn Future<Output = bool> + Send>> {
    Box::pin(async move {
        // A task of its own, so that a panic in it is its own, also before its first `await`.
        let taking = tokio::spawn(taking);
        matches!(tokio::time::timeout(HOOK_TIME, taking).await, Ok(Ok(())))
    })
}
