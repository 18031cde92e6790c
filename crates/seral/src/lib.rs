#![doc = include_str!("../../../README.md")]
//!
//! # Modules
//!
//! In reading order; each uses only those above it. Public modules hold types of the interface; the interface itself is [`Ecosystem`],
//! [`Community`] and [`Pool`].
//!
//! | module | holds |
//! |---|---|
//! | `sync` | the lock of the mailbox, in one place, for the model checker |
//! | [`panics`] | what a panic says, and where it happened |
//! | `user_code` | runs code of the user where a panic in it must not spread |
//! | [`error`] | what can go wrong, named after the act |
//! | `clock` | the one clock |
//! | `inside` | who sends: a worker, or somebody outside |
//! | [`history`] | the failed attempts at a job |
//! | `cancellation` | how the sender of a job asks it to end |
//! | `job` | a job on its way, and [`JobHandle`] to follow it |
//! | `vitals` | what a worker shows of itself |
//! | [`event`] | what may be observed as it happens |
//! | `mailbox` | the mailbox of a pool: the machine of the core behind one lock ★ |
//! | `watcher` | the thread that looks at all workers |
//! | `heartbeat` | the directory of all workers |
//! | `desk` | what others can reach of a worker while it works |
//! | `any_pool` | a pool as the control plane knows it, whatever its jobs are |
//! | `pool_handle` | what senders know of a pool: its mailbox and its desks |
//! | `fence` | which job of a key may go, behind locks |
//! | [`dead_letter`] | jobs set aside for a person |
//! | `letter_view` | dead letters as plain data |
//! | [`hand_back`] | jobs that come back to the application at the end |
//! | `ring` | workers that wait for room in other communities, and the rings that they must not close |
//! | [`report`] | what a shutdown came to |
//! | `finale` | an end that begins once, and whose report everybody gets |
//! | `root` | what all communities of an ecosystem share |
//! | `intake` | who may send: everybody, workers only, own workers only, nobody |
//! | `routes` | the published routing table |
//! | `frame` | what a data plane is apart from its jobs |
//! | `plane` | everything that jobs pass through |
//! | `admission` | how a new job comes in: the one way for all sends ★ |
//! | `placement` | where jobs go that were admitted before |
//! | `ending` | how jobs end: the one place where they do ★ |
//! | `delayed` | jobs that wait for their time |
//! | `settlement` | what becomes of a job after an attempt ★ |
//! | `moving` | waiting jobs that a person moves to another version |
//! | `sweep` | jobs that end while they wait: expired, cancelled, given up |
//! | [`dead_letters`] | what a person does with dead letters: look, replay, discard |
//! | `any_plane` | a data plane as the control plane reaches it, whatever its jobs are |
//! | `lease` | the hold of a worker on the jobs it took |
//! | `trace` | one span for each attempt |
//! | `cycle` | the worker's cycle: beat, get jobs, process, optimize, repeat ★ |
//! | `worker` | the actor that runs the cycle |
//! | `library_view` | the library that a version was loaded from, as plain data |
//! | [`pool`] | what a user deploys: how many workers, and how to make one |
//! | `pool_actor` | the actor that supervises the workers of a version |
//! | [`percent`] | a part of new jobs, as people write it |
//! | `gate` | the user's code that says whether a candidate may have more |
//! | `course` | a rollout's machine, and what it has told |
//! | [`change`] | who changed what, and why |
//! | `agenda` | what the dispatcher has to do when its time has come |
//! | [`verb`] | the verbs as messages, and what came of them |
//! | `control` | what the control plane keeps, so that a dispatcher can fail |
//! | [`dry_run`] | what a verb would do |
//! | `ask_dispatcher` | how a handle speaks to the dispatcher, whichever it is |
//! | [`rollout`] | a rollout as users see it |
//! | [`deploy`] | a deploy about to be made, and its plan |
//! | [`command`] | verbs about to be called: ramp, promote, drain, abort, rollback |
//! | `enact` | does what [`seral_core::versions`] decided |
//! | `conduct` | does what [`seral_core::rollout`] decided |
//! | `dispatcher` | the actor that every verb is a message to |
//! | [`view`] | what can be seen at one moment |
//! | `describe` | makes the view |
//! | [`submit`] | the long form of sending |
//! | `community_actor` | the actor that supervises dispatcher and pools |
//! | [`community`] | the handle of users: send, ask, deploy, roll back ★ |
//! | [`choices`] | pins, rules, and moves: where some jobs go, whatever the shares say |
//! | `run_now` | delayed jobs that are run before their time |
//! | `closing` | the end of a community, step by step |
//! | `shutdown` | the end of an ecosystem, or of one community: stop accepting, finish, hand back, close |
//! | [`signal`] | signals that ask the process to end |
//! | [`ecosystem`] | the root of everything, and its end ★ |

