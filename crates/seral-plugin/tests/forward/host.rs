//! The table of a host, of which a plugin may use no more than what is about events.

use std::ffi::c_void;

use seral_plugin::future::FfiFuture;
use seral_plugin::memory::Slice;
use seral_plugin::table::Blocking;
use seral_plugin::table::Event;
use seral_plugin::table::Head;
use seral_plugin::table::HostTable;

type Ptr = *const c_void;

pub(crate) fn table(
    is_heard: unsafe extern "C" fn(u32) -> bool,
    tell: unsafe extern "C" fn(*const Event),
) -> HostTable {
    extern "C" fn of_host<R>(_: Ptr) -> R {
        unreachable!("no worker is made")
    }
    extern "C" fn of_number<R>(_: Ptr, _: u64) -> R {
        unreachable!("no worker is made")
    }
    extern "C" fn run_blocking(_: Ptr, _: Blocking) -> FfiFuture {
        unreachable!("no worker is made")
    }
    extern "C" fn send(_: Ptr, _: Slice, _: u64, _: Slice) -> FfiFuture {
        unreachable!("no worker is made")
    }
    HostTable {
        head: Head::of::<HostTable>(),
        is_heard: Some(is_heard),
        tell: Some(tell),
        now: Some(of_host),
        sleep: Some(of_number),
        is_cancelled: Some(of_number),
        cancelled: Some(of_number),
        is_draining: Some(of_host),
        draining: Some(of_host),
        run_blocking: Some(run_blocking),
        send: Some(send),
        release: Some(of_host),
    }
}
