//! Which version a job goes to.
//!
//! The routing table is one value, numbered and replaced whole. Senders read it without a lock and find in it the pool to
//! push to; `P` is whatever stands for a pool. A job is resolved each time it is about to enter a mailbox: at admission, from
//! the fence, when due, on retry and on recall; and each time it is written on the job by which table, and why ([`Route`]).

use std::fmt;
use std::sync::Arc;

use crate::id::Revision;
use crate::id::Version;
use crate::share::Shares;
use crate::standing::Standing;

pub use crate::whose::Routed;

/// The whole map from a job to a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutingTable<P> {
    /// Its number; each change of anything makes the next.
    pub revision: Revision,
    /// The pool of the current version, which gets what nothing else claims.
    pub current: Option<P>,
    /// What belongs to versions that are being ramped.
    pub shares: Shares<P>,
    /// Pins and rules, if there are any.
    pub standing: Option<Arc<Standing>>,
    /// The pools that serve jobs that name their version, with those versions.
    pub serving: Vec<(Version, P)>,
    /// Versions that are gone, with the version that took their place.
    pub successors: Arc<[(Version, Version)]>,
}

/// Why a job goes where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// Nothing else claims it: it goes to the current version.
    Current,
    /// It falls into the share of a version that is being ramped.
    Share,
    /// A rule sends jobs like it to the version.
    Rule,
    /// A pin ties jobs like it to the version.
    StandingPin,
    /// It names the version itself.
    Pin,
    /// Somebody moved it.
    Moved,
    /// It panicked on the version to which it would have gone.
    Elsewhere,
}

/// How a job was resolved: by which table and why. Four bytes, since each job carries it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Route(u32);

const REASONS: [Reason; 7] = [
    Reason::Current,
    Reason::Share,
    Reason::Rule,
    Reason::StandingPin,
    Reason::Pin,
    Reason::Moved,
    Reason::Elsewhere,
];
const REASON_BITS: u32 = 3;

impl Route {
    /// By the table of this number, for this reason. After 536,870,911 the numbers begin anew.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "it is said so")]
    pub fn new(revision: Revision, reason: Reason) -> Self {
        Self((revision.get() as u32) << REASON_BITS | reason as u32)
    }

    /// The four bytes, to be kept elsewhere.
    pub const fn to_bits(self) -> u32 {
        self.0
    }

    /// The route of these four bytes.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// Whether it is by the table of this number.
    pub fn is_by(self, revision: Revision) -> bool {
        Self::new(revision, self.reason()) == self
    }

    /// The number of the table. Zero, if the job has not been resolved yet.
    pub fn revision(self) -> Revision {
        Revision::new(u64::from(self.0 >> REASON_BITS))
    }

    /// Whether it goes where it goes by chance: by a share, or since nothing else claims it. Everything else is somebody's choice.
    #[inline(always)]
    pub fn is_by_chance(self) -> bool {
        // The first two of the reasons: looked at for each job.
        self.0 & ((1 << REASON_BITS) - 2) == 0
    }

    /// Why it goes where that table sent it.
    pub fn reason(self) -> Reason {
        REASONS.get((self.0 & ((1 << REASON_BITS) - 1)) as usize).copied().unwrap_or(Reason::Current)
    }
}

/// As people would say it: `by table 7, for its share of new jobs`.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.reason() {
            Reason::Current => "as the current version",
            Reason::Share => "for its share of new jobs",
            Reason::Rule => "by a rule",
            Reason::StandingPin => "by a pin on jobs like it",
            Reason::Pin => "since the job names it",
            Reason::Moved => "since the job was moved there",
            Reason::Elsewhere => "since the job panicked on another version",
        };
        write!(f, "by table {}, {why}", self.revision())
    }
}

/// Why no version takes a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoute {
    /// No version is current yet: the job can wait for one.
    NoVersion,
    /// The version that the job names, or that a pin ties it to, does not serve it, and waiting will not help.
    PinUnserved,
}

