//! What the raw channels share: what goes through them, and what is done with it at the other end.

use tokio::sync::oneshot;

use crate::measure;

/// A message to a worker behind a channel: a bare job, or a request.
pub(crate) trait Parcel: Send + Unpin + 'static {
    /// Does the job, replies if a reply is wanted, and gives the job to be added up.
    fn open(self, spin: u64) -> u64;
}

impl Parcel for u64 {
    fn open(self, spin: u64) -> u64 {
        measure::spin(spin);
        self
    }
}

/// A job with a channel for its reply: a channel has no other way to ask.
pub(crate) struct Request {
    job: u64,
    reply: oneshot::Sender<u64>,
}

impl Parcel for Request {
    fn open(self, spin: u64) -> u64 {
        measure::spin(spin);
        // A caller that has left needs no reply.
        let _ = self.reply.send(self.job + 1);
        self.job
    }
}

impl Request {
    pub(crate) fn new(job: u64) -> (Self, oneshot::Receiver<u64>) {
        let (reply, answer) = oneshot::channel();
        (Self { job, reply }, answer)
    }
}
