//! What is told of a directory that is followed.

use std::fmt;
use std::io::ErrorKind;
use std::path::PathBuf;

use seral::Version;
use seral::error::DeployError;
use seral::rollout::End;
use thiserror::Error;

use crate::refused::Refused;

/// Something that happened in a directory that is followed. Each is told once; printed, it is one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum News {
    /// A version is current.
    Deployed {
        /// The version.
        version: Version,
        /// Its file.
        path: PathBuf,
    },
    /// A version has its first share of new jobs. What is newer waits for the end of its rollout.
    RolloutBegun {
        /// The version.
        version: Version,
        /// Its file.
        path: PathBuf,
    },
    /// The rollout of a version has ended.
    RolloutEnded {
        /// The version.
        version: Version,
        /// How.
        end: End,
    },
    /// A file is not deployed, and not looked at again before its bytes change.
    Skipped {
        /// The file.
        path: PathBuf,
        /// Why.
        why: Skip,
    },
    /// A file is left alone, since a newer version is current.
    Older {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: Version,
        /// The version that is current.
        current: Version,
    },
    /// A file is left alone, since the community has had this version of it: whoever left that since, such as by a rollback, had a reason.
    DeployedBefore {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: Version,
    },
    /// The directory cannot be read any more. It is tried again at each look.
    Unreadable {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        why: ErrorKind,
    },
    /// The directory can be read again.
    Readable {
        /// The directory.
        path: PathBuf,
    },
    /// This reader was too slow and missed so many news.
    Missed(u64),
}

/// Why a file is not deployed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Skip {
    /// It cannot be read, or is no plugin for this process. One that cannot be read is tried again at each look.
    #[error(transparent)]
    Refused(Refused),
    /// Its version has no place in an order.
    #[error(
        "expected a version in the form 1.2.3, found {found:?}; name it so in the Cargo.toml of the plugin"
    )]
    NoOrder {
        /// What its note says.
        found: String,
    },
    /// It cannot be said whether it is newer than the current version.
    #[error(
        "expected a current version in the form 1.2.3, found {current}, to which {version} cannot be compared; deploy the file by hand"
    )]
    Incomparable {
        /// Its version.
        version: Version,
        /// The version that is current.
        current: Version,
    },
    /// What [`Directory::library`](crate::Directory::library) or [`Directory::plan`](crate::Directory::plan) was given failed or panicked.
    #[error(
        "expected a library that can be prepared for its deploy, found that it cannot ({why}); see to that in the program"
    )]
    Unprepared {
        /// What it said.
        why: String,
    },
    /// It was deployed, and that failed.
    #[error(transparent)]
    Deploy(DeployError),
}

impl News {
    /// Whether a person should look at it.
    pub(crate) fn is_bad(&self) -> bool {
        matches!(self, Self::Skipped { .. } | Self::Unreadable { .. })
    }
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deployed { version, path } => {
                write!(f, "version {version} is current, from {}", path.display())
            }
            Self::RolloutBegun { version, path } => {
                write!(f, "the rollout of version {version} has begun, from {}", path.display())
            }
            Self::RolloutEnded { version, end } => {
                write!(f, "the rollout of version {version} has ended: {end}")
            }
            Self::Skipped { path, why } => write!(f, "{} is skipped: {why}", path.display()),
            Self::Older { path, version, current } => {
                write!(f, "{} is left alone: its version {version} is older than ", path.display())?;
                write!(f, "{current}, which is current")
            }
            Self::DeployedBefore { path, version } => {
                write!(f, "{} is left alone: its version {version} was deployed before", path.display())
            }
            Self::Unreadable { path, why } => {
                write!(f, "the directory {} cannot be read ({why}); it is tried again", path.display())
            }
            Self::Readable { path } => write!(f, "the directory {} can be read again", path.display()),
            Self::Missed(count) => write!(f, "{count} news were missed"),
        }
    }
}
