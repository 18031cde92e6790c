//! Rehearses a rollout before it happens: an hour of orders on virtual time, by ten seeds, in which the new version is slow, fails, hangs and panics.
//!
//! Run: `cargo run --example rehearse_a_rollout`
//!
//! Prints:
//!
//! ```text
//! seed 1: 3960 jobs, 3960 done, 55 failed attempts; 1.0.0 Retired at 2493 s, 2.0.0 Current at 2493 s
//! seed 2: 3876 jobs, 3876 done, 49 failed attempts; 1.0.0 Retired at 2743 s, 2.0.0 Current at 2743 s
//! seed 3: 3876 jobs, 3876 done, 62 failed attempts; 1.0.0 Retired at 2386 s, 2.0.0 Current at 2386 s
//! seed 4: 3889 jobs, 3889 done, 37 failed attempts; 1.0.0 Retired at 2815 s, 2.0.0 Current at 2815 s
//! seed 5: 3944 jobs, 3944 done, 43 failed attempts; 1.0.0 Retired at 2628 s, 2.0.0 Current at 2628 s
//! seed 6: 3920 jobs, 3919 done, 1 dead letter, 54 failed attempts; 1.0.0 Retired at 2571 s, 2.0.0 Current at 2571 s
//! seed 7: 3904 jobs, 3904 done, 32 failed attempts; 1.0.0 Retired at 2743 s, 2.0.0 Current at 2743 s
//! seed 8: 3960 jobs, 3960 done, 63 failed attempts; 1.0.0 Retired at 2361 s, 2.0.0 Current at 2361 s
//! seed 9: 3897 jobs, 3897 done, 43 failed attempts; 1.0.0 Retired at 2745 s, 2.0.0 Current at 2745 s
//! seed 10: 3898 jobs, 3898 done, 57 failed attempts; 1.0.0 Retired at 2436 s, 2.0.0 Current at 2436 s
//! ```
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::time::Duration;

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

fn rehearse(seed: u64) -> History {
    let ms = Duration::from_millis;
    Simulation::new(seed)
        .community(|tills| tills.timeout(Duration::from_secs(10)))
        .traffic(Traffic::per_second(1.0).keys(50).burst(minutes(9), 300), |arrival| {
            arrival.draw.below(10_000)
        })
        .deploy("1.0.0", Script::new().takes(ms(200)..=ms(900)).fails(0.002).pool(3, || Till))
        .at(minutes(5), "2.0.0 by steps", async move |tills| {
            let script = Script::new().takes(ms(100)..=ms(600)).slow(0.01, ms(3_000));
            let script = script.fails(0.02).hangs(0.002).panics(0.01);
            tills.deploy("2.0.0", script.pool(3, || Till)).ramp([5, 25, 100]).await
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
