//! A great many jobs, of which one in a hundred panics, one in a hundred fails and one in a thousand always does, while a worker is killed each ten
//! milliseconds of real time. Each job that was admitted comes to one end, by its number: done as its worker and its sender say, or a dead letter.
//!
//! `SERAL_ENDURANCE_JOBS=10000000` is the long run, which takes some minutes optimised; the default is a hundredth of it.

use std::collections::VecDeque;
use std::env;
use std::future::Future;
use std::io::Write;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::AcqRel;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::Ordering::Release;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;
use std::time::Duration;
use std::time::Instant;

use fastrand::Rng;
use seral::JobHandle;
use seral::error::JobError;
use seral::prelude::*;
use seral_test::fault;
use tokio::task::unconstrained;

use crate::kit::hush;

const SENDERS: u64 = 4;
const KEYS: u64 = 1_000;
/// Each so manyth job always fails. No multiple of the keys, so that all keys have some.
const POISON: u64 = 1_009;
/// Few, so that most go to the overflow hook.
const DEAD_LETTERS: usize = 50;
const MINUTE: Duration = Duration::from_secs(60);

// What is known of a job: how often each of these was the case, two bits each.
const COMPLETED: u8 = 1;
const HEARD_DONE: u8 = 1 << 2;
const HEARD_DEAD: u8 = 1 << 4;
const LETTER: u8 = 1 << 6;

/// What workers and senders write down, a byte for each job.
struct Books {
    jobs: Vec<AtomicU8>,
    keys: Vec<KeyBook>,
    attempts: AtomicU64,
    /// Attempts that came to their end, well or not: all but those of killed workers.
    ended: AtomicU64,
    wrong: AtomicU64,
}

/// What is known of the jobs of one key.
#[derive(Default)]
struct KeyBook {
    is_busy: AtomicBool,
    /// The number of the last job that was started, plus one.
    last: AtomicU64,
}

/// For as long as it lives, a job of its key runs.
struct Busy<'a>(&'a KeyBook);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.is_busy.store(false, Release);
    }
}

impl Books {
    fn new(jobs: u64) -> Self {
        Self {
            jobs: (0..jobs).map(|_| AtomicU8::new(0)).collect(),
            keys: (0..KEYS).map(|_| KeyBook::default()).collect(),
            attempts: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            wrong: AtomicU64::new(0),
        }
    }

    fn note(&self, number: u64, what: u8) {
        self.jobs[usize::try_from(number).unwrap()].fetch_add(what, Relaxed);
    }

    /// A job of a key starts: it is the only one, and a new one is later than all before.
    fn enter(&self, number: u64, attempt: u32) -> Busy<'_> {
        let book = &self.keys[usize::try_from(number % KEYS).unwrap()];
        let was_busy = book.is_busy.swap(true, AcqRel);
        let last = book.last.swap(number + 1, Relaxed);
        let in_order = if attempt == 1 { last < number + 1 } else { last == number + 1 };
        if was_busy || !in_order {
            self.wrong.fetch_add(1, Relaxed);
        }
        Busy(book)
    }

    async fn process(&self, number: u64, attempt: u32, keyed: bool) -> Result<u64, Fault> {
        self.attempts.fetch_add(1, Relaxed);
        let _busy = keyed.then(|| self.enter(number, attempt));
        let mut rng = Rng::with_seed(number ^ u64::from(attempt) << 60);
        let chance = rng.u8(..100);
        if chance % 10 == 9 {
            tokio::task::yield_now().await;
        }
        self.ended.fetch_add(1, Relaxed);
        match chance {
            _ if number.is_multiple_of(POISON) => Err("told to fail always")?,
            0 => std::panic::panic_any("told to panic"),
            1 => Err("told to fail")?,
            _ => self.note(number, COMPLETED),
        }
        Ok(number)
    }

    fn heard(&self, number: u64, outcome: Result<u64, JobError>) {
        match outcome {
            Ok(output) if output == number => self.note(number, HEARD_DONE),
            Err(JobError::Failed { .. }) => self.note(number, HEARD_DEAD),
            _ => {
                self.wrong.fetch_add(1, Relaxed);
            }
        }
    }

    /// How many are done and how many are dead, if each has one end.
    fn audit(&self) -> (u64, u64) {
        let (mut done, mut dead, mut wrong) = (0, 0, Vec::new());
        for (number, known) in self.jobs.iter().enumerate() {
            match known.load(Relaxed) {
                known if known == COMPLETED + HEARD_DONE => done += 1,
                known if known == HEARD_DEAD + LETTER => dead += 1,
                known => wrong.push((number, known)),
            }
        }
        assert!(
            wrong.is_empty(),
            "{} jobs with no end or several, such as {:?}",
            wrong.len(),
            &wrong[..wrong.len().min(20)]
        );
        assert_eq!(self.wrong.load(Relaxed), 0, "out of order, two of a key at once, or a strange outcome");
        (done, dead)
    }
}

