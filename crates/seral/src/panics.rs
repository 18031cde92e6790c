//! What a panic of the user's code says, and, if the application wants that, where it happened.

use std::any::Any;
use std::cell::RefCell;
use std::panic;
use std::sync::Once;

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

/// What is known of a panic that was caught on this thread just now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Panicked {
    pub(crate) text: String,
    pub(crate) place: Option<String>,
}

impl Panicked {
    /// Of the payload that was caught.
    pub(crate) fn caught(payload: &(dyn Any + Send)) -> Self {
        let text = if let Some(text) = payload.downcast_ref::<&str>() {
            (*text).to_owned()
        } else if let Some(text) = payload.downcast_ref::<String>() {
            text.clone()
        } else {
            "without a text".to_owned()
        };
        let place = LAST_PLACE.try_with(RefCell::take).ok().flatten();
        Self { text, place }
    }
}
