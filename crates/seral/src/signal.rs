//! Signals that ask the process to end. Nothing is installed until [`terminate`] is called.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;

use futures_core::Stream;

/// SIGTERM and ctrl-c (SIGINT), as a stream: the first asks for a graceful end, the second to cut it short.
///
/// From this call on, they are caught, and wait for whoever polls; called outside of a tokio runtime, from the first poll on.
///
/// # Panics
///
/// In a runtime without `enable_io`; or when it is first polled, outside of one.
pub fn terminate() -> Terminate {
    let sources = tokio::runtime::Handle::try_current().ok().and_then(|_| Sources::install().ok());
    Terminate { sources }
}

/// See [`terminate`].
#[derive(Debug)]
#[must_use = "signals are caught while this is polled"]
pub struct Terminate {
    sources: Option<Sources>,
}

#[cfg(unix)]
mod sources {
    use std::io;
    use std::task::Context;
    use std::task::Poll;

    use tokio::signal::unix::Signal;
    use tokio::signal::unix::SignalKind;
    use tokio::signal::unix::signal;

    #[derive(Debug)]
    pub(super) struct Sources {
        terminate: Signal,
        interrupt: Signal,
    }

    impl Sources {
        pub(super) fn install() -> io::Result<Self> {
            Ok(Self {
                terminate: signal(SignalKind::terminate())?,
                interrupt: signal(SignalKind::interrupt())?,
            })
        }

        pub(super) fn poll(&mut self, task: &mut Context<'_>) -> Poll<Option<()>> {
            match self.terminate.poll_recv(task) {
                Poll::Ready(signal) => Poll::Ready(signal),
                Poll::Pending => self.interrupt.poll_recv(task),
            }
        }
    }
}

#[cfg(windows)]
mod sources {
    use std::io;
    use std::task::Context;
    use std::task::Poll;

    use tokio::signal::windows::CtrlC;
    use tokio::signal::windows::ctrl_c;

    #[derive(Debug)]
    pub(super) struct Sources {
        interrupt: CtrlC,
    }

    impl Sources {
        pub(super) fn install() -> io::Result<Self> {
            Ok(Self { interrupt: ctrl_c()? })
        }

        pub(super) fn poll(&mut self, task: &mut Context<'_>) -> Poll<Option<()>> {
            self.interrupt.poll_recv(task)
        }
    }
}

use sources::Sources;

impl Stream for Terminate {
    type Item = ();

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<()>> {
        if self.sources.is_none() {
            match Sources::install() {
                Ok(sources) => self.sources = Some(sources),
                Err(error) => {
                    tracing::error!(target: "seral", %error, "signals cannot be caught; the process will not end gracefully");
                    return Poll::Pending;
                }
            }
        }
        match &mut self.sources {
            Some(sources) => sources.poll(task),
            None => Poll::Pending,
        }
    }
}

/// A future as a stream of one signal, for ecosystems that end by something else than a signal of the process.
pub fn once<F: Future<Output = ()>>(future: F) -> Once<F> {
    Once { future: Some(Box::pin(future)) }
}

/// See [`once`].
#[must_use = "it does nothing unless polled"]
pub struct Once<F> {
    future: Option<Pin<Box<F>>>,
}

impl<F> std::fmt::Debug for Once<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Once").field("over", &self.future.is_none()).finish_non_exhaustive()
    }
}

impl<F: Future<Output = ()>> Stream for Once<F> {
    type Item = ();

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<()>> {
        let Some(future) = &mut self.future else { return Poll::Ready(None) };
        future.as_mut().poll(task).map(|()| {
            self.future = None;
            Some(())
        })
    }
}
