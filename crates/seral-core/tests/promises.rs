//! That an [`Audit`] finds each promise broken: a short bad history for each, told by hand, and the good one beside it.

use std::sync::Arc;

use seral_core::audit::Audit;
use seral_core::fact::Broken;
use seral_core::fact::Fact;
use seral_core::fact::Fate;
use seral_core::fact::Profile;
use seral_core::fact::Promise;
use seral_core::id::Attempt;
use seral_core::id::JobId;
use seral_core::id::Key;
use seral_core::id::PoolId;
use seral_core::id::Revision;
use seral_core::id::VerbId;
use seral_core::id::Version;
use seral_core::routing::Reason;
use seral_core::routing::Route;
use seral_core::routing::RoutingTable;
use seral_core::share::Share;
use seral_core::standing::Pin;
use seral_core::standing::STANDING_MAX;
use seral_core::standing::Standing;
use seral_core::versions::Action;
use seral_core::versions::Answer;
use seral_core::versions::Limit;
use seral_core::versions::State;
use seral_core::versions::Takeover;
use seral_core::versions::Verb;
use seral_core::whose::Whose;

// ---- a history -----------------------------------------------------------------------------------------------------

/// Versions have the number of their pool as their name.
struct History {
    audit: Audit,
    table: RoutingTable<PoolId>,
}

fn pool(number: u64) -> PoolId {
    PoolId::new(number)
}

fn version(number: u64) -> Version {
    number.to_string().into()
}

fn job(id: u64) -> Profile {
    Profile { id: JobId::new(id), pin: None, key: None, headers: Vec::new(), spread: id }
}

fn share(percent: f64) -> Share {
    Share::percent(percent).expect("a share")
}

impl History {
    /// Version 1 is current, and version 2 is there.
    fn new() -> Self {
        let mut history = Self { audit: Audit::new(), table: RoutingTable::empty() };
        for number in [1, 2] {
            history.start(number);
        }
        history.open(1);
        history.publish(|table| table.current = Some(pool(1)));
        history
    }

    /// As [`new`](Self::new), and then version 2 took over.
    fn after_a_takeover() -> Self {
        let mut history = Self::new();
        history.open(2);
        history.publish(|table| table.current = Some(pool(2)));
        history.done(Action::Narrow(pool(1)));
        history
    }

    fn done(&mut self, action: Action) {
        self.audit.note(Fact::Done(action));
    }

    fn start(&mut self, number: u64) {
        self.table.serving.push((version(number), pool(number)));
        self.done(Action::Start(pool(number), version(number)));
    }

    fn open(&mut self, number: u64) {
        self.done(Action::Open(pool(number), Limit::None));
    }

    fn publish(&mut self, change: impl FnOnce(&mut RoutingTable<PoolId>)) {
        change(&mut self.table);
        self.table.revision = self.table.revision.next();
        self.done(Action::Publish(self.table.clone()));
    }

    fn ramp(&mut self, number: u64, percent: f64) {
        let salt = self.table.revision.get();
        self.publish(|table| table.shares.set(&pool(number), share(percent), salt).expect("room"));
    }

    /// To this pool by the latest table.
    fn admit(&mut self, job: Profile, to: u64, reason: Reason) {
        let route = Route::new(self.table.revision, reason);
        self.audit.note(Fact::Admitted { job, pool: pool(to), route });
    }

    fn place(&mut self, id: u64, to: u64, reason: Reason) {
        let route = Route::new(self.table.revision, reason);
        self.audit.note(Fact::Placed { job: JobId::new(id), pool: pool(to), route });
    }

    fn aside(&mut self, id: u64) {
        self.audit.note(Fact::SetAside(JobId::new(id)));
    }

    fn run(&mut self, id: u64, at: u64, attempt: u32) {
        let attempt = Attempt::nth(attempt);
        self.audit.note(Fact::Started { job: JobId::new(id), pool: pool(at), attempt });
    }

    fn over(&mut self, id: u64, attempts: u32) {
        self.audit.note(Fact::Over { job: JobId::new(id), fate: Fate::Done, attempts });
    }

    fn whole(&mut self, job: Profile, at: u64, reason: Reason) {
        let id = job.id.get();
        self.admit(job, at, reason);
        self.run(id, at, 1);
        self.over(id, 1);
    }

    fn drained(&mut self, number: u64, kept: bool) {
        self.audit.note(Fact::Drained { pool: pool(number), kept });
    }

