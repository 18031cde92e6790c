//! What a person does with dead letters: look, choose, replay, discard.
//!
//! [`DeadLetters`] is a choice, at first of all letters, that each filter makes smaller; the last call of the sentence acts on what was chosen:
//!
//! ```
//! # use seral::prelude::*;
//! # async fn cure(orders: Community<u64, u64>) -> Result<(), BoxError> {
//! println!("{}", orders.dead_letters().version("2.0.0").preview());
//! orders.dead_letters().version("2.0.0").replay().pace(100).await?; // 100 a second, to the current version
//! # Ok(())
//! # }
//! ```

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;

use seral_core::fingerprint::Fingerprint;
use seral_core::id::JobId;
use seral_core::id::Key;
use seral_core::id::Version;
use seral_core::retry::Cause;
use seral_core::time::Stamp;

use crate::dead_letter::DeadLetter;
use crate::dead_letter::Slip;
use crate::error::ReplayError;
use crate::error::SendError;
use crate::event::Event;
use crate::history::History;
use crate::job::Envelope;
use crate::job::Extras;
use crate::letter_view::DeadLetterGroup;
use crate::letter_view::DeadLetterView;
use crate::letter_view::Preview;
use crate::placement::Unservable;
use crate::plane::DataPlane;
use crate::plane::Sleeping;

type Wanted<J> = Box<dyn Fn(&DeadLetter<J>) -> bool + Send + Sync>;

/// Some dead letters of a community, see the [module](self). Choosing costs nothing until the last call; nothing is held meanwhile.
#[must_use = "a choice does nothing until it is looked at, replayed or discarded"]
pub struct DeadLetters<J, O> {
    plane: Arc<DataPlane<J, O>>,
    wanted: Vec<Wanted<J>>,
}

impl<J, O> fmt::Debug for DeadLetters<J, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetters").field("community", &self.plane.name).finish_non_exhaustive()
    }
}

impl<J: Send + Sync + 'static, O: Send + 'static> DeadLetters<J, O> {
    pub(crate) fn all(plane: &Arc<DataPlane<J, O>>) -> Self {
        Self { plane: Arc::clone(plane), wanted: Vec::new() }
    }

    // ---- choosing --------------------------------------------------------------------------------------------------

    /// Of these, the one of this job.
    pub fn job(self, id: JobId) -> Self {
        self.which(move |letter| letter.id == id)
    }

    /// Of these, those with this key.
    pub fn key(self, key: impl Into<Key>) -> Self {
        let key = key.into();
        self.which(move |letter| letter.key.as_ref() == Some(&key))
    }

    /// Of these, those whose last attempt was made by this version, or that named it.
    pub fn version(self, version: impl Into<Version>) -> Self {
        let version = version.into();
        self.which(move |letter| letter.version.as_ref() == Some(&version))
    }

    /// Of these, those that were set aside for this cause.
    pub fn cause(self, cause: Cause) -> Self {
        self.which(move |letter| letter.cause == cause)
    }

    /// Of these, those that failed in this way; see [`groups`](Self::groups).
    pub fn fingerprint(self, fingerprint: Fingerprint) -> Self {
        self.which(move |letter| letter.fingerprint == fingerprint)
    }

    /// Of these, those that were set aside at this time or later.
    pub fn since(self, time: SystemTime) -> Self {
        self.which(move |letter| letter.died >= time)
    }

    /// Of these, those that were set aside before this time.
    pub fn before(self, time: SystemTime) -> Self {
        self.which(move |letter| letter.died < time)
    }

    /// Of these, those that `wanted` accepts. It runs under a lock: it must be quick, and must not call this community.
    pub fn which(mut self, wanted: impl Fn(&DeadLetter<J>) -> bool + Send + Sync + 'static) -> Self {
        self.wanted.push(Box::new(wanted));
        self
    }

    fn accepts(&self) -> impl Fn(&DeadLetter<J>) -> bool + '_ {
        |letter| self.wanted.iter().all(|wanted| wanted(letter))
    }

    // ---- looking ---------------------------------------------------------------------------------------------------

    /// How many there are.
    pub fn count(&self) -> usize {
        self.plane.dead.select(self.accepts()).len()
    }

    /// What is known of each, without the job itself, the oldest first.
    pub fn list(&self) -> Vec<DeadLetterView> {
        let mut views = Vec::new();
        self.for_each(|letter| views.push(DeadLetterView::of(letter)));
        views
    }

    /// Calls `look` with each, the oldest first. It runs under a lock: it must be quick, and must not call this community.
    pub fn for_each(&self, mut look: impl FnMut(&DeadLetter<J>)) {
        let accepts = self.accepts();
        self.plane.dead.for_each(|letter| {
            if accepts(letter) {
                look(letter);
            }
        });
    }

    /// Grouped by the way in which they failed, the largest group first.
    pub fn groups(&self) -> Vec<DeadLetterGroup> {
        let mut groups: BTreeMap<Fingerprint, (DeadLetterGroup, BTreeSet<String>)> = BTreeMap::new();
        self.for_each(|letter| {
            let (group, versions) = groups
                .entry(letter.fingerprint)
                .or_insert_with(|| (DeadLetterGroup::begun_by(letter), BTreeSet::new()));
            group.count += 1;
            group.first = group.first.min(letter.died);
            group.last = group.last.max(letter.died);
            versions.extend(letter.version.as_ref().map(ToString::to_string));
        });
        let mut groups: Vec<_> = groups
            .into_values()
            .map(|(group, versions)| DeadLetterGroup { versions: versions.into_iter().collect(), ..group })
            .collect();
        groups.sort_by(|a, b| b.count.cmp(&a.count).then(a.first.cmp(&b.first)));
        groups
    }

    /// What a replay or a discard would concern: how many, how old, and why.
    pub fn preview(&self) -> Preview {
        let now = self.plane.root.clock.by_calendar();
        Preview::of(self.groups(), now)
    }

    // ---- acting ----------------------------------------------------------------------------------------------------

    /// Takes them out: they are the caller's now.
    pub fn take(self) -> Vec<DeadLetter<J>> {
        self.plane.dead.take(self.accepts())
    }

    /// Gives them up, for good. Returns how many.
    pub fn discard(self) -> usize {
        let jobs = self.plane.dead.discard(self.accepts());
        if jobs > 0 {
            self.plane.tell(|community| Event::DeadLettersDiscarded { community, jobs });
        }
        jobs
    }

    /// Lets them be processed again. Await it to begin; settings come first.
    pub fn replay(self) -> Replay<J, O> {
        Replay { letters: self, to: None, per_second: None }
    }
}

