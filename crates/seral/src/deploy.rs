//! A deploy about to be made: what a user writes before `.await`, and its plan if it is rolled out step by step.

use std::fmt;
use std::future::Future;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use seral_core::guard::GuardPolicy;
use seral_core::id::Revision;
use seral_core::id::Version;
use seral_core::limit::Limit;
use seral_core::rollout::Plan;
use seral_core::rollout::Verdict;
use seral_core::rollout::Wait;
use seral_core::share::Share;
use seral_core::versions::Aim;
use seral_core::versions::State;
use seral_core::versions::Verb;

use crate::control::Control;
use crate::course::Log;
use crate::course::Planned;
use crate::dry_run::DryRun;
use crate::error::DeployError;
use crate::error::VerbError;
use crate::gate::Gate;
use crate::gate::GateStep;
use crate::percent::Percent;
use crate::pool::POOL_SIZE_MAX;
use crate::pool::Pool;
use crate::pool::Spec;
use crate::rollout::Rollout;
use crate::rollout::Step;
use crate::verb::Call;
use crate::verb::Deployment;
use crate::verb::Message;
use crate::verb::Signed;
use crate::verb::deploy_answer;

type Boxed<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// A deploy about to be made; see [`Community::deploy`](crate::Community::deploy).
#[must_use = "a version is deployed when this is awaited"]
pub struct Deploy<J, O> {
    order: Order,
    types: PhantomData<fn(J) -> O>,
}

/// The same, whatever the types.
struct Order {
    control: Arc<Control>,
    version: Version,
    spec: Spec,
    force: bool,
    expected: Option<Revision>,
    signed: Signed,
    place: Place,
    limit: Limit,
    drain_within: Option<Duration>,
    watch_for: Option<Duration>,
    planned: Option<Planned>,
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
    pub(crate) fn new(control: Arc<Control>, version: Version, pool: Pool<J, O>) -> Self {
        let order = Order {
            control,
            version,
            spec: pool.spec,
            force: false,
            expected: None,
            signed: Signed::default(),
            place: Place::Current,
            limit: Limit::None,
            drain_within: None,
            watch_for: None,
            planned: None,
        };
        Self { order, types: PhantomData }
    }

    /// Deploys the version though it is quarantined: it was left because a gate failed or its workers could not be kept running.
    pub fn force(mut self) -> Self {
        self.order.force = true;
        self
    }

    /// Starts the version's workers and gives it no jobs but those that name it, until it is ramped or promoted. Default = it becomes current.
    pub fn hold(mut self) -> Self {
        self.order.place = Place::Held;
        self
    }

    /// Gives the version this part of new jobs, in percent; the current version keeps the rest. Whatever else is being ramped drains, and takes no
    /// more part. If no version is current yet, this one becomes it. Default = it becomes current.
    pub fn share(mut self, percent: impl Into<Percent>) -> Self {
        self.order.place = Place::Share(percent.into());
        self
    }

    /// As [`share`](Self::share), and versions that are being ramped keep their shares.
    pub fn share_beside(mut self, percent: impl Into<Percent>) -> Self {
        self.order.place = Place::ShareBeside(percent.into());
        self
    }

    /// A canary: of its share, or of all new jobs if it was given none, the version gets the first so many, and then none until it is ramped or
    /// promoted; the current version gets the rest. A job counts each time it comes in, so also when it is tried again. Default = no limit.
    pub fn first(mut self, jobs: u64) -> Self {
        self.order.limit = Limit::First(jobs);
        self
    }

    /// A canary: of its share, or of all new jobs if it was given none, the version has at most so many at a time, waiting or running; the current
    /// version gets the rest. A job that is tried again at once, and the next job of a key, come in while the one before still counts: with a small number
    /// they may go to the current version. Default = no limit.
    pub fn in_flight(mut self, jobs: u64) -> Self {
        self.order.limit = Limit::InFlight(jobs);
        self
    }

    /// What this version replaces has so much time to finish. Then what still waits there goes to the newest version, uncharged, and running jobs
    /// are asked to make room: see [`JobContext::draining`](crate::JobContext::draining). Jobs that name the version stay, and so does everything if
    /// no version is current then. Default = it has as long as it takes.
    pub fn hand_back_after(mut self, time: Duration) -> Self {
        self.order.drain_within = Some(time);
        self
    }

    /// By what the version is watched while it is ramped, or as [`watch_for`](Self::watch_for) says. If the version is there already, it stays as it is. Default = as the
    /// community says: all signs, a chance of 1 in 1,000 that a good version is ever taken back.
    pub fn guard(mut self, policy: GuardPolicy) -> Self {
        self.order.spec.guard = Some(policy);
        self
    }

