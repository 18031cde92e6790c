//! The fingerprint of a type: whether two programs mean the same type, asked of a number.
//!
//! Each type has a canonical text: its name, and the fingerprints of its parts, as in `Vec<08c48207b56753d8>`. Its fingerprint is FNV-1a of that
//! text, which is the same in each build and in each version of Rust. A type of one's own is written like this, with all that it is
//! made of, in order; then another field makes another fingerprint:
//!
//! ```
//! use seral_plugin::Schema;
//! use seral_plugin::schema::fingerprint;
//!
//! struct Order {
//!     number: u64,
//!     notes: Vec<String>,
//! }
//!
//! impl Schema for Order {
//!     const FINGERPRINT: u64 = fingerprint("Order", &[u64::FINGERPRINT, Vec::<String>::FINGERPRINT]);
//! }
//! ```

/// A type of jobs or outputs that has a fingerprint.
pub trait Schema {
    /// The same for the same type, and another for another.
    const FINGERPRINT: u64;
}

/// The fingerprint of a type with this name that is made of these parts.
pub const fn fingerprint(name: &str, parts: &[u64]) -> u64 {
    let mut hash = add(EMPTY, name.as_bytes());
    let mut at = 0;
    while at < parts.len() {
        hash = add(hash, if at == 0 { b"<" } else { b"," });
        hash = add(hash, &digits(parts[at]));
        at += 1;
    }
    if parts.is_empty() { hash } else { add(hash, b">") }
}

/// Sixteen hexadecimal digits, as everywhere where a fingerprint is written.
pub(crate) const fn digits(number: u64) -> [u8; 16] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let bytes = number.to_be_bytes();
    let mut digits = [0; 16];
    let mut at = 0;
    while at < bytes.len() {
        digits[2 * at] = DIGITS[(bytes[at] >> 4) as usize];
        digits[2 * at + 1] = DIGITS[(bytes[at] & 0xF) as usize];
        at += 1;
    }
    digits
}

/// FNV-1a of nothing.
const EMPTY: u64 = 0xCBF2_9CE4_8422_2325;

const fn add(mut hash: u64, bytes: &[u8]) -> u64 {
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0000_0100_0000_01B3);
        at += 1;
    }
    hash
}

macro_rules! by_name {
    ($($type:ty),*) => {
        $(impl Schema for $type {
            const FINGERPRINT: u64 = fingerprint(stringify!($type), &[]);
        })*
    };
}

by_name!((), bool, char, u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, f32, f64, String);

impl<T: Schema> Schema for Vec<T> {
    const FINGERPRINT: u64 = fingerprint("Vec", &[T::FINGERPRINT]);
}

impl<T: Schema> Schema for Option<T> {
    const FINGERPRINT: u64 = fingerprint("Option", &[T::FINGERPRINT]);
}

impl<T: Schema, const LEN: usize> Schema for [T; LEN] {
    const FINGERPRINT: u64 = fingerprint("array", &[T::FINGERPRINT, LEN as u64]);
}

macro_rules! tuples {
    ($($part:ident)*) => {
        impl<$($part: Schema),*> Schema for ($($part,)*) {
            const FINGERPRINT: u64 = fingerprint("tuple", &[$($part::FINGERPRINT),*]);
        }
    };
}

tuples!(A);
tuples!(A B);
tuples!(A B C);
tuples!(A B C D);
tuples!(A B C D E);
tuples!(A B C D E F);
tuples!(A B C D E F G);
tuples!(A B C D E F G H);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn it_is_fnv_1a_of_the_canonical_text() {
        // By the tables of FNV's authors.
        assert_eq!(fingerprint("a", &[]), 0xAF63_DC4C_8601_EC8C);
        assert_eq!(fingerprint("foobar", &[]), 0x8594_4171_F739_67E8);

        let of_text = |text: String| add(EMPTY, text.as_bytes());
        assert_eq!(u8::FINGERPRINT, of_text("u8".into()));
        assert_eq!(<()>::FINGERPRINT, of_text("()".into()));
        assert_eq!(Vec::<u8>::FINGERPRINT, of_text(format!("Vec<{:016x}>", u8::FINGERPRINT)));
        let pair = format!("tuple<{:016x},{:016x}>", bool::FINGERPRINT, String::FINGERPRINT);
        assert_eq!(<(bool, String)>::FINGERPRINT, of_text(pair));
    }

    #[test]
    fn types_that_differ_have_fingerprints_that_differ() {
        let fingerprints = [
            u8::FINGERPRINT,
            u16::FINGERPRINT,
            i8::FINGERPRINT,
            usize::FINGERPRINT,
            String::FINGERPRINT,
            <()>::FINGERPRINT,
            <(u8,)>::FINGERPRINT,
            <(u8, u16)>::FINGERPRINT,
            <(u16, u8)>::FINGERPRINT,
            <(u8, u16, u8)>::FINGERPRINT,
            <((u8, u16), u8)>::FINGERPRINT,
            <(u8, (u16, u8))>::FINGERPRINT,
            Vec::<u8>::FINGERPRINT,
            Vec::<Vec<u8>>::FINGERPRINT,
            Option::<u8>::FINGERPRINT,
            Option::<Vec<u8>>::FINGERPRINT,
            Vec::<Option<u8>>::FINGERPRINT,
            <[u8; 1]>::FINGERPRINT,
            <[u8; 2]>::FINGERPRINT,
            <[u16; 2]>::FINGERPRINT,
            <[[u8; 2]; 1]>::FINGERPRINT,
            <[[u8; 1]; 2]>::FINGERPRINT,
        ];
        assert_eq!(BTreeSet::from(fingerprints).len(), fingerprints.len());
    }

    #[test]
    fn a_fingerprint_may_be_written_down() {
        type Whole = (u64, Option<Vec<String>>, [f64; 3]);
        assert_eq!(format!("{:016x}", Whole::FINGERPRINT), "0201bdce468d907f");
    }
}
