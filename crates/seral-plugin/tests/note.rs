//! The note of a plugin: what is written is read, and nothing else is.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use seral_plugin::Abi;
use seral_plugin::ElfNote;
use seral_plugin::Note;
use seral_plugin::NoteError;
use seral_plugin::PanicMode;
use seral_plugin::note::TEXT_LEN;

/// Written where constants are made, as a plugin does.
const NOTE: Note<&str> = Note {
    abi: Abi { major: 1, minor: 0 },
    schema_job: 0x0123_4567_89AB_CDEF,
    schema_output: 7,
    panic: PanicMode::Unwind,
    target: "x86_64-unknown-linux-gnu",
    rustc: "1.95.0",
    name: "orders",
    version: "2.0.0",
};
const TEXT: [u8; TEXT_LEN] = match NOTE.text() {
    Ok(text) => text,
    Err(_) => panic!("the note cannot be written"),
};
const ELF: ElfNote = ElfNote::new(&TEXT);

const LINE: &str = "SERAL-PLUGIN abi=1.0 job=0123456789abcdef output=0000000000000007 panic=unwind \
     target=x86_64-unknown-linux-gnu rustc=1.95.0 name=orders version=2.0.0";

fn padded(line: &str) -> Vec<u8> {
    format!("{line:TEXT_LEN$}").into_bytes()
}

fn owned(note: Note<&str>) -> Note {
    Note {
        abi: note.abi,
        schema_job: note.schema_job,
        schema_output: note.schema_output,
        panic: note.panic,
        target: note.target.to_owned(),
        rustc: note.rustc.to_owned(),
        name: note.name.to_owned(),
        version: note.version.to_owned(),
    }
}

#[test]
fn a_note_is_a_line_that_a_person_can_read() {
    assert_eq!(TEXT.as_slice(), padded(LINE));
}

#[test]
fn a_note_is_a_proper_elf_note_in_the_file() {
    let (header, text) = ELF.as_bytes().split_at(20);
    let number = |at: usize| u32::from_ne_bytes(header[at..at + 4].try_into().unwrap());
    assert_eq!([number(0), number(4), number(8)], [6, 512, 3]);
    assert_eq!(&header[12..], b"SERAL\0\0\0");
    assert_eq!(text, TEXT);
    assert_eq!(align_of::<ElfNote>(), 4);
}

#[test]
fn what_is_written_is_read() {
    // The longest there can be: the line of `NOTE` is filled up with its version.
    let longest = "9".repeat(TEXT_LEN - LINE.len() + NOTE.version.len());
    let mut tried = 0;
    for abi in [(0, 0), (1, 9), (10, 99), (u16::MAX, u16::MAX)] {
        for schema in [0, 1, u64::MAX, 0xF000_0000_0000_0000] {
            for panic in [PanicMode::Unwind, PanicMode::Abort] {
                for name in ["a", "!", "~", "version=1", "0=", "SERAL-PLUGIN", "x".repeat(99).as_str()] {
                    let abi = Abi { major: abi.0, minor: abi.1 };
                    let note = Note {
                        abi,
                        schema_job: schema,
                        schema_output: !schema,
                        panic,
                        name,
                        rustc: name,
                        ..NOTE
                    };
                    let text = note.text().unwrap();
                    assert_eq!(Note::parse(&text), Ok(owned(note)));
                    assert_eq!(Abi::of_note(&text), Ok(abi));
                    tried += 1;
                }
            }
        }
    }
    assert_eq!(tried, 4 * 4 * 2 * 7);

    let note = Note { version: longest.as_str(), ..NOTE };
    assert_eq!(Note::parse(&note.text().unwrap()), Ok(owned(note)));
    let one_more = format!("{longest}9");
    let note = Note { version: one_more.as_str(), ..NOTE };
    assert_eq!(note.text(), Err(NoteError::Length { found: TEXT_LEN + 1 }));
}

#[test]
fn a_name_that_is_no_single_word_is_not_written() {
    for name in ["", " ", "two words", "tab\t", "line\n", "zero\0", "größer"] {
        assert_eq!(Note { target: name, ..NOTE }.text(), Err(NoteError::Value { field: "target" }));
        assert_eq!(Note { rustc: name, ..NOTE }.text(), Err(NoteError::Value { field: "rustc" }));
        assert_eq!(Note { name, ..NOTE }.text(), Err(NoteError::Value { field: "name" }));
        assert_eq!(Note { version: name, ..NOTE }.text(), Err(NoteError::Value { field: "version" }));
        let first_of_two = Note { rustc: name, version: name, ..NOTE };
        assert_eq!(first_of_two.text(), Err(NoteError::Value { field: "rustc" }));
    }
}