mod sync;
pub mod panics;
mod user_code;
pub mod error;
mod clock;
mod inside;
pub mod history;
mod cancellation;
mod job;
mod vitals;
pub mod event;
mod mailbox;
mod watcher;
mod heartbeat;
mod tally;
mod desk;
mod pace;
mod any_pool;
mod pool_handle;
mod guards;
mod fence;
pub mod dead_letter;
mod letter_view;
pub mod hand_back;
mod ring;
pub mod report;
mod finale;
mod root;
mod intake;
mod routes;
mod frame;
mod plane;
mod admission;
mod placement;
mod ending;
mod delayed;
mod settlement;
mod sweep;
mod moving;
pub mod dead_letters;
mod any_plane;
mod lease;
mod trace;
mod time_limit;
mod cycle;
mod worker;
mod library_view;
mod guard_view;
pub mod pool;
mod pool_actor;
pub mod percent;
mod gate;
mod course;
pub mod change;
mod agenda;
pub mod verb;
mod control;
mod watching;
pub mod dry_run;
mod ask_dispatcher;
pub mod rollout;
pub mod deploy;
pub mod command;
mod enact;
mod conduct;
mod dispatcher;
pub mod view;
mod describe;
pub mod submit;
mod community_actor;
pub mod community;
pub mod choices;
mod run_now;
mod closing;
mod shutdown;
pub mod signal;
pub mod ecosystem;

pub use community::Community;
pub use dead_letter::DeadLetter;
pub use dead_letters::DeadLetters;
pub use ecosystem::Ecosystem;
pub use event::Event;
pub use event::Events;
pub use hand_back::HandBackReason;
pub use hand_back::HandedBack;
pub use job::JobHandle;
pub use pool::Pool;
pub use report::ShutdownEnd;
pub use report::ShutdownReport;
pub use rollout::Rollout;
pub use rollout::Verdict;
pub use verb::Deployment;
pub use verb::Rollback;
pub use verb::Submission;

pub use seral_core::fingerprint::Fingerprint;
pub use seral_core::guard::Count;
pub use seral_core::guard::Finding;
pub use seral_core::guard::GuardPolicy;
pub use seral_core::guard::Sign;
pub use seral_core::heartbeat::Condition;
pub use seral_core::heartbeat::HeartbeatPolicy;
pub use seral_core::id::Attempt;
pub use seral_core::id::JobId;
pub use seral_core::id::Key;
pub use seral_core::id::Priority;
pub use seral_core::id::Version;
pub use seral_core::id::WorkerId;
pub use seral_core::limit::Limit;
pub use seral_core::restart::RestartPolicy;
pub use seral_core::retry::Cause;
pub use seral_core::retry::RetryPolicy;
pub use seral_core::routing::Reason;
pub use seral_core::routing::Route;
pub use seral_core::share::Share;
pub use seral_core::versions::Remedy;
pub use seral_core::versions::State;
pub use seral_core::versions::Takeover;
pub use seral_core::whose::Header;
pub use seral_core::whose::Whose;
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
    pub use crate::Attempt;
    pub use crate::BoxError;
    pub use crate::Community;
    pub use crate::Cycle;
    pub use crate::Ecosystem;
    pub use crate::Fault;
    pub use crate::FaultExt;
    pub use crate::FaultKind;
    pub use crate::JobContext;
    pub use crate::Pool;
    pub use crate::RetryPolicy;
    pub use crate::StartContext;
    pub use crate::Worker;
}
