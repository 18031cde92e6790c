//! Actors that compute for each message, and stop after their last.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use savina_problems::fork_join::Creation;
use savina_problems::fork_join::Throughput;
use savina_problems::fork_join::compute;
use savina_problems::program::BoxError;

use crate::actor::Actor;
use crate::actor::Next;
use crate::actor::Runtime;
use crate::actor::World;

struct Computer {
    left: u64,
    done: u64,
    all: Arc<AtomicU64>,
}

impl<R: Runtime> Actor<R> for Computer {
    type Message = ();

    fn handle(&mut self, (): (), _: &R::Address<Self>) -> Next {
        compute();
        self.done += 1;
        if self.done < self.left {
            return Next::Continue;
        }
        self.all.fetch_add(self.done, Relaxed);
        Next::Stop
    }
}

pub(crate) async fn throughput<R: Runtime>(
    Throughput { actors, messages }: Throughput,
) -> Result<u64, BoxError> {
    let (world, end) = World::<R>::new();
    let all = Arc::new(AtomicU64::new(0));
    let computer = || Computer { left: messages, done: 0, all: Arc::clone(&all) };
    let computers: Vec<_> = (0..actors).map(|_| world.start(computer())).collect();
    for round in 0..messages {
        for computer in &computers {
            R::send::<Computer>(computer, ());
        }
        // After some thousand messages, as every sender of these benchmarks does.
        if round % 16 == 0 {
            tokio::task::yield_now().await;
        }
    }
    drop(computers);
    end.of(world).await;
    Ok(all.load(Relaxed))
}

pub(crate) async fn creation<R: Runtime>(Creation { actors }: Creation) -> Result<u64, BoxError> {
    let (world, end) = World::<R>::new();
    let all = Arc::new(AtomicU64::new(0));
    for _ in 0..actors {
        let computer = world.start(Computer { left: 1, done: 0, all: Arc::clone(&all) });
        R::send::<Computer>(&computer, ());
    }
    end.of(world).await;
    Ok(all.load(Relaxed))
}
