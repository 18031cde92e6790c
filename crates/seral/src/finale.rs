//! An end that begins once, whose report everybody gets, and that can be cut short: of an ecosystem, or of one community.

use std::sync::OnceLock;

use seral_core::time::Time;
use tokio::sync::Notify;
use tokio::sync::watch;

use crate::report::ShutdownReport;

/// See the [module](self).
pub(crate) struct Finale {
    /// What the end came to, once one has begun.
    report: OnceLock<watch::Receiver<Option<ShutdownReport>>>,
    cut_short: Notify,
    /// By when it is to be over.
    until: watch::Sender<Time>,
}

/// The one who brings it about. If it is dropped without a report, the end has failed.
#[must_use = "an end that nobody brings about has failed"]
pub(crate) struct Closer(watch::Sender<Option<ShutdownReport>>);

impl Finale {
    pub(crate) fn new() -> Self {
        Self { report: OnceLock::new(), cut_short: Notify::new(), until: watch::Sender::new(Time::MAX) }
    }

    /// Begins the end. `None` if somebody else has.
    pub(crate) fn begin(&self) -> Option<Closer> {
        let mut closer = None;
        self.report.get_or_init(|| {
            let (tell, report) = watch::channel(None);
            closer = Some(Closer(tell));
            report
        });
        closer
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.report.get().is_some()
    }

    /// Whether nobody brings it about any more.
    pub(crate) fn is_over(&self) -> bool {
        self.report.get().is_some_and(|report| report.borrow().is_some() || report.has_changed().is_err())
    }

    /// Waits until it is over. An end whose closer failed, or whose runtime went away in the middle, has no report; nor has one that never began.
    pub(crate) async fn over(&self) -> ShutdownReport {
        let Some(mut report) = self.report.get().cloned() else { return ShutdownReport::of_failure() };
        let report = report.wait_for(Option::is_some).await.ok().and_then(|report| report.clone());
        report.unwrap_or_else(ShutdownReport::of_failure)
    }

    /// It is to be over by this time, unless it is to be before that anyway.
    pub(crate) fn end_by(&self, time: Time) {
        self.until.send_if_modified(|until| {
            let is_sooner = time < *until;
            *until = time.min(*until);
            is_sooner
        });
    }

    /// By when it is to be over, as that changes.
    pub(crate) fn until(&self) -> watch::Receiver<Time> {
        self.until.subscribe()
    }

    /// From now on, nothing is waited for that may take long.
    pub(crate) fn cut_short(&self) {
        self.cut_short.notify_one();
    }

    /// Waits until it is cut short. For its closer alone.
    pub(crate) async fn until_cut_short(&self) {
        self.cut_short.notified().await;
    }
}

impl Closer {
    /// It is over, and came to this.
    pub(crate) fn report(self, report: ShutdownReport) {
        let _ = self.0.send(Some(report));
    }
}
