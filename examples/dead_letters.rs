//! A bad version sets orders aside; the next one has the cure, so they are replayed, and what cannot be cured is discarded.
//!
//! Run: `cargo run --example dead_letters`
//!
//! ```text
//! job 3, attempts: 1, the worker said so
//! job 4, attempts: 1, the worker said so
//! job 5, attempts: 2, attempts used up
//! job 6, attempts: 2, attempts used up, panicked in examples/dead_letters.rs
//! to be replayed:
//!     2 × order 3: no tax rate of NO (2.0.0)
//!     1 × the rates of Finland cannot be read (2.0.0)
//!     1 × panicked: attempt to divide by zero (2.0.0)
//! 4 were replayed
//! to be discarded:
//!     2 × order 1 has no parcels (1.0.0, 3.0.0)
//! 2 were discarded
//! 5 done, 0 dead letters, 2 discarded
//! ```

#![allow(clippy::print_stdout, reason = "an example prints")]

use std::time::Duration;

use seral::prelude::*;
use seral::view::Preview;

#[derive(Clone, Debug)]
struct Order {
    number: u32,
    country: &'static str,
    parcels: u32,
}

/// What each parcel of an order costs.
async fn v1(order: Order, _: JobContext) -> Result<u32, Fault> {
    if order.parcels == 0 {
        return Err(Fault::dead_letter(format!("order {} has no parcels", order.number)));
    }
    Ok(1_000 / order.parcels)
}

/// With the taxes of other countries, but not of all of them. And somebody has forgotten the check.
async fn v2(order: Order, _: JobContext) -> Result<u32, Fault> {
    let tax = match order.country {
        "DE" => 19,
        "FI" => Err("the rates of Finland cannot be read")?,
        other => Err(Fault::dead_letter(format!("order {}: no tax rate of {other}", order.number)))?,
    };
    Ok((1_000 + 10 * tax) / order.parcels)
}

/// The cure.
async fn v3(order: Order, cx: JobContext) -> Result<u32, Fault> {
    let tax = if order.country == "DE" { 19 } else { 25 };
    Ok(v1(order, cx).await? * (100 + tax) / 100)
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    seral::panics::note_locations(); // of panics; it sets a hook, so it is for `main` to call
    let twice = RetryPolicy::attempts(2).backoff(Duration::ZERO, Duration::ZERO);
    let orders = Ecosystem::new("shop").community("orders").retry(twice).await?;

    orders.deploy("1.0.0", Pool::of_fn(1, v1)).await?;
    let _ = orders.ask(Order { number: 1, country: "DE", parcels: 0 }).await;
    orders.deploy("2.0.0", Pool::of_fn(1, v2)).await?;
    for (number, country, parcels) in [(2, "DE", 1), (3, "NO", 1), (4, "NO", 2), (5, "FI", 1), (6, "DE", 0)] {
        let _ = orders.ask(Order { number, country, parcels }).await;
    }

    let of_v2 = || orders.dead_letters().version("2.0.0");
    for letter in of_v2().list() {
        let place =
            letter.history.last().and_then(|attempt| attempt.panicked_at.as_deref()?.split(':').next());
        let place = place.map_or(String::new(), |file| format!(", panicked in {file}"));
        println!("job {}, attempts: {}, {}{place}", letter.id, letter.attempts, letter.cause);
    }
    println!("to be replayed:");
    show(of_v2().preview());
    orders.deploy("3.0.0", Pool::of_fn(1, v3)).await?;
    println!("{} were replayed", of_v2().replay().await?);
    // The only worker takes this order after those, so they are over when it answers.
    orders.ask(Order { number: 7, country: "NO", parcels: 1 }).await?;

    println!("to be discarded:");
    show(orders.dead_letters().preview());
    println!("{} were discarded", orders.dead_letters().discard());
    let now = orders.describe();
    println!("{} done, {} dead letters, {} discarded", now.done, now.dead, now.dead_discarded);
    Ok(())
}

/// A line for each way to fail.
fn show(preview: Preview) {
    preview.groups.iter().for_each(|group| println!("    {group}"));
}
