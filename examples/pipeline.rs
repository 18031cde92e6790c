//! Three stages, each of which sends jobs on to the next: orders, payments, mail. A shutdown closes them in that order.
//!
//! Run: `cargo run --example pipeline`
//!
//! ```text
//! the clerk leaves
//! the cashier leaves
//! the mailer leaves
//! the payment of Mallory comes back: DeadLetter("a stolen card")
//! mail: 4 done, 0 handed back
//! orders: 4 done, 0 handed back
//! payments: 3 done, 1 handed back
//! ```

#![allow(clippy::print_stdout, reason = "an example prints")]

use std::time::Duration;

use seral::HandedBack;
use seral::prelude::*;

type Order = (&'static str, u32); // a customer, and how many euros

struct Clerk(Community<Order, ()>);

impl Worker for Clerk {
    type Job = Order;
    type Output = ();

    async fn process(&mut self, order: &Order, _: &JobContext) -> Result<(), Fault> {
        // Waits if there is no room. Then orders have to wait as well, and in the end whoever sends them.
        self.0.send(*order).await?;
        Ok(())
    }

    async fn stop(&mut self) {
        println!("the clerk leaves");
    }
}

struct Cashier(Community<String, ()>);

impl Worker for Cashier {
    type Job = Order;
    type Output = ();

    async fn process(&mut self, (customer, euros): &Order, _: &JobContext) -> Result<(), Fault> {
        if *customer == "Mallory" {
            return Err(Fault::dead_letter("a stolen card"));
        }
        self.0.send(format!("Dear {customer}, thank you for {euros} euros.")).await?;
        Ok(())
    }

    async fn stop(&mut self) {
        println!("the cashier leaves");
        let _ = self.0.send("Dear boss, we have closed.".to_owned()).await; // the mailer is still there
    }
}

struct Mailer;

impl Worker for Mailer {
    type Job = String;
    type Output = ();

    async fn process(&mut self, _letter: &String, _: &JobContext) -> Result<(), Fault> {
        Ok(())
    }

    async fn stop(&mut self) {
        println!("the mailer leaves");
    }
}

async fn keep(letters: Vec<HandedBack<Order>>) {
    for HandedBack { job: (customer, _), reason, .. } in letters {
        println!("the payment of {customer} comes back: {reason:?}");
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let shop = Ecosystem::new("shop");
    // The last stage is made first, because the one before it needs its handle.
    let mail = shop.community("mail").await?;
    mail.deploy("1.0.0", Pool::of(1, || Mailer)).await?;
    let payments = shop.community("payments").hand_back(keep).await?;
    payments.deploy("1.0.0", Pool::of(1, move || Cashier(mail.clone()))).await?;
    let orders = shop.community("orders").await?;
    orders.deploy("1.0.0", Pool::of(1, move || Clerk(payments.clone()))).await?;

    orders.send_all(&mut [("Ada", 10), ("Ben", 20), ("Mallory", 9_000), ("Cem", 30)].into_iter()).await?;
    shop.shutdown(Duration::from_secs(10)).await;
    for stage in shop.describe().communities {
        println!("{}: {} done, {} handed back", stage.name, stage.done, stage.handed_back);
    }
    Ok(())
}
