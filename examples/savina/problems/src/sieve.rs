//! Primes by a chain of sieves that grows: each has a thousand primes, and passes on what none of them divides.

use crate::program::BoxError;
use crate::program::Problem;
use crate::program::Size;
use crate::program::same;

/// The parameters.
#[derive(Clone, Copy, Debug)]
pub struct Sieve {
    /// Primes below this number.
    pub below: u64,
    /// How many primes one sieve has.
    pub primes: usize,
}

/// What is sent along the chain.
#[derive(Clone, Copy, Debug)]
pub enum Candidate {
    /// This may be a prime.
    Number(u64),
    /// There are no more; so many primes were found on the way here.
    End(usize),
}

impl Sieve {
    /// All that are tried: the odd numbers.
    pub fn candidates(&self) -> impl Iterator<Item = Candidate> + Send + use<> {
        (3..self.below).step_by(2).map(Candidate::Number).chain([Candidate::End(0)])
    }
}

/// The primes of one sieve.
#[derive(Clone, Debug)]
pub struct Primes {
    primes: Vec<u64>,
    room: usize,
}

impl Primes {
    /// The first sieve's.
    pub fn first(problem: Sieve) -> Self {
        Self::from(problem, 2)
    }

    /// Those from this one on.
    pub fn from(problem: Sieve, prime: u64) -> Self {
        Self { primes: vec![prime], room: problem.primes }
    }

    /// How many it has.
    pub fn count(&self) -> usize {
        self.primes.len()
    }

    /// Keeps a prime, as long as there is room, and gives it back if there is none.
    pub fn sift(&mut self, number: u64) -> Option<u64> {
        if self.primes.iter().any(|prime| number.is_multiple_of(*prime)) {
            return None;
        }
        if self.primes.len() == self.room {
            return Some(number);
        }
        self.primes.push(number);
        None
    }
}

impl Problem for Sieve {
    const NAME: &'static str = "sieve";
    const ABOUT: &'static str = "primes by a chain of sieves that grows";
    type Answer = usize;

    fn of(size: Size) -> Self {
        Self { below: size.pick(100_000, 2_000), primes: size.pick(1_000, 100) }
    }

    fn check(&self, primes: &usize) -> Result<(), BoxError> {
        let is_prime = |number: &u64| (2..=number.isqrt()).all(|divisor| !number.is_multiple_of(divisor));
        same("primes", primes, &(2..self.below).filter(is_prime).count())
    }
}
