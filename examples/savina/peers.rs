//! Runs a program on another runtime: as a child, because the peers are a workspace of their own.

use std::path::Path;
use std::process::Command;
use std::process::Stdio;

use savina_problems::program::BoxError;

use crate::args::Args;

/// The exit code of the child where that runtime does not have this program.
const ABSENT: i32 = 3;

/// How long each run took there, in milliseconds; nothing where there is no such program.
pub(crate) fn measure(program: &str, runtime: &str, args: &Args) -> Result<Option<Vec<f64>>, BoxError> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../benches/peers/Cargo.toml");
    let mut child = Command::new(env!("CARGO"));
    child.args(["run", "--quiet", "--release", "--bin", "savina", "--manifest-path"]).arg(manifest);
    child.args(["--", program, "--on", runtime, "--runs", &args.runs.to_string()]);
    if args.quick {
        child.arg("--quick");
    }
    let output = child.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    match output.status.code() {
        Some(0) => {}
        Some(ABSENT) => return Ok(None),
        _ => return Err(format!("it failed on {runtime}: {}", output.status).into()),
    }
    let times = String::from_utf8(output.stdout)?.lines().map(str::parse).collect::<Result<_, _>>()?;
    Ok(Some(times))
}
