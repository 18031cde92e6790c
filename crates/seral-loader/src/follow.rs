//! Follows a directory: looks, reads, deploys and tells, as [`folder`](crate::folder) decides.

use std::future::Future;
use std::future::pending;
use std::io::ErrorKind;
use std::mem;
use std::path::PathBuf;
use std::sync::Arc;

use seral::Community;
use seral::Rollout;
use seral::State;
use seral::deploy::Deploy;
use seral::view::VersionState;
use seral_plugin::Schema;
use seral_plugin::panics::Panic;
use seral_plugin::panics::catch;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinHandle;
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use tokio::time::MissedTickBehavior;
use tokio::time::interval;

use crate::directory::Directory;
use crate::disk;
use crate::folder::Folder;
use crate::folder::Next;
use crate::folder::Outcome;
use crate::folder::Release;
use crate::folder::Versions;
use crate::library::Library;
use crate::news::News;
use crate::news::Skip;

/// How many news are kept for a reader that is slow. A directory that is filled at once is told whole; one that nobody reads of costs no more.
const BACKLOG: usize = 256;

/// A directory cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FollowError {
    /// There is no such directory.
    #[error("expected a directory at {}, found nothing there; make it first, or check the path", .path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// It is something else.
    #[error("expected a directory at {}, found something else; name the directory that the files are in", .path.display())]
    NotADirectory {
        /// Where it is.
        path: PathBuf,
    },
    /// It cannot be read.
    #[error("expected to read the directory {}, found an error ({why}); see to that, then try again", .path.display())]
    Unreadable {
        /// Where it is.
        path: PathBuf,
        /// What the system said.
        why: ErrorKind,
    },
}

/// What follows directories.
pub trait Follow<J, O>: sealed::Sealed {
    /// Deploys what is in this directory, and what comes into it, until the [`Follower`] is dropped or the community is shut down, by itself or with its ecosystem.
    ///
    /// A file whose name ends in `.so` is deployed when it is complete: when it was renamed into the directory, or has been the same for a while. Several are
    /// deployed one after the other, the lowest version first, each with the plan of the directory. Versions are compared as those of packages are; of two that
    /// differ in their build metadata alone, by that.
    ///
    /// What is not newer than the current version is left alone, and so is each version that the community has had: who rolls back finds nothing undone. What
    /// is no plugin, or does not start, is skipped until its bytes change. Each of these is told once.
    ///
    /// # Errors
    ///
    /// The directory cannot be read. If that happens later, it is [told](News::Unreadable) and tried again.
    fn follow(
        &self,
        directory: Directory<J, O>,
    ) -> impl Future<Output = Result<Follower, FollowError>> + Send;
}

mod sealed {
    pub trait Sealed {}
    impl<J, O> Sealed for seral::Community<J, O> {}
}

impl<J, O> Follow<J, O> for Community<J, O>
where
    J: Schema + Serialize + Send + Sync + 'static,
    O: Schema + DeserializeOwned + Send + 'static,
{
    async fn follow(&self, directory: Directory<J, O>) -> Result<Follower, FollowError> {
        let path = directory.path.clone();
        let looked = blocking(move || disk::look(&path)).await;
        if let Some(Err(why)) = looked {
            return Err(refusal(directory.path, why.kind()));
        }
        let (tell, news) = broadcast::channel(BACKLOG);
        let folder = Folder::new(directory.path.clone(), directory.settle);
        let following =
            Following { community: self.clone(), directory, folder, rollout: None, is_lost: false, tell };
        Ok(Follower { news, task: tokio::spawn(following.until_closed()) })
    }
}

fn refusal(path: PathBuf, why: ErrorKind) -> FollowError {
    match why {
        ErrorKind::NotFound => FollowError::Missing { path },
        ErrorKind::NotADirectory => FollowError::NotADirectory { path },
        why => FollowError::Unreadable { path, why },
    }
}

/// A directory that is followed. Dropped, it is not followed any more; what was deployed stays, and a deploy that has begun is finished.
///
/// It ends by itself when the community is shut down, or its ecosystem is.
#[derive(Debug)]
#[must_use = "the directory is followed until this is dropped"]
pub struct Follower {
    news: broadcast::Receiver<News>,
    task: JoinHandle<()>,
}

impl Follower {
    /// What happens next, from the beginning; `None` when it has ended. Of the last 256: a reader that is slower gets [`News::Missed`]. All of it goes to the
    /// subscriber of `tracing` as well, so nobody needs to read here.
    ///
    /// Cancel safe.
    pub async fn next(&mut self) -> Option<News> {
        match self.news.recv().await {
            Ok(news) => Some(news),
            Err(RecvError::Lagged(missed)) => Some(News::Missed(missed)),
            Err(RecvError::Closed) => None,
        }
    }

    /// Ends it, and waits until that is so: nothing more is deployed. A deploy that has begun is finished by the community.
    pub async fn stop(mut self) {
        self.task.abort();
        // It was aborted, or had ended before.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What the task has.
struct Following<J, O> {
    community: Community<J, O>,
    directory: Directory<J, O>,
    folder: Folder,
    /// The rollout that it has begun, until it ends.
    rollout: Option<Rollout<J, O>>,
    /// Whether the directory could not be read at the last look.
    is_lost: bool,
    tell: broadcast::Sender<News>,
}

impl<J, O> Following<J, O>
where
    J: Schema + Serialize + Send + Sync + 'static,
    O: Schema + DeserializeOwned + Send + 'static,
{
    async fn until_closed(mut self) {
        let community = self.community.clone();
        tokio::select! {
            biased;
            () = community.closed() => {}
            () = self.go_on() => {}
        }
    }

    async fn go_on(&mut self) {
        let mut looks = interval(self.directory.look_every);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                news = end_of(self.rollout.as_ref()) => {
                    self.rollout = None;
                    self.tell(news);
                }
                _ = looks.tick() => self.look().await,
            }
            while self.do_next().await {}
        }
    }

