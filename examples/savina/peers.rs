//! Runs a program on another runtime: in a child, because the peers are a workspace of their own. The child stays, so that runs take turns and what
//! else happens on the machine hits all alike.

use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::path::Path;
use std::process::Child;
use std::process::ChildStdin;
use std::process::ChildStdout;
use std::process::Command;
use std::process::Stdio;

use savina_problems::program::BoxError;

use crate::args::Args;

/// The exit code of the child where that runtime does not have this program.
const ABSENT: i32 = 3;

/// A program on another runtime.
pub(crate) struct Peer {
    runtime: String,
    child: Child,
    /// A line is a run.
    runs: ChildStdin,
    times: BufReader<ChildStdout>,
}

impl Peer {
    /// Starts it, and runs it once; nothing where there is no such program.
    pub(crate) fn start(program: &str, runtime: &str, args: &Args) -> Result<Option<Self>, BoxError> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../benches/peers/Cargo.toml");
        let mut command = Command::new(env!("CARGO"));
        command.args(["run", "--quiet", "--release", "--bin", "savina", "--manifest-path"]).arg(manifest);
        command.args(["--", program, "--on", runtime, "--in-turn"]).args(args.quick.then_some("--quick"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (Some(runs), Some(times)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("its pipes are gone".into());
        };
        let mut peer = Self { runtime: runtime.to_owned(), child, runs, times: BufReader::new(times) };
        match peer.run() {
            Ok(_) => Ok(Some(peer)),
            Err(_) if peer.child.wait()?.code() == Some(ABSENT) => Ok(None),
            Err(why) => Err(why),
        }
    }

    /// Runs it once more: how long that took, in milliseconds.
    pub(crate) fn run(&mut self) -> Result<f64, BoxError> {
        let mut time = String::new();
        // A child that has gone takes no line, and is found below.
        let _ = writeln!(self.runs);
        self.times.read_line(&mut time)?;
        time.trim().parse().map_err(|_| format!("it failed on {}", self.runtime).into())
    }

    /// Lets it go.
    pub(crate) fn end(self) -> Result<(), BoxError> {
        let Self { mut child, runs, .. } = self;
        drop(runs);
        child.wait()?;
        Ok(())
    }
}
