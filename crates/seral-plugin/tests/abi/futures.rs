//! Futures that one side makes and the other polls, wakes and drops.

use std::future::Future;
use std::future::pending;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;
use std::thread;

use seral_plugin::future::FfiFuture;
use seral_plugin::outcome::Ended;
use seral_plugin::outcome::Outcome;
use seral_plugin::outcome::code;
use seral_plugin::panics::catch;

use crate::wakers::Counter;
use crate::wakers::Panics;
use crate::wakers::Seen;

pub(crate) fn poll(future: &mut FfiFuture, waker: &Waker) -> Poll<Ended> {
    Pin::new(future).poll(&mut Context::from_waker(waker)).map(Outcome::read)
}

/// The text with which this future panicked.
#[track_caller]
pub(crate) fn panicked(polled: Poll<Ended>) -> String {
    match polled {
        Poll::Ready(Ended::Panicked(panic)) => panic.text,
        other => panic!("it did not panic: {other:?}"),
    }
}

#[track_caller]
fn done(polled: Poll<Ended>) -> Vec<u8> {
    match polled {
        Poll::Ready(Ended::Done(bytes)) => bytes.to_vec(),
        other => panic!("it is not done: {other:?}"),
    }
}

/// Counts how often it is dropped, and panics then, if it is told to.
struct Guard(Arc<AtomicUsize>, bool);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
        assert!(!self.1, "a guard panics");
    }
}

/// A future that does this at its first poll and is done at its second.
fn at_first(mut first: impl FnMut(&Waker) + Send + 'static) -> FfiFuture {
    let mut is_first = true;
    FfiFuture::new(poll_fn(move |task| {
        if is_first {
            is_first = false;
            first(task.waker());
            return Poll::Pending;
        }
        Poll::Ready(Outcome::done(b"done".to_vec()))
    }))
}

#[test]
fn a_future_that_is_ready_at_once_needs_no_waker() {
    let counter = Counter::new(Panics::Nowhere);
    let waker = counter.waker();
    let mut future = FfiFuture::new(async { Outcome::done(b"at once".to_vec()) });
    assert_eq!(done(poll(&mut future, &waker)), b"at once");
    drop(future);
    assert_eq!(counter.seen(), Seen::default());
    drop(waker);
    assert_eq!(counter.alive(), 0);
}

#[test]
fn a_future_that_waits_is_woken_by_another_thread_after_the_poll() {
    let counter = Counter::new(Panics::Nowhere);
    let waker = counter.waker();
    let kept = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&kept);
    let mut future = at_first(move |waker| *keep.lock().unwrap() = Some(waker.clone()));
    assert!(poll(&mut future, &waker).is_pending());
    assert_eq!(counter.seen(), Seen { cloned: 1, ..Seen::default() });
    let owned = kept.lock().unwrap().take().unwrap();
    thread::spawn(move || owned.wake()).join().unwrap();
    assert_eq!(counter.seen(), Seen { cloned: 1, woken: 1, ..Seen::default() });
    assert_eq!(done(poll(&mut future, &waker)), b"done");
    drop((future, waker));
    assert_eq!(counter.alive(), 0);
}

#[test]
fn of_all_clones_of_a_waker_none_is_lost_and_none_ends_twice() {
    let counter = Counter::new(Panics::Nowhere);
    let waker = counter.waker();
    let mut future = at_first(|lent| {
        lent.wake_by_ref();
        let one = lent.clone();
        let two = one.clone();
        let three = two.clone();
        one.wake_by_ref();
        drop(one);
        three.wake();
        two.wake_by_ref();
        two.wake();
    });
    assert!(poll(&mut future, &waker).is_pending());
    let expected = Seen { cloned: 3, woken: 2, woken_by_ref: 3, dropped: 1 };
    assert_eq!(counter.seen(), expected);
    assert_eq!(counter.alive(), 1);
    assert_eq!(done(poll(&mut future, &waker)), b"done");
    drop((future, waker));
    assert_eq!(counter.seen(), Seen { dropped: 2, ..expected });
}

