//! Why a file is not opened. Each says in one sentence what was expected, what was found, and what to do.

use std::env::consts::ARCH;
use std::fmt;
use std::io::ErrorKind;
use std::path::PathBuf;

use seral_plugin::Abi;
use seral_plugin::NoteError;
use seral_plugin::table::TableError;
use seral_worker::Version;
use thiserror::Error;

use crate::sha256::Sha256;

/// A file may not be opened as a plugin.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refused {
    /// Libraries are not loaded on this system.
    #[error("expected Linux, found {os}, where libraries are not loaded; link the worker into the program")]
    Unsupported {
        /// Its name.
        os: &'static str,
    },
    /// There is no file.
    #[error("expected a library at {}, found nothing there; check the path", .path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The process may not read it.
    #[error(
        "expected a library that this process may read, found that it may not read {}; let its user read the file and enter the folders above",
        .path.display()
    )]
    Unreadable {
        /// Where it is.
        path: PathBuf,
    },
    /// It could not be read for another reason.
    #[error("expected to read {}, found an error ({why}); see to that, then try again", .path.display())]
    Failed {
        /// Where it is.
        path: PathBuf,
        /// What the system said.
        why: ErrorKind,
    },
    /// It is a directory.
    #[error("expected a library at {}, found a directory; name the file in it", .path.display())]
    Directory {
        /// Where it is.
        path: PathBuf,
    },
    /// It is a pipe, a socket or a device.
    #[error("expected a library at {}, found something that is no file; copy the library into a file", .path.display())]
    NotAFile {
        /// Where it is.
        path: PathBuf,
    },
    /// Nothing is in it.
    #[error("expected a library, found an empty file; build or copy it again")]
    Empty,
    /// It is something else, or too short to tell.
    #[error(
        "expected a library (an ELF file), found {bytes_len} byte(s) that begin with {first}; give the `.so` that cargo has built"
    )]
    NotElf {
        /// How long it is.
        bytes_len: usize,
        /// How it begins, in hexadecimal.
        first: String,
    },
    /// It is for processes with pointers of another size.
    #[error("expected a {expected}-bit library, found a {found}-bit one; build it for {ARCH}")]
    WordSize {
        /// Of this process.
        expected: u32,
        /// Of the library.
        found: u32,
    },
    /// It is for machines that write numbers in the other direction.
    #[error("expected a {expected}-endian library, found a {found}-endian one; build it for {ARCH}")]
    ByteOrder {
        /// Of this process: `little` or `big`.
        expected: &'static str,
        /// Of the library.
        found: &'static str,
    },
    /// It is for another architecture.
    #[error("expected a library for {expected}, found one for {found}; build it for {expected}")]
    Machine {
        /// Of this process.
        expected: &'static str,
        /// Of the library.
        found: Machine,
    },
    /// It is no library, but something else that compilers make.
    #[error("expected a shared library, found {found}; build it with `crate-type = [\"cdylib\"]`")]
    NotShared {
        /// What it is.
        found: Kind,
    },
    /// A part of it is not there. To open it could end the process.
    #[error("expected a whole library, found a damaged or truncated one ({what}); build or copy it again")]
    Damaged {
        /// Which part.
        what: Damage,
    },
    /// It is no plugin.
    #[error(
        "expected a plugin, found a library without a note of seral; export its worker with `export_worker!`"
    )]
    NoNote,
    /// It is more than one plugin.
    #[error("expected one plugin, found {found} notes of seral in a library; export one worker from each")]
    ManyNotes {
        /// How many.
        found: usize,
    },
    /// Its note is not as it should be.
    #[error(
        "expected a note as `export_worker!` writes it, found that {why}; build or copy the plugin again"
    )]
    NoteDamaged {
        /// What is wrong with it.
        why: NoteError,
    },
    /// It was built for an ABI of before.
    #[error(
        "expected a plugin for ABI {expected}, found one for the older {found}; build it with the seral-plugin of this program"
    )]
    AbiOlder {
        /// Of this process.
        expected: Abi,
        /// Of the plugin.
        found: Abi,
    },
    /// It was built for an ABI that is not known yet.
    #[error(
        "expected a plugin for ABI {expected}, found one for the newer {found}; update this program, or build the plugin with its seral-plugin"
    )]
    AbiNewer {
        /// Of this process.
        expected: Abi,
        /// Of the plugin.
        found: Abi,
    },
    /// Its panics would end the process.
    #[error(
        "expected a plugin with panic=unwind, found panic=abort, by which its panics would end this process; remove `panic = \"abort\"` from its profile"
    )]
    PanicAbort,
    /// Its jobs are of another type.
    #[error(
        "expected jobs of schema {expected:016x}, found a plugin for schema {found:016x}; build it with the job type of this program"
    )]
    OtherJob {
        /// Of this process.
        expected: u64,
        /// Of the plugin.
        found: u64,
    },
    /// Its outputs are of another type.
    #[error(
        "expected outputs of schema {expected:016x}, found a plugin for schema {found:016x}; build it with the output type of this program"
    )]
    OtherOutput {
        /// Of this process.
        expected: u64,
        /// Of the plugin.
        found: u64,
    },
    /// It is another version than the one that is deployed.
    #[error(
        "expected version {expected}, found a plugin of version {found}; deploy it as {found}, or give the file of {expected}"
    )]
    OtherVersion {
        /// The one that is deployed.
        expected: Version,
        /// That of the plugin.
        found: Version,
    },
    /// It was built for another target.
    #[error("expected a plugin for {expected}, found one for {found}; build it with `--target {expected}`")]
    OtherTarget {
        /// Of this process.
        expected: &'static str,
        /// Of the plugin.
        found: String,
    },
    /// It has a note, and not the function that belongs to it.
    #[error(
        "expected a plugin with the symbol `seral_plugin_entry`, found none; export its worker with `export_worker!`, and do not strip its dynamic symbols"
    )]
    NoEntry,
    /// The loader of the system did not open it, as when a function that it needs is nowhere.
    #[error(
        "expected a library that can be opened, found that it cannot ({why}); build it for this system, or, if nothing may be run from the directory for temporary files, set TMPDIR"
    )]
    NotOpened {
        /// What the loader said.
        why: String,
    },
    /// Its initializers do not end well. They ran in a process that was there to try them.
    #[error(
        "expected a library whose initializers end well, found that a process that tried them did not ({why}); mend them"
    )]
    Initializer {
        /// How that process ended.
        why: String,
    },
    /// It is to be isolated, and was opened before to stay.
    #[error(
        "expected a library that was not opened yet, found one that is resident; call `isolated` before the first deploy"
    )]
    Resident,
    /// No copy of it could be written, to be opened.
    #[error(
        "expected to copy the library into the directory for temporary files, found an error ({why}); see to that, or set TMPDIR"
    )]
    NotCopied {
        /// What the system said.
        why: ErrorKind,
    },
    /// What was opened is not what was checked.
    #[error(
        "expected the plugin that was checked, found another one opened in its place; deploy it again from a file with another name"
    )]
    AnotherOpened,
    /// Its table cannot be used.
    #[error(
        "expected a plugin with the table of ABI {}, found that {why}; build it with the seral-plugin of this program",
        Abi::OWN
    )]
    Table {
        /// What is wrong with it.
        why: TableError,
    },
    /// It did not want to be used.
    #[error("expected a plugin that can be used, found that {why}; see to that in the plugin")]
    Unwilling {
        /// What it said.
        why: String,
    },
    /// No thread could be started to open it on.
    #[error(
        "expected a thread to open the library on, found an error ({why}); let the process have more threads"
    )]
    NoThread {
        /// What the system said.
        why: ErrorKind,
    },
    /// As many libraries are mapped as may be.
    #[error(
        "expected fewer than 512 libraries mapped, found {mapped}; start the process again before the next one, or load versions `isolated`"
    )]
    TooManyMapped {
        /// How many.
        mapped: usize,
    },
    /// Libraries have taken most of the thread keys of the process, of which there are 1,024.
    #[error(
        "expected 256 thread keys left for another library, found {left}, since each may take one for ever; start the process again before the next one"
    )]
    TooFewKeys {
        /// How many are left.
        left: usize,
    },
    /// It is another file.
    #[error(
        "expected a file with SHA-256 {expected}, found {found}; copy it again, or give the sum of this build"
    )]
    OtherSha256 {
        /// The one that was given.
        expected: Sha256,
        /// That of the file.
        found: Sha256,
    },
}

