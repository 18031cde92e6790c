//! ractor with its default features, of which `message_span_propogation` is one: a child process of the benchmark beside it.
//!
//! Cargo joins the features of all that is built together, so that one program cannot hold both. The work is the same, file by file.
#![allow(dead_code, reason = "the files are those of the benchmark, which uses all of them")]

#[path = "../../src/work.rs"]
mod work;
#[path = "../../src/task.rs"]
mod task;
#[path = "../../src/pool.rs"]
mod pool;
#[path = "../../src/measure.rs"]
mod measure;
#[path = "../../src/flow.rs"]
mod flow;
#[path = "../../src/request.rs"]
mod request;
#[path = "../../src/idle.rs"]
mod idle;
#[path = "../../src/loss.rs"]
mod loss;
#[path = "../../src/contender/ractor.rs"]
mod contender;

use clap::Parser;

use crate::contender::Adders;
use crate::contender::IdleActors;
use crate::contender::Request;
use crate::task::Task;
use crate::work::Work;

/// As a child of the benchmark is called: `ractor_spans child ractor-spans w1 --jobs 1000 ...`.
#[derive(Parser)]
struct Child {
    role: String,
    contender: String,
    #[command(flatten)]
    task: Task,
}

fn main() {
    let Child { task, .. } = Child::parse();
    let readings = match task.work {
        Work::W1 | Work::W2 | Work::W3 => flow::throughput::<Adders<u64>>(task),
        Work::W4a | Work::W4b => request::latency::<Adders<Request>>(task),
        Work::W5 => idle::cost::<IdleActors>(task),
        Work::W6 => flow::peak::<Adders<u64>>(task),
        Work::W7 | Work::W8 => panic!("this work is Seral's alone"),
        Work::W9 => loss::count::<Adders<u64>>(task),
    };
    task::tell(&readings);
}