#[test]
fn a_waker_outlives_its_future_and_the_poll_that_it_is_of() {
    let counter = Counter::new(Panics::Nowhere);
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&kept);
    let mut future = at_first(move |waker| {
        keep.lock().unwrap().extend([waker.clone(), waker.clone()]);
    });
    assert!(poll(&mut future, &counter.waker()).is_pending());
    drop(future);
    assert_eq!(counter.alive(), 2);
    let mut wakers = std::mem::take(&mut *kept.lock().unwrap());
    wakers.pop().unwrap().wake();
    wakers[0].wake_by_ref();
    assert_eq!(counter.alive(), 1);
    drop(wakers);
    // The one that was polled with is among those that were dropped.
    assert_eq!(counter.seen(), Seen { cloned: 2, woken: 1, woken_by_ref: 1, dropped: 2 });
}

#[test]
fn a_waker_that_panics_does_not_unwind_into_the_future() {
    for panics in [Panics::InClone, Panics::InWake, Panics::InWakeByRef, Panics::InDrop] {
        let counter = Counter::new(panics);
        let waker = counter.waker();
        let mut future = at_first(|lent| {
            lent.wake_by_ref();
            let one = lent.clone();
            one.wake_by_ref();
            drop(one.clone());
            one.wake();
        });
        assert!(poll(&mut future, &waker).is_pending(), "{panics:?}");
        assert_eq!(done(poll(&mut future, &waker)), b"done", "{panics:?}");
        drop(future);
        let expected = match panics {
            // What cannot be cloned wakes nobody.
            Panics::InClone => Seen { woken_by_ref: 1, ..Seen::default() },
            _ => Seen { cloned: 2, woken: 1, woken_by_ref: 2, dropped: 1 },
        };
        assert_eq!(counter.seen(), expected, "{panics:?}");
        assert_eq!(catch(|| drop(waker)).is_err(), panics == Panics::InDrop);
        assert_eq!(counter.alive(), 0, "{panics:?}");
    }
}

#[test]
fn a_panic_in_a_poll_is_what_came_of_it_and_the_future_is_dropped_once() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let guard = Guard(Arc::clone(&dropped), false);
    let mut future = FfiFuture::new(poll_fn(move |_| {
        let _guard = &guard;
        panic!("at the poll")
    }));
    let waker = Waker::noop();
    assert_eq!(panicked(poll(&mut future, waker)), "at the poll");
    assert_eq!(dropped.load(SeqCst), 0);
    drop(future);
    assert_eq!(dropped.load(SeqCst), 1);

    let mut again = FfiFuture::new(async { Outcome::DONE });
    assert_eq!(done(poll(&mut again, waker)), b"");
    let twice = panicked(poll(&mut again, waker));
    assert!(twice.contains("resumed after completion"), "{twice}");
}

#[test]
fn a_future_that_was_never_polled_is_dropped_once() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let guard = Guard(Arc::clone(&dropped), false);
    drop(FfiFuture::new(async move {
        let _guard = guard;
        pending().await
    }));
    assert_eq!(dropped.load(SeqCst), 1);
}

#[test]
fn a_panic_in_a_destructor_goes_on_where_the_future_is_dropped() {
    for polls in 0..3 {
        let dropped = Arc::new(AtomicUsize::new(0));
        let guard = Guard(Arc::clone(&dropped), true);
        let mut future = at_first(move |_| {
            let _ = &guard;
        });
        for _ in 0..polls {
            let _ = poll(&mut future, Waker::noop());
        }
        let panic = catch(|| drop(future)).unwrap_err();
        assert_eq!((panic.text.as_str(), dropped.load(SeqCst)), ("a guard panics", 1), "after {polls} polls");
    }
}

/// A second panic during the first would end the process.
#[test]
fn a_panic_in_a_destructor_ends_where_another_one_goes_on_already() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let guard = Guard(Arc::clone(&dropped), true);
    let future = at_first(move |_| {
        let _ = &guard;
    });
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let _future = future;
        panic!("the first");
    }));
    assert_eq!(caught.unwrap_err().downcast_ref::<&str>(), Some(&"the first"));
    assert_eq!(dropped.load(SeqCst), 1);
}

#[test]
fn each_outcome_has_its_number() {
    let codes = [code::PENDING, code::DONE, code::FAULT, code::PANICKED, code::REFUSED];
    assert_eq!(codes, [0, 1, 2, 3, 4]);
    assert_eq!(Outcome::PENDING.code, code::PENDING);
    assert_eq!(Outcome::DONE.code, code::DONE);
    let mut refused = FfiFuture::new(async { Outcome::refused("no") });
    match poll(&mut refused, Waker::noop()) {
        Poll::Ready(Ended::Refused(why)) => assert_eq!(why, "no"),
        other => panic!("{other:?}"),
    }
}
