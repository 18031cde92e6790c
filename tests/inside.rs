//! Workers that send and ask: what would wait for itself fails at once, with the job.
//!
//! Seen failing: workers counted as outside; askers that are not kept for the job.

use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;

use parking_lot::Mutex;
use seral::error::AskError;
use seral::error::SendError;
use seral::prelude::*;

use crate::kit::end_if_it_hangs;

const MINUTE: Duration = Duration::from_secs(60);

/// A pool of one with capacity one, whose worker sends to itself until there is no room for that, and asks itself.
#[tokio::test(start_paused = true)]
async fn a_worker_that_sends_to_itself_and_asks_itself_does_not_deadlock() {
    end_if_it_hangs();
    let shop = Ecosystem::new("shop");
    let loops = shop.community::<u32, u32>("loops").mailbox(1).await.unwrap();
    let outcomes = Arc::new(Mutex::new(Vec::new()));
    let (own, seen) = (loops.clone(), Arc::clone(&outcomes));
    let process = move |n: u32, _: JobContext| {
        let (own, seen) = (own.clone(), Arc::clone(&seen));
        async move {
            if n == 0 {
                for child in 1..=3 {
                    let sent = own.send(child).await.map(|_| ());
                    seen.lock().push(format!("{sent:?}"));
                }
                let asked = own.ask(9).await.unwrap_err();
                assert!(matches!(asked, AskError::Send(SendError::WouldDeadlock(9))), "{asked:?}");
                assert!(matches!(own.try_send(9), Err(SendError::Full(9))));
            }
            Ok(n)
        }
    };
    loops.deploy("1", Pool::of_fn(1, process)).await.unwrap();
    loops.ask(0).await.unwrap();
    assert_eq!(*outcomes.lock(), ["Ok(())", "Ok(())", "Err(Full(..))"], "twice the capacity");
    assert!(shop.shutdown(MINUTE).await.is_clean());
    assert_eq!(loops.describe().done, 3);
}

#[tokio::test(start_paused = true)]
async fn a_worker_sends_many_jobs_to_itself_together_or_not_at_all() {
    end_if_it_hangs();
    let shop = Ecosystem::new("shop");
    let loops = shop.community::<u32, String>("loops").mailbox(1).await.unwrap();
    let own = loops.clone();
    let process = move |n: u32, _: JobContext| {
        let own = own.clone();
        async move {
            if n > 0 {
                return Ok(String::new());
            }
            let (mut too_many, mut enough) = (1..=3, 1..=2);
            let stopped = own.send_all(&mut too_many).await.unwrap_err();
            let sent = own.send_all(&mut enough).await.unwrap();
            Ok(format!("{stopped:?}, {} left, {sent} sent", too_many.count()))
        }
    };
    loops.deploy("1", Pool::of_fn(1, process)).await.unwrap();
    let outcome = loops.ask(0).await.unwrap();
    assert_eq!(outcome, "SendAllError { sent: 0, why: Full(..) }, 3 left, 2 sent");
    assert!(shop.shutdown(MINUTE).await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn an_ask_round_a_cycle_of_communities_fails_at_once() {
    end_if_it_hangs();
    let shop = Ecosystem::new("shop");
    let names = ["a", "b", "c"];
    let ring: Arc<OnceLock<Vec<Community<u32, String>>>> = Arc::default();
    let mut communities = Vec::new();
    for (at, name) in names.into_iter().enumerate() {
        let community = shop.community::<u32, String>(name).await.unwrap();
        let ring = Arc::clone(&ring);
        let process = move |n: u32, _: JobContext| {
            let next = ring.get().unwrap()[(at + 1) % 3].clone();
            async move {
                match next.ask(n + 1).await {
                    Ok(answer) => Ok(answer),
                    Err(AskError::Send(SendError::WouldDeadlock(n))) => Ok(format!("would deadlock at {n}")),
                    Err(other) => Err(other.to_string())?,
                }
            }
        };
        community.deploy("1", Pool::of_fn(1, process)).await.unwrap();
        communities.push(community);
    }
    let first = communities[0].clone();
    ring.set(communities).unwrap();
    assert_eq!(first.ask(0).await.unwrap(), "would deadlock at 3");
    let free = shop.find::<u32, String>("b").unwrap();
    assert_eq!(
        free.ask(0).await.unwrap(),
        "would deadlock at 3",
        "the askers of one job are not those of the next"
    );
}
