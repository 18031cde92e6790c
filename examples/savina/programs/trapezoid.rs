//! A pool and a job for each part: `submit` is the fork, to await its handle is the join.

use savina_problems::trapezoid::Part;
use savina_problems::trapezoid::Trapezoid;
use seral::prelude::*;

use crate::stage::end;

pub(crate) async fn run(problem: Trapezoid) -> Result<f64, BoxError> {
    let ecosystem = Ecosystem::new("trapezoid");
    let parts = ecosystem.community("parts").await?;
    let pool = Pool::of_fn(problem.workers as usize, |part: Part, _| async move { Ok(part.area()) });
    parts.deploy("1.0.0", pool).await?;

    let mut areas = Vec::new();
    for part in problem.parts() {
        areas.push(parts.submit(part).await?);
    }
    let mut area = 0.0;
    for of_part in areas {
        area += of_part.await?;
    }
    end(&ecosystem).await?;
    Ok(area)
}
