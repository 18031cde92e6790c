//! A future of one side that the other polls.
//!
//! It is polled with an [`FfiWaker`] until its outcome is no longer *pending*, and dropped once, ready or not: that is how it is cancelled. Both are
//! functions of the side that made it, which catches the panics in them.
#![expect(unsafe_code, reason = "the ABI: a future of the other side is reached by pointers")]

use std::fmt;
use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;

use crate::outcome::Ended;
use crate::outcome::Outcome;
use crate::panics::catch;
use crate::waker::FfiWaker;
use crate::waker::in_context;

/// A future that ends with an [`Outcome`].
#[repr(C)]
pub struct FfiFuture {
    data: *mut (),
    poll: unsafe extern "C" fn(*mut (), *const FfiWaker) -> Outcome,
    /// Done, or panicked.
    drop: unsafe extern "C" fn(*mut ()) -> Outcome,
}

// SAFETY: it can only be made of a future that is `Send`.
unsafe impl Send for FfiFuture {}

impl FfiFuture {
    /// Of a future of this side. A panic in it, also in its destructor, is its outcome.
    pub fn new<F: Future<Output = Outcome> + Send + 'static>(future: F) -> Self {
        Self { data: Box::into_raw(Box::new(future)).cast(), poll: poll::<F>, drop: drop_future::<F> }
    }
}

unsafe extern "C" fn poll<F: Future<Output = Outcome>>(future: *mut (), waker: *const FfiWaker) -> Outcome {
    let polled = catch(|| {
        // SAFETY: it is the future that `new` boxed, which stays where it is until it is dropped; whoever holds it has it alone.
        let future = unsafe { Pin::new_unchecked(&mut *future.cast::<F>()) };
        // SAFETY: the other side lends its waker for this call.
        unsafe { in_context(waker, |task| future.poll(task)) }
    });
    match polled {
        Ok(Poll::Pending) => Outcome::PENDING,
        Ok(Poll::Ready(outcome)) => outcome,
        Err(panic) => Outcome::panicked(&panic),
    }
}

unsafe extern "C" fn drop_future<F>(future: *mut ()) -> Outcome {
    // SAFETY: it is the future that `new` boxed, and it is dropped once.
    let future = unsafe { Box::from_raw(future.cast::<F>()) };
    match catch(|| drop(future)) {
        Ok(()) => Outcome::DONE,
        Err(panic) => Outcome::panicked(&panic),
    }
}

impl Future for FfiFuture {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Outcome> {
        let waker = FfiWaker::lent(task.waker());
        // SAFETY: the functions are of the side that made the future, and get what it put beside them; the waker is lent for this call.
        let outcome = unsafe { (self.poll)(self.data, &raw const *waker) };
        if outcome.code == crate::outcome::code::PENDING { Poll::Pending } else { Poll::Ready(outcome) }
    }
}

impl Drop for FfiFuture {
    /// A panic of the other side goes on here, unless there is one already.
    fn drop(&mut self) {
        // SAFETY: as in `poll`; nothing comes after it.
        let outcome = unsafe { (self.drop)(self.data) };
        if let Ended::Panicked(panic) = outcome.read()
            && !std::thread::panicking()
        {
            resume_unwind(Box::new(panic.text));
        }
    }
}

impl fmt::Debug for FfiFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FfiFuture").finish_non_exhaustive()
    }
}
