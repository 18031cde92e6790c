//! Seats of a theatre, sold by a closure that shares the plan of the house.
//!
//! Run: `cargo run --example closure_worker`
//!
//! ```text
//! seat 1 for Ada, ticket 71a6
//! seat 2 for Ben, ticket 9bc1
//! seat 3 for Cem, ticket c5dc
//! the worker discarded the job: seat 2 is taken by Ben
//! the worker discarded the job: seat 3 is taken by Cem
//! seat 4 for Finn, ticket eff6
//! the job was cancelled
//! 4 seats are taken
//! ```

#![allow(clippy::print_stdout, reason = "an example prints")]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use seral::prelude::*;

/// Stands for code that computes for a while.
fn number_of_ticket(seat: u64) -> u64 {
    (0..100_000).fold(seat, |number, _| number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1)) >> 48
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let bookings = Ecosystem::new("theatre").community("bookings").await?;
    let plan = Arc::new(Mutex::new(HashMap::new()));
    let shared = Arc::clone(&plan);
    let book = move |(seat, guest): (u64, &'static str), cx: JobContext| {
        let plan = Arc::clone(&shared);
        async move {
            if let Some(other) = plan.lock().get(&seat) {
                return Err(Fault::discard(format!("seat {seat} is taken by {other}")));
            }
            // On a thread for such code, so that other bookings go on here. Only the key keeps another guest out meanwhile.
            let ticket = cx.blocking(move || number_of_ticket(seat)).await;
            plan.lock().insert(seat, guest);
            Ok(format!("seat {seat} for {guest}, ticket {ticket:04x}"))
        }
    };
    bookings.deploy("1.0.0", Pool::of_fn(4, book)).await?;

    println!("{}", bookings.ask((1, "Ada")).await?);

    // Bookings of one seat are made one after the other, those of different seats at the same time.
    let mut wanted = Vec::new();
    for (seat, guest) in [(2, "Ben"), (3, "Cem"), (2, "Dora"), (3, "Eva"), (4, "Finn")] {
        wanted.push(bookings.submit((seat, guest)).key(seat).await?);
    }
    for booking in wanted {
        match booking.await {
            Ok(ticket) => println!("{ticket}"),
            Err(why) => println!("{why}"),
        }
    }

    // Whether anything is left is asked in an hour, unless the guest thinks better of it.
    let standby = bookings.submit((5, "Gus")).delay(Duration::from_secs(3_600)).await?;
    standby.cancel();
    if let Err(why) = standby.await {
        println!("{why}");
    }
    println!("{} seats are taken", plan.lock().len());
    Ok(())
}
