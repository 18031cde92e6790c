//! The lock that the mailbox takes, in one place, so that the model checker can put its own in this place: the test
//! package compiles `mailbox.rs` as it stands against a scheduler that tries the interleavings.

pub(crate) use parking_lot::Mutex;
