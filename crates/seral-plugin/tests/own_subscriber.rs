//! A plugin whose own code has set a subscriber keeps it. In a process of its own, since it is set once.
//!
//! Seen failing: the forwarder made in any case, which raises the level of the plugin.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]
#![expect(unsafe_code, reason = "it plays the host")]

#[path = "forward/host.rs"]
mod host;

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use seral_plugin::Fault;
use seral_plugin::JobContext;
use seral_plugin::Worker;
use seral_plugin::export;
use seral_plugin::outcome::code;
use seral_plugin::table::Event;
use tracing::Level;
use tracing::Metadata;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing::span::Attributes;
use tracing::span::Id;
use tracing::span::Record;

static HEARD: AtomicUsize = AtomicUsize::new(0);

/// Hears errors.
struct Own;

impl Subscriber for Own {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::ERROR
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::ERROR)
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &tracing::Event<'_>) {
        HEARD.fetch_add(1, Ordering::Relaxed);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Idle;

impl Worker for Idle {
    type Job = u32;
    type Output = u32;

    async fn process(&mut self, job: &u32, _: &JobContext) -> Result<u32, Fault> {
        Ok(*job)
    }
}

extern "C" fn is_heard(_: u32) -> bool {
    panic!("the host is not asked")
}

extern "C" fn tell(_: *const Event) {
    panic!("the host is not told")
}

#[test]
fn a_subscriber_of_the_plugin_is_left_alone() {
    tracing::subscriber::set_global_default(Own).unwrap();
    let host = host::table(is_heard, tell);
    let init = export::table::<export::ByDefault<Idle>>(b"").init.unwrap();
    // SAFETY: the table is as it should be.
    assert_eq!(unsafe { init(&raw const host) }.code, code::DONE);
    tracing::error!("heard");
    tracing::info!("not heard");
    assert_eq!(HEARD.load(Ordering::Relaxed), 1);
    assert_eq!(LevelFilter::current(), LevelFilter::ERROR, "what is not heard costs nothing");
}
