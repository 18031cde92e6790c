//! The ledger: what became of each order, by its number, and whether that is as it should be.
//!
//! It trusts nobody. The library is not asked how many jobs it has done: an order is entered when it is admitted, when its outcome is known, and
//! when it is handed back; the shop says which orders it posted; and the file says what all of that should add up to.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::fmt::Display;

use seral::error::JobError;

use crate::orders::Order;
use crate::orders::dollars;
use crate::shop::LOYALTY;
use crate::shop::Receipt;
use crate::shop::loyalty_rebate;

/// How many orders a complaint names.
const NAMED: usize = 10;

/// What is known about each order. The order of number `n` has entry `n - 1`.
#[derive(Debug)]
pub(crate) struct Ledger {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug, Default)]
struct Entry {
    accepted: bool,
    receipts: Vec<Receipt>,
    handed_back: usize,
    failed: Option<JobError>,
}

impl Ledger {
    pub(crate) fn new(orders: usize) -> Self {
        Self { entries: vec![Entry::default(); orders] }
    }

    /// The order was admitted: from here on it must not be lost.
    pub(crate) fn accept(&mut self, number: u32) {
        self.entry(number).accepted = true;
    }

    /// The outcome of an admitted order.
    pub(crate) fn settle(&mut self, number: u32, outcome: Result<Receipt, JobError>) {
        match outcome {
            Ok(receipt) => self.entry(number).receipts.push(receipt),
            // The order itself comes by another way, and is entered when it is there: an announcement is no order.
            Err(JobError::HandedBack) => {}
            Err(error) => self.entry(number).failed = Some(error),
        }
    }

    /// The shutdown came first; the order is in our hands again.
    pub(crate) fn hand_back(&mut self, number: u32) {
        self.entry(number).handed_back += 1;
    }

    fn entry(&mut self, number: u32) -> &mut Entry {
        &mut self.entries[number as usize - 1]
    }

    /// Goes through the whole book. `posted` are the orders that the shop posted to accounts, as often as it did.
    pub(crate) fn audit(&self, orders: &[Order], posted: &[u32]) -> Audit {
        let mut postings = vec![0; orders.len()];
        for number in posted {
            postings[*number as usize - 1] += 1;
        }
        let mut audit = Audit::default();
        let mut customers: HashMap<u32, Customer> = HashMap::new();
        for ((order, entry), postings) in orders.iter().zip(&self.entries).zip(postings) {
            audit.count(order, entry, postings);
            for receipt in &entry.receipts {
                let customer = customers.entry(order.customer).or_default();
                audit.compare(order, receipt, customer);
                customer.take(order, receipt);
            }
        }
        let customers = customers.into_values();
        audit.customers_of_both = customers.filter(|customer| customer.versions.len() > 1).count();
        audit
    }
}

/// What should be so for a customer after the orders looked at so far, had they been processed one after the other.
#[derive(Default)]
struct Customer {
    spent: u64,
    last_ended: Option<u64>,
    versions: Vec<seral::Version>,
}

impl Customer {
    fn take(&mut self, order: &Order, receipt: &Receipt) {
        self.spent += order.cents;
        self.last_ended = self.last_ended.max(Some(receipt.ended));
        if !self.versions.contains(&receipt.version) {
            self.versions.push(receipt.version.clone());
        }
    }
}

/// What the ledger came to.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    pub(crate) accepted: usize,
    /// How many orders each version processed.
    pub(crate) processed: BTreeMap<String, usize>,
    pub(crate) handed_back: usize,
    /// Customers of whose orders some were processed by one version and some by the other.
    pub(crate) customers_of_both: usize,
    /// What the versions gave back in all.
    pub(crate) rebates: u64,
    /// What the receipts add up to.
    pub(crate) value: u64,
    /// What the file says that these orders are worth.
    pub(crate) value_in_file: u64,
    /// Accepted, and neither processed nor handed back.
    pub(crate) lost: Vec<u32>,
    /// Processed or handed back more than once.
    pub(crate) duplicated: Vec<u32>,
    /// Begun before the customer's order before it had ended.
    pub(crate) out_of_order: Vec<u32>,
    /// With a wrong running total or rebate, or processed without having been accepted.
    pub(crate) miscounted: Vec<u32>,
    failures: Vec<JobError>,
}

impl Audit {
    pub(crate) fn processed_by(&self, version: &str) -> usize {
        self.processed.get(version).copied().unwrap_or_default()
    }

