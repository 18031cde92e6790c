//! What can be seen of an ecosystem at one moment: plain data, for people (as a table, by `Display`) and for tools (by serde).

use std::fmt;
use std::time::Duration;

use seral_core::heartbeat::Condition;
use seral_core::versions::State;
use serde::Serialize;

pub use crate::guard_view::GuardView;
pub use crate::letter_view::DeadLetterGroup;
pub use crate::letter_view::DeadLetterView;
pub use crate::letter_view::Preview;
pub use crate::library_view::LibraryView;
pub use crate::vitals::WorkerState;
pub use crate::vitals::WorkerView;

/// Where a version is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub enum VersionState {
    /// Its workers are starting. It gets no jobs.
    Loading,
    /// Its workers are there. It gets only jobs that name it.
    Inactive,
    /// It gets a share of all new jobs that name no version.
    Ramping,
    /// It gets all new jobs that name no version and that nothing else claims.
    Current,
    /// It gets no new jobs, except those that name it, and finishes what it has.
    Draining,
    /// It has finished everything; its workers are leaving, or are kept for a while.
    Drained,
    /// Its workers are gone.
    Retired,
    /// Its workers could not be started.
    Failed,
}

impl From<State> for VersionState {
    fn from(state: State) -> Self {
        match state {
            State::Loading => Self::Loading,
            State::Inactive => Self::Inactive,
            State::Ramping => Self::Ramping,
            State::Current => Self::Current,
            State::Draining => Self::Draining,
            State::Drained => Self::Drained,
            State::Retired => Self::Retired,
            _ => Self::Failed,
        }
    }
}

impl fmt::Display for VersionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// All communities of an ecosystem.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct EcosystemView {
    /// Its name.
    pub name: String,
    /// Its communities, by name.
    pub communities: Vec<CommunityView>,
}

/// One community: where its jobs are, and its versions.
///
/// Every admitted job is in exactly one place; at a moment when nothing moves, [`accounted`](Self::accounted) equals
/// [`admitted`](Self::admitted).
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CommunityView {
    /// Its name.
    pub name: String,
    /// The number of its routing table.
    pub revision: u64,
    /// The version that gets new jobs.
    pub current: Option<String>,
    /// Its versions, in the order of their first deploy.
    pub versions: Vec<VersionView>,
    /// Its rollout by a plan, if one is in progress.
    pub rollout: Option<RolloutView>,
    /// Its pins, by whose jobs they are about.
    pub pins: Vec<PinView>,
    /// Its rules, by whose jobs they are about.
    pub rules: Vec<RuleView>,
    /// Jobs admitted since the beginning.
    pub admitted: u64,
    /// Jobs that came to an output.
    pub done: u64,
    /// Attempts that failed.
    pub faults: u64,
    /// Jobs that wait in mailboxes, or were taken and not begun, or wait for a version.
    pub waiting: u64,
    /// Jobs that wait behind an earlier job of their key.
    pub fenced: u64,
    /// Jobs that wait for their time.
    pub delayed: u64,
    /// When the first of them is due, from now.
    pub next_due: Option<Duration>,
    /// Jobs in a worker's hand.
    pub running: u64,
    /// Jobs on their way from one version to another.
    pub in_transit: u64,
    /// Jobs that a worker gave up.
    pub discarded: u64,
    /// Jobs whose deadline passed before they were started, or tried again.
    pub expired: u64,
    /// Jobs that their sender cancelled.
    pub cancelled: u64,
    /// Dead letters that are kept.
    pub dead: u64,
    /// Dead letters that had to make room for newer ones.
    pub overflowed: u64,
    /// Dead letters that a person gave up.
    pub dead_discarded: u64,
    /// Dead letters and other jobs that were given back to the application: taken, or handed back at the shutdown, whether there was a hook or not.
    pub handed_back: u64,
}

