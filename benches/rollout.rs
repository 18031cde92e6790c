//! What a rollout costs: to find a job's version, to change the table with nothing and with a million jobs waiting, and jobs while versions share them.
//!
//! Run: `cargo bench --bench rollout`, with `-- --quick` for a tenth of the jobs. Times are medians of interleaved rounds.
#![allow(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a benchmark prints its tables, and its numbers are floats"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use seral::Rollback;
use seral::prelude::*;
use seral_core::id::JobId;
use seral_core::id::Key;
use seral_core::id::Revision;
use seral_core::id::Version;
use seral_core::routing::Routed;
use seral_core::routing::RoutingTable;
use seral_core::share::Share;
use seral_core::share::Shares;
use seral_core::standing::Pin;
use seral_core::standing::Standing;
use seral_core::whose::Header;
use seral_core::whose::Whose;
use tokio::sync::Semaphore;

const ROUNDS: usize = 11;

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let scale = if quick { 10 } else { 1 };
    resolve(2_000_000 / scale);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async move {
        changes(1_000_000 / scale).await;
        sharing(1_000_000 / scale as u64).await;
    });
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

// ---- resolving -----------------------------------------------------------------------------------------------------

#[derive(Default)]
struct Job {
    pin: Option<Version>,
    key: Option<Key>,
    headers: Vec<Header>,
    number: u64,
}

impl Routed for Job {
    fn pin(&self) -> Option<&Version> {
        self.pin.as_ref()
    }

    fn spread(&self) -> u64 {
        self.key.as_ref().map_or(self.number, Key::spread)
    }

    fn id(&self) -> JobId {
        JobId::new(self.number)
    }

    fn key(&self) -> Option<&Key> {
        self.key.as_ref()
    }

    fn headers(&self) -> &[Header] {
        &self.headers
    }
}

/// A table with so many versions; all but the first have a part of new jobs.
fn table(versions: u64) -> RoutingTable<u64> {
    let mut shares = Shares::none();
    for version in 2..=versions {
        let share = Share::of_ten_thousand(150).expect("a share");
        shares.set(&version, share, 7).expect("room");
    }
    let serving = (1..=versions).map(|version| (version.to_string().into(), version)).collect();
    RoutingTable { revision: Revision::new(1), current: Some(1), shares, serving, ..RoutingTable::empty() }
}

/// The same with as many pins by key and as many rules by tenant.
fn with_choices(table: &RoutingTable<u64>, each: u64) -> RoutingTable<u64> {
    let mut standing = Standing::default();
    for number in 0..each {
        let pin = Pin { version: "2".into(), until: None };
        standing.pins.insert(Whose::key(format!("customer-{number}")), pin);
        standing.rules.insert(Whose::tenant(format!("tenant-{number}")), "2".into());
    }
    RoutingTable { standing: Some(Arc::new(standing)), ..table.clone() }
}

/// What is measured: a table, a kind of job, and how to make one of a number.
type Row<'a> = (&'a str, &'a str, &'a RoutingTable<u64>, &'a dyn Fn(u64) -> Job);

fn resolve(jobs: usize) {
    println!("## To find a job's version\n\n| table | job | ns |\n|---|---|---|");
    let plain = |number| Job { number, ..Job::default() };
    let keyed = |number| Job { key: Some(Key::from(format!("customer-{number}"))), number, ..Job::default() };
    let pinned = |number| Job { pin: Some("64".into()), number, ..Job::default() };
    let of_tenant = |number| {
        let headers = vec![Header::new("tenant", format!("tenant-{number}"))];
        Job { headers, number, ..Job::default() }
    };
    let (one, ramp, many) = (table(1), table(2), table(64));
    let choices = with_choices(&ramp, 1_000);
    let rows: [Row<'_>; 8] = [
        ("two, 1,000 pins, 1,000 rules", "plain", &choices, &plain),
        ("two, 1,000 pins, 1,000 rules", "with a key that is pinned", &choices, &keyed),
        ("two, 1,000 pins, 1,000 rules", "of a tenant with a rule", &choices, &of_tenant),
        ("one version", "plain", &one, &plain),
        ("two, one ramped", "plain", &ramp, &plain),
        ("two, one ramped", "with a key of 14 letters", &ramp, &keyed),
        ("64, 63 ramped", "plain", &many, &plain),
        ("64, 63 ramped", "pinned to the last", &many, &pinned),
    ];
    for (name, kind, table, make) in rows {
        let samples: Vec<Job> = (0..1_000).map(make).collect();
        let times = (0..ROUNDS).map(|_| {
            let began = Instant::now();
            for at in 0..jobs {
                black_box(table.resolve(black_box(&samples[at % samples.len()]))).ok();
            }
            began.elapsed().as_nanos() as f64 / jobs as f64
        });
        println!("| {name} | {kind} | {:.1} |", median(times.collect()));
    }
    println!();
}

// ---- changing the table --------------------------------------------------------------------------------------------

/// Workers that wait for a permit at each job.
fn stuck(gate: &'static Semaphore) -> Pool<u64, u64> {
    Pool::of_fn(2, move |job: u64, _| async move {
        gate.acquire().await?.forget();
        Ok(job)
    })
    .build("stuck")
}

