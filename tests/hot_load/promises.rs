//! The promises, with versions that are linked, resident and isolated beside each other.
//!
//! Seen failing: a job that is processed twice.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use parking_lot::Mutex;
use payload::Becomes;
use payload::Script;
use payload::Task;
use seral::error::JobError;
use seral::prelude::*;
use seral_test::Fate;
use seral_test::Ledger;
use seral_test::fault;

use crate::host::BOTH;
use crate::host::MINUTE;
use crate::host::Where;
use crate::host::community;
use crate::host::loaded;
use crate::host::open;
use crate::host::scripted_as;
use crate::host::until;

/// How many jobs flow while versions come and go.
const ALL: u64 = 4_000;

/// Which jobs were done, and how often: told by the code that does them.
type Done = Arc<Mutex<BTreeMap<u64, u32>>>;

/// A community that notes the numbers that are sent to it.
async fn log(shop: &Ecosystem) -> (Community<u64, ()>, Done) {
    let done = Done::default();
    let note = Arc::clone(&done);
    let pool = Pool::of_fn(1, move |number: u64, _| {
        *note.lock().entry(number).or_default() += 1;
        async { Ok(()) }
    });
    let log = shop.community::<u64, ()>("log").await.unwrap();
    log.deploy("1", pool).await.unwrap();
    (log, done)
}

/// A worker that is linked and does what the tasks of these tests say.
fn linked(workers: usize, log: &Community<u64, ()>) -> Pool<Task, String> {
    let log = log.clone();
    Pool::of_fn(workers, move |task: Task, cx| {
        let log = log.clone();
        async move {
            match task {
                Task::Send(_, number) => {
                    log.send(number).await.or_dead_letter()?;
                    Ok("sent".to_owned())
                }
                Task::Sleep(millis) => {
                    cx.sleep(Duration::from_millis(millis)).await;
                    Ok("slept".to_owned())
                }
                Task::Panic(text) => std::panic::panic_any(text),
                Task::Fail(Becomes::Discarded) => Err(Fault::discard("told to fail")),
                Task::Fail(_) => Err(Fault::retry("told to fail")),
                task => Ok(format!("{task:?}")),
            }
        }
    })
}

/// Mostly something that is noted when it is done; now and then something that fails.
fn task(number: u64, rng: &mut Rng) -> Task {
    match rng.u8(..20) {
        0 => Task::Panic("told to".to_owned()),
        1 => Task::Fail(Becomes::Retry),
        2 => Task::Fail(Becomes::Discarded),
        3..6 => Task::Sleep(rng.u64(..3)),
        _ => Task::Send("log".to_owned(), number),
    }
}

/// So many jobs later, or when all have been sent.
async fn flowed(orders: &Community<Task, String>, jobs: u64) {
    let upto = (orders.describe().admitted + jobs).min(ALL);
    until(|| orders.describe().admitted >= upto).await;
}

fn fate(end: &Result<String, JobError>) -> Fate {
    match end {
        Ok(_) => Fate::Done,
        Err(JobError::Discarded { .. }) => Fate::Discarded,
        Err(JobError::Failed { .. }) => Fate::Dead,
        Err(JobError::HandedBack) => Fate::HandedBack,
        Err(other) => panic!("{other}"),
    }
}

