//! Writes the history of the simulation that runs on this thread.
//!
//! A simulation has one thread, so what happens on it belongs to that simulation: scripted workers need no handle to it, and where none runs
//! nothing is written.

use std::cell::RefCell;
use std::time::Duration;

use seral::Event;
use seral::JobContext;
use seral::Key;
use tokio::time::Instant;

use crate::history::AttemptEnd;
use crate::history::AttemptRecord;
use crate::history::Counted;
use crate::history::Entry;
use crate::history::History;
use crate::history::JobEnd;
use crate::history::Moment;
use crate::history::What;
use crate::ledger::Fate;

struct Recorder {
    began: Instant,
    steps: u64,
    /// Jobs of the traffic that have neither ended nor been refused.
    unfinished: usize,
    history: History,
}

thread_local! {
    static RUNNING: RefCell<Option<Recorder>> = const { RefCell::new(None) };
}

/// A simulation that records on this thread, until this is dropped.
pub(crate) struct Recording(());

impl Recording {
    /// Begins a history, within the runtime of the simulation.
    pub(crate) fn begin(seed: u64, length: Duration) -> Self {
        let history = History { seed, length, ..History::default() };
        let recorder = Recorder { began: Instant::now(), steps: 0, unfinished: 0, history };
        RUNNING.with(|running| running.replace(Some(recorder)));
        Self(())
    }

    /// Ends it, with what the community counted.
    pub(crate) fn end(self, admitted: u64, accounted: u64) -> History {
        let mut history = with(|recorder| std::mem::take(&mut recorder.history)).unwrap_or_default();
        history.counted = Counted { admitted, accounted };
        drop(self);
        history
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        drop(RUNNING.try_with(|running| running.replace(None)));
    }
}

fn with<R>(act: impl FnOnce(&mut Recorder) -> R) -> Option<R> {
    // A worker may be dropped with its thread.
    RUNNING.try_with(|running| running.try_borrow_mut().ok()?.as_mut().map(act)).ok().flatten()
}

impl Recorder {
    fn moment(&mut self) -> Moment {
        self.steps += 1;
        Moment { at: self.began.elapsed(), step: self.steps }
    }

    fn note(&mut self, what: What) {
        self.history.entries.push(Entry { at: self.began.elapsed(), what });
    }
}

/// The seed of the simulation on this thread.
pub(crate) fn seed() -> Option<u64> {
    with(|recorder| recorder.history.seed)
}

/// Notes something that happened.
pub(crate) fn note(what: What) {
    with(|recorder| recorder.note(what));
}

/// Notes an event of the community.
pub(crate) fn event(event: Event) {
    note(What::Event(event));
}

// ---- jobs --------------------------------------------------------------------------------------------------------------

/// A job of the traffic is submitted.
pub(crate) fn submitted() {
    with(|recorder| recorder.unfinished += 1);
}

/// How many jobs of the traffic have neither ended nor been refused.
pub(crate) fn unfinished() -> usize {
    with(|recorder| recorder.unfinished).unwrap_or(0)
}

/// It was refused.
pub(crate) fn refused(why: String) {
    with(|recorder| {
        recorder.unfinished -= 1;
        recorder.history.refused += 1;
        recorder.note(What::Refused(why));
    });
}

/// It was admitted.
pub(crate) fn admitted(job: u64, key: Option<u64>) {
    with(|recorder| {
        let moment = recorder.moment();
        let record = recorder.history.jobs.entry(job).or_default();
        record.admitted = Some(moment);
        record.key = record.key.take().or(key.map(Key::from));
    });
}

/// It came to its end; or nothing is known of its end.
pub(crate) fn ended(job: u64, fate: Option<(Fate, String)>) {
    with(|recorder| {
        recorder.unfinished -= 1;
        let moment = recorder.moment();
        if let Some((fate, why)) = fate {
            recorder.history.jobs.entry(job).or_default().end = Some(JobEnd { at: moment, fate, why });
        }
    });
}

// ---- attempts ----------------------------------------------------------------------------------------------------------

/// An attempt that was begun. It ends when this is dropped.
pub(crate) struct Attempt {
    job: u64,
    /// Its place among the attempts at the job, if it is recorded.
    at: Option<usize>,
    end: AttemptEnd,
}

impl Attempt {
    pub(crate) fn begin(cx: &JobContext) -> Self {
        let job = cx.id().get();
        let at = with(|recorder| {
            let began = recorder.moment();
            let record = recorder.history.jobs.entry(job).or_default();
            // It may have been submitted with another than that of its traffic.
            record.key = cx.key().cloned().or(record.key.take());
            record.attempts.push(AttemptRecord {
                number: cx.attempt().get(),
                version: cx.version().clone(),
                worker: cx.worker().get(),
                began,
                end: None,
            });
            record.attempts.len() - 1
        });
        Self { job, at, end: AttemptEnd::Dropped }
    }

    /// It ended like this.
    pub(crate) fn end(mut self, end: AttemptEnd) {
        self.end = end;
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let Some(at) = self.at else { return };
        let end = if std::thread::panicking() {
            AttemptEnd::Panicked
        } else {
            std::mem::replace(&mut self.end, AttemptEnd::Dropped)
        };
        with(|recorder| {
            let moment = recorder.moment();
            let record = recorder.history.jobs.get_mut(&self.job);
            if let Some(attempt) = record.and_then(|record| record.attempts.get_mut(at)) {
                attempt.end = Some((moment, end));
            }
        });
    }
}
