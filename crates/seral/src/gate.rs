//! The gate of a rollout's step: the user's code that says whether the candidate may have more.
//!
//! It runs beside everything else, and may panic or hang: then it could not measure, which is no failure of the candidate.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use seral_core::id::Version;
use seral_core::rollout::Verdict;
use seral_core::share::Share;

use crate::panics::catch_async;

/// How long a gate may take. Longer than a query to any monitoring, short enough that somebody still watches.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a gate is told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GateStep {
    /// The candidate.
    pub version: Version,
    /// The number of the step, from 0.
    pub step: usize,
    /// The share of new jobs that the candidate has.
    pub share: Share,
    /// How many jobs it has finished in this step.
    pub jobs: u64,
}

type Asked = Pin<Box<dyn Future<Output = Verdict> + Send>>;

/// The user's gate.
#[derive(Clone)]
pub(crate) struct Gate(Arc<dyn Fn(GateStep) -> Asked + Send + Sync>);

impl Gate {
    pub(crate) fn new<F>(gate: impl Fn(GateStep) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Verdict> + Send + 'static,
    {
        Self(Arc::new(move |step| Box::pin(gate(step))))
    }

    /// What it says, or why it could not say anything.
    pub(crate) async fn ask(&self, step: GateStep) -> Verdict {
        // Called where panics are caught, too: it may panic before its first line.
        let asked = catch_async(async { (self.0)(step).await });
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(verdict)) => verdict,
            Ok(Err(panicked)) => Verdict::Error(format!("the gate panicked: {}", panicked.text)),
            Err(_) => Verdict::Error(format!("the gate took longer than {PATIENCE:?}")),
        }
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gate")
    }
}
