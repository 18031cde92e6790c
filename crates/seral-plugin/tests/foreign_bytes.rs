//! Whatever the other side hands over is read or refused: no bytes make this side panic, ask for much memory, or recurse as deep as they say.
//!
//! Seen failing: a text that is believed to be UTF-8; a code that is taken for another; a fault that cannot be read and is none; a length that is believed; texts of
//! a fault that are nested without a limit.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]
#![expect(unsafe_code, reason = "an allocator that counts")]

use std::alloc::GlobalAlloc;
use std::alloc::Layout;
use std::alloc::System;
use std::cell::Cell;
use std::fmt::Debug;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index;
use seral_plugin::Note;
use seral_plugin::PanicMode;
use seral_plugin::note::TEXT_LEN;
use seral_plugin::outcome::Ended;
use seral_plugin::outcome::Outcome;
use seral_plugin::outcome::code;
use seral_plugin::panics::Panic;
use seral_plugin::wire::Fault;
use seral_plugin::wire::Kind;
use seral_plugin::wire::Rare;
use seral_worker::Header;
use seral_worker::RareFacts;

// ---- memory --------------------------------------------------------------------------------------------------------

/// Counts what each thread has.
struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

thread_local! {
    static HAS: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    let has = HAS.get() + bytes;
    HAS.set(has);
    MOST.set(MOST.get().max(has));
}

// SAFETY: the system's allocator does all of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        count(-layout.size().cast_signed());
        // SAFETY: as above.
        unsafe { System.dealloc(ptr, layout) };
    }
}

/// The most that was had at once while this ran.
fn most<R>(run: impl FnOnce() -> R) -> (R, usize) {
    let before = HAS.get();
    MOST.set(before);
    let result = run();
    (result, usize::try_from(MOST.get() - before).unwrap())
}

/// As the codec says: a megabyte for a sequence, of which a fault and the rare facts have one. Beyond that, a text of one byte takes 24, twice while a
/// sequence grows.
fn is_in_proportion(most: usize, bytes: &[u8]) -> bool {
    most <= (1 << 20) + 100 * bytes.len() + 4_096
}

// ---- reading -------------------------------------------------------------------------------------------------------

/// Reads these bytes as everything that crosses, and what was read as what the runtime makes of it.
fn read_all(bytes: &[u8]) {
    for code in [code::PENDING, code::DONE, code::FAULT, code::PANICKED, code::REFUSED, 5, 99, u32::MAX] {
        let outcome = Outcome { code, bytes: bytes.to_vec().into() };
        let (ended, most) = most(|| outcome.read());
        assert!(is_in_proportion(most, bytes), "{most} bytes for outcome {code} of {bytes:?}");
        is_what_it_can_be(code, bytes, &ended);
    }
    let read = |what: &str, read: &dyn Fn() -> bool| {
        let (_, most) = most(read);
        assert!(is_in_proportion(most, bytes), "{most} bytes for {what} of {bytes:?}");
    };
    read("a fault", &|| {
        Fault::read(bytes).is_ok_and(|fault| {
            is_read_again(&fault, Fault::to_bytes, |bytes| Fault::read(bytes).ok());
            seral_worker::Fault::from(fault).to_string().len() < 100 * (bytes.len() + 1)
        })
    });
    read("a kind", &|| {
        Kind::read(bytes).is_ok_and(|kind| {
            is_read_again(&kind, Kind::to_bytes, |bytes| Kind::read(bytes).ok());
            Kind::from(seral_worker::FaultKind::from(kind)) == kind
        })
    });
    read("rare facts", &|| {
        Rare::read(bytes).is_ok_and(|rare| {
            is_read_again(&rare, Rare::to_bytes, |bytes| Rare::read(bytes).ok());
            Rare::of(&RareFacts::from(rare)).to_bytes().len() < 100 * (bytes.len() + 1)
        })
    });
    read("a note", &|| Note::parse(bytes).is_ok_and(|note| note.as_strs().text().unwrap() == *bytes));
}