    /// Watches the version for this time after it has got all new jobs, and keeps the workers of the one that it replaces as long: if it fails more
    /// often than that one did, or finishes nothing, that one is current again, and this one is quarantined. As nothing runs beside it, an outage of what both
    /// depend on looks like a bad version. Default = not at all.
    pub fn watch_for(mut self, time: Duration) -> Self {
        self.order.watch_for = Some(time);
        self
    }

    /// Deploys only if the routing table is still this one, by the number in [`describe`](crate::Community::describe). Default = whichever it is.
    pub fn at(mut self, revision: u64) -> Self {
        self.order.expected = Some(Revision::new(revision));
        self
    }

    /// Who does it, for [`changes`](crate::Community::changes). Default = unsaid.
    pub fn by(mut self, who: impl Into<String>) -> Self {
        self.order.signed.by = Some(who.into());
        self
    }

    /// Why, for [`changes`](crate::Community::changes). Default = unsaid.
    pub fn because(mut self, why: impl Into<String>) -> Self {
        self.order.signed.why = Some(why.into());
        self
    }

    /// Gives the version more and more of new jobs, step by step, in percent: `.ramp([5, 25, 100])`. After the last step it is current, also if that
    /// is less than 100. While it is being ramped, the current version keeps the rest; whatever else is being ramped drains. If the version is on its way by such a plan already, that
    /// goes on, and this gives its handle.
    pub fn ramp<S: Into<Step>>(self, steps: impl IntoIterator<Item = S>) -> Ramp<J, O> {
        let steps = steps.into_iter().map(Into::into).collect();
        Ramp { deploy: self, steps, wait: Wait::default(), gate: None }
    }

    /// What it would do at this moment, without doing it. Nothing is started, so whether the workers would start is not known.
    ///
    /// # Errors
    ///
    /// As the deploy itself.
    pub fn dry_run(&self) -> Result<DryRun, DeployError> {
        self.order.dry_run()
    }
}

fn no_share(percent: String) -> DeployError {
    DeployError::Invalid(VerbError::NoShare { percent }.to_string())
}

impl Order {
    fn dry_run(&self) -> Result<DryRun, DeployError> {
        let (version, build) = (self.version.clone(), self.spec.build.clone());
        let (aim, force, drain_within) = (self.check()?, self.force, self.drain_within);
        let what = Verb::Deploy { version: version.clone(), build, aim, force, drain_within };
        let (run, outcome) = self.control.dry_run(what, self.expected);
        outcome.map_or(Ok(()), |outcome| deploy_answer(version, outcome).map(|_| ()))?;
        Ok(run)
    }

    fn check(&self) -> Result<Aim, DeployError> {
        let invalid = |why: &str| Err(DeployError::Invalid(why.to_owned()));
        if self.version.as_str().trim().is_empty() {
            return invalid("a version needs a name, such as \"1.0.0\"");
        }
        if self.spec.size == 0 {
            return invalid("a pool needs at least one worker");
        }
        if self.spec.size > POOL_SIZE_MAX {
            return invalid("a pool has at most 10,000 workers; use several communities for more");
        }
        if let Some(complaint) = self.spec.guard.and_then(|guard| guard.complaint()) {
            return invalid(complaint);
        }
        if self.watch_for.is_some() && self.planned.is_none() && self.place != Place::Current {
            return invalid(
                "a version is watched after it got all new jobs: leave out `.watch_for(..)`, since what is ramped is watched anyway",
            );
        }
        let guard = self.spec.guard.unwrap_or(self.control.plane.limits.guard);
        if self.watch_for.is_some() && guard.is_off() {
            return invalid(
                "there is no guard to watch the version: leave out `.watch_for(..)`, or give the deploy a `.guard(..)`",
            );
        }
        let ramp = |percent: Percent, beside| {
            let share = percent.share().map_err(no_share)?;
            Ok(Aim::Ramp { share, limit: self.limit, beside })
        };
        match (self.limit, self.place) {
            (Limit::First(0) | Limit::InFlight(0), _) => {
                return invalid("a canary takes at least one job; use `.hold()` for none");
            }
            (Limit::First(_) | Limit::InFlight(_), Place::Held) => {
                return invalid("a version that is held takes no new jobs; leave out the limit or `.hold()`");
            }
            _ => {}
        }
        match self.place {
            Place::Current if self.limit != Limit::None => ramp(Share::EVERYBODY.into(), false),
            Place::Current => Ok(Aim::Current),
            Place::Held => Ok(Aim::Hold),
            Place::Share(percent) => ramp(percent, false),
            Place::ShareBeside(percent) => ramp(percent, true),
        }
    }

