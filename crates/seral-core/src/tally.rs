//! Whether shares come out right, as an audit was told.

use std::collections::BTreeMap;
use std::collections::HashSet;

use crate::id::PoolId;
use crate::share::Share;
use crate::share::Shares;

/// How unlikely a count must be to be called wrong: e to the minus this.
const UNLIKELY: f64 = 25.0;

/// So many numbers are looked up, to see whether a key has moved.
const PROBES: u64 = 128;

/// Of the new jobs that a share was for: how many it got, should get, and by how much that varies.
#[derive(Clone, Debug, Default)]
struct Count {
    got: f64,
    mean: f64,
    variance: f64,
}

/// What each pool got of new jobs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pools: BTreeMap<PoolId, Count>,
    /// The numbers that were counted. Each once: it goes the same way again.
    counted: HashSet<u64>,
}

impl Tally {
    /// A new job with this number went to this pool, when everybody had these shares.
    pub(crate) fn count(&mut self, shares: &Shares<PoolId>, spread: u64, to: PoolId) {
        if shares.is_none() || !self.counted.insert(spread) {
            return;
        }
        let mut owners: Vec<_> = shares.owners().copied().collect();
        owners.sort_unstable();
        owners.dedup();
        for owner in owners {
            let part = f64::from(shares.of(&owner).get()) / f64::from(Share::EVERYBODY.get());
            let count = self.pools.entry(owner).or_default();
            count.mean += part;
            count.variance += part * (1.0 - part);
            count.got += f64::from(u8::from(owner == to));
        }
    }

    /// The pools that got too much or too little, and how much.
    pub(crate) fn wrong(&self) -> impl Iterator<Item = (PoolId, String)> {
        self.pools.iter().filter_map(|(pool, count)| {
            // Bernstein's bound, which also holds where few are expected.
            let off = UNLIKELY / 3.0 + (UNLIKELY * UNLIKELY / 9.0 + 2.0 * UNLIKELY * count.variance).sqrt();
            let Count { got, mean, .. } = count;
            let is_wrong = (got - mean).abs() > off;
            is_wrong.then(|| (*pool, format!("{got} new jobs, and {mean:.0} ± {off:.0} is right")))
        })
    }
}

/// A number that has moved from one to another the wrong way: from one whose share was not lowered, or to one whose share was not raised.
pub(crate) fn moved(before: &Shares<PoolId>, after: &Shares<PoolId>) -> Option<String> {
    if before == after {
        return None;
    }
    (0..PROBES).find_map(|probe| {
        let (from, to) = (before.owner(probe), after.owner(probe));
        let taken = from.is_some_and(|from| after.of(from) >= before.of(from));
        let brought = to.is_some_and(|to| after.of(to) <= before.of(to));
        let wrongly = from != to && (taken || brought);
        wrongly.then(|| format!("what has number {probe} went from {from:?} to {to:?}"))
    })
}
