//! A pool is what forks and joins: it has one mailbox, and a shutdown waits for all of it. What elsewhere is an actor for one message is a job.

use savina_problems::fork_join::Creation;
use savina_problems::fork_join::Throughput;
use savina_problems::fork_join::compute;
use seral::prelude::*;

use crate::stage::cores;
use crate::stage::end;

pub(crate) async fn throughput(problem: Throughput) -> Result<u64, BoxError> {
    fork_join(problem.actors, problem.all()).await
}

pub(crate) async fn creation(problem: Creation) -> Result<u64, BoxError> {
    fork_join(cores(), problem.actors).await
}

async fn fork_join(workers: usize, jobs: u64) -> Result<u64, BoxError> {
    let ecosystem = Ecosystem::new("fork-join");
    let work = ecosystem.community("work").await?;
    let pool = Pool::of_fn(workers, |(), _| async {
        compute();
        Ok(())
    });
    work.deploy("1.0.0", pool).await?;

    work.send_all(&mut (0..jobs).map(|_| ())).await?;
    end(&ecosystem).await?;
    Ok(work.describe().done)
}
