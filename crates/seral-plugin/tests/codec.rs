//! Values as bytes: these bytes, from them the same value, and from any others a value or an error.
//!
//! Seen failing: bytes that are copied, or written and read as others are; memory that is not cleared, or not used again; other integers; a length that is
//! believed, and one that is honest and refused; bytes that are left over; what a type says that is not passed on.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;
use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;

use seral_plugin::CodecError;
use seral_plugin::codec::decode;
use seral_plugin::codec::encode;
use seral_plugin::codec::into_bytes;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    number: u64,
    customer: String,
    note: Option<String>,
    prices: Vec<f64>,
    change: Change,
    line: Line,
    more: Vec<Line>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Change {
    None,
    Move(i16),
    Put { at: u128, raw: Vec<u8> },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Line(bool, char, Option<u32>);

/// Written by `encode` and `into_bytes`, which must agree.
fn bytes_of<T: Serialize + Clone + 'static>(value: &T) -> Vec<u8> {
    // Something is in it: it was used before.
    let mut scratch = vec![0xAA; 3];
    let bytes = encode(value, &mut scratch).unwrap().to_vec();
    assert_eq!(into_bytes(value.clone()).unwrap(), bytes);
    bytes
}

#[track_caller]
fn lies_as<T>(value: T, bytes: &[u8])
where
    T: Serialize + DeserializeOwned + Clone + PartialEq + std::fmt::Debug + 'static,
{
    assert_eq!(bytes_of(&value), bytes);
    assert_eq!(decode::<T>(bytes).unwrap(), value);
}

/// What bincode says of bytes that are not read.
#[track_caller]
fn refused<T: DeserializeOwned + 'static>(bytes: &[u8]) -> String {
    match decode::<T>(bytes) {
        Err(CodecError::Decode { why, .. }) => why,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("these bytes were read"),
    }
}

/// Two plugins that were built years apart must mean the same by the same bytes.
#[test]
fn values_lie_as_they_always_did() {
    lies_as(
        Order {
            number: 300,
            customer: "Ä7".to_owned(),
            note: Some(String::new()),
            prices: vec![1.5, -0.0],
            change: Change::Put { at: 1 << 64, raw: vec![255, 0] },
            line: Line(true, '€', None),
            more: vec![Line(false, 'x', Some(70_000))],
        },
        b"\xFB\x2C\x01\
          \x03\xC3\x847\
          \x01\x00\
          \x02\x00\x00\x00\x00\x00\x00\xF8\x3F\x00\x00\x00\x00\x00\x00\x00\x80\
          \x02\xFE\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02\xFF\x00\
          \x01\xE2\x82\xAC\x00\
          \x01\x00x\x01\xFC\x70\x11\x01\x00",
    );
    lies_as(Change::None, b"\x00");
    lies_as(Change::Move(-2), b"\x01\x03");
    lies_as((), b"");
    lies_as(u64::MAX, b"\xFD\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF");
    lies_as(250_u8, b"\xFA");
    lies_as(251_u16, b"\xFB\xFB\x00");
    lies_as(BTreeMap::from([("a".to_owned(), 1_i8), ("b".to_owned(), -1)]), b"\x02\x01a\x01\x01b\xFF");
    lies_as(Duration::from_millis(2500), b"\x02\xFC\x00\x65\xCD\x1D");
}

#[test]
fn bytes_lie_as_themselves() {
    lies_as(Vec::<u8>::new(), b"");
    lies_as(vec![0_u8, 255, 3], b"\x00\xFF\x03");
    // But not within something else.
    lies_as((vec![0_u8, 255, 3],), b"\x03\x00\xFF\x03");
    lies_as(Some(vec![7_u8]), b"\x01\x01\x07");
}

#[test]
fn bytes_are_lent_or_moved_and_not_copied() {
    let value = vec![1_u8, 2, 3];
    let at = value.as_ptr();
    let mut scratch = vec![9];
    assert_eq!(encode(&value, &mut scratch).unwrap().as_ptr(), at);
    assert_eq!(scratch, [9], "it was not needed");
    let moved = into_bytes(value).unwrap();
    assert_eq!((moved.as_ptr(), moved.as_slice()), (at, &[1, 2, 3][..]));
}

