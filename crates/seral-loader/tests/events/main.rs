//! Events of plugins, as the host's subscriber hears them: each lent by hand, as a plugin would.
//!
//! Seen failing: an event without the span; a text as something formatted, and the other way round, and that with quotes; a target that must be UTF-8; as
//! many sources as there are, which overflows the stack; a callsite for each event; places told apart by name and line alone.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]
#![expect(unsafe_code, reason = "it plays the plugin, which lends by pointers")]

mod record;

use std::ptr;

use proptest::collection::vec;
use proptest::prelude::*;
use seral_loader::events::is_heard;
use seral_loader::events::tell;
use seral_plugin::table::Event;
use seral_plugin::table::Head;
use seral_plugin::table::value;
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::Layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;

use crate::record::Lent;
use crate::record::Recorder;
use crate::record::Value;
use crate::record::heard;

#[test]
fn an_event_is_heard_as_it_was_told_in_the_span_of_the_host() {
    let all = heard(registry().with(Recorder), || {
        tracing::info_span!("attempt").in_scope(|| Lent { level: 2, ..Lent::at(17) }.tell());
        Lent::at(18).tell();
    });
    let metadata = all[0].metadata;
    assert_eq!(
        (*metadata.level(), metadata.target(), metadata.name()),
        (Level::WARN, "orders", "event src/orders.rs")
    );
    assert_eq!((metadata.file(), metadata.line()), (Some("src/orders.rs"), Some(17)));
    assert_eq!(metadata.module_path(), Some("orders::paid"));
    assert!(metadata.is_event());
    assert_eq!(all.iter().map(|event| event.span).collect::<Vec<_>>(), [Some("attempt"), None]);
}

#[test]
fn each_level_is_heard_as_what_it_is_and_an_odd_one_as_the_nearest() {
    let all = heard(registry().with(Recorder), || {
        for level in [0, 1, 2, 3, 4, 5, 6, u32::MAX] {
            assert!(is_heard(level));
            Lent { level, ..Lent::at(20) }.tell();
        }
    });
    let (error, trace) = (Level::ERROR, Level::TRACE);
    let expected = [error, error, Level::WARN, Level::INFO, Level::DEBUG, trace, trace, trace];
    assert_eq!(all.iter().map(|event| *event.metadata.level()).collect::<Vec<_>>(), expected);
}

#[test]
fn each_value_is_heard_as_what_it_was_recorded_as() {
    let fields: Vec<(&[u8], u32, u64, &[u8])> = vec![
        (b"message", value::FORMATTED, 0, b"2 \"words\""),
        (b"none", value::NONE, 1, b"text"),
        (b"yes", value::BOOL, 2, b""),
        (b"no", value::BOOL, 0, b""),
        (b"low", value::I64, u64::MAX, b""),
        (b"high", value::U64, u64::MAX, b""),
        (b"half", value::F64, 0.5_f64.to_bits(), b""),
        (b"text", value::TEXT, 0, b"a \"word\""),
        (b"no text", value::TEXT, 0, b"\xffa"),
        (b"no text, formatted", value::FORMATTED, 0, b"\xffa"),
        (b"error", value::ERROR, 0, b"cannot charge\0refused\0"),
        (b"later", 99, 7, b"a word"),
    ];
    let all = heard(registry().with(Recorder), || Lent { fields, ..Lent::at(30) }.tell());
    let formatted = |text: &str| Value::Formatted(text.to_owned());
    let expected = [
        ("message", formatted("2 \"words\"")),
        ("yes", Value::Bool(true)),
        ("no", Value::Bool(false)),
        ("low", Value::I64(-1)),
        ("high", Value::U64(u64::MAX)),
        ("half", Value::F64(0.5)),
        ("text", Value::Text("a \"word\"".to_owned())),
        ("no text", Value::Text("\u{fffd}a".to_owned())),
        ("no text, formatted", formatted("\u{fffd}a")),
        ("error", Value::Error(["cannot charge", "refused", ""].map(str::to_owned).to_vec())),
        ("later", formatted("a word")),
    ];
    assert_eq!(all[0].fields, expected);
    assert_eq!(all[0].metadata.fields().len(), 12, "the field without a value is one, too");
}

