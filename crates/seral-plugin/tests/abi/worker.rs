//! The functions of a plugin, called as a host calls them, and a host that the plugin calls.

use std::mem::offset_of;
use std::ptr;
use std::sync::Arc;
use std::sync::OnceLock;
use std::task::Poll;
use std::task::Waker;
use std::time::Duration;

use seral_plugin::Fault;
use seral_plugin::Schema;
use seral_plugin::codec;
use seral_plugin::export;
use seral_plugin::future::FfiFuture;
use seral_plugin::memory::Slice;
use seral_plugin::outcome::Ended;
use seral_plugin::panics::catch;
use seral_plugin::table::CallFacts;
use seral_plugin::table::Config;
use seral_plugin::table::CycleFacts;
use seral_plugin::table::Head;
use seral_plugin::table::HostPtr;
use seral_plugin::table::HostTable;
use seral_plugin::table::Plugin;
use seral_plugin::table::PluginTable;
use seral_plugin::table::WorkerFacts;
use seral_plugin::table::WorkerPtr;
use seral_plugin::wire;
use seral_plugin::wire::Kind;

use crate::futures::panicked;
use crate::futures::poll;
use crate::host::Behind;
use crate::host::HOST;
use crate::host::Mood;
use crate::host::told;
use crate::scripted::Bomb;
use crate::scripted::Maker;
use crate::scripted::Setting;
use crate::scripted::Task;
use crate::scripted::dropped;

fn refused(ended: Ended) -> String {
    match ended {
        Ended::Refused(why) => why,
        other => panic!("it was not refused: {other:?}"),
    }
}

extern "C" fn never(_: HostPtr) -> u64 {
    unreachable!("it is the first host that is asked")
}

/// The functions of the plugin, which is taken into use once.
fn plugin() -> Plugin {
    static PLUGIN: OnceLock<Plugin> = OnceLock::new();
    *PLUGIN.get_or_init(|| {
        let table = export::table::<Maker>(b"");
        // SAFETY: it is this crate's own.
        let plugin = unsafe { PluginTable::read(&raw const table) }.unwrap();
        let host = Behind::new(Mood::Well);
        let before = Hired::create(plugin, &host, &setting("early", "")).err().unwrap();
        // SAFETY: the plugin has no table by which it could have given this back.
        unsafe { Arc::decrement_strong_count(Arc::as_ptr(&host)) };
        assert_eq!(refused(before), "a worker was made before `init`");
        let init = |host: Option<&HostTable>| {
            // SAFETY: it is a table, or null.
            unsafe { (plugin.init)(host.map_or(ptr::null(), ptr::from_ref)) }.read()
        };
        let why = refused(init(None));
        assert_eq!(why, "the host cannot be used: it has no table");
        let why = refused(init(Some(&HostTable { release: None, ..HOST })));
        assert_eq!(why, "the host cannot be used: its table has no `release`");
        assert!(matches!(init(Some(&HOST)), Ended::Done(_)));
        // Taken into use again, it has the host that it had.
        assert!(matches!(init(Some(&HostTable { now: Some(never), ..HOST })), Ended::Done(_)));
        plugin
    })
}

fn setting(name: &str, panics_in: &str) -> Setting {
    Setting { name: name.to_owned(), panics_in: panics_in.to_owned() }
}

/// A worker of the plugin.
struct Hired {
    plugin: Plugin,
    worker: WorkerPtr,
}

impl Hired {
    fn create(plugin: Plugin, host: &Arc<Behind>, setting: &Setting) -> Result<Self, Ended> {
        let bytes = codec::into_bytes(setting.clone()).unwrap();
        Self::create_with(plugin, host, Setting::FINGERPRINT, &bytes)
    }

    fn create_with(plugin: Plugin, host: &Arc<Behind>, schema: u64, bytes: &[u8]) -> Result<Self, Ended> {
        let version = "1.2.3".to_owned();
        let facts = WorkerFacts {
            head: Head::of::<WorkerFacts>(),
            worker: 5,
            version: Slice::of(version.as_bytes()),
        };
        let config = Config { head: Head::of::<Config>(), schema, bytes: Slice::of(bytes) };
        let mut worker = ptr::null_mut();
        // SAFETY: what is lent stays for the call.
        let made =
            unsafe { (plugin.create)(host.lend(), &raw const facts, &raw const config, &raw mut worker) };
        match made.read() {
            Ended::Done(_) => Ok(Self { plugin, worker }),
            other => Err(other),
        }
    }

