//! Creatures that meet in pairs and change their colours: all of them contend for one mall.

use crate::program::BoxError;
use crate::program::Problem;
use crate::program::Size;
use crate::program::same;

/// The parameters.
#[derive(Clone, Copy, Debug)]
pub struct Chameneos {
    /// How many creatures there are.
    pub creatures: usize,
    /// How often two of them meet.
    pub meetings: u64,
}

/// What a creature looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// The first.
    Blue,
    /// The second.
    Red,
    /// The third.
    Yellow,
}

impl Colour {
    /// Of the creature of this number, in the beginning.
    pub fn of(creature: usize) -> Self {
        [Self::Blue, Self::Red, Self::Yellow][creature % 3]
    }

    /// After a meeting with one of that colour: the same if both are alike, else the third.
    #[must_use]
    pub fn after(self, other: Self) -> Self {
        match (self, other) {
            (Self::Blue, Self::Red) | (Self::Red, Self::Blue) => Self::Yellow,
            (Self::Blue, Self::Yellow) | (Self::Yellow, Self::Blue) => Self::Red,
            (Self::Red, Self::Yellow) | (Self::Yellow, Self::Red) => Self::Blue,
            (alike, _) => alike,
        }
    }
}

impl Problem for Chameneos {
    const NAME: &'static str = "chameneos";
    const ABOUT: &'static str = "a hundred creatures meet in pairs, in one mall";
    type Answer = u64;

    fn of(size: Size) -> Self {
        Self { creatures: size.pick(100, 10), meetings: size.pick(200_000, 2_000) }
    }

    /// The answer is the sum of what each creature has counted.
    fn check(&self, met: &u64) -> Result<(), BoxError> {
        same("meetings, of both", met, &(2 * self.meetings))
    }
}
