//! Tables that are longer or shorter than those of this side, and where things lie in them.

use std::mem::offset_of;
use std::ptr;

use seral_plugin::Abi;
use seral_plugin::export;
use seral_plugin::memory::Slice;
use seral_plugin::table::Blocking;
use seral_plugin::table::CallFacts;
use seral_plugin::table::Config;
use seral_plugin::table::CycleFacts;
use seral_plugin::table::Event;
use seral_plugin::table::Field;
use seral_plugin::table::Head;
use seral_plugin::table::HostTable;
use seral_plugin::table::Plugin;
use seral_plugin::table::PluginTable;
use seral_plugin::table::TableError;
use seral_plugin::table::WorkerFacts;

use crate::host::HOST;
use crate::scripted::Maker;

static TABLE: PluginTable = export::table::<Maker>(b"a note");

/// A table in memory of its own, which ends where the table says that it does.
fn cut_to<T>(table: &T, size: usize) -> Vec<u64> {
    let mut words = vec![0_u64; size.div_ceil(8).max(1)];
    let head = Head { size: u32::try_from(size).unwrap(), ..Head::of::<T>() };
    // SAFETY: so many bytes are in both, and the head comes first in each table.
    unsafe {
        ptr::copy_nonoverlapping(
            ptr::from_ref(table).cast::<u8>(),
            words.as_mut_ptr().cast(),
            size.min(size_of::<T>()),
        );
        words.as_mut_ptr().cast::<Head>().write(head);
    }
    words
}

fn read(words: &[u64]) -> Result<Plugin, TableError> {
    // SAFETY: they are a table, as long as it says.
    unsafe { PluginTable::read(words.as_ptr().cast()) }
}

fn note_of(plugin: Plugin) -> &'static [u8] {
    // SAFETY: it is the static note of the table above.
    unsafe { plugin.note.as_slice() }
}

#[test]
fn a_longer_table_is_read_as_far_as_it_is_known() {
    #[repr(C)]
    struct Longer {
        table: PluginTable,
        unknown: [u64; 1_000],
    }
    let mut longer = Box::new(Longer { table: TABLE, unknown: [u64::MAX; 1_000] });
    longer.table.head.size = u32::try_from(size_of::<Longer>()).unwrap();
    longer.table.head.abi_minor = 7;
    // SAFETY: it is as long as it says.
    let plugin = unsafe { PluginTable::read((&raw const *longer).cast()) }.unwrap();
    assert_eq!(plugin.head, longer.table.head, "what the other side is can be seen");
    assert_eq!(note_of(plugin), b"a note");
    let last = TABLE.shutdown.unwrap();
    assert!(ptr::fn_addr_eq(plugin.shutdown, last), "the last one that is known is where it was");
}

#[test]
fn the_function_that_a_shorter_table_lacks_is_named() {
    let functions =
        ["init", "create", "start", "process", "retry", "optimize", "stop", "destroy", "shutdown"];
    let first = offset_of!(PluginTable, init);
    for (count, function) in functions.into_iter().enumerate() {
        let missing = read(&cut_to(&TABLE, first + 8 * count)).unwrap_err();
        assert_eq!(missing, TableError::Missing { function });
        assert_eq!(missing.to_string(), format!("its table has no `{function}`"));
        let mut words = cut_to(&TABLE, size_of::<PluginTable>());
        words[first / 8 + count] = 0;
        assert_eq!(read(&words).unwrap_err(), missing, "to be null is to be missing");
    }
    let head_alone = read(&cut_to(&TABLE, size_of::<Head>())).unwrap_err();
    assert_eq!(head_alone, TableError::Missing { function: "init" });
    assert_eq!(first + 8 * functions.len(), size_of::<PluginTable>(), "these are all");
    let whole = read(&cut_to(&TABLE, size_of::<PluginTable>())).unwrap();
    assert_eq!(note_of(whole), b"a note");
}

