//! One span of `tracing` for each attempt, so that what a worker logs is found by its job.
//!
//! The first attempt is a child of the span in which the job was sent; a later one is a root of its own, linked to that span (`follows_from`):
//! it may come much later, and because of something else. The sender's span is held for that until the job ends. Nothing of this is done unless
//! somebody listens to the target `seral::attempt` at level `INFO`.

use seral_core::id::Attempt;
use seral_worker::Host;
use tracing::Level;
use tracing::Span;

use crate::job::Envelope;
use crate::lease::Chair;

/// The span of an attempt, if somebody listens.
pub(crate) struct AttemptSpan(Option<Span>);

impl AttemptSpan {
    /// Of this job, in the hand of the worker in this chair.
    pub(crate) fn of<J, O>(job: &Envelope<J, O>, chair: &Chair<J, O>) -> Self
    where
        J: Send + Sync + 'static,
        O: Send + 'static,
    {
        let is_heard = tracing::span_enabled!(target: "seral::attempt", Level::INFO);
        Self(is_heard.then(|| make(job, chair)))
    }

    /// Runs code of the worker in the span.
    pub(crate) fn in_scope<R>(&self, run: impl FnOnce() -> R) -> R {
        match &self.0 {
            Some(span) => span.in_scope(run),
            None => run(),
        }
    }
}

fn make<J, O>(job: &Envelope<J, O>, chair: &Chair<J, O>) -> Span
where
    J: Send + Sync + 'static,
    O: Send + 'static,
{
    let sender = job.extras.as_ref().and_then(|extras| extras.sender.as_deref());
    let is_first = job.attempt == Attempt::FIRST;
    let parent = sender.filter(|_| is_first).and_then(Span::id);
    let span = tracing::info_span!(
        target: "seral::attempt",
        parent: parent,
        "attempt",
        community = chair.community(),
        version = %chair.desk().version(),
        worker = chair.desk().worker.get(),
        job = job.id.get(),
        attempt = job.attempt.get(),
        key = job.key().map(tracing::field::display),
    );
    if let Some(sender) = sender.filter(|_| !is_first) {
        span.follows_from(sender);
    }
    span
}

/// Notes the span in which a job is sent, if somebody listens.
pub(crate) fn note_sender<J, O>(job: &mut Envelope<J, O>) {
    if tracing::span_enabled!(target: "seral::attempt", Level::INFO) {
        let span = Span::current();
        if !span.is_none() {
            job.extras_mut().sender = Some(Box::new(span));
        }
    }
}
