//! The ABI from both sides: tables of any size, futures and their wakers, memory, and the functions of a plugin, called as a host calls them.
//!
//! What is counted here is also what a checker of memory looks for. Under one, these tests are clean but for what the destructor of a panic's payload panics
//! with, which is forgotten on purpose.
//!
//! Seen failing: a table that is copied by the size of one side alone, or whose size, major version or pointer is not looked at; a field that was moved; a waker
//! that is owned and not freed, one that wakes nobody; a panic that is not caught in a waker, in a poll or in a destructor, one that goes on while another
//! does, one that has lost its place or has that of another; bytes that are freed by whoever drops them; what is lent that is read when the call has ended; code
//! that is neither run nor dropped; a host that is not released; a wait for the host that swallows a panic, or is for another job.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]
#![expect(unsafe_code, reason = "it plays the other side, which is reached by pointers")]

mod futures;
mod host;
mod memory;
mod scripted;
mod tables;
mod wakers;
mod worker;
