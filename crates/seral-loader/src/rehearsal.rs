//! Whether the initializers of a library end well, tried in a process that may be lost.
//!
//! To open a library runs them, under a lock of the system's loader that nearly everything needs sooner or later. One that hangs there, or ends the process, cannot
//! be survived. So before a library is opened here, the system's loader opens it in a process that does nothing else: `true`, with the library preloaded.
//! Where there is no such program, nothing is tried.

use std::io::Read;
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

/// How often it is looked whether the process has ended.
const LOOK_EACH: Duration = Duration::from_micros(500);

/// Tries it. Takes some milliseconds, on a thread that may block.
///
/// # Errors
///
/// They hang, or end the process; or something that the library needs is nowhere.
pub(crate) fn ends_well(library: &Path) -> Result<(), Refused> {
    let (Some(directory), Some(name)) = (library.parent(), library.file_name()) else { return Ok(()) };
    let mut here = Path::new(".").as_os_str().to_owned();
    here.push("/");
    here.push(name);
    // By a path from here: one with a blank or a colon in it would be two.
    let process = Command::new("true")
        .current_dir(directory)
        .env("LD_PRELOAD", here)
        .env("LD_BIND_NOW", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut process) = process else { return Ok(()) };
    let failed = |why: String| Err(Refused::Initializer { why });
    match wait(&mut process, Instant::now() + PATIENCE) {
        Some(status) if status.success() => Ok(()),
        Some(status) => failed(ended(status, &mut process)),
        None => {
            let _ = process.kill();
            let _ = process.wait();
            failed(format!("it took more than {PATIENCE:?}"))
        }
    }
}

fn wait(process: &mut Child, until: Instant) -> Option<ExitStatus> {
    loop {
        match process.try_wait() {
            Ok(Some(status)) => return Some(status),
            // What cannot be waited for has not failed.
            Err(_) => return Some(ExitStatus::from_raw(0)),
            Ok(None) if Instant::now() >= until => return None,
            Ok(None) => thread::sleep(LOOK_EACH),
        }
    }
}

/// How it ended, and the last that it said.
fn ended(status: ExitStatus, process: &mut Child) -> String {
    let mut said = String::new();
    if let Some(mut from) = process.stderr.take() {
        let _ = from.by_ref().take(64 * 1024).read_to_string(&mut said);
    }
    match said.lines().rfind(|line| !line.trim().is_empty()) {
        Some(line) => format!("{status}: {line}"),
        None => status.to_string(),
    }
}
