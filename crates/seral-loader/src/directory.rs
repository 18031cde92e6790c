//! A directory to follow: where it is, and how the versions in it are deployed.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use seral::BoxError;
use seral::deploy::Deploy;
use seral::deploy::Ramp;
use seral::rollout::Step;

use crate::library::Library;

/// How long a file is the same before it is complete. Longer than any copy pauses, short enough that nobody asks where the new version is.
const SETTLE: Duration = Duration::from_secs(1);

/// How often the directory is looked at. A look costs some microseconds for each file.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What becomes of each library before it is deployed.
pub(crate) type Prepare = Arc<dyn Fn(Library) -> Result<Library, BoxError> + Send + Sync>;

/// How a version gets more and more of new jobs.
pub(crate) type RollOut<J, O> = Box<dyn Fn(Deploy<J, O>) -> Ramp<J, O> + Send + Sync>;

/// A directory about to be followed; see [`Follow::follow`](crate::Follow::follow).
///
/// ```no_run
/// use std::time::Duration;
///
/// use seral_loader::Directory;
/// use seral_loader::Follow;
/// # use seral::prelude::*;
/// # async fn follow(orders: Community<String, u32>) -> Result<(), BoxError> {
/// let directory = Directory::new("plugins/order-processor").workers(5).ramp([5, 25, 100]);
/// let mut follower = orders.follow(directory).await?;
/// while let Some(news) = follower.next().await {
///     println!("{news}");
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "a directory is followed when this is given to `follow`"]
pub struct Directory<J, O> {
    pub(crate) path: PathBuf,
    pub(crate) workers: usize,
    pub(crate) settle: Duration,
    pub(crate) look_every: Duration,
    pub(crate) prepare: Prepare,
    pub(crate) roll_out: Option<RollOut<J, O>>,
}

impl<J, O> Directory<J, O> {
    /// The directory with this path. Those below it are not looked at.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            workers: 1,
            settle: SETTLE,
            look_every: LOOK_EVERY,
            prepare: Arc::new(Ok),
            roll_out: None,
        }
    }

    /// How many workers each version has. Default = 1: a file does not say how many it needs, and there are workers that must be alone.
    pub fn workers(mut self, size: usize) -> Self {
        self.workers = size;
        self
    }

    /// How long a file that is not renamed in must have been the same before it is complete. With none, files are taken as they are at the first look: for
    /// directories into which files are only renamed. Default = 1 s.
    pub fn settle(mut self, time: Duration) -> Self {
        self.settle = time;
        self
    }

    /// How long it is from one look at the directory to the next, at least 1 ms. Default = 500 ms.
    pub fn look_every(mut self, time: Duration) -> Self {
        self.look_every = time.max(Duration::from_millis(1));
        self
    }

    /// What becomes of each library before it is deployed: its configuration, to whom it may send, whether it is isolated.
    /// `.library(|library| Ok(library.config(&prices)?.isolated()))`. It may block; a file for which it fails or panics is skipped. Default =
    /// nothing.
    pub fn library(
        mut self,
        prepare: impl Fn(Library) -> Result<Library, BoxError> + Send + Sync + 'static,
    ) -> Self {
        self.prepare = Arc::new(prepare);
        self
    }

    /// Gives each version more and more of new jobs, step by step, in percent; see [`Deploy::ramp`]. The next version waits for the end of the rollout,
    /// whichever it is. Default = each version becomes current at once.
    pub fn ramp<S: Into<Step>>(self, steps: impl IntoIterator<Item = S>) -> Self {
        let steps: Vec<Step> = steps.into_iter().map(Into::into).collect();
        self.plan(move |deploy| deploy.ramp(steps.iter().copied()))
    }

    /// As [`ramp`](Self::ramp), with all that can be said of a deploy and its plan: `.plan(move |deploy| deploy.by("ci").ramp([5, 100]).gate(gate.clone()))`.
    pub fn plan(mut self, plan: impl Fn(Deploy<J, O>) -> Ramp<J, O> + Send + Sync + 'static) -> Self {
        self.roll_out = Some(Box::new(plan));
        self
    }
}

impl<J, O> fmt::Debug for Directory<J, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory")
            .field("path", &self.path)
            .field("workers", &self.workers)
            .field("settle", &self.settle)
            .field("look_every", &self.look_every)
            .finish_non_exhaustive()
    }
}
