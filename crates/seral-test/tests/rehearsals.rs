//! The test kit by what it promises: one seed gives one history, in any process; an hour passes in a moment; what is scripted goes wrong as it is scripted, and no
//! promise is broken by it.
//!
//! `SERAL_SEEDS=1000` tries more seeds, `SERAL_SEED=7` only one.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use std::env;
use std::fs;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use seral::RestartPolicy;
use seral::State;
use seral::Whose;
use seral::prelude::*;
use seral_test::Draw;
use seral_test::Fate;
use seral_test::History;
use seral_test::Script;
use seral_test::Simulation;
use seral_test::Traffic;
use seral_test::assert_conserved;
use seral_test::assert_drained;
use seral_test::assert_order;
use seral_test::fault;
use seral_test::history::What;
use seral_test::seeds;
use seral_test::virtual_time;

const SEEDS: u64 = 50;
const MS: fn(u64) -> Duration = Duration::from_millis;
const SECS: fn(u64) -> Duration = Duration::from_secs;
const MINUTE: Duration = Duration::from_secs(60);
const TROUBLED: Duration = Duration::from_secs(120);

/// A worker with a few ways of its own: it waits, computes on a thread that is there for it, makes room for a newer version.
struct Till;

impl Worker for Till {
    type Job = u64;
    type Output = u64;

    async fn process(&mut self, cents: &u64, cx: &JobContext) -> Result<u64, Fault> {
        if cents.is_multiple_of(5) {
            cx.sleep(MS(cents % 50)).await;
            if cx.is_draining() {
                return Err(Fault::snooze(Duration::ZERO));
            }
        }
        let cents = *cents;
        if cents.is_multiple_of(7) { Ok(cx.blocking(move || cents / 7).await) } else { Ok(cents) }
    }
}

fn tills(script: Script) -> Pool<u64, u64> {
    script.pool(4, || Till)
}

/// A few minutes in which everything goes wrong that can, at times and in ways that follow from the seed.
fn troubles(seed: u64) -> History {
    let mut draw = Draw::of(seed, &[]);
    let takes = || Script::new().takes(MS(20)..=MS(200));
    let mut simulation = Simulation::new(seed)
        .community(move |jobs| {
            let retry = RetryPolicy::attempts(3).backoff(MS(500), MINUTE);
            jobs.mailbox(60).timeout(SECS(5)).retry(retry).restart(RestartPolicy::limit(3, MINUTE))
        })
        .traffic(Traffic::per_second(10.0).keys(20).burst(MINUTE, 150), |arrival| arrival.draw.below(1_000))
        .traffic(Traffic::per_second(3.0), |arrival| arrival.number)
        .submitted_with(|job, arrival| {
            let tenant = arrival.draw.clone().below(3).to_string();
            let job = job.tenant(tenant);
            if arrival.key.is_none() { job.deadline(SECS(20)).delay(MS(arrival.number % 3_000)) } else { job }
        })
        .deploy("1.0.0", tills(takes().fails(0.02).hangs(0.002).panics(0.01)))
        .finish_within(MS(draw.below(3_000)));
    for step in 0..12 {
        let at = draw.between(Duration::ZERO, TROUBLED);
        let seed = draw.number();
        simulation = simulation.at(at, format!("trouble {step}"), async move |tills_here| {
            let mut draw = Draw::of(seed, &[]);
            let version = format!("{}.0.0", 1 + draw.below(4));
            let script =
                takes().fails(0.05).hangs(0.01).panics(0.02).slow(0.05, SECS(2)).fails_after_work(0.01);
            match draw.below(12) {
                0 => drop(tills_here.deploy(version, tills(script)).await),
                1 | 2 => {
                    let ramp = tills_here.deploy(version, tills(script)).ramp([5, 40]);
                    drop(ramp.lasting(SECS(10), 20).await);
                }
                3 => drop(tills_here.deploy(version, tills(script.panics_at_start())).await),
                4 => drop(tills_here.rollback().await),
                5 | 6 => fault::panic_pool(&tills_here),
                7 => fault::panic_dispatcher(&tills_here),
                8 => (0..3).for_each(|_| fault::kill_worker(&tills_here)),
                9 => drop(tills_here.scale(version, 1 + usize::try_from(draw.below(6)).unwrap()).await),
                10 => drop(tills_here.pin(Whose::tenant("1"), version).lasting(SECS(20)).await),
                _ => drop(tills_here.drain(version).await),
            }
        });
    }
    simulation.run_for(TROUBLED)
}

