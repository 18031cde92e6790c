//! What becomes of files, in each situation by itself. Random histories are in `histories`.
//!
//! Seen failing: all that appear are complete, or none by its other name; a second name, a reused inode, or a time that is set back taken for a renaming; bytes
//! that are not compared, or are read while they grow; no settling time, or one that begins too early; a change before the deploy that is taken for the end of it, or
//! not noticed; bytes that are forgotten when they are touched; the highest version first, or the first as a text; a version deployed that is older, or that
//! the community has had; a rollout that is not waited for; a file told of at each look; a hidden one, and one with another ending; memory that is kept.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod histories;
mod scene;

use std::time::Duration;

use scene::SETTLE;
use scene::Scene;

const NOTHING: [&str; 0] = [];

const NO_PLUGIN: &str =
    "expected a plugin, found a library without a note of seral; export its worker with `export_worker!`";

// ---- complete ------------------------------------------------------------------------------------------------------

#[test]
fn a_file_that_grows_is_left_until_it_has_been_the_same_for_a_while() {
    let mut scene = Scene::new();
    // Each part would be a plugin.
    for bytes in ["1.0.0 a", "1.0.0 ab", "1.0.0 abc", "1.0.0 abcd"] {
        scene.write("a.so", bytes);
        assert_eq!(scene.looks(1), NOTHING);
    }
    assert_eq!(scene.reads, 0, "what grows is not worth reading");
    // Read at the look at which it is the same, and again a second later.
    assert_eq!(scene.looks(2), NOTHING);
    assert_eq!(scene.looks(1), ["version 1.0.0 is current, from plugins/a.so"]);
    assert_eq!(scene.looks(100), NOTHING);
    assert_eq!(scene.reads, 2);
}

#[test]
fn a_file_that_pauses_for_less_than_the_settling_time_is_not_complete() {
    let mut scene = Scene::new();
    for bytes in ["1.0.0 a", "1.0.0 ab", "1.0.0 abc"] {
        scene.write("a.so", bytes);
        assert_eq!(scene.looks(2), NOTHING);
    }
    assert_eq!(scene.looks(2), ["version 1.0.0 is current, from plugins/a.so"]);
}

#[test]
fn a_change_that_only_the_checksum_shows_begins_the_settling_anew() {
    let mut scene = Scene::new();
    scene.write("a.so", "1.0.0 aa");
    assert_eq!(scene.looks(3), NOTHING);
    scene.write_unnoticed("a.so", "1.0.0 bb");
    // Read at the look at which the time was over.
    assert_eq!(scene.looks(2), NOTHING);
    assert_eq!(scene.looks(1), ["version 1.0.0 is current, from plugins/a.so"]);
}

#[test]
fn a_file_that_was_written_long_ago_was_renamed_in() {
    let mut scene = Scene::new();
    scene.put("a.so", "1.0.0");
    assert_eq!(scene.look(), ["version 1.0.0 is current, from plugins/a.so"]);
    assert_eq!(scene.reads, 1);
    // Over another, too.
    scene.put("a.so", "2.0.0");
    assert_eq!(scene.looks(1), ["version 2.0.0 is current, from plugins/a.so"]);
}

#[test]
fn a_file_that_gets_the_time_of_its_original_at_the_end_of_a_copy_was_not_renamed_in() {
    let mut scene = Scene::new();
    scene.write("a.so", "1.0.0 a");
    assert_eq!(scene.looks(1), NOTHING);
    scene.write("a.so", "1.0.0 ab");
    scene.date_back("a.so");
    // The inode is the same, so somebody was seen writing.
    assert_eq!(scene.looks(3), NOTHING);
    assert_eq!(scene.looks(1), ["version 1.0.0 is current, from plugins/a.so"]);
}

#[test]
fn a_file_that_was_there_under_another_name_was_renamed_in() {
    for name in ["a.so.part", ".a.so", "b.so"] {
        let mut scene = Scene::new();
        scene.write(name, "1.0.0");
        assert_eq!(scene.look(), NOTHING, "{name}");
        scene.rename(name, "a.so");
        scene.pass(Duration::from_millis(1));
        assert_eq!(scene.look(), ["version 1.0.0 is current, from plugins/a.so"], "{name}");
    }
}

