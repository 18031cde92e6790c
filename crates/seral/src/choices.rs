//! Where some jobs go, whatever the shares say: pins, rules, and moves; and the end of a version that is kept.
//!
//! A *pin* is strict: its jobs run on its version or not at all, and the version stays until the pin has ended. A *rule* is a part of new work: its jobs go
//! to its version until that is left. [`describe`](Community::describe) lists both.

use std::fmt;
use std::future::Future;
use std::future::IntoFuture;
use std::pin::Pin as Pinned;
use std::sync::Arc;
use std::time::Duration;

use seral_core::id::Version;
use seral_core::versions::Entry;
use seral_core::versions::State;
use seral_core::versions::Verb;
use seral_core::whose::Whose;

use crate::change::Change;
use crate::command::Command;
use crate::community::Community;
use crate::control::Control;
use crate::error::VerbError;
use crate::job::Envelope;
use crate::plane::DataPlane;
use crate::pool_handle::Hold;
use crate::pool_handle::PoolHandle;
use crate::pool_handle::typed;

use crate::verb::Deployment;
use crate::verb::Signed;
use crate::verb::choice_answer;
use crate::verb::verb_error;

impl<J: Send + Sync + 'static, O: Send + 'static> Community<J, O> {
    /// Ties some jobs to a version: `pin(Whose::tenant("acme"), "1.0.0").lasting(an_hour).await`. It says how long, or
    /// [`forever`](Pinning::forever).
    ///
    /// They go there each time they are resolved from now on, whatever share or rule there is; jobs that wait elsewhere stay. While the pin lasts, the version does
    /// not drain, and [`describe`](Self::describe) says so. A pin for the same jobs takes the place of the one before. A version that is drained and kept
    /// is there again. Of several pins that fit a job the narrowest counts, and a job that names a version itself goes there.
    ///
    /// # Errors
    ///
    /// [`VerbError`]; then nothing has changed.
    pub fn pin(&self, whose: Whose, version: impl Into<Version>) -> Pinning<J, O> {
        Pinning { community: self.clone(), whose, version: version.into() }
    }

    /// Ends a pin. Its jobs go by the table from then on; those that wait at its version are done there.
    ///
    /// # Errors
    ///
    /// [`VerbError::NoSuchChoice`] if there is none for these jobs.
    pub fn unpin(&self, whose: Whose) -> Command<J, O, (), VerbError> {
        self.choose(Verb::Unpin(whose.clone()), whose, None)
    }

    /// Sends some new jobs to a version whose workers are there: `route(Whose::tenant("acme"), "2.0.0")`. Unlike a pin, it ends when the version is left:
    /// rolled back, drained, or replaced. A version that is held becomes ramped by it, with no share of the other jobs.
    ///
    /// # Errors
    ///
    /// [`VerbError`]; then nothing has changed.
    pub fn route(&self, whose: Whose, version: impl Into<Version>) -> Command<J, O, (), VerbError> {
        let version = version.into();
        let verb = Verb::Route { whose: whose.clone(), version: version.clone() };
        self.choose(verb, whose, Some(version))
    }

    /// Ends a rule. A version that got nothing but by rules drains with its last one.
    ///
    /// # Errors
    ///
    /// [`VerbError::NoSuchChoice`] if there is none for these jobs.
    pub fn unroute(&self, whose: Whose) -> Command<J, O, (), VerbError> {
        self.choose(Verb::Unroute(whose.clone()), whose, None)
    }

    /// Lets the workers leave of a version that is drained and kept warm. One that is held drains first, and is not kept.
    ///
    /// # Errors
    ///
    /// [`VerbError`]; then nothing has changed. [`NotDrained`](VerbError::NotDrained) if it gets jobs, or drains.
    pub fn retire(&self, version: impl Into<Version>) -> Command<J, O, Deployment, VerbError> {
        let version = version.into();
        self.place(Ok(Verb::Retire(version.clone())), version)
    }

    /// Moves waiting jobs from one version to another, uncharged: `move_waiting("1.0.0", "2.0.0")`, or only [some](Move::of). Returns how many. Jobs that name the one version,
    /// also delayed ones and those behind their key, name the other from then on. Jobs that run stay, and so do those that a pin ties to the one version: [unpin](Self::unpin)
    /// them first. A job that is tried again goes by the table.
    ///
    /// If the future is dropped before it is ready, some of them have been moved.
    ///
    /// # Errors
    ///
    /// [`VerbError`]; then nothing has changed.
    pub fn move_waiting(&self, from: impl Into<Version>, to: impl Into<Version>) -> Move<J, O> {
        Move {
            plane: Arc::clone(&self.plane),
            control: Arc::clone(&self.control),
            from: from.into(),
            to: to.into(),
            whose: None,
            signed: Signed::default(),
        }
    }

