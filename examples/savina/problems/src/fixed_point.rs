//! Numbers with very many binary places: just what is needed to compute pi.

/// A number that is not negative: the part before the point, and then groups of 32 places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedPoint(Vec<u32>);

impl FixedPoint {
    /// Nothing, with so many groups of places.
    pub fn zero(groups: usize) -> Self {
        Self(vec![0; groups + 1])
    }

    /// `number / 2^shift`, cut off behind the last place.
    pub fn shifted(number: u32, shift: usize, groups: usize) -> Self {
        let mut value = Self::zero(groups);
        let wide = (u64::from(number) << 32) >> (shift % 32);
        let halves = [high(wide), low(wide)];
        for (group, half) in value.0.iter_mut().skip(shift / 32).zip(halves) {
            *group = half;
        }
        value
    }

    /// Divided by a number that is not 0, cut off behind the last place.
    #[must_use]
    pub fn divided(mut self, by: u32) -> Self {
        let mut rest = 0;
        for group in self.0.iter_mut().skip_while(|group| **group == 0) {
            let part = (rest << 32) | u64::from(*group);
            *group = low(part / u64::from(by));
            rest = part % u64::from(by);
        }
        self
    }

    /// Adds another of as many places.
    pub fn add(&mut self, other: &Self) {
        let mut carry = 0;
        for (group, other) in self.0.iter_mut().zip(&other.0).rev() {
            let sum = u64::from(*group) + u64::from(*other) + carry;
            *group = low(sum);
            carry = sum >> 32;
        }
    }

    /// Takes away another of as many places, which is not greater.
    pub fn subtract(&mut self, other: &Self) {
        let mut borrow = false;
        for (group, other) in self.0.iter_mut().zip(&other.0).rev() {
            let (difference, below) = group.overflowing_sub(*other);
            let (difference, below_too) = difference.overflowing_sub(u32::from(borrow));
            *group = difference;
            borrow = below || below_too;
        }
    }

    /// Whether there is nothing but zeros.
    pub fn is_zero(&self) -> bool {
        self.0.iter().all(|group| *group == 0)
    }

    /// Whether the two differ in nothing but the last groups of places.
    pub fn is_near(&self, other: &Self, last: usize) -> bool {
        let (mut more, less) = if self.0 < other.0 { (other.clone(), self) } else { (self.clone(), other) };
        more.subtract(less);
        more.0.iter().take(more.0.len() - last).all(|group| *group == 0)
    }
}

fn high(wide: u64) -> u32 {
    low(wide >> 32)
}

fn low(wide: u64) -> u32 {
    u32::try_from(wide & u64::from(u32::MAX)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::FixedPoint;

    #[test]
    fn a_third_three_times_is_one_but_for_the_last_place() {
        let third = FixedPoint::shifted(1, 0, 4).divided(3);
        let mut sum = FixedPoint::zero(4);
        for _ in 0..3 {
            sum.add(&third);
        }
        let one = FixedPoint::shifted(1, 0, 4);
        assert!(sum != one && sum.is_near(&one, 1));
        sum.subtract(&third);
        assert!(!sum.is_near(&one, 1) && !sum.is_zero());
    }

    #[test]
    fn what_is_shifted_over_groups_adds_up() {
        let mut sum = FixedPoint::zero(4);
        for _ in 0..8 {
            sum.add(&FixedPoint::shifted(5, 35, 4));
        }
        assert_eq!(sum, FixedPoint::shifted(5, 32, 4));
    }
}
