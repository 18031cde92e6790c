//! The dictionary is a community of one worker, which has the words in `&mut self`; those who ask it are jobs of another.

use savina_problems::dictionary::Dictionary;
use savina_problems::dictionary::Query;
use savina_problems::dictionary::Words;
use seral::prelude::*;

use crate::stage::end;

struct Librarian {
    words: Words,
}

impl Worker for Librarian {
    type Job = Query;
    type Output = u64;

    async fn process(&mut self, query: &Query, _: &JobContext) -> Result<u64, Fault> {
        Ok(self.words.answer(*query))
    }
}

struct Reader {
    problem: Dictionary,
    dictionary: Community<Query, u64>,
}

impl Worker for Reader {
    /// The number of the reader.
    type Job = usize;
    /// How many answers were right.
    type Output = usize;

    async fn process(&mut self, number: &usize, _: &JobContext) -> Result<usize, Fault> {
        let mut right = 0;
        for query in self.problem.queries_of(*number) {
            let answer = self.dictionary.ask(query).await?;
            right += usize::from(self.problem.is_right(query, answer));
        }
        Ok(right)
    }
}

pub(crate) async fn run(problem: Dictionary) -> Result<usize, BoxError> {
    let ecosystem = Ecosystem::new("dictionary");
    let dictionary = ecosystem.community("dictionary").await?;
    dictionary.deploy("1.0.0", Pool::of(1, move || Librarian { words: problem.words() })).await?;
    let readers = ecosystem.community("readers").await?;
    let reader = move || Reader { problem, dictionary: dictionary.clone() };
    readers.deploy("1.0.0", Pool::of(problem.workers, reader)).await?;

    let mut reading = Vec::new();
    for number in 0..problem.workers {
        reading.push(readers.submit(number).await?);
    }
    let mut right = 0;
    for reader in reading {
        right += reader.await?;
    }
    end(&ecosystem).await?;
    Ok(right)
}