    fn process_with(&self, facts: &CallFacts, task: Task) -> FfiFuture {
        let mut job = codec::into_bytes(task).unwrap();
        // SAFETY: what is lent stays for the call, and no future is alive.
        let future = unsafe { (self.plugin.process)(self.worker, facts, Slice::of(&job)) };
        // It was lent for the call alone.
        job.fill(0xAA);
        future
    }

    fn process(&self, task: Task) -> Ended {
        ready(self.process_with(&CALL, task))
    }

    fn start(&self) -> Ended {
        // SAFETY: no future is alive.
        ready(unsafe { (self.plugin.start)(self.worker) })
    }

    fn stop(&self) -> Ended {
        // SAFETY: as above.
        ready(unsafe { (self.plugin.stop)(self.worker) })
    }

    fn optimize(&self, cycle: *const CycleFacts) -> Ended {
        // SAFETY: as above.
        ready(unsafe { (self.plugin.optimize)(self.worker, cycle) })
    }

    fn retry(&self, fault: &[u8], attempt: u32) -> Ended {
        // SAFETY: as above.
        unsafe { (self.plugin.retry)(self.worker, Slice::of(fault), attempt) }.read()
    }

    fn destroy(self) -> Ended {
        // SAFETY: as above, and this is the end.
        unsafe { (self.plugin.destroy)(self.worker) }.read()
    }
}

const CALL: CallFacts = CallFacts {
    head: Head::of::<CallFacts>(),
    job: 7,
    deadline: u64::MAX,
    rare: Slice::EMPTY,
    attempt: 1,
    admitted: 0,
    route: 0,
};

/// What comes of a future that does not wait.
fn ready(mut future: FfiFuture) -> Ended {
    match poll(&mut future, Waker::noop()) {
        Poll::Ready(ended) => ended,
        Poll::Pending => panic!("it waits"),
    }
}

#[track_caller]
fn said(ended: Ended) -> String {
    match ended {
        Ended::Done(bytes) => codec::decode(&bytes).unwrap(),
        other => panic!("it said nothing: {other:?}"),
    }
}

#[track_caller]
fn is_done(ended: Ended) {
    assert!(matches!(&ended, Ended::Done(bytes) if bytes.is_empty()), "{ended:?}");
}

fn panic_of(ended: Ended) -> String {
    panicked(Poll::Ready(ended))
}

#[test]
fn a_worker_is_made_and_started_and_works_and_is_destroyed_and_gives_its_host_back() {
    let host = Behind::new(Mood::Well);
    let worker = Hired::create(plugin(), &host, &setting("whole life", "")).ok().unwrap();
    assert_eq!(Arc::strong_count(&host), 2);
    is_done(worker.start());
    assert_eq!(host.asked(), ["sleep 5000000"]);
    for text in ["one", "two"] {
        assert_eq!(said(worker.process(Task::Say(text.to_owned()))), text);
    }
    let cycle = CycleFacts { head: Head::of::<CycleFacts>(), processed: 2, failed: 0, batch: 1 };
    is_done(worker.optimize(&raw const cycle));
    is_done(worker.stop());
    assert_eq!((dropped("whole life"), Arc::strong_count(&host)), (0, 2));
    is_done(worker.destroy());
    assert_eq!((dropped("whole life"), Arc::strong_count(&host)), (1, 1));
    // SAFETY: no worker of this test is left, and it ends nothing that others use.
    is_done(unsafe { (plugin().shutdown)(1_000_000) }.read());
}

