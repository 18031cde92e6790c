//! What a panic of the user's code says, and, if the application wants that, where it happened.

use std::any::Any;
use std::cell::RefCell;
use std::future::Future;
use std::future::poll_fn;
use std::panic;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::pin::pin;
use std::sync::Once;
use std::task::Poll;

thread_local! {
    static LAST_PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// From now on, events and dead letters say where a worker panicked: `src/orders.rs:17:9`.
///
/// That needs a panic hook, of which a process has one, so nothing installs it unasked. It takes note of the place and then calls the hook
/// that was there before. A hook that is set later replaces it; then places are not known any more. Calling this twice is the same as once.
pub fn note_locations() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            let place = panic.location().map(ToString::to_string);
            // A panic while the thread ends has no place to be noted in.
            let _ = LAST_PLACE.try_with(|last| last.replace(place));
            usual(panic);
        }));
    });
}

/// Drops what a panic carried, which may panic in turn.
pub(crate) fn drop_payload(payload: Box<dyn Any + Send>) {
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        // Whoever panics in the destructor of a panic has had their chance.
        std::mem::forget(another);
    }
}

/// Where the last panic on this thread was, if that is known; and it is forgotten.
pub(crate) fn take_place() -> Option<String> {
    LAST_PLACE.try_with(RefCell::take).ok().flatten()
}

/// For runtimes: a panic is carried over to this thread, where it was at this place.
pub fn carry_place(place: Option<String>) {
    let _ = LAST_PLACE.try_with(|last| last.replace(place));
}

/// What is known of a panic that was caught on this thread just now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Panicked {
    pub(crate) text: String,
    pub(crate) place: Option<String>,
}

impl Panicked {
    /// Of the payload that was caught.
    pub(crate) fn caught(payload: Box<dyn Any + Send>) -> Self {
        let text = if let Some(text) = payload.downcast_ref::<&str>() {
            (*text).to_owned()
        } else if let Some(text) = payload.downcast_ref::<String>() {
            text.clone()
        } else {
            "without a text".to_owned()
        };
        drop_payload(payload);
        Self { text, place: take_place() }
    }
}

/// Runs code of the user that may panic.
pub(crate) fn catch<R>(run: impl FnOnce() -> R) -> Result<R, Panicked> {
    catch_unwind(AssertUnwindSafe(run)).map_err(Panicked::caught)
}

/// Runs a future of the user's that may panic. Once it did, it is only to be dropped.
pub(crate) async fn catch_async<F: Future>(future: F) -> Result<F::Output, Panicked> {
    let mut future = pin!(future);
    poll_fn(|task| match catch(|| future.as_mut().poll(task)) {
        Ok(polled) => polled.map(Ok),
        Err(panicked) => Poll::Ready(Err(panicked)),
    })
    .await
}
