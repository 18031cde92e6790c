//! What a mailbox counts.

/// Counts of a mailbox, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// New jobs admitted here since the beginning.
    pub admitted: u64,
    /// Jobs that wait here.
    pub waiting: usize,
    /// Jobs that wait in the fence and count against this capacity.
    pub held: usize,
    /// Jobs that a worker took and that are not settled yet.
    pub leased: usize,
    /// Jobs taken out by a recall and not yet placed elsewhere.
    pub in_transit: usize,
    /// Jobs that name this version and wait elsewhere.
    pub pins_away: usize,
    /// Senders that wait for room.
    pub senders: usize,
}
