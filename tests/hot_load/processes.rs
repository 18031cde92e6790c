//! What may end a process, each in a process of its own, which has to end well.
//!
//! Seen failing: initializers whose end nobody looks at; no limit to what is mapped.

#![allow(clippy::print_stdout, reason = "what was measured is for whoever asks for all loads")]

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::process::Command;
use std::time::Duration;

use payload::Script;
use payload::Task;
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
use crate::host::until;

/// Set in a child, to the name of the test that it is there for.
const CHILD: &str = "SERAL_CHILD";

/// Runs the rest of the test that calls this in a process of its own: true there. Elsewhere that process is started, and has to end well.
fn is_child(test: &str) -> bool {
    is_child_with(test, &[])
}

fn is_child_with(test: &str, environment: &[(&str, &str)]) -> bool {
    if env::var(CHILD).is_ok_and(|child| child == test) {
        return true;
    }
    // Built here, so that children do not wait for each other.
    scripted();
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", &format!("processes::{test}"), "--nocapture"]).env(CHILD, test);
    child.envs(environment.iter().copied());
    let output = child.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{test} ended with {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    false
}

/// How often something is done that takes long: a tenth, unless the nightly run asks for all.
fn times(most: usize) -> usize {
    if env::var_os("SERAL_ALL_LOADS").is_some() { most } else { most / 10 }
}

/// Kilobytes of memory that the process has.
fn resident_kilobytes() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    pages.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 4
}

fn threads() -> usize {
    fs::read_dir("/proc/self/task").unwrap().count()
}

/// Libraries that were unmapped only in name.
fn copies_in_maps() -> BTreeSet<String> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let paths = maps.lines().filter_map(|line| Some(&line[line.find("/seral-").or(line.find("/tmp/"))?..]));
    paths.filter(|path| path.contains(".so")).map(str::to_owned).collect()
}

/// A version comes, does something, and goes.
async fn cycle(at: Where, path: &std::path::Path) {
    let shop = Ecosystem::new("shop");
    let orders = community(&shop).await;
    orders.deploy("1.0.0", open(path, at, Script::default()).pool(2)).await.unwrap();
    assert_eq!(orders.ask(Task::Say("hello".to_owned())).await.unwrap(), "hello");
    assert_eq!(orders.ask(Task::Sleep(1)).await.unwrap(), "slept");
    orders.deploy("2.0.0", linked(1)).await.unwrap();
    until(|| orders.describe().version("1.0.0").unwrap().workers == 0).await;
    assert!(shop.shutdown(MINUTE).await.is_clean());
}

