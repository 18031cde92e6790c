//! The table of a plugin: the functions by which a host reaches the one worker type that it exports.
//!
//! Each function catches what panics in it. A future holds the worker, so the host drops it before it calls anything else.
#![expect(unsafe_code, reason = "the ABI: workers and what the host lends are reached by pointers")]

use std::future::Future;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use seral_worker::Attempt;
use seral_worker::Cycle;
use seral_worker::Fault;
use seral_worker::FaultKind;
use seral_worker::JobContext;
use seral_worker::JobFacts;
use seral_worker::JobId;
use seral_worker::Route;
use seral_worker::Stamp;
use seral_worker::StartContext;
use seral_worker::Time;
use seral_worker::Version;
use seral_worker::Worker;
use seral_worker::WorkerId;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec;
use crate::forward;
use crate::future::FfiFuture;
use crate::host::HOST;
use crate::host::Held;
use crate::host::WorkerHost;
use crate::memory::Slice;
use crate::note;
use crate::note::Abi;
use crate::note::Note;
use crate::note::PanicMode;
use crate::note::TEXT_LEN;
use crate::outcome::Outcome;
use crate::panics;
use crate::panics::catch;
use crate::runtime;
use crate::runtime::Surroundings;
use crate::schema::Schema;
use crate::table;
use crate::table::CallFacts;
use crate::table::Config;
use crate::table::CycleFacts;
use crate::table::Head;
use crate::table::HostPtr;
use crate::table::HostTable;
use crate::table::PluginTable;
use crate::table::WorkerFacts;
use crate::table::WorkerPtr;
use crate::wire;
use crate::wire::Kind;

/// How the workers of a plugin are made.
pub trait Make: 'static {
    /// What is made.
    type Worker: Worker<Job: Schema + DeserializeOwned, Output: Schema + Serialize>;
    /// Of what: `()`, if of nothing.
    type Config: Schema + DeserializeOwned + 'static;

    /// Makes one.
    fn make(config: Self::Config) -> Self::Worker;
}

/// By `Default`, without a configuration.
#[derive(Debug)]
pub struct ByDefault<W>(PhantomData<W>);

impl<W> Make for ByDefault<W>
where
    W: Worker<Job: Schema + DeserializeOwned, Output: Schema + Serialize> + Default,
{
    type Worker = W;
    type Config = ();

    fn make((): ()) -> W {
        W::default()
    }
}

/// The table of a plugin whose workers are made like this.
pub const fn table<M: Make>(note: &'static [u8]) -> PluginTable {
    PluginTable {
        head: Head::of::<PluginTable>(),
        note: Slice::of(note),
        init: Some(init),
        create: Some(create::<M>),
        start: Some(start::<M::Worker>),
        process: Some(process::<M::Worker>),
        retry: Some(retry::<M::Worker>),
        optimize: Some(optimize::<M::Worker>),
        stop: Some(stop::<M::Worker>),
        destroy: Some(destroy::<M::Worker>),
        shutdown: Some(shutdown),
    }
}

/// A worker, with what it needs.
struct Hired<W> {
    worker: W,
    host: Arc<dyn seral_worker::Host>,
    cx: Option<JobContext>,
    surroundings: Surroundings,
}

/// The worker behind this pointer, for as long as a future of it lives.
///
/// # Safety
///
/// `create` made it, and nobody else uses it in that time.
unsafe fn hired<W>(worker: WorkerPtr) -> &'static mut Hired<W> {
    // SAFETY: the caller says so.
    unsafe { &mut *worker.cast::<Hired<W>>() }
}

unsafe extern "C" fn init(host: *const HostTable) -> Outcome {
    guarded(|| {
        // SAFETY: the host lends its table, which is as it should be.
        match unsafe { HostTable::read(host) } {
            Ok(host) => {
                if HOST.set(host).is_ok() {
                    forward::listen(host);
                    panics::set_hook(forward::report);
                }
                Outcome::DONE
            }
            Err(why) => Outcome::refused(format!("the host cannot be used: {why}")),
        }
    })
}

