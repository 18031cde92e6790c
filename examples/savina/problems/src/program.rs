//! What every program has: a name, parameters, and a result that can be wrong.

use std::error::Error;
use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;
use std::time::Instant;

/// Whatever went wrong.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// How much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// The suite's default parameters.
    Full,
    /// So little that all programs together take seconds.
    Quick,
}

impl Size {
    /// The first at full size, the second where it has to be quick.
    pub fn pick<T>(self, full: T, quick: T) -> T {
        match self {
            Self::Full => full,
            Self::Quick => quick,
        }
    }
}

/// What a program has to compute: the parameters, without a runtime.
pub trait Problem: Copy + Debug + Send + Sync + 'static {
    /// What it is called on the command line.
    const NAME: &'static str;
    /// What it is about, in a line.
    const ABOUT: &'static str;
    /// What comes out.
    type Answer: Send;

    /// With parameters of this size.
    fn of(size: Size) -> Self;

    /// Compares the answer with a known value, or with that of a sequential computation.
    ///
    /// # Errors
    ///
    /// The answer is wrong; the error says what it should have been.
    fn check(&self, answer: &Self::Answer) -> Result<(), BoxError>;
}

/// Compares two values.
///
/// # Errors
///
/// They differ.
pub fn same<T: PartialEq + Debug>(what: &str, found: &T, expected: &T) -> Result<(), BoxError> {
    if found == expected { Ok(()) } else { Err(format!("{what}: {found:?} instead of {expected:?}").into()) }
}

/// A run of a program, about to be made: how long it took, if its answer was right.
pub type Run = Pin<Box<dyn Future<Output = Result<Duration, BoxError>> + Send>>;

/// A program on some runtime.
#[expect(missing_debug_implementations, reason = "there is nothing to see but its name")]
pub struct Program {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What it is about, in a line.
    pub about: &'static str,
    /// Its parameters, for people.
    pub parameters: fn(Size) -> String,
    run: Box<dyn Fn(Size) -> Run + Send + Sync>,
}

impl Program {
    /// The program that computes this problem's answer by `compute`.
    pub fn new<P: Problem, F>(compute: fn(P) -> F) -> Self
    where
        F: Future<Output = Result<P::Answer, BoxError>> + Send + 'static,
    {
        let run = move |size| -> Run {
            let problem = P::of(size);
            Box::pin(async move {
                let began = Instant::now();
                let answer = compute(problem).await?;
                let took = began.elapsed();
                problem.check(&answer)?;
                Ok(took)
            })
        };
        Self {
            name: P::NAME,
            about: P::ABOUT,
            parameters: |size| format!("{:?}", P::of(size)),
            run: Box::new(run),
        }
    }

    /// Runs it once: from making the first actor until the last one has ended. The answer is checked after that.
    pub fn run(&self, size: Size) -> Run {
        (self.run)(size)
    }
}
