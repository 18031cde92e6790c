//! A rolling deploy on real orders: version 2.0.0 takes over from 1.0.0 in the middle of the work. Nothing is lost, nothing is done twice, each
//! customer's orders stay in their order, and new orders are taken all the while.
//!
//! Run: `cargo run --release --example rolling_deploy`
//!
//! Then try, after `--`:
//! - `--kill-rate 0.01`: one attempt in a hundred panics. The last line stays the same.
//! - `--work 5ms`, and ctrl-c in the middle: what was admitted is finished first. A second ctrl-c hands the rest back.
//! - `--work 0`: how fast it goes when an order waits for nothing.
//! - `--orders cdnow_master.txt`: your own file, with rows of customer, date, number of CDs and dollar value.
//! - `--json`: the result for a program.
//!
//! The exit code is 0 if the books are right, 1 if they are not, 2 if the orders or the arguments could not be read.
//!
//! The story is in this file; [`shop`] has the two versions, [`ledger`] checks what they did.

mod args;
mod orders;
mod shop;
mod ledger;
mod story;
mod show;

use std::panic;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use seral::JobHandle;
use seral::RetryPolicy;
use seral::ShutdownReport;
use seral::ecosystem::SHUTDOWN_DEADLINE;
use seral::error::DeployError;
use seral::error::JobError;
use seral::prelude::*;
use seral::view::CommunityView;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::args::Args;
use crate::ledger::Audit;
use crate::ledger::Ledger;
use crate::orders::Order;
use crate::orders::OrderBook;
use crate::shop::FULL_PRICE;
use crate::shop::FullPrice;
use crate::shop::Killed;
use crate::shop::LOYALTY;
use crate::shop::Loyalty;
use crate::shop::Receipt;
use crate::shop::Shop;
use crate::show::Show;
use crate::show::Summary;
use crate::story::Deploy;
use crate::story::Story;

/// How many workers each version has.
const WORKERS: usize = 5;

/// How many orders are under way at a time. Each that is settled makes way for the next, as with so many shoppers who wait for their receipt.
/// That is a tenth of what a mailbox takes by default, so it is never a full mailbox that holds an order up: a gap between two admissions
/// says that work was slow or that nobody took orders, and around a deploy one wants to know.
const SHOPPERS: usize = 1_000;

/// Enough that chance alone exhausts no order: at the highest kill rate, one in 10^15 orders would panic so often.
const ATTEMPTS: u32 = 50;

