//! What a verb in a simulation came to, in the words of its history.

use std::fmt::Display;

use seral::Rollback;
use seral::Rollout;
use seral::Version;
use seral::rollout::End;
use seral::verb::Deployment;

/// What a verb may come to; see [`Simulation::at`](crate::Simulation::at). Give `()` or a text for whatever is not here.
pub trait Answer {
    /// In words, which must be the same each time.
    fn answer(self) -> String;
}

impl Answer for () {
    fn answer(self) -> String {
        "done".to_owned()
    }
}

impl Answer for String {
    fn answer(self) -> String {
        self
    }
}

impl Answer for &str {
    fn answer(self) -> String {
        self.to_owned()
    }
}

impl Answer for Deployment {
    fn answer(self) -> String {
        let Self { version, state, share, .. } = self;
        match share {
            Some(share) => format!("{version} is {state:?} with {share}"),
            None => format!("{version} is {state:?}"),
        }
    }
}

impl<J, O> Answer for Rollout<J, O>
where
    J: Send + Sync + 'static,
    O: Send + 'static,
{
    fn answer(self) -> String {
        self.deployment().clone().answer()
    }
}

impl Answer for End {
    fn answer(self) -> String {
        format!("{self:?}")
    }
}

impl Answer for Rollback {
    fn answer(self) -> String {
        match self {
            Self::To { from, to, how, .. } => format!("rolled back from {from} to {to} ({how:?})"),
            Self::DeployEnded { version } => format!("the deploy of {version} was given up"),
            Self::Already => "that was done already".to_owned(),
            other => format!("{other:?}"),
        }
    }
}

impl Answer for Vec<Version> {
    fn answer(self) -> String {
        self.iter().map(Version::as_str).collect::<Vec<_>>().join(", ")
    }
}

impl<A: Answer, E: Display> Answer for Result<A, E> {
    fn answer(self) -> String {
        match self {
            Ok(answer) => answer.answer(),
            Err(error) => format!("refused: {error}"),
        }
    }
}