    fn pins(&mut self, pins: &[(u64, u64)]) {
        let pin = |to: u64| Pin { version: version(to), until: None };
        let pins = pins.iter().map(|(key, to)| (Whose::key(*key), pin(*to))).collect();
        let standing = Standing { pins, ..Standing::default() };
        self.publish(|table| table.standing = Some(Arc::new(standing)));
    }
}

fn with_key(id: u64, key: u64) -> Profile {
    Profile { key: Some(Key::from(key)), ..job(id) }
}

fn naming(id: u64, pin: u64) -> Profile {
    Profile { pin: Some(version(pin)), ..job(id) }
}

#[track_caller]
fn assert_found(history: History, promise: Promise) {
    let broken = history.audit.finish();
    assert!(broken.iter().any(|it| it.promise == promise), "{promise} is not among {broken:?}");
}

#[track_caller]
fn assert_only(history: History, promise: Promise) {
    let broken = history.audit.finish();
    let others: Vec<&Broken> = broken.iter().filter(|it| it.promise != promise).collect();
    assert!(others.is_empty() && !broken.is_empty(), "{promise} is not what was found: {broken:?}");
}

#[track_caller]
fn assert_kept(history: History) {
    assert_eq!(history.audit.finish(), []);
}

// ---- I1, I4, I14: jobs ---------------------------------------------------------------------------------------------

#[test]
fn the_audit_finds_nothing_in_a_good_history() {
    let mut history = History::new();
    history.admit(job(1), 1, Reason::Current);
    history.run(1, 1, 1);
    history.audit.note(Fact::Failed(JobId::new(1)));
    history.open(2);
    history.publish(|table| table.current = Some(pool(2)));
    history.done(Action::Narrow(pool(1)));
    history.place(1, 2, Reason::Current);
    history.run(1, 2, 2);
    history.over(1, 2);
    history.whole(naming(2, 1), 1, Reason::Pin);
    history.drained(1, false);
    history.publish(|table| table.serving.retain(|(_, serving)| *serving != pool(1)));
    assert_kept(history);
}

#[test]
fn the_audit_finds_a_job_that_is_lost() {
    for lose in [|_: &mut History| {}, |history: &mut History| history.aside(1)] {
        let mut history = History::new();
        history.admit(job(1), 1, Reason::Current);
        lose(&mut history);
        assert_only(history, Promise::Conservation);
    }
}

#[test]
fn the_audit_finds_a_job_that_ends_twice() {
    let mut history = History::new();
    history.whole(job(1), 1, Reason::Current);
    history.over(1, 1);
    assert_only(history, Promise::Conservation);
}

#[test]
fn the_audit_finds_a_job_that_is_in_two_places_or_comes_from_nowhere() {
    let mut history = History::new();
    history.admit(job(1), 1, Reason::Current);
    history.place(1, 1, Reason::Current);
    history.run(1, 1, 1);
    history.over(1, 1);
    assert_only(history, Promise::Conservation);
    let mut history = History::new();
    history.whole(job(1), 1, Reason::Current);
    history.admit(job(1), 1, Reason::Current);
    assert_only(history, Promise::Conservation);
    let mut history = History::new();
    history.run(1, 1, 1);
    assert_only(history, Promise::Conservation);
    let mut history = History::new();
    history.admit(job(1), 1, Reason::Current);
    history.run(1, 2, 1);
    history.over(1, 1);
    assert_only(history, Promise::Conservation);
}

#[test]
fn the_audit_finds_jobs_of_a_key_out_of_order_or_at_once() {
    let mut history = History::new();
    history.admit(with_key(1, 7), 1, Reason::Current);
    history.whole(with_key(2, 7), 1, Reason::Current);
    history.run(1, 1, 1);
    history.over(1, 1);
    assert_only(history, Promise::KeyOrder);
    let mut history = History::new();
    history.admit(with_key(1, 7), 1, Reason::Current);
    history.run(1, 1, 1);
    history.admit(with_key(2, 7), 1, Reason::Current);
    history.run(2, 1, 1);
    history.over(1, 1);
    history.over(2, 1);
    assert_only(history, Promise::KeyOrder);
}

#[test]
fn the_audit_finds_a_move_that_is_charged_as_an_attempt() {
    let mut history = History::new();
    history.admit(job(1), 1, Reason::Current);
    history.aside(1);
    history.place(1, 1, Reason::Current);
    history.run(1, 1, 2);
    history.over(1, 1);
    assert_only(history, Promise::MovesAreFree);
    let mut history = History::new();
    history.admit(job(1), 1, Reason::Current);
    let fate = Fate::HandedBack;
    history.audit.note(Fact::Over { job: JobId::new(1), fate, attempts: 1 });
    assert_only(history, Promise::MovesAreFree);
}