fn is_read_again<T: PartialEq + Debug>(
    value: &T,
    write: impl Fn(&T) -> Vec<u8>,
    read: impl Fn(&[u8]) -> Option<T>,
) {
    assert_eq!(read(&write(value)).as_ref(), Some(value));
}

fn is_what_it_can_be(code: u32, bytes: &[u8], ended: &Ended) {
    match (code, ended) {
        (code::PENDING, Ended::Pending) => {}
        (code::DONE, Ended::Done(same)) => assert_eq!(&**same, bytes),
        (code::FAULT, Ended::Fault(fault)) => assert_eq!(Fault::read(bytes).as_ref(), Ok(fault)),
        (code::PANICKED, Ended::Panicked(_)) => {}
        (code::REFUSED, Ended::Refused(why)) => assert_eq!(*why, String::from_utf8_lossy(bytes)),
        (code::FAULT | code::PANICKED, Ended::Refused(why)) => {
            assert!(why.starts_with("an outcome of the other side cannot be read: expected the bytes of"));
        }
        (5.., Ended::Refused(why)) => assert_eq!(
            *why,
            format!(
                "expected an outcome from 0 to 4, found {code}; build the plugin with the seral-plugin of this program"
            )
        ),
        other => panic!("{other:?}"),
    }
}

// ---- what was good, or made trouble --------------------------------------------------------------------------------

fn good() -> Vec<Vec<u8>> {
    let fault = |kind, texts: &[&str], panicked: Option<&str>| Fault {
        kind,
        chain: texts.iter().map(ToString::to_string).collect(),
        retry_panicked: panicked.map(str::to_owned),
    };
    let panic = Panic { text: "a text".to_owned(), place: Some("src/orders.rs:17:9".to_owned()) };
    let rare = Rare::of(&RareFacts {
        key: Some("ann".into()),
        pin: Some("2.0.0".into()),
        headers: Some(vec![Header::new("tenant", "north"), Header::new("a", "ä")].into()),
    });
    let note = Note {
        abi: seral_plugin::Abi::OWN,
        schema_job: 7,
        schema_output: u64::MAX,
        panic: PanicMode::Unwind,
        target: "x86_64-unknown-linux-gnu",
        rustc: "1.95.0",
        name: "orders",
        version: "2.0.0",
    };
    vec![
        fault(Kind::Retry, &["cannot charge", "refused"], None).to_bytes(),
        fault(Kind::RetryAfter(Duration::from_millis(1_500)), &["ä"], Some("€")).to_bytes(),
        fault(Kind::DeadLetter, &[], None).to_bytes(),
        Kind::Snooze(Duration::MAX).to_bytes(),
        Kind::Cancelled.to_bytes(),
        rare.to_bytes(),
        Rare::of(&RareFacts { key: Some(7.into()), ..RareFacts::default() }).to_bytes(),
        Outcome::panicked(&panic).bytes.to_vec(),
        Outcome::refused("no").bytes.to_vec(),
        note.text().unwrap().to_vec(),
    ]
}

