//! A pool and a job for each term, which are added as they are asked for: in order, whichever is done first.

use savina_problems::fixed_point::FixedPoint;
use savina_problems::pi_precision::PiPrecision;
use seral::prelude::*;

use crate::stage::end;

pub(crate) async fn run(problem: PiPrecision) -> Result<FixedPoint, BoxError> {
    let ecosystem = Ecosystem::new("pi-precision");
    let terms = ecosystem.community("terms").await?;
    let pool = Pool::of_fn(problem.workers, move |k: u32, _| async move { Ok(problem.term(k)) });
    terms.deploy("1.0.0", pool).await?;

    let mut under_way = Vec::new();
    for k in 0..problem.terms() {
        under_way.push(terms.submit(k).await?);
    }
    let mut pi = FixedPoint::zero(problem.groups());
    for term in under_way {
        pi.add(&term.await?);
    }
    end(&ecosystem).await?;
    Ok(pi)
}
