//! Where the two sides of an isolated worker meet: the host lays a call there, and the plugin's thread its end.
//!
//! One call at a time. A call that the host gives up is waited for, on the thread that gives it up: code that does not come to an `await` cannot be
//! cancelled, and its job must not be begun elsewhere meanwhile. So it is as with a linked worker, whose code would hold up that thread itself. The worker's
//! `retry` and its destructor, which are no futures, are waited for as well. But while such code runs, and nobody gives it up, the watcher of the host takes the
//! worker for one that waits.

use std::fmt;
use std::future::Future;
use std::future::poll_fn;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;

use parking_lot::Condvar;
use parking_lot::Mutex;
use parking_lot::MutexGuard;
use seral_plugin::outcome::Ended;
use seral_plugin::panics::Panic;
use seral_plugin::panics::catch;
use seral_plugin::wire;
use seral_worker::Attempt;
use seral_worker::Cycle;
use seral_worker::JobFacts;
use tracing::Instrument;
use tracing::Span;

use crate::call::Call;
use crate::call::Calling;
use crate::call::ForeignWorker;
use crate::services::Errand;

/// The meeting place.
#[derive(Default)]
pub(crate) struct Slot {
    meeting: Mutex<Meeting>,
    /// Rung when an end is laid.
    bell: Condvar,
}

#[derive(Default)]
struct Meeting {
    /// Laid by the host, until the plugin's thread takes it. With the span in which it was laid: that of the attempt.
    call: Option<(OwnedCall, Span)>,
    /// The host does not want the end of the call any more, except to know of it.
    is_given_up: bool,
    /// Laid by the plugin's thread, until the host takes it.
    ended: Option<Ended>,
    /// What the plugin wants to have done on the host's side of the call, while there is one.
    errands: Vec<Errand>,
    /// From when a call is laid until the host has taken its end.
    is_calling: bool,
    service: Service,
    host: Option<Waker>,
    plugin: Option<Waker>,
}

/// How long the plugin's thread takes calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Service {
    #[default]
    Open,
    /// The host has let go of the worker.
    Left,
    /// The worker is destroyed.
    Closed,
}

/// A call that crosses to the plugin's thread.
enum OwnedCall {
    Start,
    Process { facts: JobFacts, job: Vec<u8> },
    Optimize(Cycle),
    Stop,
    Retry(wire::Fault, Attempt),
}

impl From<&Call<'_>> for OwnedCall {
    fn from(call: &Call<'_>) -> Self {
        match call {
            Call::Start => Self::Start,
            Call::Process { facts, job } => Self::Process { facts: (*facts).clone(), job: job.to_vec() },
            Call::Optimize(cycle) => Self::Optimize(*cycle),
            Call::Stop => Self::Stop,
        }
    }
}

// ---- the host's side -----------------------------------------------------------------------------------------------

impl Slot {
    /// Calls the worker.
    pub(crate) fn call(&self, call: &Call<'_>) -> Waiting<'_> {
        self.lay(call.into());
        Waiting { slot: self, errands: Vec::new(), is_over: false }
    }

    /// Asks the worker what should become of a job, and waits for its answer.
    pub(crate) fn retry(&self, fault: wire::Fault, attempt: Attempt) -> Ended {
        self.lay(OwnedCall::Retry(fault, attempt));
        self.wait(self.meeting.lock())
    }

    /// Takes over something to be done on the host's side of the call. Without a call there is nobody to do it, and it is dropped.
    pub(crate) fn post(&self, errand: Errand) {
        let mut errand = Some(errand);
        let host = {
            let mut meeting = self.meeting.lock();
            if meeting.is_calling {
                meeting.errands.extend(errand.take());
            }
            meeting.host.take()
        };
        wake(host);
    }

    /// Waits until the worker is destroyed, on this thread.
    pub(crate) fn wait_until_closed(&self) {
        let mut meeting = self.meeting.lock();
        while meeting.service != Service::Closed {
            self.bell.wait(&mut meeting);
        }
    }

    /// Lets go of the worker: its thread destroys it.
    pub(crate) fn leave(&self) {
        let plugin = {
            let mut meeting = self.meeting.lock();
            if meeting.service == Service::Open {
                meeting.service = Service::Left;
            }
            meeting.plugin.take()
        };
        wake(plugin);
    }

    fn lay(&self, call: OwnedCall) {
        let plugin = {
            let mut meeting = self.meeting.lock();
            meeting.call = Some((call, Span::current()));
            meeting.is_calling = true;
            meeting.plugin.take()
        };
        wake(plugin);
    }

    /// Waits for the end of a call, on this thread.
    fn wait(&self, mut meeting: MutexGuard<'_, Meeting>) -> Ended {
        loop {
            if let Some((ended, errands)) = meeting.take_end() {
                drop(meeting);
                drop(errands);
                return ended;
            }
            self.bell.wait(&mut meeting);
        }
    }
}

impl Meeting {
    /// The end of the call, if it has come, and the errands of it, to be dropped outside of the lock; then the next call finds everything as it was.
    fn take_end(&mut self) -> Option<(Ended, Vec<Errand>)> {
        let ended = match self.ended.take() {
            // As of a panic, by which the worker is made anew: this one is gone.
            None if self.service == Service::Closed => {
                Ended::Panicked(Panic { text: "the plugin's thread has ended".to_owned(), place: None })
            }
            ended => ended?,
        };
        self.is_given_up = false;
        self.is_calling = false;
        Some((ended, std::mem::take(&mut self.errands)))
    }
}

/// The end of a call. Dropped before, the call is given up, and waited for.
pub(crate) struct Waiting<'a> {
    slot: &'a Slot,
    errands: Vec<Errand>,
    is_over: bool,
}

