//! Looks at a library before it is opened, to load a version of a worker from it.
//!
//! What a library says of itself is in its note: see [`seral_plugin`].
//!
//! Modules in reading order; each uses only those above it:
//!
//! | module | holds |
//! |---|---|
//! | [`sha256`] | [`Sha256`]: which file it is, to the last bit |
//! | [`refused`] | [`Refused`]: why a file is not opened |
//! | `elf` | what is asked of a library's bytes: whether it is one for here, whole, and what its note says |
//! | [`precheck`] | [`read`](precheck::read), [`check`](precheck::check): whether a file may be opened |

pub mod sha256;
pub mod refused;
mod elf;
pub mod precheck;

pub use precheck::Checked;
pub use precheck::Expected;
pub use refused::Refused;
pub use sha256::Sha256;
