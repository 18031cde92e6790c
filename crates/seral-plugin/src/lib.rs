//! What a version of a worker in a library, a *plugin*, and the program that loads it must agree on. Both are built against this crate.
//!
//! A library says what it is by a note that can be read before the library is opened: opening runs its code. The note names the types of
//! its jobs and outputs by their fingerprints.
//!
//! Modules in reading order; each uses only those above it:
//!
//! | module | holds |
//! |---|---|
//! | [`schema`] | [`Schema`](trait@Schema): the fingerprint of a type, known when it is compiled |
//! | [`note`] | [`Note`], [`ElfNote`]: what a plugin says of itself, as text and as it lies in the file |
//! | [`codec`] | how jobs and outputs are written as bytes |
//! | [`memory`] | [`Slice`](memory::Slice), [`Bytes`](memory::Bytes): bytes that cross, lent or handed over |
//! | [`panics`] | catches a panic before it crosses |
//! | [`waker`] | how a future of one side is woken by the other |
//! | [`wire`] | what crosses beside jobs and outputs: faults, rare facts of jobs |
//! | [`outcome`] | [`Outcome`](outcome::Outcome): what came of a call |
//! | [`future`] | [`FfiFuture`](future::FfiFuture): a future of one side that the other polls |
//! | [`table`] | the ABI: the tables by which the two sides reach each other ★ |
//! | `runtime` | the runtime of tokio that a plugin may have for itself |
//! | `host` | the host, as a worker in a plugin sees it |
//! | [`forward`] | [`Forwarder`](forward::Forwarder): what plugin code tells by `tracing`, to the host |
//! | [`mod@send`] | sends jobs to communities of the host |
//! | [`export`] | [`export_worker!`]: the table of a plugin ★ |

pub mod schema;
pub mod note;
pub mod codec;
pub mod memory;
pub mod panics;
pub mod waker;
pub mod wire;
pub mod outcome;
pub mod future;
pub mod table;
mod runtime;
mod host;
pub mod forward;
pub mod send;
pub mod export;

pub use codec::CodecError;
pub use note::Abi;
pub use note::ElfNote;
pub use note::Note;
pub use note::NoteError;
pub use note::PanicMode;
pub use schema::Schema;
pub use send::SendError;
pub use send::send;

pub use seral_plugin_derive::Schema;
pub use seral_worker::Attempt;
pub use seral_worker::Cycle;
pub use seral_worker::Fault;
pub use seral_worker::FaultExt;
pub use seral_worker::FaultKind;
pub use seral_worker::JobContext;
pub use seral_worker::StartContext;
pub use seral_worker::Worker;
