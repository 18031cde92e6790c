//! Scripted workers: your own worker, made slow, failing, hanging or panicking, by a seed.
//!
//! A [`Script`] is about one version. What it does at a job follows from the seed, the version, the number of the job and of the attempt, and from
//! nothing else: not from when the job came to which worker.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::future::Future;
use std::future::pending;
use std::marker::PhantomData;
use std::ops::RangeInclusive;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use seral::Attempt;
use seral::Cycle;
use seral::Fault;
use seral::FaultKind;
use seral::JobContext;
use seral::Pool;
use seral::StartContext;
use seral::Worker;

use crate::draw::Draw;
use crate::draw::number_of;
use crate::history::AttemptEnd;
use crate::recorder;

/// What is to go wrong with a version's workers, and how long they take. Parts of all attempts are numbers from 0.0 to 1.0.
///
/// ```
/// use std::time::Duration;
/// # use seral::prelude::*;
/// use seral_test::Script;
///
/// # struct Mailer;
/// # impl Worker for Mailer {
/// #     type Job = String;
/// #     type Output = ();
/// #     async fn process(&mut self, _: &String, _: &JobContext) -> Result<(), Fault> { Ok(()) }
/// # }
/// let ms = Duration::from_millis;
/// let pool = Script::new().takes(ms(20)..=ms(60)).slow(0.01, ms(2_000)).fails(0.005).panics_on(17).pool(5, || Mailer);
/// # drop(pool);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use = "a script does nothing until workers are made by it: see `pool`"]
pub struct Script {
    starts_in: Duration,
    at_start: Act,
    takes: Option<(Duration, Duration)>,
    slow: Option<(f64, Duration)>,
    fails: f64,
    fails_after: f64,
    panics: f64,
    hangs: f64,
    fails_on: BTreeSet<u64>,
    panics_on: BTreeSet<u64>,
    hangs_on: BTreeSet<u64>,
}

/// What becomes of an attempt, or of a start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Act {
    #[default]
    GoOn,
    Fail,
    FailAfter,
    Panic,
    Hang,
}

impl Script {
    /// Nothing goes wrong, and nothing takes any time but what the worker itself does.
    pub fn new() -> Self {
        Self::default()
    }

    // ---- time ------------------------------------------------------------------------------------------------------

    /// Each attempt takes so long, before the worker's own code runs: a time between these, each as likely as any other. For a fixed time, say it
    /// twice. Default = no time.
    pub fn takes(mut self, time: RangeInclusive<Duration>) -> Self {
        self.takes = Some(time.into_inner());
        self
    }

    /// This part of all attempts takes so much longer. Default = none.
    pub fn slow(mut self, part: f64, time: Duration) -> Self {
        self.slow = Some((part, time));
        self
    }

    /// Each start of a worker takes so long, before its own `start` runs. Default = no time.
    pub fn starts_in(mut self, time: Duration) -> Self {
        self.starts_in = time;
        self
    }

    // ---- attempts --------------------------------------------------------------------------------------------------

    /// This part of all attempts fails instead of the worker's own code, with `told to fail`. Default = none.
    pub fn fails(mut self, part: f64) -> Self {
        self.fails = part;
        self
    }

    /// This part of all attempts fails after the worker's own code came to an output, which is lost: so what it did outside it may do again. Shows
    /// whether your worker is idempotent. Default = none.
    pub fn fails_after_work(mut self, part: f64) -> Self {
        self.fails_after = part;
        self
    }

    /// This part of all attempts panics instead, with `told to panic`; the panic hook is not called. Default = none.
    pub fn panics(mut self, part: f64) -> Self {
        self.panics = part;
        self
    }

    /// This part of all attempts never ends: only a timeout does, the worker's end, or the shutdown. Default = none.
    pub fn hangs(mut self, part: f64) -> Self {
        self.hangs = part;
        self
    }

    /// Each attempt at the job of this number fails. May be called again for another job.
    pub fn fails_on(mut self, job: u64) -> Self {
        self.fails_on.insert(job);
        self
    }

    /// Each attempt at the job of this number panics. May be called again for another job.
    pub fn panics_on(mut self, job: u64) -> Self {
        self.panics_on.insert(job);
        self
    }

    /// Each attempt at the job of this number hangs. May be called again for another job.
    pub fn hangs_on(mut self, job: u64) -> Self {
        self.hangs_on.insert(job);
        self
    }

    // ---- starts ----------------------------------------------------------------------------------------------------

