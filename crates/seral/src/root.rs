//! What all communities of one ecosystem share.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;

use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::event::EventSink;
use crate::heartbeat::Directory;
use crate::inside::Place;
use crate::ring::Rings;

/// See the [module](self).
pub(crate) struct Root {
    pub(crate) name: Arc<str>,
    pub(crate) place: Place,
    pub(crate) clock: Clock,
    pub(crate) events: EventSink,
    pub(crate) directory: Directory,
    pub(crate) rings: Rings,
    /// The runtime in which the first community was made, and in which everything runs.
    pub(crate) runtime: OnceLock<Handle>,
    /// Something was finished in a community that closes. There may be several who wait for that, so each registers before it looks.
    pub(crate) stirred: Notify,
    /// What all chance comes from, in a simulation.
    pub(crate) seed: Option<u64>,
}

impl Root {
    pub(crate) fn new(name: &str) -> Self {
        Self::by(name, Clock::start(), None)
    }

    /// Of a simulation.
    pub(crate) fn simulated(name: &str, seed: u64) -> Self {
        Self::by(name, Clock::start_simulated(), Some(seed))
    }

    fn by(name: &str, clock: Clock, seed: Option<u64>) -> Self {
        Self {
            name: name.into(),
            place: Place::new(),
            clock,
            events: EventSink::new(),
            directory: Directory::default(),
            rings: Rings::default(),
            runtime: OnceLock::new(),
            stirred: Notify::new(),
            seed,
        }
    }
}

/// How a community tells that something was finished. It does so while it closes, and not before: nobody pays for the end of another.
pub(crate) struct Stir {
    root: Arc<Root>,
    is_closing: AtomicBool,
}

impl Stir {
    pub(crate) fn new(root: Arc<Root>) -> Self {
        Self { root, is_closing: AtomicBool::new(false) }
    }

    /// From now on it is told when something is finished. Called before the first look at whether all is.
    pub(crate) fn set_closing(&self) {
        self.is_closing.store(true, SeqCst);
    }

    /// Something was finished. Looked at after that was written, as the closing side looks for that after it has set its mark: so one of the two
    /// sees the other, and a busy mailbox that runs empty again and again tells nobody.
    pub(crate) fn tell(&self) {
        if self.is_closing.load(SeqCst) {
            self.root.stirred.notify_waiters();
        }
    }
}
