//! Who gets new jobs, and in what order that is changed.
//!
//! Whoever is to get jobs is opened before the table is published that says so, and whoever is to get no more is narrowed after it: so at
//! every moment some version takes new jobs, and a sender that read the table before finds the gate closed and reads the next.

use crate::id::PoolId;
use crate::id::Version;
use crate::limit::Limit;
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
        actions.push(Action::Open(self.admit(at, Limit::None), Limit::None));
        self.clear_share(at);
        self.swap(at, State::Current, &left, actions);
        if why != Why::Promoted {
            self.recall_all(&left, actions);
        }
        before
    }

    /// Gives a version that is not current a share, and those who are left none. There is room for it.
    pub(crate) fn give_share(
        &mut self,
        at: usize,
        share: Share,
        limit: Limit,
        left: &[usize],
        actions: &mut Vec<Action>,
    ) {
        if self.entries[at].state != State::Ramping || self.entries[at].limit != limit {
            actions.push(Action::Open(self.admit(at, limit), limit));
        }
        self.starve(left);
        let _ = self.set_share(at, share);
        self.swap(at, State::Ramping, left, actions);
        actions.push(Action::TellShare(self.name(at), share));
    }

    /// A rule sends jobs to this version, so it takes new jobs: its share, if it has one, and these.
    pub(crate) fn take_by_rule(&mut self, at: usize, actions: &mut Vec<Action>) {
        match self.entries[at].state {
            State::Current | State::Ramping => self.publish(actions),
            _ => {
                actions.push(Action::Open(self.admit(at, Limit::None), Limit::None));
                self.swap(at, State::Ramping, &[], actions);
            }
        }
    }

    /// From now on a version takes only jobs that name it, and does not drain.
    pub(crate) fn hold(&mut self, at: usize, actions: &mut Vec<Action>) {
        actions.push(Action::Reserve(self.admit(at, Limit::None)));
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
    fn admit(&mut self, at: usize, limit: Limit) -> PoolId {
        let entry = &mut self.entries[at];
        entry.limit = limit;
        entry.kept = false;
        entry.successor = None;
        entry.recalling = false;
        entry.quarantined = false;
        entry.served = true;
        entry.pool
    }

    fn starve(&mut self, left: &[usize]) {
        for at in left {
            self.clear_share(*at);
            self.clear_rules(*at);
            self.entries[*at].state = State::Draining;
        }
    }

    fn narrow(&mut self, left: &[usize], actions: &mut Vec<Action>) {
        let successor = self.current().map(|current| self.name(current));
        for at in left {
            self.entries[*at].successor.clone_from(&successor);
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
