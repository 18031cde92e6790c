//! Senders that wait for room, first come, first woken.

use std::collections::VecDeque;

/// A waiting sender's place in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

/// The line. A sender that was woken is not in it; one that finds no room again comes back with its ticket, to its old place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Line<W> {
    waiting: VecDeque<(Ticket, W)>,
    tickets: u64,
}

impl<W> Line<W> {
    /// Nobody waits.
    pub fn new() -> Self {
        Self { waiting: VecDeque::new(), tickets: 0 }
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// A sender joins, or comes back with its ticket.
    pub fn join(&mut self, ticket: Option<Ticket>, waker: W) -> Ticket {
        let ticket = ticket.unwrap_or_else(|| {
            self.tickets += 1;
            Ticket(self.tickets)
        });
        match self.position(ticket) {
            Ok(at) => self.waiting[at].1 = waker,
            Err(at) => self.waiting.insert(at, (ticket, waker)),
        }
        ticket
    }

    /// A sender leaves. Returns whether it was still waiting, rather than woken.
    pub fn leave(&mut self, ticket: Ticket) -> bool {
        self.position(ticket).map(|at| self.waiting.remove(at)).is_ok()
    }

    /// Wakes up to `max` senders.
    pub fn wake(&mut self, max: usize) -> impl Iterator<Item = W> + '_ {
        let count = self.waiting.len().min(max);
        self.waiting.drain(..count).map(|(_, waker)| waker)
    }

    fn position(&self, ticket: Ticket) -> Result<usize, usize> {
        self.waiting.binary_search_by_key(&ticket, |sender| sender.0)
    }
}

impl<W> Default for Line<W> {
    fn default() -> Self {
        Self::new()
    }
}
