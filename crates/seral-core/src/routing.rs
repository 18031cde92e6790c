//! Which version a job goes to.
//!
//! The routing table is one value, numbered and replaced whole. Senders read it without a lock and find in it the pool to
//! push to; `P` is whatever stands for a pool. A job is resolved each time it is about to enter a mailbox: at admission, from
//! the fence, when due, on retry and on recall.

use crate::id::Revision;
use crate::id::Version;
use crate::share::Shares;

/// The whole map from a job to a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutingTable<P> {
    /// Its number; each change of anything makes the next.
    pub revision: Revision,
    /// The pool of the current version, which gets what nothing else claims.
    pub current: Option<P>,
    /// What belongs to versions that are being ramped.
    pub shares: Shares<P>,
    /// The pools that serve jobs that name their version, with those versions.
    pub serving: Vec<(Version, P)>,
}

/// What decides where a job goes.
pub trait Routed {
    /// The version that it names, if it names one.
    fn pin(&self) -> Option<&Version>;

    /// A number that is the same for jobs that go the same way: of its key, or its own if it has no key.
    fn spread(&self) -> u64;
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
        Self { revision: Revision::new(0), current: None, shares: Shares::none(), serving: Vec::new() }
    }

    /// The pool for a job: of the version that it names, else of the version whose share it falls into, else of the current one.
    ///
    /// # Errors
    ///
    /// [`NoRoute`] when no pool takes it.
    #[inline(always)]
    pub fn resolve(&self, job: &impl Routed) -> Result<&P, NoRoute> {
        if let Some(version) = job.pin() {
            return self.serving(version).ok_or(NoRoute::PinUnserved);
        }
        if self.shares.is_none() {
            return self.current.as_ref().ok_or(NoRoute::NoVersion);
        }
        self.shares.owner(job.spread()).or(self.current.as_ref()).ok_or(NoRoute::NoVersion)
    }

    /// The pool that serves jobs that name this version.
    pub fn serving(&self, version: &Version) -> Option<&P> {
        self.serving.iter().find(|(serving, _)| serving == version).map(|(_, pool)| pool)
    }

    /// The pools to which a job may go that names no version: the current one first, and each of those that are being ramped once or
    /// more often.
    pub fn takers(&self) -> impl Iterator<Item = &P> {
        self.current.iter().chain(self.shares.owners())
    }

    /// The same table with other pools: `other` gives one for each.
    pub fn map<Q>(&self, other: impl Fn(&P) -> Option<Q>) -> RoutingTable<Q> {
        let serving = self.serving.iter();
        RoutingTable {
            revision: self.revision,
            current: self.current.as_ref().and_then(&other),
            shares: self.shares.map(&other),
            serving: serving.filter_map(|(version, pool)| Some((version.clone(), other(pool)?))).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::share::Share;

    struct Job(Option<Version>, u64);

    impl Routed for Job {
        fn pin(&self) -> Option<&Version> {
            self.0.as_ref()
        }

        fn spread(&self) -> u64 {
            self.1
        }
    }

    #[test]
    fn a_job_goes_to_the_current_version_and_a_pinned_one_to_the_version_it_names() {
        let (v1, v2) = (Version::from("1.0.0"), Version::from("2.0.0"));
        let mut table = RoutingTable::empty();
        assert_eq!(table.resolve(&Job(None, 1)), Err(NoRoute::NoVersion));
        table.current = Some("pool 2");
        table.serving = vec![(v1.clone(), "pool 1"), (v2.clone(), "pool 2")];
        assert_eq!(table.resolve(&Job(None, 1)), Ok(&"pool 2"));
        assert_eq!(table.resolve(&Job(Some(v1), 1)), Ok(&"pool 1"));
        assert_eq!(table.resolve(&Job(Some(v2), 1)), Ok(&"pool 2"));
        assert_eq!(table.resolve(&Job(Some("0.9.0".into()), 1)), Err(NoRoute::PinUnserved));
    }

    #[test]
    fn a_job_that_names_no_version_goes_by_shares_and_what_they_leave_to_the_current_one() {
        let mut table = RoutingTable::empty();
        table.shares.set(&"pool 2", Share::percent(50.0).expect("a share"), 1).expect("room");
        let outcomes: Vec<_> = (0..100).map(|job| table.resolve(&Job(None, job)).copied()).collect();
        assert!(outcomes.contains(&Ok("pool 2")) && outcomes.contains(&Err(NoRoute::NoVersion)));
        table.current = Some("pool 1");
        for (job, before) in (0..100).zip(outcomes) {
            assert_eq!(table.resolve(&Job(None, job)).copied(), before.or(Ok("pool 1")));
        }
        table.serving = vec![("1.0.0".into(), "pool 1")];
        for job in 0..100 {
            assert_eq!(
                table.resolve(&Job(Some("1.0.0".into()), job)),
                Ok(&"pool 1"),
                "a pin goes before a share"
            );
        }
    }
}
