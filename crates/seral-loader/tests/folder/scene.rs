//! A directory and a community, as far as a folder knows them. Time passes when it is told to.
//!
//! What is in a file: `1.2.0`, and anything after a space, is a plugin of that version; so part of one may be a plugin, too. One with `fails` in it
//! does not start. Anything else is none.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;

use semver::Version as Number;
use seral::error::DeployError;

use crate::folder::Folder;
use crate::folder::Found;
use crate::folder::Next;
use crate::folder::Outcome;
use crate::folder::Release;
use crate::folder::Seen;
use crate::folder::Stamp;
use crate::folder::Versions;
use crate::news::News;
use crate::news::Skip;
use crate::refused::Refused;
use crate::sha256::Sha256;

pub(super) const SETTLE: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(500);
const HOUR: Duration = Duration::from_secs(3_600);
/// When the scene begins, by the calendar.
const BEGIN: Duration = Duration::from_secs(1_000_000_000);

pub(super) struct Scene {
    pub(super) folder: Folder,
    pub(super) versions: Versions,
    /// Whether versions are rolled out step by step.
    pub(super) ramps: bool,
    /// What is done in the middle of the next look, after the reading.
    pub(super) meanwhile: Option<fn(&mut Scene)>,
    pub(super) reads: usize,
    pub(super) deployed: Vec<(Number, Sha256)>,
    began: Instant,
    passed: Duration,
    inodes: u64,
    files: BTreeMap<String, OnDisk>,
    builds: HashMap<String, Sha256>,
    /// The bytes of which something was told, by the path of the file.
    told_of: HashMap<String, Sha256>,
}

struct OnDisk {
    inode: u64,
    bytes: String,
    modified: Duration,
    can_be_read: bool,
    /// When its bytes were written, by the clock of the scene; `None` if it was renamed since.
    written: Option<Duration>,
}

impl Scene {
    pub(super) fn new() -> Self {
        Self {
            folder: Folder::new("plugins".into(), SETTLE),
            versions: Versions::default(),
            ramps: false,
            meanwhile: None,
            reads: 0,
            deployed: Vec::new(),
            began: Instant::now(),
            passed: HOUR,
            inodes: 0,
            files: BTreeMap::new(),
            builds: HashMap::new(),
            told_of: HashMap::new(),
        }
    }

    // ---- what others do with the files -----------------------------------------------------------------------------

    /// Writes this over what is in the file, if it is there.
    pub(super) fn write(&mut self, name: &str, bytes: &str) {
        let inode = self.files.get(name).map(|file| file.inode);
        let inode = inode.unwrap_or_else(|| self.new_inode());
        let now = self.passed;
        let file =
            OnDisk { inode, bytes: bytes.to_owned(), modified: now, can_be_read: true, written: Some(now) };
        self.files.insert(name.to_owned(), file);
    }

    /// As `write`, and neither length nor time tell of it.
    pub(super) fn write_unnoticed(&mut self, name: &str, bytes: &str) {
        let modified = self.files[name].modified;
        assert_eq!(self.files[name].bytes.len(), bytes.len());
        self.write(name, bytes);
        self.files.get_mut(name).unwrap().modified = modified;
    }

    /// Writes a bit more into a file.
    pub(super) fn grow(&mut self, name: &str) {
        if let Some(file) = self.files.get(name) {
            let bytes = if file.bytes.contains(' ') { "x" } else { " x" };
            let bytes = format!("{}{bytes}", file.bytes);
            self.write(name, &bytes);
        }
    }

    /// Renames a file of an hour ago into the directory.
    pub(super) fn put(&mut self, name: &str, bytes: &str) {
        let (inode, modified) = (self.new_inode(), self.passed.saturating_sub(HOUR));
        let file = OnDisk { inode, bytes: bytes.to_owned(), modified, can_be_read: true, written: None };
        self.files.insert(name.to_owned(), file);
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) {
        if let Some(mut file) = self.files.remove(from) {
            file.written = None;
            self.files.insert(to.to_owned(), file);
        }
    }

