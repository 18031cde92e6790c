//! The promises of seral, a module each. A test is named after what must hold.
//!
//! Time is paused in most tests: it then moves on by itself when every task waits, so an hour passes in a millisecond and nothing depends on
//! how fast the machine is. Paused time means one thread; races are in `stress`, in the model of the mailbox (`mailbox.rs`), and in the
//! enumerations of `seral-core`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod kit;
mod script;

mod delivery;
mod succession;
mod rollouts;
mod plans;
mod guard;
mod guard_alone;
mod choices;
mod choices_found;
mod keep_warm;
mod canaries;
mod drain_deadlines;
mod adapt;
mod order;
mod draining;
mod isolation;
mod inside;
mod rings;
mod run_now;
mod supervision;
mod user_code;
mod turns;
mod dead_letters;
mod cancellation;
mod heartbeats;
mod ways_to_fail;
mod ways_to_fail_worker;
mod ways_to_fail_panic;
mod ways_to_fail_blocked;
mod ways_to_fail_actor;
mod ways_to_fail_version;
mod ways_to_fail_force;
mod combinations;
mod combinations_panic;
mod endurance;
mod shutdown;
mod ending_one;
mod ending_one_of_all;
mod stages;
mod simulation;
mod stress;
mod everything;
mod rolling_deploy;
mod others_mistakes;
mod others_mistakes_rollout;
mod others_mistakes_moves;
mod others_mistakes_drain;
mod examples;
mod tidy;
