//! What is seen of a directory, and read of the files in it. Each blocks.

use std::fs;
use std::fs::DirEntry;
use std::io;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;
use std::time::SystemTime;

use crate::folder::Found;
use crate::folder::Seen;
use crate::folder::Stamp;
use crate::precheck;
use crate::refused::Refused;
use crate::sha256::Sha256;

/// Of a file that cannot be looked at. To read it then tells why.
const UNKNOWN: Stamp = Stamp { device: 0, inode: 0, bytes_len: 0, modified: SystemTime::UNIX_EPOCH };

/// All files in a directory, without those below it.
///
/// # Errors
///
/// It cannot be read.
pub(crate) fn look(directory: &Path) -> io::Result<Vec<Seen>> {
    let mut seen = Vec::new();
    for entry in fs::read_dir(directory)? {
        seen.extend(see(&entry?));
    }
    Ok(seen)
}

/// `None` if it is no file, or is gone.
fn see(entry: &DirEntry) -> Option<Seen> {
    let name = entry.file_name();
    // Of what a link leads to.
    let metadata = match fs::metadata(entry.path()) {
        Ok(metadata) => metadata,
        Err(why) if why.kind() == ErrorKind::NotFound => return None,
        Err(_) => return Some(Seen { name, stamp: UNKNOWN, age: Duration::ZERO }),
    };
    if !metadata.is_file() {
        return None;
    }
    let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    let stamp = Stamp { device: metadata.dev(), inode: metadata.ino(), bytes_len: metadata.len(), modified };
    Some(Seen { name, stamp, age: modified.elapsed().unwrap_or_default() })
}

/// What is in a file. Its bytes are not kept.
pub(crate) fn read(path: &Path) -> Found {
    match precheck::bytes(path) {
        Ok(bytes) => match precheck::check(&bytes) {
            Ok(checked) => Found::Bytes { sum: checked.sha256, version: Ok(checked.note.version) },
            Err(why) => Found::Bytes { sum: Sha256::of(&bytes), version: Err(why) },
        },
        Err(Refused::Missing { .. } | Refused::Directory { .. } | Refused::NotAFile { .. }) => Found::Nothing,
        Err(why) => Found::Unreadable(why),
    }
}