impl<P> RoutingTable<P> {
    /// The table before the first deploy.
    pub fn empty() -> Self {
        Self {
            revision: Revision::new(0),
            current: None,
            shares: Shares::none(),
            standing: None,
            serving: Vec::new(),
            successors: Arc::new([]),
        }
    }

    /// The pool for a job, and why: of the version that it names, else of the one that a pin ties it to, else of the one that a rule sends it to,
    /// else of the one whose share it falls into, else of the current one.
    ///
    /// # Errors
    ///
    /// [`NoRoute`] when no pool takes it.
    #[inline(always)]
    pub fn resolve(&self, job: &impl Routed) -> Result<(&P, Reason), NoRoute> {
        if let Some(version) = job.pin() {
            let pool = self.serving(version).ok_or(NoRoute::PinUnserved)?;
            return Ok((pool, Reason::Pin));
        }
        if let Some(standing) = &self.standing
            && let Some(chosen) = self.by_standing(standing, job)
        {
            return chosen;
        }
        if !self.shares.is_none()
            && let Some(pool) = self.shares.owner(job.spread())
        {
            return Ok((pool, Reason::Share));
        }
        self.current()
    }

    /// As [`resolve`](Self::resolve), for a job that is tried again: if nothing ties it to a version that is to be avoided, and another version takes new
    /// jobs that is not, it goes there.
    ///
    /// # Errors
    ///
    /// As [`resolve`](Self::resolve).
    pub fn resolve_avoiding(
        &self,
        job: &impl Routed,
        avoids: impl Fn(&P) -> bool,
    ) -> Result<(&P, Reason), NoRoute> {
        let (pool, reason) = self.resolve(job)?;
        let is_tied = matches!(reason, Reason::Pin | Reason::StandingPin);
        if is_tied || !avoids(pool) {
            return Ok((pool, reason));
        }
        let other = self.takers().find(|taker| !avoids(taker));
        Ok(other.map_or((pool, reason), |other| (other, Reason::Elsewhere)))
    }

    /// The pool of the current version: for a job that the version to which it was resolved has no use for.
    ///
    /// # Errors
    ///
    /// [`NoRoute::NoVersion`] when there is none.
    #[inline(always)]
    pub fn current(&self) -> Result<(&P, Reason), NoRoute> {
        self.current.as_ref().map(|pool| (pool, Reason::Current)).ok_or(NoRoute::NoVersion)
    }

    fn by_standing(&self, standing: &Standing, job: &impl Routed) -> Option<Result<(&P, Reason), NoRoute>> {
        if let Some(version) = standing.pin(job) {
            let pool = self.serving(version).ok_or(NoRoute::PinUnserved);
            return Some(pool.map(|pool| (pool, Reason::StandingPin)));
        }
        let pool = self.serving(standing.rule(job)?)?;
        Some(Ok((pool, Reason::Rule)))
    }

    /// Whether this job runs on this version and no other: it names it, or a pin ties it to it.
    pub fn is_tied(&self, job: &impl Routed, version: &Version) -> bool {
        let tied = || self.standing.as_ref().and_then(|standing| standing.pin(job));
        job.pin().or_else(tied) == Some(version)
    }

    /// The pool that serves jobs that name this version.
    pub fn serving(&self, version: &Version) -> Option<&P> {
        self.serving.iter().find(|(serving, _)| serving == version).map(|(_, pool)| pool)
    }