/// Bytes that were refused for a reason of their own, or are the limit of what can be read. What a random search finds is added here.
const CORPUS: &[&[u8]] = &[
    b"",
    b"\xFF",
    b"\x06",
    b"\xFD\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
    // A fault with 2^60, with 2^30, and with 2^63 texts, and one whose text is so long.
    b"\x00\xFD\x00\x00\x00\x00\x00\x00\x00\x10\x00",
    b"\x00\xFC\x00\x00\x00\x40\x00",
    b"\x00\xFD\x00\x00\x00\x00\x00\x00\x00\x80\x00",
    b"\x00\x01\xFC\x00\x00\x00\x40abc\x00",
    // A text that is no UTF-8: cut, too long, a surrogate.
    b"\x00\x01\x02a\xC3\x00",
    b"\x00\x01\x02\xC0\x80\x00",
    b"\x00\x01\x03\xED\xA0\x80\x00",
    // Neither none nor some.
    b"\x00\x01\x01a\x02",
    // To wait 2^64 seconds, and as long with more nanoseconds than a second has.
    b"\x01\xFD\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFC\xFF\xFF\xFF\xFF",
    b"\x01\x00\xFC\x00\xCA\x9A\x3B",
    b"\x02\xFD\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFC\xFF\xC9\x9A\x3B",
    // Rare facts with a key of a third kind, and with 2^60 headers.
    b"\x01\x02\x00\x00\x00",
    b"\x00\x00\xFD\x00\x00\x00\x00\x00\x00\x00\x10",
    // A number that is longer than it needs to be, and one of 128 bits.
    b"\x00\xFB\x01\x00\x01a\x00",
    b"\x00\xFE\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01a\x00",
    b"SERAL-PLUGIN abi=1.0",
];

#[test]
fn what_made_trouble_once_is_read_or_refused() {
    for bytes in CORPUS {
        read_all(bytes);
    }
    for bytes in good() {
        read_all(&bytes);
        for len in 0..bytes.len() {
            read_all(&bytes[..len]);
        }
        read_all(&[&bytes[..], b"\0"].concat());
    }
    read_all(&[b' '; TEXT_LEN]);
    read_all(&[0xFF; TEXT_LEN]);
}

#[test]
fn what_cannot_be_read_says_why() {
    let why = |code, bytes: &[u8]| match (Outcome { code, bytes: bytes.to_vec().into() }).read() {
        Ended::Refused(why) => why,
        other => panic!("{other:?}"),
    };
    assert!(why(code::FAULT, b"\x00\x01\x02a\xC3\x00").contains("Utf8"));
    assert!(
        why(code::FAULT, b"\x00\x01\xFC\x00\x00\x00\x40abc\x00")
            .contains("a length in them is more than they can hold")
    );
    assert!(why(code::PANICKED, b"").contains("UnexpectedEnd"));
    assert_eq!(why(code::REFUSED, b"no \xFF"), "no \u{FFFD}");
}

/// Errors are nested, and dropped as deep: with so many the stack would end.
#[test]
fn a_fault_with_more_texts_than_any_error_has_keeps_the_first() {
    let chain: Vec<_> = (0..1_000_000).map(|number| number.to_string()).collect();
    let fault = Fault { kind: Kind::Retry, chain: chain.clone(), retry_panicked: None };
    let Ended::Fault(read) = Outcome::fault(&fault).read() else { panic!("it can be read") };
    let fault = seral_worker::Fault::from(read);
    assert_eq!(fault.chain(), chain[..32]);
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() }
}

/// Bytes with a meaning for the codec are the most telling: small numbers, and the marks of long ones.
fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![0..4_u8, 0xFA..=0xFF_u8, Just(b' '), any::<u8>()]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(byte(), 0..64), repeat in 1..40_usize) {
        read_all(&bytes);
        read_all(&bytes.repeat(repeat));
    }

    #[test]
    fn good_bytes_that_were_changed_are_read_or_refused(
        which in any::<Index>(),
        changes in prop::collection::vec((any::<Index>(), byte(), 0..4_usize), 1..6),
        other in any::<Index>(),
    ) {
        let good = good();
        let mut bytes = which.get(&good).clone();
        for (at, byte, times) in changes {
            let at = at.index(bytes.len() + 1);
            // One is changed, or some are put in or taken out.
            match times {
                0 => drop(bytes.splice(at.., other.get(&good).iter().copied())),
                1 if at < bytes.len() => bytes[at] = byte,
                1 => bytes.push(byte),
                2 => drop(bytes.splice(at..at, [byte; 3])),
                _ => drop(bytes.drain(at.min(bytes.len())..(at + 2).min(bytes.len()))),
            }
        }
        read_all(&bytes);
        bytes.resize(TEXT_LEN, b' ');
        read_all(&bytes);
    }
}
