//! Whether a worker waits in vain for room in another pool's mailbox: for room that would have to come from itself.
//!
//! A mailbox gets room when its workers take from it, and a worker that waits takes nothing. So where all workers of two pools wait for room with the
//! other, none comes, ever; and so round any ring. What is looked at is one moment: whoever waits looks again whenever it has been woken in vain.

use std::collections::BTreeSet;

/// What is seen of a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Prospect {
    /// How many workers may make room, by taking from it or by ending what they have: not those that wait for jobs in vain, as all that are there stand
    /// behind their key.
    pub workers: usize,
    /// Whether those who wait for room are let in now.
    pub lets_in: bool,
}

/// A worker of one pool that waits for room in the mailbox of another; or for the answer of a worker that does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wait<P> {
    /// The worker's pool.
    pub by: P,
    /// Which of them it is; it may wait for several.
    pub worker: u64,
    /// The pool for which it waits.
    pub on: P,
}

/// Whether no room will ever come to `pool`, as far as these waits go.
///
/// A pool goes on if waiting senders are let in there; if one of its workers does not wait; if none may make room, since then it does not hang on them; or if one
/// of its workers waits for a pool that goes on.
pub fn is_in_vain<P: Copy + Ord>(pool: P, waits: &[Wait<P>], look: impl Fn(P) -> Prospect) -> bool {
    let goes_on = |pool: P| {
        let Prospect { workers, lets_in } = look(pool);
        let waiting: BTreeSet<_> =
            waits.iter().filter(|wait| wait.by == pool).map(|wait| wait.worker).collect();
        lets_in || workers == 0 || waiting.len() < workers
    };
    let all: BTreeSet<P> = waits.iter().flat_map(|wait| [wait.by, wait.on]).chain([pool]).collect();
    let mut going: BTreeSet<P> = all.into_iter().filter(|pool| goes_on(*pool)).collect();
    while let Some(next) = waits.iter().find(|wait| going.contains(&wait.on) && !going.contains(&wait.by)) {
        going.insert(next.by);
    }
    !going.contains(&pool)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// Three pools, whose mailboxes have room for one job. Each worker is free, or waits for room in another.
    #[derive(Clone, PartialEq, Eq, Hash, Debug)]
    struct World {
        is_full: [bool; 3],
        workers: [Vec<Option<usize>>; 3],
    }

    impl World {
        fn waits(&self) -> Vec<Wait<usize>> {
            let of = |by: usize| {
                let waits = (0..).zip(&self.workers[by]).filter_map(|(worker, on)| Some((worker, (*on)?)));
                waits.map(move |(worker, on)| Wait { by, worker, on })
            };
            (0..3).flat_map(of).collect()
        }

        fn look(&self, pool: usize) -> Prospect {
            Prospect { workers: self.workers[pool].len(), lets_in: !self.is_full[pool] }
        }

        /// What may happen next if nobody new comes: a free worker takes a job, or one that waits is let in.
        fn steps(&self) -> Vec<Self> {
            let mut steps = Vec::new();
            for pool in 0..3 {
                if self.is_full[pool] && self.workers[pool].contains(&None) {
                    let mut next = self.clone();
                    next.is_full[pool] = false;
                    steps.push(next);
                }
                for worker in 0..self.workers[pool].len() {
                    if let Some(on) = self.workers[pool][worker].filter(|on| !self.is_full[*on]) {
                        let mut next = self.clone();
                        next.is_full[on] = true;
                        next.workers[pool][worker] = None;
                        steps.push(next);
                    }
                }
            }
            steps
        }

        /// Whether this pool has room now, or at some time.
        fn will_have_room(&self, pool: usize) -> bool {
            let mut seen = HashSet::from([self.clone()]);
            let mut next = vec![self.clone()];
            while let Some(world) = next.pop() {
                if !world.is_full[pool] {
                    return true;
                }
                next.extend(world.steps().into_iter().filter(|step| seen.insert(step.clone())));
            }
            false
        }
    }

    /// All sets of up to two workers of a pool, each free or waiting for another pool.
    fn staff(pool: usize) -> Vec<Vec<Option<usize>>> {
        let one: Vec<_> = std::iter::once(None).chain((0..3).filter(|on| *on != pool).map(Some)).collect();
        let two = one.iter().flat_map(|a| one.iter().map(move |b| vec![*a, *b]));
        one.iter().map(|a| vec![*a]).chain(two).collect()
    }

    /// Every world is played to its end.
    #[test]
    fn a_wait_is_in_vain_exactly_if_nothing_that_may_happen_makes_room() {
        let (mut worlds, mut in_vain) = (0, 0);
        for is_full in (0..8).map(|bits| [bits & 1 > 0, bits & 2 > 0, bits & 4 > 0]) {
            for a in staff(0) {
                for b in staff(1) {
                    for c in staff(2) {
                        let world = World { is_full, workers: [a.clone(), b.clone(), c] };
                        let waits = world.waits();
                        for pool in 0..3 {
                            let vain = is_in_vain(pool, &waits, |pool| world.look(pool));
                            assert_eq!(vain, !world.will_have_room(pool), "{pool} {world:?}");
                            worlds += 1;
                            in_vain += usize::from(vain);
                        }
                    }
                }
            }
        }
        assert_eq!((worlds, in_vain > 1_000), (41_472, true), "{in_vain} in vain");
    }

    const MUTUAL: [Wait<u8>; 2] = [Wait { by: 1, worker: 1, on: 2 }, Wait { by: 2, worker: 1, on: 1 }];

    #[test]
    fn a_pool_of_whose_workers_none_makes_room_does_not_hang_on_them() {
        assert!(!is_in_vain(1, &MUTUAL, |_| Prospect { workers: 0, lets_in: false }));
    }

    #[test]
    fn a_worker_that_waits_twice_is_one() {
        let twice = [MUTUAL[0], MUTUAL[0], MUTUAL[1]];
        let look = |pool| Prospect { workers: if pool == 1 { 2 } else { 1 }, lets_in: false };
        assert!(!is_in_vain(1, &twice, look), "there is another");
        let both = [MUTUAL[0], Wait { worker: 2, ..MUTUAL[0] }, MUTUAL[1]];
        assert!(is_in_vain(1, &both, look));
    }
}
