//! A tenant who is not ready for 2.0.0 stays on 1.0.0 for as long as that was agreed; another one tries 2.0.0 before all others.
//!
//! Run: `cargo run --example pin_a_tenant`
//!
//! ```text
//! 2.0.0 is there, and gets beta's orders only
//!   acme 1.0.0 (as the current version), beta 2.0.0 (by a rule), others 1.0.0 (as the current version)
//! 2.0.0 is promoted, and acme stays with 1.0.0
//!   acme 1.0.0 (by a pin on jobs like it), beta 2.0.0 (by a rule), others 2.0.0 (as the current version)
//!   1.0.0 drains, and waits for a pin that has not ended
//! acme's time is over
//!   acme 2.0.0 (as the current version), beta 2.0.0 (by a rule), others 2.0.0 (as the current version)
//!   1.0.0 has left after 3 orders
//! an order that names 1.0.0 now: version 1.0.0 does not take jobs; version 2.0.0 took its place
//! ```

#![allow(clippy::print_stdout, reason = "an example prints")]

use std::time::Duration;

use seral::Event;
use seral::Whose;
use seral::prelude::*;

type Orders = Community<u64, String>;

/// Says which version did it, and why that one.
async fn process(_: u64, cx: JobContext) -> Result<String, Fault> {
    let route = cx.route().to_string();
    let why = route.split_once(", ").map_or("", |(_, why)| why);
    Ok(format!("{} ({why})", cx.version()))
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let orders: Orders = Ecosystem::new("shop").community("orders").await?;
    let pool = || Pool::of_fn(2, process);
    orders.deploy("1.0.0", pool()).await?;
    orders.deploy("2.0.0", pool()).hold().await?;
    orders.route(Whose::tenant("beta"), "2.0.0").because("they asked to be first").await?;
    println!("2.0.0 is there, and gets beta's orders only");
    who_does_what(&orders).await?;

    let mut events = orders.events();
    let agreed = Duration::from_millis(500);
    orders.pin(Whose::tenant("acme"), "1.0.0").lasting(agreed).because("ticket 4711").await?;
    orders.promote("2.0.0").await?;
    println!("2.0.0 is promoted, and acme stays with 1.0.0");
    who_does_what(&orders).await?;
    for holder in &orders.describe().version("1.0.0").ok_or("it is known")?.held_up_by {
        println!("  1.0.0 drains, and waits for {holder}");
    }

    while !matches!(events.next().await, Some(Event::PinEnded { .. }) | None) {}
    println!("acme's time is over");
    who_does_what(&orders).await?;
    println!("  1.0.0 has left after {} orders", orders.drained("1.0.0").await?.done);
    if let Err(gone) = orders.submit(7).pin("1.0.0").await {
        println!("an order that names 1.0.0 now: {gone}");
    }
    Ok(())
}

/// An order of each.
async fn who_does_what(orders: &Orders) -> Result<(), BoxError> {
    let acme = orders.submit(1).tenant("acme").await?.await?;
    let beta = orders.submit(2).tenant("beta").await?.await?;
    let others = orders.ask(3).await?;
    println!("  acme {acme}, beta {beta}, others {others}");
    Ok(())
}
