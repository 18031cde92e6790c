//! Simulated rollouts: the real runtime on virtual time, and all chance by a seed.
//!
//! One thread, whose time is paused: it moves on at once when nobody has anything to do, so an hour takes as long as what happens in it. The watcher,
//! which is a thread elsewhere, is a task there; workers that block run their code in place; retries, traffic and scripts draw from the seed.
//!
//! What is simulated is Seral, and not your machine: code that reads the system's clock, draws from another source of chance, waits for other threads or
//! for the network, or uses `select!` without `biased`, is as it always is, and so is a history in which it has a part.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use seral::Community;
use seral::Ecosystem;
use seral::JobHandle;
use seral::Pool;
use seral::Version;
use seral::ecosystem::CommunityBuilder;
use seral::error::JobError;
use seral::submit::Submit;
use tokio::runtime::Builder;
use tokio::runtime::Handle;
use tokio::task::LocalSet;
use tokio::time::Instant;

use crate::answer::Answer;
use crate::history::History;
use crate::history::What;
use crate::ledger::Fate;
use crate::recorder;
use crate::recorder::Recording;
use crate::traffic::Arrival;
use crate::traffic::Traffic;

/// How long jobs may take to finish when no more come.
const FINISH: Duration = Duration::from_secs(60);

/// How long who waits for an answer is waited for when the ecosystem is shut down. By then all answers are there; this lets them be read.
const AFTERMATH: Duration = Duration::from_secs(10);

type Make<J> = Box<dyn FnMut(&mut Arrival) -> J>;
type Called<J, O> = Box<dyn FnOnce(Community<J, O>) -> Pin<Box<dyn Future<Output = String>>>>;
type Settings<J, O> = Box<dyn FnOnce(CommunityBuilder<J, O>) -> CommunityBuilder<J, O>>;
type Terms<J, O> = Rc<dyn Fn(Submit<J, O>, &Arrival) -> Submit<J, O>>;

/// A community, what is deployed in it, what comes to it, and what is done about it; see the [crate].
#[must_use = "nothing happens until `run_for`"]
pub struct Simulation<J, O> {
    seed: u64,
    settings: Vec<Settings<J, O>>,
    terms: Terms<J, O>,
    deploys: Vec<(Version, Pool<J, O>)>,
    traffic: Vec<(Traffic, Make<J>)>,
    verbs: Vec<(Duration, String, Called<J, O>)>,
    finish: Duration,
}

impl<J: Send + Sync + 'static, O: Send + 'static> Simulation<J, O> {
    /// Nothing yet, by this seed.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            settings: Vec::new(),
            terms: Rc::new(|submit, _| submit),
            deploys: Vec::new(),
            traffic: Vec::new(),
            verbs: Vec::new(),
            finish: FINISH,
        }
    }

    /// Settings of the community: its mailbox, its retry policy, its timeout. Default = as of any community; what is handed back at the end is dropped.
    pub fn community(
        mut self,
        settings: impl FnOnce(CommunityBuilder<J, O>) -> CommunityBuilder<J, O> + 'static,
    ) -> Self {
        self.settings.push(Box::new(settings));
        self
    }

    /// Deploys a version before the first job comes, after those given before. It has to succeed; one that is to fail is for [`at`](Self::at).
    pub fn deploy(mut self, version: impl Into<Version>, pool: Pool<J, O>) -> Self {
        self.deploys.push((version.into(), pool));
        self
    }

    /// Jobs that come, each made by `make`. May be called again for other jobs beside them.
    pub fn traffic(mut self, traffic: Traffic, make: impl FnMut(&mut Arrival) -> J + 'static) -> Self {
        self.traffic.push((traffic, Box::new(make)));
        self
    }

    /// With what else each job is submitted: a tenant, a deadline, a timeout. Its key is set already. Default = nothing.
    pub fn submitted_with(
        mut self,
        terms: impl Fn(Submit<J, O>, &Arrival) -> Submit<J, O> + 'static,
    ) -> Self {
        self.terms = Rc::new(terms);
        self
    }

    /// Does this so long after the first jobs may come, and notes it in the history under this name, with the answer. A panic in it is one of `run_for`.
    pub fn at<A: Answer>(
        mut self,
        time: Duration,
        name: impl Into<String>,
        verb: impl AsyncFnOnce(Community<J, O>) -> A + 'static,
    ) -> Self {
        let called: Called<J, O> =
            Box::new(move |community| Box::pin(async move { verb(community).await.answer() }));
        self.verbs.push((time, name.into(), called));
        self
    }

    /// How long admitted jobs have to finish when no more come; then the ecosystem shuts down. Default = 60 s.
    pub fn finish_within(mut self, time: Duration) -> Self {
        self.finish = time;
        self
    }

    /// Runs it: jobs come for so long, then the ecosystem shuts down. Returns what happened.
    ///
    /// # Panics
    ///
    /// Within a runtime: a simulation has one of its own, so call it from a plain `#[test]`. If a version that is there from the beginning cannot be
    /// deployed. And if a verb or the making of a job panics.
    pub fn run_for(self, length: Duration) -> History {
        assert!(
            Handle::try_current().is_err(),
            "a simulation has a runtime of its own: run it from a plain `#[test]`, not from `#[tokio::test]`"
        );
        // Time alone: whatever else a runtime can wait for comes when it likes.
        let runtime = match Builder::new_current_thread().enable_time().start_paused(true).build() {
            Ok(runtime) => runtime,
            Err(error) => std::panic::panic_any(format!("there is no runtime to simulate in: {error}")),
        };
        let verbs = LocalSet::new();
        let history = runtime.block_on(verbs.run_until(self.run(length)));
        // What is left of either is dropped while nobody records.
        drop((verbs, runtime));
        history
    }

    async fn run(self, length: Duration) -> History {
        let Self { seed, settings, terms, deploys, traffic, verbs, finish } = self;
        let recording = Recording::begin(seed, length);
        let ecosystem = Ecosystem::simulated("simulation", seed);
        let builder = ecosystem.community("jobs").hand_back(|_| async {});
        let community = match settings.into_iter().fold(builder, |builder, set| set(builder)).await {
            Ok(community) => community,
            Err(error) => std::panic::panic_any(format!("there is no community to simulate: {error}")),
        };
        let mut events = community.events();
        tokio::task::spawn_local(async move {
            while let Some(event) = events.next().await {
                recorder::event(event);
            }
        });
        for (version, pool) in deploys {
            let deploy = community.deploy(version.clone(), pool);
            let mut failed = None;
            let deploying = async {
                let deployed = deploy.await;
                failed = deployed.as_ref().err().map(ToString::to_string);
                deployed.answer()
            };
            call(format!("deploy {version}"), deploying).await;
            if let Some(why) = failed {
                // Without it there would be no job, and nothing that a check could find.
                std::panic::panic_any(format!("there is nothing to simulate: {why}"));
            }
        }

        let began = Instant::now();
        let mut tasks = Vec::new();
        for (time, name, verb) in verbs {
            let community = community.clone();
            tasks.push(tokio::task::spawn_local(async move {
                tokio::time::sleep_until(began + time).await;
                call(name, verb(community)).await;
            }));
        }
        for (stream, (traffic, mut make)) in (0..).zip(traffic) {
            let arrivals = traffic.arrivals(seed, stream, length);
            let (community, terms) = (community.clone(), Rc::clone(&terms));
            tasks.push(tokio::task::spawn_local(async move {
                for arrival in arrivals {
                    tokio::time::sleep_until(began + arrival.at).await;
                    come(&community, arrival, &mut make, &terms);
                }
            }));
        }
        tokio::time::sleep_until(began + length).await;
        recorder::note(What::TrafficEnded);
        let report = ecosystem.shutdown(finish).await;
        recorder::note(What::ShutDown(report.to_string()));
        await_answers(tasks).await;
        let view = community.describe();
        recording.end(view.admitted, view.accounted())
    }
}

