//! A version that is being ramped is watched, and taken back by itself if it fails more often than the one beside it.
//!
//! What the guard decides is in `seral-core`, with its tables; here the runtime tells it what happens and does what it says.
//!
//! Seen failing: a version that is watched only by a plan; a guard that is not heard while the rollout is paused; attempts after the first that count; a job
//! in hand that counts as ended twice; a full deploy whose predecessor is not kept, or is kept for ever; a dispatcher that forgets who was
//! condemned; a policy of the deploy that is ignored; a step that is taken though the candidate was not seen to be no worse.

use std::future::IntoFuture;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Context;
use std::task::Waker;
use std::time::Duration;

use seral::Event;
use seral::Events;
use seral::Finding;
use seral::GuardPolicy;
use seral::Sign;
use seral::Whose;
use seral::error::CommunityError;
use seral::error::DeployError;
use seral::prelude::*;
use seral::rollout::End;
use seral::rollout::Phase;
use seral::rollout::Step;
use seral::view::GuardView;
use seral::view::VersionState;

use crate::kit::end_if_it_hangs;
use crate::kit::hush;
use crate::kit::settle;

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);

pub(crate) type Orders = Community<u64, u64>;

/// How the workers of a version are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Are {
    Well,
    Failing,
    /// One job in so many fails, whichever version it comes to.
    FailingEach(u64),
    Panicking,
    Slow,
    Hanging,
}

/// So many workers whose jobs take 10 ms.
pub(crate) fn workers(size: usize, are: Are) -> Pool<u64, u64> {
    let process = move |job: u64, cx: JobContext| async move {
        cx.sleep(10 * MS).await;
        match are {
            Are::Failing => Err("told to fail")?,
            Are::FailingEach(each) if job.is_multiple_of(each) => Err("told to fail")?,
            Are::Panicking => std::panic::panic_any("told to panic"),
            Are::Slow => cx.sleep(90 * MS).await,
            Are::Hanging => std::future::pending().await,
            Are::Well | Are::FailingEach(_) => {}
        }
        Ok(job)
    };
    Pool::of_fn(size, process).build(format!("{are:?}"))
}

/// A community with version 1.0.0. Its jobs are tried so often that a version has time to be taken back.
pub(crate) async fn shop(are: Are) -> (Ecosystem, Orders) {
    hush();
    end_if_it_hangs();
    let shop = Ecosystem::new("shop");
    let retry = RetryPolicy::attempts(20).backoff(SECOND, 10 * SECOND);
    let orders = shop.community("orders").retry(retry).timeout(SECOND).await.unwrap();
    orders.deploy("1.0.0", workers(5, are)).await.unwrap();
    (shop, orders)
}

/// Sends so many jobs, 100 a second.
pub(crate) async fn send(orders: &Orders, jobs: u64) {
    for job in 1..=jobs {
        orders.send(job).await.unwrap();
        tokio::time::sleep(10 * MS).await;
    }
}

pub(crate) fn state(orders: &Orders, version: &str) -> VersionState {
    orders.describe().version(version).unwrap().state
}

pub(crate) fn guard(orders: &Orders) -> Option<GuardView> {
    orders.describe().version("2.0.0").unwrap().guard.clone()
}

/// Whether version 2.0.0 was left for good.
pub(crate) fn was_taken_back(orders: &Orders) -> bool {
    let view = orders.describe();
    let is_left = view.current.as_deref() == Some("1.0.0") && view.version("2.0.0").unwrap().share == 0;
    is_left && view.version("2.0.0").unwrap().quarantined
}

/// What a guard has found by now.
pub(crate) async fn found(events: &mut Events) -> Option<(String, String, Finding)> {
    while let Ok(Some(event)) = tokio::time::timeout(MS, events.next()).await {
        if let Event::Condemned { version, baseline, finding, .. } = event {
            return Some((version.to_string(), baseline.to_string(), finding));
        }
    }
    None
}

