//! Whether this process has room for another library, asked long before it has not: then it would be ended by the C library, and not by an error.
#![expect(unsafe_code, reason = "thread keys are counted by making one")]

use crate::refused::Refused;

/// How many libraries may be mapped at once. The loader of the system goes through all of them at each load, and each costs some hundred
/// kilobytes.
pub(crate) const MAPPED_MAX: usize = 512;

/// How many thread keys must be left. The standard library in each plugin may take one, and never gives it back, also when it is unloaded; a process
/// has 1,024 of them, and who finds none ends it.
const KEYS_LEFT_MIN: usize = 256;

/// Whether there is room beside so many that are mapped.
///
/// # Errors
///
/// There is not.
pub(crate) fn is_there(mapped: usize) -> Result<(), Refused> {
    if mapped >= MAPPED_MAX {
        return Err(Refused::TooManyMapped { mapped });
    }
    let left = keys_left();
    if left < KEYS_LEFT_MIN { Err(Refused::TooFewKeys { left }) } else { Ok(()) }
}

/// How many thread keys this process can make still. At most: they are counted by the number of the first that is free.
pub(crate) fn keys_left() -> usize {
    // SAFETY: it asks for a number.
    let most = usize::try_from(unsafe { libc::sysconf(libc::_SC_THREAD_KEYS_MAX) }).unwrap_or(1_024);
    let mut key = 0;
    // SAFETY: `key` is there to be written to; the key has no destructor, and is deleted at once.
    let made = unsafe { libc::pthread_key_create(&raw mut key, None) == 0 };
    if !made {
        return 0;
    }
    // SAFETY: it was made just now, and nobody else knows it.
    unsafe { libc::pthread_key_delete(key) };
    most.saturating_sub(key as usize)
}
