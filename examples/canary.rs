//! A bad build is caught by its guard after a handful of orders, and taken back by itself.
//!
//! The first build gets the first fifty orders; the second a twentieth, and it breaks on one order in four. Each order that failed is tried again by the version
//! that is there by then. Time is virtual here, so that every run prints the same.
//!
//! Run: `cargo run --example canary`
//!
//! ```text
//! orders 2.0.0 has to go: errors in 3 of 3 jobs, against 0 of 5000: 13325 times as likely if it is worse, compared with 1.0.0
//! orders 2.0.1 has to go: errors in 4 of 7 jobs, against 0 of 161: 13113 times as likely if it is worse, compared with 1.0.0
//! orders 2.0.1: step 0 of its rollout, 0 %: rolled back: errors in 4 of 7 jobs, against 0 of 161: 13113 times as likely if it is worse, compared with 1.0.0
//! orders 1.0.0  5 workers  Current  0 waiting  0 running  9997 done
//! orders 2.0.0  0 workers  Retired (quarantined)  0 waiting  0 running  0 done  3 failed
//! orders 2.0.1  0 workers  Retired (quarantined)  0 waiting  0 running  3 done  5 failed
//! 11 of 10000 orders saw a bad build, 10000 are done, 0 lost
//! ```

#![allow(clippy::print_stdout, reason = "an example prints")]

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use seral::Event;
use seral::prelude::*;
use seral::rollout::Phase;

const SECOND: Duration = Duration::from_secs(1);

type Orders = Community<u32, ()>;

/// The till as it is.
async fn well(_: u32, _: JobContext) -> Result<(), Fault> {
    Ok(())
}

/// How many orders came to a bad build.
static SAW_IT: AtomicU32 = AtomicU32::new(0);

/// It cannot reach its database.
async fn broken(_: u32, _: JobContext) -> Result<(), Fault> {
    SAW_IT.fetch_add(1, Relaxed);
    Err("no such host: db.test")?
}

/// It does not know one of the four currencies.
async fn half_right(order: u32, _: JobContext) -> Result<(), Fault> {
    SAW_IT.fetch_add(1, Relaxed);
    if order.is_multiple_of(4) { Err("unknown currency")? } else { Ok(()) }
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), BoxError> {
    let retry = RetryPolicy::attempts(10).backoff(SECOND, 10 * SECOND).seed(1);
    let orders: Orders = Ecosystem::new("shop").community("orders").retry(retry).await?;
    let mut events = orders.events();
    orders.deploy("1.0.0", Pool::of_fn(5, well)).await?;
    send(&orders, 5_000).await?;

    orders.deploy("2.0.0", Pool::of_fn(5, broken)).first(50).await?;
    send(&orders, 1_000).await?;

    orders.deploy("2.0.1", Pool::of_fn(5, half_right)).ramp([5, 25]).await?;
    send(&orders, 4_000).await?;

    // The orders that failed are tried again, by 1.0.0.
    tokio::time::sleep(60 * SECOND).await;
    while let Ok(Some(event)) = tokio::time::timeout(SECOND, events.next()).await {
        if let Event::Condemned { .. } | Event::Rollout { phase: Phase::Over(_), .. } = event {
            println!("{event}");
        }
    }
    let view = orders.describe();
    for version in &view.versions {
        println!("{version}");
    }
    let (saw_it, lost) = (SAW_IT.load(Relaxed), view.admitted - view.done);
    println!("{saw_it} of {} orders saw a bad build, {} are done, {lost} lost", view.admitted, view.done);
    Ok(())
}

/// A hundred orders a second.
async fn send(orders: &Orders, count: u32) -> Result<(), BoxError> {
    for order in 1..=count {
        orders.send(order).await?;
        tokio::time::sleep(SECOND / 100).await;
    }
    Ok(())
}
