//! Which version a job goes to.
//!
//! The routing table is one value, numbered and replaced whole. Senders read it without a lock and find in it the pool to
//! push to; `P` is whatever stands for a pool. A job is resolved each time it is about to enter a mailbox: at admission, from
//! the fence, when due, on retry and on recall.

use crate::id::Revision;
use crate::id::Version;

/// The whole map from a job to a version.
#[derive(Clone, Debug)]
pub struct RoutingTable<P> {
    /// Its number; each change makes the next.
    pub revision: Revision,
    /// The pool of the current version, which gets what nothing else claims.
    pub current: Option<P>,
    /// The pools that still serve jobs that name their version, with those versions.
    pub serving: Vec<(Version, P)>,
}

/// Why no version takes a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoute {
    /// No version is current yet: the job can wait for one.
    NoVersion,
    /// The version that the job names does not serve it, and waiting will not help.
    PinUnserved,
}

impl<P> RoutingTable<P> {
    /// The table before the first deploy.
    pub fn empty() -> Self {
        Self { revision: Revision::new(0), current: None, serving: Vec::new() }
    }

    /// The pool for a job, given the version that it names, if it names one.
    ///
    /// # Errors
    ///
    /// [`NoRoute`] when no pool takes it.
    pub fn resolve(&self, pin: Option<&Version>) -> Result<&P, NoRoute> {
        match pin {
            None => self.current.as_ref().ok_or(NoRoute::NoVersion),
            Some(version) => self
                .serving
                .iter()
                .find(|(serving, _)| serving == version)
                .map(|(_, pool)| pool)
                .ok_or(NoRoute::PinUnserved),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_goes_to_the_current_version_and_a_pinned_one_to_the_version_it_names() {
        let (v1, v2) = (Version::from("1.0.0"), Version::from("2.0.0"));
        let mut table = RoutingTable::empty();
        assert_eq!(table.resolve(None), Err(NoRoute::NoVersion));
        table.current = Some("pool 2");
        table.serving = vec![(v1.clone(), "pool 1"), (v2.clone(), "pool 2")];
        assert_eq!(table.resolve(None), Ok(&"pool 2"));
        assert_eq!(table.resolve(Some(&v1)), Ok(&"pool 1"));
        assert_eq!(table.resolve(Some(&v2)), Ok(&"pool 2"));
        assert_eq!(table.resolve(Some(&"0.9.0".into())), Err(NoRoute::PinUnserved));
    }
}
