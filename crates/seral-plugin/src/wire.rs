//! What crosses beside jobs and outputs, in the form in which it is written: by the codec, so only what is in this file can be read there.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;

use seral_worker::FaultKind;
use seral_worker::Header;
use seral_worker::Key;
use seral_worker::RareFacts;
use seral_worker::Version;

use crate::codec;
use crate::codec::CodecError;

/// Writes one of these.
pub(crate) fn write<T: Serialize + 'static>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    // They are texts and numbers, which can always be written.
    match codec::encode(value, &mut bytes) {
        Ok(_) => bytes,
        Err(_) => Vec::new(),
    }
}

/// Reads one of these.
pub(crate) fn read<T: DeserializeOwned + 'static>(bytes: &[u8]) -> Result<T, CodecError> {
    codec::decode(bytes)
}

/// A fault, with the texts of its errors: their types stay where they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What should become of the job; of a fault of `process`, after the worker's `retry` was asked.
    pub kind: Kind,
    /// The texts of the error and of its sources, outermost first.
    pub chain: Vec<String>,
    /// The worker's `retry` was asked, and panicked with this text.
    pub retry_panicked: Option<String>,
}

/// What should become of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// As [`FaultKind::Retry`].
    Retry,
    /// As [`FaultKind::RetryAfter`].
    RetryAfter(Duration),
    /// As [`FaultKind::Snooze`].
    Snooze(Duration),
    /// As [`FaultKind::Discard`].
    Discard,
    /// As [`FaultKind::DeadLetter`].
    DeadLetter,
    /// As [`FaultKind::Cancelled`].
    Cancelled,
}

impl Fault {
    /// As it crosses.
    pub fn of(fault: &seral_worker::Fault) -> Self {
        Self { kind: fault.kind().into(), chain: fault.chain(), retry_panicked: None }
    }
}

macro_rules! crossing {
    ($($type:ty),*) => {
        $(impl $type {
            /// As bytes.
            pub fn to_bytes(&self) -> Vec<u8> {
                write(self)
            }

            /// Of bytes.
            ///
            /// # Errors
            ///
            /// They are something else.
            pub fn read(bytes: &[u8]) -> Result<Self, CodecError> {
                codec::decode(bytes)
            }
        })*
    };
}

crossing!(Fault, Kind, Rare);

impl From<Fault> for seral_worker::Fault {
    fn from(fault: Fault) -> Self {
        let kind = fault.kind.into();
        let mut why = Foreign::new(fault.chain);
        why.retry_panicked = fault.retry_panicked;
        let mut fault = Self::retry(why);
        fault.set_kind(kind);
        fault
    }
}

/// How many texts of an error and its sources are kept. They are nested, and dropped as deep.
const CHAIN_MAX: usize = 32;

/// An error of the other side, told by its texts.
#[derive(Debug)]
pub struct Foreign {
    text: String,
    source: Option<Box<Foreign>>,
    retry_panicked: Option<String>,
}

impl Foreign {
    /// Of the texts of an error and of its sources, outermost first; at most 32, as of a [fault](seral_worker::Fault::chain).
    pub fn new(mut chain: Vec<String>) -> Self {
        chain.truncate(CHAIN_MAX);
        let mut texts = chain.into_iter().rev();
        let innermost = texts.next().unwrap_or_else(|| "without a text".to_owned());
        let mut error = Self { text: innermost, source: None, retry_panicked: None };
        for text in texts {
            error = Self { text, source: Some(Box::new(error)), retry_panicked: None };
        }
        error
    }

    /// What the worker's `retry` panicked with, if it did.
    pub fn retry_panicked(&self) -> Option<&str> {
        self.retry_panicked.as_deref()
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Foreign {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| -> &(dyn Error + 'static) { source })
    }
}

impl From<FaultKind> for Kind {
    fn from(kind: FaultKind) -> Self {
        match kind {
            FaultKind::RetryAfter(delay) => Self::RetryAfter(delay),
            FaultKind::Snooze(delay) => Self::Snooze(delay),
            FaultKind::Discard => Self::Discard,
            FaultKind::DeadLetter => Self::DeadLetter,
            FaultKind::Cancelled => Self::Cancelled,
            // A kind that is not known here yet.
            _ => Self::Retry,
        }
    }
}

impl From<Kind> for FaultKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Retry => Self::Retry,
            Kind::RetryAfter(delay) => Self::RetryAfter(delay),
            Kind::Snooze(delay) => Self::Snooze(delay),
            Kind::Discard => Self::Discard,
            Kind::DeadLetter => Self::DeadLetter,
            Kind::Cancelled => Self::Cancelled,
        }
    }
}

/// What few jobs have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rare {
    key: Option<RareKey>,
    pin: Option<String>,
    headers: Vec<(String, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum RareKey {
    Number(u64),
    Text(String),
}

impl Rare {
    /// As it crosses.
    pub fn of(rare: &RareFacts) -> Self {
        let headers = rare.headers.as_deref().map_or(&[][..], Vec::as_slice);
        Self {
            key: rare
                .key
                .as_ref()
                .map(|key| key.as_number().map_or_else(|| RareKey::Text(key.to_string()), RareKey::Number)),
            pin: rare.pin.as_ref().map(|pin| pin.as_str().to_owned()),
            headers: headers.iter().map(|it| (it.name.to_string(), it.value.to_string())).collect(),
        }
    }
}

impl From<Rare> for RareFacts {
    fn from(rare: Rare) -> Self {
        let headers: Vec<_> = rare.headers.iter().map(|(name, value)| Header::new(name, value)).collect();
        Self {
            key: rare.key.map(|key| match key {
                RareKey::Number(number) => Key::from(number),
                RareKey::Text(text) => Key::from(text),
            }),
            pin: rare.pin.map(Version::from),
            headers: (!headers.is_empty()).then(|| headers.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_says_on_the_other_side_what_it_said_here() {
        #[derive(Debug)]
        struct Outer(std::num::ParseIntError);
        impl fmt::Display for Outer {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("cannot read the order")
            }
        }
        impl Error for Outer {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                Some(&self.0)
            }
        }
        let delay = Duration::from_millis(1_500);
        let kinds = [
            FaultKind::Retry,
            FaultKind::RetryAfter(delay),
            FaultKind::Snooze(delay),
            FaultKind::Discard,
            FaultKind::DeadLetter,
            FaultKind::Cancelled,
        ];
        for kind in kinds {
            let mut fault = seral_worker::Fault::retry(Outer("x".parse::<u8>().unwrap_err()));
            fault.set_kind(kind);
            let crossed: Fault = read(&write(&Fault::of(&fault))).unwrap();
            let there = seral_worker::Fault::from(crossed);
            assert_eq!(there.chain(), fault.chain());
            assert_eq!(there.kind(), kind);
        }
    }
}
