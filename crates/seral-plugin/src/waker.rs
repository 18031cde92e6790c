//! How a future of one side is woken by the other.
//!
//! A [`Waker`] cannot cross: its layout and its functions are those of one standard library. So a poll lends an [`FfiWaker`], whose functions
//! belong to the side that polls, and the side that is polled makes a waker of its own around it. A waker may be anybody's code: a panic in it ends
//! there, since it must not unwind into the other side.
#![expect(unsafe_code, reason = "the ABI: a waker of the other side is reached by pointers")]

use std::fmt;
use std::mem::ManuallyDrop;
use std::task::Context;
use std::task::RawWaker;
use std::task::RawWakerVTable;
use std::task::Waker;

use crate::panics::catch;

/// The waker of the side that polls. What `clone` returns is owned and outlives the poll.
#[repr(C)]
pub struct FfiWaker {
    data: *const (),
    clone: unsafe extern "C" fn(*const ()) -> FfiWaker,
    /// Consumes what it wakes by, as `drop` does.
    wake: unsafe extern "C" fn(*const ()),
    wake_by_ref: unsafe extern "C" fn(*const ()),
    drop: unsafe extern "C" fn(*const ()),
}

impl FfiWaker {
    /// For the time of a poll.
    pub(crate) fn lent(waker: &Waker) -> ManuallyDrop<Self> {
        ManuallyDrop::new(Self { data: (&raw const *waker).cast(), ..Self::owned(std::ptr::null()) })
    }

    const fn owned(data: *const ()) -> Self {
        Self { data, clone, wake, wake_by_ref, drop: drop_waker }
    }
}

unsafe extern "C" fn clone(waker: *const ()) -> FfiWaker {
    // SAFETY: `data` points to a waker of this side: that of the poll, or the boxed one of an earlier clone.
    let waker = unsafe { &*waker.cast::<Waker>() };
    let waker = catch(|| waker.clone()).unwrap_or_else(|_| Waker::noop().clone());
    FfiWaker::owned(Box::into_raw(Box::new(waker)).cast())
}

unsafe extern "C" fn wake(waker: *const ()) {
    // SAFETY: only what `clone` made is owned, and only what is owned is woken by value or dropped: once.
    let waker = unsafe { Box::from_raw(waker.cast_mut().cast::<Waker>()) };
    let _ = catch(|| waker.wake());
}

unsafe extern "C" fn wake_by_ref(waker: *const ()) {
    // SAFETY: as in `clone`.
    let waker = unsafe { &*waker.cast::<Waker>() };
    let _ = catch(|| waker.wake_by_ref());
}

unsafe extern "C" fn drop_waker(waker: *const ()) {
    // SAFETY: as in `wake`.
    let waker = unsafe { Box::from_raw(waker.cast_mut().cast::<Waker>()) };
    let _ = catch(|| drop(waker));
}

/// Calls this with a context whose waker wakes the other side.
///
/// # Safety
///
/// `waker` is lent by the other side for the time of this call.
pub(crate) unsafe fn in_context<R>(waker: *const FfiWaker, poll: impl FnOnce(&mut Context<'_>) -> R) -> R {
    let raw = RawWaker::new(waker.cast(), &LENT);
    // SAFETY: `LENT` keeps the contract of wakers, and this one is gone before the loan ends.
    let waker = ManuallyDrop::new(unsafe { Waker::from_raw(raw) });
    poll(&mut Context::from_waker(&waker))
}

/// Around a waker that is lent.
static LENT: RawWakerVTable = RawWakerVTable::new(clone_foreign, |_| (), wake_foreign_by_ref, |_| ());

/// Around a boxed one that is owned.
static OWNED: RawWakerVTable =
    RawWakerVTable::new(clone_foreign, wake_foreign, wake_foreign_by_ref, drop_foreign);

unsafe fn clone_foreign(waker: *const ()) -> RawWaker {
    // SAFETY: it points to a waker of the other side, that of the poll or a boxed one, and its functions are to be called with its data.
    let clone = unsafe {
        let waker = &*waker.cast::<FfiWaker>();
        (waker.clone)(waker.data)
    };
    RawWaker::new(Box::into_raw(Box::new(clone)).cast_const().cast(), &OWNED)
}

unsafe fn wake_foreign(waker: *const ()) {
    // SAFETY: only owned wakers come here, each once; `wake` consumes what is in the box.
    unsafe {
        let waker = *Box::from_raw(waker.cast_mut().cast::<FfiWaker>());
        (waker.wake)(waker.data);
    }
}

unsafe fn wake_foreign_by_ref(waker: *const ()) {
    // SAFETY: as in `clone_foreign`.
    unsafe {
        let waker = &*waker.cast::<FfiWaker>();
        (waker.wake_by_ref)(waker.data);
    }
}

unsafe fn drop_foreign(waker: *const ()) {
    // SAFETY: only owned wakers come here, each once.
    unsafe {
        let waker = *Box::from_raw(waker.cast_mut().cast::<FfiWaker>());
        (waker.drop)(waker.data);
    }
}

impl fmt::Debug for FfiWaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FfiWaker").finish_non_exhaustive()
    }
}
