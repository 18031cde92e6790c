//! The published routing table: read by every send without a lock, replaced whole by the dispatcher.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::pin::pin;

use arc_swap::ArcSwap;
use arc_swap::Guard;
use seral_core::id::Revision;
use seral_core::routing::RoutingTable;
use std::sync::Arc;
use tokio::sync::Notify;

/// The table and those who wait for the next one.
pub(crate) struct Routes<P> {
    table: ArcSwap<RoutingTable<P>>,
    changed: Notify,
}

impl<P> Routes<P> {
    pub(crate) fn new() -> Self {
        Self { table: ArcSwap::from_pointee(RoutingTable::empty()), changed: Notify::new() }
    }

    /// The table of this moment.
    pub(crate) fn load(&self) -> Guard<Arc<RoutingTable<P>>> {
        self.table.load()
    }

    /// The table of this moment, to keep across an `await`.
    pub(crate) fn load_full(&self) -> Arc<RoutingTable<P>> {
        self.table.load_full()
    }

    /// Replaces the table and wakes all who wait for it.
    pub(crate) fn publish(&self, table: RoutingTable<P>) {
        self.table.store(Arc::new(table));
        self.wake_all();
    }

    /// Wakes all who wait for a newer table, since there may be another reason not to wait any more.
    pub(crate) fn wake_all(&self) {
        // A waker may be anybody's code. A panic in it must not spread to whoever changed the table.
        let _ = catch_unwind(AssertUnwindSafe(|| self.changed.notify_waiters()));
    }

    /// Waits until the table is newer than `seen`, or `settled` says that there is no point in waiting.
    pub(crate) async fn newer_than(&self, seen: Revision, settled: impl Fn() -> bool) {
        let mut changed = pin!(self.changed.notified());
        // Registered before the look, so that a change between the look and the wait is not missed.
        changed.as_mut().enable();
        if self.table.load().revision == seen && !settled() {
            changed.await;
        }
    }
}

/// Checks that waiting for a table can be done in a task that moves between threads.
const _: fn(&Routes<()>) = |routes| {
    fn is_send(_: impl Future + Send) {}
    is_send(routes.newer_than(Revision::new(0), || true));
};
