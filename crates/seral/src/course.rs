//! The course of a rollout: its machine, and what it has told.
//!
//! It is kept where a dispatcher that fails does not take it along. Handles read what was told, from the beginning, at their own pace.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use seral_core::id::PoolId;
use seral_core::id::Version;
use seral_core::rollout::Action;
use seral_core::rollout::End;
use seral_core::rollout::Note;
use seral_core::rollout::Plan;
use seral_core::rollout::Rollout;
use tokio::sync::Notify;

use crate::gate::Gate;

/// How much is kept of what was told. A gate that cannot decide adds two a minute.
const NOTES_MAX: usize = 1_000;

/// A rollout in progress, or the last one.
pub(crate) struct Course {
    pub(crate) version: Version,
    pub(crate) pool: PoolId,
    pub(crate) machine: Rollout,
    pub(crate) gate: Option<Gate>,
    /// How long what it replaces has to drain, if not as long as it takes.
    pub(crate) drain_within: Option<Duration>,
    /// How long it is watched when it has all new jobs.
    pub(crate) watch_for: Option<Duration>,
    /// What was told. Also tells one course from another.
    pub(crate) log: Arc<Log>,
}

impl Course {
    /// Its community has ended, and with it the rollout: nobody waits for it any longer.
    pub(crate) fn end(&mut self) {
        for action in self.machine.end(End::Aborted) {
            if let Action::Tell(note) = action {
                self.log.tell(note);
            }
        }
    }
}

/// What a deploy brings with it that is to be rolled out step by step.
pub(crate) struct Planned {
    pub(crate) plan: Plan,
    pub(crate) gate: Option<Gate>,
    /// How long what it replaces has to drain, if not as long as it takes.
    pub(crate) drain_within: Option<Duration>,
    pub(crate) watch_for: Option<Duration>,
    pub(crate) log: Arc<Log>,
}

/// What a rollout has told.
#[derive(Debug, Default)]
pub(crate) struct Log {
    notes: Mutex<Notes>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Notes {
    kept: VecDeque<Note>,
    /// How many were dropped to make room.
    dropped: usize,
}

impl Log {
    pub(crate) fn tell(&self, note: Note) {
        let mut notes = self.notes.lock();
        if notes.kept.len() == NOTES_MAX {
            notes.kept.pop_front();
            notes.dropped += 1;
        }
        notes.kept.push_back(note);
        drop(notes);
        self.changed.notify_waiters();
    }

    /// What was told last.
    pub(crate) fn last(&self) -> Option<Note> {
        self.notes.lock().kept.back().cloned()
    }

    /// The first note of this number or a later one, and its number. Waits for it.
    ///
    /// Cancel safe.
    pub(crate) async fn read(&self, from: usize) -> (usize, Note) {
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            if let Some(found) = self.find(from) {
                return found;
            }
            changed.await;
        }
    }

    fn find(&self, from: usize) -> Option<(usize, Note)> {
        let notes = self.notes.lock();
        let number = from.max(notes.dropped);
        notes.kept.get(number - notes.dropped).map(|note| (number, note.clone()))
    }
}
