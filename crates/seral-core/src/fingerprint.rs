//! Which failures are the same failure.
//!
//! Two texts have the same fingerprint if they differ only in words with digits in them: numbers, ids, addresses, line numbers. So a thousand
//! jobs that failed for one reason are one group.

use std::fmt;

/// What a failure is recognised by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// The fingerprint of a text.
    pub fn of(text: &str) -> Self {
        let mut hash = Fnv::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let is_word = first.is_alphanumeric();
            let end = rest.find(|c: char| c.is_alphanumeric() != is_word).unwrap_or(rest.len());
            let (part, after) = rest.split_at(end);
            if is_word && part.contains(|c: char| c.is_ascii_digit()) {
                hash.add(b"#");
            } else {
                hash.add(part.as_bytes());
            }
            rest = after;
        }
        Self(hash.0)
    }

    /// As a number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// Sixteen hexadecimal digits.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// FNV-1a: the same in each process and in each version of Rust, so that a fingerprint can be written down.
struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Self(0xCBF2_9CE4_8422_2325)
    }

    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_differ_in_numbers_only_are_the_same_failure() {
        let same = [
            "order 17 of customer c-9f2 at 10.0.0.1:80: refused",
            "order 4711 of customer c-1a at 10.9.8.7:443: refused",
        ];
        assert_eq!(Fingerprint::of(same[0]), Fingerprint::of(same[1]));
        let others = ["order 17: refused", "order 17: timed out", "order x: refused", ""];
        for (at, one) in others.iter().enumerate() {
            for other in &others[at + 1..] {
                assert_ne!(Fingerprint::of(one), Fingerprint::of(other), "{one:?}, {other:?}");
            }
        }
    }

    #[test]
    fn a_fingerprint_may_be_written_down() {
        assert_eq!(Fingerprint::of("größer als 3").to_string(), Fingerprint::of("größer als 44").to_string());
        assert_eq!(Fingerprint::of("refused").to_string(), "dd362779f48a4b03");
    }
}
