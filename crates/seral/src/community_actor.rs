//! The actor of a community: supervises its dispatcher and its pools.
//!
//! Duties: start the dispatcher; start it again, or a pool, when it failed; tell the dispatcher when a pool has ended. What they work on is
//! elsewhere, so a restart loses nothing.

use std::sync::Arc;

use ractor::Actor;
use ractor::ActorId;
use ractor::ActorProcessingErr;
use ractor::ActorRef;
use ractor::SupervisionEvent;
use seral_core::id::PoolId;
use seral_core::versions::State;

use crate::control::Control;
use crate::dispatcher::Dispatcher;
use crate::dispatcher::DispatcherArguments;
use crate::enact::reporter;
use crate::event::Event;
use crate::pool_actor::PoolActor;
use crate::pool_actor::PoolArguments;
use crate::pool_actor::PoolReport;
use crate::pool_actor::StartFailure;
use crate::verb::Message;

/// The actor. It is told nothing; it hears of its children.
pub(crate) struct CommunityActor;

/// The community has no messages.
pub(crate) enum Nothing {}

/// What it supervises.
pub(crate) struct Children {
    control: Arc<Control>,
    dispatcher: ActorId,
}

impl Actor for CommunityActor {
    type Msg = Nothing;
    type State = Children;
    type Arguments = Arc<Control>;

    async fn pre_start(
        &self,
        myself: ActorRef<Nothing>,
        control: Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        let dispatcher = spawn_dispatcher(&control, &myself).await?;
        Ok(Children { control, dispatcher })
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Nothing>,
        event: SupervisionEvent,
        children: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorTerminated(child, _, reason) => {
                let why = reason.unwrap_or_else(|| "it ended by itself".to_owned());
                children.ended(&myself, child.get_id(), why).await
            }
            SupervisionEvent::ActorFailed(child, error) => {
                children.ended(&myself, child.get_id(), error.to_string()).await
            }
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => Ok(()),
        }
    }
}

async fn spawn_dispatcher(
    control: &Arc<Control>,
    myself: &ActorRef<Nothing>,
) -> Result<ActorId, ActorProcessingErr> {
    let arguments = DispatcherArguments { control: Arc::clone(control), community: myself.get_cell() };
    let (dispatcher, _) = Actor::spawn_linked(None, Dispatcher, arguments, myself.get_cell()).await?;
    Ok(dispatcher.get_id())
}

impl Children {
    async fn ended(
        &mut self,
        myself: &ActorRef<Nothing>,
        child: ActorId,
        why: String,
    ) -> Result<(), ActorProcessingErr> {
        if child == self.dispatcher {
            self.control.set_dispatcher(None);
            if !self.control.state.lock().is_closed {
                self.tell_restart("dispatcher", why);
                self.dispatcher = spawn_dispatcher(&self.control, myself).await?;
            }
            return Ok(());
        }
        let Some(pool) = self.pool_of(child) else { return Ok(()) };
        let Some(handle) = self.control.handle(pool) else { return Ok(()) };
        if handle.mailbox().is_drained() {
            self.pool_is_gone(pool);
            return Ok(());
        }
        if self.is_loading(pool) {
            self.pool_is_gone(pool);
            reporter(&self.control)(PoolReport::StartFailed(pool, StartFailure::Worker(why)));
            return Ok(());
        }
        if self.control.state.lock().is_closed {
            // Its workers are gone, what they held has gone back, and nothing is started any more.
            self.pool_is_gone(pool);
            return Ok(());
        }
        self.tell_restart("pool", why);
        self.restart_pool(myself, pool).await
    }

    fn pool_of(&self, actor: ActorId) -> Option<PoolId> {
        let state = self.control.state.lock();
        let is_it = |running: &crate::control::Running| {
            running.actor.as_ref().is_some_and(|pool| pool.get_id() == actor)
        };
        state.pools.iter().find(|(_, running)| is_it(running)).map(|(pool, _)| *pool)
    }

    fn is_loading(&self, pool: PoolId) -> bool {
        let state = self.control.state.lock();
        state.versions.entries().iter().any(|entry| entry.pool == pool && entry.state == State::Loading)
    }

    fn pool_is_gone(&self, pool: PoolId) {
        if let Some(running) = self.control.state.lock().pools.get_mut(&pool) {
            running.actor = None;
        }
        if let Some(dispatcher) = self.control.dispatcher() {
            let _ = dispatcher.cast(Message::PoolEnded(pool));
        }
        self.control.changed.notify_waiters();
    }

    /// Starts a pool's actor again over the same mailbox. Its workers died with it; what they held has gone back or will, when they let go.
    async fn restart_pool(&self, myself: &ActorRef<Nothing>, pool: PoolId) -> Result<(), ActorProcessingErr> {
        let arguments = {
            let state = self.control.state.lock();
            let Some(running) = state.pools.get(&pool) else { return Ok(()) };
            let Some(spec) = running.spec.clone() else { return Ok(()) };
            PoolArguments {
                plane: Arc::clone(&self.control.plane),
                pool: Arc::clone(&running.handle),
                spec,
                is_loading: false,
                report: reporter(&self.control),
            }
        };
        let (actor, _) = Actor::spawn_linked(None, PoolActor, arguments, myself.get_cell()).await?;
        if let Some(running) = self.control.state.lock().pools.get_mut(&pool) {
            running.actor = Some(actor);
        }
        Ok(())
    }

    fn tell_restart(&self, actor: &'static str, why: String) {
        self.control.plane.tell(|community| Event::ActorRestarted { community, actor, why });
    }
}
