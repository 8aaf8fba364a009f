//! Debian's packages: those that APT's lists offer, and the files of those that dpkg has installed.
//! The lists are read here, as `apt-cache pkgnames` builds its whole cache first where that isn't
//! kept, as in containers.

use crate::archive::Packing;
use elf_edit::{ElfInfo, FileReader, ReadAt};
use memchr::memmem::{self, Finder};
use object::elf;
use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Bytes of all lists together, unpacked.
const MAX_LISTS: u64 = 1 << 30;
/// Bytes that are searched at a time.
const CHUNK: usize = 1 << 20;
/// A longer name is none of a package.
const MAX_NAME: usize = 256;
const MAX_PACKAGES: usize = 1_000_000;
/// Bytes of dpkg's lists of files together, and of one of them.
const MAX_INSTALLED: u64 = 512 << 20;
const MAX_FILES: usize = 1_000_000;

/// The names of libraries' packages in a directory of APT's lists. What can't be read is left out.
pub(super) fn packages(lists: &Path) -> HashSet<Box<str>> {
    let mut names = HashSet::new();
    let mut left = MAX_LISTS;
    for path in sorted(lists) {
        let name = path.file_name().unwrap_or_default().as_bytes();
        let is_list = name.ends_with(b"_Packages")
            || memmem::rfind(name, b"_Packages.").is_some_and(|at| at + 15 > name.len());
        if is_list && let Ok(file) = crate::scan::open(&path, true) {
            // Of one that is cut off or damaged, the names before that count.
            let _ = read_names(file.file(), &mut left, &mut names);
        }
    }
    names
}