    /// Gives a file a second name.
    pub(super) fn link(&mut self, from: &str, to: &str) {
        let OnDisk { inode, ref bytes, modified, can_be_read, written } = self.files[from];
        let file = OnDisk { inode, bytes: bytes.clone(), modified, can_be_read, written };
        self.files.insert(to.to_owned(), file);
    }

    pub(super) fn touch(&mut self, name: &str) {
        if let Some(file) = self.files.get_mut(name) {
            file.modified = self.passed;
        }
    }

    /// As if it had been written an hour ago.
    pub(super) fn date_back(&mut self, name: &str) {
        self.files.get_mut(name).unwrap().modified = self.passed.saturating_sub(HOUR);
    }

    pub(super) fn lock(&mut self, name: &str, locked: bool) {
        self.files.get_mut(name).unwrap().can_be_read = !locked;
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.files.remove(name);
    }

    /// The next file that is made gets the number of the last one, which is gone.
    pub(super) fn reuse_inode(&mut self) {
        self.inodes -= 1;
    }

    fn new_inode(&mut self) -> u64 {
        self.inodes += 1;
        self.inodes
    }

    // ---- what others do with the community -------------------------------------------------------------------------

    /// Somebody deploys this by hand.
    pub(super) fn deploy(&mut self, version: &str, bytes: &str) {
        self.builds.insert(version.to_owned(), Sha256::of(bytes.as_bytes()));
        self.versions.known.insert(version.to_owned());
        self.versions.current = Some(version.to_owned());
    }

    pub(super) fn roll_back_to(&mut self, version: &str) {
        self.versions.current = Some(version.to_owned());
        self.versions.is_rolling_out = false;
    }

    /// Ends the rollout of what was deployed last.
    pub(super) fn end_rollout(&mut self, is_promoted: bool) {
        if std::mem::take(&mut self.versions.is_rolling_out) && is_promoted {
            self.versions.current = self.deployed.last().map(|(number, _)| number.to_string());
        }
    }

    // ---- following -------------------------------------------------------------------------------------------------

    pub(super) fn pass(&mut self, time: Duration) {
        self.passed += time;
    }

    fn now(&self) -> Instant {
        self.began + self.passed
    }

    /// So many looks, half a second apart; what was told at them.
    pub(super) fn looks(&mut self, count: usize) -> Vec<String> {
        let look = |_| {
            self.pass(LOOK);
            self.look()
        };
        (0..count).flat_map(look).collect()
    }

    /// One look, and all that is done at it. Checks what must hold whatever happens.
    pub(super) fn look(&mut self) -> Vec<String> {
        let seen = self.files.iter().map(|(name, file)| Seen {
            name: OsString::from(name),
            stamp: Stamp {
                device: 1,
                inode: file.inode,
                bytes_len: file.bytes.len() as u64,
                modified: SystemTime::UNIX_EPOCH + BEGIN + file.modified,
            },
            age: self.passed.saturating_sub(file.modified),
        });
        let seen = seen.collect();
        self.folder.look(self.now(), seen);
        self.told_of.retain(|name, _| self.files.contains_key(name));
        let mut told = Vec::new();
        for name in self.folder.to_read(self.now()) {
            self.reads += 1;
            let found = self.read(name.to_str().unwrap());
            told.extend(self.folder.read(self.now(), &name, found));
        }
        if let Some(meanwhile) = self.meanwhile.take() {
            meanwhile(self);
        }
        let mut last = None;
        while let Some(next) = self.folder.next(&self.versions.clone()) {
            told.extend(match next {
                Next::Tell(news) => Some(news),
                Next::Deploy(release) => {
                    let outcome = self.try_to_deploy(&release);
                    if matches!(outcome, Outcome::Deployed | Outcome::RolloutBegun) {
                        let number = Number::parse(release.version().as_str()).unwrap();
                        assert!(last < Some(number.clone()), "{number} was deployed after {last:?}");
                        last = Some(number);
                    }
                    self.folder.done(self.now(), &release, outcome)
                }
                Next::Compare(release) => {
                    let outcome = self.compare(&release);
                    self.folder.done(self.now(), &release, outcome)
                }
            });
        }
        for news in &told {
            self.note(news);
        }
        told.iter().map(ToString::to_string).collect()
    }

