//! Test kit for seral: how to test a worker of your own, and its upgrade, without waiting and without chance.
//!
//! # One worker, one job
//!
//! [`run_one`] runs a job on a worker without a community. [`virtual_time`] is a runtime whose time moves on at once when nobody has anything to do, so
//! that an hour of [`cx.sleep`](seral::JobContext::sleep) takes none; `#[tokio::test(start_paused = true)]` is another.
//!
//! ```
//! # use std::time::Duration;
//! # use seral::prelude::*;
//! use seral_test::{run_one, virtual_time};
//!
//! struct Order {
//!     cents: u64,
//! }
//!
//! struct Till;
//!
//! impl Worker for Till {
//!     type Job = Order;
//!     type Output = u64;
//!
//!     async fn process(&mut self, order: &Order, cx: &JobContext) -> Result<u64, Fault> {
//!         cx.sleep(Duration::from_secs(3600)).await; // the bank is slow
//!         let gross = order.cents.checked_mul(119).ok_or("too dear")?;
//!         Ok(gross / 100)
//!     }
//! }
//!
//! virtual_time(async {
//!     assert_eq!(run_one(Till, Order { cents: 100 }).await.unwrap(), 119);
//!     assert!(run_one(Till, Order { cents: u64::MAX }).attempt(2).await.is_err());
//! });
//! ```
//!
//! # Code that sends jobs
//!
//! An [`Outbox`] is a community for it, whose jobs come to what you say or go to a worker of yours, and which knows what was sent.
//! [`assert_submitted`](Outbox::assert_submitted) waits until all of that has been worked, retries and delayed jobs included, and [`settle`] does that for
//! any community.
//!
//! ```
//! # use seral::prelude::*;
//! use seral_test::{Outbox, virtual_time};
//!
//! async fn check_out(orders: &Community<u64, ()>) -> Result<(), BoxError> {
//!     orders.submit(500).key("customer-42").await?;
//!     Ok(())
//! }
//!
//! virtual_time(async {
//!     let outbox = Outbox::open(|_order: &u64| Ok(())).await.unwrap();
//!     check_out(outbox.community()).await.unwrap();
//!     outbox.assert_submitted(|order| order.job == 500 && order.key.is_some()).await;
//!     outbox.assert_not_submitted(|order| order.job == 0).await;
//! });
//! ```
//!
//! # The upgrade of a worker
//!
//! A [`Simulation`] is the real runtime, with your workers, on virtual time: an hour in which a new version takes over passes in less than a second. Say what
//! comes ([`Traffic`]), what takes how long and goes wrong how often ([`Script`]), and what you do when, which is code as it is in production; all that is
//! left to chance follows from the seed. Then look at the [`History`].
//!
//! ```
//! use std::time::Duration;
//! use seral::prelude::*;
//! use seral_test::{History, Script, Simulation, Traffic, assert_conserved, assert_drained, assert_order, seeds};
//!
//! # struct TillV1;
//! # impl Worker for TillV1 {
//! #     type Job = u64;
//! #     type Output = u64;
//! #     async fn process(&mut self, cents: &u64, _: &JobContext) -> Result<u64, Fault> { Ok(cents * 119 / 100) }
//! # }
//! # struct TillV2;
//! # impl Worker for TillV2 {
//! #     type Job = u64;
//! #     type Output = u64;
//! #     async fn process(&mut self, cents: &u64, _: &JobContext) -> Result<u64, Fault> { Ok(cents * 119 / 100) }
//! # }
//! const fn minutes(minutes: u64) -> Duration {
//!     Duration::from_secs(minutes * 60)
//! }
//!
//! /// What goes wrong with either version.
//! fn faults() -> Script {
//!     Script::new().fails(0.003).hangs(0.001).panics(0.001)
//! }
//!
//! fn upgrade(seed: u64) -> History {
//!     let ms = Duration::from_millis;
//!     Simulation::new(seed)
//!         .community(|tills| tills.timeout(Duration::from_secs(10)))
//!         .traffic(Traffic::per_second(5.0).keys(50).burst(minutes(3), 200), |arrival| arrival.draw.below(10_000))
//!         .deploy("1.0.0", faults().takes(ms(50)..=ms(150)).pool(5, || TillV1))
//!         .at(minutes(2), "2.0.0 by steps", async move |tills| {
//!             tills.deploy("2.0.0", faults().takes(ms(40)..=ms(120)).pool(5, || TillV2)).ramp([25, 50, 100]).await
//!         })
//!         .run_for(minutes(20))
//! }
//!
//! for seed in seeds(3) {
//!     let history = upgrade(seed);
//!     assert_conserved(&history); // each job has come to one end
//!     assert_order(&history); // jobs of a key began in order, one at a time, across versions
//!     assert_drained(&history, "1.0.0"); // nothing is left there
//!     assert!(history.condemned().is_empty()); // the guard found nothing: try more faults in 2.0.0 alone
//!     println!("{}", history.summary()); // or all of it: `{history}`
//! }
//! assert_eq!(upgrade(7), upgrade(7));
//! ```
//!
//! A check that fails says which job, with all that is known of it, and the seed, which gives the same history again: in a debugger, with more logging,
//! on another machine. `SERAL_SEED=7` in the environment tries that one alone, `SERAL_SEEDS=10000` so many; see [`seeds`]. Things to try: a version that [cannot start](Script::panics_at_start), one that fails
//! [after its work was done](Script::fails_after_work) and shows whether yours may be done twice, one that [hangs](Script::hangs), a job that is
//! [poison](Script::panics_on), a mailbox that is [too small](Simulation::community) for a burst, a rollback in the middle, a dispatcher that
//! [fails](fault::panic_dispatcher).
//!
//! A seed gives the same history each time if your own code does: what it gets from the system's clock (rather than `cx.now()` or `tokio::time`), from another
//! source of chance, from threads, files or the network, by a `select!` that is not `biased`, or by walking through a `HashMap`, is not simulated. There
//! are no sockets in a simulation. Code in `cx.blocking` runs in place, and takes no time.
//!
//! # Modules
//!
//! In reading order: [`ledger`] notes what became of each job and says which were lost or done twice; [`fault`] breaks parts of a running community on purpose;
//! [`plugin`] builds libraries to be loaded; [`draw`] is chance by a seed; [`traffic`] says what comes, [`history`] what happened, [`script`] what goes
//! wrong; [`check`] is what must hold of every history; [`answer`] is what a verb came to, in words; [`simulation`] runs all that; then virtual time, a
//! worker by itself, and [`outbox`].

pub mod ledger;
pub mod fault;
pub mod plugin;
pub mod draw;
pub mod traffic;
pub mod history;
mod recorder;
pub mod script;
pub mod check;
pub mod answer;
pub mod simulation;
mod virtual_time;
mod run_one;
pub mod outbox;

pub use answer::Answer;
pub use check::Violation;
pub use check::assert_conserved;
pub use check::assert_drained;
pub use check::assert_order;
pub use draw::Draw;
pub use draw::seeds;
pub use history::History;
pub use ledger::Fate;
pub use ledger::Ledger;
pub use outbox::Outbox;
pub use outbox::Submitted;
pub use run_one::RunOne;
pub use run_one::run_one;
pub use script::Script;
pub use simulation::Simulation;
pub use traffic::Arrival;
pub use traffic::Traffic;
pub use virtual_time::Unsettled;
pub use virtual_time::settle;
pub use virtual_time::virtual_time;
