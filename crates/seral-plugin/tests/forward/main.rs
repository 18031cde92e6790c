//! What plugin code tells by `tracing` comes to the host. All of it in one process, in which `init` was called as it is in a plugin.
//!
//! Seen failing: what the host says of a level kept; values in the order in which they come, so that one without a value shifts them; no catch around
//! the user's formatting; an error without its sources, and with one too many; a span that is enabled; a second `init` refused; no panic hook.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]
#![allow(clippy::print_stderr, reason = "a test that fails should say why, whatever the panic hook is")]
#![expect(unsafe_code, reason = "it plays the host, which reads what is lent by pointers")]

mod host;

use std::cell::Cell;
use std::cell::RefCell;
use std::error::Error;
use std::fmt;
use std::slice;
use std::sync::Mutex;
use std::sync::Once;
use std::thread;

use seral_plugin::Fault;
use seral_plugin::JobContext;
use seral_plugin::Worker;
use seral_plugin::export;
use seral_plugin::memory::Slice;
use seral_plugin::outcome::code;
use seral_plugin::panics::catch;
use seral_plugin::table::Event;
use seral_plugin::table::Field;
use seral_plugin::table::value;
use tracing::Level;
use tracing::Span;

/// An event, as the host gets it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Told {
    level: u32,
    line: u32,
    target: String,
    name: String,
    file: String,
    module: String,
    fields: Vec<(String, u32, u64, String)>,
}

thread_local! {
    static LEVEL: Cell<u32> = const { Cell::new(3) };
    static TOLD: RefCell<Vec<Told>> = const { RefCell::new(Vec::new()) };
}

/// Panics that nobody caught, of all threads.
static PANICS: Mutex<Vec<Told>> = Mutex::new(Vec::new());

extern "C" fn is_heard(level: u32) -> bool {
    level <= LEVEL.get()
}

