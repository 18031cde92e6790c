//! A job that blocks its thread: it stays with its worker, whatever it does and whatever is done to that; another worker takes its place meanwhile.
//!
//! Real time and real threads, since blocking a thread is what it is about. Nothing is measured: each step waits until the one before was seen.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use parking_lot::Mutex;
use seral::Condition;
use seral::Event;
use seral::Events;
use seral::HeartbeatPolicy;
use seral::JobHandle;
use seral::error::JobError;
use seral::prelude::*;
use seral_test::fault;
use tokio::sync::Semaphore;

use crate::kit::hush;
use crate::script::MINUTE;
use crate::script::assert_accounted;
use crate::script::at_once;

/// How long a broken runtime would make a test wait.
const TOO_LONG: Duration = Duration::from_secs(20);

/// A thousand times as long as it takes.
const A_WHILE: Duration = Duration::from_secs(5);

/// What a job does when it lets go of its thread.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    Done,
    Fail,
    Panic,
    Wait,
}

/// Lets blocked jobs go on, by number, and knows which attempts were begun, where.
#[derive(Clone, Default)]
struct Blocks {
    releases: Arc<Mutex<HashMap<u64, mpsc::Sender<Then>>>>,
    begun: Arc<Mutex<Vec<(u64, u32, u64)>>>,
    /// Where the worker of the next job that blocks is killed, just before it does.
    kill: Arc<Mutex<Option<Community<u64, u64>>>>,
}

impl Blocks {
    /// Workers whose jobs below 10 block at their first attempt, until they are released.
    fn pool(&self, workers: usize) -> Pool<u64, u64> {
        let blocks = self.clone();
        Pool::of_fn(workers, move |number, cx| {
            let blocks = blocks.clone();
            async move { blocks.act(number, &cx).await }
        })
    }

    async fn act(&self, number: u64, cx: &JobContext) -> Result<u64, Fault> {
        self.begun.lock().push((number, cx.attempt().get(), cx.worker().get()));
        if number >= 10 || cx.attempt().get() > 1 {
            return Ok(number);
        }
        if let Some(orders) = self.kill.lock().take() {
            // From another thread, so that whoever is woken by it does not stand behind this job.
            std::thread::spawn(move || fault::kill_worker(&orders)).join().unwrap();
        }
        let (release, blocked) = mpsc::channel();
        self.releases.lock().insert(number, release);
        match blocked.recv_timeout(TOO_LONG) {
            Ok(Then::Fail) => Err("told to fail")?,
            Ok(Then::Panic) => std::panic::panic_any("told to panic"),
            Ok(Then::Wait) => tokio::time::sleep(TOO_LONG).await,
            Ok(Then::Done) | Err(_) => {}
        }
        Ok(number)
    }

    fn release(&self, number: u64, then: Then) {
        self.releases.lock().remove(&number).unwrap().send(then).unwrap();
    }

    /// The attempts at this job.
    fn attempts_at(&self, number: u64) -> Vec<u32> {
        let begun = self.begun.lock();
        begun.iter().filter(|(begun, ..)| *begun == number).map(|(_, attempt, _)| *attempt).collect()
    }
}

/// A community in which a worker is blocked after 100 ms.
async fn community(blocks: &Blocks, workers: usize) -> (Ecosystem, Community<u64, u64>) {
    hush();
    let shop = Ecosystem::new("shop");
    let policy = HeartbeatPolicy::default().blocked(Duration::from_millis(100)).long(TOO_LONG);
    let orders = shop.community("orders").retry(at_once(3)).heartbeat(policy).await.unwrap();
    orders.deploy("1", blocks.pool(workers)).await.unwrap();
    (shop, orders)
}

/// Runs a test on six threads, in a task, so that it shares them with the workers.
fn on_threads(test: impl Future<Output = ()> + Send + 'static) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(6).enable_all().build().unwrap();
    let ended = runtime.block_on(async { tokio::time::timeout(TOO_LONG * 2, tokio::spawn(test)).await });
    if let Err(failed) = ended.unwrap() {
        std::panic::resume_unwind(failed.into_panic());
    }
}

/// Reads on until there was such an event.
async fn until<T>(events: &mut Events, wanted: impl Fn(&Event) -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = wanted(&events.next().await.unwrap()) {
                return found;
            }
        }
    };
    tokio::time::timeout(TOO_LONG, found).await.unwrap()
}