#[test]
fn a_table_without_a_head_is_refused() {
    for size in 0..size_of::<Head>() {
        let mut words = cut_to(&TABLE, size_of::<PluginTable>());
        let head = Head { size: u32::try_from(size).unwrap(), ..TABLE.head };
        // SAFETY: the words begin with a head.
        unsafe { words.as_mut_ptr().cast::<Head>().write(head) };
        let short = read(&words).unwrap_err();
        assert_eq!(short, TableError::Short { found: head.size });
        assert_eq!(short.to_string(), format!("its table has {size} bytes, which is less than its head"));
    }
    // SAFETY: null is allowed.
    let null = unsafe { PluginTable::read(ptr::null()) }.unwrap_err();
    assert_eq!((null, null.to_string().as_str()), (TableError::Null, "it has no table"));
}

#[test]
fn of_another_major_version_no_more_than_the_head_is_read_and_a_later_minor_one_is_fine() {
    for major in [0, 2, u16::MAX] {
        // There is nothing behind it.
        let head = Box::new(Head { size: 4_096, abi_major: major, abi_minor: 3 });
        // SAFETY: of a table of another version only the head is read.
        let other = unsafe { PluginTable::read((&raw const *head).cast()) }.unwrap_err();
        assert_eq!(other, TableError::Abi { found: Abi { major, minor: 3 } });
        assert_eq!(other.to_string(), format!("its table is for ABI {major}.3"));
    }
    for minor in [0, 1, u16::MAX] {
        let later = PluginTable { head: Head { abi_minor: minor, ..TABLE.head }, ..TABLE };
        // SAFETY: it is as long as it says.
        assert!(unsafe { PluginTable::read(&raw const later) }.is_ok());
    }
}

#[test]
fn what_an_older_host_does_not_tell_of_an_event_is_nothing() {
    let target = "orders".to_owned();
    let event = Event {
        head: Head::of::<Event>(),
        level: 2,
        line: 17,
        target: Slice::of(target.as_bytes()),
        name: Slice::of(b"name"),
        file: Slice::of(b"file"),
        module: Slice::of(b"module"),
        fields: ptr::dangling(),
        fields_len: 3,
    };
    let words = cut_to(&event, offset_of!(Event, name));
    // SAFETY: it is as long as it says.
    let read = unsafe { Event::read(words.as_ptr().cast()) }.unwrap();
    // SAFETY: it is lent above, and the others are empty.
    let [target, name, module] = [read.target, read.name, read.module].map(|it| unsafe { it.as_slice() });
    assert_eq!((read.level, read.line, target), (2, 17, &b"orders"[..]));
    assert_eq!((name, module, read.fields.is_null(), read.fields_len), (&b""[..], &b""[..], true, 0));
}

/// A later version adds at the end, or is another major version.
#[test]
fn everything_lies_where_it_always_did() {
    assert_eq!(Abi::OWN.major, 1, "with another one these numbers are free");
    macro_rules! lies {
        ($type:ty: $($field:ident at $offset:expr),*; $size:expr) => {
            $(assert_eq!(offset_of!($type, $field), $offset, stringify!($type.$field));)*
            assert_eq!(size_of::<$type>(), $size, stringify!($type));
        };
    }
    lies!(Head: size at 0, abi_major at 4, abi_minor at 6; 8);
    lies!(
        PluginTable: head at 0, note at 8, init at 24, create at 32, start at 40, process at 48, retry at 56, optimize at 64,
        stop at 72, destroy at 80, shutdown at 88; 96
    );
    lies!(
        HostTable: head at 0, is_heard at 8, tell at 16, now at 24, sleep at 32, is_cancelled at 40, cancelled at 48,
        is_draining at 56, draining at 64, run_blocking at 72, send at 80, release at 88; 96
    );
    lies!(WorkerFacts: head at 0, worker at 8, version at 16; 32);
    lies!(Config: head at 0, schema at 8, bytes at 16; 32);
    lies!(
        CallFacts: head at 0, job at 8, deadline at 16, rare at 24, attempt at 40, admitted at 44, route at 48; 56
    );
    lies!(CycleFacts: head at 0, processed at 8, failed at 16, batch at 24; 32);
    lies!(Blocking: data at 0, run at 8, drop at 16; 24);
    lies!(
        Event: head at 0, level at 8, line at 12, target at 16, name at 32, file at 48, module at 64, fields at 80, fields_len at 88;
        96
    );
    lies!(Field: name at 0, kind at 16, bits at 24, text at 32; 48);
    assert_eq!(Head::of::<PluginTable>(), Head { size: 96, abi_major: 1, abi_minor: 0 });
    assert_eq!(HOST.head.size, 96);
}
