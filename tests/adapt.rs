//! Versions whose jobs and outputs are of different types, side by side in one community: each attempt gets a job of the type that its version knows.
//!
//! Seen failing: `retry` not passed on; a build that is the same for all adapted workers.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use seral::Rollback;
use seral::Takeover;
use seral::error::AskError;
use seral::error::DeployError;
use seral::error::JobError;
use seral::prelude::*;

use crate::kit::Act;
use crate::kit::Floor;
use crate::kit::Hand;
use crate::kit::Job;
use crate::kit::community;
use crate::kit::end_if_it_hangs;
use crate::kit::hush;
use crate::kit::job;
use crate::kit::settle;

const MINUTE: Duration = Duration::from_secs(60);
const AT_ONCE: RetryPolicy = RetryPolicy::attempts(3).backoff(Duration::ZERO, Duration::ZERO);

/// What the workers of 2.0.0 know a job as.
struct Order {
    job: Job,
    currency: &'static str,
}

impl From<Job> for Order {
    fn from(job: Job) -> Self {
        Self { job, currency: "EUR" }
    }
}

/// What they make of it.
struct Receipt {
    number: u64,
    currency: &'static str,
}

impl From<Receipt> for u64 {
    fn from(receipt: Receipt) -> Self {
        assert_eq!(receipt.currency, "EUR");
        receipt.number
    }
}

struct Till(Hand);

impl Worker for Till {
    type Job = Order;
    type Output = Receipt;

    async fn process(&mut self, order: &Order, cx: &JobContext) -> Result<Receipt, Fault> {
        let number = self.0.process(&order.job, cx).await?;
        Ok(Receipt { number, currency: order.currency })
    }
}

fn tills(floor: &Floor, workers: usize) -> Pool<Job, u64> {
    let floor = floor.clone();
    Pool::adapt(workers, move || Till(floor.hand()))
}

