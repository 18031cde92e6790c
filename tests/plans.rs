//! A rollout by a plan: each step has its share, its wait and its gate, and whoever steps in is heard.
//!
//! The machine is enumerated in `seral-core`; here the dispatcher carries it out.
//!
//! Seen failing: a look that is not armed; a gate that is not asked; a rejected version that is not quarantined; a share set by hand that is
//! not noticed; a rollout that a new dispatcher forgets; a resume that keeps such a share; a rollout that does not hear that it was replaced; a step that
//! waits for another version to load, or for ever since there is no room for it.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use parking_lot::Mutex;
use seral::Rollout;
use seral::Verdict;
use seral::error::DeployError;
use seral::error::RolloutError;
use seral::prelude::*;
use seral::rollout::End;
use seral::rollout::GateStep;
use seral::rollout::Phase;
use seral::rollout::Step;
use seral::view::VersionState;
use seral_test::fault;

use crate::kit::Act;
use crate::kit::Job;
use crate::kit::community;
use crate::kit::hush;
use crate::kit::job;
use crate::kit::settle;

const MINUTE: Duration = Duration::from_secs(60);

type Plan = Rollout<Job, u64>;

/// Sends so many jobs, each when the one before is done.
async fn work(orders: &Community<Job, u64>, jobs: u64) {
    for number in 0..jobs {
        orders.ask(job(number, Act::Do)).await.unwrap();
    }
}

/// What the rollout has told so far, in words.
async fn story(rollout: &Plan) -> Vec<String> {
    let mut events = rollout.events();
    let mut told = Vec::new();
    // On paused time an hour is over at once when nothing else is to be told.
    while let Ok(Some(note)) = tokio::time::timeout(Duration::from_millis(1), events.next()).await {
        told.push(format!("{}: {}, {}", note.step, note.share, note.phase));
    }
    told
}

/// A gate that says what is in a list, one after the other, then that the candidate may pass; and what it was told.
type Said = Arc<Mutex<(Vec<Verdict>, Vec<GateStep>)>>;

fn says(
    verdicts: impl IntoIterator<Item = Verdict>,
) -> (Said, impl Fn(GateStep) -> std::future::Ready<Verdict>) {
    let mut verdicts: Vec<_> = verdicts.into_iter().collect();
    verdicts.reverse();
    let said: Said = Arc::new(Mutex::new((verdicts, Vec::new())));
    let gate = {
        let said = Arc::clone(&said);
        move |step| {
            let mut said = said.lock();
            said.1.push(step);
            std::future::ready(said.0.pop().unwrap_or(Verdict::Pass))
        }
    };
    (said, gate)
}

#[tokio::test(start_paused = true)]
async fn a_rollout_goes_from_share_to_share_by_time_and_jobs_and_ends_with_everybody() {
    let (shop, orders, floor) = community(2).await;
    let rollout = orders.deploy("2.0.0", floor.pool(2)).ramp([20, 60]).lasting(MINUTE, 10).await.unwrap();
    assert_eq!(rollout.deployment().share, seral::Share::percent(20.0));
    work(&orders, 200).await;
    tokio::time::sleep(MINUTE).await;
    settle().await;
    assert_eq!(orders.describe().version("2.0.0").unwrap().share, 6_000);
    work(&orders, 100).await;
    assert_eq!(orders.describe().current.as_deref(), Some("1.0.0"), "not before its time");
    assert_eq!(rollout.ended().await, End::Promoted);
    assert_eq!(orders.describe().current.as_deref(), Some("2.0.0"));
    assert_eq!(
        story(&rollout).await,
        [
            "0: 20 %, waiting for its share",
            "0: 20 %, waiting for the time of the step",
            "1: 60 %, waiting for its share",
            "1: 60 %, waiting for the time of the step",
            "2: 100 %, promoted",
        ]
    );
    orders.drained("1.0.0").await.unwrap();
    shop.shutdown(MINUTE).await;
}

/// Rollout, §6, row 7: elsewhere a rollout without traffic stalled without a word, or went on without data.
#[tokio::test(start_paused = true)]
async fn without_jobs_nothing_is_promoted_and_nothing_is_rolled_back() {
    let (shop, orders, floor) = community(1).await;
    let (said, gate) = says([]);
    let rollout = orders.deploy("2.0.0", floor.pool(1)).ramp([50]).gate(gate).await.unwrap();
    tokio::time::sleep(24 * 60 * MINUTE).await;
    assert_eq!(rollout.status().unwrap().phase, Phase::ShortOfJobs);
    assert_eq!(rollout.status().unwrap().phase.to_string(), "inconclusive, waiting for more jobs");
    assert!(said.lock().1.is_empty(), "the gate has nothing to look at");
    work(&orders, 500).await;
    assert_eq!(rollout.ended().await, End::Promoted);
    let asked = said.lock().1.clone();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].jobs >= 200 && asked[0].version == "2.0.0".into(), "{asked:?}");
    shop.shutdown(MINUTE).await;
}

