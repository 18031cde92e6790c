//! Whether the initializers of a library end well, tried in a process that may be lost.
//!
//! To open a library runs them, under a lock of the system's loader that nearly everything needs sooner or later. One that hangs there, or ends the process, cannot
//! be survived. So before a library is opened here, the system's loader opens it in a process that does nothing else: `false`, with the library preloaded. That
//! program, and not `true`, since it ends by another code than one that an initializer has ended. Where there is none, or no `timeout` and `env`, nothing is tried.

use std::ffi::OsString;
use std::fs;
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::ExitStatus;
use std::process::Stdio;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use crate::refused::Refused;

/// How long the initializers may take. They run again when the library is opened, within the time that a deploy has.
const PATIENCE: Duration = Duration::from_secs(10);

/// How `false` ends.
const WELL: i32 = 1;

/// How a program ends that the loader of the system could not load all of; when the library is opened here, that says why. Also how `env` ends without `false`.
const NOT_LOADED: i32 = 127;

/// How `timeout` ends if there is no `env` that it may run.
const NO_PROGRAM: i32 = 126;

/// By which signal it ends what takes too long.
const KILLED: i32 = 9;

/// How it ends when it has done that.
const OUT_OF_TIME: i32 = 128 + KILLED;

/// How often it is looked whether the process has ended.
const LOOK_EACH: Duration = Duration::from_micros(500);

/// Tries it. Takes some milliseconds, on a thread that may block.
///
/// # Errors
///
/// They hang, or end the process; or something that the library needs is nowhere.
pub(crate) fn ends_well(library: &Path) -> Result<(), Refused> {
    let (Some(directory), Some(name)) = (library.parent(), library.file_name()) else { return Ok(()) };
    // A file, which takes whatever is said; beside the copy, with which it is removed.
    let said = directory.join("said");
    let Ok(to) = File::create(&said) else { return Ok(()) };
    // By a path from here: one with a blank or a colon in it would be two.
    let mut preload = OsString::from("LD_PRELOAD=./");
    preload.push(name);
    // Ended by a program of its own, so that it does not outlive its time though this process does not.
    let process = Command::new("timeout")
        .args(["-s", "KILL", &PATIENCE.as_secs().to_string(), "env"])
        .arg(preload)
        .args(["LD_BIND_NOW=1", "false"])
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(to)
        .spawn();
    let Ok(mut process) = process else { return Ok(()) };
    let status = wait(&mut process, Instant::now() + PATIENCE + Duration::from_secs(1));
    let why = match status.map(|status| (status, status.code(), status.signal())) {
        Some((_, Some(WELL | NOT_LOADED | NO_PROGRAM), _)) => return Ok(()),
        // `timeout` may be killed by its own signal.
        Some((_, Some(OUT_OF_TIME), _) | (_, _, Some(KILLED))) | None => {
            format!("it took more than {PATIENCE:?}")
        }
        Some((status, ..)) => ended(status, &said),
    };
    if status.is_none() {
        let _ = process.kill();
        let _ = process.wait();
    }
    Err(Refused::Initializer { why })
}

fn wait(process: &mut Child, until: Instant) -> Option<ExitStatus> {
    loop {
        match process.try_wait() {
            Ok(Some(status)) => return Some(status),
            // What cannot be waited for has not failed.
            Err(_) => return Some(ExitStatus::from_raw(WELL << 8)),
            Ok(None) if Instant::now() >= until => return None,
            Ok(None) => thread::sleep(LOOK_EACH),
        }
    }
}

/// How it ended, and the last that it said.
fn ended(status: ExitStatus, said: &Path) -> String {
    let said = String::from_utf8_lossy(&fs::read(said).unwrap_or_default()).into_owned();
    match said.lines().rfind(|line| !line.trim().is_empty()) {
        Some(line) => format!("{status}: {line}"),
        None => status.to_string(),
    }
}
