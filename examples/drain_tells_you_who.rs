//! An old version does not leave. It says for whom it waits; one after the other they finish, and it leaves.
//!
//! Run: `cargo run --example drain_tells_you_who`
//!
//! ```text
//! 1.0.0 waits for job 1 on worker 1
//! 1.0.0 waits for 1 waiting
//! 1.0.0 waits for 1 pinned to it
//! order 1 is done
//! 1.0.0 waits for job 2 on worker 1
//! 1.0.0 waits for 1 pinned to it
//! order 2 is done
//! 1.0.0 waits for 1 pinned to it
//! 1.0.0 has left after 2 orders
//! ```

#![allow(clippy::print_stdout, reason = "an example prints")]

use std::sync::Arc;
use std::time::Duration;

use seral::prelude::*;
use seral::view::Holder;
use tokio::sync::Semaphore;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let gate = Arc::new(Semaphore::new(0));
    let (begun, mut begins) = tokio::sync::mpsc::channel(1);
    let pool = || {
        let (gate, begun) = (Arc::clone(&gate), begun.clone());
        Pool::of_fn(1, move |order: u32, _| {
            let (gate, begun) = (Arc::clone(&gate), begun.clone());
            async move {
                begun.send(()).await?;
                gate.acquire().await?.forget();
                Ok(order)
            }
        })
    };
    let orders = Ecosystem::new("shop").community("orders").await?;
    orders.deploy("1.0.0", pool()).await?;
    let long = orders.submit(1).await?;
    begins.recv().await;
    let waiting = orders.submit(2).await?;
    // This order wants 1.0.0 and nobody else, in a month.
    let later = orders.submit(3).pin("1.0.0").delay(Duration::from_secs(30 * 24 * 3_600)).await?;

    orders.deploy("2.0.0", pool()).await?;
    who(&orders);
    gate.add_permits(1);
    println!("order {} is done", long.await?);
    begins.recv().await;
    who(&orders);
    gate.add_permits(1);
    println!("order {} is done", waiting.await?);
    while orders.describe().versions[0].held_up_by.len() > 1 {
        tokio::task::yield_now().await;
    }
    who(&orders);
    later.cancel();
    let left = orders.drained("1.0.0").await?;
    println!("1.0.0 has left after {} orders", left.done);
    Ok(())
}

/// For whom 1.0.0 waits.
fn who(orders: &Community<u32, u32>) {
    for holder in &orders.describe().version("1.0.0").expect("it was deployed").held_up_by {
        match holder {
            Holder::Running { job, worker, .. } => println!("1.0.0 waits for job {job} on worker {worker}"),
            other => println!("1.0.0 waits for {other}"),
        }
    }
}
