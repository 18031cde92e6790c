//! Whom to wake: what an operation under a lock leaves to be done after it.

/// Whom to wake and whom to tell, once the lock is released.
#[must_use = "somebody waits for these wake-ups"]
#[derive(Debug, PartialEq, Eq)]
pub struct Wakes<W> {
    /// The worker to wake for work, if any. On the hot path this is all there is.
    pub worker: Option<W>,
    /// Waiting senders, and workers that should come and leave.
    pub others: Vec<W>,
    /// The mailbox has just been drained, for good or to be kept warm.
    pub drained: bool,
    /// Nothing admitted here is unfinished, for the moment.
    pub quiet: bool,
}

impl<W> Wakes<W> {
    /// Nobody.
    pub const fn none() -> Self {
        Self { worker: None, others: Vec::new(), drained: false, quiet: false }
    }
}

/// What a worker that came to take found.
#[must_use = "a worker that ignores this loses its jobs or waits for ever"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// It got jobs.
    Jobs,
    /// There is nothing to take; it will be woken.
    Idle,
    /// It should stop working here.
    Leave,
}
