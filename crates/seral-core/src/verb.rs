//! What somebody can want of the versions of a community.

use std::fmt;
use std::time::Duration;

use crate::id::Version;
use crate::limit::Limit;
use crate::share::Share;
use crate::time::Time;
use crate::whose::Whose;

/// What somebody wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Start a version, unless its workers are there, and do with it what is aimed at.
    Deploy {
        /// The name of the version.
        version: Version,
        /// What the version is made of; it tells two builds of one name apart.
        build: Build,
        /// What becomes of it when its workers are there.
        aim: Aim,
        /// Whether it is deployed though it is quarantined.
        force: bool,
        /// How long what it replaces has to drain, if not as long as it takes.
        drain_within: Option<Duration>,
    },
    /// Give a version whose workers are there another share of new jobs. With none it drains.
    Ramp {
        /// The version.
        version: Version,
        /// Its share from now on.
        share: Share,
        /// How many jobs it takes of that.
        limit: Limit,
    },
    /// Make a version current whose workers are there.
    Promote {
        /// The version.
        version: Version,
        /// How long what it replaces has to drain, if not as long as it takes.
        drain_within: Option<Duration>,
    },
    /// Go back.
    Rollback {
        /// To this version, or to the one that was promoted last before what is left.
        to: Option<Version>,
    },
    /// Leave a version that is being ramped, or is current, since it was found to be bad: its waiting jobs go back, and it is quarantined.
    Reject {
        /// The version.
        version: Version,
        /// The one that gets all new jobs then, if it is current. Without it, or if its workers are not there, it stays.
        back_to: Option<Version>,
    },
    /// End what is being ramped, loading or not: it drains.
    Abort,
    /// Give a version no new jobs; it finishes what it has.
    Drain {
        /// The version.
        version: Version,
        /// Whether it may be the current one, so that new jobs wait.
        allow_empty: bool,
        /// How long it has, if not as long as it takes.
        drain_within: Option<Duration>,
    },
    /// Let the workers of a drained version leave that are kept for a while, or of one that is held when it is drained.
    Retire(Version),
    /// Tie some jobs to a version, strictly, for a while or until it is unpinned.
    Pin {
        /// Which jobs.
        whose: Whose,
        /// The version.
        version: Version,
        /// When it ends, if ever.
        until: Option<Time>,
    },
    /// End a pin.
    Unpin(Whose),
    /// Send some new jobs to a version as long as it takes any.
    Route {
        /// Which jobs.
        whose: Whose,
        /// The version.
        version: Version,
    },
    /// End a rule. A version that had only this drains.
    Unroute(Whose),
}

impl Verb {
    /// Whether it is about where some jobs go, and not about versions.
    pub(crate) fn is_choice(&self) -> bool {
        matches!(self, Self::Pin { .. } | Self::Unpin(_) | Self::Route { .. } | Self::Unroute(_))
    }

    /// The version that it is about.
    pub fn version(&self) -> Option<Version> {
        match self {
            Self::Deploy { version, .. }
            | Self::Ramp { version, .. }
            | Self::Promote { version, .. }
            | Self::Reject { version, .. }
            | Self::Retire(version)
            | Self::Pin { version, .. }
            | Self::Route { version, .. }
            | Self::Drain { version, .. } => Some(version.clone()),
            Self::Rollback { to } => to.clone(),
            Self::Abort | Self::Unpin(_) | Self::Unroute(_) => None,
        }
    }
}

/// As people would say it: `ramp 2.0.0 to 25 %`.
impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deploy { version, aim: Aim::Current, .. } => write!(f, "deploy {version}"),
            Self::Deploy { version, aim: Aim::Ramp { share, limit: Limit::None, .. }, .. } => {
                write!(f, "deploy {version} with {share}")
            }
            Self::Deploy { version, aim: Aim::Ramp { share, limit, .. }, .. } => {
                write!(f, "deploy {version} with {share}, {limit}")
            }
            Self::Deploy { version, aim: Aim::Hold, .. } => write!(f, "deploy {version} and hold it"),
            Self::Ramp { version, share, limit: Limit::None } => write!(f, "ramp {version} to {share}"),
            Self::Ramp { version, share, limit } => write!(f, "ramp {version} to {share}, {limit}"),
            Self::Promote { version, .. } => write!(f, "promote {version}"),
            Self::Rollback { to: None } => f.write_str("roll back"),
            Self::Rollback { to: Some(version) } => write!(f, "roll back to {version}"),
            Self::Reject { version, .. } => write!(f, "reject {version}"),
            Self::Abort => f.write_str("abort"),
            Self::Drain { version, .. } => write!(f, "drain {version}"),
            Self::Retire(version) => write!(f, "retire {version}"),
            Self::Pin { whose, version, .. } => write!(f, "pin {whose} to {version}"),
            Self::Unpin(whose) => write!(f, "unpin {whose}"),
            Self::Route { whose, version } => write!(f, "route {whose} to {version}"),
            Self::Unroute(whose) => write!(f, "end the rule for {whose}"),
        }
    }
}

/// What becomes of a version that is deployed, when its workers are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Aim {
    /// It becomes current. What was current or ramped before it drains.
    Current,
    /// It gets a share. Without a current version it becomes current, since nobody else is there for the rest.
    Ramp {
        /// How much.
        share: Share,
        /// How many jobs it takes of that.
        limit: Limit,
        /// Whether what is being ramped keeps its share; else it drains.
        beside: bool,
    },
    /// It gets only jobs that name it.
    Hold,
}

impl Aim {
    /// Whether it is to get new jobs by more than rules.
    pub(crate) fn is_more(self) -> bool {
        match self {
            Self::Current => true,
            Self::Ramp { share, .. } => share > Share::NOBODY,
            Self::Hold => false,
        }
    }
}

/// What a version is made of: two builds are the same if they are equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Build(pub String);
