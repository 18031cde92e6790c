//! How near its end a mailbox is.

/// Why a drained mailbox cannot be opened again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained;

/// How near its end a mailbox is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum End {
    /// It is open, or was never opened: that everything is finished means nothing.
    NotInSight,
    /// Its gate was closed by a verb. When everything is finished it is drained; until then it can be opened again.
    Closing,
    /// As closing, and it cannot be opened again.
    Sealed,
    /// It is drained.
    Drained,
}

impl End {
    pub(crate) fn is_final(self) -> bool {
        matches!(self, Self::Sealed | Self::Drained)
    }
}
