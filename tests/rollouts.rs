//! Promise 10: a share of new jobs goes to a version, no key leaves it when the share is raised, nobody is nobody and everybody everybody; and
//! each way in goes by the same table.
//!
//! Seen failing: a share by the job's number although it has a key; the current version before shares; a held version that drains; `ready` that
//! looks at the current version alone; a verb that ignores the revision that it names.

use std::collections::BTreeMap;
use std::future::IntoFuture;
use std::time::Duration;

use seral::Event;
use seral::Rollback;
use seral::Share;
use seral::State;
use seral::Takeover;
use seral::error::DeployError;
use seral::error::RollbackError;
use seral::error::SendError;
use seral::error::VerbError;
use seral::prelude::*;
use seral::view::VersionState;

use crate::kit::Act;
use crate::kit::Floor;
use crate::kit::Job;
use crate::kit::community;
use crate::kit::job;
use crate::kit::settle;

const MINUTE: Duration = Duration::from_secs(60);

/// Who works on so many jobs, by version.
async fn who_works(orders: &Community<Job, u64>, floor: &Floor, jobs: u64) -> BTreeMap<String, u64> {
    let before = floor.record().len();
    for number in 0..jobs {
        orders.ask(job(number, Act::Do)).await.unwrap();
    }
    let mut by_version = BTreeMap::new();
    for entry in &floor.record()[before..] {
        *by_version.entry(entry.version.clone()).or_default() += 1;
    }
    by_version
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_held_gets_only_jobs_that_name_it_and_does_not_drain() {
    let (shop, orders, floor) = community(1).await;
    let held = orders.deploy("2.0.0", floor.pool(1)).hold().await.unwrap();
    assert_eq!((held.state, held.how, held.replaced), (State::Inactive, Some(Takeover::Cold), None));
    assert_eq!(who_works(&orders, &floor, 100).await, BTreeMap::from([("1.0.0".to_owned(), 100)]));
    let smoke = orders.submit(job(7, Act::Do)).pin("2.0.0").await.unwrap();
    assert_eq!(smoke.await, Ok(7));
    assert_eq!(floor.record().last().unwrap().version, "2.0.0");
    settle().await;
    assert_eq!(orders.describe().version("2.0.0").unwrap().state, VersionState::Inactive);
    let promoted = orders.promote("2.0.0").await.unwrap();
    assert_eq!((promoted.how, promoted.replaced), (Some(Takeover::Warm), Some("1.0.0".into())));
    assert_eq!(who_works(&orders, &floor, 100).await, BTreeMap::from([("2.0.0".to_owned(), 100)]));
    shop.shutdown(MINUTE).await;
}

/// Rollout I7.
#[tokio::test(start_paused = true)]
async fn a_share_is_a_part_of_new_jobs_and_nought_is_nobody_and_a_hundred_everybody() {
    let (shop, orders, floor) = community(1).await;
    let mut events = orders.events();
    orders.deploy("2.0.0", floor.pool(1)).share(25).await.unwrap();
    let by = who_works(&orders, &floor, 4_000).await;
    assert!((835..=1_165).contains(&by["2.0.0"]), "6 standard deviations about 1,000: {by:?}");
    let view = orders.describe();
    assert_eq!((view.version("1.0.0").unwrap().share, view.version("2.0.0").unwrap().share), (7_500, 2_500));
    assert!(view.to_string().contains("Ramping at 25 %"), "{view}");

    orders.ramp("2.0.0", 100).await.unwrap();
    assert_eq!(who_works(&orders, &floor, 200).await, BTreeMap::from([("2.0.0".to_owned(), 200)]));
    orders.ramp("2.0.0", 0).await.unwrap();
    assert_eq!(who_works(&orders, &floor, 200).await, BTreeMap::from([("1.0.0".to_owned(), 200)]));
    let mut shares = Vec::new();
    loop {
        match events.next().await.unwrap() {
            Event::ShareChanged { share, .. } => shares.push(share),
            Event::VersionChanged { state: State::Draining, .. } => break,
            _ => {}
        }
    }
    assert_eq!(shares, [Share::percent(25.0).unwrap(), Share::EVERYBODY]);
    shop.shutdown(MINUTE).await;
}

/// Rollout I5.
#[tokio::test(start_paused = true)]
async fn a_key_stays_with_a_version_when_its_share_is_raised() {
    const KEYS: u64 = 400;
    let (shop, orders, floor) = community(1).await;
    orders.deploy("2.0.0", floor.pool(1)).hold().await.unwrap();
    let mut before = Vec::new();
    for share in [1, 5, 25, 50, 99, 100] {
        orders.ramp("2.0.0", share).await.unwrap();
        let mut at_new = Vec::new();
        for key in 0..KEYS {
            // Twice, and what the job itself is has no say.
            for number in [key, 1_000 + key] {
                let key = format!("customer {key}");
                orders.submit(job(number, Act::Do)).key(key).await.unwrap().await.unwrap();
            }
            let record = floor.record();
            let [.., first, second] = &record[..] else { panic!("two jobs") };
            assert_eq!(first.version, second.version, "key {key} at {share} %");
            if first.version == "2.0.0" {
                at_new.push(key);
            }
        }
        let stayed = before.iter().all(|key| at_new.contains(key));
        assert!(stayed, "at {share} %: {before:?} before, {at_new:?} now");
        before = at_new;
    }
    assert_eq!(before.len() as u64, KEYS);
    shop.shutdown(MINUTE).await;
}

/// Rollout, §6, rows 19 and 50: elsewhere some way in did not ask the router.
#[tokio::test(start_paused = true)]
async fn every_way_in_goes_by_the_table() {
    let (shop, orders, floor) = community(2).await;
    // Admitted while 1.0.0 has everything, and about to be placed anew.
    let mut followed = vec![
        ("a delayed job", 1, orders.submit(job(1, Act::Do)).delay(MINUTE).await.unwrap()),
        ("a retry", 2, orders.submit(job(2, Act::FailOnce)).await.unwrap()),
        ("a snooze", 3, orders.submit(job(3, Act::SnoozeOnce)).await.unwrap()),
        ("a held key", 4, orders.submit(job(4, Act::WaitForGate)).key("k").await.unwrap()),
        ("the next of a key", 5, orders.submit(job(5, Act::Do)).key("k").await.unwrap()),
    ];
    orders.submit(job(6, Act::Fail)).retry(RetryPolicy::attempts(1)).await.unwrap().await.unwrap_err();
    settle().await;
    orders.deploy("2.0.0", floor.pool(2)).share(100).await.unwrap();
    floor.open(1);

    orders.send(job(10, Act::Do)).await.unwrap();
    orders.try_send(job(11, Act::Do)).unwrap();
    orders.ask(job(12, Act::Do)).await.unwrap();
    followed.push(("submit", 13, orders.submit(job(13, Act::Do)).await.unwrap()));
    orders.send_all(&mut [job(14, Act::Do), job(15, Act::Do)].into_iter()).await.unwrap();
    let (reply, answered) = ractor::concurrency::oneshot();
    let submission = seral::Submission { job: job(16, Act::Do), reply: reply.into() };
    orders.dispatcher().unwrap().cast(submission).unwrap();
    answered.await.unwrap().unwrap();
    orders.dead_letters().replay().await.unwrap();
    for (way, number, handle) in followed {
        // The key's holder stayed where it ran.
        let version = if number == 4 { "1.0.0" } else { "2.0.0" };
        assert_eq!(handle.await, Ok(number), "{way}");
        assert_eq!(worked_last(&floor, number), version, "{way}");
    }
    settle().await;
    for number in [6, 10, 11, 12, 14, 15, 16] {
        assert_eq!(worked_last(&floor, number), "2.0.0", "job {number}");
    }
    shop.shutdown(MINUTE).await;
}

fn worked_last(floor: &Floor, number: u64) -> String {
    let record = floor.record();
    let last = record.iter().rfind(|entry| entry.number == number);
    last.map_or_else(|| "nobody".to_owned(), |entry| entry.version.clone())
}

/// What waits at a version that is left goes by the table of that moment, too.
#[tokio::test(start_paused = true)]
async fn a_rollback_from_a_version_that_is_ramped_moves_what_waits_there() {
    let (shop, orders, floor) = community(1).await;
    orders.deploy("2.0.0", floor.pool(1)).share(100).await.unwrap();
    for number in 0..50 {
        orders.send(job(number, Act::WaitForGate)).await.unwrap();
    }
    settle().await;
    let back = orders.rollback().await.unwrap();
    let Rollback::To { from, to, how: Takeover::Warm, .. } = back else { panic!("{back:?}") };
    assert_eq!((from, to), ("2.0.0".into(), "1.0.0".into()));
    floor.open(50);
    orders.drained("2.0.0").await.unwrap();
    settle().await;
    let at_new = floor.record().iter().filter(|entry| entry.version == "2.0.0").count();
    assert_eq!((at_new, floor.record().len()), (1, 50), "the job in hand stayed, the others went back");
    assert_eq!(orders.rollback().await.unwrap(), Rollback::Already);
    shop.shutdown(MINUTE).await;
}

/// Jobs that wait at what is aborted stay there, and are done there.
#[tokio::test(start_paused = true)]
async fn an_abort_lets_what_waits_be_done_where_it_is_and_is_nothing_without_a_ramp() {
    let (shop, orders, floor) = community(1).await;
    assert_eq!(orders.abort().await, Ok(Vec::new()));
    orders.deploy("2.0.0", floor.pool(1)).share(100).await.unwrap();
    for number in 0..5 {
        orders.send(job(number, Act::WaitForGate)).await.unwrap();
    }
    assert_eq!(orders.abort().await, Ok(vec!["2.0.0".into()]));
    assert_eq!(orders.describe().current.as_deref(), Some("1.0.0"));
    floor.open(5);
    orders.drained("2.0.0").await.unwrap();
    assert!(floor.record().iter().all(|entry| entry.version == "2.0.0"));
    assert_eq!(who_works(&orders, &floor, 10).await, BTreeMap::from([("1.0.0".to_owned(), 10)]));
    assert_eq!(orders.abort().await, Ok(Vec::new()));
    shop.shutdown(MINUTE).await;
}

/// Nobody knows yet to which of the two the next job goes, so both must have room.
#[tokio::test(start_paused = true)]
async fn ready_waits_for_room_at_each_version_that_gets_new_jobs() {
    let floor = Floor::new();
    let shop = Ecosystem::new("shop");
    let orders = shop.community("orders").mailbox(2).await.unwrap();
    orders.deploy("1.0.0", floor.pool(1)).await.unwrap();
    orders.deploy("2.0.0", floor.pool(1)).share(100).await.unwrap();
    let mut sent = 0;
    while orders.try_send(job(9, Act::WaitForGate)).is_ok() {
        sent += 1;
        settle().await;
    }
    orders.ramp("2.0.0", 50).await.unwrap();
    let mut ready = std::pin::pin!(orders.ready());
    assert!(poll_once(&mut ready).await.is_none(), "one of the two is full");
    floor.open(sent);
    settle().await;
    assert!(matches!(poll_once(&mut ready).await, Some(Ok(()))));
    shop.shutdown(MINUTE).await;
}

/// Polls a future once.
async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    std::future::poll_fn(|task| match std::pin::Pin::new(&mut *future).poll(task) {
        std::task::Poll::Ready(output) => std::task::Poll::Ready(Some(output)),
        std::task::Poll::Pending => std::task::Poll::Ready(None),
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn verbs_that_do_not_fit_change_nothing_and_say_what_to_do() {
    let (shop, orders, floor) = community(1).await;
    let revision = orders.describe().revision;
    let unknown = orders.ramp("9.0.0", 5).await.unwrap_err();
    assert_eq!(unknown.to_string(), "version 9.0.0 is not known here; deploy it first");
    let current = orders.ramp("1.0.0", 5).await.unwrap_err();
    assert_eq!(current.to_string(), "version 1.0.0 is current; promote another version first, or roll back");
    assert!(matches!(orders.drain("1.0.0").await, Err(VerbError::IsCurrent { .. })));
    for wrong in [-1.0, 100.5, f64::NAN] {
        let refused = orders.ramp("1.0.0", wrong).await.unwrap_err();
        assert_eq!(refused.to_string(), format!("{wrong} is no share: it must be from 0 to 100 percent"));
    }
    let wrong = orders.deploy("2.0.0", floor.pool(1)).share(101).await.unwrap_err();
    assert_eq!(wrong.to_string(), "101 is no share: it must be from 0 to 100 percent");
    assert!(matches!(orders.rollback().to("9.0.0").await, Err(RollbackError::Unknown { .. })));
    assert_eq!(orders.describe().revision, revision, "nothing has changed");

    orders.deploy("2.0.0", floor.pool(1)).share(60).await.unwrap();
    let too_much = orders.deploy("3.0.0", floor.pool(1)).share_beside(50).await.unwrap_err();
    assert_eq!(
        too_much.to_string(),
        "version 3.0.0 can have at most 40 % of new jobs, since others are being ramped; lower their shares first"
    );
    orders.promote("2.0.0").await.unwrap();
    orders.drained("1.0.0").await.unwrap();
    settle().await;
    let gone = orders.promote("1.0.0").await.unwrap_err();
    assert_eq!(gone.to_string(), "version 1.0.0 has no workers any more (it is Retired); deploy it again");
    shop.shutdown(MINUTE).await;
}

/// Rollout I11: of two who act on the same view, one is told.
#[tokio::test(start_paused = true)]
async fn of_two_verbs_that_have_the_same_table_in_mind_one_takes_effect() {
    let (shop, orders, floor) = community(1).await;
    orders.deploy("2.0.0", floor.pool(1)).hold().await.unwrap();
    let seen = orders.describe().revision;
    let (one, other) = tokio::join!(
        orders.ramp("2.0.0", 20).at(seen).into_future(),
        orders.promote("2.0.0").at(seen).into_future()
    );
    one.unwrap();
    let conflict = other.unwrap_err();
    assert_eq!(
        conflict.to_string(),
        format!(
            "the routing table is revision {} by now; look at `describe` again, then repeat the verb if it still fits",
            orders.describe().revision
        )
    );
    assert_eq!(orders.describe().current.as_deref(), Some("1.0.0"));
    assert!(matches!(orders.rollback().at(seen).await, Err(RollbackError::Conflict { .. })));
    let deploy = orders.deploy("3.0.0", floor.pool(1)).at(seen).await;
    assert!(matches!(deploy, Err(DeployError::Conflict { .. })), "{deploy:?}");
    orders.promote("2.0.0").at(orders.describe().revision).await.unwrap();
    shop.shutdown(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_says_what_a_verb_would_do_and_does_nothing() {
    let (shop, orders, floor) = community(1).await;
    let ran = |run: seral::dry_run::DryRun| run.to_string();
    let deploy = orders.deploy("2.0.0", floor.pool(1)).share(25);
    assert_eq!(
        ran(deploy.dry_run().unwrap()),
        "2.0.0 becomes Loading\nthe workers of 2.0.0 are started\nthe rest follows when its workers have started"
    );
    assert!(orders.describe().version("2.0.0").is_none());
    deploy.await.unwrap();
    let before = orders.describe();
    let promote = orders.promote("2.0.0").dry_run().unwrap();
    assert_eq!(ran(promote), "2.0.0 becomes Current\n1.0.0 becomes Draining");
    let back = orders.rollback().dry_run().unwrap();
    assert_eq!(ran(back), "2.0.0 becomes Draining\nthe waiting jobs of 2.0.0 go by the new table");
    assert_eq!(ran(orders.ramp("2.0.0", 25).dry_run().unwrap()), "nothing would change");
    assert!(matches!(orders.ramp("1.0.0", 25).dry_run(), Err(VerbError::IsCurrent { .. })));
    assert!(matches!(orders.ramp("2.0.0", 200).dry_run(), Err(VerbError::NoShare { .. })));
    assert_eq!(orders.describe(), before);
    shop.shutdown(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn without_a_current_version_new_jobs_wait_for_one() {
    let (shop, orders, floor) = community(1).await;
    orders.drain("1.0.0").allow_empty().await.unwrap();
    assert!(matches!(orders.try_send(job(1, Act::Do)), Err(SendError::NoVersion(_))));
    let waits = tokio::spawn({
        let orders = orders.clone();
        async move { orders.ask(job(2, Act::Do)).await }
    });
    settle().await;
    orders.deploy("2.0.0", floor.pool(1)).share(10).await.unwrap();
    assert_eq!(waits.await.unwrap().unwrap(), 2, "the first version of all gets everything");
    assert_eq!(orders.describe().current.as_deref(), Some("2.0.0"));
    shop.shutdown(MINUTE).await;
}

/// Rollout, feature 2 and §6, row 40.
#[tokio::test(start_paused = true)]
async fn sixty_four_versions_work_at_once() {
    let (shop, orders, floor) = community(1).await;
    for version in 2..=64 {
        orders.deploy(format!("{version}.0.0"), floor.pool(1)).share_beside(1.5).await.unwrap();
    }
    let by = who_works(&orders, &floor, 6_400).await;
    assert_eq!(by.len(), 64, "{by:?}");
    orders.promote("64.0.0").await.unwrap();
    for version in 1..64 {
        orders.drained(format!("{version}.0.0")).await.unwrap();
    }
    assert_eq!(who_works(&orders, &floor, 100).await, BTreeMap::from([("64.0.0".to_owned(), 100)]));
    shop.shutdown(MINUTE).await;
}

/// Two verbs that waited for the same start take effect one right after the other: what the first leaves is not gone when the second brings it back.
#[tokio::test(start_paused = true)]
async fn a_version_that_one_verb_leaves_is_still_there_for_the_next() {
    let (shop, orders, floor) = community(1).await;
    let (deployed, promoted) = tokio::join!(
        orders.deploy("2.0.0", floor.pool(1)).into_future(),
        orders.promote("1.0.0").into_future()
    );
    assert_eq!(deployed.unwrap().state, State::Current);
    promoted.unwrap();
    assert_eq!(orders.describe().current.as_deref(), Some("1.0.0"));
    assert_eq!(who_works(&orders, &floor, 10).await, BTreeMap::from([("1.0.0".to_owned(), 10)]));
    orders.drained("2.0.0").await.unwrap();
    shop.shutdown(MINUTE).await;
}
