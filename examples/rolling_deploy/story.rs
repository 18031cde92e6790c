//! What happened when, and the downtime that follows from it: for how long the deploy kept new orders out.
//!
//! An order is admitted when an earlier one has been settled, so there are gaps between admissions at all times. What counts is whether those
//! around the deploy are longer than usual. To compare like with like, the longest gap in the window around the deploy is set against the
//! longest gaps in windows of the same length before it; the median of these is the usual one. (Their maximum would hide a pause behind one bad
//! moment of the machine.)
//!
//! A run too short to have a window before the deploy has no usual gap; then nothing is subtracted.

use std::time::Duration;
use std::time::Instant;

/// What happened when.
#[derive(Debug)]
pub(crate) struct Story {
    /// When each order was admitted.
    pub(crate) admissions: Vec<Instant>,
    /// `None` if a signal came first.
    pub(crate) deploy: Option<Deploy>,
}

/// The deploy of the second version.
#[derive(Debug)]
pub(crate) struct Deploy {
    pub(crate) called: Instant,
    pub(crate) returned: Instant,
    /// How long after that the first version had finished its orders.
    pub(crate) drained: Duration,
}

impl Story {
    /// How much longer than usual the longest gap between admissions was around the deploy. `None` without a deploy.
    pub(crate) fn downtime(&self) -> Option<Duration> {
        let deploy = self.deploy.as_ref()?;
        Some(downtime(&self.admissions, (deploy.called, deploy.returned)))
    }
}

/// How far the window around the deploy reaches to both sides: far enough to see a pause that begins a little later. In a short run it is an
/// eighth of the time before the deploy, so that there are other windows to compare it with.
const MARGIN: Duration = Duration::from_millis(50);

/// The same, of a deploy between these two moments.
fn downtime(admissions: &[Instant], deploy: (Instant, Instant)) -> Duration {
    let Some(first) = admissions.first() else { return Duration::ZERO };
    let margin = MARGIN.min(deploy.0.duration_since(*first) / 8);
    let Some(from) = deploy.0.checked_sub(margin) else { return Duration::ZERO };
    let to = deploy.1 + margin;
    let length = to - from;
    let mut before = Vec::new();
    let mut end = from;
    while !length.is_zero()
        && let Some(begin) = end.checked_sub(length).filter(|begin| begin >= first)
    {
        before.push(longest_gap(admissions, begin, end));
        end = begin;
    }
    before.sort_unstable();
    let usual = before.get(before.len() / 2).copied().unwrap_or_default();
    longest_gap(admissions, from, to).saturating_sub(usual)
}

/// The longest gap of which some part lies between these two moments.
fn longest_gap(admissions: &[Instant], from: Instant, to: Instant) -> Duration {
    let begin = admissions.partition_point(|admitted| *admitted <= from).saturating_sub(1);
    let end = admissions.partition_point(|admitted| *admitted < to) + 1;
    let around = &admissions[begin..end.min(admissions.len())];
    around.windows(2).map(|gap| gap[1] - gap[0]).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// An admission each millisecond for a second, but none between these two.
    fn admissions(start: Instant, pause: (u32, u32)) -> Vec<Instant> {
        (0..1000).filter(|ms| *ms <= pause.0 || *ms >= pause.1).map(|ms| start + ms * MS).collect()
    }

    #[test]
    fn a_steady_stream_has_no_downtime() {
        let start = Instant::now();
        let deploy = (start + 500 * MS, start + 501 * MS);
        assert_eq!(downtime(&admissions(start, (0, 0)), deploy), Duration::ZERO);
    }

    #[test]
    fn a_pause_around_the_deploy_is_downtime_less_the_usual_gap() {
        let start = Instant::now();
        for deploy in [(510, 530), (500, 531), (525, 600), (440, 480)] {
            let deploy = (start + deploy.0 * MS, start + deploy.1 * MS);
            assert_eq!(downtime(&admissions(start, (500, 530)), deploy), 29 * MS);
        }
    }

    #[test]
    fn a_pause_at_another_time_is_neither_downtime_nor_usual() {
        let start = Instant::now();
        let deploy = (start + 700 * MS, start + 701 * MS);
        assert_eq!(downtime(&admissions(start, (200, 230)), deploy), Duration::ZERO);
        let twice: Vec<_> = admissions(start, (200, 290))
            .into_iter()
            .filter(|admitted| !(start + 700 * MS..start + 720 * MS).contains(admitted))
            .collect();
        assert_eq!(downtime(&twice, deploy), 20 * MS);
    }

    #[test]
    fn a_run_too_short_to_compare_is_taken_as_it_is() {
        let start = Instant::now();
        let short = [start, start + MS, start + 9 * MS];
        assert_eq!(downtime(&short, (start + MS, start + 2 * MS)), 8 * MS);
        for admissions in [&[][..], &[start]] {
            assert_eq!(downtime(admissions, (start, start)), Duration::ZERO);
            assert_eq!(downtime(admissions, (start, start + MS)), Duration::ZERO);
        }
    }
}
