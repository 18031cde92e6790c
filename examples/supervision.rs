//! A worker that panics is made anew, and a version that cannot keep its workers running is left by itself.
//!
//! Run: `cargo run --example supervision`
//!
//! ```text
//! 500 cents each, by 1.0.0
//! 250 cents each, by 1.0.0
//! the job failed after 3 attempt(s), the last one with: panicked: attempt to divide by zero
//! 200 cents each, by 1.0.0
//! the worker was made anew 3 times
//! orders 2.0.0 cannot keep its workers running: 1.0.0 is current again
//! paid at last, by 1.0.0
//! 125 cents each, by 1.0.0
//! version 2.0.0 is quarantined, because a gate failed or its workers could not be kept running; deploy it with `.force()`, or a mended build under a new name
//! 125 cents each, by 2.0.0
//! ```

#![allow(clippy::print_stdout, reason = "an example prints")]

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use seral::Event;
use seral::RestartPolicy;
use seral::prelude::*;
use tokio::sync::Notify;

#[derive(Debug)]
enum Order {
    /// Ten euros, shared by so many friends.
    Shared(u32),
    OnCredit(Arc<Notify>),
}

/// Works only while its database is there.
struct Till(Arc<AtomicBool>);

impl Worker for Till {
    type Job = Order;
    type Output = String;

    async fn start(&mut self, _: &StartContext) -> Result<(), Fault> {
        if self.0.load(SeqCst) { Ok(()) } else { Err("no database")? }
    }

    async fn process(&mut self, order: &Order, cx: &JobContext) -> Result<String, Fault> {
        assert!(self.0.load(SeqCst), "the database is gone");
        match order {
            Order::Shared(friends) => Ok(format!("{} cents each, by {}", 1_000 / friends, cx.version())),
            Order::OnCredit(paid) => {
                paid.notified().await;
                Ok(format!("paid at last, by {}", cx.version()))
            }
        }
    }
}

fn till(database: &Arc<AtomicBool>) -> Pool<Order, String> {
    let database = Arc::clone(database);
    Pool::of(1, move || Till(Arc::clone(&database)))
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let limit = RestartPolicy::limit(3, Duration::from_secs(60)).delay_max(Duration::from_millis(10));
    let orders = Ecosystem::new("shop").community("orders").restart(limit).await?;
    orders.deploy("1.0.0", till(&Arc::new(AtomicBool::new(true)))).await?;
    for friends in [2, 4, 0, 5] {
        println!("{}", orders.ask(Order::Shared(friends)).await.unwrap_or_else(|why| why.to_string()));
    }
    println!("the worker was made anew {} times", orders.heartbeats()[0].restarts);

    // 2.0.0 starts well while 1.0.0 still waits for somebody to pay. Then its database is lost.
    let paid = Arc::new(Notify::new());
    let on_credit = orders.submit(Order::OnCredit(Arc::clone(&paid))).await?;
    let new_database = Arc::new(AtomicBool::new(true));
    orders.deploy("2.0.0", till(&new_database)).await?;
    new_database.store(false, SeqCst);
    let mut events = orders.events();
    let shared = orders.submit(Order::Shared(8)).await?;
    while let Some(event) = events.next().await {
        if matches!(event, Event::VersionBroken { .. }) {
            println!("{event}");
            break;
        }
    }
    paid.notify_one();
    println!("{}\n{}", on_credit.await?, shared.await?);

    new_database.store(true, SeqCst); // it is back, but only you know
    if let Err(why) = orders.deploy("2.0.0", till(&new_database)).await {
        println!("{why}");
    }
    orders.deploy("2.0.0", till(&new_database)).force().await?;
    println!("{}", orders.ask(Order::Shared(8)).await?);
    Ok(())
}
