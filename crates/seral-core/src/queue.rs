//! The order in which waiting jobs are taken.
//!
//! Three bands, one for each [`Priority`], first in, first out within a band. Strict: a lower band waits while a higher
//! one has jobs. Each 16th take serves the lowest band that has jobs, so that Low is slow and not starved. A batch stays
//! within a band.
//!
//! Each band has two parts. New jobs go to the end of `later`. Jobs that were admitted before (a retry, a recalled job, the
//! next of a key) go to the end of `earlier`, which is taken first: so they stand before newer jobs without a search.
//! Jobs that a worker took and did not begin go back to the very front. A batch stays within a part, too.

use std::collections::VecDeque;

use crate::chunks::Chunks;
use crate::id::Priority;

/// How often the lowest band with jobs is served: each 16th take. With batches of 16 that is a share of about 6 % under
/// full load, enough to bound the wait of a Low job and too little for High to notice.
const LOWEST_EACH: u8 = 16;

/// What a mailbox needs to know of a job.
pub trait Queued {
    /// The band in which it waits.
    fn priority(&self) -> Priority;
    /// Whether it names this version, so that it may run nowhere else.
    fn is_pinned(&self) -> bool;
}

/// Waiting jobs, in the order in which they will be taken.
///
/// What each push of a new job of normal priority reads and writes comes first, so that it lies together in the cache.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Queue<T> {
    len: usize,
    takes: u8,
    normal: Band<T>,
    high: Band<T>,
    low: Band<T>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
struct Band<T> {
    later: Chunks<T>,
    earlier: Chunks<T>,
}

impl<T> Band<T> {
    fn len(&self) -> usize {
        self.earlier.len() + self.later.len()
    }
}

impl<T> Queue<T> {
    /// An empty queue. Allocates nothing until jobs come.
    pub fn new() -> Self {
        let band = || Band { later: Chunks::new(), earlier: Chunks::new() };
        Self { len: 0, takes: 0, normal: band(), high: band(), low: band() }
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
    #[inline(always)]
    pub fn push(&mut self, priority: Priority, job: T) {
        self.band(priority).later.push_back(job);
        self.len += 1;
    }

    /// Adds a job that was admitted before: ahead of newer jobs of its band, behind others like it.
    pub fn readmit(&mut self, priority: Priority, job: T) {
        self.band(priority).earlier.push_back(job);
        self.len += 1;
    }

    /// Puts a job back to the very front of its band. To give a batch back in order, begin with its last job.
    pub fn give_back(&mut self, priority: Priority, job: T) {
        self.band(priority).earlier.push_front(job);
        self.len += 1;
    }

    /// Counts the jobs that wait now as earlier than those to be readmitted, where that costs nothing: a band whose
    /// `earlier` part is in use keeps its order.
    pub fn age(&mut self) {
        for band in self.bands_mut() {
            if band.earlier.is_empty() {
                std::mem::swap(&mut band.earlier, &mut band.later);
            }
        }
    }

    /// Takes up to `max` jobs of one band, into `out`, which is empty. It may be fewer though more wait: those that stand together. Returns how
    /// many.
    pub fn take(&mut self, max: usize, out: &mut VecDeque<T>) -> usize {
        self.takes = (self.takes + 1) % LOWEST_EACH;
        let lowest_turn = self.takes == 0;
        if self.normal.later.len() == self.len {
            // Nothing waits elsewhere, so memory that nobody else needs is not looked at.
            let count = self.normal.later.take(max, out);
            self.len -= count;
            return count;
        }
        let mut bands = self.bands_mut();
        if lowest_turn {
            bands.reverse();
        }
        let band = bands.into_iter().find(|band| band.len() > 0);
        let Some(band) = band else { return 0 };
        let part = if band.earlier.is_empty() { &mut band.later } else { &mut band.earlier };
        let count = part.take(max, out);
        self.len -= count;
        count
    }

    /// Removes up to `max` jobs that `wanted` accepts, earliest first; the others keep their order.
    pub fn remove(&mut self, max: usize, mut wanted: impl FnMut(&T) -> bool) -> Vec<T> {
        let mut removed = Vec::new();
        for band in self.bands_mut() {
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
        let bands = [&self.high, &self.normal, &self.low];
        bands.into_iter().flat_map(|band| band.earlier.iter().chain(band.later.iter()))
    }

    /// The first job of each part of each band, if there is one: those that are next to be taken.
    pub fn fronts(&self) -> impl Iterator<Item = &T> {
        let bands = [&self.high, &self.normal, &self.low];
        bands.into_iter().flat_map(|band| band.earlier.iter().take(1).chain(band.later.iter().take(1)))
    }

    fn band(&mut self, priority: Priority) -> &mut Band<T> {
        match priority {
            Priority::Normal => &mut self.normal,
            Priority::High => &mut self.high,
            Priority::Low => &mut self.low,
        }
    }

    /// Highest first.
    fn bands_mut(&mut self) -> [&mut Band<T>; 3] {
        [&mut self.high, &mut self.normal, &mut self.low]
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
        let mut taken = VecDeque::new();
        queue.take(max, &mut taken);
        taken.into()
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
        assert_eq!(take(&mut queue, 16), [1, 2, 3, 4]);
        assert_eq!(take(&mut queue, 16), [5]);
    }

    #[test]
    fn jobs_that_waited_before_a_page_was_turned_stay_before_the_readmitted() {
        let mut queue = Queue::new();
        queue.push(Normal, 1);
        queue.age();
        queue.readmit(Normal, 2);
        queue.push(Normal, 3);
        assert_eq!(take(&mut queue, 16), [1, 2]);
        assert_eq!(take(&mut queue, 16), [3]);
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
