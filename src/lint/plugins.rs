//! Plugins of a tree: libraries that none of its files needs, and that another file opens by name
//! (dlopen). Such a file goes on without a plugin that can't be loaded.

use crate::loader::{Loader, in_parallel};
use crate::path_list::PathList;
use crate::rodata::read_only_data;
use elf_edit::windows::{Window, windows};
use elf_edit::{ElfInfo, FileReader};
use memchr::memmem::Finder;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// A longer string is no name of a file.
const MAX_NAME: usize = 255;
/// Names and formats of one file.
const MAX_NAMES: usize = 1024;
/// Formats of all files.
const MAX_FORMATS: usize = 1024;
/// Bytes that a format has before its first conversion, at least: `lib%s.so` fits every library.
const MIN_START: usize = 4;

/// The files of one run, as seen inside the root. Nothing is read before a library lacks another.
#[derive(Default)]
pub(super) struct Plugins {
    files: Arc<PathList>,
    found: OnceLock<Found>,
}

#[derive(Default)]
struct Found {
    needed: HashSet<Vec<u8>>,
    /// The first file that has a name among its strings, by its place.
    openers: HashMap<Vec<u8>, usize>,
    /// printf formats of names: `nvshmem_transport_%s.so.%d`.
    formats: Vec<(Vec<u8>, usize)>,
}

/// What one file says of others.
#[derive(Default)]
struct Says {
    needed: Vec<Vec<u8>>,
    names: BTreeSet<Vec<u8>>,
}

impl Plugins {
    pub(super) fn new(files: Arc<PathList>) -> Plugins {
        Plugins {
            files,
            found: OnceLock::new(),
        }
    }

    /// The file that opens the library at `path`, if that is a plugin.
    pub(super) fn opener(&self, loader: &Loader, path: &Path, info: &ElfInfo) -> Option<PathBuf> {
        if info.interpreter.is_some() || self.files.len() < 2 {
            return None;
        }
        let found = self.found.get_or_init(|| self.find(loader));
        let soname = info.dynamic.as_ref().and_then(|d| d.soname.as_deref());
        let names = [path.file_name().map(OsStrExt::as_bytes), soname];
        let names = || names.iter().flatten();
        if names().any(|name| found.needed.contains(*name)) {
            return None;
        }
        let exact = names().find_map(|name| found.openers.get(*name).copied());
        let formats = || {
            let mut formats = found.formats.iter();
            let fits = formats.find(|(format, _)| names().any(|name| fits(format, name)));
            fits.map(|(_, opener)| *opener)
        };
        let opener = self.files.get(exact.or_else(formats)?);
        (opener != path).then_some(opener)
    }

    fn find(&self, loader: &Loader) -> Found {
        let files = &self.files;
        let own: HashSet<&[u8]> = (0..files.len()).map(|at| files.name(at)).collect();
        let mut found = Found::default();
        in_parallel(
            files.len(),
            |at| (at, says(loader, &files.get(at), &own).unwrap_or_default()),
            |(at, says)| {
                found.needed.extend(says.needed);
                for name in says.names.into_iter().filter(|name| name != files.name(at)) {
                    if !name.contains(&b'%') {
                        found.openers.entry(name).or_insert(at);
                    } else if found.formats.len() < MAX_FORMATS {
                        found.formats.push((name, at));
                    }
                }
            },
        );
        found
    }
}

fn says(loader: &Loader, path: &Path, own: &HashSet<&[u8]>) -> Option<Says> {
    let file = loader.open(path.as_os_str().as_bytes()).ok()?;
    let file = FileReader::new(file).ok()?;
    let info = ElfInfo::read(&file).ok()?;
    let mut says = Says {
        needed: info.needed().to_vec(),
        names: BTreeSet::new(),
    };
    let so = Finder::new(b".so");
    for region in read_only_data(&file, &info).ok()? {
        let look = |window: Window<'_>| {
            for at in so.find_iter(window.bytes) {
                let name = string_at(window.bytes, at);
                let name = name.filter(|name| is_format(name) || own.contains(name));
                if let Some(name) = name.filter(|_| says.names.len() < MAX_NAMES) {
                    says.names.insert(name.to_vec());
                }
            }
        };
        windows(&file, region, look).ok()?;
    }
    Some(says)
}

/// The name at the end of the string around a byte; `None` where that is longer than a name.
fn string_at(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let end = at + memchr::memchr(0, &bytes[at..bytes.len().min(at + MAX_NAME)])?;
    let from = end.saturating_sub(MAX_NAME);
    let start = bytes[from..at]
        .iter()
        .rposition(|&byte| byte == 0 || byte == b'/');
    let start = match start {
        Some(before) => from + before + 1,
        None if from == 0 => 0,
        None => return None,
    };
    Some(&bytes[start..end])
}

fn is_format(name: &[u8]) -> bool {
    let Some(at) = memchr::memchr(b'%', name) else {
        return false;
    };
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"_+-.%*".contains(b);
    let start = name[..at].strip_prefix(b"lib").unwrap_or(&name[..at]);
    start.len() >= MIN_START && name.iter().all(plain)
}

/// Whether printf could make this name of the format.
fn fits(format: &[u8], name: &[u8]) -> bool {
    let Some(at) = memchr::memchr(b'%', format) else {
        return format == name;
    };
    let Some(rest) = name.strip_prefix(&format[..at]) else {
        return false;
    };
    let digits = |b: &&u8| b.is_ascii_digit() || matches!(b, b'.' | b'*' | b'-' | b'l' | b'z');
    let flags = format[at + 1..].iter().take_while(digits).count();
    let conversion = at + 1 + flags;
    let number = match format.get(conversion) {
        Some(b's') => false,
        Some(b'd' | b'i' | b'u') => true,
        _ => return false,
    };
    let format = &format[conversion + 1..];
    let most = match number {
        true => rest.iter().take_while(|byte| byte.is_ascii_digit()).count(),
        false => rest.len(),
    };
    (1..=most).any(|length| fits(format, &rest[length..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_by_formats() {
        let format = b"nvshmem_transport_%s.so.%d";
        assert!(is_format(format));
        for (name, wanted) in [
            ("nvshmem_transport_ucx.so.6", true),
            ("nvshmem_transport_.so.6", false),
            ("nvshmem_transport_ucx.so.x", false),
            ("nvshmem_bootstrap_mpi.so.3", false),
        ] {
            assert_eq!(fits(format, name.as_bytes()), wanted, "{name}");
        }
        for any in [
            "lib%s.so",
            "%s.so",
            "a%d.so",
            "cannot load %s.so",
            "plain_name.so",
        ] {
            assert!(!is_format(any.as_bytes()), "{any}");
        }
        assert!(is_format(b"libplugin-%.*s.so"));
        assert!(fits(b"libplugin-%.*s.so", b"libplugin-a.so"));
    }

    #[test]
    fn the_name_in_a_string() {
        let at = |text: &str| {
            let at = text.find(".so").unwrap();
            string_at(text.as_bytes(), at).map(|name| String::from_utf8(name.to_vec()).unwrap())
        };
        assert_eq!(at("x\0libx.so.1\0").as_deref(), Some("libx.so.1"));
        assert_eq!(at("libx.so\0y").as_deref(), Some("libx.so"));
        assert_eq!(at("\0/opt/plugins/a.so\0").as_deref(), Some("a.so"));
        assert_eq!(at("\0no end.so"), None);
        assert_eq!(at(&format!("{}.so\0", "x".repeat(400))), None);
    }
}
