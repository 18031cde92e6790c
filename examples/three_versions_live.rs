//! Three versions share the new orders. A customer always meets the same one, until the shares change, and then most still do.
//!
//! Run: `cargo run --example three_versions_live`
//!
//! ```text
//! 1.0.0 Current at 60 %
//! 2.0.0 Ramping at 30 %
//! 3.0.0 Ramping at 10 %
//! each customer meets the same version again: true
//! customers that went elsewhere when 3.0.0 got more: {"1.0.0 to 3.0.0": 26}
//! 3.0.0 has everything now
//! 1.0.0 has left after 133 orders
//! 2.0.0 has left after 114 orders
//! ```

#![allow(clippy::print_stdout, reason = "an example prints")]

use std::collections::BTreeMap;

use seral::prelude::*;

type Orders = Community<u64, String>;

async fn process(_: u64, cx: JobContext) -> Result<String, Fault> {
    Ok(cx.version().to_string())
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let orders: Orders = Ecosystem::new("shop").community("orders").await?;
    let pool = || Pool::of_fn(2, process);
    orders.deploy("1.0.0", pool()).await?;
    orders.deploy("2.0.0", pool()).share(30).await?;
    orders.deploy("3.0.0", pool()).share_beside(10).await?;
    for version in orders.describe().versions {
        println!("{} {} at {} %", version.name, version.state, f64::from(version.share) / 100.0);
    }

    let first = customers(&orders).await?;
    let again = customers(&orders).await?;
    println!("each customer meets the same version again: {}", first == again);

    orders.ramp("3.0.0", 40).await?;
    let raised = customers(&orders).await?;
    let moves = first.iter().zip(&raised).filter(|((_, was), (_, is))| was != is);
    let mut count = BTreeMap::<String, u32>::new();
    for ((_, was), (_, is)) in moves {
        *count.entry(format!("{was} to {is}")).or_default() += 1;
    }
    println!("customers that went elsewhere when 3.0.0 got more: {count:?}");

    let promoted = orders.promote("3.0.0").await?;
    println!("{} has everything now", promoted.version);
    for version in ["1.0.0", "2.0.0"] {
        println!("{version} has left after {} orders", orders.drained(version).await?.done);
    }
    Ok(())
}

/// Which version each of a hundred customers meets.
async fn customers(orders: &Orders) -> Result<BTreeMap<u64, String>, BoxError> {
    let mut met = BTreeMap::new();
    for customer in 0..100 {
        met.insert(customer, orders.submit(0).key(customer).await?.await?);
    }
    Ok(met)
}
