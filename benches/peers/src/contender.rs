//! The contenders: one module each, and what is in the plan for them.

mod channel;

pub(crate) mod seral;
pub(crate) mod ractor;
pub(crate) mod ractor_factory;
pub(crate) mod kameo;
pub(crate) mod kameo_pool;
pub(crate) mod actix;
pub(crate) mod xtra;
pub(crate) mod apalis;
pub(crate) mod tokio_mpsc;
pub(crate) mod async_channel;
pub(crate) mod flume;
pub(crate) mod crossfire;
pub(crate) mod kanal;

use ::ractor::factory::routing::QueuerRouting;
use ::ractor::factory::routing::RoundRobinRouting;

use crate::contender::channel::Request;
use crate::deploys;
use crate::flow::peak;
use crate::flow::throughput;
use crate::idle::cost;
use crate::keys;
use crate::loss::count;
use crate::plan::Contender;
use crate::request::latency;
use crate::task::Reading;
use crate::task::Task;
use crate::work::Work;

/// Does a work and measures it, in this process.
pub(crate) type Measure = fn(Task) -> Vec<Reading>;

/// How a contender does a work; nothing if it does not. `ractor-spans` is missing: it is in a program of its own.
pub(crate) fn measure_of(contender: Contender, work: Work) -> Option<Measure> {
    match work {
        Work::W1 | Work::W2 | Work::W3 => throughput_of(contender),
        Work::W4a | Work::W4b => latency_of(contender),
        Work::W5 => cost_of(contender),
        Work::W6 => peak_of(contender),
        Work::W7 => deploys_of(contender),
        Work::W8 => keys_of(contender),
        Work::W9 => count_of(contender),
    }
}

fn throughput_of(contender: Contender) -> Option<Measure> {
    Some(match contender {
        Contender::Seral => throughput::<seral::Adders>,
        Contender::Ractor => throughput::<ractor::Adders<u64>>,
        Contender::RactorFactory => throughput::<ractor_factory::Adders<u64, QueuerRouting<u64, u64>>>,
        Contender::RactorFactoryRr => throughput::<ractor_factory::Adders<u64, RoundRobinRouting<u64, u64>>>,
        Contender::Kameo => throughput::<kameo::Adders>,
        Contender::KameoPool => throughput::<kameo_pool::Adders>,
        Contender::Actix => throughput::<actix::Adders>,
        Contender::Xtra => throughput::<xtra::Adders>,
        Contender::Apalis => throughput::<apalis::Adders<u64>>,
        Contender::TokioMpsc => throughput::<tokio_mpsc::Adders<u64>>,
        Contender::AsyncChannel => throughput::<async_channel::Adders<u64>>,
        Contender::Flume => throughput::<flume::Adders<u64>>,
        Contender::Crossfire => throughput::<crossfire::Adders<u64>>,
        Contender::Kanal => throughput::<kanal::Adders<u64>>,
        _ => return None,
    })
}

fn latency_of(contender: Contender) -> Option<Measure> {
    type RactorRequest = ractor::Request;
    type Queuer = QueuerRouting<u64, RactorRequest>;
    type RoundRobin = RoundRobinRouting<u64, RactorRequest>;
    Some(match contender {
        Contender::Seral => latency::<seral::Adders>,
        Contender::Ractor => latency::<ractor::Adders<RactorRequest>>,
        Contender::RactorFactory => latency::<ractor_factory::Adders<RactorRequest, Queuer>>,
        Contender::RactorFactoryRr => latency::<ractor_factory::Adders<RactorRequest, RoundRobin>>,
        Contender::Kameo => latency::<kameo::Adders>,
        Contender::KameoPool => latency::<kameo_pool::Adders>,
        Contender::Actix => latency::<actix::Adders>,
        Contender::Xtra => latency::<xtra::Adders>,
        Contender::Apalis => latency::<apalis::Adders<Request>>,
        Contender::TokioMpsc => latency::<tokio_mpsc::Adders<Request>>,
        Contender::AsyncChannel => latency::<async_channel::Adders<Request>>,
        Contender::Flume => latency::<flume::Adders<Request>>,
        Contender::Crossfire => latency::<crossfire::Adders<Request>>,
        Contender::Kanal => latency::<kanal::Adders<Request>>,
        _ => return None,
    })
}

