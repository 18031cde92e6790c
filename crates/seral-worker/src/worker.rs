//! The trait that users implement.

use std::future::Future;

use seral_core::id::Attempt;

use crate::context::Cycle;
use crate::context::JobContext;
use crate::context::StartContext;
use crate::fault::Fault;
use crate::fault::FaultKind;

/// Code that processes jobs, one at a time, with state of its own.
///
/// Only [`process`](Self::process) is required. A pool makes as many workers as it is asked for, each by a call of its factory; a worker
/// that panics is dropped and made anew, so what must survive belongs outside of it.
///
/// ```
/// # use seral_worker::{Fault, JobContext, Worker};
/// struct Doubler;
///
/// impl Worker for Doubler {
///     type Job = u32;
///     type Output = u32;
///
///     async fn process(&mut self, job: &u32, _cx: &JobContext) -> Result<u32, Fault> {
///         Ok(job.checked_mul(2).ok_or("too large to double")?)
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a worker",
    label = "this does not process jobs",
    note = "implement `Worker` for `{Self}`, or use a closure: `Pool::of_fn(5, |job: Job, cx| async move {{ Ok(output) }})`"
)]
pub trait Worker: Send + 'static {
    /// What the worker processes. It is lent, so that a retry needs no copy.
    type Job: Send + Sync + 'static;

    /// What comes of a job. `()` if nobody asks.
    type Output: Send + 'static;

    /// Connects, loads, warms up. Runs before the first job, and again after a restart.
    ///
    /// # Errors
    ///
    /// A fault means that the worker cannot work. During a deploy that fails the deploy, which changes nothing else; later the
    /// start is tried again, with growing delays.
    fn start(&mut self, cx: &StartContext) -> impl Future<Output = Result<(), Fault>> + Send {
        let _ = cx;
        async { Ok(()) }
    }

    /// Processes one job.
    ///
    /// Must not block the thread: other workers run on it. Code that blocks goes into [`JobContext::blocking`]. The future is dropped at its
    /// next `await` if the job has a timeout and that is over; then the attempt counts as failed. It is also dropped if the ecosystem or the community shuts
    /// down and its time is up; then the job is handed back.
    ///
    /// # Errors
    ///
    /// A fault says what should become of the job; plain `?` on any error means *try again*. A panic counts as that too, and the worker
    /// is made anew.
    fn process(
        &mut self,
        job: &Self::Job,
        cx: &JobContext,
    ) -> impl Future<Output = Result<Self::Output, Fault>> + Send;

    /// Says what becomes of a job that failed; by default what the fault says. `Retry` leaves the pause to the retry policy, `RetryAfter` sets it,
    /// `DeadLetter` and `Discard` end it before its attempts are used up. More attempts than the policy allows are not made.
    ///
    /// Called after an attempt that ended with a fault, or with a timeout. Not called after a panic: the worker is gone by then. A panic in here
    /// makes the worker anew, and the fault decides.
    ///
    /// ```
    /// # use seral_worker::{Attempt, Fault, FaultKind, JobContext, Worker};
    /// # struct Mailer;
    /// # impl Worker for Mailer {
    /// #     type Job = String;
    /// #     type Output = ();
    /// #     async fn process(&mut self, _: &String, _: &JobContext) -> Result<(), Fault> { Ok(()) }
    /// fn retry(&self, fault: &Fault, attempt: Attempt) -> FaultKind {
    ///     match fault.why().downcast_ref::<std::io::Error>() {
    ///         // The mail server is told to come back in a minute, twice that, and so on.
    ///         Some(_) => FaultKind::RetryAfter(std::time::Duration::from_secs(60) * attempt.get()),
    ///         None => fault.kind(),
    ///     }
    /// }
    /// # }
    /// ```
    fn retry(&self, fault: &Fault, attempt: Attempt) -> FaultKind {
        let _ = attempt;
        fault.kind()
    }

    /// Called between batches: flush, shrink a cache, tune yourself by how it went.
    fn optimize(&mut self, cycle: &Cycle) -> impl Future<Output = ()> + Send {
        let _ = cycle;
        async {}
    }

    /// Closes connections cleanly. Runs when the worker leaves: its version is drained, the pool gets smaller, or the community or its ecosystem
    /// shuts down. Does not run after a panic.
    fn stop(&mut self) -> impl Future<Output = ()> + Send {
        async {}
    }
}
