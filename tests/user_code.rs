//! Code of the user that panics, hangs or holds on where it is least expected: in a destructor, in the text of an error, in `optimize`, in a
//! start after a panic. No job is lost by it, no key is kept, no drain held up, and nothing is kept alive.
//!
//! Seen failing: the text of a fault made without a guard; the old worker kept until the new one has started; a restart without a deadline; jobs
//! reported only at the next visit; askers that stay after their job; the user's code kept after the end.

use std::fmt;
use std::sync::Arc;
use std::sync::Weak;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use seral::error::AskError;
use seral::error::JobError;
use seral::prelude::*;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::kit::end_if_it_hangs;
use crate::kit::hush;
use crate::kit::settle;

const MINUTE: Duration = Duration::from_secs(60);

/// Three attempts without a pause.
const AT_ONCE: RetryPolicy = RetryPolicy::attempts(3).backoff(Duration::ZERO, Duration::ZERO);

/// An error that cannot be printed.
#[derive(Debug)]
struct Unprintable;

impl fmt::Display for Unprintable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        std::panic::panic_any("told to panic in a text")
    }
}

impl std::error::Error for Unprintable {}

#[tokio::test(start_paused = true)]
async fn an_error_whose_text_panics_fails_its_job_as_any_other_and_frees_its_key() {
    hush();
    end_if_it_hangs();
    let shop = Ecosystem::new("shop");
    let orders = shop.community::<u32, u32>("orders").await.unwrap();
    let process = |n: u32, _| async move { if n == 0 { Err(Unprintable)? } else { Ok(n) } };
    orders.deploy("1", Pool::of_fn(1, process)).await.unwrap();
    let failing = orders.submit(0).key("k").await.unwrap();
    let behind = orders.submit(1).key("k").await.unwrap();
    assert!(matches!(failing.await, Err(JobError::Failed { .. })));
    assert_eq!(behind.await, Ok(1));
    assert_eq!(orders.describe().accounted(), 2);
    assert!(!shop.shutdown(MINUTE).await.is_clean(), "there is a dead letter and no hook");
}

/// A value whose destructor panics, once it is armed.
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
async fn a_destructor_that_panics_keeps_no_key_and_holds_up_no_drain() {
    struct Setter;
    impl Worker for Setter {
        type Job = (u32, Trap);
        type Output = Trap;
        async fn process(&mut self, job: &(u32, Trap), _: &JobContext) -> Result<Trap, Fault> {
            if job.0 == 9 { Err("told to fail")? } else { Ok(Trap(true)) }
        }
    }
    hush();
    end_if_it_hangs();
    let shop = Ecosystem::new("shop");
    let orders = shop.community::<(u32, Trap), Trap>("orders").dead_letters(1).retry(AT_ONCE).await.unwrap();
    orders.deploy("1", Pool::of(1, || Setter)).await.unwrap();
    for number in [1, 9, 9, 2] {
        // Nobody waits, so the output is dropped by the runtime; and so are the jobs, and the first dead letter.
        drop(orders.submit((number, Trap(true))).key("k").await.unwrap());
    }
    orders.deploy("2", Pool::of(1, || Setter).build("2")).await.unwrap();
    orders.drained("1").await.unwrap();
    settle().await;
    let view = orders.describe();
    assert_eq!((view.done, view.dead, view.overflowed, view.accounted()), (2, 1, 1, 4), "{view}");
}

/// Holds the only permit for as long as it lives, and panics at its first job.
struct Exclusive {
    permits: Arc<Semaphore>,
    held: Option<tokio::sync::OwnedSemaphorePermit>,
}

impl Worker for Exclusive {
    type Job = u32;
    type Output = u32;

    async fn start(&mut self, _: &StartContext) -> Result<(), Fault> {
        self.held = Some(Arc::clone(&self.permits).acquire_owned().await?);
        Ok(())
    }

