//! Verbs about to be called: what a user writes before `.await`.
//!
//! Each names the routing table that it has in mind if it wants ([`at`](Command::at)), so that two people who act on what they saw do not
//! undo each other's work unknowingly: the second hears of the conflict, and nothing changes.

use std::fmt;
use std::future::Future;
use std::future::IntoFuture;
use std::pin::Pin;
use std::pin::pin;
use std::sync::Arc;

use seral_core::id::Revision;
use seral_core::id::Version;
use seral_core::share::Share;
use seral_core::versions::Aim;
use seral_core::versions::Verb;
use tokio::sync::oneshot;

use crate::control::Control;
use crate::error::DeployError;
use crate::error::RollbackError;
use crate::error::VerbError;
use crate::pool::POOL_SIZE_MAX;
use crate::pool::Pool;
use crate::verb::Call;
use crate::verb::Deployment;
use crate::verb::Message;
use crate::verb::Outcome;
use crate::verb::Rollback;
use crate::verb::deploy_answer;

type Boxed<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

impl<J: Send + Sync + 'static, O: Send + 'static> Control<J, O, Message<J, O>> {
    /// Gives the dispatcher a command and waits for its answer. `None` if the answer was lost with a dispatcher that failed.
    pub(crate) async fn command<R>(
        &self,
        make: impl FnOnce(oneshot::Sender<R>) -> Message<J, O>,
    ) -> Option<R> {
        let (answer, answered) = oneshot::channel();
        let mut command = make(answer);
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            if let Some(dispatcher) = self.dispatcher() {
                match dispatcher.cast(command) {
                    Ok(()) => return answered.await.ok(),
                    Err(ractor::MessagingErr::SendErr(back)) => command = back,
                    Err(_) => return None,
                }
            }
            if self.state.lock().is_closed {
                return None;
            }
            // The dispatcher failed and is being replaced.
            changed.await;
        }
    }

    async fn call(
        &self,
        what: Verb,
        expected: Option<Revision>,
        pool: Option<Pool<J, O>>,
    ) -> Option<Outcome> {
        self.command(|answer| Message::Call(Call { what, expected, pool, answer })).await
    }
}

/// A part of new jobs in percent, as it is written: `5`, `2.5`, or a [`Share`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Percent(f64);

impl Percent {
    fn share(self) -> Result<Share, VerbError> {
        Share::percent(self.0).ok_or_else(|| VerbError::NoShare { percent: self.0.to_string() })
    }
}

impl From<i32> for Percent {
    fn from(percent: i32) -> Self {
        Self(percent.into())
    }
}

impl From<f64> for Percent {
    fn from(percent: f64) -> Self {
        Self(percent)
    }
}

impl From<Share> for Percent {
    fn from(share: Share) -> Self {
        Self(f64::from(share.get()) / 100.0)
    }
}

/// A deploy about to be made; see [`Community::deploy`](crate::Community::deploy).
#[must_use = "a version is deployed when this is awaited"]
pub struct Deploy<J, O> {
    control: Arc<Control<J, O, Message<J, O>>>,
    version: Version,
    pool: Pool<J, O>,
    force: bool,
    expected: Option<Revision>,
    place: Place,
}

/// What is to become of a version that is deployed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Current,
    Share(Percent),
    ShareBeside(Percent),
    Held,
}

impl<J, O> Deploy<J, O> {
    pub(crate) fn new(
        control: Arc<Control<J, O, Message<J, O>>>,
        version: Version,
        pool: Pool<J, O>,
    ) -> Self {
        Self { control, version, pool, force: false, expected: None, place: Place::Current }
    }

    /// Deploys the version though it is quarantined: it was left because its workers could not be kept running.
    pub fn force(mut self) -> Self {
        self.force = true;
        self
    }

    /// Starts the version's workers and gives it no jobs but those that name it, until it is ramped or promoted. Default = it becomes current.
    pub fn hold(mut self) -> Self {
        self.place = Place::Held;
        self
    }

    /// Gives the version this part of new jobs, in percent; the current version keeps the rest. Whatever else is being ramped drains, and takes no
    /// more part. If no version is current yet, this one becomes it. Default = it becomes current.
    pub fn share(mut self, percent: impl Into<Percent>) -> Self {
        self.place = Place::Share(percent.into());
        self
    }

    /// As [`share`](Self::share), and versions that are being ramped keep their shares.
    pub fn share_beside(mut self, percent: impl Into<Percent>) -> Self {
        self.place = Place::ShareBeside(percent.into());
        self
    }

