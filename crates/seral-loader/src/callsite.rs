//! The places in the code of plugins from which events come, as `tracing` wants them.
//!
//! To `tracing` a place is for ever: it may be remembered by its address, with what a subscriber said about it. So each is leaked, once, however
//! often the plugin is loaded. A program that loads new plugins all its life finds new places all its life; so there is a limit to what is kept.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::Hash;
use std::hash::Hasher;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering;

use seral_plugin::forward::Forwarder;
use tracing_core::Dispatch;
use tracing_core::Event;
use tracing_core::Interest;
use tracing_core::Kind;
use tracing_core::Level;
use tracing_core::Metadata;
use tracing_core::callsite;
use tracing_core::callsite::Identifier;
use tracing_core::dispatcher;
use tracing_core::field::FieldSet;
use tracing_core::field::Value;

/// A place, as a plugin describes it: texts that may be none. What is empty is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place<'a> {
    pub(crate) level: Level,
    /// Zero, if it is not known.
    pub(crate) line: u32,
    pub(crate) target: &'a [u8],
    pub(crate) name: &'a [u8],
    pub(crate) file: &'a [u8],
    pub(crate) module: &'a [u8],
    pub(crate) fields: &'a [&'a [u8]],
}

/// The name of an event says its file and its line, if nobody gave it another, so no more than these two is hashed.
impl Hash for Place<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.line.hash(state);
        self.name.hash(state);
    }
}

impl Place<'_> {
    fn leak(&self) -> Place<'static> {
        Place {
            level: self.level,
            line: self.line,
            target: leak(self.target),
            name: leak(self.name),
            file: leak(self.file),
            module: leak(self.module),
            fields: self.fields.iter().map(|name| leak(name)).collect::<Vec<_>>().leak(),
        }
    }
}

fn leak(bytes: &[u8]) -> &'static [u8] {
    bytes.to_vec().leak()
}

