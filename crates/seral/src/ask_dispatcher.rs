//! How a handle speaks to the dispatcher, whichever it is.

use std::future::Future;
use std::pin::Pin;
use std::pin::pin;

use tokio::sync::oneshot;

use crate::control::Control;
use crate::verb::Message;

impl Control {
    /// Gives the dispatcher a command and waits for its answer. `None` if the answer was lost with a dispatcher that failed.
    pub(crate) async fn command<R>(&self, make: impl FnOnce(oneshot::Sender<R>) -> Message) -> Option<R> {
        let (answer, answered) = oneshot::channel();
        self.deliver(make(answer)).await;
        // If it was not delivered, nobody has the other end.
        answered.await.ok()
    }

    /// Gives the dispatcher a command, whichever it is. Not an `async fn`, so that it is compiled here, and not once more for each type of community.
    fn deliver(&self, mut command: Message) -> Delivery<'_> {
        Box::pin(async move {
            loop {
                let mut changed = pin!(self.changed.notified());
                changed.as_mut().enable();
                if let Some(dispatcher) = self.dispatcher() {
                    match dispatcher.cast(command) {
                        Err(ractor::MessagingErr::SendErr(back)) => command = back,
                        _ => return,
                    }
                }
                if self.state.lock().is_closed {
                    return;
                }
                // The dispatcher failed and is being replaced.
                changed.await;
            }
        })
    }
}

type Delivery<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