// ---- I2, I8, I9, I11: where they go --------------------------------------------------------------------------------

#[test]
fn the_audit_finds_a_job_that_comes_in_after_the_gate_was_closed() {
    let mut history = History::after_a_takeover();
    let stale = Route::new(Revision::new(1), Reason::Current);
    history.audit.note(Fact::Admitted { job: job(1), pool: pool(1), route: stale });
    history.run(1, 1, 1);
    history.over(1, 1);
    history.drained(1, true);
    assert_only(history, Promise::ClosedIsClosed);
}

#[test]
fn the_audit_accepts_a_job_by_a_stale_table_where_the_gate_is_open() {
    let mut history = History::new();
    history.open(2);
    history.ramp(2, 50.0);
    let stale = Route::new(Revision::new(1), Reason::Current);
    history.audit.note(Fact::Admitted { job: job(1), pool: pool(1), route: stale });
    history.run(1, 1, 1);
    history.over(1, 1);
    assert_kept(history);
}

#[test]
fn the_audit_finds_a_job_that_runs_on_another_version_than_the_one_it_is_tied_to() {
    let mut history = History::new();
    history.whole(naming(1, 2), 1, Reason::Current);
    assert_found(history, Promise::PinIsStrict);
    // It comes to the right one, and runs on the other.
    let mut history = History::new();
    history.admit(naming(1, 1), 1, Reason::Pin);
    history.run(1, 2, 1);
    history.over(1, 1);
    assert_found(history, Promise::PinIsStrict);
    let mut history = History::new();
    history.pins(&[(7, 2)]);
    history.whole(with_key(1, 7), 1, Reason::Current);
    assert_found(history, Promise::PinIsStrict);
    let mut history = History::new();
    history.done(Action::Reserve(pool(2)));
    history.pins(&[(7, 2)]);
    history.whole(with_key(1, 7), 2, Reason::StandingPin);
    assert_kept(history);
}

#[test]
fn the_audit_finds_a_new_job_at_a_version_that_was_left_by_a_rollback() {
    let rolled_back = |opened_again: bool| {
        let mut history = History::after_a_takeover();
        history.open(1);
        history.publish(|table| table.current = Some(pool(1)));
        let (from, to) = (version(2), version(1));
        let answer = Answer::RolledBack { from, to, how: Takeover::Warm };
        // It was not narrowed: that is what this promise is for.
        history.done(Action::Answer(VerbId::new(1), answer));
        if opened_again {
            history.open(2);
        }
        let stale = Route::new(Revision::new(2), Reason::Current);
        history.audit.note(Fact::Admitted { job: job(1), pool: pool(2), route: stale });
        history.run(1, 2, 1);
        history.over(1, 1);
        history
    };
    assert_only(rolled_back(false), Promise::RollbackHolds);
    assert_kept(rolled_back(true));
}

#[test]
fn the_audit_finds_a_route_that_its_table_does_not_explain() {
    let mut history = History::new();
    history.open(2);
    history.whole(job(1), 2, Reason::Current);
    assert_only(history, Promise::RouteIsExplained);
    let mut history = History::new();
    history.whole(job(1), 1, Reason::Rule);
    assert_only(history, Promise::RouteIsExplained);
    let mut history = History::new();
    history.table.revision = Revision::new(9);
    history.whole(job(1), 1, Reason::Current);
    assert_only(history, Promise::RouteIsExplained);
    let mut history = History::new();
    history.whole(job(1), 7, Reason::Current);
    assert_only(history, Promise::RouteIsExplained);
    let mut history = History::new();
    history.table.revision = history.table.revision.next();
    history.publish(|_| {});
    assert_only(history, Promise::RouteIsExplained);
}

#[test]
fn the_audit_accepts_a_job_that_a_limit_sent_on_and_one_that_was_moved() {
    let mut history = History::new();
    history.done(Action::Open(pool(2), Limit::First(1)));
    history.ramp(2, 100.0);
    history.whole(job(1), 1, Reason::Current);
    history.whole(job(2), 1, Reason::Moved);
    assert_kept(history);
}

// ---- I5, I7: shares ------------------------------------------------------------------------------------------------