/// Calls a verb, and notes that with its answer.
async fn call(name: String, verb: impl Future<Output = String>) {
    recorder::note(What::Called(name.clone()));
    let answer = verb.await;
    // What has come of it is told before what was answered.
    tokio::task::yield_now().await;
    recorder::note(What::Answered(name, answer));
}

/// A job comes. Whoever sends it waits for room and for its outcome, as one of many.
fn come<J: Send + Sync + 'static, O: Send + 'static>(
    community: &Community<J, O>,
    mut arrival: Arrival,
    make: &mut Make<J>,
    terms: &Terms<J, O>,
) {
    let mut submit = community.submit(make(&mut arrival));
    if let Some(key) = arrival.key {
        submit = submit.key(key);
    }
    let submit = terms(submit, &arrival);
    recorder::submitted();
    tokio::spawn(async move {
        match submit.await {
            Ok(handle) => follow(handle, arrival.key).await,
            Err(refused) => recorder::refused(refused.to_string()),
        }
    });
}

async fn follow<O>(handle: JobHandle<O>, key: Option<u64>) {
    let job = handle.id().get();
    recorder::admitted(job, key);
    let outcome = handle.await;
    recorder::ended(job, fate_of(&outcome));
}

/// How a job ended, and why; none if that is not known.
fn fate_of<O>(outcome: &Result<O, JobError>) -> Option<(Fate, String)> {
    let Err(error) = outcome else { return Some((Fate::Done, String::new())) };
    let (fate, why) = match error {
        JobError::Failed { last, .. } => (Fate::Dead, last.clone()),
        JobError::Discarded { why } => (Fate::Discarded, why.clone()),
        JobError::Expired => (Fate::Expired, String::new()),
        JobError::Cancelled => (Fate::Cancelled, String::new()),
        JobError::HandedBack => (Fate::HandedBack, String::new()),
        _ => return None,
    };
    Some((fate, why))
}

/// Lets verbs and senders read the answers that are there by now. Who has none then gets none.
async fn await_answers(tasks: Vec<tokio::task::JoinHandle<()>>) {
    let all_are_read = async {
        while recorder::unfinished() > 0 || tasks.iter().any(|task| !task.is_finished()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    drop(tokio::time::timeout(AFTERMATH, all_are_read).await);
    for task in tasks {
        task.abort();
        if let Err(failed) = task.await
            && failed.is_panic()
        {
            std::panic::resume_unwind(failed.into_panic());
        }
    }
}

impl<J, O> fmt::Debug for Simulation<J, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verbs = self.verbs.iter().map(|(time, name, _)| (time, name));
        f.debug_struct("Simulation")
            .field("seed", &self.seed)
            .field("deploys", &self.deploys)
            .field("traffic", &self.traffic.iter().map(|(traffic, _)| traffic).collect::<Vec<_>>())
            .field("verbs", &verbs.collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
