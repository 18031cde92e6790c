//! Sending jobs from a worker in a plugin to communities of its host.

use std::error::Error;
use std::fmt;

use seral_worker::JobContext;
use serde::Serialize;

use crate::codec;
use crate::host::WorkerHost;
use crate::outcome::Ended;
use crate::schema::Schema;

/// Sends a job to a community of the host, which must have allowed it: `Library::sends_to(&invoices)`. It waits for room, as a send of the host does,
/// and the job is admitted when it returns.
///
/// Dropped before that, the job is dropped with the future, or has been admitted: nobody can tell.
///
/// ```no_run
/// # use seral_worker::{Fault, JobContext};
/// # async fn process(cx: &JobContext) -> Result<(), Fault> {
/// seral_plugin::send(cx, "invoices", String::from("order 17")).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// The job comes back, and says why: the community does not take it, or there is none of that name that this plugin may send to, or its jobs
/// are of another type, or the worker does not run in a plugin.
pub async fn send<J>(cx: &JobContext, community: &str, job: J) -> Result<(), SendError<J>>
where
    J: Schema + Serialize + Send + Sync + 'static,
{
    let host = cx.host().as_any().and_then(|host| host.downcast_ref::<WorkerHost>());
    let Some(host) = host else {
        let why = "expected to run in a plugin, found a worker that is linked; let it hold the `Community` and send to that";
        return Err(SendError { job, why: why.to_owned() });
    };
    let sending = match codec::encode(&job, &mut Vec::new()) {
        Ok(bytes) => host.send(community, J::FINGERPRINT, bytes),
        Err(why) => return Err(SendError { why: why.to_string(), job }),
    };
    match sending.await.read() {
        Ended::Done(_) => Ok(()),
        Ended::Refused(why) => Err(SendError { job, why }),
        other => Err(SendError { job, why: format!("the host answered with {other:?}") }),
    }
}

/// A job was not taken, and is here.
pub struct SendError<J> {
    /// The job.
    pub job: J,
    /// Why, in a sentence.
    pub why: String,
}

impl<J> fmt::Display for SendError<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl<J> fmt::Debug for SendError<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SendError({})", self.why)
    }
}

impl<J> Error for SendError<J> {}
