//! What the control plane of a community keeps: versions, pools, and who is the dispatcher.
//!
//! Only the dispatcher changes it, and it is not in the dispatcher: so a dispatcher that starts anew goes on where the last one stopped.
//! Others look, for `describe`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;

use parking_lot::Mutex;
use ractor::ActorCell;
use ractor::ActorRef;
use seral_core::id::PoolId;
use seral_core::id::Version;
use seral_core::versions::Versions;
use tokio::sync::Notify;

use crate::agenda::Agenda;
use crate::any_plane::AnyPlane;
use crate::any_pool::AnyPool;
use crate::change::Changes;
use crate::course::Course;
use crate::finale::Finale;
use crate::pool::Spec;
use crate::pool_actor::PoolMessage;
use crate::user_code::drop_guarded;
use crate::verb::Message;

/// How long actors may take to end that have nothing left to do.
const ACTORS_TIME: Duration = Duration::from_secs(1);

/// See the [module](self).
pub(crate) struct Control {
    pub(crate) plane: Arc<dyn AnyPlane>,
    pub(crate) state: Mutex<ControlState>,
    /// Its end.
    pub(crate) finale: Finale,
    /// Lets the ecosystem forget this community, so that its name is free.
    pub(crate) leave: Leave,
    dispatcher: Mutex<Option<ActorRef<Message>>>,
    /// The actor that supervises the dispatcher and the pools.
    supervisor: OnceLock<ActorCell>,
    /// A new dispatcher, a version that changed, a pool that ended.
    pub(crate) changed: Notify,
}

/// How a community leaves its ecosystem.
pub(crate) type Leave = Box<dyn Fn() + Send + Sync>;

pub(crate) struct ControlState {
    pub(crate) versions: Versions,
    /// The last pool of each version that is remembered.
    pub(crate) pools: BTreeMap<PoolId, Running>,
    /// How each version that is remembered was made.
    pub(crate) specs: BTreeMap<Version, Spec>,
    /// Who changed what.
    pub(crate) changes: Changes,
    /// What is to be done at which time.
    pub(crate) agenda: Agenda,
    /// The rollout in progress, or the last one.
    pub(crate) course: Option<Course>,
    /// The community has been closed for good.
    pub(crate) is_closed: bool,
}

/// A pool, and its actor if it is alive.
pub(crate) struct Running {
    pub(crate) handle: Arc<dyn AnyPool>,
    /// How it was made; nothing once the community has ended.
    pub(crate) spec: Option<Spec>,
    pub(crate) actor: Option<ActorRef<PoolMessage>>,
}

impl Control {
    pub(crate) fn new(plane: Arc<dyn AnyPlane>, leave: Leave) -> Self {
        let state = ControlState {
            versions: Versions::new(),
            pools: BTreeMap::new(),
            specs: BTreeMap::new(),
            changes: Changes::default(),
            agenda: Agenda::default(),
            course: None,
            is_closed: false,
        };
        Self {
            plane,
            state: Mutex::new(state),
            finale: Finale::new(),
            leave,
            dispatcher: Mutex::new(None),
            supervisor: OnceLock::new(),
            changed: Notify::new(),
        }
    }

    pub(crate) fn dispatcher(&self) -> Option<ActorRef<Message>> {
        self.dispatcher.lock().clone()
    }

    /// From now on, this is the dispatcher.
    pub(crate) fn set_dispatcher(&self, dispatcher: Option<ActorRef<Message>>) {
        *self.dispatcher.lock() = dispatcher;
        self.changed.notify_waiters();
    }

    /// This is the actor that supervises the dispatcher and the pools.
    pub(crate) fn set_supervisor(&self, supervisor: ActorCell) {
        let _ = self.supervisor.set(supervisor);
    }

    pub(crate) fn handle(&self, pool: PoolId) -> Option<Arc<dyn AnyPool>> {
        self.state.lock().pools.get(&pool).map(|running| Arc::clone(&running.handle))
    }

    /// The handles of all pools that are remembered.
    pub(crate) fn handles(&self) -> Vec<Arc<dyn AnyPool>> {
        self.state.lock().pools.values().map(|running| Arc::clone(&running.handle)).collect()
    }

    /// Sends a message to the actor of this pool, if it is alive.
    pub(crate) fn tell_pool(&self, pool: PoolId, message: PoolMessage) {
        let actor = self.state.lock().pools.get(&pool).and_then(|running| running.actor.clone());
        if let Some(actor) = actor {
            let _ = actor.cast(message);
        }
    }

    /// Whether the community has ended and its workers are gone.
    pub(crate) fn is_over(&self) -> bool {
        self.state.lock().is_closed && !self.has_running_pools()
    }

    /// Lets go of all code of the user: a worker that holds its own community would keep both alive for ever.
    pub(crate) fn forget_user_code(&self) {
        let (specs, running, mut course) = {
            let mut state = self.state.lock();
            let specs = std::mem::take(&mut state.specs);
            let running: Vec<_> = state.pools.values_mut().map(|running| running.spec.take()).collect();
            (specs, running, state.course.take())
        };
        if let Some(course) = &mut course {
            course.end();
        }
        // Outside of the lock: these are destructors of the user's.
        drop_guarded((specs, running, course));
        self.plane.forget_user_code();
    }

    /// Ends the actors, with that of the community first, so that it starts none again. A worker that blocks its thread is not waited for any more.
    pub(crate) async fn end_actors(&self) {
        if let Some(supervisor) = self.supervisor.get() {
            let why = Some("the community has ended".to_owned());
            let _ = supervisor.stop_and_wait(why, Some(ACTORS_TIME)).await;
        }
        self.state.lock().pools.values_mut().for_each(|running| running.actor = None);
        self.set_dispatcher(None);
    }

    /// Whether any pool's actor is alive.
    pub(crate) fn has_running_pools(&self) -> bool {
        self.state.lock().pools.values().any(|running| running.actor.is_some())
    }
}
