//! How many jobs a worker takes at once.
//!
//! Taking many pays the mailbox's lock once; but jobs that were taken and not begun must not wait behind a slow one, so a worker
//! whose job has to wait gives the rest of its batch back. A worker that keeps giving back takes fewer next time, one that
//! finishes full batches takes more.

/// The most jobs a worker takes at once. Measured: 16 has nearly all that 64 has.
pub const BATCH_MAX: usize = 16;

/// How a batch went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Batch {
    /// Some jobs were given back.
    GivenBack,
    /// As many jobs were taken as the worker wanted, and all were processed in one go.
    Full,
    /// Fewer jobs were there than wanted.
    Short,
}

/// How many jobs to take next, after a batch of at most `batch` jobs that went like this.
#[must_use = "the batch size is what tuning is for"]
pub fn next_batch(batch: usize, went: Batch) -> usize {
    match went {
        Batch::GivenBack => (batch / 2).max(1),
        Batch::Full => (batch * 2).min(BATCH_MAX),
        Batch::Short => batch,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_jobs_are_soon_taken_one_by_one_and_fast_ones_in_full_batches() {
        let after = |went, batches| (0..batches).fold(BATCH_MAX, |batch, _| next_batch(batch, went));
        assert_eq!(after(Batch::GivenBack, 4), 1);
        assert_eq!(after(Batch::GivenBack, 40), 1);
        assert_eq!((0..4).fold(1, |batch, _| next_batch(batch, Batch::Full)), BATCH_MAX);
        assert_eq!(next_batch(BATCH_MAX, Batch::Full), BATCH_MAX);
        assert_eq!(next_batch(4, Batch::Short), 4);
    }
}
