//! A worker whose jobs and outputs are bytes.

use seral_plugin::Fault;
use seral_plugin::JobContext;
use seral_plugin::Worker;

seral_plugin::export_worker!(Raw);

/// Gives back what it gets.
#[derive(Default)]
struct Raw;

impl Worker for Raw {
    type Job = Vec<u8>;
    type Output = Vec<u8>;

    async fn process(&mut self, job: &Vec<u8>, _: &JobContext) -> Result<Vec<u8>, Fault> {
        Ok(job.clone())
    }
}
