//! Breaks parts of a running community on purpose, so that a test can see them recover.

use seral::Community;
use seral::community::Sabotage;

/// Makes the dispatcher fail, as a bug in it would. It is started again, and no job is lost.
pub fn panic_dispatcher<J: Send + Sync + 'static, O: Send + 'static>(community: &Community<J, O>) {
    community.sabotage(Sabotage::PanicDispatcher);
}

/// Makes the pool of the current version fail. It is started again with new workers; the jobs in hand are charged an attempt.
pub fn panic_pool<J: Send + Sync + 'static, O: Send + 'static>(community: &Community<J, O>) {
    community.sabotage(Sabotage::PanicPool);
}

/// Kills a worker of the current version in the middle of its job, which is charged an attempt.
pub fn kill_worker<J: Send + Sync + 'static, O: Send + 'static>(community: &Community<J, O>) {
    community.sabotage(Sabotage::KillWorker);
}
