//! A part of new jobs, as people write it.

use seral_core::share::Share;

/// A part of new jobs in percent, as it is written: `5`, `2.5`, or a [`Share`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Percent(f64);

impl Percent {
    /// The share, or what was written if it is none.
    pub(crate) fn share(self) -> Result<Share, String> {
        Share::percent(self.0).ok_or_else(|| self.0.to_string())
    }
}

impl From<i32> for Percent {
    fn from(percent: i32) -> Self {
        Self(percent.into())
    }
}

impl From<f64> for Percent {
    fn from(percent: f64) -> Self {
        Self(percent)
    }
}

impl From<Share> for Percent {
    fn from(share: Share) -> Self {
        Self(f64::from(share.get()) / 100.0)
    }
}
