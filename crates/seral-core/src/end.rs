//! How near its end a mailbox is.

/// Why a drained mailbox cannot be opened again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained;

/// Why a mailbox cannot be cooled: it is not warm, or somebody holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotWarm;

/// How near its end a mailbox is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum End {
    /// It is open, or was never opened: that everything is finished means nothing.
    NotInSight,
    /// Its gate was closed by a verb. When everything is finished it is drained; until then it can be opened again.
    Closing,
    /// It was drained, and its workers wait for it to be opened again or to be over.
    Warm,
    /// As closing, and it cannot be opened again.
    Sealed,
    /// It is drained, and over.
    Drained,
}

impl End {
    /// Whether it cannot be opened again.
    pub(crate) fn is_final(self) -> bool {
        match self {
            Self::NotInSight | Self::Closing | Self::Warm => false,
            Self::Sealed | Self::Drained => true,
        }
    }

    /// Whether it is closing, so that it is drained when everything is finished.
    pub(crate) fn is_near(self) -> bool {
        match self {
            Self::Closing | Self::Sealed => true,
            Self::NotInSight | Self::Warm | Self::Drained => false,
        }
    }
}
