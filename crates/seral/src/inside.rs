//! Who sends: somebody outside, or a worker.
//!
//! A worker must not wait for room in its own community, since it is the one who makes room; and it must not wait for an answer
//! that waits for itself. Both are known from where the send is polled: each worker runs inside a scope that says whose worker it
//! is and which askers wait for the job in its hand. A task that a worker spawns is outside of that scope.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

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
        Self(LAST.fetch_add(1, Ordering::Relaxed))
    }
}

/// Where the workers of one pool take their jobs from.
pub(crate) trait Source: Send + Sync {
    /// What somebody sees who waits for room.
    fn prospect(&self) -> Prospect;
}

/// Those whose workers wait for an answer, the latest asker first.
pub(crate) struct Askers {
    community: Place,
    pub(crate) pool: Arc<dyn Source>,
    pub(crate) before: Option<Arc<Askers>>,
}

/// An ask that could never be answered.
#[derive(Debug)]
pub(crate) struct WouldDeadlock;

/// Whose worker runs here.
pub(crate) struct Inside {
    ecosystem: Place,
    community: Place,
    pool: Arc<dyn Source>,
    askers: RefCell<Option<Arc<Askers>>>,
}

/// Runs a worker's code, so that its sends are known as its own.
pub(crate) async fn scope<F: Future>(
    ecosystem: Place,
    community: Place,
    pool: Arc<dyn Source>,
    worker: F,
) -> F::Output {
    INSIDE.scope(Inside { ecosystem, community, pool, askers: RefCell::new(None) }, worker).await
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

/// The pool of the worker that runs here, if one does, and those who wait for the answer to its job.
pub(crate) fn worker() -> Option<(Arc<dyn Source>, Option<Arc<Askers>>)> {
    INSIDE.try_with(|inside| (Arc::clone(&inside.pool), inside.askers.borrow().clone())).ok()
}

/// Whether a worker of this ecosystem runs here.
pub(crate) fn is_worker_of(ecosystem: Place) -> bool {
    INSIDE.try_with(|inside| inside.ecosystem == ecosystem).unwrap_or(false)
}

/// Those who will wait when this community is asked from here.
pub(crate) fn ask(community: Place) -> Result<Option<Arc<Askers>>, WouldDeadlock> {
    INSIDE
        .try_with(|inside| {
            let (pool, before) = (Arc::clone(&inside.pool), inside.askers.borrow().clone());
            let askers = Askers { community: inside.community, pool, before };
            let mut waiting = Some(&askers);
            while let Some(asker) = waiting {
                if asker.community == community {
                    return Err(WouldDeadlock);
                }
                waiting = asker.before.as_deref();
            }
            Ok(Some(Arc::new(askers)))
        })
        .unwrap_or(Ok(None))
}