fn text(bytes: &'static [u8]) -> &'static str {
    match String::from_utf8_lossy(bytes) {
        Cow::Borrowed(text) => text,
        Cow::Owned(text) => text.leak(),
    }
}

fn known(bytes: &'static [u8]) -> Option<&'static str> {
    (!bytes.is_empty()).then(|| text(bytes))
}

/// A place, as `tracing` knows it.
pub(crate) struct Callsite {
    metadata: OnceLock<Metadata<'static>>,
    /// What all subscribers together have said: [`NEVER`], [`SOMETIMES`] or [`ALWAYS`].
    interest: AtomicU8,
}

const NEVER: u8 = 0;
/// Also until they have been asked.
const SOMETIMES: u8 = 1;
const ALWAYS: u8 = 2;

impl Callsite {
    fn leak(place: Place<'static>) -> &'static Self {
        let callsite: &'static Self =
            Box::leak(Box::new(Self { metadata: OnceLock::new(), interest: AtomicU8::new(SOMETIMES) }));
        let fields = place.fields.iter().map(|name| text(name)).collect::<Vec<_>>().leak();
        callsite.metadata.get_or_init(|| {
            Metadata::new(
                text(place.name),
                text(place.target),
                place.level,
                known(place.file),
                (place.line != 0).then_some(place.line),
                known(place.module),
                FieldSet::new(fields, Identifier(callsite)),
                Kind::EVENT,
            )
        });
        callsite
    }

    /// Runs this with the subscriber of this thread, if it listens to this place.
    pub(crate) fn if_heard(&'static self, mut run: impl FnMut(&Dispatch)) {
        let interest = self.interest.load(Ordering::Relaxed);
        if interest == NEVER {
            return;
        }
        dispatcher::get_default(|subscriber| {
            // A plugin that is linked into its host would tell itself, for ever.
            let is_host = !subscriber.is::<Forwarder>();
            if is_host && (interest == ALWAYS || subscriber.enabled(self.described())) {
                run(subscriber);
            }
        });
    }

    /// Tells an event with a value for each field.
    pub(crate) fn tell(&'static self, subscriber: &Dispatch, values: &[Option<&dyn Value>]) {
        let metadata = self.described();
        subscriber.event(&Event::new(metadata, &metadata.fields().value_set_all(values)));
    }

    fn described(&self) -> &Metadata<'static> {
        self.metadata.get().expect("it is set before anybody gets the callsite")
    }
}

impl callsite::Callsite for Callsite {
    fn set_interest(&self, interest: Interest) {
        let interest = if interest.is_never() {
            NEVER
        } else if interest.is_always() {
            ALWAYS
        } else {
            SOMETIMES
        };
        self.interest.store(interest, Ordering::Relaxed);
    }

    fn metadata(&self) -> &Metadata<'_> {
        self.described()
    }
}

/// All places that are known.
#[derive(Default)]
pub(crate) struct Callsites(RwLock<HashMap<Place<'static>, &'static Callsite>>);

impl Callsites {
    /// That of this place, or none, if it is not known and as many are.
    pub(crate) fn of(&self, place: &Place<'_>, max: usize) -> Option<&'static Callsite> {
        self.find(place).or_else(|| self.add(place, max))
    }

    fn find(&self, place: &Place<'_>) -> Option<&'static Callsite> {
        let known: &HashMap<Place<'_>, _> = &self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.get(place).copied()
    }

    #[cold]
    fn add(&self, place: &Place<'_>, max: usize) -> Option<&'static Callsite> {
        let callsite = {
            let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
            // Another thread may have come here first.
            if let Some(callsite) = known.get(place) {
                return Some(callsite);
            }
            if known.len() >= max {
                return None;
            }
            let place = place.leak();
            let callsite = Callsite::leak(place);
            known.insert(place, callsite);
            callsite
        };
        // Not under the lock: subscribers are asked about it, which is code of the user.
        callsite::register(callsite);
        Some(callsite)
    }
}

#[cfg(test)]
mod tests {
    use std::ptr;
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    fn place(line: u32) -> Place<'static> {
        let (name, file) = (b"event src/orders.rs:1", b"src/orders.rs");
        Place {
            level: Level::INFO,
            line,
            target: b"orders",
            name,
            file,
            module: b"orders",
            fields: &[b"message"],
        }
    }

    #[test]
    fn a_place_has_one_callsite_and_another_place_has_another() {
        let callsites = Callsites::default();
        let first = callsites.of(&place(1), 100).unwrap();
        for _ in 0..1_000 {
            assert!(ptr::eq(callsites.of(&place(1), 100).unwrap(), first));
        }
        let others = [
            Place { level: Level::WARN, ..place(1) },
            Place { target: b"bills", ..place(1) },
            Place { name: b"paid", ..place(1) },
            Place { file: b"src/bills.rs", ..place(1) },
            Place { module: b"bills", ..place(1) },
            Place { fields: &[b"message", b"order"], ..place(1) },
            Place { fields: &[b"order"], ..place(1) },
            place(2),
        ];
        for (count, other) in others.iter().enumerate() {
            callsites.of(other, 100).unwrap();
            assert_eq!(callsites.0.read().unwrap().len(), count + 2, "{other:?}");
        }
    }

    #[test]
    fn threads_that_come_to_a_place_at_once_get_the_same_callsite() {
        let callsites = Callsites::default();
        let begin = Barrier::new(4);
        let all = || {
            begin.wait();
            (0..500)
                .map(|line| ptr::from_ref(callsites.of(&place(line), 500).unwrap()).addr())
                .collect::<Vec<_>>()
        };
        let found = thread::scope(|threads| {
            let threads: Vec<_> = (0..4).map(|_| threads.spawn(all)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        assert!(found.iter().all(|of_one| *of_one == found[0]));
    }

    #[test]
    fn no_more_are_kept_than_the_limit_and_those_are_still_found() {
        let callsites = Callsites::default();
        assert!((0..3).all(|line| callsites.of(&place(line), 3).is_some()));
        assert!((3..10).all(|line| callsites.of(&place(line), 3).is_none()));
        assert!((0..3).all(|line| callsites.of(&place(line), 3).is_some()));
        assert_eq!(callsites.0.read().unwrap().len(), 3);
    }

    #[test]
    fn what_is_not_known_and_what_is_no_text() {
        let (file, module) = (b"", b"");
        let unknown = Place { target: b"or\xffders", file, module, fields: &[b"\xff"], ..place(0) };
        let callsite = Callsites::default().of(&unknown, 1).unwrap();
        let metadata = callsite.described();
        assert_eq!((metadata.target(), metadata.file(), metadata.line()), ("or\u{fffd}ders", None, None));
        assert_eq!(metadata.module_path(), None);
        assert_eq!(metadata.fields().iter().map(|field| field.name()).collect::<Vec<_>>(), ["\u{fffd}"]);
    }
}
