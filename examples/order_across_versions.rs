//! A customer's orders are processed in the order in which they came, one at a time, while versions come and go.
//!
//! Run: `cargo run --example order_across_versions`
//!
//! ```text
//! 4 wait behind their customer's first order
//! order 1 by 1.0.0
//! order 2 by 2.0.0
//! order 3 by 2.0.0
//! order 4 by 2.0.0
//! order 5 by 2.0.0
//! order 6 by 3.0.0
//! order 7 by 2.0.0
//! order 8 by 3.0.0
//! ```

#![allow(clippy::print_stdout, reason = "an example prints")]

use std::sync::Arc;

use parking_lot::Mutex;
use seral::prelude::*;
use tokio::sync::Semaphore;

#[derive(Clone, Default)]
struct Desk {
    /// The order in which orders were begun, and by whom.
    begun: Arc<Mutex<Vec<(u32, String)>>>,
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let desk = Desk::default();
    // The first order takes long: until somebody says so.
    let slow = Arc::new(Semaphore::new(0));
    let pool = || {
        let (desk, slow) = (desk.clone(), Arc::clone(&slow));
        Pool::of_fn(3, move |order: u32, cx: JobContext| {
            let (desk, slow) = (desk.clone(), Arc::clone(&slow));
            async move {
                desk.begun.lock().push((order, cx.version().to_string()));
                if order == 1 {
                    slow.acquire().await?.forget();
                }
                Ok(order)
            }
        })
    };
    let orders = Ecosystem::new("shop").community("orders").await?;
    let submit = |order: u32| orders.submit(order).key("customer-42").into_future();

    orders.deploy("1.0.0", pool()).await?;
    let mut sent = vec![submit(1).await?, submit(2).await?, submit(3).await?];
    // While the first is at work at 1.0.0, 2.0.0 takes over: 2 and 3 wait for the first, then go to 2.0.0.
    orders.deploy("2.0.0", pool()).await?;
    sent.extend([submit(4).await?, submit(5).await?]);
    println!("{} wait behind their customer's first order", orders.describe().fenced);
    slow.add_permits(1);
    for order in sent.drain(..) {
        order.await?;
    }
    // A third version gets a share, then everything is rolled back; then it has all.
    orders.deploy("3.0.0", pool()).share(100).await?;
    sent.push(submit(6).await?);
    sent.remove(0).await?;
    orders.rollback().await?;
    submit(7).await?.await?;
    orders.deploy("3.0.0", pool()).await?;
    submit(8).await?.await?;

    for (order, version) in desk.begun.lock().iter() {
        println!("order {order} by {version}");
    }
    Ok(())
}
