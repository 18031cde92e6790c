//! The order processor 2.0.0: who has bought much pays less.

use std::time::Duration;

use hot_load_orders::Order;
use hot_load_orders::Receipt;
use seral_plugin::Fault;
use seral_plugin::JobContext;
use seral_plugin::Worker;

seral_plugin::export_worker!(OrderProcessor);

/// How long an order waits for its payment.
const PAYMENT: Duration = Duration::from_millis(1);

#[derive(Default)]
struct OrderProcessor;

/// One percent for each $100 spent before, at most ten.
fn rebate(order: &Order) -> u64 {
    let percent = (order.spent_before / 10_000).min(10);
    order.cents * percent / 100
}

impl Worker for OrderProcessor {
    type Job = Order;
    type Output = Receipt;

    async fn process(&mut self, order: &Order, cx: &JobContext) -> Result<Receipt, Fault> {
        let began = cx.now().as_nanos();
        cx.sleep(PAYMENT).await;
        seral_plugin::send(cx, "postings", order.number).await?;
        Ok(Receipt {
            order: order.number,
            cents: order.cents,
            spent_before: order.spent_before,
            rebate: rebate(order),
            version: cx.version().to_string(),
            began,
            ended: cx.now().as_nanos(),
        })
    }
}