    fn choose(&self, verb: Verb, whose: Whose, version: Option<Version>) -> Command<J, O, (), VerbError> {
        Command::new(&self.control, Ok(verb), |outcome| {
            choice_answer(whose, version, outcome.ok_or(VerbError::Interrupted)?.answer)
        })
    }
}

/// A pin about to be set: say how long. See [`Community::pin`].
#[must_use = "a pin is set when it is said how long it lasts, and that is awaited"]
pub struct Pinning<J, O> {
    community: Community<J, O>,
    whose: Whose,
    version: Version,
}

impl<J: Send + Sync + 'static, O: Send + 'static> Pinning<J, O> {
    /// For so long, from now. Then the version can drain.
    pub fn lasting(self, time: Duration) -> Command<J, O, (), VerbError> {
        self.command().lasting(time)
    }

    /// Until it is [unpinned](Community::unpin). The version stays as long.
    pub fn forever(self) -> Command<J, O, (), VerbError> {
        self.command()
    }

    fn command(self) -> Command<J, O, (), VerbError> {
        let Self { community, whose, version } = self;
        let verb = Verb::Pin { whose: whose.clone(), version: version.clone(), until: None };
        community.choose(verb, whose, Some(version))
    }
}

impl<J, O> fmt::Debug for Pinning<J, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pinning")
            .field("whose", &self.whose)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// A move of waiting jobs about to be made; see [`Community::move_waiting`].
#[must_use = "jobs are moved when this is awaited"]
pub struct Move<J, O> {
    plane: Arc<DataPlane<J, O>>,
    control: Arc<Control>,
    from: Version,
    to: Version,
    whose: Option<Whose>,
    signed: Signed,
}

impl<J, O> Move<J, O> {
    /// Only these jobs. Default = all.
    pub fn of(mut self, whose: Whose) -> Self {
        self.whose = Some(whose);
        self
    }

    /// Who does it, for [`changes`](Community::changes). Default = unsaid.
    pub fn by(mut self, who: impl Into<String>) -> Self {
        self.signed.by = Some(who.into());
        self
    }

    /// Why, for [`changes`](Community::changes). Default = unsaid.
    pub fn because(mut self, why: impl Into<String>) -> Self {
        self.signed.why = Some(why.into());
        self
    }
}

type Both<J, O> = (Arc<PoolHandle<J, O>>, Arc<PoolHandle<J, O>>);

impl<J: Send + Sync + 'static, O: Send + 'static> Move<J, O> {
    /// The pools, if jobs can be moved from the one to the other.
    fn pools(&self) -> Result<Both<J, O>, VerbError> {
        if self.from == self.to {
            let why = format!("version {} is where the jobs are; name another to move them to", self.to);
            return Err(VerbError::Invalid(why));
        }
        let state = self.control.state.lock();
        let (from, to) = state
            .versions
            .movers(&self.from, &self.to)
            .map_err(|answer| verb_error(self.to.clone(), answer))?;
        let pool = |entry: &Entry| typed(Arc::clone(&state.pools.get(&entry.pool)?.handle));
        Ok((pool(from).ok_or(VerbError::Interrupted)?, pool(to).ok_or(VerbError::Interrupted)?))
    }

    async fn make(self) -> Result<usize, VerbError> {
        let (from, to) = self.pools()?;
        let Self { plane, control, whose, signed, .. } = self;
        // So that it is not drained between two slices.
        let gone = || VerbError::NotRunning { version: to.version.clone(), state: State::Drained };
        let held = Hold::of(&to).ok_or_else(gone)?;
        let wanted = |job: &Envelope<J, O>| whose.as_ref().is_none_or(|whose| whose.is_of(job));
        let moved = plane.move_waiting(&from, &to, wanted).await;
        drop(held);
        let revision = plane.routes.load().revision.get();
        let of = whose.map_or_else(String::new, |whose| format!(", {whose}"));
        let what = format!("move {moved} waiting jobs from {} to {}{of}", from.version, to.version);
        let Signed { by, why } = signed;
        let at = plane.root.clock.by_calendar();
        control.state.lock().changes.note(Change { at, what, by, why, from: revision, to: revision });
        Ok(moved)
    }
}

impl<J: Send + Sync + 'static, O: Send + 'static> IntoFuture for Move<J, O> {
    type Output = Result<usize, VerbError>;
    type IntoFuture = Pinned<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.make())
    }
}

impl<J, O> fmt::Debug for Move<J, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Move")
            .field("from", &self.from)
            .field("to", &self.to)
            .field("whose", &self.whose)
            .finish_non_exhaustive()
    }
}
