//! What went wrong elsewhere with shares, promotions and rollbacks. The table of all rows is in `others_mistakes`.
//!
//! Seen failing: a share ten times as large; `is_draining` that does not look at the pin; a promotion that does not look whether workers run, or
//! takes those that leave for some that come back; a version that is there when all but one of its workers have started.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use seral::Rollback;
use seral::Takeover;
use seral::Whose;
use seral::error::VerbError;
use seral::prelude::*;
use seral::rollout::End;
use seral::rollout::Step;
use seral::view::VersionState;
use seral_test::fault;
use tokio::sync::Semaphore;
use tokio::task::yield_now;

use crate::choices::ran_on;
use crate::kit::Act;
use crate::kit::Floor;
use crate::kit::Hand;
use crate::kit::Job;
use crate::kit::community;
use crate::kit::end_if_it_hangs;
use crate::kit::hush;
use crate::kit::job;
use crate::kit::settle;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// A hand that loads something before it takes jobs, until the gate lets it.
struct Loader {
    loads: Arc<Semaphore>,
    hand: Hand,
}

impl Worker for Loader {
    type Job = Job;
    type Output = u64;

    async fn start(&mut self, _: &StartContext) -> Result<(), Fault> {
        self.loads.acquire().await?.forget();
        Ok(())
    }

    async fn process(&mut self, job: &Job, cx: &JobContext) -> Result<u64, Fault> {
        self.hand.process(job, cx).await
    }
}

/// So many of them, each of which needs a permit to start.
pub(crate) fn loaders(floor: &Floor, loads: &Arc<Semaphore>, workers: usize) -> Pool<Job, u64> {
    let (floor, loads) = (floor.clone(), Arc::clone(loads));
    let factory = move || Loader { loads: Arc::clone(&loads), hand: floor.hand() };
    Pool::of(workers, factory).build("loaders").start_deadline(HOUR)
}

/// Who is current.
fn current(orders: &Community<Job, u64>) -> String {
    orders.describe().current.unwrap_or_default()
}

/// The order in which jobs were started, for each key, where a key is the number modulo `keys`. A job that is tried again is there once.
pub(crate) fn by_key(floor: &Floor, keys: u64) -> BTreeMap<u64, Vec<u64>> {
    let mut by_key = BTreeMap::<_, Vec<u64>>::new();
    for number in floor.numbers() {
        by_key.entry(number % keys).or_default().push(number);
    }
    for started in by_key.values_mut() {
        started.dedup();
    }
    by_key
}

/// Rollout, §6, row 1, and I12: elsewhere an abort without a rollout took the workers of the version that served.
#[tokio::test(start_paused = true)]
async fn an_abort_in_any_state_leaves_the_current_version_serving() {
    let (shop, orders, floor) = community(1).await;
    let mut number = 0;
    let mut abort = async |serves: &str, state: &str| {
        number += 1;
        for _ in 0..2 {
            orders.abort().await.unwrap();
        }
        orders.ask(job(number, Act::Do)).await.unwrap();
        assert_eq!((ran_on(&floor, number).as_str(), current(&orders).as_str()), (serves, serves), "{state}");
    };
    abort("1.0.0", "alone").await;
    orders.deploy("2.0.0", floor.pool(1)).hold().await.unwrap();
    abort("1.0.0", "another is held").await;
    orders.ramp("2.0.0", 100).await.unwrap();
    drop(orders.submit(job(99, Act::WaitForGate)).pin("2.0.0").await.unwrap());
    settle().await;
    abort("1.0.0", "another has everything").await;
    abort("1.0.0", "another drains").await;
    floor.open(1);
    orders.deploy("2.1.0", floor.pool(1)).await.unwrap();
    abort("2.1.0", "replaced").await;
    orders.rollback().await.unwrap();
    abort("1.0.0", "rolled back").await;
    let loading = tokio::spawn({
        let (orders, pool) = (orders.clone(), loaders(&floor, &Arc::new(Semaphore::new(0)), 1));
        async move { orders.deploy("3.0.0", pool).share(50).await }
    });
    settle().await;
    abort("1.0.0", "another loads").await;
    loading.await.unwrap().unwrap_err();
    shop.shutdown(MINUTE).await;
}

