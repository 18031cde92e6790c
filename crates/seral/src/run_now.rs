//! Jobs that wait for their time, and are run before it.

use seral_core::id::JobId;

use crate::community::Community;

impl<J: Send + Sync + 'static, O: Send + 'static> Community<J, O> {
    /// Starts a job now that waits for its time: one with a delay, one that is to be tried again, one that was snoozed. Returns whether there was one of this
    /// number; it stands behind the jobs that wait.
    ///
    /// So a worker can answer later, in whichever order: it keeps the number of a job that it cannot answer yet, snoozes it, and has it run when it can.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use seral::JobId;
    /// # use seral::prelude::*;
    /// enum Request {
    ///     Take,
    ///     PutBack,
    /// }
    ///
    /// struct Fork {
    ///     is_taken: bool,
    ///     waiting: Vec<JobId>,
    ///     own: Community<Request, ()>,
    /// }
    ///
    /// impl Worker for Fork {
    ///     type Job = Request;
    ///     type Output = ();
    ///
    ///     async fn process(&mut self, request: &Request, cx: &JobContext) -> Result<(), Fault> {
    ///         match request {
    ///             Request::Take if self.is_taken => {
    ///                 self.waiting.push(cx.id());
    ///                 // At the latest then it is looked at again, so nothing hangs on what this worker remembers.
    ///                 return Err(Fault::snooze(Duration::from_secs(10)));
    ///             }
    ///             Request::Take => self.is_taken = true,
    ///             Request::PutBack => {
    ///                 self.is_taken = false;
    ///                 for job in self.waiting.drain(..) {
    ///                     self.own.run_now(job);
    ///                 }
    ///             }
    ///         }
    ///         Ok(())
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), BoxError> {
    /// # let fork = Ecosystem::new("table").community("fork").await?;
    /// # let own = fork.clone();
    /// # let worker = move || Fork { is_taken: false, waiting: Vec::new(), own: own.clone() };
    /// # fork.deploy("1.0.0", Pool::of(1, worker)).await?;
    ///
    /// fork.ask(Request::Take).await?;
    /// let second = fork.submit(Request::Take).await?;
    /// fork.send(Request::PutBack).await?;
    /// second.await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Whoever else calls this, another worker or somebody outside, may do so before a job is delayed that is about to be: then there is none yet, and it waits
    /// for its time. A job that was cancelled meanwhile, or whose deadline has passed, ends instead. An [`ask`](Self::ask) expires 60 s after it was made, also while it is put off; [`submit`](Self::submit) has no deadline unless it is set.
    pub fn run_now(&self, job: JobId) -> bool {
        self.plane.run_now(job)
    }
}