#[test]
fn a_second_name_is_no_renaming() {
    let mut scene = Scene::new();
    scene.write("a.part", "1.0.0 a");
    assert_eq!(scene.look(), NOTHING);
    scene.link("a.part", "a.so");
    assert_eq!(scene.looks(1), NOTHING);
}

#[test]
fn the_inode_of_a_file_that_was_removed_is_no_renaming() {
    let mut scene = Scene::new();
    scene.write("a.part", "2.0.0 ab");
    assert_eq!(scene.look(), NOTHING);
    scene.remove("a.part");
    scene.reuse_inode();
    scene.pass(Duration::from_millis(1));
    scene.write("a.so", "1.0.0 ab");
    assert_eq!(scene.look(), NOTHING);
}

#[test]
fn a_file_that_changes_between_its_reading_and_its_deploy_settles_anew() {
    let mut scene = Scene::new();
    scene.put("a.so", "1.0.0");
    scene.meanwhile = Some(|scene| scene.write("a.so", "1.0.1 b"));
    assert_eq!(scene.look(), NOTHING);
    assert_eq!(scene.looks(3), NOTHING);
    assert_eq!(scene.looks(1), ["version 1.0.1 is current, from plugins/a.so"]);
    // Also if no look shows it.
    scene.put("a.so", "1.1.0");
    scene.meanwhile = Some(|scene| scene.write_unnoticed("a.so", "1.1.1"));
    assert_eq!(scene.looks(3), NOTHING);
    assert_eq!(scene.looks(1), ["version 1.1.1 is current, from plugins/a.so"]);
}

// ---- which ---------------------------------------------------------------------------------------------------------

#[test]
fn only_files_that_end_in_so_and_are_not_hidden() {
    let mut scene = Scene::new();
    for name in ["a.so.1", "a.so~", ".a.so", "a", "so", "a.SO", "a.so.part"] {
        scene.put(name, "1.0.0");
    }
    assert_eq!(scene.looks(10), NOTHING);
    assert_eq!(scene.reads, 0);
}

/// What is current, what is there, and what becomes of it in order.
type Row = (Option<&'static str>, &'static [(&'static str, &'static str)], &'static [&'static str]);

const SITUATIONS: &[Row] = &[
    (None, &[("a.so", "1.0.0")], &["version 1.0.0 is current, from plugins/a.so"]),
    // From the lowest, whatever their names, and compared as numbers.
    (
        Some("1.0.0"),
        &[("a.so", "1.10.0"), ("b.so", "1.9.0"), ("c.so", "1.10.0-rc.1")],
        &[
            "version 1.9.0 is current, from plugins/b.so",
            "version 1.10.0-rc.1 is current, from plugins/c.so",
            "version 1.10.0 is current, from plugins/a.so",
        ],
    ),
    (
        Some("1.0.0+1"),
        &[("a.so", "1.0.0+3"), ("b.so", "1.0.0+2")],
        &["version 1.0.0+2 is current, from plugins/b.so", "version 1.0.0+3 is current, from plugins/a.so"],
    ),
    // One that is older is left alone, and does not hold up the others.
    (
        Some("2.0.0"),
        &[("a.so", "1.0.0"), ("b.so", "3.0.0")],
        &[
            "plugins/a.so is left alone: its version 1.0.0 is older than 2.0.0, which is current",
            "version 3.0.0 is current, from plugins/b.so",
        ],
    ),
    // The same build under the same version is there already; another is refused by the community.
    (
        Some("2.0.0"),
        &[("a.so", "2.0.0"), ("b.so", "2.0.0 other")],
        &[
            "plugins/a.so is left alone: its version 2.0.0 was deployed before",
            "plugins/b.so is skipped: version 2.0.0 was deployed before with another build; give the new build a new name",
        ],
    ),
    (
        None,
        &[("a.so", "1.0.0"), ("b.so", "1.0.0")],
        &[
            "version 1.0.0 is current, from plugins/a.so",
            "plugins/b.so is left alone: its version 1.0.0 was deployed before",
        ],
    ),
    // A name that is no version.
    (
        None,
        &[("a.so", "1.0"), ("b.so", "2024-05-01"), ("c.so", "1.0.0")],
        &[
            "plugins/a.so is skipped: expected a version in the form 1.2.3, found \"1.0\"; name it so in the Cargo.toml of the plugin",
            "plugins/b.so is skipped: expected a version in the form 1.2.3, found \"2024-05-01\"; name it so in the Cargo.toml of the plugin",
            "version 1.0.0 is current, from plugins/c.so",
        ],
    ),
    (
        Some("blue"),
        &[("a.so", "1.0.0")],
        &[
            "plugins/a.so is skipped: expected a current version in the form 1.2.3, found blue, to which 1.0.0 cannot be compared; deploy the file by hand",
        ],
    ),
    // The same bad bytes under another name are another file.
    (
        None,
        &[("a.so", "hello"), ("b.so", "hello"), ("c.so", "1.0.0")],
        &[
            "plugins/a.so is skipped: NO PLUGIN",
            "plugins/b.so is skipped: NO PLUGIN",
            "version 1.0.0 is current, from plugins/c.so",
        ],
    ),
    // One that does not start does not hold up the others.
    (
        None,
        &[("a.so", "1.0.0 fails"), ("b.so", "1.1.0")],
        &[
            "plugins/a.so is skipped: version 1.0.0 could not be started and gets no jobs: told to fail",
            "version 1.1.0 is current, from plugins/b.so",
        ],
    ),
];

