//! The process is told to end while orders run, wait, and sleep: what can be finished is finished, the rest is handed back.
//!
//! Run: `cargo run --example graceful_shutdown`
//!
//! ```text
//! the americano was not admitted: the community is shutting down and takes no new jobs
//! espresso is ready
//! cappuccino is ready
//! the machine is clean
//! kept: decaf, for a person, because we do not make that
//! kept: mocha, due in 60 minutes
//! Finished: coffees: 2 finished meanwhile, 1 handed back, 1 dead letters
//! coffees 1.0.0: worker 1 has ended after 2 jobs and 1 faults
//! ```

#![allow(clippy::print_stdout, reason = "an example prints")]

use std::time::Duration;

use seral::Event;
use seral::HandBackReason;
use seral::HandedBack;
use seral::prelude::*;
use tokio::process::Command;
use tokio::sync::watch;

/// Makes coffee, as soon as there is water.
struct Barista {
    water: watch::Receiver<bool>,
}

impl Worker for Barista {
    type Job = &'static str;
    type Output = ();

    async fn process(&mut self, coffee: &&'static str, _: &JobContext) -> Result<(), Fault> {
        if *coffee == "decaf" {
            return Err(Fault::dead_letter("we do not make that"));
        }
        self.water.wait_for(|is_there| *is_there).await?;
        println!("{coffee} is ready");
        Ok(())
    }

    async fn stop(&mut self) {
        println!("the machine is clean");
    }
}

/// What is not done when the shop closes. Here you would write it to disk, to submit it again after the next start.
async fn keep(coffees: Vec<HandedBack<&'static str>>) {
    for HandedBack { job, reason, .. } in coffees {
        let reason = match reason {
            HandBackReason::Delayed(wait) => format!("due in {} minutes", wait.as_secs().div_ceil(60)),
            HandBackReason::DeadLetter(why) => format!("for a person, because {why}"),
            other => format!("{other:?}"),
        };
        println!("kept: {job}, {reason}");
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let shop = Ecosystem::new("shop");
    let mut events = shop.events();
    let coffees = shop.community("coffees").mailbox(1).hand_back(keep).await?;
    let (tap, water) = watch::channel(false);
    coffees.deploy("1.0.0", Pool::of(1, move || Barista { water: water.clone() })).await?;

    let _ = coffees.ask("decaf").await;
    let _tomorrow = coffees.submit("mocha").delay(Duration::from_secs(3_600)).await?;
    coffees.send("espresso").await?; // is being made
    coffees.send("cappuccino").await?; // waits
    tokio::spawn(async move {
        // There is no more room, so this one would wait, but the shop closes first.
        if let Err(closed) = coffees.send("americano").await {
            println!("the americano was not admitted: {closed}");
            tap.send_replace(true);
        }
    });

    // What a container platform does.
    let kill = async { Command::new("kill").arg("-TERM").arg(std::process::id().to_string()).status().await };
    // In this order: the signal is caught from the first poll on.
    let (report, _) = tokio::join!(biased; shop.run_until(seral::signal::terminate()), kill);
    println!("{:?}: {}", report.end, report.communities[0]);
    while let Some(event) = events.next().await {
        if let Event::WorkerLeft { .. } = event {
            println!("{event}");
            break;
        }
    }
    Ok(())
}