async fn changes(jobs: usize) {
    println!(
        "## To change the table\n\n| waiting | ramp, µs | rollback: gate, swap, halt, µs | recall, million jobs a second |\n|---|---|---|---|"
    );
    for waiting in [0, jobs] {
        let (mut ramps, mut rollbacks, mut recalls) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..if waiting == 0 { ROUNDS } else { 3 } {
            let (ramp, rollback, recall) = change(waiting).await;
            ramps.push(ramp.as_secs_f64() * 1e6);
            rollbacks.push(rollback.as_secs_f64() * 1e6);
            recalls.push(waiting as f64 / recall.as_secs_f64() / 1e6);
        }
        let recalled = if waiting == 0 { String::new() } else { format!("{:.2}", median(recalls)) };
        println!("| {waiting} | {:.0} | {:.0} | {recalled} |", median(ramps), median(rollbacks));
    }
    println!();
}

/// How long a change of a share took, and a rollback from the ramped version, at which so many jobs wait, and their recall.
async fn change(waiting: usize) -> (Duration, Duration, Duration) {
    let gate: &'static Semaphore = Box::leak(Box::new(Semaphore::new(0)));
    let shop = Ecosystem::new("shop");
    let orders = shop.community("orders").mailbox(2 * waiting + 10).await.expect("a community");
    orders.deploy("1", stuck(gate)).await.expect("a version");
    orders.deploy("2", stuck(gate)).share(99).await.expect("a version");
    for job in 0..waiting as u64 {
        orders.send(job).await.expect("room");
    }
    let began = Instant::now();
    orders.ramp("2", 100).await.expect("it is ramped");
    let ramp = began.elapsed();

    let mut events = orders.events();
    let began = Instant::now();
    let back = orders.rollback().await.expect("a version to go back to");
    let Rollback::To { switched_in, .. } = back else { panic!("{back:?}") };
    if waiting > 0 {
        while !matches!(events.next().await, Some(seral::Event::Recalled { .. })) {}
    }
    let recall = began.elapsed();
    gate.add_permits(waiting + 10);
    shop.shutdown(Duration::from_secs(60)).await;
    (ramp, switched_in, recall)
}

// ---- sharing -------------------------------------------------------------------------------------------------------

/// Throughput and CPU of jobs that two versions share, beside one version with as many workers.
async fn sharing(jobs: u64) {
    println!(
        "## Jobs while two versions share them, four senders\n\n| versions | million jobs a second | CPU, ns a job | beside one |\n|---|---|---|---|"
    );
    let (mut one, mut two) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        one.push(share(None, jobs).await);
        two.push(share(Some(50), jobs).await);
    }
    let of = |rounds: &[(f64, f64)], pick: fn(&(f64, f64)) -> f64| median(rounds.iter().map(pick).collect());
    let cpu = (of(&one, |round| round.1), of(&two, |round| round.1));
    println!("| one, four workers | {:.2} | {:.0} | |", of(&one, |round| round.0), cpu.0);
    println!(
        "| two at half, two workers each | {:.2} | {:.0} | {:.2} |",
        of(&two, |round| round.0),
        cpu.1,
        cpu.0 / cpu.1
    );
}

/// Million jobs a second, and nanoseconds of CPU for each.
async fn share(percent: Option<i32>, jobs: u64) -> (f64, f64) {
    let shop = Ecosystem::new("shop");
    let orders = shop.community::<u64, ()>("orders").await.expect("a community");
    let pool = |workers| {
        Pool::of_fn(workers, |job: u64, _| async move {
            black_box(job);
            Ok(())
        })
    };
    orders.deploy("1", pool(if percent.is_some() { 2 } else { 4 })).await.expect("a version");
    if let Some(percent) = percent {
        orders.deploy("2", pool(2)).share(percent).await.expect("a version");
    }
    let (began, cpu) = (Instant::now(), cpu_time());
    let senders: Vec<_> = (0..4)
        .map(|_| {
            let orders = orders.clone();
            tokio::spawn(async move {
                for job in 0..jobs / 4 {
                    orders.send(job).await.expect("room");
                }
            })
        })
        .collect();
    for sender in senders {
        sender.await.expect("a sender");
    }
    while orders.describe().done < jobs / 4 * 4 {
        tokio::task::yield_now().await;
    }
    let (took, cpu) = (began.elapsed(), cpu_time() - cpu);
    shop.shutdown(Duration::from_secs(60)).await;
    (jobs as f64 / took.as_secs_f64() / 1e6, cpu / jobs as f64)
}

/// The CPU time of this process so far, in nanoseconds; nothing where the system does not tell.
fn cpu_time() -> f64 {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return 0.0 };
    let of_task = |path: std::path::PathBuf| {
        let stat = std::fs::read_to_string(path.join("schedstat")).ok()?;
        stat.split(' ').next()?.parse::<f64>().ok()
    };
    tasks.flatten().filter_map(|task| of_task(task.path())).sum()
}
