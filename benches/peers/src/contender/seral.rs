//! Seral: a community of one version. Its defaults, but for what a work says otherwise.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use seral::prelude::*;

use crate::loss;
use crate::measure;
use crate::pool;
use crate::pool::Ask;
use crate::pool::Endure;
use crate::pool::Fate;
use crate::pool::Idle;
use crate::pool::Tell;
use crate::task::Crew;

/// Longer than any work takes.
const LONG: Duration = Duration::from_secs(600);

/// Adds up jobs, and gives the sum away when it leaves.
pub(crate) struct Adder {
    spin: u64,
    local: u64,
    sum: Arc<AtomicU64>,
}

impl Worker for Adder {
    type Job = u64;
    type Output = u64;

    async fn process(&mut self, job: &u64, _: &JobContext) -> Result<u64, Fault> {
        measure::spin(self.spin);
        self.local += job;
        Ok(job + 1)
    }

    async fn stop(&mut self) {
        self.sum.fetch_add(self.local, Relaxed);
    }
}

/// A community of adders.
pub(crate) struct Adders {
    ecosystem: Ecosystem,
    pub(crate) community: Community<u64, u64>,
    pub(crate) crew: Crew,
    sum: Arc<AtomicU64>,
}

impl Adders {
    /// The pool of a version.
    pub(crate) fn version(&self) -> Pool<u64, u64> {
        let (spin, sum) = (self.crew.spin, Arc::clone(&self.sum));
        Pool::of(self.crew.workers, move || Adder { spin, local: 0, sum: Arc::clone(&sum) })
    }
}

impl pool::Pool for Adders {
    type Sender = Community<u64, u64>;

    async fn start(crew: Crew) -> Self {
        let ecosystem = Ecosystem::new("peers");
        let community = ecosystem.community("add").await.expect("a community");
        let adders = Self { ecosystem, community, crew, sum: Arc::default() };
        adders.community.deploy("1", adders.version()).await.expect("a version");
        adders
    }

    fn sender(&self, _: usize) -> Community<u64, u64> {
        self.community.clone()
    }

    async fn finish(self) -> u64 {
        let report = self.ecosystem.shutdown(LONG).await;
        assert!(report.is_clean(), "{report}");
        self.sum.load(Relaxed)
    }
}

impl Tell for Community<u64, u64> {
    async fn tell(&mut self, job: u64) {
        self.send(job).await.expect("admitted");
    }
}

impl Ask for Community<u64, u64> {
    async fn ask(&mut self, job: u64) -> u64 {
        Community::ask(self, job).await.expect("an output")
    }
}

/// Workers that wait. A pool has at most 10,000, so there are as many communities as that takes.
pub(crate) struct IdleWorkers {
    ecosystem: Ecosystem,
    communities: Vec<Community<u64, u64>>,
}

impl Idle for IdleWorkers {
    async fn start(count: usize) -> Self {
        let ecosystem = Ecosystem::new("peers");
        let mut communities = Vec::new();
        let mut left = count;
        while left > 0 {
            let size = left.min(seral::pool::POOL_SIZE_MAX);
            let community =
                ecosystem.community(&format!("idle-{}", communities.len())).await.expect("a community");
            let pool = Pool::of_fn(size, |job: u64, _| async move { Ok(job) });
            community.deploy("1", pool).await.expect("a version");
            communities.push(community);
            left -= size;
        }
        Self { ecosystem, communities }
    }

    async fn stop(self) {
        let report = self.ecosystem.shutdown(LONG).await;
        assert!(report.is_clean(), "{report}");
        drop(self.communities);
    }
}

/// A worker to which some jobs are fatal.
struct Fragile(Arc<AtomicU64>);

impl Worker for Fragile {
    type Job = u64;
    type Output = ();

    async fn process(&mut self, job: &u64, _: &JobContext) -> Result<(), Fault> {
        loss::do_or_panic(*job, &self.0);
        Ok(())
    }
}

impl Endure for Adders {
    /// One attempt each: a job that panics once would panic again, and becomes a dead letter, which the shutdown hands back.
    async fn endure(jobs: u64) -> Fate {
        let (done, returned) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let ecosystem = Ecosystem::new("peers");
        let back = Arc::clone(&returned);
        let community = ecosystem
            .community::<u64, ()>("fragile")
            .retry(RetryPolicy::attempts(1))
            .hand_back(move |jobs| {
                back.fetch_add(jobs.len() as u64, Relaxed);
                async {}
            })
            .await
            .expect("a community");
        let seen = Arc::clone(&done);
        community.deploy("1", Pool::of(1, move || Fragile(Arc::clone(&seen)))).await.expect("a version");
        for job in 0..jobs {
            community.send(job).await.expect("admitted");
        }
        let report = ecosystem.shutdown(LONG).await;
        assert!(report.is_clean(), "{report}");
        Fate { done: done.load(Relaxed), returned: returned.load(Relaxed) }
    }
}
