//! A chain of actors that grows: a sieve that has no room for a prime starts the next one.

use savina_problems::program::BoxError;
use savina_problems::sieve::Candidate;
use savina_problems::sieve::Primes;
use savina_problems::sieve::Sieve;
use tokio::sync::mpsc;

use crate::actor::Actor;
use crate::actor::Answers;
use crate::actor::Next;
use crate::actor::Runtime;
use crate::actor::World;
use crate::actor::answer;
use crate::actor::give;

struct Link<R: Runtime> {
    problem: Sieve,
    world: World<R>,
    primes: Primes,
    next: Option<R::Address<Self>>,
    answers: Answers<usize>,
}

impl<R: Runtime> Actor<R> for Link<R> {
    type Message = Candidate;

    fn handle(&mut self, candidate: Candidate, _: &R::Address<Self>) -> Next {
        match candidate {
            Candidate::Number(number) => {
                if let Some(prime) = self.primes.sift(number) {
                    self.pass_on(prime);
                }
                Next::Continue
            }
            Candidate::End(found) => {
                let found = found + self.primes.count();
                match &self.next {
                    Some(next) => R::send(next, Candidate::End(found)),
                    None => give(&self.answers, found),
                }
                Next::Stop
            }
        }
    }
}

impl<R: Runtime> Link<R> {
    fn pass_on(&mut self, prime: u64) {
        if let Some(next) = &self.next {
            R::send(next, Candidate::Number(prime));
            return;
        }
        let primes = Primes::from(self.problem, prime);
        let (world, answers) = (self.world.clone(), self.answers.clone());
        self.next =
            Some(self.world.start(Self { problem: self.problem, world, primes, next: None, answers }));
    }
}

pub(crate) async fn run<R: Runtime>(problem: Sieve) -> Result<usize, BoxError> {
    let (world, end) = World::<R>::new();
    let (answers, mut arrived) = mpsc::unbounded_channel();
    let primes = Primes::first(problem);
    let first = world.start(Link { problem, world: world.clone(), primes, next: None, answers });
    for candidate in problem.candidates() {
        R::send(&first, candidate);
    }
    let primes = answer(&mut arrived).await?;
    drop(first);
    end.of(world).await;
    Ok(primes)
}
