//! Both halves: what plugin code tells is heard by the host as if the code were its own.
//!
//! In one process, of which the default subscriber is the plugin's, and the host has another on the thread while it is told. `tracing` allows no such
//! change within an event while some other thread has a subscriber of its own, so these tests run one after the other.
//!
//! Seen failing: an event without the span; something formatted with quotes; a plugin that tells itself.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]
#![expect(unsafe_code, reason = "it calls what the two sides have for each other")]

#[path = "events/record.rs"]
mod record;
#[path = "../../seral-plugin/tests/forward/host.rs"]
mod table;

use std::cell::RefCell;
use std::io;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::Once;
use std::sync::PoisonError;

use seral_loader::events;
use seral_plugin::forward::Forwarder;
use seral_plugin::table::Event;
use seral_plugin::table::HostTable;
use tracing::Dispatch;
use tracing::dispatcher::with_default;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;

use crate::record::Heard;
use crate::record::Recorder;
use crate::record::Value;
use crate::record::heard;
use crate::record::heard_of;

thread_local! {
    static HOST: RefCell<Dispatch> = RefCell::new(Dispatch::none());
}

extern "C" fn tell(event: *const Event) {
    let host = HOST.with_borrow(Dispatch::clone);
    // SAFETY: it is passed on.
    with_default(&host, || unsafe { events::tell(event) });
}

fn forwarder() -> Forwarder {
    let host = table::table(events::is_heard, tell);
    // SAFETY: the table is as it should be.
    Forwarder::new(unsafe { HostTable::read(&raw const host) }.unwrap())
}

/// Until this is dropped, this thread is one of a plugin whose host listens with this.
fn be_plugin_of(host: Dispatch) -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    static ONCE: Once = Once::new();
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    ONCE.call_once(|| tracing::subscriber::set_global_default(forwarder()).unwrap());
    HOST.set(host);
    alone
}

fn tell_all_there_is() {
    let error = io::Error::other(io::Error::other("refused"));
    let error: &(dyn std::error::Error + 'static) = &error;
    tracing::info!("hello");
    tracing::error!(name: "named", target: "orders", yes = true, low = -1, high = u64::MAX, half = 0.5);
    tracing::trace!(text = "a \"word\"", shown = %"a \"word\"", debug = ?"a \"word\"", error, "{}", 7);
    tracing::warn!(
        lowest = i128::MIN,
        highest = u128::MAX,
        absent = tracing::field::Empty,
        bytes = &[1_u8][..]
    );
}

/// What can be compared of two records, one of the host's own places and one of those of its plugin.
fn facts(all: &[Heard]) -> Vec<impl PartialEq + std::fmt::Debug> {
    let facts = |it: &Heard| {
        let metadata = it.metadata;
        let names: Vec<_> = metadata.fields().iter().map(|field| field.name()).collect();
        let place = (metadata.file(), metadata.line(), metadata.module_path());
        (*metadata.level(), metadata.target(), metadata.name(), place, names, it.fields.clone(), it.span)
    };
    all.iter().map(facts).collect()
}

#[test]
fn an_event_of_a_plugin_is_heard_like_one_of_the_program() {
    let host = Dispatch::new(registry().with(Recorder));
    let _alone = be_plugin_of(host.clone());
    let span = with_default(&host, || tracing::info_span!("attempt"));
    let own = heard(host, || span.in_scope(tell_all_there_is));
    let of_plugin = heard_of(|| span.in_scope(tell_all_there_is));
    assert_eq!(facts(&of_plugin), facts(&own));
    assert_eq!(of_plugin.len(), 4);
    assert_eq!(of_plugin[0].span, Some("attempt"));
    assert_eq!(of_plugin[0].fields, [("message", Value::Formatted("hello".to_owned()))]);
}

#[test]
fn a_plugin_that_is_linked_into_its_host_does_not_tell_itself_for_ever() {
    let _alone = be_plugin_of(Dispatch::new(forwarder()));
    assert_eq!(heard_of(tell_all_there_is), []);
}