#[test]
fn a_worker_that_is_not_made_gives_its_host_back_as_well() {
    let host = Behind::new(Mood::Well);
    let not_made = |schema: u64, bytes: &[u8]| {
        let ended = Hired::create_with(plugin(), &host, schema, bytes).err().unwrap();
        assert_eq!(Arc::strong_count(&host), 1);
        ended
    };
    let none = refused(not_made(0, b""));
    assert_eq!(none, "expected a configuration, found none; give one by `Library::config`");
    let other = refused(not_made(17, b""));
    assert!(
        other.starts_with("expected a configuration of schema ") && other.contains("found 0000000000000011")
    );
    let unreadable = refused(not_made(Setting::FINGERPRINT, b"\xFF"));
    assert!(unreadable.contains("expected the bytes of a `abi::scripted::Setting`"), "{unreadable}");
    let panics = codec::into_bytes(setting("not made", "create")).unwrap();
    assert_eq!(panic_of(not_made(Setting::FINGERPRINT, &panics)), "a panic in create");

    let facts = WorkerFacts {
        head: Head { abi_major: 9, ..Head::of::<WorkerFacts>() },
        worker: 1,
        version: Slice::EMPTY,
    };
    let mut worker = ptr::null_mut();
    for facts in [&raw const facts, ptr::null()] {
        // SAFETY: what is lent stays for the call.
        let made = unsafe { (plugin().create)(host.lend(), facts, ptr::null(), &raw mut worker) };
        let why = refused(made.read());
        assert!(why == "its table is for ABI 9.0" || why == "it has no table", "{why}");
        assert_eq!((Arc::strong_count(&host), worker), (1, ptr::null_mut()));
    }
}

#[test]
fn a_panic_of_the_users_code_is_what_came_of_the_call() {
    let made = |panics_in: &str| {
        let host = Behind::new(Mood::Well);
        (Hired::create(plugin(), &host, &setting(panics_in, panics_in)).ok().unwrap(), host)
    };
    let (worker, _) = made("start");
    assert_eq!(panic_of(worker.start()), "a panic in start");
    is_done(worker.destroy());

    let (worker, _) = made("stop");
    assert_eq!(panic_of(worker.stop()), "a panic in stop");
    assert_eq!(panic_of(worker.process(Task::Panic)), "told to");
    assert_eq!(said(worker.process(Task::Say("after it".to_owned()))), "after it");
    is_done(worker.destroy());

    let (worker, _) = made("optimize 5 2 16");
    let cycle = CycleFacts { head: Head::of::<CycleFacts>(), processed: 5, failed: 2, batch: 16 };
    assert_eq!(panic_of(worker.optimize(&raw const cycle)), "a panic in optimize 5 2 16");
    assert_eq!(refused(worker.optimize(ptr::null())), "it has no table");
    is_done(worker.destroy());

    let (worker, _) = made("retry");
    let fault = wire::Fault::of(&Fault::retry("timed out")).to_bytes();
    assert_eq!(panic_of(worker.retry(&fault, 1)), "a panic in retry");
    is_done(worker.destroy());

    let (worker, host) = made("drop");
    assert_eq!(panic_of(worker.destroy()), "a panic in drop");
    assert_eq!((dropped("drop"), Arc::strong_count(&host)), (1, 1));
}

/// A panic is caught, so nobody is told of it but the caller.
#[test]
fn a_panic_says_where_it_was_whatever_comes_after_it() {
    let host = Behind::new(Mood::Well);
    let worker = Hired::create(plugin(), &host, &setting("places", "")).ok().unwrap();
    let place = |task| match worker.process(task) {
        Ended::Panicked(panic) => panic.place.unwrap(),
        other => panic!("no panic: {other:?}"),
    };
    let line = |of: &str| {
        let number = include_str!("scripted.rs").lines().position(|line| line.contains(of)).unwrap() + 1;
        format!("/tests/abi/scripted.rs:{number}:")
    };
    let before = told();
    let places = [
        (place(Task::Panic), line("panic!(\"told to\")")),
        (place(Task::PanicWithBomb), line("panic_any(Bomb)")),
        (place(Task::Block { panics: true }), line("\"in code that blocks\"")),
    ];
    for (place, expected) in places {
        assert!(place.contains(&expected), "{place} is not {expected}");
    }
    let nested = catch(|| catch(|| std::panic::panic_any(Bomb))).unwrap().unwrap_err().place.unwrap();
    assert!(nested.contains("abi/worker.rs:"), "{nested} is where it was dropped");
    let resumed = catch(|| std::panic::resume_unwind(Box::new("of nowhere"))).unwrap_err();
    assert_eq!(resumed.place, None, "this one had no place");
    assert_eq!(told(), before);
    is_done(worker.destroy());
}

