//! A pool that sends to itself: a part of the product becomes its eighths, or is multiplied.

use std::sync::Arc;

use savina_problems::matrix::Matrix;
use savina_problems::matrix::Part;
use savina_problems::matrix::Product;
use seral::prelude::*;

use crate::stage::end;

struct Multiplier {
    own: Community<Part, ()>,
    product: Arc<Product>,
}

impl Worker for Multiplier {
    type Job = Part;
    type Output = ();

    async fn process(&mut self, part: &Part, _: &JobContext) -> Result<(), Fault> {
        if let Some(eighths) = self.product.split_or_multiply(*part) {
            self.own.send_all(&mut eighths.into_iter()).await?;
        }
        Ok(())
    }
}

pub(crate) async fn run(problem: Matrix) -> Result<Arc<Product>, BoxError> {
    let ecosystem = Ecosystem::new("matrix");
    let product = Arc::new(problem.factors());
    let parts = ecosystem.community("parts").await?;
    let (own, of_all) = (parts.clone(), Arc::clone(&product));
    let multiplier = move || Multiplier { own: own.clone(), product: Arc::clone(&of_all) };
    parts.deploy("1.0.0", Pool::of(problem.workers, multiplier)).await?;

    parts.send(problem.whole()).await?;
    end(&ecosystem).await?;
    Ok(product)
}