#[test]
fn the_audit_finds_a_raised_share_that_takes_keys_away_and_a_lowered_one_that_brings_some() {
    for (from, to) in [(10.0, 20.0), (20.0, 10.0)] {
        let mut history = History::new();
        history.open(2);
        history.ramp(2, from);
        // Another salt: whoever was met is another.
        history.publish(|table| {
            table.shares = seral_core::share::Shares::none();
            table.shares.set(&pool(2), share(to), 99).expect("room");
        });
        assert_only(history, Promise::MonotoneRamp);
    }
    let mut history = History::new();
    history.open(2);
    for percent in [10.0, 20.0, 5.0, 0.0] {
        history.ramp(2, percent);
    }
    history.done(Action::Narrow(pool(2)));
    history.drained(2, true);
    assert_kept(history);
}

#[test]
fn the_audit_finds_shares_that_come_out_wrong() {
    let ramped = |percent: f64, to: u64, reason: Reason| {
        let mut history = History::new();
        history.open(2);
        history.ramp(2, percent);
        for id in 1..=200 {
            history.whole(job(id), to, reason);
        }
        history
    };
    assert_found(ramped(50.0, 2, Reason::Share), Promise::ShareIsExact);
    assert_found(ramped(50.0, 1, Reason::Current), Promise::ShareIsExact);
    assert_found(ramped(0.0, 2, Reason::Share), Promise::ShareIsExact);
    assert_found(ramped(100.0, 1, Reason::Current), Promise::ShareIsExact);
    assert_kept(ramped(100.0, 2, Reason::Share));
    assert_kept(ramped(0.0, 1, Reason::Current));
}

#[test]
fn the_audit_accepts_shares_that_come_out_right() {
    let mut history = History::new();
    history.open(2);
    history.ramp(2, 30.0);
    for id in 1..=2_000 {
        let (to, reason) =
            history.table.resolve(&job(id)).map(|(to, reason)| (to.get(), reason)).expect("one");
        history.whole(job(id), to, reason);
    }
    // Many jobs of one key go one way, and are not many of a share.
    let to = history.table.resolve(&with_key(1, 7)).map(|(to, reason)| (to.get(), reason)).expect("one");
    for id in 10_000..10_500 {
        let job = Profile { spread: 1, ..with_key(id, 7) };
        history.whole(job, to.0, to.1);
    }
    assert_kept(history);
}

// ---- I6, I19: drains -----------------------------------------------------------------------------------------------

#[test]
fn the_audit_finds_a_drain_that_is_told_too_early() {
    let mut history = History::new();
    history.admit(job(1), 1, Reason::Current);
    history.open(2);
    history.publish(|table| table.current = Some(pool(2)));
    history.done(Action::Narrow(pool(1)));
    history.drained(1, true);
    history.run(1, 1, 1);
    history.over(1, 1);
    assert_only(history, Promise::DrainedIsFinal);
    let mut history = History::new();
    history.admit(naming(1, 1), 1, Reason::Pin);
    history.aside(1);
    history.open(2);
    history.publish(|table| table.current = Some(pool(2)));
    history.done(Action::Narrow(pool(1)));
    history.drained(1, true);
    history.over(1, 0);
    assert_only(history, Promise::DrainedIsFinal);
    let mut history = History::after_a_takeover();
    history.pins(&[(7, 1)]);
    history.drained(1, true);
    assert_only(history, Promise::DrainedIsFinal);
    let mut history = History::new();
    history.drained(1, true);
    assert_only(history, Promise::DrainedIsFinal);
}

#[test]
fn the_audit_finds_a_drained_version_that_comes_back() {
    let drained = |kept: bool| {
        let mut history = History::after_a_takeover();
        history.drained(1, kept);
        if !kept {
            history.publish(|table| table.serving.retain(|(_, serving)| *serving != pool(1)));
        }
        history
    };
    let mut history = drained(false);
    history.open(1);
    assert_only(history, Promise::DrainedIsFinal);
    let mut history = drained(true);
    history.open(1);
    assert_only(history, Promise::DrainedIsFinal);
    for (kept, cooled) in [(false, false), (true, true)] {
        let mut history = drained(true);
        if !kept {
            history = drained(false);
        }
        if cooled {
            history.done(Action::Cool(pool(1)));
        }
        history.audit.note(Fact::Revived(pool(1)));
        assert_found(history, Promise::DrainedIsFinal);
    }
    let mut history = drained(true);
    history.whole(naming(1, 1), 1, Reason::Pin);
    assert_only(history, Promise::DrainedIsFinal);
    let mut history = drained(true);
    history.drained(1, true);
    assert_only(history, Promise::DrainedIsFinal);
    let mut history = drained(true);
    history.done(Action::Cool(pool(1)));
    assert_only(history, Promise::DrainedIsFinal);
    let mut history = drained(true);
    history.audit.note(Fact::Revived(pool(1)));
    history.whole(naming(1, 1), 1, Reason::Pin);
    history.drained(1, true);
    assert_kept(history);
}

