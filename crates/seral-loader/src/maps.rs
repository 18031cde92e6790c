//! What of a file is mapped into this process, by `/proc/self/maps`.

use std::fs;
use std::path::Path;

/// How many bytes of this file are mapped. Also if it was removed meanwhile.
pub(crate) fn bytes_of(path: &Path) -> usize {
    let maps = fs::read("/proc/self/maps").unwrap_or_default();
    String::from_utf8_lossy(&maps).lines().filter_map(|line| bytes_in(line, path)).sum()
}

/// A line such as `7f01c2000000-7f01c2021000 r-xp 00000000 08:01 1234   /tmp/a.so`, perhaps with ` (deleted)` at its end.
fn bytes_in(line: &str, path: &Path) -> Option<usize> {
    let at = line.find('/')?;
    if line[at..].trim_end_matches(" (deleted)") != path.to_str()? {
        return None;
    }
    let (from, to) = line.split_whitespace().next()?.split_once('-')?;
    let address = |digits| usize::from_str_radix(digits, 16).ok();
    address(to)?.checked_sub(address(from)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_found_by_its_whole_name_also_when_it_was_removed() {
        let line = "1000-3000 r-xp 00000000 08:01 1234                       /tmp/a b.so";
        assert_eq!(bytes_in(line, Path::new("/tmp/a b.so")), Some(0x2000));
        assert_eq!(bytes_in(&format!("{line} (deleted)"), Path::new("/tmp/a b.so")), Some(0x2000));
        assert_eq!(bytes_in(line, Path::new("/tmp/a b.so.1")), None);
        assert_eq!(bytes_in(line, Path::new("/tmp/a")), None);
        assert_eq!(bytes_in("1000-3000 rw-p 00000000 00:00 0", Path::new("/tmp/a")), None);
    }
}
