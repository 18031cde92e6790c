//! The order in which waiting jobs are taken.
//!
//! Three bands, one for each [`Priority`], first in, first out within a band. Strict: a lower band waits while a higher
//! one has jobs. Each 16th take serves the lowest band that has jobs, so that Low is slow and not starved. A batch stays
//! within a band.
//!
//! Each band has two parts. New jobs go to the end of `later`. Jobs that were admitted before (a retry, a recalled job, the
//! next of a key) go to the end of `earlier`, which is taken first: so they stand before newer jobs without a search.
//! Jobs that a worker took and did not begin go back to the very front.

use std::collections::VecDeque;

use crate::id::Priority;

/// How often the lowest band with jobs is served: each 16th take. With batches of 16 that is a share of about 6 % under
/// full load, enough to bound the wait of a Low job and too little for High to notice.
const LOWEST_EACH: u8 = 16;

/// Waiting jobs, in the order in which they will be taken.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Queue<T> {
    bands: [Band<T>; 3],
    len: usize,
    takes: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Band<T> {
    earlier: VecDeque<T>,
    later: VecDeque<T>,
}

impl<T> Band<T> {
    fn len(&self) -> usize {
        self.earlier.len() + self.later.len()
    }

    fn pop(&mut self) -> Option<T> {
        self.earlier.pop_front().or_else(|| self.later.pop_front())
    }
}

impl<T> Queue<T> {
    /// An empty queue. Allocates nothing until jobs come.
    pub fn new() -> Self {
        let band = || Band { earlier: VecDeque::new(), later: VecDeque::new() };
        Self { bands: [band(), band(), band()], len: 0, takes: 0 }
    }

    /// How many jobs wait.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no job waits.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a new job, behind all others of its band.
    pub fn push(&mut self, priority: Priority, job: T) {
        self.bands[priority as usize].later.push_back(job);
        self.len += 1;
    }

    /// Adds a job that was admitted before: ahead of newer jobs of its band, behind others like it.
    pub fn readmit(&mut self, priority: Priority, job: T) {
        self.bands[priority as usize].earlier.push_back(job);
        self.len += 1;
    }

    /// Puts a job back to the very front of its band. To give a batch back in order, begin with its last job.
    pub fn give_back(&mut self, priority: Priority, job: T) {
        self.bands[priority as usize].earlier.push_front(job);
        self.len += 1;
    }

    /// Counts the jobs that wait now as earlier than those to be readmitted, where that costs nothing: a band whose
    /// `earlier` part is in use keeps its order.
    pub fn age(&mut self) {
        for band in &mut self.bands {
            if band.earlier.is_empty() {
                std::mem::swap(&mut band.earlier, &mut band.later);
            }
        }
    }

    /// Takes up to `max` jobs of one band and hands each to `out`. Returns how many.
    pub fn take(&mut self, max: usize, mut out: impl FnMut(T)) -> usize {
        self.takes = (self.takes + 1) % LOWEST_EACH;
        let lowest_turn = self.takes == 0;
        let has_jobs = |band: &&mut Band<T>| band.len() > 0;
        let band = if lowest_turn {
            self.bands.iter_mut().rev().find(has_jobs)
        } else {
            self.bands.iter_mut().find(has_jobs)
        };
        let Some(band) = band else { return 0 };
        let count = band.len().min(max);
        for job in std::iter::from_fn(|| band.pop()).take(count) {
            out(job);
        }
        self.len -= count;
        count
    }

    /// Removes up to `max` jobs that `wanted` accepts, earliest first; the others keep their order.
    pub fn remove(&mut self, max: usize, mut wanted: impl FnMut(&T) -> bool) -> Vec<T> {
        let mut removed = Vec::new();
        for band in &mut self.bands {
            for part in [&mut band.earlier, &mut band.later] {
                let mut kept = Vec::new();
                while removed.len() < max {
                    match part.pop_front() {
                        Some(job) if wanted(&job) => removed.push(job),
                        Some(job) => kept.push(job),
                        None => break,
                    }
                }
                for job in kept.into_iter().rev() {
                    part.push_front(job);
                }
            }
        }
        self.len -= removed.len();
        removed
    }

    /// The jobs, band by band, each in the order in which it would be taken.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.bands.iter().flat_map(|band| band.earlier.iter().chain(&band.later))
    }
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Priority::{High, Low, Normal};

    fn take(queue: &mut Queue<u32>, max: usize) -> Vec<u32> {
        let mut taken = Vec::new();
        queue.take(max, |job| taken.push(job));
        taken
    }

    #[test]
    fn a_batch_is_first_in_first_out_and_stays_within_a_band() {
        let mut queue = Queue::new();
        for job in 1..=3 {
            queue.push(Normal, job);
        }
        queue.push(High, 10);
        assert_eq!(take(&mut queue, 16), [10]);
        assert_eq!(take(&mut queue, 2), [1, 2]);
        assert_eq!(take(&mut queue, 2), [3]);
        assert!(queue.is_empty());
    }

    #[test]
    fn a_low_job_is_taken_within_sixteen_takes() {
        let mut queue = Queue::new();
        queue.push(Low, 0);
        let mut takes = 0;
        loop {
            queue.push(High, 1);
            takes += 1;
            if take(&mut queue, 1) == [0] {
                break;
            }
        }
        assert_eq!(takes, 16);
    }

    #[test]
    fn readmitted_jobs_stand_before_newer_ones_and_given_back_ones_before_all() {
        let mut queue = Queue::new();
        queue.push(Normal, 5);
        queue.readmit(Normal, 3);
        queue.readmit(Normal, 4);
        for job in [2, 1] {
            queue.give_back(Normal, job);
        }
        assert_eq!(take(&mut queue, 16), [1, 2, 3, 4, 5]);
    }

    #[test]
    fn jobs_that_waited_before_a_page_was_turned_stay_before_the_readmitted() {
        let mut queue = Queue::new();
        queue.push(Normal, 1);
        queue.age();
        queue.readmit(Normal, 2);
        queue.push(Normal, 3);
        assert_eq!(take(&mut queue, 16), [1, 2, 3]);
    }

    #[test]
    fn removing_keeps_the_order_of_the_rest() {
        let mut queue = Queue::new();
        for job in 1..=6 {
            queue.push(Normal, job);
        }
        assert_eq!(queue.remove(2, |job| job % 2 == 0), [2, 4]);
        assert_eq!(queue.len(), 4);
        assert_eq!(take(&mut queue, 16), [1, 3, 5, 6]);
    }
}
