//! What must hold of every history: no job is lost, keys keep their order, a version that is drained has nothing left.
//!
//! Each check is by the numbers of jobs, not by totals, and says in one sentence which job or version it is about.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;

use seral::Key;
use seral::State;

use crate::history::AttemptEnd;
use crate::history::AttemptRecord;
use crate::history::Counted;
use crate::history::History;
use crate::history::JobRecord;
use crate::history::Moment;
use crate::history::Seconds;
use crate::ledger::Fate;
use crate::ledger::Ledger;

/// A history in which something does not hold that must. Prints as one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    seed: u64,
    what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}: {}", self.seed, self.what)
    }
}

impl Error for Violation {}

/// Every job that was admitted has come to exactly one end; one that is done has come to exactly one output, and no other has.
///
/// # Panics
///
/// If that does not hold; the message names the seed and the jobs.
#[track_caller]
pub fn assert_conserved(history: &History) {
    assert_holds(history.check_conserved());
}

/// Jobs of one key were begun in the order of their admission, one at a time, whatever versions they went to. Of jobs that were submitted with a delay
/// or a replay, which take their place when they are due, nothing is known, so there should be none with a key.
///
/// # Panics
///
/// If that does not hold; the message names the seed and the jobs.
#[track_caller]
pub fn assert_order(history: &History) {
    assert_holds(history.check_order());
}

/// This version was drained while jobs still came: it has announced that, and nothing was begun or unfinished there from then on.
///
/// # Panics
///
/// If that does not hold; the message names the seed and the job, or what the version does instead.
#[track_caller]
pub fn assert_drained(history: &History, version: &str) {
    assert_holds(history.check_drained(version));
}

#[track_caller]
fn assert_holds(checked: Result<(), Violation>) {
    if let Err(violation) = checked {
        // Not by `assert!`, whose text would be the first that a person reads.
        std::panic::panic_any(violation.to_string());
    }
}

impl History {
    /// Whether [`assert_conserved`] holds.
    ///
    /// # Errors
    ///
    /// The sentence with which it would panic.
    pub fn check_conserved(&self) -> Result<(), Violation> {
        self.check_any()?;
        self.check_seen()?;
        let mut ledger = Ledger::new();
        for (number, job) in &self.jobs {
            if job.admitted.is_some() {
                ledger.admitted(*number);
                job.end.iter().for_each(|end| ledger.ended(*number, end.fate));
            }
        }
        let lost = ledger.audit().lost;
        if let Some(first) = lost.first() {
            let others =
                if lost.len() > 1 { format!(", as {} others", lost.len() - 1) } else { String::new() };
            return self.violated(format!("job {first} was admitted and has no end{others}"), &[*first]);
        }
        for (number, job) in &self.jobs {
            let outputs = job.attempts.iter().filter(|attempt| is_done(attempt)).count();
            let fate = job.end.as_ref().map(|end| end.fate);
            // One that was set aside may have been replayed.
            let expected = match fate {
                Some(Fate::Done) => 1..=1,
                Some(Fate::Dead) => 0..=outputs_after_end(job).min(1),
                Some(_) => 0..=0,
                None => 0..=1,
            };
            if !expected.contains(&outputs) {
                let fate = fate.map_or("not known", Fate::name);
                let what = format!("job {number} came to {outputs} outputs, and its end is {fate}");
                return self.violated(what, &[*number]);
            }
        }
        let Counted { admitted, accounted } = self.counted;
        if admitted != accounted {
            let what = format!("the community admitted {admitted} jobs, and knows of {accounted}");
            return self.violated(what, &[]);
        }
        Ok(())
    }

    /// Whether [`assert_order`] holds.
    ///
    /// # Errors
    ///
    /// The sentence with which it would panic.
    pub fn check_order(&self) -> Result<(), Violation> {
        self.check_any()?;
        self.check_seen()?;
        let mut by_key: BTreeMap<&Key, Vec<(Moment, u64, &JobRecord)>> = BTreeMap::new();
        for (number, job) in &self.jobs {
            if let (Some(key), Some(admitted)) = (&job.key, job.admitted) {
                by_key.entry(key).or_default().push((admitted, *number, job));
            }
        }
        for (key, mut jobs) in by_key {
            jobs.sort_by_key(|(admitted, ..)| *admitted);
            let begun = jobs.iter().filter_map(|(_, number, job)| Some((*number, span(job)?)));
            let begun: Vec<_> = begun.collect();
            for pair in begun.windows(2) {
                let [(first, (_, first_ended)), (second, (second_began, _))] = pair else { continue };
                if first_ended.is_none_or(|ended| ended > *second_began) {
                    let what = format!("job {second} of key {key} was begun before job {first} was through");
                    return self.violated(what, &[*first, *second]);
                }
            }
        }
        Ok(())
    }

