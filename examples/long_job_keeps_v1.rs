//! A job takes all day, and eight versions ship meanwhile. Nobody waits for it, and nobody takes its version away.
//!
//! Run: `cargo run --example long_job_keeps_v1`
//!
//! ```text
//! a short report by 2; of 1: Some((Draining, 1))
//! a short report by 3; of 1: Some((Draining, 1))
//! a short report by 4; of 1: Some((Draining, 1))
//! a short report by 5; of 1: Some((Draining, 1))
//! a short report by 6; of 1: Some((Draining, 1))
//! a short report by 7; of 1: Some((Draining, 1))
//! a short report by 8; of 1: Some((Draining, 1))
//! a short report by 9; of 1: Some((Draining, 1))
//! the long report by 1
//! current is 9
//! ```

#![allow(clippy::print_stdout, reason = "an example prints")]

use std::sync::Arc;

use seral::prelude::*;
use seral::view::VersionState;
use tokio::sync::Semaphore;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let evening = Arc::new(Semaphore::new(0));
    let pool = || {
        let evening = Arc::clone(&evening);
        Pool::of_fn(1, move |takes_all_day: bool, cx: JobContext| {
            let evening = Arc::clone(&evening);
            async move {
                if takes_all_day {
                    evening.acquire().await?.forget();
                }
                Ok(cx.version().to_string())
            }
        })
    };
    let reports = Ecosystem::new("shop").community("reports").await?;
    reports.deploy("1", pool()).await?;
    let long = reports.submit(true).await?;
    while reports.describe().running == 0 {
        tokio::task::yield_now().await;
    }

    for version in 2..=9 {
        reports.deploy(version.to_string(), pool()).await?;
        let by = reports.ask(false).await?;
        if version > 2 {
            reports.drained((version - 1).to_string()).await?;
        }
        let of_first = reports.describe().version("1").map(|first| (first.state, first.running));
        println!("a short report by {by}; of 1: {of_first:?}");
    }

    evening.add_permits(1);
    println!("the long report by {}", long.await?);
    reports.drained("1").await?;
    let live =
        reports.describe().versions.into_iter().filter(|version| version.state == VersionState::Current);
    println!("current is {}", live.map(|version| version.name).collect::<String>());
    Ok(())
}