#[test]
fn a_library_that_was_cut_anywhere_is_refused_and_ends_nothing() {
    if !is_child("a_library_that_was_cut_anywhere_is_refused_and_ends_nothing") {
        return;
    }
    let whole = fs::read(scripted()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cut.so");
    for len in (0..whole.len()).step_by(4_096) {
        fs::write(&path, &whole[..len]).unwrap();
        assert!(Library::open(&path).is_err(), "{len} of {} bytes were opened", whole.len());
    }
}

/// What a deploy comes to that has half a second, with initializers that go like this.
async fn deploy_with_initializers(at: Where) -> String {
    let shop = Ecosystem::new("shop");
    let orders = community(&shop).await;
    orders.deploy("0.9.0", linked(1)).await.unwrap();
    let pool = open(scripted(), at, Script::default()).pool(2).start_deadline(Duration::from_millis(500));
    let failed = orders.deploy("1.0.0", pool).await.unwrap_err().to_string();
    assert_eq!(orders.ask(Task::Say("as before".to_owned())).await.unwrap(), "as before");
    assert!(shop.shutdown(MINUTE).await.is_clean());
    failed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn initializers_that_hang_fail_the_deploy_by_its_deadline() {
    let hangs = [("SERAL_PLUGIN_INITIALIZER", "hangs")];
    if !is_child_with("initializers_that_hang_fail_the_deploy_by_its_deadline", &hangs) {
        return;
    }
    for at in BOTH {
        let failed = deploy_with_initializers(at).await;
        assert_eq!(failed, "version 1.0.0 did not start within 500ms and gets no jobs");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn initializers_that_panic_fail_the_deploy_and_not_the_process() {
    let panics = [("SERAL_PLUGIN_INITIALIZER", "panics")];
    if !is_child_with("initializers_that_panic_fail_the_deploy_and_not_the_process", &panics) {
        return;
    }
    for at in BOTH {
        let failed = deploy_with_initializers(at).await;
        assert!(failed.contains("expected a library whose initializers end well, found"), "{failed}");
        assert!(failed.contains("SIGABRT"), "{failed}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn initializers_that_exit_fail_the_deploy_and_do_not_end_the_process() {
    let exits = [("SERAL_PLUGIN_INITIALIZER", "exits")];
    if !is_child_with("initializers_that_exit_fail_the_deploy_and_do_not_end_the_process", &exits) {
        return;
    }
    for at in BOTH {
        let failed = deploy_with_initializers(at).await;
        assert!(failed.contains("expected a library whose initializers end well, found"), "{failed}");
    }
}

/// The waits of a plugin have wakers in it. A timer that fires when the plugin is gone must not find one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_timer_may_fire_when_the_plugin_that_waited_for_it_is_gone() {
    if !is_child("a_timer_may_fire_when_the_plugin_that_waited_for_it_is_gone") {
        return;
    }
    for at in BOTH {
        for _ in 0..20 {
            let shop = Ecosystem::new("shop");
            let orders = loaded(&shop, at, Script::default(), 4).await;
            let mut waits = Vec::new();
            for _ in 0..4 {
                let late = orders.submit(Task::Sleep(60)).timeout(Duration::from_millis(20)).await.unwrap();
                waits.push(late);
            }
            for wait in waits {
                assert!(wait.await.is_err());
            }
            orders.deploy("2.0.0", linked(1)).await.unwrap();
            until(|| orders.describe().version("1.0.0").unwrap().workers == 0).await;
            if at == Where::Isolated {
                until(|| mapped().iter().all(|mapped| !mapped.isolated)).await;
            }
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn isolated_versions_come_and_go_and_leave_nothing() {
    if !is_child("isolated_versions_come_and_go_and_leave_nothing") {
        return;
    }
    let gone = || async { until(|| mapped().is_empty() && copies_in_maps().is_empty()).await };
    for path in [scripted().to_owned(), plugin("own-runtime")] {
        let script = path == scripted();
        let one = || async {
            if script {
                cycle(Where::Isolated, &path).await;
            } else {
                let shop = Ecosystem::new("shop");
                let orders = community(&shop).await;
                let library = Library::open(&path).unwrap().isolated();
                orders.deploy("1.0.0", library.pool(2)).await.unwrap();
                let text = Task::Say("through a socket".to_owned());
                assert_eq!(orders.ask(text).await.unwrap(), "through a socket");
                assert!(shop.shutdown(MINUTE).await.is_clean());
            }
            gone().await;
        };
        for _ in 0..20 {
            one().await;
        }
        let (kilobytes, tasks, rounds) = (resident_kilobytes(), threads(), times(1_000) as u64);
        for _ in 0..rounds {
            one().await;
        }
        let grown = resident_kilobytes().saturating_sub(kilobytes);
        println!("{rounds} rounds: {grown} kB more, {tasks} threads before, {} after", threads());
        // The allocator keeps some megabytes for the threads of the first rounds.
        assert!(grown < 6_000 + 2 * rounds, "{grown} kB more after {rounds} rounds");
        assert!(threads() <= tasks + 2, "{tasks} threads before, {} after", threads());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resident_versions_stay_and_what_they_cost_is_known() {
    if !is_child("resident_versions_stay_and_what_they_cost_is_known") {
        return;
    }
    for _ in 0..5 {
        cycle(Where::Resident, scripted()).await;
    }
    let (kilobytes, rounds) = (resident_kilobytes(), times(200));
    for _ in 0..rounds {
        cycle(Where::Resident, scripted()).await;
    }
    until(|| mapped().iter().all(|mapped| !mapped.in_use)).await;
    let each = resident_kilobytes().saturating_sub(kilobytes) / rounds as u64;
    let told: Vec<_> = mapped().iter().map(|mapped| mapped.bytes).collect();
    println!("{rounds} versions: {each} kB of memory for each, {} bytes mapped", told[0]);
    assert_eq!(told.len(), rounds + 5);
    assert!(told.iter().all(|bytes| *bytes == told[0]), "{told:?}");
    assert!(each <= told[0] as u64 / 1_024 + 200, "{each} kB of memory for each version");
    assert!(copies_in_maps().iter().all(|path| path.ends_with("(deleted)")), "{:?}", copies_in_maps());
}

/// Long before the process would be ended for want of thread keys.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_loaded_has_a_limit_that_says_so() {
    if !is_child("what_is_loaded_has_a_limit_that_says_so") {
        return;
    }
    let path = plugin("own-runtime");
    let (loads, refused) = load_until_refused(&path).await;
    println!("{loads} loads, then: {refused}");
    let is_limit = refused.contains("expected fewer than 512 libraries mapped, found 512")
        || refused.contains("expected 256 thread keys left for another library");
    assert!((500..=768).contains(&loads) && is_limit, "{loads} loads, then: {refused}");
}

async fn load_until_refused(path: &std::path::Path) -> (usize, String) {
    for loads in 0.. {
        let shop = Ecosystem::new("shop");
        let orders = community(&shop).await;
        let deployed = orders.deploy("1.0.0", Library::open(path).unwrap().pool(1)).await;
        if let Err(refused) = deployed {
            return (loads, refused.to_string());
        }
        assert_eq!(orders.ask(Task::Tokio).await.unwrap(), "waited");
        assert!(shop.shutdown(MINUTE).await.is_clean());
    }
    unreachable!("the loop ends by a return")
}