    /// Whether [`assert_drained`] holds.
    ///
    /// # Errors
    ///
    /// The sentence with which it would panic.
    pub fn check_drained(&self, version: &str) -> Result<(), Violation> {
        self.check_seen()?;
        let (mut last, mut since) = (None, None);
        for (at, _, state) in self.changes().filter(|(_, name, _)| name.as_str() == version) {
            // It may have been opened again and drained again: the last time counts.
            since = if is_drained(state) { since.or(Some(at)) } else { None };
            last = Some(state);
        }
        let drained = match (last, since) {
            (_, Some(drained)) => drained,
            (None, _) => return self.violated(format!("version {version} was never deployed"), &[]),
            (Some(state), None) => {
                let what = format!("version {version} is {state:?} in the end, not drained");
                return self.violated(what, &[]);
            }
        };
        for (number, job) in &self.jobs {
            for attempt in job.attempts.iter().filter(|attempt| attempt.version.as_str() == version) {
                let is_over = attempt.end.as_ref().is_some_and(|(end, _)| end.at <= drained);
                if attempt.began.at > drained || !is_over {
                    let at = Seconds(drained);
                    let what =
                        format!("version {version} was drained at {at} s, and job {number} was there later");
                    return self.violated(what, &[*number]);
                }
            }
        }
        Ok(())
    }

    /// A check of nothing would always hold.
    fn check_any(&self) -> Result<(), Violation> {
        if self.jobs.is_empty() {
            let what =
                format!("no job was admitted, and {} were refused: there is nothing to check", self.refused);
            return self.violated(what, &[]);
        }
        Ok(())
    }

    /// A check of what nobody saw would always hold.
    fn check_seen(&self) -> Result<(), Violation> {
        let unseen = |job: &JobRecord| {
            job.attempts.is_empty() && job.end.as_ref().is_some_and(|end| end.fate == Fate::Done)
        };
        match self.jobs.iter().find(|(_, job)| unseen(job)) {
            None => Ok(()),
            Some((number, _)) => {
                let what = "is done and nobody saw it begin: deploy pools that are made by `Script::pool`";
                self.violated(format!("job {number} {what}"), &[*number])
            }
        }
    }

    /// Says what is violated, and below it all that is known of the jobs concerned.
    fn violated(&self, what: String, jobs: &[u64]) -> Result<(), Violation> {
        let known = |number: &u64| Some(format!("\n    job {number}{}", self.jobs.get(number)?));
        let jobs: String = jobs.iter().filter_map(known).collect();
        Err(Violation { seed: self.seed, what: what + &jobs })
    }
}

fn is_drained(state: State) -> bool {
    matches!(state, State::Drained | State::Retired)
}

fn is_done(attempt: &AttemptRecord) -> bool {
    matches!(attempt.end, Some((_, AttemptEnd::Done)))
}

fn outputs_after_end(job: &JobRecord) -> usize {
    let ended = job.end.as_ref().map(|end| end.at);
    job.attempts.iter().filter(|attempt| is_done(attempt) && Some(attempt.began) > ended).count()
}

