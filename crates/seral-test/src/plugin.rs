//! Builds plugins with cargo, for tests and examples that load them.

use std::env;
use std::fmt;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

/// Builds this package of a workspace as a library to be loaded, optimised if the caller is, and returns where it is. What is built already is not built
/// again; two that are built at once wait for each other.
///
/// It lies in a directory `plugins` beside what cargo has built the caller in, so that the two do not wait for each other.
///
/// # Errors
///
/// There is no cargo, or it does not build.
pub fn build(manifest: impl AsRef<Path>, package: &str) -> Result<PathBuf, BuildError> {
    let target = target_directory().unwrap_or_else(|| env::temp_dir().join("seral")).join("plugins");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--lib", "--package", package, "--manifest-path"]).arg(manifest.as_ref());
    build.arg("--target-dir").arg(&target);
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    let built = build.output().map_err(BuildError::Cargo)?;
    if !built.status.success() {
        return Err(BuildError::Failed(String::from_utf8_lossy(&built.stderr).into_owned()));
    }
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    Ok(target.join(profile).join(format!("lib{}.so", package.replace('-', "_"))))
}

/// Where cargo has put this program: it marks that directory for programs that make backups.
fn target_directory() -> Option<PathBuf> {
    let program = env::current_exe().ok()?;
    program.ancestors().find(|directory| directory.join("CACHEDIR.TAG").is_file()).map(Path::to_owned)
}

/// A plugin was not built.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// Cargo could not be run.
    Cargo(io::Error),
    /// It said this.
    Failed(String),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cargo(why) => write!(f, "cargo could not be run: {why}"),
            Self::Failed(said) => write!(f, "the plugin does not build:\n{said}"),
        }
    }
}

impl std::error::Error for BuildError {}
