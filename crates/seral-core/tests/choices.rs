//! Scenarios of [`Versions`] with pins, rules, kept versions, limits and drain deadlines: what is decided about each, for reading.
//!
//! In each, version "1" has pool 1, and so on, unless a version is started again. What happens when all of this is mixed is in `tests/audit.rs`.

use std::time::Duration;

use seral_core::id::JobId;
use seral_core::id::PoolId;
use seral_core::id::Revision;
use seral_core::id::VerbId;
use seral_core::id::Version;
use seral_core::routing::RoutingTable;
use seral_core::share::Share;
use seral_core::standing::STANDING_MAX;
use seral_core::time::Time;
use seral_core::versions::Action;
use seral_core::versions::Aim;
use seral_core::versions::Answer;
use seral_core::versions::Build;
use seral_core::versions::Entry;
use seral_core::versions::Event;
use seral_core::versions::Limit;
use seral_core::versions::Misuse;
use seral_core::versions::Remedy;
use seral_core::versions::State;
use seral_core::versions::Takeover;
use seral_core::versions::Verb;
use seral_core::versions::Versions;
use seral_core::whose::Whose;

const A_WHILE: Option<Duration> = Some(Duration::from_secs(60));

/// The machine, and what it published last.
struct Machine {
    versions: Versions,
    table: RoutingTable<PoolId>,
    calls: u64,
}

fn pool(number: u64) -> PoolId {
    PoolId::new(number)
}

fn percent(percent: u16) -> Share {
    Share::of_ten_thousand(percent * 100).expect("a share")
}

fn deploy(version: &str, aim: Aim, drain_within: Option<Duration>) -> Verb {
    let build = Build("a".to_owned());
    Verb::Deploy { version: version.into(), build, aim, force: false, drain_within }
}

fn ramp(version: &str, share: u16, limit: Limit) -> Verb {
    Verb::Ramp { version: version.into(), share: percent(share), limit }
}

fn reject(version: &str) -> Verb {
    Verb::Reject { version: version.into(), back_to: None }
}

fn promote(version: &str) -> Verb {
    Verb::Promote { version: version.into(), drain_within: None }
}

fn drain(version: &str) -> Verb {
    Verb::Drain { version: version.into(), allow_empty: true, drain_within: None }
}

fn retire(version: &str) -> Verb {
    Verb::Retire(version.into())
}

fn back() -> Verb {
    Verb::Rollback { to: None }
}

fn customer() -> Whose {
    Whose::key("customer-42")
}

fn pin(version: &str) -> Verb {
    Verb::Pin { whose: customer(), version: version.into(), until: None }
}

fn route(version: &str) -> Verb {
    Verb::Route { whose: customer(), version: version.into() }
}

fn canary(share: u16, limit: Limit) -> Aim {
    Aim::Ramp { share: percent(share), limit, beside: true }
}

impl Machine {
    /// These became current, one after the other.
    fn with(versions: &[&str]) -> Self {
        let mut machine = Self { versions: Versions::new(), table: RoutingTable::empty(), calls: 0 };
        for version in versions {
            machine.starts(version, Aim::Current);
        }
        machine
    }

    /// Version 1 is current, and version 2 is there.
    fn and_held() -> Self {
        let mut machine = Self::with(&["1"]);
        machine.starts("2", Aim::Hold);
        machine
    }

    /// Version 2 is current, and version 1 is drained and kept.
    fn and_kept() -> Self {
        let mut machine = Self::with(&["1", "2"]);
        machine.drained(1, true);
        machine
    }

    fn happen(&mut self, event: Event) -> Vec<Action> {
        let actions = self.versions.handle(event);
        for action in &actions {
            if let Action::Publish(table) = action {
                self.table = table.clone();
            }
        }
        actions
    }

    fn call_expecting(&mut self, expected: Option<Revision>, what: Verb) -> (Answer, Vec<Action>) {
        self.calls += 1;
        let verb = VerbId::new(self.calls);
        let mut actions = self.happen(Event::Called { verb, expected, what, urgent: false });
        match actions.pop() {
            Some(Action::Answer(answered, answer)) if answered == verb => (answer, actions),
            other => panic!("not answered at last, but {other:?} after {actions:?}"),
        }
    }

    /// What a verb did that has its answer at once.
    fn call(&mut self, what: Verb) -> (Answer, Vec<Action>) {
        self.call_expecting(None, what)
    }

    fn answer(&mut self, what: Verb) -> Answer {
        self.call(what).0
    }

    fn does(&mut self, what: Verb) -> Vec<Action> {
        self.call(what).1
    }