fn sorted(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// Adds the names behind `Package: ` at the beginnings of lines.
fn read_names(file: &File, left: &mut u64, names: &mut HashSet<Box<str>>) -> std::io::Result<()> {
    let field = Finder::new(b"\nPackage: lib");
    let stem = "\nPackage: ".len();
    let mut file = BufReader::with_capacity(CHUNK, file);
    let packing = Packing::of(std::io::BufRead::fill_buf(&mut file)?);
    let mut from = packing.unpacked(file).take(*left);
    // The first line has none before it.
    let mut text = vec![b'\n'];
    loop {
        let read = from.by_ref().take(CHUNK as u64).read_to_end(&mut text)?;
        *left -= read as u64;
        if read == 0 {
            return Ok(());
        }
        let mut done = text.len().saturating_sub(field.needle().len());
        for at in field.find_iter(&text) {
            let name = &text[at + stem..];
            match memchr::memchr(b'\n', &name[..name.len().min(MAX_NAME)]) {
                Some(end) if names.len() < MAX_PACKAGES => {
                    names.extend(package(&name[..end]));
                    done = done.max(at + stem + end);
                }
                // Its end is in the next chunk.
                None if name.len() < MAX_NAME => done = at,
                _ => {}
            }
        }
        text.drain(..done);
    }
}

/// A name as policy 5.6.1 has them, which is a word of a shell, too.
fn package(name: &[u8]) -> Option<Box<str>> {
    let ok = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(b);
    let name = name.trim_ascii_end();
    let name = str::from_utf8(name).ok().filter(|_| name.iter().all(ok));
    name.map(Box::from)
}

/// The libraries of installed packages, by file name.
#[derive(Debug, Default)]
pub(super) struct Installed(HashMap<OsString, Vec<PathBuf>>);

impl Installed {
    /// Reads the lists in dpkg's `info` directory.
    pub(super) fn read(info: &Path) -> Installed {
        let mut installed = Installed::default();
        let (mut left, mut count) = (MAX_INSTALLED, 0);
        let lists = sorted(info).into_iter();
        for path in lists.filter(|path| path.extension().is_some_and(|e| e == "list")) {
            let Ok(file) = crate::scan::open(&path, true) else {
                continue;
            };
            let len = FileReader::len(&file).min(left);
            left -= len;
            let text = file.read_vec(0, len as usize).unwrap_or_default();
            for line in text.split(|&byte| byte == b'\n') {
                let path = Path::new(OsStr::from_bytes(line));
                let library = path.is_absolute() && memmem::find(line, b".so").is_some();
                if library
                    && count < MAX_FILES
                    && let Some(name) = path.file_name()
                {
                    let named = installed.0.entry(name.to_owned()).or_default();
                    named.push(path.to_owned());
                    count += 1;
                }
            }
        }
        installed
    }

    pub(super) fn named(&self, name: &OsStr) -> Vec<PathBuf> {
        self.0.get(name).cloned().unwrap_or_default()
    }
}

/// Names of the package with a library: Debian policy 8.1, the form without a hyphen that GLib
/// has, and both as renamed for 64-bit time.
pub(super) fn package_names(soname: &[u8]) -> Vec<String> {
    let Some((stem, version)) = str::from_utf8(soname)
        .ok()
        .and_then(|name| name.split_once(".so."))
    else {
        return Vec::new();
    };
    let lower = |text: &str| text.to_ascii_lowercase().replace('_', "-");
    let (stem, version) = (lower(stem), lower(version));
    let join = |stem: &str| match stem.ends_with(|c: char| c.is_ascii_digit()) {
        true => format!("{stem}-{version}"),
        false => format!("{stem}{version}"),
    };
    let names = [join(&stem), join(&stem.replace('-', ""))];
    let renamed = names.iter().map(|name| format!("{name}t64"));
    names.iter().cloned().chain(renamed).collect()
}

/// The architecture behind the name of a package for the 32-bit programs of a 64-bit machine.
pub(super) fn architecture(info: &ElfInfo) -> Option<&'static str> {
    match (std::env::consts::ARCH, info.header.machine) {
        ("x86_64", elf::EM_386) => Some("i386"),
        ("aarch64", elf::EM_ARM) => Some("armhf"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn the_rule_for_names() {
        for (soname, name) in [
            ("libGL.so.1", "libgl1"),
            ("libgomp.so.1", "libgomp1"),
            ("libssl.so.1.1", "libssl1.1"),
            ("libz3.so.4", "libz3-4"),
            ("libfoo_bar.so.2", "libfoo-bar2"),
        ] {
            assert_eq!(package_names(soname.as_bytes())[0], name);
        }
        let glib = package_names(b"libglib-2.0.so.0");
        assert!(glib.contains(&"libglib2.0-0t64".to_owned()), "{glib:?}");
        assert!(package_names(b"libfoo.so").is_empty());
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        to.write_all(text).unwrap();
        to.finish().unwrap()
    }

    fn lz4(text: &[u8]) -> Vec<u8> {
        let mut to = lz4_flex::frame::FrameEncoder::new(Vec::new());
        to.write_all(text).unwrap();
        to.finish().unwrap()
    }

    fn xz(text: &[u8]) -> Vec<u8> {
        let options = lzma_rust2::XzOptions::with_preset(0);
        let mut to = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
        to.write_all(text).unwrap();
        to.finish().unwrap()
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        let level = ruzstd::encoding::CompressionLevel::Fastest;
        ruzstd::encoding::compress_to_vec(text, level)
    }

    /// Over more than one chunk, so that names are cut at the end of each.
    fn list(count: usize) -> Vec<u8> {
        let filler = format!("Description: {}", "Package: libno ".repeat(5));
        let one = |at| format!("Package: lib{at}\nVersion: 1\n{filler}\n\n");
        (0..count).map(one).collect::<String>().into_bytes()
    }

    #[test]
    fn names_are_read_from_lists_in_each_form() {
        let count = 3 * CHUNK / 80;
        let text = list(count);
        assert!(text.len() > 2 * CHUNK);
        let forms = [
            ("", text.clone()),
            (".gz", gzip(&text)),
            (".lz4", lz4(&text)),
            (".xz", xz(&text)),
            (".zst", zstd(&text)),
        ];
        for (suffix, bytes) in forms {
            let lists = tempfile::tempdir().unwrap();
            let write = |name: &str, bytes: &[u8]| fs::write(lists.path().join(name), bytes);
            write(&format!("h_main_binary-amd64_Packages{suffix}"), &bytes).unwrap();
            write("h_InRelease", b"Package: libwrong\n").unwrap();
            write("h_Packages.diff_Index", b"Package: libwrong\n").unwrap();
            let names = packages(lists.path());
            assert_eq!(names.len(), count, "{suffix}");
            assert!((0..count).all(|at| names.contains(format!("lib{at}").as_str())));
        }
    }

    #[test]
    fn lists_of_all_kinds_end_the_search_with_what_was_read() {
        let lists = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| fs::write(lists.path().join(name), bytes).unwrap();
        let whole = lz4(&list(100_000));
        write("a_Packages.lz4", &whole[..whole.len() / 2]);
        write("b_Packages.gz", b"\x1f\x8bnothing");
        let one = xz(b"Package: libxz1\n");
        write("b_Packages.xz", &one[..one.len() - 9]);
        let endless = [&b"Package: lib"[..], &b"x".repeat(3 * CHUNK)].concat();
        write("c_Packages", &endless);
        write(
            "d_Packages",
            b"Package: libd1\nPackage: lib'e1\nPackage: libf1",
        );
        fs::create_dir(lists.path().join("e_Packages")).unwrap();
        let names = packages(lists.path());
        let is_xz = |name: &str| name == "libxz1";
        assert!(names.contains("lib1") && names.contains("libd1"));
        assert!(
            names
                .iter()
                .all(|name| !name.contains(['x', 'e', '\'']) || is_xz(name)),
            "{names:?}"
        );
        assert_eq!(packages(&lists.path().join("none")).len(), 0);
    }
}
