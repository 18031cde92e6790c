//! Virtual time for a test of your own: it moves on at once when nobody has anything to do.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use seral::Community;
use seral::view::CommunityView;
use tokio::runtime::Builder;
use tokio::runtime::Handle;

/// How long jobs may take until [`settle`] gives up.
const PATIENCE: Duration = Duration::from_secs(30 * 24 * 3600);

/// How long it is from one look of [`settle`] to the next, at most.
const LOOKS_APART_MAX: Duration = Duration::from_secs(60);

/// Runs a future on virtual time, on a runtime of its own with one thread: an hour of `cx.sleep` or `tokio::time::sleep` takes no time. For a plain
/// `#[test]`; it does what `#[tokio::test(start_paused = true)]` does.
///
/// # Panics
///
/// Within a runtime.
pub fn virtual_time<T>(future: impl Future<Output = T>) -> T {
    assert!(
        Handle::try_current().is_err(),
        "virtual time needs a runtime of its own: use it in a plain `#[test]`, not within another runtime"
    );
    match Builder::new_current_thread().enable_time().start_paused(true).build() {
        Ok(runtime) => runtime.block_on(future),
        Err(error) => std::panic::panic_any(format!("there is no runtime for virtual time: {error}")),
    }
}

/// Waits until every job of this community has been worked, with the jobs that those have sent to it: none waits, runs, is delayed or is to be tried
/// again. Returns what is the case then.
///
/// Meant for virtual time, where what is due in an hour is due at once. Looks more and more seldom, so by then up to a minute more may have passed.
///
/// # Errors
///
/// [`Unsettled`] after 30 days: a job hangs, or no version takes it.
pub async fn settle<J, O>(community: &Community<J, O>) -> Result<CommunityView, Unsettled>
where
    J: Send + Sync + 'static,
    O: Send + 'static,
{
    let settled = async {
        let mut pause = Duration::from_millis(1);
        loop {
            let view = community.describe();
            if unfinished(&view) == 0 {
                return view;
            }
            tokio::time::sleep(pause).await;
            // Seldom for long, often at first: what waits for an hour is not worth 3,600,000 looks.
            pause = (pause * 2).min(LOOKS_APART_MAX);
        }
    };
    match tokio::time::timeout(PATIENCE, settled).await {
        Ok(view) => Ok(view),
        Err(_) => Err(Unsettled { view: Box::new(community.describe()) }),
    }
}

fn unfinished(view: &CommunityView) -> u64 {
    let settling: usize = view.versions.iter().map(|version| version.running + version.waiting).sum();
    let settling = u64::try_from(settling).unwrap_or(u64::MAX);
    settling.max(view.waiting + view.fenced + view.delayed + view.running + view.in_transit)
}

/// A community has jobs that do not come to an end.
#[derive(Clone, Debug)]
pub struct Unsettled {
    /// What is the case.
    pub view: Box<CommunityView>,
}

impl fmt::Display for Unsettled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let jobs = unfinished(&self.view);
        write!(f, "{jobs} jobs did not come to an end within 30 days:\n{}", self.view)
    }
}

impl std::error::Error for Unsettled {}
