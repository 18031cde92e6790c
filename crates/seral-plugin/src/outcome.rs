//! What came of a call across the boundary.

use crate::memory::Bytes;
use crate::panics::Panic;
use crate::wire;
use crate::wire::Fault;

/// What came of a call, or of a poll: a number, and bytes whose meaning it says.
#[repr(C)]
#[derive(Debug)]
#[must_use = "a panic or a refusal of the other side would go unnoticed"]
pub struct Outcome {
    /// One of the numbers in [`code`]. Another one is of a later ABI and means that the call failed.
    pub code: u32,
    /// What it is about.
    pub bytes: Bytes,
}

/// The numbers of outcomes.
pub mod code {
    /// The future is not ready yet. Only of a poll; no bytes.
    pub const PENDING: u32 = 0;
    /// It is done; the bytes are what came of it, by the codec.
    pub const DONE: u32 = 1;
    /// The user's code returned a fault: a [`Fault`](crate::wire::Fault), by the codec.
    pub const FAULT: u32 = 2;
    /// It panicked: a text and a place, by the codec.
    pub const PANICKED: u32 = 3;
    /// It could not be called: a sentence that says why, as UTF-8.
    pub const REFUSED: u32 = 4;
}

/// An outcome, read.
#[derive(Debug)]
#[must_use]
pub enum Ended {
    /// Not yet.
    Pending,
    /// With this, by the codec.
    Done(Bytes),
    /// With a fault.
    Fault(Fault),
    /// By a panic.
    Panicked(Panic),
    /// It was not called, or what came back cannot be read. A sentence that says why.
    Refused(String),
}

impl Outcome {
    /// Not yet.
    pub const PENDING: Self = Self { code: code::PENDING, bytes: Bytes::EMPTY };
    /// Done, with nothing to say.
    pub const DONE: Self = Self { code: code::DONE, bytes: Bytes::EMPTY };

    /// Done, with this.
    pub fn done(bytes: Vec<u8>) -> Self {
        Self { code: code::DONE, bytes: bytes.into() }
    }

    /// Failed, with this.
    pub fn fault(fault: &Fault) -> Self {
        Self { code: code::FAULT, bytes: wire::write(fault).into() }
    }

    /// Panicked, with this.
    pub fn panicked(panic: &Panic) -> Self {
        Self { code: code::PANICKED, bytes: wire::write(&(panic.text.clone(), panic.place.clone())).into() }
    }

    /// Not called, for this reason.
    pub fn refused(why: impl Into<String>) -> Self {
        Self { code: code::REFUSED, bytes: why.into().into_bytes().into() }
    }

    /// What it says. Whatever cannot be read is refused.
    pub fn read(self) -> Ended {
        let unreadable = |why| Ended::Refused(format!("an outcome of the other side cannot be read: {why}"));
        match self.code {
            code::PENDING => Ended::Pending,
            code::DONE => Ended::Done(self.bytes),
            code::FAULT => wire::read(&self.bytes).map_or_else(unreadable, Ended::Fault),
            code::PANICKED => wire::read(&self.bytes)
                .map_or_else(unreadable, |(text, place)| Ended::Panicked(Panic { text, place })),
            code::REFUSED => Ended::Refused(String::from_utf8_lossy(&self.bytes).into_owned()),
            other => Ended::Refused(format!(
                "expected an outcome from {} to {}, found {other}; build the plugin with the seral-plugin of this program",
                code::PENDING,
                code::REFUSED
            )),
        }
    }
}
