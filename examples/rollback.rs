//! A version is bad, and a thousand orders wait for it. One swap, and all of them are processed by the version before.
//!
//! Run: `cargo run --example rollback`
//!
//! ```text
//! 1000 wait, 0 done
//! from 2.0.0 to 1.0.0, Warm
//! once more: Already
//! 998 were processed by 1.0.0
//! the job was cancelled
//! the job was cancelled
//! 2.0.0 has left after 0 orders
//! ```

#![allow(clippy::print_stdout, reason = "an example prints")]

use std::time::Duration;

use seral::Rollback;
use seral::prelude::*;

/// Says by whom the order was processed.
async fn good(_: u32, cx: JobContext) -> Result<String, Fault> {
    Ok(cx.version().to_string())
}

/// Never comes to an end, unless it is asked to.
async fn bad(_: u32, cx: JobContext) -> Result<String, Fault> {
    cx.cancelled().await;
    Err(Fault::cancelled("it was asked to end"))
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let orders = Ecosystem::new("shop").community("orders").await?;
    orders.deploy("1.0.0", Pool::of_fn(2, good)).await?;
    // An order of next month is for 1.0.0 alone, so its workers stay.
    let next_month = orders.submit(0).pin("1.0.0").delay(Duration::from_secs(30 * 24 * 3_600)).await?;
    orders.deploy("2.0.0", Pool::of_fn(2, bad)).await?;

    let mut sent = Vec::new();
    for order in 0..1_000 {
        sent.push(orders.submit(order).await?);
    }
    // Both workers have begun one.
    while orders.describe().running < 2 {
        tokio::task::yield_now().await;
    }
    println!(
        "{} wait, {} done",
        orders.describe().waiting + orders.describe().running,
        orders.describe().done
    );

    if let Rollback::To { from, to, how, .. } = orders.rollback().await? {
        println!("from {from} to {to}, {how:?}");
    }
    println!("once more: {:?}", orders.rollback().await?);

    // What its two workers had begun stays with them; they are asked to end it.
    let (begun, waiting): (Vec<_>, Vec<_>) = sent.into_iter().partition(|order| order.id().get() <= 3);
    for order in &begun {
        order.cancel();
    }
    let mut by_v1 = 0;
    for order in waiting {
        by_v1 += u32::from(order.await? == "1.0.0");
    }
    println!("{by_v1} were processed by 1.0.0");
    for order in begun {
        println!("{}", order.await.expect_err("it never came to an end"));
    }
    let left = orders.drained("2.0.0").await?;
    println!("2.0.0 has left after {} orders", left.done);
    next_month.cancel();
    Ok(())
}