    /// Calls a deploy whose workers have to be started, and starts them.
    fn starts_by(&mut self, deploy: Verb) -> Vec<Action> {
        self.calls += 1;
        let (verb, expected, urgent) = (VerbId::new(self.calls), None, false);
        let started = self.happen(Event::Called { verb, expected, what: deploy, urgent });
        let pool = started.iter().find_map(|action| match action {
            Action::Start(pool, _) => Some(*pool),
            _ => None,
        });
        self.happen(Event::Started(pool.expect("it is started")))
    }

    fn starts(&mut self, version: &str, aim: Aim) -> Vec<Action> {
        self.starts_by(deploy(version, aim, None))
    }

    fn drained(&mut self, number: u64, kept: bool) -> Vec<Action> {
        self.happen(Event::Drained { pool: pool(number), kept })
    }

    fn clock(&mut self, seconds: u64) -> Vec<Action> {
        self.happen(Event::Clock(Time::from(Duration::from_secs(seconds))))
    }

    fn find(&self, version: &str) -> &Entry {
        self.versions.find(&version.into()).expect("it is remembered")
    }

    fn state(&self, version: &str) -> State {
        self.find(version).state
    }

    fn is_kept(&self, version: &str) -> bool {
        self.find(version).kept
    }

    fn serves(&self, version: &str) -> bool {
        self.table.serving(&version.into()).is_some()
    }

    fn pins(&self) -> usize {
        self.table.standing.as_ref().map_or(0, |standing| standing.pins.len())
    }

    fn rules(&self) -> usize {
        self.table.standing.as_ref().map_or(0, |standing| standing.rules.len())
    }

    fn successor(&self, of: &str) -> Option<&str> {
        self.table.successor(&of.into()).map(Version::as_str)
    }
}

/// Where in what was done this is.
#[track_caller]
fn at(actions: &[Action], wanted: &Action) -> usize {
    let at = actions.iter().position(|action| action == wanted);
    at.unwrap_or_else(|| panic!("no {wanted:?} in {actions:?}"))
}

#[track_caller]
fn published(actions: &[Action]) -> usize {
    let at = actions.iter().position(|action| matches!(action, Action::Publish(_)));
    at.unwrap_or_else(|| panic!("nothing is published in {actions:?}"))
}

fn opened(actions: &[Action]) -> Vec<(u64, Limit)> {
    let opened = actions.iter().filter_map(|action| match action {
        Action::Open(pool, limit) => Some((pool.get(), *limit)),
        _ => None,
    });
    opened.collect()
}

fn deadlines(actions: &[Action]) -> Vec<u64> {
    let deadlines = actions.iter().filter_map(|action| match action {
        Action::DrainWithin(pool, _) => Some(pool.get()),
        _ => None,
    });
    deadlines.collect()
}

fn misused(misuse: Misuse) -> Answer {
    Answer::Misused(misuse)
}

// ---- pins ----------------------------------------------------------------------------------------------------------

#[test]
fn a_pin_holds_a_version_first_and_lets_it_go_last() {
    let mut machine = Machine::with(&["1", "2"]);
    let (answer, actions) = machine.call(pin("1"));
    assert_eq!(answer, Answer::Chosen);
    assert!(at(&actions, &Action::Hold(pool(1))) < published(&actions), "{actions:?}");
    assert_eq!((machine.pins(), machine.state("1")), (1, State::Draining));
    let (answer, actions) = machine.call(Verb::Unpin(customer()));
    assert_eq!(answer, Answer::Chosen);
    assert!(published(&actions) < at(&actions, &Action::LetGo(pool(1))), "{actions:?}");
    assert_eq!(machine.pins(), 0);
    assert_eq!(machine.call(Verb::Unpin(customer())), (Answer::NoSuchChoice, vec![]));
}

#[test]
fn a_pin_ends_at_its_time_and_not_before() {
    let mut machine = Machine::with(&["1", "2"]);
    let until = |seconds| Some(Time::from(Duration::from_secs(seconds)));
    for (whose, until) in [(customer(), until(10)), (Whose::key(7), until(20)), (Whose::key(8), None)] {
        machine.answer(Verb::Pin { whose, version: "1".into(), until });
    }
    assert_eq!(machine.clock(9), []);
    let actions = machine.clock(10);
    let told = Action::TellUnpinned(customer(), "1".into());
    assert!(actions.contains(&Action::LetGo(pool(1))) && actions.contains(&told), "{actions:?}");
    assert_eq!(machine.pins(), 2);
    assert_eq!(machine.clock(10), [], "once");
    assert_eq!(machine.versions.standing().next_end(), until(20));
    machine.clock(1_000);
    assert_eq!(machine.pins(), 1, "the one without an end stays");
}