    /// Each order exactly once, in the order of its customer, and the money is right.
    pub(crate) fn is_clean(&self) -> bool {
        self.complaints().is_empty()
    }

    /// 0 if everything is as it should be, else 1.
    pub(crate) fn exit_code(&self) -> u8 {
        u8::from(!self.is_clean())
    }

    /// What is wrong, a sentence each.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let lists = [
            ("lost", &self.lost),
            ("duplicated", &self.duplicated),
            ("out of order", &self.out_of_order),
            ("miscounted", &self.miscounted),
        ];
        let lists = lists.into_iter().filter(|(_, numbers)| !numbers.is_empty());
        let mut complaints: Vec<_> = lists
            .map(|(what, numbers)| format!("{what}: {} ({})", numbers.len(), some_of(numbers)))
            .collect();
        if self.value != self.value_in_file {
            let (value, in_file) = (dollars(self.value), dollars(self.value_in_file));
            complaints.push(format!("the receipts add up to {value}, the orders in the file to {in_file}"));
        }
        complaints.extend(self.failures.first().map(|error| format!("an order failed: {error}")));
        complaints
    }

    fn count(&mut self, order: &Order, entry: &Entry, postings: usize) {
        let processed = entry.receipts.len().max(postings);
        self.accepted += usize::from(entry.accepted);
        self.handed_back += usize::from(entry.handed_back > 0);
        if entry.accepted && entry.receipts.is_empty() && entry.handed_back == 0 {
            self.lost.push(order.number);
        }
        if processed + entry.handed_back > 1 {
            self.duplicated.push(order.number);
        }
        if processed > 0 && !entry.accepted {
            self.miscounted.push(order.number);
        }
        if entry.accepted && entry.handed_back == 0 {
            self.value_in_file += order.cents;
        }
        for receipt in &entry.receipts {
            *self.processed.entry(receipt.version.to_string()).or_default() += 1;
            self.value += receipt.cents;
            self.rebates += receipt.rebate;
        }
        self.failures.extend(entry.failed.clone());
    }

    /// Compares what a version did with what it should have done.
    fn compare(&mut self, order: &Order, receipt: &Receipt, customer: &Customer) {
        if customer.last_ended.is_some_and(|last_ended| receipt.began < last_ended) {
            self.out_of_order.push(order.number);
        }
        let rebate = match receipt.version.as_str() {
            LOYALTY => loyalty_rebate(order.cents, customer.spent),
            _ => 0,
        };
        let expected = (order.number, customer.spent, rebate);
        if (receipt.order, receipt.spent_before, receipt.rebate) != expected {
            self.miscounted.push(order.number);
        }
    }
}

