//! How long an attempt may take, by its job or by its community.

use std::time::Duration;

use tokio::time::Instant;

use crate::job::Envelope;
use crate::lease::Chair;

/// How long an attempt may take.
#[derive(Clone, Copy)]
pub(crate) struct Limit {
    after: Duration,
    began: Instant,
}

impl Limit {
    /// From now on, if there is a limit.
    pub(crate) fn begin<J, O>(job: &Envelope<J, O>, chair: &Chair<J, O>) -> Option<Self>
    where
        J: Send + Sync + 'static,
        O: Send + 'static,
    {
        let own = job.extras.as_ref().and_then(|extras| extras.timeout);
        let after = own.or(chair.timeout())?;
        Some(Self { after, began: Instant::now() })
    }

    /// Ready once the time is over. Sets a timer, so it is called only for a job that waits for something at all.
    pub(crate) async fn over(self) -> Duration {
        match self.began.checked_add(self.after) {
            Some(at) => tokio::time::sleep_until(at).await,
            // A time that the clock cannot tell is as good as none.
            None => std::future::pending().await,
        }
        self.after
    }
}