/// A text that is read is the one text of what was read.
fn is_strict(text: &[u8]) -> bool {
    match Note::parse(text) {
        Ok(note) => {
            assert_eq!(note.as_strs().text().unwrap(), text, "{:?}", String::from_utf8_lossy(text));
            true
        }
        Err(_) => false,
    }
}

#[test]
fn a_note_with_any_byte_changed_is_refused_or_says_what_it_reads_as() {
    let mut read = 0;
    for at in 0..TEXT_LEN {
        let mut text = TEXT;
        for byte in 0..=u8::MAX {
            text[at] = byte;
            read += usize::from(is_strict(&text));
        }
    }
    let digits = 2 * 9 + 32 * 15;
    let names = ["x86_64-unknown-linux-gnu", "1.95.0", "orders", "2.0.0"].concat().len() * 93;
    let version_longer_or_shorter = 94 + 1;
    assert_eq!(read, TEXT_LEN + digits + names + version_longer_or_shorter);
}

#[test]
fn a_note_that_was_cut_or_whose_words_were_moved_is_refused() {
    for len in 0..TEXT_LEN {
        assert!(Note::parse(&TEXT[..len]).is_err());
        let _ = Abi::of_note(&TEXT[..len]);
        let mut text = TEXT;
        text[len..].fill(0);
        assert!(Note::parse(&text).is_err());
    }
    let words: Vec<&str> = LINE.split(' ').collect();
    for one in 0..words.len() {
        let mut fewer = words.clone();
        fewer.remove(one);
        assert!(!is_strict(&padded(&fewer.join(" "))));
        let mut twice = words.clone();
        twice.insert(one, words[one]);
        assert!(!is_strict(&padded(&twice.join(" "))));
        for other in 0..one {
            let mut moved = words.clone();
            moved.swap(one, other);
            assert!(!is_strict(&padded(&moved.join(" "))));
        }
    }
}

#[test]
fn what_is_wrong_with_a_note_is_named() {
    let replaced = |from: &str, to: &str| {
        assert!(LINE.contains(from), "{from}");
        padded(&LINE.replace(from, to))
    };
    let mut zero = TEXT.to_vec();
    zero[511] = 0;
    let cases = [
        (b"SERAL-PLUGIN".to_vec(), "its text has 12 bytes and not 512"),
        (zero, "byte 511 is not printable ASCII"),
        (vec![0xFF; TEXT_LEN], "byte 0 is not printable ASCII"),
        (replaced("version=2.0.0", "version=2\t0"), "byte 145 is not printable ASCII"),
        (replaced("PLUGIN", "PLUG-IN"), "the first word is not SERAL-PLUGIN"),
        (padded(""), "the first word is not SERAL-PLUGIN"),
        (replaced("SERAL-PLUGIN", " SERAL-PLUGIN"), "the first word is not SERAL-PLUGIN"),
        (replaced("abi=1.0 ", ""), "the field `abi` is not where it belongs"),
        (replaced("abi=", "abi"), "the field `abi` is not where it belongs"),
        (replaced(" job", "  job"), "the field `job` is not where it belongs"),
        (replaced(" version=2.0.0", ""), "the field `version` is not where it belongs"),
        (replaced("abi=1.0", "abi=1"), "the field `abi` has a value that it cannot have"),
        (replaced("abi=1.0", "abi=01.0"), "the field `abi` has a value that it cannot have"),
        (replaced("abi=1.0", "abi=+1.0"), "the field `abi` has a value that it cannot have"),
        (replaced("abi=1.0", "abi=65536.0"), "the field `abi` has a value that it cannot have"),
        (replaced("cdef", "CDEF"), "the field `job` has a value that it cannot have"),
        (replaced("0000007", "7"), "the field `output` has a value that it cannot have"),
        (replaced("unwind", "immediate"), "the field `panic` has a value that it cannot have"),
        (replaced("name=orders", "name="), "the field `name` has a value that it cannot have"),
        (replaced("2.0.0", "2.0.0 more=1"), "something follows the last field"),
    ];
    for (text, why) in cases {
        let wrong = Note::parse(&text).unwrap_err();
        assert_eq!(wrong.to_string(), why, "{:?}", String::from_utf8_lossy(&text));
    }
}

#[test]
fn the_abi_is_read_of_a_note_of_another_time() {
    let later = "SERAL-PLUGIN abi=2.7 jobs=many and=more";
    assert_eq!(Abi::of_note(later.as_bytes()), Ok(Abi { major: 2, minor: 7 }));
    assert_eq!(Note::parse(&padded(later)), Err(NoteError::Field { field: "job" }));
}
