//! A library in the memory of this process, and the functions of the plugin in it.
#![expect(unsafe_code, reason = "opening a library runs its code, and its table is reached by a pointer")]

use std::error::Error;
use std::mem::ManuallyDrop;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use libloading::os::unix::Library;
use libloading::os::unix::RTLD_LOCAL;
use libloading::os::unix::RTLD_NOW;
use parking_lot::Mutex;
use seral_plugin::Note;
use seral_plugin::outcome::Ended;
use seral_plugin::table::ENTRY;
use seral_plugin::table::Entry as EntryFunction;
use seral_plugin::table::HostTable;
use seral_plugin::table::Plugin;
use seral_plugin::table::PluginTable;

use crate::mapped;
use crate::mapped::Entry;
use crate::mapped::Mapped;
use crate::maps;
use crate::precheck::Checked;
use crate::private_copy::PrivateCopy;
use crate::refused::Refused;
use crate::rehearsal;

/// A library that was opened. It is never closed by being dropped: its code may be on the stack of any thread, or wait to be run at its end. See
/// [`close`](Self::close).
#[derive(Debug)]
pub(crate) struct Image {
    library: ManuallyDrop<Library>,
    plugin: Plugin,
    entry: Entry,
    path: PathBuf,
    /// Until it is retired.
    copy: Mutex<Option<PrivateCopy>>,
    /// How many use the plugin. Held while it is taken into use, and while it is shut down: who takes it into use again may be quicker than who shuts it down.
    users: Mutex<usize>,
}

impl Image {
    /// Opens a copy of a library that was checked. Runs code of the library, which may hang, so only where that may happen.
    ///
    /// # Errors
    ///
    /// It is not opened, or is not what was checked. In the second case it stays mapped.
    pub(crate) fn open(bytes: &[u8], checked: &Checked, isolated: bool) -> Result<Self, Refused> {
        let entry = mapped::enter(Mapped {
            name: checked.note.name.clone(),
            version: checked.note.version.clone(),
            sha256: checked.sha256,
            bytes: 0,
            isolated,
            in_use: false,
        })?;
        let opened = PrivateCopy::of(bytes, checked.sha256).and_then(|copy| {
            rehearsal::ends_well(copy.path())?;
            Ok((dlopen(copy.path())?, copy))
        });
        let (library, copy) = opened.inspect_err(|_| mapped::strike_out(entry))?;
        let path = copy.path().to_owned();
        mapped::note(entry, |mapped| mapped.bytes = maps::bytes_of(&path));
        let plugin = plugin_in(&library, checked)?;
        Ok(Self { library, plugin, entry, path, copy: Mutex::new(Some(copy)), users: Mutex::new(0) })
    }

    /// The functions of the plugin.
    pub(crate) fn plugin(&self) -> Plugin {
        self.plugin
    }

    /// Where it is in the list of what is mapped.
    pub(crate) fn entry(&self) -> Entry {
        self.entry
    }

    /// Takes the plugin into use, until [`shut_down`](Self::shut_down). Runs code of it.
    ///
    /// # Errors
    ///
    /// It does not want to.
    pub(crate) fn init(&self, host: &'static HostTable) -> Result<(), Refused> {
        let mut users = self.users.lock();
        // SAFETY: it is the plugin's own function; the host's table is there for ever.
        let outcome = unsafe { (self.plugin.init)(host) };
        done(outcome.read())?;
        *users += 1;
        mapped::note(self.entry, |mapped| mapped.in_use = true);
        Ok(())
    }

    /// Ends what the plugin has of its own, if nobody else uses it, once no worker is left; removes the copy. Runs code of it, and may block.
    pub(crate) fn shut_down(&self, timeout: Duration) {
        let mut users = self.users.lock();
        *users -= 1;
        if *users > 0 {
            return;
        }
        let nanos = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
        // SAFETY: it is the plugin's own function.
        let outcome = unsafe { (self.plugin.shutdown)(nanos) };
        if let Err(why) = done(outcome.read()) {
            tracing::warn!(path = %self.path.display(), %why, "a plugin was not shut down");
        }
        mapped::note(self.entry, |mapped| mapped.in_use = false);
        self.copy.lock().take();
    }

    /// Unmaps the library, if nothing in it prevents that; [`mapped`](crate::mapped()) tells whether it does.
    ///
    /// # Safety
    ///
    /// No thread that has run code of it is alive, but those of which the plugin itself says that they do not come back to it, and nothing that it made
    /// is left.
    pub(crate) unsafe fn close(self) {
        // What cannot be closed stays.
        let _ = ManuallyDrop::into_inner(self.library).close();
        mapped::leave(self.entry, &self.path);
    }
}

/// What came of a call that gives nothing back.
fn done(ended: Ended) -> Result<(), Refused> {
    match ended {
        Ended::Done(_) => Ok(()),
        Ended::Refused(why) => Err(Refused::Unwilling { why }),
        Ended::Panicked(panic) => Err(Refused::Unwilling { why: format!("it panicked: {}", panic.text) }),
        other => Err(Refused::Unwilling { why: format!("it answered {other:?}") }),
    }
}

fn dlopen(path: &Path) -> Result<ManuallyDrop<Library>, Refused> {
    // SAFETY: this runs the initializers of the library. It was found whole and built for this machine and this ABI; beyond that, who deploys it vouches for
    // its code as for code that is linked.
    let opened = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) };
    opened.map(ManuallyDrop::new).map_err(|error| {
        // It says only what failed; the cause says why.
        let why = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        // What it says begins with the path of the copy, which nobody knows.
        let why = why.split_once(": ").map_or(&*why, |(_, why)| why).to_owned();
        Refused::NotOpened { why }
    })
}

/// The plugin in this library, if it is the one that was checked.
fn plugin_in(library: &Library, checked: &Checked) -> Result<Plugin, Refused> {
    // SAFETY: the symbol with this name is a function of this type; that is what the note says.
    let table = unsafe {
        let entry = library.get::<EntryFunction>(ENTRY).map_err(|_| Refused::NoEntry)?;
        PluginTable::read(entry())
    };
    let plugin = table.map_err(|why| Refused::Table { why })?;
    // SAFETY: the note is static data of the library.
    let note = Note::parse(unsafe { plugin.note.as_slice() });
    if note.as_ref() == Ok(&checked.note) { Ok(plugin) } else { Err(Refused::AnotherOpened) }
}
