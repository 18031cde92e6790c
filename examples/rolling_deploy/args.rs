//! The arguments of the command.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use clap::error::ErrorKind;

/// A rolling deploy on real orders: version 2.0.0 takes over from 1.0.0 in the middle, and no order is lost.
#[derive(Debug, Parser)]
#[command(name = "rolling_deploy")]
pub(crate) struct Args {
    /// Rows of customer, date, number of CDs and dollar value, separated by commas or blanks [default: the CDNOW sample]
    #[arg(long, value_name = "FILE")]
    pub(crate) orders: Option<PathBuf>,
    /// How long each order waits for its payment: 0, 250us, 1ms, 2s
    #[arg(long, value_name = "TIME", default_value = "1ms", value_parser = time)]
    pub(crate) work: Duration,
    /// Which share of the attempts panics, from 0 to 0.5
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = share)]
    pub(crate) kill_rate: f64,
    /// Print the result as one JSON object, and everything else to stderr
    #[arg(long)]
    pub(crate) json: bool,
}

impl Args {
    /// The arguments of this process. The error is a sentence for the user; help, and arguments that do not exist, are clap's to answer.
    pub(crate) fn read() -> Result<Self, String> {
        Self::try_parse().map_err(|error| match error.kind() {
            // clap would add two lines of advice.
            ErrorKind::ValueValidation => error.to_string().lines().next().unwrap_or_default().to_owned(),
            _ => error.exit(),
        })
    }
}

/// `0`, `250us`, `1ms`, `2s`.
fn time(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let number: Option<u32> = digits.parse().ok().filter(|_| !digits.starts_with('+'));
    let unit = match &text[digits.len()..] {
        "s" => Some(Duration::from_secs(1)),
        "ms" => Some(Duration::from_millis(1)),
        "us" | "µs" => Some(Duration::from_micros(1)),
        "" if number == Some(0) => Some(Duration::ZERO),
        _ => None,
    };
    let time = number.zip(unit).and_then(|(number, unit)| unit.checked_mul(number));
    time.ok_or_else(|| "a time is written as 0, 250us, 1ms or 2s".to_owned())
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=0.5).contains(share));
    share.ok_or_else(|| "a kill rate is a number from 0 to 0.5".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_shares_are_read_or_refused() {
        assert_eq!(time("0"), Ok(Duration::ZERO));
        assert_eq!(time("250us"), Ok(Duration::from_micros(250)));
        assert_eq!(time("1ms"), Ok(Duration::from_millis(1)));
        assert_eq!(time("2s"), Ok(Duration::from_secs(2)));
        for wrong in ["", "1", "ms", "-1ms", "+1ms", "1.5ms", "1 ms", "1h", "99999999999s"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
        assert_eq!((share("0"), share("0.5")), (Ok(0.0), Ok(0.5)));
        for wrong in ["", "0.51", "-0.1", "NaN", "inf", "1%"] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
    }
}
