//! Shares of new work, and who owns them.
//!
//! A job falls into one of 10,000 *buckets*, by its key, or by its number if it has no key, and by a salt. A version that is being
//! ramped owns as many buckets as its share; what nobody owns goes to the current version. So a key goes to one version for as long as
//! the table stays, and with another salt it is another hundredth of the keys that a share of 1 % meets first.
//!
//! Raising a share takes buckets that nobody owned, lowering it gives some of its own back. So raising never takes a key away from a
//! version, lowering never brings one to it, and no key moves between two versions that are both ramped.

use std::fmt;

/// How many buckets there are. A share is a number of them.
const BUCKETS: u16 = 10_000;

/// A part of new work, in 1/10,000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(u16);

impl Share {
    /// No new work at all.
    pub const NOBODY: Self = Self(0);
    /// All new work.
    pub const EVERYBODY: Self = Self(BUCKETS);

    /// So many parts of 10,000; `None` for more than all.
    pub const fn of_ten_thousand(parts: u16) -> Option<Self> {
        if parts <= BUCKETS { Some(Self(parts)) } else { None }
    }

    /// So many percent; `None` below 0, above 100, or for what is no number. Rounded to 1/10,000, but what is more than nothing stays so,
    /// and what is less than all does.
    pub fn percent(percent: f64) -> Option<Self> {
        if !(0.0..=100.0).contains(&percent) {
            return None;
        }
        let parts = (percent * 100.0).round();
        let least = f64::from(u8::from(percent > 0.0));
        let most = f64::from(BUCKETS) - f64::from(u8::from(percent < 100.0));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is within 0 and 10,000"
        )]
        Some(Self(parts.clamp(least, most) as u16))
    }

    /// Its parts of 10,000.
    pub const fn get(self) -> u16 {
        self.0
    }
}

/// In percent: `2.5 %`.
impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", f64::from(self.0) / 100.0)
    }
}

/// A share could not be raised, since too much belongs to others that are ramped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMuch {
    /// The most that it could be.
    pub most: Share,
}

/// Buckets in a row that have the same owner.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Band<P> {
    /// The first bucket behind it.
    end: u16,
    owner: Option<P>,
}

/// Who owns which buckets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shares<P> {
    salt: u64,
    /// In order; the last ends where the buckets do. None if nobody owns anything, so that this is known at a glance.
    bands: Vec<Band<P>>,
}

impl<P> Shares<P> {
    /// Nobody owns anything.
    pub fn none() -> Self {
        Self { salt: 0, bands: Vec::new() }
    }

    /// Whether nobody owns anything.
    #[inline]
    pub fn is_none(&self) -> bool {
        self.bands.is_empty()
    }

    /// The owner of the bucket into which falls what has this number; for what nobody owns, `None`.
    pub fn owner(&self, spread: u64) -> Option<&P> {
        if self.is_none() {
            return None;
        }
        let bucket = bucket(self.salt, spread);
        let at = self.bands.partition_point(|band| band.end <= bucket);
        self.bands[at].owner.as_ref()
    }

    /// Who owns anything, each once or more often.
    pub fn owners(&self) -> impl Iterator<Item = &P> {
        self.bands.iter().filter_map(|band| band.owner.as_ref())
    }

    /// The same for other owners: those that `other` has none for own nothing.
    pub fn map<Q>(&self, other: impl Fn(&P) -> Option<Q>) -> Shares<Q> {
        let bands = self.bands.iter();
        let bands = bands.map(|band| Band { end: band.end, owner: band.owner.as_ref().and_then(&other) });
        Shares { salt: self.salt, bands: bands.collect() }
    }
}

impl<P: PartialEq + Clone> Shares<P> {
    /// How much this one owns.
    pub fn of(&self, owner: &P) -> Share {
        Share(self.count(|it| it == Some(owner)))
    }

    /// How much nobody owns.
    pub fn free(&self) -> Share {
        if self.is_none() { Share::EVERYBODY } else { Share(self.count(|it| it.is_none())) }
    }

    /// The part of this one of what goes to it or is nobody's, so by chance to one of the two. Nothing if nobody's is nothing, or its own is.
    pub fn part_beside(&self, owner: &P) -> Option<f64> {
        let (own, free) = (f64::from(self.of(owner).0), f64::from(self.free().0));
        (own > 0.0 && free > 0.0).then(|| own / (own + free))
    }

    /// How much this one could own.
    pub fn most(&self, owner: &P) -> Share {
        Share(self.of(owner).0 + self.free().0)
    }

    fn count(&self, counts: impl Fn(Option<&P>) -> bool) -> u16 {
        let mut start = 0;
        let mut count = 0;
        for band in &self.bands {
            if counts(band.owner.as_ref()) {
                count += band.end - start;
            }
            start = band.end;
        }
        count
    }

