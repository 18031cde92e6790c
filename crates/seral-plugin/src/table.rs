//! The ABI: the two tables by which a plugin and its host reach each other, and what their functions are given.
//!
//! A table begins with its size and its ABI and grows at its end, within one major version. So a table is never used where it is: what
//! of it both sides know is [copied](PluginTable::read). Each has all that the first minor version has, which so far is all there is.
//!
//! # A plugin's life
//!
//! `init` comes first, once for each time that the plugin is taken into use, and `shutdown` last. Between them workers are made, each by `create`; each is
//! started, gets jobs, tunes itself between them and is stopped, and `destroy` ends it. Of one worker at most one future is alive, and nothing else
//! is called while one is: a future holds the worker. So it is dropped before `destroy`, and also before the next call.
//!
//! A job is *cancelled* by dropping the future of its `process`. Before that it is asked to end: `is_cancelled` and `cancelled` of the host are for its
//! code, to look. So there is no function for it here. There is none for progress, and none to save and restore what a worker knows, since the trait
//! [`Worker`](seral_worker::Worker) has none; when it gets them, they come to the end of this table.
//!
//! # What each side may rely on
//!
//! - No function unwinds: a panic is an [outcome](crate::outcome).
//! - A [`Slice`], and whatever else is lent by a pointer, is there until the function returns, so what a future needs of it is copied before.
//! - [`Bytes`](crate::memory::Bytes) are freed by who made them.
//! - Functions may be called from any thread, one after the other for each worker. The host is called from any thread, and at once.
//! - The host's table is there for ever.
#![expect(unsafe_code, reason = "the ABI: tables of the other side are reached by pointers")]

use std::ffi::c_void;
use std::fmt;
use std::mem::MaybeUninit;
use std::ptr;

use crate::future::FfiFuture;
use crate::memory::Slice;
use crate::note::Abi;
use crate::outcome::Outcome;

/// The name of the one symbol that a plugin exports: a function without arguments that returns a pointer to its table.
pub const ENTRY: &str = "seral_plugin_entry";

/// The type of that function.
pub type Entry = unsafe extern "C" fn() -> *const PluginTable;

/// A worker of the plugin, as `create` made it.
pub type WorkerPtr = *mut c_void;

/// What the host knows of a worker, as it gave it to `create`. Freed by [`release`](HostTable::release).
pub type HostPtr = *const c_void;

/// How a table begins, for ever.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// How many bytes the table has, with these.
    pub size: u32,
    /// Its [`Abi::major`].
    pub abi_major: u16,
    /// Its [`Abi::minor`].
    pub abi_minor: u16,
}

impl Head {
    /// That of a table of this crate.
    pub const fn of<T>() -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "tables have some hundred bytes")]
        let size = size_of::<T>() as u32;
        Self { size, abi_major: Abi::OWN.major, abi_minor: Abi::OWN.minor }
    }

    /// The ABI.
    pub const fn abi(self) -> Abi {
        Abi { major: self.abi_major, minor: self.abi_minor }
    }
}