/// Jobs flow while versions of all three kinds succeed each other, are ramped beside each other and rolled back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_job_has_one_end_whatever_kind_of_version_does_it() {
    let directory = tempfile::tempdir().unwrap();
    let shop = Ecosystem::new("shop");
    let (log, done) = log(&shop).await;
    let orders = community(&shop).await;
    orders.deploy("0.0.0", linked(2, &log)).await.unwrap();

    let sender = tokio::spawn({
        let orders = orders.clone();
        async move {
            let (mut ledger, mut noted, mut handles) = (Ledger::new(), BTreeSet::new(), Vec::new());
            let mut rng = Rng::with_seed(1);
            for number in 0..ALL {
                let task = task(number, &mut rng);
                if matches!(task, Task::Send(..)) {
                    noted.insert(number);
                }
                let retry = RetryPolicy::attempts(2).backoff(Duration::ZERO, Duration::ZERO);
                let submit = orders.submit(task).retry(retry);
                let submit = if rng.bool() { submit.key(rng.u64(..20)) } else { submit };
                let handle = submit.await.unwrap();
                ledger.admitted(handle.id().get());
                handles.push(handle);
                if number % 8 == 0 {
                    tokio::task::yield_now().await;
                }
            }
            for handle in handles {
                let id = handle.id().get();
                ledger.ended(id, fate(&handle.await));
            }
            (ledger, noted)
        }
    });

    let mut rng = Rng::with_seed(2);
    for digit in 1..10 {
        let version = format!("9.8.{digit}");
        let pool = match digit % 3 {
            0 => linked(2, &log).build(version.clone()),
            kind => {
                let at = if kind == 1 { Where::Resident } else { Where::Isolated };
                let path = scripted_as(&version, directory.path());
                open(&path, at, Script::default()).sends_to(&log).pool(2)
            }
        };
        match rng.u8(..3) {
            0 => drop(orders.deploy(&*version, pool).await.unwrap()),
            1 => {
                orders.deploy(&*version, pool).share(50).await.unwrap();
                flowed(&orders, 50).await;
                // Its workers may all be about to be made anew, after a panic.
                orders.promote(&*version).force().await.unwrap();
            }
            _ => {
                orders.deploy(&*version, pool).await.unwrap();
                flowed(&orders, 50).await;
                orders.rollback().await.unwrap();
            }
        }
        flowed(&orders, 200).await;
    }

    let (ledger, noted) = sender.await.unwrap();
    let findings = ledger.audit();
    assert!(findings.is_clean(), "{findings}");
    until(|| log.describe().waiting + log.describe().running == 0).await;
    let done = done.lock().clone();
    assert_eq!(done.keys().copied().collect::<BTreeSet<_>>(), noted, "a job was not done, or is a stranger");
    assert!(done.values().all(|times| *times == 1), "a job was done twice");
    let view = orders.describe();
    assert_eq!((view.admitted, view.accounted()), (ALL, ALL), "{view}");
    orders.dead_letters().discard();
    assert!(shop.shutdown(MINUTE).await.is_clean());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn linked_and_loaded_versions_share_jobs_as_told() {
    for at in BOTH {
        let shop = Ecosystem::new("shop");
        let (log, _) = log(&shop).await;
        let orders = community(&shop).await;
        orders.deploy("0.9.0", linked(2, &log)).await.unwrap();
        let library = open(crate::host::scripted(), at, Script::default());
        orders.deploy("1.0.0", library.pool(2)).share(25).await.unwrap();
        for number in 0..2_000 {
            orders.send(Task::Say(number.to_string())).await.unwrap();
        }
        until(|| orders.describe().done == 2_000).await;
        let done = orders.describe().version("1.0.0").unwrap().done;
        assert!((400..600).contains(&done), "{at:?}: {done} of 2,000 are not a quarter");
        orders.promote("1.0.0").await.unwrap();
        let before = orders.describe().version("0.9.0").map_or(0, |version| version.done);
        for number in 0..500 {
            assert_eq!(orders.ask(Task::Say(number.to_string())).await.unwrap(), number.to_string());
        }
        let after = orders.describe().version("0.9.0").map_or(0, |version| version.done);
        assert_eq!(before, after, "{at:?}: the old version got jobs after it was left");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_a_shutdown_running_jobs_finish_and_waiting_ones_are_handed_back() {
    for at in BOTH {
        let shop = Ecosystem::new("shop");
        let orders = loaded(&shop, at, Script::default(), 1).await;
        let running = orders.submit(Task::Sleep(100)).await.unwrap();
        until(|| orders.describe().running == 1).await;
        let report = shop.shutdown(MINUTE).await;
        assert!(report.is_clean(), "{report}");
        assert_eq!(running.await.unwrap(), "slept", "{at:?}");

        let shop = Ecosystem::new("shop");
        let orders = loaded(&shop, at, Script::default(), 1).await;
        let running = orders.submit(Task::Sleep(3_600_000)).await.unwrap();
        let waiting = orders.submit(Task::Say("late".to_owned())).key(1).await.unwrap();
        until(|| orders.describe().running == 1).await;
        let report = shop.shutdown(Duration::from_millis(50)).await;
        assert_eq!(running.await, Err(JobError::HandedBack), "{at:?}: {report}");
        let waiting = waiting.await;
        assert!(
            waiting == Ok("late".to_owned()) || waiting == Err(JobError::HandedBack),
            "{at:?}: {waiting:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_makes_room_when_its_version_is_to_go() {
    for at in BOTH {
        let shop = Ecosystem::new("shop");
        let (log, _) = log(&shop).await;
        let orders = loaded(&shop, at, Script::default(), 1).await;
        let job = orders.submit(Task::UntilDraining).await.unwrap();
        until(|| orders.describe().running == 1).await;
        orders.deploy("2.0.0", linked(1, &log)).hand_back_after(Duration::ZERO).await.unwrap();
        assert_eq!(job.await.unwrap(), "UntilDraining", "{at:?}: the new version has gone on with it");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_of_one_key_are_done_in_order_across_kinds_of_versions() {
    let shop = Ecosystem::new("shop");
    let order = Arc::new(Mutex::new(Vec::new()));
    let note = Arc::clone(&order);
    let log = shop.community::<u64, ()>("log").await.unwrap();
    let pool = Pool::of_fn(1, move |number: u64, _| {
        note.lock().push(number);
        async { Ok(()) }
    });
    log.deploy("1", pool).await.unwrap();
    let orders = community(&shop).await;
    orders.deploy("0.9.0", linked(3, &log)).await.unwrap();
    for number in 0..300 {
        drop(orders.submit(Task::Send("log".to_owned(), number)).key("one").await.unwrap());
        let kind = match number {
            100 => Where::Resident,
            200 => Where::Isolated,
            _ => continue,
        };
        let directory = tempfile::tempdir().unwrap();
        let path = scripted_as(&format!("9.7.{}", number / 100), directory.path());
        let library = open(&path, kind, Script::default()).sends_to(&log);
        orders.deploy(library.version(), library.pool(3)).await.unwrap();
    }
    until(|| order.lock().len() == 300).await;
    assert_eq!(*order.lock(), (0..300).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_killed_and_a_pool_that_fails_lose_no_job() {
    for at in BOTH {
        let shop = Ecosystem::new("shop");
        let orders = loaded(&shop, at, Script::default(), 2).await;
        let mut handles = Vec::new();
        for number in 0..200_u64 {
            let retry = RetryPolicy::attempts(100).backoff(Duration::ZERO, Duration::ZERO);
            handles.push(orders.submit(Task::Sleep(number % 3)).retry(retry).await.unwrap());
            match number {
                50 | 100 => fault::kill_worker(&orders),
                150 => fault::panic_pool(&orders),
                _ => {}
            }
        }
        for handle in handles {
            assert_eq!(handle.await.unwrap(), "slept", "{at:?}");
        }
        assert!(shop.shutdown(MINUTE).await.is_clean());
    }
}
