//! A version that did not exist when this program was compiled takes over in the middle of the work: the rolling deploy on real orders, with versions from
//! libraries.
//!
//! Run: `cargo run --release --example hot_load`
//!
//! Both versions of the order processor are built as plugins, from `examples/hot_load/plugins`. This program is compiled against neither: it knows
//! their jobs and outputs, and follows a directory. Version 1.0.0 lies there; half of the orders later, 2.0.0 is put beside it. The last line is
//! that of `rolling_deploy`, checked by the same ledger.
//!
//! `cargo run --release --example hot_load -- --isolated` runs the plugins on threads of their own, and unmaps them when they are drained.

#[path = "../rolling_deploy/ledger.rs"]
mod ledger;
#[path = "../rolling_deploy/orders.rs"]
mod orders;
mod shop;
#[path = "../rolling_deploy/show.rs"]
mod show;
#[path = "../rolling_deploy/story.rs"]
mod story;

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use hot_load_orders::Order;
use hot_load_orders::Receipt;
use parking_lot::Mutex;
use seral::ShutdownReport;
use seral::ecosystem::SHUTDOWN_DEADLINE;
use seral::prelude::*;
use seral_loader::Directory;
use seral_loader::Follow;
use seral_loader::Follower;
use seral_loader::Library;
use seral_loader::News;
use seral_loader::mapped;
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::ledger::Ledger;
use crate::orders::OrderBook;
use crate::shop::FULL_PRICE;
use crate::shop::LOYALTY;
use crate::show::Show;
use crate::show::Summary;
use crate::story::Deploy;
use crate::story::Story;

/// How many workers each version has.
const WORKERS: usize = 5;

