//! The ecosystem: the root of everything, and its end.

use std::fmt;
use std::future::Future;
use std::future::IntoFuture;
use std::future::pending;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use dashmap::Entry;
use futures_core::Stream;
use ractor::Actor;
use ractor::ActorProcessingErr;
use ractor::ActorRef;
use ractor::SupervisionEvent;
use seral_core::guard::GuardPolicy;
use seral_core::heartbeat::HeartbeatPolicy;
use seral_core::restart::RestartPolicy;
use seral_core::retry::RetryPolicy;
use seral_core::time::Time;
use tokio::runtime::Handle;
use tokio::sync::OnceCell;

use crate::closing::AnyCommunity;
use crate::community::Community;
use crate::community_actor::CommunityActor;
use crate::community_actor::Nothing;
use crate::control::Control;
use crate::control::Leave;
use crate::dead_letter::DeadLetter;
use crate::dead_letter::OverflowHook;
use crate::error::CommunityError;
use crate::error::FindError;
use crate::event::Events;
use crate::finale::Closer;
use crate::finale::Finale;
use crate::frame::Limits;
use crate::hand_back;
use crate::hand_back::HandBackHook;
use crate::hand_back::HandedBack;
use crate::plane::DataPlane;
use crate::report::ShutdownReport;
use crate::root::Root;
use crate::shutdown;
use crate::shutdown::Named;
use crate::view::EcosystemView;
use crate::view::WorkerView;
use crate::watcher;
use crate::watcher::Watched;

/// How long [`Ecosystem::run_until`] lets jobs finish. Container platforms kill a process 30 s after SIGTERM; 5 s are left for handing back.
pub const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(25);

/// Communities that run and end together. A handle, cheap to clone.
///
/// Nothing is global: two ecosystems in one process do not meet.
#[derive(Clone)]
pub struct Ecosystem {
    inner: Arc<Inner>,
}

struct Inner {
    root: Arc<Root>,
    actor: OnceCell<ActorRef<Nothing>>,
    directory: DashMap<String, Arc<dyn AnyCommunity>>,
    finale: Finale,
}

impl fmt::Debug for Ecosystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ecosystem").field("name", &self.inner.root.name).finish_non_exhaustive()
    }
}

impl Ecosystem {
    /// An ecosystem without communities. Starts nothing: no task, no thread, until the first community is made.
    pub fn new(name: &str) -> Self {
        Self::on(Root::new(name))
    }

    /// For the test kit: one in which all chance comes from this seed, and which depends on no time but that of its runtime. To be made within that: of
    /// one thread, its time paused.
    #[doc(hidden)]
    pub fn simulated(name: &str, seed: u64) -> Self {
        Self::on(Root::simulated(name, seed))
    }

