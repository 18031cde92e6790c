//! A payment gateway fails in many ways, and the worker says what becomes of each payment.
//!
//! Run: `cargo run --example retries`
//!
//! ```text
//! visa, 9 euros: attempt 1
//! busy twice, 9 euros: attempt 3
//! too often, 9 euros: attempt 2
//! only by day, 9 euros: attempt 1
//! silent once, 9 euros: attempt 2
//! stolen, 9 euros: the job failed after 1 attempt(s), the last one with: permission denied
//! busy, 9 euros: the job failed after 3 attempt(s), the last one with: resource busy
//! visa, ten euros: the job failed after 1 attempt(s), the last one with: invalid digit found in string
//! visa, 0 euros: the worker discarded the job: nothing to pay
//! busy, in a hurry: Err(Failed { attempts: 1, last: "resource busy" })
//! ```

#![allow(clippy::print_stdout, reason = "an example prints")]

use std::future::pending;
use std::io;
use std::io::ErrorKind;
use std::time::Duration;

use seral::Attempt;
use seral::FaultKind;
use seral::prelude::*;

const SOON: Duration = Duration::from_millis(5);

/// The gateway. It has test cards, which behave as they are called.
async fn charge(card: &str, attempt: u32, hour: u32) -> Result<(), ErrorKind> {
    match (card, attempt) {
        ("busy twice", 1..=2) | ("busy", _) => Err(ErrorKind::ResourceBusy),
        ("too often", 1) => Err(ErrorKind::QuotaExceeded),
        ("only by day", _) if hour < 6 => Err(ErrorKind::WouldBlock),
        ("stolen", _) => Err(ErrorKind::PermissionDenied),
        ("silent once", 1) => pending().await,
        _ => Ok(()),
    }
}

#[derive(Debug)]
struct Payment {
    card: &'static str,
    euros: &'static str,
}

struct Cashier {
    hour: u32,
}

impl Worker for Cashier {
    type Job = Payment;
    type Output = Attempt;

    async fn process(&mut self, payment: &Payment, cx: &JobContext) -> Result<Attempt, Fault> {
        // It will not be a number at the next attempt either: a person should look.
        if payment.euros.parse::<u32>().or_dead_letter()? == 0 {
            return Err(Fault::discard("nothing to pay"));
        }
        match charge(payment.card, cx.attempt().get(), self.hour).await {
            Err(ErrorKind::WouldBlock) => {
                self.hour += 1;
                Err(Fault::snooze(SOON)) // nothing is wrong, so no attempt is charged
            }
            Err(ErrorKind::QuotaExceeded) => {
                Err(Fault::retry_after(SOON, "the gateway said when to come back"))
            }
            // Plain `?`: try again, after a pause that grows with each attempt.
            Err(other) => Err(io::Error::from(other))?,
            Ok(()) => Ok(cx.attempt()),
        }
    }

    /// What holds wherever in the code it happens: who asks again about a stolen card is blocked.
    fn retry(&self, fault: &Fault, _: Attempt) -> FaultKind {
        match fault.why().downcast_ref().map(io::Error::kind) {
            Some(ErrorKind::PermissionDenied) => FaultKind::DeadLetter,
            _ => fault.kind(),
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let policy = RetryPolicy::attempts(3).backoff(SOON, SOON * 10);
    let payments = Ecosystem::new("shop").community("payments").retry(policy).timeout(SOON * 4).await?;
    payments.deploy("1.0.0", Pool::of(1, || Cashier { hour: 0 })).await?;

    let cards = ["visa", "busy twice", "too often", "only by day", "silent once", "stolen", "busy"];
    for (card, euros) in cards.map(|card| (card, "9")).into_iter().chain([("visa", "ten"), ("visa", "0")]) {
        let charged = payments.ask(Payment { card, euros }).await.map(|attempt| format!("attempt {attempt}"));
        println!("{card}, {euros} euros: {}", charged.unwrap_or_else(|why| why.to_string()));
    }
    let hasty = payments.submit(Payment { card: "busy", euros: "9" }).retry(RetryPolicy::attempts(1));
    println!("busy, in a hurry: {:?}", hasty.await?.await);
    Ok(())
}
