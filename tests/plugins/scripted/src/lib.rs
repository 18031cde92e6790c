//! A worker that does what its jobs and its configuration tell it to.

use std::error::Error;
use std::fmt;
use std::time::Duration;
use std::time::Instant;

use payload::Becomes;
use payload::Mood;
use payload::Script;
use payload::Task;
use seral_plugin::Attempt;
use seral_plugin::Cycle;
use seral_plugin::Fault;
use seral_plugin::FaultKind;
use seral_plugin::JobContext;
use seral_plugin::StartContext;
use seral_plugin::Worker;

seral_plugin::export_worker!(Scripted, |script: Script| Scripted::new(script));

/// The worker.
struct Scripted {
    script: Script,
    said: u64,
}

impl Scripted {
    fn new(script: Script) -> Self {
        now(script.create, "create");
        Self { script, said: 0 }
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        now(self.script.drop, "drop");
    }
}

/// Does something that is no future.
fn now(mood: Mood, what: &str) {
    match mood {
        Mood::Panics => panic!("a panic in {what}"),
        Mood::Hangs => loop {
            std::thread::park();
        },
        Mood::Well | Mood::Fails => {}
    }
}

impl Worker for Scripted {
    type Job = Task;
    type Output = String;

    async fn start(&mut self, cx: &StartContext) -> Result<(), Fault> {
        match self.script.start {
            Mood::Fails => Err(Fault::retry("told to fail")),
            Mood::Hangs => std::future::pending().await,
            mood => {
                cx.sleep(Duration::from_millis(1)).await;
                now(mood, "start");
                Ok(())
            }
        }
    }

    async fn process(&mut self, task: &Task, cx: &JobContext) -> Result<String, Fault> {
        match task {
            Task::Say(text) => {
                self.said += 1;
                Ok(text.clone())
            }
            Task::Facts => Ok(facts(cx)),
            Task::Sleep(millis) => {
                cx.sleep(Duration::from_millis(*millis)).await;
                Ok("slept".to_owned())
            }
            Task::UntilCancelled => {
                cx.cancelled().await;
                assert!(cx.is_cancelled(), "it was said so");
                Err(Fault::cancelled("asked to"))
            }
            Task::UntilDraining => {
                cx.draining().await;
                assert!(cx.is_draining(), "it was said so");
                Err(Fault::snooze(Duration::ZERO))
            }
            Task::Fail(Becomes::Retry) => Err(std::io::Error::other("told to fail"))?,
            Task::Fail(Becomes::Snooze) => Err(Fault::snooze(Duration::ZERO)),
            Task::Fail(Becomes::Discarded) => Err(Fault::discard("told to fail")),
            Task::Fail(Becomes::DeadLetter) => Err(Fault::dead_letter("told to fail")),
            Task::FailTyped => Err(Typed)?,
            Task::FailSoThatRetryPanics => Err(Unspeakable)?,
            Task::Panic(text) => panic!("{text}"),
            Task::PanicLater(text) => {
                cx.sleep(Duration::from_millis(1)).await;
                panic!("{text}")
            }
            Task::PanicWithBomb => std::panic::panic_any(Bomb),
            Task::SleepOnBomb => {
                let bomb = Bomb;
                cx.sleep(Duration::from_secs(3_600)).await;
                drop(bomb);
                Ok(String::new())
            }
            Task::Block => Ok(cx.blocking(|| "blocked".to_owned()).await),
            Task::PanicBlocking => cx.blocking(|| panic!("in code that blocks")).await,
            Task::Spin(millis) => {
                let end = Instant::now() + Duration::from_millis(*millis);
                while Instant::now() < end {
                    std::hint::spin_loop();
                }
                Ok("spun".to_owned())
            }
            Task::Send(community, number) => match seral_plugin::send(cx, community, *number).await {
                Ok(()) => Ok("sent".to_owned()),
                Err(refused) => Err(Fault::dead_letter(format!("{} came back: {refused}", refused.job))),
            },
            Task::Tell(text) => {
                tracing::warn!(target: "scripted::orders", said = self.said, text, "told");
                tracing::trace!("whispered");
                Ok("told".to_owned())
            }
            Task::Tokio => {
                tokio::time::sleep(Duration::from_millis(1)).await;
                Ok("waited".to_owned())
            }
            Task::Bytes(len) => Ok("b".repeat(*len)),
        }
    }

    fn retry(&self, fault: &Fault, attempt: Attempt) -> FaultKind {
        assert!(!fault.why().is::<Unspeakable>(), "retry cannot bear it");
        match fault.why().is::<Typed>() {
            true if attempt.get() >= 2 => FaultKind::DeadLetter,
            _ if fault.to_string().starts_with("timed out") => FaultKind::Discard,
            _ => fault.kind(),
        }
    }

    async fn optimize(&mut self, cycle: &Cycle) {
        if cycle.processed > 0 {
            now(self.script.optimize, "optimize");
        }
    }

    async fn stop(&mut self) {
        now(self.script.stop, "stop");
    }
}

fn facts(cx: &JobContext) -> String {
    let headers: Vec<_> = cx.headers().iter().map(|it| format!("{}={}", it.name, it.value)).collect();
    format!(
        "attempt {} on {} by worker {}; key {:?}; {}; pin {:?}; {}; left {}; young {}",
        cx.attempt(),
        cx.version(),
        cx.worker(),
        cx.key(),
        headers.join(","),
        cx.pin(),
        cx.route(),
        cx.time_left().is_some(),
        cx.age() < Duration::from_secs(60),
    )
}

/// An error that `retry` knows.
#[derive(Debug)]
struct Typed;

/// An error that `retry` does not want to know.
#[derive(Debug)]
struct Unspeakable;

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a bomb");
    }
}

impl fmt::Display for Typed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("typed")
    }
}

impl fmt::Display for Unspeakable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unspeakable")
    }
}

impl Error for Typed {}

impl Error for Unspeakable {}

/// Runs when the library is opened, before anything that its host calls; and goes as the environment says.
#[used]
#[unsafe(link_section = ".init_array")]
static INITIALIZER: extern "C" fn() = {
    extern "C" fn initialize() {
        match std::env::var("SERAL_PLUGIN_INITIALIZER").as_deref() {
            Ok("hangs") => now(Mood::Hangs, "an initializer"),
            Ok("panics") => now(Mood::Panics, "an initializer"),
            Ok("exits") => std::process::exit(0),
            _ => {}
        }
    }
    initialize
};
