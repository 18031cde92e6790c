//! A copy of a library that nobody else writes to.
//!
//! The system keeps a library that is mapped by its file: to overwrite that ends the process, and to open another file of the same path gives the old
//! one. So what is opened is a copy with a name of its own, in a directory that only this user may enter.

use std::fs;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use tempfile::TempDir;

use crate::refused::Refused;
use crate::sha256::Sha256;

/// So that no two libraries of a process have had one name: the loader of the system goes by it.
static LAST: AtomicU64 = AtomicU64::new(0);

/// The file. Dropped, it is removed; what is mapped of it stays.
#[derive(Debug)]
pub(crate) struct PrivateCopy {
    path: PathBuf,
    _directory: TempDir,
}

impl PrivateCopy {
    /// A file with these bytes, in the directory for temporary files.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub(crate) fn of(bytes: &[u8], sha256: Sha256) -> Result<Self, Refused> {
        let failed = |why: io::Error| Refused::NotCopied { why: why.kind() };
        let directory = tempfile::Builder::new()
            .prefix("seral-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir()
            .map_err(failed)?;
        // As the system will name it in the list of what is mapped.
        let path = directory.path().canonicalize().map_err(failed)?;
        let path = path.join(format!("{sha256}-{}.so", LAST.fetch_add(1, Relaxed)));
        fs::write(&path, bytes).map_err(failed)?;
        Ok(Self { path, _directory: directory })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}