/// Sends its share of the jobs, waiting for room, and notes what it hears of each.
async fn send(orders: Community<u64, u64>, books: Arc<Books>, sender: u64, jobs: u64, keyed: bool) {
    let mut handles: VecDeque<(u64, JobHandle<u64>)> = VecDeque::new();
    let mut many = 4_096;
    for number in (sender..jobs).step_by(usize::try_from(SENDERS).unwrap()) {
        let submit = orders.submit(number);
        let submit = if keyed { submit.key(number % KEYS) } else { submit };
        handles.push_back((number, submit.await.unwrap()));
        if handles.len() >= many {
            let mut task = Context::from_waker(Waker::noop());
            // Unconstrained: a task that polls much in one go is else told that nothing is ready.
            handles.retain_mut(|(number, handle)| match pin!(unconstrained(handle)).poll(&mut task) {
                Poll::Ready(outcome) => {
                    books.heard(*number, outcome);
                    false
                }
                Poll::Pending => true,
            });
            many = (handles.len() * 2).max(4_096);
        }
    }
    for (number, handle) in handles {
        books.heard(number, handle.await);
    }
}

/// Kills a worker each ten milliseconds, until it is told to end. Returns how often.
async fn kill(orders: Community<u64, u64>, is_over: Arc<AtomicBool>) -> u64 {
    let mut kills = 0;
    while !is_over.load(Relaxed) {
        tokio::time::sleep(Duration::from_millis(10)).await;
        fault::kill_worker(&orders);
        kills += 1;
    }
    kills
}

async fn endure(keyed: bool) {
    hush();
    let given = env::var("SERAL_ENDURANCE_JOBS").ok().and_then(|jobs| jobs.parse().ok());
    let jobs: u64 = given.unwrap_or(100_000);
    let books = Arc::new(Books::new(jobs));
    let began = Instant::now();
    let shop = Ecosystem::new("shop");
    let overflow = Arc::clone(&books);
    let orders = shop
        .community("orders")
        .dead_letters(DEAD_LETTERS)
        .dead_letter_overflow(move |letter| overflow.note(letter.job, LETTER))
        .await
        .unwrap();
    let working = Arc::clone(&books);
    let process = move |number, cx: JobContext| {
        let books = Arc::clone(&working);
        async move { books.process(number, cx.attempt().get(), keyed).await }
    };
    orders.deploy("1", Pool::of_fn(8, process)).await.unwrap();
    let is_over = Arc::<AtomicBool>::default();
    let killing = tokio::spawn(kill(orders.clone(), Arc::clone(&is_over)));
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| tokio::spawn(send(orders.clone(), Arc::clone(&books), sender, jobs, keyed)))
        .collect();
    for sender in senders {
        sender.await.unwrap();
    }
    is_over.store(true, Relaxed);
    let kills = killing.await.unwrap();
    for letter in orders.dead_letters().take() {
        books.note(letter.job, LETTER);
    }
    assert!(shop.shutdown(MINUTE).await.is_clean());
    let took = began.elapsed();

    let (done, dead) = books.audit();
    let lost = books.attempts.load(Relaxed) - books.ended.load(Relaxed);
    if given.is_some() {
        let line = format!(
            "{jobs} jobs in {took:?}, keyed: {keyed}; {done} done, {dead} dead, {kills} kills, {lost} attempts lost\n"
        );
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
    assert!(dead >= jobs / POISON, "those that always fail are dead");
    assert!(kills > 0 && (lost > 0 || kills < 100), "{lost} attempts were lost by {kills} kills");
    let view = orders.describe();
    assert_eq!((view.admitted, view.accounted()), (jobs, jobs), "{view}");
    assert_eq!((view.done, view.overflowed + view.handed_back), (done, dead), "{view}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_job_comes_to_one_end_among_panics_errors_and_kills() {
    endure(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn jobs_of_a_thousand_keys_start_in_order_and_one_at_a_time_among_panics_errors_and_kills() {
    endure(true).await;
}
