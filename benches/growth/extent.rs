//! How much is measured: everything, or enough to see that it works.

/// See the [module](self).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    Full,
    /// A tenth of the jobs, few rounds, and not the upper end of an axis.
    Quick,
}

impl Extent {
    /// Odd, so that there is a middle one.
    pub(crate) fn rounds(self) -> usize {
        match self {
            Self::Full => 15,
            Self::Quick => 3,
        }
    }

    /// Of so many jobs, how many are sent.
    pub(crate) fn jobs(self, jobs: u64) -> u64 {
        match self {
            Self::Full => jobs,
            Self::Quick => jobs / 10,
        }
    }

    /// The points of an axis, in rising order, that are measured: all of them, or those up to `quick_max`.
    pub(crate) fn points(self, points: &[u64], quick_max: u64) -> Vec<u64> {
        points.iter().copied().filter(|point| self == Self::Full || *point <= quick_max).collect()
    }
}