#[test]
fn the_memory_to_write_into_is_used_again() {
    let mut scratch = Vec::with_capacity(100);
    let at = scratch.as_ptr();
    for number in [u64::MAX, 1] {
        assert_eq!(encode(&number, &mut scratch).unwrap().as_ptr(), at);
    }
    assert_eq!(scratch, [1]);
}

/// What is said of a length before anything is asked for by it.
const TOO_LONG: &str = "a length in them is more than they can hold";
/// 2^60, as a length.
const ENORMOUS: &[u8] = b"\xFD\x00\x00\x00\x00\x00\x00\x00\x10";
/// 2^30. So much could be had, if it were asked for.
const LARGE: &[u8] = b"\xFC\x00\x00\x00\x40";

#[test]
fn a_length_that_the_bytes_cannot_hold_is_not_believed() {
    for length in [ENORMOUS, LARGE] {
        let followed = [length, b"abc"].concat();
        assert_eq!(refused::<String>(&followed), TOO_LONG);
        assert_eq!(refused::<Box<str>>(&followed), TOO_LONG);
        assert_eq!(refused::<(u8, String)>(&[b"\x07", &followed[..]].concat()), TOO_LONG);
        assert_eq!(refused::<Vec<String>>(&[b"\x01", &followed[..]].concat()), TOO_LONG);
        assert!(refused::<Vec<u64>>(&followed).starts_with("UnexpectedEnd"));
        assert!(refused::<Vec<Order>>(&followed).starts_with("UnexpectedEnd"));
        assert!(refused::<Vec<Vec<u64>>>(&followed).starts_with("UnexpectedEnd"));
        assert!(refused::<HashMap<u8, u64>>(&followed).starts_with("UnexpectedEnd"));
    }
}

#[test]
fn as_much_as_there_is_is_read() {
    // Each of these takes one byte, and in memory sixteen.
    lies_as(vec![1_u128; 200], &[&[200][..], &[1; 200]].concat());
    lies_as(vec![vec![String::new(); 3]; 30], &[&[30][..], &[3, 0, 0, 0].repeat(30)].concat());
    lies_as("x".repeat(250), &[&[250][..], &[b'x'; 250]].concat());
}

#[test]
fn an_error_says_which_type_it_was_and_what_to_do() {
    #[derive(Serialize)]
    struct Flat {
        #[serde(flatten)]
        rest: BTreeMap<String, u8>,
    }

    let flat = || Flat { rest: BTreeMap::new() };
    let unwritten = encode(&flat(), &mut Vec::new()).unwrap_err();
    assert_eq!(into_bytes(flat()).unwrap_err(), unwritten);
    assert_eq!(
        unwritten.to_string(),
        "expected a `codec::an_error_says_which_type_it_was_and_what_to_do::Flat` that can be written, found one that cannot \
         (Serde(SequenceMustHaveLength)); see to its value, and that the length of all in it is known before, which \
         `#[serde(flatten)]` prevents"
    );

    let unread = decode::<u32>(b"").unwrap_err();
    assert_eq!(
        unread.to_string(),
        "expected the bytes of a `u32`, found others (UnexpectedEnd { additional: 1 }); read the type that was written, \
         and one that need not be told what it reads, as `serde_json::Value` and `#[serde(untagged)]` must"
    );
}

#[test]
fn what_the_type_itself_says_is_passed_on() {
    assert_eq!(
        refused::<std::num::NonZero<u8>>(b"\x00"),
        "invalid value: integer `0`, expected a nonzero u8"
    );
    #[cfg(unix)]
    {
        use std::ffi::OsString;
        use std::os::unix::ffi::OsStringExt;
        use std::path::PathBuf;

        let path = PathBuf::from(OsString::from_vec(vec![0xFF]));
        let Err(CodecError::Encode { why, .. }) = into_bytes(path) else { panic!("it was written") };
        assert_eq!(why, "path contains invalid UTF-8 characters");
    }
}

