//! What others got wrong, and what is promised: which test has which row of §6 of the rollout's design, and which of its properties I1 to I17 and I19.
//!
//! A row is what went wrong in some other system; its test is named after what must hold here. The comment of each test names its rows, and this
//! table is checked against those comments. What has no test is in [`NOT_HERE`], with the reason. The core has tests of its own beside these:
//! `rollout.rs` for rows 1, 3 and 5 to 8, `guard.rs` for row 7 and I17, `share.rs` for row 15, and `audit.rs`, whose random histories are looked through for the properties.
//!
//! ```text
//! row 1   others_mistakes_rollout::an_abort_in_any_state_leaves_the_current_version_serving
//! row 2   others_mistakes_rollout::a_promotion_while_the_new_workers_die_loses_no_job_and_ends_no_old_one
//! row 3   others_mistakes_rollout::a_deploy_at_any_step_of_a_rollout_takes_its_place_and_leaves_no_job_behind
//! row 3   plans::a_deploy_during_a_rollout_replaces_the_candidate_and_keeps_the_baseline
//! row 4   others_mistakes_rollout::a_rollback_to_a_cold_version_loads_it_first_while_the_one_that_is_left_serves
//! row 5   guard::a_guard_is_alive_in_every_phase_of_a_rollout
//! row 5   plans::a_gate_that_fails_rolls_the_candidate_back_and_quarantines_it
//! row 6   guard::a_guard_is_alive_in_every_phase_of_a_rollout
//! row 6   plans::a_gate_that_fails_is_heard_while_the_rollout_is_paused
//! row 7   guard::without_jobs_a_guard_decides_nothing
//! row 7   plans::without_jobs_nothing_is_promoted_and_nothing_is_rolled_back
//! row 8   canaries::a_plan_may_begin_with_canaries_and_ends_at_everybody
//! row 8   others_mistakes_rollout::a_rollout_ends_at_exactly_everybody_whatever_its_steps_are
//! row 9   others_mistakes_rollout::a_share_of_keys_stays_the_same_however_long_they_are_busy_and_a_lower_one_brings_none
//! row 10  others_mistakes_rollout::keys_keep_their_order_and_their_jobs_through_promotions_and_rollbacks
//! row 11  others_mistakes_drain::a_dispatcher_that_begins_anew_takes_no_busy_version_for_drained
//! row 12  choices::a_version_drains_when_its_last_pin_has_ended_and_not_before
//! row 12  keep_warm::a_job_that_names_a_kept_version_finds_it_there_and_it_drains_again
//! row 13  others_mistakes_moves::ten_thousand_versions_that_came_and_went_leave_nothing_behind
//! row 14  keep_warm::a_drained_version_is_kept_for_its_time_and_then_leaves
//! row 15  others_mistakes_rollout::one_percent_of_jobs_without_a_key_is_one_percent
//! row 16  others_mistakes_rollout::a_job_that_ends_late_on_the_old_version_does_not_take_its_key_back
//! row 17  choices::waiting_jobs_are_moved_with_those_that_name_the_version_uncharged_and_in_order
//! row 17  others_mistakes_rollout::a_pinned_job_that_makes_room_whenever_it_is_asked_does_not_come_back_for_ever
//! row 18  others_mistakes_moves::two_rollbacks_at_once_recall_each_waiting_job_once_and_leave_none
//! row 19  rollouts::every_way_in_goes_by_the_table
//! row 20  succession::a_cold_rollback_starts_the_earlier_version_first_and_says_so
//! row 21  choices::waiting_jobs_are_moved_with_those_that_name_the_version_uncharged_and_in_order
//! row 22  others_mistakes_moves::each_version_is_counted_and_scaled_alone
//! row 23  others_mistakes_moves::of_a_storm_of_jobs_while_versions_change_each_is_done_once
//! row 24  order::jobs_of_a_key_start_in_order_on_four_threads
//! row 24  order::jobs_of_a_key_start_in_order_on_one_thread
//! row 26  succession::no_job_sent_after_a_deploy_returned_reaches_an_older_version
//! row 27  others_mistakes_moves::two_versions_that_are_left_at_once_hand_over_all_that_waits
//! row 28  others_mistakes_drain::a_job_that_takes_a_day_is_run_once_where_it_began_whatever_is_deployed_meanwhile
//! row 29  others_mistakes_moves::what_an_old_version_left_elsewhere_can_be_called_when_it_is_gone
//! row 31  others_mistakes_drain::at_whatever_moment_the_end_comes_a_job_is_done_or_handed_back_or_refused
//! row 32  others_mistakes_drain::at_whatever_moment_the_end_comes_a_job_is_done_or_handed_back_or_refused
//! row 33  others_mistakes_drain::a_worker_of_a_version_that_drains_is_seen_until_its_final_beat_and_gets_no_new_work
//! row 34  others_mistakes_drain::a_job_that_takes_a_day_is_run_once_where_it_began_whatever_is_deployed_meanwhile
//! row 36  mailbox::a_send_that_races_with_the_gate_is_admitted_and_done_or_refused
//! row 36  others_mistakes_drain::at_whatever_moment_the_end_comes_a_job_is_done_or_handed_back_or_refused
//! row 37  others_mistakes_drain::wherever_a_job_is_the_end_hands_it_back_once
//! row 37  shutdown::at_the_deadline_everything_unfinished_is_handed_back_once
//! row 38  others_mistakes_drain::a_job_without_end_that_holds_up_a_drain_is_named_then_told_and_cut_short_at_the_end
//! row 40  rollouts::sixty_four_versions_work_at_once
//! row 40  succession::any_number_of_versions_drains_at_once
//! row 41  drain_deadlines::what_waits_at_the_deadline_goes_to_the_newest_version_and_what_runs_stays
//! row 42  isolation::a_version_that_cannot_start_changes_nothing_for_the_current_one
//! row 45  cancellation::a_job_behind_its_key_is_taken_out_and_the_others_keep_their_order
//! row 45  others_mistakes_drain::jobs_that_are_taken_out_while_their_key_changes_its_version_let_nobody_overtake
//! row 46  others_mistakes_moves::each_job_is_where_one_table_says_and_runs_once_though_batches_change_hands
//! row 47  succession::a_new_version_takes_new_jobs_while_the_old_one_finishes_its_own
//! row 48  others_mistakes_moves::no_job_reaches_a_version_before_all_its_workers_have_loaded_once
//! row 49  others_mistakes_drain::jobs_that_come_until_all_have_heard_of_the_end_are_done_and_later_ones_come_back
//! row 50  rollouts::every_way_in_goes_by_the_table
//! I1      others_mistakes_drain::at_whatever_moment_the_end_comes_a_job_is_done_or_handed_back_or_refused
//! I1      others_mistakes_drain::wherever_a_job_is_the_end_hands_it_back_once
//! I1      others_mistakes_moves::of_a_storm_of_jobs_while_versions_change_each_is_done_once
//! I1      shutdown::at_the_deadline_everything_unfinished_is_handed_back_once
//! I1      simulation::every_admitted_job_comes_to_one_end_whatever_happens
//! I1      stress::no_job_is_lost_or_done_twice_under_real_races
//! I2      mailbox::a_send_that_races_with_the_gate_is_admitted_and_done_or_refused
//! I2      others_mistakes_drain::at_whatever_moment_the_end_comes_a_job_is_done_or_handed_back_or_refused
//! I2      succession::no_job_sent_after_a_deploy_returned_reaches_an_older_version
//! I3      delivery::a_job_without_room_or_version_comes_back
//! I3      others_mistakes_drain::at_whatever_moment_the_end_comes_a_job_is_done_or_handed_back_or_refused
//! I4      canaries::keys_keep_their_order_between_a_canary_and_the_current_version
//! I4      order::jobs_of_a_key_start_in_order_on_four_threads
//! I4      order::jobs_of_a_key_start_in_order_on_one_thread
//! I4      others_mistakes_drain::jobs_that_are_taken_out_while_their_key_changes_its_version_let_nobody_overtake
//! I4      others_mistakes_rollout::keys_keep_their_order_and_their_jobs_through_promotions_and_rollbacks
//! I5      others_mistakes_rollout::a_share_of_keys_stays_the_same_however_long_they_are_busy_and_a_lower_one_brings_none
//! I5      rollouts::a_key_stays_with_a_version_when_its_share_is_raised
//! I6      choices::a_version_drains_when_its_last_pin_has_ended_and_not_before
//! I6      draining::a_version_is_drained_when_its_last_job_is_settled_and_not_before
//! I6      keep_warm::a_job_that_names_a_kept_version_finds_it_there_and_it_drains_again
//! I6      others_mistakes_drain::a_dispatcher_that_begins_anew_takes_no_busy_version_for_drained
//! I7      others_mistakes_rollout::one_percent_of_jobs_without_a_key_is_one_percent
//! I7      rollouts::a_share_is_a_part_of_new_jobs_and_nought_is_nobody_and_a_hundred_everybody
//! I8      choices::pinned_jobs_run_on_their_version_and_no_other_and_the_narrowest_pin_decides
//! I9      keep_warm::a_rollback_to_a_kept_version_is_warm_and_it_is_kept_no_longer_for_that_drain
//! I9      others_mistakes_moves::two_rollbacks_at_once_recall_each_waiting_job_once_and_leave_none
//! I9      others_mistakes_rollout::a_rollback_to_a_cold_version_loads_it_first_while_the_one_that_is_left_serves
//! I9      succession::after_a_rollback_the_version_that_was_left_starts_only_what_it_had_in_hand
//! I10     isolation::a_version_that_cannot_start_changes_nothing_for_the_current_one
//! I11     others_mistakes_moves::each_job_is_where_one_table_says_and_runs_once_though_batches_change_hands
//! I11     rollouts::of_two_verbs_that_have_the_same_table_in_mind_one_takes_effect
//! I12     keep_warm::a_version_is_retired_early_if_it_is_drained_and_otherwise_a_sentence_says_so
//! I12     others_mistakes_rollout::a_promotion_of_a_version_that_is_just_drained_says_that_it_is_gone
//! I12     others_mistakes_rollout::a_promotion_while_the_new_workers_die_loses_no_job_and_ends_no_old_one
//! I12     others_mistakes_rollout::an_abort_in_any_state_leaves_the_current_version_serving
//! I14     drain_deadlines::a_running_job_that_makes_room_goes_on_at_the_newest_version_where_it_was_uncharged
//! I14     shutdown::a_running_job_is_asked_to_end_and_its_attempt_is_not_charged
//! I15     heartbeats::the_final_beats_of_all_workers_add_up_to_what_was_done
//! I15     others_mistakes_drain::a_worker_of_a_version_that_drains_is_seen_until_its_final_beat_and_gets_no_new_work
//! I16     others_mistakes_moves::ten_thousand_versions_that_came_and_went_leave_nothing_behind
//! I17     guard::an_outage_from_which_both_suffer_takes_nothing_back
//! I17     guard::without_jobs_a_guard_decides_nothing
//! I19     draining::describe_names_the_job_and_the_worker_that_hold_a_version_up
//! I19     others_mistakes_drain::a_job_without_end_that_holds_up_a_drain_is_named_then_told_and_cut_short_at_the_end
//! ```
//!
//! Seen failing: a row that is taken out of the table, of a comment, or of `NOT_HERE`; one that is in both.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// What has no test, and why.
const NOT_HERE: [(&str, &str); 7] = [
    (
        "row 25",
        "no state is handed over yet; it comes with state. A version that loads gets no job, see row 42",
    ),
    ("row 30", "no state is migrated yet; it comes with state"),
    ("row 35", "the compiler sees to it that each version takes each job of its community"),
    (
        "row 39",
        "a job is over when `process` returns; what it spawned by itself is its own, and cannot hold a drain up yet",
    ),
    ("row 43", "libraries have tests of their own, in `hot_load`"),
    ("row 44", "as row 43"),
    ("I13", "no state is handed over yet; it comes with state"),
];