#[test]
fn a_pin_that_is_moved_to_another_version_holds_that_one_and_lets_go_of_the_first() {
    let mut machine = Machine::with(&["1", "2"]);
    machine.answer(pin("1"));
    let actions = machine.does(pin("2"));
    let [hold, publish, let_go] =
        [at(&actions, &Action::Hold(pool(2))), published(&actions), at(&actions, &Action::LetGo(pool(1)))];
    assert!(hold < publish && publish < let_go, "{actions:?}");
    assert_eq!(machine.pins(), 1);
    // To where it is: held once more, and let go once.
    let actions = machine.does(pin("2"));
    assert!(at(&actions, &Action::Hold(pool(2))) < at(&actions, &Action::LetGo(pool(2))));
}

#[test]
fn a_pin_brings_a_kept_version_back() {
    let mut machine = Machine::and_kept();
    let actions = machine.does(pin("1"));
    let told = Action::Tell("1".into(), State::Draining);
    assert!(at(&actions, &Action::Hold(pool(1))) < published(&actions), "{actions:?}");
    assert!(actions.contains(&told), "{actions:?}");
    assert_eq!((machine.state("1"), machine.is_kept("1")), (State::Draining, false));
    machine.answer(Verb::Unpin(customer()));
    assert_eq!(*machine.drained(1, true).last().expect("some"), Action::KeepWarm(pool(1)), "again");
}

#[test]
fn the_pins_of_a_version_that_breaks_end_and_others_stay() {
    for current in [true, false] {
        let mut machine = Machine::with(&["1", "2"]);
        let (broken, other) = if current { ("2", "1") } else { ("1", "2") };
        let number = if current { 2 } else { 1 };
        machine.answer(pin(broken));
        machine.answer(Verb::Pin { whose: Whose::key(7), version: other.into(), until: None });
        let actions = machine.happen(Event::Broken(pool(number)));
        assert!(actions.contains(&Action::TellUnpinned(customer(), broken.into())), "{actions:?}");
        assert!(actions.contains(&Action::LetGo(pool(number))), "{actions:?}");
        assert!(published(&actions) < at(&actions, &Action::GiveUpPinned(pool(number))), "{actions:?}");
        let standing = machine.table.standing.clone().expect("one is left");
        assert_eq!((standing.pins_of(&broken.into()), standing.pins_of(&other.into())), (0, 1));
    }
}

#[test]
fn a_version_that_keeps_trying_keeps_its_pins() {
    let mut machine = Machine::with(&["1"]);
    machine.answer(pin("1"));
    let kept = Action::TellBroken("1".into(), Remedy::KeepTrying);
    assert_eq!(machine.happen(Event::Broken(pool(1))), [kept]);
    assert_eq!(machine.pins(), 1);
}

#[test]
fn nothing_is_tied_to_a_version_that_cannot_take_it() {
    let mut machine = Machine::with(&["1", "2"]);
    machine.drained(1, false);
    for verb in [pin, route] {
        let gone = Misuse::NotRunning("1".into(), State::Drained);
        assert_eq!(machine.call(verb("1")), (misused(gone), vec![]));
        assert_eq!(machine.call(verb("9")), (misused(Misuse::Unknown("9".into())), vec![]));
    }
    machine.starts("3", canary(10, Limit::None));
    machine.answer(reject("3"));
    for verb in [pin, route] {
        assert_eq!(machine.call(verb("3")), (Answer::Quarantined("3".into()), vec![]));
    }
}

// ---- rules ---------------------------------------------------------------------------------------------------------

#[test]
fn a_rule_makes_a_held_version_take_new_jobs_and_it_drains_when_its_last_rule_ends() {
    let mut machine = Machine::and_held();
    let (answer, actions) = machine.call(route("2"));
    assert_eq!(answer, Answer::Chosen);
    assert!(at(&actions, &Action::Open(pool(2), Limit::None)) < published(&actions), "{actions:?}");
    assert_eq!((machine.state("2"), machine.rules()), (State::Ramping, 1));
    machine.answer(Verb::Route { whose: Whose::key(7), version: "2".into() });
    let actions = machine.does(Verb::Unroute(customer()));
    assert_eq!((machine.state("2"), actions.len()), (State::Ramping, 1), "it has another");
    let (answer, actions) = machine.call(Verb::Unroute(Whose::key(7)));
    assert_eq!((answer, machine.state("2")), (Answer::Chosen, State::Draining));
    assert!(published(&actions) < at(&actions, &Action::Narrow(pool(2))), "{actions:?}");
    assert_eq!(machine.call(Verb::Unroute(customer())), (Answer::NoSuchChoice, vec![]));
}