pub(crate) async fn end(shop: Ecosystem) {
    shop.shutdown(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn a_bad_version_takes_itself_back_and_no_job_is_lost() {
    for (are, sign) in [
        (Are::Failing, Sign::Errors),
        (Are::Panicking, Sign::Panics),
        (Are::Hanging, Sign::Timeouts),
        (Are::Slow, Sign::Slowness),
    ] {
        let (shop, orders) = shop(Are::Well).await;
        send(&orders, 7_000).await;
        let mut events = orders.events();
        let rollout = orders.deploy("2.0.0", workers(5, are)).ramp([5, 25]).await.unwrap();
        send(&orders, 2_500).await;
        let End::RolledBack(why) = rollout.ended().await else { panic!("{are:?}: not rolled back") };
        assert!(was_taken_back(&orders), "{are:?}");
        let (version, baseline, finding) = found(&mut events).await.unwrap();
        assert_eq!((version.as_str(), baseline.as_str()), ("2.0.0", "1.0.0"));
        assert_eq!(why, format!("{finding}, compared with 1.0.0"));
        let Finding::Worse { sign: seen, candidate, baseline, ratio } = finding else {
            panic!("{are:?}: {finding}")
        };
        assert_eq!(seen, sign);
        // Five always suffice where the share is a twentieth; that it is one is by chance.
        assert!((3..=6).contains(&candidate.failures) && ratio >= 4_000, "{are:?}: {candidate:?}, {ratio}");
        assert!(baseline.jobs > 10 && baseline.failures <= 1, "{are:?}: {baseline:?}");
        tokio::time::sleep(10 * MINUTE).await;
        let view = orders.describe();
        assert_eq!((view.done, view.dead), (9_500, 0), "{are:?}");
        end(shop).await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_is_ramped_by_hand_is_watched_as_well_and_its_end_says_why() {
    let (shop, orders) = shop(Are::Well).await;
    orders.deploy("2.0.0", workers(5, Are::Failing)).share(10).await.unwrap();
    send(&orders, 500).await;
    assert!(was_taken_back(&orders));
    let changes = orders.changes();
    let last = changes.last().unwrap();
    assert_eq!((last.what.as_str(), last.by.as_deref()), ("reject 2.0.0", Some("a guard")));
    assert!(last.why.as_ref().is_some_and(|why| why.starts_with("errors in ")), "{last}");
    end(shop).await;
}

/// Rollout, §6, rows 5 and 6: elsewhere a failed analysis did not stop the rollout, and waiting for a person disarmed it.
#[tokio::test(start_paused = true)]
async fn a_guard_is_alive_in_every_phase_of_a_rollout() {
    for phase in ["stepping", "by hand", "paused", "gating", "held", "short of jobs"] {
        let (shop, orders) = shop(Are::Well).await;
        let deploy = orders.deploy("2.0.0", workers(5, Are::Failing));
        let ramp = match phase {
            "stepping" => deploy.ramp([Step::of(20)]),
            "short of jobs" => deploy.ramp([Step::of(20).lasts(SECOND, 1_000_000)]),
            "by hand" | "paused" => deploy.ramp([Step::of(20).by_hand()]),
            "gating" => deploy.ramp([Step::of(20).by_hand()]).gate(|_| std::future::pending()),
            _ => deploy
                .ramp([Step::of(20).by_hand()])
                .gate(|_| async { seral::Verdict::Inconclusive("too few".to_owned()) }),
        };
        let rollout = ramp.await.unwrap();
        match phase {
            "paused" => rollout.pause("lunch").await.unwrap(),
            "gating" | "held" => rollout.next().await.unwrap(),
            _ => {}
        }
        tokio::time::sleep(2 * SECOND).await;
        let is = rollout.status().unwrap().phase;
        let expected = match phase {
            "stepping" => is == Phase::Stepping,
            "by hand" => is == Phase::ByHand,
            "paused" => is == Phase::Paused("lunch".to_owned()),
            "gating" => is == Phase::Gating,
            "held" => is == Phase::Held("too few".to_owned()),
            _ => is == Phase::ShortOfJobs,
        };
        assert!(expected, "{phase}: {is}");
        send(&orders, 300).await;
        assert!(was_taken_back(&orders), "{phase}: {}", rollout.status().unwrap().phase);
        assert!(matches!(rollout.ended().await, End::RolledBack(_)), "{phase}");
        end(shop).await;
    }
}

/// Rollout, §6, row 7, and I17.
#[tokio::test(start_paused = true)]
async fn without_jobs_a_guard_decides_nothing() {
    let (shop, orders) = shop(Are::Well).await;
    let rollout = orders.deploy("2.0.0", workers(5, Are::Failing)).ramp([5]).await.unwrap();
    tokio::time::sleep(24 * 60 * MINUTE).await;
    assert_eq!(rollout.status().unwrap().phase, Phase::ShortOfJobs);
    assert_eq!(state(&orders, "2.0.0"), VersionState::Ramping);
    assert_eq!(guard(&orders).unwrap().jobs, 0);
    end(shop).await;
}

/// Rollout I17: as often as its neighbour, however often that is.
#[tokio::test(start_paused = true)]
async fn an_outage_from_which_both_suffer_takes_nothing_back() {
    let (shop, orders) = shop(Are::FailingEach(1)).await;
    orders.deploy("2.0.0", workers(5, Are::Failing)).share(20).await.unwrap();
    send(&orders, 1_000).await;
    assert_eq!(state(&orders, "2.0.0"), VersionState::Ramping);
    let seen = guard(&orders).unwrap();
    assert!(seen.failures > 100 && seen.baseline_failures > 500, "{seen}");
    end(shop).await;
}

#[tokio::test(start_paused = true)]
async fn a_job_counts_once_however_often_it_is_tried_and_so_does_a_key() {
    let (shop, orders) = shop(Are::Well).await;
    let guarded = |version: &str| {
        let policy = GuardPolicy::default().alpha(1e-9);
        orders.deploy(version, workers(5, Are::Failing)).guard(policy)
    };
    guarded("2.0.0").share(50).await.unwrap();
    for job in 0..10 {
        orders.send(job).await.unwrap();
    }
    tokio::time::sleep(MINUTE).await;
    let seen = guard(&orders).unwrap();
    assert!((1..10).contains(&seen.failures) && seen.jobs == seen.failures, "{seen}");
    // All jobs of one key, of which each fails there, are one failure. Which keys go there is by chance.
    let mut rose = 0;
    for key in 0..10 {
        let before = guard(&orders).unwrap();
        for job in 0..20 {
            let once = RetryPolicy::attempts(1);
            let _ = orders.submit(job).key(key).retry(once).await.unwrap().await;
        }
        let seen = guard(&orders).unwrap();
        let (jobs, failures) = (seen.jobs - before.jobs, seen.failures - before.failures);
        assert!((jobs, failures) == (20, 1) || (jobs, failures) == (0, 0), "{jobs}, {failures}");
        rose += failures;
    }
    assert!((1..10).contains(&rose), "{rose}");
    assert_eq!(state(&orders, "2.0.0"), VersionState::Ramping);
    end(shop).await;
}

#[tokio::test(start_paused = true)]
async fn jobs_that_somebody_pinned_to_a_version_do_not_condemn_it() {
    let (shop, orders) = shop(Are::Well).await;
    orders.deploy("2.0.0", workers(5, Are::Failing)).share(1).await.unwrap();
    orders.route(Whose::tenant("acme"), "2.0.0").await.unwrap();
    for job in 0..100 {
        let once = RetryPolicy::attempts(1);
        let _ = orders.submit(job).pin("2.0.0").retry(once).await.unwrap().await;
        let _ = orders.submit(job).tenant("acme").retry(once).await.unwrap().await;
    }
    assert_eq!(state(&orders, "2.0.0"), VersionState::Ramping);
    assert_eq!(guard(&orders).unwrap().failures, 0);
    end(shop).await;
}

#[tokio::test(start_paused = true)]
async fn of_two_that_are_ramped_only_the_bad_one_is_taken_back() {
    let (shop, orders) = shop(Are::Well).await;
    orders.deploy("2.0.0", workers(5, Are::Well)).share(20).await.unwrap();
    orders.deploy("3.0.0", workers(5, Are::Failing)).share_beside(20).await.unwrap();
    send(&orders, 500).await;
    assert_eq!(state(&orders, "2.0.0"), VersionState::Ramping);
    assert!(orders.describe().version("3.0.0").unwrap().quarantined);
    end(shop).await;
}

#[tokio::test(start_paused = true)]
async fn a_guard_that_is_off_takes_nothing_back_and_a_deploy_may_have_its_own() {
    hush();
    end_if_it_hangs();
    let shop = Ecosystem::new("shop");
    let orders = shop.community("orders").guard(GuardPolicy::off()).await.unwrap();
    orders.deploy("1.0.0", workers(5, Are::Well)).await.unwrap();
    orders.deploy("2.0.0", workers(5, Are::Failing)).share(20).await.unwrap();
    send(&orders, 500).await;
    assert_eq!((state(&orders, "2.0.0"), guard(&orders)), (VersionState::Ramping, None));
    orders.abort().await.unwrap();
    let guarded = orders.deploy("3.0.0", workers(5, Are::Failing)).guard(GuardPolicy::default());
    guarded.share(20).await.unwrap();
    send(&orders, 500).await;
    assert!(orders.describe().version("3.0.0").unwrap().quarantined);
    // A sign that is not watched condemns nobody.
    let policy = GuardPolicy::default().without(Sign::Errors);
    orders.deploy("4.0.0", workers(5, Are::Failing)).guard(policy).share(20).await.unwrap();
    send(&orders, 500).await;
    assert_eq!(state(&orders, "4.0.0"), VersionState::Ramping);
    end(shop).await;
}

#[tokio::test(start_paused = true)]
async fn what_makes_no_sense_of_a_guard_is_refused_in_a_sentence() {
    let (shop, orders) = shop(Are::Well).await;
    let bad = GuardPolicy::default().alpha(5.0);
    let refused = shop.community::<u64, u64>("others").guard(bad).await.unwrap_err();
    let sentence = "the alpha of a guard is a chance: more than 0 and less than 1, such as 0.001";
    assert!(matches!(refused, CommunityError::Invalid(_)) && refused.to_string() == sentence, "{refused}");
    let refused = orders.deploy("2.0.0", workers(1, Are::Well)).guard(bad).await.unwrap_err();
    assert!(matches!(&refused, DeployError::Invalid(why) if why == sentence), "{refused}");
    let deploy = orders.deploy("2.0.0", workers(1, Are::Well)).watch_for(MINUTE).share(5).await;
    let refused = deploy.unwrap_err().to_string();
    assert!(refused.contains("what is ramped is watched anyway"), "{refused}");
    let deploy = orders.deploy("2.0.0", workers(1, Are::Well)).guard(GuardPolicy::off()).watch_for(MINUTE);
    let refused = deploy.await.unwrap_err().to_string();
    assert!(refused.contains("there is no guard to watch the version"), "{refused}");
    end(shop).await;
}

/// Jobs that a rule sends there fail, all of them: the plan does not go on by their number.
#[tokio::test(start_paused = true)]
async fn jobs_that_do_not_come_by_chance_prove_nothing_either() {
    let (shop, orders) = shop(Are::Well).await;
    let pool = Pool::of_fn(5, |job: u64, _| async move {
        if job == 0 { Err(Fault::discard("told to fail")) } else { Ok(job) }
    });
    let rollout = orders.deploy("2.0.0", pool).ramp([1]).lasting(SECOND, 20).await.unwrap();
    orders.route(Whose::tenant("acme"), "2.0.0").await.unwrap();
    for _ in 0..200 {
        let _ = orders.submit(0).tenant("acme").await.unwrap().await;
        orders.submit(1).pin("2.0.0").await.unwrap().await.unwrap();
    }
    tokio::time::sleep(MINUTE).await;
    assert_eq!(rollout.status().unwrap().phase, Phase::Unproven);
    assert_eq!(guard(&orders).unwrap().jobs, 0);
    end(shop).await;
}

/// A worker opens its connection with its first jobs.
#[tokio::test(start_paused = true)]
async fn a_version_is_not_slow_for_warming_up() {
    struct Cold(u32);
    impl Worker for Cold {
        type Job = u64;
        type Output = u64;

        async fn process(&mut self, job: &u64, cx: &JobContext) -> Result<u64, Fault> {
            self.0 += 1;
            cx.sleep(if self.0 <= 3 { 500 * MS } else { 10 * MS }).await;
            Ok(*job)
        }
    }
    let (shop, orders) = shop(Are::Well).await;
    send(&orders, 1_000).await;
    orders.deploy("2.0.0", Pool::of(10, || Cold(0))).share(20).await.unwrap();
    send(&orders, 1_000).await;
    assert_eq!(state(&orders, "2.0.0"), VersionState::Ramping);
    assert!(guard(&orders).is_some_and(|seen| seen.jobs > 100));
    end(shop).await;
}

/// It is deployed to cure what failed, and that is replayed on it: what fails again says nothing of it.
#[tokio::test(start_paused = true)]
async fn dead_letters_that_are_replayed_do_not_condemn_the_cure() {
    let (shop, orders) = shop(Are::FailingEach(50)).await;
    for job in 1..=1_000 {
        let _ = orders.submit(job).retry(RetryPolicy::attempts(1)).await.unwrap().await;
    }
    orders.deploy("2.0.0", workers(5, Are::FailingEach(50))).watch_for(10 * MINUTE).await.unwrap();
    assert_eq!(orders.dead_letters().replay().await.unwrap(), 20);
    tokio::time::sleep(MINUTE).await;
    assert_eq!((state(&orders, "2.0.0"), guard(&orders).unwrap().jobs), (VersionState::Current, 0));
    end(shop).await;
}

/// Not to the one that a person went back from.
#[tokio::test(start_paused = true)]
async fn a_full_deploy_goes_back_to_the_version_that_it_replaced_and_to_no_other() {
    let (shop, orders) = shop(Are::Well).await;
    orders.deploy("2.0.0", workers(5, Are::Hanging).keep_warm(60 * MINUTE)).await.unwrap();
    orders.rollback().await.unwrap();
    send(&orders, 500).await;
    orders.deploy("3.0.0", workers(5, Are::Failing)).watch_for(10 * MINUTE).await.unwrap();
    send(&orders, 100).await;
    let view = orders.describe();
    assert_eq!(view.current.as_deref(), Some("1.0.0"));
    assert!(view.version("3.0.0").unwrap().quarantined);
    end(shop).await;
}

/// Also where the version before had few jobs, by which it is known how long they take.
#[tokio::test(start_paused = true)]
async fn a_full_deploy_that_hangs_goes_back_as_well() {
    hush();
    end_if_it_hangs();
    let shop = Ecosystem::new("shop");
    let orders = shop.community("orders").await.unwrap();
    orders.deploy("1.0.0", workers(5, Are::Well)).await.unwrap();
    send(&orders, 200).await;
    orders.deploy("2.0.0", workers(5, Are::Hanging)).watch_for(10 * MINUTE).await.unwrap();
    send(&orders, 100).await;
    tokio::time::sleep(2 * MINUTE).await;
    assert!(was_taken_back(&orders));
    let view = orders.describe();
    assert_eq!((view.done, view.running, view.waiting), (295, 5, 0));
    end(shop).await;
}

/// It was known before somebody promoted it.
#[tokio::test(start_paused = true)]
async fn a_version_that_was_found_to_be_bad_is_taken_back_though_it_is_promoted_meanwhile() {
    let shop = Ecosystem::new("shop");
    let orders = shop.community("orders").retry(RetryPolicy::attempts(1)).await.unwrap();
    orders.deploy("1.0.0", workers(5, Are::Well).keep_warm(MINUTE)).await.unwrap();
    send(&orders, 1_000).await;
    let (handle, failed) = (orders.clone(), AtomicU32::new(0));
    let failing = Pool::of_fn(5, move |_: u64, _| {
        if failed.fetch_add(1, Relaxed) == 2 {
            // In line before what this failure comes to.
            let mut promote = handle.promote("2.0.0").into_future();
            let _ = promote.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }
        async { Err("told to fail".into()) }
    });
    orders.deploy("2.0.0", failing).first(50).await.unwrap();
    send(&orders, 10).await;
    let view = orders.describe();
    assert_eq!(view.current.as_deref(), Some("1.0.0"));
    assert!(view.version("2.0.0").unwrap().quarantined);
    let changes: Vec<String> = orders.changes().into_iter().map(|change| change.what).collect();
    assert!(changes.ends_with(&["promote 2.0.0".to_owned(), "reject 2.0.0".to_owned()]), "{changes:?}");
    end(shop).await;
}

// ---- to have more --------------------------------------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn a_step_is_not_followed_by_the_next_before_the_candidate_was_seen_to_be_no_worse() {
    let (shop, orders) = shop(Are::Well).await;
    // Too seldom to be condemned, too often to be trusted after twenty jobs.
    let begun = Arc::new(AtomicU32::new(0));
    let pool = Pool::of_fn(5, move |job: u64, _| {
        let is_bad = begun.fetch_add(1, Relaxed) < 2;
        async move { if is_bad { Err("told to fail".into()) } else { Ok(job) } }
    });
    let rollout = orders.deploy("2.0.0", pool).ramp([50]).lasting(SECOND, 20).await.unwrap();
    let finished = || guard(&orders).map_or(u64::MAX, |seen| seen.jobs);
    for job in 0.. {
        orders.send(job).await.unwrap();
        settle().await;
        if finished() >= 25 {
            break;
        }
    }
    tokio::time::sleep(MINUTE).await;
    assert_eq!(rollout.status().unwrap().phase, Phase::Unproven);
    assert!((25..36).contains(&finished()), "{}", finished());
    send(&orders, 60).await;
    assert_eq!(rollout.ended().await, End::Promoted);
    end(shop).await;
}

#[tokio::test(start_paused = true)]
async fn whoever_knows_better_goes_on_though_it_was_not_seen_that_the_candidate_is_no_worse() {
    let (shop, orders) = shop(Are::Well).await;
    let rollout =
        orders.deploy("2.0.0", workers(5, Are::Well)).ramp([50]).lasting(SECOND, 200).await.unwrap();
    send(&orders, 100).await;
    tokio::time::sleep(MINUTE).await;
    assert_eq!(rollout.status().unwrap().phase, Phase::ShortOfJobs);
    rollout.next().await.unwrap();
    assert_eq!(rollout.ended().await, End::Promoted);
    end(shop).await;
}
