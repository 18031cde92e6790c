//! A version whose workers cannot be kept running. It is left for one that is still there, or its jobs wait until it can; what names it and can
//! never be done is set aside, so that nothing waits for ever.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use parking_lot::Mutex;
use seral::Cause;
use seral::Event;
use seral::HandedBack;
use seral::JobHandle;
use seral::Remedy;
use seral::RestartPolicy;
use seral::error::DeployError;
use seral::error::JobError;
use seral::error::RollbackError;
use seral::error::SendError;
use seral::prelude::*;
use seral::view::VersionState;

use crate::kit::settle;
use crate::script::MINUTE;
use crate::script::Move;
use crate::script::Part;
use crate::script::SECOND;
use crate::script::Script;
use crate::script::assert_accounted;
use crate::script::at_once;
use crate::script::dead;
use crate::script::events_so_far;

const HOUR: Duration = Duration::from_secs(3600);

/// A cause of failure that can be switched on and off.
#[derive(Clone, Default)]
struct Switch(Arc<AtomicBool>);

impl Switch {
    fn set(&self, on: bool) {
        self.0.store(on, Relaxed);
    }

    fn is_on(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// Workers that are well until the switch is on: then each panics at its job and cannot start again. Jobs from 1,000 on take a minute.
fn frail(switch: &Switch) -> Script {
    let (job, life) = (switch.clone(), switch.clone());
    let script = Script::new(move |number, _| match number {
        _ if job.is_on() => Move::Panic("told to panic"),
        0..1_000 => Move::Go,
        _ => Move::Wait(MINUTE),
    });
    script.living(move |part, _| match part {
        Part::Start if life.is_on() => Move::Fail("told to fail".into()),
        _ => Move::Go,
    })
}

/// Jobs from 1,000 on take an hour.
fn sound() -> Script {
    Script::new(|number, _| if number < 1_000 { Move::Go } else { Move::Wait(HOUR) })
}

/// A community in which a worker is down after three failures in a row.
async fn community() -> (Ecosystem, Community<u64, u64>) {
    let shop = Ecosystem::new("shop");
    let orders = shop.community("orders").retry(at_once(9)).restart(RestartPolicy::limit(3, MINUTE));
    let orders = orders.await.unwrap();
    (shop, orders)
}

async fn submit_all(
    orders: &Community<u64, u64>,
    numbers: std::ops::Range<u64>,
) -> Vec<(u64, JobHandle<u64>)> {
    let mut handles = Vec::new();
    for number in numbers {
        handles.push((number, orders.submit(number).await.unwrap()));
    }
    handles
}

async fn all_done(handles: Vec<(u64, JobHandle<u64>)>) {
    for (number, handle) in handles {
        assert_eq!(handle.await, Ok(number));
    }
}

fn remedies(events: &[Event]) -> Vec<(String, Remedy)> {
    let remedy = |event: &Event| match event {
        Event::VersionBroken { version, remedy, .. } => Some((version.to_string(), remedy.clone())),
        _ => None,
    };
    events.iter().filter_map(remedy).collect()
}

fn state(orders: &Community<u64, u64>, version: &str) -> (VersionState, bool) {
    let view = orders.describe();
    let version = view.version(version).unwrap();
    (version.state, version.quarantined)
}

// ---- current -------------------------------------------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn a_current_version_that_breaks_is_left_for_the_warm_one_which_does_all_its_jobs() {
    let (shop, orders) = community().await;
    let mut events = orders.events();
    let (good, switch) = (sound(), Switch::default());
    let bad = frail(&switch);
    orders.deploy("1", good.pool(2)).await.unwrap();
    let warm = submit_all(&orders, 1_000..1_001).await;
    settle().await;
    orders.deploy("2", bad.pool(2)).await.unwrap();
    all_done(submit_all(&orders, 0..20).await).await;
    switch.set(true);
    let handles = submit_all(&orders, 20..100).await;
    let delayed = orders.submit(100).delay(SECOND).await.unwrap();
    let pinned = orders.submit(101).pin("2").key("k").await.unwrap();
    let behind = orders.submit(102).key("k").await.unwrap();
    all_done(handles).await;
    assert_eq!((delayed.await, behind.await), (Ok(100), Ok(102)));
    assert!(matches!(pinned.await, Err(JobError::Failed { .. })));

    assert_eq!(remedies(&events_so_far(&mut events).await), [("2".to_owned(), Remedy::FallBack("1".into()))]);
    assert_eq!(
        (state(&orders, "1"), orders.describe().current),
        ((VersionState::Current, false), Some("1".into()))
    );
    settle().await;
    assert_eq!(state(&orders, "2"), (VersionState::Retired, true));
    assert_eq!(bad.completed(), (0..20).collect::<Vec<_>>());
    let mut moved: Vec<_> = (20..101).collect();
    moved.push(102);
    assert_eq!(good.completed(), moved);
    let letters = orders.dead_letters().list();
    assert_eq!((dead(&orders), letters[0].cause), (vec![101], Cause::VersionBroken));
    assert_eq!(letters[0].version.as_deref(), Some("2"));

    switch.set(false);
    let refused = orders.deploy("2", bad.pool(2)).await.unwrap_err();
    assert_eq!(refused, DeployError::Quarantined { version: "2".into() });
    assert_eq!(state(&orders, "1"), (VersionState::Current, false));
    orders.deploy("2", bad.pool(2)).force().await.unwrap();
    assert_eq!(state(&orders, "2"), (VersionState::Current, false));
    all_done(submit_all(&orders, 200..210).await).await;
    assert_eq!(bad.completed().len(), 30);
    all_done(warm).await;
    orders.drained("1").await.unwrap();
    assert_accounted(&orders, 114);
    drop(orders.dead_letters().take());
    assert!(shop.shutdown(MINUTE).await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn a_current_version_that_breaks_alone_keeps_its_jobs_and_costs_no_time_until_it_starts_again() {
    let switch = Switch::default();
    let frail = frail(&switch);
    let (shop, orders) = frail.open(2, at_once(9)).await;
    let mut events = orders.events();
    switch.set(true);
    let mut handles = submit_all(&orders, 0..50).await;
    handles.push((50, orders.submit(50).pin("1").await.unwrap()));
    handles.push((51, orders.submit(51).pin("1").delay(HOUR * 2).await.unwrap()));
    handles.push((52, orders.submit(52).key("k").await.unwrap()));
    handles.push((53, orders.submit(53).key("k").await.unwrap()));
    tokio::time::sleep(HOUR).await;
    let starts = frail.times(Part::Start);
    assert!((200..260).contains(&starts), "two workers start every half minute: {starts} in an hour");
    assert_eq!(frail.begun().len(), 2, "nothing is begun by workers that cannot start");
    let remedies = remedies(&events_so_far(&mut events).await);
    assert!(!remedies.is_empty());
    assert!(remedies.iter().all(|told| *told == ("1".to_owned(), Remedy::KeepTrying)), "{remedies:?}");
    let view = orders.describe();
    assert_eq!((view.waiting, view.fenced, view.delayed, view.dead), (52, 1, 1, 0), "{view}");
    assert_eq!(state(&orders, "1"), (VersionState::Current, false));
    assert_accounted(&orders, 54);
    switch.set(false);
    all_done(handles).await;
    assert_eq!(frail.begun().len(), 56);
    assert_accounted(&orders, 54);
    assert!(shop.shutdown(MINUTE).await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn the_next_version_does_the_jobs_of_one_that_broke_alone() {
    let (shop, orders) = community().await;
    let switch = Switch::default();
    orders.deploy("1", frail(&switch).pool(3)).await.unwrap();
    switch.set(true);
    let handles = submit_all(&orders, 0..50).await;
    let pinned = orders.submit(50).pin("1").await.unwrap();
    tokio::time::sleep(MINUTE).await;
    let good = sound();
    let began = tokio::time::Instant::now();
    orders.deploy("2", good.pool(1)).await.unwrap();
    all_done(handles).await;
    assert!(matches!(pinned.await, Err(JobError::Failed { attempts: 0, .. })));
    orders.drained("1").await.unwrap();
    assert!(began.elapsed() < SECOND * 31, "at the next start that fails");
    assert_eq!(good.completed(), (0..50).collect::<Vec<_>>());
    settle().await;
    assert_eq!(state(&orders, "1"), (VersionState::Retired, true));
    assert_accounted(&orders, 51);
    drop(orders.dead_letters().take());
    assert!(shop.shutdown(MINUTE).await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn two_versions_that_break_do_not_take_turns() {
    let (_shop, orders) = community().await;
    let mut events = orders.events();
    let (first, second) = (Switch::default(), Switch::default());
    orders.deploy("1", frail(&first).pool(2)).await.unwrap();
    let warm = submit_all(&orders, 1_000..1_001).await;
    settle().await;
    orders.deploy("2", frail(&second).pool(2)).await.unwrap();
    first.set(true);
    second.set(true);
    let handles = submit_all(&orders, 0..10).await;
    tokio::time::sleep(MINUTE * 10).await;
    let mut remedies = remedies(&events_so_far(&mut events).await);
    remedies.dedup();
    let expected = [("2".to_owned(), Remedy::FallBack("1".into())), ("1".to_owned(), Remedy::KeepTrying)];
    assert_eq!(remedies, expected);
    assert_eq!(orders.describe().current.as_deref(), Some("1"));
    first.set(false);
    all_done(handles).await;
    all_done(warm).await;
    assert_accounted(&orders, 11);
}

#[tokio::test(start_paused = true)]
async fn a_version_with_one_worker_that_can_be_kept_running_is_not_left() {
    let (_shop, orders) = community().await;
    let mut events = orders.events();
    let good = sound();
    orders.deploy("1", good.pool(1)).await.unwrap();
    let warm = submit_all(&orders, 1_000..1_001).await;
    settle().await;
    let script = Script::new(|number, attempt| match (number, attempt) {
        (0, 1) => Move::Panic("told to panic"),
        (0..1_000, _) => Move::Go,
        _ => Move::Wait(SECOND),
    });
    // Of its two workers, the one that panics cannot start again.
    let script = script.living(|part, before| match (part, before) {
        (Part::Start, 2..) => Move::Fail("told to fail".into()),
        _ => Move::Go,
    });
    orders.deploy("2", script.pool(2)).await.unwrap();
    let handles = submit_all(&orders, 0..100).await;
    all_done(handles).await;
    tokio::time::sleep(MINUTE * 10).await;
    assert!(script.times(Part::Start) > 10, "it is tried again and again");
    assert_eq!(remedies(&events_so_far(&mut events).await), []);
    assert_eq!(orders.describe().current.as_deref(), Some("2"));
    all_done(submit_all(&orders, 100..110).await).await;
    all_done(warm).await;
    assert_eq!(script.completed(), (0..110).collect::<Vec<_>>());
    assert_accounted(&orders, 111);
}

/// Its only worker panics at its first job, and then cannot start so many times.
#[tokio::test(start_paused = true)]
async fn a_version_is_left_after_as_many_failures_in_a_row_as_its_policy_says_and_not_before() {
    for (failures, is_left) in [(1, false), (2, false), (3, true)] {
        let (_shop, orders) = community().await;
        let mut events = orders.events();
        orders.deploy("1", sound().pool(2)).await.unwrap();
        let warm = submit_all(&orders, 1_000..1_001).await;
        settle().await;
        let script = Script::new(|_, attempt| match attempt {
            1 => Move::Panic("told to panic"),
            _ => Move::Go,
        });
        let script = script.living(move |part, before| match part {
            Part::Start if (1..failures).contains(&before) => Move::Fail("told to fail".into()),
            _ => Move::Go,
        });
        orders.deploy("2", script.pool(1)).await.unwrap();
        all_done(submit_all(&orders, 0..1).await).await;
        tokio::time::sleep(SECOND).await;
        let current = if is_left { "1" } else { "2" };
        assert_eq!(orders.describe().current.as_deref(), Some(current), "after {failures} failures");
        assert_eq!(remedies(&events_so_far(&mut events).await).len(), usize::from(is_left));
        all_done(warm).await;
        assert_accounted(&orders, 2);
    }
}

// ---- draining ------------------------------------------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn a_draining_version_that_breaks_gives_its_jobs_back_and_sets_those_aside_that_name_it() {
    let (shop, orders) = community().await;
    let switch = Switch::default();
    let frail = frail(&switch);
    orders.deploy("1", frail.pool(1)).await.unwrap();
    let in_hand = submit_all(&orders, 1_000..1_001).await;
    settle().await;
    let waiting = submit_all(&orders, 0..20).await;
    let good = sound();
    orders.deploy("2", good.pool(2)).await.unwrap();
    // A job on 2 holds the key of one that names 1.
    let holder = orders.submit(1_001).key("held").await.unwrap();
    settle().await;
    let pinned = [
        orders.submit(100).pin("1").await.unwrap(),
        orders.submit(101).pin("1").delay(HOUR * 9).await.unwrap(),
        orders.submit(102).pin("1").key("held").await.unwrap(),
        orders.submit(103).pin("1").key("k").await.unwrap(),
    ];
    let behind = orders.submit(105).key("k").await.unwrap();
    let last = orders.submit(106).key("held").await.unwrap();
    let mut events = orders.events();
    switch.set(true);
    // The job in hand ends well, after a minute; the next one panics, and from there on nothing starts.
    all_done(in_hand).await;
    all_done(waiting).await;
    for handle in pinned {
        let outcome = handle.await;
        let Err(JobError::Failed { attempts: 0 | 1, last }) = outcome else { panic!("{outcome:?}") };
        assert_eq!(last, "version 1 cannot keep its workers running");
    }
    assert_eq!(behind.await, Ok(105));
    orders.drained("1").await.unwrap();
    settle().await;
    assert_eq!(state(&orders, "1"), (VersionState::Retired, true));
    assert_eq!(remedies(&events_so_far(&mut events).await), [("1".to_owned(), Remedy::GiveBack)]);
    let mut letters = orders.dead_letters().cause(Cause::VersionBroken).list();
    letters.sort_by_key(|letter| letter.id);
    assert_eq!(letters.len(), 4);
    assert!(letters.iter().all(|letter| letter.pin.as_deref() == Some("1")));
    let mut numbers = dead(&orders);
    numbers.sort_unstable();
    assert_eq!(numbers, [100, 101, 102, 103]);
    assert_eq!((holder.await, last.await), (Ok(1_001), Ok(106)));
    let refused = orders.submit(107).pin("1").await.unwrap_err();
    assert!(matches!(refused, SendError::PinUnserved { .. }), "{refused:?}");
    assert_eq!(frail.completed(), [1_000]);
    let done_by_2: Vec<_> = (0..20).chain([105, 106, 1_001]).collect();
    assert_eq!(good.completed(), done_by_2);
    assert_accounted(&orders, 28);
    drop(orders.dead_letters().take());
    assert!(shop.shutdown(MINUTE).await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn a_rollback_does_not_go_to_a_version_that_broke() {
    let (_shop, orders) = community().await;
    let switch = Switch::default();
    orders.deploy("1", frail(&switch).pool(1)).await.unwrap();
    let handles = submit_all(&orders, 1_000..1_001).await;
    settle().await;
    let waiting = submit_all(&orders, 0..5).await;
    let good = sound();
    orders.deploy("2", good.pool(1)).await.unwrap();
    switch.set(true);
    all_done(handles).await;
    all_done(waiting).await;
    settle().await;
    assert_eq!(state(&orders, "1"), (VersionState::Retired, true));
    let refused = orders.rollback().await.unwrap_err();
    assert_eq!(refused, RollbackError::Quarantined { version: "1".into() });
    assert_eq!(orders.describe().current.as_deref(), Some("2"));
    assert_accounted(&orders, 6);
}

/// Whoever waits for a version that cannot start again need not wait longer than for the end.
#[tokio::test(start_paused = true)]
async fn a_shutdown_hands_the_jobs_back_that_a_broken_version_keeps() {
    let (shop, back) = (Ecosystem::new("shop"), Arc::<Mutex<Vec<(u64, u32)>>>::default());
    let kept = Arc::clone(&back);
    let hook = move |jobs: Vec<HandedBack<u64>>| {
        kept.lock().extend(jobs.iter().map(|back| (back.job, back.attempt.get())));
        async {}
    };
    let orders = shop.community("orders").retry(at_once(9)).hand_back(hook).await.unwrap();
    let switch = Switch::default();
    orders.deploy("1", frail(&switch).pool(2)).await.unwrap();
    switch.set(true);
    let handles = submit_all(&orders, 0..20).await;
    tokio::time::sleep(MINUTE * 10).await;
    let began = tokio::time::Instant::now();
    assert!(shop.shutdown(SECOND * 10).await.is_clean());
    assert!(began.elapsed() < SECOND * 15, "{:?}", began.elapsed());
    for (_, handle) in handles {
        assert_eq!(handle.await, Err(JobError::HandedBack));
    }
    let mut back = back.lock().clone();
    back.sort_unstable();
    assert!(back.iter().map(|(number, _)| *number).eq(0..20));
    assert_eq!(
        back.iter().filter(|(_, attempt)| *attempt > 1).count(),
        2,
        "only those that panicked: {back:?}"
    );
    assert_accounted(&orders, 20);
}

/// A job that names the broken version and stands behind another such job of its key.
#[tokio::test(start_paused = true)]
async fn jobs_of_one_key_that_name_a_version_that_broke_are_all_set_aside_for_that() {
    let (_shop, orders) = community().await;
    let switch = Switch::default();
    orders.deploy("1", frail(&switch).pool(1)).await.unwrap();
    let in_hand = submit_all(&orders, 1_000..1_001).await;
    settle().await;
    orders.deploy("2", sound().pool(1)).await.unwrap();
    let pinned = [
        orders.submit(1).pin("1").key("k").await.unwrap(),
        orders.submit(2).pin("1").key("k").await.unwrap(),
        orders.submit(3).pin("1").key("k").await.unwrap(),
    ];
    switch.set(true);
    all_done(in_hand).await;
    for handle in pinned {
        assert!(matches!(handle.await, Err(JobError::Failed { .. })));
    }
    let causes: Vec<_> = orders.dead_letters().list().into_iter().map(|letter| letter.cause).collect();
    assert_eq!(causes, [Cause::VersionBroken; 3]);
    assert_accounted(&orders, 4);
}