impl Future for Waiting<'_> {
    type Output = Ended;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Ended> {
        loop {
            let mut new = {
                let mut meeting = self.slot.meeting.lock();
                if let Some((ended, errands)) = meeting.take_end() {
                    drop(meeting);
                    drop(errands);
                    self.is_over = true;
                    return Poll::Ready(ended);
                }
                if meeting.errands.is_empty() {
                    meeting.host = Some(task.waker().clone());
                }
                std::mem::take(&mut meeting.errands)
            };
            let is_new = !new.is_empty();
            self.errands.append(&mut new);
            self.errands.retain_mut(|errand| errand.as_mut().poll(task).is_pending());
            if !is_new {
                return Poll::Pending;
            }
        }
    }
}

impl Drop for Waiting<'_> {
    /// A panic of the code that is cancelled goes on here, unless there is one already.
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let plugin = {
            let mut meeting = self.slot.meeting.lock();
            meeting.is_given_up = true;
            meeting.plugin.take()
        };
        wake(plugin);
        if let Ended::Panicked(panic) = self.slot.wait(self.slot.meeting.lock())
            && !std::thread::panicking()
        {
            resume_unwind(Box::new(panic.text));
        }
    }
}

// ---- the plugin's side ---------------------------------------------------------------------------------------------

/// Serves a worker until the host leaves it, then destroys it. To be run on the plugin's thread.
pub(crate) async fn serve(slot: Arc<Slot>, mut worker: ForeignWorker) {
    let closed = Closed(slot);
    let slot = &closed.0;
    while let Some((call, span)) = slot.next().await {
        let ended = match &call {
            OwnedCall::Start => slot.run(worker.begin(&Call::Start)).instrument(span).await,
            OwnedCall::Process { facts, job } => {
                slot.run(worker.begin(&Call::Process { facts, job })).instrument(span).await
            }
            OwnedCall::Optimize(cycle) => {
                slot.run(worker.begin(&Call::Optimize(*cycle))).instrument(span).await
            }
            OwnedCall::Stop => slot.run(worker.begin(&Call::Stop)).instrument(span).await,
            OwnedCall::Retry(fault, attempt) => span.in_scope(|| worker.retry(fault, *attempt)),
        };
        slot.end(ended);
    }
    if let Err(panic) = catch(|| drop(worker)) {
        tracing::error!(text = panic.text, "a worker of a plugin panicked when it was dropped");
    }
}

/// Whatever ends the service, the host does not wait for it any more.
struct Closed(Arc<Slot>);

impl Drop for Closed {
    fn drop(&mut self) {
        let host = {
            let mut meeting = self.0.meeting.lock();
            meeting.service = Service::Closed;
            meeting.host.take()
        };
        self.0.bell.notify_all();
        wake(host);
    }
}

impl Slot {
    /// The next call. `None`, when the host has left.
    async fn next(&self) -> Option<(OwnedCall, Span)> {
        poll_fn(|task| {
            let mut meeting = self.meeting.lock();
            if let Some(call) = meeting.call.take() {
                return Poll::Ready(Some(call));
            }
            if meeting.service != Service::Open {
                return Poll::Ready(None);
            }
            meeting.plugin = Some(task.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// Runs a call to its end, or until it is given up: then it is cancelled.
    async fn run(&self, calling: Calling<'_>) -> Ended {
        let mut calling = Some(calling);
        let ended = poll_fn(|task| {
            if self.is_given_up(task) {
                return Poll::Ready(Ended::Refused("it was given up".to_owned()));
            }
            match calling.as_mut() {
                Some(calling) => Pin::new(calling).poll(task),
                None => Poll::Pending,
            }
        })
        .await;
        match catch(|| drop(calling)) {
            Ok(()) => ended,
            Err(panic) => Ended::Panicked(panic),
        }
    }

    fn is_given_up(&self, task: &mut Context<'_>) -> bool {
        let mut meeting = self.meeting.lock();
        meeting.plugin = Some(task.waker().clone());
        meeting.is_given_up
    }

    fn end(&self, ended: Ended) {
        // Bytes of the plugin are freed by the plugin, so here.
        let ended = match ended {
            Ended::Done(bytes) => Ended::Done(bytes.to_vec().into()),
            other => other,
        };
        let host = {
            let mut meeting = self.meeting.lock();
            meeting.ended = Some(ended);
            meeting.host.take()
        };
        self.bell.notify_all();
        wake(host);
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").finish_non_exhaustive()
    }
}
