//! Events as a plugin lends them, and what a subscriber of the host hears of them.

#![allow(dead_code, reason = "each test program needs its part of it")]

use std::cell::RefCell;
use std::error::Error;
use std::fmt;
use std::iter::successors;
use std::ptr;

use seral_loader::events::tell;
use seral_plugin::memory::Slice;
use seral_plugin::table::Event;
use seral_plugin::table::Field;
use seral_plugin::table::Head;
use tracing::Dispatch;
use tracing::Metadata;
use tracing::Subscriber;
use tracing::field;
use tracing::field::Visit;
use tracing::subscriber::Interest;
use tracing_subscriber::layer::Context;
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;

/// An event, as a plugin tells it.
#[derive(Clone, Debug)]
pub(crate) struct Lent<'a> {
    pub(crate) level: u32,
    pub(crate) line: u32,
    pub(crate) target: &'a [u8],
    pub(crate) name: &'a [u8],
    pub(crate) file: &'a [u8],
    pub(crate) module: &'a [u8],
    pub(crate) fields: Vec<(&'a [u8], u32, u64, &'a [u8])>,
}

impl Lent<'_> {
    /// At this line, and otherwise the same.
    pub(crate) fn at(line: u32) -> Self {
        Self {
            level: 3,
            line,
            target: b"orders",
            name: b"event src/orders.rs",
            file: b"src/orders.rs",
            module: b"orders::paid",
            fields: Vec::new(),
        }
    }

    pub(crate) fn tell(&self) {
        let field = |&(name, kind, bits, text): &(&[u8], _, _, &[u8])| Field {
            name: Slice::of(name),
            kind,
            bits,
            text: Slice::of(text),
        };
        let fields: Vec<_> = self.fields.iter().map(field).collect();
        let event = Event {
            head: Head::of::<Event>(),
            level: self.level,
            line: self.line,
            target: Slice::of(self.target),
            name: Slice::of(self.name),
            file: Slice::of(self.file),
            module: Slice::of(self.module),
            fields: if fields.is_empty() { ptr::null() } else { fields.as_ptr() },
            fields_len: fields.len(),
        };
        // SAFETY: it is as the table describes it, and is there until the call returns.
        unsafe { tell(&raw const event) };
    }
}

/// An event, as the host hears it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Heard {
    pub(crate) metadata: &'static Metadata<'static>,
    pub(crate) span: Option<&'static str>,
    pub(crate) fields: Vec<(&'static str, Value)>,
}

/// As what a field was recorded.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Bool(bool),
    I64(i64),
    U64(u64),
    F64(f64),
    Text(String),
    Formatted(String),
    Error(Vec<String>),
}

thread_local! {
    static HEARD: RefCell<Vec<Heard>> = const { RefCell::new(Vec::new()) };
}

/// What is heard on this thread while this runs, by this subscriber.
pub(crate) fn heard(by: impl Into<Dispatch>, run: impl FnOnce()) -> Vec<Heard> {
    heard_of(|| tracing::dispatcher::with_default(&by.into(), run))
}

/// What recorders hear on this thread while this runs.
pub(crate) fn heard_of(run: impl FnOnce()) -> Vec<Heard> {
    HEARD.take();
    run();
    HEARD.take()
}

/// Writes down what it hears.
pub(crate) struct Recorder;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Recorder {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::always()
    }

    fn on_event(&self, event: &tracing::Event<'_>, context: Context<'_, S>) {
        let mut values = Values(Vec::new());
        event.record(&mut values);
        let span = context.event_span(event).map(|span| span.name());
        let heard = Heard { metadata: event.metadata(), span, fields: values.0 };
        HEARD.with_borrow_mut(|all| all.push(heard));
    }
}

struct Values(Vec<(&'static str, Value)>);

impl Values {
    fn push(&mut self, field: &field::Field, value: Value) {
        self.0.push((field.name(), value));
    }
}

impl Visit for Values {
    fn record_f64(&mut self, field: &field::Field, value: f64) {
        self.push(field, Value::F64(value));
    }

    fn record_i64(&mut self, field: &field::Field, value: i64) {
        self.push(field, Value::I64(value));
    }

    fn record_u64(&mut self, field: &field::Field, value: u64) {
        self.push(field, Value::U64(value));
    }

    fn record_bool(&mut self, field: &field::Field, value: bool) {
        self.push(field, Value::Bool(value));
    }

    fn record_str(&mut self, field: &field::Field, value: &str) {
        self.push(field, Value::Text(value.to_owned()));
    }

    fn record_error(&mut self, field: &field::Field, value: &(dyn Error + 'static)) {
        let chain = successors(Some(value), |&error| error.source());
        self.push(field, Value::Error(chain.take(100).map(ToString::to_string).collect()));
    }

    fn record_debug(&mut self, field: &field::Field, value: &dyn fmt::Debug) {
        self.push(field, Value::Formatted(format!("{value:?}")));
    }
}