unsafe extern "C" fn create<M: Make>(
    host: HostPtr,
    facts: *const WorkerFacts,
    config: *const Config,
    worker: *mut WorkerPtr,
) -> Outcome {
    guarded(|| {
        let Some(table) = HOST.get() else { return Outcome::refused("a worker was made before `init`") };
        let host = Held::new(*table, host);
        // SAFETY: both are lent for the call.
        let (facts, config) = match unsafe { (table::read(facts), table::read(config)) } {
            (Ok(facts), Ok(config)) => (facts, config),
            (Err(why), _) | (_, Err(why)) => return Outcome::refused(why.to_string()),
        };
        // SAFETY: as above.
        let version = Version::from(String::from_utf8_lossy(unsafe { facts.version.as_slice() }));
        let host = Arc::new(WorkerHost::new(host, version, WorkerId::new(facts.worker)));
        // SAFETY: as above.
        let config = match read_config::<M::Config>(config.schema, unsafe { config.bytes.as_slice() }) {
            Ok(config) => config,
            Err(why) => return Outcome::refused(why),
        };
        let surroundings = match Surroundings::new() {
            Ok(surroundings) => surroundings,
            Err(why) => {
                return Outcome::refused(format!("the plugin could not make a runtime of its own: {why}"));
            }
        };
        let hired = Hired { worker: surroundings.run(|| M::make(config)), host, cx: None, surroundings };
        // SAFETY: the host lends the place for the call.
        unsafe { *worker = Box::into_raw(Box::new(hired)).cast() };
        Outcome::DONE
    })
}

/// The configuration, which is of this schema; zero says that there is none.
fn read_config<C: Schema + DeserializeOwned + 'static>(schema: u64, bytes: &[u8]) -> Result<C, String> {
    let takes_none = C::FINGERPRINT == <()>::FINGERPRINT;
    match schema {
        0 if takes_none => {}
        0 => return Err("expected a configuration, found none; give one by `Library::config`".to_owned()),
        _ if takes_none => {
            return Err("expected no configuration, found one; remove `Library::config`, or export the worker with a function that takes it".to_owned());
        }
        found if found != C::FINGERPRINT => {
            let expected = C::FINGERPRINT;
            return Err(format!(
                "expected a configuration of schema {expected:016x}, found {found:016x}; build the plugin with the type of this program"
            ));
        }
        _ => {}
    }
    codec::decode(bytes).map_err(|why| why.to_string())
}

unsafe extern "C" fn start<W: Worker>(worker: WorkerPtr) -> FfiFuture {
    // SAFETY: the host calls it with a worker of this plugin, and nothing else while the future lives.
    let hired = unsafe { hired::<W>(worker) };
    within(hired, |hired| async move {
        let cx = StartContext::new(Arc::clone(&hired.host));
        match hired.worker.start(&cx).await {
            Ok(()) => Outcome::DONE,
            Err(fault) => Outcome::fault(&wire::Fault::of(&fault)),
        }
    })
}

unsafe extern "C" fn process<W>(worker: WorkerPtr, facts: *const CallFacts, job: Slice) -> FfiFuture
where
    W: Worker<Job: DeserializeOwned, Output: Serialize>,
{
    // SAFETY: as in `start`.
    let hired = unsafe { hired::<W>(worker) };
    let read = catch(|| {
        // SAFETY: both are lent for this call, and read in it.
        let (facts, job) = unsafe { (job_facts(facts), job.as_slice()) };
        Ok::<_, String>((facts?, codec::decode::<W::Job>(job).map_err(|why| why.to_string())?))
    });
    let (facts, job) = match read {
        Ok(Ok(read)) => read,
        Ok(Err(why)) => return FfiFuture::new(async { Outcome::refused(why) }),
        Err(panic) => return FfiFuture::new(async move { Outcome::panicked(&panic) }),
    };
    within(hired, |hired| async move {
        let cx = match &mut hired.cx {
            Some(cx) => {
                cx.turn_to(facts);
                &*cx
            }
            none => none.insert(JobContext::new(Arc::clone(&hired.host), facts)),
        };
        let attempt = cx.attempt();
        let outcome = match hired.worker.process(&job, cx).await {
            Ok(output) => {
                codec::into_bytes(output).map_or_else(|why| Outcome::refused(why.to_string()), Outcome::done)
            }
            Err(fault) => {
                let outcome = Outcome::fault(&classified(&hired.worker, &fault, attempt));
                drop_quietly(fault);
                outcome
            }
        };
        // It is over: what a destructor says cannot make it undone.
        drop_quietly(job);
        outcome
    })
}

