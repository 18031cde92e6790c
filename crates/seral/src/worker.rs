//! The actor of a worker.
//!
//! The worker's cycle is one long handler of it: measured as fast as a bare task, while a message for each batch costs a quarter of the
//! throughput. Leaving is heard through the mailbox, where an idle worker waits anyway; a kill is heard at every `await`.

use std::future::Future;
use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use ractor::Actor;
use ractor::ActorCell;
use ractor::ActorProcessingErr;
use ractor::ActorRef;
use seral_core::id::WorkerId;
use seral_worker::Worker;

use crate::any_plane::AnyPlane;
use crate::any_plane::typed_plane;
use crate::any_pool::AnyDesk;
use crate::any_pool::AnyPool;
use crate::cycle::Post;
use crate::cycle::work;
use crate::desk::Desk;
use crate::inside;
use crate::inside::Inside;
use crate::inside::Source;
use crate::pool_handle::PoolHandle;
use crate::pool_handle::typed;

/// The actor of a worker.
pub(crate) type WorkerRef = ActorRef<Begin>;

/// The one message of a worker: go.
pub(crate) struct Begin;

/// A worker that has been started, and its desk.
pub(crate) type Hired = (WorkerRef, Arc<dyn AnyDesk>);

type Hiring = Pin<Box<dyn Future<Output = Result<Hired, ActorProcessingErr>> + Send>>;

/// A place for a worker, whatever its types.
pub(crate) struct Opening {
    pub(crate) plane: Arc<dyn AnyPlane>,
    pub(crate) pool: Arc<dyn AnyPool>,
    pub(crate) worker: WorkerId,
    /// How often it has been started again.
    pub(crate) restarts: u64,
    /// How long a start may take that is not part of a deploy.
    pub(crate) start_deadline: Duration,
    /// Whether the version is being deployed.
    pub(crate) is_loading: bool,
    /// Called once, when the worker has started.
    pub(crate) started: Box<dyn FnOnce() + Send + Sync>,
}

impl Opening {
    /// The place of a worker of these types, if they are those of its pool.
    fn post<J: Send + Sync + 'static, O: Send + 'static>(self) -> Option<Post<J, O>> {
        let Self { plane, pool, worker, restarts, start_deadline, is_loading, started } = self;
        let (community, clock) = (Arc::clone(&plane.name), plane.root.clock.clone());
        let desk = Desk::new(worker, pool.version.clone(), community, clock, restarts);
        let (plane, pool) = (typed_plane(plane)?, typed(pool)?);
        Some(Post { plane, pool, desk, start_deadline, is_loading, started })
    }
}

/// Makes workers of one build. This is where the user's type is forgotten: the loop below it knows the type, so that processing a job costs
/// no indirection.
pub(crate) trait Recruiter: Send + Sync {
    /// Starts one worker under this supervisor.
    fn hire(&self, opening: Opening, supervisor: ActorCell) -> Hiring;
}

/// Makes workers by calling the user's factory.
pub(crate) struct Factory<F>(pub(crate) Arc<F>);

impl<W, F> Recruiter for Factory<F>
where
    W: Worker,
    F: Fn() -> W + Send + Sync + 'static,
{
    fn hire(&self, opening: Opening, supervisor: ActorCell) -> Hiring {
        let Some(post) = opening.post::<W::Job, W::Output>() else {
            // It cannot be: whoever deploys a version holds a community of its types.
            return Box::pin(ready(Err("the workers are of another type than their community".into())));
        };
        let desk: Arc<dyn AnyDesk> = Arc::<Desk<W::Job, W::Output>>::clone(&post.desk);
        let pool: Arc<dyn Source> = Arc::<PoolHandle<W::Job, W::Output>>::clone(&post.pool);
        let inside = Inside::new(post.plane.root.place, post.plane.place, pool, post.desk.worker);
        let factory = Arc::clone(&self.0);
        let life = Box::pin(async move { work(post, &*factory).await });
        start(Shift { inside, life }, desk, supervisor)
    }
}

/// A worker from its start to its end, whatever its types.
struct Shift {
    inside: Inside,
    life: Pin<Box<dyn Future<Output = Result<(), ActorProcessingErr>> + Send>>,
}

/// Neither generic nor an `async fn`, so that the actor is compiled here, and not once more with each type of worker.
fn start(shift: Shift, desk: Arc<dyn AnyDesk>, supervisor: ActorCell) -> Hiring {
    Box::pin(async move {
        let (worker, _) = Actor::spawn_linked(None, WorkerActor, shift, supervisor).await?;
        // It can only fail if the actor has ended, and then its supervisor hears of that.
        let _ = worker.cast(Begin);
        Ok((worker, desk))
    })
}

struct WorkerActor;

impl Actor for WorkerActor {
    type Msg = Begin;
    /// Taken out when it begins: what the worker holds is dropped with its life, for ractor drops an actor's state too late.
    type State = Option<Shift>;
    type Arguments = Shift;

    async fn pre_start(&self, _: ActorRef<Begin>, shift: Shift) -> Result<Option<Shift>, ActorProcessingErr> {
        Ok(Some(shift))
    }

    async fn handle(
        &self,
        myself: ActorRef<Begin>,
        _: Begin,
        shift: &mut Option<Shift>,
    ) -> Result<(), ActorProcessingErr> {
        let Some(Shift { inside, life }) = shift.take() else { return Ok(()) };
        inside::scope(inside, life).await?;
        myself.stop(None);
        Ok(())
    }
}