    /// Gives this one that much, taking from or giving to nobody else. `salt` is used if nobody owned anything before.
    ///
    /// # Errors
    ///
    /// [`TooMuch`] if others own too much; then nothing has changed.
    pub fn set(&mut self, owner: &P, share: Share, salt: u64) -> Result<(), TooMuch> {
        let (has, most) = (self.of(owner), self.most(owner));
        if share > most {
            return Err(TooMuch { most });
        }
        if self.is_none() {
            self.salt = salt;
            self.bands.push(Band { end: BUCKETS, owner: None });
        }
        if share > has {
            self.hand_over(None, Some(owner), share.0 - has.0);
        } else {
            // From the other end, so that what was taken last is given back first.
            self.bands = mirrored(&self.bands);
            self.hand_over(Some(owner), None, has.0 - share.0);
            self.bands = mirrored(&self.bands);
        }
        if matches!(&self.bands[..], [Band { owner: None, .. }]) {
            self.bands.clear();
        }
        Ok(())
    }

    /// The first so many buckets of one owner get another.
    fn hand_over(&mut self, from: Option<&P>, to: Option<&P>, count: u16) {
        let mut left = count;
        let mut bands = Vec::with_capacity(self.bands.len() + 1);
        let mut start = 0;
        for band in &self.bands {
            let moved = if band.owner.as_ref() == from { left.min(band.end - start) } else { 0 };
            bands.push(Band { end: start + moved, owner: to.cloned() });
            bands.push(band.clone());
            left -= moved;
            start = band.end;
        }
        self.bands = join(bands);
    }
}

/// The same bands, counted from the other end.
fn mirrored<P: Clone>(bands: &[Band<P>]) -> Vec<Band<P>> {
    let starts = std::iter::once(0).chain(bands.iter().map(|band| band.end));
    let mirrored = bands
        .iter()
        .zip(starts)
        .map(|(band, start)| Band { end: BUCKETS - start, owner: band.owner.clone() });
    let mut mirrored: Vec<_> = mirrored.collect();
    mirrored.reverse();
    mirrored
}

/// Without empty bands, and with neighbours of one owner as one.
fn join<P: PartialEq>(bands: Vec<Band<P>>) -> Vec<Band<P>> {
    let mut joined: Vec<Band<P>> = Vec::with_capacity(bands.len());
    let mut start = 0;
    for band in bands {
        if band.end == start {
            continue;
        }
        start = band.end;
        match joined.last_mut() {
            Some(last) if last.owner == band.owner => last.end = band.end,
            _ => joined.push(band),
        }
    }
    joined
}

/// The bucket of what has this number: with each salt another one, and each as likely as any other.
fn bucket(salt: u64, spread: u64) -> u16 {
    let mixed = u128::from(mixed(mixed(salt) ^ spread));
    #[expect(clippy::cast_possible_truncation, reason = "it is less than the number of buckets")]
    let bucket = ((mixed * u128::from(BUCKETS)) >> 64) as u16;
    bucket
}

