//! Whether the initializers of a library end well, tried in a process that may be lost.
//!
//! To open a library runs them, under a lock of the system's loader that nearly everything needs sooner or later. One that hangs there, or ends the process, cannot
//! be survived. So before a library is opened here, the system's loader opens it in a process that does nothing else: `false`, with the library preloaded. That
//! program, and not `true`, since it ends by another code than one that an initializer has ended. Where there is none, nothing is tried.

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

/// How a program ends that the loader of the system could not load all of.
const NOT_LOADED: i32 = 127;

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
    let mut here = Path::new(".").as_os_str().to_owned();
    here.push("/");
    here.push(name);
    // By a path from here: one with a blank or a colon in it would be two.
    let process = Command::new("false")
        .current_dir(directory)
        .env("LD_PRELOAD", here)
        .env("LD_BIND_NOW", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(to)
        .spawn();
    let Ok(mut process) = process else { return Ok(()) };
    let failed = |why: String| Err(Refused::Initializer { why });
    match wait(&mut process, Instant::now() + PATIENCE) {
        Some(status) if status.code() == Some(WELL) => Ok(()),
        // The loader of the system could not load it; when it is opened here, it says why.
        Some(status) if status.code() == Some(NOT_LOADED) => Ok(()),
        Some(status) => failed(ended(status, &said)),
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
