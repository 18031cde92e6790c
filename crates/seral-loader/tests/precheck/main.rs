//! What may be opened as a plugin, and what may not, and what is said about it. Built for the machines that Seral is mostly run on.
#![cfg(all(target_os = "linux", target_endian = "little", target_pointer_width = "64"))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod fixture;

use std::env;
use std::env::consts::ARCH;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use proptest::prelude::*;
use seral_loader::Checked;
use seral_loader::Expected;
use seral_loader::Refused;
use seral_loader::Sha256;
use seral_loader::precheck;
use seral_plugin::PanicMode;
use seral_plugin::note::TARGET;

use crate::fixture::PT_DYNAMIC;
use crate::fixture::PT_GNU_STACK;
use crate::fixture::PT_INTERP;
use crate::fixture::PT_LOAD;
use crate::fixture::expected;
use crate::fixture::find;
use crate::fixture::library;
use crate::fixture::notes;
use crate::fixture::number;
use crate::fixture::programs;
use crate::fixture::put;
use crate::fixture::renote;
use crate::fixture::retype;
use crate::fixture::text_at;

/// Whether a file with these bytes is the plugin that is expected.
fn check(bytes: &[u8], expected: &Expected) -> Result<Checked, Refused> {
    let checked = precheck::check(bytes)?;
    checked.is_expected(expected)?;
    Ok(checked)
}

