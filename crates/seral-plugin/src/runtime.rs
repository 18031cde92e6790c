//! The runtime of tokio that a plugin has for itself, with the feature `own-runtime`.
//!
//! A plugin cannot use the host's: its tokio is another one. So it is made when the first worker's code runs, has one thread, which
//! looks after sockets and timers, and ends with the plugin. The worker's code runs where the host polls it, and finds it there.

#[cfg(feature = "own-runtime")]
mod own {
    use std::io;
    use std::sync::Mutex;
    use std::sync::PoisonError;
    use std::time::Duration;

    use tokio::runtime::Builder;
    use tokio::runtime::Handle;
    use tokio::runtime::Runtime;

    static RUNTIME: Mutex<Option<Runtime>> = Mutex::new(None);

    fn handle() -> io::Result<Handle> {
        let mut runtime = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = &*runtime {
            return Ok(runtime.handle().clone());
        }
        let new = Builder::new_multi_thread().worker_threads(1).thread_name("plugin").enable_all().build()?;
        Ok(runtime.insert(new).handle().clone())
    }

    /// Where code of a worker runs.
    #[derive(Clone, Debug)]
    pub(crate) struct Surroundings(Handle);

    impl Surroundings {
        /// Those of this plugin.
        pub(crate) fn new() -> io::Result<Self> {
            handle().map(Self)
        }

        /// Runs it there.
        pub(crate) fn run<R>(&self, code: impl FnOnce() -> R) -> R {
            let _entered = self.0.enter();
            code()
        }
    }

    /// Ends it. Whether nothing of it goes on is not told by tokio.
    pub(crate) fn shut_down(timeout: Duration) {
        let runtime = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(runtime) = runtime {
            runtime.shutdown_timeout(timeout);
        }
    }
}

#[cfg(not(feature = "own-runtime"))]
mod own {
    use std::io;
    use std::time::Duration;

    #[derive(Clone, Debug)]
    pub(crate) struct Surroundings;

    impl Surroundings {
        #[expect(clippy::unnecessary_wraps, reason = "as with a runtime")]
        pub(crate) fn new() -> io::Result<Self> {
            Ok(Self)
        }

        #[expect(clippy::unused_self, reason = "as with a runtime")]
        pub(crate) fn run<R>(&self, code: impl FnOnce() -> R) -> R {
            code()
        }
    }

    pub(crate) fn shut_down(_: Duration) {}
}

pub(crate) use own::Surroundings;
pub(crate) use own::shut_down;
