//! What becomes of a rollout when something happens to its candidate: by another verb, or because its workers broke.
//!
//! The rollout need not be told by whoever does that. Each time that anything has happened to versions, it is looked at what place its candidate has.

use crate::limit::Limit;
use crate::plan::Action;
use crate::plan::End;
use crate::plan::Event as Fact;
use crate::plan::Phase;
use crate::plan::Verb;
use crate::rollout::Rollout;
use crate::share::Share;
use crate::time::Time;
use crate::verb::Verb as What;
use crate::version::Event;
use crate::version::State;

/// The place of a candidate among versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It is ramped, with this share, and takes so many jobs of that.
    Ramping(Share, Limit),
    /// It is current.
    Current,
    /// It gets no share of new jobs any more.
    Left,
}

impl Place {
    /// Of a version in this state, with this share and this limit; of one that is gone, or was started anew, there is none.
    pub fn of(found: Option<(State, Share, Limit)>) -> Self {
        match found {
            Some((State::Ramping, share, limit)) => Self::Ramping(share, limit),
            Some((State::Current, ..)) => Self::Current,
            _ => Self::Left,
        }
    }
}

impl Rollout {
    /// Its candidate has this place after something has happened, and has finished so many jobs. If it was left, `cause` is how the rollout ended.
    #[must_use = "the actions are the decision"]
    pub fn follow(&mut self, now: Time, place: Place, cause: End, finished: u64) -> Vec<Action> {
        if self.is_over() {
            return Vec::new();
        }
        match place {
            Place::Ramping(share, limit) if share == self.share() && limit == self.limit() => {
                self.handle(now, Fact::Live { share, finished })
            }
            // Its next share is still to be set.
            Place::Ramping(..) if self.phase() == Phase::Raising => Vec::new(),
            Place::Ramping(share, limit) => {
                let why = match limit {
                    Limit::None => format!("its share was set to {share} by hand"),
                    limit => format!("its share was set to {share}, {limit}, by hand"),
                };
                self.call(now, Verb::Pause(why)).unwrap_or_default()
            }
            Place::Current => self.end(End::Promoted),
            Place::Left => self.end(cause),
        }
    }
}

/// How a rollout ended whose candidate was left by this.
pub fn cause_of(happened: &Event) -> End {
    match happened {
        Event::Called { what: What::Rollback { .. }, .. } => {
            End::RolledBack("a rollback was called".to_owned())
        }
        Event::Called { what: What::Abort | What::Drain { .. } | What::Ramp { .. }, .. } => End::Aborted,
        Event::Broken(_) => End::RolledBack("its workers could not be kept running".to_owned()),
        _ => End::Replaced,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;
    use crate::plan::Step;
    use crate::plan::Wait;

    const NOW: Time = Time::ZERO;

    fn percent(percent: u16) -> Share {
        Share::of_ten_thousand(percent * 100).expect("a share")
    }

    /// A rollout whose first share of 10 % is live, and that waits for a person.
    fn rollout() -> Rollout {
        let plan = Plan::new([Step::of(percent(10)).wait(Wait::ByHand)]).expect("a plan");
        let (mut rollout, _) = Rollout::begin(plan);
        let _ = rollout.follow(NOW, Place::Ramping(percent(10), Limit::None), End::Replaced, 0);
        assert_eq!(rollout.phase(), Phase::ByHand);
        rollout
    }

    #[test]
    fn a_candidate_that_has_its_share_or_another_or_none_says_how_its_rollout_goes_on() {
        let after = |place| {
            let mut rollout = rollout();
            let _ = rollout.follow(NOW, place, End::Aborted, 0);
            rollout.phase()
        };
        assert_eq!(after(Place::Ramping(percent(10), Limit::None)), Phase::ByHand);
        let paused = Phase::Paused("its share was set to 20 % by hand".to_owned());
        assert_eq!(after(Place::Ramping(percent(20), Limit::None)), paused);
        let paused = Phase::Paused("its share was set to 10 %, the first 5, by hand".to_owned());
        assert_eq!(after(Place::Ramping(percent(10), Limit::First(5))), paused);
        assert_eq!(after(Place::Current), Phase::Over(End::Promoted));
        assert_eq!(after(Place::Left), Phase::Over(End::Aborted));
    }

    #[test]
    fn what_is_over_stays_as_it_ended() {
        let mut rollout = rollout();
        let _ = rollout.follow(NOW, Place::Left, End::Aborted, 0);
        assert!(rollout.follow(NOW, Place::Current, End::Replaced, 0).is_empty());
        assert_eq!(rollout.phase(), Phase::Over(End::Aborted));
    }

    #[test]
    fn a_place_is_what_the_state_of_the_version_says() {
        let share = percent(10);
        let of = |state| Place::of(Some((state, share, Limit::First(1))));
        assert_eq!(of(State::Ramping), Place::Ramping(share, Limit::First(1)));
        assert_eq!(of(State::Current), Place::Current);
        for left in [of(State::Draining), of(State::Inactive), Place::of(None)] {
            assert_eq!(left, Place::Left);
        }
    }
}