impl CommunityView {
    /// How many admitted jobs have a known place.
    pub fn accounted(&self) -> u64 {
        self.done
            + self.waiting
            + self.fenced
            + self.delayed
            + self.running
            + self.in_transit
            + self.discarded
            + self.expired
            + self.cancelled
            + self.dead
            + self.dead_discarded
            + self.overflowed
            + self.handed_back
    }

    /// The version of this name.
    pub fn version(&self, name: &str) -> Option<&VersionView> {
        self.versions.iter().find(|version| version.name == name)
    }
}

/// A version that is rolled out step by step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RolloutView {
    /// The candidate.
    pub version: String,
    /// The number of its step, from 0.
    pub step: usize,
    /// How many steps there are.
    pub steps: usize,
    /// What it does or waits for.
    pub phase: String,
}

/// `rollout of 2.0.0, step 1 of 4: waiting for a person`.
impl fmt::Display for RolloutView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, step, steps, phase } = self;
        write!(f, "rollout of {version}, step {} of {steps}: {phase}", step + 1)
    }
}

/// Jobs that are tied to a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PinView {
    /// Which jobs: `jobs of tenant acme`.
    pub whose: String,
    /// The version.
    pub version: String,
    /// How long the pin lasts from now, if not until it is unpinned.
    pub left: Option<Duration>,
}

/// `jobs of tenant acme pinned to 1.0.0 for 60 s`.
impl fmt::Display for PinView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { whose, version, left } = self;
        write!(f, "{whose} pinned to {version}")?;
        match left {
            // A second that has begun counts, so that an hour does not look like 59 minutes.
            Some(left) => write!(f, " for {} s", left.as_millis().div_ceil(1_000)),
            None => f.write_str(" until it is unpinned"),
        }
    }
}

/// Jobs that go to a version as long as it takes new ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RuleView {
    /// Which jobs: `jobs of tenant acme`.
    pub whose: String,
    /// The version.
    pub version: String,
}

/// `jobs of tenant acme go to 2.0.0`.
impl fmt::Display for RuleView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} go to {}", self.whose, self.version)
    }
}

/// One version: its workers and its jobs.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct VersionView {
    /// The community.
    pub community: String,
    /// Its name.
    pub name: String,
    /// Where it is in its life.
    pub state: VersionState,
    /// Its share of new jobs that name no version, in 1/10,000: while it is ramped, what it was given; while it is current, what nobody else has;
    /// otherwise none.
    pub share: u16,
    /// A limit on that share, if it is a canary.
    pub limit: Option<String>,
    /// Whether it was left because a gate failed or its workers could not be kept running.
    pub quarantined: bool,
    /// Whether it is drained and its workers are kept for a while.
    pub kept_warm: bool,
    /// The version that took its place when it was left.
    pub successor: Option<String>,
    /// What its guard has seen, if it is watched.
    pub guard: Option<GuardView>,
    /// The library that it was loaded from, if it was not linked into the program.
    pub library: Option<LibraryView>,
    /// How many workers it has.
    pub workers: usize,
    /// Jobs that wait in its mailbox or were taken and not begun.
    pub waiting: usize,
    /// The age of the oldest job at the front of its mailbox, since it was admitted: what it waited, was delayed, and was tried before. To some
    /// 20 ms.
    pub oldest: Option<Duration>,
    /// Jobs in its workers' hands.
    pub running: usize,
    /// Jobs that it brought to an output.
    pub done: u64,
    /// Attempts of it that failed.
    pub faults: u64,
    /// What a draining version waits for. Empty for others.
    pub held_up_by: Vec<Holder>,
    /// Each of its workers.
    pub each_worker: Vec<WorkerView>,
}

