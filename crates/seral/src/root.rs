//! What all communities of one ecosystem share.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::clock::Clock;
use crate::event::EventSink;
use crate::heartbeat::Directory;
use crate::inside::Place;

/// See the [module](self).
pub(crate) struct Root {
    pub(crate) name: Arc<str>,
    pub(crate) place: Place,
    pub(crate) clock: Clock,
    pub(crate) events: EventSink,
    pub(crate) directory: Directory,
    /// Something was finished: whoever waits for everything to be finished should look again.
    pub(crate) stirred: Notify,
}

impl Root {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            place: Place::new(),
            clock: Clock::start(),
            events: EventSink::new(),
            directory: Directory::default(),
            stirred: Notify::new(),
        }
    }
}