/// A fault, and what the worker says should become of the job: here, where it knows the type of the error.
fn classified<W: Worker>(worker: &W, fault: &Fault, attempt: Attempt) -> wire::Fault {
    let mut crossing = catch(|| wire::Fault::of(fault)).unwrap_or_else(|_| wire::Fault {
        kind: fault.kind().into(),
        chain: vec!["the fault could not be printed".to_owned()],
        retry_panicked: None,
    });
    match catch(|| worker.retry(fault, attempt)) {
        Ok(kind) => crossing.kind = kind.into(),
        Err(panic) => crossing.retry_panicked = Some(panic.text),
    }
    crossing
}

/// Drops a value of the user's, which may panic.
fn drop_quietly<T>(value: T) {
    let _ = catch(|| drop(value));
}

/// # Safety
///
/// The host lends it, with what it points to.
unsafe fn job_facts(facts: *const CallFacts) -> Result<JobFacts, String> {
    // SAFETY: the caller says so.
    let (facts, rare) = unsafe {
        let facts = table::read(facts).map_err(|why| why.to_string())?;
        (facts, facts.rare.as_slice())
    };
    let rare = match rare {
        [] => None,
        rare => Some(Box::new(wire::read::<wire::Rare>(rare).map_err(|why| why.to_string())?.into())),
    };
    Ok(JobFacts {
        id: JobId::new(facts.job),
        attempt: Attempt::nth(facts.attempt),
        admitted: Stamp::from_bits(facts.admitted),
        route: Route::from_bits(facts.route),
        rare,
        deadline: (facts.deadline != u64::MAX).then(|| Time::from_nanos(facts.deadline)),
    })
}

unsafe extern "C" fn retry<W: Worker>(worker: WorkerPtr, fault: Slice, attempt: u32) -> Outcome {
    guarded(|| {
        // SAFETY: as in `start`.
        let hired = unsafe { hired::<W>(worker) };
        // SAFETY: it is lent for this call.
        match wire::read::<wire::Fault>(unsafe { fault.as_slice() }) {
            Ok(fault) => {
                let retry = || hired.worker.retry(&fault.into(), Attempt::nth(attempt));
                let kind: FaultKind = hired.surroundings.run(retry);
                Outcome::done(wire::write(&Kind::from(kind)))
            }
            Err(why) => Outcome::refused(why.to_string()),
        }
    })
}

unsafe extern "C" fn optimize<W: Worker>(worker: WorkerPtr, cycle: *const CycleFacts) -> FfiFuture {
    // SAFETY: as in `start`.
    let hired = unsafe { hired::<W>(worker) };
    // SAFETY: it is lent for this call.
    let cycle = match unsafe { table::read(cycle) } {
        Ok(cycle) => cycle,
        Err(why) => return FfiFuture::new(async move { Outcome::refused(why.to_string()) }),
    };
    let count = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    let cycle = Cycle::new(count(cycle.processed), count(cycle.failed), count(cycle.batch));
    within(hired, |hired| async move {
        hired.worker.optimize(&cycle).await;
        Outcome::DONE
    })
}

unsafe extern "C" fn stop<W: Worker>(worker: WorkerPtr) -> FfiFuture {
    // SAFETY: as in `start`.
    let hired = unsafe { hired::<W>(worker) };
    within(hired, |hired| async move {
        hired.worker.stop().await;
        Outcome::DONE
    })
}

unsafe extern "C" fn destroy<W: Worker>(worker: WorkerPtr) -> Outcome {
    guarded(|| {
        // SAFETY: `create` boxed it; the host calls this once, and nothing after it.
        let hired = unsafe { Box::from_raw(worker.cast::<Hired<W>>()) };
        let Hired { worker, host, cx, surroundings } = *hired;
        surroundings.run(|| drop((worker, cx, host)));
        Outcome::DONE
    })
}

unsafe extern "C" fn shutdown(timeout: u64) -> Outcome {
    guarded(|| {
        runtime::shut_down(Duration::from_nanos(timeout));
        Outcome::DONE
    })
}

fn guarded(run: impl FnOnce() -> Outcome) -> Outcome {
    catch(run).unwrap_or_else(|panic| Outcome::panicked(&panic))
}

