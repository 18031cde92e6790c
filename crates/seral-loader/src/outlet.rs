//! A community of the host to which a plugin may send.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use seral::Community;
use seral_plugin::Schema;
use seral_plugin::codec;
use serde::de::DeserializeOwned;

/// A send on its way: whether it was admitted, or else why not.
pub(crate) type Sending = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

type Sender = dyn Fn(&[u8]) -> Sending + Send + Sync;

/// A community, whatever its jobs are.
#[derive(Clone)]
pub(crate) struct Outlet {
    name: String,
    schema: u64,
    send: Arc<Sender>,
}

impl Outlet {
    /// Into this community.
    pub(crate) fn to<J, O>(community: &Community<J, O>) -> Self
    where
        J: Schema + DeserializeOwned + Send + Sync + 'static,
        O: Send + 'static,
    {
        let name = community.name().to_owned();
        let community = community.clone();
        let send = move |bytes: &[u8]| -> Sending {
            let job = codec::decode::<J>(bytes);
            let community = community.clone();
            Box::pin(async move {
                let job = job.map_err(|why| why.to_string())?;
                community.send(job).await.map(drop).map_err(|why| why.to_string())
            })
        };
        Self { name, schema: J::FINGERPRINT, send: Arc::new(send) }
    }
}

impl Outlet {
    /// The name of the community.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// Sends a job to one of these.
pub(crate) fn send(outlets: &[Outlet], community: &str, schema: u64, job: &[u8]) -> Sending {
    let refused = |why: String| -> Sending { Box::pin(async { Err(why) }) };
    let Some(outlet) = outlets.iter().find(|outlet| outlet.name == community) else {
        return refused(format!(
            "expected a community to which this plugin may send, found `{community}`; allow it by `Library::sends_to`"
        ));
    };
    if outlet.schema != schema {
        return refused(format!(
            "expected jobs of schema {:016x} for `{community}`, found {schema:016x}; build the plugin with the job type of this program",
            outlet.schema
        ));
    }
    (outlet.send)(job)
}

impl fmt::Debug for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outlet").field("name", &self.name).finish_non_exhaustive()
    }
}
