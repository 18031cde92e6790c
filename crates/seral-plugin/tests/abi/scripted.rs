//! A worker that does what it is told to, and notes its end.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use seral_plugin::Attempt;
use seral_plugin::Cycle;
use seral_plugin::Fault;
use seral_plugin::FaultKind;
use seral_plugin::JobContext;
use seral_plugin::Schema;
use seral_plugin::StartContext;
use seral_plugin::Worker;
use seral_plugin::export::Make;
use serde::Deserialize;
use serde::Serialize;

/// What a worker is made with: what it does beside its jobs. Its name is that of a test, by which is noted what becomes of it.
#[derive(Clone, Serialize, Deserialize, Schema)]
pub(crate) struct Setting {
    pub(crate) name: String,
    pub(crate) panics_in: String,
}

#[derive(Serialize, Deserialize, Schema)]
pub(crate) enum Task {
    Say(String),
    Facts,
    Fail,
    FailSoThatRetryPanics,
    Panic,
    PanicWithBomb,
    AskTheHost,
    Block { panics: bool },
    Send(u32),
}

/// How often a worker of this name was dropped, and code that it has given away.
static DROPPED: Mutex<BTreeMap<String, usize>> = Mutex::new(BTreeMap::new());

/// Notes that it was dropped.
struct Noted(String);

impl Drop for Noted {
    fn drop(&mut self) {
        *DROPPED.lock().unwrap().entry(self.0.clone()).or_default() += 1;
    }
}

pub(crate) fn dropped(name: &str) -> usize {
    DROPPED.lock().unwrap().get(name).copied().unwrap_or(0)
}

pub(crate) struct Scripted(Setting);

pub(crate) struct Maker;

impl Make for Maker {
    type Worker = Scripted;
    type Config = Setting;

    fn make(setting: Setting) -> Scripted {
        setting.panic_if("create");
        Scripted(setting)
    }
}

impl Setting {
    fn panic_if(&self, here: &str) {
        assert!(self.panics_in != here, "a panic in {here}");
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        drop(Noted(self.0.name.clone()));
        self.0.panic_if("drop");
    }
}

impl Worker for Scripted {
    type Job = Task;
    type Output = String;

    async fn start(&mut self, cx: &StartContext) -> Result<(), Fault> {
        self.0.panic_if("start");
        if self.0.panics_in == "nowhere, but start fails" {
            return Err(Fault::discard("start fails"));
        }
        cx.sleep(Duration::from_millis(5)).await;
        Ok(())
    }

    async fn process(&mut self, task: &Task, cx: &JobContext) -> Result<String, Fault> {
        match task {
            Task::Say(text) => Ok(text.clone()),
            Task::Facts => Ok(facts(cx)),
            Task::Fail => Err(Outer(std::io::Error::other("inner")))?,
            Task::FailSoThatRetryPanics => Err(Unspeakable)?,
            Task::Panic => panic!("told to"),
            Task::PanicWithBomb => std::panic::panic_any(Bomb),
            Task::AskTheHost => {
                cx.sleep(Duration::from_secs(2)).await;
                cx.cancelled().await;
                cx.draining().await;
                cx.sleep(Duration::MAX).await;
                Ok(format!("{} {} {}", cx.is_cancelled(), cx.is_draining(), cx.now().as_nanos()))
            }
            Task::Block { panics } => {
                let (panics, thread) = (*panics, std::thread::current().id());
                let code = Noted(format!("code of {}", self.0.name));
                let there = cx.blocking(move || {
                    let _code = code;
                    assert!(!panics, "in code that blocks");
                    std::thread::current().id()
                });
                Ok(format!("elsewhere: {}", there.await != thread))
            }
            Task::Send(number) => match seral_plugin::send(cx, "invoices", *number).await {
                Ok(()) => Ok("sent".to_owned()),
                Err(back) => Ok(format!("{} came back: {back}", back.job)),
            },
        }
    }

    fn retry(&self, fault: &Fault, attempt: Attempt) -> FaultKind {
        self.0.panic_if("retry");
        assert!(!fault.why().is::<Unspeakable>(), "retry cannot bear it");
        match (fault.why().is::<Outer>(), attempt.get()) {
            (true, 3) => FaultKind::DeadLetter,
            (false, 4) => FaultKind::Snooze(Duration::from_secs(9)),
            _ => fault.kind(),
        }
    }

    async fn optimize(&mut self, cycle: &Cycle) {
        self.0.panic_if(&format!("optimize {} {} {}", cycle.processed, cycle.failed, cycle.batch));
    }

    async fn stop(&mut self) {
        self.0.panic_if("stop");
    }
}

fn facts(cx: &JobContext) -> String {
    format!(
        "job {} attempt {} of {} on {}; key {:?} header {:?} pin {:?}; left {:?}; route {}",
        cx.id(),
        cx.attempt(),
        cx.worker(),
        cx.version(),
        cx.key(),
        cx.header("a"),
        cx.pin(),
        cx.time_left(),
        cx.route()
    )
}

/// Panics when it is dropped.
pub(crate) struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a bomb");
    }
}

/// An error that `retry` knows by its type.
#[derive(Debug)]
struct Outer(std::io::Error);

/// An error that it does not want to know.
#[derive(Debug)]
struct Unspeakable;

impl fmt::Display for Outer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("outer")
    }
}

impl fmt::Display for Unspeakable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unspeakable")
    }
}

impl Error for Outer {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

impl Error for Unspeakable {}
