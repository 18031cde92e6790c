//! Which delayed jobs are due. Jobs due at the same time come out in the order in which they went in.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::time::Time;

/// Jobs that wait for their time.
#[derive(Clone, Debug)]
pub struct Delayed<T> {
    heap: BinaryHeap<Entry<T>>,
    inserted: u64,
}

#[derive(Clone, Debug)]
struct Entry<T> {
    due: Time,
    order: u64,
    job: T,
}

impl<T> Delayed<T> {
    /// No delayed jobs.
    pub fn new() -> Self {
        Self { heap: BinaryHeap::new(), inserted: 0 }
    }

    /// Keeps a job until `due`. Returns whether it is now the first to become due, so that a timer has to be set earlier.
    #[must_use = "a timer may have to be set earlier"]
    pub fn insert(&mut self, due: Time, job: T) -> bool {
        let first = self.next_due().is_none_or(|next| due < next);
        self.inserted += 1;
        self.heap.push(Entry { due, order: self.inserted, job });
        first
    }

    /// Removes and returns the job that has been due longest, if one is due.
    pub fn pop_due(&mut self, now: Time) -> Option<T> {
        if self.next_due()? > now {
            return None;
        }
        self.heap.pop().map(|entry| entry.job)
    }

    /// When the first job is due.
    pub fn next_due(&self) -> Option<Time> {
        self.heap.peek().map(|entry| entry.due)
    }

    /// How many jobs are due after `time`.
    pub fn due_after(&self, time: Time) -> usize {
        self.heap.iter().filter(|entry| entry.due > time).count()
    }

    /// How many jobs wait.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// Removes all jobs, the first due first, each with its time.
    pub fn drain(&mut self) -> impl Iterator<Item = (Time, T)> + use<T> {
        let mut entries = std::mem::take(&mut self.heap).into_vec();
        entries.sort_by(|a, b| b.cmp(a));
        entries.into_iter().map(|entry| (entry.due, entry.job))
    }
}

impl<T> Default for Delayed<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Earlier is greater, since the heap gives its greatest first.
impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.due, other.order).cmp(&(self.due, self.order))
    }
}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T> Eq for Entry<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: u64) -> Time {
        Time::from_nanos(nanos)
    }

    #[test]
    fn jobs_come_out_when_due_and_in_order() {
        let mut delayed = Delayed::new();
        assert!(delayed.insert(at(20), "b"));
        assert!(!delayed.insert(at(20), "c"));
        assert!(delayed.insert(at(10), "a"), "an earlier job moves the timer");
        assert!(!delayed.insert(at(30), "d"));
        assert_eq!(delayed.pop_due(at(9)), None);
        assert_eq!(delayed.next_due(), Some(at(10)));
        let due: Vec<_> = std::iter::from_fn(|| delayed.pop_due(at(20))).collect();
        assert_eq!(due, ["a", "b", "c"]);
        assert_eq!(delayed.due_after(at(20)), 1);
    }

    #[test]
    fn draining_gives_all_jobs_with_their_times() {
        let mut delayed = Delayed::new();
        for (due, job) in [(3, "x"), (1, "y"), (2, "z")] {
            let _ = delayed.insert(at(due), job);
        }
        let drained: Vec<_> = delayed.drain().collect();
        assert_eq!(drained, [(at(1), "y"), (at(2), "z"), (at(3), "x")]);
        assert!(delayed.is_empty());
    }
}
