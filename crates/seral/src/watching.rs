//! Who is watched by a guard: decided with each routing table, before it is published, so that no job comes by a table that its guard does not know.

use std::sync::Arc;
use std::time::Duration;

use seral_core::guard::GuardPolicy;
use seral_core::id::PoolId;
use seral_core::id::Version;
use seral_core::limit::Limit;
use seral_core::routing::RoutingTable;
use seral_core::time::Time;

use crate::agenda::Duty;
use crate::any_pool::AnyPool;
use crate::control::Control;
use crate::control::ControlState;
use crate::guards::Suspect;

/// How often those that are watched are looked at. What fails is seen at once; this is for what finishes nothing, and to learn what is slow.
const LOOK_EACH: Duration = Duration::from_secs(5);

impl Control {
    /// This table is about to be published. If its current version takes over by it, that one is watched for so long, if it was asked for.
    pub(crate) fn see_to_guards(&self, table: &RoutingTable<PoolId>, watch_for: Option<Duration>) {
        let now = self.plane.now();
        let current_before = self.plane.current();
        let mut state = self.state.lock();
        let Some(current) = table.current.and_then(|pool| handle_of(&state, pool)) else {
            return self.plane.guards.follow(table.revision, Vec::new(), None);
        };
        let mut suspects = self.suspects_beside(&state, table, &current);
        if let (Some(before), Some(time)) = (current_before, watch_for)
            && before.id != current.id
        {
            // Before it is narrowed, so that it is not drained for good. It is kept no longer than it is needed: see `Guards::keep_for`.
            before.mailbox().keep_warm(true);
            let policy = self.policy_of(&state, &current.version);
            let until = Some(now.after(time));
            let candidate = Arc::clone(&current);
            suspects.extend((!policy.is_off()).then_some(Suspect {
                candidate,
                baseline: before,
                policy,
                part: None,
                until,
            }));
        }
        self.plane.guards.follow(table.revision, suspects, Some(current.id));
        self.arm(&mut state, now);
    }

    /// Those that are ramped, beside the current version. One that only rules send jobs to is not watched: that is a choice.
    fn suspects_beside(
        &self,
        state: &ControlState,
        table: &RoutingTable<PoolId>,
        current: &Arc<dyn AnyPool>,
    ) -> Vec<Suspect> {
        let mut owners: Vec<PoolId> = table.shares.owners().copied().collect();
        owners.sort_unstable();
        owners.dedup();
        let suspect = |pool: PoolId| {
            let candidate = handle_of(state, pool)?;
            let policy = self.policy_of(state, &candidate.version);
            let limit = state.versions.find(&candidate.version).map_or(Limit::None, |entry| entry.limit);
            // With a limit, who gets a job depends on how many came before it.
            let part = table.shares.part_beside(&pool).filter(|_| limit == Limit::None);
            let baseline = Arc::clone(current);
            (!policy.is_off()).then_some(Suspect { candidate, baseline, policy, part, until: None })
        };
        owners.into_iter().filter_map(suspect).collect()
    }

    fn policy_of(&self, state: &ControlState, version: &Version) -> GuardPolicy {
        let own = state.specs.get(version).and_then(|spec| spec.guard);
        own.unwrap_or(self.plane.limits.guard)
    }

    /// Looks at those that are watched. Returns who is condemned.
    pub(crate) fn look_at_guards(&self, now: Time) -> Vec<PoolId> {
        let condemned = self.plane.guards.look(now);
        self.arm(&mut self.state.lock(), now);
        condemned
    }

    fn arm(&self, state: &mut ControlState, now: Time) {
        if !self.plane.guards.is_any() {
            state.agenda.strike_out(Duty::Look);
        } else if !state.agenda.has(Duty::Look) {
            state.agenda.enter(now.after(LOOK_EACH), Duty::Look);
        }
    }
}

fn handle_of(state: &ControlState, pool: PoolId) -> Option<Arc<dyn AnyPool>> {
    state.pools.get(&pool).map(|running| Arc::clone(&running.handle))
}
