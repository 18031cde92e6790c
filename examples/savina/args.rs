//! The arguments of the command.

use std::num::NonZeroUsize;

use clap::Parser;
use savina_problems::program::Size;

/// The Savina actor benchmarks, on Seral and beside others.
#[derive(Debug, Parser)]
#[command(name = "savina")]
pub(crate) struct Args {
    /// Which programs
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Say which programs there are, and run none
    #[arg(long)]
    pub(crate) list: bool,
    /// All programs
    #[arg(long, conflicts_with = "names")]
    pub(crate) all: bool,
    /// The same on these runtimes of benches/peers: ractor, actix
    #[arg(long, value_name = "RUNTIMES", value_delimiter = ',', value_parser = ["ractor", "actix"])]
    pub(crate) vs: Vec<String>,
    /// How often each is run; the median is printed
    #[arg(long, value_name = "N", default_value = "10")]
    pub(crate) runs: NonZeroUsize,
    /// With so small parameters that all programs take seconds
    #[arg(long)]
    pub(crate) quick: bool,
}

impl Args {
    /// How much of it.
    pub(crate) fn size(&self) -> Size {
        if self.quick { Size::Quick } else { Size::Full }
    }
}
