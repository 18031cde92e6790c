//! The watcher: one plain thread for an ecosystem, so that it runs also when all threads of the runtime are blocked.
//!
//! It looks at each worker again and again. One that is still at the same job keeps its job, but what lies on its desk behind that job goes back
//! to the mailbox; a wake-up that has not arrived since the last look is passed on to another worker; and a worker that is late, blocked or
//! long at its job is reported. It reads counters that the workers write anyway, so watching costs a worker nothing.
//!
//! In a simulation it is a task of the runtime instead, and goes by its time. No thread can be blocked there for any time that passes.

use std::sync::Weak;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use seral_core::time::Time;
use tokio::runtime::Handle;

use crate::clock::Clock;
use crate::user_code::guarded;

/// How often the watcher looks. A job behind one that blocks its thread waits at most twice as long.
pub(crate) const INTERVAL: Duration = Duration::from_millis(20);

/// How often it looks in a simulation: an hour is 3,600 looks, and workers are late or long after seconds.
const INTERVAL_SIMULATED: Duration = Duration::from_secs(1);

/// What is watched.
pub(crate) trait Watched: Send + Sync + 'static {
    /// Looks once. `now` is the time of the watcher, which stands still while it does not look.
    fn look(&self, now: Time);
    /// Whether there is nothing to look at any more.
    fn is_over(&self) -> bool;
}

/// Watches until the watched is over or gone. A thread that cannot be started is reported, and does without.
pub(crate) fn watch(watched: Weak<impl Watched>, clock: &Clock) {
    if clock.is_simulated() {
        tokio::spawn(watch_within(watched, clock.clone()));
    } else {
        watch_from_outside(watched);
    }
}

/// Watches within the runtime, by its time.
async fn watch_within(watched: Weak<impl Watched>, clock: Clock) {
    while let Some(watched) = watched.upgrade() {
        if watched.is_over() {
            return;
        }
        guarded(|| watched.look(clock.now()));
        drop(watched);
        tokio::time::sleep(INTERVAL_SIMULATED).await;
    }
}

fn watch_from_outside(watched: Weak<impl Watched>) {
    let runtime = Handle::try_current().ok();
    let look = move || {
        // For the clock, which is the runtime's.
        let _within = runtime.as_ref().map(Handle::enter);
        let (mut now, mut looked) = (Time::ZERO, Instant::now());
        while let Some(watched) = watched.upgrade() {
            if watched.is_over() {
                return;
            }
            // A machine that slept, or had no time for this thread, has not watched: nobody is late for that.
            now = now.after(looked.elapsed().min(INTERVAL * 5));
            looked = Instant::now();
            // A look wakes tasks, and a waker may be anybody's code. Whoever was not looked at is at the next look.
            guarded(|| watched.look(now));
            drop(watched);
            thread::sleep(INTERVAL);
        }
    };
    if let Err(error) = thread::Builder::new().name("seral-watcher".to_owned()).spawn(look) {
        tracing::error!(target: "seral", %error, "the watcher could not be started; jobs may wait behind one that blocks its thread");
    }
}
