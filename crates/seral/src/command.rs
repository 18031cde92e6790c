//! Verbs about to be called: what a user writes before `.await`.
//!
//! Each names the routing table that it has in mind if it wants ([`at`](Command::at)), so that two people who act on what they saw do not
//! undo each other's work unknowingly: the second hears of the conflict, and nothing changes.

use std::fmt;
use std::future::Future;
use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;

use seral_core::id::Revision;
use seral_core::id::Version;
use seral_core::versions::Verb;

use crate::control::Control;
use crate::dry_run::DryRun;
use crate::error::RollbackError;
use crate::error::VerbError;
use crate::percent::Percent;
use crate::verb::Call;
use crate::verb::Deployment;
use crate::verb::Message;
use crate::verb::Outcome;
use crate::verb::Rollback;
use crate::verb::Signed;

/// A verb about to be called. Once polled, it finishes though the future is dropped.
#[must_use = "a verb takes effect when this is awaited"]
pub struct Command<J, O, T, E> {
    control: Arc<Control<J, O, Message<J, O>>>,
    what: Result<Verb, E>,
    expected: Option<Revision>,
    signed: Signed,
    read: Box<dyn FnOnce(Option<Outcome>) -> Result<T, E> + Send>,
}

impl<J, O, T, E> Command<J, O, T, E> {
    pub(crate) fn new(
        control: &Arc<Control<J, O, Message<J, O>>>,
        what: Result<Verb, E>,
        read: impl FnOnce(Option<Outcome>) -> Result<T, E> + Send + 'static,
    ) -> Self {
        Self {
            control: Arc::clone(control),
            what,
            expected: None,
            signed: Signed::default(),
            read: Box::new(read),
        }
    }

    /// Does it only if the routing table is still this one, by the number in [`describe`](crate::Community::describe). Default = whichever it is.
    pub fn at(mut self, revision: u64) -> Self {
        self.expected = Some(Revision::new(revision));
        self
    }

    /// Who does it, for [`changes`](crate::Community::changes). Default = unsaid.
    pub fn by(mut self, who: impl Into<String>) -> Self {
        self.signed.by = Some(who.into());
        self
    }

    /// Why, for [`changes`](crate::Community::changes). Default = unsaid.
    pub fn because(mut self, why: impl Into<String>) -> Self {
        self.signed.why = Some(why.into());
        self
    }

    /// What it would do at this moment, without doing it.
    ///
    /// # Errors
    ///
    /// As the verb itself.
    pub fn dry_run(self) -> Result<DryRun, E> {
        let (run, outcome) = self.control.dry_run(self.what?, self.expected);
        match outcome {
            Some(outcome) => (self.read)(Some(outcome)).map(|_| run),
            None => Ok(run),
        }
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
    type IntoFuture = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Self { control, what, expected, signed, read } = self;
            let what = what?;
            let call =
                |answer| Message::Call(Call { what, expected, signed, pool: None, planned: None, answer });
            read(control.command(call).await)
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
    let share = percent.share().map_err(|percent| VerbError::NoShare { percent })?;
    Ok(Verb::Ramp { version: version.clone(), share })
}
