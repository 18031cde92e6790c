//! Each attempt has a span: the first is a child of the sender's, a later one a root that is linked to it.
//!
//! In a process of its own, since `tracing` remembers for the whole process whether anybody listens.
//!
//! Seen failing: a later attempt as a child; no link; the worker's code outside of the span.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use std::cell::Cell;
use std::cell::RefCell;
use std::fmt::Write;
use std::sync::Once;

use seral::prelude::*;
use tracing::Instrument;
use tracing::Subscriber;
use tracing::field::Field;
use tracing::field::Visit;
use tracing::span::Attributes;
use tracing::span::Id;
use tracing_subscriber::layer::Context;
use tracing_subscriber::layer::Layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;

thread_local! {
    static CLOSED: Cell<usize> = const { Cell::new(0) };
    /// Whether the listener is to panic at the next event of seral's own.
    static PANICS: Cell<bool> = const { Cell::new(false) };
    /// What was seen on this thread: each test has one of its own, and all of its tasks run there.
    static NOTES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Writes down each span with its parent, each link, and each event with its span.
struct Notes;

fn note(text: String) {
    NOTES.with_borrow_mut(|notes| notes.push(text));
}

fn notes() -> Vec<String> {
    NOTES.with_borrow(Clone::clone)
}

/// For the whole process: what one thread listens to, another may have switched off for all.
fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Notes)).unwrap();
    });
}

/// The values of some fields, in the order in which they come.
#[derive(Default)]
struct Values(String);

impl Visit for Values {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = write!(self.0, " {field}={value:?}");
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Notes {
    fn on_close(&self, _: Id, _: Context<'_, S>) {
        CLOSED.set(CLOSED.get() + 1);
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let span = context.span(id).unwrap();
        if !["attempt", "request"].contains(&span.name()) {
            // Of the actor runtime.
            return;
        }
        let mut values = Values::default();
        attributes.record(&mut values);
        let parent = span.parent().map_or("nobody", |parent| parent.name());
        note(format!("{} of {parent}:{}", span.name(), values.0));
    }

    fn on_follows_from(&self, span: &Id, follows: &Id, context: Context<'_, S>) {
        let name = |id| context.span(id).unwrap().name();
        note(format!("{} follows {}", name(span), name(follows)));
    }

    fn on_event(&self, event: &tracing::Event<'_>, context: Context<'_, S>) {
        if event.metadata().target() == "seral" && PANICS.take() {
            std::panic::panic_any("told to panic in a subscriber");
        }
        let mut values = Values::default();
        event.record(&mut values);
        if let Some(span) = context.event_span(event)
            && event.metadata().target() == "work"
        {
            note(format!("in {}:{}", span.name(), values.0));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_attempt_is_a_child_of_its_sender_and_a_later_one_is_linked_to_it() {
    listen();
    let shop = Ecosystem::new("shop");
    let orders = shop.community::<u32, u32>("orders").await.unwrap();
    let process = |number, cx: JobContext| async move {
        if number == 7 && cx.attempt().get() == 1 { Err("busy")? } else { Ok(number) }
    };
    orders.deploy("1.0.0", Pool::of_fn(1, process)).await.unwrap();
    let request = tracing::info_span!("request");
    let ordered = async { orders.submit(7).key("k").await.unwrap().await };
    assert_eq!(ordered.instrument(request).await, Ok(7));
    assert_eq!(orders.submit(8).await.unwrap().await, Ok(8));
    let expected = [
        "request of nobody:",
        "attempt of request: community=\"orders\" version=1.0.0 worker=1 job=1 attempt=1 key=k",
        "attempt of nobody: community=\"orders\" version=1.0.0 worker=1 job=1 attempt=2 key=k",
        "attempt follows request",
        "attempt of nobody: community=\"orders\" version=1.0.0 worker=1 job=2 attempt=1",
    ];
    assert_eq!(notes(), expected);
}

#[tokio::test(start_paused = true)]
async fn what_a_worker_logs_is_in_the_span_of_its_attempt_also_after_a_wait() {
    listen();
    let shop = Ecosystem::new("shop");
    let orders = shop.community::<u32, u32>("orders").await.unwrap();
    let process = |number, _| async move {
        tracing::info!(target: "work", number, "before");
        tokio::task::yield_now().await;
        tracing::info!(target: "work", number, "after");
        Ok(number)
    };
    orders.deploy("1", Pool::of_fn(2, process)).await.unwrap();
    let (first, second) = (orders.submit(1).await.unwrap(), orders.submit(2).await.unwrap());
    assert_eq!((first.await, second.await), (Ok(1), Ok(2)));
    let logged = notes().iter().filter(|note| note.starts_with("in attempt:")).count();
    assert_eq!(logged, 4, "{:?}", notes());
}

/// A span stays open as long as it has children: a chain of them would never end, and its end would be too deep.
#[tokio::test(start_paused = true)]
async fn a_job_that_sends_its_successor_keeps_no_spans_open() {
    listen();
    let shop = Ecosystem::new("shop");
    let orders = shop.community::<u32, u32>("orders").await.unwrap();
    let itself = orders.clone();
    let process = move |number, _| {
        let orders = itself.clone();
        async move {
            if number < 1_000 {
                orders.send(number + 1).await?;
            } else {
                std::future::pending::<()>().await;
            }
            Ok(number)
        }
    };
    orders.deploy("1", Pool::of_fn(1, process)).await.unwrap();
    orders.send(0).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    assert_eq!(orders.describe().done, 1_000);
    assert!(CLOSED.get() >= 999, "{} of 1,001 spans were closed", CLOSED.get());
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_panics_loses_no_job_and_no_key() {
    listen();
    let shop = Ecosystem::new("shop");
    let once = RetryPolicy::attempts(1);
    let orders = shop.community::<u32, u32>("orders").retry(once).await.unwrap();
    orders.deploy("1", Pool::of_fn(1, |_, _| async { Err("no")? })).await.unwrap();
    PANICS.set(true);
    let (first, second) =
        (orders.submit(1).key("k").await.unwrap(), orders.submit(2).key("k").await.unwrap());
    assert!(first.await.is_err() && second.await.is_err());
    assert!(!PANICS.get(), "it has panicked");
    let view = orders.describe();
    assert_eq!((view.accounted(), view.dead), (2, 2), "{view}");
}