/// Each bit of the outcome depends on each bit of the number: the finalizer of `SplitMix64`.
const fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn percent(percent: f64) -> Share {
        Share::percent(percent).expect("a share")
    }

    /// Of a hundred thousand jobs, who gets which.
    fn owners(shares: &Shares<char>) -> Vec<Option<char>> {
        (0..100_000).map(|job| shares.owner(job).copied()).collect()
    }

    #[test]
    fn a_share_is_a_percentage_and_neither_rounded_to_nobody_nor_to_everybody() {
        assert_eq!(percent(0.0), Share::NOBODY);
        assert_eq!(percent(2.5).get(), 250);
        assert_eq!(percent(100.0), Share::EVERYBODY);
        assert_eq!(percent(0.000_1).get(), 1);
        assert_eq!(percent(99.999_9).get(), 9_999);
        for wrong in [-1.0, 100.1, f64::NAN, f64::INFINITY] {
            assert_eq!(Share::percent(wrong), None, "{wrong}");
        }
        assert_eq!(percent(2.5).to_string(), "2.5 %");
    }

    #[test]
    fn the_part_of_one_beside_what_nobody_owns_does_not_count_what_others_own() {
        let mut shares = Shares::none();
        assert_eq!(shares.part_beside(&'b'), None);
        shares.set(&'b', percent(20.0), 7).expect("room");
        shares.set(&'c', percent(60.0), 7).expect("room");
        assert_eq!((shares.part_beside(&'b'), shares.part_beside(&'c')), (Some(0.5), Some(0.75)));
        shares.set(&'c', percent(80.0), 7).expect("room");
        assert_eq!(shares.part_beside(&'b'), None, "nobody else gets anything by chance");
    }

    /// Rollout I7. Six standard deviations each way.
    #[test]
    fn a_share_gets_its_part_of_jobs_and_none_is_nobody_and_all_is_everybody() {
        for parts in [0, 1, 100, 500, 2_500, 9_999, 10_000] {
            let share = Share::of_ten_thousand(parts).expect("a share");
            let mut shares = Shares::none();
            shares.set(&'b', share, 7).expect("nobody else owns anything");
            let jobs = 1_000_000_u32;
            let got: f64 = (0..jobs).map(|job| f64::from(u8::from(shares.owner(job.into()).is_some()))).sum();
            let part = f64::from(parts) / 10_000.0;
            let expected = part * f64::from(jobs);
            let off = 6.0 * (expected * (1.0 - part)).sqrt();
            assert!(
                (got - expected).abs() <= off,
                "{got} of {jobs} at {share}, and {expected} ± {off} is right"
            );
        }
    }

    /// Rollout I5, promise 10.
    #[test]
    fn raising_takes_no_key_away_lowering_brings_none_and_others_keep_theirs() {
        let mut shares = Shares::none();
        let mut random = 5_u64;
        let mut before = owners(&shares);
        for round in 0..300_u64 {
            random = mixed(random);
            let owner = char::from(b'a' + u8::try_from(random % 5).expect("few"));
            let most = shares.of(&owner).get() + shares.free().get();
            let to =
                Share::of_ten_thousand(u16::try_from((random >> 8) % u64::from(most + 1)).expect("a share"))
                    .expect("no more than all");
            let raised = to > shares.of(&owner);
            shares.set(&owner, to, round).expect("no more than the most");
            assert_eq!(shares.of(&owner), to);
            let after = owners(&shares);
            for (was, is) in before.iter().zip(&after) {
                let moved_well = if raised {
                    was.is_none() && *is == Some(owner)
                } else {
                    *was == Some(owner) && is.is_none()
                };
                assert!(was == is || moved_well, "{was:?} to {is:?} when {owner} went to {to}");
            }
            before = after;
        }
    }

    #[test]
    fn what_was_taken_last_is_given_back_first() {
        let mut shares = Shares::none();
        shares.set(&'a', percent(10.0), 1).expect("room");
        let before = owners(&shares);
        shares.set(&'b', percent(20.0), 1).expect("room");
        shares.set(&'a', percent(30.0), 1).expect("room");
        shares.set(&'a', percent(10.0), 1).expect("less");
        shares.set(&'b', Share::NOBODY, 1).expect("less");
        assert!(owners(&shares) == before, "others have the share than had it at first");
    }

    #[test]
    fn no_more_than_all_is_given_away() {
        let mut shares = Shares::none();
        shares.set(&'a', percent(60.0), 1).expect("room");
        assert_eq!(shares.set(&'b', percent(41.0), 1), Err(TooMuch { most: percent(40.0) }));
        shares.set(&'b', percent(40.0), 1).expect("just all");
        assert_eq!(shares.free(), Share::NOBODY);
        assert!(owners(&shares).iter().all(Option::is_some));
        assert_eq!(shares.set(&'a', percent(61.0), 1), Err(TooMuch { most: percent(60.0) }));
        shares.set(&'a', Share::NOBODY, 1).expect("it can always be less");
        shares.set(&'b', Share::NOBODY, 1).expect("it can always be less");
        assert!(shares.is_none());
    }

    #[test]
    fn with_another_salt_others_come_first() {
        let firsts = |salt| {
            let mut shares = Shares::none();
            shares.set(&'b', percent(1.0), salt).expect("room");
            (0..100_000_u64).filter(move |job| shares.owner(*job).is_some()).collect::<Vec<_>>()
        };
        let (one, other) = (firsts(1), firsts(2));
        let both = one.iter().filter(|job| other.contains(job)).count();
        assert!(both < 40, "{both} of {} are met by both", one.len());
    }

    #[test]
    fn sixty_four_owners_have_what_they_were_given() {
        let mut shares = Shares::none();
        let part = Share::of_ten_thousand(150).expect("a share");
        for owner in 0..64_u8 {
            shares.set(&owner, part, 3).expect("room");
        }
        for owner in (0..64).step_by(2) {
            shares.set(&owner, Share::NOBODY, 3).expect("less");
        }
        for owner in 0..64 {
            assert_eq!(shares.of(&owner), if owner % 2 == 0 { Share::NOBODY } else { part });
        }
        let mapped = shares.map(|owner| (owner % 4 == 1).then(|| u32::from(*owner)));
        assert_eq!(mapped.free().get(), 10_000 - 16 * 150);
    }
}