/// What is done to the plugin, and what is said about it then: `HERE` stands for the architecture, `LEN` for the length, `DAMAGED` for the
/// beginning of what is said of each damage.
type Fault = (fn(&mut Vec<u8>), &'static str);

/// In the order in which they are looked for.
const IN_ORDER: [Fault; 18] = [
    (Vec::clear, "expected a library, found an empty file; build or copy it again"),
    (
        |bytes| put(bytes, 0, b"hello"),
        "expected a library (an ELF file), found LEN byte(s) that begin with 68 65 6c 6c; give the `.so` that cargo has built",
    ),
    (|bytes| bytes[4] = 1, "expected a 64-bit library, found a 32-bit one; build it for HERE"),
    (|bytes| bytes[5] = 2, "expected a little-endian library, found a big-endian one; build it for HERE"),
    (|bytes| bytes[18] = 22, "expected a library for HERE, found one for s390x; build it for HERE"),
    (
        |bytes| bytes[16] = 2,
        "expected a shared library, found an executable; build it with `crate-type = [\"cdylib\"]`",
    ),
    (
        |bytes| put(bytes, 40, &u64::MAX.to_le_bytes()),
        "DAMAGED (its section headers are not all in it); build or copy it again",
    ),
    (
        |bytes| {
            let owner = find(bytes, b"SERAL\0\0\0");
            put(bytes, owner, b"OTHER");
        },
        "expected a plugin, found a library without a note of seral; export its worker with `export_worker!`",
    ),
    (
        |bytes| retype(bytes, "SERAL-PLUGIN", "SERAL-PLUGON"),
        "expected a note as `export_worker!` writes it, found that the first word is not SERAL-PLUGIN; build or copy the plugin again",
    ),
    (
        |bytes| retype(bytes, "abi=1.0", "abi=2.0"),
        "expected a plugin for ABI 1.0, found one for the newer 2.0; update this program, or build the plugin with its seral-plugin",
    ),
    (
        |bytes| retype(bytes, " name=", " nome="),
        "expected a note as `export_worker!` writes it, found that the field `name` is not where it belongs; build or copy the plugin again",
    ),
    (
        |bytes| renote(bytes, |note| note.panic = PanicMode::Abort),
        "expected a plugin with panic=unwind, found panic=abort, by which its panics would end this process; remove `panic = \"abort\"` from its profile",
    ),
    (
        |bytes| renote(bytes, |note| note.target = "wasm32-wasip2".into()),
        "expected a plugin for TARGET, found one for wasm32-wasip2; build it with `--target TARGET`",
    ),
    (
        |bytes| {
            let entry = find(bytes, b"seral_plugin_entry");
            put(bytes, entry, b"seral_plugin_exit_");
        },
        "expected a plugin with the symbol `seral_plugin_entry`, found none; export its worker with `export_worker!`, and do not strip its dynamic symbols",
    ),
    (
        |bytes| renote(bytes, |note| note.schema_job = 1),
        "expected jobs of schema 000000000000000a, found a plugin for schema 0000000000000001; build it with the job type of this program",
    ),
    (
        |bytes| renote(bytes, |note| note.schema_output = 2),
        "expected outputs of schema 000000000000000b, found a plugin for schema 0000000000000002; build it with the output type of this program",
    ),
    (
        |bytes| renote(bytes, |note| note.version = "1.9.0".into()),
        "expected version 2.0.0, found a plugin of version 1.9.0; deploy it as 1.9.0, or give the file of 2.0.0",
    ),
    (
        |_| {},
        "expected a file with SHA-256 0707070707070707070707070707070707070707070707070707070707070707, found SUM; copy it again, or give the sum of this build",
    ),
];

/// Others of the same kinds.
const MORE: [Fault; 22] = [
    (
        |bytes| bytes.truncate(63),
        "expected a library (an ELF file), found 63 byte(s) that begin with 7f 45 4c 46; give the `.so` that cargo has built",
    ),
    (
        |bytes| bytes.truncate(1),
        "expected a library (an ELF file), found 1 byte(s) that begin with 7f; give the `.so` that cargo has built",
    ),
    (|bytes| bytes[4] = 3, "DAMAGED (its header is not valid); build or copy it again"),
    (|bytes| bytes[5] = 0, "DAMAGED (its header is not valid); build or copy it again"),
    (|bytes| bytes[6] = 9, "DAMAGED (its header is not valid); build or copy it again"),
    (
        |bytes| put(bytes, 18, &[0xFF, 0xFE]),
        "expected a library for HERE, found one for machine 65279; build it for HERE",
    ),
    (
        |bytes| bytes[16] = 1,
        "expected a shared library, found a relocatable object; build it with `crate-type = [\"cdylib\"]`",
    ),
    (
        |bytes| bytes[16] = 4,
        "expected a shared library, found a core file; build it with `crate-type = [\"cdylib\"]`",
    ),
    (
        |bytes| bytes[16] = 9,
        "expected a shared library, found a file of type 9; build it with `crate-type = [\"cdylib\"]`",
    ),
    // An executable that can be moved in memory, and has no interpreter.
    (
        |bytes| {
            let flags = find(bytes, &0x6FFF_FFFB_u64.to_le_bytes()) + 8;
            bytes[flags + 3] |= 0x08;
        },
        "expected a shared library, found an executable; build it with `crate-type = [\"cdylib\"]`",
    ),
    (
        |bytes| {
            let notes = notes(bytes);
            put(bytes, notes, &PT_INTERP.to_le_bytes());
        },
        "expected a shared library, found an executable; build it with `crate-type = [\"cdylib\"]`",
    ),
    (
        |bytes| put(bytes, 32, &u64::MAX.to_le_bytes()),
        "DAMAGED (its program headers are not all in it); build or copy it again",
    ),
    (|bytes| bytes[54] = 55, "DAMAGED (its program headers are not all in it); build or copy it again"),
    (
        |bytes| {
            let last = *programs(bytes, PT_LOAD).last().unwrap();
            let len = bytes.len() - number(bytes, last + 8);
            put(bytes, last + 32, &(len + 1).to_le_bytes());
        },
        "DAMAGED (segment LAST is not all in it); build or copy it again",
    ),
    (
        |bytes| {
            let first = programs(bytes, PT_LOAD)[0];
            put(bytes, first + 8, &[0xFF; 8]);
        },
        "DAMAGED (segment FIRST is not all in it); build or copy it again",
    ),
    (
        |bytes| {
            let second = number(bytes, 40) + 64;
            put(bytes, second + 32, &[0xFF; 8]);
        },
        "DAMAGED (section 1 is not all in it); build or copy it again",
    ),
    (
        |bytes| programs(bytes, PT_LOAD).into_iter().for_each(|load| bytes[load] = 0),
        "DAMAGED (nothing in it is to be loaded); build or copy it again",
    ),
    // As `objcopy --only-keep-debug` leaves it.
    (
        |bytes| {
            let dynamic = programs(bytes, PT_DYNAMIC)[0];
            put(bytes, dynamic + 32, &[0; 8]);
        },
        "DAMAGED (it has no dynamic section); build or copy it again",
    ),
    (
        |bytes| {
            let kind = text_at(bytes) - 12;
            put(bytes, kind, &[9]);
        },
        "expected a plugin, found a library without a note of seral; export its worker with `export_worker!`",
    ),
    (
        |bytes| {
            let descsz = text_at(bytes) - 16;
            put(bytes, descsz, &[0xFF; 4]);
        },
        "DAMAGED (its notes are not all in it); build or copy it again",
    ),
    (
        |bytes| {
            let [text, segment] = [text_at(bytes), notes(bytes)];
            put(bytes, text - 16, &508_u32.to_le_bytes());
            // The segment is made to be this note alone, since what follows it is not where it would be now.
            put(bytes, segment + 8, &(text - 20).to_le_bytes());
            put(bytes, segment + 32, &528_u64.to_le_bytes());
        },
        "expected a note as `export_worker!` writes it, found that its text has 508 bytes and not 512; build or copy the plugin again",
    ),
    (
        |bytes| retype(bytes, "abi=1.0", "abi=0.9"),
        "expected a plugin for ABI 1.0, found one for the older 0.9; build it with the seral-plugin of this program",
    ),
];

fn says(bytes: &[u8], expected: &Expected, message: &str) {
    let segment = |load: usize| ((load - number(bytes, 32)) / 56).to_string();
    let message = message
        .replace("DAMAGED", "expected a whole library, found a damaged or truncated one")
        .replace("HERE", ARCH)
        .replace("LEN", &bytes.len().to_string())
        .replace("TARGET", TARGET)
        .replace("SUM", &Sha256::of(bytes).to_string());
    let message = if message.contains("segment") {
        let loads = programs(bytes, PT_LOAD);
        message.replace("FIRST", &segment(loads[0])).replace("LAST", &segment(*loads.last().unwrap()))
    } else {
        message
    };
    assert_eq!(check(bytes, expected).unwrap_err().to_string(), message);
}

#[test]
fn a_plugin_that_is_expected_may_be_opened() {
    let (checked, bytes) = precheck::read(fixture::path()).unwrap();
    assert_eq!(bytes, library());
    assert_eq!(checked.note.as_strs(), fixture::NOTE);
    assert_eq!(checked.bytes_len, bytes.len());
    assert_eq!(checked.sha256, Sha256::of(&bytes));

    let known = Expected { sha256: Some(checked.sha256), ..expected() };
    assert_eq!(check(&bytes, &known), Ok(checked.clone()));
    // Wherever it lies in memory.
    let mut moved = vec![0];
    moved.extend(&bytes);
    assert_eq!(check(&moved[1..], &known), Ok(checked));
    // Without its table of sections, which nothing needs that opens it.
    assert!(check(&without_sections(&bytes), &expected()).is_ok());
    // A later minor version has more at the end of its tables.
    let mut later = bytes;
    retype(&mut later, "abi=1.0", "abi=1.9");
    assert_eq!(check(&later, &expected()).unwrap().note.abi.minor, 9);
}

#[test]
fn each_fault_is_refused_in_a_sentence_that_says_what_to_do() {
    let no_sum = Expected { sha256: Some(Sha256::new([7; 32])), ..expected() };
    for (break_it, message) in IN_ORDER.into_iter().chain(MORE) {
        let mut bytes = library();
        break_it(&mut bytes);
        says(&bytes, &no_sum, message);
    }
}

#[test]
fn of_many_faults_the_first_is_named() {
    let no_sum = Expected { sha256: Some(Sha256::new([7; 32])), ..expected() };
    let mut bytes = library();
    for (break_it, message) in IN_ORDER.into_iter().rev() {
        break_it(&mut bytes);
        says(&bytes, &no_sum, message);
    }
}

#[test]
fn a_library_with_two_notes_is_not_opened() {
    let mut bytes = library();
    // The stack is nothing in the file, so its program header can name the notes a second time.
    let [notes, stack] = [notes(&bytes), programs(&bytes, PT_GNU_STACK)[0]];
    let header = bytes[notes..notes + 56].to_vec();
    put(&mut bytes, stack, &header);
    let message = "expected one plugin, found 2 notes of seral in a library; export one worker from each";
    says(&bytes, &expected(), message);
}

/// The same without the table of sections, and without all that is not loaded.
fn without_sections(bytes: &[u8]) -> Vec<u8> {
    let ends =
        programs(bytes, PT_LOAD).into_iter().map(|load| number(bytes, load + 8) + number(bytes, load + 32));
    let mut bytes = bytes[..ends.max().unwrap()].to_vec();
    put(&mut bytes, 40, &[0; 8]);
    bytes
}

#[test]
fn a_library_that_was_cut_is_not_opened() {
    for bytes in [library(), without_sections(&library())] {
        is_not_opened_cut(&bytes);
    }
}

fn is_not_opened_cut(bytes: &[u8]) {
    let beginning = 0..4096;
    let lens = beginning.chain((0..bytes.len()).step_by(4096)).chain([bytes.len() - 1]);
    for len in lens {
        let refused = check(&bytes[..len], &expected()).unwrap_err();
        let is_named = match refused {
            Refused::Empty => len == 0,
            Refused::NotElf { .. } => len < 64,
            Refused::Damaged { .. } => len >= 64,
            _ => false,
        };
        assert!(is_named, "{len} bytes: {refused}");
    }
}

#[test]
fn a_program_is_not_opened() {
    let (program, no_program) = (env::current_exe().unwrap(), precheck::read(fixture::path()));
    assert!(no_program.is_ok());
    let refused = precheck::read(&program).unwrap_err();
    let message = "expected a shared library, found an executable; build it with `crate-type = [\"cdylib\"]`";
    assert_eq!(refused.to_string(), message);
}

#[test]
fn what_is_no_file_that_can_be_read_is_named_with_its_path() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let [missing, below_a_file] = [folder.join("missing.so"), source.join("plugin.so")];
    let too_long = folder.join("x".repeat(300));
    let [at, folder_at, too_long_at] = [&missing, folder, too_long.as_path()].map(Path::display);
    let cases = [
        (missing.as_path(), format!("expected a library at {at}, found nothing there; check the path")),
        (
            below_a_file.as_path(),
            format!("expected a library at {}, found nothing there; check the path", below_a_file.display()),
        ),
        (folder, format!("expected a library at {folder_at}, found a directory; name the file in it")),
        (
            Path::new("/dev/null"),
            "expected a library at /dev/null, found something that is no file; copy the library into a file"
                .into(),
        ),
        (
            too_long.as_path(),
            format!(
                "expected to read {too_long_at}, found an error (invalid filename); see to that, then try again"
            ),
        ),
    ];
    for (path, message) in cases {
        assert_eq!(precheck::read(path).unwrap_err().to_string(), message);
    }
}

