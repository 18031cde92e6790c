//! Whether there is room in a mailbox: for a job, for many, for those who wait.

use crate::gate::Gate;
use crate::gate::Refusal;
use crate::gate::Sender;
use crate::mailbox::Mailbox;
use crate::queue::Queued;
use crate::waits::Prospect;

impl<T: Queued, W> Mailbox<T, W> {
    /// Whether a new job would be admitted now.
    ///
    /// # Errors
    ///
    /// [`Refusal`] when it would not.
    pub fn has_room(&self, from: Sender, pinned: bool) -> Result<(), Refusal> {
        self.has_room_for(1, from, pinned)
    }

    /// Whether so many new jobs would be admitted now, as far as room goes; a [limit](crate::limit::Limit) is asked for one.
    ///
    /// # Errors
    ///
    /// [`Refusal`] when they would not.
    pub fn has_room_for(&self, jobs: usize, from: Sender, pinned: bool) -> Result<(), Refusal> {
        if !self.gate.lets_through(pinned) {
            self.limit_allows()?;
        }
        let is_too_much = self.used().saturating_add(jobs) > from.limit(self.capacity);
        if is_too_much { Err(Refusal::Full) } else { Ok(()) }
    }

    /// What somebody sees who waits for room. So many workers are meant to be there, though some may just be started again.
    pub fn prospect(&self, size: usize) -> Prospect {
        // What stands behind its key is let out by whoever ends a job, not by a worker that has none.
        let idle = if self.queue.is_empty() { self.seats.idle() } else { 0 };
        let workers = self.seats.occupied().max(size) - idle;
        Prospect { workers, lets_in: self.lets_senders_in() }
    }

    pub(crate) fn used(&self) -> usize {
        self.queue.len() + self.held
    }

    pub(crate) fn is_full(&self, from: Sender) -> bool {
        self.used() >= from.limit(self.capacity)
    }

    /// Whether a job comes in that does not name this version and that the gate does not let through at once.
    #[cold]
    pub(crate) fn limit_allows(&self) -> Result<(), Refusal> {
        if self.gate != Gate::Limited {
            return Err(Refusal::Gate);
        }
        let unfinished = self.used() + self.leased + self.in_transit;
        if self.quota.allows_one_more(unfinished) { Ok(()) } else { Err(Refusal::Enough) }
    }

    /// Whether waiting senders are woken: not before the mailbox is half empty, which would wake one for each job taken.
    pub(crate) fn lets_senders_in(&self) -> bool {
        self.used() <= self.capacity / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Priority;
    use crate::limit::Limit;

    struct Job;

    impl Queued for Job {
        fn priority(&self) -> Priority {
            Priority::Normal
        }

        fn is_pinned(&self) -> bool {
            false
        }
    }

    #[test]
    fn there_is_room_for_exactly_as_many_as_are_admitted() {
        for (from, limit) in [(Sender::Outside, 3), (Sender::Inside, 6), (Sender::Promised, usize::MAX)] {
            for waiting in 0..=4 {
                let mut mailbox = Mailbox::<Job, ()>::new(3);
                let _ = mailbox.open(Limit::None);
                for _ in 0..waiting {
                    assert!(mailbox.admit(Sender::Promised, Job, Some).is_ok());
                }
                let fits = |jobs| mailbox.has_room_for(jobs, from, false) == Ok(());
                let room = (0..10).take_while(|jobs| fits(jobs + 1)).count();
                let admitted = (0..10).take_while(|_| mailbox.admit(from, Job, Some).is_ok()).count();
                assert_eq!(room, admitted, "{from:?} beside {waiting}");
                assert_eq!(admitted, limit.saturating_sub(waiting).min(10));
            }
        }
    }
}
