//! The rules of the repository that no compiler checks.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The modules of a crate, in the order in which `lib.rs` declares them.
fn modules(lib: &str) -> Vec<String> {
    let declared = |line: &str| {
        let rest = line.trim_start_matches("pub ").strip_prefix("mod ")?;
        rest.strip_suffix(';').map(str::to_owned)
    };
    lib.lines().filter_map(declared).collect()
}

/// The modules of the own crate that this source names, outside of comments.
fn uses(source: &str) -> Vec<&str> {
    let code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| line.split("crate::").skip(1))
        .map(|rest| (rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or(""), rest))
        // A macro is called by the crate's name, wherever its module is.
        .filter(|(name, rest)| name.starts_with(char::is_lowercase) && !rest[name.len()..].starts_with('!'))
        .map(|(name, _)| name)
        .collect()
}

/// Uses of modules that are not declared above the one that uses them.
fn upward_uses(modules: &[String], sources: &BTreeMap<String, String>) -> Vec<String> {
    let mut upward = Vec::new();
    for (at, module) in modules.iter().enumerate() {
        let Some(source) = sources.get(module) else { continue };
        for used in uses(source) {
            if !modules[..=at].iter().any(|above| above == used) {
                upward.push(format!("{module} uses {used}"));
            }
        }
    }
    upward
}

fn crates() -> Vec<PathBuf> {
    let mut crates: Vec<_> = fs::read_dir(root().join("crates"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    crates.sort();
    crates
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

#[test]
fn every_module_uses_only_modules_declared_above_it() {
    let mut checked = 0;
    for krate in crates() {
        let src = krate.join("src");
        let modules = modules(&fs::read_to_string(src.join("lib.rs")).unwrap());
        let sources: BTreeMap<_, _> = modules
            .iter()
            .map(|module| (module.clone(), fs::read_to_string(src.join(format!("{module}.rs"))).unwrap()))
            .collect();
        assert_eq!(upward_uses(&modules, &sources), [""; 0], "in {}", krate.display());
        assert_eq!(
            rust_files(&src).len(),
            modules.len() + 1,
            "a file of {} is in no module",
            krate.display()
        );
        checked += modules.len();
    }
    assert!(checked > 40, "only {checked} modules were found");
}

#[test]
fn the_check_of_modules_finds_an_upward_use() {
    let modules = modules("mod a;\npub mod b;\n");
    let source = |text: &str| text.to_owned();
    let sources = BTreeMap::from([
        ("a".to_owned(), source("use crate::b::Thing;\n// crate::c is only named\n")),
        ("b".to_owned(), source("use crate::a::Other;\nuse crate::Root;\n")),
    ]);
    assert_eq!(upward_uses(&modules, &sources), ["a uses b"]);
}

#[test]
fn no_source_file_is_too_long_to_be_about_one_thing() {
    for krate in crates() {
        for file in rust_files(&krate.join("src")) {
            let lines = fs::read_to_string(&file).unwrap().lines().count();
            assert!(lines <= 500, "{} has {lines} lines", file.display());
        }
    }
}

#[test]
fn no_test_sleeps_on_real_time() {
    for file in rust_files(&root().join("tests")) {
        let source = fs::read_to_string(&file).unwrap();
        assert!(!source.contains(concat!("thread::", "sleep")), "{} sleeps", file.display());
    }
}

#[test]
fn every_example_is_listed_in_reading_order() {
    let manifest = fs::read_to_string(root().join("examples/Cargo.toml")).unwrap();
    let readme = fs::read_to_string(root().join("examples/README.md")).unwrap();
    for entry in fs::read_dir(root().join("examples")).unwrap() {
        let path = entry.unwrap().path();
        let is_example =
            path.join("main.rs").exists() || path.extension().is_some_and(|extension| extension == "rs");
        if is_example {
            let name = path.file_stem().unwrap().to_str().unwrap();
            assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is not in examples/Cargo.toml");
            assert!(readme.contains(&format!("`{name}`")), "{name} is not in examples/README.md");
        }
    }
}

#[test]
fn the_core_depends_on_nothing() {
    let manifest = fs::read_to_string(root().join("crates/seral-core/Cargo.toml")).unwrap();
    let (_, after) = manifest.split_once("[dependencies]").unwrap();
    assert!(after.trim_start().starts_with('['), "seral-core has dependencies");
}
