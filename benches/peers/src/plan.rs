//! The plan: who takes part in which work, with how many jobs, and what stays blank.

use clap::ValueEnum;

use crate::work::Work;

/// Who takes part. Where a crate has several ways to do the same, each is a contender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Contender {
    Seral,
    /// Seral, with a deploy every 100 ms.
    SeralDeploys,
    /// Seral, with `submit` instead of `send`.
    SeralSubmit,
    /// Seral, with a key for each job.
    SeralKeys,
    Ractor,
    RactorSpans,
    RactorFactory,
    RactorFactoryRr,
    Kameo,
    KameoPool,
    Actix,
    Xtra,
    Apalis,
    TokioMpsc,
    AsyncChannel,
    Flume,
    Crossfire,
    Kanal,
}

impl Contender {
    /// All, in the order of the tables.
    pub(crate) fn all() -> &'static [Self] {
        Self::value_variants()
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Seral => "seral",
            Self::SeralDeploys => "seral-deploys",
            Self::SeralSubmit => "seral-submit",
            Self::SeralKeys => "seral-keys",
            Self::Ractor => "ractor",
            Self::RactorSpans => "ractor-spans",
            Self::RactorFactory => "ractor-factory",
            Self::RactorFactoryRr => "ractor-factory-rr",
            Self::Kameo => "kameo",
            Self::KameoPool => "kameo-pool",
            Self::Actix => "actix",
            Self::Xtra => "xtra",
            Self::Apalis => "apalis",
            Self::TokioMpsc => "tokio-mpsc",
            Self::AsyncChannel => "async-channel",
            Self::Flume => "flume",
            Self::Crossfire => "crossfire",
            Self::Kanal => "kanal",
        }
    }

    /// The crate whose version it has.
    pub(crate) fn package(self) -> &'static str {
        match self {
            Self::SeralDeploys | Self::SeralSubmit | Self::SeralKeys => "seral",
            Self::RactorSpans | Self::RactorFactory | Self::RactorFactoryRr => "ractor",
            Self::KameoPool => "kameo_actors",
            Self::TokioMpsc => "tokio",
            _ => self.name(),
        }
    }

    fn is_seral(self) -> bool {
        self.package() == "seral"
    }

    fn is_a_channel(self) -> bool {
        matches!(self, Self::TokioMpsc | Self::AsyncChannel | Self::Flume | Self::Crossfire | Self::Kanal)
    }

    /// Whether it belongs to the table of a work, be it as a blank.
    pub(crate) fn belongs_to(self, work: Work) -> bool {
        match self {
            Self::Seral => true,
            Self::SeralDeploys => work == Work::W7,
            Self::SeralSubmit | Self::SeralKeys => work == Work::W8,
            _ => !matches!(work, Work::W7 | Work::W8),
        }
    }

    /// Why it has no numbers for a work, if it has none.
    pub(crate) fn blank(self, work: Work) -> Option<&'static str> {
        if self.is_seral() {
            return None;
        }
        match (work, self) {
            (Work::W5, _) if self.is_a_channel() => Some("a channel has no workers"),
            (Work::W5, Self::RactorFactory | Self::RactorFactoryRr) => {
                Some("its workers are ractor's actors")
            }
            (Work::W5, Self::KameoPool) => Some("its workers are two of kameo's actors each"),
            (Work::W5, Self::Apalis) => Some("a worker is a storage and its connection; nobody has many"),
            (Work::W9, _) if self.is_a_channel() => Some("a channel does not supervise"),
            (Work::W9, Self::Xtra) => Some("it does not supervise"),
            _ => None,
        }
    }

    /// How many jobs it gets: as many as take about half a second, so that the fast are not measured for a moment, and the slow not for ever.
    pub(crate) fn jobs(self, work: Work) -> u64 {
        let [w1, w2, w3, w4a, w4b] = self.thousands();
        let thousands = match work {
            Work::W1 => w1,
            Work::W2 => w2,
            Work::W3 => w3,
            Work::W4a => w4a,
            Work::W4b => w4b,
            Work::W5 => 100,
            // Five million jobs of these would take a quarter of a minute, and no less memory for each.
            Work::W6 if self.hands_on() => 1_000,
            Work::W6 => 5_000,
            Work::W7 => 20_000,
            Work::W8 => w2,
            Work::W9 => 50,
        };
        thousands * 1_000
    }

    /// What it does in half a second, in thousands, in W1, W2, W3 and both parts of W4. W8 is W2 in other words.
    fn thousands(self) -> [u64; 5] {
        match self {
            Self::Seral | Self::SeralDeploys => [5_000, 4_000, 700, 600, 1_000],
            Self::SeralSubmit => [0, 2_000, 0, 0, 0],
            Self::SeralKeys => [0, 1_400, 0, 0, 0],
            Self::Ractor | Self::RactorSpans => [2_400, 2_800, 600, 800, 1_500],
            Self::RactorFactory | Self::RactorFactoryRr => [200, 250, 200, 180, 300],
            Self::Kameo => [1_500, 1_800, 600, 500, 1_200],
            Self::KameoPool => [400, 400, 300, 180, 400],
            Self::Actix => [9_000, 3_800, 700, 2_000, 1_200],
            Self::Xtra => [2_500, 2_400, 600, 900, 1_600],
            Self::Apalis => [600, 250, 180, 230, 220],
            Self::TokioMpsc => [6_500, 8_000, 750, 1_100, 2_200],
            Self::AsyncChannel => [12_000, 3_500, 700, 1_100, 1_300],
            Self::Flume => [20_000, 15_000, 700, 1_200, 1_300],
            Self::Crossfire => [20_000, 20_000, 800, 1_200, 1_800],
            Self::Kanal => [30_000, 30_000, 700, 1_600, 2_300],
        }
    }

    /// Whether each job passes one more actor or task on its way.
    fn hands_on(self) -> bool {
        matches!(self, Self::RactorFactory | Self::RactorFactoryRr | Self::KameoPool | Self::Apalis)
    }
}

/// How many rounds a work has: many where speeds are compared, few where it is about a peak or a count.
pub(crate) fn rounds(work: Work, quick: bool) -> usize {
    match (work, quick) {
        (Work::W6 | Work::W9, false) => 3,
        (Work::W5 | Work::W6 | Work::W9, true) => 1,
        (_, false) => 15,
        (_, true) => 3,
    }
}
