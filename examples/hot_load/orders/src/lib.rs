//! What the host and the plugins of the example `hot_load` agree on: their jobs and outputs, and nothing of what either does with them.

use seral_plugin::Schema;
use serde::Deserialize;
use serde::Serialize;

/// One purchase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Order {
    /// Its place in the file.
    pub number: u32,
    /// Who bought.
    pub customer: u32,
    /// What it costs.
    pub cents: u64,
    /// What the customer has bought before.
    pub spent_before: u64,
}

/// What comes of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Receipt {
    /// The number of the order.
    pub order: u32,
    /// What it cost.
    pub cents: u64,
    /// What the customer had bought before.
    pub spent_before: u64,
    /// What was given back.
    pub rebate: u64,
    /// The version that processed it.
    pub version: String,
    /// When the processing began and ended: nanoseconds by the host's clock.
    pub began: u64,
    /// See there.
    pub ended: u64,
}