#[test]
fn a_version_with_a_share_stays_when_its_last_rule_ends_and_so_does_the_current_one() {
    let mut machine = Machine::with(&["1"]);
    machine.starts("2", canary(10, Limit::None));
    for version in ["1", "2"] {
        machine.answer(route(version));
        let state = machine.state(version);
        assert_eq!(machine.rules(), 1, "it is in the table");
        machine.answer(Verb::Unroute(customer()));
        assert_eq!(machine.state(version), state);
    }
}

#[test]
fn a_rule_that_goes_to_another_version_leaves_the_first_if_that_had_nothing_else() {
    let mut machine = Machine::and_held();
    machine.answer(route("2"));
    assert_eq!(machine.answer(route("2")), Answer::Already(State::Ramping));
    let actions = machine.does(route("1"));
    assert_eq!((machine.state("2"), machine.rules()), (State::Draining, 1));
    assert!(actions.contains(&Action::Narrow(pool(2))), "{actions:?}");
}

#[test]
fn a_rule_needs_a_current_version_and_a_draining_one_takes_new_jobs_by_it() {
    let mut machine = Machine::with(&["1", "2"]);
    machine.answer(route("1"));
    assert_eq!(machine.state("1"), State::Ramping);
    machine.answer(drain("2"));
    assert_eq!(machine.answer(route("1")), Answer::Already(State::Ramping));
    let other = Verb::Route { whose: Whose::key(7), version: "1".into() };
    assert_eq!(machine.answer(other), misused(Misuse::NothingCurrent));
}

#[test]
fn rules_end_when_their_version_is_left_and_pins_do_not() {
    type Leave = fn(&mut Machine);
    let leave: [(&str, Leave); 6] = [
        ("rollback", |machine| drop(machine.answer(back()))),
        ("abort", |machine| drop(machine.answer(Verb::Abort))),
        ("another", |machine| drop(machine.starts("3", Aim::Current))),
        ("no share", |machine| drop(machine.answer(ramp("2", 0, Limit::None)))),
        ("rejection", |machine| drop(machine.answer(reject("2")))),
        ("drain", |machine| drop(machine.answer(drain("2")))),
    ];
    for (how, leave) in leave {
        let mut machine = Machine::with(&["1"]);
        machine.starts("2", canary(10, Limit::None));
        machine.answer(route("2"));
        machine.answer(Verb::Pin { whose: Whose::key(7), version: "2".into(), until: None });
        leave(&mut machine);
        assert_eq!((machine.state("2"), machine.rules()), (State::Draining, 0), "{how}");
        assert_eq!(machine.pins(), 1, "{how}");
    }
    let mut machine = Machine::with(&["1", "2"]);
    machine.answer(route("2"));
    machine.answer(back());
    assert_eq!(machine.rules(), 0, "also those of the current one");
    let mut machine = Machine::and_held();
    machine.answer(route("2"));
    machine.answer(promote("2"));
    assert_eq!(machine.rules(), 1, "nobody left that one");
}

#[test]
fn there_are_at_most_ten_thousand_choices_and_known_ones_can_still_be_changed() {
    let mut machine = Machine::and_held();
    machine.answer(pin("1"));
    machine.answer(Verb::Route { whose: customer(), version: "1".into() });
    for id in 2..STANDING_MAX as u64 {
        let whose = Whose::job(JobId::new(id));
        let what = Verb::Pin { whose, version: "1".into(), until: None };
        let (verb, expected, urgent) = (VerbId::new(1_000 + id), None, false);
        let _chosen = machine.versions.handle(Event::Called { verb, expected, what, urgent });
    }
    assert_eq!(machine.versions.standing().len(), STANDING_MAX);
    let whose = Whose::key(7);
    let too_many = (misused(Misuse::TooManyChoices), vec![]);
    assert_eq!(machine.call(Verb::Pin { whose: whose.clone(), version: "1".into(), until: None }), too_many);
    assert_eq!(machine.call(Verb::Route { whose, version: "1".into() }), too_many);
    assert_eq!(machine.answer(pin("2")), Answer::Chosen);
    assert_eq!(machine.answer(route("2")), Answer::Chosen);
    assert_eq!(machine.answer(Verb::Unpin(customer())), Answer::Chosen);
    let whose = Whose::key(7);
    assert_eq!(machine.answer(Verb::Pin { whose, version: "1".into(), until: None }), Answer::Chosen);
}

