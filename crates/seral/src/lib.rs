//! An actor runtime for background work whose versions succeed one another without losing a job.
#![doc = ""]

mod sync;
pub mod error;
mod clock;
mod inside;
mod job;
pub mod event;
mod mailbox;
mod watcher;
mod desk;
mod pool_handle;
mod fence;
pub mod dead_letter;
pub mod hand_back;
mod root;
mod intake;
mod routes;
mod plane;
mod placement;
mod settlement;
mod lease;
mod worker;
pub mod pool;
mod pool_actor;
mod control;
pub mod verb;
mod enact;
mod dispatcher;
pub mod view;
mod describe;
pub mod submit;
mod community_actor;
pub mod community;
mod closing;
pub mod report;
pub mod signal;
pub mod ecosystem;

pub use community::Community;
pub use dead_letter::DeadLetter;
pub use ecosystem::Ecosystem;
pub use event::Event;
pub use event::Events;
pub use hand_back::HandBackReason;
pub use hand_back::HandedBack;
pub use job::JobHandle;
pub use pool::Pool;
pub use report::ShutdownEnd;
pub use report::ShutdownReport;
pub use verb::Deployment;
pub use verb::Rollback;
pub use verb::Submission;

pub use seral_core::id::Attempt;
pub use seral_core::id::JobId;
pub use seral_core::id::Key;
pub use seral_core::id::Priority;
pub use seral_core::id::Version;
pub use seral_core::id::WorkerId;
pub use seral_core::retry::RetryPolicy;
pub use seral_core::versions::State;
pub use seral_core::versions::Takeover;
pub use seral_worker::Cycle;
pub use seral_worker::Fault;
pub use seral_worker::FaultExt;
pub use seral_worker::FaultKind;
pub use seral_worker::JobContext;
pub use seral_worker::StartContext;
pub use seral_worker::Worker;
pub use seral_worker::fault::BoxError;

/// What most programs need: `use seral::prelude::*;`.
pub mod prelude {
    pub use crate::BoxError;
    pub use crate::Community;
    pub use crate::Cycle;
    pub use crate::Ecosystem;
    pub use crate::Fault;
    pub use crate::FaultExt;
    pub use crate::JobContext;
    pub use crate::Pool;
    pub use crate::StartContext;
    pub use crate::Worker;
}
