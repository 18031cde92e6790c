//! Every decision of the seral runtime, as plain code.
//!
//! This crate does no I/O, reads no clock, starts no thread or task, takes no lock and has no dependencies. `now` is
//! an argument. What must be done is returned as a value, and dropping that value is a compiler warning. The crate
//! [`seral`](https://docs.rs/seral) carries the decisions out with actors.
//!
//! That split is what makes the hard half testable: the machines here are enumerated, not sampled (see `tests/`).
//!
//! Modules in reading order; each uses only those above it:
//!
//! | module | decides |
//! |---|---|
//! | [`time`] | what `now` means when nobody may look at a clock |
//! | [`id`] | names and numbers: job, worker, pool, version, key, revision, attempt |
//! | [`tune`] | how many jobs a worker takes at once |
//! | `chunks` | (a deque from which a batch is taken as one piece) |
//! | [`queue`] | the order in which waiting jobs are taken |
//! | [`limit`] | how many jobs a canary takes |
//! | [`gate`] | which jobs may come in |
//! | `counts` | (what a mailbox counts) |
//! | [`end`] | how near its end a mailbox is |
//! | [`wakes`] | (what `seats`, `line` and `mailbox` return) |
//! | [`seats`] | which worker is woken |
//! | [`mod@line`] | which waiting sender is woken |
//! | [`waits`] | whether a worker waits in vain for room in another pool |
//! | [`mailbox`] | who may send to a pool, who takes, whom to wake, when it is drained ★ |
//! | `room` | (whether there is room in a mailbox) |
//! | `closing` | (how a mailbox is closed, is kept warm, and ends) |
//! | [`fence`] | which job of a key may go, and which wait |
//! | [`delayed`] | which delayed jobs are due |
//! | [`share`] | which part of new work a version gets |
//! | [`whose`] | what routing sees of a job, and whose jobs a pin or a rule is about |
//! | [`standing`] | which jobs are tied to a version, whatever the shares say |
//! | [`routing`] | which version a job goes to |
//! | [`retry`] | what becomes of a job after a failed attempt |
//! | [`fingerprint`] | which failures are the same failure |
//! | [`restart`] | when a worker that ended is started again |
//! | [`heartbeat`] | whether a worker is well |
//! | [`verb`] | what somebody can want of versions |
//! | [`version`] | what can happen to a version, and what can be done about it |
//! | `roster` | (what is known of each version) |
//! | `succession` | (in what order it is changed who gets new jobs) |
//! | `placing` | (what a verb does about versions whose workers are there) |
//! | `news` | (what becomes of a version when there is news of its pool) |
//! | [`versions`] | how one version takes over from another ★ |
//! | [`evidence`] | how much failures speak for one version being worse than another |
//! | `once` | (which keys count that have been seen) |
//! | [`sign`] | what a guard watches, and how sure it has to be |
//! | `standstill` | (whether a candidate is stuck) |
//! | [`guard`] | whether a candidate has to go, or may have more ★ |
//! | [`plan`] | the steps of a rollout, and what can be said to it |
//! | [`rollout`] | when a candidate gets its next share of new work ★ |
//! | [`following`] | what becomes of a rollout when something happens to its candidate |
//! | [`fact`] | what happened, as anybody can see it, and what is promised |
//! | `whereabouts` | (where each job is, for the next) |
//! | `tally` | (whether shares come out right) |
//! | [`audit`] | which promises a history has broken |

pub mod time;
pub mod id;
pub mod tune;
mod chunks;
pub mod queue;
pub mod limit;
pub mod gate;
mod counts;
pub mod end;
pub mod wakes;
pub mod seats;
pub mod line;
pub mod waits;
pub mod mailbox;
mod room;
mod closing;
pub mod fence;
pub mod delayed;
pub mod share;
pub mod whose;
pub mod standing;
pub mod routing;
pub mod retry;
pub mod fingerprint;
pub mod restart;
pub mod heartbeat;
pub mod verb;
pub mod version;
mod roster;
mod succession;
mod placing;
mod news;
pub mod versions;
pub mod evidence;
mod once;
pub mod sign;
mod standstill;
pub mod guard;
pub mod plan;
pub mod rollout;
pub mod following;
pub mod fact;
mod whereabouts;
mod tally;
pub mod audit;
