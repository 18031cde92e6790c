//! What a version in a library costs beside one that is linked: a job, by what is in it and where its code runs; the first job after a deploy; a retirement.
//!
//! Run: `cargo bench --bench hot_load`, with `-- --quick` for a tenth of the jobs. Times are medians of interleaved rounds; trust their ratios within one
//! run. The same worker is linked and loaded, and gives back what it gets; all that comes back is compared, or its sums are.
#![allow(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a benchmark prints its tables, and its numbers are floats"
)]

use std::fmt::Debug;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
use std::time::Instant;

use payload::Echo;
use payload::Parcel;
use seral::prelude::*;
use seral_loader::Library;
use seral_loader::mapped;
use seral_plugin::Schema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Builder;

const ROUNDS: usize = 11;
/// The size of a large job.
const LARGE: usize = 4_096;
/// After so many jobs a sender lets others run.
const YIELD_EACH: u64 = 1_024;

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let scale = if quick { 10 } else { 1 };
    let [echo, raw] = ["echo", "raw"].map(plugin);
    on_one_thread(&echo, &raw, scale);
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        // In tasks: the thread of `main` is none of the runtime's.
        let at = echo.clone();
        tokio::spawn(async move { in_flight(&at, 20_000 / scale).await }).await.expect("rounds");
        tokio::spawn(async move { life(&echo).await }).await.expect("rounds");
    });
}

fn plugin(package: &str) -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/plugins/Cargo.toml");
    seral_test::plugin::build(manifest, package).unwrap_or_else(|why| panic!("{why}"))
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

// ---- a job on one thread -------------------------------------------------------------------------------------------

/// What is sent and comes back.
trait Sent: Schema + Serialize + DeserializeOwned + Clone + PartialEq + Debug + Send + Sync + 'static {
    /// The worker, linked.
    fn linked() -> Pool<Self, Self>;
    /// What comes back, if the worker had these numbers in all.
    fn back(&self, sum: u64) -> Self;
    /// The same with this number.
    fn numbered(&self, number: u64) -> Self;
}

impl Sent for Parcel {
    fn linked() -> Pool<Self, Self> {
        Pool::of(1, Echo::default)
    }

    fn back(&self, sum: u64) -> Self {
        Self { sum, ..self.clone() }
    }

    fn numbered(&self, number: u64) -> Self {
        Self { number, ..self.clone() }
    }
}

impl Sent for Vec<u8> {
    fn linked() -> Pool<Self, Self> {
        Pool::of_fn(1, |bytes: Self, _| async move { Ok(bytes.clone()) })
    }

    fn back(&self, _: u64) -> Self {
        self.clone()
    }

    fn numbered(&self, number: u64) -> Self {
        let mut bytes = self.clone();
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        bytes
    }
}

/// A community with one worker of which is known what it has had.
struct Lane<J> {
    shop: Ecosystem,
    jobs: Community<J, J>,
    sample: J,
    sum: u64,
}

impl<J: Sent> Lane<J> {
    async fn new(version: &str, pool: Pool<J, J>, sample: &J) -> Self {
        let shop = Ecosystem::new("bench");
        let jobs = shop.community::<J, J>("jobs").await.expect("a community");
        jobs.deploy(version, pool).await.expect("a version");
        // The first jobs of a process read the clock, until its watcher has looked twice.
        tokio::time::sleep(Duration::from_millis(60)).await;
        Self { shop, jobs, sample: sample.clone(), sum: 0 }
    }

    async fn ask(&mut self, number: u64) {
        self.sum += number;
        let job = self.sample.numbered(number);
        let expected = job.back(self.sum);
        assert_eq!(self.jobs.ask(job).await.expect("done"), expected);
    }

    /// Nanoseconds for each of so many jobs that are sent, and worked off. The last one tells what the worker has had.
    async fn send_all(&mut self, count: u64) -> f64 {
        let began = Instant::now();
        for number in 1..count {
            self.sum += number;
            self.jobs.send(self.sample.numbered(number)).await.expect("admitted");
            if number % YIELD_EACH == 0 {
                tokio::task::yield_now().await;
            }
        }
        self.ask(count).await;
        began.elapsed().as_nanos() as f64 / count as f64
    }

    /// Nanoseconds for each of so many jobs that are asked for one after the other.
    async fn ask_all(&mut self, count: u64) -> f64 {
        let began = Instant::now();
        for number in 1..=count {
            self.ask(number).await;
        }
        began.elapsed().as_nanos() as f64 / count as f64
    }

    async fn finish(self) {
        let report = self.shop.shutdown(Duration::from_secs(60)).await;
        assert!(report.is_clean(), "{report}");
    }
}

fn on_one_thread(echo: &Path, raw: &Path, scale: u64) {
    println!("## A job, sender and worker on one thread\n");
    println!("| job and output | way | linked, ns | resident, ns | more |\n|---|---|---|---|---|");
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let bytes: Vec<u8> = (0..=250).cycle().take(LARGE).collect();
    let text = "seral ".repeat(LARGE / 6 + 1)[..LARGE].to_owned();
    runtime.block_on(async {
        beside("two numbers, 16 B", echo, &Parcel::default(), 200_000 / scale).await;
        let with_text = Parcel { text, ..Parcel::default() };
        beside("the same and a `String`, 4 KiB", echo, &with_text, 50_000 / scale).await;
        let with_bytes = Parcel { bytes: bytes.clone(), ..Parcel::default() };
        beside("the same and a `Vec<u8>`, 4 KiB", echo, &with_bytes, 20_000 / scale).await;
        beside("`Vec<u8>` alone, 4 KiB", raw, &bytes, 50_000 / scale).await;
    });
    println!();
}

