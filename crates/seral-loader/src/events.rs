//! Events of plugins, for the subscriber of the host: with their level, their target, their fields, and their place in the source.
//!
//! An event is told on the thread on which the plugin's code runs, and in the span in which that is called. A subscriber that filters by
//! targets knows those of plugins as it knows all others, and is asked about each place once.
//!
//! Of places in plugins 10,000 are kept. Events of places that are new then have the target `plugin`, and their place in their fields.
#![expect(unsafe_code, reason = "the ABI: an event is lent by a pointer")]

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::fmt::Debug;
use std::fmt::Write;
use std::slice;
use std::sync::LazyLock;

use seral_plugin::memory::Slice;
use seral_plugin::panics::catch;
use seral_plugin::table::Event;
use seral_plugin::table::Field;
use seral_plugin::table::value;
use seral_plugin::wire::Foreign;
use tracing_core::Level;
use tracing_core::LevelFilter;
use tracing_core::field;
use tracing_core::field::DisplayValue;

use crate::callsite::Callsites;
use crate::callsite::Place;

/// How many places are kept. Each takes some 600 bytes for ever; a large plugin has a hundred, of which most stay the same in its next version.
const PLACES_MAX: usize = 10_000;
/// One for each level, for all places that are not kept.
const ELSEWHERE: usize = 5;
/// How many texts of an error and its sources are told. They are nested, and dropped as deep.
const CHAIN_MAX: usize = 32;

static CALLSITES: LazyLock<Callsites> = LazyLock::new(Callsites::default);

/// Whether some subscriber of this program listens to this level, from 1 (error) to 5 (trace).
pub extern "C" fn is_heard(level: u32) -> bool {
    level_of(level) <= LevelFilter::current()
}

/// Tells an event of a plugin. A subscriber that panics has said so by the panic hook, and the plugin does not notice.
///
/// # Safety
///
/// It is an event as [`seral_plugin::table`] describes it, and what it points to is lent for the call.
pub unsafe extern "C" fn tell(event: *const Event) {
    let _ = catch(|| {
        // SAFETY: the caller says so.
        if let Ok(event) = unsafe { Event::read(event) } {
            // SAFETY: as above.
            unsafe { tell_again(&event) };
        }
    });
}

/// # Safety
///
/// What the event points to is lent for the call.
unsafe fn tell_again(event: &Event) {
    let level = level_of(event.level);
    let fields = match event.fields_len {
        0 => &[],
        // SAFETY: the caller says so.
        len => unsafe { slice::from_raw_parts(event.fields, len) },
    };
    // SAFETY: as above.
    let lent = |slice: Slice| unsafe { slice.as_slice() };
    let names: Vec<_> = fields.iter().map(|field| lent(field.name)).collect();
    let place = Place {
        level,
        line: event.line,
        target: lent(event.target),
        name: lent(event.name),
        file: lent(event.file),
        module: lent(event.module),
        fields: &names,
    };
    let values = || fields.iter().map(|field| Value::new(field, lent(field.text))).collect::<Vec<_>>();
    if let Some(callsite) = CALLSITES.of(&place, PLACES_MAX) {
        callsite.if_heard(|subscriber| {
            let values = values();
            callsite.tell(subscriber, &values.iter().map(Value::recorded).collect::<Vec<_>>());
        });
    } else if let Some(callsite) = CALLSITES.of(&elsewhere(level), PLACES_MAX + ELSEWHERE) {
        callsite.if_heard(|subscriber| {
            let values = values_elsewhere(&place, values());
            callsite.tell(subscriber, &values.each_ref().map(Value::recorded));
        });
    }
}

fn level_of(level: u32) -> Level {
    match level {
        0 | 1 => Level::ERROR,
        2 => Level::WARN,
        3 => Level::INFO,
        4 => Level::DEBUG,
        _ => Level::TRACE,
    }
}

/// The place of events of this level whose place is not kept.
const fn elsewhere(level: Level) -> Place<'static> {
    Place {
        level,
        line: 0,
        target: b"plugin",
        name: b"event of a plugin",
        file: b"",
        module: b"",
        fields: &[
            MESSAGE,
            b"plugin.target",
            b"plugin.name",
            b"plugin.file",
            b"plugin.line",
            b"plugin.module",
            b"plugin.fields",
        ],
    }
}

const MESSAGE: &[u8] = b"message";

/// The values of these fields.
fn values_elsewhere<'a>(place: &Place<'a>, values: Vec<Value<'a>>) -> [Value<'a>; 7] {
    let mut message = Value::None;
    let mut others = String::new();
    for (&name, value) in place.fields.iter().zip(values) {
        if name == MESSAGE {
            message = value;
        } else if !matches!(value, Value::None) {
            let space = if others.is_empty() { "" } else { " " };
            // It is written to memory.
            let _ = write!(others, "{space}{}={value:?}", String::from_utf8_lossy(name));
        }
    }
    let text = |bytes| Value::Text(String::from_utf8_lossy(bytes));
    [
        message,
        text(place.target),
        text(place.name),
        text(place.file),
        Value::U64(place.line.into()),
        text(place.module),
        Value::Text(others.into()),
    ]
}

/// The value of a field, as it is recorded.
enum Value<'a> {
    None,
    Bool(bool),
    I64(i64),
    U64(u64),
    F64(f64),
    Text(Cow<'a, str>),
    Formatted(DisplayValue<Cow<'a, str>>),
    Error(Box<dyn Error + Send + Sync>),
}

impl<'a> Value<'a> {
    fn new(field: &Field, text: &'a [u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        match field.kind {
            value::NONE => Self::None,
            value::BOOL => Self::Bool(field.bits != 0),
            value::I64 => Self::I64(field.bits.cast_signed()),
            value::U64 => Self::U64(field.bits),
            value::F64 => Self::F64(f64::from_bits(field.bits)),
            value::TEXT => Self::Text(text),
            value::ERROR => {
                let chain: Vec<_> = text.split('\0').take(CHAIN_MAX).map(str::to_owned).collect();
                Self::Error(Box::new(Foreign::new(chain)))
            }
            // Also a kind that is not known here yet: whoever has made it has put beside it what people can read.
            _ => Self::Formatted(field::display(text)),
        }
    }

    fn recorded(&self) -> Option<&dyn field::Value> {
        Some(match self {
            Self::None => return None,
            Self::Bool(value) => value,
            Self::I64(value) => value,
            Self::U64(value) => value,
            Self::F64(value) => value,
            Self::Text(Cow::Borrowed(text)) => text,
            Self::Text(Cow::Owned(text)) => text,
            Self::Formatted(text) => text,
            Self::Error(error) => error,
        })
    }
}

/// As text among others.
impl Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Bool(value) => value.fmt(f),
            Self::I64(value) => value.fmt(f),
            Self::U64(value) => value.fmt(f),
            Self::F64(value) => value.fmt(f),
            Self::Text(text) => text.fmt(f),
            Self::Formatted(text) => text.fmt(f),
            Self::Error(error) => write!(f, "{error}"),
        }
    }
}