    fn on(root: Root) -> Self {
        let inner = Inner {
            root: Arc::new(root),
            actor: OnceCell::new(),
            directory: DashMap::new(),
            finale: Finale::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.inner.root.name
    }

    /// Makes a community of workers that take `J` and give `O`. Await it to make it; settings come first:
    /// `shop.community::<Order, Receipt>("orders").mailbox(1_000).await`. It lives until it is [shut down](Community::shutdown), or all are.
    pub fn community<J, O>(&self, name: &str) -> CommunityBuilder<J, O> {
        CommunityBuilder {
            ecosystem: self.clone(),
            name: name.to_owned(),
            limits: Limits::default(),
            hand_back: None,
            overflow: None,
            types: PhantomData,
        }
    }

    /// The handle of a community that exists. One that has been shut down does not.
    ///
    /// # Errors
    ///
    /// [`FindError`] says which communities there are, or which types this one has.
    pub fn find<J: Send + Sync + 'static, O: Send + 'static>(
        &self,
        name: &str,
    ) -> Result<Community<J, O>, FindError> {
        let Some(found) = self.inner.directory.get(name).map(|found| Arc::clone(found.value())) else {
            let known = self.communities().into_iter().map(|(name, _)| name).collect();
            return Err(FindError::Unknown { name: name.to_owned(), known });
        };
        found.as_any().downcast_ref::<Community<J, O>>().cloned().ok_or_else(|| FindError::OtherTypes {
            name: name.to_owned(),
            job: found.job_type(),
            output: found.output_type(),
        })
    }

    /// What is the case in all communities, at this moment. Prints as a table.
    pub fn describe(&self) -> EcosystemView {
        let communities = self.communities().iter().map(|(_, community)| community.describe()).collect();
        EcosystemView { name: self.name().to_owned(), communities }
    }

    /// How each worker is, of all communities, in the order in which those were made.
    pub fn heartbeats(&self) -> Vec<WorkerView> {
        self.inner.root.directory.list(|_| true)
    }

    /// What happens in all communities, from now on.
    pub fn events(&self) -> Events {
        self.inner.root.events.subscribe()
    }

    // ---- the end ---------------------------------------------------------------------------------------------------

    /// Runs until the first signal, then shuts down with a deadline of 25 s. A second signal skips to handing back.
    ///
    /// `ecosystem.run_until(seral::signal::terminate()).await` is what a service ends its `main` with.
    pub async fn run_until(&self, signals: impl Stream<Item = ()>) -> ShutdownReport {
        let mut signals = pin!(signals);
        let first = poll_fn(|task| signals.as_mut().poll_next(task)).await;
        let second = async {
            // A stream that has ended brings no second signal, and must not be asked for one.
            if first.is_none() || poll_fn(|task| signals.as_mut().poll_next(task)).await.is_none() {
                pending::<()>().await;
            }
        };
        self.end(SHUTDOWN_DEADLINE, second).await
    }

    /// Shuts down: refuses jobs from outside, lets all admitted jobs finish, and lets the workers close cleanly.
    ///
    /// What is not finished by the deadline is handed back, uncharged: waiting jobs at once; running jobs are asked to end, have a second for
    /// it, and are then dropped at their next `await`. Delayed jobs that are not due before the deadline, and dead letters, are handed back as
    /// well. Shutting down again gives the same report; the first deadline holds. A community that is being [shut down](Community::shutdown) by itself
    /// is waited for with the others.
    ///
    /// Cancel safe: once begun, the shutdown goes on though nobody waits for it.
    pub async fn shutdown(&self, deadline: Duration) -> ShutdownReport {
        self.end(deadline, pending()).await
    }

    async fn end(&self, deadline: Duration, cut_short: impl Future<Output = ()>) -> ShutdownReport {
        let finale = &self.inner.finale;
        if let Some(closer) = finale.begin() {
            self.inner.close(deadline, closer);
        }
        let mut over = pin!(finale.over());
        tokio::select! {
            biased;
            report = &mut over => return report,
            () = cut_short => finale.cut_short(),
        }
        over.await
    }

    fn communities(&self) -> Vec<Named> {
        self.inner.communities()
    }
}

impl Inner {
    /// All communities, by name.
    fn communities(&self) -> Vec<Named> {
        let named = |entry: dashmap::mapref::multiple::RefMulti<'_, String, Arc<dyn AnyCommunity>>| {
            (entry.key().clone(), Arc::clone(entry.value()))
        };
        let mut communities: Vec<_> = self.directory.iter().map(named).collect();
        communities.sort_by(|a, b| a.0.cmp(&b.0));
        communities
    }

    /// Closes everything, in a task of its own: whoever asked for it may not stay to see its end.
    fn close(self: &Arc<Self>, deadline: Duration, closer: Closer) {
        let Some(runtime) = self.root.runtime.get() else {
            // No community was ever made, so there is nothing to end.
            return closer.report(ShutdownReport::of_nothing());
        };
        let inner = Arc::clone(self);
        runtime.spawn(async move {
            let closed = shutdown::close_all(&inner.root, inner.communities(), deadline, &inner.finale).await;
            if let Some(actor) = inner.actor.get() {
                actor.stop(Some("the ecosystem was shut down".to_owned()));
            }
            closer.report(closed);
        });
    }
}

impl Watched for Inner {
    fn look(&self, now: Time) {
        self.root.clock.look();
        for (_, community) in self.communities() {
            community.look(now);
        }
    }

    fn is_over(&self) -> bool {
        self.finale.is_over()
    }
}

