//! A program that loads new plugins all its life does not keep their places for ever. In a process of its own, which comes to the limit.
//!
//! Seen failing: twice as many kept; no room for those that stand for the rest; these at one level; the message among the other fields.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]
#![expect(unsafe_code, reason = "it plays the plugin, which lends by pointers")]

#[path = "events/record.rs"]
mod record;

use std::collections::HashSet;

use seral_plugin::table::value;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;

use crate::record::Lent;
use crate::record::Recorder;
use crate::record::Value;
use crate::record::heard;

#[test]
fn beyond_the_limit_an_event_says_in_its_fields_where_it_was_told() {
    let all = heard(registry().with(Recorder), || (1..=11_000).for_each(|line| Lent::at(line).tell()));
    assert_eq!(all.len(), 11_000);
    let places: HashSet<_> = all.iter().map(|event| std::ptr::from_ref(event.metadata)).collect();
    assert_eq!(places.len(), 10_001);
    assert!(all[..10_000].iter().all(|event| event.metadata.target() == "orders"));
    assert!(all[10_000..].iter().all(|event| event.metadata.target() == "plugin"));

    let fields: Vec<(&[u8], u32, u64, &[u8])> = vec![
        (b"order", value::U64, 7, b""),
        (b"message", value::FORMATTED, 0, b"hello"),
        (b"none", value::NONE, 0, b""),
        (b"by", value::TEXT, 0, b"Ann"),
        (b"error", value::ERROR, 0, b"cannot charge\0refused"),
    ];
    let all = heard(registry().with(Recorder), || {
        for level in 1..=5 {
            Lent { level, fields: fields.clone(), ..Lent::at(12_000) }.tell();
        }
        Lent::at(1).tell();
    });
    let levels: Vec<_> = all.iter().map(|event| event.metadata.level().as_str()).collect();
    assert_eq!(levels, ["ERROR", "WARN", "INFO", "DEBUG", "TRACE", "INFO"]);
    let text = |text: &str| Value::Text(text.to_owned());
    let expected = [
        ("message", Value::Formatted("hello".to_owned())),
        ("plugin.target", text("orders")),
        ("plugin.name", text("event src/orders.rs")),
        ("plugin.file", text("src/orders.rs")),
        ("plugin.line", Value::U64(12_000)),
        ("plugin.module", text("orders::paid")),
        ("plugin.fields", text("order=7 by=\"Ann\" error=cannot charge")),
    ];
    assert!(all[..5].iter().all(|event| event.metadata.target() == "plugin" && event.fields == expected));
    assert_eq!((all[5].metadata.target(), all[5].metadata.line()), ("orders", Some(1)));
}
