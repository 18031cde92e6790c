//! The mailbox's shell under a scheduler that tries interleavings: the file `crates/seral/src/mailbox.rs`, as it stands, over a lock whose every
//! operation is a point where another thread may run.
//!
//! The machine under the lock is enumerated in `seral-core`. Here it is about what the shell adds: that wakers are kept and called so that
//! nobody sleeps beside work or room, and that the owner is told once.
//!
//! Seen failing: `wake` that forgets `others`; `Room` that does not cancel when dropped; `poll_take` that does not put the waker in.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

/// What the mailbox takes as its lock, here with the scheduler's.
mod sync {
    use shuttle::sync::MutexGuard;

    pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(shuttle::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap()
        }
    }
}

#[path = "../crates/seral/src/mailbox.rs"]
#[allow(dead_code, unreachable_pub, reason = "the runtime uses more of it than this test")]
mod mailbox;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::Poll;

use mailbox::Mailbox;
use mailbox::Notice;
use seral_core::id::Priority;
use seral_core::mailbox::Limit;
use seral_core::mailbox::Queued;
use seral_core::mailbox::Refusal;
use seral_core::mailbox::Sender;
use shuttle::future;
use shuttle::rand::Rng;
use shuttle::sync::Arc;
use shuttle::sync::atomic::AtomicUsize;
use shuttle::sync::atomic::Ordering::SeqCst;

const ROUNDS: usize = 2_000;

struct Job(u32);

impl Queued for Job {
    fn priority(&self) -> Priority {
        Priority::Normal
    }

    fn is_pinned(&self) -> bool {
        false
    }
}

struct World {
    mailbox: Mailbox<Job>,
    drained: Arc<AtomicUsize>,
    done: shuttle::sync::Mutex<Vec<u32>>,
}

fn world(capacity: usize) -> Arc<World> {
    let drained = Arc::new(AtomicUsize::new(0));
    let told = Arc::clone(&drained);
    let tell = move |notice| {
        if notice == Notice::Drained {
            told.fetch_add(1, SeqCst);
        }
    };
    let mailbox = Mailbox::new(capacity, tell);
    mailbox.open(Limit::None).unwrap();
    Arc::new(World { mailbox, drained, done: shuttle::sync::Mutex::new(Vec::new()) })
}

impl World {
    /// Sends a job, waiting for room. `false` when the gate is closed.
    async fn send(&self, number: u32) -> bool {
        let mut room = self.mailbox.room(Sender::Outside, false);
        loop {
            match self.mailbox.admit(Sender::Outside, Job(number), Some) {
                Ok(()) => {
                    room.admitted();
                    return true;
                }
                Err((_, Refusal::Gate | Refusal::Enough)) => return false,
                Err((_, Refusal::Full)) => (&mut room).await,
            }
        }
    }

    /// Waits for room, and gives up at a moment of the scheduler's choice.
    async fn give_up(&self) {
        let mut room = self.mailbox.room(Sender::Outside, false);
        let mut patience = shuttle::rand::thread_rng().gen_range(0..3);
        poll_fn(|task| {
            if patience == 0 || std::pin::Pin::new(&mut room).poll(task).is_ready() {
                return Poll::Ready(());
            }
            patience -= 1;
            task.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    /// Works until it should leave, or until it is killed in the middle of a batch.
    async fn work(&self, killed_after: Option<usize>) {
        let seat = self.mailbox.attach();
        let mut settled = 0;
        let mut batch = VecDeque::new();
        let mut batches = 0;
        loop {
            let came_to =
                poll_fn(|task| self.mailbox.poll_take(seat, &mut settled, 2, &mut batch, task, |_| ())).await;
            if !came_to {
                break;
            }
            batches += 1;
            if killed_after.is_some_and(|after| batches > after) {
                self.mailbox.give_back(std::mem::take(&mut batch));
                break;
            }
            for Job(number) in batch.drain(..) {
                self.done.lock().unwrap().push(number);
                settled += 1;
            }
        }
        self.mailbox.detach(seat, settled);
    }

    fn done(&self) -> Vec<u32> {
        let mut done = self.done.lock().unwrap().clone();
        done.sort_unstable();
        done
    }
}

#[test]
fn every_job_is_taken_once_and_everybody_comes_home() {
    shuttle::check_random(
        || {
            let world = world(1);
            let workers: Vec<_> = [None, Some(1), None]
                .into_iter()
                .map(|killed| {
                    let world = Arc::clone(&world);
                    future::spawn(async move { world.work(killed).await })
                })
                .collect();
            let impatient = {
                let world = Arc::clone(&world);
                future::spawn(async move { world.give_up().await })
            };
            let senders: Vec<_> = (0..2)
                .map(|sender| {
                    let world = Arc::clone(&world);
                    future::spawn(async move {
                        for number in 0..3 {
                            assert!(world.send(sender * 3 + number).await, "the gate is open");
                        }
                    })
                })
                .collect();
            future::block_on(async move {
                for sender in senders {
                    sender.await.unwrap();
                }
                impatient.await.unwrap();
                world.mailbox.narrow();
                for worker in workers {
                    worker.await.unwrap();
                }
                assert_eq!(world.done(), (0..6).collect::<Vec<_>>());
                assert_eq!(world.drained.load(SeqCst), 1, "drained is told once");
                assert!(!world.send(9).await, "nobody comes in any more");
            });
        },
        ROUNDS,
    );
}

/// Rollout I2, and §6, row 36: elsewhere a job behind the stop was accepted and dropped.
#[test]
fn a_send_that_races_with_the_gate_is_admitted_and_done_or_refused() {
    shuttle::check_random(
        || {
            let world = world(1);
            let worker = {
                let world = Arc::clone(&world);
                future::spawn(async move { world.work(None).await })
            };
            let senders: Vec<_> = (0..3)
                .map(|number| {
                    let world = Arc::clone(&world);
                    future::spawn(async move { world.send(number).await.then_some(number) })
                })
                .collect();
            future::block_on(async move {
                world.mailbox.narrow();
                let mut admitted = Vec::new();
                for sender in senders {
                    admitted.extend(sender.await.unwrap());
                }
                worker.await.unwrap();
                assert_eq!(world.done(), admitted);
                assert_eq!(world.drained.load(SeqCst), 1);
            });
        },
        ROUNDS,
    );
}

#[test]
fn a_recall_finds_each_waiting_job_or_a_worker_does() {
    shuttle::check_random(
        || {
            let world = world(4);
            let worker = {
                let world = Arc::clone(&world);
                future::spawn(async move { world.work(None).await })
            };
            let sender = {
                let world = Arc::clone(&world);
                future::spawn(async move {
                    let mut admitted = 0;
                    for number in 0..4 {
                        admitted += usize::from(world.send(number).await);
                    }
                    admitted
                })
            };
            future::block_on(async move {
                world.mailbox.narrow();
                world.mailbox.halt();
                let recalled = world.mailbox.remove(&|job| !job.is_pinned());
                let numbers: Vec<u32> = recalled.iter().map(|job| job.0).collect();
                world.mailbox.arrived(recalled.len());
                world.mailbox.resume();
                let admitted = sender.await.unwrap();
                worker.await.unwrap();
                let mut all = world.done();
                all.extend(&numbers);
                all.sort_unstable();
                assert_eq!(all.len(), admitted, "done and recalled, none twice: {all:?}");
                all.dedup();
                assert_eq!(all.len(), admitted);
                assert_eq!(world.drained.load(SeqCst), 1);
            });
        },
        ROUNDS,
    );
}
