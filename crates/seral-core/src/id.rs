//! Names and numbers. No bare integers or strings cross an interface where they could be mistaken for another.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// The one with this number.
            pub const fn new(number: u64) -> Self {
                Self(number)
            }

            /// Its number.
            pub const fn get(self) -> u64 {
                self.0
            }

            /// The one after this.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// One job of a community, for as long as the community lives: retries and moves keep it.
    JobId
}
number! {
    /// One worker of a community, for as long as it stays; a worker that is restarted keeps it.
    WorkerId
}
number! {
    /// One start of a version's pool. A version that is started again gets a new one, so that late news of the old
    /// pool is not taken for news of the new.
    PoolId
}
number! {
    /// The number of a routing table. Every change of the table makes the next one.
    Revision
}
number! {
    /// One command given to a community, so that its answer finds the caller.
    VerbId
}

/// Which attempt at a job this is. The first is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt(NonZeroU32);

impl Attempt {
    /// The first attempt.
    pub const FIRST: Self = Self(NonZeroU32::MIN);

    /// The attempt of this number; zero is taken as the first.
    pub const fn nth(number: u32) -> Self {
        match NonZeroU32::new(number) {
            Some(number) => Self(number),
            None => Self::FIRST,
        }
    }

    /// Its number, from 1.
    pub const fn get(self) -> u32 {
        self.0.get()
    }

    /// The attempt after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The name of one immutable build of a worker in a community, such as `"2.0.0"`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(Arc<str>);

impl Version {
    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<S: AsRef<str>> From<S> for Version {
    fn from(name: S) -> Self {
        Self(name.as_ref().into())
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// What orders jobs among themselves: jobs with the same key start in the order of admission, one at a time.
///
/// A number costs nothing to keep; a text is shared, not copied. `Key::from(7)` and `Key::from("7")` are different keys.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(KeyForm);

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum KeyForm {
    Number(u64),
    Text(Arc<str>),
}

impl Key {
    /// The number, if it is one.
    pub fn as_number(&self) -> Option<u64> {
        match &self.0 {
            KeyForm::Number(number) => Some(*number),
            KeyForm::Text(_) => None,
        }
    }

    /// A number that is the same for equal keys and seldom for others: to choose one of a few locks by. Cheap, and no protection from keys that
    /// were chosen to meet.
    pub fn spread(&self) -> u64 {
        const ODD: u64 = 0x9E37_79B9_7F4A_7C15;
        let mixed = match &self.0 {
            KeyForm::Number(number) => number.wrapping_mul(ODD),
            KeyForm::Text(text) => text
                .bytes()
                .fold(ODD, |mixed, byte| (mixed.rotate_left(5) ^ u64::from(byte)).wrapping_mul(ODD)),
        };
        mixed >> 32
    }
}

impl From<u64> for Key {
    fn from(number: u64) -> Self {
        Self(KeyForm::Number(number))
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        Self(KeyForm::Text(text.into()))
    }
}

impl From<String> for Key {
    fn from(text: String) -> Self {
        Self(KeyForm::Text(text.into()))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            KeyForm::Number(number) => number.fmt(f),
            KeyForm::Text(text) => f.pad(text),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            KeyForm::Number(number) => number.fmt(f),
            KeyForm::Text(text) => fmt::Debug::fmt(text, f),
        }
    }
}

/// How urgent a job is among the jobs that wait in its mailbox.
///
/// Strict, except that each 16th take serves the lowest band that has jobs, so that nothing waits for ever. Ignored
/// within a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Before everything else.
    High,
    /// The default.
    #[default]
    Normal,
    /// When nothing else waits, and each 16th take.
    Low,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_spread_over_a_few_locks() {
        let spreads: [Vec<u64>; 2] = [
            (0..1600).map(|number| Key::from(number).spread()).collect(),
            (0..1600).map(|number| Key::from(format!("customer-{number}")).spread()).collect(),
        ];
        for spread in spreads {
            for lock in 0..16 {
                let count = spread.iter().filter(|spread| *spread % 16 == lock).count();
                assert!((50..200).contains(&count), "{count} of 1600 at lock {lock}");
            }
        }
    }
}
