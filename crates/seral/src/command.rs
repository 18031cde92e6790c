//! Verbs about to be called: what a user writes before `.await`.
//!
//! Each names the routing table that it has in mind if it wants ([`at`](Command::at)), so that two people who act on what they saw do not
//! undo each other's work unknowingly: the second hears of the conflict, and nothing changes.

use std::fmt;
use std::future::Future;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use seral_core::id::Revision;
use seral_core::id::Version;
use seral_core::limit::Limit;
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
    types: PhantomData<fn(J) -> O>,
    control: Arc<Control>,
    what: Result<Verb, E>,
    expected: Option<Revision>,
    signed: Signed,
    forced: bool,
    /// How long a pin lasts from when it is set, if not for ever.
    lasting: Option<Duration>,
    read: Box<dyn FnOnce(Option<Outcome>) -> Result<T, E> + Send>,
}

impl<J, O, T, E> Command<J, O, T, E> {
    pub(crate) fn new(
        control: &Arc<Control>,
        what: Result<Verb, E>,
        read: impl FnOnce(Option<Outcome>) -> Result<T, E> + Send + 'static,
    ) -> Self {
        Self {
            types: PhantomData,
            control: Arc::clone(control),
            what,
            expected: None,
            signed: Signed::default(),
            forced: false,
            lasting: None,
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
        match &mut self.what {
            Ok(Verb::Drain { allow_empty, .. }) => *allow_empty = true,
            _ => self.does_not_fit("`.allow_empty()` is for a drain"),
        }
        self
    }

    /// Of a [ramp](crate::Community::ramp), as [`Deploy::first`](crate::deploy::Deploy::first): of its share, the version gets the first so many jobs.
    pub fn first(self, jobs: u64) -> Self {
        self.limit(Limit::First(jobs))
    }

    /// Of a [ramp](crate::Community::ramp), as [`Deploy::in_flight`](crate::deploy::Deploy::in_flight): of its share, the version has at most so many
    /// jobs at a time.
    pub fn in_flight(self, jobs: u64) -> Self {
        self.limit(Limit::InFlight(jobs))
    }

    fn limit(mut self, to: Limit) -> Self {
        match &mut self.what {
            Ok(Verb::Ramp { limit, .. }) if !matches!(to, Limit::First(0) | Limit::InFlight(0)) => {
                *limit = to;
            }
            Ok(Verb::Ramp { .. }) => {
                self.does_not_fit("a canary takes at least one job; `ramp` to 0 for none");
            }
            _ => self.does_not_fit("`.first(..)` and `.in_flight(..)` are for a ramp"),
        }
        self
    }

    /// Of a [drain](crate::Community::drain) or a [promotion](crate::Community::promote), as
    /// [`Deploy::hand_back_after`](crate::deploy::Deploy::hand_back_after): how long what is left has to finish, before its jobs go to the newest version.
    pub fn hand_back_after(mut self, time: Duration) -> Self {
        match &mut self.what {
            Ok(Verb::Drain { drain_within, .. } | Verb::Promote { drain_within, .. }) => {
                *drain_within = Some(time);
            }
            _ => self.does_not_fit("`.hand_back_after(..)` is for a drain, a promotion or a deploy"),
        }
        self
    }

    /// Promotes the version though none of its workers runs. Default = it is not promoted then.
    pub fn force(mut self) -> Self {
        match &self.what {
            Ok(Verb::Promote { .. }) => self.forced = true,
            _ => self.does_not_fit("`.force()` is for a promotion or a deploy"),
        }
        self
    }

    fn does_not_fit(&mut self, why: &str) {
        if self.what.is_ok() {
            self.what = Err(VerbError::Invalid(why.to_owned()));
        }
    }
}

impl<J, O> Command<J, O, (), VerbError> {
    /// Of a pin: for so long, from when it is set.
    pub(crate) fn lasting(mut self, time: Duration) -> Self {
        self.lasting = Some(time);
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
            let Self { control, what, expected, signed, forced, lasting, read, .. } = self;
            let (mut what, pool, planned) = (what?, None, None);
            if let (Verb::Pin { until, .. }, Some(time)) = (&mut what, lasting) {
                *until = Some(control.plane.now().after(time));
            }
            let call = |answer| {
                Message::Call(Box::new(Call {
                    what,
                    expected,
                    signed,
                    forced,
                    watch_for: None,
                    pool,
                    planned,
                    answer,
                }))
            };
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
    Ok(Verb::Ramp { version: version.clone(), share, limit: Limit::None })
}
