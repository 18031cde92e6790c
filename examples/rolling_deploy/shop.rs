//! The shop: what the two versions of the order processor do, and the customers' accounts that they share.

use std::collections::HashMap;
use std::panic::panic_any;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use parking_lot::Mutex;
use seral::Version;
use seral::prelude::*;

use crate::orders::Order;

/// The version that is there first.
pub(crate) const FULL_PRICE: &str = "1.0.0";

/// The version that takes over.
pub(crate) const LOYALTY: &str = "2.0.0";

/// Everything that outlives a worker, and a version.
#[derive(Debug)]
pub(crate) struct Shop {
    payment: Duration,
    kill_rate: f64,
    killed: AtomicU64,
    /// Counts events, so that afterwards one can tell which came first. Time would not do: two events may share a microsecond.
    events: AtomicU64,
    accounts: Mutex<Accounts>,
}

#[derive(Debug, Default)]
struct Accounts {
    /// What each customer has spent, in cents.
    spent: HashMap<u32, u64>,
    /// The numbers of all orders that were posted, as often as they were.
    posted: Vec<u32>,
}

/// What comes of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) order: u32,
    pub(crate) cents: u64,
    /// What the customer had spent before.
    pub(crate) spent_before: u64,
    pub(crate) rebate: u64,
    pub(crate) version: Version,
    /// The events at which the processing began and ended.
    pub(crate) began: u64,
    pub(crate) ended: u64,
}

/// What an attempt panics with when `--kill-rate` has chosen it. A type of its own, so that the panic hook can tell it from a bug.
#[derive(Debug)]
pub(crate) struct Killed;

impl Shop {
    /// Each order waits so long for its payment; this share of the attempts panics.
    pub(crate) fn new(payment: Duration, kill_rate: f64) -> Self {
        let (killed, events) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { payment, kill_rate, killed, events, accounts: Mutex::default() }
    }

    /// How many attempts were made to panic.
    pub(crate) fn killed(&self) -> u64 {
        self.killed.load(Relaxed)
    }

    /// The numbers of all orders that were posted to an account, as often as they were.
    pub(crate) fn posted(&self) -> Vec<u32> {
        self.accounts.lock().posted.clone()
    }

    /// The work on one order. `rebate` is where the versions differ: what to give back on an order of these cents to a customer who has spent
    /// so many before.
    ///
    /// Everything that may fail comes before the posting, and nothing awaits after it: an attempt has either no effect or all of it, and a
    /// retry cannot post twice.
    async fn process(&self, order: &Order, cx: &JobContext, rebate: fn(u64, u64) -> u64) -> Receipt {
        let began = self.next_event();
        if !self.payment.is_zero() {
            tokio::time::sleep(self.payment).await;
        }
        self.perhaps_panic(order, cx);
        let spent_before = self.post(order);
        Receipt {
            order: order.number,
            cents: order.cents,
            spent_before,
            rebate: rebate(order.cents, spent_before),
            version: cx.version().clone(),
            began,
            ended: self.next_event(),
        }
    }

    /// Chosen by order and attempt, not by chance: each run kills the same ones.
    fn perhaps_panic(&self, order: &Order, cx: &JobContext) {
        let seed = u64::from(order.number) << 32 | u64::from(cx.attempt().get());
        if fastrand::Rng::with_seed(seed).f64() < self.kill_rate {
            self.killed.fetch_add(1, Relaxed);
            panic_any(Killed);
        }
    }

    /// Adds the order to the customer's account. Returns what was on it.
    fn post(&self, order: &Order) -> u64 {
        let mut accounts = self.accounts.lock();
        accounts.posted.push(order.number);
        let spent = accounts.spent.entry(order.customer).or_default();
        let before = *spent;
        *spent += order.cents;
        before
    }

    fn next_event(&self) -> u64 {
        self.events.fetch_add(1, SeqCst)
    }
}

/// The order processor [`FULL_PRICE`]: everybody pays the full price.
pub(crate) struct FullPrice(pub(crate) Arc<Shop>);

impl Worker for FullPrice {
    type Job = Order;
    type Output = Receipt;

    async fn process(&mut self, order: &Order, cx: &JobContext) -> Result<Receipt, Fault> {
        Ok(self.0.process(order, cx, |_, _| 0).await)
    }
}

/// The order processor [`LOYALTY`]: who has bought much pays less. Here it matters that the orders of one customer are processed in their order.
pub(crate) struct Loyalty(pub(crate) Arc<Shop>);

impl Worker for Loyalty {
    type Job = Order;
    type Output = Receipt;

    async fn process(&mut self, order: &Order, cx: &JobContext) -> Result<Receipt, Fault> {
        Ok(self.0.process(order, cx, loyalty_rebate).await)
    }
}

/// One percent for each $100 spent before, at most ten.
pub(crate) fn loyalty_rebate(cents: u64, spent_before: u64) -> u64 {
    let percent = (spent_before / 10_000).min(10);
    cents * percent / 100
}
