//! What a review of loading has found, each test named after what must hold; it fails without its mending.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;
use std::time::Instant;

use payload::Mood;
use payload::Script;
use payload::Task;
use seral::error::DeployError;
use seral::prelude::*;
use seral_loader::Library;
use seral_loader::mapped;

use crate::host::BOTH;
use crate::host::MINUTE;
use crate::host::Where;
use crate::host::community;
use crate::host::linked;
use crate::host::loaded;
use crate::host::open;
use crate::host::plugin;
use crate::host::scripted;
use crate::host::scripted_as;
use crate::host::until;

/// How many libraries with this checksum are mapped and not retired.
fn in_use(library: &Library) -> usize {
    mapped().iter().filter(|mapped| mapped.sha256 == library.checked().sha256 && mapped.in_use).count()
}

/// Each worker of an isolated library has a thread: a job that computes holds up itself, and no thread of the host.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_that_time_out_beside_one_that_computes_hold_up_nobody() {
    for at in BOTH {
        let shop = Ecosystem::new("shop");
        let orders = loaded(&shop, at, Script::default(), 3).await;
        let computes = orders.submit(Task::Spin(2_000)).await.unwrap();
        until(|| orders.describe().running == 1).await;
        let began = Instant::now();
        let mut late = Vec::new();
        for _ in 0..2 {
            let submit = orders.submit(Task::Sleep(3_600_000)).timeout(Duration::from_millis(20));
            late.push(submit.await.unwrap());
        }
        for job in late {
            assert!(job.await.is_err());
        }
        assert!(began.elapsed() < Duration::from_millis(1_500), "{at:?}: {:?}", began.elapsed());
        assert_eq!(computes.await.unwrap(), "spun");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_hangs_when_it_is_made_holds_up_no_other_of_its_library() {
    let directory = tempfile::tempdir().unwrap();
    for (digit, at) in [(1, Where::Resident), (2, Where::Isolated)] {
        let shop = Ecosystem::new("shop");
        let version = format!("9.6.{digit}");
        let library = open(&scripted_as(&version, directory.path()), at, Script::default());
        let orders = community(&shop).await;
        orders.deploy(&*version, library.pool(2)).await.unwrap();
        let others = shop.community::<Task, String>("others").await.unwrap();
        let hangs = library.clone().config(&Script { create: Mood::Hangs, ..Script::default() }).unwrap();
        let pool = hangs.pool(1).start_deadline(Duration::from_millis(200));
        let failed = others.deploy(&*version, pool).await.unwrap_err();
        assert!(matches!(failed, DeployError::StartTimeout { .. }), "{failed}");
        assert_eq!(orders.ask(Task::Say("still here".to_owned())).await.unwrap(), "still here", "{at:?}");
        assert!(shop.shutdown(MINUTE).await.is_clean());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deploys_that_fail_or_are_given_up_leave_nothing_in_use() {
    let directory = tempfile::tempdir().unwrap();
    for (digit, at) in [(3, Where::Resident), (4, Where::Isolated)] {
        let version = format!("9.6.{digit}");
        let path = scripted_as(&version, directory.path());
        let fails = open(&path, at, Script { start: Mood::Fails, ..Script::default() });
        let well = open(&path, at, Script::default());
        for round in 0..20_u64 {
            let shop = Ecosystem::new("shop");
            let orders = community(&shop).await;
            orders.deploy(&*version, fails.pool(8)).await.unwrap_err();
            let soon = Duration::from_micros(500 * round);
            // It is in time or not.
            let _ = orders.deploy(&*version, well.pool(2).start_deadline(soon)).await;
            assert!(shop.shutdown(MINUTE).await.is_clean());
        }
        until(|| in_use(&well) == 0).await;
        let mapped = mapped().into_iter().filter(|mapped| mapped.sha256 == well.checked().sha256).count();
        match at {
            Where::Resident => assert!(mapped <= 2, "{mapped} of two libraries are mapped"),
            Where::Isolated => until(|| mapped_of(&well) == 0).await,
        }
    }
}

fn mapped_of(library: &Library) -> usize {
    mapped().iter().filter(|mapped| mapped.sha256 == library.checked().sha256).count()
}

/// The numbers that were given to copies so far: each load has one.
fn loads(library: &Library) -> BTreeSet<String> {
    let sum = library.checked().sha256.to_string();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let copies = maps.lines().filter_map(|line| Some(line[line.find(&sum)?..].to_owned()));
    copies.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_of_the_only_worker_does_not_load_its_library_again() {
    let directory = tempfile::tempdir().unwrap();
    for (digit, at) in [(5, Where::Resident), (6, Where::Isolated)] {
        let shop = Ecosystem::new("shop");
        let version = format!("9.6.{digit}");
        let library = open(&scripted_as(&version, directory.path()), at, Script::default());
        let orders = community(&shop).await;
        orders.deploy(&*version, library.pool(1)).await.unwrap();
        let before = loads(&library);
        for _ in 0..5 {
            assert_eq!(orders.ask(Task::Say("ok".to_owned())).await.unwrap(), "ok");
            assert!(orders.ask(Task::Panic("told to".to_owned())).await.is_err());
            until(|| in_use(&library) == 1).await;
            assert_eq!(loads(&library), before, "{at:?}");
        }
        orders.dead_letters().discard();
        orders.deploy("10.0.0", linked(1)).await.unwrap();
        until(|| in_use(&library) == 0).await;
        assert!(shop.shutdown(MINUTE).await.is_clean());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_is_unmapped_does_not_show_what_was_mapped_after_it() {
    let directory = tempfile::tempdir().unwrap();
    let shop = Ecosystem::new("shop");
    let orders = community(&shop).await;
    for version in ["9.6.7", "9.6.8"] {
        let library = open(&scripted_as(version, directory.path()), Where::Isolated, Script::default());
        orders.deploy(version, library.pool(1)).await.unwrap();
        orders.deploy("10.0.0", linked(1)).await.unwrap();
        let bytes = |of: &str| orders.describe().version(of).unwrap().library.as_ref().unwrap().mapped;
        until(|| bytes(version) == 0).await;
        assert_eq!(bytes("9.6.7"), 0);
    }
}

/// What a cancelled job leaves may need the runtime that it was polled in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_job_is_dropped_in_the_runtime_of_its_plugin() {
    for at in BOTH {
        let shop = Ecosystem::new("shop");
        let orders = community(&shop).await;
        let library = Library::open(plugin("own-runtime")).unwrap();
        let library = if at == Where::Isolated { library.isolated() } else { library };
        orders.deploy("1.0.0", library.pool(1)).await.unwrap();
        let late = orders.submit(Task::SleepOnBomb).timeout(Duration::from_millis(20)).await.unwrap();
        let why = late.await.unwrap_err().to_string();
        assert!(why.contains("timed out"), "{at:?}: {why}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_file_with_another_configuration_is_another_build() {
    let shop = Ecosystem::new("shop");
    let orders = loaded(&shop, Where::Resident, Script::default(), 1).await;
    let other = open(scripted(), Where::Resident, Script { optimize: Mood::Fails, ..Script::default() });
    let refused = orders.deploy("1.0.0", other.pool(1)).await.unwrap_err();
    assert!(matches!(refused, DeployError::OtherBuild { .. }), "{refused}");
}