fn cost_of(contender: Contender) -> Option<Measure> {
    Some(match contender {
        Contender::Seral => cost::<seral::IdleWorkers>,
        Contender::Ractor => cost::<ractor::IdleActors>,
        Contender::Kameo => cost::<kameo::IdleActors>,
        Contender::Actix => cost::<actix::IdleActors>,
        Contender::Xtra => cost::<xtra::IdleActors>,
        _ => return None,
    })
}

fn peak_of(contender: Contender) -> Option<Measure> {
    Some(match contender {
        Contender::Seral => peak::<seral::Adders>,
        Contender::Ractor => peak::<ractor::Adders<u64>>,
        Contender::RactorFactory => peak::<ractor_factory::Adders<u64, QueuerRouting<u64, u64>>>,
        Contender::RactorFactoryRr => peak::<ractor_factory::Adders<u64, RoundRobinRouting<u64, u64>>>,
        Contender::Kameo => peak::<kameo::Adders>,
        Contender::KameoPool => peak::<kameo_pool::Adders>,
        Contender::Actix => peak::<actix::Adders>,
        Contender::Xtra => peak::<xtra::Adders>,
        Contender::Apalis => peak::<apalis::Adders<u64>>,
        Contender::TokioMpsc => peak::<tokio_mpsc::Adders<u64>>,
        Contender::AsyncChannel => peak::<async_channel::Adders<u64>>,
        Contender::Flume => peak::<flume::Adders<u64>>,
        Contender::Crossfire => peak::<crossfire::Adders<u64>>,
        Contender::Kanal => peak::<kanal::Adders<u64>>,
        _ => return None,
    })
}

fn deploys_of(contender: Contender) -> Option<Measure> {
    Some(match contender {
        Contender::Seral => deploys::without,
        Contender::SeralDeploys => deploys::with,
        _ => return None,
    })
}

fn keys_of(contender: Contender) -> Option<Measure> {
    Some(match contender {
        Contender::Seral => throughput::<seral::Adders>,
        Contender::SeralSubmit => throughput::<keys::Submitted>,
        Contender::SeralKeys => throughput::<keys::Keyed>,
        _ => return None,
    })
}

fn count_of(contender: Contender) -> Option<Measure> {
    Some(match contender {
        Contender::Seral => count::<seral::Adders>,
        Contender::Ractor => count::<ractor::Adders<u64>>,
        Contender::RactorFactory => count::<ractor_factory::Adders<u64, QueuerRouting<u64, u64>>>,
        Contender::RactorFactoryRr => count::<ractor_factory::Adders<u64, RoundRobinRouting<u64, u64>>>,
        Contender::Kameo => count::<kameo::Adders>,
        Contender::KameoPool => count::<kameo_pool::Adders>,
        Contender::Actix => count::<actix::Adders>,
        Contender::Apalis => count::<apalis::Adders<u64>>,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::measure_of;
    use crate::plan::Contender;
    use crate::work::Work;

    #[test]
    fn who_is_in_the_plan_has_a_measure_and_who_is_blank_has_none() {
        for work in Work::ALL {
            for contender in Contender::all().iter().filter(|it| **it != Contender::RactorSpans) {
                let planned = contender.belongs_to(work) && contender.blank(work).is_none();
                let measured = measure_of(*contender, work).is_some();
                assert_eq!(planned, measured, "{} in {}", contender.name(), work.name());
            }
        }
    }

    #[test]
    fn who_is_in_the_plan_has_jobs() {
        for work in Work::ALL {
            for contender in Contender::all().iter().filter(|it| it.belongs_to(work)) {
                assert!(contender.jobs(work) > 0, "{} in {}", contender.name(), work.name());
            }
        }
    }
}
