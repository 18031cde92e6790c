//! Versions that are loaded from libraries: what holds for linked ones holds for them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod following;
mod found;
mod host;
mod life;
mod outcomes;
mod processes;
mod promises;
