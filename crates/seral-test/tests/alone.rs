//! One worker without a community, and code that sends jobs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use seral::FaultKind;
use seral::prelude::*;
use seral_test::Outbox;
use seral_test::run_one;
use seral_test::settle;
use seral_test::virtual_time;

const HOUR: Duration = Duration::from_secs(3600);

/// Writes down what is done with it, and what it was told.
#[derive(Clone, Default)]
struct Told {
    cannot_start: bool,
    stopped: Arc<AtomicUsize>,
    cycles: Arc<AtomicUsize>,
}

impl Worker for Told {
    type Job = u64;
    type Output = String;

    async fn start(&mut self, cx: &StartContext) -> Result<(), Fault> {
        cx.sleep(HOUR).await;
        if self.cannot_start { Err("no database")? } else { Ok(()) }
    }

    async fn process(&mut self, hours: &u64, cx: &JobContext) -> Result<String, Fault> {
        for _ in 0..*hours {
            cx.sleep(HOUR).await;
            if cx.is_cancelled() {
                return Err(Fault::cancelled("asked to end"));
            }
            if cx.is_draining() {
                return Err(Fault::snooze(Duration::ZERO));
            }
        }
        let (key, tenant) = (cx.key().map(ToString::to_string), cx.header("tenant").map(str::to_owned));
        let left = cx.time_left().map(|left| left.as_secs() / 3600);
        let sum = cx.blocking(|| 1 + 1).await;
        Ok(format!("{} {} {} {key:?} {tenant:?} {left:?} {sum}", cx.id(), cx.attempt(), cx.version()))
    }

    fn retry(&self, fault: &Fault, attempt: Attempt) -> FaultKind {
        if attempt.get() > 1 { FaultKind::DeadLetter } else { fault.kind() }
    }

    async fn optimize(&mut self, cycle: &Cycle) {
        self.cycles.fetch_add(cycle.processed, Relaxed);
    }

    async fn stop(&mut self) {
        self.stopped.fetch_add(1, Relaxed);
    }
}

#[test]
fn a_worker_is_told_of_its_job_what_the_test_says_and_lives_its_whole_life() {
    let worker = Told::default();
    let run = run_one(worker.clone(), 2).id(7).attempt(3).version("2.0.0").key("k").header("tenant", "acme");
    let said = virtual_time(async { run.deadline(HOUR * 5).await.unwrap() });
    assert_eq!(said, r#"7 3 2.0.0 Some("k") Some("acme") Some(2) 2"#);
    assert_eq!((worker.stopped.load(Relaxed), worker.cycles.load(Relaxed)), (1, 1));
}

#[test]
fn a_fault_is_of_the_kind_that_the_worker_says() {
    virtual_time(async {
        let cancelled = run_one(Told::default(), 9).cancelled_after(HOUR * 3).await.unwrap_err();
        assert_eq!(cancelled.kind(), FaultKind::Cancelled);
        let draining = run_one(Told::default(), 9).draining_after(HOUR * 3).await.unwrap_err();
        assert_eq!(draining.kind(), FaultKind::Snooze(Duration::ZERO));
        let again = run_one(Told::default(), 9).attempt(2).draining_after(HOUR * 3).await.unwrap_err();
        assert_eq!(again.kind(), FaultKind::DeadLetter);
        let worker = Told { cannot_start: true, ..Told::default() };
        assert_eq!(run_one(worker, 9).await.unwrap_err().to_string(), "no database");
    });
}

/// Sends itself a smaller job, in an hour, until nothing is left; and fails at each first attempt.
struct Countdown(Arc<OnceLock<Community<u64, ()>>>);

impl Worker for Countdown {
    type Job = u64;
    type Output = ();

    async fn process(&mut self, left: &u64, cx: &JobContext) -> Result<(), Fault> {
        let own = self.0.get().filter(|_| cx.attempt() != Attempt::FIRST).ok_or("not yet")?;
        if *left > 0 {
            drop(own.submit(left - 1).delay(HOUR).key("countdown").await?);
        }
        Ok(())
    }
}

#[test]
fn all_that_was_sent_has_been_worked_when_it_is_asked_for() {
    virtual_time(async {
        let own = Arc::<OnceLock<Community<u64, ()>>>::default();
        let for_worker = Arc::clone(&own);
        let outbox = Outbox::with(move || Countdown(Arc::clone(&for_worker))).await.unwrap();
        own.set(outbox.community().clone()).unwrap();
        outbox.community().send(3).await.unwrap();
        let sent = outbox.submitted().await;
        assert_eq!(sent.iter().map(|sent| sent.job).collect::<Vec<_>>(), [3, 2, 1, 0]);
        assert!(sent[0].key.is_none() && sent[1].key.is_some());
        outbox.assert_submitted(|sent| sent.job == 0).await;
        outbox.assert_not_submitted(|sent| sent.job == 4).await;
        assert_eq!(outbox.community().describe().done, 4);
    });
}

fn ask_outbox(ask: impl AsyncFnOnce(&Outbox<u64, ()>)) {
    virtual_time(async {
        let outbox = Outbox::open(|_: &u64| Ok(())).await.unwrap();
        outbox.community().send(5).await.unwrap();
        ask(&outbox).await;
    });
}

#[test]
#[should_panic(expected = "no such u64 was submitted, but [Submitted { job: 5,")]
fn what_was_not_sent_is_not_found() {
    ask_outbox(async |outbox| outbox.assert_submitted(|sent| sent.job == 6).await);
}

#[test]
#[should_panic(expected = "this u64 was submitted: Submitted { job: 5,")]
fn what_was_sent_is_found() {
    ask_outbox(async |outbox| outbox.assert_not_submitted(|sent| sent.job == 5).await);
}

#[test]
fn a_job_that_nobody_takes_is_not_waited_for_for_ever() {
    virtual_time(async {
        let orders = Ecosystem::new("shop").community::<u64, ()>("orders").await.unwrap();
        assert_eq!(settle(&orders).await.unwrap().done, 0);
        let hang = Pool::of_fn(1, |_: u64, _cx| std::future::pending());
        orders.deploy("1.0.0", hang).await.unwrap();
        orders.send(1).await.unwrap();
        let unsettled = settle(&orders).await.unwrap_err().to_string();
        assert!(unsettled.starts_with("1 jobs did not come to an end within 30 days"), "{unsettled}");
    });
}
