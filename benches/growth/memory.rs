//! How much memory something takes, in a process of its own: one that has had memory before takes it from what it kept.

use std::process::Command;

/// The option with which this program runs as such a process.
pub(crate) const OPTION: &str = "--bytes-of";

/// The resident bytes of this process. From where they are counted to the page: `VmRSS` lags behind by up to a quarter of a megabyte for each
/// thread. Zero where the system does not tell.
pub(crate) fn resident() -> u64 {
    let told = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let line = told.lines().find_map(|line| line.strip_prefix("Rss:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// What another process of this program prints for so many jobs.
pub(crate) fn elsewhere(jobs: u64) -> f64 {
    let program = std::env::current_exe().expect("a path");
    let run = Command::new(program).args([OPTION, &jobs.to_string()]).output().expect("a process");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    String::from_utf8_lossy(&run.stdout).trim().parse().expect("a number")
}
