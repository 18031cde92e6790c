//! A directory that is followed, with real files. Which of them is complete, and which comes next, is tested in each situation with the machine that
//! decides it; here, that it is asked and obeyed.
//!
//! The clock stands still but for waiting, so minutes pass at once; it runs while something is to be deployed, since libraries are opened on threads for which
//! a clock that is stopped does not wait.
//!
//! Seen failing: no settling time; the highest version first; links that are not followed; a sum that is not insisted on; a deploy that names no revision, and a
//! conflict that skips the file; a version taken for known that never started; a panic that is not caught; rollouts that are not waited for, and one's own that is
//! forgotten; workers, plan or preparation ignored; a closing community not heard of, or too late; a follower that goes on after its drop, or its stop; a
//! directory that is told of at each look; another backlog.

use std::fs;
use std::fs::File;
use std::future::Future;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use std::time::SystemTime;

use payload::Mood;
use payload::Script;
use payload::Task;
use seral::BoxError;
use seral::ShutdownReport;
use seral::prelude::*;
use seral::view::VersionState;
use seral_loader::Directory;
use seral_loader::Follow;
use seral_loader::Follower;
use seral_loader::Library;
use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time;

use crate::host::MINUTE;
use crate::host::community;
use crate::host::linked;
use crate::host::scripted;
use crate::host::scripted_as;

const HOUR: Duration = Duration::from_secs(3_600);
const LOOK: Duration = Duration::from_secs(1);
/// Time for all that could be told still.
const WHILE: Duration = Duration::from_secs(300);

/// The directory, and another beside it from which files are renamed into it.
struct Folder {
    path: PathBuf,
    beside: PathBuf,
    _both: TempDir,
}

impl Folder {
    fn new() -> Self {
        let both = tempfile::tempdir().unwrap();
        let (path, beside) = (both.path().join("plugins"), both.path().join("beside"));
        fs::create_dir(&path).unwrap();
        fs::create_dir(&beside).unwrap();
        Self { path, beside, _both: both }
    }

    /// Made with the usual configuration.
    fn directory(&self) -> Directory<Task, String> {
        self.directory_with(|_| Script::default())
    }

    fn directory_with(
        &self,
        script: impl Fn(&Library) -> Script + Send + Sync + 'static,
    ) -> Directory<Task, String> {
        let prepare = move |library: Library| {
            let script = script(&library);
            Ok(library.config(&script)?)
        };
        Directory::new(&self.path).look_every(LOOK).settle(MINUTE).library(prepare)
    }

    /// Renames this version into it, that was built an hour ago.
    fn put(&self, version: &str) -> PathBuf {
        self.put_file(&scripted_as(version, &self.beside), &format!("{version}.so"))
    }

    fn put_bytes(&self, bytes: &[u8], name: &str) -> PathBuf {
        let path = self.beside.join(name);
        fs::write(&path, bytes).unwrap();
        self.put_file(&path, name)
    }

    fn put_file(&self, from: &Path, name: &str) -> PathBuf {
        let file = File::options().write(true).open(from).unwrap();
        file.set_modified(SystemTime::now() - HOUR).unwrap();
        let to = self.path.join(name);
        fs::rename(from, &to).unwrap();
        to
    }
}

/// What is told next, when so much time has passed; with the clock running.
async fn told_after(follower: &mut Follower, passed: Duration) -> String {
    time::advance(passed).await;
    time::resume();
    let told = time::timeout(MINUTE, follower.next()).await;
    time::pause();
    told.expect("nothing is told").map_or_else(|| "the end".to_owned(), |news| news.to_string())
}

async fn told(follower: &mut Follower) -> String {
    told_after(follower, LOOK).await
}

/// Whether nothing is told in so much time.
async fn is_quiet(follower: &mut Follower, time: Duration) -> bool {
    match time::timeout(time, follower.next()).await {
        Ok(news) => panic!("{news:?} was told"),
        Err(_) => true,
    }
}

/// Which version is current, and works.
async fn current(orders: &Community<Task, String>) -> String {
    assert_eq!(orders.ask(Task::Say("hello".to_owned())).await.unwrap(), "hello");
    orders.describe().current.unwrap_or_default()
}