/// Rollout, §6, row 5; what waits at the candidate is done by the current version.
#[tokio::test(start_paused = true)]
async fn a_gate_that_fails_rolls_the_candidate_back_and_quarantines_it() {
    let (shop, orders, floor) = community(1).await;
    let (_, gate) = says([Verdict::Fail("one in ten fails".to_owned())]);
    let steps = orders.deploy("2.0.0", floor.pool(1)).ramp([99]).lasting(Duration::from_secs(1), 1);
    let rollout = steps.gate(gate).await.unwrap();
    work(&orders, 20).await;
    for number in 100..150 {
        orders.send(job(number, Act::WaitForGate)).await.unwrap();
    }
    assert_eq!(rollout.ended().await, End::RolledBack("one in ten fails".to_owned()));
    settle().await;
    let seen = orders.describe();
    let candidate = seen.version("2.0.0").unwrap();
    assert!(candidate.quarantined && candidate.waiting == 0, "{candidate:?}");
    assert_eq!(seen.current.as_deref(), Some("1.0.0"));
    let again = orders.deploy("2.0.0", floor.pool(1)).ramp([5]).await.unwrap_err();
    assert!(matches!(again, DeployError::Quarantined { .. }), "{again}");
    floor.open(50);
    orders.drained("2.0.0").await.unwrap();
    shop.shutdown(MINUTE).await;
}

