//! How the sender of a job asks it to end.
//!
//! The sender's handle and the job share a mark. The mark is set first, then the job is looked for where it waits, and in the hands of workers.
//! A job that is between two places at that moment is not found; it is looked at for the mark whenever it arrives where it might stay for long,
//! and before it begins.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::fence;

use seral_core::id::JobId;

/// What a job and its handle share.
#[derive(Debug, Default)]
pub(crate) struct Cancellation {
    asked: AtomicBool,
    /// The job has ended. If it is a dead letter, its replay is none of the handle's business.
    over: AtomicBool,
}

impl Cancellation {
    /// Asks the job to end.
    pub(crate) fn ask(&self) {
        self.asked.store(true, SeqCst);
        // Either we see the job in the worker's hand, or the worker sees the mark: see `is_asked_as_it_begins`.
        fence(SeqCst);
    }

    /// Whether the job was asked to end.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(SeqCst)
    }

    /// Whether the job, which its worker has just written down as the one in hand, was asked to end before.
    pub(crate) fn is_asked_as_it_begins(&self) -> bool {
        fence(SeqCst);
        self.is_asked()
    }

    pub(crate) fn set_over(&self) {
        self.over.store(true, SeqCst);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(SeqCst)
    }
}

/// Where a job can be looked for to end it.
pub(crate) trait CancelJob: Send + Sync {
    /// Ends the job if it waits; asks it to end if it runs.
    fn cancel(&self, job: JobId, cancellation: &Cancellation);
}