    /// The version that took the place of one that is gone, or of that one's successor, and so on, up to one that serves.
    pub fn successor(&self, gone: &Version) -> Option<&Version> {
        let next = |version: &Version| {
            self.successors.iter().find(|(gone, _)| gone == version).map(|(_, successor)| successor)
        };
        let mut successor = next(gone)?;
        // No longer than there are any: two may have taken each other's place.
        for _ in 0..self.successors.len() {
            if self.serving(successor).is_some() {
                break;
            }
            successor = next(successor)?;
        }
        Some(successor)
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
            standing: self.standing.clone(),
            serving: serving.filter_map(|(version, pool)| Some((version.clone(), other(pool)?))).collect(),
            successors: Arc::clone(&self.successors),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::JobId;
    use crate::id::Key;
    use crate::share::Share;
    use crate::standing::Pin;
    use crate::whose::Header;
    use crate::whose::Whose;

    #[derive(Default)]
    struct Job {
        pin: Option<Version>,
        id: u64,
        key: Option<Key>,
        headers: Vec<Header>,
    }

    impl Routed for Job {
        fn pin(&self) -> Option<&Version> {
            self.pin.as_ref()
        }

        fn spread(&self) -> u64 {
            self.id
        }

        fn id(&self) -> JobId {
            JobId::new(self.id)
        }

        fn key(&self) -> Option<&Key> {
            self.key.as_ref()
        }

        fn headers(&self) -> &[Header] {
            &self.headers
        }
    }

    fn nth(id: u64) -> Job {
        Job { id, ..Job::default() }
    }

    fn pinned(version: &str) -> Job {
        Job { pin: Some(version.into()), ..Job::default() }
    }

    #[test]
    fn by_chance_are_the_current_version_and_a_share_and_nothing_else() {
        for reason in REASONS {
            let by_chance = matches!(reason, Reason::Current | Reason::Share);
            assert_eq!(Route::new(Revision::new(7), reason).is_by_chance(), by_chance, "{reason:?}");
        }
    }

    #[test]
    fn a_job_goes_to_the_current_version_and_a_pinned_one_to_the_version_it_names() {
        let mut table = RoutingTable::empty();
        assert_eq!(table.resolve(&nth(1)), Err(NoRoute::NoVersion));
        table.current = Some("pool 2");
        table.serving = vec![("1.0.0".into(), "pool 1"), ("2.0.0".into(), "pool 2")];
        assert_eq!(table.resolve(&nth(1)), Ok((&"pool 2", Reason::Current)));
        assert_eq!(table.resolve(&pinned("1.0.0")), Ok((&"pool 1", Reason::Pin)));
        assert_eq!(table.resolve(&pinned("2.0.0")), Ok((&"pool 2", Reason::Pin)));
        assert_eq!(table.resolve(&pinned("0.9.0")), Err(NoRoute::PinUnserved));
    }

    #[test]
    fn a_job_that_names_no_version_goes_by_shares_and_what_they_leave_to_the_current_one() {
        let mut table = RoutingTable::empty();
        table.shares.set(&"pool 2", Share::percent(50.0).expect("a share"), 1).expect("room");
        let to = |table: &RoutingTable<&'static str>, id| table.resolve(&nth(id)).map(|(pool, _)| *pool);
        let outcomes: Vec<_> = (0..100).map(|id| to(&table, id)).collect();
        assert!(outcomes.contains(&Ok("pool 2")) && outcomes.contains(&Err(NoRoute::NoVersion)));
        table.current = Some("pool 1");
        for (id, before) in (0..100).zip(outcomes) {
            assert_eq!(to(&table, id), before.or(Ok("pool 1")));
        }
        table.serving = vec![("1.0.0".into(), "pool 1")];
        for id in 0..100 {
            let job = Job { id, ..pinned("1.0.0") };
            assert_eq!(table.resolve(&job), Ok((&"pool 1", Reason::Pin)), "a pin goes before a share");
        }
    }

    #[test]
    fn the_order_is_own_pin_then_standing_pin_then_rule_then_share_and_the_narrowest_of_a_kind() {
        let mut table = RoutingTable::empty();
        for version in ["own", "by job", "by key", "by tenant", "rule", "share", "current"] {
            table.serving.push((version.into(), version));
        }
        table.current = Some("current");
        table.shares.set(&"share", Share::EVERYBODY, 1).expect("room");
        let mut standing = Standing::default();
        standing.rules.insert(Whose::header("region", "eu"), "rule".into());
        let job = Job {
            pin: Some("own".into()),
            id: 7,
            key: Some(Key::from("customer-42")),
            headers: vec![Header::new("region", "eu"), Header::new("tenant", "acme")],
        };
        let pin = |version: &str| Pin { version: version.into(), until: None };
        standing.pins.insert(Whose::tenant("acme"), pin("by tenant"));
        standing.pins.insert(Whose::key("customer-42"), pin("by key"));
        standing.pins.insert(Whose::job(JobId::new(7)), pin("by job"));
        let mut went = Vec::new();
        let mut resolve = |job: &Job, standing: &Standing| {
            table.standing = (!standing.is_empty()).then(|| Arc::new(standing.clone()));
            went.push(*table.resolve(job).expect("a version").0);
        };
        resolve(&job, &standing);
        let job = Job { pin: None, ..job };
        resolve(&job, &standing);
        for whose in [Whose::job(JobId::new(7)), Whose::key("customer-42"), Whose::tenant("acme")] {
            standing.pins.remove(&whose);
            resolve(&job, &standing);
        }
        standing.rules.clear();
        resolve(&job, &standing);
        assert_eq!(went, ["own", "by job", "by key", "by tenant", "rule", "share"]);
    }

    #[test]
    fn a_job_avoids_a_version_as_long_as_another_takes_new_jobs_and_nothing_ties_it() {
        let mut table = RoutingTable { current: Some("current"), ..RoutingTable::empty() };
        table.serving = vec![("1".into(), "current"), ("2".into(), "ramped")];
        let avoiding = |table: &RoutingTable<&'static str>, job: &Job, avoided: &[&str]| {
            table.resolve_avoiding(job, |pool| avoided.contains(pool)).map(|(pool, reason)| (*pool, reason))
        };
        assert_eq!(avoiding(&table, &nth(1), &["current"]), Ok(("current", Reason::Current)), "nobody else");
        table.shares.set(&"ramped", Share::EVERYBODY, 1).expect("room");
        assert_eq!(avoiding(&table, &nth(1), &[]), Ok(("ramped", Reason::Share)));
        assert_eq!(avoiding(&table, &nth(1), &["ramped"]), Ok(("current", Reason::Elsewhere)));
        assert_eq!(avoiding(&table, &nth(1), &["ramped", "current"]), Ok(("ramped", Reason::Share)));
        assert_eq!(avoiding(&table, &pinned("2"), &["ramped"]), Ok(("ramped", Reason::Pin)));
    }