/// Rollout, §6, row 2, and I12: elsewhere the old version left when the new one had too few workers. Here they die at each turn of the promotion,
/// which is refused while none runs.
#[tokio::test(start_paused = true)]
async fn a_promotion_while_the_new_workers_die_loses_no_job_and_ends_no_old_one() {
    hush();
    let mut some_refused = false;
    for turns in 0..30 {
        let (shop, orders, floor) = community(2).await;
        orders.deploy("2.0.0", floor.pool(2)).hold().await.unwrap();
        for number in 0..4 {
            orders.send(job(number, Act::WaitForGate)).await.unwrap();
        }
        settle().await;
        let deadly = |number| orders.submit(job(number, Act::Panic)).pin("2.0.0");
        for number in 10..12 {
            drop(deadly(number).retry(RetryPolicy::attempts(1)).await.unwrap());
        }
        let promoting = tokio::spawn({
            let orders = orders.clone();
            async move { orders.promote("2.0.0").await }
        });
        let mut handles = Vec::new();
        for turn in 0..turns.max(20) {
            handles.push(orders.submit(job(100 + turn, Act::Do)).await.unwrap());
            if turn == turns {
                fault::kill_worker(&orders);
            }
            yield_now().await;
        }
        if let Err(refused) = promoting.await.unwrap() {
            assert_eq!(refused, VerbError::NoWorkers { version: "2.0.0".into() }, "after {turns} turns");
            assert_eq!(current(&orders), "1.0.0");
            some_refused = true;
            settle().await;
            tokio::time::advance(MINUTE).await;
            settle().await;
            orders.promote("2.0.0").await.unwrap();
        }
        fault::kill_worker(&orders);
        settle().await;
        let old = orders.describe().version("1.0.0").unwrap().clone();
        assert_eq!((old.state, old.workers), (VersionState::Draining, 2), "after {turns} turns");
        floor.open(4);
        for handle in handles {
            handle.await.unwrap();
        }
        orders.drained("1.0.0").await.unwrap();
        let view = orders.describe();
        assert_eq!((view.done, view.dead), (4 + turns.max(20), 2), "after {turns} turns: {view}");
        shop.shutdown(MINUTE).await;
    }
    assert!(some_refused);
}

/// Rollout I12. It is not told to wait for workers that leave. Here the promotion comes at each turn of the last job's end.
#[tokio::test(start_paused = true)]
async fn a_promotion_of_a_version_that_is_just_drained_says_that_it_is_gone() {
    let (mut some_gone, mut some_promoted) = (false, false);
    for turns in 0..30 {
        let (shop, orders, floor) = community(1).await;
        orders.deploy("2.0.0", floor.pool(1)).share(100).await.unwrap();
        let last = orders.submit(job(1, Act::WaitForGate)).await.unwrap();
        settle().await;
        orders.abort().await.unwrap();
        let promoting = tokio::spawn({
            let orders = orders.clone();
            async move {
                for _ in 0..turns {
                    yield_now().await;
                }
                orders.promote("2.0.0").await
            }
        });
        yield_now().await;
        floor.open(1);
        last.await.unwrap();
        match promoting.await.unwrap() {
            Ok(_) => some_promoted = true,
            Err(VerbError::NotRunning { .. }) => some_gone = true,
            Err(other) => panic!("after {turns} turns: {other}"),
        }
        orders.ask(job(2, Act::Do)).await.unwrap();
        assert_eq!(ran_on(&floor, 2), current(&orders), "after {turns} turns");
        shop.shutdown(MINUTE).await;
    }
    assert!(some_gone && some_promoted);
}

