//! What happened in a simulation, as a value: every job, every verb, every event, each with its time.
//!
//! Two runs of one seed have equal histories, and print the same to the byte. Nothing in it depends on the machine.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use seral::Event;
use seral::Key;
use seral::State;
use seral::Version;

use crate::ledger::Fate;

/// What happened in a simulation; see the [module](self). Prints as a line for each entry and each job; [`summary`](Self::summary) is one line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    pub(crate) seed: u64,
    pub(crate) length: Duration,
    pub(crate) entries: Vec<Entry>,
    pub(crate) jobs: BTreeMap<u64, JobRecord>,
    pub(crate) refused: u64,
    pub(crate) counted: Counted,
}

/// Something that happened, other than to a job that goes well.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// When, from the beginning.
    pub at: Duration,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// A verb was called, by this name.
    Called(String),
    /// It was answered.
    Answered(String, String),
    /// What the community told.
    Event(Event),
    /// A job that came was not admitted, for this reason.
    Refused(String),
    /// No more jobs come: from here on the ecosystem shuts down.
    TrafficEnded,
    /// It is shut down.
    ShutDown(String),
}

/// What became of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct JobRecord {
    /// Its key.
    pub key: Option<Key>,
    /// When it was admitted. None, if it came from somewhere else than the simulation's traffic, such as a worker.
    pub admitted: Option<Moment>,
    /// Every attempt at it, in order.
    pub attempts: Vec<AttemptRecord>,
    /// How it ended, for whoever had sent it. None, if that is not known.
    pub end: Option<JobEnd>,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JobEnd {
    /// When.
    pub at: Moment,
    /// How.
    pub fate: Fate,
    /// Why, if it did not come to an output; empty if there is nothing to say.
    pub why: String,
}

/// An attempt at a job.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttemptRecord {
    /// Which attempt, from 1.
    pub number: u32,
    /// By which version.
    pub version: Version,
    /// By which worker of the community.
    pub worker: u64,
    /// When it was begun.
    pub began: Moment,
    /// When and how it ended. None, if it did not.
    pub end: Option<(Moment, AttemptEnd)>,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AttemptEnd {
    /// With an output.
    Done,
    /// With this fault.
    Fault(String),
    /// It panicked.
    Panicked,
    /// It was dropped before its end: by a timeout, or with its worker.
    Dropped,
}

/// A time, and which of all things that happened at it comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Moment {
    /// The time from the beginning.
    pub at: Duration,
    /// The number of this among all that happened to jobs.
    pub step: u64,
}

/// What the community counted in the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) admitted: u64,
    pub(crate) accounted: u64,
}

impl History {
    /// The seed that it came from.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// How long jobs came.
    pub fn length(&self) -> Duration {
        self.length
    }

    /// Verbs, events and refusals, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Every job that was admitted or begun, by its number.
    pub fn jobs(&self) -> &BTreeMap<u64, JobRecord> {
        &self.jobs
    }

    /// How many jobs ended like this.
    pub fn count(&self, fate: Fate) -> usize {
        self.jobs.values().filter(|job| job.end.as_ref().is_some_and(|end| end.fate == fate)).count()
    }

    /// How many jobs that came were not admitted.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// How many attempts at jobs a version made.
    pub fn attempts_of(&self, version: &str) -> usize {
        let attempts = self.jobs.values().flat_map(|job| &job.attempts);
        attempts.filter(|attempt| attempt.version.as_str() == version).count()
    }

    /// The state of each version when the last job had come, and since when, in the order in which they were deployed first.
    pub fn versions(&self) -> Vec<(Version, State, Duration)> {
        let mut versions: Vec<(Version, State, Duration)> = Vec::new();
        for (at, version, state) in self.changes() {
            match versions.iter_mut().find(|(name, ..)| name == version) {
                Some(last) => (last.1, last.2) = (state, at),
                None => versions.push((version.clone(), state, at)),
            }
        }
        versions
    }

    /// All changes of a version's state while jobs came.
    pub(crate) fn changes(&self) -> impl Iterator<Item = (Duration, &Version, State)> {
        let before_end = self.entries.iter().take_while(|entry| entry.what != What::TrafficEnded);
        before_end.filter_map(|entry| match &entry.what {
            What::Event(Event::VersionChanged { version, state, .. }) => Some((entry.at, version, *state)),
            _ => None,
        })
    }

    /// The versions that a guard found to be bad, in that order.
    pub fn condemned(&self) -> Vec<Version> {
        let condemned = |entry: &Entry| match &entry.what {
            What::Event(Event::Condemned { version, .. }) => Some(version.clone()),
            _ => None,
        };
        self.entries.iter().filter_map(condemned).collect()
    }

    /// One line: `seed 7: 1200 jobs, 1190 done, 10 dead letters, 34 failed attempts; 1.0.0 Retired at 425 s, 2.0.0 Current at 420 s`.
    pub fn summary(&self) -> Summary<'_> {
        Summary(self)
    }
}

