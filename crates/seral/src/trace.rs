//! One span of `tracing` for each attempt, so that what a worker logs is found by its job.
//!
//! The first attempt is a child of the span in which the job was sent; a later one is a root of its own, linked to that span (`follows_from`):
//! it may come much later, and because of something else. What a worker sends on is linked, too: a span stays open as long as it has children,
//! so a job that sends its successor would keep all before it. The sender's span is held until the job ends. Nothing of this is done unless
//! somebody listens to the target `seral::attempt` at level `INFO`; and a listener that panics fails no job.

use seral_core::id::Attempt;
use seral_worker::Host;
use tracing::Level;
use tracing::Span;

use crate::inside;
use crate::inside::Place;
use crate::job::Envelope;
use crate::job::SenderSpan;
use crate::lease::Chair;
use crate::user_code::drop_guarded;
use crate::user_code::guarded;

/// The span of an attempt, if somebody listens.
pub(crate) struct AttemptSpan(Option<Guarded>);

/// A span that is closed where a panic of whoever listens is caught.
struct Guarded(Option<Span>);

impl AttemptSpan {
    /// Of this job, in the hand of the worker in this chair.
    pub(crate) fn of<J, O>(job: &Envelope<J, O>, chair: &Chair<J, O>) -> Self
    where
        J: Send + Sync + 'static,
        O: Send + 'static,
    {
        let is_heard = tracing::span_enabled!(target: "seral::attempt", Level::INFO);
        Self(if is_heard { guarded(|| Guarded(Some(make(job, chair)))) } else { None })
    }

    /// Runs code of the worker in the span.
    #[inline(always)]
    pub(crate) fn in_scope<R>(&self, run: impl FnOnce() -> R) -> R {
        match &self.0 {
            Some(Guarded(Some(span))) => span.in_scope(run),
            Some(Guarded(None)) | None => run(),
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        drop_guarded(self.0.take());
    }
}

fn make<J, O>(job: &Envelope<J, O>, chair: &Chair<J, O>) -> Span
where
    J: Send + Sync + 'static,
    O: Send + 'static,
{
    let sender = job.extras.as_ref().and_then(|extras| extras.sender.as_deref());
    let is_child = job.attempt() == Attempt::FIRST && sender.is_some_and(|sender| !sender.is_of_worker);
    let sender = sender.map(|sender| &sender.span);
    let parent = sender.filter(|_| is_child).and_then(Span::id);
    let span = tracing::info_span!(
        target: "seral::attempt",
        parent: parent,
        "attempt",
        community = chair.community(),
        version = %chair.desk().version(),
        worker = chair.desk().worker.get(),
        job = job.id.get(),
        attempt = job.attempt().get(),
        key = job.key().map(tracing::field::display),
    );
    if let Some(sender) = sender.filter(|_| !is_child) {
        span.follows_from(sender);
    }
    span
}

/// Notes the span in which a job is sent, if somebody listens.
pub(crate) fn note_sender<J, O>(job: &mut Envelope<J, O>, ecosystem: Place) {
    if tracing::span_enabled!(target: "seral::attempt", Level::INFO) {
        let Some(span) = guarded(Span::current) else { return };
        if !span.is_none() {
            let is_of_worker = inside::is_worker_of(ecosystem);
            job.extras_mut().sender = Some(Box::new(SenderSpan { span, is_of_worker }));
        }
    }
}
