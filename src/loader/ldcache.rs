//! `/etc/ld.so.cache`, as ldconfig(8) writes it: format `glibc-ld.so.cache1.1`, alone or
//! behind the older `ld.so-1.7.0` one (glibc, sysdeps/generic/dl-cache.h).
//!
//! Looked up as glibc does it, by the same binary search, so that an odd cache gives the same
//! answer. Every offset is checked against the file.

use super::hwcaps::Cpu;
use super::search_log::Why;
use elf_edit::{FileReader, Format, ReadAt};
use std::cmp::Ordering;

/// A cache larger than this is not read: real ones have some hundred KB (100 bytes a library).
const MAX_BYTES: u64 = 4 << 20;
const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
const OLD_MAGIC: &[u8] = b"ld.so-1.7.0";
/// Size of `struct cache_file_new` and of `struct file_entry_new`.
const HEADER: usize = 48;
const ENTRY: usize = 24;
/// Of `struct cache_extension`.
const EXTENSION_MAGIC: u32 = 0xeaa4_2174;
const TAG_GLIBC_HWCAPS: u32 = 1;
/// Upper half of an entry's hwcap field that names a subdirectory of glibc-hwcaps.
const NAMED_HWCAP: u32 = 1 << 30;
const ISA_LEVEL_MASK: u32 = 0x3ff;
/// The one bit of old hwcaps that every processor has: the directory `tls`.
const TLS_BIT: u64 = 1 << 63;

#[derive(Debug)]
pub(super) struct LdCache {
    bytes: Vec<u8>,
    format: Format,
    /// Start of `struct cache_file_new`: string offsets count from here.
    start: usize,
    entries: usize,
    /// Names of glibc-hwcaps subdirectories, by index.
    hwcaps: Vec<Vec<u8>>,
}

impl LdCache {
    /// Reads a cache for programs of this word size and byte order.
    pub(super) fn read(file: &FileReader, format: Format) -> Result<LdCache, Why> {
        let broken = || Why::Broken("not a ld.so.cache of format 1.1".into());
        if file.len() > MAX_BYTES {
            return Err(Why::Broken("larger than any ld.so.cache".into()));
        }
        let bytes = file
            .read_vec(0, file.len() as usize)
            .map_err(|e| Why::from_io(&e))?;
        let start = if bytes.starts_with(OLD_MAGIC) {
            let entries = format.u32(&bytes, 12).ok_or_else(broken)? as usize;
            // Old entries have 12 bytes each; the new header is aligned to 8.
            entries
                .checked_mul(12)
                .and_then(|size| size.checked_add(16)?.checked_next_multiple_of(8))
                .ok_or_else(broken)?
        } else {
            0
        };
        if !bytes.get(start..).is_some_and(|b| b.starts_with(MAGIC)) {
            return Err(broken());
        }
        let entries = format.u32(&bytes, start + 20).ok_or_else(broken)? as usize;
        if entries > (bytes.len() - start).saturating_sub(HEADER) / ENTRY {
            return Err(broken());
        }
        let mut cache = LdCache {
            bytes,
            format,
            start,
            entries,
            hwcaps: Vec::new(),
        };
        cache.hwcaps = cache.read_hwcaps().unwrap_or_default();
        Ok(cache)
    }

    /// The path that the cache has for `name`, for entries of this kind (`_DL_CACHE_DEFAULT_ID`).
    pub(super) fn find(&self, name: &[u8], flags: u32, cpu: &Cpu) -> Option<&[u8]> {
        let (mut left, mut right) = (0, self.entries);
        while left < right {
            let middle = (left + right - 1) / 2;
            match compare(name, self.key(middle)?) {
                Ordering::Less => left = middle + 1,
                Ordering::Greater => right = middle,
                Ordering::Equal => return self.best(middle, right, name, flags, cpu),
            }
        }
        None
    }