/// Rollout, §6, row 3: elsewhere jobs went on to a candidate that was being taken away.
#[tokio::test(start_paused = true)]
async fn a_deploy_at_any_step_of_a_rollout_takes_its_place_and_leaves_no_job_behind() {
    for step in 0..3 {
        let (shop, orders, floor) = community(1).await;
        let second = orders.deploy("2.0.0", floor.pool(1)).ramp([20, 40, 80]).by_hand().await.unwrap();
        for _ in 0..step {
            second.next().await.unwrap();
            settle().await;
        }
        let mut handles = Vec::new();
        for number in 0..100 {
            if number == 50 {
                settle().await;
                orders.deploy("3.0.0", floor.pool(1)).ramp([10]).by_hand().await.unwrap();
            }
            handles.push(orders.submit(job(number, Act::WaitForGate)).await.unwrap());
        }
        assert_eq!(second.ended().await, End::Replaced, "at step {step}");
        floor.open(100);
        for handle in handles {
            handle.await.unwrap();
        }
        orders.drained("2.0.0").await.unwrap();
        let at_second = |entry: &crate::kit::Entry| entry.number >= 50 && entry.version == "2.0.0";
        assert!(!floor.record().iter().any(at_second), "at step {step}");
        let share = orders.describe().version("3.0.0").unwrap().share;
        assert_eq!((current(&orders).as_str(), share), ("1.0.0", 1_000), "at step {step}");
        shop.shutdown(MINUTE).await;
    }
}

/// Rollout, §6, row 4, and I9: elsewhere the target had all jobs before it was ready for them.
#[tokio::test(start_paused = true)]
async fn a_rollback_to_a_cold_version_loads_it_first_while_the_one_that_is_left_serves() {
    let (floor, shop) = (Floor::new(), Ecosystem::new("shop"));
    let orders = shop.community("orders").await.unwrap();
    let loads = Arc::new(Semaphore::new(2));
    orders.deploy("1.0.0", loaders(&floor, &loads, 2)).await.unwrap();
    orders.deploy("2.0.0", floor.pool(1)).await.unwrap();
    orders.drained("1.0.0").await.unwrap();
    settle().await;
    let back = tokio::spawn({
        let orders = orders.clone();
        async move { orders.rollback().await }
    });
    loads.add_permits(1);
    for number in 0..10 {
        settle().await;
        tokio::time::advance(MINUTE / 2).await;
        orders.ask(job(number, Act::Do)).await.unwrap();
        assert_eq!(ran_on(&floor, number), "2.0.0", "one of two workers has loaded");
    }
    let waits = orders.submit(job(10, Act::FailOnce)).await.unwrap();
    assert!(!back.is_finished());
    loads.add_permits(1);
    let back = back.await.unwrap().unwrap();
    assert!(matches!(back, Rollback::To { how: Takeover::Cold, .. }), "{back:?}");
    orders.ask(job(11, Act::Do)).await.unwrap();
    waits.await.unwrap();
    assert_eq!((ran_on(&floor, 10).as_str(), ran_on(&floor, 11).as_str()), ("1.0.0", "1.0.0"));
    shop.shutdown(MINUTE).await;
}

/// Rollout, §6, row 8: elsewhere steps that did not come out at the whole left the old code running.
#[tokio::test(start_paused = true)]
async fn a_rollout_ends_at_exactly_everybody_whatever_its_steps_are() {
    let plans: [&[f64]; 5] = [&[3.0, 7.0], &[33.3, 66.6], &[99.99], &[0.01], &[1.0, 2.0, 50.0]];
    for steps in plans {
        let (shop, orders, floor) = community(1).await;
        let steps_of = steps.iter().map(|percent| Step::of(*percent));
        let rollout = orders.deploy("2.0.0", floor.pool(1)).ramp(steps_of).by_hand().await.unwrap();
        for _ in steps {
            rollout.next().await.unwrap();
            settle().await;
        }
        assert_eq!(rollout.ended().await, End::Promoted, "{steps:?}");
        orders.drained("1.0.0").await.unwrap();
        for number in 0..200 {
            orders.ask(job(number, Act::Do)).await.unwrap();
        }
        assert!(floor.record().iter().all(|entry| entry.version == "2.0.0"), "{steps:?}");
        assert_eq!(orders.describe().version("2.0.0").unwrap().share, 10_000, "{steps:?}");
        shop.shutdown(MINUTE).await;
    }
}

