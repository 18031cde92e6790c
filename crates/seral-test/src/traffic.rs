//! When jobs come, and with which keys: by a seed.

use std::time::Duration;

use crate::draw::Draw;

/// When jobs come. What is in them is up to you; see [`Simulation::traffic`](crate::Simulation::traffic).
///
/// ```
/// use std::time::Duration;
/// use seral_test::Traffic;
///
/// let traffic = Traffic::per_second(20.0).keys(50).burst(Duration::from_secs(600), 500);
/// # drop(traffic);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "it is given to a simulation"]
pub struct Traffic {
    /// Between two jobs, on average; none come if it is zero.
    gap: Duration,
    evenly: bool,
    keys: u64,
    /// When, and how many.
    bursts: Vec<(Duration, u64)>,
}

impl Traffic {
    /// No jobs but those of [bursts](Self::burst).
    pub fn none() -> Self {
        Self { gap: Duration::ZERO, evenly: false, keys: 0, bursts: Vec::new() }
    }

    /// So many jobs a second on average, at times drawn by the seed: between two of them there is anything from nothing to twice the mean. None, if this is
    /// not above zero; a million at most.
    pub fn per_second(jobs: f64) -> Self {
        let gap = Duration::try_from_secs_f64(1.0 / jobs).unwrap_or_default();
        let gap = if jobs > 0.0 { gap.max(Duration::from_micros(1)) } else { Duration::ZERO };
        Self { gap, ..Self::none() }
    }

    /// All gaps between two jobs are the same.
    pub fn evenly(mut self) -> Self {
        self.evenly = true;
        self
    }

    /// Each job has one of so many keys, each as likely as any other: the numbers from 0. Default = no job has a key.
    pub fn keys(mut self, keys: u64) -> Self {
        self.keys = keys;
        self
    }

    /// So many jobs more come at once, so long after the beginning. May be called again for another burst.
    pub fn burst(mut self, at: Duration, jobs: u64) -> Self {
        self.bursts.push((at, jobs));
        self
    }

    /// All jobs that come before `end`, in order.
    pub(crate) fn arrivals(&self, seed: u64, stream: u64, end: Duration) -> Arrivals {
        let mut bursts = self.bursts.clone();
        bursts.sort_by_key(|(at, _)| *at);
        bursts.reverse();
        let mut arrivals = Arrivals {
            traffic: Self { bursts, ..self.clone() },
            seed,
            stream,
            end,
            number: 0,
            next: Duration::ZERO,
            gaps: Draw::of(seed, &[stream, u64::MAX]),
        };
        arrivals.next = arrivals.gap();
        arrivals
    }
}

/// A job that comes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Arrival {
    /// Which job of its traffic this is, from 1.
    pub number: u64,
    /// When it comes, from the beginning.
    pub at: Duration,
    /// Its key, if the traffic has any.
    pub key: Option<u64>,
    /// To draw from what is in it.
    pub draw: Draw,
}

/// The jobs of a traffic.
pub(crate) struct Arrivals {
    /// Its bursts are in reverse order.
    traffic: Traffic,
    seed: u64,
    stream: u64,
    end: Duration,
    number: u64,
    /// When the next job comes that belongs to no burst.
    next: Duration,
    gaps: Draw,
}

impl Arrivals {
    fn gap(&mut self) -> Duration {
        match self.traffic.gap {
            Duration::ZERO => Duration::MAX,
            gap if self.traffic.evenly => gap,
            gap => self.gaps.between(Duration::ZERO, gap * 2),
        }
    }

    /// When the next one comes.
    fn next_time(&mut self) -> Duration {
        while let Some((at, jobs)) = self.traffic.bursts.last_mut() {
            match jobs.checked_sub(1) {
                None => drop(self.traffic.bursts.pop()),
                Some(rest) if *at <= self.next => {
                    *jobs = rest;
                    return *at;
                }
                Some(_) => break,
            }
        }
        let later = self.next.saturating_add(self.gap());
        std::mem::replace(&mut self.next, later)
    }
}

impl Iterator for Arrivals {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        let at = self.next_time();
        if at >= self.end {
            return None;
        }
        self.number += 1;
        let mut draw = Draw::of(self.seed, &[self.stream, self.number]);
        let key = (self.traffic.keys > 0).then(|| draw.below(self.traffic.keys));
        Some(Arrival { number: self.number, at, key, draw })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn times(traffic: &Traffic, seed: u64) -> Vec<(Duration, Option<u64>)> {
        traffic.arrivals(seed, 0, MINUTE * 10).map(|arrival| (arrival.at, arrival.key)).collect()
    }

    #[test]
    fn so_many_come_as_was_said_at_times_and_with_keys_that_follow_from_the_seed() {
        let traffic = Traffic::per_second(20.0).keys(50);
        let (jobs, again) = (times(&traffic, 7), times(&traffic, 7));
        assert_eq!(jobs, again);
        assert_ne!(jobs, times(&traffic, 8));
        assert!((11_500..12_500).contains(&jobs.len()), "{} in ten minutes at 20 a second", jobs.len());
        assert!(jobs.is_sorted_by_key(|(at, _)| *at));
        for key in 0..50 {
            let count = jobs.iter().filter(|(_, has)| *has == Some(key)).count();
            assert!((160..340).contains(&count), "key {key} has {count}");
        }
        let other = traffic.arrivals(7, 1, MINUTE).next().map(|arrival| arrival.at);
        assert_ne!(other, Some(jobs[0].0), "two streams of one simulation differ");
    }

    #[test]
    fn a_burst_comes_at_its_time_and_leaves_the_others_alone() {
        let steady = Traffic::per_second(1.0).evenly();
        let with = steady.clone().burst(MINUTE * 2, 100).burst(MINUTE, 50).burst(MINUTE, 0);
        let all = times(&with, 7);
        assert!(all.is_sorted());
        assert_eq!(all.len(), times(&steady, 7).len() + 150);
        let at = |time| all.iter().filter(|(at, _)| *at == time).count();
        assert_eq!((at(MINUTE), at(MINUTE * 2), at(MINUTE * 3)), (51, 101, 1));
    }

    #[test]
    fn nothing_comes_of_no_traffic() {
        assert!(times(&Traffic::none(), 1).is_empty());
        assert!(times(&Traffic::per_second(0.0), 1).is_empty());
        assert!(times(&Traffic::per_second(-1.0), 1).is_empty());
        assert!(times(&Traffic::per_second(f64::NAN), 1).is_empty());
        assert_eq!(times(&Traffic::none().burst(MINUTE, 3), 1).len(), 3);
        assert!(times(&Traffic::none().burst(MINUTE * 10, 3), 1).is_empty(), "that is after the end");
    }
}
