//! Jobs that end while they wait: their deadline passed, their sender cancelled them, or the version that they name is broken.

use seral_core::id::JobId;
use seral_core::mailbox::Queued;
use seral_core::retry::Cause;
use seral_core::routing::Routed;
use seral_core::time::Time;

use crate::cancellation::CancelJob;
use crate::cancellation::Cancellation;
use crate::ending::Death;
use crate::job::Envelope;
use crate::plane::DataPlane;
use crate::pool_handle::PoolHandle;
use crate::watcher;

impl<J, O> DataPlane<J, O> {
    /// Ends all jobs that `wanted` accepts and that wait in a mailbox, behind their key, or for a version.
    fn end_waiting(&self, wanted: &dyn Fn(&Envelope<J, O>) -> bool, end: &dyn Fn(Envelope<J, O>)) {
        // Those behind a key first: the end of its holder would let the next of them out.
        for held in self.fence.remove(wanted) {
            let pinned = held.job.is_pinned();
            end(held.job);
            held.counted_by.mailbox.unhold();
            if pinned {
                held.counted_by.mailbox.unpin_away();
            }
        }
        let table = self.routes.load_full();
        for (_, pool) in &table.serving {
            let found = pool.mailbox.remove(wanted);
            let count = found.len();
            found.into_iter().for_each(end);
            pool.mailbox.arrived(count);
        }
        self.take_out_unrouted(wanted, end);
    }

    /// Sets all jobs aside that name the version of this pool and wait: its workers cannot be kept running.
    pub(crate) fn give_up_pinned(&self, pool: &PoolHandle<J, O>) {
        pool.mailbox.shut();
        for desk in pool.desks() {
            pool.take_back(&desk);
        }
        let give_up = |job: Envelope<J, O>| {
            let version = Some(pool.version.clone());
            let reason = format!("version {} cannot keep its workers running", pool.version);
            let attempts = job.attempt().get() - 1;
            self.bury(job, Death { cause: Cause::VersionBroken, reason, version, attempts });
        };
        self.end_waiting(&|job| job.pin() == Some(&pool.version), &give_up);
        let (delayed, _moving) = {
            let mut delayed = self.delayed.lock();
            let delayed = delayed.remove_if(|sleeping| sleeping.job.pin() == Some(&pool.version));
            // Counted under the lock: at no moment are the jobs nowhere.
            let moving = self.moving(delayed.len());
            (delayed, moving)
        };
        for sleeping in delayed {
            sleeping.end(give_up);
        }
    }

    // ---- deadlines -------------------------------------------------------------------------------------------------

    /// Ends all waiting jobs whose deadline has passed.
    pub(crate) fn sweep_expired(&self, now: Time) {
        self.forget_deadlines();
        self.end_waiting(&|job| job.is_expired(|| now), &|job| self.expire(job));
        self.note_earliest_deadline(now);
    }

    /// Looks for the earliest deadline of all waiting jobs.
    fn note_earliest_deadline(&self, now: Time) {
        let mut earliest = Time::MAX;
        let mut note = |job: &Envelope<J, O>| {
            earliest = job.deadline().map_or(earliest, |deadline| earliest.min(deadline));
        };
        let table = self.routes.load_full();
        for (_, pool) in &table.serving {
            pool.mailbox.for_each_waiting(&mut note);
        }
        self.fence.for_each(&mut note);
        self.unrouted.lock().iter().for_each(&mut note);
        // A job on a desk is begun, or comes back to the mailbox, within the watcher's next looks: to be looked at then.
        let mut on_desks = Time::MAX;
        let mut note_desk = |job: &Envelope<J, O>| {
            on_desks = job.deadline().map_or(on_desks, |deadline| on_desks.min(deadline));
        };
        for (_, pool) in &table.serving {
            for desk in pool.desks() {
                desk.with_jobs(|jobs| jobs.iter().for_each(&mut note_desk));
            }
        }
        if on_desks < Time::MAX {
            earliest = earliest.min(on_desks.max(now.after(watcher::INTERVAL * 3)));
        }
        if earliest < Time::MAX {
            self.note_deadline(earliest);
        }
    }
}

impl<J: Send + Sync + 'static, O: Send + 'static> CancelJob for DataPlane<J, O> {
    fn cancel(&self, id: JobId, cancellation: &Cancellation) {
        if cancellation.is_over() {
            return;
        }
        // A job of this number without the mark has been replayed.
        let delayed =
            self.take_delayed(
                |delayed| {
                    if delayed.get(id)?.job.is_cancelled() { delayed.remove(id) } else { None }
                },
            );
        if let Some((sleeping, _moving)) = delayed {
            return sleeping.end(|job| self.end_cancelled(job));
        }
        let table = self.routes.load_full();
        for (_, pool) in &table.serving {
            for desk in pool.desks() {
                desk.cancel(id);
                if desk.with_jobs(|jobs| jobs.iter().any(|job| job.id == id)) {
                    pool.take_back(&desk);
                }
            }
        }
        self.end_waiting(&|job| job.id == id && job.is_cancelled(), &|job| self.end_cancelled(job));
    }
}