fn is_current(version: &str, path: &Path) -> String {
    format!("version {version} is current, from {}", path.display())
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_grows_is_deployed_when_it_is_whole() {
    let (shop, folder) = (Ecosystem::new("shop"), Folder::new());
    let orders = community(&shop).await;
    let mut follower = orders.follow(folder.directory().workers(2)).await.unwrap();
    assert!(is_quiet(&mut follower, MINUTE).await);
    let bytes = fs::read(scripted()).unwrap();
    let path = folder.path.join("1.0.0.so");
    let mut copy = File::create(&path).unwrap();
    for slice in bytes.chunks(bytes.len() / 9) {
        copy.write_all(slice).unwrap();
        assert!(is_quiet(&mut follower, MINUTE / 2).await);
    }
    // The last slice has been there for half a minute.
    assert!(is_quiet(&mut follower, MINUTE / 3).await);
    assert_eq!(told_after(&mut follower, MINUTE).await, is_current("1.0.0", &path));
    assert_eq!(current(&orders).await, "1.0.0");
    assert_eq!(orders.describe().version("1.0.0").unwrap().workers, 2);
    assert!(is_quiet(&mut follower, WHILE).await);
}

#[tokio::test(start_paused = true)]
async fn what_is_renamed_in_is_deployed_at_once_and_in_order() {
    let (shop, folder) = (Ecosystem::new("shop"), Folder::new());
    let orders = community(&shop).await;
    let paths = ["1.2.0", "1.1.0"].map(|version| folder.put(version));
    let mut follower = orders.follow(folder.directory()).await.unwrap();
    assert_eq!(told(&mut follower).await, is_current("1.1.0", &paths[1]));
    assert_eq!(told(&mut follower).await, is_current("1.2.0", &paths[0]));
    assert_eq!(current(&orders).await, "1.2.0");
    // Over one that is in use.
    let path = folder.put_file(&scripted_as("1.3.0", &folder.beside), "1.2.0.so");
    assert_eq!(told(&mut follower).await, is_current("1.3.0", &path));
    assert_eq!(current(&orders).await, "1.3.0");
    // By a link.
    let linked = scripted_as("1.4.0", &folder.beside);
    File::options().write(true).open(&linked).unwrap().set_modified(SystemTime::now() - HOUR).unwrap();
    symlink(&linked, folder.path.join("link.so")).unwrap();
    assert_eq!(told(&mut follower).await, is_current("1.4.0", &folder.path.join("link.so")));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_has_changed_since_it_was_read_is_not_deployed_as_it_was() {
    let (shop, folder) = (Ecosystem::new("shop"), Folder::new());
    let orders = community(&shop).await;
    let paths = ["1.0.0", "1.1.0"].map(|version| folder.put(version));
    let (from, to) = (scripted_as("1.2.0", &folder.beside), paths[1].clone());
    // Both have been read when the first of them is deployed.
    let script = move |library: &Library| {
        if library.version() == "1.0.0" {
            fs::copy(&from, &to).unwrap();
        }
        Script::default()
    };
    let mut follower = orders.follow(folder.directory_with(script)).await.unwrap();
    assert_eq!(told(&mut follower).await, is_current("1.0.0", &paths[0]));
    assert!(is_quiet(&mut follower, MINUTE).await);
    assert_eq!(told_after(&mut follower, MINUTE).await, is_current("1.2.0", &paths[1]));
}

#[tokio::test(start_paused = true)]
async fn a_bad_file_is_told_of_once_and_holds_up_nothing() {
    let (shop, folder) = (Ecosystem::new("shop"), Folder::new());
    let orders = community(&shop).await;
    let text = folder.put_bytes(b"hello", "a.so");
    let bytes = fs::read(scripted()).unwrap();
    let half = folder.put_bytes(&bytes[..bytes.len() / 2], "b.so");
    let good = folder.put("1.0.0");
    fs::create_dir(folder.path.join("directory.so")).unwrap();
    symlink("nowhere", folder.path.join("link.so")).unwrap();
    let mut follower = orders.follow(folder.directory()).await.unwrap();
    let expected =
        format!("{} is skipped: expected a library (an ELF file), found 5 byte(s)", text.display());
    assert!(told(&mut follower).await.starts_with(&expected));
    let expected = format!("{} is skipped: expected a whole library, found a damaged", half.display());
    assert!(told(&mut follower).await.starts_with(&expected));
    assert_eq!(told(&mut follower).await, is_current("1.0.0", &good));
    assert!(is_quiet(&mut follower, WHILE).await);
}

#[tokio::test(start_paused = true)]
async fn a_version_that_does_not_start_is_told_of_once_and_deployed_when_it_is_mended() {
    let (shop, folder) = (Ecosystem::new("shop"), Folder::new());
    let orders = community(&shop).await;
    orders.deploy("1.0.0", linked(1)).await.unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let script = move |_: &Library| match counted.fetch_add(1, SeqCst) {
        0 => Script { start: Mood::Fails, ..Script::default() },
        1 => panic!("at the second"),
        _ => Script::default(),
    };
    let path = folder.put("2.0.0");
    let mut follower = orders.follow(folder.directory_with(script)).await.unwrap();
    let skipped = format!("{} is skipped: ", path.display());
    let why = told(&mut follower).await;
    assert!(why.starts_with(&skipped) && why.contains("told to fail"), "{why}");
    assert!(is_quiet(&mut follower, WHILE).await);
    let mut bytes = fs::read(&path).unwrap();
    for expected in [Some("it panicked: at the second"), None] {
        // What is behind the end of a library is of no account.
        bytes.push(0);
        folder.put_bytes(&bytes, "2.0.0.so");
        let told = told(&mut follower).await;
        match expected {
            Some(why) => assert!(told.starts_with(&skipped) && told.contains(why), "{told}"),
            None => assert_eq!(told, is_current("2.0.0", &path)),
        }
    }
    assert_eq!(current(&orders).await, "2.0.0");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_newer_than_the_current_version_is_left_alone() {
    let (shop, folder) = (Ecosystem::new("shop"), Folder::new());
    let orders = community(&shop).await;
    orders.deploy("2.0.0", linked(1)).await.unwrap();
    let paths = ["1.9.0", "2.0.0"].map(|version| folder.put(version));
    let mut follower = orders.follow(folder.directory()).await.unwrap();
    let older = "is left alone: its version 1.9.0 is older than 2.0.0, which is current";
    assert_eq!(told(&mut follower).await, format!("{} {older}", paths[0].display()));
    // What was deployed by hand was another build.
    let other =
        "is skipped: version 2.0.0 was deployed before with another build; give the new build a new name";
    assert_eq!(told(&mut follower).await, format!("{} {other}", paths[1].display()));
    assert!(is_quiet(&mut follower, WHILE).await);
    assert_eq!(current(&orders).await, "2.0.0");
}

#[tokio::test(start_paused = true)]
async fn a_rollback_is_not_undone_and_the_next_version_is_deployed() {
    let (shop, folder) = (Ecosystem::new("shop"), Folder::new());
    let orders = community(&shop).await;
    orders.deploy("1.0.0", linked(1)).await.unwrap();
    let bad = folder.put("2.0.0");
    let mut follower = orders.follow(folder.directory()).await.unwrap();
    assert_eq!(told(&mut follower).await, is_current("2.0.0", &bad));
    orders.rollback().await.unwrap();
    let touched = SystemTime::now() - HOUR / 2;
    File::options().write(true).open(&bad).unwrap().set_modified(touched).unwrap();
    assert!(is_quiet(&mut follower, WHILE).await);
    // One that knows nothing of it asks the community.
    follower.stop().await;
    let mut follower = orders.follow(folder.directory()).await.unwrap();
    let left = format!("{} is left alone: its version 2.0.0 was deployed before", bad.display());
    assert_eq!(told(&mut follower).await, left);
    assert_eq!(current(&orders).await, "1.0.0");
    let good = folder.put("1.0.1");
    assert_eq!(told(&mut follower).await, is_current("1.0.1", &good));
}

#[tokio::test(start_paused = true)]
async fn a_rollback_while_a_version_loads_ends_it_for_good() {
    let (shop, folder) = (Ecosystem::new("shop"), Folder::new());
    let orders = community(&shop).await;
    orders.deploy("1.0.0", linked(1)).await.unwrap();
    let path = folder.put("2.0.0");
    let hangs = |_: &Library| Script { start: Mood::Hangs, ..Script::default() };
    let mut events = orders.events();
    let mut follower = orders.follow(folder.directory_with(hangs)).await.unwrap();
    time::resume();
    while orders.describe().version("2.0.0").is_none_or(|version| version.state != VersionState::Loading) {
        events.next().await.unwrap();
    }
    orders.rollback().await.unwrap();
    time::pause();
    let why = told(&mut follower).await;
    assert!(why.starts_with(&format!("{} is skipped: a rollback", path.display())), "{why}");
    assert!(is_quiet(&mut follower, WHILE).await);
}

#[tokio::test(start_paused = true)]
async fn what_a_person_deploys_meanwhile_is_not_replaced_by_something_older() {
    let (shop, folder) = (Ecosystem::new("shop"), Folder::new());
    let orders = community(&shop).await;
    orders.deploy("1.0.0", linked(1)).await.unwrap();
    let path = folder.put("2.0.0");
    let person = orders.clone();
    // Between the decision and the deploy.
    let script = move |_: &Library| {
        Handle::current().block_on(async { person.deploy("3.0.0", linked(1)).await }).unwrap();
        Script::default()
    };
    let mut follower = orders.follow(folder.directory_with(script)).await.unwrap();
    let older = "is left alone: its version 2.0.0 is older than 3.0.0, which is current";
    assert_eq!(told(&mut follower).await, format!("{} {older}", path.display()));
    assert!(orders.describe().version("2.0.0").is_none());
}

#[tokio::test(start_paused = true)]
async fn the_next_version_waits_for_the_end_of_a_rollout() {
    let (shop, folder) = (Ecosystem::new("shop"), Folder::new());
    let orders = community(&shop).await;
    orders.deploy("1.0.0", linked(1)).await.unwrap();
    let paths = ["1.1.0", "1.2.0"].map(|version| folder.put(version));
    let directory = folder.directory().plan(|deploy| deploy.by("the directory").ramp([50, 100]).by_hand());
    let mut follower = orders.follow(directory).await.unwrap();
    let begun = |version: &str, path: &Path| {
        format!("the rollout of version {version} has begun, from {}", path.display())
    };
    assert_eq!(told(&mut follower).await, begun("1.1.0", &paths[0]));
    assert_eq!(orders.changes().last().unwrap().by.as_deref(), Some("the directory"));
    assert!(is_quiet(&mut follower, WHILE).await);
    orders.abort().await.unwrap();
    assert_eq!(told(&mut follower).await, "the rollout of version 1.1.0 has ended: aborted");
    assert_eq!(told(&mut follower).await, begun("1.2.0", &paths[1]));
    orders.promote("1.2.0").await.unwrap();
    assert_eq!(told(&mut follower).await, "the rollout of version 1.2.0 has ended: promoted");
    assert!(is_quiet(&mut follower, WHILE).await);
    assert_eq!(current(&orders).await, "1.2.0");
}

#[tokio::test(start_paused = true)]
async fn what_was_deployed_stays_when_the_follower_is_dropped_or_stopped() {
    for stops in [false, true] {
        let (shop, folder) = (Ecosystem::new("shop"), Folder::new());
        let orders = community(&shop).await;
        let path = folder.put("1.0.0");
        let mut follower = orders.follow(folder.directory()).await.unwrap();
        assert_eq!(told(&mut follower).await, is_current("1.0.0", &path));
        if stops {
            follower.stop().await;
        } else {
            drop(follower);
        }
        folder.put("2.0.0");
        time::sleep(WHILE).await;
        assert_eq!(current(&orders).await, "1.0.0");
        assert_eq!(orders.describe().versions.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn it_ends_with_the_ecosystem_and_does_not_hold_it_up() {
    ends(|shop, _| Box::pin(async move { shop.shutdown(MINUTE).await })).await;
}

#[tokio::test(start_paused = true)]
async fn it_ends_with_the_community_alone_and_does_not_hold_it_up() {
    ends(|_, orders| Box::pin(async move { orders.shutdown(MINUTE).await })).await;
}

type Ending = Pin<Box<dyn Future<Output = ShutdownReport> + Send>>;

async fn ends(shut_down: impl FnOnce(Ecosystem, Community<Task, String>) -> Ending) {
    let (shop, folder) = (Ecosystem::new("shop"), Folder::new());
    let orders = community(&shop).await;
    let gate = Arc::new(Notify::new());
    let opened = Arc::clone(&gate);
    let waits = move |_: Task, _| {
        let opened = Arc::clone(&opened);
        async move {
            opened.notified().await;
            Ok(String::new())
        }
    };
    orders.deploy("1.0.0", Pool::of_fn(1, waits)).await.unwrap();
    orders.send(Task::Facts).await.unwrap();
    folder.put("1.1.0");
    let kept = Arc::new(());
    let seen = Arc::downgrade(&kept);
    let script = move |_: &Library| {
        let _ = &kept;
        Script::default()
    };
    // In the middle of a rollout that waits for a person.
    let directory = folder.directory_with(script).plan(|deploy| deploy.ramp([50, 100]).by_hand());
    let mut follower = orders.follow(directory).await.unwrap();
    assert!(told(&mut follower).await.starts_with("the rollout of version 1.1.0 has begun"));
    folder.put("1.2.0");
    time::resume();
    let shutdown = tokio::spawn(shut_down(shop.clone(), orders.clone()));
    // Before the last job is done.
    assert_eq!(time::timeout(MINUTE / 2, follower.next()).await, Ok(None));
    gate.notify_one();
    let report = shutdown.await.unwrap();
    assert!(report.is_clean() && report.took < MINUTE / 2, "{report}");
    assert!(seen.upgrade().is_none(), "the task has ended, and let go of what it was given");
    assert!(orders.describe().version("1.2.0").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_is_not_there_is_an_error_at_the_start_and_news_later() {
    let (shop, folder) = (Ecosystem::new("shop"), Folder::new());
    let orders = community(&shop).await;
    let nowhere = folder.path.join("nowhere");
    let error = orders.follow(Directory::new(&nowhere)).await.unwrap_err().to_string();
    let missing = "found nothing there; make it first, or check the path";
    assert_eq!(error, format!("expected a directory at {}, {missing}", nowhere.display()));
    let file = folder.put_bytes(b"hello", "file");
    let error = orders.follow(Directory::new(&file)).await.unwrap_err().to_string();
    assert!(error.contains("found something else"), "{error}");

    let path = folder.put("1.0.0");
    let mut follower = orders.follow(folder.directory()).await.unwrap();
    assert_eq!(told(&mut follower).await, is_current("1.0.0", &path));
    let away = folder.beside.join("away");
    for _ in 0..2 {
        fs::rename(&folder.path, &away).unwrap();
        let lost = format!("the directory {} cannot be read (", folder.path.display());
        assert!(told(&mut follower).await.starts_with(&lost));
        assert!(is_quiet(&mut follower, WHILE).await);
        fs::rename(&away, &folder.path).unwrap();
        let found = format!("the directory {} can be read again", folder.path.display());
        assert_eq!(told(&mut follower).await, found);
        assert!(is_quiet(&mut follower, WHILE).await);
    }
}

#[tokio::test(start_paused = true)]
async fn of_the_news_that_nobody_reads_the_last_are_kept() {
    let (shop, folder) = (Ecosystem::new("shop"), Folder::new());
    let orders = community(&shop).await;
    for number in 0..300 {
        folder.put_bytes(b"hello", &format!("{number:03}.so"));
    }
    let mut follower = orders.follow(folder.directory()).await.unwrap();
    time::sleep(MINUTE).await;
    assert_eq!(follower.next().await.unwrap().to_string(), "44 news were missed");
    for number in 44..300 {
        assert!(follower.next().await.unwrap().to_string().contains(&format!("{number:03}.so is skipped")));
    }
    assert!(is_quiet(&mut follower, WHILE).await);
}

#[tokio::test(start_paused = true)]
async fn a_library_that_cannot_be_prepared_is_skipped() {
    let (shop, folder) = (Ecosystem::new("shop"), Folder::new());
    let orders = community(&shop).await;
    let path = folder.put("1.0.0");
    let directory = folder.directory().library(|_| Err(BoxError::from("no prices today")));
    let mut follower = orders.follow(directory).await.unwrap();
    let why = "expected a library that can be prepared for its deploy, found that it cannot (no prices today); see to that in the program";
    assert_eq!(told(&mut follower).await, format!("{} is skipped: {why}", path.display()));
    assert!(is_quiet(&mut follower, WHILE).await);
}
