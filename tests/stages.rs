//! Communities that send to each other close in the reverse order of their making, so that the last words of each are heard by the next.
//!
//! Seen failing: the order of their names, the order of their making; all at once.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use seral::prelude::*;

const MINUTE: Duration = Duration::from_secs(60);

/// Sends what it was told of to the next stage, and a last word when it stops.
struct Stage {
    name: &'static str,
    next: Option<Community<u32, ()>>,
    log: Arc<Mutex<Vec<String>>>,
}

impl Worker for Stage {
    type Job = u32;
    type Output = ();

    async fn process(&mut self, job: &u32, _: &JobContext) -> Result<(), Fault> {
        self.log.lock().push(format!("{} {job}", self.name));
        if let Some(next) = &self.next {
            next.send(job + 1).await.or_dead_letter()?;
        }
        Ok(())
    }

    async fn stop(&mut self) {
        self.log.lock().push(format!("{} stops", self.name));
        if let Some(next) = &self.next {
            next.send(100).await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn communities_close_one_after_the_other_and_the_last_words_of_each_are_heard_by_the_next() {
    crate::kit::end_if_it_hangs();
    let shop = Ecosystem::new("shop");
    let log = Arc::new(Mutex::new(Vec::new()));
    let mut next = None;
    // By name the order would be another one.
    for name in ["mail", "zoning", "billing"] {
        let community = shop.community::<u32, ()>(name).await.unwrap();
        let (onward, into) = (next.clone(), Arc::clone(&log));
        let factory = move || Stage { name, next: onward.clone(), log: Arc::clone(&into) };
        community.deploy("1", Pool::of(1, factory)).await.unwrap();
        next = Some(community);
    }
    next.unwrap().send(1).await.unwrap();
    let report = shop.shutdown(MINUTE).await;
    assert!(report.is_clean(), "{report}");
    let expected = [
        "billing 1",
        "zoning 2",
        "mail 3",
        "billing stops",
        "zoning 100",
        "mail 101",
        "zoning stops",
        "mail 100",
        "mail stops",
    ];
    assert_eq!(*log.lock(), expected);
}
