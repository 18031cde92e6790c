//! What comes of a job on a loaded version: the same as on a linked one, wherever the code of the plugin runs.
//!
//! Seen failing: a panic that is a fault; a plugin that is not asked what becomes of a fault, or of a timeout; facts of a job that are left out; a
//! community's schema that is not compared; the end of a call that was given up, not looked at.

use std::time::Duration;

use payload::Becomes;
use payload::Mood;
use payload::Script;
use payload::Task;
use seral::Event;
use seral::error::JobError;
use seral::prelude::*;

use crate::host::BOTH;
use crate::host::MINUTE;
use crate::host::Where;
use crate::host::community;
use crate::host::loaded;
use crate::host::open;
use crate::host::plugin;
use crate::host::scripted;

/// So many attempts, at once.
fn at_once(attempts: u32) -> RetryPolicy {
    RetryPolicy::attempts(attempts).backoff(Duration::ZERO, Duration::ZERO)
}

/// The end of a job with three attempts.
async fn end_of(orders: &Community<Task, String>, task: Task) -> Result<String, String> {
    let handle = orders.submit(task).retry(at_once(3)).await.unwrap();
    handle.await.map_err(|why| why.to_string())
}

/// What a job comes to after three attempts, or fewer if the worker says so.
fn ends() -> Vec<(Task, Result<String, String>)> {
    let failed = |last: &str| Err(format!("the job failed after 3 attempt(s), the last one with: {last}"));
    let panicked = |text: &str| failed(&format!("panicked: {text}"));
    vec![
        (Task::Say("hello".to_owned()), Ok("hello".to_owned())),
        (Task::Say(String::new()), Ok(String::new())),
        (Task::Bytes(1_000_000), Ok("b".repeat(1_000_000))),
        (Task::Sleep(1), Ok("slept".to_owned())),
        (Task::Block, Ok("blocked".to_owned())),
        (Task::Fail(Becomes::Retry), failed("told to fail")),
        (Task::Fail(Becomes::Discarded), Err("the worker discarded the job: told to fail".to_owned())),
        (
            Task::Fail(Becomes::DeadLetter),
            Err("the job failed after 1 attempt(s), the last one with: told to fail".to_owned()),
        ),
        // The worker's `retry` knows the type of its error, and gives up after the second.
        (Task::FailTyped, Err("the job failed after 2 attempt(s), the last one with: typed".to_owned())),
        (Task::FailSoThatRetryPanics, failed("unspeakable")),
        (Task::Panic("at once".to_owned()), panicked("at once")),
        (Task::PanicLater("later".to_owned()), panicked("later")),
        (Task::PanicWithBomb, panicked("without a text")),
        (Task::PanicBlocking, panicked("in code that blocks")),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_way_to_end_is_as_with_a_linked_worker() {
    for at in BOTH {
        let shop = Ecosystem::new("shop");
        let orders = loaded(&shop, at, Script::default(), 1).await;
        for (task, end) in ends() {
            assert_eq!(end_of(&orders, task.clone()).await, end, "{at:?} {task:?}");
            // The worker is there for the next one, made anew or not.
            assert_eq!(end_of(&orders, Task::Say("and then".to_owned())).await, Ok("and then".to_owned()));
        }
        let view = orders.describe();
        assert_eq!(view.accounted(), view.admitted, "{view}");
        orders.dead_letters().discard();
        assert!(shop.shutdown(MINUTE).await.is_clean());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_makes_the_worker_anew_and_says_where_it_was() {
    for at in BOTH {
        let shop = Ecosystem::new("shop");
        let orders = loaded(&shop, at, Script::default(), 1).await;
        let mut events = orders.events();
        assert_eq!(end_of(&orders, Task::Say("before".to_owned())).await.unwrap(), "before");
        let _ = orders.submit(Task::Panic("anew".to_owned())).await.unwrap().await;
        let rebuilt = loop {
            if let Event::WorkerFailed { why, .. } = events.next().await.unwrap() {
                break why;
            }
        };
        assert_eq!(rebuilt, "`process` panicked: anew", "{at:?}");
        let letters = orders.dead_letters().take();
        let place = format!("{:?}", letters[0].history);
        assert!(place.contains("scripted/src/lib.rs:"), "{at:?}: {place}");
        assert!(shop.shutdown(MINUTE).await.is_clean());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_is_told_all_about_its_job() {
    for at in BOTH {
        let shop = Ecosystem::new("shop");
        let orders = loaded(&shop, at, Script::default(), 1).await;
        let plain = orders.submit(Task::Facts).await.unwrap().await.unwrap();
        let expected = "attempt 1 on 1.0.0 by worker 1; key None; ; pin None; by table 1, as the current version; left false; young true";
        assert_eq!(plain, expected, "{at:?}");
        let numbered = orders.submit(Task::Facts).key(7).await.unwrap().await.unwrap();
        assert!(numbered.contains("key Some(7)"), "{at:?}: {numbered}");
        let rich = orders.submit(Task::Facts).key("ann").tenant("north").header("a", "b").pin("1.0.0");
        let rich = rich.deadline(MINUTE).await.unwrap().await.unwrap();
        let expected = "attempt 1 on 1.0.0 by worker 1; key Some(\"ann\"); tenant=north,a=b; pin Some(\"1.0.0\"); by table 1, since the job names it; left true; young true";
        assert_eq!(rich, expected, "{at:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_takes_too_long_is_cancelled_and_the_worker_is_asked_what_becomes_of_it() {
    for at in BOTH {
        let shop = Ecosystem::new("shop");
        let orders = loaded(&shop, at, Script::default(), 1).await;
        let late = orders.submit(Task::Sleep(3_600_000)).timeout(Duration::from_millis(20)).await.unwrap();
        match late.await {
            // The script's `retry` gives up what did not finish in time.
            Err(JobError::Discarded { why }) => assert!(why.starts_with("timed out"), "{at:?}: {why}"),
            other => panic!("{at:?}: {other:?}"),
        }
        assert_eq!(end_of(&orders, Task::Say("next".to_owned())).await.unwrap(), "next");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_while_a_cancelled_job_is_dropped_is_a_panic_of_the_job() {
    for at in BOTH {
        let shop = Ecosystem::new("shop");
        let orders = loaded(&shop, at, Script::default(), 1).await;
        let late = orders.submit(Task::SleepOnBomb).timeout(Duration::from_millis(20)).await.unwrap();
        match late.await {
            Err(JobError::Failed { attempts: 1, last }) => assert_eq!(last, "panicked: a bomb", "{at:?}"),
            other => panic!("{at:?}: {other:?}"),
        }
        assert_eq!(end_of(&orders, Task::Say("next".to_owned())).await.unwrap(), "next");
    }
}

/// Code that does not come to an `await` cannot be cancelled; its job is not begun elsewhere meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_computes_past_its_time_is_waited_for() {
    for at in BOTH {
        let shop = Ecosystem::new("shop");
        let orders = loaded(&shop, at, Script::default(), 1).await;
        let began = std::time::Instant::now();
        let spins = orders.submit(Task::Spin(500)).timeout(Duration::from_millis(100)).await.unwrap();
        let end = spins.await;
        assert!(began.elapsed() >= Duration::from_millis(500), "{at:?}: {end:?} after {:?}", began.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_asked_to_end_ends() {
    for at in BOTH {
        let shop = Ecosystem::new("shop");
        let orders = loaded(&shop, at, Script::default(), 1).await;
        let asked = orders.submit(Task::UntilCancelled).await.unwrap();
        asked.cancel();
        assert_eq!(asked.await, Err(JobError::Cancelled), "{at:?}");
        let running = orders.submit(Task::UntilCancelled).await.unwrap();
        crate::host::until(|| orders.describe().running == 1).await;
        running.cancel();
        assert_eq!(running.await, Err(JobError::Cancelled), "{at:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_panics_between_jobs_is_started_again() {
    for at in BOTH {
        for mood in [Mood::Panics, Mood::Well] {
            let shop = Ecosystem::new("shop");
            let script = Script { optimize: mood, ..Script::default() };
            let orders = loaded(&shop, at, script, 1).await;
            let mut events = orders.events();
            for number in 0..3 {
                let text = number.to_string();
                assert_eq!(end_of(&orders, Task::Say(text.clone())).await.unwrap(), text, "{at:?}");
            }
            if mood == Mood::Panics {
                let why = loop {
                    if let Event::WorkerFailed { why, .. } = events.next().await.unwrap() {
                        break why;
                    }
                };
                assert_eq!(
                    why.split(" at ").next(),
                    Some("`optimize` panicked: a panic in optimize"),
                    "{at:?}"
                );
            }
        }
    }
}

/// The feature that is missing is named.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokio_needs_a_runtime_of_the_plugins_own() {
    for at in BOTH {
        let shop = Ecosystem::new("shop");
        let orders = loaded(&shop, at, Script::default(), 1).await;
        let without = end_of(&orders, Task::Tokio).await;
        let why = without.unwrap_err();
        assert!(why.contains("own-runtime"), "{at:?}: {why}");

        let shop = Ecosystem::new("shop");
        let orders = community(&shop).await;
        let library = seral_loader::Library::open(plugin("own-runtime")).unwrap();
        let library = if at == Where::Isolated { library.isolated() } else { library };
        orders.deploy("1.0.0", library.pool(2)).await.unwrap();
        assert_eq!(end_of(&orders, Task::Tokio).await.unwrap(), "waited", "{at:?}");
        let through = end_of(&orders, Task::Say("through a socket".to_owned())).await;
        assert_eq!(through.unwrap(), "through a socket", "{at:?}");
        assert!(shop.shutdown(MINUTE).await.is_clean());
    }
}

/// A clock that a test stops is the one that plugins wait by.
#[tokio::test]
async fn a_wait_of_a_resident_plugin_goes_by_the_clock_of_the_runtime() {
    let shop = Ecosystem::new("shop");
    let orders = loaded(&shop, Where::Resident, Script::default(), 1).await;
    tokio::time::pause();
    let began = std::time::Instant::now();
    assert_eq!(orders.submit(Task::Sleep(3_600_000)).await.unwrap().await.unwrap(), "slept");
    assert!(began.elapsed() < MINUTE, "an hour went by");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_sends_where_it_may_and_the_job_comes_back_where_it_may_not() {
    for at in BOTH {
        let shop = Ecosystem::new("shop");
        let invoices = shop.community::<u64, u64>("invoices").await.unwrap();
        invoices.deploy("1", Pool::of_fn(1, |number: u64, _| async move { Ok(number) })).await.unwrap();
        let texts = shop.community::<String, ()>("texts").await.unwrap();
        let orders = community(&shop).await;
        let library = open(scripted(), at, Script::default()).sends_to(&invoices).sends_to(&texts);
        orders.deploy("1.0.0", library.pool(1)).await.unwrap();
        let send = |to: &str| end_of(&orders, Task::Send(to.to_owned(), 17));

        assert_eq!(send("invoices").await.unwrap(), "sent", "{at:?}");
        crate::host::until(|| invoices.describe().done == 1).await;
        let refused = send("letters").await.unwrap_err();
        assert!(refused.ends_with("17 came back: expected a community to which this plugin may send, found `letters`; allow it by `Library::sends_to`"), "{refused}");
        let refused = send("texts").await.unwrap_err();
        assert!(refused.contains("17 came back: expected jobs of schema"), "{refused}");
        orders.dead_letters().discard();
        assert!(shop.shutdown(MINUTE).await.is_clean());
        assert_eq!(invoices.describe().done, 1);
    }
}