#[test]
fn types_that_must_be_told_what_they_read_are_refused() {
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        Number(u64),
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "kind")]
    enum Tagged {
        Number { number: u64 },
    }

    assert_eq!(refused::<serde_json::Value>(&bytes_of(&serde_json::json!([1]))), "Serde(AnyNotSupported)");
    assert_eq!(refused::<Untagged>(&bytes_of(&Untagged::Number(1))), "Serde(AnyNotSupported)");
    assert_eq!(refused::<Tagged>(&bytes_of(&Tagged::Number { number: 1 })), "Serde(AnyNotSupported)");
}

/// As the documentation says. Should one of them be noticed one day, it says too much.
#[test]
fn two_attributes_go_unnoticed() {
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Sometimes {
        #[serde(skip_serializing_if = "Option::is_none")]
        note: Option<u8>,
        number: u8,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    enum Skipping {
        #[serde(skip)]
        Never,
        Add(u8),
        Remove(u8),
    }

    let written = (Sometimes { note: None, number: 1 }, 2_u8, 3_u8);
    let read = (Sometimes { note: Some(2), number: 3 }, ());
    assert_eq!(decode::<(Sometimes, ())>(&bytes_of(&written)).unwrap(), read);
    assert_eq!(decode::<Skipping>(&bytes_of(&Skipping::Add(4))).unwrap(), Skipping::Remove(4));
    assert!(decode::<Skipping>(&bytes_of(&Skipping::Remove(4))).is_err());
    assert!(into_bytes(Skipping::Never).is_err());
}

fn lines() -> impl Strategy<Value = Line> {
    any::<(bool, char, Option<u32>)>().prop_map(|(a, b, c)| Line(a, b, c))
}

fn orders() -> impl Strategy<Value = Order> {
    let change = prop_oneof![
        Just(Change::None),
        any::<i16>().prop_map(Change::Move),
        any::<(u128, Vec<u8>)>().prop_map(|(at, raw)| Change::Put { at, raw }),
    ];
    let more = proptest::collection::vec(lines(), 0..9);
    let plain = any::<(u64, String, Option<String>, Vec<f64>)>();
    (plain, change, lines(), more).prop_map(|((number, customer, note, prices), change, line, more)| Order {
        number,
        customer,
        note,
        prices,
        change,
        line,
        more,
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(order in orders(), raw in any::<Vec<u8>>()) {
        prop_assert_eq!(&decode::<Order>(&bytes_of(&order)).unwrap(), &order);
        prop_assert_eq!(decode::<Vec<u8>>(&bytes_of(&raw)).unwrap(), raw);
    }

    #[test]
    fn bytes_that_were_cut_or_go_on_are_refused(order in orders(), more in any::<u8>()) {
        let mut bytes = bytes_of(&order);
        for len in 0..bytes.len() {
            prop_assert!(decode::<Order>(&bytes[..len]).is_err());
        }
        bytes.push(more);
        prop_assert_eq!(refused::<Order>(&bytes), "some are left over");
    }

    #[test]
    fn any_bytes_are_read_as_a_value_or_refused(
        order in orders(),
        at in any::<proptest::sample::Index>(),
        changed in any::<u8>(),
        any_bytes in any::<Vec<u8>>(),
    ) {
        let mut bytes = bytes_of(&order);
        let at = at.index(bytes.len());
        bytes[at] = changed;
        for bytes in [bytes, any_bytes] {
            if let Ok(order) = decode::<Order>(&bytes) {
                prop_assert_eq!(bytes_of(&decode::<Order>(&bytes_of(&order)).unwrap()), bytes_of(&order));
            }
            let _ = decode::<Vec<String>>(&bytes);
            let _ = decode::<HashMap<String, Vec<Option<Change>>>>(&bytes);
            prop_assert_eq!(decode::<Vec<u8>>(&bytes).unwrap(), bytes);
        }
    }
}
