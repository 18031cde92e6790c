//! What the numbers were measured on, and with which versions.

use std::path::Path;
use std::process::Command;

use crate::plan::Contender;

/// The machine and its software.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_gb: f64,
    pub(crate) system: String,
    pub(crate) rustc: String,
}

impl Machine {
    pub(crate) fn here() -> Self {
        let kernel = read("/proc/sys/kernel/osrelease");
        let memory =
            value(&read("/proc/meminfo"), "MemTotal").and_then(|kb| kb.trim_end_matches(" kB").parse().ok());
        Self {
            processor: value(&read("/proc/cpuinfo"), "model name")
                .unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gb: memory.map_or(0.0, |kb: f64| kb / 1e6),
            system: format!("{} {}", std::env::consts::OS, kernel.trim()).trim().to_owned(),
            rustc: rustc(),
        }
    }

    /// One line.
    pub(crate) fn line(&self) -> String {
        let Self { processor, cores, memory_gb, system, rustc } = self;
        format!("{processor}, {cores} cores, {memory_gb:.0} GB, {system}, {rustc}")
    }

    /// A warning if something else uses the machine.
    pub(crate) fn warning(&self) -> Option<String> {
        let load: f64 = read("/proc/loadavg").split(' ').next()?.parse().ok()?;
        (load > 0.3).then(|| {
            format!(
                "warning: this machine is not idle (load average {load} on {} cores; building leaves some behind), trust the ratios only",
                self.cores
            )
        })
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// What stands behind a name and a colon.
fn value(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn rustc() -> String {
    let output = Command::new("rustc").arg("--version").output();
    let version = output.ok().and_then(|output| String::from_utf8(output.stdout).ok());
    version.map_or_else(|| "unknown rustc".to_owned(), |version| version.trim().to_owned())
}

/// The versions in a `Cargo.lock`.
#[derive(Clone, Debug)]
pub(crate) struct Versions(String);

impl Versions {
    /// Those of this workspace.
    pub(crate) fn here() -> Self {
        let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock");
        Self(std::fs::read_to_string(lock).unwrap_or_default())
    }

    /// The version of a contender's crate. Two versions of one crate do not occur for them.
    pub(crate) fn of(&self, contender: Contender) -> String {
        let name = format!("name = \"{}\"", contender.package());
        let mut lines = self.0.lines().skip_while(|line| *line != name);
        let version = lines.find_map(|line| line.strip_prefix("version = "));
        version.unwrap_or("?").trim_matches('"').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::Versions;
    use super::value;
    use crate::plan::Contender;

    #[test]
    fn versions_are_found_by_the_whole_name_of_the_crate() {
        let lock = "[[package]]\nname = \"ractor_other\"\nversion = \"1.0.0\"\n\n[[package]]\nname = \"ractor\"\nversion = \"0.16.5\"\n";
        let versions = Versions(lock.to_owned());
        assert_eq!(versions.of(Contender::RactorSpans), "0.16.5");
        assert_eq!(versions.of(Contender::Flume), "?");
    }

    #[test]
    fn all_contenders_have_a_version_in_the_lock_file() {
        let versions = Versions::here();
        for contender in Contender::all() {
            assert_ne!(versions.of(*contender), "?", "{}", contender.name());
        }
    }

    #[test]
    fn a_value_stands_behind_a_colon() {
        assert_eq!(value("a: b\nmodel name\t: A chip\n", "model name").as_deref(), Some("A chip"));
    }
}
