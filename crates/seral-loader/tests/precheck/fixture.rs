//! A plugin as the compiler makes it, built once, and ways to break it. The offsets are those of a 64-bit ELF file.

use std::env;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;
use std::process::id;
use std::sync::OnceLock;

use seral_loader::Expected;
use seral_loader::Sha256;
use seral_plugin::Abi;
use seral_plugin::ElfNote;
use seral_plugin::Note;
use seral_plugin::PanicMode;
use seral_plugin::note::TARGET;
use seral_plugin::note::TEXT_LEN;

pub(crate) const NOTE: Note<&str> = Note {
    abi: Abi { major: 1, minor: 0 },
    schema_job: 0xA,
    schema_output: 0xB,
    panic: PanicMode::Unwind,
    target: TARGET,
    rustc: "1.95.0",
    name: "orders",
    version: "2.0.0",
};

/// What the plugin is.
pub(crate) fn expected() -> Expected {
    Expected { schema_job: 0xA, schema_output: 0xB, version: "2.0.0".into(), sha256: None }
}

/// Where it lies.
pub(crate) fn path() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let note = ElfNote::new(&NOTE.text().unwrap());
        let section = ElfNote::SECTION;
        let len = note.as_bytes().len();
        let source = format!(
            "#[repr(C, align(4))] pub struct Note([u8; {len}]);
            #[used] #[unsafe(link_section = \"{section}\")] pub static NOTE: Note = Note({:?});
            #[unsafe(no_mangle)] pub extern \"C\" fn seral_plugin_entry(number: u64) -> usize {{ number.to_string().len() }}",
            note.as_bytes()
        );
        // Of another source, another file: so it is built once for many runs.
        let name = Sha256::of(source.as_bytes()).to_string();
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.so"));
        if !path.exists() {
            let new = path.with_extension(format!("{}.so", id()));
            build(&source, &new);
            fs::rename(&new, &path).unwrap();
        }
        path
    })
}

fn build(source: &str, to: &Path) {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut rustc = Command::new(rustc)
        .args(["--edition=2024", "--crate-type=cdylib", "--crate-name=fixture", "-Cstrip=symbols", "-", "-o"])
        .arg(to)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    rustc.stdin.take().unwrap().write_all(source.as_bytes()).unwrap();
    assert!(rustc.wait().unwrap().success(), "the fixture does not build");
}

/// What is in it.
pub(crate) fn library() -> Vec<u8> {
    fs::read(path()).unwrap()
}

/// Where this is for the first time.
pub(crate) fn find(bytes: &[u8], what: &[u8]) -> usize {
    bytes.windows(what.len()).position(|part| part == what).unwrap()
}

pub(crate) fn put(bytes: &mut [u8], at: usize, what: &[u8]) {
    bytes[at..at + what.len()].copy_from_slice(what);
}

/// Where the text of the note is.
pub(crate) fn text_at(bytes: &[u8]) -> usize {
    find(bytes, b"SERAL-PLUGIN")
}

/// Replaces a part of the note by another of the same length.
pub(crate) fn retype(bytes: &mut [u8], from: &str, to: &str) {
    assert_eq!(from.len(), to.len());
    let at = text_at(bytes);
    let at = at + find(&bytes[at..at + TEXT_LEN], from.as_bytes());
    put(bytes, at, to.as_bytes());
}

/// Writes the note anew with a change.
pub(crate) fn renote(bytes: &mut [u8], change: impl FnOnce(&mut Note)) {
    let at = text_at(bytes);
    let mut note = Note::parse(&bytes[at..at + TEXT_LEN]).unwrap();
    change(&mut note);
    put(bytes, at, &note.as_strs().text().unwrap());
}

pub(crate) fn number(bytes: &[u8], at: usize) -> usize {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()).try_into().unwrap()
}

/// Where the program headers of this type are.
pub(crate) fn programs(bytes: &[u8], kind: u32) -> Vec<usize> {
    let table = number(bytes, 32);
    let headers = (0..usize::from(bytes[56])).map(|at| table + 56 * at);
    headers.filter(|at| bytes[*at..at + 4] == kind.to_le_bytes()).collect()
}

/// Where the program header is of the segment that has the note in it.
pub(crate) fn notes(bytes: &[u8]) -> usize {
    let has_it = |at: &usize| {
        let begin = number(bytes, at + 8);
        (begin..begin + number(bytes, at + 32)).contains(&text_at(bytes))
    };
    programs(bytes, PT_NOTE).into_iter().find(has_it).unwrap()
}

pub(crate) const PT_LOAD: u32 = 1;
pub(crate) const PT_DYNAMIC: u32 = 2;
pub(crate) const PT_INTERP: u32 = 3;
const PT_NOTE: u32 = 4;
pub(crate) const PT_GNU_STACK: u32 = 0x6474_E551;