#[test]
fn an_error_has_as_many_sources_as_can_be_nested() {
    let text = vec![b'\0'; 100_000];
    let fields: Vec<(&[u8], u32, u64, &[u8])> = vec![(b"error", value::ERROR, 0, &text)];
    let all = heard(registry().with(Recorder), || Lent { fields, ..Lent::at(31) }.tell());
    assert_eq!(all[0].fields, [("error", Value::Error(vec![String::new(); 32]))]);
}

fn tell_of_three() {
    for (target, level) in [("paid", 3), ("paid", 4), ("bills", 3), ("bills::sent", 2), ("bills::sent", 3)] {
        Lent { target: target.as_bytes(), level, ..Lent::at(40) }.tell();
    }
}

#[test]
fn targets_are_filtered_as_those_of_the_program_are() {
    let targets = || Targets::new().with_target("paid", Level::INFO).with_target("bills::sent", Level::WARN);
    let for_all = registry().with(Recorder).with(targets());
    let for_one = registry().with(Recorder.with_filter(targets()));
    for by in [tracing::Dispatch::new(for_all), tracing::Dispatch::new(for_one)] {
        let all = heard(by, tell_of_three);
        let places: Vec<_> = all.iter().map(|it| (it.metadata.target(), *it.metadata.level())).collect();
        assert_eq!(places, [("paid", Level::INFO), ("bills::sent", Level::WARN)]);
    }
}

#[test]
fn the_same_event_comes_from_the_same_place_each_time() {
    let all = heard(registry().with(Recorder), || (0..1_000).for_each(|_| Lent::at(60).tell()));
    assert_eq!(all.len(), 1_000);
    assert!(all.iter().all(|event| ptr::eq(event.metadata, all[0].metadata)));
}

#[test]
fn what_cannot_be_an_event_is_not_told() {
    let all = heard(registry().with(Recorder), || {
        // SAFETY: null is no event.
        unsafe { tell(ptr::null()) };
        let mut head = Head::of::<Event>();
        head.abi_major += 1;
        // SAFETY: nobody reads more than the head of what is of another ABI.
        unsafe { tell((&raw const head).cast()) };
        let mut head = Head::of::<Event>();
        head.size = u32::try_from(size_of::<Head>()).unwrap();
        // SAFETY: it has so many bytes.
        unsafe { tell((&raw const head).cast()) };
    });
    assert_eq!(all.len(), 1, "one that has nothing but a head is one");
    assert_eq!((all[0].metadata.target(), *all[0].metadata.level()), ("", Level::ERROR));
}

proptest! {
    #[test]
    fn no_bytes_and_no_numbers_make_it_panic(
        level: u32,
        line: u32,
        texts in prop::array::uniform4(vec(any::<u8>(), 0..20)),
        fields in vec((vec(any::<u8>(), 0..8), 0_u32..10, any::<u64>(), vec(any::<u8>(), 0..20)), 0..40),
    ) {
        let lent = Lent {
            level,
            line,
            target: &texts[0],
            name: &texts[1],
            file: &texts[2],
            module: &texts[3],
            fields: fields.iter().map(|(name, kind, bits, text)| (&**name, *kind, *bits, &**text)).collect(),
        };
        let all = heard(registry().with(Recorder), || lent.tell());
        prop_assert_eq!(all.len(), 1);
        let metadata = all[0].metadata;
        prop_assert_eq!(metadata.target(), String::from_utf8_lossy(&texts[0]));
        prop_assert_eq!(metadata.line(), (line != 0).then_some(line));
        prop_assert_eq!(metadata.fields().len(), fields.len());
        let with_value = fields.iter().filter(|(_, kind, ..)| *kind != value::NONE).count();
        prop_assert_eq!(all[0].fields.len(), with_value);
    }
}
