//! Which delayed jobs are due. Jobs due at the same time come out in the order of their numbers.

use std::collections::BTreeMap;
use std::collections::HashMap;

use crate::id::JobId;
use crate::time::Time;

/// Jobs that wait for their time.
#[derive(Clone, Debug)]
pub struct Delayed<T> {
    jobs: BTreeMap<(Time, JobId), T>,
    due: HashMap<JobId, Time>,
}

impl<T> Delayed<T> {
    /// No delayed jobs.
    pub fn new() -> Self {
        Self { jobs: BTreeMap::new(), due: HashMap::new() }
    }

    /// Keeps a job until `due`; none of its number is kept. Returns whether it is now the first to become due, so that a timer has to be set earlier.
    #[must_use = "a timer may have to be set earlier"]
    pub fn insert(&mut self, due: Time, id: JobId, job: T) -> bool {
        let first = self.next_due().is_none_or(|next| due < next);
        self.jobs.insert((due, id), job);
        self.due.insert(id, due);
        first
    }

    /// Removes and returns the job that has been due longest, if one is due.
    pub fn pop_due(&mut self, now: Time) -> Option<T> {
        let first = self.jobs.first_entry()?;
        let (due, id) = *first.key();
        if due > now {
            return None;
        }
        self.due.remove(&id);
        Some(first.remove())
    }

    /// The job of this number.
    pub fn get(&self, id: JobId) -> Option<&T> {
        self.jobs.get(&(*self.due.get(&id)?, id))
    }

    /// Removes and returns the job of this number.
    pub fn remove(&mut self, id: JobId) -> Option<T> {
        let due = self.due.remove(&id)?;
        self.jobs.remove(&(due, id))
    }

    /// Removes and returns the jobs that `wanted` accepts, the first due first.
    pub fn remove_if(&mut self, mut wanted: impl FnMut(&T) -> bool) -> Vec<T> {
        let wanted: Vec<_> = self.jobs.iter().filter(|(_, job)| wanted(job)).map(|(key, _)| key.1).collect();
        wanted.into_iter().filter_map(|id| self.remove(id)).collect()
    }

    /// The jobs, the first due first, to be changed where they are.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.jobs.values_mut()
    }

    /// When the first job is due.
    pub fn next_due(&self) -> Option<Time> {
        self.jobs.first_key_value().map(|((due, _), _)| *due)
    }

    /// How many jobs wait.
    pub fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Removes all jobs, the first due first, each with its time.
    pub fn drain(&mut self) -> impl Iterator<Item = (Time, T)> + use<T> {
        self.due.clear();
        std::mem::take(&mut self.jobs).into_iter().map(|((due, _), job)| (due, job))
    }
}

impl<T> Default for Delayed<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: u64) -> Time {
        Time::from_nanos(nanos)
    }

    fn delayed(jobs: &[(u64, u64, &'static str)]) -> Delayed<&'static str> {
        let mut delayed = Delayed::new();
        for (due, id, job) in jobs {
            let _ = delayed.insert(at(*due), JobId::new(*id), *job);
        }
        delayed
    }

    #[test]
    fn jobs_come_out_when_due_and_in_order() {
        let mut delayed = Delayed::new();
        assert!(delayed.insert(at(20), JobId::new(2), "b"));
        assert!(!delayed.insert(at(20), JobId::new(3), "c"));
        assert!(delayed.insert(at(10), JobId::new(4), "a"), "an earlier job moves the timer");
        assert!(!delayed.insert(at(30), JobId::new(1), "d"));
        assert_eq!(delayed.pop_due(at(9)), None);
        assert_eq!(delayed.next_due(), Some(at(10)));
        let due: Vec<_> = std::iter::from_fn(|| delayed.pop_due(at(20))).collect();
        assert_eq!(due, ["a", "b", "c"]);
        assert_eq!((delayed.len(), delayed.next_due()), (1, Some(at(30))));
    }

    #[test]
    fn draining_gives_all_jobs_with_their_times() {
        let mut delayed = delayed(&[(3, 1, "x"), (1, 2, "y"), (2, 3, "z")]);
        let drained: Vec<_> = delayed.drain().collect();
        assert_eq!(drained, [(at(1), "y"), (at(2), "z"), (at(3), "x")]);
        assert!(delayed.is_empty());
    }

    #[test]
    fn a_job_is_removed_by_its_number_and_by_what_it_is() {
        let mut delayed = delayed(&[(3, 1, "x"), (1, 2, "y"), (2, 3, "z"), (2, 4, "y")]);
        assert_eq!(delayed.remove(JobId::new(5)), None);
        assert_eq!(delayed.remove(JobId::new(1)), Some("x"));
        assert_eq!(delayed.remove(JobId::new(1)), None);
        assert_eq!(delayed.remove_if(|job| *job == "y"), ["y", "y"]);
        assert_eq!(delayed.remove(JobId::new(2)), None);
        assert_eq!(delayed.drain().collect::<Vec<_>>(), [(at(2), "z")]);
        assert_eq!(delayed.remove(JobId::new(3)), None);
    }

    #[test]
    fn a_number_that_comes_again_is_another_time() {
        let mut delayed = delayed(&[(1, 7, "x")]);
        assert_eq!(delayed.pop_due(at(1)), Some("x"));
        assert!(delayed.due.is_empty(), "nothing is kept of jobs that have gone");
        assert_eq!(delayed.remove(JobId::new(7)), None);
        assert!(delayed.insert(at(5), JobId::new(7), "x"));
        assert_eq!(delayed.remove(JobId::new(7)), Some("x"));
        assert_eq!(delayed.next_due(), None);
    }
}