/// The future of what a worker does, each poll of it in the worker's surroundings.
fn within<W, F>(hired: &'static mut Hired<W>, work: impl FnOnce(&'static mut Hired<W>) -> F) -> FfiFuture
where
    F: Future<Output = Outcome> + Send + 'static,
{
    let surroundings = hired.surroundings.clone();
    FfiFuture::new(Surrounded { surroundings, work: ManuallyDrop::new(work(hired)) })
}

/// A future that is polled and dropped in the surroundings of its worker: what it drops may need them too.
struct Surrounded<F> {
    surroundings: Surroundings,
    work: ManuallyDrop<F>,
}

impl<F: Future> Future for Surrounded<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: the future is not moved: it is pinned as this is, and only dropped where it is.
        let (surroundings, work) = unsafe {
            let this = self.get_unchecked_mut();
            (&this.surroundings, Pin::new_unchecked(&mut *this.work))
        };
        surroundings.run(|| work.poll(task))
    }
}

impl<F> Drop for Surrounded<F> {
    fn drop(&mut self) {
        let work = &mut self.work;
        // SAFETY: it is dropped once, where it is, and not used after.
        self.surroundings.run(|| unsafe { ManuallyDrop::drop(work) });
    }
}

/// The text of a plugin's note.
///
/// # Panics
///
/// When it is compiled, if the names do not fit into a note.
pub const fn note<M: Make>(panic: PanicMode, name: &str, version: &str) -> [u8; TEXT_LEN] {
    let note = Note {
        abi: Abi::OWN,
        schema_job: <<M::Worker as Worker>::Job as Schema>::FINGERPRINT,
        schema_output: <<M::Worker as Worker>::Output as Schema>::FINGERPRINT,
        panic,
        target: note::TARGET,
        rustc: note::RUSTC,
        name,
        version,
    };
    match note.text() {
        Ok(text) => text,
        Err(_) => panic!(
            "expected a name and a version of the package in printable ASCII, together some 300 characters at most; change them in its Cargo.toml"
        ),
    }
}

/// Makes a plugin of a library (`crate-type = ["cdylib"]`): exports this worker. Once in each library.
///
/// A worker that is [`Default`] is made by that. One that needs a configuration is made by a function of it, which the host gives by
/// `Library::config`; its type derives [`Schema`](crate::Schema) and is read by serde:
///
/// ```
/// # use seral_plugin::Schema;
/// # use seral_worker::{Fault, JobContext, Worker};
/// # #[derive(serde::Deserialize, Schema)]
/// struct Rates {
///     tax: u32,
/// }
///
/// struct OrderProcessor {
///     rates: Rates,
/// }
///
/// impl Worker for OrderProcessor {
///     type Job = u32;
///     type Output = u32;
///
///     async fn process(&mut self, cents: &u32, _cx: &JobContext) -> Result<u32, Fault> {
///         Ok(cents * self.rates.tax / 100)
///     }
/// }
///
/// seral_plugin::export_worker!(OrderProcessor, |rates: Rates| OrderProcessor { rates });
/// ```
///
/// The version of the plugin is that of its package, and its name is that of the package.
#[macro_export]
macro_rules! export_worker {
    ($worker:ty $(,)?) => {
        $crate::export_worker! { @made_by $crate::export::ByDefault<$worker> }
    };
    ($worker:ty, |$config:ident: $type:ty| $make:expr $(,)?) => {
        const _: () = {
            struct Maker;
            impl $crate::export::Make for Maker {
                type Worker = $worker;
                type Config = $type;

                fn make($config: $type) -> $worker {
                    $make
                }
            }
            $crate::export_worker! { @made_by Maker }
        };
    };
    (@made_by $maker:ty) => {
        const _: () = {
            const PANIC: $crate::PanicMode =
                if cfg!(panic = "abort") { $crate::PanicMode::Abort } else { $crate::PanicMode::Unwind };
            #[used]
            #[cfg_attr(target_os = "linux", unsafe(link_section = ".note.seral"))]
            static NOTE: $crate::ElfNote = $crate::ElfNote::new(&$crate::export::note::<$maker>(
                PANIC,
                env!("CARGO_PKG_NAME"),
                env!("CARGO_PKG_VERSION"),
            ));
            static TABLE: $crate::table::PluginTable = $crate::export::table::<$maker>(NOTE.text());

            #[unsafe(no_mangle)]
            extern "C" fn seral_plugin_entry() -> *const $crate::table::PluginTable {
                &raw const TABLE
            }
        };
    };
}
