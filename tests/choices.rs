//! Pins, rules and moves: where some jobs go, whatever the shares say.
//!
//! Seen failing: a pin that holds no drain, or never ends; a rule that outlives its version; `inherit` that passes no pin on, or to another community; a
//! move that forgets jobs that name the version; a retry that avoids nothing; a route with the number of no table.

use std::time::Duration;

use seral::Event;
use seral::Reason;
use seral::Whose;
use seral::error::SendError;
use seral::error::VerbError;
use seral::prelude::*;
use seral::view::Holder;
use seral::view::VersionState;

use crate::kit::Act;
use crate::kit::Floor;
use crate::kit::Job;
use crate::kit::community;
use crate::kit::job;
use crate::kit::settle;

const MINUTE: Duration = Duration::from_secs(60);

/// The version on which this job ran last.
pub(crate) fn ran_on(floor: &Floor, number: u64) -> String {
    let record = floor.record();
    record.iter().rfind(|entry| entry.number == number).map(|entry| entry.version.clone()).unwrap_or_default()
}

async fn of_tenant(orders: &Community<Job, u64>, number: u64, tenant: &str) {
    orders.submit(job(number, Act::Do)).tenant(tenant).await.unwrap().await.unwrap();
}

/// Rollout I8: by job, by key, by tenant; the narrowest decides, and a job's own pin before all.
#[tokio::test(start_paused = true)]
async fn pinned_jobs_run_on_their_version_and_no_other_and_the_narrowest_pin_decides() {
    let (shop, orders, floor) = community(1).await;
    orders.deploy("2.0.0", floor.pool(1)).hold().await.unwrap();
    orders.deploy("3.0.0", floor.pool(1)).hold().await.unwrap();
    orders.pin(Whose::tenant("acme"), "2.0.0").forever().await.unwrap();
    orders.pin(Whose::key("order-7"), "3.0.0").lasting(MINUTE).await.unwrap();
    of_tenant(&orders, 1, "acme").await;
    of_tenant(&orders, 2, "other").await;
    let both = |number| orders.submit(job(number, Act::Do)).tenant("acme").key("order-7");
    both(3).await.unwrap().await.unwrap();
    both(4).pin("1.0.0").await.unwrap().await.unwrap();
    let ran: Vec<_> = (1..=4).map(|number| ran_on(&floor, number)).collect();
    assert_eq!(ran, ["2.0.0", "1.0.0", "3.0.0", "1.0.0"]);
    let view = orders.describe().to_string();
    assert!(view.contains("orders: jobs with key order-7 pinned to 3.0.0 for 60 s"), "{view}");
    assert!(view.contains("orders: jobs of tenant acme pinned to 2.0.0 until it is unpinned"), "{view}");
    shop.shutdown(MINUTE).await;
}

/// A job that was admitted is tied by its number the next time that it is resolved.
#[tokio::test(start_paused = true)]
async fn a_pin_by_job_holds_from_its_next_resolution() {
    let (shop, orders, floor) = community(1).await;
    orders.deploy("2.0.0", floor.pool(1)).hold().await.unwrap();
    let handle = orders.submit(job(1, Act::SnoozeOnce)).await.unwrap();
    settle().await;
    orders.pin(Whose::job(handle.id()), "2.0.0").lasting(MINUTE).await.unwrap();
    handle.await.unwrap();
    assert_eq!(ran_on(&floor, 1), "2.0.0");
    shop.shutdown(MINUTE).await;
}