/// Something that a draining version waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub enum Holder {
    /// A job in a worker's hand.
    Running {
        /// The job.
        job: u64,
        /// The worker.
        worker: u64,
        /// For how long at least, as far as was noticed.
        at_least: Duration,
    },
    /// Jobs that are over, of workers that have not yet come back for more: they tune themselves, or are busy in code that blocks.
    Settling(usize),
    /// Jobs that wait in its mailbox.
    Waiting(usize),
    /// Jobs that name it and are delayed, or stand behind an earlier job of their key.
    Pinned(usize),
    /// Jobs that were recalled from it and are not yet placed.
    InTransit(usize),
    /// Pins to it that have not ended; the view of the community lists them.
    Held(usize),
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running { job, worker, at_least } => {
                write!(f, "job {job} on worker {worker} (for {}ms or more)", at_least.as_millis())
            }
            Self::Settling(count) => write!(f, "{count} settled, of workers that have not come back yet"),
            Self::Waiting(count) => write!(f, "{count} waiting"),
            Self::Pinned(count) => write!(f, "{count} pinned to it"),
            Self::InTransit(count) => write!(f, "{count} in transit"),
            Self::Held(1) => f.write_str("a pin that has not ended"),
            Self::Held(count) => write!(f, "{count} pins that have not ended"),
        }
    }
}

/// A lower age is not worth a word in a line for people.
const WORTH_SAYING: Duration = Duration::from_secs(1);

/// One line: `order-processor 1.0.0  5 workers  Draining  37 waiting  5 running  120 done`.
impl fmt::Display for VersionView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { community, name, state, workers, waiting, running, done, faults, .. } = self;
        write!(f, "{community} {name}  {workers} workers  {state}")?;
        if matches!(self.share, 1..10_000) {
            write!(f, " at {} %", f64::from(self.share) / 100.0)?;
        }
        if let Some(limit) = &self.limit {
            write!(f, ", {limit}")?;
        }
        if self.quarantined {
            f.write_str(" (quarantined)")?;
        }
        if self.kept_warm {
            f.write_str(" (kept warm)")?;
        }
        write!(f, "  {waiting} waiting")?;
        if let Some(oldest) = self.oldest.filter(|oldest| *oldest >= WORTH_SAYING) {
            write!(f, " (the oldest {} s old)", oldest.as_secs())?;
        }
        write!(f, "  {running} running  {done} done")?;
        if *faults > 0 {
            write!(f, "  {faults} failed")?;
        }
        if let Some(library) = &self.library {
            write!(f, "  {library}")?;
        }
        Ok(())
    }
}

/// A line for each version, with what holds up those that drain and each worker that is not well, and a line of totals.
impl fmt::Display for CommunityView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for version in &self.versions {
            writeln!(f, "{version}")?;
            if let Some(guard) = &version.guard {
                writeln!(f, "    {guard}")?;
            }
            for holder in &version.held_up_by {
                writeln!(f, "    waits for {holder}")?;
            }
            for worker in &version.each_worker {
                if worker.condition != Condition::Well {
                    writeln!(f, "    {worker}")?;
                }
            }
        }
        if let Some(rollout) = &self.rollout {
            writeln!(f, "{}: {rollout}", self.name)?;
        }
        for rule in &self.rules {
            writeln!(f, "{}: {rule}", self.name)?;
        }
        for pin in &self.pins {
            writeln!(f, "{}: {pin}", self.name)?;
        }
        write!(f, "{}: {} admitted, {} done", self.name, self.admitted, self.done)?;
        let rest = [
            (self.waiting + self.in_transit, "waiting"),
            (self.running, "running"),
            (self.fenced, "behind their key"),
            (self.delayed, "delayed"),
            (self.dead, "dead letters"),
            (self.discarded, "discarded"),
            (self.expired, "expired"),
            (self.cancelled, "cancelled"),
            (self.dead_discarded, "dead letters discarded"),
            (self.overflowed, "overflowed"),
            (self.handed_back, "handed back"),
        ];
        for (count, what) in rest.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, ", {count} {what}")?;
        }
        Ok(())
    }
}

impl fmt::Display for EcosystemView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)?;
        for community in &self.communities {
            write!(f, "\n{community}")?;
        }
        Ok(())
    }
}
