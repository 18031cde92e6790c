//! A dictionary that twenty ask: nine in ten read, one in ten writes.

use std::collections::HashMap;

use crate::program::BoxError;
use crate::program::Problem;
use crate::program::Size;
use crate::program::same;
use crate::random::Random;

/// The parameters.
#[derive(Clone, Copy, Debug)]
pub struct Dictionary {
    /// How many ask.
    pub workers: usize,
    /// How often each asks.
    pub messages: usize,
    /// How many of a hundred messages write.
    pub writes: u64,
    /// How many words the dictionary has.
    pub words: u64,
}

/// What the dictionary is asked.
#[derive(Clone, Copy, Debug)]
pub enum Query {
    /// What is there for this word?
    Read(u64),
    /// There is this for that word now.
    Write(u64, u64),
}

/// The words and what is there for them.
#[derive(Clone, Debug)]
pub struct Words(HashMap<u64, u64>);

impl Words {
    /// Answers a query: what is there for the word after it.
    pub fn answer(&mut self, query: Query) -> u64 {
        match query {
            Query::Read(word) => self.0.get(&word).copied().unwrap_or_default(),
            Query::Write(word, meaning) => {
                self.0.insert(word, meaning);
                meaning
            }
        }
    }
}

impl Dictionary {
    /// The words, in the beginning.
    pub fn words(&self) -> Words {
        Words((0..self.words).map(|word| (word, word)).collect())
    }

    /// What one of those who ask has to ask.
    pub fn queries_of(&self, worker: usize) -> impl Iterator<Item = Query> + Send + use<> {
        let (random, Self { messages, writes, words, .. }) = (Random::new(worker as u64), *self);
        (0..messages).scan(random, move |random, _| {
            let (dice, word) = (random.below(100), random.below(words));
            Some(if dice < writes {
                Query::Write(word, word + words * random.below(1_000))
            } else {
                Query::Read(word)
            })
        })
    }

    /// Whether this may be the answer to that: what is there for a word is always the word and a multiple of how many there are.
    pub fn is_right(&self, query: Query, answer: u64) -> bool {
        match query {
            Query::Read(word) => answer % self.words == word,
            Query::Write(_, meaning) => answer == meaning,
        }
    }
}

impl Problem for Dictionary {
    const NAME: &'static str = "dictionary";
    const ABOUT: &'static str = "twenty who read and write one dictionary";
    type Answer = usize;

    fn of(size: Size) -> Self {
        let words = size.pick(524_287, 1_000);
        Self { workers: size.pick(20, 4), messages: size.pick(10_000, 100), writes: 10, words }
    }

    fn check(&self, right: &usize) -> Result<(), BoxError> {
        same("right answers", right, &(self.workers * self.messages))
    }
}