#[test]
fn what_is_there_is_deployed_or_told_of_once_and_in_order() {
    for (current, files, expected) in SITUATIONS {
        let mut scene = Scene::new();
        if let Some(current) = current {
            scene.deploy(current, current);
        }
        for (name, bytes) in *files {
            scene.put(name, bytes);
        }
        let expected: Vec<_> = expected.iter().map(|line| line.replace("NO PLUGIN", NO_PLUGIN)).collect();
        assert_eq!(scene.look(), expected, "of {files:?} beside {current:?}");
        assert_eq!(scene.looks(10), NOTHING, "of {files:?} beside {current:?}");
    }
}

// ---- later ---------------------------------------------------------------------------------------------------------

#[test]
fn one_that_is_overwritten_in_place_by_another_version_is_deployed() {
    let mut scene = Scene::new();
    scene.put("a.so", "1.0.0");
    scene.look();
    scene.write("a.so", "2.0.0");
    assert_eq!(scene.looks(3), NOTHING);
    assert_eq!(scene.looks(1), ["version 2.0.0 is current, from plugins/a.so"]);
}

#[test]
fn one_that_is_touched_or_replaced_by_the_same_bytes_is_not_told_of_again() {
    for bytes in ["1.0.0", "0.9.0", "0.5.0", "hello", "1.1.0 fails"] {
        let mut scene = Scene::new();
        scene.deploy("0.9.0", "0.9.0");
        scene.put("a.so", bytes);
        assert_eq!(scene.look().len(), 1, "{bytes}");
        scene.touch("a.so");
        assert_eq!(scene.looks(10), NOTHING, "{bytes}");
        scene.put("a.so", bytes);
        assert_eq!(scene.looks(10), NOTHING, "{bytes}");
        scene.write("a.so", bytes);
        assert_eq!(scene.looks(10), NOTHING, "{bytes}");
    }
}

#[test]
fn one_that_is_removed_and_put_back_is_not_deployed_again() {
    let mut scene = Scene::new();
    scene.deploy("1.0.0", "1.0.0");
    scene.put("a.so", "2.0.0");
    scene.look();
    scene.roll_back_to("1.0.0");
    scene.remove("a.so");
    assert_eq!(scene.looks(1), NOTHING);
    scene.put("a.so", "2.0.0");
    assert_eq!(scene.looks(10), ["plugins/a.so is left alone: its version 2.0.0 was deployed before"]);
}

#[test]
fn one_that_is_bad_is_deployed_when_it_is_mended() {
    for bytes in ["hello", "1.0.0 fails"] {
        let mut scene = Scene::new();
        scene.put("a.so", bytes);
        assert!(scene.look()[0].starts_with("plugins/a.so is skipped: "));
        scene.write("a.so", "1.0.0 mended");
        assert_eq!(scene.looks(10), ["version 1.0.0 is current, from plugins/a.so"]);
    }
}

