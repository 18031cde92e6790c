//! What depends on all subscribers of the process: the level, and what is remembered of a place. So these tests run one after the other.
//!
//! Seen failing: callsites that are not registered, or forget what was said of them; one that is never heard before it was asked about; no catch around
//! the subscriber; each level heard.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]
#![expect(unsafe_code, reason = "it plays the plugin, which lends by pointers")]

#[path = "events/record.rs"]
mod record;

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use seral_loader::events::is_heard;
use tracing::Metadata;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing::span::Attributes;
use tracing::span::Id;
use tracing::span::Record;
use tracing::subscriber::Interest;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;
use tracing_subscriber::reload;

use crate::record::Lent;
use crate::record::Recorder;
use crate::record::heard;

fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A subscriber that counts what it is asked and told, and may panic.
#[derive(Clone, Default)]
struct Counting {
    asked: Arc<AtomicUsize>,
    told: Arc<AtomicUsize>,
    panics: bool,
}

impl Counting {
    fn counts(&self) -> (usize, usize) {
        (self.asked.load(Ordering::Relaxed), self.told.load(Ordering::Relaxed))
    }
}

impl Subscriber for Counting {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        assert!(!self.panics || metadata.target() != "register", "a subscriber that is asked");
        match metadata.target() {
            "always" => Interest::always(),
            "never" => Interest::never(),
            _ => Interest::sometimes(),
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.asked.fetch_add(1, Ordering::Relaxed);
        metadata.target() != "sometimes not"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &tracing::Event<'_>) {
        self.told.fetch_add(1, Ordering::Relaxed);
        assert!(!self.panics, "a subscriber that is told");
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[test]
fn a_subscriber_is_asked_once_about_a_place_if_it_says_so() {
    let _alone = alone();
    for (target, counts) in
        [("always", (0, 5)), ("never", (0, 0)), ("sometimes", (5, 5)), ("sometimes not", (5, 0))]
    {
        let subscriber = Counting::default();
        heard(subscriber.clone(), || {
            (0..5).for_each(|_| Lent { target: target.as_bytes(), ..Lent::at(1) }.tell());
        });
        assert_eq!(subscriber.counts(), counts, "{target}");
    }
}

#[test]
fn a_subscriber_that_panics_panics_alone() {
    let _alone = alone();
    let subscriber = Counting { panics: true, ..Counting::default() };
    // A panic that came out of `tell` would end the process.
    heard(subscriber.clone(), || (0..3).for_each(|_| Lent::at(2).tell()));
    assert_eq!(subscriber.counts(), (3, 3));
    heard(subscriber.clone(), || {
        (0..3).for_each(|_| Lent { target: b"register", ..Lent::at(2) }.tell());
    });
    assert_eq!(subscriber.counts().1, 5, "the first of them was only registered");
}

#[test]
fn a_change_of_the_level_is_seen_at_once() {
    let _alone = alone();
    let (level, handle) = reload::Layer::new(LevelFilter::INFO);
    let listened = || [1, 2, 3, 4, 5].map(|level| is_heard(level));
    let all = heard(registry().with(level).with(Recorder), || {
        let tell = || (1..=5).for_each(|level| Lent { level, ..Lent::at(3) }.tell());
        assert_eq!(listened(), [true, true, true, false, false]);
        tell();
        handle.reload(LevelFilter::TRACE).unwrap();
        assert_eq!(listened(), [true; 5]);
        tell();
        handle.reload(LevelFilter::OFF).unwrap();
        assert_eq!(listened(), [false; 5]);
        tell();
        handle.reload(LevelFilter::ERROR).unwrap();
        assert_eq!(listened(), [true, false, false, false, false]);
        tell();
    });
    let levels: Vec<_> = all.iter().map(|event| event.metadata.level().as_str()).collect();
    assert_eq!(levels, ["ERROR", "WARN", "INFO", "ERROR", "WARN", "INFO", "DEBUG", "TRACE", "ERROR"]);
}
