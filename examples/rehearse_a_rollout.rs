//! Rehearses a rollout before it happens: an hour of orders on virtual time, by ten seeds, in which jobs are slow, fail, hang and panic, a worker dies, and so
//! does the dispatcher.
//!
//! Run: `cargo run --example rehearse_a_rollout`
//!
//! Prints:
//!
//! ```text
//! seed 1: 7591 jobs, 7591 done, 98 failed attempts; 1.0.0 Retired at 1624 s, 2.0.0 Current at 1624 s
//! seed 2: 7476 jobs, 7476 done, 86 failed attempts; 1.0.0 Retired at 1952 s, 2.0.0 Current at 1952 s
//! seed 3: 7438 jobs, 7438 done, 97 failed attempts; 1.0.0 Retired at 1528 s, 2.0.0 Current at 1528 s
//! seed 4: 7526 jobs, 7526 done, 97 failed attempts; 1.0.0 Retired at 1544 s, 2.0.0 Current at 1544 s
//! seed 5: 7541 jobs, 7541 done, 76 failed attempts; 1.0.0 Retired at 1474 s, 2.0.0 Current at 1474 s
//! seed 6: 7479 jobs, 7479 done, 91 failed attempts; 1.0.0 Retired at 1696 s, 2.0.0 Current at 1696 s
//! seed 7: 7496 jobs, 7496 done, 102 failed attempts; 1.0.0 Retired at 1466 s, 2.0.0 Current at 1466 s
//! seed 8: 7560 jobs, 7560 done, 93 failed attempts; 1.0.0 Retired at 1299 s, 2.0.0 Current at 1299 s
//! seed 9: 7521 jobs, 7521 done, 97 failed attempts; 1.0.0 Retired at 1477 s, 2.0.0 Current at 1477 s
//! seed 10: 7495 jobs, 7495 done, 89 failed attempts; 1.0.0 Retired at 1377 s, 2.0.0 Current at 1377 s
//! ```
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::time::Duration;

use seral::GuardPolicy;
use seral::prelude::*;
use seral_test::History;
use seral_test::Script;
use seral_test::Simulation;
use seral_test::Traffic;
use seral_test::assert_conserved;
use seral_test::assert_drained;
use seral_test::assert_order;
use seral_test::fault;

/// The worker that is to be upgraded: here, both versions are the same code.
struct Till;

impl Worker for Till {
    type Job = u64;
    type Output = u64;

    async fn process(&mut self, cents: &u64, _cx: &JobContext) -> Result<u64, Fault> {
        Ok(cents * 119 / 100)
    }
}

const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

/// What goes wrong with either version: the network, the bank.
fn faults() -> Script {
    Script::new().slow(0.005, Duration::from_secs(3)).fails(0.01).hangs(0.001).panics(0.002)
}

fn rehearse(seed: u64) -> History {
    let ms = Duration::from_millis;
    Simulation::new(seed)
        .community(|tills| tills.timeout(Duration::from_secs(10)))
        .traffic(Traffic::per_second(2.0).keys(50).burst(minutes(9), 300), |arrival| {
            arrival.draw.below(10_000)
        })
        .deploy("1.0.0", faults().takes(ms(200)..=ms(900)).pool(3, || Till))
        .at(minutes(5), "2.0.0 by steps", async move |tills| {
            // With one job in eighty that fails anyway, it takes a margin to see soon that the new version is no worse.
            let guard = GuardPolicy::default().margin_percent(5.0);
            let pool = faults().takes(ms(100)..=ms(600)).pool(3, || Till);
            tills.deploy("2.0.0", pool).guard(guard).ramp([5, 25, 100]).await
        })
        .at(minutes(9), "a worker dies, and so does the dispatcher", async |tills| {
            fault::kill_worker(&tills);
            fault::panic_dispatcher(&tills);
        })
        .run_for(minutes(60))
}

fn main() {
    for seed in 1..=10 {
        let history = rehearse(seed);
        assert_conserved(&history);
        assert_order(&history);
        assert_drained(&history, "1.0.0");
        println!("{}", history.summary());
    }
    // A seed that fails is run again, to the same end.
    assert_eq!(rehearse(7), rehearse(7));
}