/// Rollout I6: a standing pin of a version is something that it waits for. §6, row 12: there is somebody at home as long as something is pinned.
#[tokio::test(start_paused = true)]
async fn a_version_drains_when_its_last_pin_has_ended_and_not_before() {
    let (shop, orders, floor) = community(1).await;
    let mut events = orders.events();
    orders.pin(Whose::tenant("acme"), "1.0.0").lasting(MINUTE).await.unwrap();
    orders.pin(Whose::tenant("beta"), "1.0.0").forever().await.unwrap();
    orders.deploy("2.0.0", floor.pool(1)).await.unwrap();
    settle().await;
    let v1 = |orders: &Community<Job, u64>| orders.describe().version("1.0.0").unwrap().clone();
    assert_eq!((v1(&orders).state, v1(&orders).held_up_by), (VersionState::Draining, vec![Holder::Held(2)]));
    of_tenant(&orders, 1, "acme").await;
    of_tenant(&orders, 2, "nobody").await;
    tokio::time::advance(MINUTE + Duration::from_millis(2)).await;
    settle().await;
    of_tenant(&orders, 3, "acme").await;
    of_tenant(&orders, 4, "beta").await;
    let ran: Vec<_> = (1..=4).map(|number| ran_on(&floor, number)).collect();
    assert_eq!(ran, ["1.0.0", "2.0.0", "2.0.0", "1.0.0"]);
    assert_eq!(v1(&orders).held_up_by, [Holder::Held(1)]);
    orders.unpin(Whose::tenant("beta")).await.unwrap();
    let drained = orders.drained("1.0.0").await.unwrap();
    assert_eq!(drained.done, 2);
    of_tenant(&orders, 5, "beta").await;
    assert_eq!(ran_on(&floor, 5), "2.0.0");
    let mut ended = Vec::new();
    while !matches!(ended.last(), Some(Event::VersionChanged { state: seral::State::Retired, .. })) {
        ended.push(events.next().await.unwrap());
    }
    ended.retain(|event| matches!(event, Event::PinEnded { .. }));
    assert_eq!(
        ended.iter().map(Event::to_string).collect::<Vec<_>>(),
        ["orders: jobs of tenant acme are not pinned to 1.0.0 any more"],
        "one ended by itself"
    );
    let what: Vec<_> = orders.changes().iter().map(|change| change.what.clone()).collect();
    assert!(what.contains(&"unpin jobs of tenant acme from 1.0.0".to_owned()), "{what:?}");
    shop.shutdown(MINUTE).await;
}

/// What a pin decided holds as long as the pin, and no longer: a retry is resolved anew.
#[tokio::test(start_paused = true)]
async fn a_retry_after_the_pin_has_ended_goes_by_the_table() {
    let (shop, orders, floor) = community(1).await;
    orders.deploy("2.0.0", floor.pool(1)).hold().await.unwrap();
    orders.pin(Whose::tenant("acme"), "2.0.0").forever().await.unwrap();
    let handle = orders.submit(job(1, Act::SnoozeOnce)).tenant("acme").key("k").await.unwrap();
    settle().await;
    assert_eq!(ran_on(&floor, 1), "2.0.0");
    orders.unpin(Whose::tenant("acme")).await.unwrap();
    orders.drain("2.0.0").await.unwrap();
    orders.drained("2.0.0").await.unwrap();
    handle.await.unwrap();
    assert_eq!(ran_on(&floor, 1), "1.0.0");
    shop.shutdown(MINUTE).await;
}