    /// No worker can start: its `start` fails.
    pub fn fails_at_start(mut self) -> Self {
        self.at_start = Act::Fail;
        self
    }

    /// No worker can start: its `start` panics.
    pub fn panics_at_start(mut self) -> Self {
        self.at_start = Act::Panic;
        self
    }

    /// No worker can start: its `start` never ends.
    pub fn hangs_at_start(mut self) -> Self {
        self.at_start = Act::Hang;
        self
    }

    // ---- workers ---------------------------------------------------------------------------------------------------

    /// A pool of so many workers, each made by `factory`, that do what the script says. In a simulation, each attempt of them is recorded.
    ///
    /// The build of the pool is the type of the factory, as of [`Pool::of`], and what the script says.
    pub fn pool<W, F>(self, size: usize, factory: F) -> Pool<W::Job, W::Output>
    where
        W: Worker,
        F: Fn() -> W + Send + Sync + 'static,
    {
        let build = format!("{} {self:?}", std::any::type_name::<F>());
        let script = Arc::new(self);
        Pool::of(size, move || script.worker(factory())).build(build)
    }

    /// A pool of so many workers that do nothing but what the script says.
    pub fn idle_pool<J: Send + Sync + 'static>(self, size: usize) -> Pool<J, ()> {
        self.pool(size, || Idle(PhantomData))
    }

    fn worker<W: Worker>(self: &Arc<Self>, worker: W) -> Scripted<W> {
        Scripted { script: Arc::clone(self), worker }
    }

    /// How long an attempt takes, and what becomes of it.
    fn decide(&self, seed: u64, version: &str, job: u64, attempt: u32) -> (Duration, Act) {
        // A number of its own for each question, so that the answer to one does not depend on what the script says of another.
        let draw = |question| Draw::of(seed, &[number_of(version), job, u64::from(attempt), question]);
        let mut time =
            self.takes.map_or(Duration::ZERO, |(shortest, longest)| draw(0).between(shortest, longest));
        if let Some((part, longer)) = self.slow
            && draw(1).chance(part)
        {
            time += longer;
        }
        let acts = [
            (Act::Hang, 2, self.hangs, self.hangs_on.contains(&job)),
            (Act::Panic, 3, self.panics, self.panics_on.contains(&job)),
            (Act::Fail, 4, self.fails, self.fails_on.contains(&job)),
            (Act::FailAfter, 5, self.fails_after, false),
        ];
        let first =
            acts.into_iter().find(|(_, question, part, named)| *named || draw(*question).chance(*part));
        (time, first.map_or(Act::GoOn, |(act, ..)| act))
    }
}

impl Act {
    /// Does what is to be done before, or instead of, the worker's own code.
    async fn act(self) -> Result<(), Fault> {
        match self {
            Self::GoOn | Self::FailAfter => Ok(()),
            Self::Fail => Err(told_to_fail()),
            // Not by the macro: that would call the panic hook, and a simulation panics a thousand times.
            Self::Panic => resume_unwind(Box::new("told to panic")),
            Self::Hang => match pending::<Infallible>().await {},
        }
    }
}

fn told_to_fail() -> Fault {
    Fault::retry("told to fail")
}

/// A worker that does what a script says, and its own work unless that says otherwise.
struct Scripted<W> {
    script: Arc<Script>,
    worker: W,
}

impl<W: Worker> Scripted<W> {
    async fn attempt(&mut self, job: &W::Job, cx: &JobContext) -> Result<W::Output, Fault> {
        let seed = recorder::seed().unwrap_or_default();
        let (time, act) = self.script.decide(seed, cx.version().as_str(), cx.id().get(), cx.attempt().get());
        if !time.is_zero() {
            cx.sleep(time).await;
        }
        act.act().await?;
        let output = self.worker.process(job, cx).await?;
        if act == Act::FailAfter { Err(told_to_fail()) } else { Ok(output) }
    }
}

impl<W: Worker> Worker for Scripted<W> {
    type Job = W::Job;
    type Output = W::Output;

    async fn start(&mut self, cx: &StartContext) -> Result<(), Fault> {
        if !self.script.starts_in.is_zero() {
            cx.sleep(self.script.starts_in).await;
        }
        self.script.at_start.act().await?;
        self.worker.start(cx).await
    }