    /// Deploys only if the routing table is still this one, by the number in [`describe`](crate::Community::describe). Default = whichever it is.
    pub fn at(mut self, revision: u64) -> Self {
        self.expected = Some(Revision::new(revision));
        self
    }

    fn check(&self) -> Result<Aim, &'static str> {
        if self.version.as_str().trim().is_empty() {
            return Err("a version needs a name, such as \"1.0.0\"");
        }
        if self.pool.size == 0 {
            return Err("a pool needs at least one worker");
        }
        if self.pool.size > POOL_SIZE_MAX {
            return Err("a pool has at most 10,000 workers; use several communities for more");
        }
        let ramp = |percent: Percent, beside| {
            let share = percent.share().map_err(|_| "a share is from 0 to 100 percent")?;
            Ok(Aim::Ramp { share, beside })
        };
        match self.place {
            Place::Current => Ok(Aim::Current),
            Place::Held => Ok(Aim::Hold),
            Place::Share(percent) => ramp(percent, false),
            Place::ShareBeside(percent) => ramp(percent, true),
        }
    }
}

impl<J: Send + Sync + 'static, O: Send + 'static> IntoFuture for Deploy<J, O> {
    type Output = Result<Deployment, DeployError>;
    type IntoFuture = Boxed<Deployment, DeployError>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let aim = self.check().map_err(DeployError::Invalid)?;
            let Self { control, version, pool, force, expected, .. } = self;
            let what = Verb::Deploy { version: version.clone(), build: pool.build.clone(), aim, force };
            let outcome = control.call(what, expected, Some(pool)).await.ok_or(DeployError::Interrupted)?;
            deploy_answer(version, outcome)
        })
    }
}

impl<J, O> fmt::Debug for Deploy<J, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deploy")
            .field("version", &self.version)
            .field("pool", &self.pool)
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

/// A verb about to be called. Once polled, it finishes though the future is dropped.
#[must_use = "a verb takes effect when this is awaited"]
pub struct Command<J, O, T, E> {
    control: Arc<Control<J, O, Message<J, O>>>,
    what: Result<Verb, E>,
    expected: Option<Revision>,
    read: Box<dyn FnOnce(Option<Outcome>) -> Result<T, E> + Send>,
}

impl<J, O, T, E> Command<J, O, T, E> {
    pub(crate) fn new(
        control: &Arc<Control<J, O, Message<J, O>>>,
        what: Result<Verb, E>,
        read: impl FnOnce(Option<Outcome>) -> Result<T, E> + Send + 'static,
    ) -> Self {
        Self { control: Arc::clone(control), what, expected: None, read: Box::new(read) }
    }

    /// Does it only if the routing table is still this one, by the number in [`describe`](crate::Community::describe). Default = whichever it is.
    pub fn at(mut self, revision: u64) -> Self {
        self.expected = Some(Revision::new(revision));
        self
    }
}

impl<J, O> Command<J, O, Rollback, RollbackError> {
    /// Goes back to this version. Default = the one that was promoted last before what is left.
    pub fn to(mut self, version: impl Into<Version>) -> Self {
        self.what = Ok(Verb::Rollback { to: Some(version.into()) });
        self
    }
}

impl<J, O> Command<J, O, Deployment, VerbError> {
    /// Of a [drain](crate::Community::drain): also if the version is current. New jobs then wait for the next version, except for the shares of those
    /// that are being ramped. Without meaning for other verbs. Default = the current version is not drained.
    pub fn allow_empty(mut self) -> Self {
        if let Ok(Verb::Drain { allow_empty, .. }) = &mut self.what {
            *allow_empty = true;
        }
        self
    }
}

impl<J, O, T, E> IntoFuture for Command<J, O, T, E>
where
    J: Send + Sync + 'static,
    O: Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    type Output = Result<T, E>;
    type IntoFuture = Boxed<T, E>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Self { control, what, expected, read } = self;
            read(control.call(what?, expected, None).await)
        })
    }
}

impl<J, O, T, E: fmt::Debug> fmt::Debug for Command<J, O, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command")
            .field("what", &self.what)
            .field("expected", &self.expected)
            .finish_non_exhaustive()
    }
}

/// What the caller of a share writes, or why it is none.
pub(crate) fn ramp(version: &Version, percent: Percent) -> Result<Verb, VerbError> {
    Ok(Verb::Ramp { version: version.clone(), share: percent.share()? })
}
