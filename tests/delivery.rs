//! Promises 1 to 3.
use seral::prelude::*;

#[tokio::test]
async fn a_job_is_done_and_its_output_comes_back() {
    let shop = Ecosystem::new("shop");
    let halve = shop.community::<u32, u32>("halve").await.unwrap();
    halve.deploy("1.0.0", Pool::of_fn(2, |n: u32, _| async move { Ok(n / 2) })).await.unwrap();
    assert_eq!(halve.ask(42).await.unwrap(), 21);
    println!("{}", shop.describe());
    halve.deploy("2.0.0", Pool::of_fn(2, |n: u32, _| async move { Ok(n / 4) })).await.unwrap();
    assert_eq!(halve.ask(42).await.unwrap(), 10);
    println!("{:?}", halve.drained("1.0.0").await);
    println!("{:?}", halve.rollback().await);
    assert_eq!(halve.ask(42).await.unwrap(), 21);
    println!("{}", shop.describe());
    println!("{}", shop.shutdown(std::time::Duration::from_secs(5)).await);
}
