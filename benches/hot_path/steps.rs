//! The steps of a job's way, each by itself: the pieces that stand alone in a loop of their own, the rest by halting the worker.
//!
//! Loops are kinder to caches and branches than the real way is, so the steps add up to less than the whole.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::hint::black_box;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;
use std::time::Duration;
use std::time::Instant;

use seral_core::id::JobId;
use seral_core::id::Key;
use seral_core::id::Priority;
use seral_core::id::Revision;
use seral_core::id::Version;
use seral_core::mailbox::Limit;
use seral_core::mailbox::Queued;
use seral_core::mailbox::Sender;
use seral_core::routing::Routed;
use seral_core::routing::RoutingTable;
use seral_core::whose::Header;
use tokio::sync::oneshot;

use crate::ROUNDS;
use crate::nanos_each;
use crate::path::Round;

/// The runtime's own files, as they stand.
#[path = "../../crates/seral/src/mailbox.rs"]
#[allow(dead_code, unreachable_pub, reason = "the runtime uses more of it than this benchmark")]
mod mailbox;
#[path = "../../crates/seral/src/routes.rs"]
#[allow(dead_code, unreachable_pub, reason = "the runtime uses more of it than this benchmark")]
mod routes;

const JOBS: u64 = 200_000;
/// So many at a time: as many as the mailbox of a community has room for.
const AT_ONCE: u64 = 10_000;

/// As large as a job with a number as its payload.
struct Job([u64; 4]);

impl Queued for Job {
    fn priority(&self) -> Priority {
        Priority::Normal
    }

    fn is_pinned(&self) -> bool {
        false
    }
}

/// A step: what it is called, and how long its rounds took in the pieces in which they were measured.
type Measured = (&'static str, fn() -> Vec<Duration>);

pub(crate) fn print() {
    println!("## The steps, each by itself, on one thread\n");
    println!("| step | ns a job |\n|---|---|");
    let steps: [Measured; 4] = [
        ("resolve: read the routing table", resolve),
        ("push: into the mailbox", || push_and_take().0),
        ("take: out of it, sixteen at once", || push_and_take().1),
        ("reply: make a channel, send, receive", reply),
    ];
    for (step, run) in steps {
        run();
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            rounds.push(run().into_iter().sum());
        }
        println!("| {step} | {:.1} |", nanos_each(rounds, JOBS));
    }
    let (mut sent, mut worked) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (send, work) = send_and_work();
        sent.push(send);
        worked.push(work);
    }
    println!("| send, whole: resolve, push | {:.1} |", nanos_each(sent, JOBS));
    println!("| work, whole: take, process, settle | {:.1} |", nanos_each(worked, JOBS));
    println!("| (read the clock) | {:.1} |\n", nanos_each(vec![clock()], JOBS));
}

fn timed(mut act: impl FnMut(u64)) -> Duration {
    let began = Instant::now();
    (0..JOBS).for_each(&mut act);
    began.elapsed()
}

fn clock() -> Duration {
    timed(|_| {
        black_box(tokio::time::Instant::now());
    })
}

/// A job that names no version, as most.
struct Plain;

impl Routed for Plain {
    fn pin(&self) -> Option<&Version> {
        None
    }

    fn spread(&self) -> u64 {
        7
    }

    fn id(&self) -> JobId {
        JobId::new(7)
    }

    fn key(&self) -> Option<&Key> {
        None
    }

    fn headers(&self) -> &[Header] {
        &[]
    }
}

fn resolve() -> Vec<Duration> {
    let routes = routes::Routes::new();
    routes.publish(RoutingTable {
        revision: Revision::new(1),
        current: Some(Box::new(1_u64)),
        ..RoutingTable::empty()
    });
    vec![timed(|_| {
        black_box(routes.load().resolve(&Plain).is_ok());
    })]
}

fn push_and_take() -> (Vec<Duration>, Vec<Duration>) {
    let mailbox = mailbox::Mailbox::new(usize::try_from(AT_ONCE).expect("few"), |_| ());
    mailbox.open(Limit::None).expect("it is not drained");
    let seat = mailbox.attach();
    let task = Context::from_waker(Waker::noop());
    let mut batch = VecDeque::new();
    let (mut pushed, mut taken) = (Vec::new(), Vec::new());
    for _ in 0..JOBS / AT_ONCE {
        let began = Instant::now();
        for job in 0..AT_ONCE {
            assert!(mailbox.admit(Sender::Outside, Job([job; 4]), Some).is_ok(), "there is room");
        }
        pushed.push(began.elapsed());
        let began = Instant::now();
        let mut settled = 0;
        loop {
            let found = mailbox.poll_take(seat, &mut settled, 16, &mut batch, &task, |_| ());
            if found != Poll::Ready(true) {
                break;
            }
            settled = batch.len();
            for job in batch.drain(..) {
                black_box(job.0);
            }
        }
        taken.push(began.elapsed());
    }
    (pushed, taken)
}

fn reply() -> Vec<Duration> {
    let mut task = Context::from_waker(Waker::noop());
    vec![timed(|job| {
        let (reply, mut outcome) = oneshot::channel();
        assert!(reply.send(job).is_ok(), "somebody waits");
        assert!(std::pin::Pin::new(&mut outcome).poll(&mut task).is_ready(), "it is there");
    })]
}

/// Fills the mailbox while its worker has no turn, then lets it work.
fn send_and_work() -> (Duration, Duration) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let round = Round::new(1).await;
        let (mut sent, mut worked) = (Duration::ZERO, Duration::ZERO);
        for first in (0..JOBS).step_by(usize::try_from(AT_ONCE).expect("few")) {
            let began = Instant::now();
            for job in first..first + AT_ONCE {
                round.adders.try_send(job).expect("there is room");
            }
            sent += began.elapsed();
            let began = Instant::now();
            poll_fn(|task| match round.adders.describe().done {
                done if done == first + AT_ONCE => Poll::Ready(()),
                _ => {
                    task.waker().wake_by_ref();
                    Poll::Pending
                }
            })
            .await;
            worked += began.elapsed();
        }
        round.finish(JOBS).await;
        (sent, worked)
    })
}
