//! What the books are checked by: what each version should do, which the host knows only by hearsay.

/// The version that is there first.
pub(crate) const FULL_PRICE: &str = "1.0.0";

/// The version that takes over.
pub(crate) const LOYALTY: &str = "2.0.0";

/// What came of an order, for the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) order: u32,
    pub(crate) cents: u64,
    pub(crate) spent_before: u64,
    pub(crate) rebate: u64,
    pub(crate) version: seral::Version,
    pub(crate) began: u64,
    pub(crate) ended: u64,
}

impl From<hot_load_orders::Receipt> for Receipt {
    fn from(receipt: hot_load_orders::Receipt) -> Self {
        let hot_load_orders::Receipt { order, cents, spent_before, rebate, version, began, ended } = receipt;
        Self { order, cents, spent_before, rebate, version: version.into(), began, ended }
    }
}

/// One percent for each $100 spent before, at most ten.
pub(crate) fn loyalty_rebate(cents: u64, spent_before: u64) -> u64 {
    let percent = (spent_before / 10_000).min(10);
    cents * percent / 100
}