async fn beside<J: Sent>(name: &str, path: &Path, sample: &J, count: u64) {
    let library = Library::open(path).expect("a plugin");
    let mut linked = Lane::new("0.9.0", J::linked(), sample).await;
    let mut loaded = Lane::new(library.version(), library.pool(1), sample).await;
    let mut times: [Vec<f64>; 4] = Default::default();
    for _ in 0..ROUNDS {
        times[0].push(linked.send_all(count).await);
        times[1].push(loaded.send_all(count).await);
        times[2].push(linked.ask_all(count).await);
        times[3].push(loaded.ask_all(count).await);
    }
    let [linked_send, loaded_send, linked_ask, loaded_ask] = times.map(median);
    for (way, linked, loaded) in [("send", linked_send, loaded_send), ("ask", linked_ask, loaded_ask)] {
        println!("| {name} | {way} | {linked:.0} | {loaded:.0} | {:.0} |", loaded - linked);
    }
    linked.finish().await;
    loaded.finish().await;
}

// ---- where the code runs -------------------------------------------------------------------------------------------

/// One caller and one worker, and 64 of each, on two threads and on that of the plugin.
async fn in_flight(echo: &Path, count: u64) {
    println!("## A job of 16 bytes, by where its code runs\n");
    println!("| in flight | linked, µs | resident, µs | isolated, µs |\n|---|---|---|---|");
    for callers in [1, 64] {
        let library = Library::open(echo).expect("a plugin");
        let version = library.version().to_owned();
        let pools = [
            ("0.9.0", Pool::of(callers, Echo::default)),
            (&*version, library.pool(callers)),
            (&*version, library.clone().isolated().pool(callers)),
        ];
        let mut lanes = Vec::new();
        for (version, pool) in pools {
            lanes.push(Lane::new(version, pool, &Parcel::default()).await);
        }
        let mut times = vec![Vec::new(); lanes.len()];
        for _ in 0..ROUNDS {
            for (lane, times) in lanes.iter().zip(&mut times) {
                times.push(asked_by(&lane.jobs, callers as u64, count).await);
            }
        }
        let cells: Vec<_> = times.into_iter().map(|times| format!("{:.2}", median(times))).collect();
        println!("| {callers} | {} |", cells.join(" | "));
        for lane in lanes {
            lane.finish().await;
        }
    }
    println!();
}

/// Microseconds for each of so many jobs, which so many callers ask for at once.
async fn asked_by(jobs: &Community<Parcel, Parcel>, callers: u64, count: u64) -> f64 {
    let count = count / callers * callers;
    let began = Instant::now();
    let callers: Vec<_> = (0..callers)
        .map(|first| {
            let jobs = jobs.clone();
            let numbers = (first..count).step_by(usize::try_from(callers).expect("few callers"));
            tokio::spawn(async move {
                let mut sum = 0;
                for number in numbers {
                    sum += jobs.ask(Parcel { number, ..Parcel::default() }).await.expect("done").number;
                }
                sum
            })
        })
        .collect();
    let mut sum = 0;
    for caller in callers {
        sum += caller.await.expect("a caller");
    }
    assert_eq!(sum, count * (count - 1) / 2, "each job is done once, and its own output comes back");
    began.elapsed().as_secs_f64() * 1e6 / count as f64
}

// ---- from the deploy to the end ------------------------------------------------------------------------------------

/// Milliseconds of the steps of a version's life, of one worker.
async fn life(echo: &Path) {
    println!("## The life of a version, in milliseconds\n");
    println!(
        "| version | to open the file | from the deploy to the first output | from its successor's deploy until it is retired |\n|---|---|---|---|"
    );
    for is_isolated in [false, true] {
        let mut steps: [Vec<f64>; 3] = Default::default();
        for _ in 0..ROUNDS {
            let took = one_life(echo, is_isolated).await;
            for (steps, took) in steps.iter_mut().zip(took) {
                steps.push(took.as_secs_f64() * 1e3);
            }
        }
        let [open, first, retired] = steps.map(median);
        let name = if is_isolated { "isolated" } else { "resident" };
        println!("| {name} | {open:.1} | {first:.1} | {retired:.1} |");
    }
}

async fn one_life(path: &Path, is_isolated: bool) -> [Duration; 3] {
    let shop = Ecosystem::new("bench");
    let jobs = shop.community::<Parcel, Parcel>("jobs").await.expect("a community");
    let began = Instant::now();
    let library = Library::open(path).expect("a plugin");
    let opened = began.elapsed();
    let library = if is_isolated { library.isolated() } else { library };

    let began = Instant::now();
    jobs.deploy(library.version(), library.pool(1)).await.expect("a version");
    let job = Parcel { number: 7, ..Parcel::default() };
    let output = jobs.ask(job).await.expect("done");
    let first = began.elapsed();
    assert_eq!((output.number, output.sum), (7, 7));

    let began = Instant::now();
    jobs.deploy("2.0.0", Pool::of(1, Echo::default)).await.expect("a version");
    // Isolated, it is unmapped then; resident, it is shut down and stays.
    while mapped().iter().any(|mapped| mapped.in_use || mapped.isolated) {
        tokio::task::yield_now().await;
    }
    let retired = began.elapsed();
    assert!(shop.shutdown(Duration::from_secs(60)).await.is_clean(), "nothing was left");
    [opened, first, retired]
}
