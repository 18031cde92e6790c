//! Who sends: somebody outside, or a worker.
//!
//! A worker must not wait for room in its own community, since it is the one who makes room; and it must not wait for an answer
//! that waits for itself. Both are known from where the send is polled: each worker runs inside a scope that says whose worker it
//! is and which askers wait for the job in its hand. A task that a worker spawns is outside of that scope.

use std::cell::RefCell;
use std::iter::successors;
use std::sync::Arc;
use std::sync::Weak;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use seral_core::id::WorkerId;
use seral_core::mailbox::Sender;
use seral_core::waits::Prospect;

tokio::task_local! {
    static INSIDE: Inside;
}

/// Tells communities, and ecosystems, of one process apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place(u64);

impl Place {
    /// A place unlike all others.
    pub(crate) fn new() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Relaxed))
    }
}

/// Where the workers of one pool take their jobs from.
pub(crate) trait Source: Send + Sync {
    /// What somebody sees who waits for room.
    fn prospect(&self) -> Prospect;
}

/// Workers that wait for an answer, the latest asker first.
pub(crate) struct Askers {
    community: Place,
    /// Not held: each may hold jobs that were asked by a worker of the other.
    pub(crate) pool: Weak<dyn Source>,
    pub(crate) worker: WorkerId,
    /// Whether the latest has not given up.
    is_waiting: AtomicBool,
    before: Option<Arc<Askers>>,
}

impl Askers {
    /// Those that wait still. Whoever waits for one that has given up does not wait for the job in hand.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &Self> {
        let still = |asker: &&Self| asker.is_waiting.load(Relaxed);
        successors(Some(self).filter(still), move |asker| asker.before.as_deref().filter(still))
    }
}

/// Whoever asks waits for as long as this lives.
pub(crate) struct Asking(pub(crate) Option<Arc<Askers>>);

impl Drop for Asking {
    fn drop(&mut self) {
        if let Some(askers) = &self.0 {
            askers.is_waiting.store(false, Relaxed);
        }
    }
}

/// An ask that could never be answered.
#[derive(Debug)]
pub(crate) struct WouldDeadlock;

/// Whose worker runs here.
pub(crate) struct Inside {
    ecosystem: Place,
    community: Place,
    pool: Arc<dyn Source>,
    worker: WorkerId,
    askers: RefCell<Option<Arc<Askers>>>,
}

impl Inside {
    /// A worker that has no job yet.
    pub(crate) fn new(ecosystem: Place, community: Place, pool: Arc<dyn Source>, worker: WorkerId) -> Self {
        Self { ecosystem, community, pool, worker, askers: RefCell::new(None) }
    }
}

/// Runs a worker's code, so that its sends are known as its own.
pub(crate) async fn scope<F: Future>(inside: Inside, worker: F) -> F::Output {
    INSIDE.scope(inside, worker).await
}

/// While this lives, the worker's job is one for whose answer these wait.
pub(crate) struct Askings {
    any: bool,
}

impl Askings {
    /// Of a job that nobody may wait for.
    pub(crate) fn of(askers: Option<&Arc<Askers>>) -> Self {
        if let Some(askers) = askers {
            set_askers(Some(Arc::clone(askers)));
        }
        Self { any: askers.is_some() }
    }
}

impl Drop for Askings {
    fn drop(&mut self) {
        if self.any {
            set_askers(None);
        }
    }
}

fn set_askers(askers: Option<Arc<Askers>>) {
    let _ = INSIDE.try_with(|inside| inside.askers.replace(askers));
}

/// Where a send to this community comes from.
pub(crate) fn sender_to(community: Place) -> Sender {
    match INSIDE.try_with(|inside| inside.community == community) {
        Ok(true) => Sender::Inside,
        _ => Sender::Outside,
    }
}

/// A worker that has a job in hand: its pool, which of it it is, and those who wait for the answer.
type AtWork = (Arc<dyn Source>, WorkerId, Option<Arc<Askers>>);

/// The worker that runs here, if one does.
pub(crate) fn worker() -> Option<AtWork> {
    INSIDE.try_with(|inside| (Arc::clone(&inside.pool), inside.worker, inside.askers.borrow().clone())).ok()
}

/// Whether a worker of this ecosystem runs here.
pub(crate) fn is_worker_of(ecosystem: Place) -> bool {
    INSIDE.try_with(|inside| inside.ecosystem == ecosystem).unwrap_or(false)
}

/// Those who will wait when this community is asked from here.
pub(crate) fn ask(community: Place) -> Result<Option<Arc<Askers>>, WouldDeadlock> {
    INSIDE
        .try_with(|inside| {
            let askers = Askers {
                community: inside.community,
                pool: Arc::downgrade(&inside.pool),
                worker: inside.worker,
                is_waiting: AtomicBool::new(true),
                before: inside.askers.borrow().clone(),
            };
            if askers.waiting().any(|asker| asker.community == community) {
                return Err(WouldDeadlock);
            }
            Ok(Some(Arc::new(askers)))
        })
        .unwrap_or(Ok(None))
}
