//! Decides what becomes of the files in a directory that is followed: which are read, which are complete, which is deployed next, what is told.
//!
//! ```text
//!   seen, new or changed                    read twice, the same bytes
//!  ──────────────────────▶ Settling ─────────────────────────────────────┐
//!   seen, renamed in                        read                         ▼         older, had before, deployed, failed
//!  ──────────────────────▶ Arrived ──────────────────────────────────▶ Waiting ───────────────────────────────────────▶ Settled
//!                               no plugin, or the bytes that were settled before ─────────────────────────────────────▶
//! ```
//!
//! Rules:
//!
//! 1. Only files whose names end in `.so` and do not begin with a dot. The others are remembered for their renaming alone.
//! 2. A file was renamed in, and is complete, if it appears and was last written at least the settling time ago, or if it was there at the last look under a
//!    name that is gone. Any other is complete when it is read twice, the settling time apart, with the same bytes, and nothing about it has changed
//!    between.
//! 3. Of those that wait, the lowest version comes next, and then the first name. While a rollout is in progress, all wait.
//! 4. What is older than the current version, or has been a version of the community, is left alone. So a rollback is not undone.
//! 5. What is settled is looked at again when its bytes change, and is told once. To touch it, or to put the same bytes in its place, changes nothing.
//! 6. Nothing is remembered of a file that is gone. The community remembers which versions it has had.
//!
//! It reads no file and no clock.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::ffi::OsString;
use std::mem;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;

use semver::Version as Number;
use seral::State;
use seral::Version;
use seral::error::DeployError;

use crate::news::News;
use crate::news::Skip;
use crate::refused::Refused;
use crate::sha256::Sha256;

/// A file as it is seen without being read.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) name: OsString,
    pub(crate) stamp: Stamp,
    /// How long ago it was last written, by its own account; none if that is in the future.
    pub(crate) age: Duration,
}

/// What changes with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Stamp {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) bytes_len: u64,
    pub(crate) modified: SystemTime,
}

impl Stamp {
    fn is_same_file(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

/// What came of reading a file.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    /// It is not there any more.
    Nothing,
    /// It cannot be read.
    Unreadable(Refused),
    /// It has these bytes; the version that its note names, if it is a plugin.
    Bytes { sum: Sha256, version: Result<String, Refused> },
}

/// The versions of the community, at the moment of a decision.
#[derive(Clone, Debug, Default)]
pub(crate) struct Versions {
    pub(crate) current: Option<String>,
    /// Those that it has or has had; not those whose workers could not be started.
    pub(crate) known: HashSet<String>,
    /// Whether one is on its way, step by step.
    pub(crate) is_rolling_out: bool,
}

/// A file that is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Release {
    name: OsString,
    number: Number,
    pub(crate) sum: Sha256,
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Deploy it, if the versions are still those that were looked at.
    Deploy(Release),
    /// Look whether it is the build that the community has had of this version.
    Compare(Release),
    /// Tell this.
    Tell(News),
}

/// What came of it.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// It is current.
    Deployed,
    /// It is on its way, step by step.
    RolloutBegun,
    /// It is the build that the community has had.
    Before,
    /// There are other bytes in the file by now, or none.
    Changed,
    /// It is not deployed.
    Skipped(Skip),
}

impl Release {
    /// Its version.
    pub(crate) fn version(&self) -> Version {
        self.number.to_string().into()
    }
}

impl Outcome {
    /// Of a deploy that gave the version this state. `None` if it failed for a reason that says nothing about the file, which then waits on.
    pub(crate) fn of_deploy(state: Result<State, DeployError>) -> Option<Self> {
        match state {
            Ok(State::Ramping) => Some(Self::RolloutBegun),
            Ok(_) => Some(Self::Deployed),
            Err(DeployError::Conflict { .. } | DeployError::Interrupted) => None,
            Err(why) => Some(Self::Skipped(Skip::Deploy(why))),
        }
    }
}

/// A directory that is followed, by its files.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    settle: Duration,
    /// Whatever was there at the last look.
    there: HashMap<OsString, Stamp>,
    files: BTreeMap<OsString, File>,
}

#[derive(Debug)]
struct File {
    stamp: Stamp,
    phase: Phase,
    /// The bytes under this name that were settled last.
    settled: Option<Sha256>,
    /// Whether it was told that it cannot be read.
    is_told: bool,
}

#[derive(Clone, Debug)]
enum Phase {
    /// It may be written still. Nothing about it has changed since then; with these bytes, if they were read.
    Settling { since: Instant, sum: Option<Sha256> },
    /// It is complete, and not read yet.
    Arrived,
    /// It is complete, and waits for its turn.
    Waiting { number: Number, sum: Sha256 },
    /// There is nothing to do about it.
    Settled,
}