    async fn process(&mut self, job: &W::Job, cx: &JobContext) -> Result<W::Output, Fault> {
        let recorded = recorder::Attempt::begin(cx);
        let ended = self.attempt(job, cx).await;
        recorded.end(match &ended {
            Ok(_) => AttemptEnd::Done,
            Err(fault) => AttemptEnd::Fault(fault.to_string()),
        });
        ended
    }

    fn retry(&self, fault: &Fault, attempt: Attempt) -> FaultKind {
        self.worker.retry(fault, attempt)
    }

    fn optimize(&mut self, cycle: &Cycle) -> impl Future<Output = ()> + Send {
        self.worker.optimize(cycle)
    }

    fn stop(&mut self) -> impl Future<Output = ()> + Send {
        self.worker.stop()
    }
}

/// A worker that does nothing.
struct Idle<J>(PhantomData<fn(J)>);

impl<J: Send + Sync + 'static> Worker for Idle<J> {
    type Job = J;
    type Output = ();

    async fn process(&mut self, _: &J, _: &JobContext) -> Result<(), Fault> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn acts(script: &Script, seed: u64) -> Vec<(Duration, Act)> {
        (1..=10_000).map(|job| script.decide(seed, "1.0.0", job, 1)).collect()
    }

    fn count(acts: &[(Duration, Act)], wanted: Act) -> usize {
        acts.iter().filter(|(_, act)| *act == wanted).count()
    }

    #[test]
    fn so_many_attempts_go_wrong_as_the_script_says() {
        let script =
            Script::new().fails(0.1).panics(0.05).hangs(0.02).fails_after_work(0.01).slow(0.2, MS(500));
        let acts = acts(&script.takes(MS(10)..=MS(20)), 1);
        assert!((150..250).contains(&count(&acts, Act::Hang)));
        assert!((400..600).contains(&count(&acts, Act::Panic)));
        assert!((850..1_050).contains(&count(&acts, Act::Fail)));
        assert!((50..120).contains(&count(&acts, Act::FailAfter)));
        let slow = acts.iter().filter(|(time, _)| *time >= MS(500)).count();
        assert!((1_900..2_100).contains(&slow), "{slow} slow ones");
        let of_all = |time: Duration| time.checked_sub(MS(500)).unwrap_or(time);
        assert!(acts.iter().all(|(time, _)| (MS(10)..=MS(20)).contains(&of_all(*time))));
    }

    #[test]
    fn what_becomes_of_a_job_follows_from_seed_version_job_and_attempt() {
        let script = Script::new().fails(0.5);
        let decide = |seed, version: &str, job, attempt| script.decide(seed, version, job, attempt).1;
        assert_eq!(acts(&script, 7), acts(&script, 7));
        let differs =
            |from: &dyn Fn(u64) -> Act, to: &dyn Fn(u64) -> Act| (1..100).any(|job| from(job) != to(job));
        let here = |job| decide(7, "1.0.0", job, 1);
        assert!(differs(&here, &|job| decide(8, "1.0.0", job, 1)), "another seed");
        assert!(differs(&here, &|job| decide(7, "2.0.0", job, 1)), "another version");
        assert!(differs(&here, &|job| decide(7, "1.0.0", job, 2)), "another attempt");
    }

    /// Seen failing: one draw for all questions.
    #[test]
    fn what_the_script_says_of_one_thing_leaves_the_others_alone() {
        let plain = acts(&Script::new().fails(0.1).takes(MS(1)..=MS(9)), 7);
        let with_more = acts(&Script::new().fails(0.1).takes(MS(1)..=MS(9)).panics(0.1), 7);
        assert!((800..1_000).contains(&count(&with_more, Act::Fail)));
        for (plain, with_more) in plain.iter().zip(&with_more) {
            assert_eq!(plain.0, with_more.0);
            assert!(with_more.1 == plain.1 || with_more.1 == Act::Panic);
        }
    }

    #[test]
    fn a_job_that_is_named_goes_wrong_at_each_attempt() {
        let script = Script::new().panics_on(3).fails_on(4).hangs_on(5).hangs_on(6);
        let act = |job| [1, 2, 9].map(|attempt| script.decide(1, "1.0.0", job, attempt).1);
        assert_eq!(
            [3, 4, 5, 6, 7].map(|job| act(job)[0]),
            [Act::Panic, Act::Fail, Act::Hang, Act::Hang, Act::GoOn]
        );
        assert!([3, 4, 5].iter().all(|job| act(*job).windows(2).all(|two| two[0] == two[1])));
    }
}
