//! A mailbox for four letters and a postman who has to wait: senders wait as well, or have the letter back. Nothing is lost.
//!
//! Run: `cargo run --example backpressure`
//!
//! ```text
//! there is no room for the postcard: it comes back
//! the parcel waits, and 997 leaflets need not be written yet
//! taken: letter, telegram, leaflet 0, leaflet 1, leaflet 2, parcel, postcard, leaflet 3, ...
//! 1004 letters, the last is leaflet 999
//! ```

#![allow(clippy::print_stdout, reason = "an example prints")]

use std::future::ready;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use seral::Priority;
use seral::error::SendError;
use seral::prelude::*;
use tokio::sync::Semaphore;
use tokio::sync::mpsc;

/// Takes a letter, and goes when the road is free.
struct Postman {
    road: Arc<Semaphore>,
    taken: mpsc::UnboundedSender<String>,
}

impl Worker for Postman {
    type Job = String;
    type Output = ();

    async fn process(&mut self, letter: &String, _: &JobContext) -> Result<(), Fault> {
        self.taken.send(letter.clone())?;
        self.road.acquire().await?.forget();
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let post = Ecosystem::new("post");
    let letters = post.community("letters").mailbox(4).await?;
    let road = Arc::new(Semaphore::new(0));
    let (taken, mut log) = mpsc::unbounded_channel();
    let postman = {
        let road = Arc::clone(&road);
        move || Postman { road: Arc::clone(&road), taken: taken.clone() }
    };
    letters.deploy("1.0.0", Pool::of(1, postman)).await?;

    letters.send("letter".to_owned()).await?;
    let first = log.recv().await.into_iter(); // he has it in his hand, so the mailbox is empty again
    let mut leaflets = (0..1_000).map(|number| format!("leaflet {number}"));
    letters.send_all(&mut leaflets.by_ref().take(3)).await?;
    let telegram = letters.submit("telegram".to_owned()).priority(Priority::High).await?;

    // Now it is full.
    let Err(SendError::Full(postcard)) = letters.try_send("postcard".to_owned()) else { return Ok(()) };
    println!("there is no room for the {postcard}: it comes back");
    let mut parcel = pin!(letters.send("parcel".to_owned()));
    tokio::select! {
        biased; // each is tried once
        _ = &mut parcel => println!("there was room for the parcel"),
        _ = letters.send_all(&mut leaflets) => println!("there was room for all leaflets"),
        () = ready(()) => println!("the parcel waits, and {} leaflets need not be written yet", leaflets.len()),
    }

    road.add_permits(2_000);
    parcel.await?;
    letters.ready().await?;
    letters.try_send(postcard)?;
    letters.send_all(&mut leaflets).await?;
    telegram.await?;
    post.shutdown(Duration::from_secs(10)).await;

    let taken: Vec<_> = first.chain(std::iter::from_fn(|| log.try_recv().ok())).collect();
    println!("taken: {}, ...", taken[..8].join(", "));
    println!("{} letters, the last is {}", taken.len(), taken[taken.len() - 1]);
    Ok(())
}
