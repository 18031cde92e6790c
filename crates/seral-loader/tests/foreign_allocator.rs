//! A host with an allocator of its own: memory of the plugin that it frees, or the other way round, ends the process at once. In a process of its own, for
//! there is one allocator.
//!
//! Seen failing: bytes that are freed by whoever drops them; a future that is; a waker that is.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]
#![expect(unsafe_code, reason = "an allocator that knows its memory")]

use std::alloc::GlobalAlloc;
use std::alloc::Layout;
use std::alloc::System;
use std::fmt::Debug;
use std::fmt::Write;
use std::path::Path;
use std::process::abort;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use payload::Becomes;
use payload::Script;
use payload::Task;
use seral::prelude::*;
use seral_loader::Library;
use seral_loader::mapped;
use tracing::Subscriber;
use tracing::field::Field;
use tracing::field::Visit;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::layer::SubscriberExt;

// ---- the allocator -------------------------------------------------------------------------------------------------

/// Puts a mark in front of each block, and knows its own by it. What it frees without a mark, another allocator has made; and another one, which finds the mark
/// where it expects what it has put there itself, notices that as well.
struct Marking;

#[global_allocator]
static MARKING: Marking = Marking;

const MARK: u64 = 0x5E4A_1A11_0CA7_0123;
const GONE: u64 = !MARK;

/// The block with its mark, and how far into it what is asked for begins.
fn marked(layout: Layout) -> Option<(Layout, usize)> {
    Layout::new::<[u64; 2]>().extend(layout).ok()
}

// SAFETY: the system's allocator gives a block in which the one that is asked for lies, aligned.
unsafe impl GlobalAlloc for Marking {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some((whole, at)) = marked(layout) else { return std::ptr::null_mut() };
        // SAFETY: it is not empty, for the mark is in it.
        let block = unsafe { System.alloc(whole) };
        if block.is_null() {
            return block;
        }
        // SAFETY: as many bytes as are skipped are there, at least 16.
        unsafe {
            let given = block.add(at);
            given.sub(16).cast::<[u64; 2]>().write_unaligned([layout.size() as u64, MARK]);
            given
        }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        let Some((whole, at)) = marked(layout) else { abort() };
        // SAFETY: in front of each block there is something, be it of this allocator or of another.
        unsafe {
            if ptr.sub(16).cast::<[u64; 2]>().read_unaligned() != [layout.size() as u64, MARK] {
                abort();
            }
            ptr.sub(16).cast::<[u64; 2]>().write_unaligned([0, GONE]);
            System.dealloc(ptr.sub(at), whole);
        }
    }
}

// ---- events --------------------------------------------------------------------------------------------------------

static HEARD: AtomicUsize = AtomicUsize::new(0);

/// Formats all that it hears of plugins.
struct Listener;

impl<S: Subscriber> Layer<S> for Listener {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "scripted::orders" {
            let mut text = Text(format!("{:?}", event.metadata()));
            event.record(&mut text);
            assert!(text.0.contains("text=\"heard\""), "{}", text.0);
            HEARD.fetch_add(1, Relaxed);
        }
    }
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, " {field}={value:?}");
    }
}

// ---- a version's life ----------------------------------------------------------------------------------------------

const SOON: Duration = Duration::from_millis(20);
const LONG: u64 = 3_600_000;

/// The end of a job with two attempts.
async fn end_of(orders: &Community<Task, String>, task: Task) -> Result<String, String> {
    let retry = RetryPolicy::attempts(2).backoff(Duration::ZERO, Duration::ZERO);
    let job = orders.submit(task).retry(retry).key("ann").tenant("north").await.unwrap();
    job.await.map_err(|why| why.to_string())
}

/// All that can come of a job, each some times.
async fn work(orders: &Community<Task, String>) {
    for round in 0..5 {
        for len in [0, 1, 16, 100, 4_096, 1_000_000] {
            assert_eq!(end_of(orders, Task::Bytes(len)).await.unwrap().len(), len);
            let text = "x".repeat(len);
            assert_eq!(end_of(orders, Task::Say(text.clone())).await, Ok(text));
        }
        let heard = HEARD.load(Relaxed);
        assert_eq!(end_of(orders, Task::Tell("heard".to_owned())).await.unwrap(), "told");
        assert_eq!(HEARD.load(Relaxed), heard + 1);
        assert!(end_of(orders, Task::Facts).await.unwrap().contains("tenant=north"));
        let done = [
            (Task::Sleep(1), "slept"),
            (Task::Block, "blocked"),
            (Task::Send("invoices".to_owned(), round), "sent"),
        ];
        for (task, said) in done {
            assert_eq!(end_of(orders, task).await.unwrap(), said);
        }
        let failed = [
            Task::Fail(Becomes::Retry),
            Task::Fail(Becomes::Discarded),
            Task::Fail(Becomes::DeadLetter),
            Task::FailTyped,
            Task::FailSoThatRetryPanics,
            Task::Panic("at once".to_owned()),
            Task::PanicLater("later".to_owned()),
            Task::PanicWithBomb,
            Task::PanicBlocking,
            Task::Tokio,
            Task::Send("letters".to_owned(), round),
        ];
        for task in failed {
            assert!(end_of(orders, task.clone()).await.is_err(), "{task:?}");
        }
        for task in [Task::Sleep(LONG), Task::SleepOnBomb] {
            assert!(orders.submit(task).timeout(SOON).await.unwrap().await.is_err());
        }
        let asked = orders.submit(Task::UntilCancelled).await.unwrap();
        until(|| orders.describe().running == 1).await;
        asked.cancel();
        assert_eq!(asked.await, Err(seral::error::JobError::Cancelled));
    }
}

async fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_goes_back_to_the_side_that_made_it() {
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Listener)).unwrap();
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/plugins/Cargo.toml");
    let path = seral_test::plugin::build(manifest, "scripted").unwrap_or_else(|why| panic!("{why}"));
    for is_isolated in [false, true] {
        let shop = Ecosystem::new("shop");
        let invoices = shop.community::<u64, u64>("invoices").await.unwrap();
        invoices.deploy("1", Pool::of_fn(1, |number: u64, _| async move { Ok(number) })).await.unwrap();
        let restart = seral::RestartPolicy::default().delay_max(Duration::ZERO);
        let orders = shop.community::<Task, String>("orders").restart(restart).await.unwrap();
        let library = Library::open(&path).unwrap().config(&Script::default()).unwrap().sends_to(&invoices);
        let library = if is_isolated { library.isolated() } else { library };
        orders.deploy("1.0.0", library.pool(2)).await.unwrap();
        work(&orders).await;
        orders.deploy("2.0.0", Pool::of_fn(1, |_, _| async { Ok(String::new()) })).await.unwrap();
        until(|| mapped().iter().all(|mapped| !mapped.isolated && !mapped.in_use)).await;
        orders.dead_letters().discard();
        assert!(shop.shutdown(Duration::from_secs(60)).await.is_clean());
    }
}

/// Or the test above says nothing.
#[test]
fn the_allocator_is_the_one_of_this_program() {
    let block = Box::new([7_u64; 3]);
    let at = std::ptr::from_ref(&*block).cast::<u64>();
    // SAFETY: the mark lies in front of each block of this allocator.
    assert_eq!(unsafe { at.sub(1).read() }, MARK);
}
