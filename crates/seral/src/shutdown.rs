//! The end of an ecosystem, or of one community of it: stop accepting, finish, hand back, close.

use std::cmp::Reverse;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use seral_core::time::Time;
use tokio::runtime::Handle;

use crate::closing::AnyCommunity;
use crate::community::Community;
use crate::desk::Urge;
use crate::finale::Closer;
use crate::finale::Finale;
use crate::intake::Stage;
use crate::report::CommunityReport;
use crate::report::ShutdownEnd;
use crate::report::ShutdownReport;
use crate::root::Root;

/// How long a running job has to end of its own will once the deadline has passed and it was asked to.
const GRACE: Duration = Duration::from_secs(1);

/// A community of any type, with its name.
pub(crate) type Named = (String, Arc<dyn AnyCommunity>);

/// Closes all communities of an ecosystem. Those that end already by themselves are waited for, and are part of the report.
pub(crate) async fn close_all(
    root: &Root,
    communities: Vec<Named>,
    deadline: Duration,
    finale: &Finale,
) -> ShutdownReport {
    let began = root.clock.now();
    let until = began.after(deadline);
    let (mut ours, mut closers, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for (name, community) in communities {
        match community.finale.begin() {
            Some(closer) => {
                community.close_to(Stage::WorkersOnly);
                closers.push(closer);
                ours.push((name, community));
            }
            None => {
                community.finale.end_by(until);
                others.push((name, community));
            }
        }
    }
    let mut report = close(root, ours, &others, deadline, finale).await;
    for (closer, part) in closers.into_iter().zip(&report.communities) {
        closer.report(report.of_one(part.clone()));
    }
    for (name, other) in others {
        report.add(name, other.finale.over().await);
    }
    report.communities.sort_by(|a, b| a.name.cmp(&b.name));
    report.took = root.clock.now().since(began);
    report
}

impl<J: Send + Sync + 'static, O: Send + 'static> Community<J, O> {
    /// Ends this community, and lets the others of its ecosystem go on: refuses jobs, lets all admitted jobs finish, and lets the workers close cleanly. The
    /// report is as that of [`Ecosystem::shutdown`](crate::Ecosystem::shutdown), with this community alone in it.
    ///
    /// From the first poll on, a job from outside, or from a worker of another community, comes back as [`SendError::Closed`](crate::error::SendError::Closed);
    /// its own workers may still send to it until it is quiet. What is not finished by the deadline is handed back, uncharged: waiting jobs at
    /// once; running jobs are asked to end, have a second for it, and are then dropped at their next `await`. Delayed jobs that are not due before the deadline, and
    /// dead letters, are handed back as well. The deadline has no default; [`SHUTDOWN_DEADLINE`](crate::ecosystem::SHUTDOWN_DEADLINE) is what
    /// [`run_until`](crate::Ecosystem::run_until) takes. `Duration::ZERO` hands back at once what is not finished.
    ///
    /// When this is ready, its name is free for another community, and its workers are gone, but for those that the report says are still there. Verbs
    /// are answered with `Interrupted`, and a rollout in progress is aborted. Handles that are left see what became of the jobs, and can do nothing.
    ///
    /// Shutting down again gives the same report; the first deadline holds. If the ecosystem is shut down meanwhile, that waits for this community too, and the sooner
    /// of the two deadlines holds; if it was before, this is ready when that is, with this community's part of the report.
    ///
    /// A worker should spawn this and not await it. In a job or the `stop` of this same community it would wait for its own end; and while the ecosystem ends, all hear
    /// of that together, when the last worker has left: then it would wait for itself in any community. What waits so is handed back after the deadline.
    ///
    /// Cancel safe: once begun, the shutdown goes on though nobody waits for it.
    ///
    /// ```
    /// use seral::prelude::*;
    /// use std::time::Duration;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let shop = Ecosystem::new("shop");
    /// let tenant = shop.community::<u32, u32>("tenant-7").await?;
    /// tenant.deploy("1.0.0", Pool::of_fn(2, |n: u32, _: JobContext| async move { Ok(n + 1) })).await?;
    /// let job = tenant.submit(41).await?;
    ///
    /// // The tenant has left: what it had sent is finished, and nothing of it stays.
    /// let report = tenant.shutdown(Duration::from_secs(25)).await;
    /// assert!(report.is_clean());
    /// assert_eq!(job.await?, 42);
    /// assert!(tenant.send(1).await.is_err());
    ///
    /// // Another of that name is a new one.
    /// let tenant = shop.community::<u32, u32>("tenant-7").await?;
    /// assert_eq!(tenant.describe().done, 0);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn shutdown(&self, deadline: Duration) -> ShutdownReport {
        let finale = &self.control.finale;
        if let (Some(closer), Some(runtime)) = (finale.begin(), self.control.plane.root.runtime.get()) {
            self.control.close_to(Stage::OwnWorkersOnly);
            spawn_end(runtime, Arc::new(self.clone()), deadline, closer);
        }
        finale.over().await
    }
}

/// Ends a community, in a task of its own: whoever asked for it may not stay to see its end.
fn spawn_end(runtime: &Handle, community: Arc<dyn AnyCommunity>, deadline: Duration, closer: Closer) {
    runtime.spawn(async move {
        let control = Arc::clone(community.control());
        let root = &control.plane.root;
        let ours: Vec<Named> = vec![(control.plane.name.to_string(), community)];
        let report = close(root, ours, &[], deadline, &control.finale).await;
        // Before anybody hears that it is over: its name is free then.
        (control.leave)();
        closer.report(report);
        // The ecosystem may wait for this one among others.
        root.stirred.notify_waiters();
    });
}

