//! A chain of communities of one worker each. Their mailboxes are bounded, so a slow one slows down those before it; and each passes on the
//! numbers in the order in which they came, which is what makes it a sort.

use savina_problems::radix_sort::ByBit;
use savina_problems::radix_sort::RadixSort;
use seral::prelude::*;
use tokio::sync::mpsc;

use crate::stage::Answers;
use crate::stage::answer;
use crate::stage::end;

struct Sorter {
    by_bit: ByBit,
    next: Community<u64, ()>,
}

impl Worker for Sorter {
    type Job = u64;
    type Output = ();

    async fn process(&mut self, number: &u64, _: &JobContext) -> Result<(), Fault> {
        let (goes_on, kept) = self.by_bit.take(*number);
        if let Some(number) = goes_on {
            self.next.send(number).await?;
        }
        if !kept.is_empty() {
            self.next.send_all(&mut kept.into_iter()).await?;
        }
        Ok(())
    }
}

/// The end of the chain.
struct Collector {
    numbers: usize,
    sorted: Vec<u64>,
    answers: Answers<Vec<u64>>,
}

impl Worker for Collector {
    type Job = u64;
    type Output = ();

    async fn process(&mut self, number: &u64, _: &JobContext) -> Result<(), Fault> {
        self.sorted.push(*number);
        if self.sorted.len() == self.numbers {
            self.answers.send(std::mem::take(&mut self.sorted))?;
        }
        Ok(())
    }
}

pub(crate) async fn run(problem: RadixSort) -> Result<Vec<u64>, BoxError> {
    let ecosystem = Ecosystem::new("radix-sort");
    let (answers, mut arrived) = mpsc::unbounded_channel();
    let collector = ecosystem.community("collector").await?;
    let worker = move || Collector { numbers: problem.numbers, sorted: Vec::new(), answers: answers.clone() };
    collector.deploy("1.0.0", Pool::of(1, worker)).await?;
    // From the end: the lowest bit comes first, and each sorter needs the handle of the next.
    let mut first = collector;
    for bit in (0..problem.bits).rev() {
        let sorter = ecosystem.community(&format!("bit-{bit}")).await?;
        let worker = move || Sorter { by_bit: ByBit::of(problem, bit), next: first.clone() };
        sorter.deploy("1.0.0", Pool::of(1, worker)).await?;
        first = sorter;
    }

    first.send_all(&mut problem.numbers()).await?;
    let sorted = answer(&mut arrived).await?;
    end(&ecosystem).await?;
    Ok(sorted)
}
