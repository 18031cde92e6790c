//! A waker that counts what becomes of it and its clones, and panics where it is told to.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::task::RawWaker;
use std::task::RawWakerVTable;
use std::task::Waker;

/// What became of a waker and its clones so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Clones that were made.
    pub(crate) cloned: usize,
    /// Woken, and gone.
    pub(crate) woken: usize,
    /// Woken, and still there.
    pub(crate) woken_by_ref: usize,
    /// Dropped.
    pub(crate) dropped: usize,
}

/// Where a waker panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Panics {
    Nowhere,
    InClone,
    InWake,
    InWakeByRef,
    InDrop,
}

/// Counts wakers.
pub(crate) struct Counter {
    panics: Panics,
    cloned: AtomicUsize,
    woken: AtomicUsize,
    woken_by_ref: AtomicUsize,
    dropped: AtomicUsize,
}

impl Counter {
    pub(crate) fn new(panics: Panics) -> Arc<Self> {
        let count = AtomicUsize::default;
        Arc::new(Self { panics, cloned: count(), woken: count(), woken_by_ref: count(), dropped: count() })
    }

    pub(crate) fn seen(&self) -> Seen {
        Seen {
            cloned: self.cloned.load(SeqCst),
            woken: self.woken.load(SeqCst),
            woken_by_ref: self.woken_by_ref.load(SeqCst),
            dropped: self.dropped.load(SeqCst),
        }
    }

    /// Waker and clones that are there: each one that was made is woken or dropped once.
    pub(crate) fn alive(&self) -> isize {
        let seen = self.seen();
        1 + seen.cloned.cast_signed() - seen.woken.cast_signed() - seen.dropped.cast_signed()
    }

    pub(crate) fn waker(self: &Arc<Self>) -> Waker {
        // SAFETY: the functions below keep the contract of wakers.
        unsafe { Waker::from_raw(raw(self)) }
    }

    fn panic_if(&self, here: Panics) {
        assert!(self.panics != here, "a waker panics {here:?}");
    }
}

static FUNCTIONS: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

fn raw(counter: &Arc<Counter>) -> RawWaker {
    // A box for each, so that a checker of memory sees one that is used after its end.
    RawWaker::new(Box::into_raw(Box::new(Arc::clone(counter))).cast_const().cast(), &FUNCTIONS)
}

unsafe fn clone(waker: *const ()) -> RawWaker {
    // SAFETY: `raw` made it, and it is still there.
    let counter = unsafe { &*waker.cast::<Arc<Counter>>() };
    counter.panic_if(Panics::InClone);
    counter.cloned.fetch_add(1, SeqCst);
    raw(counter)
}

unsafe fn wake(waker: *const ()) {
    // SAFETY: `raw` made it, and this is its end.
    let counter = unsafe { Box::from_raw(waker.cast_mut().cast::<Arc<Counter>>()) };
    counter.woken.fetch_add(1, SeqCst);
    counter.panic_if(Panics::InWake);
}

unsafe fn wake_by_ref(waker: *const ()) {
    // SAFETY: as in `clone`.
    let counter = unsafe { &*waker.cast::<Arc<Counter>>() };
    counter.woken_by_ref.fetch_add(1, SeqCst);
    counter.panic_if(Panics::InWakeByRef);
}

unsafe fn drop_waker(waker: *const ()) {
    // SAFETY: as in `wake`.
    let counter = unsafe { Box::from_raw(waker.cast_mut().cast::<Arc<Counter>>()) };
    counter.dropped.fetch_add(1, SeqCst);
    counter.panic_if(Panics::InDrop);
}