    async fn look(&mut self) {
        let path = self.folder.path().to_owned();
        let seen = blocking(move || disk::look(&path)).await;
        let path = self.folder.path().to_owned();
        match seen {
            None => return,
            Some(Err(why)) => {
                if !mem::replace(&mut self.is_lost, true) {
                    self.tell(News::Unreadable { path, why: why.kind() });
                }
                return;
            }
            Some(Ok(seen)) => self.folder.look(now(), seen),
        }
        if mem::take(&mut self.is_lost) {
            self.tell(News::Readable { path: path.clone() });
        }
        for name in self.folder.to_read(now()) {
            let path = path.join(&name);
            if let Some(found) = blocking(move || disk::read(&path)).await
                && let Some(news) = self.folder.read(now(), &name, found)
            {
                self.tell(news);
            }
        }
    }

    /// Returns whether there may be more to do at once.
    async fn do_next(&mut self) -> bool {
        let (versions, revision) = self.versions();
        let (release, is_new) = match self.folder.next(&versions) {
            None => return false,
            Some(Next::Tell(news)) => {
                self.tell(news);
                return true;
            }
            Some(Next::Deploy(release)) => (release, true),
            Some(Next::Compare(release)) => (release, false),
        };
        let outcome = match self.open(&release).await {
            Err(outcome) => Some(outcome),
            Ok(library) if is_new => self.deploy(&release, &library, revision).await,
            Ok(library) => self.compare(&release, &library),
        };
        // Without an outcome it waits for the next look, lest it be tried again and again.
        let Some(outcome) = outcome else { return false };
        if let Some(news) = self.folder.done(now(), &release, outcome) {
            self.tell(news);
        }
        true
    }

    /// What the community has, and the revision of its table.
    fn versions(&self) -> (Versions, u64) {
        let view = self.community.describe();
        let is_rolling_out = view.rollout.is_some() || self.rollout.is_some();
        let was_there = |state: VersionState| !matches!(state, VersionState::Loading | VersionState::Failed);
        let known = view.versions.into_iter().filter(|version| was_there(version.state));
        let known = known.map(|version| version.name).collect();
        (Versions { current: view.current, known, is_rolling_out }, view.revision)
    }

    /// The library in the file, if its bytes are still those that were read.
    async fn open(&self, release: &Release) -> Result<Library, Outcome> {
        let (path, sum) = (self.folder.path_of(release), release.sum);
        let prepare = Arc::clone(&self.directory.prepare);
        let opened = blocking(move || {
            let library = Library::open(path).and_then(|library| library.sha256(sum));
            // It could be read before.
            let library = library.map_err(|_| Outcome::Changed)?;
            match catch(|| prepare(library)) {
                Ok(prepared) => prepared.map_err(|why| unprepared(why.to_string())),
                Err(panic) => Err(panicked(panic)),
            }
        });
        opened.await.unwrap_or(Err(Outcome::Changed))
    }

    fn deploy_of(&self, release: &Release, library: &Library) -> Deploy<J, O> {
        self.community.deploy(release.version(), library.pool(self.directory.workers))
    }

    /// `None` if it is to be tried again.
    async fn deploy(&mut self, release: &Release, library: &Library, revision: u64) -> Option<Outcome> {
        // What was decided by one table is not done on another, such as that of a rollback meanwhile.
        let deploy = self.deploy_of(release, library).at(revision);
        let Some(roll_out) = &self.directory.roll_out else {
            return Outcome::of_deploy(deploy.await.map(|deployment| deployment.state));
        };
        let ramp = match catch(|| roll_out(deploy)) {
            Ok(ramp) => ramp,
            Err(panic) => return Some(panicked(panic)),
        };
        let rollout = ramp.await;
        let state = rollout.as_ref().map(|rollout| rollout.deployment().state).map_err(Clone::clone);
        if let Ok(rollout) = rollout
            && state == Ok(State::Ramping)
        {
            self.rollout = Some(rollout);
        }
        Outcome::of_deploy(state)
    }

    /// Asks whether it is the build that the community has had of its version.
    fn compare(&self, release: &Release, library: &Library) -> Option<Outcome> {
        match self.deploy_of(release, library).dry_run() {
            Ok(_) => Some(Outcome::Before),
            Err(why) => Outcome::of_deploy(Err(why)),
        }
    }

    fn tell(&self, news: News) {
        let community = self.community.name();
        if news.is_bad() {
            tracing::warn!(target: "seral", community, "{news}");
        } else {
            tracing::info!(target: "seral", community, "{news}");
        }
        // Nobody may be listening.
        let _ = self.tell.send(news);
    }
}

/// Waits for the end of a rollout, if there is one.
async fn end_of<J, O>(rollout: Option<&Rollout<J, O>>) -> News
where
    J: Send + Sync + 'static,
    O: Send + 'static,
{
    match rollout {
        Some(rollout) => {
            News::RolloutEnded { version: rollout.version().clone(), end: rollout.ended().await }
        }
        None => pending().await,
    }
}

/// Runs what blocks. `None` if the runtime is ending.
async fn blocking<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    spawn_blocking(run).await.ok()
}

fn unprepared(why: String) -> Outcome {
    Outcome::Skipped(Skip::Unprepared { why })
}

fn panicked(panic: Panic) -> Outcome {
    unprepared(format!("it panicked: {}", panic.text))
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}
