//! A library to deploy a version from.

use std::path::Path;
use std::sync::Arc;

use seral::Community;
use seral::Pool;
use seral::view::LibraryView;
use seral_plugin::Schema;
use seral_plugin::codec;
use seral_plugin::codec::CodecError;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::call::Configuration;
use crate::load::Load;
use crate::load::Source;
use crate::loaded::Loaded;
use crate::outlet::Outlet;
use crate::precheck;
use crate::precheck::Checked;
use crate::refused::Refused;
use crate::sha256::Sha256;

/// A plugin in a file: a version of a worker that was built apart from this program.
///
/// ```no_run
/// use seral_loader::Library;
/// # use seral::prelude::*;
/// # async fn deploy(orders: Community<String, u32>) -> Result<(), BoxError> {
/// orders.deploy("2.0.0", Library::open("liborders_v2.so")?.pool(5)).await?;
/// # Ok(())
/// # }
/// ```
///
/// The file is read and looked at when it is opened with [`open`](Self::open); its code does not run before the deploy, and then from a private copy. So
/// afterwards the file may be replaced, overwritten or removed. The copy lies in the directory for temporary files, in one of its own, and is removed when its
/// version retires; a process that is killed leaves it there.
///
/// By default a library is *resident*: its code runs on the threads of the runtime, as fast as that of a linked worker but for the encoding of jobs and
/// outputs, and when its version is retired it stays mapped, since to unmap code that ran on threads which live on ends the process later. That costs some
/// hundred kilobytes of memory for each version; [`mapped`](crate::mapped()) lists them. One that is [`isolated`](Self::isolated) is unmapped.
///
/// It is opened on a thread made for that, since its initializer may hang; so a test that stops tokio's clock should do that after the deploy, for the clock would
/// run ahead of that thread and end the deploy by its deadline.
#[derive(Clone, Debug)]
#[must_use = "a library does nothing until a pool of it is deployed"]
pub struct Library {
    checked: Checked,
    isolated: bool,
    config: Configuration,
    outlets: Vec<Outlet>,
    source: Arc<Source>,
}

impl Library {
    /// The plugin in this file.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is no plugin for this process; its code has not run. Whether its jobs, its outputs and its version are those of the community
    /// is seen by the deploy.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Refused> {
        let (checked, bytes) = precheck::read(path.as_ref())?;
        let source = Arc::new(Source::of(bytes));
        Ok(Self { checked, isolated: false, config: Configuration::default(), outlets: Vec::new(), source })
    }

    /// Insists on this very file: of a file whose code was damaged nothing else can tell.
    ///
    /// # Errors
    ///
    /// It is another one.
    pub fn sha256(self, expected: Sha256) -> Result<Self, Refused> {
        if self.checked.sha256 == expected {
            Ok(self)
        } else {
            Err(Refused::OtherSha256 { expected, found: self.checked.sha256 })
        }
    }

    /// Its code runs on threads made for it, one for each worker, and when its version is retired, it is unmapped. A job costs some microseconds more, for the way
    /// to that thread and back. Default = resident.
    ///
    /// While such a worker computes without an `await`, the watcher takes it for one that waits, so none is started beside it. Threads of the library's own must have ended
    /// when its last worker is dropped, or by the end of its `own-runtime`; those that Rust's standard library has started keep it mapped, others are cut off.
    pub fn isolated(mut self) -> Self {
        self.isolated = true;
        // Not shared with pools that were made of it before.
        self.source = Arc::new(self.source.again());
        self
    }

    /// What its workers are made with, if they are exported with a function that takes a configuration.
    ///
    /// # Errors
    ///
    /// It cannot be written as bytes.
    pub fn config<C: Schema + Serialize + 'static>(mut self, config: &C) -> Result<Self, CodecError> {
        let bytes = codec::encode(config, &mut Vec::new())?.to_vec();
        self.config = Configuration { schema: C::FINGERPRINT, bytes };
        Ok(self)
    }

    /// Lets its workers send jobs to this community, by its name: `seral_plugin::send(cx, "invoices", invoice).await?`. Without this they may send to
    /// none. Of two communities with one name it is the one that was given last.
    pub fn sends_to<J, O>(mut self, community: &Community<J, O>) -> Self
    where
        J: Schema + DeserializeOwned + Send + Sync + 'static,
        O: Send + 'static,
    {
        self.outlets.retain(|outlet| outlet.name() != community.name());
        self.outlets.push(Outlet::to(community));
        self
    }

    /// So many workers of it, to be deployed. Its build is the file and what its workers are given: the same under the same version is the same build, and any other
    /// is refused by the deploy.
    pub fn pool<J, O>(&self, size: usize) -> Pool<J, O>
    where
        J: Schema + Serialize + Send + Sync + 'static,
        O: Schema + DeserializeOwned + Send + 'static,
    {
        let load = Arc::new(Load {
            checked: self.checked.clone(),
            isolated: self.isolated,
            config: self.config.clone(),
            outlets: self.outlets.as_slice().into(),
            source: Arc::clone(&self.source),
        });
        let build = self.build();
        let (source, looked_at) = (Arc::clone(&self.source), self.checked.sha256.to_string());
        let isolated = self.isolated;
        let look = move || {
            let mapped = source.mapped().map_or(0, |mapped| mapped.bytes);
            LibraryView { sha256: looked_at.clone(), mapped, isolated }
        };
        Pool::of(size, move || Loaded::new(Arc::clone(&load))).build(build).library(look)
    }

    /// Which file it is, and what its workers are given: with something else they are another build.
    fn build(&self) -> String {
        let given = (self.isolated, self.config.schema, &self.config.bytes);
        let outlets: Vec<_> = self.outlets.iter().map(Outlet::name).collect();
        let given = Sha256::of(format!("{given:?} {outlets:?}").as_bytes());
        format!("{} {given}", self.checked.sha256)
    }

    /// The name of the package that it was built from.
    pub fn name(&self) -> &str {
        &self.checked.note.name
    }

    /// The version of the package that it was built from, under which it is to be deployed.
    pub fn version(&self) -> &str {
        &self.checked.note.version
    }

    /// What was found in the file.
    pub fn checked(&self) -> &Checked {
        &self.checked
    }
}
