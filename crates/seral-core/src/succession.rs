//! Who gets new jobs, and in what order that is changed.
//!
//! Whoever is to get jobs is opened before the table is published that says so, and whoever is to get no more is narrowed after it: so at
//! every moment some version takes new jobs, and a sender that read the table before finds the gate closed and reads the next.

use crate::id::PoolId;
use crate::id::Version;
use crate::roster::Roster;
use crate::share::Share;
use crate::version::Action;
use crate::version::State;

/// Why a version becomes current.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    Promoted,
    RolledBack,
    FallBack,
}

impl Roster {
    /// Makes this version current: it gets all new jobs. Returns the version that was current.
    pub(crate) fn take_over(&mut self, at: usize, why: Why, actions: &mut Vec<Action>) -> Option<Version> {
        let replaced = self.current();
        let before = replaced.map(|replaced| self.name(replaced));
        let mut left = Vec::from_iter(replaced);
        if why != Why::FallBack {
            left.extend(self.ramping().into_iter().filter(|ramping| *ramping != at));
        }
        if why == Why::Promoted && before.is_some() {
            self.entries[at].before.clone_from(&before);
        }
        actions.push(Action::Open(self.admit(at)));
        self.clear_share(at);
        self.swap(at, State::Current, &left, actions);
        if why != Why::Promoted {
            self.recall_all(&left, actions);
        }
        before
    }

    /// Gives a version that is not current a share, and those who are left none. There is room for it.
    pub(crate) fn give_share(&mut self, at: usize, share: Share, left: &[usize], actions: &mut Vec<Action>) {
        if self.entries[at].state != State::Ramping {
            actions.push(Action::Open(self.admit(at)));
        }
        self.starve(left);
        let _ = self.set_share(at, share);
        self.swap(at, State::Ramping, left, actions);
        actions.push(Action::TellShare(self.name(at), share));
    }

    /// From now on a version takes only jobs that name it, and does not drain.
    pub(crate) fn hold(&mut self, at: usize, actions: &mut Vec<Action>) {
        actions.push(Action::Reserve(self.admit(at)));
        self.swap(at, State::Inactive, &[], actions);
    }

    /// These versions get no new jobs any more.
    pub(crate) fn leave(&mut self, left: &[usize], and_recall: bool, actions: &mut Vec<Action>) {
        if left.is_empty() {
            return;
        }
        self.starve(left);
        self.publish(actions);
        self.narrow(left, actions);
        if and_recall {
            self.recall_all(left, actions);
        }
    }

    /// Publishes the table in which this version is in its new place, and those who are left in none.
    fn swap(&mut self, at: usize, state: State, left: &[usize], actions: &mut Vec<Action>) {
        self.starve(left);
        let was = std::mem::replace(&mut self.entries[at].state, state);
        self.publish(actions);
        if was != state {
            self.set(at, state, actions);
        }
        self.narrow(left, actions);
    }

    /// What holds of a version that is to get jobs, whatever it was. Returns its pool.
    fn admit(&mut self, at: usize) -> PoolId {
        let entry = &mut self.entries[at];
        entry.recalling = false;
        entry.quarantined = false;
        entry.served = true;
        entry.pool
    }

    fn starve(&mut self, left: &[usize]) {
        for at in left {
            self.clear_share(*at);
            self.entries[*at].state = State::Draining;
        }
    }

    fn narrow(&mut self, left: &[usize], actions: &mut Vec<Action>) {
        for at in left {
            actions.push(Action::Narrow(self.entries[*at].pool));
            self.set(*at, State::Draining, actions);
        }
    }

    fn recall_all(&mut self, left: &[usize], actions: &mut Vec<Action>) {
        for at in left {
            self.recall(*at, actions);
        }
    }
}
