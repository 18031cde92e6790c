//! The command line.

use clap::Parser;
use clap::Subcommand;
use clap::ValueEnum;

use crate::plan::Contender;
use crate::task::Task;
use crate::work::Work;

/// Seral beside other actor runtimes, job queues and channels, on the same work.
#[derive(Parser, Debug)]
#[command(name = "peers")]
pub(crate) struct Options {
    /// Three rounds of a tenth of the jobs: under a minute, and good for nothing but to see that it runs
    #[arg(long)]
    pub(crate) quick: bool,
    /// Only these works, such as W1,W4; default: all
    #[arg(long, value_name = "WORKS", value_delimiter = ',', value_parser = works)]
    work: Vec<WorkSet>,
    /// Only these contenders, such as seral,ractor, and Seral, to which the others are compared; default: all
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = contender)]
    contender: Vec<Contender>,
    /// So many rounds of each work; default: 15 where speed is compared, else 3
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    rounds: Option<u16>,
    /// Counts the instructions of a job in W1 and W2 instead, under valgrind
    #[arg(long)]
    pub(crate) instructions: bool,
    #[command(subcommand)]
    pub(crate) role: Option<Role>,
}

/// What the program is, if it is not the one that starts the others.
#[derive(Subcommand, Debug)]
pub(crate) enum Role {
    /// Does one work once, and prints what it measured.
    #[command(hide = true)]
    Child {
        contender: Contender,
        #[command(flatten)]
        task: Task,
    },
}

/// The works that one name stands for: `W4` is both parts of it.
type WorkSet = &'static [Work];

fn works(name: &str) -> Result<WorkSet, String> {
    if name.eq_ignore_ascii_case("W4") {
        return Ok(&[Work::W4a, Work::W4b]);
    }
    let found = Work::ALL.iter().position(|work| work.name().eq_ignore_ascii_case(name));
    found.map(|at| &Work::ALL[at..=at]).ok_or_else(|| {
        let known: Vec<_> = Work::ALL.iter().map(|work| work.name()).collect();
        format!("there is no such work, but {}", known.join(", "))
    })
}

fn contender(name: &str) -> Result<Contender, String> {
    Contender::from_str(name, true).map_err(|_| {
        let known: Vec<_> = Contender::all().iter().map(|contender| contender.name()).collect();
        format!("there is no such contender, but {}", known.join(", "))
    })
}

impl Options {
    /// The works that are wanted, in their order.
    pub(crate) fn works(&self) -> Vec<Work> {
        let wanted = |work: &Work| self.work.is_empty() || self.work.iter().any(|set| set.contains(work));
        Work::ALL.into_iter().filter(wanted).collect()
    }

    /// The contenders that are wanted, in their order, Seral first.
    pub(crate) fn contenders(&self) -> Vec<Contender> {
        let wanted = |contender: &Contender| {
            self.contender.is_empty()
                || *contender == Contender::Seral
                || self.contender.contains(contender)
                || (contender.package() == "seral" && self.contender == [Contender::Seral])
        };
        Contender::all().iter().copied().filter(wanted).collect()
    }

    /// How many rounds a work has.
    pub(crate) fn rounds(&self, work: Work) -> usize {
        self.rounds.map_or_else(|| crate::plan::rounds(work, self.quick), usize::from)
    }

    /// How many jobs a contender gets in a work.
    pub(crate) fn jobs(&self, contender: Contender, work: Work) -> u64 {
        match work {
            _ if !self.quick => contender.jobs(work),
            // With fewer, there would be hardly a deploy.
            Work::W7 => contender.jobs(work) / 4,
            _ => contender.jobs(work) / 10,
        }
    }
}

/// What is wrong with the command line, in one sentence.
pub(crate) fn sentence(error: &clap::Error) -> String {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    let first = first.strip_prefix("error: ").unwrap_or(first);
    format!("{}; `--help` lists the options", first.trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::Options;
    use super::sentence;
    use crate::plan::Contender;
    use crate::work::Work;

    fn parse(arguments: &[&str]) -> Result<Options, String> {
        let arguments = std::iter::once("peers").chain(arguments.iter().copied());
        Options::try_parse_from(arguments).map_err(|error| sentence(&error))
    }

    #[test]
    fn without_options_everything_is_done() {
        let options = parse(&[]).unwrap();
        assert_eq!(options.works(), Work::ALL);
        assert_eq!(options.contenders(), Contender::all());
        assert_eq!(options.rounds(Work::W1), 15);
        assert_eq!(options.rounds(Work::W6), 3);
    }

    #[test]
    fn works_are_chosen_by_name_and_w4_is_both_its_parts() {
        let options = parse(&["--work", "w1,W4"]).unwrap();
        assert_eq!(options.works(), [Work::W1, Work::W4a, Work::W4b]);
    }

    #[test]
    fn seral_takes_part_in_any_case() {
        let options = parse(&["--contender", "ractor,flume"]).unwrap();
        assert_eq!(options.contenders(), [Contender::Seral, Contender::Ractor, Contender::Flume]);
    }

    #[test]
    fn quick_is_a_tenth_of_the_jobs_in_few_rounds() {
        let (quick, full) = (parse(&["--quick"]).unwrap(), parse(&[]).unwrap());
        assert_eq!(quick.jobs(Contender::Seral, Work::W1) * 10, full.jobs(Contender::Seral, Work::W1));
        assert_eq!(quick.rounds(Work::W1), 3);
        assert_eq!(parse(&["--quick", "--rounds", "2"]).unwrap().rounds(Work::W1), 2);
    }

    #[test]
    fn what_is_wrong_is_said_in_one_sentence() {
        for wrong in [
            &["--work", "W99"][..],
            &["--contender", "nobody"],
            &["--rounds", "0"],
            &["--rounds", "x"],
            &["--fast"],
        ] {
            let said = parse(wrong).unwrap_err();
            assert_eq!(said.lines().count(), 1, "{said}");
            assert!(said.contains(wrong.last().unwrap()), "{said}");
        }
    }
}