    /// The best of the entries of that name around `middle`.
    fn best(
        &self,
        middle: usize,
        right: usize,
        name: &[u8],
        flags: u32,
        cpu: &Cpu,
    ) -> Option<&[u8]> {
        let same = |at: usize| self.key(at).is_some_and(|k| compare(name, k).is_eq());
        let mut first = middle;
        while first > 0 && same(first - 1) {
            first -= 1;
        }
        let mut best: Option<(usize, &[u8])> = None;
        for at in first..right {
            if at > middle && !same(at) {
                break;
            }
            let entry = self.entry(at)?;
            let (Some(kind), Some(value)) = (self.u32(entry), self.string(entry + 8)) else {
                continue;
            };
            // 1 is FLAG_ELF, unused since libc5.
            if kind != flags && kind != 1 {
                continue;
            }
            let hwcap = self.hwcap(entry)?;
            let upper = (hwcap >> 32) as u32;
            if upper & !ISA_LEVEL_MASK == NAMED_HWCAP {
                let subdir = self.hwcaps.get(hwcap as u32 as usize);
                let Some(priority) = subdir.and_then(|s| cpu.priority(s)) else {
                    continue;
                };
                if best.is_none_or(|(p, _)| priority < p) {
                    best = Some((priority, value));
                }
                continue;
            }
            // Named ones come first in the file: none better will follow.
            if best.is_some() {
                break;
            }
            // Subdirectories of processors that glibc 2.37 stopped searching are not taken.
            if hwcap & !TLS_BIT == 0 {
                return Some(value);
            }
        }
        best.map(|(_, value)| value)
    }

    fn u32(&self, at: usize) -> Option<u32> {
        self.format.u32(&self.bytes, at)
    }

    fn hwcap(&self, entry: usize) -> Option<u64> {
        let raw = self.bytes.get(entry + 16..entry + 24)?.try_into().ok()?;
        Some(match self.format.endian {
            elf_edit::Endianness::Little => u64::from_le_bytes(raw),
            elf_edit::Endianness::Big => u64::from_be_bytes(raw),
        })
    }

    /// Offset of an entry: flags, key, value, osversion (32 bits each), hwcap (64).
    fn entry(&self, index: usize) -> Option<usize> {
        (index < self.entries).then(|| self.start + HEADER + index * ENTRY)
    }

    /// The bytes from an entry's name on, which ends at the first NUL byte: [`compare`] goes no
    /// further.
    fn key(&self, index: usize) -> Option<&[u8]> {
        self.from(self.entry(index)? + 4)
    }

    /// The bytes from the string on whose offset is stored at `at`.
    fn from(&self, at: usize) -> Option<&[u8]> {
        let from = self.start.checked_add(self.u32(at)? as usize)?;
        self.bytes.get(from..)
    }

    /// The string whose offset is stored at `at`.
    fn string(&self, at: usize) -> Option<&[u8]> {
        let tail = self.from(at)?;
        Some(&tail[..memchr::memchr(0, tail)?])
    }

    /// The strings of the extension `glibc_hwcaps`.
    fn read_hwcaps(&self) -> Option<Vec<Vec<u8>>> {
        let at = self.start + self.u32(self.start + 32)? as usize;
        if at == self.start || self.u32(at)? != EXTENSION_MAGIC {
            return None;
        }
        let sections = self.u32(at + 4)?.min(64) as usize;
        let section = (0..sections)
            .map(|i| at + 8 + i * 16)
            .find(|&s| self.u32(s) == Some(TAG_GLIBC_HWCAPS))?;
        let offset = self.start.checked_add(self.u32(section + 8)? as usize)?;
        let count = (self.u32(section + 12)? / 4).min(4096) as usize;
        (0..count)
            .map(|i| self.string(offset + i * 4).map(<[u8]>::to_vec))
            .collect()
    }
}

