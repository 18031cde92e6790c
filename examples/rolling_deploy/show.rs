//! What is seen of the story: a progress bar on a terminal, plain lines elsewhere, and one line that sums it up.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Display;
use std::io;
use std::io::IsTerminal;
use std::io::Write;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use indicatif::HumanCount;
use indicatif::ProgressBar;
use indicatif::ProgressStyle;
use seral::view::CommunityView;
use serde::Serialize;

use crate::ledger::Audit;
use crate::orders::OrderBook;
use crate::orders::dollars;
use crate::shop::FULL_PRICE;
use crate::shop::LOYALTY;
use crate::story::Story;

/// Where the story is shown.
pub(crate) struct Show {
    /// Only on a terminal.
    bar: Option<ProgressBar>,
    /// Whether standard output is kept for the result.
    to_stderr: bool,
    orders: usize,
    settled: AtomicUsize,
}

impl Show {
    pub(crate) fn new(orders: usize, json: bool) -> Self {
        // The bar is drawn on stderr; among lines that go to a file it would only disturb.
        let on_terminal = io::stderr().is_terminal() && (json || io::stdout().is_terminal());
        let bar = on_terminal.then(|| bar(orders));
        Self { bar, to_stderr: json, orders, settled: AtomicUsize::new(0) }
    }

    /// A line of the story.
    pub(crate) fn line(&self, line: impl Display) {
        let print = || if self.to_stderr { complain(&line.to_string()) } else { result(&line) };
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// One more order is settled.
    pub(crate) fn settled(&self) {
        let settled = self.settled.fetch_add(1, Relaxed) + 1;
        if let Some(bar) = &self.bar {
            bar.set_position(settled as u64);
            return;
        }
        let tenths = settled * 10 / self.orders;
        if (settled - 1) * 10 / self.orders < tenths {
            let (settled, orders) = (HumanCount(settled as u64), HumanCount(self.orders as u64));
            self.line(format_args!("{:>3} %  {settled} of {orders} orders settled", tenths * 10));
        }
    }

    /// The versions at one moment.
    pub(crate) fn picture(&self, title: &str, view: &CommunityView) {
        let mut lines = vec![format!("{title}:")];
        lines.extend(view.versions.iter().map(|version| format!("  {version}")));
        if view.fenced > 0 {
            lines.push(format!("  {} more behind an earlier order of their customer", view.fenced));
        }
        self.line(lines.join("\n"));
    }

    /// There will be no more progress.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// What the program was run for, on standard output.
pub(crate) fn result(result: impl Display) {
    // A reader that has gone away, as `head` does, is no reason to lose an order.
    let _ = writeln!(io::stdout(), "{result}");
}

/// Something that the user should know, whatever becomes of standard output.
pub(crate) fn complain(sentence: &str) {
    let _ = writeln!(io::stderr(), "{sentence}");
}

fn bar(orders: usize) -> ProgressBar {
    let bar = ProgressBar::new(orders as u64);
    let style = ProgressStyle::with_template("{bar:40} {human_pos} of {human_len} orders settled");
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

pub(crate) fn prologue(book: &OrderBook) -> String {
    let (orders, customers) = (HumanCount(book.orders.len() as u64), HumanCount(book.customers() as u64));
    format!("{orders} orders of {customers} customers, worth {}, from {}", dollars(book.cents()), book.source)
}

/// What the money and the customers came to.
pub(crate) fn proceeds(audit: &Audit, killed: u64) -> String {
    let Audit { value, value_in_file, rebates, customers_of_both, handed_back, .. } = audit;
    let agrees = if value == value_in_file { "as in the file" } else { "NOT as in the file" };
    let mut proceeds = vec![
        format!("orders worth {}, {agrees}", dollars(*value)),
        format!("{} given back by {LOYALTY}", dollars(*rebates)),
        format!("{customers_of_both} customers were served by both versions"),
    ];
    if killed > 0 {
        proceeds.push(format!("{killed} attempts panicked"));
    }
    if *handed_back > 0 {
        proceeds.push(format!("{handed_back} orders were handed back"));
    }
    proceeds.join("; ")
}

/// The result. As text it is the last line of the program.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    accepted: usize,
    processed: BTreeMap<&'static str, usize>,
    lost: usize,
    duplicated: usize,
    out_of_order: usize,
    /// The three are missing if a signal came before the deploy.
    downtime_ms: Option<u128>,
    deploy_us: Option<u128>,
    drained_ms: Option<u128>,
    /// Only where it happened: a shutdown was cut short, or took too long.
    #[serde(skip_serializing_if = "Option::is_none")]
    handed_back: Option<usize>,
}

impl Summary {
    pub(crate) fn new(audit: &Audit, story: &Story) -> Self {
        let deploy = story.deploy.as_ref();
        Self {
            accepted: audit.accepted,
            processed: [FULL_PRICE, LOYALTY].map(|version| (version, audit.processed_by(version))).into(),
            lost: audit.lost.len(),
            duplicated: audit.duplicated.len(),
            out_of_order: audit.out_of_order.len(),
            downtime_ms: story.downtime().map(|downtime| downtime.as_millis()),
            deploy_us: deploy.map(|deploy| (deploy.returned - deploy.called).as_micros()),
            drained_ms: deploy.map(|deploy| deploy.drained.as_millis()),
            handed_back: (audit.handed_back > 0).then_some(audit.handed_back),
        }
    }
}

impl Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "accepted {}", self.accepted)?;
        for (version, count) in &self.processed {
            write!(f, ", processed by {version} {count}")?;
        }
        let Self { lost, duplicated, out_of_order, .. } = self;
        write!(f, ", lost {lost}, duplicated {duplicated}, out of order {out_of_order}")?;
        if let Some(handed_back) = self.handed_back {
            write!(f, ", handed back {handed_back}")?;
        }
        match (self.downtime_ms, self.deploy_us, self.drained_ms) {
            (Some(downtime), Some(deploy), Some(drained)) => {
                write!(f, ", downtime {downtime} ms, deploy took {deploy} µs, drained after {drained} ms")
            }
            _ => write!(f, ", {LOYALTY} not deployed"),
        }
    }
}