impl Folder {
    /// Of which nothing has been seen. A file that is not renamed in is complete after it has been the same for this time.
    pub(crate) fn new(path: PathBuf, settle: Duration) -> Self {
        Self { path, settle, there: HashMap::new(), files: BTreeMap::new() }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes note of all files that are there.
    pub(crate) fn look(&mut self, now: Instant, seen: Vec<Seen>) {
        let there: HashMap<_, _> = seen.iter().map(|seen| (seen.name.clone(), seen.stamp)).collect();
        let has_left = |(name, stamp): &(OsString, Stamp)| there.get(name) != Some(stamp);
        // With its length and time: the number of a file that was removed is soon that of another.
        let renamed: HashSet<_> =
            mem::take(&mut self.there).into_iter().filter(has_left).map(|(_, stamp)| stamp).collect();
        self.there = there;
        let mut before = mem::take(&mut self.files);
        for Seen { name, stamp, age } in seen.into_iter().filter(|seen| is_plugin(&seen.name)) {
            let file = match before.remove(&name) {
                Some(file) if file.stamp == stamp => file,
                other => {
                    let appears = other.as_ref().is_none_or(|other| !other.stamp.is_same_file(&stamp));
                    let is_complete = appears && (age >= self.settle || renamed.contains(&stamp));
                    let phase =
                        if is_complete { Phase::Arrived } else { Phase::Settling { since: now, sum: None } };
                    File { stamp, phase, settled: other.and_then(|other| other.settled), is_told: false }
                }
            };
            self.files.insert(name, file);
        }
    }

    /// The files to be read at this look.
    pub(crate) fn to_read(&self, now: Instant) -> Vec<OsString> {
        let is_due = |file: &File| match file.phase {
            Phase::Arrived => true,
            // One that has changed since the last look is not worth reading.
            Phase::Settling { since, sum: None } => now > since,
            Phase::Settling { since, sum: Some(_) } => now.duration_since(since) >= self.settle,
            Phase::Waiting { .. } | Phase::Settled => false,
        };
        self.files.iter().filter(|(_, file)| is_due(file)).map(|(name, _)| name.clone()).collect()
    }

    /// Takes note of what is in a file.
    pub(crate) fn read(&mut self, now: Instant, name: &OsStr, found: Found) -> Option<News> {
        let path = self.path.join(name);
        let file = self.files.get_mut(name)?;
        let (sum, version) = match found {
            Found::Nothing => return None,
            Found::Unreadable(_) if mem::replace(&mut file.is_told, true) => return None,
            Found::Unreadable(why) => return Some(News::Skipped { path, why: Skip::Refused(why) }),
            Found::Bytes { sum, version } => (sum, version),
        };
        file.is_told = false;
        if let Phase::Settling { sum: before, .. } = file.phase
            && before != Some(sum)
        {
            file.phase = Phase::Settling { since: now, sum: Some(sum) };
            return None;
        }
        if file.settled == Some(sum) {
            file.phase = Phase::Settled;
            return None;
        }
        match version.map_err(Skip::Refused).and_then(number) {
            Ok(number) => {
                file.phase = Phase::Waiting { number, sum };
                None
            }
            Err(why) => {
                file.settle(sum);
                Some(News::Skipped { path, why })
            }
        }
    }

    /// What is to be done next. To be asked again when that is done, until there is nothing.
    #[must_use = "it is the decision"]
    pub(crate) fn next(&mut self, versions: &Versions) -> Option<Next> {
        if versions.is_rolling_out {
            return None;
        }
        let release = self.lowest()?;
        let (version, path) = (release.version(), self.path_of(&release));
        if let Some(current) = &versions.current {
            let news = match Number::parse(current) {
                Err(_) => {
                    let why = Skip::Incomparable { version: version.clone(), current: current.into() };
                    Some(News::Skipped { path, why })
                }
                Ok(number) if release.number < number => {
                    Some(News::Older { path, version: version.clone(), current: current.into() })
                }
                Ok(_) => None,
            };
            if let Some(news) = news {
                self.settle(&release);
                return Some(Next::Tell(news));
            }
        }
        let is_known = versions.known.contains(version.as_str());
        Some(if is_known { Next::Compare(release) } else { Next::Deploy(release) })
    }

    /// Takes note of what came of a release.
    pub(crate) fn done(&mut self, now: Instant, release: &Release, outcome: Outcome) -> Option<News> {
        let (version, path) = (release.version(), self.path_of(release));
        if matches!(outcome, Outcome::Changed) {
            if let Some(file) = self.files.get_mut(&release.name) {
                file.phase = Phase::Settling { since: now, sum: None };
            }
            return None;
        }
        self.settle(release);
        match outcome {
            Outcome::Deployed => Some(News::Deployed { version, path }),
            Outcome::RolloutBegun => Some(News::RolloutBegun { version, path }),
            Outcome::Before => Some(News::DeployedBefore { path, version }),
            Outcome::Skipped(why) => Some(News::Skipped { path, why }),
            Outcome::Changed => None,
        }
    }

    /// The file of this release.
    pub(crate) fn path_of(&self, release: &Release) -> PathBuf {
        self.path.join(&release.name)
    }

    fn lowest(&self) -> Option<Release> {
        let waiting = self.files.iter().filter_map(|(name, file)| match &file.phase {
            Phase::Waiting { number, sum } => Some((number, name, *sum)),
            _ => None,
        });
        // The first of those that are equal, which is the first name.
        let (number, name, sum) = waiting.min_by_key(|(number, ..)| *number)?;
        Some(Release { name: name.clone(), number: number.clone(), sum })
    }

    fn settle(&mut self, release: &Release) {
        if let Some(file) = self.files.get_mut(&release.name) {
            file.settle(release.sum);
        }
    }
}

impl File {
    fn settle(&mut self, sum: Sha256) {
        self.phase = Phase::Settled;
        self.settled = Some(sum);
    }
}

fn is_plugin(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.ends_with(b".so") && !name.starts_with(b".")
}

fn number(version: String) -> Result<Number, Skip> {
    Number::parse(&version).map_err(|_| Skip::NoOrder { found: version })
}

#[cfg(test)]
#[path = "../tests/folder/situations.rs"]
mod situations;
