//! What becomes of a version when there is news of its pool: it is drained, or revived, or its time is over.
//!
//! News of a pool that is not known any more, or not in that state, is ignored.

use crate::id::PoolId;
use crate::roster::Roster;
use crate::time::Time;
use crate::version::Action;
use crate::version::State;

impl Roster {
    pub(crate) fn drained(&mut self, pool: PoolId, kept: bool, actions: &mut Vec<Action>) {
        if let Some(at) = self.of_pool_in(pool, State::Draining) {
            self.entries[at].kept = kept;
            self.set(at, State::Drained, actions);
            if kept {
                // The table stays: it still serves jobs that name it.
                actions.push(Action::KeepWarm(pool));
            } else {
                self.publish(actions);
            }
        }
    }

    /// Also where it was not to be kept any longer: the job came just before.
    pub(crate) fn revived(&mut self, pool: PoolId, actions: &mut Vec<Action>) {
        if let Some(at) = self.of_pool_in(pool, State::Drained) {
            let was_kept = std::mem::take(&mut self.entries[at].kept);
            self.set(at, State::Draining, actions);
            if !was_kept {
                self.publish(actions);
            }
        }
    }

    pub(crate) fn cooled(&mut self, pool: PoolId, actions: &mut Vec<Action>) {
        if let Some(at) = self.of_pool_in(pool, State::Drained).filter(|at| self.entries[*at].kept) {
            self.cool(at, actions);
        }
    }

    /// With no version to go to, the jobs stay where they can be done.
    pub(crate) fn overdue(&mut self, pool: PoolId, actions: &mut Vec<Action>) {
        let draining = self.of_pool_in(pool, State::Draining);
        if let Some(at) = draining.filter(|_| self.current().is_some()) {
            actions.push(Action::AskToYield(pool));
            if !self.entries[at].recalling {
                self.recall(at, actions);
            }
        }
    }

    pub(crate) fn clock(&mut self, now: Time, actions: &mut Vec<Action>) {
        let ended = self.unpin_where(|pin| pin.until.is_some_and(|until| until <= now));
        if !ended.is_empty() {
            self.publish(actions);
            self.let_go_of(ended, actions);
        }
    }

    pub(crate) fn recalled(&mut self, pool: PoolId, actions: &mut Vec<Action>) {
        if let Some(at) = self.of_pool(pool).filter(|at| self.entries[*at].recalling) {
            self.entries[at].recalling = false;
            // Jobs that name this version are still there, and its own to finish.
            actions.push(Action::Resume(pool));
        }
    }

    pub(crate) fn ended(&mut self, pool: PoolId, actions: &mut Vec<Action>) {
        if let Some(at) = self.of_pool_in(pool, State::Drained) {
            self.set(at, State::Retired, actions);
            // Its workers were to be kept, and are gone all the same.
            if std::mem::take(&mut self.entries[at].kept) {
                self.publish(actions);
            }
            self.forget_oldest(actions);
        }
    }
}