/// A row or a property, and a test that has it.
type Named = (String, String);

/// What this file's table says.
fn table() -> BTreeSet<Named> {
    let lines = include_str!("others_mistakes.rs").lines().filter_map(|line| line.strip_prefix("//! "));
    let pairs = lines.filter(|line| line.contains("::")).filter_map(|line| line.rsplit_once(' '));
    pairs.map(|(what, test)| (what.trim().to_owned(), test.to_owned())).collect()
}

/// What the comments of all tests say.
fn comments() -> BTreeSet<Named> {
    let mut named = BTreeSet::new();
    for entry in fs::read_dir(env!("CARGO_MANIFEST_DIR")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&path).unwrap();
            named.extend(comments_of(&path, &source));
        }
    }
    named
}

fn comments_of(path: &Path, source: &str) -> Vec<Named> {
    let module = path.file_stem().unwrap().to_str().unwrap();
    let (mut named, mut comment, mut is_test) = (Vec::new(), String::new(), false);
    for line in source.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("///") {
            comment.push_str(text);
        } else if line.starts_with("#[") {
            is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        } else {
            if let Some(name) = function(line).filter(|_| is_test) {
                let test = format!("{module}::{name}");
                named.extend(rows_and_properties(&comment).into_iter().map(|what| (what, test.clone())));
            }
            (comment, is_test) = (String::new(), false);
        }
    }
    named
}