fn some_of(numbers: &[u32]) -> String {
    let more = if numbers.len() > NAMED { ", …" } else { "" };
    let named: Vec<_> = numbers.iter().take(NAMED).map(ToString::to_string).collect();
    let orders: &dyn Display = if numbers.len() == 1 { &"order" } else { &"orders" };
    format!("{orders} {}{more}", named.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shop::FULL_PRICE;

    /// Three orders of one customer and one of another.
    fn orders() -> Vec<Order> {
        let order = |number, customer, cents| Order { number, customer, date: 19_970_101, cds: 1, cents };
        vec![order(1, 7, 15_000), order(2, 7, 10_000), order(3, 8, 5_000), order(4, 7, 1_000)]
    }

    /// What two versions that make no mistake give for them, one after the other.
    fn receipts() -> [Receipt; 4] {
        let receipt = |order, cents, spent_before, rebate, version: &str, began| {
            let version = version.into();
            Receipt { order, cents, spent_before, rebate, version, began, ended: began + 1 }
        };
        [
            receipt(1, 15_000, 0, 0, FULL_PRICE, 0),
            receipt(2, 10_000, 15_000, 100, LOYALTY, 2),
            receipt(3, 5_000, 0, 0, FULL_PRICE, 4),
            receipt(4, 1_000, 25_000, 20, LOYALTY, 6),
        ]
    }

    /// A ledger in which all orders were accepted and these were settled, and the orders that were posted.
    fn settled(receipts: impl IntoIterator<Item = Receipt>) -> (Ledger, Vec<u32>) {
        let mut ledger = Ledger::new(4);
        let mut posted = Vec::new();
        (1..=4).for_each(|number| ledger.accept(number));
        for receipt in receipts {
            posted.push(receipt.order);
            ledger.settle(receipt.order, Ok(receipt));
        }
        (ledger, posted)
    }

    fn audit((ledger, posted): (Ledger, Vec<u32>)) -> Audit {
        ledger.audit(&orders(), &posted)
    }

    #[test]
    fn each_order_once_and_in_order_is_clean() {
        let audit = audit(settled(receipts()));
        assert_eq!(audit.complaints(), Vec::<String>::new());
        assert_eq!(audit.exit_code(), 0);
        assert_eq!((audit.accepted, audit.processed_by(FULL_PRICE), audit.processed_by(LOYALTY)), (4, 2, 2));
        assert_eq!((audit.value, audit.rebates, audit.customers_of_both), (31_000, 120, 1));
    }

    #[test]
    fn one_lost_and_one_doubled_order_are_both_found() {
        let [first, second, _lost, fourth] = receipts();
        let audit = audit(settled([first.clone(), first, second, fourth]));
        assert_eq!((&audit.lost[..], &audit.duplicated[..]), (&[3][..], &[1][..]));
        assert_eq!(audit.exit_code(), 1);
        assert_eq!(audit.complaints()[..2], ["lost: 1 (order 3)", "duplicated: 1 (order 1)"]);
    }

    #[test]
    fn a_lost_order_alone_is_found() {
        let [first, second, _lost, fourth] = receipts();
        let audit = audit(settled([first, second, fourth]));
        assert_eq!((&audit.lost[..], audit.exit_code()), (&[3][..], 1));
    }

    /// The reply of a job can come only once, so that a job run twice shows in what the shop posted, and nowhere else.
    #[test]
    fn an_order_posted_twice_and_settled_once_is_doubled() {
        let (ledger, mut posted) = settled(receipts());
        posted.push(3);
        let audit = audit((ledger, posted));
        assert_eq!((&audit.duplicated[..], audit.exit_code()), (&[3][..], 1));
    }

    #[test]
    fn an_order_that_failed_is_lost_and_says_why() {
        let [first, second, _failed, fourth] = receipts();
        let (mut ledger, posted) = settled([first, second, fourth]);
        ledger.settle(3, Err(JobError::Expired));
        let audit = audit((ledger, posted));
        assert_eq!((&audit.lost[..], audit.exit_code()), (&[3][..], 1));
        let last = audit.complaints().pop();
        assert_eq!(
            last.as_deref(),
            Some("an order failed: the deadline passed before the job was started, or tried again")
        );
    }

    #[test]
    fn an_order_handed_back_is_not_lost_unless_it_was_only_announced() {
        let [first, second, _back, fourth] = receipts();
        let (mut ledger, posted) = settled([first, second, fourth]);
        ledger.settle(3, Err(JobError::HandedBack));
        assert_eq!(ledger.audit(&orders(), &posted).lost, [3]);
        ledger.hand_back(3);
        let back = ledger.audit(&orders(), &posted);
        assert_eq!((back.handed_back, back.exit_code()), (1, 0), "{:?}", back.complaints());
        ledger.hand_back(3);
        assert_eq!(ledger.audit(&orders(), &posted).duplicated, [3]);
    }

    #[test]
    fn two_orders_of_a_customer_at_the_same_time_are_out_of_order() {
        let mut receipts = receipts();
        receipts[1].began = receipts[0].ended - 1;
        let audit = audit(settled(receipts));
        assert_eq!((&audit.out_of_order[..], audit.exit_code()), (&[2][..], 1));
    }

    #[test]
    fn a_wrong_total_a_wrong_rebate_and_a_wrong_value_are_found() {
        let mut total = receipts();
        total[3].spent_before -= 1;
        let mut rebate = receipts();
        rebate[3].rebate += 1;
        for receipts in [total, rebate] {
            let audit = audit(settled(receipts));
            assert_eq!((&audit.miscounted[..], audit.exit_code()), (&[4][..], 1));
        }
        let mut value = receipts();
        value[2].cents += 1;
        let audit = audit(settled(value));
        assert_eq!(audit.complaints(), ["the receipts add up to $310.01, the orders in the file to $310.00"]);
        assert_eq!(audit.exit_code(), 1);
    }

    #[test]
    fn an_order_processed_without_being_accepted_is_found() {
        let mut ledger = Ledger::new(4);
        (1..=3).for_each(|number| ledger.accept(number));
        for receipt in receipts() {
            ledger.settle(receipt.order, Ok(receipt));
        }
        let audit = ledger.audit(&orders(), &[1, 2, 3, 4]);
        assert_eq!((&audit.miscounted[..], audit.exit_code()), (&[4][..], 1));
    }
}
