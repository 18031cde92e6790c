//! What one child process is told to do, and what it tells of it.

use clap::Args;
use serde::Deserialize;
use serde::Serialize;

use crate::work::Work;

/// What a child process is told: the work, how much of it, and on how many threads.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Task {
    pub(crate) work: Work,
    #[arg(long)]
    pub(crate) jobs: u64,
    /// How often the loop of a job turns that computes; measured once, so that all jobs of all contenders do the same.
    #[arg(long)]
    pub(crate) spin: u64,
    #[arg(long)]
    pub(crate) threads: usize,
    /// Do the work once only, with nothing before it.
    #[arg(long)]
    pub(crate) cold: bool,
}

impl Task {
    /// The workers that this task wants.
    pub(crate) fn crew(self) -> Crew {
        let spin = if self.work.computes() { self.spin } else { 0 };
        Crew { workers: self.work.workers(), spin, threads: self.threads }
    }
}

/// How many workers are wanted, and what they do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crew {
    pub(crate) workers: usize,
    /// How often the loop of a job turns.
    pub(crate) spin: u64,
    /// On how many threads the workers run.
    pub(crate) threads: usize,
}

/// One number that a child measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reading {
    pub(crate) metric: String,
    pub(crate) unit: String,
    pub(crate) value: f64,
}

impl Reading {
    pub(crate) fn new(metric: &str, unit: &str, value: f64) -> Self {
        Self { metric: metric.to_owned(), unit: unit.to_owned(), value }
    }
}

/// Tells the readings to the process that started this one, as the only line on the standard output.
pub(crate) fn tell(readings: &[Reading]) {
    println!("{}", serde_json::to_string(readings).expect("numbers can be written"));
}