/// How many orders are under way at a time; see `rolling_deploy`.
const SHOPPERS: usize = 1_000;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(code) => code,
        Err(error) => {
            show::complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

/// What the scenes of the story have in common.
struct Stage {
    orders: Community<Order, Receipt>,
    book: OrderBook,
    ledger: Arc<Mutex<Ledger>>,
    show: Arc<Show>,
    /// The directory that is followed.
    plugins: TempDir,
    /// The second version, as it was built.
    second: PathBuf,
}

/// Sets the stage, lets the story run until its end or a signal, shuts down, and has the books checked.
async fn run() -> Result<ExitCode, BoxError> {
    let isolated = isolated()?;
    let book = OrderBook::read(None)?;
    let show = Arc::new(Show::new(book.orders.len(), false));
    show.line(show::prologue(&book));
    show.line("building two versions of the order processor as plugins");
    let (first, second) = (build("order-processor-v1")?, build("order-processor-v2")?);

    let ecosystem = Ecosystem::new("shop");
    let (postings, posted) = postings(&ecosystem).await?;
    let ledger = Arc::new(Mutex::new(Ledger::new(book.orders.len())));
    let returns = Arc::clone(&ledger);
    let orders = ecosystem.community::<Order, Receipt>("order-processor").hand_back(move |jobs| {
        for back in jobs {
            returns.lock().hand_back(back.job.number);
        }
        async {}
    });
    let stage = Stage { orders: orders.await?, book, ledger, show, plugins: tempfile::tempdir()?, second };

    put(&first, stage.plugins.path(), FULL_PRICE)?;
    let prepare = move |library: Library| {
        let library = library.sends_to(&postings);
        Ok(if isolated { library.isolated() } else { library })
    };
    let directory =
        Directory::new(stage.plugins.path()).workers(WORKERS).settle(SETTLE).look_every(LOOK_EACH);
    let follower = stage.orders.follow(directory.library(prepare)).await?;

    let (tell_over, is_over) = oneshot::channel();
    let (story, report) = tokio::join!(tell(&stage, follower, tell_over), end(&ecosystem, is_over));
    let story = story?;
    let Stage { book, ledger, show, .. } = stage;
    show.finish();
    show.line(report);
    show.line(libraries());
    let audit = ledger.lock().audit(&book.orders, &posted.lock());
    show.line(show::proceeds(&audit, 0));
    for wrong in audit.complaints() {
        show::complain(&wrong);
    }
    show::result(Summary::new(&audit, &story));
    Ok(ExitCode::from(audit.exit_code()))
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

/// Tells the story, and says when it is over, unless a signal has cut it short.
async fn tell(stage: &Stage, follower: Follower, over: oneshot::Sender<()>) -> Result<Story, BoxError> {
    let story = scenes(stage, follower).await;
    if !matches!(&story, Ok(story) if story.admissions.len() < stage.book.orders.len()) {
        // Nobody listens after a signal in the last moment.
        let _ = over.send(());
    }
    story
}

/// The story: the first version is found in the directory, half of the orders, the second version is put there, the end of the first.
async fn scenes(stage: &Stage, mut follower: Follower) -> Result<Story, BoxError> {
    if !deployed(&mut follower, FULL_PRICE, &stage.show).await {
        return Ok(Story { admissions: Vec::new(), deploy: None });
    }
    let (tell_half, half) = oneshot::channel();
    let shoppers = Shoppers {
        orders: stage.orders.clone(),
        ledger: Arc::clone(&stage.ledger),
        show: Arc::clone(&stage.show),
    };
    let ordering = tokio::spawn(shoppers.order(all_of(&stage.book), tell_half));
    let deploy = match half.await {
        Ok(()) => put_second(stage, &mut follower).await?,
        Err(_) => None,
    };
    Ok(Story { admissions: ordering.await?, deploy })
}

/// Puts the second version into the directory. `None` if the shop closes first.
async fn put_second(stage: &Stage, follower: &mut Follower) -> Result<Option<Deploy>, BoxError> {
    stage.show.line(format_args!("half of the orders are in: version {LOYALTY} is put into the directory"));
    let called = Instant::now();
    put(&stage.second, stage.plugins.path(), LOYALTY)?;
    if !deployed(follower, LOYALTY, &stage.show).await {
        return Ok(None);
    }
    let returned = Instant::now();
    stage.orders.drained(FULL_PRICE).await?;
    let drained = returned.elapsed();
    stage.show.picture("after", &stage.orders.describe());
    Ok(Some(Deploy { called, returned, drained }))
}

/// How long a file has to lie there unchanged. These are renamed in, so it need not be long.
const SETTLE: Duration = Duration::from_millis(100);

/// How often the directory is looked at.
const LOOK_EACH: Duration = Duration::from_millis(50);

fn isolated() -> Result<bool, String> {
    let mut isolated = false;
    for argument in std::env::args().skip(1) {
        match &*argument {
            "--isolated" => isolated = true,
            other => return Err(format!("expected nothing or `--isolated`, found `{other}`")),
        }
    }
    Ok(isolated)
}

/// Where this version is, as a library.
fn build(package: &str) -> Result<PathBuf, BoxError> {
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("hot_load/plugins/Cargo.toml");
    Ok(seral_test::plugin::build(plugins, package)?)
}

/// Puts a library into the directory, whole: under another name first, of the kind that a follower does not look at.
fn put(library: &Path, directory: &Path, version: &str) -> Result<(), BoxError> {
    let new = directory.join(format!(".{version}.new"));
    fs::copy(library, &new)?;
    Ok(fs::rename(new, directory.join(format!("order-processor-{version}.so")))?)
}

/// A community to which the plugins tell which orders they have posted, and what they told it.
async fn postings(ecosystem: &Ecosystem) -> Result<(Community<u32, ()>, Arc<Mutex<Vec<u32>>>), BoxError> {
    let posted = Arc::new(Mutex::new(Vec::new()));
    let note = Arc::clone(&posted);
    let pool = Pool::of_fn(1, move |order: u32, _| {
        note.lock().push(order);
        async { Ok(()) }
    });
    let postings = ecosystem.community::<u32, ()>("postings").await?;
    postings.deploy("1", pool).await?;
    Ok((postings, posted))
}

/// Waits until the follower has deployed this version. It may end before, when the shop closes.
async fn deployed(follower: &mut Follower, version: &str, show: &Show) -> bool {
    while let Some(news) = follower.next().await {
        show.line(&news);
        if matches!(&news, News::Deployed { version: deployed, .. } if deployed.as_str() == version) {
            return true;
        }
    }
    false
}

/// The orders of the file, each with what its customer has bought before.
fn all_of(book: &OrderBook) -> Vec<Order> {
    let mut spent = HashMap::<u32, u64>::new();
    let orders = book.orders.iter().map(|order| {
        let spent = spent.entry(order.customer).or_default();
        let spent_before = *spent;
        *spent += order.cents;
        Order { number: order.number, customer: order.customer, cents: order.cents, spent_before }
    });
    orders.collect()
}

/// Where the orders come from.
struct Shoppers {
    orders: Community<Order, Receipt>,
    ledger: Arc<Mutex<Ledger>>,
    show: Arc<Show>,
}

impl Shoppers {
    /// Orders everything, each order behind the earlier ones of its customer, and waits until all are settled. Returns when each was admitted.
    async fn order(self, orders: Vec<Order>, tell_half: oneshot::Sender<()>) -> Vec<Instant> {
        let mut tell_half = Some(tell_half);
        let (mut admissions, mut settlements) = (Vec::with_capacity(orders.len()), JoinSet::new());
        let shoppers = Arc::new(Semaphore::new(SHOPPERS));
        let half = orders.len() / 2;
        for order in orders {
            let Ok(shopper) = Arc::clone(&shoppers).acquire_owned().await else { break };
            let number = order.number;
            let customer = u64::from(order.customer);
            let Ok(handle) = self.orders.submit(order).key(customer).await else { break };
            admissions.push(Instant::now());
            self.ledger.lock().accept(number);
            let (ledger, show) = (Arc::clone(&self.ledger), Arc::clone(&self.show));
            settlements.spawn(async move {
                let outcome = handle.await.map(shop::Receipt::from);
                show.settled();
                ledger.lock().settle(number, outcome);
                drop(shopper);
            });
            if admissions.len() >= half
                && let Some(tell) = tell_half.take()
            {
                let _ = tell.send(());
            }
        }
        while settlements.join_next().await.is_some() {}
        admissions
    }
}

/// What is left of the libraries.
fn libraries() -> String {
    let left: Vec<_> = mapped()
        .iter()
        .map(|library| format!("{} {}: {} kB", library.name, library.version, library.bytes / 1_000))
        .collect();
    if left.is_empty() {
        "no library is mapped any more".to_owned()
    } else {
        format!("still mapped: {}", left.join(", "))
    }
}