/// Rollout, §6, row 9, and I5: elsewhere whoever came to the new version stayed there, so its share crept up.
#[tokio::test(start_paused = true)]
async fn a_share_of_keys_stays_the_same_however_long_they_are_busy_and_a_lower_one_brings_none() {
    const KEYS: u64 = 400;
    let (shop, orders, floor) = community(4).await;
    orders.deploy("2.0.0", floor.pool(4)).share(25).await.unwrap();
    let mut number = 0;
    let mut at_new = async || {
        let mut handles = Vec::new();
        // Three jobs of each key at once, so that keys are busy when the next one comes; and some come again.
        for _ in 0..3 * KEYS {
            let act = if number % 7 == 0 { Act::FailOnce } else { Act::Do };
            handles.push(orders.submit(job(number, act)).key(number % KEYS).await.unwrap());
            number += 1;
        }
        let first = floor.record().len();
        for handle in handles {
            handle.await.unwrap();
        }
        let record = floor.record();
        let there = |entry: &&crate::kit::Entry| entry.version == "2.0.0";
        record[first..].iter().filter(there).map(|entry| entry.number % KEYS).collect::<BTreeSet<_>>()
    };
    let keys = at_new().await;
    assert!((50..=150).contains(&keys.len()), "six standard deviations about 100: {}", keys.len());
    for round in 1..20 {
        assert_eq!(at_new().await, keys, "round {round}");
    }
    orders.ramp("2.0.0", 10).await.unwrap();
    let fewer = at_new().await;
    assert!(fewer.is_subset(&keys) && fewer.len() < keys.len(), "{fewer:?} of {keys:?}");
    orders.ramp("2.0.0", 30).await.unwrap();
    assert!(at_new().await.is_superset(&fewer));
    shop.shutdown(MINUTE).await;
}

/// Rollout, §6, row 10, and I4: elsewhere a session met two versions when they changed places.
#[tokio::test(start_paused = true)]
async fn keys_keep_their_order_and_their_jobs_through_promotions_and_rollbacks() {
    let (floor, shop) = (Floor::new(), Ecosystem::new("shop"));
    let orders = shop.community("orders").await.unwrap();
    orders.deploy("1.0.0", floor.pool(3).keep_warm(HOUR)).await.unwrap();
    orders.deploy("2.0.0", floor.pool(3).keep_warm(HOUR)).hold().await.unwrap();
    let mut handles = Vec::new();
    for round in 0..12 {
        for number in round * 30..round * 30 + 30 {
            let act = if number % 4 == 0 { Act::FailOnce } else { Act::Do };
            let at_once = RetryPolicy::attempts(2).backoff(Duration::ZERO, Duration::ZERO);
            let submit = orders.submit(job(number, act)).retry(at_once);
            handles.push(submit.key(number % 5).await.unwrap());
            yield_now().await;
        }
        match round % 3 {
            0 => drop(orders.ramp("2.0.0", 50).await.unwrap()),
            1 => drop(orders.promote("2.0.0").await.unwrap()),
            _ => drop(orders.rollback().await.unwrap()),
        }
    }
    for handle in handles {
        handle.await.unwrap();
    }
    for (key, started) in by_key(&floor, 5) {
        let expected: Vec<_> = (0..360).filter(|number| number % 5 == key).collect();
        assert_eq!(started, expected, "key {key}");
    }
    let versions: BTreeSet<_> = floor.record().into_iter().map(|entry| entry.version).collect();
    assert_eq!(versions.len(), 2, "both had some");
    shop.shutdown(MINUTE).await;
}

/// Rollout, §6, row 15, and I7: elsewhere jobs without a key were drawn from another range than the share, so that 1 % was everybody.
#[tokio::test(start_paused = true)]
async fn one_percent_of_jobs_without_a_key_is_one_percent() {
    let (shop, orders, floor) = community(1).await;
    orders.deploy("2.0.0", floor.pool(1)).share(1).await.unwrap();
    let at_new = async |jobs: std::ops::Range<u64>| {
        let before = orders.describe().version("2.0.0").unwrap().done;
        let all = jobs.end;
        orders.send_all(&mut jobs.map(|number| job(number, Act::Do))).await.unwrap();
        while orders.describe().done < all {
            yield_now().await;
        }
        orders.describe().version("2.0.0").unwrap().done - before
    };
    let some = at_new(0..50_000).await;
    assert!((367..=633).contains(&some), "six standard deviations about 500: {some}");
    orders.ramp("2.0.0", 0.01).await.unwrap();
    let few = at_new(50_000..100_000).await;
    assert!((0..=19).contains(&few), "six standard deviations about 5: {few}");
    shop.shutdown(MINUTE).await;
}

