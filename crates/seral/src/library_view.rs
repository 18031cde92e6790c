//! The library that a version was loaded from, as plain data.

use std::fmt;

use serde::Serialize;

/// A library that a version was loaded from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LibraryView {
    /// The SHA-256 of its file.
    pub sha256: String,
    /// How many bytes of it are mapped into the process. One that has retired may stay mapped.
    pub mapped: usize,
    /// Whether its code runs on a thread of its own, to be unmapped at its end.
    pub isolated: bool,
}

impl fmt::Display for LibraryView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "from library {}, {} kB mapped",
            self.sha256.get(..8).unwrap_or(&self.sha256),
            self.mapped / 1_000
        )
    }
}
