//! A chain of communities that is made while it runs: a sieve that has no room for a prime makes the next one, with the handle of the ecosystem.

use savina_problems::sieve::Candidate;
use savina_problems::sieve::Primes;
use savina_problems::sieve::Sieve;
use seral::prelude::*;
use tokio::sync::mpsc;

use crate::stage::Answers;
use crate::stage::answer;
use crate::stage::end;

type Next = Community<Candidate, ()>;

/// What all sieves have.
#[derive(Clone)]
struct Chain {
    problem: Sieve,
    ecosystem: Ecosystem,
    answers: Answers<usize>,
}

struct Link {
    chain: Chain,
    primes: Primes,
    next: Option<Next>,
}

impl Worker for Link {
    type Job = Candidate;
    type Output = ();

    async fn process(&mut self, candidate: &Candidate, _: &JobContext) -> Result<(), Fault> {
        let goes_on = match *candidate {
            Candidate::Number(number) => match self.primes.sift(number) {
                Some(beyond) => Candidate::Number(beyond),
                None => return Ok(()),
            },
            Candidate::End(found) => Candidate::End(found + self.primes.count()),
        };
        match (&self.next, goes_on) {
            (Some(next), _) => {
                next.send(goes_on).await?;
            }
            (None, Candidate::Number(prime)) => {
                let primes = Primes::from(self.chain.problem, prime);
                self.next = Some(link(&self.chain, &format!("from-{prime}"), primes).await?);
            }
            (None, Candidate::End(found)) => self.chain.answers.send(found)?,
        }
        Ok(())
    }
}

/// Makes a sieve, the last of the chain.
async fn link(chain: &Chain, name: &str, primes: Primes) -> Result<Next, BoxError> {
    let link = chain.ecosystem.community(name).await?;
    let chain = chain.clone();
    let worker = move || Link { chain: chain.clone(), primes: primes.clone(), next: None };
    link.deploy("1.0.0", Pool::of(1, worker)).await?;
    Ok(link)
}

pub(crate) async fn run(problem: Sieve) -> Result<usize, BoxError> {
    let ecosystem = Ecosystem::new("sieve");
    let (answers, mut arrived) = mpsc::unbounded_channel();
    let chain = Chain { problem, ecosystem: ecosystem.clone(), answers };
    let first = link(&chain, "first", Primes::first(problem)).await?;

    first.send_all(&mut problem.candidates()).await?;
    let primes = answer(&mut arrived).await?;
    end(&ecosystem).await?;
    Ok(primes)
}
