//! Jobs that hold a worker until they are let go, and a job that tells that all before it are done.

use tokio::sync::Semaphore;

/// A job of this number, or a higher one, is none to be added up.
pub(crate) const FIRST_SIGNAL: u64 = BELL;
/// A job of this number tells that its turn came.
pub(crate) const BELL: u64 = u64::MAX - 1;
/// A job of this number holds its worker.
pub(crate) const HOLD: u64 = u64::MAX;

/// Where workers are held, and where the one who measures waits.
pub(crate) struct Gate {
    held: Semaphore,
    passes: Semaphore,
    rung: Semaphore,
}

impl Gate {
    /// Nobody is held, and it is shut.
    pub(crate) fn new() -> Self {
        let none = || Semaphore::new(0);
        Self { held: none(), passes: none(), rung: none() }
    }

    // ---- whoever measures ------------------------------------------------------------------------------------------

    /// Waits until one more worker is held.
    pub(crate) async fn holds_one(&self) {
        take_one(&self.held).await;
    }

    /// Lets so many held workers go on.
    pub(crate) fn let_go(&self, workers: usize) {
        self.passes.add_permits(workers);
    }

    /// Waits for a job with the number [`BELL`] to have its turn.
    pub(crate) async fn bell(&self) {
        take_one(&self.rung).await;
    }

    // ---- a worker --------------------------------------------------------------------------------------------------

    /// Does what the number says: it is [`HOLD`] or [`BELL`].
    pub(crate) async fn heed(&self, number: u64) {
        if number == BELL {
            self.rung.add_permits(1);
        } else {
            self.held.add_permits(1);
            take_one(&self.passes).await;
        }
    }
}

async fn take_one(semaphore: &Semaphore) {
    semaphore.acquire().await.expect("it is never closed").forget();
}
