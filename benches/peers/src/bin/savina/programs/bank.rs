//! An account is an actor. While it waits for another to have the money, it puts aside what else it gets.

use std::collections::VecDeque;

use savina_problems::bank::Bank;
use savina_problems::bank::INITIAL;
use savina_problems::bank::Transfer;
use savina_problems::program::BoxError;
use tokio::sync::mpsc;

use crate::actor::Actor;
use crate::actor::Answers;
use crate::actor::Next;
use crate::actor::Runtime;
use crate::actor::World;
use crate::actor::answer;
use crate::actor::give;

struct Account<R: Runtime> {
    number: usize,
    cents: i64,
    /// Whether it waits for another to have the money.
    waits: bool,
    aside: VecDeque<ToAccount<R>>,
    teller: Answers<FromAccount>,
}

enum ToAccount<R: Runtime> {
    Transfer(i64, R::Address<Account<R>>),
    Deposit(i64, R::Address<Account<R>>),
    Arrived,
    Close,
}

/// What the teller hears.
enum FromAccount {
    Done,
    Balance(usize, i64),
}

impl<R: Runtime> Actor<R> for Account<R> {
    type Message = ToAccount<R>;

    fn handle(&mut self, message: ToAccount<R>, myself: &R::Address<Self>) -> Next {
        match message {
            ToAccount::Arrived => {
                self.waits = false;
                give(&self.teller, FromAccount::Done);
            }
            other if self.waits => {
                self.aside.push_back(other);
                return Next::Continue;
            }
            ToAccount::Transfer(cents, to) => {
                self.cents -= cents;
                self.waits = true;
                R::send(&to, ToAccount::Deposit(cents, myself.clone()));
            }
            ToAccount::Deposit(cents, from) => {
                self.cents += cents;
                R::send(&from, ToAccount::Arrived);
            }
            ToAccount::Close => {
                give(&self.teller, FromAccount::Balance(self.number, self.cents));
                return Next::Stop;
            }
        }
        if !self.waits
            && let Some(message) = self.aside.pop_front()
        {
            R::send(myself, message);
        }
        Next::Continue
    }
}

pub(crate) async fn run<R: Runtime>(problem: Bank) -> Result<Vec<i64>, BoxError> {
    let (world, end) = World::<R>::new();
    let (teller, mut arrived) = mpsc::unbounded_channel();
    let account = |number| {
        let (aside, teller) = (VecDeque::new(), teller.clone());
        world.start(Account::<R> { number, cents: INITIAL, waits: false, aside, teller })
    };
    let accounts: Vec<_> = (0..problem.accounts).map(account).collect();
    for Transfer { from, to, cents } in problem.transfers() {
        R::send(&accounts[from], ToAccount::Transfer(cents, accounts[to].clone()));
    }
    for _ in 0..problem.transactions {
        answer(&mut arrived).await?;
    }
    for account in &accounts {
        R::send(account, ToAccount::Close);
    }
    let mut balances = vec![0; problem.accounts];
    for _ in 0..problem.accounts {
        if let FromAccount::Balance(number, cents) = answer(&mut arrived).await? {
            balances[number] = cents;
        }
    }
    end.of(world).await;
    Ok(balances)
}
