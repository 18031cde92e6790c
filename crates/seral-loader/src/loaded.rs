//! A worker of a plugin among the workers of its community: the same to the runtime as one that is linked.

use std::fmt;
use std::marker::PhantomData;
use std::panic::resume_unwind;
use std::sync::Arc;

use seral::panics::carry_place;
use seral_plugin::Schema;
use seral_plugin::codec;
use seral_plugin::outcome::Ended;
use seral_plugin::panics::Panic;
use seral_plugin::wire;
use seral_plugin::wire::Foreign;
use seral_plugin::wire::Kind;
use seral_worker::Attempt;
use seral_worker::Cycle;
use seral_worker::Fault;
use seral_worker::FaultExt;
use seral_worker::FaultKind;
use seral_worker::JobContext;
use seral_worker::StartContext;
use seral_worker::Worker;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::call::Call;
use crate::load::Load;
use crate::running::Seat;

/// The worker. It is made in the plugin when it is started, where that may fail.
pub(crate) struct Loaded<J, O> {
    load: Arc<Load>,
    seat: Option<Seat>,
    /// From its start to its stop. Dropped in between, it has panicked, and another is made in its place.
    is_working: bool,
    scratch: Vec<u8>,
    types: PhantomData<fn(J) -> O>,
}

impl<J, O> Loaded<J, O> {
    /// Of this plugin.
    pub(crate) fn new(load: Arc<Load>) -> Self {
        Self { load, seat: None, is_working: false, scratch: Vec::new(), types: PhantomData }
    }
}

impl<J, O> Worker for Loaded<J, O>
where
    J: Schema + Serialize + Send + Sync + 'static,
    O: Schema + DeserializeOwned + Send + 'static,
{
    type Job = J;
    type Output = O;

    async fn start(&mut self, cx: &StartContext) -> Result<(), Fault> {
        let seat = self.load.hire::<J, O>(cx.host()).await?;
        let seat = self.seat.insert(seat.map_err(fault)?);
        match seat.call(Call::Start).await {
            Ended::Done(_) => {
                self.is_working = true;
                Ok(())
            }
            other => Err(fault(other)),
        }
    }

    async fn process(&mut self, job: &J, cx: &JobContext) -> Result<O, Fault> {
        let Some(seat) = &mut self.seat else { return Err(Fault::retry("the worker was not started")) };
        let job = codec::encode(job, &mut self.scratch).or_dead_letter()?;
        match seat.call(Call::Process { facts: cx.facts(), job }).await {
            Ended::Done(output) => codec::decode(&output).or_dead_letter(),
            other => Err(fault(other)),
        }
    }

    /// A fault of the plugin has been looked at there, where the worker knows the type of its error.
    fn retry(&self, fault: &Fault, attempt: Attempt) -> FaultKind {
        if let Some(foreign) = fault.why().downcast_ref::<Foreign>() {
            if let Some(text) = foreign.retry_panicked() {
                resume_unwind(Box::new(text.to_owned()));
            }
            return fault.kind();
        }
        let Some(seat) = &self.seat else { return fault.kind() };
        match seat.retry(wire::Fault::of(fault), attempt) {
            Ended::Done(kind) => Kind::read(&kind).map_or(fault.kind(), FaultKind::from),
            Ended::Panicked(panic) => go_on(panic),
            _ => fault.kind(),
        }
    }

    async fn optimize(&mut self, cycle: &Cycle) {
        if let Some(seat) = &mut self.seat
            && let Ended::Panicked(panic) = seat.call(Call::Optimize(*cycle)).await
        {
            go_on(panic);
        }
    }

    async fn stop(&mut self) {
        self.is_working = false;
        self.load.let_go();
        if let Some(seat) = &mut self.seat
            && let Ended::Panicked(panic) = seat.call(Call::Stop).await
        {
            go_on(panic);
        }
    }
}

impl<J, O> Drop for Loaded<J, O> {
    fn drop(&mut self) {
        if let Some(seat) = self.seat.as_ref().filter(|_| self.is_working) {
            self.load.keep(seat);
        }
    }
}

/// What the runtime is told of a call that did not come to an output.
fn fault(ended: Ended) -> Fault {
    match ended {
        Ended::Fault(fault) => fault.into(),
        Ended::Panicked(panic) => go_on(panic),
        // It is for a person: the two sides do not understand each other, and that will be so the next time.
        Ended::Refused(why) => Fault::dead_letter(why),
        Ended::Pending | Ended::Done(_) => {
            Fault::dead_letter("the plugin gave another answer than it was asked for")
        }
    }
}

/// A panic of the plugin goes on here, for the runtime to do what it does about a panic of a linked worker.
fn go_on(panic: Panic) -> ! {
    carry_place(panic.place);
    resume_unwind(Box::new(panic.text))
}

impl<J, O> fmt::Debug for Loaded<J, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded").field("load", &self.load).finish_non_exhaustive()
    }
}