/// `_dl_cache_libcmp`, where `b` may go on behind a NUL byte: digits are compared as numbers, so that libx.so.10 follows libx.so.9.
fn compare(mut a: &[u8], mut b: &[u8]) -> Ordering {
    fn number(text: &mut &[u8]) -> i32 {
        let mut value = 0i32;
        while let Some((&digit @ b'0'..=b'9', rest)) = text.split_first() {
            value = value.wrapping_mul(10).wrapping_add(i32::from(digit - b'0'));
            *text = rest;
        }
        value
    }
    while let Some(&x) = a.first() {
        let y = b.first().copied().unwrap_or(0);
        match (x.is_ascii_digit(), y.is_ascii_digit()) {
            (true, true) => {
                let order = number(&mut a).cmp(&number(&mut b));
                if order.is_ne() {
                    return order;
                }
            }
            (true, false) => return Ordering::Greater,
            (false, true) => return Ordering::Less,
            (false, false) if x != y => return x.cmp(&y),
            (false, false) => {
                a = &a[1..];
                b = &b[1..];
            }
        }
    }
    0.cmp(&b.first().copied().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use elf_edit::Class;
    use elf_edit::Endianness;
    use std::io::Write;

    const FORMAT: Format = Format {
        class: Class::Elf64,
        endian: Endianness::Little,
    };

    /// A cache of `(name, path, flags, hwcap)`, in the order that ldconfig writes them.
    fn cache(entries: &[(&str, &str, u32, u64)], hwcaps: &[&str]) -> Vec<u8> {
        let strings_at = HEADER + entries.len() * ENTRY;
        let mut strings = Vec::new();
        let mut add = |text: &str| {
            let at = strings_at + strings.len();
            strings.extend_from_slice(text.as_bytes());
            strings.push(0);
            at as u32
        };
        let mut table = Vec::new();
        for (name, path, flags, hwcap) in entries {
            for word in [*flags, add(name), add(path), 0] {
                table.extend_from_slice(&word.to_le_bytes());
            }
            table.extend_from_slice(&hwcap.to_le_bytes());
        }
        let names: Vec<u32> = hwcaps.iter().map(|h| add(h)).collect();
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&(entries.len() as u32).to_le_bytes());
        out.extend_from_slice(&(strings.len() as u32).to_le_bytes());
        out.extend_from_slice(&[2, 0, 0, 0]);
        let extension = strings_at + strings.len();
        out.extend_from_slice(&(extension as u32).to_le_bytes());
        out.resize(HEADER, 0);
        out.extend(table);
        out.extend(strings);
        for word in [EXTENSION_MAGIC, 1, TAG_GLIBC_HWCAPS, 0] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        for word in [extension as u32 + 24, names.len() as u32 * 4] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        for name in names {
            out.extend_from_slice(&name.to_le_bytes());
        }
        out
    }

    fn read(bytes: &[u8]) -> Result<LdCache, Why> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        LdCache::read(&FileReader::new(file).unwrap(), FORMAT)
    }

    #[test]
    fn the_entry_of_the_kind_and_the_best_subdirectory_win() {
        let named = |index: u64| (u64::from(NAMED_HWCAP) << 32) | index;
        let bytes = cache(
            &[
                ("libz.so.10", "/lib/libz.so.10", 0x303, 0),
                ("libz.so.9", "/lib/v2/libz.so.9", 0x303, named(0)),
                ("libz.so.9", "/lib/v3/libz.so.9", 0x303, named(1)),
                ("libz.so.9", "/lib32/libz.so.9", 3, 0),
                ("libz.so.9", "/lib/libz.so.9", 0x303, 0),
                ("liba.so", "/lib/liba.so", 0x303, 0),
            ],
            &["x86-64-v2", "x86-64-v3"],
        );
        let cache = read(&bytes).unwrap();
        let find = |name: &str, flags, cpu: &Cpu| {
            cache
                .find(name.as_bytes(), flags, cpu)
                .map(|p| String::from_utf8_lossy(p).into_owned())
        };
        let plain = Cpu::with_levels(&[]);
        let v3 = Cpu::with_levels(&["x86-64-v3", "x86-64-v2"]);
        assert_eq!(find("libz.so.9", 0x303, &plain).unwrap(), "/lib/libz.so.9");
        assert_eq!(find("libz.so.9", 0x303, &v3).unwrap(), "/lib/v3/libz.so.9");
        assert_eq!(find("libz.so.9", 3, &v3).unwrap(), "/lib32/libz.so.9");
        assert_eq!(find("libz.so.10", 0x303, &v3).unwrap(), "/lib/libz.so.10");
        assert_eq!(find("liba.so", 0x303, &v3).unwrap(), "/lib/liba.so");
        assert_eq!(find("liba.so", 3, &v3), None);
        assert_eq!(find("libq.so", 0x303, &v3), None);
    }

    #[test]
    fn every_truncation_and_flipped_byte_is_read_or_refused() {
        let bytes = cache(
            &[("libz.so.9", "/lib/libz.so.9", 0x303, 1 << 62)],
            &["x86-64-v2"],
        );
        for len in 0..bytes.len() {
            if let Ok(cache) = read(&bytes[..len]) {
                let _ = cache.find(b"libz.so.9", 0x303, &Cpu::with_levels(&["x86-64-v2"]));
            }
        }
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] = 0xff;
            if let Ok(cache) = read(&bytes) {
                let _ = cache.find(b"libz.so.9", 0x303, &Cpu::with_levels(&["x86-64-v2"]));
            }
        }
    }
}