/// The architecture that a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Machine {
    /// One that Rust has a name for.
    Named(&'static str),
    /// Another, by its number in the header (`e_machine`).
    Number(u16),
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => f.write_str(name),
            Self::Number(number) => write!(f, "machine {number}"),
        }
    }
}

/// What an ELF file is, if it is no shared library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum Kind {
    /// A program.
    #[error("an executable")]
    Executable,
    /// What a linker makes the others of.
    #[error("a relocatable object")]
    Object,
    /// What is left of a process that crashed.
    #[error("a core file")]
    Core,
    /// Another, by its number in the header (`e_type`).
    #[error("a file of type {0}")]
    Other(u16),
}

/// Which part of a library is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum Damage {
    /// Its header.
    #[error("its header is not valid")]
    Header,
    /// The table of its segments.
    #[error("its program headers are not all in it")]
    Programs,
    /// A segment.
    #[error("segment {0} is not all in it")]
    Segment(usize),
    /// The table of its sections.
    #[error("its section headers are not all in it")]
    Sections,
    /// A section.
    #[error("section {0} is not all in it")]
    Section(usize),
    /// All that is to be loaded, as in a file of debug information.
    #[error("nothing in it is to be loaded")]
    NothingToLoad,
    /// What the dynamic linker needs, as in a file of debug information.
    #[error("it has no dynamic section")]
    Dynamic,
    /// Its notes.
    #[error("its notes are not all in it")]
    Notes,
}
