//! Runs code of the user where a panic in it must not spread: a destructor, or a text made of an error, in the middle of our bookkeeping.

use std::mem::needs_drop;

use crate::panics::catch;

/// Runs `act`. `None` if it panicked; the panic hook has told about it by then.
pub(crate) fn guarded<R>(act: impl FnOnce() -> R) -> Option<R> {
    catch(act).ok()
}

/// Drops a value of the user's, whose destructor may panic.
pub(crate) fn drop_guarded<T>(value: T) {
    if needs_drop::<T>() {
        guarded(|| drop(value));
    }
}
