//! Whether a file may be opened as a plugin, asked before it is.
//!
//! To open a library runs its code, and to open one that was truncated ends the process. So its bytes are looked at first: whether they are a
//! whole library for this process, and by its note whether it is the plugin that is meant. That cannot tell whether its code was
//! damaged; only the SHA-256 of the file can, so give it if it is known.

use std::cmp::Ordering;
use std::env::consts::OS;
use std::fs;
use std::io;
use std::io::ErrorKind;
use std::path::Path;

use seral_plugin::Abi;
use seral_plugin::Note;
use seral_plugin::PanicMode;
use seral_plugin::note::TARGET;
use seral_plugin::table::ENTRY;
use seral_worker::Version;

use crate::elf;
use crate::refused::Refused;
use crate::sha256::Sha256;

/// What a plugin must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The [fingerprint](seral_plugin::Schema) of the community's jobs.
    pub schema_job: u64,
    /// The fingerprint of its outputs.
    pub schema_output: u64,
    /// The version that is deployed.
    pub version: Version,
    /// Which file it is, if that is known.
    pub sha256: Option<Sha256>,
}

/// A plugin that may be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checked {
    /// What it says of itself.
    pub note: Note,
    /// Which file it is.
    pub sha256: Sha256,
    /// How long it is.
    pub bytes_len: usize,
}

/// Reads a file, and decides whether it is a plugin. Its bytes are returned: what lies at the path may be another file by now, so open a copy of
/// these.
///
/// # Errors
///
/// It cannot be read, or is no plugin for this process.
pub fn read(path: &Path) -> Result<(Checked, Vec<u8>), Refused> {
    let bytes = bytes(path)?;
    Ok((check(&bytes)?, bytes))
}

/// The bytes of a file, whatever they are.
///
/// # Errors
///
/// It cannot be read.
pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>, Refused> {
    if !cfg!(target_os = "linux") {
        return Err(Refused::Unsupported { os: OS });
    }
    let failed = |why: io::Error| {
        let path = path.to_owned();
        match why.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => Refused::Missing { path },
            ErrorKind::PermissionDenied => Refused::Unreadable { path },
            why => Refused::Failed { path, why },
        }
    };
    // Before it is opened: to open a pipe waits for somebody who writes into it.
    let kind = fs::metadata(path).map_err(failed)?.file_type();
    if kind.is_dir() {
        return Err(Refused::Directory { path: path.to_owned() });
    }
    if !kind.is_file() {
        return Err(Refused::NotAFile { path: path.to_owned() });
    }
    fs::read(path).map_err(failed)
}

/// Decides whether a file with these bytes is a plugin for this process.
///
/// # Errors
///
/// It is not.
pub fn check(bytes: &[u8]) -> Result<Checked, Refused> {
    let note = understood(elf::note(bytes)?)?;
    if note.panic == PanicMode::Abort {
        return Err(Refused::PanicAbort);
    }
    if note.target != TARGET {
        return Err(Refused::OtherTarget { expected: TARGET, found: note.target });
    }
    if !elf::may_export(bytes, ENTRY) {
        return Err(Refused::NoEntry);
    }
    Ok(Checked { note, sha256: Sha256::of(bytes), bytes_len: bytes.len() })
}

/// What a note says, if it is of the ABI of this process: that of another may have another form.
fn understood(text: &[u8]) -> Result<Note, Refused> {
    let damaged = |why| Refused::NoteDamaged { why };
    let (expected, found) = (Abi::OWN, Abi::of_note(text).map_err(damaged)?);
    match found.major.cmp(&expected.major) {
        Ordering::Less => Err(Refused::AbiOlder { expected, found }),
        Ordering::Greater => Err(Refused::AbiNewer { expected, found }),
        Ordering::Equal => Note::parse(text).map_err(damaged),
    }
}

impl Checked {
    /// Decides whether it is the plugin that is meant.
    ///
    /// # Errors
    ///
    /// It is another.
    pub fn is_expected(&self, expected: &Expected) -> Result<(), Refused> {
        let Self { note, sha256, .. } = self;
        if note.schema_job != expected.schema_job {
            return Err(Refused::OtherJob { expected: expected.schema_job, found: note.schema_job });
        }
        if note.schema_output != expected.schema_output {
            return Err(Refused::OtherOutput { expected: expected.schema_output, found: note.schema_output });
        }
        if note.version != expected.version.as_str() {
            let (expected, found) = (expected.version.clone(), Version::from(&note.version));
            return Err(Refused::OtherVersion { expected, found });
        }
        match expected.sha256 {
            Some(expected) if expected != *sha256 => Err(Refused::OtherSha256 { expected, found: *sha256 }),
            _ => Ok(()),
        }
    }
}