/// Rollout, §6, row 16: elsewhere a late completion set the old worker as the owner again. Here it comes at each turn before the move.
#[tokio::test(start_paused = true)]
async fn a_job_that_ends_late_on_the_old_version_does_not_take_its_key_back() {
    for turns in 0..40 {
        let (shop, orders, floor) = community(1).await;
        orders.deploy("2.0.0", floor.pool(1)).hold().await.unwrap();
        let submit = async |number, act| orders.submit(job(number, act)).key("k").await.unwrap();
        let mut handles =
            vec![submit(1, Act::WaitForGate).await, submit(2, Act::FailOnce).await, submit(3, Act::Do).await];
        settle().await;
        floor.open(1);
        for _ in 0..turns {
            yield_now().await;
        }
        orders.ramp("2.0.0", 100).await.unwrap();
        handles.push(submit(4, Act::Do).await);
        for handle in handles {
            handle.await.unwrap();
        }
        submit(5, Act::Do).await.await.unwrap();
        let mut numbers = floor.numbers();
        numbers.dedup();
        assert_eq!(numbers, [1, 2, 3, 4, 5], "after {turns} turns");
        let ran: Vec<_> = [1, 4, 5].map(|number| ran_on(&floor, number)).into();
        assert_eq!(ran, ["1.0.0", "2.0.0", "2.0.0"], "after {turns} turns");
        shop.shutdown(MINUTE).await;
    }
}

/// Rollout, §6, row 17: elsewhere what was pinned and declined each upgrade came back for ever.
#[tokio::test(start_paused = true)]
async fn a_pinned_job_that_makes_room_whenever_it_is_asked_does_not_come_back_for_ever() {
    end_if_it_hangs();
    let (asked, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let pool = || {
        let (asked, gate) = (Arc::clone(&asked), Arc::clone(&gate));
        let process = move |_: u64, cx: JobContext| {
            let (asked, gate) = (Arc::clone(&asked), Arc::clone(&gate));
            async move {
                tokio::select! {
                    biased;
                    () = cx.draining() => {
                        asked.fetch_add(1, Relaxed);
                        Err(Fault::snooze(Duration::ZERO))
                    }
                    _ = gate.acquire() => Ok(cx.version().to_string()),
                }
            }
        };
        Pool::of_fn(4, process).build("waits")
    };
    let shop = Ecosystem::new("shop");
    let orders = shop.community::<u64, String>("orders").await.unwrap();
    orders.deploy("1.0.0", pool()).await.unwrap();
    orders.pin(Whose::tenant("acme"), "1.0.0").lasting(HOUR).await.unwrap();
    let named = orders.submit(1).pin("1.0.0").await.unwrap();
    let tied = orders.submit(2).tenant("acme").await.unwrap();
    let tied_late = orders.submit(3).await.unwrap();
    let free = orders.submit(4).await.unwrap();
    settle().await;
    orders.pin(Whose::job(tied_late.id()), "1.0.0").lasting(HOUR).await.unwrap();
    orders.deploy("2.0.0", pool()).hand_back_after(Duration::ZERO).await.unwrap();
    tokio::time::advance(MINUTE).await;
    settle().await;
    assert_eq!(asked.load(Relaxed), 2, "the free one goes, the one that was tied late comes back once");
    gate.add_permits(4);
    let ends = [named.await, tied.await, tied_late.await, free.await].map(Result::unwrap);
    assert_eq!(ends, ["1.0.0", "1.0.0", "1.0.0", "2.0.0"]);
    shop.shutdown(MINUTE).await;
}
