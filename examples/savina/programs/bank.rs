//! An account that sends is a key: a transfer has it, and keeps it while it asks for the money to be put on the other account. That is in another
//! community, since a worker that waited for a job of its own might wait for itself; so there a key would keep nobody apart, and a balance is an atomic.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering::Relaxed;

use savina_problems::bank::Bank;
use savina_problems::bank::INITIAL;
use savina_problems::bank::Transfer;
use seral::prelude::*;

use crate::stage::cores;
use crate::stage::end;

/// How many transfers wait for the other account at the same time.
const TELLERS: usize = 64;

type Balances = Arc<Vec<AtomicI64>>;

#[derive(Debug)]
struct Deposit {
    to: usize,
    cents: i64,
}

/// Puts money on accounts.
struct Clerk {
    balances: Balances,
}

impl Worker for Clerk {
    type Job = Deposit;
    type Output = ();

    async fn process(&mut self, Deposit { to, cents }: &Deposit, _: &JobContext) -> Result<(), Fault> {
        self.balances[*to].fetch_add(*cents, Relaxed);
        Ok(())
    }
}

/// Takes money from accounts, and waits until it has arrived.
struct Teller {
    balances: Balances,
    deposits: Community<Deposit, ()>,
}

impl Worker for Teller {
    type Job = Transfer;
    type Output = ();

    async fn process(&mut self, transfer: &Transfer, _: &JobContext) -> Result<(), Fault> {
        let Transfer { from, to, cents } = *transfer;
        self.balances[from].fetch_sub(cents, Relaxed);
        Ok(self.deposits.ask(Deposit { to, cents }).await?)
    }
}

pub(crate) async fn run(problem: Bank) -> Result<Vec<i64>, BoxError> {
    let ecosystem = Ecosystem::new("bank");
    let balances: Balances = Arc::new((0..problem.accounts).map(|_| AtomicI64::new(INITIAL)).collect());
    let deposits = ecosystem.community("deposits").await?;
    let of_clerk = Arc::clone(&balances);
    let clerk = move || Clerk { balances: Arc::clone(&of_clerk) };
    deposits.deploy("1.0.0", Pool::of(cores(), clerk)).await?;
    let transfers = ecosystem.community("transfers").await?;
    let of_teller = Arc::clone(&balances);
    let teller = move || Teller { balances: Arc::clone(&of_teller), deposits: deposits.clone() };
    transfers.deploy("1.0.0", Pool::of(TELLERS, teller)).await?;

    for transfer in problem.transfers() {
        transfers.submit(transfer).key(transfer.from as u64).send().await?;
    }
    end(&ecosystem).await?;
    Ok(balances.iter().map(|balance| balance.load(Relaxed)).collect())
}
