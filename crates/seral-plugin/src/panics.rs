//! A panic must not unwind from one side into the other: that ends the process. So each side catches its own, and says what it was.

use std::any::Any;
use std::cell::Cell;
use std::panic;
use std::panic::AssertUnwindSafe;
use std::panic::PanicHookInfo;
use std::panic::catch_unwind;
use std::panic::resume_unwind;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

/// What is known of a panic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panic {
    /// What it said.
    pub text: String,
    /// Where it was, as `src/orders.rs:17:9`, if that is known.
    pub place: Option<String>,
}

/// How much of a place is kept.
const PLACE_MAX: usize = 144;

/// Where a panic was. It has no destructor: a plugin whose threads have some to run can never be unloaded.
#[derive(Clone, Copy)]
struct Place {
    text: [u8; PLACE_MAX],
    len: usize,
}

thread_local! {
    static LAST_PLACE: Cell<Option<Place>> = const { Cell::new(None) };
    static CATCHING: Cell<u32> = const { Cell::new(0) };
}

/// Runs what may panic.
///
/// # Errors
///
/// It panicked.
pub fn catch<R>(run: impl FnOnce() -> R) -> Result<R, Panic> {
    CATCHING.set(CATCHING.get() + 1);
    let caught = catch_unwind(AssertUnwindSafe(run)).map_err(|payload| {
        // Before the payload is dropped, which may panic somewhere else.
        let place = LAST_PLACE.take().map(|place| place.text());
        Panic { text: text_of(payload), place }
    });
    CATCHING.set(CATCHING.get() - 1);
    caught
}

/// A panic that was caught elsewhere goes on here, where it has its place still.
pub(crate) fn go_on(panic: Panic) -> ! {
    LAST_PLACE.set(panic.place.as_deref().map(Place::new));
    resume_unwind(Box::new(panic.text))
}

/// From now on the place of a panic that is caught is known, and no backtrace is made for it: to find the symbols for one takes a fifth of a second, in
/// which the worker's thread does nothing else. `report` is told of those that nobody catches, on threads of the plugin's own.
pub fn set_hook(report: fn(&PanicHookInfo<'_>)) {
    IN_PLUGIN.store(true, Relaxed);
    panic::set_hook(Box::new(move |panic| {
        if CATCHING.get() > 0 {
            LAST_PLACE.set(panic.location().map(|at| Place::new(&at.to_string())));
        } else {
            report(panic);
        }
    }));
}

/// The text of a panic.
pub(crate) fn said(payload: &(dyn Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&str>() {
        text
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text
    } else {
        "without a text"
    }
}

fn text_of(payload: Box<dyn Any + Send>) -> String {
    let text = said(&*payload).to_owned();
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        // Whoever panics in the destructor of a panic has had their chance.
        std::mem::forget(another);
        LAST_PLACE.set(None);
    }
    explained(text)
}

/// Whether this is the side of a plugin.
static IN_PLUGIN: AtomicBool = AtomicBool::new(false);

/// How tokio says that there is no runtime.
const NO_RUNTIME: &str = "there is no reactor running";

/// What a panic says, with what to do about it, if it is that a plugin has no runtime.
fn explained(text: String) -> String {
    if IN_PLUGIN.load(Relaxed) && !cfg!(feature = "own-runtime") && text.contains(NO_RUNTIME) {
        format!(
            "{text}; give the plugin one by the feature `own-runtime` of seral-plugin, or wait with `cx.sleep`"
        )
    } else {
        text
    }
}

impl Place {
    /// Of a long one the end is kept, which is what tells files apart.
    fn new(text: &str) -> Self {
        let kept = &text.as_bytes()[text.len().saturating_sub(PLACE_MAX)..];
        let mut text = [0; PLACE_MAX];
        text[..kept.len()].copy_from_slice(kept);
        Self { text, len: kept.len() }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.text[..self.len]).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("a destructor");
        }
    }

    #[test]
    fn a_panic_is_caught_with_its_text_whatever_it_carries() {
        let said = |run: fn()| catch(run).map_err(|panic| panic.text);
        assert_eq!(said(|| ()), Ok(()));
        assert_eq!(said(|| panic!("a word")), Err("a word".to_owned()));
        assert_eq!(said(|| panic!("{} words", 2)), Err("2 words".to_owned()));
        assert_eq!(said(|| panic::panic_any(7)), Err("without a text".to_owned()));
        assert_eq!(said(|| panic::panic_any(Bomb)), Err("without a text".to_owned()));
    }

    #[test]
    fn of_a_long_path_the_end_is_kept() {
        assert_eq!(Place::new("src/orders.rs:17:9").text(), "src/orders.rs:17:9");
        let long = format!("{}/src/orders.rs:1:2", "ä".repeat(PLACE_MAX));
        let text = Place::new(&long).text();
        assert!(text.ends_with("ä/src/orders.rs:1:2") && text.chars().count() <= PLACE_MAX, "{text}");
    }
}