    #[test]
    fn a_standing_pin_to_a_version_that_does_not_serve_is_unserved_and_such_a_rule_is_passed_over() {
        let mut table = RoutingTable { current: Some("current"), ..RoutingTable::empty() };
        let mut standing = Standing::default();
        standing.rules.insert(Whose::key(1), "gone".into());
        standing.pins.insert(Whose::key(2), Pin { version: "gone".into(), until: None });
        table.standing = Some(Arc::new(standing));
        let with_key = |key: u64| Job { key: Some(Key::from(key)), ..Job::default() };
        assert_eq!(table.resolve(&with_key(1)), Ok((&"current", Reason::Current)));
        assert_eq!(table.resolve(&with_key(2)), Err(NoRoute::PinUnserved));
    }

    #[test]
    fn the_successor_of_a_version_that_is_gone_is_one_that_serves_and_the_search_for_it_ends() {
        let mut table = RoutingTable { serving: vec![("3".into(), ())], ..RoutingTable::empty() };
        let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect();
        table.successors = pairs(&[("1", "2"), ("2", "3")]);
        assert_eq!(table.successor(&"1".into()), Some(&"3".into()));
        assert_eq!(table.successor(&"3".into()), None);
        table.successors = pairs(&[("1", "2"), ("2", "1")]);
        assert!(table.successor(&"1".into()).is_some(), "they took each other's place");
    }

    #[test]
    fn a_route_is_what_was_written_into_it() {
        for reason in REASONS {
            let route = Route::new(Revision::new(12_345), reason);
            assert_eq!((route.revision(), route.reason()), (Revision::new(12_345), reason));
        }
        let beyond = Route::new(Revision::new((1 << 29) + 5), Reason::Moved);
        assert_eq!((beyond.revision().get(), beyond.reason()), (5, Reason::Moved));
        let said = Route::new(Revision::new(7), Reason::Share).to_string();
        assert_eq!(said, "by table 7, for its share of new jobs");
    }
}
