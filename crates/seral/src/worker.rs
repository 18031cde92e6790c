//! The actor of a worker.
//!
//! The worker's cycle is one long handler of it: measured as fast as a bare task, while a message for each batch costs a quarter of the
//! throughput. Leaving is heard through the mailbox, where an idle worker waits anyway; a kill is heard at every `await`.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use ractor::Actor;
use ractor::ActorCell;
use ractor::ActorProcessingErr;
use ractor::ActorRef;
use ractor::SpawnErr;
use seral_worker::Worker;

use crate::cycle::Post;
use crate::cycle::work;
use crate::inside;
use crate::inside::Inside;
use crate::inside::Source;
use crate::pool_handle::PoolHandle;

/// The actor of a worker.
pub(crate) type WorkerRef = ActorRef<Begin>;

/// The one message of a worker: go.
pub(crate) struct Begin;

type Hiring<'a> = Pin<Box<dyn Future<Output = Result<WorkerRef, SpawnErr>> + Send + 'a>>;

/// Makes workers of one build. This is where the user's type is forgotten: the loop below it knows the type, so that processing a job costs
/// no indirection.
pub(crate) trait Recruiter<J, O>: Send + Sync {
    /// Starts one worker under this supervisor.
    fn hire(&self, post: Post<J, O>, supervisor: ActorCell) -> Hiring<'_>;
}

/// Makes workers by calling the user's factory.
pub(crate) struct Factory<F>(pub(crate) Arc<F>);

impl<W, F> Recruiter<W::Job, W::Output> for Factory<F>
where
    W: Worker,
    F: Fn() -> W + Send + Sync + 'static,
{
    fn hire(&self, post: Post<W::Job, W::Output>, supervisor: ActorCell) -> Hiring<'_> {
        let pool: Arc<dyn Source> = Arc::<PoolHandle<W::Job, W::Output>>::clone(&post.pool);
        let inside = Inside::new(post.plane.root.place, post.plane.place, pool, post.desk.worker);
        let factory = Arc::clone(&self.0);
        let life = async move { work(post, &*factory).await };
        start(Box::pin(inside::scope(inside, life)), supervisor)
    }
}

/// A worker from its start to its end, whatever its types.
type Life = Pin<Box<dyn Future<Output = Result<(), ActorProcessingErr>> + Send>>;

/// Neither generic nor an `async fn`, so that the actor is compiled here, and not once more with each type of worker.
fn start(life: Life, supervisor: ActorCell) -> Hiring<'static> {
    Box::pin(async move {
        let (worker, _) = Actor::spawn_linked(None, WorkerActor, life, supervisor).await?;
        // It can only fail if the actor has ended, and then its supervisor hears of that.
        let _ = worker.cast(Begin);
        Ok(worker)
    })
}

struct WorkerActor;

impl Actor for WorkerActor {
    type Msg = Begin;
    /// Taken out when it begins: what the worker holds is dropped with its life, for ractor drops an actor's state too late.
    type State = Option<Life>;
    type Arguments = Life;

    async fn pre_start(&self, _: ActorRef<Begin>, life: Life) -> Result<Option<Life>, ActorProcessingErr> {
        Ok(Some(life))
    }

    async fn handle(
        &self,
        myself: ActorRef<Begin>,
        _: Begin,
        life: &mut Option<Life>,
    ) -> Result<(), ActorProcessingErr> {
        let Some(life) = life.take() else { return Ok(()) };
        life.await?;
        myself.stop(None);
        Ok(())
    }
}