#[tokio::test(start_paused = true)]
async fn a_version_with_jobs_of_another_type_runs_beside_the_first_and_both_count() {
    let (shop, orders, floor) = community(2).await;
    orders.deploy("2.0.0", tills(&floor, 2)).share(50).await.unwrap();
    for number in 0..400 {
        assert_eq!(orders.ask(job(number, Act::FailOnce)).await.unwrap(), number);
    }
    let by_version = |of: &str| {
        let record = floor.record();
        let done = record.iter().filter(|entry| entry.version == of && entry.attempt == 2).count() as u64;
        let failed = record.iter().filter(|entry| entry.version == of && entry.attempt == 1).count() as u64;
        let view = orders.describe();
        let counted = view.version(of).unwrap();
        assert_eq!((counted.done, counted.faults), (done, failed), "{view}");
        done
    };
    let (old, new) = (by_version("1.0.0"), by_version("2.0.0"));
    assert!(old + new == 400 && (150..=250).contains(&new), "5 standard deviations about 200: {new}");
    orders.promote("2.0.0").await.unwrap();
    orders.drained("1.0.0").await.unwrap();
    assert!(shop.shutdown(MINUTE).await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn a_rollback_moves_what_waits_to_the_version_of_the_other_type_and_back() {
    let (shop, orders, floor) = community(2).await;
    let mut handles = vec![orders.submit(job(0, Act::WaitForGate)).await.unwrap()];
    settle().await;
    orders.deploy("2.0.0", tills(&floor, 1)).await.unwrap();
    for number in 1..=600 {
        handles.push(orders.submit(job(number, Act::WaitForGate)).await.unwrap());
    }
    settle().await;
    for to in ["1.0.0", "2.0.0"] {
        let back = orders.rollback().to(to).await.unwrap();
        assert!(matches!(back, Rollback::To { how: Takeover::Warm, .. }), "{back:?}");
        settle().await;
    }
    floor.open(601);
    for (handle, number) in handles.into_iter().zip(0..) {
        assert_eq!(handle.await, Ok(number));
    }
    let by: Vec<_> = floor.record().into_iter().map(|entry| (entry.number, entry.version)).collect();
    let at = |version: &str| -> Vec<u64> {
        by.iter().filter(|(_, by)| by == version).map(|(number, _)| *number).collect()
    };
    assert_eq!(at("1.0.0"), [0, 2], "what it had in hand when it was left");
    assert_eq!(at("2.0.0"), std::iter::once(1).chain(3..=600).collect::<Vec<_>>());
    assert!(shop.shutdown(MINUTE).await.is_clean());
}

/// A parcel as the workers of 2.0.0 know it; they take out what is in it.
struct Parcel(Mutex<Vec<u32>>);

/// A conversion that panics for some.
impl From<Vec<u32>> for Parcel {
    fn from(items: Vec<u32>) -> Self {
        if items.is_empty() {
            std::panic::panic_any("told to panic in a conversion");
        }
        Self(Mutex::new(items))
    }
}

/// What is in a parcel; making a text of it panics for some.
struct Sum(u32);

impl From<Sum> for String {
    fn from(Sum(sum): Sum) -> Self {
        if sum == 0 { std::panic::panic_any("told to panic in a conversion back") } else { sum.to_string() }
    }
}

struct Unpacker;

impl Worker for Unpacker {
    type Job = Parcel;
    type Output = Sum;

    async fn process(&mut self, parcel: &Parcel, cx: &JobContext) -> Result<Sum, Fault> {
        let items = std::mem::take(&mut *parcel.0.lock());
        if cx.attempt().get() < 3 && items[0] == 1 {
            Err("it fell down")?;
        }
        Ok(Sum(items.iter().sum()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_conversion_that_panics_fails_its_job_alone_and_each_attempt_sees_the_job_as_it_was_sent() {
    hush();
    end_if_it_hangs();
    let shop = Ecosystem::new("shop");
    let parcels = shop.community::<Vec<u32>, String>("parcels").retry(AT_ONCE).await.unwrap();
    parcels.deploy("1.0.0", Pool::of_fn(1, |_, _| async { Ok("by hand".to_owned()) })).await.unwrap();
    parcels.deploy("2.0.0", Pool::adapt(1, || Unpacker)).await.unwrap();
    let mut handles = Vec::new();
    for items in [vec![1, 2, 3], vec![], vec![4, 5], vec![0], vec![1, 1]] {
        handles.push(parcels.submit(items).await.unwrap());
    }
    let mut outcomes = Vec::new();
    for handle in handles {
        outcomes.push(match handle.await {
            Ok(text) => text,
            Err(JobError::Failed { attempts, last, .. }) => format!("{attempts}: {last}"),
            Err(other) => panic!("{other}"),
        });
    }
    let expected = [
        "6",
        "3: panicked: told to panic in a conversion",
        "9",
        "3: panicked: told to panic in a conversion back",
        "2",
    ];
    assert_eq!(outcomes, expected);
    settle().await;
    let view = parcels.describe();
    assert_eq!((view.done, view.dead, view.accounted()), (3, 2, 5), "{view}");

    // The letters are of the community's type, so any version can take them.
    parcels.rollback().await.unwrap();
    assert_eq!(parcels.dead_letters().replay().await.unwrap(), 2);
    settle().await;
    assert_eq!(parcels.describe().done, 5);
    assert!(shop.shutdown(MINUTE).await.is_clean());
}

/// An old worker, which knows numbers only, and notes what it is called for.
struct Old {
    calls: Arc<Mutex<Vec<&'static str>>>,
}

/// A job of the new type.
#[derive(Clone, Debug)]
struct Named {
    number: u32,
}

impl From<Named> for u32 {
    fn from(named: Named) -> Self {
        named.number
    }
}

impl Worker for Old {
    type Job = u32;
    type Output = u32;

    async fn start(&mut self, _cx: &StartContext) -> Result<(), Fault> {
        self.calls.lock().push("start");
        Ok(())
    }

    async fn process(&mut self, number: &u32, _cx: &JobContext) -> Result<u32, Fault> {
        self.calls.lock().push("process");
        if *number == 0 { Err("nothing")? } else { Ok(*number) }
    }

    fn retry(&self, _fault: &Fault, _attempt: Attempt) -> FaultKind {
        self.calls.lock().push("retry");
        FaultKind::Discard
    }

    async fn optimize(&mut self, _cycle: &Cycle) {
        self.calls.lock().push("optimize");
    }

    async fn stop(&mut self) {
        self.calls.lock().push("stop");
    }
}

#[tokio::test(start_paused = true)]
async fn an_old_worker_takes_part_among_jobs_of_the_new_type_and_all_its_methods_are_called() {
    end_if_it_hangs();
    let shop = Ecosystem::new("shop");
    let orders = shop.community::<Named, u64>("orders").await.unwrap();
    orders
        .deploy("2.0.0", Pool::of_fn(1, |named: Named, _| async move { Ok(u64::from(named.number) * 2) }))
        .await
        .unwrap();
    let calls = Arc::<Mutex<Vec<&'static str>>>::default();
    let noted = Arc::clone(&calls);
    orders
        .deploy("1.0.0", Pool::adapt(1, move || Old { calls: Arc::clone(&noted) }))
        .share(100)
        .await
        .unwrap();
    assert_eq!(orders.ask(Named { number: 7 }).await.unwrap(), 7);
    settle().await;
    let discarded = orders.ask(Named { number: 0 }).await.unwrap_err();
    assert!(matches!(discarded, AskError::Job(JobError::Discarded { .. })), "{discarded}");
    settle().await;
    orders.abort().await.unwrap();
    orders.drained("1.0.0").await.unwrap();
    assert_eq!(orders.ask(Named { number: 7 }).await.unwrap(), 14);
    settle().await;
    let expected = ["start", "process", "optimize", "process", "retry", "optimize", "stop"];
    assert_eq!(*calls.lock(), expected);
    assert!(shop.shutdown(MINUTE).await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn the_build_of_adapted_workers_is_the_type_of_their_factory() {
    let (shop, orders, floor) = community(1).await;
    orders.deploy("2.0.0", tills(&floor, 1)).await.unwrap();
    orders.deploy("2.0.0", tills(&floor, 1)).await.unwrap();
    let other = Pool::adapt(1, move || Till(floor.hand()));
    let refused = orders.deploy("2.0.0", other).await.unwrap_err();
    assert_eq!(refused, DeployError::OtherBuild { version: "2.0.0".into() });
    assert!(shop.shutdown(MINUTE).await.is_clean());
}