/// A community about to be made; see [`Ecosystem::community`].
#[must_use = "a community is made when this is awaited"]
pub struct CommunityBuilder<J, O> {
    ecosystem: Ecosystem,
    name: String,
    limits: Limits,
    hand_back: Option<HandBackHook<J>>,
    overflow: Option<OverflowHook<J>>,
    types: PhantomData<fn() -> O>,
}

impl<J, O> fmt::Debug for CommunityBuilder<J, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommunityBuilder")
            .field("name", &self.name)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl<J: Send + Sync + 'static, O: Send + 'static> CommunityBuilder<J, O> {
    /// How many jobs may wait in the mailbox of a version, those behind their key included; at least 1. Then `send` waits. Default =
    /// 10,000: a tenth of a second of work at 100,000 jobs a second.
    pub fn mailbox(mut self, capacity: usize) -> Self {
        self.limits.mailbox = capacity;
        self
    }

    /// How many jobs may be delayed at a time. Default = 1,000,000.
    pub fn delayed(mut self, capacity: usize) -> Self {
        self.limits.delayed = capacity;
        self
    }

    /// How many dead letters are kept, at least one; the oldest makes room for the newest. Default = 10,000.
    pub fn dead_letters(mut self, capacity: usize) -> Self {
        self.limits.dead_letters = capacity;
        self
    }

    /// What becomes of a dead letter that has to make room: store it. The hook must be quick and must not call this community. Default = it is
    /// dropped. Either way there is an event, and it is counted.
    pub fn dead_letter_overflow(mut self, take: impl Fn(DeadLetter<J>) + Send + Sync + 'static) -> Self {
        self.overflow = Some(Arc::new(take));
        self
    }

    /// What becomes of a job after a failed attempt. Default = three attempts, with random pauses of up to 100 and 200 ms.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.limits.retry = policy;
        self
    }

    /// How long an attempt may take. Then its future is dropped at its next `await`, and the attempt counts as failed. Default = as long as it
    /// wants: only you know how long a job may take. One that takes long is reported; see [`heartbeat`](Self::heartbeat).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.limits.timeout = Some(timeout);
        self
    }

    /// How often a worker may fail in a row, before its version is left for another if all its workers do. Default = five times within five
    /// minutes, with delays that double from 100 ms to 30 s.
    pub fn restart(mut self, policy: RestartPolicy) -> Self {
        self.limits.restart = policy;
        self
    }

    /// By what versions are watched while they are ramped, unless their deploy says otherwise. Default = all signs, a chance of 1 in 1,000 that a good version is
    /// ever taken back.
    pub fn guard(mut self, policy: GuardPolicy) -> Self {
        self.limits.guard = policy;
        self
    }

    /// When a worker is reported as late, blocked, or long at its job. Default = after 5 s, 1 s and 30 s.
    pub fn heartbeat(mut self, policy: HeartbeatPolicy) -> Self {
        self.limits.heartbeat = policy;
        self
    }

    /// What to do with jobs that are not done when the ecosystem or the community shuts down, and with dead letters: store them, and submit them again
    /// after the start. The hook has 3 s. Default = none: they are reported, and gone.
    pub fn hand_back<F, Fut>(mut self, take: F) -> Self
    where
        F: Fn(Vec<HandedBack<J>>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.hand_back = Some(hand_back::hook(take));
        self
    }

    async fn make(self) -> Result<Community<J, O>, CommunityError> {
        let Self { ecosystem: Ecosystem { inner }, name, limits, hand_back, overflow, .. } = self;
        let plane = Arc::new(DataPlane::new(&name, Arc::clone(&inner.root), limits, hand_back, overflow));
        let control = Control::new(Arc::<DataPlane<J, O>>::clone(&plane), leave(&inner, &name));
        let community = Community { plane, control: Arc::new(control) };
        found(inner, name, Arc::new(community.clone())).await?;
        Ok(community)
    }
}

type Founding = Pin<Box<dyn Future<Output = Result<(), CommunityError>> + Send>>;