#[tokio::main]
async fn main() -> ExitCode {
    let read = Args::read().and_then(|args| Ok((OrderBook::read(args.orders.as_deref())?, args)));
    let (book, args) = match read {
        Ok(read) => read,
        Err(sentence) => {
            show::complain(&sentence);
            return ExitCode::from(2);
        }
    };
    if args.kill_rate > 0.0 {
        silence_killed();
    }
    match run(&args, book).await {
        Ok(audit) => ExitCode::from(audit.exit_code()),
        Err(error) => {
            show::complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

/// What the scenes of the story have in common.
struct Stage {
    community: Community<Order, Receipt>,
    orders: Arc<[Order]>,
    shop: Arc<Shop>,
    ledger: Arc<Mutex<Ledger>>,
    show: Arc<Show>,
}

/// Sets the stage, lets the story run until its end or a signal, shuts down, and has the books checked.
async fn run(args: &Args, book: OrderBook) -> Result<Audit, BoxError> {
    let show = Arc::new(Show::new(book.orders.len(), args.json));
    show.line(show::prologue(&book));
    let orders: Arc<[Order]> = book.orders.into();
    let shop = Arc::new(Shop::new(args.work, args.kill_rate));
    let ledger = Arc::new(Mutex::new(Ledger::new(orders.len())));

    let ecosystem = Ecosystem::new("shop");
    let returns = Arc::clone(&ledger);
    let community = ecosystem
        .community::<Order, Receipt>("order-processor")
        .retry(RetryPolicy::attempts(ATTEMPTS))
        .hand_back(move |jobs| {
            // A real shop would store them, and submit them again after the next start.
            for back in jobs {
                returns.lock().hand_back(back.job.number);
            }
            async {}
        })
        .await?;
    let stage = Stage { community, orders, shop, ledger, show };

    let (tell_over, is_over) = oneshot::channel();
    let (story, report) = tokio::join!(tell(&stage, tell_over), end(&ecosystem, is_over));
    let story = story?;

    let audit = stage.ledger.lock().audit(&stage.orders, &stage.shop.posted());
    epilogue(args, &stage, &story, &report, &audit)?;
    Ok(audit)
}

/// Shuts down, when the story is over or at a signal, whichever comes first.
async fn end(ecosystem: &Ecosystem, is_over: oneshot::Receiver<()>) -> ShutdownReport {
    tokio::select! {
        // Signals are caught from the first poll on: before the story begins.
        biased;
        report = ecosystem.run_until(seral::signal::terminate()) => report,
        Ok(()) = is_over => ecosystem.shutdown(SHUTDOWN_DEADLINE).await,
    }
}

/// Tells the story, and says when it is over, unless a signal has cut it short: then it is the shutdown that has the last word.
async fn tell(stage: &Stage, over: oneshot::Sender<()>) -> Result<Story, BoxError> {
    let story = scenes(stage).await;
    if !matches!(&story, Ok(story) if story.admissions.len() < stage.orders.len()) {
        // Nobody listens after a signal in the last moment.
        let _ = over.send(());
    }
    story
}

/// The story: the first version at work, half of the orders, the second version, the end of the first.
async fn scenes(stage: &Stage) -> Result<Story, BoxError> {
    let shop = Arc::clone(&stage.shop);
    let full_price = Pool::of(WORKERS, move || FullPrice(Arc::clone(&shop)));
    match stage.community.deploy(FULL_PRICE, full_price).await {
        Ok(_) => {}
        Err(DeployError::Interrupted) => return Ok(Story { admissions: Vec::new(), deploy: None }),
        Err(error) => return Err(error.into()),
    }

    let (tell_half, half) = oneshot::channel();
    let shoppers = Shoppers {
        community: stage.community.clone(),
        ledger: Arc::clone(&stage.ledger),
        show: Arc::clone(&stage.show),
    };
    // In a task of its own: new orders must be taken while the deploy is under way.
    let admission = tokio::spawn(shoppers.order(Arc::clone(&stage.orders), tell_half));

    let deploy = match half.await {
        Ok(before) => deploy(stage, &before).await?,
        Err(_) => None,
    };
    let (admissions, mut settlements) = admission.await?;
    if admissions.len() < stage.orders.len() {
        stage.show.line("a signal: no more orders are taken, those admitted are finished first");
    }
    while let Some(settled) = settlements.join_next().await {
        settled?;
    }
    Ok(Story { admissions, deploy })
}

/// Where the orders come from.
struct Shoppers {
    community: Community<Order, Receipt>,
    ledger: Arc<Mutex<Ledger>>,
    show: Arc<Show>,
}

impl Shoppers {
    /// Orders everything, each order behind the earlier ones of its customer. Ends early when the shop closes. Returns when each order was
    /// admitted, and the tasks that wait for the outcomes.
    ///
    /// Sends a picture of the moment when half of the orders are admitted and the mailbox is not empty: the moment for the deploy.
    async fn order(
        self,
        orders: Arc<[Order]>,
        tell_half: oneshot::Sender<CommunityView>,
    ) -> (Vec<Instant>, JoinSet<()>) {
        let mut tell_half = Some(tell_half);
        let mut admissions = Vec::with_capacity(orders.len());
        let mut settlements = JoinSet::new();
        let shoppers = Arc::new(Semaphore::new(SHOPPERS));
        for order in orders.iter() {
            let Ok(shopper) = Arc::clone(&shoppers).acquire_owned().await else { break };
            let submit = self.community.submit(order.clone()).key(u64::from(order.customer));
            let Ok(handle) = submit.await else { break };
            admissions.push(Instant::now());
            self.ledger.lock().accept(order.number);
            settlements.spawn(self.settle(order.number, handle, shopper));

            if tell_half.is_some() && admissions.len() >= orders.len().div_ceil(2) {
                let picture = self.community.describe();
                // With nothing to wait for, the workers may keep up. Then a later moment has to do, or the last.
                let waits = picture.version(FULL_PRICE).is_some_and(|first| first.waiting > 0);
                if let Some(tell) = tell_half.take_if(|_| waits || admissions.len() == orders.len()) {
                    let _ = tell.send(picture);
                }
            }
        }
        (admissions, settlements)
    }

    /// Waits for the outcome of an order and enters it into the ledger. Then the shopper is free.
    fn settle(
        &self,
        number: u32,
        handle: JobHandle<Receipt>,
        shopper: OwnedSemaphorePermit,
    ) -> impl Future<Output = ()> + use<> {
        let (ledger, show) = (Arc::clone(&self.ledger), Arc::clone(&self.show));
        async move {
            let outcome = handle.await;
            if !matches!(outcome, Err(JobError::HandedBack)) {
                show.settled();
            }
            ledger.lock().settle(number, outcome);
            drop(shopper);
        }
    }
}

/// Deploys the second version, with pictures of before, during and after. `None` if the shop closes first.
async fn deploy(stage: &Stage, before: &CommunityView) -> Result<Option<Deploy>, BoxError> {
    let Stage { community, shop, show, .. } = stage;
    let shop = Arc::clone(shop);
    let loyalty = Pool::of(WORKERS, move || Loyalty(Arc::clone(&shop)));

    let called = Instant::now();
    match community.deploy(LOYALTY, loyalty).await {
        Ok(_) => {}
        Err(DeployError::Interrupted) => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let returned = Instant::now();
    let during = community.describe();
    show.picture("before", before);
    show.picture("during", &during);

    community.drained(FULL_PRICE).await?;
    let drained = returned.elapsed();
    show.picture("after", &community.describe());
    Ok(Some(Deploy { called, returned, drained }))
}

/// What came of it, with the summary as the last line.
fn epilogue(
    args: &Args,
    stage: &Stage,
    story: &Story,
    report: &ShutdownReport,
    audit: &Audit,
) -> Result<(), BoxError> {
    let show = &stage.show;
    show.finish();
    show.line(report);
    show.line(show::proceeds(audit, stage.shop.killed()));
    for wrong in audit.complaints() {
        show::complain(&wrong);
    }
    let summary = Summary::new(audit, story);
    let result = if args.json { serde_json::to_string(&summary)? } else { summary.to_string() };
    show::result(result);
    Ok(())
}

/// Keeps panics quiet that were asked for. All others are shown as ever.
fn silence_killed() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if !panic.payload().is::<Killed>() {
            usual(panic);
        }
    }));
}
