//! Bytes that cross between a plugin and its host.
//!
//! The two may have different allocators, so memory is freed by the side that made it: [`Slice`] is lent for the time of a call, and
//! [`Bytes`] carries the function that frees it.
#![expect(unsafe_code, reason = "the ABI: memory of the other side is reached by pointers")]

use std::fmt;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr;
use std::slice;

/// Bytes of the caller, lent for the time of the call and not a moment longer.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Slice {
    ptr: *const u8,
    len: usize,
}

impl Slice {
    /// None.
    pub const EMPTY: Self = Self::of(&[]);

    /// These, for as long as the caller keeps them.
    pub const fn of(bytes: &[u8]) -> Self {
        Self { ptr: bytes.as_ptr(), len: bytes.len() }
    }

    /// The bytes.
    ///
    /// # Safety
    ///
    /// They are lent for all of `'a`.
    pub const unsafe fn as_slice<'a>(self) -> &'a [u8] {
        if self.len == 0 {
            // A side that is not written in Rust may have a null pointer here.
            return &[];
        }
        // SAFETY: the caller promises that the other side lends these bytes for `'a`.
        unsafe { slice::from_raw_parts(self.ptr, self.len) }
    }
}

/// Bytes that were handed over. Dropped, they go back to whoever made them.
#[repr(C)]
pub struct Bytes {
    ptr: *mut u8,
    len: usize,
    capacity: usize,
    free: Option<unsafe extern "C" fn(*mut u8, usize, usize)>,
}

// SAFETY: these are owned bytes, and a global allocator frees on any thread.
unsafe impl Send for Bytes {}
// SAFETY: nothing changes them while they are shared.
unsafe impl Sync for Bytes {}

impl Bytes {
    /// None.
    pub const EMPTY: Self = Self { ptr: ptr::null_mut(), len: 0, capacity: 0, free: None };
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        let mut bytes = ManuallyDrop::new(bytes);
        Self { ptr: bytes.as_mut_ptr(), len: bytes.len(), capacity: bytes.capacity(), free: Some(free) }
    }
}

unsafe extern "C" fn free(ptr: *mut u8, len: usize, capacity: usize) {
    // SAFETY: called once, by the drop of the `Bytes` that was made from a vector of this side with these three.
    drop(unsafe { Vec::from_raw_parts(ptr, len, capacity) });
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        if self.len == 0 {
            return &[];
        }
        // SAFETY: the maker handed over so many bytes, which are there until they are freed.
        unsafe { slice::from_raw_parts(self.ptr, self.len) }
    }
}

impl Drop for Bytes {
    fn drop(&mut self) {
        if let Some(free) = self.free.take() {
            // SAFETY: it is the maker's own function, called once with what the maker put beside it.
            unsafe { free(self.ptr, self.len, self.capacity) };
        }
    }
}

impl fmt::Debug for Slice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slice({} bytes)", self.len)
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bytes({} bytes)", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_null_pointer_without_bytes_is_no_bytes() {
        // SAFETY: there are no bytes in it.
        assert!(unsafe { Slice { ptr: ptr::null(), len: 0 }.as_slice() }.is_empty());
        assert!(Bytes::EMPTY.is_empty());
    }

    #[test]
    fn bytes_are_those_of_the_vector_and_its_memory_is_not_copied() {
        let vector = vec![1, 2, 3];
        let at = vector.as_ptr();
        let bytes = Bytes::from(vector);
        assert_eq!((&*bytes, bytes.as_ptr()), (&[1, 2, 3][..], at));
    }
}