#[test]
fn the_audit_finds_a_drain_that_does_not_end() {
    assert_only(History::after_a_takeover(), Promise::DrainsEnd);
    let mut history = History::after_a_takeover();
    history.pins(&[(7, 1)]);
    assert_kept(history);
}

// ---- I10, I12, I16: versions ---------------------------------------------------------------------------------------

#[test]
fn the_audit_finds_a_failed_start_that_changes_something() {
    let changes: [fn(&mut History); 3] = [
        |history| history.publish(|_| {}),
        |history| history.open(1),
        |history| history.done(Action::Narrow(pool(2))),
    ];
    for change in changes {
        let mut history = History::new();
        history.start(3);
        history.audit.note(Fact::StartFailed(pool(3)));
        change(&mut history);
        history.drained(2, true);
        assert_found(history, Promise::FailedStartIsAlone);
    }
    let mut history = History::new();
    history.start(3);
    history.audit.note(Fact::StartFailed(pool(3)));
    history.done(Action::Answer(VerbId::new(1), Answer::StartFailed));
    history.publish(|_| {});
    // Late news of a start that was given up.
    history.done(Action::Dismiss(pool(3)));
    history.audit.note(Fact::StartFailed(pool(3)));
    history.publish(|_| {});
    assert_kept(history);
}

#[test]
fn the_audit_finds_that_nobody_takes_new_jobs_any_more() {
    let emptied = |allow_empty: bool| {
        let mut history = History::new();
        let drain = Verb::Drain { version: version(1), allow_empty, drain_within: None };
        history.audit.note(Fact::Called(VerbId::new(1), drain));
        history.publish(|table| table.current = None);
        history.done(Action::Narrow(pool(1)));
        history.drained(1, true);
        history
    };
    assert_only(emptied(false), Promise::SomebodyTakes);
    assert_kept(emptied(true));
    // It was asked for once, and then deployed again.
    let mut history = History::new();
    let drain = Verb::Drain { version: version(1), allow_empty: true, drain_within: None };
    history.audit.note(Fact::Called(VerbId::new(1), drain));
    history.done(Action::Answer(VerbId::new(1), Answer::Draining));
    history.publish(|table| table.current = None);
    assert_only(history, Promise::SomebodyTakes);
    // Published and then opened, narrowed and then published.
    let mut history = History::new();
    history.publish(|table| table.current = Some(pool(2)));
    history.open(2);
    assert_only(history, Promise::SomebodyTakes);
    let mut history = History::new();
    history.done(Action::Narrow(pool(1)));
    history.open(2);
    history.publish(|table| table.current = Some(pool(2)));
    history.drained(1, true);
    assert_only(history, Promise::SomebodyTakes);
    let mut history = History::new();
    let rules = [(Whose::key(7), version(2))].into();
    let standing = Standing { rules, ..Standing::default() };
    history.publish(|table| table.standing = Some(Arc::new(standing)));
    assert_only(history, Promise::SomebodyTakes);
}

#[test]
fn the_audit_finds_memory_that_grows() {
    let mut history = History::new();
    for number in 0..100 {
        history.done(Action::Tell(version(number + 10), State::Failed));
    }
    assert_only(history, Promise::MemoryIsBounded);
    let mut history = History::new();
    let pin = Pin { version: version(1), until: None };
    let pins = (0..=STANDING_MAX as u64).map(|key| (Whose::key(key), pin.clone())).collect();
    let standing = Standing { pins, ..Standing::default() };
    history.publish(|table| table.standing = Some(Arc::new(standing)));
    assert_only(history, Promise::MemoryIsBounded);
    let mut history = History::new();
    history.publish(|table| {
        table.successors = (0..100).map(|number| (version(number + 10), version(1))).collect();
    });
    assert_only(history, Promise::MemoryIsBounded);
    let mut history = History::new();
    for number in 0..100 {
        history.done(Action::Tell(version(number + 10), State::Failed));
        history.done(Action::Forget(version(number + 10)));
    }
    assert_kept(history);
}

#[test]
fn each_promise_is_a_sentence_of_its_own() {
    let sentences: std::collections::BTreeSet<_> = Promise::ALL.iter().map(ToString::to_string).collect();
    assert_eq!(sentences.len(), Promise::ALL.len());
}
