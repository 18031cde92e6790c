//! Whose jobs: what routing sees of a job, and what a pin or a rule is about.

use std::fmt;
use std::sync::Arc;

use crate::id::JobId;
use crate::id::Key;
use crate::id::Version;

/// What decides where a job goes.
pub trait Routed {
    /// The version that it names itself, if it names one.
    fn pin(&self) -> Option<&Version>;

    /// A number that is the same for jobs that go the same way: of its key, or its own if it has no key.
    fn spread(&self) -> u64;

    /// Its number.
    fn id(&self) -> JobId;

    /// Its key, if it has one.
    fn key(&self) -> Option<&Key>;

    /// Its headers.
    fn headers(&self) -> &[Header];
}

/// The name of the header that says for whom a job is done.
pub const TENANT: &str = "tenant";

/// A word about a job, by name, that routing can go by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Header {
    /// Its name.
    pub name: Arc<str>,
    /// What it says.
    pub value: Arc<str>,
}

impl Header {
    /// A header of this name.
    pub fn new(name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        Self { name: name.as_ref().into(), value: value.as_ref().into() }
    }
}

/// Whose jobs a pin or a rule is about. From the narrowest to the widest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Whose {
    /// The job of this number.
    Job(JobId),
    /// All jobs with this key.
    Key(Key),
    /// All jobs with this header.
    Header(Header),
}

impl Whose {
    /// The job of this number.
    pub fn job(id: JobId) -> Self {
        Self::Job(id)
    }

    /// All jobs with this key.
    pub fn key(key: impl Into<Key>) -> Self {
        Self::Key(key.into())
    }

    /// All jobs of this tenant: those with a header `tenant` that names it.
    pub fn tenant(tenant: impl AsRef<str>) -> Self {
        Self::header(TENANT, tenant)
    }

    /// Whether this is one of the jobs.
    pub fn is_of(&self, job: &impl Routed) -> bool {
        match self {
            Self::Job(id) => job.id() == *id,
            Self::Key(key) => job.key() == Some(key),
            Self::Header(header) => job.headers().contains(header),
        }
    }

    /// All jobs with this header.
    pub fn header(name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        Self::Header(Header::new(name, value))
    }
}

/// As people would say it: `jobs with key customer-42`.
impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Job(id) => write!(f, "job {id}"),
            Self::Key(key) => write!(f, "jobs with key {key}"),
            Self::Header(Header { name, value }) if &**name == TENANT => {
                write!(f, "jobs of tenant {value}")
            }
            Self::Header(Header { name, value }) => write!(f, "jobs with {name} {value}"),
        }
    }
}