/// Waits until a worker is blocked, or has recovered from it. Returns which, and its job.
async fn until_condition(events: &mut Events, wanted: Condition) -> (u64, Option<u64>) {
    let changed = |event: &Event| match event {
        Event::WorkerCondition { worker, condition, job, .. } if *condition == wanted => {
            Some((worker.get(), job.map(seral::JobId::get)))
        }
        _ => None,
    };
    until(events, changed).await
}

/// Waits until a replacement is there. Returns which worker, and beside which.
async fn until_replaced(events: &mut Events) -> (u64, u64) {
    let started = |event: &Event| match event {
        Event::ReplacementStarted { worker, beside, .. } => Some((worker.get(), beside.get())),
        _ => None,
    };
    until(events, started).await
}

async fn submit_all(orders: &Community<u64, u64>, numbers: std::ops::Range<u64>) -> Vec<JobHandle<u64>> {
    let mut handles = Vec::new();
    for number in numbers {
        handles.push(orders.submit(number).await.unwrap());
    }
    handles
}

async fn all_done(handles: Vec<JobHandle<u64>>) {
    for handle in handles {
        assert!(handle.await.is_ok());
    }
}

/// Waits until there are so many workers, and looks whether it stays so for ten looks of the watcher.
async fn come_to(orders: &Community<u64, u64>, workers: usize) {
    let mut right = 0;
    let came = async {
        while right < 20 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let have = orders.heartbeats().len();
            right = if have == workers { right + 1 } else { 0 };
        }
    };
    let came = tokio::time::timeout(A_WHILE, came).await;
    let there: Vec<_> = orders.heartbeats().iter().map(ToString::to_string).collect();
    assert!(came.is_ok(), "not {workers}: {there:#?}");
}

#[test]
fn beside_a_blocked_worker_another_is_started_and_one_leaves_when_it_has_recovered() {
    on_threads(async {
        let blocks = Blocks::default();
        let (shop, orders) = community(&blocks, 1).await;
        let mut events = orders.events();
        let blocked = orders.submit(0).await.unwrap();
        let id = blocked.id().get();
        assert_eq!(until_condition(&mut events, Condition::Blocked).await, (1, Some(id)));
        assert_eq!(until_replaced(&mut events).await, (2, 1));
        all_done(submit_all(&orders, 10..110).await).await;
        assert_eq!(blocks.attempts_at(0), [1], "it was not started elsewhere");
        let view = orders.describe();
        assert_eq!((view.running, view.version("1").unwrap().workers), (1, 2), "{view}");
        assert!(view.to_string().contains("Blocked"), "{view}");
        blocks.release(0, Then::Done);
        assert_eq!(blocked.await, Ok(0));
        assert_eq!(until_condition(&mut events, Condition::Well).await, (1, Some(id)));
        come_to(&orders, 1).await;
        all_done(submit_all(&orders, 110..120).await).await;
        let by_each: usize = orders.heartbeats().len();
        assert_eq!((by_each, blocks.attempts_at(0)), (1, vec![1]));
        assert!(shop.shutdown(MINUTE).await.is_clean());
        assert_eq!(blocks.begun.lock().len(), 111, "each job was begun once");
        assert_eq!((orders.describe().done, orders.describe().faults), (111, 0));
        assert_accounted(&orders, 111);
    });
}

/// Three are blocked in a pool of three, one after the other: three replacements, and no more.
#[test]
fn however_many_workers_are_blocked_each_has_one_replacement() {
    on_threads(async {
        let blocks = Blocks::default();
        let (shop, orders) = community(&blocks, 3).await;
        let mut events = orders.events();
        let mut blocked = Vec::new();
        for number in 0..3 {
            blocked.extend(submit_all(&orders, number..number + 1).await);
            let (worker, _) = until_condition(&mut events, Condition::Blocked).await;
            assert_eq!(until_replaced(&mut events).await, (4 + number, worker));
            all_done(submit_all(&orders, 10..20).await).await;
            come_to(&orders, 3 + blocked.len()).await;
        }
        for number in 0..3 {
            blocks.release(number, Then::Done);
        }
        all_done(blocked).await;
        all_done(submit_all(&orders, 20..30).await).await;
        assert!(shop.shutdown(MINUTE).await.is_clean());
        assert_eq!(blocks.begun.lock().len(), 43, "each job was begun once");
        assert_accounted(&orders, 43);
    });
}