/// A replay about to be made; see [`DeadLetters::replay`].
///
/// Each letter becomes a job again, with its number, its key and its history, and all its attempts before it; without a deadline, and without
/// anybody who waits for it. It goes to the end of the mailbox of the version that the routing table names. A replay waits for room as a
/// [`send`](crate::Community::send) does.
///
/// Cancel safe: a letter is in its place or on its way, never lost; what was not replayed stays where it was.
#[must_use = "letters are replayed when this is awaited"]
pub struct Replay<J, O> {
    letters: DeadLetters<J, O>,
    to: Option<Version>,
    per_second: Option<u32>,
}

impl<J, O> Replay<J, O> {
    /// To this version and no other. Default = wherever the routing table sends new jobs, also if the letter had named a version.
    pub fn to(mut self, version: impl Into<Version>) -> Self {
        self.to = Some(version.into());
        self
    }

    /// At most so many a second; zero is taken as one. Default = as fast as there is room.
    pub fn pace(mut self, per_second: u32) -> Self {
        self.per_second = Some(per_second.max(1));
        self
    }
}

/// How many have been replayed so far. Told also if the replay is dropped in the middle.
struct Replayed<'a, J, O> {
    plane: &'a DataPlane<J, O>,
    jobs: usize,
}

impl<J, O> Drop for Replayed<'_, J, O> {
    fn drop(&mut self) {
        let jobs = self.jobs;
        if jobs > 0 {
            self.plane.tell(|community| Event::DeadLettersReplayed { community, jobs });
        }
    }
}

impl<J: Send + Sync + 'static, O: Send + 'static> Replay<J, O> {
    async fn replay(self) -> Result<usize, ReplayError> {
        let Self { letters, to, per_second } = self;
        let plane = &letters.plane;
        let chosen = plane.dead.select(letters.accepts());
        let began = tokio::time::Instant::now();
        let mut replayed = Replayed { plane, jobs: 0 };
        let outcome = async {
            for (before, slip) in (0_u32..).zip(chosen) {
                if let Some(per_second) = per_second {
                    tokio::time::sleep_until(began + Duration::from_secs(1) * before / per_second).await;
                }
                plane.ready(to.as_ref()).await?;
                replayed.jobs += usize::from(plane.replay(slip, to.as_ref())?);
            }
            Ok(())
        }
        .await;
        let replayed = replayed.jobs;
        outcome.map(|()| replayed).map_err(|why| ReplayError { replayed, why })
    }
}

impl<J: Send + Sync + 'static, O: Send + 'static> DataPlane<J, O> {
    /// Makes a letter a job again. `false` if it is gone meanwhile.
    fn replay(&self, slip: Slip, to: Option<&Version>) -> Result<bool, SendError<()>> {
        if self.turns_away() {
            return Err(SendError::Closed(()));
        }
        let awaited_by = match to {
            None => None,
            // From here on the version cannot go.
            Some(version) => Some(self.await_pinned(version).ok_or_else(|| self.unserved(to))?),
        };
        // Counted before it is taken: at no moment is the job nowhere.
        let _moving = self.moving(1);
        let Some(letter) = self.dead.take_one(slip) else {
            if let Some(pool) = awaited_by {
                pool.mailbox.unpin_away();
            }
            return Ok(false);
        };
        let mut job = Envelope::new(letter.id, Stamp::of(self.root.clock.recent()), letter.job);
        job.extras = letter.terms.map(|terms| Box::new(Extras::of_replay(*terms)));
        let extras = job.extras_mut();
        extras.pin = to.cloned();
        extras.history = Some(Box::new(History::of_replay(letter.history)));
        match self.place_at_the_end(Sleeping { job, awaited_by }) {
            Ok(()) => Ok(true),
            // Its version is given up just now: it is a dead letter again.
            Err(Unservable(job)) => {
                self.bury_unservable(job);
                Err(self.unserved(to))
            }
        }
    }
}

/// How many were replayed. A letter that somebody else took meanwhile is not among them.
impl<J: Send + Sync + 'static, O: Send + 'static> IntoFuture for Replay<J, O> {
    type Output = Result<usize, ReplayError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.replay())
    }
}

impl<J, O> fmt::Debug for Replay<J, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay")
            .field("letters", &self.letters)
            .field("to", &self.to)
            .field("per_second", &self.per_second)
            .finish()
    }
}
