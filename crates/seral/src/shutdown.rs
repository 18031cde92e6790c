//! The end of an ecosystem: stop accepting, finish, hand back, close.

use std::cmp::Reverse;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use seral_core::time::Time;
use tokio::sync::Notify;

use crate::closing::AnyCommunity;
use crate::desk::Urge;
use crate::intake::Stage;
use crate::report::CommunityReport;
use crate::report::ShutdownEnd;
use crate::report::ShutdownReport;
use crate::root::Root;

/// How long a running job has to end of its own will once the deadline has passed and it was asked to.
const GRACE: Duration = Duration::from_secs(1);

/// A community of any type, with its name.
pub(crate) type Named = (String, Arc<dyn AnyCommunity>);

/// Stop accepting, finish, hand back, close.
pub(crate) async fn close(
    root: &Root,
    communities: Vec<Named>,
    deadline: Duration,
    cut_short: &Notify,
) -> ShutdownReport {
    root.set_closing();
    let clock = root.clock.clone();
    let began = clock.now();
    let done_before: Vec<u64> = communities.iter().map(|(_, it)| it.describe().done).collect();
    for (_, community) in &communities {
        community.close_to(Stage::WorkersOnly);
    }

    let end = tokio::select! {
        biased;
        () = quiet(root, &communities, began.after(deadline)) => ShutdownEnd::Finished,
        () = tokio::time::sleep(deadline) => ShutdownEnd::Deadline,
        () = cut_short.notified() => ShutdownEnd::CutShort,
    };
    if end == ShutdownEnd::Finished {
        let time_left = began.after(deadline).since(clock.now());
        tokio::select! {
            biased;
            () = stop_in_stages(root, &communities, began.after(deadline)) => {}
            () = tokio::time::sleep(time_left.max(GRACE)) => {}
            () = cut_short.notified() => {}
        }
    }
    for (_, community) in &communities {
        community.close_to(Stage::Closed);
        community.take_out_all();
    }
    stop_workers(&communities, end).await;
    all_arrived(root, &communities).await;

    let communities = hand_back(communities, done_before).await;
    ShutdownReport { end, took: clock.now().since(began), communities }
}

/// Waits until no job is on the move: where it arrives, it is taken note of.
async fn all_arrived(root: &Root, communities: &[Named]) {
    let arrived = async {
        while communities.iter().any(|(_, it)| it.has_moving()) {
            root.stirred.notified().await;
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
/// were made before it, and send them something still as they stop.
async fn stop_in_stages(root: &Root, communities: &[Named], until: Time) {
    let mut stages: Vec<_> = communities.iter().map(|(_, community)| community).collect();
    stages.sort_by_key(|community| Reverse(community.place()));
    for stage in stages {
        // What is delayed for longer is taken out now: a job that names its version would hold its workers.
        stage.close_to(Stage::Closed);
        stage.take_out_all();
        stage.stop().await;
        quiet(root, communities, until).await;
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
