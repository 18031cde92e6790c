//! A host that notes what it is asked.

use std::cell::Cell;
use std::ffi::c_void;
use std::sync::Arc;
use std::sync::Mutex;

use seral_plugin::future::FfiFuture;
use seral_plugin::memory::Slice;
use seral_plugin::outcome::Outcome;
use seral_plugin::panics::Panic;
use seral_plugin::table::Blocking;
use seral_plugin::table::Event;
use seral_plugin::table::Head;
use seral_plugin::table::HostPtr;
use seral_plugin::table::HostTable;

/// How it goes with what the host is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Well,
    Panics,
    Refuses,
}

/// What is behind the pointer of a worker. The plugin has one part of the count.
pub(crate) struct Behind {
    pub(crate) mood: Mood,
    pub(crate) asked: Mutex<Vec<String>>,
}

impl Behind {
    pub(crate) fn new(mood: Mood) -> Arc<Self> {
        Arc::new(Self { mood, asked: Mutex::default() })
    }

    /// To be given to the plugin.
    pub(crate) fn lend(self: &Arc<Self>) -> HostPtr {
        Arc::into_raw(Arc::clone(self)).cast()
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    fn note(&self, what: String) -> FfiFuture {
        self.asked.lock().unwrap().push(what);
        self.answer(Outcome::DONE)
    }

    fn answer(&self, done: Outcome) -> FfiFuture {
        let panic = Panic { text: "a host panics".to_owned(), place: None };
        let outcome = match self.mood {
            Mood::Well => done,
            Mood::Panics => Outcome::panicked(&panic),
            Mood::Refuses => Outcome::refused("a host refuses"),
        };
        FfiFuture::new(async { outcome })
    }
}

pub(crate) static HOST: HostTable = HostTable {
    head: Head::of::<HostTable>(),
    is_heard: Some(is_heard),
    tell: Some(tell),
    now: Some(now),
    sleep: Some(sleep),
    is_cancelled: Some(is_cancelled),
    cancelled: Some(cancelled),
    is_draining: Some(is_draining),
    draining: Some(draining),
    run_blocking: Some(run_blocking),
    send: Some(send),
    release: Some(release),
};

fn behind(host: HostPtr) -> &'static Behind {
    // SAFETY: it is what `lend` gave, and it is not released yet.
    unsafe { &*host.cast::<Behind>() }
}

extern "C" fn is_heard(_: u32) -> bool {
    false
}

thread_local! {
    /// How many events were told on this thread.
    static TOLD: Cell<usize> = const { Cell::new(0) };
}

pub(crate) fn told() -> usize {
    TOLD.get()
}

extern "C" fn tell(_: *const Event) {
    TOLD.set(TOLD.get() + 1);
}

extern "C" fn now(host: HostPtr) -> u64 {
    let _ = behind(host);
    1_000
}

extern "C" fn sleep(host: HostPtr, nanos: u64) -> FfiFuture {
    behind(host).note(format!("sleep {nanos}"))
}

extern "C" fn is_cancelled(host: HostPtr, job: u64) -> bool {
    let _ = behind(host);
    job == 7
}

extern "C" fn cancelled(host: HostPtr, job: u64) -> FfiFuture {
    behind(host).note(format!("cancelled {job}"))
}

extern "C" fn is_draining(host: HostPtr) -> bool {
    behind(host).mood == Mood::Well
}

extern "C" fn draining(host: HostPtr) -> FfiFuture {
    behind(host).note("draining".to_owned())
}

/// Code of the plugin, which may run anywhere.
struct Code(*mut c_void);

// SAFETY: the plugin says so.
unsafe impl Send for Code {}

extern "C" fn run_blocking(host: HostPtr, code: Blocking) -> FfiFuture {
    let behind = behind(host);
    let Blocking { data, run, drop } = code;
    if behind.mood != Mood::Well {
        // SAFETY: one of the two functions is called, once.
        unsafe { drop(data) };
        return behind.note("dropped unrun".to_owned());
    }
    let data = Code(data);
    let thread = std::thread::spawn(move || {
        let Code(data) = { data };
        // SAFETY: as above.
        unsafe { run(data) }
    });
    let outcome = thread.join().unwrap();
    behind.asked.lock().unwrap().push("ran".to_owned());
    FfiFuture::new(async { outcome })
}

extern "C" fn send(host: HostPtr, community: Slice, schema: u64, job: Slice) -> FfiFuture {
    // SAFETY: both are lent for this call.
    let (community, job) = unsafe { (community.as_slice(), job.as_slice()) };
    let community = String::from_utf8_lossy(community);
    behind(host).note(format!("send {job:?} of {schema:x} to {community}"))
}

extern "C" fn release(host: HostPtr) {
    // SAFETY: the plugin gives back what `lend` gave, once.
    drop(unsafe { Arc::from_raw(host.cast::<Behind>()) });
}