// ---- kept versions -------------------------------------------------------------------------------------------------

#[test]
fn a_kept_version_serves_jobs_that_name_it_until_its_time_is_over() {
    let mut machine = Machine::with(&["1", "2"]);
    let actions = machine.drained(1, true);
    assert_eq!(
        actions,
        [Action::Tell("1".into(), State::Drained), Action::KeepWarm(pool(1))],
        "the same table"
    );
    assert!(machine.serves("1") && machine.is_kept("1"));
    let actions = machine.happen(Event::Cooled(pool(1)));
    assert!(published(&actions) < at(&actions, &Action::Cool(pool(1))), "{actions:?}");
    assert!(!machine.serves("1") && !machine.is_kept("1"));
    assert_eq!(machine.happen(Event::Cooled(pool(1))), [], "once");
    machine.happen(Event::Ended(pool(1)));
    assert_eq!(machine.state("1"), State::Retired);
}

#[test]
fn one_that_is_not_kept_is_not_warm() {
    let mut machine = Machine::with(&["1", "2"]);
    let actions = machine.drained(1, false);
    assert!(!actions.contains(&Action::KeepWarm(pool(1))) && !machine.serves("1"));
    assert_eq!(machine.happen(Event::Cooled(pool(1))), []);
}

#[test]
fn a_job_brings_a_kept_version_back_also_if_it_came_just_before_its_time_was_over() {
    for cooled in [false, true] {
        let mut machine = Machine::and_kept();
        if cooled {
            machine.happen(Event::Cooled(pool(1)));
        }
        let told = Action::Tell("1".into(), State::Draining);
        let actions = machine.happen(Event::Revived(pool(1)));
        assert!(actions.contains(&told) && machine.serves("1"), "{actions:?}");
        assert_eq!((machine.state("1"), machine.is_kept("1")), (State::Draining, false));
        assert_eq!(machine.happen(Event::Revived(pool(1))), [], "once");
        assert_eq!(machine.happen(Event::Cooled(pool(1))), [], "it is not drained");
        machine.drained(1, false);
        assert_eq!(machine.state("1"), State::Drained);
    }
}

/// Found by the audit.
#[test]
fn a_kept_version_whose_workers_leave_by_themselves_is_not_warm() {
    let mut machine = Machine::and_kept();
    machine.happen(Event::Ended(pool(1)));
    assert_eq!((machine.state("1"), machine.is_kept("1")), (State::Retired, false));
    assert!(!machine.serves("1"));
    assert_eq!(machine.successor("1"), Some("2"));
    let gone = Misuse::NotRunning("1".into(), State::Retired);
    assert_eq!(machine.answer(promote("1")), misused(gone));
}

#[test]
fn a_kept_version_that_breaks_is_kept_no_longer() {
    let mut machine = Machine::and_kept();
    let actions = machine.happen(Event::Broken(pool(1)));
    assert!(published(&actions) < at(&actions, &Action::Cool(pool(1))), "{actions:?}");
    assert!(!machine.serves("1") && !machine.find("1").quarantined);
    assert_eq!(machine.happen(Event::Broken(pool(1))), []);
}

#[test]
fn a_kept_version_gets_work_again_without_a_start() {
    let how = Takeover::Warm;
    let replaced = Some("2".into());
    let again: [(Verb, Answer, State); 6] = [
        (
            deploy("1", Aim::Current, None),
            Answer::Current { how, replaced: replaced.clone() },
            State::Current,
        ),
        (promote("1"), Answer::Current { how, replaced }, State::Current),
        (back(), Answer::RolledBack { from: "2".into(), to: "1".into(), how }, State::Current),
        (ramp("1", 10, Limit::None), Answer::Ramping { share: percent(10), how }, State::Ramping),
        (route("1"), Answer::Chosen, State::Ramping),
        (deploy("1", Aim::Hold, None), Answer::Inactive(how), State::Inactive),
    ];
    for (verb, answer, state) in again {
        let mut machine = Machine::and_kept();
        let (answered, actions) = machine.call(verb.clone());
        assert_eq!((answered, machine.state("1")), (answer, state), "{verb}");
        let opens = |action: &Action| matches!(action, Action::Open(..) | Action::Reserve(_));
        assert_eq!(actions.iter().position(opens), Some(0), "{verb}: {actions:?}");
        assert!(!machine.is_kept("1"), "{verb}");
        assert_eq!(machine.happen(Event::Cooled(pool(1))), [], "{verb}");
    }
}