/// What the blocked job does in the end, whether its worker is killed meanwhile, and what comes of it.
fn ends_once(then: Then, is_killed: bool, outcome: Result<u64, JobError>, attempts: &'static [u32]) {
    on_threads(async move {
        let blocks = Blocks::default();
        let (shop, orders) = community(&blocks, 1).await;
        let mut events = orders.events();
        // So that it is not its first job, after whose panic it would be left alone for a while.
        assert_eq!(orders.ask(100).await.unwrap(), 100);
        *blocks.kill.lock() = is_killed.then(|| orders.clone());
        let blocked = orders.submit(0).timeout(Duration::from_millis(1)).await.unwrap();
        until_replaced(&mut events).await;
        all_done(submit_all(&orders, 10..20).await).await;
        assert_eq!(blocks.attempts_at(0), [1], "it was not started elsewhere");
        blocks.release(0, then);
        assert_eq!(blocked.await, outcome);
        assert_eq!(blocks.attempts_at(0), attempts);
        all_done(submit_all(&orders, 20..30).await).await;
        if !is_killed {
            come_to(&orders, 1).await;
        }
        assert!(shop.shutdown(MINUTE).await.is_clean());
        assert_eq!(blocks.attempts_at(0), attempts);
        assert_accounted(&orders, 22);
    });
}

#[test]
fn a_job_that_blocks_beyond_its_timeout_and_comes_to_an_output_is_done_once() {
    ends_once(Then::Done, false, Ok(0), &[1]);
}

#[test]
fn a_job_that_blocks_beyond_its_timeout_and_then_waits_is_charged_and_tried_again() {
    ends_once(Then::Wait, false, Ok(0), &[1, 2]);
}

#[test]
fn a_job_that_blocks_and_then_fails_or_panics_is_tried_again() {
    ends_once(Then::Fail, false, Ok(0), &[1, 2]);
    ends_once(Then::Panic, false, Ok(0), &[1, 2]);
}

#[test]
fn a_job_whose_blocked_worker_was_killed_and_that_comes_to_an_output_is_done_once() {
    ends_once(Then::Done, true, Ok(0), &[1]);
}

#[test]
fn a_job_whose_blocked_worker_was_killed_and_that_then_waits_is_charged_once() {
    ends_once(Then::Wait, true, Ok(0), &[1, 2]);
}

/// The old version drains beside its blocked worker, and ends when that does.
#[test]
fn a_blocked_job_holds_up_its_version_alone_and_not_its_successor() {
    on_threads(async {
        let blocks = Blocks::default();
        let (shop, orders) = community(&blocks, 1).await;
        let mut events = orders.events();
        let blocked = orders.submit(0).await.unwrap();
        until_replaced(&mut events).await;
        orders.deploy("2", blocks.pool(1)).await.unwrap();
        all_done(submit_all(&orders, 10..30).await).await;
        let view = orders.describe();
        assert!(!view.version("1").unwrap().held_up_by.is_empty(), "{view}");
        blocks.release(0, Then::Done);
        assert_eq!(blocked.await, Ok(0));
        let drained = tokio::time::timeout(TOO_LONG, orders.drained("1")).await.unwrap().unwrap();
        assert_eq!(drained.done, 1);
        come_to(&orders, 1).await;
        assert!(shop.shutdown(MINUTE).await.is_clean());
        assert_accounted(&orders, 21);
    });
}

// ---- who else stands behind it -------------------------------------------------------------------------------------

/// It is killed, or it panics at its first job so that its actor ends: then it is started again, and one of the two is too many.
#[test]
fn a_pool_comes_back_to_its_size_when_a_blocked_worker_has_failed() {
    for is_killed in [true, false] {
        on_threads(async move {
            let blocks = Blocks::default();
            let (shop, orders) = community(&blocks, 1).await;
            let mut events = orders.events();
            *blocks.kill.lock() = is_killed.then(|| orders.clone());
            let blocked = orders.submit(0).await.unwrap();
            until_replaced(&mut events).await;
            blocks.release(0, if is_killed { Then::Done } else { Then::Panic });
            assert_eq!(blocked.await, Ok(0));
            all_done(submit_all(&orders, 10..20).await).await;
            come_to(&orders, 1).await;
            assert!(shop.shutdown(MINUTE).await.is_clean());
            assert_accounted(&orders, 11);
        });
    }
}

