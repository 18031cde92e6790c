//! Test kit for seral: scripted faults, and a ledger that counts every job by its number.
//!
//! Three modules: [`ledger`] notes what became of each job and says which were lost or done twice; [`fault`] breaks parts of a running
//! community on purpose; [`plugin`] builds libraries to be loaded.

pub mod ledger;
pub mod fault;
pub mod plugin;

pub use ledger::Fate;
pub use ledger::Ledger;