/// A history in one line.
#[derive(Clone, Copy, Debug)]
pub struct Summary<'a>(&'a History);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let history = self.0;
        let attempts = history.jobs.values().flat_map(|job| &job.attempts);
        let ends = attempts.map(|attempt| attempt.end.as_ref().map(|(_, end)| end));
        let failed = ends.filter(|end| *end != Some(&AttemptEnd::Done)).count();
        write!(f, "seed {}: {} jobs", history.seed, history.jobs.len())?;
        let counts = [
            (history.count(Fate::Done), "done", ""),
            (history.count(Fate::Dead), "dead letter", "s"),
            (history.count(Fate::Discarded), "discarded", ""),
            (history.count(Fate::Expired), "expired", ""),
            (history.count(Fate::Cancelled), "cancelled", ""),
            (history.count(Fate::HandedBack), "handed back", ""),
            (usize::try_from(history.refused).unwrap_or(usize::MAX), "refused", ""),
            (failed, "failed attempt", "s"),
        ];
        for (count, what, many) in counts.into_iter().filter(|(count, ..)| *count > 0) {
            write!(f, ", {count} {what}{}", if count > 1 { many } else { "" })?;
        }
        for (place, (version, state, at)) in history.versions().iter().enumerate() {
            write!(f, "{} {version} {state:?} at {} s", if place == 0 { ";" } else { "," }, at.as_secs())?;
        }
        Ok(())
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.summary())?;
        for entry in &self.entries {
            writeln!(f, "{entry}")?;
        }
        for (number, job) in &self.jobs {
            writeln!(f, "job {number}{job}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>12} ", Seconds(self.at).to_string())?;
        match &self.what {
            What::Called(verb) => write!(f, "-> {verb}"),
            What::Answered(verb, answer) => write!(f, "<- {verb}: {answer}"),
            What::Event(event) => write!(f, "   {event}"),
            What::Refused(why) => write!(f, "   a job was refused: {why}"),
            What::TrafficEnded => f.write_str("   no more jobs come"),
            What::ShutDown(report) => write!(f, "   {report}"),
        }
    }
}

/// What follows `job 17`: ` of key 3: admitted 1.250 s; 1.0.0 worker 2 from 1.250 s, done 1.300 s; done 1.300 s`.
impl fmt::Display for JobRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(key) = &self.key {
            write!(f, " of key {key}")?;
        }
        match self.admitted {
            Some(admitted) => write!(f, ": admitted {admitted}")?,
            None => f.write_str(": not of the traffic")?,
        }
        for attempt in &self.attempts {
            write!(f, "; {attempt}")?;
        }
        match &self.end {
            None => f.write_str("; no end"),
            Some(JobEnd { at, fate, why }) if why.is_empty() => write!(f, "; {} {at}", fate.name()),
            Some(JobEnd { at, fate, why }) => write!(f, "; {} {at}: {why}", fate.name()),
        }
    }
}

impl fmt::Display for AttemptRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} worker {} from {}", self.version, self.worker, self.began)?;
        match &self.end {
            None => f.write_str(", no end"),
            Some((at, AttemptEnd::Done)) => write!(f, ", done {at}"),
            Some((at, AttemptEnd::Fault(why))) => write!(f, ", failed {at}: {why}"),
            Some((at, AttemptEnd::Panicked)) => write!(f, ", panicked {at}"),
            Some((at, AttemptEnd::Dropped)) => write!(f, ", dropped {at}"),
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", Seconds(self.at))
    }
}

/// A time in seconds, with milliseconds.
pub(crate) struct Seconds(pub(crate) Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0.as_secs(), self.0.subsec_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(secs: u64, step: u64) -> Moment {
        Moment { at: Duration::from_secs(secs), step }
    }

    #[test]
    fn a_history_prints_a_line_for_each_thing_that_happened() {
        let attempt = |number, version: &str, end| AttemptRecord {
            number,
            version: version.into(),
            worker: 3,
            began: moment(1, 2),
            end,
        };
        let history = History {
            seed: 7,
            entries: vec![
                Entry { at: Duration::ZERO, what: What::Called("deploy 1.0.0".to_owned()) },
                Entry {
                    at: Duration::from_millis(61_250),
                    what: What::Event(Event::VersionChanged {
                        community: "orders".into(),
                        version: "1.0.0".into(),
                        state: State::Drained,
                    }),
                },
            ],
            jobs: BTreeMap::from([
                (
                    1,
                    JobRecord {
                        key: Some(Key::from(9)),
                        admitted: Some(moment(1, 1)),
                        attempts: vec![
                            attempt(1, "1.0.0", Some((moment(2, 3), AttemptEnd::Fault("no".to_owned())))),
                            attempt(2, "2.0.0", Some((moment(3, 4), AttemptEnd::Done))),
                        ],
                        end: Some(JobEnd { at: moment(3, 5), fate: Fate::Done, why: String::new() }),
                    },
                ),
                (2, JobRecord { attempts: vec![attempt(1, "2.0.0", None)], ..JobRecord::default() }),
            ]),
            ..History::default()
        };
        let printed = "seed 7: 2 jobs, 1 done, 2 failed attempts; 1.0.0 Drained at 61 s
       0.000 -> deploy 1.0.0
      61.250    orders 1.0.0 is Drained
job 1 of key 9: admitted 1.000 s; 1.0.0 worker 3 from 1.000 s, failed 2.000 s: no; 2.0.0 worker 3 from 1.000 s, done 3.000 s; done 3.000 s
job 2: not of the traffic; 2.0.0 worker 3 from 1.000 s, no end; no end
";
        assert_eq!(history.to_string(), printed);
        assert_eq!((history.attempts_of("2.0.0"), history.count(Fate::Done)), (2, 1));
    }
}