#[test]
fn a_current_version_that_breaks_falls_back_to_a_kept_one() {
    let mut machine = Machine::and_kept();
    let actions = machine.happen(Event::Broken(pool(2)));
    assert!(actions.contains(&Action::TellBroken("2".into(), Remedy::FallBack("1".into()))));
    assert_eq!(opened(&actions), [(1, Limit::None)]);
    assert_eq!((machine.state("1"), machine.is_kept("1")), (State::Current, false));
}

#[test]
fn a_version_is_retired_only_if_it_is_drained_or_held() {
    let mut machine = Machine::and_kept();
    let not_drained = |version: &str, state| misused(Misuse::NotDrained(version.into(), state));
    assert_eq!(machine.answer(retire("2")), not_drained("2", State::Current));
    assert_eq!(machine.answer(retire("9")), misused(Misuse::Unknown("9".into())));
    machine.starts("3", canary(10, Limit::None));
    assert_eq!(machine.answer(retire("3")), not_drained("3", State::Ramping));
    machine.answer(ramp("3", 0, Limit::None));
    assert_eq!(machine.answer(retire("3")), not_drained("3", State::Draining));
    let (answer, actions) = machine.call(retire("1"));
    assert_eq!(answer, Answer::Retired);
    assert!(published(&actions) < at(&actions, &Action::Cool(pool(1))), "{actions:?}");
    assert!(!machine.serves("1"));
    assert_eq!(machine.call(retire("1")), (Answer::Already(State::Drained), vec![]));
    machine.happen(Event::Ended(pool(1)));
    assert_eq!(machine.call(retire("1")), (Answer::Already(State::Retired), vec![]));
}

#[test]
fn a_held_version_that_is_retired_drains_and_is_not_kept_then() {
    let mut machine = Machine::and_held();
    let (answer, actions) = machine.call(retire("2"));
    assert_eq!((answer, machine.state("2")), (Answer::Draining, State::Draining));
    assert!(at(&actions, &Action::Narrow(pool(2))) < at(&actions, &Action::Cool(pool(2))), "{actions:?}");
}

// ---- limits --------------------------------------------------------------------------------------------------------

#[test]
fn a_canary_is_opened_up_to_its_limit_and_again_only_when_that_changes() {
    let mut machine = Machine::with(&["1"]);
    let first = Limit::First(100);
    assert_eq!(opened(&machine.starts("2", canary(5, first))), [(2, first)]);
    assert_eq!(opened(&machine.does(ramp("2", 10, first))), [], "another share");
    let few = Limit::InFlight(3);
    assert_eq!(opened(&machine.does(ramp("2", 10, few))), [(2, few)], "another limit");
    assert_eq!(machine.answer(ramp("2", 10, few)), Answer::Already(State::Ramping));
    assert_eq!(opened(&machine.does(ramp("2", 10, Limit::None))), [(2, Limit::None)]);
    assert_eq!(machine.find("2").limit, Limit::None);
}

#[test]
fn a_promoted_canary_has_no_limit() {
    let few = Limit::InFlight(3);
    let mut machine = Machine::with(&["1"]);
    machine.starts("2", canary(5, few));
    assert_eq!(machine.find("2").limit, few);
    assert_eq!(opened(&machine.does(promote("2"))), [(2, Limit::None)]);
    assert_eq!(machine.find("2").limit, Limit::None);
}

#[test]
fn a_canary_that_drained_and_comes_back_is_opened_though_its_limit_is_the_same() {
    let mut machine = Machine::with(&["1"]);
    let few = Limit::InFlight(3);
    machine.starts("2", canary(5, few));
    machine.answer(ramp("2", 0, Limit::None));
    assert_eq!(opened(&machine.does(ramp("2", 5, few))), [(2, few)]);
}

// ---- time to drain -------------------------------------------------------------------------------------------------

#[test]
fn a_time_to_drain_is_for_those_that_the_verb_narrowed() {
    let mut machine = Machine::with(&["1", "2"]);
    machine.starts("3", canary(5, Limit::None));
    let promoted = Verb::Promote { version: "3".into(), drain_within: A_WHILE };
    assert_eq!(deadlines(&machine.does(promoted)), [2], "and not 1, which drains since before");
    let mut machine = Machine::with(&["1", "2"]);
    machine.starts("3", canary(5, Limit::None));
    assert_eq!(deadlines(&machine.starts_by(deploy("4", Aim::Current, A_WHILE))), [2, 3], "cold");
    assert_eq!(deadlines(&machine.does(deploy("3", Aim::Current, A_WHILE))), [4], "warm");
    assert_eq!(deadlines(&machine.does(promote("2"))), [], "without one");
    let takes_its_place = Aim::Ramp { share: percent(5), limit: Limit::None, beside: false };
    machine.starts("5", canary(5, Limit::None));
    assert_eq!(deadlines(&machine.starts_by(deploy("6", takes_its_place, A_WHILE))), [5]);
}

