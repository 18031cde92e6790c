//! What plugin code tells by `tracing` is heard by the host: as its own events, in the span of the attempt, wherever the code runs.
//!
//! In a process of its own, since `tracing` remembers for the whole process whether anybody listens.
//!
//! Seen failing: the host's table without its `tell`; a call that leaves its span behind.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use std::fmt::Debug;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use payload::Script;
use payload::Task;
use seral::prelude::*;
use seral_loader::Library;
use tracing::Subscriber;
use tracing::field::Field;
use tracing::field::Visit;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::Context;
use tracing_subscriber::layer::Layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;

/// Writes down each event of the plugin, with the span that it is in.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

#[derive(Default)]
struct Values(String);

impl Visit for Values {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, " {field}={value:?}");
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Notes {
    fn on_event(&self, event: &tracing::Event<'_>, context: Context<'_, S>) {
        let about = event.metadata();
        if !about.target().starts_with("scripted") {
            return;
        }
        let mut values = Values::default();
        event.record(&mut values);
        let span = context.event_span(event).map_or("nothing", |span| span.name());
        let file = about.file().unwrap_or("nowhere");
        let line = about.line().is_some();
        self.0.lock().push(format!(
            "{} {} in {span}:{} at {file} {line}",
            about.level(),
            about.target(),
            values.0
        ));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_a_plugin_are_heard_in_the_span_of_the_attempt() {
    let notes = Notes::default();
    let listener = tracing_subscriber::registry().with(notes.clone()).with(LevelFilter::INFO);
    tracing::subscriber::set_global_default(listener).unwrap();
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins/Cargo.toml");
    let path = seral_test::plugin::build(manifest, "scripted").unwrap();
    for isolated in [false, true] {
        let shop = Ecosystem::new("shop");
        let orders = shop.community::<Task, String>("orders").await.unwrap();
        let library = Library::open(&path).unwrap().config(&Script::default()).unwrap();
        let library = if isolated { library.isolated() } else { library };
        orders.deploy("1.0.0", library.pool(1)).await.unwrap();
        assert_eq!(orders.ask(Task::Tell("a word".to_owned())).await.unwrap(), "told");
        let heard = std::mem::take(&mut *notes.0.lock());
        let expected = "WARN scripted::orders in attempt: message=told said=0 text=\"a word\" at scripted/src/lib.rs true";
        assert_eq!(heard, [expected], "isolated: {isolated}");
    }
}