/// Writes a table as it lies in memory, where each function may be missing, and what is left of it when none is.
macro_rules! table {
    (
        $(#[$about:meta])*
        $name:ident, read as $read:ident
        data { $($(#[$about_data:meta])* $data:ident: $data_type:ty;)* }
        functions { $($(#[$about_fn:meta])* $function:ident($($argument:tt)*) $(-> $outcome:ty)?;)* }
    ) => {
        $(#[$about])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug)]
        pub struct $name {
            $($(#[$about_data])* pub $data: $data_type,)*
            $($(#[$about_fn])* pub $function: Option<unsafe extern "C" fn($($argument)*) $(-> $outcome)?>,)*
        }

        #[doc = concat!("A [`", stringify!($name), "`] that was read: it has all functions.")]
        #[derive(Clone, Copy, Debug)]
        pub struct $read {
            $($(#[$about_data])* pub $data: $data_type,)*
            $($(#[$about_fn])* pub $function: unsafe extern "C" fn($($argument)*) $(-> $outcome)?,)*
        }

        impl $name {
            /// A copy of a table of the other side.
            ///
            /// # Errors
            ///
            /// It is of another ABI, or lacks something.
            ///
            /// # Safety
            ///
            /// `table` is null, or points to a table as this module describes it.
            pub unsafe fn read(table: *const Self) -> Result<$read, TableError> {
                // SAFETY: the caller says so; zeros are a table without functions, whose slices are empty.
                let table = unsafe { read(table) }?;
                Ok($read {
                    $($data: table.$data,)*
                    $($function: table.$function.ok_or(TableError::Missing { function: stringify!($function) })?,)*
                })
            }
        }
    };
}

table! {
/// What a plugin offers. Static data of the plugin.
PluginTable, read as Plugin
data {
    /// How long it is.
    head: Head;
    /// The text of its [note](crate::note), as it lies in the memory: whoever read another in the file has opened another library.
    note: Slice;
}
functions {
    /// Called first, with the table of the host: sets the subscriber of `tracing` and the panic hook of the plugin. *Done*, or *refused*.
    init(host: *const HostTable) -> Outcome;
    /// Makes a worker and puts it there. It holds `host` until it is destroyed, or what came of it is dropped, and has taken it also if it fails. *Done*,
    /// *panicked*, or *refused*, for the configuration.
    create(
host: HostPtr, facts: *const WorkerFacts, config: *const Config, worker: *mut WorkerPtr) -> Outcome;
    /// `Worker::start`. *Done*, a *fault*, or *panicked*.
    start(WorkerPtr) -> FfiFuture;
    /// `Worker::process`, and `Worker::retry` after a fault. *Done* with the output, a *fault*, *panicked*, or *refused*, if the job cannot be read.
    process(WorkerPtr, facts: *const CallFacts, job: Slice) -> FfiFuture;
    /// `Worker::retry`, for a [fault](crate::wire::Fault) that was not made by the plugin, such as a timeout. *Done* with a [kind](crate::wire::Kind),
    /// *panicked*, or *refused*.
    retry(WorkerPtr, fault: Slice, attempt: u32) -> Outcome;
    /// `Worker::optimize`. *Done* or *panicked*.
    optimize(WorkerPtr, cycle: *const CycleFacts) -> FfiFuture;
    /// `Worker::stop`. *Done* or *panicked*.
    stop(WorkerPtr) -> FfiFuture;
    /// Drops the worker. *Done* or *panicked*.
    destroy(WorkerPtr) -> Outcome;
    /// Called last, when no worker is left: ends what threads the plugin has, within so many nanoseconds. It may block. *Done*, or *panicked*.
    shutdown(timeout: u64) -> Outcome;
}
}

// SAFETY: the note is static data, and functions may be called from any thread.
unsafe impl Send for PluginTable {}
// SAFETY: as above.
unsafe impl Sync for PluginTable {}
// SAFETY: as above.
unsafe impl Send for Plugin {}
// SAFETY: as above.
unsafe impl Sync for Plugin {}

table! {
/// What the host offers to a plugin. Static data of the host.
HostTable, read as Host
data {
    /// How long it is.
    head: Head;
}
functions {
    /// Whether somebody would hear of an event of this level, from 1 (error) to 5 (trace). It is asked before each event, and may change.
    is_heard(level: u32) -> bool;
    /// Tells an event, in the span in which the plugin is called.
    tell(event: *const Event);
    /// The runtime's clock: nanoseconds since the ecosystem began.
    now(HostPtr) -> u64;
    /// *Done* after so many nanoseconds.
    sleep(HostPtr, nanos: u64) -> FfiFuture;
    /// Whether this job, in the worker's hand, is asked to end.
    is_cancelled(HostPtr, job: u64) -> bool;
    /// *Done* once it is.
    cancelled(HostPtr, job: u64) -> FfiFuture;
    /// Whether the worker's version is asked to make room.
    is_draining(HostPtr) -> bool;
    /// *Done* once it is.
    draining(HostPtr) -> FfiFuture;
    /// Runs code of the plugin on a thread where it may block. *Done* when it has run, or *panicked*.
    run_blocking(HostPtr, code: Blocking) -> FfiFuture;
    /// Sends a job of this schema to another community. *Done* when it is admitted, or *refused*.
    send(HostPtr, community: Slice, schema: u64, job: Slice) -> FfiFuture;
    /// The plugin has let go of what it was given for a worker.
    release(HostPtr);
}
}

/// What a worker is told of itself when it is made.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct WorkerFacts {
    /// How long this is.
    pub head: Head,
    /// Its number.
    pub worker: u64,
    /// Its version.
    pub version: Slice,
}

/// What its maker is given.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// How long this is.
    pub head: Head,
    /// The fingerprint of its type, or zero if there is none.
    pub schema: u64,
    /// It, by the codec.
    pub bytes: Slice,
}

/// What a worker is told of a job.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CallFacts {
    /// How long this is.
    pub head: Head,
    /// The number of the job.
    pub job: u64,
    /// When it is no longer worth starting, by the host's clock; the largest number, if never.
    pub deadline: u64,
    /// [Rare facts](crate::wire::Rare), by the codec; empty, if there are none.
    pub rare: Slice,
    /// Which attempt this is.
    pub attempt: u32,
    /// The bits of the [stamp](seral_worker::Stamp) of its admission.
    pub admitted: u32,
    /// The bits of its [route](seral_worker::Route).
    pub route: u32,
}

/// How a worker's last jobs went.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CycleFacts {
    /// How long this is.
    pub head: Head,
    /// As [`Cycle::processed`](seral_worker::Cycle).
    pub processed: u64,
    /// As [`Cycle::failed`](seral_worker::Cycle).
    pub failed: u64,
    /// As [`Cycle::batch`](seral_worker::Cycle).
    pub batch: u64,
}

/// Code of the plugin to be run once, or else dropped: one of the two functions is called, once.
#[repr(C)]
#[derive(Debug)]
pub struct Blocking {
    /// What it works on.
    pub data: *mut c_void,
    /// Runs it. *Done* or *panicked*.
    pub run: unsafe extern "C" fn(*mut c_void) -> Outcome,
    /// Drops it unrun.
    pub drop: unsafe extern "C" fn(*mut c_void),
}

/// An event of `tracing`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// How long this is.
    pub head: Head,
    /// From 1 (error) to 5 (trace).
    pub level: u32,
    /// In which line of the source it was told; zero, if that is not known.
    pub line: u32,
    /// Of which part of the program it is.
    pub target: Slice,
    /// The name of its callsite.
    pub name: Slice,
    /// In which file; empty, if that is not known.
    pub file: Slice,
    /// In which module; empty, if that is not known.
    pub module: Slice,
    /// The first of its fields.
    pub fields: *const Field,
    /// How many there are.
    pub fields_len: usize,
}

impl Event {
    /// A copy of an event that the other side tells.
    ///
    /// # Errors
    ///
    /// It is of another ABI.
    ///
    /// # Safety
    ///
    /// `event` is null, or points to as many bytes as it says in its head.
    pub unsafe fn read(event: *const Self) -> Result<Self, TableError> {
        // SAFETY: the caller says so; zeros are an event without fields, whose slices are empty.
        unsafe { read(event) }
    }
}

/// A field of an event. It has no head, so it never changes within one major version.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name.
    pub name: Slice,
    /// Which of the numbers in [`value`] it is.
    pub kind: u32,
    /// A truth value, or the bits of a number.
    pub bits: u64,
    /// A text.
    pub text: Slice,
}

/// The kinds of values of a field.
pub mod value {
    /// The field has no value: all fields of a callsite are there each time.
    pub const NONE: u32 = 0;
    /// True, if the bits are not zero.
    pub const BOOL: u32 = 1;
    /// A number of 64 bits with a sign.
    pub const I64: u32 = 2;
    /// A number of 64 bits without one.
    pub const U64: u32 = 3;
    /// A floating-point number.
    pub const F64: u32 = 4;
    /// A text that was recorded as one.
    pub const TEXT: u32 = 5;
    /// The text that something was formatted to.
    pub const FORMATTED: u32 = 6;
    /// The texts of an error and of its sources, outermost first, with a zero byte between two.
    pub const ERROR: u32 = 7;
}

/// Why the table of the other side cannot be used. A clause, for the sentence of who reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TableError {
    /// There is none.
    Null,
    /// It is of another ABI.
    Abi {
        /// Which.
        found: Abi,
    },
    /// It has not even its head.
    Short {
        /// How long it says that it is.
        found: u32,
    },
    /// It has not what each one has.
    Missing {
        /// The name of the function.
        function: &'static str,
    },
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("it has no table"),
            Self::Abi { found } => write!(f, "its table is for ABI {found}"),
            Self::Short { found } => write!(f, "its table has {found} bytes, which is less than its head"),
            Self::Missing { function } => write!(f, "its table has no `{function}`"),
        }
    }
}

impl std::error::Error for TableError {}

/// What of a table of the other side both know. Whatever it does not have is zero.
///
/// # Safety
///
/// `table` is null, or points to as many bytes as it says at its beginning; and any bytes, also zeros, are a `T`.
pub(crate) unsafe fn read<T: Copy>(table: *const T) -> Result<T, TableError> {
    if table.is_null() {
        return Err(TableError::Null);
    }
    // SAFETY: each table begins with a head. It is not referenced: the rest of `T` may not be there.
    let head = unsafe { table.cast::<Head>().read_unaligned() };
    if head.abi_major != Abi::OWN.major {
        return Err(TableError::Abi { found: head.abi() });
    }
    let size = head.size as usize;
    if size < size_of::<Head>() {
        return Err(TableError::Short { found: head.size });
    }
    let mut copy = MaybeUninit::<T>::zeroed();
    // SAFETY: so many bytes are in both, and the copy is on this side's stack. What was not copied is zero, which the caller promises to be a `T`.
    unsafe {
        ptr::copy_nonoverlapping(table.cast::<u8>(), copy.as_mut_ptr().cast(), size.min(size_of::<T>()));
        Ok(copy.assume_init())
    }
}
