//! The fingerprint of a type: whether two programs mean the same type, asked of a number.
//!
//! Each type has a canonical text: its name, and the fingerprints of its parts, as in `Vec<08c48207b56753d8>`. Its fingerprint is FNV-1a of that
//! text, which is the same in each build and in each version of Rust.
//!
//! A type of one's own [derives](macro@crate::Schema) it. That writes the same as is written here by hand: all that the type is made of, in order, so that another
//! field makes another fingerprint.
//!
//! ```
//! use seral_plugin::Schema;
//!
//! #[derive(Schema)]
//! struct Order {
//!     number: u64,
//!     notes: Vec<String>,
//! }
//!
//! mod by_hand {
//!     use seral_plugin::Schema;
//!     use seral_plugin::schema::fingerprint;
//!
//!     pub struct Order {
//!         number: u64,
//!         notes: Vec<String>,
//!     }
//!
//!     impl Schema for Order {
//!         const FINGERPRINT: u64 = {
//!             let number = fingerprint("number", &[u64::FINGERPRINT]);
//!             let notes = fingerprint("notes", &[Vec::<String>::FINGERPRINT]);
//!             fingerprint("struct Order", &[number, notes])
//!         };
//!     }
//! }
//!
//! assert_eq!(Order::FINGERPRINT, by_hand::Order::FINGERPRINT);
//! ```
//!
//! What is read owns itself, so references have none; `str` and `[T]` have one for the inside of a `Box` or a `Cow`. The hasher of a map or a set does not
//! count.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::collections::HashSet;
use std::collections::VecDeque;
use std::marker::PhantomData;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::net::SocketAddrV4;
use std::net::SocketAddrV6;
use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;
use std::time::SystemTime;

/// A type of jobs or outputs that has a fingerprint.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no fingerprint",
    note = "a type of your own gets one by `#[derive(Schema)]`; put one of another crate into a struct whose fingerprint you write by hand"
)]
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

by_name!(
    (),
    bool,
    char,
    u8,
    u16,
    u32,
    u64,
    u128,
    usize,
    i8,
    i16,
    i32,
    i64,
    i128,
    isize,
    f32,
    f64,
    str,
    String
);
by_name!(Duration, SystemTime, PathBuf);
by_name!(IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6);

macro_rules! non_zero {
    ($($type:ty),*) => {
        $(impl Schema for NonZero<$type> {
            const FINGERPRINT: u64 = fingerprint("NonZero", &[<$type>::FINGERPRINT]);
        })*
    };
}

non_zero!(u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize);

macro_rules! by_parts {
    ($($type:ident<$($part:ident),*>),*) => {
        $(impl<$($part: Schema),*> Schema for $type<$($part),*> {
            const FINGERPRINT: u64 = fingerprint(stringify!($type), &[$($part::FINGERPRINT),*]);
        })*
    };
}

by_parts!(Option<T>, Result<T, E>, Vec<T>, VecDeque<T>, BTreeSet<T>, BTreeMap<K, V>, PhantomData<T>);

impl<T: Schema, S> Schema for HashSet<T, S> {
    const FINGERPRINT: u64 = fingerprint("HashSet", &[T::FINGERPRINT]);
}

impl<K: Schema, V: Schema, S> Schema for HashMap<K, V, S> {
    const FINGERPRINT: u64 = fingerprint("HashMap", &[K::FINGERPRINT, V::FINGERPRINT]);
}

impl<T: Schema + ?Sized> Schema for Box<T> {
    const FINGERPRINT: u64 = fingerprint("Box", &[T::FINGERPRINT]);
}

impl<T: Schema + ToOwned + ?Sized> Schema for Cow<'_, T> {
    const FINGERPRINT: u64 = fingerprint("Cow", &[T::FINGERPRINT]);
}

impl<T: Schema> Schema for [T] {
    const FINGERPRINT: u64 = fingerprint("slice", &[T::FINGERPRINT]);
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
            Box::<u8>::FINGERPRINT,
            Box::<[u8]>::FINGERPRINT,
            Box::<str>::FINGERPRINT,
            Cow::<str>::FINGERPRINT,
            Cow::<[u8]>::FINGERPRINT,
            str::FINGERPRINT,
            String::FINGERPRINT,
            NonZero::<u8>::FINGERPRINT,
            NonZero::<i8>::FINGERPRINT,
            VecDeque::<u8>::FINGERPRINT,
            BTreeSet::<u8>::FINGERPRINT,
            HashSet::<u8>::FINGERPRINT,
            PhantomData::<u8>::FINGERPRINT,
            Result::<u8, u8>::FINGERPRINT,
            Result::<u8, u16>::FINGERPRINT,
            Result::<u16, u8>::FINGERPRINT,
            BTreeMap::<u8, u8>::FINGERPRINT,
            BTreeMap::<u8, u16>::FINGERPRINT,
            BTreeMap::<u16, u8>::FINGERPRINT,
            HashMap::<u8, u8>::FINGERPRINT,
            HashMap::<u8, u16>::FINGERPRINT,
            HashMap::<u16, u8>::FINGERPRINT,
            Duration::FINGERPRINT,
            SystemTime::FINGERPRINT,
            PathBuf::FINGERPRINT,
            IpAddr::FINGERPRINT,
            Ipv4Addr::FINGERPRINT,
            Ipv6Addr::FINGERPRINT,
            SocketAddr::FINGERPRINT,
            SocketAddrV4::FINGERPRINT,
            SocketAddrV6::FINGERPRINT,
        ];
        assert_eq!(BTreeSet::from(fingerprints).len(), fingerprints.len());
    }

    #[test]
    fn a_fingerprint_may_be_written_down() {
        type Whole = (u64, Option<Vec<String>>, [f64; 3]);
        assert_eq!(format!("{:016x}", Whole::FINGERPRINT), "0201bdce468d907f");
    }
}
