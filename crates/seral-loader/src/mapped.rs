//! Which libraries are mapped into this process.

use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use parking_lot::Mutex;

use crate::maps;
use crate::refused::Refused;
use crate::room;
use crate::sha256::Sha256;

/// A library that is mapped, or is being opened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mapped {
    /// The name of the package that it was built from.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Which file it is.
    pub sha256: Sha256,
    /// How many bytes of it are mapped: what the process may touch, which is more than what is in its memory.
    pub bytes: usize,
    /// Whether its code runs on a thread of its own, and is unmapped when that has ended.
    pub isolated: bool,
    /// Whether workers of it are there. If not, it is retired: it stays mapped, and nothing of it runs.
    pub in_use: bool,
}

static ALL: Mutex<Vec<(Entry, Mapped)>> = Mutex::new(Vec::new());

/// So that no two entries have had one number.
static LAST: AtomicU64 = AtomicU64::new(0);

/// Which entry of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry(u64);

/// All libraries that are mapped into this process by this crate, in the order in which they were opened, retired ones too.
pub fn mapped() -> Vec<Mapped> {
    ALL.lock().iter().map(|(_, mapped)| mapped.clone()).collect()
}

/// What is known of a library that was entered, until it is unmapped.
pub(crate) fn find(entry: Entry) -> Option<Mapped> {
    ALL.lock().iter().find(|(it, _)| *it == entry).map(|(_, mapped)| mapped.clone())
}

/// Enters a library that is about to be opened. Entered before: one whose initializer hangs is mapped too.
///
/// # Errors
///
/// There is no room for another one.
pub(crate) fn enter(library: Mapped) -> Result<Entry, Refused> {
    let mut all = ALL.lock();
    room::is_there(all.len())?;
    let entry = Entry(LAST.fetch_add(1, Relaxed));
    all.push((entry, library));
    Ok(entry)
}

/// Notes something about a library.
pub(crate) fn note(entry: Entry, change: impl FnOnce(&mut Mapped)) {
    if let Some((_, mapped)) = ALL.lock().iter_mut().find(|(it, _)| *it == entry) {
        change(mapped);
    }
}

/// A library was not opened.
pub(crate) fn strike_out(entry: Entry) {
    ALL.lock().retain(|(it, _)| *it != entry);
}

/// A library was closed. If it is really unmapped, it is no longer in the list.
pub(crate) fn leave(entry: Entry, path: &Path) {
    let bytes = maps::bytes_of(path);
    if bytes == 0 {
        strike_out(entry);
    } else {
        note(entry, |mapped| mapped.bytes = bytes);
    }
}