/// Three recover at once: the one that is let go for the first may be another of them, whose own recovery then lets nobody go.
#[test]
fn a_pool_comes_back_to_its_size_when_several_workers_recover_at_once() {
    on_threads(async {
        let blocks = Blocks::default();
        let (shop, orders) = community(&blocks, 3).await;
        let mut events = orders.events();
        let mut blocked = Vec::new();
        for number in 0..3 {
            blocked.extend(submit_all(&orders, number..number + 1).await);
            until_replaced(&mut events).await;
            all_done(submit_all(&orders, 10..20).await).await;
            come_to(&orders, 3 + blocked.len()).await;
        }
        (0..3).for_each(|number| blocks.release(number, Then::Done));
        all_done(blocked).await;
        come_to(&orders, 3).await;
        assert!(shop.shutdown(MINUTE).await.is_clean());
    });
}

/// Waits for the gate with job 100 and comes back after 10 ms with job 101; else as those above.
fn gated(blocks: &Blocks, gate: &Arc<Semaphore>) -> Pool<u64, u64> {
    let (blocks, gate) = (blocks.clone(), Arc::clone(gate));
    let process = move |number: u64, cx: JobContext| {
        let (blocks, gate) = (blocks.clone(), Arc::clone(&gate));
        async move {
            match (number, cx.attempt().get()) {
                (100, _) => gate.acquire().await?.forget(),
                (101, 1) => Err(Fault::retry_after(Duration::from_millis(10), "told to fail"))?,
                _ => {}
            }
            blocks.act(number, &cx).await
        }
    };
    Pool::of_fn(1, process)
}

/// The job before it has failed, so its worker has just told the dispatcher when that is due again.
#[test]
fn a_job_that_blocks_holds_up_neither_verbs_nor_delayed_jobs() {
    on_threads(async {
        for _ in 0..3 {
            let (blocks, gate) = (Blocks::default(), Arc::new(Semaphore::new(0)));
            let (shop, orders) = community(&blocks, 1).await;
            let mut events = orders.events();
            orders.deploy("2", gated(&blocks, &gate)).await.unwrap();
            let first = orders.submit(100).await.unwrap();
            let failing = orders.submit(101).await.unwrap();
            let blocked = orders.submit(0).await.unwrap();
            gate.add_permits(1);
            assert_eq!(first.await, Ok(100));
            until_condition(&mut events, Condition::Blocked).await;
            let deployed = tokio::time::timeout(A_WHILE, orders.deploy("3", blocks.pool(1))).await;
            deployed.expect("the deploy is heard").unwrap();
            let retried = tokio::time::timeout(A_WHILE, failing).await;
            assert_eq!(retried.expect("its time has come"), Ok(101));
            blocks.release(0, Then::Done);
            assert_eq!(blocked.await, Ok(0));
            assert!(shop.shutdown(MINUTE).await.is_clean());
        }
    });
}

/// It takes a job as soon as it has told its pool that it has started.
#[test]
fn a_replacement_that_blocks_at_once_does_not_hold_up_its_pool() {
    on_threads(async {
        for _ in 0..3 {
            let blocks = Blocks::default();
            let (shop, orders) = community(&blocks, 1).await;
            let mut events = orders.events();
            let blocked = submit_all(&orders, 0..2).await;
            until_replaced(&mut events).await;
            until_condition(&mut events, Condition::Blocked).await;
            orders.scale("1", 3).await.unwrap();
            let others = tokio::time::timeout(A_WHILE, all_done(submit_all(&orders, 10..20).await)).await;
            others.expect("two new workers are there for them");
            (0..2).for_each(|number| blocks.release(number, Then::Done));
            all_done(blocked).await;
            assert!(shop.shutdown(MINUTE).await.is_clean());
        }
    });
}

#[test]
fn an_answer_does_not_wait_for_the_next_job_of_its_worker_that_blocks() {
    on_threads(async {
        for _ in 0..3 {
            let (blocks, gate) = (Blocks::default(), Arc::new(Semaphore::new(0)));
            let (shop, orders) = community(&blocks, 1).await;
            let mut events = orders.events();
            orders.deploy("2", gated(&blocks, &gate)).await.unwrap();
            let asked = orders.submit(100).await.unwrap();
            let asking = tokio::spawn(asked);
            let blocked = orders.submit(0).await.unwrap();
            gate.add_permits(1);
            until_condition(&mut events, Condition::Blocked).await;
            let answer = tokio::time::timeout(A_WHILE, asking).await;
            assert_eq!(answer.expect("the job is done").unwrap(), Ok(100));
            blocks.release(0, Then::Done);
            assert_eq!(blocked.await, Ok(0));
            assert!(shop.shutdown(MINUTE).await.is_clean());
        }
    });
}