/// The verb that was before it in line narrowed another, and gave that no time.
#[test]
fn a_time_to_drain_is_not_for_those_that_another_verb_in_line_narrowed() {
    let mut machine = Machine::with(&["1"]);
    let back_in_time = Verb::Promote { version: "1".into(), drain_within: A_WHILE };
    for (verb, what) in [(100, deploy("2", Aim::Current, None)), (101, back_in_time)] {
        machine.happen(Event::Called { verb: VerbId::new(verb), expected: None, what, urgent: false });
    }
    let actions = machine.happen(Event::Started(pool(2)));
    assert_eq!((deadlines(&actions), machine.state("1")), (vec![2], State::Current));
}

#[test]
fn a_version_that_drains_already_can_be_given_a_time_for_it() {
    let mut machine = Machine::with(&["1", "2"]);
    let within =
        |version: &str| Verb::Drain { version: version.into(), allow_empty: false, drain_within: A_WHILE };
    let (answer, actions) = machine.call(within("1"));
    assert_eq!((answer, deadlines(&actions)), (Answer::Draining, vec![1]));
    machine.drained(1, true);
    assert_eq!(machine.call(within("1")), (Answer::Already(State::Drained), vec![]));
    machine.starts("3", Aim::Hold);
    let (answer, actions) = machine.call(within("3"));
    assert_eq!((answer, deadlines(&actions)), (Answer::Draining, vec![3]));
}

#[test]
fn an_overdue_version_is_recalled_once_and_asked_to_yield() {
    let mut machine = Machine::with(&["1", "2"]);
    let asked = Action::AskToYield(pool(1));
    let recall = [asked.clone(), Action::Halt(pool(1)), Action::Recall(pool(1))];
    assert_eq!(machine.happen(Event::Overdue(pool(1))), recall);
    assert!(machine.versions.is_recalling(pool(1)));
    assert_eq!(machine.happen(Event::Overdue(pool(1))), [asked], "while it is recalled");
    assert_eq!(machine.happen(Event::Recalled(pool(1))), [Action::Resume(pool(1))]);
    machine.answer(promote("1"));
    assert_eq!(machine.happen(Event::Overdue(pool(1))), [], "it is current again");
    machine.drained(2, true);
    assert_eq!(machine.happen(Event::Overdue(pool(2))), [], "it is drained");
}

// ---- conflicts -----------------------------------------------------------------------------------------------------

#[test]
fn the_new_verbs_are_refused_too_by_who_has_another_table_in_mind() {
    let verbs = || [pin("2"), Verb::Unpin(customer()), route("2"), Verb::Unroute(customer()), retire("2")];
    for verb in verbs() {
        let mut machine = Machine::and_held();
        let before = machine.versions.clone();
        let (seen, is) = (Revision::new(1), machine.versions.revision());
        let conflict = (Answer::Conflict(is), vec![]);
        assert_eq!(machine.call_expecting(Some(seen), verb.clone()), conflict, "{verb}");
        assert_eq!(machine.versions, before, "{verb}");
        let (answer, _) = machine.call_expecting(Some(is), verb.clone());
        assert!(!matches!(answer, Answer::Conflict(_)), "{verb}: {answer:?}");
    }
}

/// Somebody may be in a hurry, and what loads may take half a minute.
#[test]
fn a_pin_does_not_wait_for_a_version_that_it_is_not_about() {
    let mut machine = Machine::with(&["1"]);
    let verb = VerbId::new(100);
    let what = deploy("2", Aim::Current, None);
    machine.happen(Event::Called { verb, expected: None, what, urgent: false });
    assert_eq!(machine.answer(pin("1")), Answer::Chosen);
    assert_eq!(machine.answer(Verb::Unpin(customer())), Answer::Chosen);
    assert_eq!(machine.answer(route("1")), Answer::Chosen);
    assert_eq!(machine.answer(Verb::Unroute(customer())), Answer::Chosen);
}