/// Jobs tied by a pin wait at a version that drains as those do that name it; a rollback leaves them there.
#[tokio::test(start_paused = true)]
async fn a_rollback_moves_the_jobs_that_no_pin_ties() {
    let (shop, orders, floor) = community(1).await;
    orders.deploy("2.0.0", floor.pool(1)).await.unwrap();
    orders.pin(Whose::tenant("acme"), "2.0.0").lasting(MINUTE).await.unwrap();
    let mut handles = Vec::new();
    for number in 0..20 {
        let submit = orders.submit(job(number, Act::WaitForGate)).key(number / 2);
        let submit = if number % 4 < 2 { submit.tenant("acme") } else { submit };
        handles.push(submit.await.unwrap());
    }
    settle().await;
    orders.rollback().await.unwrap();
    floor.open(20);
    for handle in handles {
        handle.await.unwrap();
    }
    for number in 0..20 {
        // The worker of 2.0.0 had the first in hand.
        let expected = if number % 4 < 2 { "2.0.0" } else { "1.0.0" };
        assert_eq!(ran_on(&floor, number), expected, "job {number}");
    }
    assert_eq!(orders.drained("2.0.0").await.unwrap().done, 10);
    shop.shutdown(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn a_rule_makes_a_held_version_take_some_jobs_and_ends_when_it_is_left() {
    let (shop, orders, floor) = community(1).await;
    orders.deploy("2.0.0", floor.pool(1)).hold().await.unwrap();
    orders.route(Whose::tenant("beta"), "2.0.0").await.unwrap();
    orders.route(Whose::header("region", "eu"), "2.0.0").await.unwrap();
    let state = |orders: &Community<Job, u64>| orders.describe().version("2.0.0").unwrap().state;
    assert_eq!(state(&orders), VersionState::Ramping);
    of_tenant(&orders, 1, "beta").await;
    of_tenant(&orders, 2, "acme").await;
    let eu = orders.submit(job(3, Act::Do)).header("region", "eu").await.unwrap();
    eu.await.unwrap();
    let ran: Vec<_> = (1..=3).map(|number| ran_on(&floor, number)).collect();
    assert_eq!(ran, ["2.0.0", "1.0.0", "2.0.0"]);
    let view = orders.describe();
    assert!(view.to_string().contains("orders: jobs of tenant beta go to 2.0.0"), "{view}");

    orders.unroute(Whose::header("region", "eu")).await.unwrap();
    assert_eq!(state(&orders), VersionState::Ramping);
    orders.rollback().await.unwrap();
    orders.drained("2.0.0").await.unwrap();
    assert_eq!(orders.describe().rules, []);
    of_tenant(&orders, 4, "beta").await;
    assert_eq!(ran_on(&floor, 4), "1.0.0");

    orders.deploy("3.0.0", floor.pool(1)).hold().await.unwrap();
    orders.route(Whose::tenant("beta"), "3.0.0").await.unwrap();
    orders.unroute(Whose::tenant("beta")).await.unwrap();
    orders.drained("3.0.0").await.unwrap();
    shop.shutdown(MINUTE).await;
}

/// Sends a job of the same kind, which inherits what the job in hand has.
struct Parent {
    floor: Floor,
    orders: Community<Job, u64>,
}

impl Worker for Parent {
    type Job = Job;
    type Output = u64;

    async fn process(&mut self, parent: &Job, cx: &JobContext) -> Result<u64, Fault> {
        if parent.number < 100 {
            let child = job(parent.number + 100, Act::Do);
            drop(self.orders.submit(child).inherit(cx).await?);
        }
        self.floor.hand().process(parent, cx).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_child_job_inherits_tenant_and_pin_if_asked() {
    let floor = Floor::new();
    let shop = Ecosystem::new("shop");
    let orders = shop.community("orders").await.unwrap();
    for version in ["1.0.0", "2.0.0"] {
        let (floor, community) = (floor.clone(), orders.clone());
        let parent = move || Parent { floor: floor.clone(), orders: community.clone() };
        let deploy = orders.deploy(version, Pool::of(1, parent));
        let deploy = if version == "2.0.0" { deploy.hold() } else { deploy };
        deploy.await.unwrap();
    }
    orders.pin(Whose::key("k"), "2.0.0").lasting(MINUTE).await.unwrap();
    orders.pin(Whose::tenant("acme"), "2.0.0").lasting(MINUTE).await.unwrap();
    orders.submit(job(1, Act::Do)).pin("2.0.0").await.unwrap().await.unwrap();
    orders.submit(job(2, Act::Do)).key("k").await.unwrap().await.unwrap();
    of_tenant(&orders, 3, "acme").await;
    of_tenant(&orders, 4, "other").await;
    settle().await;
    let ran: Vec<_> = (101..=104).map(|number| ran_on(&floor, number)).collect();
    assert_eq!(ran, ["2.0.0", "2.0.0", "2.0.0", "1.0.0"]);
    shop.shutdown(MINUTE).await;
}

/// Rollout, §6, rows 17 and 21: a job that several want is somewhere, once; moving it is no attempt.
#[tokio::test(start_paused = true)]
async fn waiting_jobs_are_moved_with_those_that_name_the_version_uncharged_and_in_order() {
    let (shop, orders, floor) = community(1).await;
    let mut handles = Vec::new();
    for number in 0..40 {
        let submit = orders.submit(job(number, Act::WaitForGate)).key(number % 4).tenant("acme");
        let submit = if number % 2 == 0 { submit.pin("1.0.0") } else { submit };
        handles.push(submit.await.unwrap());
    }
    handles.push(orders.submit(job(40, Act::Do)).pin("1.0.0").delay(MINUTE).await.unwrap());
    settle().await;
    orders.deploy("2.0.0", floor.pool(1)).hold().await.unwrap();
    let moved = orders.move_waiting("1.0.0", "2.0.0").because("1.0.0 is slow").await.unwrap();
    // All but the one in hand wait, and of those behind their key the half that names a version is renamed.
    assert_eq!(moved, 3 + 18 + 1);
    orders.deploy("3.0.0", floor.pool(1)).await.unwrap();
    floor.open(40);
    for handle in handles {
        handle.await.unwrap();
    }
    let record = floor.record();
    assert!(record.iter().all(|entry| entry.attempt == 1), "{record:?}");
    for key in 0..4 {
        let order: Vec<_> =
            floor.numbers().into_iter().filter(|number| *number < 40 && number % 4 == key).collect();
        assert!(order.is_sorted(), "key {key}: {order:?}");
    }
    for number in (2..=40).step_by(2) {
        assert_eq!(ran_on(&floor, number), "2.0.0", "job {number} named 1.0.0");
    }
    assert_eq!(orders.drained("1.0.0").await.unwrap().done, 1);
    let change = orders.changes().into_iter().find(|change| change.what.starts_with("move")).unwrap();
    assert_eq!(change.what, "move 22 waiting jobs from 1.0.0 to 2.0.0");
    shop.shutdown(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn only_the_jobs_that_are_meant_are_moved_and_to_where_jobs_can_be_done() {
    let (shop, orders, floor) = community(1).await;
    orders.deploy("2.0.0", floor.pool(1)).hold().await.unwrap();
    for number in 0..10 {
        let tenant = if number % 2 == 0 { "acme" } else { "other" };
        drop(orders.submit(job(number, Act::WaitForGate)).tenant(tenant).await.unwrap());
    }
    settle().await;
    assert_eq!(orders.move_waiting("1.0.0", "2.0.0").of(Whose::tenant("acme")).await, Ok(4));
    assert_eq!(orders.move_waiting("2.0.0", "1.0.0").of(Whose::key("none")).await, Ok(0));
    let same = orders.move_waiting("1.0.0", "1.0.0").await.unwrap_err();
    assert_eq!(same.to_string(), "version 1.0.0 is where the jobs are; name another to move them to");
    let unknown = orders.move_waiting("1.0.0", "9.0.0").await;
    assert!(matches!(unknown, Err(VerbError::Unknown { .. })), "{unknown:?}");
    floor.open(10);
    orders.drain("2.0.0").await.unwrap();
    assert_eq!(orders.drained("2.0.0").await.unwrap().done, 4);
    let gone = orders.move_waiting("1.0.0", "2.0.0").await;
    assert!(matches!(gone, Err(VerbError::NotRunning { .. })), "{gone:?}");
    shop.shutdown(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn choices_that_do_not_fit_change_nothing_and_say_what_to_do() {
    let (shop, orders, floor) = community(1).await;
    let revision = orders.describe().revision;
    let none = orders.unpin(Whose::key("k")).await.unwrap_err();
    assert_eq!(
        none.to_string(),
        "there is none for jobs with key k; `describe` lists the pins and rules that there are"
    );
    assert!(matches!(orders.unroute(Whose::key("k")).await, Err(VerbError::NoSuchChoice { .. })));
    assert!(matches!(orders.pin(Whose::key("k"), "9.0.0").forever().await, Err(VerbError::Unknown { .. })));
    assert!(matches!(orders.route(Whose::key("k"), "9.0.0").await, Err(VerbError::Unknown { .. })));
    let stale = orders.pin(Whose::key("k"), "1.0.0").forever().at(revision + 5).await;
    assert!(matches!(stale, Err(VerbError::Conflict { .. })), "{stale:?}");
    let odd = orders.ramp("1.0.0", 5).allow_empty().await.unwrap_err();
    assert_eq!(odd.to_string(), "`.allow_empty()` is for a drain");
    assert_eq!(orders.describe().revision, revision);
    let dry = orders.pin(Whose::key("k"), "1.0.0").forever().dry_run().unwrap();
    assert_eq!(dry.to_string(), "pin jobs with key k to 1.0.0");
    assert_eq!(orders.describe().pins, []);
    orders.deploy("2.0.0", floor.pool(1)).await.unwrap();
    orders.drained("1.0.0").await.unwrap();
    settle().await;
    // Rollout, §6, row 12: at once, and with a way on.
    let gone = orders.submit(job(1, Act::Do)).pin("1.0.0").await.unwrap_err();
    assert_eq!(gone.to_string(), "version 1.0.0 does not take jobs; version 2.0.0 took its place");
    let SendError::PinUnserved { job, successor, .. } = gone else { panic!("{gone:?}") };
    assert_eq!((job.number, successor), (1, Some("2.0.0".into())));
    assert!(matches!(
        orders.pin(Whose::key("k"), "1.0.0").forever().await,
        Err(VerbError::NotRunning { .. })
    ));
    shop.shutdown(MINUTE).await;
}

/// A community that ends does not wait for pins.
#[tokio::test(start_paused = true)]
async fn a_shutdown_does_not_wait_for_pins() {
    let (shop, orders, floor) = community(1).await;
    orders.pin(Whose::tenant("acme"), "1.0.0").forever().await.unwrap();
    orders.deploy("2.0.0", floor.pool(1)).await.unwrap();
    of_tenant(&orders, 1, "acme").await;
    let report = shop.shutdown(MINUTE).await;
    assert!(report.to_string().contains("everything was finished"), "{report}");
}

/// Rollout, S1: each job says by which table it came, and why.
#[tokio::test(start_paused = true)]
async fn each_job_knows_by_which_table_it_was_resolved_and_why() {
    let shop = Ecosystem::new("shop");
    let orders = shop.community("orders").await.unwrap();
    let pool = || {
        Pool::of_fn(1, |(): (), cx: JobContext| async move {
            Ok((cx.version().to_string(), cx.route().revision().get(), cx.route().reason()))
        })
        .build("route")
    };
    orders.deploy("1.0.0", pool()).await.unwrap();
    orders.deploy("2.0.0", pool()).hold().await.unwrap();
    let of = async |tenant: &str| orders.submit(()).tenant(tenant).await.unwrap().await.unwrap();
    let now = || orders.describe().revision;
    assert_eq!(of("a").await, ("1.0.0".to_owned(), now(), Reason::Current));
    orders.route(Whose::tenant("b"), "2.0.0").await.unwrap();
    assert_eq!(of("b").await, ("2.0.0".to_owned(), now(), Reason::Rule));
    orders.pin(Whose::tenant("c"), "2.0.0").forever().await.unwrap();
    assert_eq!(of("c").await, ("2.0.0".to_owned(), now(), Reason::StandingPin));
    orders.ramp("2.0.0", 100).await.unwrap();
    assert_eq!(of("d").await, ("2.0.0".to_owned(), now(), Reason::Share));
    let named = orders.submit(()).pin("1.0.0").await.unwrap().await.unwrap();
    assert_eq!(named, ("1.0.0".to_owned(), now(), Reason::Pin));
    shop.shutdown(MINUTE).await;
}

/// Rollout, S10: a job that a version cannot stand is tried on another one that takes new jobs, if there is one and nothing ties it.
#[tokio::test(start_paused = true)]
async fn a_retry_avoids_a_version_on_which_the_job_panicked() {
    crate::kit::hush();
    let (shop, orders, floor) = community(1).await;
    orders.deploy("2.0.0", floor.pool(1)).share(100).await.unwrap();
    let once = orders.submit(job(1, Act::PanicOnce)).await.unwrap();
    once.await.unwrap();
    assert_eq!(ran_on(&floor, 1), "1.0.0");
    let fails = orders.submit(job(2, Act::FailOnce)).await.unwrap();
    fails.await.unwrap();
    assert_eq!(ran_on(&floor, 2), "2.0.0", "a fault says nothing against the version");
    let named = orders.submit(job(3, Act::PanicOnce)).pin("2.0.0").await.unwrap();
    named.await.unwrap();
    assert_eq!(ran_on(&floor, 3), "2.0.0");
    let poison = orders.submit(job(4, Act::Panic)).await.unwrap();
    poison.await.unwrap_err();
    let tried: Vec<_> =
        floor.record().into_iter().filter(|entry| entry.number == 4).map(|entry| entry.version).collect();
    assert_eq!(tried, ["2.0.0", "1.0.0", "2.0.0"], "it has panicked on both by then");
    let mut letters = Vec::new();
    orders.dead_letters().for_each(|letter| letters.extend(letter.history.clone()));
    assert!(letters[1].panicked && letters[1].route.contains("panicked on another version"), "{letters:?}");
    shop.shutdown(MINUTE).await;
}

/// A version is of one community: what names it elsewhere means another, or none.
#[tokio::test(start_paused = true)]
async fn a_job_sent_to_another_community_inherits_the_tenant_and_no_pin() {
    let shop = Ecosystem::new("shop");
    let returns = shop.community::<(), Option<String>>("returns").await.unwrap();
    let whose = |(): (), cx: JobContext| async move { Ok(cx.header("tenant").map(str::to_owned)) };
    returns.deploy("1.0.0", Pool::of_fn(1, whose)).await.unwrap();
    let orders = shop.community::<(), Option<String>>("orders").await.unwrap();
    let sends = move |(): (), cx: JobContext| {
        let returns = returns.clone();
        async move { Ok(returns.submit(()).inherit(&cx).await?.await?) }
    };
    orders.deploy("2.0.0", Pool::of_fn(1, sends)).await.unwrap();
    let sent = orders.submit(()).pin("2.0.0").tenant("acme").await.unwrap();
    assert_eq!(sent.await, Ok(Some("acme".to_owned())));
    shop.shutdown(MINUTE).await;
}
