//! Which target and which compiler a plugin is built for and by, to be written into its note.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let target = env::var("TARGET").unwrap_or_else(|_| "unknown".to_owned());
    println!("cargo::rustc-env=SERAL_PLUGIN_TARGET={target}");
    println!("cargo::rustc-env=SERAL_PLUGIN_RUSTC={}", rustc().unwrap_or_else(|| "unknown".to_owned()));
}

/// The second word of `rustc 1.95.0 (59807616e 2026-04-14)`.
fn rustc() -> Option<String> {
    let rustc = env::var_os("RUSTC")?;
    let said = Command::new(rustc).arg("--version").output().ok()?;
    let said = String::from_utf8(said.stdout).ok()?;
    said.split_whitespace().nth(1).map(str::to_owned)
}
