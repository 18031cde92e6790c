//! Panics where nobody thinks of them: in the destructor of a panic, in a hook before its first `await`, in two places at once. Each was seen
//! failing before it was mended.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use seral::prelude::*;
use seral_test::fault;

use crate::kit::end_if_it_hangs;
use crate::kit::settle;

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
struct Trap(bool);

impl Drop for Trap {
    fn drop(&mut self) {
        if self.0 && !std::thread::panicking() {
            std::panic::panic_any("told to panic in a destructor");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_handed_back_to_nobody_whose_destructor_panics_is_in_the_report() {
    crate::kit::hush();
    end_if_it_hangs();
    let shop = Ecosystem::new("shop");
    let orders = shop.community::<Trap, ()>("orders").await.unwrap();
    let _handle = orders.submit(Trap(true)).delay(MINUTE * 60).await.unwrap();
    let report = shop.shutdown(MINUTE).await;
    assert_eq!(report.communities.len(), 1, "clean = {}: {report}", report.is_clean());
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_panics_before_its_first_await_is_reported() {
    crate::kit::hush();
    end_if_it_hangs();
    let shop = Ecosystem::new("shop");
    let hook = |jobs: Vec<seral::HandedBack<u32>>| {
        if jobs.len() == 1 {
            std::panic::panic_any("told to panic");
        }
        async {}
    };
    let orders = shop.community::<u32, u32>("orders").hand_back(hook).await.unwrap();
    let _handle = orders.submit(1).delay(MINUTE * 60).await.unwrap();
    let report = shop.shutdown(MINUTE).await;
    assert_eq!(report.communities.len(), 1, "clean = {}: {report}", report.is_clean());
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            std::panic::panic_any("told to panic in the destructor of a panic");
        }
    }
}

#[derive(Clone)]
struct Nasty(bool);

impl Drop for Nasty {
    fn drop(&mut self) {
        if self.0 && !std::thread::panicking() {
            std::panic::panic_any(Bomb);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_output_whose_destructor_panics_with_a_payload_that_panics_keeps_no_key() {
    crate::kit::hush();
    end_if_it_hangs();
    let shop = Ecosystem::new("shop");
    let orders = shop.community::<u32, Nasty>("orders").await.unwrap();
    orders.deploy("1", Pool::of_fn(1, |n: u32, _| async move { Ok(Nasty(n == 1)) })).await.unwrap();
    drop(orders.submit(1).key("k").await.unwrap());
    let next = orders.submit(2).key("k").await.unwrap();
    let next = tokio::time::timeout(MINUTE, next).await;
    assert!(next.is_ok(), "{}", orders.describe());
}

#[tokio::test(start_paused = true)]
async fn a_process_that_panics_with_a_payload_that_panics_is_a_panic() {
    crate::kit::hush();
    end_if_it_hangs();
    let shop = Ecosystem::new("shop");
    let orders = shop.community::<u32, u32>("orders").retry(RetryPolicy::attempts(1)).await.unwrap();
    let process = |n, _| async move {
        if n == 1 {
            std::panic::panic_any(Bomb);
        }
        Ok(n)
    };
    orders.deploy("1", Pool::of_fn(1, process)).await.unwrap();
    let handle = orders.submit(1).await.unwrap();
    assert!(handle.await.unwrap_err().to_string().contains("panicked"));
}

#[derive(Debug)]
struct Unprintable;

impl std::fmt::Display for Unprintable {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::panic::panic_any("told to panic in a text")
    }
}

impl std::error::Error for Unprintable {}

#[tokio::test(start_paused = true)]
async fn the_place_of_a_panic_is_not_that_of_an_earlier_one() {
    crate::kit::hush();
    seral::panics::note_locations();
    end_if_it_hangs();
    let shop = Ecosystem::new("shop");
    let orders = shop.community::<u32, u32>("orders").retry(RetryPolicy::attempts(1)).await.unwrap();
    let line = Arc::new(AtomicU32::new(0));
    let noted = Arc::clone(&line);
    let process = move |n, cx: JobContext| {
        let line = Arc::clone(&noted);
        async move {
            if n == 1 {
                return Err(Unprintable.into());
            }
            let code = move || {
                line.store(line!() + 1, Relaxed);
                std::panic::panic_any("told to panic in blocking code");
            };
            cx.blocking(code).await;
            Ok(n)
        }
    };
    orders.deploy("1", Pool::of_fn(1, process)).await.unwrap();
    let _ = orders.ask(1).await;
    let _ = orders.ask(2).await;
    let place = orders.dead_letters().list()[1].history[0].panicked_at.clone().unwrap();
    assert!(place.contains(&format!("combinations_panic.rs:{}:", line.load(Relaxed))), "{place}");
}

struct Fragile;

impl Drop for Fragile {
    fn drop(&mut self) {
        // As a transaction's guard does that must not be forgotten.
        std::panic::panic_any("told to panic in the worker's destructor");
    }
}

impl Worker for Fragile {
    type Job = u32;
    type Output = u32;
    async fn process(&mut self, job: &u32, _: &JobContext) -> Result<u32, Fault> {
        Ok(*job)
    }
    async fn optimize(&mut self, _: &Cycle) {
        std::panic::panic_any("told to panic in optimize");
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_whose_destructor_panics_after_a_panic_in_optimize_does_not_end_the_process() {
    crate::kit::hush();
    end_if_it_hangs();
    let shop = Ecosystem::new("shop");
    let orders = shop.community::<u32, u32>("orders").await.unwrap();
    orders.deploy("1", Pool::of(1, || Fragile)).await.unwrap();
    assert_eq!(orders.ask(1).await.unwrap(), 1);
    assert_eq!(orders.ask(2).await.unwrap(), 2);
}

#[derive(Clone)]
struct Trap2;

impl Drop for Trap2 {
    fn drop(&mut self) {
        std::panic::panic_any("told to panic in a destructor");
    }
}

#[tokio::test(start_paused = true)]
async fn two_jobs_handed_back_to_nobody_whose_destructors_panic_do_not_end_the_process() {
    crate::kit::hush();
    end_if_it_hangs();
    let shop = Ecosystem::new("shop");
    let orders = shop.community::<Trap2, ()>("orders").await.unwrap();
    let _one = orders.submit(Trap2).delay(MINUTE * 60).await.unwrap();
    let _two = orders.submit(Trap2).delay(MINUTE * 60).await.unwrap();
    let report = shop.shutdown(MINUTE).await;
    assert_eq!(report.communities.len(), 1, "clean = {}: {report}", report.is_clean());
}

struct Guard;

impl Drop for Guard {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            std::panic::panic_any("told to panic in a guard");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_killed_worker_whose_job_panics_as_it_is_dropped_is_started_again() {
    crate::kit::hush();
    end_if_it_hangs();
    let shop = Ecosystem::new("shop");
    let orders = shop.community::<u32, u32>("orders").await.unwrap();
    let process = |n, cx: JobContext| async move {
        if cx.attempt().get() == 1 {
            let _guard = Guard;
            std::future::pending::<()>().await;
        }
        Ok(n)
    };
    orders.deploy("1", Pool::of_fn(1, process)).await.unwrap();
    let handle = orders.submit(1).await.unwrap();
    settle().await;
    fault::kill_worker(&orders);
    let ended = tokio::time::timeout(MINUTE, handle).await;
    assert_eq!(ended, Ok(Ok(1)), "{}", orders.describe());
}
