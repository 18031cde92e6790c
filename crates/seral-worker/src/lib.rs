//! The contract between seral and the code of its users.
//!
//! A worker is written against this crate and nothing else: it knows no runtime, no channel and no actor. What a worker may ask of
//! the process that runs it goes through one object-safe trait, [`Host`], so that a worker can be linked into the program or
//! loaded from a library without a difference in its source.
//!
//! Modules in reading order; each uses only those above it:
//!
//! | module | holds |
//! |---|---|
//! | [`fault`] | [`Fault`]: how an attempt failed, and what should become of the job |
//! | [`context`] | [`JobContext`], [`StartContext`], [`Cycle`]: what a worker is told |
//! | [`worker`] | [`Worker`]: the trait to implement |

pub mod fault;
pub mod context;
pub mod worker;

pub use context::Cycle;
pub use context::Host;
pub use context::JobContext;
pub use context::JobFacts;
pub use context::RareFacts;
pub use context::StartContext;
pub use fault::Fault;
pub use fault::FaultExt;
pub use fault::FaultKind;
pub use worker::Worker;

pub use seral_core::id::Attempt;
pub use seral_core::id::JobId;
pub use seral_core::id::Key;
pub use seral_core::id::Version;
pub use seral_core::id::WorkerId;
pub use seral_core::routing::Reason;
pub use seral_core::routing::Route;
pub use seral_core::time::Stamp;
pub use seral_core::time::Time;
pub use seral_core::whose::Header;
