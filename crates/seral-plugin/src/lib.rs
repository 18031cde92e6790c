//! What a version of a worker in a library, a *plugin*, and the program that loads it must agree on. Both are built against this crate.
//!
//! A library says what it is by a note that can be read before the library is opened: opening runs its code. The note names the types of
//! its jobs and outputs by their fingerprints.
//!
//! Modules in reading order; each uses only those above it:
//!
//! | module | holds |
//! |---|---|
//! | [`schema`] | [`Schema`](trait@Schema): the fingerprint of a type, known when it is compiled |
//! | [`note`] | [`Note`], [`ElfNote`]: what a plugin says of itself, as text and as it lies in the file |
//! | [`codec`] | [`encode`](codec::encode), [`decode`](codec::decode): jobs and outputs as the bytes that pass between the two |

pub mod schema;
pub mod note;
pub mod codec;

pub use codec::CodecError;
pub use note::Abi;
pub use note::ElfNote;
pub use note::Note;
pub use note::NoteError;
pub use note::PanicMode;
pub use schema::Schema;
pub use seral_plugin_derive::Schema;