/// From the beginning of its first attempt to the end of its last. What comes after its end is a replay.
fn span(job: &JobRecord) -> Option<(Moment, Option<Moment>)> {
    let ended = job.end.as_ref().map(|end| end.at);
    let before = |attempt: &&AttemptRecord| ended.is_none_or(|ended| attempt.began < ended);
    let mut attempts = job.attempts.iter().filter(before);
    let first = attempts.next()?;
    let last = attempts.next_back().unwrap_or(first);
    Some((first.began, last.end.as_ref().map(|(end, _)| *end)))
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;
    use std::time::Duration;

    use seral::Event;

    use super::*;
    use crate::history::Entry;
    use crate::history::JobEnd;
    use crate::history::What;

    /// Something happens at each second.
    fn moment(second: u64) -> Moment {
        Moment { at: Duration::from_secs(second), step: second }
    }

    fn attempt(version: &str, from: u64, to: u64, end: AttemptEnd) -> AttemptRecord {
        let end = Some((moment(to), end));
        AttemptRecord { number: 1, version: version.into(), worker: 1, began: moment(from), end }
    }

    fn job(key: u64, admitted: u64, attempts: &[AttemptRecord], end: Option<(u64, Fate)>) -> JobRecord {
        JobRecord {
            key: Some(Key::from(key)),
            admitted: Some(moment(admitted)),
            attempts: attempts.to_vec(),
            end: end.map(|(at, fate)| JobEnd { at: moment(at), fate, why: String::new() }),
        }
    }

    fn changed(at: u64, version: &str, state: State) -> Entry {
        let event = Event::VersionChanged { community: "jobs".into(), version: version.into(), state };
        Entry { at: Duration::from_secs(at), what: What::Event(event) }
    }

    /// Three jobs, two of one key, of which the first is tried again by another version; and the first version is drained.
    fn good() -> History {
        let failed = || AttemptEnd::Fault("no".to_owned());
        let done = || AttemptEnd::Done;
        let retried = [attempt("1.0.0", 2, 3, failed()), attempt("2.0.0", 6, 7, done())];
        let jobs = [
            job(9, 1, &retried, Some((8, Fate::Done))),
            job(9, 4, &[attempt("2.0.0", 10, 11, done())], Some((12, Fate::Done))),
            job(7, 5, &[attempt("1.0.0", 9, 13, failed())], Some((14, Fate::Dead))),
        ];
        History {
            seed: 7,
            length: Duration::from_secs(60),
            entries: vec![
                changed(0, "1.0.0", State::Current),
                changed(5, "1.0.0", State::Draining),
                changed(15, "1.0.0", State::Drained),
                changed(16, "1.0.0", State::Retired),
                Entry { at: Duration::from_secs(60), what: What::TrafficEnded },
                changed(61, "2.0.0", State::Drained),
            ],
            jobs: (1..).zip(jobs).collect(),
            counted: Counted { admitted: 3, accounted: 3 },
            ..History::default()
        }
    }

    /// What a check says of a history that was good until this was done to it.
    fn said(spoil: impl FnOnce(&mut History), assert: fn(&History)) -> String {
        let mut history = good();
        spoil(&mut history);
        let history = std::panic::AssertUnwindSafe(history);
        let panic = catch_unwind(|| assert(&history)).expect_err("it holds, and must not");
        *panic.downcast::<String>().expect("it says why")
    }

    fn drained_1(history: &History) {
        assert_drained(history, "1.0.0");
    }

    fn of(history: &mut History, number: u64) -> &mut JobRecord {
        history.jobs.get_mut(&number).expect("it is there")
    }

    #[test]
    fn a_history_in_which_all_is_well_passes_each_check() {
        assert_conserved(&good());
        assert_order(&good());
        assert_drained(&good(), "1.0.0");
    }

    #[test]
    fn a_lost_job_is_named_with_all_that_is_known_of_it() {
        assert_eq!(
            said(|history| of(history, 3).end = None, assert_conserved),
            "seed 7: job 3 was admitted and has no end
    job 3 of key 7: admitted 5.000 s; 1.0.0 worker 1 from 9.000 s, failed 13.000 s: no; no end"
        );
        let lost = said(|history| history.jobs.values_mut().for_each(|job| job.end = None), assert_conserved);
        assert!(lost.starts_with("seed 7: job 1 was admitted and has no end, as 2 others\n"), "{lost}");
    }

    #[test]
    fn a_job_must_come_to_as_many_outputs_as_its_end_says() {
        let twice = |history: &mut History| {
            let again = of(history, 2).attempts[0].clone();
            of(history, 2).attempts.push(again);
        };
        let said_twice = said(twice, assert_conserved);
        assert!(
            said_twice.starts_with("seed 7: job 2 came to 2 outputs, and its end is done\n"),
            "{said_twice}"
        );
        let never = |history: &mut History| drop(of(history, 1).attempts.pop());
        let said_never = said(never, assert_conserved);
        assert!(
            said_never.starts_with("seed 7: job 1 came to 0 outputs, and its end is done\n"),
            "{said_never}"
        );
        let dead = |history: &mut History| {
            of(history, 3).attempts.push(attempt("1.0.0", 13, 13, AttemptEnd::Done));
        };
        let said_dead = said(dead, assert_conserved);
        let expected = "seed 7: job 3 came to 1 outputs, and its end is a dead letter\n";
        assert!(said_dead.starts_with(expected), "{said_dead}");
        let mut replayed = good();
        of(&mut replayed, 3).attempts.push(attempt("2.0.0", 20, 21, AttemptEnd::Done));
        assert_conserved(&replayed);
    }

    #[test]
    fn the_community_must_know_of_as_many_jobs_as_it_admitted() {
        let said = said(|history| history.counted.accounted = 2, assert_conserved);
        assert_eq!(said, "seed 7: the community admitted 3 jobs, and knows of 2");
    }

    #[test]
    fn jobs_of_a_key_must_be_begun_in_order_and_one_at_a_time() {
        let early = |history: &mut History| of(history, 2).attempts[0].began = moment(6);
        assert_eq!(
            said(early, assert_order),
            "seed 7: job 2 of key 9 was begun before job 1 was through
    job 1 of key 9: admitted 1.000 s; 1.0.0 worker 1 from 2.000 s, failed 3.000 s: no; 2.0.0 worker 1 from 6.000 s, done 7.000 s; done 8.000 s
    job 2 of key 9: admitted 4.000 s; 2.0.0 worker 1 from 6.000 s, done 11.000 s; done 12.000 s"
        );
        let swapped = |history: &mut History| of(history, 2).admitted = Some(moment(0));
        assert!(said(swapped, assert_order).starts_with("seed 7: job 1 of key 9 was begun before job 2"));
        let between_attempts = |history: &mut History| {
            of(history, 2).attempts[0] = attempt("2.0.0", 4, 5, AttemptEnd::Done);
        };
        assert!(
            said(between_attempts, assert_order).starts_with("seed 7: job 2 of key 9 was begun before job 1")
        );
        let hanging = |history: &mut History| of(history, 1).attempts[1].end = None;
        assert!(said(hanging, assert_order).starts_with("seed 7: job 2 of key 9 was begun before job 1"));
    }

    #[test]
    fn a_version_must_be_drained_with_nothing_left() {
        let draining = |history: &mut History| drop(history.entries.drain(2..4));
        assert_eq!(said(draining, drained_1), "seed 7: version 1.0.0 is Draining in the end, not drained");
        let late = |history: &mut History| {
            of(history, 2).attempts.push(attempt("1.0.0", 20, 21, AttemptEnd::Done));
        };
        let said_late = said(late, drained_1);
        let expected =
            "seed 7: version 1.0.0 was drained at 15.000 s, and job 2 was there later\n    job 2 of key 9";
        assert!(said_late.starts_with(expected), "{said_late}");
        let unfinished = |history: &mut History| of(history, 3).attempts[0].end = None;
        assert!(said(unfinished, drained_1).contains("and job 3 was there later"));
        let again = |history: &mut History| history.entries.insert(4, changed(17, "1.0.0", State::Current));
        assert_eq!(said(again, drained_1), "seed 7: version 1.0.0 is Current in the end, not drained");
        let in_the_end = |history: &mut History| history.entries.push(changed(61, "3.0.0", State::Drained));
        let never = said(in_the_end, |history| assert_drained(history, "3.0.0"));
        assert_eq!(never, "seed 7: version 3.0.0 was never deployed");
    }

    #[test]
    fn a_history_without_jobs_passes_no_check_of_jobs() {
        for assert in [assert_conserved, assert_order] {
            let said = said(|history| history.jobs.clear(), assert);
            assert_eq!(said, "seed 7: no job was admitted, and 0 were refused: there is nothing to check");
        }
    }

    #[test]
    fn what_nobody_saw_passes_no_check() {
        for assert in [assert_conserved, assert_order, drained_1] {
            let said = said(|history| of(history, 2).attempts.clear(), assert);
            let expected =
                "seed 7: job 2 is done and nobody saw it begin: deploy pools that are made by `Script::pool`";
            assert!(said.starts_with(expected), "{said}");
        }
    }
}
