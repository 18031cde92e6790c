//! A dictionary, and actors that ask it: a request and a reply are a message each.

use savina_problems::dictionary::Dictionary;
use savina_problems::dictionary::Query;
use savina_problems::dictionary::Words;
use savina_problems::program::BoxError;
use tokio::sync::mpsc;

use crate::actor::Actor;
use crate::actor::Answers;
use crate::actor::Next;
use crate::actor::Runtime;
use crate::actor::World;
use crate::actor::answer;
use crate::actor::give;

struct Librarian<R: Runtime> {
    words: Words,
    runtime: std::marker::PhantomData<fn() -> R>,
}

impl<R: Runtime> Actor<R> for Librarian<R> {
    type Message = (Query, R::Address<Reader<R>>);

    fn handle(&mut self, (query, reader): Self::Message, _: &R::Address<Self>) -> Next {
        R::send(&reader, Some(self.words.answer(query)));
        Next::Continue
    }
}

struct Reader<R: Runtime> {
    problem: Dictionary,
    queries: Box<dyn Iterator<Item = Query> + Send>,
    asked: Option<Query>,
    right: usize,
    dictionary: R::Address<Librarian<R>>,
    answers: Answers<usize>,
}

impl<R: Runtime> Actor<R> for Reader<R> {
    /// The answer to its query; nothing at the beginning.
    type Message = Option<u64>;

    fn handle(&mut self, answer: Option<u64>, myself: &R::Address<Self>) -> Next {
        if let (Some(query), Some(answer)) = (self.asked, answer) {
            self.right += usize::from(self.problem.is_right(query, answer));
        }
        self.asked = self.queries.next();
        match self.asked {
            Some(query) => {
                R::send(&self.dictionary, (query, myself.clone()));
                Next::Continue
            }
            None => {
                give(&self.answers, self.right);
                Next::Stop
            }
        }
    }
}

pub(crate) async fn run<R: Runtime>(problem: Dictionary) -> Result<usize, BoxError> {
    let (world, end) = World::<R>::new();
    let (answers, mut arrived) = mpsc::unbounded_channel();
    let dictionary = world.start(Librarian { words: problem.words(), runtime: std::marker::PhantomData });
    for number in 0..problem.workers {
        let reader = world.start(Reader::<R> {
            problem,
            queries: Box::new(problem.queries_of(number)),
            asked: None,
            right: 0,
            dictionary: dictionary.clone(),
            answers: answers.clone(),
        });
        R::send(&reader, None);
    }
    let mut right = 0;
    for _ in 0..problem.workers {
        right += answer(&mut arrived).await?;
    }
    R::stop(&dictionary);
    end.of(world).await;
    Ok(right)
}