#[test]
fn the_new_verbs_wait_in_line_and_take_effect_in_order() {
    let mut machine = Machine::with(&["1"]);
    let mut calls = vec![deploy("2", Aim::Hold, None), pin("2"), Verb::Unpin(customer()), route("2")];
    calls.extend([Verb::Unroute(customer()), retire("2")]);
    for (verb, what) in (100..).map(VerbId::new).zip(calls) {
        machine.happen(Event::Called { verb, expected: None, what, urgent: false });
    }
    let actions = machine.happen(Event::Started(pool(2)));
    let answers: Vec<_> = actions
        .iter()
        .filter_map(|action| match action {
            Action::Answer(_, answer) => Some(answer.clone()),
            _ => None,
        })
        .collect();
    let drains = misused(Misuse::NotDrained("2".into(), State::Draining));
    let chosen = || Answer::Chosen;
    assert_eq!(answers, [Answer::Inactive(Takeover::Cold), chosen(), chosen(), chosen(), chosen(), drains]);
}

// ---- successors ----------------------------------------------------------------------------------------------------

#[test]
fn the_table_names_who_took_the_place_of_a_version_that_is_gone() {
    let mut machine = Machine::with(&["1", "2"]);
    assert_eq!(machine.successor("1"), None, "it is still there");
    machine.drained(1, false);
    assert_eq!(machine.successor("1"), Some("2"));
    machine.starts("3", Aim::Current);
    machine.drained(2, false);
    assert_eq!((machine.successor("1"), machine.successor("2")), (Some("3"), Some("3")));
    machine.starts("1", Aim::Hold);
    assert_eq!(machine.successor("1"), None, "it is there again");
    let known = machine.table.successors.iter().map(|(gone, _)| gone.as_str());
    assert_eq!(known.collect::<Vec<_>>(), ["2"]);
}

#[test]
fn who_was_kept_or_ramped_has_a_successor_too_when_it_is_gone() {
    let mut machine = Machine::and_kept();
    assert_eq!(machine.successor("1"), None);
    machine.happen(Event::Cooled(pool(1)));
    assert_eq!(machine.successor("1"), Some("2"));
    machine.starts("3", canary(5, Limit::None));
    machine.answer(Verb::Abort);
    machine.drained(3, false);
    assert_eq!(machine.successor("3"), Some("2"));
}

#[test]
fn the_successor_after_a_rollback_or_a_fall_back_is_the_version_before() {
    let mut machine = Machine::with(&["1", "2"]);
    assert_eq!(machine.find("1").successor, Some("2".into()));
    machine.answer(back());
    assert_eq!(machine.find("1").successor, None, "it has its place again");
    machine.drained(2, false);
    assert_eq!(machine.successor("2"), Some("1"));
    let mut machine = Machine::with(&["1", "2"]);
    machine.happen(Event::Broken(pool(2)));
    machine.drained(2, false);
    assert_eq!(machine.successor("2"), Some("1"));
}

#[test]
fn a_current_version_that_is_drained_away_has_no_successor() {
    let mut machine = Machine::with(&["1"]);
    machine.answer(drain("1"));
    machine.drained(1, false);
    assert_eq!(machine.successor("1"), None);
    assert!(machine.table.successors.is_empty());
}

#[test]
fn a_rollback_leaves_a_canary_by_rule_and_is_not_caught_by_an_older_version_that_has_only_rules() {
    let mut machine = Machine::and_held();
    machine.answer(route("2"));
    let back = machine.answer(Verb::Rollback { to: None });
    assert!(matches!(back, Answer::RolledBack { .. }), "{back:?}");
    assert_eq!((machine.state("1"), machine.state("2")), (State::Current, State::Draining));

    let mut machine = Machine::with(&["1", "2", "3"]);
    machine.answer(route("1"));
    let back = machine.answer(Verb::Rollback { to: None });
    let (from, to) = ("3".into(), "2".into());
    assert_eq!(back, Answer::RolledBack { from, to, how: Takeover::Warm });
    assert_eq!(machine.rules(), 0, "whoever becomes current has all new jobs");
}

#[test]
fn a_version_that_is_ramped_by_rules_alone_can_be_brought_further_by_a_deploy() {
    let mut machine = Machine::and_held();
    machine.answer(route("2"));
    assert_eq!(machine.answer(deploy("2", Aim::Hold, None)), Answer::Already(State::Ramping));
    let (share, how) = (percent(20), Takeover::Warm);
    assert_eq!(machine.answer(deploy("2", canary(20, Limit::None), None)), Answer::Ramping { share, how });
    assert_eq!(machine.rules(), 1);
    let again = machine.answer(deploy("2", Aim::Current, None));
    assert_eq!(again, Answer::Already(State::Ramping), "one that has a share is promoted");
}
