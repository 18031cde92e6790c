//! The promises of seral, a module each.

mod delivery;
