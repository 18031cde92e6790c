//! A new version gets a twentieth of new orders, then a quarter, then all; each step is taken by hand after a look.
//!
//! Run: `cargo run --example ramp`
//!
//! ```text
//! a smoke test by 2.0.0
//! {"1.0.0": 941, "2.0.0": 59}
//! {"1.0.0": 737, "2.0.0": 263}
//! {"1.0.0": 496, "2.0.0": 504}
//! {"1.0.0": 951, "2.0.0": 49}
//! 2.0.0 is current, 1.0.0 drains
//! {"2.0.0": 1000}
//! version 1.0.0 has no workers any more (it is Retired); deploy it again
//! ```

#![allow(clippy::print_stdout, reason = "an example prints")]

use std::collections::BTreeMap;

use seral::prelude::*;

type Orders = Community<u32, String>;

/// Says by whom the order was processed.
async fn process(_: u32, cx: JobContext) -> Result<String, Fault> {
    Ok(cx.version().to_string())
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let orders: Orders = Ecosystem::new("shop").community("orders").await?;
    orders.deploy("1.0.0", Pool::of_fn(2, process)).await?;

    // Its workers are there, and it gets no orders but those that name it: time for a smoke test.
    orders.deploy("2.0.0", Pool::of_fn(2, process)).hold().await?;
    println!("a smoke test by {}", orders.submit(0).pin("2.0.0").await?.await?);

    for percent in [5, 25, 50] {
        orders.ramp("2.0.0", percent).await?;
        look(&orders, 1_000).await?;
    }
    // Somebody saw something.
    orders.ramp("2.0.0", 5).await?;
    look(&orders, 1_000).await?;
    // It was nothing.
    let promoted = orders.promote("2.0.0").await?;
    println!("{} is current, {} drains", promoted.version, promoted.replaced.expect("1.0.0 was current"));
    look(&orders, 1_000).await?;

    orders.drained("1.0.0").await?;
    println!("{}", orders.ramp("1.0.0", 5).await.expect_err("its workers are gone"));
    Ok(())
}

/// Sends so many orders, and prints who processed how many.
async fn look(orders: &Orders, count: u32) -> Result<(), BoxError> {
    let mut by_version = BTreeMap::<String, u32>::new();
    for order in 0..count {
        *by_version.entry(orders.ask(order).await?).or_default() += 1;
    }
    println!("{by_version:?}");
    Ok(())
}
