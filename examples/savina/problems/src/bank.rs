//! Money that goes from one account to another; an account that has sent some does nothing else until the other has it.

use crate::program::BoxError;
use crate::program::Problem;
use crate::program::Size;
use crate::program::same;
use crate::random::Random;

/// The parameters.
#[derive(Clone, Copy, Debug)]
pub struct Bank {
    /// How many accounts there are.
    pub accounts: usize,
    /// How much is transferred how often.
    pub transactions: usize,
}

/// What each account has in the beginning.
pub const INITIAL: i64 = 1_000_000_000;

/// An order to transfer money.
#[derive(Clone, Copy, Debug)]
pub struct Transfer {
    /// The account that sends it.
    pub from: usize,
    /// The one that gets it, which has a higher number: so no two wait for each other.
    pub to: usize,
    /// How much, in cents.
    pub cents: i64,
}

impl Bank {
    /// The orders.
    pub fn transfers(&self) -> impl Iterator<Item = Transfer> + Send + use<> {
        let (accounts, mut random) = (self.accounts, Random::new(123_456));
        (0..self.transactions).map(move |_| {
            let from = random.place(accounts / 10 * 8);
            let to = from + random.place(accounts - from).max(1);
            Transfer { from, to, cents: i64::try_from(random.below(100_000)).unwrap_or_default() }
        })
    }
}

impl Problem for Bank {
    const NAME: &'static str = "bank";
    const ABOUT: &'static str = "transfers; an account waits until the other has the money";
    type Answer = Vec<i64>;

    fn of(size: Size) -> Self {
        Self { accounts: size.pick(1_000, 50), transactions: size.pick(50_000, 500) }
    }

    /// The answer is what is on each account in the end.
    fn check(&self, balances: &Vec<i64>) -> Result<(), BoxError> {
        let mut expected = vec![INITIAL; self.accounts];
        for Transfer { from, to, cents } in self.transfers() {
            expected[from] -= cents;
            expected[to] += cents;
        }
        let wrong = balances.iter().zip(&expected).filter(|(found, expected)| found != expected).count();
        same("accounts and wrong ones", &(balances.len(), wrong), &(self.accounts, 0))
    }
}
