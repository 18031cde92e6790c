//! Loads versions of workers from libraries into the running process.
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
//! | `callsite` | the places in plugins from which events come, as `tracing` wants them |
//! | [`events`] | [`tell`](events::tell): events of plugins, for the subscriber of the host |
//! | `outlet` | a community to which a plugin may send |
//! | `services` | what the host does for a worker in a plugin |
//! | `call` | a worker in a plugin, and what it is called for ★ |
//! | `maps` | what of a file is mapped |
//! | `room` | whether there is room for another library |
//! | [`mod@mapped`] | which libraries are mapped into this process |
//! | `private_copy` | a copy of a library that nobody else writes to |
//! | `rehearsal` | whether the initializers of a library end well, tried in another process |
//! | `image` | a library in memory, and the plugin in it ★ |
//! | `slot` | where the two sides of an isolated worker meet |
//! | `apart` | a plugin on a thread of its own |
//! | `running` | a plugin in use |
//! | `load` | what is loaded for a pool, and whether it is |
//! | `loaded` | a worker of a plugin among those of its community |
//! | [`library`] | [`Library`]: a plugin in a file, to deploy ★ |
//! | [`news`] | [`News`]: what is told of a directory that is followed |
//! | `folder` | what becomes of the files in it ★ |
//! | `disk` | what is seen and read of it |
//! | [`directory`] | [`Directory`]: which is followed, and how its versions are deployed |
//! | [`follow`](mod@follow) | [`Follow`], [`Follower`]: follows it |

pub mod sha256;
pub mod refused;
mod elf;
pub mod precheck;
mod callsite;
pub mod events;
mod outlet;
mod services;
mod call;
mod maps;
mod room;
pub mod mapped;
mod private_copy;
mod rehearsal;
mod image;
mod slot;
mod apart;
mod running;
mod load;
mod loaded;
pub mod library;
pub mod news;
mod folder;
mod disk;
pub mod directory;
pub mod follow;

pub use directory::Directory;
pub use follow::Follow;
pub use follow::FollowError;
pub use follow::Follower;
pub use library::Library;
pub use mapped::Mapped;
pub use mapped::mapped;
pub use news::News;
pub use news::Skip;
pub use precheck::Checked;
pub use precheck::Expected;
pub use refused::Refused;
pub use sha256::Sha256;
