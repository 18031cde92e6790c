//! How an attempt failed, and what should become of the job.
//!
//! [`Fault`] is deliberately not a [`std::error::Error`]: so any error becomes one by `?`, and plain `?` means *try again*. Whatever
//! else should happen is spelt out where it happens:
//!
//! ```
//! # use seral_worker::{Fault, FaultExt};
//! fn parse(order: &str) -> Result<u32, Fault> {
//!     let number: u32 = order.parse().or_dead_letter()?; // will never parse: keep it for a person
//!     if number == 0 {
//!         return Err(Fault::discard("nothing to do")); // not worth keeping
//!     }
//!     let rate = std::fs::read_to_string("/no/such/rate")?; // may be there next time: try again
//!     Ok(number * rate.trim().parse::<u32>()?)
//! }
//! assert!(parse("7").is_err());
//! ```

use std::error::Error;
use std::fmt;
use std::time::Duration;

use seral_core::retry::Failure;

/// How long the chain of an error's sources may be.
const CHAIN_MAX: usize = 32;

/// Any error, as `?` accepts it.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// What should become of the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// Try again, as the retry policy says. Charges an attempt.
    Retry,
    /// Try again, and not before this delay has passed. Charges an attempt.
    RetryAfter(Duration),
    /// Nothing is wrong; come back after this delay. Charges no attempt.
    Snooze(Duration),
    /// Give the job up.
    Discard,
    /// Set the job aside for a person, without further attempts.
    DeadLetter,
    /// The job was asked to end, and did.
    Cancelled,
}

impl From<FaultKind> for Failure {
    fn from(kind: FaultKind) -> Self {
        match kind {
            FaultKind::Retry => Self::Retry,
            FaultKind::RetryAfter(delay) => Self::RetryAfter(delay),
            FaultKind::Snooze(delay) => Self::Snooze(delay),
            FaultKind::Discard => Self::Discard,
            FaultKind::DeadLetter => Self::DeadLetter,
            FaultKind::Cancelled => Self::Cancelled,
        }
    }
}

/// Why an attempt did not succeed, and what should become of the job. See the [module](self).
pub struct Fault {
    kind: FaultKind,
    why: BoxError,
}

impl Fault {
    /// Try the job again, as the retry policy says. The same as returning an error by `?`.
    pub fn retry(why: impl Into<BoxError>) -> Self {
        Self { kind: FaultKind::Retry, why: why.into() }
    }

    /// Try the job again, and not before `delay` has passed.
    pub fn retry_after(delay: Duration, why: impl Into<BoxError>) -> Self {
        Self { kind: FaultKind::RetryAfter(delay), why: why.into() }
    }

    /// Come back to the job after `delay`. Charges no attempt.
    pub fn snooze(delay: Duration) -> Self {
        Self { kind: FaultKind::Snooze(delay), why: "snoozed".into() }
    }

    /// Give the job up: it is counted and forgotten.
    pub fn discard(why: impl Into<BoxError>) -> Self {
        Self { kind: FaultKind::Discard, why: why.into() }
    }

    /// Set the job aside for a person, without further attempts.
    pub fn dead_letter(why: impl Into<BoxError>) -> Self {
        Self { kind: FaultKind::DeadLetter, why: why.into() }
    }

    /// End the job, because [`is_cancelled`](crate::JobContext::is_cancelled) said so. Whoever waits for it hears that it was cancelled; if it is
    /// the shutdown that asks, the job is handed back.
    pub fn cancelled(why: impl Into<BoxError>) -> Self {
        Self { kind: FaultKind::Cancelled, why: why.into() }
    }

    /// What should become of the job.
    pub fn kind(&self) -> FaultKind {
        self.kind
    }

    /// For the runtime: something else should become of the job.
    pub fn set_kind(&mut self, kind: FaultKind) {
        self.kind = kind;
    }

    /// The error behind it.
    pub fn why(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.why
    }

    /// The texts of the error and of its sources, outermost first; at most 32, for an error may be its own source.
    pub fn chain(&self) -> Vec<String> {
        let mut chain = vec![self.why.to_string()];
        let mut source = self.why.source();
        while let Some(cause) = source.filter(|_| chain.len() < CHAIN_MAX) {
            chain.push(cause.to_string());
            source = cause.source();
        }
        chain
    }
}

/// The error and its sources, outermost first: `cannot charge: connection refused`.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.chain().join(": "))
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({self})", self.kind)
    }
}

/// Any error, also anyhow's: try again.
impl<E: Into<BoxError>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self::retry(error)
    }
}

/// Says what should become of the job when this result is an error, where plain `?` would try again.
pub trait FaultExt<T>: sealed::Sealed {
    /// An error sets the job aside for a person.
    ///
    /// # Errors
    ///
    /// The error, as a [`Fault`].
    fn or_dead_letter(self) -> Result<T, Fault>;

    /// An error gives the job up.
    ///
    /// # Errors
    ///
    /// The error, as a [`Fault`].
    fn or_discard(self) -> Result<T, Fault>;

    /// An error tries the job again, and not before `delay` has passed.
    ///
    /// # Errors
    ///
    /// The error, as a [`Fault`].
    fn or_retry_after(self, delay: Duration) -> Result<T, Fault>;
}

impl<T, E: Into<BoxError>> FaultExt<T> for Result<T, E> {
    fn or_dead_letter(self) -> Result<T, Fault> {
        self.map_err(Fault::dead_letter)
    }

    fn or_discard(self) -> Result<T, Fault> {
        self.map_err(Fault::discard)
    }

    fn or_retry_after(self, delay: Duration) -> Result<T, Fault> {
        self.map_err(|error| Fault::retry_after(delay, error))
    }
}

mod sealed {
    pub trait Sealed {}
    impl<T, E> Sealed for Result<T, E> {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_question_mark_means_try_again_for_errors_texts_and_boxes() {
        fn io() -> Result<(), Fault> {
            Err(std::io::Error::other("disk"))?
        }
        fn text() -> Result<(), Fault> {
            Err("busy")?
        }
        fn boxed() -> Result<(), Fault> {
            Err(BoxError::from("boxed"))?
        }
        for fault in [io(), text(), boxed()].map(Result::unwrap_err) {
            assert_eq!(fault.kind(), FaultKind::Retry);
        }
    }

    #[test]
    fn a_fault_shows_its_error_with_all_its_sources() {
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
        let fault = "x".parse::<u8>().map_err(Outer).or_dead_letter().unwrap_err();
        assert_eq!(fault.kind(), FaultKind::DeadLetter);
        assert_eq!(fault.to_string(), "cannot read the order: invalid digit found in string");
        assert_eq!(fault.chain(), ["cannot read the order", "invalid digit found in string"]);
    }
}
