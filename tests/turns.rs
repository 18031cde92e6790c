//! Whoever is ready to go on does not stand behind a worker that has much to do: a caller whose job is done, a timer, a sender with a waker of its
//! own that panics. On one thread, where nobody else can help out.
//!
//! Seen failing: a turn by waking oneself where `block_on` waits; no `yield_now` ever; a reply sent without a guard.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Context;
use std::task::Poll;
use std::task::Wake;
use std::task::Waker;
use std::time::Duration;
use std::time::Instant;

use seral::prelude::*;

use crate::kit::end_if_it_hangs;
use crate::kit::hush;
use crate::kit::settle;

const MINUTE: Duration = Duration::from_secs(60);

/// A community with one worker, whose jobs keep the thread for so long, and how many it has done.
async fn busy(each: Duration) -> (Ecosystem, Community<u32, u32>, Arc<AtomicUsize>) {
    let done = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&done);
    let shop = Ecosystem::new("shop");
    let orders = shop.community("orders").await.unwrap();
    let process = move |n: u32, _| {
        let began = Instant::now();
        while began.elapsed() < each {
            std::hint::spin_loop();
        }
        count.fetch_add(1, Relaxed);
        async move { Ok(n) }
    };
    orders.deploy("1", Pool::of_fn(1, process)).await.unwrap();
    (shop, orders, done)
}

#[tokio::test]
async fn a_caller_goes_on_when_its_job_is_done_and_not_when_all_are() {
    let (shop, orders, done) = busy(Duration::from_micros(100)).await;
    let mut handles = Vec::new();
    for n in 0..100 {
        handles.push(orders.submit(n).await.unwrap());
    }
    for (n, handle) in (0..).zip(handles) {
        assert_eq!(handle.await, Ok(n));
        assert!(
            done.load(Relaxed) <= n as usize + 2,
            "{} are done, and {n} hears of it now",
            done.load(Relaxed)
        );
    }
    assert!(shop.shutdown(MINUTE).await.is_clean());
}

#[tokio::test]
async fn a_timer_is_heard_beside_a_worker_that_never_waits() {
    let (shop, orders, done) = busy(Duration::from_micros(20)).await;
    for n in 0..5_000 {
        orders.send(n).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(1)).await;
    // It is looked for each 128 jobs, which take more than twice as long as it does.
    assert!(done.load(Relaxed) <= 300, "{} jobs came before the timer", done.load(Relaxed));
    assert!(shop.shutdown(MINUTE).await.is_clean());
}

/// A waker that should not be called.
struct Trap;

impl Wake for Trap {
    fn wake(self: Arc<Self>) {
        std::panic::panic_any("told to panic in a waker")
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_whose_waker_panics_keeps_no_key_and_no_worker() {
    hush();
    end_if_it_hangs();
    let shop = Ecosystem::new("shop");
    let orders = shop.community::<u32, u32>("orders").await.unwrap();
    orders.deploy("1", Pool::of_fn(1, |n: u32, _| async move { Ok(n) })).await.unwrap();
    let first = orders.submit(1).key("k").await.unwrap();
    let behind = orders.submit(2).key("k").await.unwrap();
    let trap = Waker::from(Arc::new(Trap));
    let mut first = pin!(first);
    assert!(first.as_mut().poll(&mut Context::from_waker(&trap)).is_pending());
    assert_eq!(behind.await, Ok(2));
    assert_eq!(first.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(1)));
    assert!(shop.shutdown(MINUTE).await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn a_sender_whose_waker_panics_costs_no_job() {
    hush();
    end_if_it_hangs();
    let shop = Ecosystem::new("shop");
    let orders = shop.community::<u32, u32>("orders").mailbox(2).await.unwrap();
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let passes = Arc::clone(&gate);
    let process = move |n: u32, _| {
        let passes = Arc::clone(&passes);
        async move {
            passes.acquire().await?.forget();
            Ok(n)
        }
    };
    orders.deploy("1", Pool::of_fn(1, process)).await.unwrap();
    let mut handles = Vec::new();
    for n in 0..3 {
        handles.push(orders.submit(n).await.unwrap());
        settle().await;
    }
    let trap = Waker::from(Arc::new(Trap));
    let mut sending = pin!(orders.send(3));
    assert!(sending.as_mut().poll(&mut Context::from_waker(&trap)).is_pending(), "there is no room");
    gate.add_permits(4);
    for (n, handle) in (0..).zip(handles) {
        assert_eq!(handle.await, Ok(n));
    }
    assert!(sending.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready(), "there is room now");
    assert!(shop.shutdown(MINUTE).await.is_clean());
}
