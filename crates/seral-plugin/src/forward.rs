//! What plugin code tells by `tracing`, to the host.
//!
//! A library has a `tracing` of its own, in which nobody listens. So the [`Forwarder`] is set there, and asks the host before each event whether
//! it would be heard: nothing about that is kept, so whoever changes the level of the host changes that of its plugins.
//!
//! Spans of plugin code are not forwarded. They are never enabled, so they cost nothing and `Span::current` is none; an event is in the span of
//! the host in which the plugin is called, which is that of the attempt, whatever parent it names.
//!
//! No thread gets anything to destroy by this, since that would keep the library in memory for as long as the thread lives. `tracing`'s own
//! `with_default` does that, in a plugin that uses it.
#![expect(unsafe_code, reason = "the ABI: the host is reached by its table")]

use std::error::Error;
use std::fmt;
use std::fmt::Debug;
use std::fmt::Write;
use std::iter::successors;
use std::ops::Range;
use std::panic::PanicHookInfo;

use tracing_core::Dispatch;
use tracing_core::Event;
use tracing_core::Interest;
use tracing_core::Level;
use tracing_core::Metadata;
use tracing_core::Subscriber;
use tracing_core::dispatcher;
use tracing_core::field::Field;
use tracing_core::field::Visit;
use tracing_core::span::Attributes;
use tracing_core::span::Id;
use tracing_core::span::Record;
use tracing_core::subscriber::NoSubscriber;

use crate::host::HOST;
use crate::memory::Slice;
use crate::panics;
use crate::panics::catch;
use crate::table;
use crate::table::Head;
use crate::table::Host;
use crate::table::value;

/// How many texts of an error and its sources are told: an error may be its own source.
const CHAIN_MAX: usize = 32;

/// A subscriber that tells the host what it hears.
#[derive(Clone, Copy, Debug)]
pub struct Forwarder {
    host: Host,
}

impl Forwarder {
    /// Tells this host.
    pub const fn new(host: Host) -> Self {
        Self { host }
    }

    fn tell(&self, event: &table::Event) {
        // SAFETY: it is the host's own function; the event, and what it points to, is lent for the call.
        unsafe { (self.host.tell)(event) };
    }
}

/// From now on events go to this host, unless the plugin's own code has taken care of them.
pub(crate) fn listen(host: Host) {
    if dispatcher::get_default(Dispatch::is::<NoSubscriber>) {
        // If it fails, another thread was faster, and that one is not to be disturbed either.
        let _ = dispatcher::set_global_default(Dispatch::new(Forwarder::new(host)));
    }
}

/// Tells of a panic that nobody catches. The thread is not named: to ask for its name gives it something to destroy.
pub(crate) fn report(panic: &PanicHookInfo<'_>) {
    let Some(host) = HOST.get() else { return };
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let field = |name: &str, kind, text: &str| table::Field {
        name: Slice::of(name.as_bytes()),
        kind,
        bits: 0,
        text: Slice::of(text.as_bytes()),
    };
    let fields = [
        field("message", value::FORMATTED, "a thread of the plugin panicked"),
        field("text", value::TEXT, panics::said(panic.payload())),
        field("place", value::FORMATTED, &place),
    ];
    Forwarder::new(*host).tell(&table::Event {
        head: Head::of::<table::Event>(),
        level: number(Level::ERROR),
        line: 0,
        target: Slice::of(b"seral_plugin"),
        name: Slice::of(b"panic"),
        file: Slice::EMPTY,
        module: Slice::EMPTY,
        fields: fields.as_ptr(),
        fields_len: fields.len(),
    });
}

impl Subscriber for Forwarder {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if metadata.is_span() { Interest::never() } else { Interest::sometimes() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // SAFETY: it is the host's own function, of a number.
        !metadata.is_span() && unsafe { (self.host.is_heard)(number(*metadata.level())) }
    }

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let mut values = Values::none(metadata.fields().len());
        event.record(&mut values);
        let fields: Vec<_> = metadata
            .fields()
            .iter()
            .zip(&values.values)
            .map(|(field, value)| values.told(&field, value))
            .collect();
        self.tell(&table::Event {
            head: Head::of::<table::Event>(),
            level: number(*metadata.level()),
            line: metadata.line().unwrap_or(0),
            target: Slice::of(metadata.target().as_bytes()),
            name: Slice::of(metadata.name().as_bytes()),
            file: Slice::of(metadata.file().unwrap_or_default().as_bytes()),
            module: Slice::of(metadata.module_path().unwrap_or_default().as_bytes()),
            fields: fields.as_ptr(),
            fields_len: fields.len(),
        });
    }

    /// Only of code that did not ask whether it is enabled.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn number(level: Level) -> u32 {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        _ => 5,
    }
}

/// The values of an event's fields, and all of their texts in one piece.
struct Values {
    values: Vec<Value>,
    text: String,
}

#[derive(Clone)]
struct Value {
    kind: u32,
    bits: u64,
    text: Range<usize>,
}

impl Values {
    fn none(count: usize) -> Self {
        Self { values: vec![Value { kind: value::NONE, bits: 0, text: 0..0 }; count], text: String::new() }
    }

    fn told(&self, field: &Field, value: &Value) -> table::Field {
        table::Field {
            name: Slice::of(field.name().as_bytes()),
            kind: value.kind,
            bits: value.bits,
            text: Slice::of(&self.text.as_bytes()[value.text.clone()]),
        }
    }

    fn set(&mut self, field: &Field, value: Value) {
        if let Some(slot) = self.values.get_mut(field.index()) {
            *slot = value;
        }
    }

    fn set_bits(&mut self, field: &Field, kind: u32, bits: u64) {
        self.set(field, Value { kind, bits, text: 0..0 });
    }

    /// The text of something of the user's. If that panics, it is no reason for its job to fail.
    fn set_text(&mut self, field: &Field, kind: u32, write: impl FnOnce(&mut String) -> fmt::Result) {
        let start = self.text.len();
        let text = match catch(|| write(&mut self.text)) {
            Ok(Ok(())) => None,
            Ok(Err(fmt::Error)) => Some("(it cannot be formatted)".to_owned()),
            Err(panic) => Some(format!("(it panicked: {})", panic.text)),
        };
        self.text.push_str(&text.unwrap_or_default());
        self.set(field, Value { kind, bits: 0, text: start..self.text.len() });
    }
}

impl Visit for Values {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set_bits(field, value::F64, value.to_bits());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set_bits(field, value::I64, value.cast_unsigned());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set_bits(field, value::U64, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set_bits(field, value::BOOL, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set_text(field, value::TEXT, |text| text.write_str(value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.set_text(field, value::ERROR, |text| {
            write!(text, "{value}")?;
            let sources = successors(value.source(), |&error| error.source());
            sources.take(CHAIN_MAX - 1).try_for_each(|source| write!(text, "\0{source}"))
        });
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.set_text(field, value::FORMATTED, |text| write!(text, "{value:?}"));
    }
}