    fn read(&self, name: &str) -> Found {
        let Some(file) = self.files.get(name) else { return Found::Nothing };
        if !file.can_be_read {
            return Found::Unreadable(Refused::Unreadable { path: Path::new("plugins").join(name) });
        }
        let version = file.bytes.split(' ').next().unwrap_or_default();
        let is_plugin = version.starts_with(|first: char| first.is_ascii_digit());
        let version = if is_plugin { Ok(version.to_owned()) } else { Err(Refused::NoNote) };
        Found::Bytes { sum: Sha256::of(file.bytes.as_bytes()), version }
    }

    /// The file of a release, if its bytes are what was read.
    fn open(&self, release: &Release) -> Option<&OnDisk> {
        let path = self.folder.path_of(release);
        let file = self.files.get(path.file_name()?.to_str()?)?;
        (Sha256::of(file.bytes.as_bytes()) == release.sum).then_some(file)
    }

    fn try_to_deploy(&mut self, release: &Release) -> Outcome {
        let Some(OnDisk { bytes, written, .. }) = self.open(release) else { return Outcome::Changed };
        let is_complete = written.is_none_or(|written| self.passed >= written + SETTLE);
        assert!(is_complete, "{bytes:?} was deployed while it was written");
        let version = release.version();
        if bytes.contains("fails") {
            return Outcome::Skipped(Skip::Deploy(DeployError::Start {
                version,
                why: "told to fail".to_owned(),
            }));
        }
        let number = Number::parse(version.as_str()).unwrap();
        let current = self.versions.current.as_ref().map(|current| Number::parse(current).unwrap());
        assert!(current.is_none_or(|current| current < number), "{number} is not newer");
        let deployed = (number, release.sum);
        assert!(!self.deployed.contains(&deployed), "{deployed:?} was deployed before");
        self.deployed.push(deployed);
        self.builds.insert(version.to_string(), release.sum);
        self.versions.known.insert(version.to_string());
        // The first of all has everything at once.
        if self.ramps && self.versions.current.is_some() {
            self.versions.is_rolling_out = true;
            return Outcome::RolloutBegun;
        }
        self.versions.current = Some(version.to_string());
        Outcome::Deployed
    }

    fn compare(&self, release: &Release) -> Outcome {
        let version = release.version();
        if self.open(release).is_none() {
            Outcome::Changed
        } else if self.builds[version.as_str()] == release.sum {
            Outcome::Before
        } else {
            Outcome::Skipped(Skip::Deploy(DeployError::OtherBuild { version }))
        }
    }

    // ---- what was told ---------------------------------------------------------------------------------------------

    /// Of the same bytes under the same name, something is told once.
    fn note(&mut self, news: &News) {
        let (News::Deployed { path, .. }
        | News::RolloutBegun { path, .. }
        | News::Skipped { path, .. }
        | News::Older { path, .. }
        | News::DeployedBefore { path, .. }) = news
        else {
            panic!("{news} is not of a file");
        };
        let name = path.file_name().unwrap().to_str().unwrap();
        let Some(OnDisk { bytes, can_be_read: true, .. }) = self.files.get(name) else { return };
        let before = self.told_of.insert(name.to_owned(), Sha256::of(bytes.as_bytes()));
        assert_ne!(before, Some(Sha256::of(bytes.as_bytes())), "{news}, though {bytes:?} was told of before");
    }

    /// The plugin files of whose bytes nothing was told.
    pub(super) fn untold(&self) -> Vec<&str> {
        let is_untold = |(name, file): &(&String, &OnDisk)| {
            Path::new(name).extension().is_some_and(|extension| extension == "so")
                && !name.starts_with('.')
                && self.told_of.get(*name) != Some(&Sha256::of(file.bytes.as_bytes()))
        };
        self.files.iter().filter(is_untold).map(|(name, _)| name.as_str()).collect()
    }
}