/// Stop accepting, finish, hand back, close: these communities, of which the caller is the closer, and which take jobs from workers alone by now. What is
/// unfinished in the `others`, which end by themselves, is waited for as well; but when our time is over, so is theirs.
async fn close(
    root: &Root,
    ours: Vec<Named>,
    others: &[Named],
    deadline: Duration,
    finale: &Finale,
) -> ShutdownReport {
    let clock = root.clock.clone();
    let began = clock.now();
    finale.end_by(began.after(deadline));
    let mut sooner = finale.until();
    let mut until = began.after(deadline);
    let done_before: Vec<u64> = ours.iter().map(|(_, it)| it.describe().done).collect();
    let all = [&ours, others].concat();

    let end = loop {
        until = until.min(*sooner.borrow_and_update());
        tokio::select! {
            biased;
            () = quiet(root, &all, until) => break ShutdownEnd::Finished,
            () = tokio::time::sleep(until.since(clock.now())) => break ShutdownEnd::Deadline,
            () = finale.until_cut_short() => break ShutdownEnd::CutShort,
            _ = sooner.changed() => {}
        }
    };
    if end == ShutdownEnd::Finished {
        let time_left = until.since(clock.now());
        tokio::select! {
            biased;
            () = stop_in_stages(root, &ours, others, until) => {}
            () = tokio::time::sleep(time_left.max(GRACE)) => {}
            () = finale.until_cut_short() => {}
        }
    }
    for (_, other) in others {
        other.finale.cut_short();
    }
    for (_, community) in &ours {
        community.close_to(Stage::Closed);
        community.take_out_all();
    }
    stop_workers(&ours, end).await;
    all_arrived(root, &ours).await;

    let communities = hand_back(ours, done_before).await;
    ShutdownReport { end, took: clock.now().since(began), communities }
}

/// Waits until no job is on the move: where it arrives, it is taken note of.
async fn all_arrived(root: &Root, communities: &[Named]) {
    let arrived = async {
        loop {
            let mut stirred = pin!(root.stirred.notified());
            stirred.as_mut().enable();
            if !communities.iter().any(|(_, it)| it.plane.jobs_moving() > 0) {
                return;
            }
            stirred.await;
        }
    };
    // Moving takes microseconds; a second is for a machine that is at its limits.
    let _ = tokio::time::timeout(GRACE, arrived).await;
}

/// Waits until nothing is unfinished in any community, apart from what is delayed past `until`.
async fn quiet(root: &Root, communities: &[Named], until: Time) {
    let activity = || communities.iter().map(|(_, it)| it.activity()).sum::<u64>();
    loop {
        let mut stirred = pin!(root.stirred.notified());
        stirred.as_mut().enable();
        let before = activity();
        let all_quiet = communities.iter().all(|(_, it)| it.is_quiet(until));
        // A job may have moved, or sent another on, to a place that was looked at before it: then there was activity meanwhile.
        if all_quiet && activity() == before {
            return;
        }
        if all_quiet {
            continue;
        }
        stirred.await;
    }
}

/// Lets the workers close cleanly, one community after the other, the one that was made last first: its workers may hold the handles of those that
/// were made before it, and send them something still as they stop. So may those of the `others`.
async fn stop_in_stages(root: &Root, ours: &[Named], others: &[Named], until: Time) {
    for (_, other) in others {
        other.finale.over().await;
    }
    quiet(root, ours, until).await;
    let mut stages: Vec<_> = ours.iter().map(|(_, community)| community).collect();
    stages.sort_by_key(|community| Reverse(community.plane.place));
    for stage in stages {
        // What is delayed for longer is taken out now: a job that names its version would hold its workers.
        stage.close_to(Stage::Closed);
        stage.take_out_all();
        stage.stop().await;
        quiet(root, ours, until).await;
    }
}

/// Lets all workers close that have not. If there was no time to finish, running jobs are asked to end first, and dropped if they do not.
async fn stop_workers(communities: &[Named], end: ShutdownEnd) {
    let mut all_stopped = pin!(async {
        for (_, community) in communities {
            community.stop().await;
        }
    });
    if end != ShutdownEnd::Finished {
        urge(communities, Urge::Cancel);
    }
    if tokio::time::timeout(GRACE, &mut all_stopped).await.is_err() {
        urge(communities, Urge::Abandon);
        // Code that blocks its thread cannot be ended; the report says so.
        let _ = tokio::time::timeout(GRACE, &mut all_stopped).await;
    }
}

/// Hands back what is left, in all communities at once, and says what each came to.
async fn hand_back(communities: Vec<Named>, done_before: Vec<u64>) -> Vec<CommunityReport> {
    let handing = |(name, community): Named, done_before: u64| {
        let known_as = name.clone();
        let handed = tokio::spawn(async move {
            // What a worker gave back in its last moment.
            community.take_out_all();
            let handed = community.hand_back().await;
            community.forget_user_code();
            let view = community.describe();
            community.end_actors().await;
            CommunityReport {
                name,
                finished: view.done.saturating_sub(done_before),
                handed_back: handed.jobs,
                dead_letters: handed.dead_letters,
                taken: handed.taken,
                still_running: view.running,
                still_there: view.versions.iter().map(|version| version.workers).sum(),
            }
        });
        async move { handed.await.unwrap_or_else(|_| CommunityReport::of_failure(known_as)) }
    };
    let handing: Vec<_> =
        communities.into_iter().zip(done_before).map(|(it, done)| handing(it, done)).collect();
    let mut reports = Vec::new();
    for handed in handing {
        reports.push(handed.await);
    }
    reports
}

fn urge(communities: &[Named], urge: Urge) {
    for (_, community) in communities {
        community.urge(urge);
    }
}
