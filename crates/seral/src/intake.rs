//! Who may send to a community.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering;

use tokio::sync::Notify;

/// How far a community has closed. Only towards the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Everybody may send.
    Open,
    /// Only workers of the ecosystem may: the jobs they run may need it to finish.
    WorkersOnly,
    /// Only workers of this community may, for the same reason: it ends alone, and the others go on.
    OwnWorkersOnly,
    /// Nobody may, and what is not running is handed back.
    Closed,
}

/// The stage, and those who wait for it to change.
pub(crate) struct Intake {
    stage: AtomicU8,
    changed: Notify,
}

impl Intake {
    pub(crate) fn new() -> Self {
        Self { stage: AtomicU8::new(Stage::Open as u8), changed: Notify::new() }
    }

    pub(crate) fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Acquire) {
            0 => Stage::Open,
            1 => Stage::WorkersOnly,
            2 => Stage::OwnWorkersOnly,
            _ => Stage::Closed,
        }
    }

    /// Closes further; never opens again.
    pub(crate) fn close_to(&self, stage: Stage) {
        self.stage.fetch_max(stage as u8, Ordering::AcqRel);
        self.changed.notify_waiters();
    }

    /// Runs `wait` unless the sender is turned away meanwhile; then there is nothing.
    pub(crate) async fn unless_closed<T>(
        &self,
        is_turned_away: impl Fn() -> bool,
        wait: impl Future<Output = T>,
    ) -> Option<T> {
        let mut changed = pin!(self.changed.notified());
        let mut wait = pin!(wait);
        loop {
            // Registered before the look, so that a change between the look and the wait is not missed.
            changed.as_mut().enable();
            if is_turned_away() {
                return None;
            }
            tokio::select! {
                biased;
                waited = &mut wait => return Some(waited),
                () = changed.as_mut() => changed.set(self.changed.notified()),
            }
        }
    }
}