/// Gives a community its place in the ecosystem. Not an `async fn`, so that it is compiled here, and not once more for each type of community.
fn found(inner: Arc<Inner>, name: String, community: Arc<dyn AnyCommunity>) -> Founding {
    Box::pin(async move {
        let Ok(runtime) = Handle::try_current() else { return Err(CommunityError::NoRuntime) };
        if let Some(complaint) = community.plane.limits.guard.complaint() {
            return Err(CommunityError::Invalid(complaint));
        }
        if inner.finale.has_begun() {
            return Err(CommunityError::ShutDown);
        }
        inner.root.runtime.get_or_init(|| runtime);
        let root_actor = inner.actor.get_or_try_init(|| start(&inner)).await?.get_cell();
        let control = Arc::clone(community.control());
        let actor = match Actor::spawn_linked(None, CommunityActor, control, root_actor).await {
            Ok((actor, _)) => actor,
            // The root has ended meanwhile, and supervises nobody any more.
            Err(_) if inner.finale.has_begun() => return Err(CommunityError::ShutDown),
            Err(error) => return Err(CommunityError::Spawn { why: error.to_string() }),
        };
        community.set_supervisor(actor.get_cell());
        // Not before it has its actors: whoever finds it may end it.
        let refused = match inner.directory.entry(name.clone()) {
            // Looked at under the lock of the entry: the shutdown lists what is there after it has begun.
            _ if inner.finale.has_begun() => CommunityError::ShutDown,
            Entry::Occupied(_) => CommunityError::NameTaken { name },
            Entry::Vacant(vacant) => {
                vacant.insert(community);
                return Ok(());
            }
        };
        actor.stop(Some(refused.to_string()));
        Err(refused)
    })
}

/// How this community leaves its ecosystem. Weak, since the ecosystem holds the community.
fn leave(inner: &Arc<Inner>, name: &str) -> Leave {
    let (inner, name) = (Arc::downgrade(inner), name.to_owned());
    Box::new(move || {
        if let Some(inner) = inner.upgrade() {
            inner.directory.remove(&name);
        }
    })
}

impl<J: Send + Sync + 'static, O: Send + 'static> IntoFuture for CommunityBuilder<J, O> {
    type Output = Result<Community<J, O>, CommunityError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.make())
    }
}

/// Starts the root actor and the watcher.
async fn start(inner: &Arc<Inner>) -> Result<ActorRef<Nothing>, CommunityError> {
    let spawned = Actor::spawn(None, EcosystemActor, Arc::clone(inner)).await;
    let (actor, _) = spawned.map_err(|error| CommunityError::Spawn { why: error.to_string() })?;
    watcher::watch(Arc::downgrade(inner), &inner.root.clock);
    Ok(actor)
}

/// The root of the supervision tree. It holds it together, and keeps the ecosystem alive until it is shut down, whoever still has a handle.
struct EcosystemActor;

impl Actor for EcosystemActor {
    type Msg = Nothing;
    type State = Arc<Inner>;
    type Arguments = Arc<Inner>;

    async fn pre_start(
        &self,
        _: ActorRef<Nothing>,
        inner: Arc<Inner>,
    ) -> Result<Arc<Inner>, ActorProcessingErr> {
        Ok(inner)
    }

    /// Without this, the end of one community would end all.
    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Nothing>,
        event: SupervisionEvent,
        _: &mut Arc<Inner>,
    ) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::ActorFailed(_, error) = event {
            tracing::error!(target: "seral", %error, "a community failed");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use seral_worker::JobContext;

    use super::*;
    use crate::pool::Pool;

    /// What the user's code does not hold, and so no test from outside sees.
    #[tokio::test(start_paused = true)]
    async fn a_community_that_has_ended_is_gone_with_its_last_handle() {
        let shop = Ecosystem::new("shop");
        let orders = shop.community::<u8, u8>("orders").await.unwrap();
        let pool = || Pool::of_fn(2, |n: u8, _: JobContext| async move { Ok(n) });
        orders.deploy("1", pool().build("1")).await.unwrap();
        orders.deploy("2", pool().build("2")).await.unwrap();
        orders.submit(1).key("k").await.unwrap().await.unwrap();
        assert!(orders.shutdown(Duration::from_secs(1)).await.is_clean());
        let (control, plane) = (Arc::downgrade(&orders.control), Arc::downgrade(&orders.control.plane));
        drop(orders);
        // The last of its tasks have yet to let go.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!((control.strong_count(), plane.strong_count()), (0, 0));
    }
}
