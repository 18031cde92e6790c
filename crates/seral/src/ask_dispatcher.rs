//! How a handle speaks to the dispatcher, whichever it is.

use std::pin::pin;

use tokio::sync::oneshot;

use crate::control::Control;
use crate::verb::Message;

impl Control {
    /// Gives the dispatcher a command and waits for its answer. `None` if the answer was lost with a dispatcher that failed.
    pub(crate) async fn command<R>(&self, make: impl FnOnce(oneshot::Sender<R>) -> Message) -> Option<R> {
        let (answer, answered) = oneshot::channel();
        let mut command = make(answer);
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            if let Some(dispatcher) = self.dispatcher() {
                match dispatcher.cast(command) {
                    Ok(()) => return answered.await.ok(),
                    Err(ractor::MessagingErr::SendErr(back)) => command = back,
                    Err(_) => return None,
                }
            }
            if self.state.lock().is_closed {
                return None;
            }
            // The dispatcher failed and is being replaced.
            changed.await;
        }
    }
}
