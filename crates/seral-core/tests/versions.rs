//! Every short history of [`Versions`], enumerated; its actions are carried out on toy pools, and the promises are checked.
//!
//! With every verb, enumerated are all 661,656 histories of five events on two versions that follow on one deploy
//! ([`ALL_ON_TWO`]), and 66,484 histories of four events that follow when two of three are being ramped ([`TWO_RAMPED`]). Of the
//! verbs of the beginning, deploy and rollback, enumerated are all 117,616 histories of seven events that begin with nothing, with the verbs [`TWO`], and all 220,754
//! histories of six events that follow on two deploys, with the verbs [`THREE`]. With deploys by force, enumerated are all
//! histories of five events: 67,863 that follow on two deploys and 81,423 that follow on a fall back, with the verbs
//! [`TWO_FORCED`], and 69,255 that follow on three deploys, with the verbs [`THREE_FORCED`]. News of pools comes when it can
//! come: a loading pool has started or failed; a narrowed pool, or one that let its pinned jobs go, has drained, before or
//! after its recall was reported; a drained pool has ended; a pool that is current or drains is broken, once or again and
//! again. All other news is stale: it is tried two events before the end (54,325, 58,832, 11,714, 13,652 and 14,831 times)
//! and must change nothing, so no history needs to go on after it.
//!
//! Between any two actions: all pools that the published table gives new jobs to are open and not halted. After each event:
//! at most one version is current, and it is the published one; only pools that get new jobs are open; who is ramped has a share, who is
//! held waits for jobs that name it, and nobody else; each publication has the next revision;
//! no call was answered twice, and calls are pending only while a pool loads; a call that is refused changed nothing; a start
//! that failed put only its own version away; a rollback waits only for a cold start, leaves no earlier deploy behind, and
//! does not go back again after a rollback or a fall back; a halted pool is being recalled, and only a halted pool is;
//! everybody was told each state; each answer is true.
//!
//! After a pool broke: its version was left for the newest that drained and was not quarantined, gave its jobs back, or keeps
//! trying and nothing changed; no other version changed, no call was answered, and it was told once. Whoever was left is
//! quarantined, recalled and shut to all jobs. No version is current and quarantined; a quarantine ends only with a deploy by
//! force, warm or cold; until one ends, there are fewer fall backs than versions that served.
//!
//! The scenarios below are for reading, and for what is too long to enumerate.
//!
//! # Mutations of the machine that were seen to fail
//!
//! - shares: a version that finds no room when it has started; whoever takes over keeps its share, or what was left does; a promotion leaves what is ramped, a fall back ends it; a
//!   larger canary does not get what the one before it had; too much is not refused, on deploy or ramp; *beside* turned round; who
//!   drained is ramped and not opened; left and not recalled;
//! - holding: a held version is opened, does not serve, counts as never seen, or stays in the table when it broke;
//! - verbs on shares: a canary or a ramp does not end the memory of a rollback; a rollback of a ramp is not remembered, or leaves but
//!   one; an abort leaves nobody, or ends any deploy; the current version is drained; a stale verb takes effect; a quarantined version
//!   is promoted;
//! - takeover: published before opened; the replaced pool narrowed before the swap, or not at all; the replaced version stays
//!   current; no new revision, on a takeover or a drain; a state that is not told; a pool number given twice;
//! - verbs: an overtaken deploy, loading or in line, is not answered; a failed start is not answered, or twice; another build is
//!   accepted; two versions load at once; the line is not taken up after a start; a rollback leaves the line, also behind a
//!   cold rollback; a warm rollback starts its target; a rollback is not remembered, or changes what was before;
//! - news: stale *started* or *start failed* accepted; a current pool drains; any pool ends; a failed start narrows the current;
//! - recall: halted and not recalled; not marked as recalling; not resumed; the mark outlives the recall, the takeover or the pool;
//! - memory: nothing is forgotten; the target of a rollback is; forgetting is not told;
//! - broken: ignored while draining, or while another loads; acts on a loading, drained or retired version; the target of a
//!   fall back is quarantined, drained, the oldest, the one with the last pool, the one that was before, or none that is being
//!   recalled; who falls back or gives back is not quarantined, or its target is; nobody is told, or of another target, or each
//!   time; a fall back counts as a deploy, is not remembered, changes what was before, ends what loads, or clears the line; who
//!   keeps trying is quarantined, halted, or loses its pinned jobs; a broken draining version takes a new revision;
//! - giving back: not recalled, not again after its recall was done, or twice at once; the pinned jobs are not given up, of a
//!   current or a draining version, or before the takeover, or those of the target;
//! - quarantine: not checked on deploy, or only while draining; not checked on rollback, draining or cold; a refused rollback is
//!   answered by nothing before, or remembered; a refused deploy clears the line; force is ignored, is lost in line, accepts
//!   another build, or does not end the quarantine, warm or cold; the quarantine ends with the recall, the drain, the pool or the
//!   dispatcher, or though the build was refused; a failed start or a rollback quarantines; it is told before another build is.

#![allow(
    clippy::print_stdout,
    reason = "the number of enumerated histories is worth seeing with --nocapture"
)]

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use seral_core::id::PoolId;
use seral_core::id::VerbId;
use seral_core::id::Version;
use seral_core::routing::RoutingTable;
use seral_core::share::Share;
use seral_core::versions::Action;
use seral_core::versions::Aim;
use seral_core::versions::Answer;
use seral_core::versions::Build;
use seral_core::versions::Entry;
use seral_core::versions::Event;
use seral_core::versions::Limit;
use seral_core::versions::Misuse;
use seral_core::versions::Remedy;
use seral_core::versions::State;
use seral_core::versions::Takeover;
use seral_core::versions::Verb as What;
use seral_core::versions::Versions;

/// At most so many versions that are over are remembered, and one more as the target of a rollback.
const OVER_MAX: usize = 64;

// ---- the toy community ---------------------------------------------------------------------------------------------