/// Rollout, §6, row 6: elsewhere a wait for a person disarmed the check.
#[tokio::test(start_paused = true)]
async fn a_gate_that_fails_is_heard_while_the_rollout_is_paused() {
    let (shop, orders, floor) = community(1).await;
    let (ask, asked) = tokio::sync::oneshot::channel();
    let asked = Arc::new(tokio::sync::Mutex::new(Some(asked)));
    let gate = move |_| {
        let asked = Arc::clone(&asked);
        async move {
            match asked.lock().await.take() {
                Some(asked) => asked.await.unwrap(),
                None => Verdict::Pass,
            }
        }
    };
    let ramp = orders.deploy("2.0.0", floor.pool(1)).ramp([50]).lasting(Duration::from_secs(1), 1);
    let rollout = ramp.gate(gate).await.unwrap();
    work(&orders, 20).await;
    while rollout.status().unwrap().phase != Phase::Gating {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    rollout.pause("lunch").await.unwrap();
    assert_eq!(rollout.status().unwrap().phase, Phase::Paused("lunch".to_owned()));
    ask.send(Verdict::Fail("it is slow".to_owned())).unwrap();
    assert_eq!(rollout.ended().await, End::RolledBack("it is slow".to_owned()));
    settle().await;
    assert!(orders.describe().version("2.0.0").unwrap().quarantined);
    shop.shutdown(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_cannot_measure_is_asked_again_and_after_three_times_the_rollout_pauses() {
    hush();
    let (shop, orders, floor) = community(1).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let gate = {
        let asked = Arc::clone(&asked);
        move |_| {
            let count = asked.fetch_add(1, SeqCst);
            async move {
                match count {
                    0 => std::panic::panic_any("told to panic"),
                    1 => std::future::pending().await,
                    2 => Verdict::Error("no connection".to_owned()),
                    3 => Verdict::Inconclusive("too close to call".to_owned()),
                    _ => Verdict::Pass,
                }
            }
        }
    };
    let ramp = orders.deploy("2.0.0", floor.pool(1)).ramp([50]).lasting(Duration::from_secs(1), 1);
    let rollout = ramp.gate(gate).await.unwrap();
    work(&orders, 20).await;
    tokio::time::sleep(60 * MINUTE).await;
    assert_eq!(
        story(&rollout).await[2..],
        [
            "0: 50 %, waiting for the gate",
            "0: 50 %, held by the gate: the gate panicked: told to panic",
            "0: 50 %, waiting for the gate",
            "0: 50 %, held by the gate: the gate took longer than 60s",
            "0: 50 %, waiting for the gate",
            "0: 50 %, paused: no connection",
        ]
    );
    rollout.resume().await.unwrap();
    assert_eq!(rollout.ended().await, End::Promoted);
    assert_eq!(asked.load(SeqCst), 5, "at once after the resume, and again");
    shop.shutdown(MINUTE).await;
}

/// Rollout, §6, row 3, and S9: the baseline stays what was promoted last.
#[tokio::test(start_paused = true)]
async fn a_deploy_during_a_rollout_replaces_the_candidate_and_keeps_the_baseline() {
    let (shop, orders, floor) = community(1).await;
    let second = orders.deploy("2.0.0", floor.pool(1)).ramp([30, 60]).by_hand().await.unwrap();
    let third = orders.deploy("3.0.0", floor.pool(1)).ramp([10]).by_hand().await.unwrap();
    assert_eq!(second.ended().await, End::Replaced);
    orders.drained("2.0.0").await.unwrap();
    let late = second.next().await.unwrap_err();
    assert_eq!(late.to_string(), "the rollout is over: replaced by another candidate");
    assert_eq!(orders.describe().version("3.0.0").unwrap().share, 1_000);
    third.next().await.unwrap();
    assert_eq!(third.ended().await, End::Promoted);
    let back = orders.rollback().await.unwrap();
    let seral::Rollback::To { to, .. } = back else { panic!("{back:?}") };
    assert_eq!(to, "1.0.0".into());
    shop.shutdown(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn whoever_steps_in_ends_the_rollout_and_it_says_how() {
    let (shop, orders, floor) = community(1).await;
    let pool = || floor.pool(1);

    let rollout = orders.deploy("2.0.0", pool()).ramp([30]).await.unwrap();
    orders.rollback().await.unwrap();
    assert_eq!(rollout.ended().await, End::RolledBack("a rollback was called".to_owned()));

    let rollout = orders.deploy("3.0.0", pool()).ramp([30]).await.unwrap();
    orders.abort().await.unwrap();
    assert_eq!(rollout.ended().await, End::Aborted);
    rollout.abort().await.unwrap();

    let rollout = orders.deploy("4.0.0", pool()).ramp([30]).await.unwrap();
    rollout.abort().await.unwrap();
    assert_eq!(rollout.ended().await, End::Aborted);
    settle().await;
    assert_ne!(orders.describe().version("4.0.0").unwrap().state, VersionState::Ramping);

    let rollout = orders.deploy("5.0.0", pool()).ramp([30]).await.unwrap();
    orders.promote("5.0.0").await.unwrap();
    assert_eq!(rollout.ended().await, End::Promoted);

    let rollout = orders.deploy("6.0.0", pool()).ramp([30]).await.unwrap();
    rollout.promote().await.unwrap();
    assert_eq!(rollout.ended().await, End::Promoted);
    settle().await;
    assert_eq!(orders.describe().current.as_deref(), Some("6.0.0"));
    assert!(matches!(rollout.pause("?").await, Err(RolloutError::Refused(_))));
    shop.shutdown(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn a_share_that_somebody_sets_by_hand_pauses_the_rollout_and_a_resume_takes_the_share_of_the_step() {
    let (shop, orders, floor) = community(1).await;
    let rollout = orders.deploy("2.0.0", floor.pool(1)).ramp([30, 60]).by_hand().await.unwrap();
    settle().await;
    orders.ramp("2.0.0", 5).await.unwrap();
    let paused = rollout.status().unwrap().phase;
    assert_eq!(paused, Phase::Paused("its share was set to 5 % by hand".to_owned()));
    assert!(rollout.next().await.is_err());
    rollout.resume().await.unwrap();
    settle().await;
    assert_eq!(orders.describe().version("2.0.0").unwrap().share, 3_000);
    rollout.next().await.unwrap();
    settle().await;
    assert_eq!(orders.describe().version("2.0.0").unwrap().share, 6_000);
    shop.shutdown(MINUTE).await;
}

/// It would otherwise wait for its share for ever, and say nothing.
#[tokio::test(start_paused = true)]
async fn a_rollout_without_room_for_its_next_step_pauses_and_a_resume_tries_again() {
    let (shop, orders, floor) = community(1).await;
    let rollout = orders.deploy("2.0.0", floor.pool(1)).ramp([30, 60]).by_hand().await.unwrap();
    orders.deploy("3.0.0", floor.pool(1)).share_beside(50).await.unwrap();
    rollout.next().await.unwrap();
    let paused = Phase::Paused("there is no room for 60 %, since others are being ramped".to_owned());
    assert_eq!(rollout.status().unwrap().phase, paused);
    assert_eq!(orders.describe().version("2.0.0").unwrap().share, 3_000);
    orders.ramp("3.0.0", 20).await.unwrap();
    rollout.resume().await.unwrap();
    assert_eq!(orders.describe().version("2.0.0").unwrap().share, 6_000);
    assert_eq!(rollout.status().unwrap().phase, Phase::ByHand);
    shop.shutdown(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn a_dispatcher_that_fails_takes_no_rollout_along() {
    hush();
    let (shop, orders, floor) = community(1).await;
    let ramp = orders.deploy("2.0.0", floor.pool(1)).ramp([30, 60]).lasting(MINUTE, 1);
    let rollout = ramp.await.unwrap();
    work(&orders, 50).await;
    for _ in 0..3 {
        fault::panic_dispatcher(&orders);
        settle().await;
        tokio::time::sleep(MINUTE).await;
        work(&orders, 50).await;
    }
    assert_eq!(rollout.ended().await, End::Promoted);
    shop.shutdown(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn a_candidate_that_breaks_ends_its_rollout() {
    hush();
    let (shop, orders, _) = community(1).await;
    let starts = Arc::new(AtomicUsize::new(0));
    let sick = {
        let starts = Arc::clone(&starts);
        Pool::of(1, move || Sick { starts: Arc::clone(&starts) })
    };
    let rollout = orders.deploy("2.0.0", sick).ramp([50]).by_hand().await.unwrap();
    fault::kill_worker(&orders);
    for number in 0..20 {
        orders.send(job(number, Act::Do)).await.unwrap();
    }
    assert_eq!(rollout.ended().await, End::RolledBack("its workers could not be kept running".to_owned()));
    settle().await;
    assert!(orders.describe().version("2.0.0").unwrap().quarantined);
    shop.shutdown(MINUTE).await;
}

/// Its steps do not wait in line behind a version that loads, and would not be what they were decided for when their turn came.
#[tokio::test(start_paused = true)]
async fn a_rollout_goes_on_while_another_version_loads_which_then_replaces_it() {
    let (shop, orders, floor) = community(1).await;
    let rollout = orders.deploy("2.0.0", floor.pool(1)).ramp([30, 60]).by_hand().await.unwrap();
    let loads = Arc::new(tokio::sync::Semaphore::new(0));
    let slow = {
        let loads = Arc::clone(&loads);
        Pool::of(1, move || Slow { loads: Arc::clone(&loads) }).start_deadline(60 * MINUTE)
    };
    let third = tokio::spawn({
        let orders = orders.clone();
        async move { orders.deploy("3.0.0", slow).await }
    });
    settle().await;
    rollout.next().await.unwrap();
    settle().await;
    assert_eq!(orders.describe().version("2.0.0").unwrap().share, 6_000);
    rollout.next().await.unwrap();
    assert_eq!(rollout.ended().await, End::Promoted);
    settle().await;
    assert_eq!(orders.describe().current.as_deref(), Some("2.0.0"));
    loads.add_permits(1);
    assert_eq!(third.await.unwrap().unwrap().replaced, Some("2.0.0".into()));
    shop.shutdown(MINUTE).await;
}

/// Takes its time to start.
struct Slow {
    loads: Arc<tokio::sync::Semaphore>,
}

impl Worker for Slow {
    type Job = Job;
    type Output = u64;

    async fn start(&mut self, _: &StartContext) -> Result<(), Fault> {
        self.loads.acquire().await?.forget();
        Ok(())
    }

    async fn process(&mut self, job: &Job, _: &JobContext) -> Result<u64, Fault> {
        Ok(job.number)
    }
}

/// Who, what, why, from which table to which; what changed nothing is not written down.
#[tokio::test(start_paused = true)]
async fn each_change_of_the_table_is_remembered_with_who_did_it_and_why() {
    let (shop, orders, floor) = community(1).await;
    orders.deploy("2.0.0", floor.pool(1)).hold().by("alice").because("for the smoke test").await.unwrap();
    orders.ramp("2.0.0", 5).by("bob").await.unwrap();
    orders.ramp("2.0.0", 5).by("bob").await.unwrap();
    orders.ramp("9.0.0", 5).await.unwrap_err();
    orders.abort().because("the numbers are bad").await.unwrap();
    orders.drained("2.0.0").await.unwrap();
    let (_, gate) = says([Verdict::Fail("one in ten fails".to_owned())]);
    let ramp = orders.deploy("3.0.0", floor.pool(1)).by("carol").ramp([10, 99]).lasting(MINUTE, 1);
    let rollout = ramp.gate(gate).await.unwrap();
    rollout.next().await.unwrap();
    rollout.ended().await;
    settle().await;
    let said: Vec<String> = orders.changes().iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "0 to 1: deploy 1.0.0",
            "1 to 2: deploy 2.0.0 and hold it, by alice: for the smoke test",
            "2 to 3: ramp 2.0.0 to 5 %, by bob",
            "3 to 4: abort: the numbers are bad",
            "5 to 6: deploy 3.0.0 with 10 %, by carol",
            "6 to 7: reject 3.0.0, by a rollout: rolled back: one in ten fails",
        ]
    );
    shop.shutdown(MINUTE).await;
}

/// Starts once; panics at its first job, and cannot start again.
struct Sick {
    starts: Arc<AtomicUsize>,
}

impl Worker for Sick {
    type Job = Job;
    type Output = u64;

    async fn start(&mut self, _: &StartContext) -> Result<(), Fault> {
        if self.starts.fetch_add(1, SeqCst) > 0 { Err("no connection")? } else { Ok(()) }
    }

    async fn process(&mut self, _: &Job, _: &JobContext) -> Result<u64, Fault> {
        std::panic::panic_any("told to panic")
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_version_has_no_rollout_and_a_plan_that_is_none_says_why() {
    let (shop, orders, floor) = community(1).await;
    let pool = || floor.pool(1);
    orders.drain("1.0.0").allow_empty().await.unwrap();
    let first = orders.deploy("2.0.0", pool()).ramp([5]).await.unwrap();
    assert_eq!(first.ended().await, End::Promoted);
    let all = orders.deploy("3.0.0", pool()).ramp([100]).await.unwrap();
    assert_eq!(all.ended().await, End::Promoted);
    let again = orders.deploy("3.0.0", pool()).ramp([5]).await.unwrap();
    assert_eq!(
        (again.ended().await, &again.deployment().how),
        (End::Promoted, &None),
        "it is current and stays so"
    );

    let wrong = |why: DeployError| why.to_string();
    let steps: [i32; 0] = [];
    let refused = orders.deploy("4.0.0", pool()).ramp(steps).await.unwrap_err();
    assert_eq!(wrong(refused), "a plan needs at least one step");
    let refused = orders.deploy("4.0.0", pool()).ramp([5, 5]).await.unwrap_err();
    assert_eq!(wrong(refused), "a step of 5 % follows one of 5 %, and shares must rise with each step");
    let refused = orders.deploy("4.0.0", pool()).ramp([0, 5]).await.unwrap_err();
    assert_eq!(wrong(refused), "a step must give the candidate more than 0 % of new work");
    let refused = orders.deploy("4.0.0", pool()).ramp([5, 101]).await.unwrap_err();
    assert_eq!(wrong(refused), "101 is no share: it must be from 0 to 100 percent");
    let refused = orders.deploy("4.0.0", pool()).ramp([Step::of(100).by_hand()]).await.unwrap_err();
    assert!(wrong(refused).starts_with("the step of 100 % is the promotion"));
    assert!(orders.describe().version("4.0.0").is_none(), "nothing was started");
    shop.shutdown(MINUTE).await;
}

/// A deploy that is repeated, as scripts do, finds what it began.
#[tokio::test(start_paused = true)]
async fn a_plan_that_is_deployed_again_is_the_rollout_in_progress() {
    let (shop, orders, floor) = community(1).await;
    let plan = |version: &str| orders.deploy(version, floor.pool(1)).ramp([10, 50]).by_hand();
    let first = plan("2.0.0").await.unwrap();
    first.next().await.unwrap();
    let again = plan("2.0.0").await.unwrap();
    assert_eq!(again.status(), first.status(), "it does not begin anew");
    let view = orders.describe().to_string();
    assert!(view.contains("orders: rollout of 2.0.0, step 2 of 3: waiting for a person"), "{view}");
    again.promote().await.unwrap();
    assert_eq!((first.ended().await, again.ended().await), (End::Promoted, End::Promoted));
    assert_eq!(plan("2.0.0").await.unwrap().ended().await, End::Promoted, "it is current already");

    orders.deploy("3.0.0", floor.pool(1)).share(5).await.unwrap();
    let by_hand = plan("3.0.0").await.unwrap_err();
    assert_eq!(
        by_hand.to_string(),
        "version 3.0.0 is being ramped by hand; go on with `ramp` and `promote`, or `abort` first"
    );
    shop.shutdown(MINUTE).await;
}
