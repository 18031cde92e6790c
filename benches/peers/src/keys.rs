//! W8: jobs with keys, beside the same submissions without.

use std::sync::Arc;

use seral::Community;

use crate::contender::seral::Adders;
use crate::pool::Pool;
use crate::pool::Tell;
use crate::task::Crew;

/// How many different keys there are.
const KEYS: u64 = 1_000_000;

/// So many keys are drawn for each sender; then they come again.
const DRAWN: usize = 200_000;

/// Submits without a key.
pub(crate) struct Submitted(Adders);

/// Submits with a key.
pub(crate) struct Keyed {
    adders: Adders,
    /// For each sender.
    keys: Vec<Arc<[u64]>>,
}

/// The long form of sending. The handle is dropped: nobody waits for the outcome.
pub(crate) struct Submitter(Community<u64, u64>);

/// The long form of sending, with the next of the keys.
pub(crate) struct KeyedSubmitter {
    community: Community<u64, u64>,
    keys: Arc<[u64]>,
    next: usize,
}

impl Pool for Submitted {
    type Sender = Submitter;

    async fn start(crew: Crew) -> Self {
        Self(Adders::start(crew).await)
    }

    fn sender(&self, _: usize) -> Submitter {
        Submitter(self.0.community.clone())
    }

    async fn finish(self) -> u64 {
        self.0.finish().await
    }
}

impl Tell for Submitter {
    async fn tell(&mut self, job: u64) {
        drop(self.0.submit(job).await.expect("admitted"));
    }
}

impl Pool for Keyed {
    type Sender = KeyedSubmitter;

    /// Draws the keys as well, which is not measured.
    async fn start(crew: Crew) -> Self {
        let zipf = Zipf::of(KEYS);
        let keys = (0..4).map(|seed| zipf.draw(seed, DRAWN).into()).collect();
        Self { adders: Adders::start(crew).await, keys }
    }

    fn sender(&self, number: usize) -> KeyedSubmitter {
        let community = self.adders.community.clone();
        KeyedSubmitter { community, keys: Arc::clone(&self.keys[number]), next: 0 }
    }

    async fn finish(self) -> u64 {
        self.adders.finish().await
    }
}

impl Tell for KeyedSubmitter {
    async fn tell(&mut self, job: u64) {
        let key = self.keys[self.next % self.keys.len()];
        self.next += 1;
        drop(self.community.submit(job).key(key).await.expect("admitted"));
    }
}

/// Zipf's distribution with exponent 1: the second key comes half as often as the first, the third a third as often.
struct Zipf {
    /// The weights of all keys up to each.
    up_to: Vec<f64>,
}

impl Zipf {
    fn of(keys: u64) -> Self {
        let mut total = 0.0;
        let add = |key: u64| {
            total += 1.0 / key as f64;
            total
        };
        Self { up_to: (1..=keys).map(add).collect() }
    }

    /// So many keys, from 0; the same for the same seed.
    fn draw(&self, seed: u64, count: usize) -> Vec<u64> {
        let mut random = fastrand::Rng::with_seed(seed);
        let total = self.up_to.last().copied().unwrap_or_default();
        let mut draw = || {
            let at = random.f64() * total;
            self.up_to.partition_point(|up_to| *up_to <= at) as u64
        };
        (0..count).map(|_| draw()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Zipf;

    #[test]
    fn the_first_key_comes_twice_as_often_as_the_second() {
        let keys = Zipf::of(1000).draw(7, 100_000);
        let count = |wanted| keys.iter().filter(|key| **key == wanted).count() as f64;
        assert!((1.8..2.2).contains(&(count(0) / count(1))), "{} {}", count(0), count(1));
        assert!(keys.iter().all(|key| *key < 1000));
    }
}