#[test]
fn a_fault_crosses_with_its_texts_and_what_the_worker_says_of_it() {
    let host = Behind::new(Mood::Well);
    let worker = Hired::create(plugin(), &host, &setting("faults", "")).ok().unwrap();
    let fault = |attempt, task| match ready(worker.process_with(&CallFacts { attempt, ..CALL }, task)) {
        Ended::Fault(fault) => fault,
        other => panic!("no fault: {other:?}"),
    };
    let chain = vec!["outer".to_owned(), "inner".to_owned()];
    let expected = wire::Fault { kind: Kind::Retry, chain, retry_panicked: None };
    assert_eq!(fault(1, Task::Fail), expected);
    assert_eq!(fault(3, Task::Fail), wire::Fault { kind: Kind::DeadLetter, ..expected });
    let unspeakable = fault(1, Task::FailSoThatRetryPanics);
    assert_eq!(unspeakable.retry_panicked.as_deref(), Some("retry cannot bear it"));
    assert_eq!((unspeakable.kind, unspeakable.chain), (Kind::Retry, vec!["unspeakable".to_owned()]));

    let late = wire::Fault::of(&Fault::retry("timed out")).to_bytes();
    let kind = |attempt| match worker.retry(&late, attempt) {
        Ended::Done(kind) => Kind::read(&kind).unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!([kind(1), kind(4)], [Kind::Retry, Kind::Snooze(Duration::from_secs(9))]);
    assert!(refused(worker.retry(b"\xFF", 1)).contains("expected the bytes of a"));
    is_done(worker.destroy());

    let setting = setting("fails", "nowhere, but start fails");
    let worker = Hired::create(plugin(), &host, &setting).ok().unwrap();
    match worker.start() {
        Ended::Fault(fault) => assert_eq!((fault.kind, &*fault.chain[0]), (Kind::Discard, "start fails")),
        other => panic!("{other:?}"),
    }
    is_done(worker.destroy());
}

#[test]
fn a_worker_is_told_of_its_job_what_the_host_knows_of_it() {
    let host = Behind::new(Mood::Well);
    let worker = Hired::create(plugin(), &host, &setting("facts", "")).ok().unwrap();
    let plain = said(worker.process(Task::Facts));
    let none = "job 7 attempt 1 of 5 on 1.2.3; key None header None pin None; left None; route";
    assert!(plain.starts_with(none), "{plain}");

    let mut rare = wire::Rare::of(&seral_worker::RareFacts {
        key: Some("ann".into()),
        pin: Some("2.0.0".into()),
        headers: Some(vec![seral_worker::Header::new("a", "b")].into()),
    })
    .to_bytes();
    let known = CallFacts { deadline: 3_000, rare: Slice::of(&rare), attempt: 2, job: 8, ..CALL };
    let future = worker.process_with(&known, Task::Facts);
    rare.fill(0xAA);
    let rich = said(ready(future));
    let all = "job 8 attempt 2 of 5 on 1.2.3; key Some(\"ann\") header Some(\"b\") pin Some(\"2.0.0\"); left Some(2µs); route";
    assert!(rich.starts_with(all), "{rich}");
    assert!(said(worker.process(Task::Facts)).starts_with(none), "nothing is left of the job before");

    // An older host, which knows less.
    let size = u32::try_from(offset_of!(CallFacts, attempt)).unwrap();
    let older = CallFacts { head: Head { size, ..CALL.head }, attempt: 9, deadline: 3_000, ..CALL };
    let less = said(ready(worker.process_with(&older, Task::Facts)));
    assert!(less.starts_with("job 7 attempt 1 of 5"), "{less}");
    is_done(worker.destroy());
}

#[test]
fn a_job_that_cannot_be_read_is_refused_and_the_worker_is_there_for_the_next() {
    let host = Behind::new(Mood::Well);
    let worker = Hired::create(plugin(), &host, &setting("unreadable", "")).ok().unwrap();
    let garbage = CallFacts { rare: Slice::of(b"\xFF\xFF"), ..CALL };
    let other_abi = CallFacts { head: Head { abi_major: 2, ..CALL.head }, ..CALL };
    for (facts, why) in [(&garbage, "expected the bytes of a"), (&other_abi, "its table is for ABI 2.0")] {
        let found = refused(ready(worker.process_with(facts, Task::Facts)));
        assert!(found.contains(why), "{found}");
    }
    // SAFETY: what is lent stays for the call, and no future is alive.
    let [null, job] = unsafe {
        [
            (plugin().process)(worker.worker, ptr::null(), Slice::of(b"\x01")),
            (plugin().process)(worker.worker, &CALL, Slice::of(b"\x63")),
        ]
    }
    .map(|future| refused(ready(future)));
    assert_eq!(null, "it has no table");
    assert!(job.contains("expected the bytes of a `abi::scripted::Task`"), "{job}");
    assert_eq!(said(worker.process(Task::Say("next".to_owned()))), "next");
    is_done(worker.destroy());
}

#[test]
fn what_a_worker_asks_comes_to_the_host_and_what_the_host_says_to_the_worker() {
    let host = Behind::new(Mood::Well);
    let worker = Hired::create(plugin(), &host, &setting("asks", "")).ok().unwrap();
    let ask = |job, task| ready(worker.process_with(&CallFacts { job, ..CALL }, task));
    assert_eq!(said(ask(7, Task::AskTheHost)), "true true 1000");
    assert_eq!(host.asked(), ["sleep 2000000000", "cancelled 7", "draining", "sleep 18446744073709551615"]);
    assert_eq!(said(ask(8, Task::AskTheHost)), "false true 1000");
    assert_eq!(host.asked()[1], "cancelled 8");

    assert_eq!(said(ask(7, Task::Block { panics: false })), "elsewhere: true");
    assert_eq!(panic_of(ask(7, Task::Block { panics: true })), "in code that blocks");
    assert_eq!(host.asked(), ["ran", "ran"]);
    assert_eq!(dropped("code of asks"), 2);

    assert_eq!(said(ask(7, Task::Send(300))), "sent");
    let schema = u32::FINGERPRINT;
    assert_eq!(host.asked(), [format!("send [251, 44, 1] of {schema:x} to invoices")]);
    is_done(worker.destroy());
    assert_eq!(Arc::strong_count(&host), 1);
}

#[test]
fn a_host_that_panics_or_refuses_is_heard_by_the_worker() {
    let host = Behind::new(Mood::Panics);
    let worker = Hired::create(plugin(), &host, &setting("panics", "")).ok().unwrap();
    assert_eq!(panic_of(worker.start()), "a host panics");
    for task in [Task::AskTheHost, Task::Block { panics: false }] {
        assert_eq!(panic_of(worker.process(task)), "a host panics");
    }
    assert_eq!(host.asked()[2..], ["dropped unrun"]);
    let sent = said(worker.process(Task::Send(1)));
    assert!(sent.starts_with("1 came back: the host answered with Panicked("), "{sent}");
    is_done(worker.destroy());

    let host = Behind::new(Mood::Refuses);
    let worker = Hired::create(plugin(), &host, &setting("refuses", "")).ok().unwrap();
    assert_eq!(said(worker.process(Task::Send(1))), "1 came back: a host refuses");
    assert_eq!(said(worker.process(Task::AskTheHost)), "true false 1000", "a wait does not fail");
    let mut unrun = worker.process_with(&CALL, Task::Block { panics: false });
    assert!(poll(&mut unrun, Waker::noop()).is_pending(), "code that did not run has no value");
    assert_eq!(dropped("code of refuses"), 1);
    drop(unrun);
    is_done(worker.destroy());
    assert_eq!(Arc::strong_count(&host), 1);
}

/// Cancelled, a call leaves a worker to which the next job can come.
#[test]
fn a_call_that_is_dropped_leaves_the_worker_as_it_was() {
    let host = Behind::new(Mood::Well);
    let worker = Hired::create(plugin(), &host, &setting("dropped", "")).ok().unwrap();
    drop(worker.process_with(&CALL, Task::Say("never polled".to_owned())));
    assert_eq!(said(worker.process(Task::Say("next".to_owned()))), "next");
    is_done(worker.destroy());
    assert_eq!((dropped("dropped"), Arc::strong_count(&host)), (1, 1));
}