    /// The deploy that begins with the first of these steps, and what the rollout will tell.
    fn rolled_out(
        mut self,
        steps: Vec<Step>,
        wait: Wait,
        gate: Option<Gate>,
    ) -> Result<(Self, Arc<Log>), DeployError> {
        let resolve = |step: Step| step.resolve(wait, gate.is_some());
        let steps: Vec<_> = steps.into_iter().map(resolve).collect::<Result<_, _>>().map_err(no_share)?;
        let plan = Plan::new(steps).map_err(|why| DeployError::Invalid(why.to_string()))?;
        let first = plan.steps()[0];
        let is_all = first.share == Share::EVERYBODY && first.limit == Limit::None;
        self.place = if is_all { Place::Current } else { Place::Share(first.share.into()) };
        self.limit = first.limit;
        let (log, drain_within, watch_for) = (Arc::<Log>::default(), self.drain_within, self.watch_for);
        self.planned = Some(Planned { plan, gate, drain_within, watch_for, log: Arc::clone(&log) });
        Ok((self, log))
    }

    /// Calls the verb. Not an `async fn`, so that it is compiled here, and not once more for each type of community.
    fn call(self) -> Boxed<(Deployment, Option<Arc<Log>>), DeployError> {
        Box::pin(async move {
            let aim = self.check()?;
            let Self {
                control,
                version,
                spec,
                force,
                expected,
                signed,
                planned,
                drain_within,
                watch_for,
                ..
            } = self;
            let build = spec.build.clone();
            let what = Verb::Deploy { version: version.clone(), build, aim, force, drain_within };
            let pool = Some(spec);
            let call = |answer| {
                Message::Call(Box::new(Call {
                    what,
                    expected,
                    signed,
                    forced: force,
                    watch_for,
                    pool,
                    planned,
                    answer,
                }))
            };
            let mut outcome = control.command(call).await.ok_or(DeployError::Interrupted)?;
            let rollout = outcome.rollout.take();
            Ok((deploy_answer(version, outcome)?, rollout))
        })
    }
}

impl<J: Send + Sync + 'static, O: Send + 'static> IntoFuture for Deploy<J, O> {
    type Output = Result<Deployment, DeployError>;
    type IntoFuture = Boxed<Deployment, DeployError>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.order.call().await.map(|(deployment, _)| deployment) })
    }
}

impl<J, O> fmt::Debug for Deploy<J, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deploy")
            .field("version", &self.order.version)
            .field("pool", &self.order.spec)
            .field("place", &self.order.place)
            .finish_non_exhaustive()
    }
}

/// A deploy that is to be rolled out step by step; see [`Deploy::ramp`]. Awaiting it ends when the first share is live.
#[must_use = "a version is deployed when this is awaited"]
pub struct Ramp<J, O> {
    deploy: Deploy<J, O>,
    steps: Vec<Step>,
    wait: Wait,
    gate: Option<Gate>,
}

impl<J, O> Ramp<J, O> {
    /// Each step that does not say otherwise lasts at least this time, and until the candidate has finished so many jobs in it (at least one), and was seen from
    /// them to be no worse than the current version by more than they can tell. Default = 60 s and 200 jobs.
    pub fn lasting(mut self, time: Duration, jobs: u64) -> Self {
        self.wait = Wait::For { time, jobs };
        self
    }

    /// Each step that does not say otherwise lasts until somebody calls [`Rollout::next`].
    pub fn by_hand(mut self) -> Self {
        self.wait = Wait::ByHand;
        self
    }

    /// Asks this when the wait of a step is over: `Pass` goes on, `Fail` rolls the candidate back and quarantines it, `Inconclusive` and `Error` are asked
    /// again later; after three errors in a row the rollout pauses. A gate that panics or takes longer than 60 s is an `Error`. Default = no gate.
    pub fn gate<F>(mut self, gate: impl Fn(GateStep) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Verdict> + Send + 'static,
    {
        self.gate = Some(Gate::new(gate));
        self
    }
}

impl<J: Send + Sync + 'static, O: Send + 'static> IntoFuture for Ramp<J, O> {
    type Output = Result<Rollout<J, O>, DeployError>;
    type IntoFuture = Boxed<Rollout<J, O>, DeployError>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Self { deploy, steps, wait, gate } = self;
            let (order, log) = deploy.order.rolled_out(steps, wait, gate)?;
            let control = Arc::clone(&order.control);
            let (deployment, in_progress) = order.call().await?;
            let is_ramped = deployment.state == State::Ramping && deployment.how.is_none();
            let log = match in_progress {
                Some(in_progress) => in_progress,
                None if is_ramped => return Err(DeployError::RampedByHand { version: deployment.version }),
                None => log,
            };
            Ok(Rollout { types: PhantomData, control, deployment, log })
        })
    }
}

impl<J, O> fmt::Debug for Ramp<J, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ramp")
            .field("deploy", &self.deploy)
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}