#[test]
fn a_rollback_is_not_undone_and_does_not_stop_what_comes_after_it() {
    let mut scene = Scene::new();
    for version in ["1.0.0", "1.1.0", "2.0.0"] {
        scene.put(&format!("{version}.so"), version);
    }
    assert_eq!(scene.look().len(), 3);
    scene.roll_back_to("1.0.0");
    assert_eq!(scene.looks(100), NOTHING);
    // Also if there are other files now, with a follower that knows nothing of what was.
    scene.put("again.so", "2.0.0");
    assert_eq!(scene.looks(10), ["plugins/again.so is left alone: its version 2.0.0 was deployed before"]);
    scene.put("1.0.1.so", "1.0.1");
    assert_eq!(scene.looks(10), ["version 1.0.1 is current, from plugins/1.0.1.so"]);
}

#[test]
fn what_was_older_stays_where_it_is_after_a_rollback() {
    let mut scene = Scene::new();
    scene.deploy("1.0.0", "1.0.0");
    scene.deploy("3.0.0", "3.0.0");
    scene.put("a.so", "2.0.0");
    assert_eq!(scene.look().len(), 1);
    scene.roll_back_to("1.0.0");
    assert_eq!(scene.looks(10), NOTHING);
}

#[test]
fn the_next_version_waits_for_the_end_of_a_rollout_however_it_ends() {
    for is_promoted in [true, false] {
        let mut scene = Scene::new();
        scene.ramps = true;
        scene.deploy("1.0.0", "1.0.0");
        scene.put("a.so", "1.1.0");
        scene.put("b.so", "1.2.0");
        scene.put("c.so", "hello");
        // What is told of files waits for nothing.
        let told = ["plugins/c.so is skipped: ", "the rollout of version 1.1.0 has begun, from plugins/a.so"];
        let look = scene.look();
        assert!(look.len() == 2 && look.iter().zip(told).all(|(line, told)| line.starts_with(told)));
        assert_eq!(scene.looks(10), NOTHING);
        scene.end_rollout(is_promoted);
        assert_eq!(scene.looks(1), ["the rollout of version 1.2.0 has begun, from plugins/b.so"]);
    }
}

#[test]
fn one_that_cannot_be_read_is_told_of_once_and_deployed_when_it_can() {
    let mut scene = Scene::new();
    scene.put("a.so", "1.0.0");
    scene.lock("a.so", true);
    assert!(
        scene.look()[0].starts_with("plugins/a.so is skipped: expected a library that this process may read")
    );
    assert_eq!(scene.looks(10), NOTHING);
    scene.lock("a.so", false);
    assert_eq!(scene.looks(1), ["version 1.0.0 is current, from plugins/a.so"]);
}

#[test]
fn one_for_which_there_is_no_outcome_yet_comes_next_again() {
    let mut scene = Scene::new();
    scene.put("a.so", "1.0.0");
    scene.meanwhile = Some(|scene| {
        let versions = scene.versions.clone();
        // As after a conflict.
        assert_eq!(scene.folder.next(&versions), scene.folder.next(&versions));
    });
    assert_eq!(scene.look(), ["version 1.0.0 is current, from plugins/a.so"]);
}

#[test]
fn thousands_of_files_are_each_read_once_and_forgotten_when_they_are_gone() {
    let mut scene = Scene::new();
    for number in 0..3_000 {
        scene.put(&format!("{number}.so"), &format!("0.{number}.0"));
        scene.put(&format!("{number}.txt"), "nothing");
    }
    scene.deploy("0.2990.0", "0.2990.0");
    let told = scene.looks(3);
    assert_eq!((told.len(), scene.reads), (3_000, 3_000));
    assert_eq!(told.iter().filter(|line| line.contains("is current, from")).count(), 9);
    for number in 0..3_000 {
        scene.remove(&format!("{number}.so"));
        scene.remove(&format!("{number}.txt"));
    }
    scene.look();
    assert_eq!((scene.folder.files.len(), scene.folder.there.len()), (0, 0));
}

#[test]
fn the_settling_time_is_what_it_was_said_to_be() {
    let mut scene = Scene::new();
    scene.write("a.so", "1.0.0");
    scene.look();
    scene.pass(Duration::from_millis(1));
    assert_eq!(scene.look(), NOTHING);
    scene.pass(SETTLE.checked_sub(Duration::from_millis(1)).unwrap());
    assert_eq!(scene.look(), NOTHING);
    scene.pass(Duration::from_millis(1));
    assert_eq!(scene.look(), ["version 1.0.0 is current, from plugins/a.so"]);
}
