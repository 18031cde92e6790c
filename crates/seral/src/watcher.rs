//! The watcher: one plain thread for an ecosystem, so that it runs also when all threads of the runtime are blocked.
//!
//! Twice in a row it looks at each worker. One that is still at the same job keeps its job, but what lies on its desk behind that job goes back
//! to the mailbox; and a wake-up that has not arrived since the last look is passed on to another worker. It reads counters that the
//! workers write anyway, so watching costs a worker nothing.

use std::sync::Weak;
use std::thread;
use std::time::Duration;

/// How often the watcher looks. A job behind one that blocks its thread waits at most twice as long.
pub(crate) const INTERVAL: Duration = Duration::from_millis(20);

/// What is watched.
pub(crate) trait Watched: Send + Sync + 'static {
    /// Looks once.
    fn look(&self);
    /// Whether there is nothing to look at any more.
    fn is_over(&self) -> bool;
}

/// Watches until the watched is over or gone. A thread that cannot be started is reported, and does without.
pub(crate) fn watch(watched: Weak<impl Watched>) {
    let look = move || {
        while let Some(watched) = watched.upgrade() {
            if watched.is_over() {
                return;
            }
            watched.look();
            drop(watched);
            thread::sleep(INTERVAL);
        }
    };
    if let Err(error) = thread::Builder::new().name("seral-watcher".to_owned()).spawn(look) {
        tracing::error!(target: "seral", %error, "the watcher could not be started; jobs may wait behind one that blocks its thread");
    }
}
