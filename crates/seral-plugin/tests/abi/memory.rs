//! Bytes that are handed over go back to their maker, once.

use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use seral_plugin::memory::Bytes;
use seral_plugin::memory::Slice;

type Free = unsafe extern "C" fn(*mut u8, usize, usize);

/// How they lie, as somebody writes it who does not use this crate.
#[repr(C)]
struct Raw {
    ptr: *mut u8,
    len: usize,
    capacity: usize,
    free: Option<Free>,
}

fn bytes(raw: Raw) -> Bytes {
    // SAFETY: this is how they lie, and the function frees what is there.
    unsafe { std::mem::transmute(raw) }
}

#[test]
fn bytes_are_freed_once_by_the_function_of_their_maker_with_what_it_put_there() {
    static FREED: Mutex<Vec<(usize, usize, usize)>> = Mutex::new(Vec::new());
    static MEMORY: [u8; 5] = *b"bytes";
    unsafe extern "C" fn free(ptr: *mut u8, len: usize, capacity: usize) {
        FREED.lock().unwrap().push((ptr.addr(), len, capacity));
    }
    // Memory of which no allocator knows: whoever frees it by one is found out at once.
    let made = || bytes(Raw { ptr: MEMORY.as_ptr().cast_mut(), len: 3, capacity: 5, free: Some(free) });
    let here = made();
    assert_eq!(&*here, b"byt");
    assert!(FREED.lock().unwrap().is_empty(), "it is still read");
    drop(here);
    let moved = Some(made());
    std::thread::spawn(move || drop(moved)).join().unwrap();
    let of_memory = (MEMORY.as_ptr().addr(), 3, 5);
    assert_eq!(*FREED.lock().unwrap(), [of_memory, of_memory]);
}

#[test]
fn what_has_no_function_is_not_freed_and_what_is_empty_is_still_given_back() {
    static FREED: AtomicUsize = AtomicUsize::new(0);
    unsafe extern "C" fn free(_: *mut u8, len: usize, capacity: usize) {
        assert_eq!((len, capacity), (0, 8));
        FREED.fetch_add(1, Relaxed);
    }
    let lent = bytes(Raw { ptr: b"static".as_ptr().cast_mut(), len: 6, capacity: 0, free: None });
    assert_eq!(&*lent, b"static");
    drop(lent);
    let empty = bytes(Raw { ptr: std::ptr::null_mut(), len: 0, capacity: 8, free: Some(free) });
    assert!(empty.is_empty());
    drop(empty);
    assert_eq!(FREED.load(Relaxed), 1);
    drop(Bytes::EMPTY);
}

#[test]
fn a_vector_lies_as_its_pointer_its_length_its_capacity_and_the_function_that_frees_it() {
    for capacity in [0, 3, 4_096] {
        let mut vector = Vec::with_capacity(capacity);
        vector.extend_from_slice(&b"abc"[..capacity.min(3)]);
        let (at, len, capacity) = (vector.as_ptr(), vector.len(), vector.capacity());
        // SAFETY: this is how they lie.
        let raw: Raw = unsafe { std::mem::transmute(Bytes::from(vector)) };
        assert_eq!((raw.ptr.cast_const(), raw.len, raw.capacity), (at, len, capacity));
        let free = raw.free.unwrap();
        // SAFETY: with what lies beside it, once.
        unsafe { free(raw.ptr, raw.len, raw.capacity) };
    }
}

#[test]
fn a_slice_lies_as_its_pointer_and_its_length() {
    #[repr(C)]
    struct RawSlice(*const u8, usize);
    let text = b"lent";
    // SAFETY: this is how it lies.
    let RawSlice(ptr, len) = unsafe { std::mem::transmute::<Slice, RawSlice>(Slice::of(text)) };
    assert_eq!((ptr, len), (text.as_ptr(), 4));
}
