//! Which keys count that have been seen: each once, and of many a part, so that memory is bounded.
//!
//! When there are too many, only those count whose mixed bits end in a zero, then in two, and so on. Which ones these are has nothing to do with where their
//! jobs go, so whoever compares two versions by them still compares like with like.

use std::collections::BTreeSet;

/// How many are remembered: 16 kB.
const KEYS_MAX: usize = 1_000;

/// Keys that were seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Once {
    seen: BTreeSet<u64>,
    /// Of the bits of a key that counts, so many at the end are zero.
    zeros: u32,
}

impl Once {
    /// Whether this key counts and is seen for the first time.
    pub(crate) fn is_first(&mut self, key: u64) -> bool {
        let mixed = mixed(key);
        if mixed.trailing_zeros() < self.zeros || !self.seen.insert(mixed) {
            return false;
        }
        while self.seen.len() > KEYS_MAX {
            self.zeros += 1;
            self.seen.retain(|seen| seen.trailing_zeros() >= self.zeros);
        }
        true
    }
}

/// So that it says nothing about the bucket into which the key falls.
fn mixed(key: u64) -> u64 {
    let mut mixed = key.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_counts_once() {
        let mut once = Once::default();
        assert_eq!([7, 7, 8, 7, 8].map(|key| once.is_first(key)), [true, false, true, false, false]);
    }

    #[test]
    fn of_a_million_keys_a_part_counts_and_a_thousand_are_remembered() {
        let mut once = Once::default();
        let counted = (0..1_000_000).filter(|key| once.is_first(*key)).count();
        assert!((5_000..15_000).contains(&counted), "{counted}");
        assert!(once.seen.len() <= KEYS_MAX);
        // Those that come later still count now and then, and those that were seen do not.
        assert!((1_000_000..1_100_000).any(|key| once.is_first(key)));
        assert_eq!((0..1_000_000).filter(|key| once.is_first(*key)).count(), 0);
    }
}
