//! From the deploy of a library to its end: what fails changes nothing else, and what is retired is accounted for.
//!
//! Seen failing: a copy that stays; a library that is not closed; a worker that is never left; a build that does not tell files apart; a plugin that is shut down though it
//! is in use.

use std::fs;
use std::time::Duration;

use payload::Mood;
use payload::Script;
use payload::Task;
use seral::error::DeployError;
use seral::prelude::*;
use seral_loader::Library;
use seral_loader::Mapped;
use seral_loader::mapped;

use crate::host::BOTH;
use crate::host::MINUTE;
use crate::host::Where;
use crate::host::community;
use crate::host::linked;
use crate::host::loaded;
use crate::host::open;
use crate::host::scripted;
use crate::host::scripted_as;
use crate::host::until;

/// What is mapped of a file with this checksum.
fn mapped_of(library: &Library) -> Vec<Mapped> {
    mapped().into_iter().filter(|mapped| mapped.sha256 == library.checked().sha256).collect()
}

/// A copy of the plugin that no other test has, as version `9.9.<digit>`.
fn only_here(digit: u8, directory: &tempfile::TempDir) -> std::path::PathBuf {
    scripted_as(&format!("9.9.{digit}"), directory.path())
}

async fn says(orders: &Community<Task, String>, text: &str) {
    assert_eq!(orders.ask(Task::Say(text.to_owned())).await.unwrap(), text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_library_that_cannot_be_used_fails_its_deploy_and_changes_nothing_else() {
    use Mood::Fails;
    use Mood::Hangs;
    use Mood::Panics;
    let well = Script::default();
    let scripts = [
        (Script { create: Panics, ..well }, "`start` panicked: a panic in create at "),
        (Script { create: Hangs, ..well }, "did not start within"),
        (Script { start: Panics, ..well }, "`start` panicked: a panic in start at "),
        (Script { start: Fails, ..well }, "told to fail"),
        (Script { start: Hangs, ..well }, "did not start within"),
    ];
    for at in BOTH {
        for (script, why) in &scripts {
            let shop = Ecosystem::new("shop");
            let orders = community(&shop).await;
            orders.deploy("0.9.0", linked(1)).await.unwrap();
            let before = orders.describe();
            let pool = open(scripted(), at, *script).pool(3).start_deadline(Duration::from_millis(300));
            let failed = orders.deploy("1.0.0", pool).await.unwrap_err();
            assert!(failed.to_string().contains(why), "{at:?} {script:?}: {failed}");
            assert_eq!(orders.describe().current, before.current);
            says(&orders, "as before").await;
            assert!(shop.shutdown(MINUTE).await.is_clean());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_library_that_is_not_the_one_that_is_deployed_is_refused_by_name() {
    let shop = Ecosystem::new("shop");
    let orders = community(&shop).await;
    orders.deploy("0.9.0", linked(1)).await.unwrap();
    let library = || open(scripted(), Where::Resident, Script::default());
    let refused = |failed: Result<seral::Deployment, DeployError>| failed.unwrap_err().to_string();

    let other_version = refused(orders.deploy("2.0.0", library().pool(1)).await);
    assert_eq!(
        other_version,
        "version 2.0.0 could not be started and gets no jobs: expected version 2.0.0, found a plugin of version 1.0.0; deploy it as 1.0.0, or give the file of 2.0.0"
    );
    let counts = shop.community::<u64, String>("counts").await.unwrap();
    let other_jobs = refused(counts.deploy("1.0.0", library().pool(1)).await);
    assert!(
        other_jobs.contains("expected jobs of schema") && other_jobs.contains("job type"),
        "{other_jobs}"
    );
    let lengths = shop.community::<Task, u64>("lengths").await.unwrap();
    let other_outputs = refused(lengths.deploy("1.0.0", library().pool(1)).await);
    assert!(other_outputs.contains("expected outputs of schema"), "{other_outputs}");

    let no_config = Library::open(scripted()).unwrap();
    let without = refused(orders.deploy("1.0.0", no_config.pool(1)).await);
    assert!(
        without.contains("expected a configuration, found none; give one by `Library::config`"),
        "{without}"
    );
    let other_config = Library::open(scripted()).unwrap().config(&7_u32).unwrap();
    let other = refused(orders.deploy("1.0.0", other_config.pool(1)).await);
    assert!(other.contains("expected a configuration of schema"), "{other}");
    says(&orders, "as before").await;

    orders.deploy("1.0.0", library().pool(1)).await.unwrap();
    let again = orders.deploy("1.0.0", library().pool(1)).await.unwrap();
    assert_eq!(again.how, None, "the same file as the same version is no deploy");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("padded.so");
    let mut bytes = fs::read(scripted()).unwrap();
    bytes.push(0);
    fs::write(&path, bytes).unwrap();
    let another = open(&path, Where::Resident, Script::default());
    let other_build = orders.deploy("1.0.0", another.pool(1)).await.unwrap_err();
    assert!(matches!(other_build, DeployError::OtherBuild { .. }), "{other_build}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_is_drained_is_shut_down_and_stays_mapped_or_is_unmapped() {
    let directory = tempfile::tempdir().unwrap();
    for (digit, at) in [(1, Where::Resident), (2, Where::Isolated)] {
        let shop = Ecosystem::new("shop");
        let orders = community(&shop).await;
        let library = open(&only_here(digit, &directory), at, Script::default());
        orders.deploy(library.version(), library.pool(3)).await.unwrap();
        says(&orders, "from the library").await;
        let in_use = mapped_of(&library);
        assert!(in_use.len() == 1 && in_use[0].in_use && in_use[0].bytes > 100_000, "{in_use:?}");
        assert_eq!(in_use[0].isolated, at == Where::Isolated);

        let view = orders.describe().version(library.version()).unwrap().library.clone().unwrap();
        assert_eq!((view.mapped, view.isolated), (in_use[0].bytes, at == Where::Isolated));
        let long = orders.submit(Task::Sleep(50)).await.unwrap();
        until(|| orders.describe().running == 1).await;
        orders.deploy("10.0.0", linked(1)).await.unwrap();
        says(&orders, "from the program").await;
        assert_eq!(long.await.unwrap(), "slept");
        match at {
            Where::Resident => {
                until(|| !mapped_of(&library)[0].in_use).await;
                assert_eq!(mapped_of(&library)[0].bytes, in_use[0].bytes);
            }
            Where::Isolated => until(|| mapped_of(&library).is_empty()).await,
        }
        let mapped = orders.describe().version(library.version()).unwrap().library.clone().unwrap().mapped;
        assert_eq!(mapped, if at == Where::Resident { in_use[0].bytes } else { 0 });
        // It is loaded again, or taken into use again, for a rollback.
        orders.rollback().await.unwrap();
        says(&orders, "from the library again").await;
        let again = mapped_of(&library);
        assert!(again.len() == 1 && again[0].in_use, "{again:?}");
        assert!(shop.shutdown(MINUTE).await.is_clean());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_copy_that_was_opened_is_nobody_elses_and_is_removed() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let library = open(&only_here(3, &directory), Where::Resident, Script::default());
    let sum = library.checked().sha256.to_string();
    let copy = || {
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let line = maps.lines().find(|line| line.contains(&sum)).map(str::to_owned);
        line.map(|line| std::path::PathBuf::from(&line[line.find('/').unwrap()..]))
    };
    assert_eq!(copy(), None, "it is not opened before it is deployed");
    let shop = Ecosystem::new("shop");
    let orders = community(&shop).await;
    orders.deploy(library.version(), library.pool(1)).await.unwrap();
    let path = copy().unwrap();
    let of_directory = fs::metadata(path.parent().unwrap()).unwrap().permissions();
    assert_eq!(of_directory.mode() & 0o777, 0o700);
    assert!(path.file_name().unwrap().to_str().unwrap().starts_with(&sum));
    assert!(shop.shutdown(MINUTE).await.is_clean());
    until(|| !path.parent().unwrap().exists()).await;
}

/// What lies at the path is another file by then, or is overwritten while it is mapped; and the same path again is another version.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_file_may_be_replaced_and_overwritten_and_deployed_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("orders.so");
    let shop = Ecosystem::new("shop");
    let orders = community(&shop).await;
    for (digit, by_rename) in [(4, true), (5, false), (6, true), (7, false)] {
        let new = only_here(digit, &directory);
        if by_rename {
            fs::rename(&new, &path).unwrap();
        } else {
            // In place: the same inode, as a linker does it.
            fs::copy(&new, &path).unwrap();
        }
        let library = open(&path, Where::Resident, Script::default());
        assert_eq!(library.version(), format!("9.9.{digit}"));
        // After it was looked at, and before it is opened.
        fs::write(&path, b"overwritten").unwrap();
        orders.deploy(library.version(), library.pool(2)).await.unwrap();
        fs::write(&path, b"").unwrap();
        let facts = orders.ask(Task::Facts).await.unwrap();
        assert!(facts.contains(&format!("on 9.9.{digit} ")), "{facts}");
    }
    assert!(shop.shutdown(MINUTE).await.is_clean());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_in_stop_or_in_drop_does_not_keep_a_version() {
    for at in BOTH {
        for script in [
            Script { stop: Mood::Panics, ..Script::default() },
            Script { drop: Mood::Panics, ..Script::default() },
        ] {
            let shop = Ecosystem::new("shop");
            let orders = loaded(&shop, at, script, 2).await;
            says(&orders, "before").await;
            orders.deploy("2.0.0", linked(1)).await.unwrap();
            until(|| orders.describe().version("1.0.0").unwrap().workers == 0).await;
            says(&orders, "after").await;
            assert!(shop.shutdown(MINUTE).await.is_clean());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_library_that_needs_what_is_nowhere_is_not_opened() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("needs.so");
    let mut bytes = fs::read(scripted()).unwrap();
    let at = bytes.windows(9).position(|window| window == b"\0memmove\0").unwrap();
    bytes[at + 7] = b'X';
    fs::write(&path, bytes).unwrap();
    for at in BOTH {
        let shop = Ecosystem::new("shop");
        let orders = community(&shop).await;
        let failed = orders.deploy("1.0.0", open(&path, at, Script::default()).pool(1)).await.unwrap_err();
        let failed = failed.to_string();
        assert!(
            failed.contains(
                "expected a library that can be opened, found that it cannot (undefined symbol: memmovX"
            ),
            "{failed}"
        );
    }
}

/// The checksum of a file that was given is compared before anything else is done with it.
#[test]
fn another_file_than_the_one_with_this_checksum_is_refused() {
    let library = Library::open(scripted()).unwrap();
    let sum = library.checked().sha256;
    let library = library.sha256(sum).unwrap();
    let other = seral_loader::Sha256::of(b"another");
    let refused = library.sha256(other).unwrap_err().to_string();
    let expected = format!(
        "expected a file with SHA-256 {other}, found {sum}; copy it again, or give the sum of this build"
    );
    assert_eq!(refused, expected);
}

/// Who shuts a plugin down may be slower than who takes it into use again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_that_is_taken_into_use_again_at_once_keeps_what_it_has_of_its_own() {
    for at in BOTH {
        let shop = Ecosystem::new("shop");
        let orders = community(&shop).await;
        let library = Library::open(crate::host::plugin("own-runtime")).unwrap();
        let library = if at == Where::Isolated { library.isolated() } else { library };
        orders.deploy("0.9.0", linked(1)).await.unwrap();
        for _ in 0..30 {
            orders.deploy("1.0.0", library.pool(2)).await.unwrap();
            assert_eq!(orders.ask(Task::Tokio).await.unwrap(), "waited", "{at:?}");
            orders.deploy("0.9.0", linked(1)).await.unwrap();
            until(|| orders.describe().version("1.0.0").unwrap().workers == 0).await;
        }
        assert!(shop.shutdown(MINUTE).await.is_clean());
    }
}
