//! A host for test plugins.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use payload::Script;
use payload::Task;
use seral::prelude::*;
use seral_loader::Library;

pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// Whether the code of a library runs on the threads of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Where {
    Resident,
    Isolated,
}

pub(crate) const BOTH: [Where; 2] = [Where::Resident, Where::Isolated];

/// The file of this test plugin.
pub(crate) fn plugin(package: &str) -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins/Cargo.toml");
    seral_test::plugin::build(manifest, package).unwrap_or_else(|why| panic!("{why}"))
}

/// The plugin that does what it is told to.
pub(crate) fn scripted() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| plugin("scripted"))
}

/// The same as another version, whose name is as long: by its note.
pub(crate) fn scripted_as(version: &str, directory: &Path) -> PathBuf {
    let path = directory.join(format!("scripted-{version}.so"));
    let bytes = fs::read(scripted()).unwrap();
    fs::write(&path, renamed(bytes, version)).unwrap();
    path
}

fn renamed(mut bytes: Vec<u8>, version: &str) -> Vec<u8> {
    let (from, to) = ("version=1.0.0 ".as_bytes(), format!("version={version} "));
    assert_eq!(to.len(), from.len(), "a name of another length moves what follows it");
    let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
    bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
    bytes
}

/// Opens a library with a script.
pub(crate) fn open(path: &Path, at: Where, script: Script) -> Library {
    let library = Library::open(path).unwrap_or_else(|why| panic!("{why}"));
    let library = library.config(&script).unwrap();
    if at == Where::Isolated { library.isolated() } else { library }
}

/// A community in which one attempt is all, unless said otherwise.
pub(crate) async fn community(shop: &Ecosystem) -> Community<Task, String> {
    shop.community::<Task, String>("orders").retry(RetryPolicy::attempts(1)).await.unwrap()
}

/// A community with version 1.0.0 of the plugin.
pub(crate) async fn loaded(
    shop: &Ecosystem,
    at: Where,
    script: Script,
    workers: usize,
) -> Community<Task, String> {
    let orders = community(shop).await;
    orders.deploy("1.0.0", open(scripted(), at, script).pool(workers)).await.unwrap();
    orders
}

/// A worker that is linked: says what it is told to say.
pub(crate) fn linked(workers: usize) -> Pool<Task, String> {
    Pool::of_fn(workers, |task: Task, _| async move {
        let Task::Say(text) = task else { return Err(Fault::dead_letter("linked workers only say")) };
        Ok(text)
    })
}

/// Waits until this is so, a turn at a time; but not for ever.
#[track_caller]
pub(crate) fn until(is_so: impl Fn() -> bool) -> impl Future<Output = ()> {
    let (from, began) = (std::panic::Location::caller(), std::time::Instant::now());
    async move {
        while !is_so() {
            assert!(began.elapsed() < MINUTE / 2, "it does not come to what is waited for at {from}");
            tokio::task::yield_now().await;
        }
    }
}