/// The superuser may read everything, so there is nothing to be seen by them.
#[test]
fn a_file_that_may_not_be_read_is_named_with_its_path() {
    let path = env::temp_dir().join(format!("seral-unreadable-{}.so", std::process::id()));
    fs::write(&path, "not for you").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    let refused = precheck::read(&path).unwrap_err();
    if fs::read(&path).is_err() {
        let message = format!(
            "expected a library that this process may read, found that it may not read {}; let its user read the file and enter the folders above",
            path.display()
        );
        assert_eq!(refused.to_string(), message);
    }
    fs::remove_file(path).unwrap();
}

/// Where a byte is changed: in what is looked at, or anywhere.
fn place(bytes: &[u8]) -> impl Strategy<Value = usize> + use<> {
    let (len, text) = (bytes.len(), text_at(bytes));
    let sections = number(bytes, 40);
    let dynamic = number(bytes, programs(bytes, PT_DYNAMIC)[0] + 8);
    prop_oneof![
        3 => 0..64_usize,
        3 => 64..1024_usize,
        2 => text - 20..text + 512,
        2 => sections..len,
        1 => dynamic..dynamic + 512,
        1 => 0..len,
    ]
}

/// Of what headers hold, the ends are the most telling.
fn value() -> impl Strategy<Value = u8> {
    prop_oneof![Just(0), Just(0xFF), Just(0x7F), Just(0x80), any::<u8>()]
}

#[test]
fn no_bytes_make_it_panic() {
    let good = library();
    let changes = prop::collection::vec((place(&good), value(), 1..9_usize), 1..9);
    let config = ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() };
    let run = |(changes, len): (Vec<(usize, u8, usize)>, usize)| {
        let mut bytes = good.clone();
        for (at, value, times) in changes {
            bytes.iter_mut().skip(at).take(times).for_each(|byte| *byte = value);
        }
        bytes.truncate(len);
        match check(&bytes, &expected()) {
            Ok(checked) => prop_assert_eq!(checked.bytes_len, bytes.len()),
            Err(refused) => prop_assert!(refused.to_string().starts_with("expected ")),
        }
        Ok(())
    };
    let len = prop_oneof![4 => Just(good.len()), 1 => 0..good.len()];
    proptest::test_runner::TestRunner::new(config).run(&(changes, len), run).unwrap();
}
