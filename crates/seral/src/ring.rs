//! Workers that wait for room elsewhere, and whether that is in vain since the room would have to come from themselves.
//!
//! Only a worker that finds a full mailbox comes here. The decision is [`seral_core::waits`].

use std::collections::BTreeMap;
use std::future::Future;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use parking_lot::Mutex;
use seral_core::id::WorkerId;
use seral_core::waits;
use seral_core::waits::Prospect;

use crate::inside;
use crate::inside::Askers;
use crate::inside::Source;

/// How often a worker looks anew whether it waits in vain, though nothing has woken it: another worker may have left on whom it counted.
const LOOK_EACH: Duration = Duration::from_secs(1);

/// The room would have to come from whoever waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InVain;

/// Whose workers wait for room where, in one ecosystem.
#[derive(Default)]
pub(crate) struct Rings(Mutex<Line>);

#[derive(Default)]
struct Line {
    last: u64,
    waiting: BTreeMap<u64, Waiting>,
}

/// A worker that waits.
struct Waiting {
    by: Arc<dyn Source>,
    worker: WorkerId,
    on: Arc<dyn Source>,
    /// Those who wait for the answer to its job.
    askers: Option<Arc<Askers>>,
}

/// Whoever runs here waits for room, as long as this lives.
#[must_use = "a worker counts as waiting for as long as this lives"]
pub(crate) struct Wait<'a> {
    rings: &'a Rings,
    on: Arc<dyn Source>,
    /// Its place in the line. None for one that is no worker: nobody counts on him for room.
    ticket: Option<u64>,
}

impl Rings {
    /// Whoever runs here begins to wait for room there.
    pub(crate) fn begin(&self, on: Arc<dyn Source>) -> Wait<'_> {
        let ticket = inside::worker().map(|(by, worker, askers)| {
            let waiting = Waiting { by, worker, on: Arc::clone(&on), askers };
            let mut line = self.0.lock();
            line.last += 1;
            let ticket = line.last;
            line.waiting.insert(ticket, waiting);
            ticket
        });
        Wait { rings: self, on, ticket }
    }

    fn is_in_vain(&self, on: &Arc<dyn Source>) -> bool {
        if on.prospect().lets_in {
            return false;
        }
        let line = self.0.lock();
        let may_wait = |waiting: &Waiting| number(&waiting.by) == number(on) || waiting.askers.is_some();
        if !line.waiting.values().any(may_wait) {
            // The usual case: a slow stage at the end.
            return false;
        }
        let mut pools = BTreeMap::new();
        let mut waits = Vec::new();
        let mut add = |by: Arc<dyn Source>, worker: WorkerId, on: &Arc<dyn Source>| {
            waits.push(waits::Wait { by: number(&by), worker: worker.get(), on: number(on) });
            pools.insert(number(&by), by);
            pools.insert(number(on), Arc::clone(on));
        };
        for Waiting { by, worker, on, askers } in line.waiting.values() {
            add(Arc::clone(by), *worker, on);
            for asker in askers.iter().flat_map(|askers| askers.waiting()) {
                // It goes on with the answer, when the worker does that waits here.
                if let Some(by) = asker.pool.upgrade() {
                    add(by, asker.worker, on);
                }
            }
        }
        let look = |pool| {
            let nobody_waits = Prospect { workers: 0, lets_in: true };
            pools.get(&pool).map_or(nobody_waits, |pool: &Arc<dyn Source>| pool.prospect())
        };
        let is_in_vain = waits::is_in_vain(number(on), &waits, look);
        // Not under the lock: of those that ask, this may be the last that holds a pool, with jobs of the user's.
        drop(line);
        is_in_vain
    }
}

impl Wait<'_> {
    /// Waits for `room`, as long as that makes sense.
    pub(crate) async fn for_room(&self, room: impl Future<Output = ()>) -> Result<(), InVain> {
        let mut room = pin!(room);
        if self.ticket.is_none() {
            room.await;
            return Ok(());
        }
        loop {
            let look = poll_fn(|task| match room.as_mut().poll(task) {
                Poll::Ready(()) => Poll::Ready(Ok(())),
                // Looked at when it stands in line: whoever comes to wait after it looks after it.
                Poll::Pending if self.rings.is_in_vain(&self.on) => Poll::Ready(Err(InVain)),
                Poll::Pending => Poll::Pending,
            });
            if let Ok(ended) = tokio::time::timeout(LOOK_EACH, look).await {
                return ended;
            }
        }
    }
}

/// Two that live at the same time have different numbers.
fn number(pool: &Arc<dyn Source>) -> usize {
    Arc::as_ptr(pool).cast::<()>().addr()
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        let waiting = self.rings.0.lock().waiting.remove(&ticket);
        // Not under the lock: it may be the last that holds a pool, with jobs of the user's.
        drop(waiting);
    }
}
