//! The workers at a mailbox: who is busy, who is idle, and to whom a wake-up is on its way.
//!
//! At most one wake-up for work is on its way. The worker that became idle last is woken first, since its memory is still warm.

/// A worker's place at the mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seat(usize);

/// All places, and what is the case at each.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Seats<W> {
    waking: Option<Waking>,
    occupied: usize,
    idle: Vec<Seat>,
    places: Vec<Place<W>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Place<W> {
    presence: Presence<W>,
    leaving: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Presence<W> {
    Vacant,
    Busy,
    Idle(W),
}

/// A wake-up on its way to a worker.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Waking {
    seat: Seat,
    looked_at: bool,
}

impl<W> Seats<W> {
    /// No places.
    pub fn new() -> Self {
        Self { places: Vec::new(), occupied: 0, idle: Vec::new(), waking: None }
    }

    /// How many workers have a place.
    pub fn occupied(&self) -> usize {
        self.occupied
    }

    /// How many of them wait to be woken.
    pub fn idle(&self) -> usize {
        self.idle.len()
    }

    /// Whether this worker was asked to leave.
    pub fn is_leaving(&self, seat: Seat) -> bool {
        self.places[seat.0].leaving
    }

    /// Gives a worker a place. It counts as busy.
    pub fn attach(&mut self) -> Seat {
        self.occupied += 1;
        let place = Place { presence: Presence::Busy, leaving: false };
        match self.places.iter().position(|place| matches!(place.presence, Presence::Vacant)) {
            Some(vacant) => {
                self.places[vacant] = place;
                Seat(vacant)
            }
            None => {
                self.places.push(place);
                Seat(self.places.len() - 1)
            }
        }
    }

    /// A worker gives up its place. A wake-up on its way to it is over.
    pub fn detach(&mut self, seat: Seat) {
        self.arrive(seat);
        self.places[seat.0].presence = Presence::Vacant;
        self.occupied -= 1;
    }

    /// A worker that comes is neither idle nor being woken any more.
    pub fn arrive(&mut self, seat: Seat) {
        self.waking.take_if(|waking| waking.seat == seat);
        if self.rouse(seat).is_some() {
            self.idle.retain(|idle| *idle != seat);
        }
    }

    /// A worker has nothing to do and waits to be woken.
    pub fn park(&mut self, seat: Seat, waker: W) {
        self.places[seat.0].presence = Presence::Idle(waker);
        self.idle.push(seat);
    }

    /// Asks a worker to leave. Returns its waker if it is idle.
    pub fn dismiss(&mut self, seat: Seat) -> Option<W> {
        self.places[seat.0].leaving = true;
        let waker = self.rouse(seat)?;
        self.idle.retain(|idle| *idle != seat);
        Some(waker)
    }

    /// Wakes one idle worker, unless a wake-up is on its way.
    pub fn wake_one(&mut self) -> Option<W> {
        if self.waking.is_some() {
            return None;
        }
        let seat = self.idle.pop()?;
        self.waking = Some(Waking { seat, looked_at: false });
        self.rouse(seat)
    }

    /// Wakes all idle workers.
    pub fn wake_all(&mut self) -> Vec<W> {
        let idle = std::mem::take(&mut self.idle);
        idle.into_iter().filter_map(|seat| self.rouse(seat)).collect()
    }

    /// Called at intervals. A wake-up that was on its way at the last call and has not arrived is given up: `true`.
    pub fn is_wake_up_stuck(&mut self) -> bool {
        if self.waking.take_if(|waking| waking.looked_at).is_some() {
            return true;
        }
        if let Some(waking) = &mut self.waking {
            waking.looked_at = true;
        }
        false
    }

    /// Makes a worker count as busy. Returns its waker if it was idle.
    fn rouse(&mut self, seat: Seat) -> Option<W> {
        match std::mem::replace(&mut self.places[seat.0].presence, Presence::Busy) {
            Presence::Idle(waker) => Some(waker),
            Presence::Busy | Presence::Vacant => None,
        }
    }
}

impl<W> Default for Seats<W> {
    fn default() -> Self {
        Self::new()
    }
}