/// Set in a child, to the file that it is to write histories to.
const CHILD: &str = "SERAL_HISTORIES";

fn start_child(to: &Path) -> Child {
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", "a_seed_gives_one_history_in_two_processes", "--quiet"]);
    child.env(CHILD, to).stdout(Stdio::null()).spawn().unwrap()
}

/// Seen failing: the watcher as a thread; retries that draw by chance; `cx.blocking` on threads; workers in a map that is hashed, or killed in the order of
/// ractor's, when their pool fails.
#[test]
fn a_seed_gives_one_history_in_two_processes() {
    if let Some(to) = env::var_os(CHILD) {
        let printed: String = seeds(SEEDS).map(|seed| troubles(seed).to_string()).collect();
        fs::write(to, printed).unwrap();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let files = ["a", "b"].map(|name| folder.path().join(name));
    let children = files.each_ref().map(|file| start_child(file));
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let [a, b] = files.map(|file| fs::read_to_string(file).unwrap());
    if let Some((a, b)) = a.lines().zip(b.lines()).find(|(a, b)| a != b) {
        panic!("two processes differ:\n{a}\n{b}");
    }
    assert_eq!(a.len(), b.len());
    // In this process other tests run beside, and none of that is in a history.
    let (first, last) = (troubles(*seeds(SEEDS).start()), troubles(*seeds(SEEDS).end()));
    assert!(a.starts_with(&first.to_string()) && a.ends_with(&last.to_string()));
}

/// Seen failing: a fence that lets all jobs of a key go; a dead letter that is not kept.
#[test]
fn whatever_goes_wrong_no_job_is_lost_and_keys_keep_their_order() {
    let mut fates = [Fate::Done, Fate::Dead, Fate::Expired, Fate::HandedBack].map(|fate| (fate, 0));
    for seed in seeds(SEEDS) {
        let history = troubles(seed);
        assert_conserved(&history);
        assert_order(&history);
        for (fate, count) in &mut fates {
            *count += history.count(*fate);
        }
    }
    let seeds = seeds(SEEDS).count() as u64;
    assert!(seeds < SEEDS || fates.iter().all(|(_, count)| *count > 0), "{fates:?}");
}

/// Some 72,000 jobs in an hour: a fifth of a second of an optimised build, some seconds of this one. The bound is for a machine that is at its limits.
///
/// Seen failing: a mailbox that counts as drained with jobs in hand.
#[test]
fn an_hour_passes_in_a_moment() {
    let began = Instant::now();
    let history = Simulation::new(7)
        .traffic(Traffic::per_second(20.0).keys(50).burst(MINUTE * 10, 500), |arrival| {
            arrival.draw.below(1_000)
        })
        .deploy("1.0.0", tills(Script::new().takes(MS(50)..=MS(150)).fails(0.01)))
        .at(MINUTE * 5, "deploy 2.0.0", async |tills_here| {
            let script = Script::new().takes(MS(20)..=MS(100)).fails(0.001);
            tills_here.deploy("2.0.0", tills(script)).ramp([5, 25, 100]).await
        })
        .run_for(MINUTE * 60);
    let took = began.elapsed();
    assert!((71_000..74_000).contains(&history.jobs().len()), "{}", history.summary());
    assert!(took < SECS(60), "it took {took:?}");
    assert_conserved(&history);
    assert_order(&history);
    assert_drained(&history, "1.0.0");
    let (old, new) = (history.attempts_of("1.0.0"), history.attempts_of("2.0.0"));
    assert!(old > 6_000 && new > 60_000, "{old} and {new} attempts");
    let last = history.versions().pop().unwrap();
    assert_eq!((last.0.as_str(), last.1), ("2.0.0", State::Current));
    assert_eq!(history.refused(), 0);
}

// ---- scripts -----------------------------------------------------------------------------------------------------------

/// Ten jobs of a version with this script.
fn ten_jobs(script: Script) -> History {
    Simulation::new(1)
        .community(|jobs| jobs.timeout(SECS(5)).retry(RetryPolicy::attempts(2).backoff(MS(1), MS(1))))
        .traffic(Traffic::none().burst(SECS(1), 10), |arrival| arrival.number)
        .deploy("1.0.0", tills(script))
        .run_for(MINUTE)
}

fn answers(history: &History) -> Vec<String> {
    let answered = |what: &What| match what {
        What::Answered(verb, answer) => Some(format!("{verb}: {answer}")),
        _ => None,
    };
    history.entries().iter().filter_map(|entry| answered(&entry.what)).collect()
}

fn dead(history: &History) -> Vec<String> {
    let of_dead = history.jobs().iter().filter_map(|(number, job)| Some((number, job.end.as_ref()?)));
    let of_dead = of_dead.filter(|(_, end)| end.fate == Fate::Dead);
    of_dead.map(|(number, end)| format!("{number}: {}", end.why)).collect()
}

#[test]
fn jobs_that_a_script_names_go_wrong_as_it_says_and_no_others() {
    let history = ten_jobs(Script::new().panics_on(3).fails_on(4).hangs_on(5));
    let expected = ["3: panicked: told to panic", "4: told to fail", "5: timed out after 5s"];
    assert_eq!(dead(&history), expected, "{history}");
    assert_eq!(history.count(Fate::Done), 7);
    assert_conserved(&history);
}

#[test]
fn a_job_takes_as_long_as_the_script_says() {
    let history = ten_jobs(Script::new().takes(SECS(2)..=SECS(2)).slow(1.0, SECS(1)));
    for (number, job) in history.jobs() {
        let [attempt] = &*job.attempts else { panic!("one attempt at {number}") };
        let (ended, _) = attempt.end.as_ref().unwrap();
        let own = if number % 5 == 0 { MS(number % 50) } else { Duration::ZERO };
        assert_eq!(ended.at, attempt.began.at + SECS(3) + own, "job {number}");
    }
}

#[test]
fn a_worker_that_fails_after_its_work_is_to_do_it_again() {
    let history = ten_jobs(Script::new().fails_after_work(1.0));
    assert_eq!((history.count(Fate::Dead), history.attempts_of("1.0.0")), (10, 20));
}

#[test]
fn versions_whose_workers_cannot_start_are_not_deployed() {
    let deploy = |script: Script| {
        async move |tills_here: Community<u64, u64>| tills_here.deploy("2.0.0", tills(script)).await
    };
    let history = Simulation::new(1)
        .traffic(Traffic::per_second(5.0), |arrival| arrival.number)
        .deploy("1.0.0", tills(Script::new().starts_in(SECS(1))))
        .at(SECS(10), "fails", deploy(Script::new().fails_at_start()))
        .at(SECS(20), "panics", deploy(Script::new().panics_at_start()))
        .at(SECS(30), "hangs", deploy(Script::new().hangs_at_start()))
        .run_for(MINUTE * 2);
    let answers = answers(&history);
    assert_eq!(answers[0], "deploy 1.0.0: 1.0.0 is Current");
    for (answer, why) in answers[1..].iter().zip(["told to fail", "told to panic", "30s"]) {
        assert!(answer.contains("refused") && answer.contains(why), "{answer}");
    }
    assert_eq!(answers.len(), 4);
    assert_conserved(&history);
    assert_eq!(history.count(Fate::Done), history.jobs().len());
}

/// A quarter of an hour in which a version that fails so often comes beside one that fails one job in fifty.
fn upgrade(seed: u64, fails: f64) -> History {
    let takes = || Script::new().takes(MS(20)..=MS(200));
    Simulation::new(seed)
        .community(|jobs| jobs.retry(RetryPolicy::attempts(8).backoff(SECS(1), MINUTE)))
        .traffic(Traffic::per_second(10.0).keys(500), |arrival| arrival.draw.below(1_000))
        .deploy("1.0.0", tills(takes().fails(0.02)))
        .at(MINUTE, "2.0.0 by steps", async move |tills_here| {
            tills_here.deploy("2.0.0", tills(takes().fails(fails))).ramp([10, 50]).await
        })
        .run_for(15 * MINUTE)
}

/// Seen failing: a guard that is off, and one with an `alpha` of 0.9.
#[test]
fn a_bad_version_takes_itself_back_in_each_history_and_a_good_one_in_none() {
    for seed in seeds(20) {
        let (bad, good) = (upgrade(seed, 0.3), upgrade(seed, 0.02));
        for history in [&bad, &good] {
            assert_conserved(history);
            assert_order(history);
            assert_eq!(history.count(Fate::Done), history.jobs().len(), "seed {seed}");
        }
        assert_eq!(bad.condemned(), ["2.0.0".into()], "seed {seed}");
        assert_drained(&bad, "2.0.0");
        assert!(bad.attempts_of("2.0.0") < 200, "seed {seed}: {}", bad.attempts_of("2.0.0"));
        assert_eq!(good.condemned(), [], "seed {seed}");
    }
}

#[test]
fn what_is_not_done_in_the_end_is_handed_back_and_in_the_history() {
    let history = Simulation::new(1)
        .traffic(Traffic::per_second(10.0).evenly(), |arrival| arrival.number)
        .deploy("1.0.0", tills(Script::new().takes(SECS(1)..=SECS(1))))
        .finish_within(SECS(1))
        .run_for(SECS(10));
    assert!(history.count(Fate::HandedBack) > 40, "{history}");
    assert_conserved(&history);
    assert!(
        history
            .check_drained("1.0.0")
            .unwrap_err()
            .to_string()
            .ends_with("1.0.0 is Current in the end, not drained")
    );
}

#[test]
fn a_job_that_no_version_takes_is_refused_in_the_end() {
    let history = Simulation::<u64, u64>::new(1)
        .traffic(Traffic::none().burst(SECS(1), 3), |arrival| arrival.number)
        .run_for(MINUTE);
    assert_eq!((history.jobs().len(), history.refused()), (0, 3), "{history}");
}

#[test]
fn a_pool_that_no_script_made_is_not_taken_for_one_that_keeps_order() {
    let history = Simulation::new(1)
        .traffic(Traffic::none().burst(SECS(1), 3), |arrival| arrival.number)
        .deploy("1.0.0", Pool::of(1, || Till))
        .run_for(MINUTE);
    assert!(history.check_order().unwrap_err().to_string().contains("nobody saw it begin"));
}

#[test]
#[should_panic(expected = "there is nothing to simulate: version 1.0.0")]
fn a_first_version_that_cannot_start_ends_the_simulation() {
    ten_jobs(Script::new().fails_at_start());
}

#[test]
#[should_panic(expected = "the verb says no")]
fn a_panic_of_a_verb_is_one_of_the_test() {
    let verb =
        async |tills_here: Community<u64, u64>| assert!(tills_here.describe().done > 0, "the verb says no");
    Simulation::new(1).at(SECS(1), "no", verb).run_for(MINUTE);
}

#[test]
#[should_panic(expected = "run it from a plain `#[test]`")]
fn a_simulation_within_a_runtime_says_where_it_belongs() {
    virtual_time(async { Simulation::<u64, u64>::new(1).run_for(MINUTE) });
}