/// The name of the function that begins in this line.
fn function(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once("fn ")?;
    rest.split_once('(').map(|(name, _)| name)
}

/// `row 19`, `row 50` and `I4` in a comment like "Rollout I4, and §6, rows 19 and 50: …".
fn rows_and_properties(comment: &str) -> Vec<String> {
    if !comment.contains("Rollout") {
        return Vec::new();
    }
    let words = |text: &str| -> Vec<String> {
        text.split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let is_number = |word: &str| word.parse::<u32>().is_ok();
    let mut found = words(comment);
    found.retain(|word| word.strip_prefix('I').is_some_and(is_number));
    for after in comment.split("§6, row").skip(1) {
        let after = words(after.trim_start_matches('s'));
        let numbers = after.iter().take_while(|word| is_number(word) || *word == "and");
        found.extend(numbers.filter(|word| is_number(word)).map(|number| format!("row {number}")));
    }
    found
}

#[test]
fn the_table_of_rows_and_properties_says_what_the_tests_say() {
    let (table, comments) = (table(), comments());
    let missing: Vec<_> = comments.difference(&table).collect();
    assert!(missing.is_empty(), "not in the table: {missing:#?}");
    let wrong: Vec<_> = table.difference(&comments).collect();
    assert!(wrong.is_empty(), "in the table, and not in the comment of such a test: {wrong:#?}");
}

#[test]
fn each_row_and_each_property_has_a_test_or_a_reason_and_not_both() {
    let rows = (1..=50).map(|row| format!("row {row}"));
    let properties = (1..=17).chain([19]).map(|property| format!("I{property}"));
    let all: BTreeSet<_> = rows.chain(properties).collect();
    let tested: BTreeSet<_> = comments().into_iter().map(|(what, _)| what).collect();
    let excused: BTreeSet<_> = NOT_HERE.iter().map(|(what, _)| (*what).to_owned()).collect();
    assert_eq!(excused.intersection(&tested).collect::<Vec<_>>(), [""; 0], "there is a test");
    assert_eq!(all.difference(&(&tested | &excused)).collect::<Vec<_>>(), [""; 0], "there is neither");
    assert!((&tested | &excused).is_subset(&all), "{tested:?} {excused:?}");
    assert!(NOT_HERE.iter().all(|(_, reason)| !reason.is_empty()));
}

#[test]
fn rows_and_properties_are_found_in_comments_of_tests_alone() {
    let source = "/// Rollout I4, and §6, rows 19 and 50: of 3 jobs.\n#[test]\nfn a() {\n/// Rollout I5.\nfn b() {\n\
                  /// Rollout, §6, rows 1, 2 and 3.\n#[tokio::test(x)]\n#[ignore]\nasync fn c() {\n/// Row 7.\n#[test]\nfn d() {\n";
    let found = comments_of(Path::new("x.rs"), source);
    let found: Vec<_> = found.iter().map(|(what, test)| format!("{what} {test}")).collect();
    assert_eq!(found, ["I4 x::a", "row 19 x::a", "row 50 x::a", "row 1 x::c", "row 2 x::c", "row 3 x::c"]);
}