extern "C" fn tell(event: *const Event) {
    // SAFETY: the plugin lends it for the call.
    let event = unsafe { Event::read(event) }.unwrap();
    // SAFETY: as above.
    let text = |slice: Slice| String::from_utf8(unsafe { slice.as_slice() }.to_vec()).unwrap();
    let field = |field: &Field| (text(field.name), field.kind, field.bits, text(field.text));
    let fields = match event.fields_len {
        0 => &[],
        // SAFETY: as above.
        len => unsafe { slice::from_raw_parts(event.fields, len) },
    };
    let told = Told {
        level: event.level,
        line: event.line,
        target: text(event.target),
        name: text(event.name),
        file: text(event.file),
        module: text(event.module),
        fields: fields.iter().map(field).collect(),
    };
    if told.name == "panic" {
        // Of a test that fails, too: the hook of the plugin is that of this process.
        eprintln!("{told:?}");
        PANICS.lock().unwrap().push(told);
    } else {
        TOLD.with_borrow_mut(|all| all.push(told));
    }
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

/// What the code tells, in a plugin that was taken into use twice.
fn told(code: impl FnOnce()) -> Vec<Told> {
    static INIT: Once = Once::new();
    INIT.call_once(|| {
        let host = host::table(is_heard, tell);
        let init = export::table::<export::ByDefault<Idle>>(b"").init.unwrap();
        for _ in 0..2 {
            // SAFETY: the table is as it should be.
            assert_eq!(unsafe { init(&raw const host) }.code, code::DONE);
        }
    });
    code();
    TOLD.take()
}

fn fields(code: impl FnOnce()) -> Vec<(String, u32, u64, String)> {
    let told = told(code);
    assert_eq!(told.len(), 1);
    told[0].fields.clone()
}

fn field(name: &str, kind: u32, bits: u64, text: &str) -> (String, u32, u64, String) {
    (name.to_owned(), kind, bits, text.to_owned())
}

#[test]
fn an_event_says_where_it_was_told_and_how_grave_it_is() {
    let line = line!() + 1;
    let event = told(|| tracing::warn!(target: "orders", "hello")).remove(0);
    assert_eq!((event.level, event.line, event.target.as_str()), (2, line, "orders"));
    assert_eq!((event.file.as_str(), event.module.as_str()), (file!(), module_path!()));
    assert_eq!(event.name, format!("event {}:{line}", file!()));

    LEVEL.set(5);
    let all = told(|| {
        tracing::error!("");
        tracing::warn!("");
        tracing::info!("");
        tracing::debug!("");
        tracing::trace!(name: "named", "");
    });
    assert_eq!(all.iter().map(|event| event.level).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert_eq!(all[4].name, "named");
}

#[test]
fn each_value_is_told_as_what_it_was_recorded_as() {
    let all = fields(|| {
        tracing::info!(
            yes = true,
            no = false,
            low = -2,
            high = u64::MAX,
            half = 0.5,
            lowest = i128::MIN,
            highest = u128::MAX,
            text = "a \"word\"",
            empty = "",
            shown = %"a \"word\"",
            debug = ?"a \"word\"",
            bytes = &[1_u8, 255][..],
            absent = tracing::field::Empty,
            none = None::<u32>,
            some = Some(7_u32),
            "{} words",
            2
        );
    });
    let expected = [
        field("message", value::FORMATTED, 0, "2 words"),
        field("yes", value::BOOL, 1, ""),
        field("no", value::BOOL, 0, ""),
        field("low", value::I64, u64::MAX - 1, ""),
        field("high", value::U64, u64::MAX, ""),
        field("half", value::F64, 0.5_f64.to_bits(), ""),
        field("lowest", value::FORMATTED, 0, &i128::MIN.to_string()),
        field("highest", value::FORMATTED, 0, &u128::MAX.to_string()),
        field("text", value::TEXT, 0, "a \"word\""),
        field("empty", value::TEXT, 0, ""),
        field("shown", value::FORMATTED, 0, "a \"word\""),
        field("debug", value::FORMATTED, 0, "\"a \\\"word\\\"\""),
        field("bytes", value::FORMATTED, 0, "[01 ff]"),
        field("absent", value::NONE, 0, ""),
        field("none", value::NONE, 0, ""),
        field("some", value::U64, 7, ""),
    ];
    assert_eq!(all, expected);
}

/// An error that is its own source, so many times over.
#[derive(Debug)]
struct Nested(&'static str);

impl fmt::Display for Nested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Nested {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        (self.0 == "again").then_some(self)
    }
}

#[test]
fn an_error_is_told_with_its_sources_of_which_there_may_be_no_end() {
    let error: &(dyn Error + 'static) = &Nested("once");
    let once = fields(|| tracing::info!(error));
    assert_eq!(once, [field("error", value::ERROR, 0, "once")]);
    let error: &(dyn Error + 'static) = &Nested("again");
    let again = fields(|| tracing::info!(error));
    assert_eq!(again, [field("error", value::ERROR, 0, &vec!["again"; 32].join("\0"))]);
}

struct Panics;

impl fmt::Debug for Panics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("half ")?;
        panic!("boom")
    }
}

struct Fails;

impl fmt::Debug for Fails {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Err(fmt::Error)
    }
}

#[test]
fn a_value_that_cannot_be_formatted_takes_nothing_else_with_it() {
    let all = fields(|| tracing::info!(before = 1, panics = ?Panics, fails = ?Fails, after = "b"));
    let expected = [
        field("before", value::I64, 1, ""),
        field("panics", value::FORMATTED, 0, "half (it panicked: boom)"),
        field("fails", value::FORMATTED, 0, "(it cannot be formatted)"),
        field("after", value::TEXT, 0, "b"),
    ];
    assert_eq!(all, expected);
}

#[test]
fn the_level_of_the_host_may_change_at_any_time() {
    let say = || tracing::debug!("hello");
    assert_eq!(told(say).len(), 0);
    LEVEL.set(4);
    assert_eq!(told(say).len(), 1);
    LEVEL.set(3);
    assert_eq!(told(say).len(), 0);
}

#[test]
fn spans_are_not_told_and_do_no_harm() {
    let all = told(|| {
        let span = tracing::info_span!("outer", order = 1);
        assert!(span.is_disabled() && Span::current().is_none());
        assert!(!tracing::span_enabled!(Level::ERROR));
        let inner = tracing::error_span!(parent: &span, "inner", late = tracing::field::Empty);
        inner.record("late", 2);
        inner.follows_from(&span);
        inner.in_scope(|| tracing::info!(parent: &span, "told"));
        tracing::info!(parent: None, "told");
        // Of code that does not ask.
        tracing::dispatcher::get_default(|forwarder| {
            let metadata = tracing::callsite::Callsite::metadata(&ASKED);
            assert!(!forwarder.enabled(metadata));
            let id = forwarder
                .new_span(&tracing::span::Attributes::new_root(metadata, &metadata.fields().value_set(&[])));
            forwarder.enter(&id);
            forwarder.exit(&id);
            assert!(!forwarder.try_close(forwarder.clone_span(&id)));
        });
    });
    assert_eq!(all.iter().map(|told| told.fields[0].3.as_str()).collect::<Vec<_>>(), ["told", "told"]);
}

/// The place of a span.
static ASKED: tracing::callsite::DefaultCallsite = tracing::callsite::DefaultCallsite::new({
    static METADATA: tracing::Metadata<'static> = tracing::Metadata::new(
        "asked",
        "orders",
        Level::INFO,
        None,
        None,
        None,
        tracing::field::FieldSet::new(&[], tracing::callsite::Identifier(&ASKED)),
        tracing::metadata::Kind::SPAN,
    );
    &METADATA
});

#[test]
fn a_panic_is_told_if_nobody_catches_it() {
    let mut line = 0;
    told(|| {
        assert!(catch(|| panic!("caught")).is_err());
        line = line!() + 1;
        thread::spawn(|| panic!("of {}", "a thread")).join().unwrap_err();
    });
    let panics = PANICS.lock().unwrap();
    let texts: Vec<_> = panics.iter().map(|told| told.fields[1].3.as_str()).collect();
    assert!(!texts.contains(&"caught"));
    let told = panics.iter().find(|told| told.fields[1].3 == "of a thread").unwrap();
    assert_eq!((told.level, told.target.as_str()), (1, "seral_plugin"));
    assert_eq!(told.fields[0].3, "a thread of the plugin panicked");
    assert!(told.fields[2].3.starts_with(&format!("{}:{line}:", file!())), "{told:?}");
}
