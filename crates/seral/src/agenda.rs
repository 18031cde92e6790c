//! What the dispatcher has to do when its time has come.

use std::collections::BTreeSet;

use seral_core::id::PoolId;
use seral_core::time::Time;

/// Something to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Duty {
    /// This pool is drained and was kept long enough.
    Cool(PoolId),
    /// This pool had its time to drain.
    Overdue(PoolId),
    /// To look at those that are watched.
    Look,
}

/// All that is to be done, by its time. There are two duties for a pool at most, and one for all, so it is short.
#[derive(Debug, Default)]
pub(crate) struct Agenda(BTreeSet<(Time, Duty)>);

impl Agenda {
    /// A duty is to be done at this time, and at no other.
    pub(crate) fn enter(&mut self, at: Time, duty: Duty) {
        self.strike_out(duty);
        self.0.insert((at, duty));
    }

    /// A duty is not to be done.
    pub(crate) fn strike_out(&mut self, duty: Duty) {
        self.0.retain(|(_, entered)| *entered != duty);
    }

    /// Whether this duty is to be done some time.
    pub(crate) fn has(&self, duty: Duty) -> bool {
        self.0.iter().any(|(_, entered)| *entered == duty)
    }

    /// When the next duty is to be done.
    pub(crate) fn next(&self) -> Option<Time> {
        self.0.first().map(|(at, _)| *at)
    }

    /// Takes the next duty whose time has come.
    pub(crate) fn take_due(&mut self, now: Time) -> Option<Duty> {
        let (at, duty) = *self.0.first()?;
        if at > now {
            return None;
        }
        self.0.remove(&(at, duty));
        Some(duty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duty_is_done_once_at_the_time_that_was_entered_last() {
        let (a, b) = (Duty::Cool(PoolId::new(1)), Duty::Overdue(PoolId::new(1)));
        let at = Time::from_nanos;
        let mut agenda = Agenda::default();
        agenda.enter(at(10), a);
        agenda.enter(at(30), a);
        agenda.enter(at(20), b);
        assert_eq!((agenda.next(), agenda.take_due(at(19))), (Some(at(20)), None));
        assert_eq!((agenda.take_due(at(30)), agenda.take_due(at(30))), (Some(b), Some(a)));
        agenda.enter(at(40), a);
        agenda.strike_out(a);
        assert_eq!((agenda.next(), agenda.take_due(at(99))), (None, None));
    }
}
