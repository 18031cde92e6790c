//! Values as bytes and back, as they pass between a plugin and the program that loads it. The `bincode` crate writes and reads, and is called here alone.
//!
//! A value lies as bincode's standard configuration has it: without names, integers in as few bytes as they need. A `Vec<u8>` is an exception: it lies as
//! itself, and is lent or moved where it can be. Inside of another value it is a sequence like others, which goes byte by byte, unless its type says that these
//! are bytes, as those of the `serde_bytes` crate do.
//!
//! ```
//! use seral_plugin::codec;
//! use serde::Deserialize;
//! use serde::Serialize;
//!
//! #[derive(Serialize, Deserialize, Debug, PartialEq)]
//! struct Order {
//!     number: u64,
//!     note: Option<String>,
//! }
//!
//! let order = Order { number: 7, note: Some("hi".to_owned()) };
//! let mut scratch = Vec::new();
//! let bytes = codec::encode(&order, &mut scratch)?;
//! assert_eq!(bytes, [7, 1, 2, b'h', b'i']);
//! assert_eq!(codec::decode::<Order>(bytes)?, order);
//! # Ok::<(), codec::CodecError>(())
//! ```
//!
//! # Types that do not work
//!
//! Nothing in the bytes says what they are. A type that must be told by what it reads cannot be read: `serde_json::Value`, or what has
//! `#[serde(untagged)]`, `tag` or `flatten`. This is an error.
//!
//! Two attributes may go **unnoticed** here. With `skip_serializing_if` a field is sometimes not there, and those behind it are read in its place. With `skip` on a
//! variant the next ones are counted differently by who writes and who reads, and one is read as another. So a type with one of these, or of the above, derives no
//! [`Schema`](macro@crate::Schema).
//!
//! # Bytes that are wrong
//!
//! Reading does not panic, and believes no length: for one that the bytes cannot hold it asks for no memory beyond sixteen times their number, or
//! a megabyte for each sequence. Two things it cannot know of. A sequence of what takes no bytes, as `Vec<()>`, is as long as it says, and reading it may take as long.
//! And a type that contains itself is read by recursion, as deep as the bytes say.

use std::any::Any;
use std::any::type_name;
use std::error::Error;
use std::fmt;
use std::mem;

use bincode::BorrowDecode;
use bincode::config;
use bincode::de::Decoder;
use bincode::de::DecoderImpl;
use bincode::de::read::Reader;
use bincode::de::read::SliceReader;
use bincode::enc::write::Writer;
use bincode::error::DecodeError;
use bincode::error::EncodeError;
use bincode::serde::BorrowCompat;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The bytes of a value. A `Vec<u8>` is lent as it is, and anything else is written into `scratch`, whose memory is used again.
///
/// # Errors
///
/// The value cannot be written.
pub fn encode<'a, T: Serialize + 'static>(
    value: &'a T,
    scratch: &'a mut Vec<u8>,
) -> Result<&'a [u8], CodecError> {
    if let Some(bytes) = (value as &dyn Any).downcast_ref::<Vec<u8>>() {
        return Ok(bytes);
    }
    scratch.clear();
    write(value, scratch)?;
    Ok(scratch)
}

/// The bytes of a value, to keep. A `Vec<u8>` is moved.
///
/// # Errors
///
/// The value cannot be written.
pub fn into_bytes<T: Serialize + 'static>(mut value: T) -> Result<Vec<u8>, CodecError> {
    if let Some(bytes) = (&mut value as &mut dyn Any).downcast_mut::<Vec<u8>>() {
        return Ok(mem::take(bytes));
    }
    // As much as it takes in memory is about as much as it takes here.
    let mut bytes = Vec::with_capacity(size_of::<T>());
    write(&value, &mut bytes)?;
    Ok(bytes)
}

/// The value of these bytes, of all of them. A `Vec<u8>` is a copy.
///
/// # Errors
///
/// They are not the bytes of such a value, or the type is one that cannot be read.
pub fn decode<T: DeserializeOwned + 'static>(bytes: &[u8]) -> Result<T, CodecError> {
    let mut value = None::<T>;
    if let Some(raw) = (&mut value as &mut dyn Any).downcast_mut::<Option<Vec<u8>>>() {
        *raw = Some(bytes.to_vec());
    }
    value.map_or_else(|| read(bytes), Ok)
}

/// A value could not be written, or bytes could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CodecError {
    /// The value cannot be written.
    Encode {
        /// Its type.
        type_name: &'static str,
        /// What bincode, or the type itself, said.
        why: String,
    },
    /// The bytes cannot be read.
    Decode {
        /// As which type.
        type_name: &'static str,
        /// What bincode, or the type itself, said.
        why: String,
    },
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encode { type_name, why } => write!(
                f,
                "expected a `{type_name}` that can be written, found one that cannot ({why}); see to its value, \
                 and that the length of all in it is known before, which `#[serde(flatten)]` prevents"
            ),
            Self::Decode { type_name, why } => write!(
                f,
                "expected the bytes of a `{type_name}`, found others ({why}); read the type that was written, \
                 and one that need not be told what it reads, as `serde_json::Value` and `#[serde(untagged)]` must"
            ),
        }
    }
}

impl Error for CodecError {}

fn write<T: Serialize>(value: &T, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
    bincode::serde::encode_into_writer(value, Appending(bytes), config::standard()).map_err(|why| {
        let why = match why {
            EncodeError::OtherString(why) => why,
            why => why.to_string(),
        };
        CodecError::Encode { type_name: type_name::<T>(), why }
    })
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    read_all(bytes).map_err(|why| {
        let why = match why {
            DecodeError::OtherString(why) => why,
            DecodeError::Other(why) => why.to_owned(),
            DecodeError::LimitExceeded => "a length in them is more than they can hold".to_owned(),
            why => why.to_string(),
        };
        CodecError::Decode { type_name: type_name::<T>(), why }
    })
}

/// As many bytes as bincode counts, at most, for one that it reads: those of a `u128` that is small. One such may be missing, and is then found missing
/// where it is read; so only a length exceeds what is allowed.
const COUNTED_MAX: usize = 16;

fn read_all<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    // To bincode a limit is a constant, and this one depends on the bytes: so it is the highest, and what they do not allow is used up before.
    let limited = config::standard().with_limit::<{ usize::MAX }>();
    let mut decoder = DecoderImpl::new(SliceReader::new(bytes), limited, ());
    decoder.claim_bytes_read(usize::MAX - (bytes.len() + 1).saturating_mul(COUNTED_MAX))?;
    let BorrowCompat(value) = BorrowCompat::borrow_decode(&mut decoder)?;
    match decoder.reader().peek_read(1) {
        Some(_) => Err(DecodeError::Other("some are left over")),
        None => Ok(value),
    }
}

/// Writes behind what is there.
struct Appending<'a>(&'a mut Vec<u8>);

impl Writer for Appending<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}
