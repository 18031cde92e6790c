//! Along the versions that are alive at once: one that is current, and all others draining, each held up by a job that waits.
//!
//! One sender, on one thread, where one worker of the version at which it aims is free. A deploy is that of a version with one worker, beside
//! so many; the one it replaces has nothing in hand and leaves at once. What a draining version's own work costs is not in it.
//!
//! Expected: `send` does not know how many versions there are, since the table has the current one in a place of its own. A pinned job is looked
//! up in a list in the order of deploys: the oldest is found at once, the current one last. A name of another length is passed over for next to
//! nothing, one of the same length is read, for some 3 ns: hence the bend where names begin to have two digits. A deploy makes that list anew
//! and takes longer in proportion, a third of a microsecond for each version.

use std::time::Duration;
use std::time::Instant;

use seral::Version;
use seral::prelude::*;
use seral::view::VersionState;

use crate::extent::Extent;
use crate::gate::BELL;
use crate::gate::HOLD;
use crate::growth::Growth;
use crate::growth::Unit::MicrosADeploy;
use crate::growth::Unit::NanosAJob;
use crate::round;
use crate::round::MAILBOX;
use crate::round::Plain;
use crate::round::Round;
use crate::round::Sending;
use crate::stats::Quartiles;

const VERSIONS: [u64; 7] = [1, 2, 4, 8, 16, 32, 64];
const JOBS: u64 = 200_000;
const DEPLOYS: u64 = 20;

/// By `submit`, to the version that it names, if any; the handle is dropped.
#[derive(Clone)]
struct Pinned(Option<Version>);

impl Sending for Pinned {
    type Job = u64;

    async fn send(&self, adders: &Community<u64, u64>, number: u64) {
        let mut submit = adders.submit(number);
        if let Some(version) = &self.0 {
            submit = submit.pin(version.clone());
        }
        drop(submit.await.expect("admitted"));
    }
}

pub(crate) fn measure(extent: Extent) -> Growth {
    let points = extent.points(&VERSIONS, 16);
    let measures = [
        ("`send` to the current", NanosAJob),
        ("`submit` to the current", NanosAJob),
        ("pinned to the current", NanosAJob),
        ("pinned to the oldest", NanosAJob),
        ("a deploy beside them", MicrosADeploy),
    ];
    let lines = Growth::interleaved(extent.rounds(), &points, measures, |versions| {
        round::on_one_thread(beside(versions, extent.jobs(JOBS)))
    });
    Growth {
        heading: "Versions alive at once: one sender, one free worker, one thread",
        along: "versions alive",
        points,
        lines,
    }
}

/// One value for each measure, with so many versions alive.
async fn beside(versions: u64, jobs: u64) -> [f64; 5] {
    let round = Round::new(MAILBOX).await;
    for version in 1..versions {
        round.deploy(version.to_string(), 2, 0).await;
        round.adders.send(HOLD).await.expect("admitted");
        round.gate.holds_one().await;
    }
    round.deploy(versions.to_string(), 1, 0).await;
    assert_eq!(alive(&round), versions, "the versions before are held up");
    let pinned = |version: u64| Pinned(Some(version.to_string().into()));
    let sent = sending(&round, &Plain, jobs).await;
    let submitted = sending(&round, &Pinned(None), jobs).await;
    let to_current = sending(&round, &pinned(versions), jobs).await;
    let to_oldest = sending(&round, &pinned(1), jobs).await;
    let deploys = deploys(&round, versions).await;
    round.gate.let_go(usize::try_from(versions - 1).expect("few"));
    round.finish(jobs, 4).await;
    [sent, submitted, to_current, to_oldest, deploys]
}

fn alive(round: &Round<u64>) -> u64 {
    let versions = round.adders.describe().versions;
    let is_alive = |state| matches!(state, VersionState::Current | VersionState::Draining);
    versions.iter().filter(|version| is_alive(version.state)).count() as u64
}

/// Nanoseconds for each job, from the first one sent to the last one done. Only one worker takes them, so the last one sent is also that.
async fn sending(round: &Round<u64>, sending: &impl Sending<Job = u64>, jobs: u64) -> f64 {
    let began = Instant::now();
    round.send(sending, jobs, 1).await;
    sending.send(&round.adders, BELL).await;
    round.gate.bell().await;
    round::nanos_each(began.elapsed(), jobs)
}

/// Microseconds for a deploy, the median of some.
async fn deploys(round: &Round<u64>, versions: u64) -> f64 {
    let mut took = Vec::new();
    for version in versions + 1..=versions + DEPLOYS {
        let began = Instant::now();
        round.deploy(version.to_string(), 1, 0).await;
        took.push(began.elapsed().as_secs_f64() * 1e6);
        // The one before leaves.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Quartiles::of(took).median
}
