//! The smallest whole program: define a worker, run it, submit a job, print the result.
//!
//! Run: `cargo run --example hello`
//!
//! ```text
//! 21
//! ```

#![allow(clippy::print_stdout, reason = "an example prints")]

use seral::prelude::*;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let shop = Ecosystem::new("shop");
    let halve = shop.community("halve").await?;
    halve.deploy("1.0.0", Pool::of_fn(2, |n: u32, _| async move { Ok(n / 2) })).await?;
    println!("{}", halve.ask(42).await?);
    Ok(())
}
