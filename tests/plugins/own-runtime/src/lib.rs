//! A worker that waits with a runtime of its own.

use std::time::Duration;

use payload::Task;
use seral_plugin::Fault;
use seral_plugin::JobContext;
use seral_plugin::Worker;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;

seral_plugin::export_worker!(Echo);

/// Sends the text of its job through a socket, and waits for it.
#[derive(Default)]
struct Echo;

impl Worker for Echo {
    type Job = Task;
    type Output = String;

    async fn process(&mut self, task: &Task, cx: &JobContext) -> Result<String, Fault> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let text = match task {
            Task::Say(text) => text,
            Task::SleepOnBomb => {
                let _spawns = Spawns;
                tokio::time::sleep(Duration::from_secs(3_600)).await;
                return Ok(String::new());
            }
            _ => return Ok("waited".to_owned()),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let cx = cx.clone();
        let echo = tokio::spawn(async move {
            let (mut peer, _) = listener.accept().await?;
            let (mut from, mut to) = peer.split();
            cx.sleep(Duration::from_millis(1)).await;
            tokio::io::copy(&mut from, &mut to).await
        });
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(text.as_bytes()).await?;
        stream.shutdown().await?;
        let mut back = String::new();
        stream.read_to_string(&mut back).await?;
        echo.await??;
        Ok(back)
    }
}

/// Needs a runtime when it is dropped.
struct Spawns;

impl Drop for Spawns {
    fn drop(&mut self) {
        tokio::spawn(async {});
    }
}
