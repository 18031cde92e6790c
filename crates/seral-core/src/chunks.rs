//! A deque in chunks of as many jobs as a worker takes at once, so that a batch changes hands as one piece.
//!
//! Batches are taken under the mailbox's one lock. Moving sixteen jobs there, one by one, would bring each of them into the cache of the
//! thread that takes them while all others wait; moving a chunk moves a pointer. The deque that comes in exchange becomes a chunk later,
//! so while batches are worked off nothing is allocated.

use std::collections::VecDeque;
use std::hash::Hash;
use std::hash::Hasher;

use crate::tune::BATCH_MAX;

/// How many empty chunks are kept for later. Senders that wait for room are woken when a mailbox is half empty, so that is how far a full one goes
/// up and down: 5,000 jobs by default. After a larger flood the rest of the memory goes back.
const SPARE_MAX: usize = 5_000 / BATCH_MAX;

/// A deque of jobs.
///
/// What each push reads and writes comes first, so that it lies together in the cache.
#[derive(Clone, Debug)]
#[repr(C)]
pub(crate) struct Chunks<T> {
    /// The last chunk, to which jobs are added. It may be empty.
    tail: VecDeque<T>,
    len: usize,
    /// The chunks before it. None is empty.
    before: VecDeque<VecDeque<T>>,
    spare: Vec<VecDeque<T>>,
}

impl<T> Chunks<T> {
    /// Allocates nothing until jobs come.
    pub(crate) fn new() -> Self {
        Self { tail: VecDeque::new(), len: 0, before: VecDeque::new(), spare: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    #[inline(always)]
    pub(crate) fn push_back(&mut self, job: T) {
        if self.tail.len() == BATCH_MAX {
            self.begin_chunk();
        }
        self.tail.push_back(job);
        self.len += 1;
    }

    fn begin_chunk(&mut self) {
        let empty = self.empty_chunk();
        let full = std::mem::replace(&mut self.tail, empty);
        self.before.push_back(full);
    }

    pub(crate) fn push_front(&mut self, job: T) {
        if self.first().len() == BATCH_MAX {
            let empty = self.empty_chunk();
            self.before.push_front(empty);
        }
        self.first().push_front(job);
        self.len += 1;
    }

    pub(crate) fn pop_front(&mut self) -> Option<T> {
        let job = self.first().pop_front()?;
        self.len -= 1;
        if self.before.front().is_some_and(VecDeque::is_empty) {
            let empty = self.before.pop_front();
            self.keep(empty);
        }
        Some(job)
    }

    /// Takes up to `max` jobs of the first chunk, into `out`, which is empty. Returns how many.
    pub(crate) fn take(&mut self, max: usize, out: &mut VecDeque<T>) -> usize {
        // Seen without a look at the chunks before it.
        let is_all_in_tail = self.tail.len() == self.len;
        let first = if is_all_in_tail { &mut self.tail } else { self.first() };
        let count = first.len().min(max);
        if count < first.len() {
            out.extend(std::iter::from_fn(|| first.pop_front()).take(count));
        } else if is_all_in_tail {
            std::mem::swap(&mut self.tail, out);
        } else if let Some(chunk) = self.before.pop_front() {
            let empty = std::mem::replace(out, chunk);
            self.keep(Some(empty));
        }
        self.len -= count;
        count
    }

    /// The jobs, from the front.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.before.iter().flatten().chain(&self.tail)
    }

    fn first(&mut self) -> &mut VecDeque<T> {
        self.before.front_mut().unwrap_or(&mut self.tail)
    }

    fn empty_chunk(&mut self) -> VecDeque<T> {
        self.spare.pop().unwrap_or_else(|| VecDeque::with_capacity(BATCH_MAX))
    }

    fn keep(&mut self, empty: Option<VecDeque<T>>) {
        self.spare.extend(empty.filter(|_| self.spare.len() < SPARE_MAX));
    }
}

/// As far as anybody can tell from outside: in what chunks the jobs lie, since that decides about batches, and not what is spare.
impl<T: PartialEq> PartialEq for Chunks<T> {
    fn eq(&self, other: &Self) -> bool {
        (&self.before, &self.tail) == (&other.before, &other.tail)
    }
}

impl<T: Eq> Eq for Chunks<T> {}

impl<T: Hash> Hash for Chunks<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.before, &self.tail).hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Random operations beside a plain deque, from a fixed seed.
    #[test]
    fn it_is_a_deque_whatever_its_chunks() {
        let (mut chunks, mut plain) = (Chunks::new(), VecDeque::new());
        let mut random = 1_u64;
        for job in 0..100_000_u64 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let max = usize::try_from(random >> 33).expect("few") % 20;
            match (random >> 60) % 8 {
                0..4 => {
                    chunks.push_back(job);
                    plain.push_back(job);
                }
                4 => {
                    chunks.push_front(job);
                    plain.push_front(job);
                }
                5 => assert_eq!(chunks.pop_front(), plain.pop_front()),
                _ => {
                    let mut taken = VecDeque::new();
                    let count = chunks.take(max, &mut taken);
                    assert_eq!(count, taken.len());
                    assert!(count <= max && (count > 0 || max == 0 || plain.is_empty()));
                    assert!(taken.into_iter().eq(plain.drain(..count)));
                }
            }
            assert_eq!(chunks.len(), plain.len());
            if job % 100 == 0 {
                assert!(chunks.iter().eq(&plain));
            }
        }
    }

    #[test]
    fn a_full_batch_is_the_chunk_itself_and_what_came_in_exchange_is_used_again() {
        let mut chunks = Chunks::new();
        let mut out = VecDeque::with_capacity(BATCH_MAX);
        (0..40).for_each(|job| chunks.push_back(job));
        for expected in [0..16, 16..32, 32..40] {
            out.clear();
            chunks.take(BATCH_MAX, &mut out);
            assert!(out.iter().copied().eq(expected));
        }
        assert_eq!(chunks.spare.len(), 2);
        (0..17).for_each(|job| chunks.push_back(job));
        assert_eq!(chunks.spare.len(), 1);
    }

    #[test]
    fn after_a_flood_little_memory_is_kept() {
        let mut chunks = Chunks::new();
        (0..100_000).for_each(|job| chunks.push_back(job));
        while chunks.pop_front().is_some() {}
        assert_eq!(chunks.spare.len(), SPARE_MAX);
    }
}