    async fn process(&mut self, job: &u32, cx: &JobContext) -> Result<u32, Fault> {
        if cx.attempt().get() == 1 {
            std::panic::panic_any("told to panic");
        }
        Ok(*job)
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_panicked_is_gone_before_the_new_one_starts() {
    hush();
    end_if_it_hangs();
    let shop = Ecosystem::new("shop");
    let orders = shop.community::<u32, u32>("orders").retry(AT_ONCE).await.unwrap();
    let permits = Arc::new(Semaphore::new(1));
    let factory = move || Exclusive { permits: Arc::clone(&permits), held: None };
    orders.deploy("1", Pool::of(1, factory)).await.unwrap();
    let began = Instant::now();
    assert_eq!(orders.ask(7).await.unwrap(), 7);
    assert_eq!(began.elapsed(), Duration::ZERO, "the worker is rebuilt at once");
    assert!(shop.shutdown(MINUTE).await.is_clean());
}

/// Panics at its first job; its second start hangs.
struct Hanging {
    starts: Arc<AtomicU32>,
}

impl Worker for Hanging {
    type Job = u32;
    type Output = u32;

    async fn start(&mut self, _: &StartContext) -> Result<(), Fault> {
        if self.starts.fetch_add(1, Relaxed) == 1 {
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    async fn process(&mut self, job: &u32, cx: &JobContext) -> Result<u32, Fault> {
        if cx.attempt().get() == 1 {
            std::panic::panic_any("told to panic");
        }
        Ok(*job)
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_that_hangs_after_a_panic_is_given_up_and_tried_again() {
    hush();
    end_if_it_hangs();
    let shop = Ecosystem::new("shop");
    let orders = shop.community::<u32, u32>("orders").await.unwrap();
    let starts = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&starts);
    let pool = Pool::of(1, move || Hanging { starts: Arc::clone(&counter) });
    orders.deploy("1", pool.start_deadline(Duration::from_secs(5))).await.unwrap();
    let began = Instant::now();
    assert_eq!(orders.ask(7).await.unwrap(), 7);
    assert_eq!((began.elapsed().as_secs(), starts.load(Relaxed)), (5, 3));
}

/// Thinks for an hour after each batch, and may ask another community while it does.
struct Thinker {
    other: Option<Community<u32, u32>>,
    asked: Arc<AtomicU32>,
}

impl Worker for Thinker {
    type Job = u32;
    type Output = u32;

    async fn process(&mut self, job: &u32, _: &JobContext) -> Result<u32, Fault> {
        Ok(*job)
    }

    async fn optimize(&mut self, _: &Cycle) {
        match &self.other {
            None => tokio::time::sleep(MINUTE * 60).await,
            Some(other) => {
                let answered = other.ask(1).await.is_ok();
                self.asked.fetch_add(u32::from(answered), Relaxed);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_tunes_itself_for_an_hour_holds_up_no_drain() {
    end_if_it_hangs();
    let shop = Ecosystem::new("shop");
    let orders = shop.community::<u32, u32>("orders").await.unwrap();
    let thinker = || Thinker { other: None, asked: Arc::default() };
    orders.deploy("1", Pool::of(1, thinker)).await.unwrap();
    orders.ask(1).await.unwrap();
    let began = Instant::now();
    orders.deploy("2", Pool::of(1, thinker).build("2")).await.unwrap();
    orders.drained("1").await.unwrap();
    assert!(began.elapsed() < MINUTE, "drained after {:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn those_who_asked_for_a_job_do_not_wait_for_what_the_worker_does_after_it() {
    end_if_it_hangs();
    let shop = Ecosystem::new("shop");
    let first = shop.community::<u32, u32>("first").await.unwrap();
    let second = shop.community::<u32, u32>("second").await.unwrap();
    let asked = Arc::new(AtomicU32::new(0));
    let (back, counter) = (first.clone(), Arc::clone(&asked));
    let thinker = move || Thinker { other: Some(back.clone()), asked: Arc::clone(&counter) };
    second.deploy("1", Pool::of(1, thinker)).await.unwrap();
    let onward = second.clone();
    let process = move |n: u32, _: JobContext| {
        let onward = onward.clone();
        async move {
            // Only the first job asks; the answer comes back before the other worker tunes itself by asking here.
            if n == 0 { onward.ask(5).await.map_err(|error| Fault::from(error.to_string())) } else { Ok(n) }
        }
    };
    first.deploy("1", Pool::of_fn(2, process)).await.unwrap();
    assert_eq!(first.ask(0).await.unwrap(), 5);
    settle().await;
    assert_eq!(asked.load(Relaxed), 1, "the ask from `optimize` was answered");
}

#[tokio::test(start_paused = true)]
async fn an_ask_that_is_not_admitted_in_its_time_gives_the_job_back() {
    end_if_it_hangs();
    let shop = Ecosystem::new("shop");
    let orders = shop.community::<u32, u32>("orders").await.unwrap();
    let began = Instant::now();
    let refused = orders.ask(7).await.unwrap_err();
    let AskError::Send(refused) = refused else { panic!("{refused:?}") };
    assert_eq!((refused.into_job(), began.elapsed().as_secs()), (7, 60));
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_holds_its_own_community_and_ecosystem_is_freed_by_the_shutdown() {
    end_if_it_hangs();
    let shop = Ecosystem::new("shop");
    let orders = shop.community::<u32, u32>("orders").await.unwrap();
    let token = Arc::new(());
    let alive: Weak<()> = Arc::downgrade(&token);
    let held = (orders.clone(), shop.clone(), token);
    let process = move |n: u32, _| {
        let _held = &held;
        async move { Ok(n) }
    };
    orders.deploy("1", Pool::of_fn(2, process)).await.unwrap();
    orders.ask(1).await.unwrap();
    shop.shutdown(MINUTE).await;
    settle().await;
    assert!(alive.upgrade().is_none(), "the closure of the worker is still there");
}