/// A verb without the number of its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    /// Name and build.
    Deploy(&'static str, &'static str),
    /// The same, though the version may be quarantined.
    Force(&'static str, &'static str),
    /// Deployed to get only jobs that name it.
    Hold(&'static str),
    /// Deployed to get so many percent, in the place of others or beside them.
    Canary(&'static str, u16),
    Beside(&'static str, u16),
    /// Another share.
    Ramp(&'static str, u16),
    Promote(&'static str),
    Drain(&'static str),
    /// The same, though it may be current.
    Empty(&'static str),
    Rollback,
    RollbackTo(&'static str),
    Abort,
    /// Back to the other one, of versions 1 and 2.
    Reject(&'static str),
    /// Another share by a rollout, which waits for nothing that loads.
    Urgent(&'static str, u16),
}

impl Verb {
    fn is_rollback(self) -> bool {
        matches!(self, Rollback | RollbackTo(_))
    }

    /// As the machine is told. Unless it says otherwise, a version is of build a.
    fn what(self) -> What {
        let deploy = |name: &str, build: &str, aim, force| What::Deploy {
            version: name.into(),
            build: Build(build.to_owned()),
            aim,
            force,
            drain_within: None,
        };
        match self {
            Deploy(name, build) => deploy(name, build, Aim::Current, false),
            Force(name, build) => deploy(name, build, Aim::Current, true),
            Hold(name) => deploy(name, "a", Aim::Hold, false),
            Canary(name, share) => deploy(
                name,
                "a",
                Aim::Ramp { share: percent(share), limit: Limit::None, beside: false },
                false,
            ),
            Beside(name, share) => deploy(
                name,
                "a",
                Aim::Ramp { share: percent(share), limit: Limit::None, beside: true },
                false,
            ),
            Ramp(name, share) | Urgent(name, share) => {
                What::Ramp { version: name.into(), share: percent(share), limit: Limit::None }
            }
            Promote(name) => What::Promote { version: name.into(), drain_within: None },
            Drain(name) => What::Drain { version: name.into(), allow_empty: false, drain_within: None },
            Empty(name) => What::Drain { version: name.into(), allow_empty: true, drain_within: None },
            Rollback => What::Rollback { to: None },
            RollbackTo(name) => What::Rollback { to: Some(name.into()) },
            Abort => What::Abort,
            Reject(name) => {
                let back_to = Some(if name == "1" { "2" } else { "1" }.into());
                What::Reject { version: name.into(), back_to }
            }
        }
    }
}

fn percent(percent: u16) -> Share {
    Share::of_ten_thousand(percent * 100).expect("a share")
}

/// What can happen, with pools by their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Call(Verb),
    Started(u64),
    StartFailed(u64),
    Drained(u64),
    Recalled(u64),
    Ended(u64),
    Broken(u64),
}

use Step::*;
use Verb::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    Shut,
    Open,
    Pinned,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Loading,
    Running,
    Drained,
    Over,
}

/// What a pool would be after the actions have been carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pool {
    version: Version,
    gate: Gate,
    life: Life,
    halted: bool,
    recalling: bool,
    /// It was narrowed, so that it drains as soon as it has nothing left.
    closing: bool,
}

/// The machine, and a view of the world in which its actions have been carried out.
#[derive(Clone)]
struct Community {
    versions: Versions,
    /// By number, from 1.
    pools: Vec<Pool>,
    /// The current pool of the table that was published last.
    published: Option<u64>,
    /// The pools of that table to which jobs go that name no version.
    takers: BTreeSet<u64>,
    table: RoutingTable<PoolId>,
    revision: u64,
    /// The version that was current before the one that is.
    replaced: Option<Version>,
    told: BTreeMap<Version, State>,
    /// The version that each replaced when it was deployed.
    before: BTreeMap<Version, Version>,
    /// The build that jobs have seen under each name.
    builds: BTreeMap<Version, Build>,
    calls: Vec<Call>,
    /// The versions that were left because they broke, and not deployed by force since.
    quarantined: BTreeSet<Version>,
    /// Those of them that were found bad though their workers ran: jobs that name them are still done.
    rejected: BTreeSet<Version>,
    /// How often a version that broke was left for another, since a quarantine ended.
    fall_backs: usize,
    /// Whether the last takeover was a rollback or a fall back.
    went_back: bool,
    /// Whether a rollback ended a deploy since the last takeover.
    ended_deploy: bool,
    /// What was told about a broken version at the last event.
    remedy: Option<(Version, Remedy)>,
}

#[derive(Clone)]
struct Call {
    verb: Verb,
    answer: Option<Answer>,
    /// For a rollback: what it is to go back to.
    target: Option<Version>,
    /// What was being ramped when it was called.
    ramping: Vec<Version>,
}

type Checked = Result<(), String>;

/// Fails the step, with a sentence, unless the condition holds.
macro_rules! ensure {
    ($holds:expr, $($sentence:tt)+) => {
        if !$holds {
            return Err(format!($($sentence)+));
        }
    };
}

impl Pool {
    fn open(&mut self, gate: Gate) -> Checked {
        ensure!(self.life == Life::Running, "a pool was opened that cannot be: {self:?}");
        self.gate = gate;
        self.closing = false;
        self.halted = false;
        // A recall looks at `is_recalling` after each slice, and ends.
        self.recalling = false;
        Ok(())
    }
}

impl Community {
    fn new() -> Self {
        Self {
            versions: Versions::new(),
            pools: Vec::new(),
            published: None,
            takers: BTreeSet::new(),
            table: RoutingTable::empty(),
            revision: 0,
            replaced: None,
            told: BTreeMap::new(),
            before: BTreeMap::new(),
            builds: BTreeMap::new(),
            calls: Vec::new(),
            quarantined: BTreeSet::new(),
            rejected: BTreeSet::new(),
            fall_backs: 0,
            went_back: false,
            ended_deploy: false,
            remedy: None,
        }
    }

    /// A community that has been through all this.
    #[track_caller]
    fn after(steps: &[Step]) -> Self {
        let mut community = Self::new();
        for step in steps {
            community.perform(*step);
        }
        community
    }

    /// Does one step, and checks all promises. Returns the answers that it gave.
    #[track_caller]
    fn perform(&mut self, step: Step) -> Vec<Answer> {
        let unanswered = self.unanswered();
        if let Err(sentence) = self.step(step) {
            panic!("{sentence}\n  after {step:?}");
        }
        let mut calls: BTreeSet<usize> = unanswered.into_iter().collect();
        if matches!(step, Call(_)) {
            calls.insert(self.calls.len() - 1);
        }
        calls.into_iter().filter_map(|call| self.calls[call].answer.clone()).collect()
    }

    fn unanswered(&self) -> Vec<usize> {
        (0..self.calls.len()).filter(|call| self.calls[*call].answer.is_none()).collect()
    }

    fn event(&self, step: Step) -> Event {
        let verb = VerbId::new(self.calls.len() as u64);
        match step {
            Call(called) => {
                let urgent = matches!(called, Urgent(..));
                Event::Called { verb, expected: None, what: called.what(), urgent }
            }
            Started(pool) => Event::Started(PoolId::new(pool)),
            StartFailed(pool) => Event::StartFailed(PoolId::new(pool)),
            Drained(pool) => Event::Drained { pool: PoolId::new(pool), kept: false },
            Recalled(pool) => Event::Recalled(PoolId::new(pool)),
            Ended(pool) => Event::Ended(PoolId::new(pool)),
            Broken(pool) => Event::Broken(PoolId::new(pool)),
        }
    }

    /// Whether this can happen now. All other news is stale.
    fn is_possible(&self, step: Step) -> bool {
        let pool = |number: u64| usize::try_from(number - 1).ok().and_then(|at| self.pools.get(at));
        match step {
            Call(_) => true,
            Started(number) | StartFailed(number) => {
                pool(number).is_some_and(|pool| pool.life == Life::Loading)
            }
            Drained(number) => pool(number).is_some_and(|pool| pool.life == Life::Running && pool.closing),
            Recalled(number) => pool(number).is_some_and(|pool| pool.recalling),
            Ended(number) => pool(number).is_some_and(|pool| pool.life == Life::Drained),
            Broken(number) => pool(number).is_some_and(|pool| pool.life == Life::Running),
        }
    }

    fn step(&mut self, step: Step) -> Checked {
        let event = self.event(step);
        let possible = self.is_possible(step);
        if let Call(verb) = step {
            let target = match verb {
                RollbackTo(name) => Some(name.into()),
                _ => self.versions.current().and_then(|current| current.before.clone()),
            };
            self.calls.push(Call { verb, answer: None, target, ramping: self.ramping() });
        }
        let before = self.versions.clone();
        let went_back = self.went_back;
        self.remedy = None;
        let actions = self.versions.handle(event);
        if !possible {
            ensure!(actions.is_empty(), "stale news had an effect: {actions:?}");
            ensure!(self.versions == before, "stale news changed something");
            return Ok(());
        }
        self.happen(step);
        for action in &actions {
            self.carry_out(action)?;
        }
        match step {
            StartFailed(_) => check_failed_start(&actions)?,
            Call(verb) if verb.is_rollback() => self.check_rollback(&before, verb, went_back)?,
            Broken(pool) => self.check_broken(pool, &before, &actions)?,
            _ => {}
        }
        if matches!(step, Call(_)) {
            self.check_refusal(&before, &actions)?;
        }
        self.check()
    }

    /// What has happened to the pool of which there is news.
    fn happen(&mut self, step: Step) {
        match step {
            // A pool whose workers cannot be kept running stays, and may have jobs.
            Call(_) | Broken(_) => {}
            Started(number) => self.pool(number).life = Life::Running,
            StartFailed(number) | Ended(number) => self.pool(number).life = Life::Over,
            Drained(number) => {
                let pool = self.pool(number);
                pool.life = Life::Drained;
                pool.gate = Gate::Shut;
            }
            Recalled(number) => self.pool(number).recalling = false,
        }
    }

    fn pool(&mut self, number: u64) -> &mut Pool {
        let at = usize::try_from(number - 1).expect("pools are few");
        &mut self.pools[at]
    }

    // ---- the interpreter -------------------------------------------------------------------------------------------

    fn carry_out(&mut self, action: &Action) -> Checked {
        match action {
            Action::Start(pool, version) => self.start(pool.get(), version)?,
            Action::Open(pool, Limit::None) => {
                let version = self.pool(pool.get()).version.clone();
                self.end_quarantine(&version)?;
                let pool = self.pool(pool.get());
                pool.open(Gate::Open)?;
            }
            Action::Reserve(pool) => {
                ensure!(!self.takers.contains(&pool.get()), "a pool was reserved that takes all jobs");
                let version = self.pool(pool.get()).version.clone();
                self.end_quarantine(&version)?;
                self.pool(pool.get()).open(Gate::Pinned)?;
            }
            Action::Publish(table) => self.publish(table)?,
            Action::Narrow(pool) => {
                ensure!(!self.takers.contains(&pool.get()), "a pool was narrowed that takes all jobs");
                let pool = self.pool(pool.get());
                ensure!(!pool.closing && pool.gate != Gate::Shut, "narrowed, and it was not open: {pool:?}");
                pool.gate = Gate::Pinned;
                pool.closing = true;
            }
            Action::Halt(pool) => self.pool(pool.get()).halted = true,
            Action::Recall(pool) => {
                let pool = self.pool(pool.get());
                ensure!(pool.halted && pool.gate != Gate::Open, "jobs are recalled from {pool:?}");
                ensure!(!pool.recalling, "jobs are recalled twice at once from {pool:?}");
                pool.recalling = true;
            }
            Action::GiveUpPinned(pool) => {
                let version = self.pool(pool.get()).version.clone();
                self.rejected.remove(&version);
                let pool = self.pool(pool.get());
                ensure!(
                    pool.life == Life::Running && pool.gate != Gate::Open,
                    "jobs are given up of {pool:?}"
                );
                pool.gate = Gate::Shut;
            }
            Action::TellBroken(version, remedy) => self.tell_broken(version, remedy)?,
            Action::Resume(pool) => self.pool(pool.get()).halted = false,
            Action::Dismiss(pool) => {
                let pool = self.pool(pool.get());
                ensure!(
                    pool.gate == Gate::Shut && pool.life != Life::Drained,
                    "dismissed, and it had served: {pool:?}"
                );
                pool.life = Life::Over;
            }
            Action::Forget(version) => {
                ensure!(self.versions.find(version).is_none(), "{version} is told to be forgotten");
                self.told.remove(version);
                self.builds.remove(version);
                self.before.remove(version);
                self.quarantined.remove(version);
                self.rejected.remove(version);
            }
            Action::Tell(version, state) => {
                self.told.insert(version.clone(), *state);
            }
            Action::TellShare(version, share) => {
                let has = self.share(version);
                ensure!(has == *share, "{version} was told to have {share}, and has {has}");
            }
            Action::Answer(verb, answer) => self.answer(*verb, answer)?,
            action => return Err(format!("nobody asked for {action:?}")),
        }
        self.check_moment(action)
    }

    fn start(&mut self, pool: u64, version: &Version) -> Checked {
        ensure!(pool == self.pools.len() as u64 + 1, "pool {pool} is not new");
        ensure!(!self.pools.iter().any(|pool| pool.life == Life::Loading), "two pools are loading");
        self.check_forced(version)?;
        self.pools.push(Pool {
            version: version.clone(),
            gate: Gate::Shut,
            life: Life::Loading,
            halted: false,
            recalling: false,
            closing: false,
        });
        Ok(())
    }

    fn publish(&mut self, table: &RoutingTable<PoolId>) -> Checked {
        let revision = table.revision;
        ensure!(revision.get() == self.revision + 1, "revision {revision} follows {}", self.revision);
        self.revision += 1;
        let current = table.current.map(PoolId::get);
        if current != self.published {
            self.replaced = self.published.map(|replaced| self.pool(replaced).version.clone());
            self.ended_deploy = false;
            self.published = current;
        }
        self.takers = table.takers().map(|pool| pool.get()).collect();
        self.table = table.clone();
        Ok(())
    }

    /// Those of which it was told last that they are being ramped.
    fn ramping(&self) -> Vec<Version> {
        let entries = self.versions.entries().iter().map(|entry| entry.version.clone());
        entries.filter(|version| self.told.get(version) == Some(&State::Ramping)).collect()
    }

    /// The share of a version in the table that was published last.
    fn share(&self, version: &Version) -> Share {
        self.table.serving(version).map_or(Share::NOBODY, |pool| self.table.shares.of(pool))
    }

    /// A version that is quarantined becomes current.
    fn end_quarantine(&mut self, version: &Version) -> Checked {
        self.check_forced(version)?;
        self.rejected.remove(version);
        if self.quarantined.remove(version) {
            self.fall_backs = 0;
        }
        Ok(())
    }

    /// A version that is quarantined is on its way to become current: nothing but force leads there.
    fn check_forced(&self, version: &Version) -> Checked {
        if self.quarantined.contains(version) {
            let called = self.calls.iter().find(|call| call.answer.is_none()).map(|call| call.verb);
            let forced = matches!(called, Some(Force(name, _)) if version.as_str() == name);
            ensure!(forced, "{version} is quarantined, and taken up for {called:?}");
        }
        Ok(())
    }

    fn tell_broken(&mut self, version: &Version, remedy: &Remedy) -> Checked {
        ensure!(self.remedy.is_none(), "told twice: {:?}, {remedy:?}", self.remedy);
        self.remedy = Some((version.clone(), remedy.clone()));
        match remedy {
            Remedy::FallBack(_) => {
                self.quarantined.insert(version.clone());
                self.went_back = true;
                self.fall_backs += 1;
                // Each version that served is left once, except the last.
                let served = self.builds.len();
                ensure!(self.fall_backs < served, "{} fall backs among {served} versions", self.fall_backs);
            }
            Remedy::GiveBack => {
                self.quarantined.insert(version.clone());
            }
            Remedy::KeepTrying => {}
            remedy => return Err(format!("nobody knows of {remedy:?}")),
        }
        Ok(())
    }

    fn answer(&mut self, verb: VerbId, answer: &Answer) -> Checked {
        let at = usize::try_from(verb.get()).unwrap_or(usize::MAX);
        let Some(call) = self.calls.get_mut(at) else { return Err(format!("nobody called {verb}")) };
        ensure!(call.answer.is_none(), "call {verb} was answered twice: {:?}, {answer:?}", call.answer);
        call.answer = Some(answer.clone());
        let call = call.clone();
        let target = call.target.clone();
        match (call.verb, answer) {
            (
                Deploy(name, _) | Force(name, _) | Canary(name, _) | Beside(name, _) | Promote(name),
                Answer::Current { replaced, .. },
            ) => {
                ensure!(*replaced == self.replaced, "{:?} was replaced, not {replaced:?}", self.replaced);
                ensure!(self.is_current(&name.into()), "{name} is not current");
                ensure!(self.takers.len() == 1, "{name} is current, and jobs go to {:?}", self.takers);
                self.went_back = false;
                self.serves(call.verb)?;
                if let Some(replaced) = replaced {
                    self.before.insert(name.into(), replaced.clone());
                }
            }
            (
                Canary(name, part) | Beside(name, part) | Ramp(name, part) | Urgent(name, part),
                Answer::Ramping { share, .. },
            ) => {
                self.check_ramping(call.verb, name, percent(part), *share)?;
            }
            (Hold(name), Answer::Inactive(_)) => {
                let told = self.told.get(&name.into());
                ensure!(told == Some(&State::Inactive), "{name} was to be held, and is {told:?}");
                self.serves(call.verb)?;
            }
            (Drain(name) | Empty(name) | Ramp(name, 0) | Reject(name), Answer::Draining) => {
                if matches!(call.verb, Reject(_)) {
                    self.quarantined.insert(name.into());
                    self.rejected.insert(name.into());
                }
                let told = self.told.get(&name.into());
                ensure!(told == Some(&State::Draining), "{name} was to drain, and is {told:?}");
            }
            (Reject(name), Answer::RolledBack { from, to, .. }) => self.check_rejected(name, from, to)?,
            (Reject(name), Answer::NothingBefore) => self.check_kept(name)?,
            (Rollback | RollbackTo(_), Answer::Already(_)) => return Err("a rollback".to_owned()),
            (verb, Answer::Already(state)) => {
                let name = verb.what().version();
                let is = name.as_ref().and_then(|name| self.told.get(name));
                ensure!(is == Some(state), "{name:?} was said to be {state:?}, and is {is:?}");
            }
            (Abort, Answer::Aborted(versions)) => {
                ensure!(self.ramping().is_empty(), "aborted, and {:?} is ramped", self.ramping());
                for ramped in &call.ramping {
                    ensure!(versions.contains(ramped), "{ramped} was ramped, and {versions:?} aborted");
                }
            }
            (verb, Answer::Misused(misuse)) => self.check_misuse(verb, misuse)?,
            (Deploy(name, build) | Force(name, build), Answer::OtherBuild) => {
                let served = self.builds.get(&name.into());
                ensure!(served.is_some_and(|served| served.0 != build), "{name} was refused: {served:?}");
            }
            (
                Deploy(name, _)
                | Hold(name)
                | Canary(name, _)
                | Beside(name, _)
                | Ramp(name, _)
                | Urgent(name, _)
                | Promote(name),
                Answer::Quarantined(version),
            ) => {
                ensure!(version.as_str() == name, "{version} is not what was deployed");
                ensure!(self.quarantined.contains(version), "{version} was refused, and is not quarantined");
            }
            (
                Deploy(..) | Force(..) | Hold(_) | Canary(..) | Beside(..),
                Answer::StartFailed | Answer::Overtaken,
            )
            | (Ramp(..) | Promote(_) | Drain(_) | Empty(_), Answer::Overtaken) => {}
            (Rollback | RollbackTo(_), Answer::RolledBack { from, to, .. }) => {
                self.check_rolled_back(&call, from, to)?;
                self.went_back = true;
            }
            (Rollback | RollbackTo(_), Answer::Quarantined(version)) => {
                ensure!(target.as_ref() == Some(version), "{version} was refused, and {target:?} was before");
                ensure!(self.quarantined.contains(version), "{version} was refused, and is not quarantined");
            }
            (Rollback | RollbackTo(_), Answer::NothingBefore) => {
                ensure!(target.is_none(), "{target:?} was before, and was not found");
            }
            (Rollback | RollbackTo(_), Answer::EndedDeploy(_)) => self.ended_deploy = true,
            (Rollback | RollbackTo(_), Answer::AlreadyRolledBack) => {
                let loads = self.calls.iter().any(|call| call.verb.is_rollback() && call.answer.is_none());
                let there = matches!(call.verb, RollbackTo(name) if self.is_current(&name.into()));
                ensure!(self.went_back || self.ended_deploy || loads || there, "nothing was rolled back");
            }
            (Rollback | RollbackTo(_), Answer::StartFailed) => {
                self.ended_deploy = false;
            }
            (verb, answer) => return Err(format!("{verb:?} was answered by {answer:?}")),
        }
        Ok(())
    }

    /// A current version was found to be bad, and left for this one.
    fn check_rejected(&mut self, name: &str, from: &Version, to: &Version) -> Checked {
        ensure!(*from == name.into() && self.is_current(to), "{name} was left, and {to} taken up");
        ensure!(!self.quarantined.contains(to), "{name} was left for {to}, which is quarantined");
        ensure!(*to == if name == "1" { "2" } else { "1" }.into(), "{name} was left for {to}");
        self.quarantined.insert(name.into());
        self.rejected.insert(name.into());
        (self.went_back, self.ended_deploy) = (true, false);
        Ok(())
    }

    /// A current version was found to be bad, and nobody was there to take its place.
    fn check_kept(&self, name: &str) -> Checked {
        ensure!(self.is_current(&name.into()), "{name} is not current, and nothing was before");
        let other = self.versions.find(&if name == "1" { "2" } else { "1" }.into());
        let is_there = other.is_some_and(|entry| entry.is_warm() && !entry.quarantined);
        ensure!(!is_there, "{name} is kept, and {other:?} was there");
        Ok(())
    }

    fn check_ramping(&mut self, verb: Verb, name: &str, share: Share, is: Share) -> Checked {
        ensure!(is == share, "{name} was to have {share}, and has {is}");
        ensure!(self.ramping().contains(&name.into()), "{name} is not ramped");
        let alone = !matches!(verb, Canary(..)) || self.ramping().len() == 1;
        ensure!(alone, "{name} was to take the place of {:?}", self.ramping());
        (self.went_back, self.ended_deploy) = (false, false);
        self.serves(verb)
    }

    fn check_rolled_back(&self, call: &Call, from: &Version, to: &Version) -> Checked {
        ensure!(self.is_current(to), "rolled back to {to}, which is not current");
        ensure!(self.takers.len() == 1, "rolled back, and jobs go to {:?}", self.takers);
        if call.ramping.last() == Some(from) {
            return Ok(());
        }
        let target = &call.target;
        ensure!(target.as_ref() == Some(to), "rolled back to {to}, and {target:?} was before");
        ensure!(self.replaced.as_ref() == Some(from), "{:?} was left, not {from}", self.replaced);
        Ok(())
    }

    /// The build of a version that is deployed by this has seen jobs from now on.
    fn serves(&mut self, verb: Verb) -> Checked {
        let What::Deploy { version, build, .. } = verb.what() else { return Ok(()) };
        let served = self.builds.entry(version).or_insert_with(|| build.clone());
        ensure!(*served == build, "{verb:?} is served by another build: {served:?}");
        Ok(())
    }

    fn check_misuse(&mut self, verb: Verb, misuse: &Misuse) -> Checked {
        let version = verb.what().version();
        let state = version.as_ref().and_then(|version| self.told.get(version)).copied();
        let has = version.map_or(Share::NOBODY, |version| self.share(&version));
        let is_right = match misuse {
            Misuse::Unknown(_) => state.is_none(),
            Misuse::NotRunning(_, said) => state == Some(*said) && !said.is_warm(),
            Misuse::IsCurrent(_) => {
                state == Some(State::Current) && matches!(verb, Ramp(..) | Urgent(..) | Drain(_))
            }
            Misuse::NothingCurrent => self.published.is_none(),
            Misuse::TooMuch(most) => match verb {
                Beside(_, share) | Ramp(_, share) | Urgent(_, share) => {
                    let free = self.table.shares.free();
                    percent(share) > *most && most.get() == has.get() + free.get()
                }
                _ => false,
            },
            misuse => return Err(format!("nobody knows of {misuse:?}")),
        };
        ensure!(is_right, "{verb:?} was answered by {misuse:?}, and the version is {state:?}");
        // Started and held: jobs that name it can come.
        if matches!(verb, Beside(..)) && state == Some(State::Inactive) { self.serves(verb) } else { Ok(()) }
    }

    fn is_current(&self, version: &Version) -> bool {
        self.published
            .is_some_and(|pool| usize::try_from(pool - 1).is_ok_and(|at| self.pools[at].version == *version))
    }

    // ---- the promises ----------------------------------------------------------------------------------------------

    /// What holds at every moment, also between two actions.
    fn check_moment(&self, action: &Action) -> Checked {
        for taker in &self.takers {
            let pool = usize::try_from(taker - 1).ok().and_then(|at| self.pools.get(at));
            let serves = pool.is_some_and(|pool| pool.gate == Gate::Open && !pool.halted);
            ensure!(serves, "after {action:?} new jobs go to {pool:?}");
        }
        Ok(())
    }

    /// What holds when all actions of an event have been carried out.
    fn check(&self) -> Checked {
        let current: Vec<&Entry> =
            self.versions.entries().iter().filter(|entry| entry.state == State::Current).collect();
        ensure!(current.len() <= 1, "several versions are current: {current:?}");
        let current = current.first().map(|entry| entry.pool.get());
        ensure!(current == self.published, "pool {current:?} is current, {:?} is published", self.published);
        ensure!(self.versions.revision().get() == self.revision, "not the revision that was published");
        for (number, pool) in (1..).zip(&self.pools) {
            let open = pool.gate == Gate::Open;
            ensure!(open == self.takers.contains(&number), "pool {number}, of {:?}: {pool:?}", self.takers);
            let recalling = self.versions.is_recalling(PoolId::new(number));
            ensure!(pool.life != Life::Running || !pool.halted || recalling, "pool {number} stays halted");
            ensure!(!recalling || pool.halted, "pool {number} has nothing to recall: {pool:?}");
        }
        for entry in self.versions.entries() {
            let told = self.told.get(&entry.version);
            ensure!(told == Some(&entry.state), "{entry:?} was told to be {told:?}");
            let before = self.before.get(&entry.version);
            ensure!(entry.before.as_ref() == before, "{entry:?} was deployed after {before:?}");
            let quarantined = self.quarantined.contains(&entry.version);
            ensure!(entry.quarantined == quarantined, "{entry:?} is to be quarantined: {quarantined}");
            ensure!(!quarantined || entry.state != State::Current, "quarantined and current: {entry:?}");
        }
        self.check_table()?;
        for draining in self.versions.entries().iter().filter(|entry| entry.state == State::Draining) {
            let at = usize::try_from(draining.pool.get() - 1).expect("pools are few");
            let is_over = draining.quarantined && !self.rejected.contains(&draining.version);
            let gate = if is_over { Gate::Shut } else { Gate::Pinned };
            ensure!(self.pools[at].gate == gate, "{draining:?} has {:?}", self.pools[at]);
        }
        let loading = self.pools.iter().any(|pool| pool.life == Life::Loading);
        let pending = !self.unanswered().is_empty();
        ensure!(loading == pending, "a pool is loading: {loading}, a call is pending: {pending}");
        Ok(())
    }

    /// Everybody is in the table as their state says.
    fn check_table(&self) -> Checked {
        for entry in self.versions.entries() {
            let at = usize::try_from(entry.pool.get() - 1).expect("pools are few");
            let share = self.table.shares.of(&entry.pool);
            let is_current = entry.state == State::Current;
            let all = if is_current { self.table.shares.free() } else { share };
            ensure!(all == self.versions.share(&entry.version), "{entry:?} has {all} in the table");
            let ramps = entry.state == State::Ramping;
            ensure!(ramps == (share > Share::NOBODY), "{entry:?} has a share of {share}");
            let served = self.table.serving(&entry.version) == Some(&entry.pool);
            ensure!(served == entry.state.is_warm(), "{entry:?} serves those that name it: {served}");
            let pool = &self.pools[at];
            let reserved = pool.gate == Gate::Pinned && !pool.closing;
            ensure!(reserved == (entry.state == State::Inactive), "{entry:?} has {pool:?}");
            ensure!(!ramps || !entry.quarantined, "quarantined, and new jobs go to {entry:?}");
        }
        Ok(())
    }

    /// A version that broke is left for the newest that can take its place, or gives its jobs back; nothing else changes.
    fn check_broken(&self, number: u64, before: &Versions, actions: &[Action]) -> Checked {
        let broken = before.entries().iter().find(|entry| entry.pool.get() == number);
        let Some(broken) = broken else { return Err(format!("pool {number} has no version")) };
        let warm = |entry: &&Entry| entry.state == State::Draining && !entry.quarantined;
        let target = before.entries().iter().rfind(warm).filter(|_| broken.state == State::Current);
        let remedy = match target {
            Some(target) => Some(Remedy::FallBack(target.version.clone())),
            None if broken.state == State::Current => Some(Remedy::KeepTrying),
            None => Some(Remedy::GiveBack).filter(|_| !broken.quarantined),
        };
        let told = self.remedy.clone();
        let expected = remedy.map(|remedy| (broken.version.clone(), remedy));
        ensure!(told == expected, "to be told is {expected:?}, and told was {told:?}");
        if let Some((_, Remedy::KeepTrying)) = told {
            ensure!(actions.len() == 1 && self.versions == *before, "it keeps trying, and did {actions:?}");
            return Ok(());
        }
        let own = |entry: &Entry| entry.pool == broken.pool || Some(entry.pool) == target.map(|to| to.pool);
        for (was, is) in before.entries().iter().zip(self.versions.entries()) {
            ensure!(was == is || own(was), "{} broke and changed {was:?} to {is:?}", broken.version);
        }
        let current = target.map_or(before.current(), Some).map(|entry| entry.pool.get());
        ensure!(self.published == current, "pool {current:?} is to be current, not {:?}", self.published);
        let swapped = self.versions.revision() != before.revision();
        let gave_up = matches!(broken.state, State::Inactive | State::Ramping);
        ensure!(
            swapped == (target.is_some() || gave_up),
            "{:?} broke, and the table changed: {swapped}",
            broken.state
        );
        let left = usize::try_from(number - 1).ok().and_then(|at| self.pools.get(at));
        let given_back = left.is_some_and(|pool| pool.gate == Gate::Shut && pool.halted && pool.recalling);
        ensure!(given_back, "{} broke, and its jobs wait in {left:?}", broken.version);
        let answered = actions.iter().any(|action| matches!(action, Action::Answer(..)));
        ensure!(!answered, "nobody called, and there is an answer: {actions:?}");
        Ok(())
    }

    /// A call that is refused, or finds what it asks for, changes nothing.
    fn check_refusal(&self, before: &Versions, actions: &[Action]) -> Checked {
        if let Some(
            Answer::Already(_)
            | Answer::Misused(_)
            | Answer::Conflict(_)
            | Answer::OtherBuild
            | Answer::Quarantined(_)
            | Answer::AlreadyRolledBack
            | Answer::NothingBefore,
        ) = self.calls.last().and_then(|call| call.answer.as_ref())
        {
            ensure!(
                actions.len() == 1 && self.versions == *before,
                "it changes nothing, and did {actions:?}"
            );
        }
        Ok(())
    }

    /// A rollback waits for nothing but a cold start of its own, leaves no earlier call behind, and does not repeat what was
    /// done.
    fn check_rollback(&self, before: &Versions, verb: Verb, went_back: bool) -> Checked {
        let entries = before.entries();
        let answer = self.calls.last().and_then(|call| call.answer.as_ref());
        let again = matches!(answer, Some(Answer::AlreadyRolledBack | Answer::EndedDeploy(_)));
        let named = verb != Rollback;
        // A fall back leaves what is being ramped where it is.
        let from_a_ramp = self.calls.last().is_some_and(|call| !call.ramping.is_empty());
        ensure!(
            named || from_a_ramp || !went_back || again,
            "the last takeover went back, and a rollback was answered {answer:?}"
        );
        let unanswered = self.unanswered();
        let deploys = unanswered.iter().filter(|call| !self.calls[**call].verb.is_rollback()).count();
        ensure!(deploys == 0, "a deploy that was called before a rollback is still to come");
        let called_now = self.calls.len() - 1;
        if unanswered.contains(&called_now) {
            let target = self.calls[called_now].target.as_ref();
            let target = entries.iter().find(|entry| Some(&entry.version) == target);
            let state = target.map(|target| target.state);
            ensure!(
                matches!(state, Some(State::Drained | State::Retired | State::Failed)),
                "a rollback waits, and its target was {state:?}"
            );
        }
        Ok(())
    }
}

/// Until it is answered, a start that failed does nothing but put its own version away.
fn check_failed_start(actions: &[Action]) -> Checked {
    let answer = actions.iter().position(|action| matches!(action, Action::Answer(_, Answer::StartFailed)));
    let Some(answer) = answer else { return Err(format!("not answered: {actions:?}")) };
    for action in &actions[..answer] {
        let own = matches!(
            action,
            Action::Dismiss(_) | Action::Forget(_) | Action::Tell(_, State::Failed | State::Retired)
        );
        ensure!(own, "a start that failed had an effect: {action:?}");
    }
    let told = actions[..answer].iter().filter(|action| matches!(action, Action::Tell(..))).count();
    ensure!(told == 1, "a start that failed changed {told} versions");
    Ok(())
}

// ---- the search ----------------------------------------------------------------------------------------------------

struct Search {
    verbs: &'static [Verb],
    history: Vec<Step>,
    histories: usize,
    stale: usize,
}

/// Enumerates every history of `events` events that can follow on `start`. Returns how many there are.
#[track_caller]
fn explore(start: &[Step], verbs: &'static [Verb], events: usize) -> usize {
    let mut search = Search { verbs, history: start.to_vec(), histories: 0, stale: 0 };
    search.extend(&Community::after(start), events);
    println!("{events} events after {}: {} histories, {} stale", start.len(), search.histories, search.stale);
    search.histories
}

impl Search {
    fn extend(&mut self, community: &Community, events: usize) {
        if events == 0 {
            self.histories += 1;
            return;
        }
        for verb in self.verbs {
            self.follow(community, Call(*verb), events);
        }
        // One pool more than there are: a number that was never given.
        for pool in 1..=community.pools.len() as u64 + 1 {
            for news in
                [Started(pool), StartFailed(pool), Drained(pool), Recalled(pool), Ended(pool), Broken(pool)]
            {
                if community.is_possible(news) {
                    self.follow(community, news, events);
                } else if events == STALE_AT {
                    self.stale += 1;
                    self.perform(&mut community.clone(), news);
                }
            }
        }
    }

    fn follow(&mut self, community: &Community, step: Step, events: usize) {
        let mut after = community.clone();
        self.perform(&mut after, step);
        self.history.push(step);
        self.extend(&after, events - 1);
        self.history.pop();
    }

    fn perform(&self, community: &mut Community, step: Step) {
        if let Err(sentence) = community.step(step) {
            panic!("{sentence}\n  after {:?}, {step:?}", self.history);
        }
    }
}

/// Stale news changes nothing, so no history has to go on after it; it is tried this many events before the end.
const STALE_AT: usize = 2;

/// Two versions, one of them with a second build.
const TWO: &[Verb] = &[Deploy("1", "a"), Deploy("2", "a"), Deploy("2", "b"), Rollback];
const THREE: &[Verb] = &[Deploy("1", "a"), Deploy("2", "a"), Deploy("3", "a"), Rollback];
/// Two versions, each also by force, and one of them with a second build.
const TWO_FORCED: &[Verb] =
    &[Deploy("1", "a"), Deploy("2", "a"), Force("1", "a"), Force("2", "a"), Force("2", "b"), Rollback];
const THREE_FORCED: &[Verb] = &[Deploy("1", "a"), Force("2", "a"), Force("3", "a"), Rollback];
/// Version 2 is current, version 1 drains.
const TWO_LIVE: &[Step] = &[Call(Deploy("1", "a")), Started(1), Call(Deploy("2", "a")), Started(2)];
/// Version 1 is current again, version 2 drains and is quarantined.
const FELL_BACK: &[Step] =
    &[Call(Deploy("1", "a")), Started(1), Call(Deploy("2", "a")), Started(2), Broken(2)];
/// Version 3 is current, versions 1 and 2 drain.
const THREE_LIVE: &[Step] = &[
    Call(Deploy("1", "a")),
    Started(1),
    Call(Deploy("2", "a")),
    Started(2),
    Call(Deploy("3", "a")),
    Started(3),
];

/// Every verb, on two versions.
const ALL_ON_TWO: &[Verb] = &[
    Deploy("1", "a"),
    Deploy("2", "a"),
    Hold("2"),
    Canary("2", 5),
    Ramp("2", 50),
    Ramp("2", 0),
    Promote("2"),
    Promote("1"),
    Drain("2"),
    Rollback,
    RollbackTo("1"),
    Abort,
    Reject("2"),
];
/// Two versions that are ramped beside a third.
const TWO_RAMPED: &[Verb] = &[
    Deploy("1", "a"),
    Canary("2", 30),
    Beside("2", 60),
    Beside("3", 60),
    Ramp("2", 100),
    Ramp("3", 10),
    Urgent("2", 35),
    Promote("3"),
    Drain("3"),
    Empty("1"),
    Rollback,
    Abort,
];
/// Version 1 is current.
const ONE_LIVE: &[Step] = &[Call(Deploy("1", "a")), Started(1)];
/// Version 1 is current, versions 2 and 3 have shares.
const TWO_RAMPING: &[Step] = &[
    Call(Deploy("1", "a")),
    Started(1),
    Call(Canary("2", 30)),
    Started(2),
    Call(Beside("3", 60)),
    Started(3),
];

#[test]
fn every_history_of_five_events_with_every_verb_keeps_every_promise() {
    assert!(explore(ONE_LIVE, ALL_ON_TWO, 5) >= 661_000, "the search has become smaller");
}

#[test]
fn every_history_of_four_events_while_two_are_ramped_keeps_every_promise() {
    assert!(explore(TWO_RAMPING, TWO_RAMPED, 4) >= 66_000, "the search has become smaller");
}

#[test]
fn every_history_of_seven_events_keeps_every_promise() {
    assert!(explore(&[], TWO, 7) >= 117_000, "the search has become smaller");
}

#[test]
fn every_history_of_six_events_after_two_deploys_keeps_every_promise() {
    assert!(explore(TWO_LIVE, THREE, 6) >= 220_000, "the search has become smaller");
}

#[test]
fn every_history_with_force_of_five_events_after_two_deploys_keeps_every_promise() {
    assert!(explore(TWO_LIVE, TWO_FORCED, 5) >= 67_000, "the search has become smaller");
}

#[test]
fn every_history_with_force_of_five_events_after_a_fall_back_keeps_every_promise() {
    assert!(explore(FELL_BACK, TWO_FORCED, 5) >= 81_000, "the search has become smaller");
}

#[test]
fn every_history_with_force_of_five_events_after_three_deploys_keeps_every_promise() {
    assert!(explore(THREE_LIVE, THREE_FORCED, 5) >= 69_000, "the search has become smaller");
}

// ---- scenarios -----------------------------------------------------------------------------------------------------

fn deployed(how: Takeover, replaced: &str) -> Answer {
    Answer::Current { how, replaced: Some(replaced.into()) }
}

fn rolled_back(from: &str, to: &str, how: Takeover) -> Answer {
    Answer::RolledBack { from: from.into(), to: to.into(), how }
}

impl Community {
    fn current(&self) -> &str {
        self.versions.current().map_or("none", |current| current.version.as_str())
    }

    fn state(&self, version: &str) -> Option<State> {
        self.versions.find(&version.into()).map(|entry| entry.state)
    }

    fn is_quarantined(&self, version: &str) -> bool {
        self.versions.find(&version.into()).is_some_and(|entry| entry.quarantined)
    }

    /// Breaks a pool. Returns what was told about its version.
    #[track_caller]
    fn break_pool(&mut self, pool: u64) -> Option<Remedy> {
        self.perform(Broken(pool));
        self.remedy.clone().map(|(_, remedy)| remedy)
    }
}

#[test]
fn a_version_that_fails_to_start_leaves_the_current_one_in_place() {
    let mut community = Community::after(&[Call(Deploy("1", "a")), Started(1)]);
    assert_eq!(community.perform(Call(Deploy("2", "a"))), []);
    assert_eq!(community.perform(StartFailed(2)), [Answer::StartFailed]);
    assert_eq!(community.current(), "1");
    assert_eq!(community.state("2"), Some(State::Failed));
    assert_eq!(community.revision, 1, "the table did not change");
}

#[test]
fn a_version_deployed_while_another_loads_waits_in_line() {
    let mut community = Community::after(&[Call(Deploy("1", "a")), Started(1), Call(Deploy("2", "a"))]);
    assert_eq!(community.perform(Call(Deploy("3", "a"))), []);
    assert_eq!(community.state("3"), None, "it is not loaded yet");
    assert_eq!(community.perform(Started(2)), [deployed(Takeover::Cold, "1")]);
    assert_eq!(community.state("3"), Some(State::Loading));
    assert_eq!(community.perform(Started(3)), [deployed(Takeover::Cold, "2")]);
    assert_eq!(community.current(), "3");
}

#[test]
fn a_rollback_ends_the_deploy_that_is_loading_and_those_in_line() {
    let mut community = Community::after(TWO_LIVE);
    community.perform(Call(Deploy("3", "a")));
    community.perform(Call(Deploy("4", "a")));
    let answers = community.perform(Call(Rollback));
    assert_eq!(answers, [Answer::Overtaken, Answer::Overtaken, Answer::EndedDeploy("4".into())]);
    assert_eq!(community.current(), "2");
    assert_eq!(community.perform(Started(3)), [], "its late start is no news");
    assert_eq!(community.current(), "2");
}

#[test]
fn a_draining_version_is_deployed_again_without_a_start() {
    let mut community = Community::after(TWO_LIVE);
    assert_eq!(community.perform(Call(Deploy("1", "a"))), [deployed(Takeover::Warm, "2")]);
    assert_eq!(community.pools.len(), 2);
}

#[test]
fn a_repeated_rollback_changes_nothing_and_says_so() {
    let mut community = Community::after(TWO_LIVE);
    assert_eq!(community.perform(Call(Rollback)), [rolled_back("2", "1", Takeover::Warm)]);
    let revision = community.revision;
    assert_eq!(community.perform(Call(Rollback)), [Answer::AlreadyRolledBack]);
    assert_eq!((community.current(), community.revision), ("1", revision));
}

#[test]
fn a_rollback_to_a_drained_version_starts_it_first_while_the_bad_one_serves_on() {
    let mut community = Community::after(TWO_LIVE);
    community.perform(Drained(1));
    assert_eq!(community.perform(Call(Rollback)), []);
    assert_eq!(community.current(), "2");
    assert_eq!(community.perform(Started(3)), [rolled_back("2", "1", Takeover::Cold)]);
    assert_eq!(community.current(), "1");
}

#[test]
fn a_name_that_has_served_is_refused_with_another_build() {
    let mut community = Community::after(&[Call(Deploy("1", "a")), Started(1)]);
    assert_eq!(community.perform(Call(Deploy("1", "b"))), [Answer::OtherBuild]);
    assert_eq!(community.perform(Call(Deploy("1", "a"))), [Answer::Already(State::Current)]);
}

#[test]
fn a_name_that_failed_to_start_is_free_for_another_build() {
    let mut community = Community::after(&[Call(Deploy("1", "a")), StartFailed(1), Call(Deploy("1", "b"))]);
    assert_eq!(community.perform(Started(2)), [Answer::Current { how: Takeover::Cold, replaced: None }]);
}

#[test]
fn a_rolled_back_pool_is_resumed_when_its_jobs_have_been_moved() {
    let mut community = Community::after(TWO_LIVE);
    community.perform(Call(Rollback));
    assert!(community.pools[1].halted && community.versions.is_recalling(PoolId::new(2)));
    community.perform(Recalled(2));
    assert!(!community.pools[1].halted && !community.versions.is_recalling(PoolId::new(2)));
}

#[test]
fn a_current_version_that_breaks_falls_back_to_the_newest_that_drains_and_is_quarantined() {
    let mut community = Community::after(THREE_LIVE);
    assert_eq!(community.break_pool(3), Some(Remedy::FallBack("2".into())));
    assert_eq!(community.current(), "2");
    assert_eq!(community.state("3"), Some(State::Draining));
    assert!(community.is_quarantined("3") && !community.is_quarantined("2"));
    let left = &community.pools[2];
    assert!(left.gate == Gate::Shut && left.recalling, "its jobs wait for workers that it has not: {left:?}");
}

#[test]
fn a_current_version_that_breaks_without_another_that_drains_keeps_trying() {
    let mut community = Community::after(TWO_LIVE);
    community.perform(Drained(1));
    assert_eq!(community.break_pool(2), Some(Remedy::KeepTrying));
    assert_eq!(community.break_pool(2), Some(Remedy::KeepTrying), "each time that it breaks");
    assert_eq!((community.current(), community.is_quarantined("2")), ("2", false));
    assert_eq!(community.pools[1].gate, Gate::Open);
}

#[test]
fn a_draining_version_that_breaks_gives_its_jobs_back() {
    let mut community = Community::after(TWO_LIVE);
    assert_eq!(community.break_pool(1), Some(Remedy::GiveBack));
    assert_eq!((community.current(), community.is_quarantined("1")), ("2", true));
    assert!(community.pools[0].gate == Gate::Shut && community.pools[0].recalling);
    assert_eq!(community.break_pool(1), None, "it was told before");
    community.perform(Recalled(1));
    community.perform(Drained(1));
    assert_eq!(community.state("1"), Some(State::Drained), "nothing is left that could wait for it");
}

#[test]
fn a_current_version_that_is_rejected_is_left_for_the_one_that_is_still_there_and_is_quarantined() {
    let mut community = Community::after(TWO_LIVE);
    assert_eq!(community.perform(Call(Reject("2"))), [rolled_back("2", "1", Takeover::Warm)]);
    assert_eq!((community.current(), community.is_quarantined("2")), ("1", true));
    assert_eq!(community.perform(Call(Reject("2"))), [Answer::Already(State::Draining)]);
    // Nobody is there any more for whom this one could be left.
    assert_eq!(community.perform(Call(Reject("1"))), [Answer::NothingBefore]);
    assert_eq!((community.current(), community.is_quarantined("1")), ("1", false));
}

#[test]
fn a_quarantined_version_is_deployed_again_only_by_force() {
    let mut community = Community::after(FELL_BACK);
    assert_eq!(community.perform(Call(Deploy("2", "a"))), [Answer::Quarantined("2".into())]);
    community.perform(Drained(2));
    community.perform(Ended(2));
    assert_eq!(community.perform(Call(Deploy("2", "a"))), [Answer::Quarantined("2".into())]);
    assert_eq!(community.perform(Call(Deploy("2", "b"))), [Answer::OtherBuild], "force would not help");
    assert_eq!(community.perform(Call(Force("2", "b"))), [Answer::OtherBuild], "force does not help");
    assert_eq!(community.perform(Call(Force("2", "a"))), []);
    assert_eq!(community.perform(Started(3)), [deployed(Takeover::Cold, "1")]);
    assert_eq!((community.current(), community.is_quarantined("2")), ("2", false));
}

#[test]
fn a_quarantined_version_that_still_drains_takes_all_jobs_again_by_force() {
    let mut community = Community::after(FELL_BACK);
    assert_eq!(community.perform(Call(Force("2", "a"))), [deployed(Takeover::Warm, "1")]);
    let pool = &community.pools[1];
    assert!(pool.gate == Gate::Open && !pool.halted && !pool.recalling, "{pool:?}");
    assert_eq!(community.break_pool(2), Some(Remedy::FallBack("1".into())), "it has its chance again");
}

#[test]
fn two_versions_that_break_do_not_play_ping_pong() {
    let mut community = Community::after(TWO_LIVE);
    assert_eq!(community.break_pool(2), Some(Remedy::FallBack("1".into())));
    assert_eq!(community.break_pool(1), Some(Remedy::KeepTrying));
    assert_eq!(community.break_pool(2), None);
    assert_eq!(community.break_pool(1), Some(Remedy::KeepTrying));
    assert_eq!(community.current(), "1");
}

#[test]
fn a_rollback_after_a_fall_back_changes_nothing_and_says_so() {
    let mut community = Community::after(THREE_LIVE);
    community.perform(Broken(3));
    let revision = community.revision;
    assert_eq!(community.perform(Call(Rollback)), [Answer::AlreadyRolledBack]);
    assert_eq!((community.current(), community.revision), ("2", revision));
}

#[test]
fn a_rollback_to_a_quarantined_version_is_refused() {
    let mut community = Community::after(TWO_LIVE);
    community.perform(Broken(1));
    assert_eq!(community.perform(Call(Rollback)), [Answer::Quarantined("1".into())]);
    community.perform(Drained(1));
    assert_eq!(community.perform(Call(Rollback)), [Answer::Quarantined("1".into())]);
    assert_eq!(community.current(), "2");
}

#[test]
fn a_version_that_breaks_while_another_loads_falls_back_and_the_deploy_takes_over() {
    let mut community = Community::after(TWO_LIVE);
    community.perform(Call(Deploy("3", "a")));
    assert_eq!(community.break_pool(2), Some(Remedy::FallBack("1".into())));
    assert_eq!((community.current(), community.state("3")), ("1", Some(State::Loading)));
    assert_eq!(community.perform(Started(3)), [deployed(Takeover::Cold, "1")]);
    assert_eq!(community.current(), "3");
    assert_eq!(community.perform(Call(Rollback)), [rolled_back("3", "1", Takeover::Warm)]);
}

// ---- scenarios of shares -------------------------------------------------------------------------------------------

impl Community {
    fn share_of(&self, version: &str) -> Share {
        self.versions.share(&version.into())
    }
}

fn ramping(share: u16, how: Takeover) -> Answer {
    Answer::Ramping { share: percent(share), how }
}

#[test]
fn a_version_that_is_held_gets_jobs_that_name_it_and_does_not_drain() {
    let mut community = Community::after(ONE_LIVE);
    community.perform(Call(Hold("2")));
    assert_eq!(community.perform(Started(2)), [Answer::Inactive(Takeover::Cold)]);
    assert_eq!((community.current(), community.state("2")), ("1", Some(State::Inactive)));
    assert!(!community.is_possible(Drained(2)));
    assert_eq!(
        community.perform(Call(Promote("2"))),
        [Answer::Current { how: Takeover::Warm, replaced: Some("1".into()) }]
    );
}

#[test]
fn a_first_version_gets_everything_whatever_share_it_was_to_have() {
    let mut community = Community::after(&[Call(Canary("1", 5))]);
    assert_eq!(community.perform(Started(1)), [Answer::Current { how: Takeover::Cold, replaced: None }]);
}

#[test]
fn shares_are_raised_and_lowered_and_at_nobody_the_version_drains_and_can_come_back() {
    let mut community = Community::after(ONE_LIVE);
    community.perform(Call(Canary("2", 5)));
    assert_eq!(community.perform(Started(2)), [ramping(5, Takeover::Cold)]);
    assert_eq!(community.perform(Call(Ramp("2", 50))), [ramping(50, Takeover::Warm)]);
    assert_eq!(community.perform(Call(Ramp("2", 20))), [ramping(20, Takeover::Warm)]);
    assert_eq!(community.perform(Call(Ramp("2", 0))), [Answer::Draining]);
    assert_eq!(community.share_of("2"), Share::NOBODY);
    assert_eq!(community.perform(Call(Ramp("2", 30))), [ramping(30, Takeover::Warm)]);
}

/// Rollout, §6, row 3, and rule 6: the baseline stays what was promoted last.
#[test]
fn a_deploy_while_another_is_ramped_takes_its_place_and_a_rollback_goes_to_the_last_promoted() {
    let mut community = Community::after(ONE_LIVE);
    community.perform(Call(Canary("2", 60)));
    community.perform(Started(2));
    community.perform(Call(Canary("3", 70)));
    assert_eq!(community.perform(Started(3)), [ramping(70, Takeover::Cold)], "it needs what the other had");
    assert_eq!(community.share_of("3"), percent(70));
    assert_eq!((community.state("2"), community.current()), (Some(State::Draining), "1"));
    community.perform(Call(Promote("3")));
    assert_eq!(community.perform(Call(Rollback)), [rolled_back("3", "1", Takeover::Warm)]);
}

#[test]
fn a_rollback_while_a_version_is_ramped_leaves_that_and_stays_at_the_current_one() {
    let mut community = Community::after(TWO_LIVE);
    community.perform(Call(Canary("3", 30)));
    community.perform(Started(3));
    assert_eq!(community.perform(Call(Rollback)), [rolled_back("3", "2", Takeover::Warm)]);
    assert!(community.pools[2].recalling, "its waiting jobs go back");
    assert_eq!(community.perform(Call(Rollback)), [Answer::AlreadyRolledBack]);
    assert_eq!(community.current(), "2");
}

#[test]
fn a_rollback_to_a_named_version_goes_there_and_not_to_the_one_before() {
    let mut community = Community::after(THREE_LIVE);
    assert_eq!(community.perform(Call(RollbackTo("1"))), [rolled_back("3", "1", Takeover::Warm)]);
    assert_eq!(community.perform(Call(RollbackTo("1"))), [Answer::AlreadyRolledBack]);
    assert_eq!(community.perform(Call(RollbackTo("9"))), [Answer::Misused(Misuse::Unknown("9".into()))]);
}

/// Rollout, §6, row 1: elsewhere an abort without a rollout took the stable version away.
#[test]
fn an_abort_ends_what_is_ramped_or_about_to_be_and_nothing_else() {
    let mut community = Community::after(ONE_LIVE);
    assert_eq!(community.perform(Call(Abort)), [Answer::Aborted(Vec::new())]);
    assert_eq!((community.current(), community.revision), ("1", 1));
    community.perform(Call(Canary("2", 5)));
    assert_eq!(
        community.perform(Call(Abort)),
        [Answer::Overtaken, Answer::Aborted(vec!["2".into()])],
        "while it loads"
    );
    community.perform(Call(Canary("2", 5)));
    community.perform(Started(3));
    assert_eq!(community.perform(Call(Abort)), [Answer::Aborted(vec!["2".into()])]);
    assert_eq!((community.current(), community.state("2")), ("1", Some(State::Draining)));
    assert_eq!(community.perform(Call(Abort)), [Answer::Aborted(Vec::new())]);
    community.perform(Call(Deploy("3", "a")));
    assert_eq!(community.perform(Call(Abort)), [Answer::Aborted(Vec::new())], "that is no ramp");
    assert_eq!(community.state("3"), Some(State::Loading));
}

#[test]
fn a_ramped_version_that_breaks_gives_its_share_and_its_jobs_back() {
    let mut community = Community::after(ONE_LIVE);
    community.perform(Call(Canary("2", 30)));
    community.perform(Started(2));
    assert_eq!(community.break_pool(2), Some(Remedy::GiveBack));
    assert_eq!((community.current(), community.state("2")), ("1", Some(State::Draining)));
    assert_eq!(community.perform(Call(Ramp("2", 5))), [Answer::Quarantined("2".into())]);
    assert_eq!(community.perform(Call(Promote("2"))), [Answer::Quarantined("2".into())]);
}

#[test]
fn verbs_that_do_not_fit_say_why() {
    let mut community = Community::after(TWO_RAMPING);
    let misused = |misuse| [Answer::Misused(misuse)];
    assert_eq!(community.perform(Call(Ramp("9", 5))), misused(Misuse::Unknown("9".into())));
    assert_eq!(community.perform(Call(Ramp("1", 5))), misused(Misuse::IsCurrent("1".into())));
    assert_eq!(community.perform(Call(Drain("1"))), misused(Misuse::IsCurrent("1".into())));
    assert_eq!(community.perform(Call(Ramp("2", 41))), misused(Misuse::TooMuch(percent(40))));
    assert_eq!(community.perform(Call(Beside("4", 11))), misused(Misuse::TooMuch(percent(10))));
    assert_eq!(community.state("4"), None, "it was not started for nothing");
    community.perform(Call(Drain("3")));
    community.perform(Drained(3));
    let gone = Misuse::NotRunning("3".into(), State::Drained);
    assert_eq!(community.perform(Call(Promote("3"))), misused(gone));
    community.perform(Call(Empty("1")));
    assert_eq!(community.perform(Call(Ramp("1", 5))), misused(Misuse::NothingCurrent));
}

/// Rollout I11.
#[test]
fn a_verb_that_has_another_table_in_mind_changes_nothing_and_hears_of_the_one_there_is() {
    let mut versions = versions_after(ONE_LIVE);
    let seen = versions.revision();
    let promote = |verb, expected| Event::Called {
        verb: VerbId::new(verb),
        expected: Some(expected),
        what: What::Ramp { version: "2".into(), share: percent(50), limit: Limit::None },
        urgent: false,
    };
    let _held = versions.handle(Event::Called {
        verb: VerbId::new(1),
        expected: None,
        what: Hold("2").what(),
        urgent: false,
    });
    let _started = versions.handle(Event::Started(PoolId::new(2)));
    let newer = versions.revision();
    let before = versions.clone();
    let conflict = Action::Answer(VerbId::new(2), Answer::Conflict(newer));
    assert_eq!(versions.handle(promote(2, seen)), [conflict]);
    assert_eq!(versions, before);
    let done = versions.handle(promote(3, newer));
    assert!(done.contains(&Action::Answer(VerbId::new(3), ramping(50, Takeover::Warm))), "{done:?}");
    assert!(
        versions
            .handle(promote(4, newer))
            .contains(&Action::Answer(VerbId::new(4), Answer::Conflict(versions.revision())))
    );
}

/// A rollout takes its next step meanwhile, and there is no room any more for the share that the other was deployed with.
#[test]
fn a_version_that_finds_no_room_for_its_share_when_it_has_started_is_held() {
    let mut community = Community::after(ONE_LIVE);
    community.perform(Call(Canary("2", 30)));
    community.perform(Started(2));
    community.perform(Call(Beside("3", 60)));
    assert_eq!(community.perform(Call(Urgent("2", 60))), [ramping(60, Takeover::Warm)]);
    let too_much = Answer::Misused(Misuse::TooMuch(percent(40)));
    assert_eq!(community.perform(Started(3)), [too_much]);
    assert_eq!((community.state("3"), community.share_of("2")), (Some(State::Inactive), percent(60)));
}

#[test]
fn sixty_four_versions_are_ramped_at_once_and_each_has_its_share() {
    let mut community = Community::after(ONE_LIVE);
    let names: Vec<&'static str> = (2..=65).map(|number: u64| &*number.to_string().leak()).collect();
    for (name, pool) in names.iter().zip(2..) {
        community.perform(Call(Beside(name, 1)));
        assert_eq!(community.perform(Started(pool)), [ramping(1, Takeover::Cold)]);
    }
    assert_eq!(community.takers.len(), 65);
    community.perform(Call(Promote("40")));
    assert_eq!(community.takers.len(), 1);
}

/// It is not current any more when its turn comes.
#[test]
fn a_version_that_breaks_is_refused_to_a_deploy_that_waits_in_line() {
    let mut community = Community::after(TWO_LIVE);
    community.perform(Call(Deploy("3", "a")));
    community.perform(Call(Deploy("2", "a")));
    community.perform(Broken(2));
    let answers = community.perform(Started(3));
    assert_eq!(answers, [deployed(Takeover::Cold, "1"), Answer::Quarantined("2".into())]);
}

/// Found by the search: the rollback that failed made the machine forget that it had fallen back.
#[test]
fn a_rollback_after_a_fall_back_is_a_repetition_though_a_cold_rollback_failed() {
    let mut community = Community::after(THREE_LIVE);
    community.perform(Call(Deploy("4", "a")));
    community.perform(Started(4));
    community.perform(Drained(3));
    assert_eq!(community.perform(Call(Rollback)), [], "version 3 loads");
    assert_eq!(community.break_pool(4), Some(Remedy::FallBack("2".into())));
    assert_eq!(community.perform(StartFailed(5)), [Answer::StartFailed]);
    assert_eq!(community.perform(Call(Rollback)), [Answer::AlreadyRolledBack]);
    assert_eq!(community.current(), "2");
}

/// The repetition ended a deploy in line behind the rollback; then the dispatcher began anew, and the rollback was given up.
#[test]
fn a_rollback_is_not_refused_as_repeated_when_the_dispatcher_began_anew_before_it_was_done() {
    let mut versions = versions_after(TWO_LIVE);
    finish_draining(&mut versions);
    let _loads = versions.handle(rollback(3));
    let _waits = versions.handle(deploy(4, "3"));
    let _overtakes = versions.handle(rollback(5));
    let _gives_up = versions.restart();
    let again = versions.handle(rollback(6));
    assert!(again.contains(&Action::Start(PoolId::new(4), "1".into())), "{again:?}");
}

/// Found by the search: the flag stayed with the entry when its pool was replaced.
#[test]
fn a_version_that_is_started_again_has_nothing_to_recall() {
    let mut versions = versions_after(TWO_LIVE);
    let _moved = versions.handle(rollback(2));
    let _drained_before_the_recall_was_reported =
        versions.handle(Event::Drained { pool: PoolId::new(2), kept: false });
    let started = versions.handle(deploy(3, "2"));
    assert!(started.contains(&Action::Start(PoolId::new(3), "2".into())));
    assert!(!versions.is_recalling(PoolId::new(3)), "a pool that loads has no jobs");
}

/// Verbs take effect in the order in which they were called, so the rollback undoes the deploy before it.
#[test]
fn a_rollback_ends_the_deploy_in_line_behind_a_cold_rollback() {
    let mut versions = versions_after(TWO_LIVE);
    let _drained = versions.handle(Event::Drained { pool: PoolId::new(1), kept: false });
    let _loads_1_again = versions.handle(rollback(2));
    let _waits_in_line = versions.handle(deploy(3, "3"));
    let _called_last = versions.handle(rollback(4));
    let _rolled_back = versions.handle(Event::Started(PoolId::new(3)));
    let is_3_on_its_way = versions.find(&"3".into()).is_some();
    assert!(!is_3_on_its_way, "the last call was a rollback, and version 3 is loading");
}

/// Rolling back twice is rolling back once (rollout I9), also if the first ended a deploy that was loading.
#[test]
fn a_repeated_rollback_that_ended_a_deploy_does_not_roll_back_further() {
    let mut community = Community::after(TWO_LIVE);
    community.perform(Call(Deploy("3", "a")));
    community.perform(Call(Rollback));
    assert_eq!(community.current(), "2");
    community.perform(Call(Rollback));
    assert_eq!(community.current(), "2", "the same rollback, sent again, went back one version more");
}

#[test]
fn a_dispatcher_that_begins_anew_gives_up_what_was_loading_and_keeps_the_current_version() {
    let mut versions = versions_after(TWO_LIVE);
    let _loads = versions.handle(deploy(2, "3"));
    let _waits_in_line = versions.handle(deploy(3, "4"));
    let failed = Action::Tell("3".into(), State::Failed);
    assert_eq!(versions.restart(), [Action::Dismiss(PoolId::new(3)), failed]);
    assert_eq!(versions.handle(Event::Started(PoolId::new(3))), [], "its late start is no news");
    assert_eq!(versions.find(&"4".into()), None);
    assert_eq!(versions.current().map(|current| current.version.as_str()), Some("2"));
}

#[test]
fn a_dispatcher_that_begins_anew_remembers_what_is_quarantined() {
    let mut community = Community::after(FELL_BACK);
    assert_eq!(community.versions.restart(), []);
    assert_eq!(community.perform(Call(Deploy("2", "a"))), [Answer::Quarantined("2".into())]);
    assert_eq!(community.perform(Call(Rollback)), [Answer::AlreadyRolledBack]);
}

#[test]
fn a_thousand_deploys_are_forgotten_except_the_last_and_the_target_of_a_rollback() {
    let mut versions = Versions::new();
    let mut pool = 0;
    for number in 0..1_000 {
        let _loads = versions.handle(deploy(number, &number.to_string()));
        pool += 1;
        // Each tenth fails to start, and each seventh is rolled back.
        if number % 10 == 9 {
            let _failed = versions.handle(Event::StartFailed(PoolId::new(pool)));
        } else {
            let _started = versions.handle(Event::Started(PoolId::new(pool)));
        }
        if number % 7 == 6 && number % 10 != 9 {
            let called = VerbId::new(10_000 + number);
            let actions = versions.handle(rollback(10_000 + number));
            let forgotten = Action::Answer(called, Answer::NothingBefore);
            assert!(!actions.contains(&forgotten), "the target of the rollback was forgotten");
            if actions.iter().any(|action| matches!(action, Action::Start(..))) {
                pool += 1;
                let _started = versions.handle(Event::Started(PoolId::new(pool)));
            }
        }
        finish_draining(&mut versions);
        let target = versions.current().and_then(|current| current.before.clone());
        assert!(target.is_none_or(|target| versions.find(&target).is_some()), "the target was forgotten");
        assert!(versions.entries().len() <= OVER_MAX + 2, "{} entries", versions.entries().len());
    }
    assert!(versions.entries().len() > OVER_MAX, "the limit was reached");
}

/// The repetition ended a deploy in line behind the rollback; then the rollback itself failed to start.
#[test]
fn a_rollback_is_not_refused_as_repeated_when_nothing_was_rolled_back() {
    let mut versions = versions_after(TWO_LIVE);
    finish_draining(&mut versions);
    let _loads = versions.handle(rollback(3));
    let _waits = versions.handle(deploy(4, "3"));
    let _overtakes = versions.handle(rollback(5));
    let _fails = versions.handle(Event::StartFailed(PoolId::new(3)));
    let again = versions.handle(rollback(6));
    assert!(again.contains(&Action::Start(PoolId::new(4), "1".into())), "{again:?}");
}

/// The target is the oldest version of all, and would be the first to be forgotten.
#[test]
fn however_many_deploys_fail_the_target_of_a_rollback_is_remembered_and_the_forgotten_are_told() {
    let mut versions = versions_after(TWO_LIVE);
    finish_draining(&mut versions);
    let mut forgotten = 0;
    for number in 3..=200 {
        let _loads = versions.handle(deploy(number, &number.to_string()));
        let actions = versions.handle(Event::StartFailed(PoolId::new(number)));
        forgotten += actions.iter().filter(|action| matches!(action, Action::Forget(_))).count();
    }
    assert_eq!(versions.entries().len() + forgotten, 200);
    assert_eq!(versions.entries().len(), OVER_MAX + 2);
    let target = Action::Start(PoolId::new(201), "1".into());
    assert!(versions.handle(rollback(201)).contains(&target), "the target was forgotten");
}

fn finish_draining(versions: &mut Versions) {
    let draining = versions.entries().iter().filter(|entry| entry.state == State::Draining);
    for pool in draining.map(|entry| entry.pool).collect::<Vec<_>>() {
        let _drained = versions.handle(Event::Drained { pool, kept: false });
        let _ended = versions.handle(Event::Ended(pool));
    }
}

fn versions_after(steps: &[Step]) -> Versions {
    Community::after(steps).versions
}

fn deploy(verb: u64, version: &str) -> Event {
    let build = Build("a".to_owned());
    let what =
        What::Deploy { version: version.into(), build, aim: Aim::Current, force: false, drain_within: None };
    Event::Called { verb: VerbId::new(verb), expected: None, what, urgent: false }
}

fn rollback(verb: u64) -> Event {
    Event::Called {
        verb: VerbId::new(verb),
        expected: None,
        what: What::Rollback { to: None },
        urgent: false,
    }
}
