//! Each example of one file, run as a user runs it: it prints what its first lines promise.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
}

/// The sources of all examples of one file, by name.
fn sources() -> BTreeMap<String, String> {
    let mut sources = BTreeMap::new();
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            sources.insert(name, fs::read_to_string(path).unwrap());
        }
    }
    sources
}

/// The binaries of all examples, by name.
fn binaries() -> BTreeMap<String, PathBuf> {
    let build = Command::new(env!("CARGO"))
        // With the features of the whole workspace, so that nothing is compiled twice.
        .args(["build", "--workspace", "--examples", "--message-format", "json"])
        .current_dir(folder())
        .output()
        .unwrap();
    assert!(build.status.success(), "{}", String::from_utf8_lossy(&build.stderr));
    let messages = String::from_utf8(build.stdout).unwrap();
    let executables = messages.lines().filter_map(|line| {
        let (_, rest) = line.split_once(r#""executable":""#)?;
        Some(PathBuf::from(rest.split('"').next()?))
    });
    executables.map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), path)).collect()
}

/// The block of text in the header of an example, if it has one.
fn promised(source: &str) -> Option<String> {
    let header = source.lines().map_while(|line| line.strip_prefix("//!"));
    let block = header.skip_while(|line| *line != " ```text").skip(1).take_while(|line| *line != " ```");
    let text: String = block.flat_map(|line| [line.strip_prefix(' ').unwrap_or(line), "\n"]).collect();
    (!text.is_empty()).then_some(text)
}

#[test]
fn each_prints_what_its_header_promises() {
    let (sources, binaries) = (sources(), binaries());
    assert!(sources.len() >= 8, "only {} examples were found", sources.len());
    for (name, source) in sources {
        if cfg!(not(unix)) && name == "graceful_shutdown" {
            continue; // it sends itself a signal
        }
        let promised = promised(&source).unwrap_or_else(|| panic!("{name} does not say what it prints"));
        // Some panic on purpose, and a trace of the stack takes its time.
        let output = Command::new(&binaries[&name]).env("RUST_BACKTRACE", "0").output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(printed, promised, "{name} prints something else, and on stderr: {errors}");
        assert!(output.status.success(), "{name} failed: {errors}");
    }
}

#[test]
fn each_is_read_in_one_go() {
    for (name, source) in sources() {
        let lines = source.lines().count();
        assert!(lines < 100, "{name} has {lines} lines");
        assert!(
            source.contains(&format!("//! Run: `cargo run --example {name}`")),
            "{name} does not say how to run it"
        );
    }
}

#[test]
fn the_promise_is_the_block_of_text_in_the_header() {
    let source = "//! Says so.\n//!\n//! ```text\n//! a\n//!\n//!   b\n//! ```\n\nfn main() {}\n//! ```text\n//! c\n//! ```\n";
    assert_eq!(promised(source).as_deref(), Some("a\n\n  b\n"));
    assert_eq!(promised("//! Says nothing.\n\nfn main() {}\n"), None);
}
