//! Properties of the interpreter: glibc or musl, its default directories and its cache.
//!
//! They are not guessed from its path: glibc's ld.so contains its default directories, its cache's
//! path and its release as strings, which are read from the file. That covers Debian's multiarch,
//! lib64 and a store's glibc (own prefix only, with the directory of libgcc in nixpkgs). A table is
//! used only for a missing interpreter, and the result then says so.

use super::Environment;
use super::abi::{self, Usual};
use super::files::{Cache, Files, Probe};
use super::hwcaps::Cpu;
use super::ldcache::LdCache;
use super::library::Library;
use super::nix_ld::{NixLd, StandIn};
use super::search_log::Why;
use super::tokens::{self, Tokens, Trust};
use elf_edit::{ElfInfo, FileReader, Format, ReadAt};
use memchr::memmem;
use object::elf;
use std::sync::{Arc, OnceLock};

/// Of an interpreter, no more than this is read: ld.so has some 250 KB.
const MAX_INTERPRETER_BYTES: u64 = 4 << 20;
/// Limit of the directory cache, in approximate bytes.
const MAX_DIRS_WEIGHT: usize = 1 << 20;
/// The release that is taken where none can be read.
const ASSUMED_GLIBC: (u32, u32) = (2, 40);

/// Whose search rules hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rules {
    /// glibc of this release; the release is `None` where the interpreter can't be read.
    Glibc(Option<(u32, u32)>),
    Musl,
    /// Neither: nothing is resolved rather than guessed.
    Unknown,
}

/// One interpreter and its settings.
pub(super) struct LoaderSystem {
    /// Its path, as the program or nix-ld names it.
    pub(super) interpreter: Vec<u8>,
    /// The program that the kernel starts in its place.
    pub(super) nix_ld: Option<NixLd>,
    pub(super) library: Option<Arc<Library>>,
    pub(super) rules: Rules,
    /// Default directories, each with a slash at the end; musl's path list has none.
    pub(super) dirs: Vec<Vec<u8>>,
    /// Path of ld.so.cache.
    pub(super) cache_path: Option<Vec<u8>>,
    /// Path of the file that names libraries to preload; musl has none.
    pub(super) preload_path: Option<Vec<u8>>,
    /// The names in that file, read once.
    pub(super) preloads: OnceLock<Vec<Vec<u8>>>,
    /// `$LIB`
    pub(super) lib: Vec<u8>,
    /// `$PLATFORM`
    pub(super) platform: Option<&'static str>,
    /// Subdirectories that are tried in each directory.
    pub(super) subdirs: Vec<String>,
    /// `_DL_CACHE_DEFAULT_ID`
    pub(super) cache_flags: u32,
    pub(super) cpu: Cpu,
    format: Format,
    cache: OnceLock<Result<LdCache, Why>>,
    known_dirs: Cache<Box<[u8]>, Option<Arc<[usize]>>>,
}

impl LoaderSystem {
    /// Reads the settings of the interpreter at `interpreter` for programs like `info`.
    pub(super) fn read(
        files: &Files,
        environment: &Environment,
        interpreter: &[u8],
        info: &ElfInfo,
    ) -> LoaderSystem {
        let cpu = &environment.cpu;
        let (mut system, stand_in) = LoaderSystem::read_one(files, cpu, interpreter, info);
        if stand_in != Some(StandIn::NixLd) {
            return system;
        }
        let library_path = environment.library_path.as_deref();
        let nix_ld = NixLd::new(interpreter, &environment.nix_ld, library_path);
        let (mut started, other) = LoaderSystem::read_one(files, cpu, &nix_ld.loader, info);
        if started.library.is_none() || other.is_some() {
            // It ends with a message.
            system.nix_ld = Some(nix_ld);
            return system;
        }
        started.nix_ld = Some(nix_ld);
        started
    }

    /// Reads those of one file, which may be something else in the place of a loader.
    fn read_one(
        files: &Files,
        cpu: &Cpu,
        interpreter: &[u8],
        info: &ElfInfo,
    ) -> (LoaderSystem, Option<StandIn>) {
        let library = match files.probe(interpreter) {
            Probe::Library(library) => Some(library),
            _ => None,
        };
        let machine = info.header.machine;
        let usual = Usual::of(&info.header);
        let mut system = LoaderSystem {
            interpreter: interpreter.to_vec(),
            nix_ld: None,
            rules: Rules::Unknown,
            dirs: Vec::new(),
            cache_path: None,
            preload_path: None,
            preloads: OnceLock::new(),
            lib: Vec::new(),
            platform: None,
            subdirs: Vec::new(),
            cache_flags: usual.map_or(3, |p| p.cache_flags),
            cpu: cpu.clone(),
            format: info.format(),
            cache: OnceLock::new(),
            known_dirs: Cache::new(MAX_DIRS_WEIGHT),
            library,
        };
        let name = abi::file_name(interpreter);
        let strings = match &system.library {
            Some(_) => Strings::read(files, interpreter),
            None => Strings::default(),
        };
        let stand_in = strings.stand_in;
        if stand_in.is_some() {
            // Its name is that of a loader.
        } else if let Some(arch) = abi::musl_arch(name) {
            system.rules = Rules::Musl;
            system.dirs = musl_dirs(files, interpreter, arch);
        } else if abi::is_glibc_name(name) || strings.release.is_some() {
            system.rules = Rules::Glibc(strings.release);
            system.set_glibc(files, usual, strings);
            let release = match system.rules {
                Rules::Glibc(Some(release)) => release,
                _ => ASSUMED_GLIBC,
            };
            system.platform = cpu.platform(machine, release);
            system.subdirs = cpu.subdirs(machine, release);
        }
        (system, stand_in)
    }

    fn set_glibc(&mut self, files: &Files, usual: Option<&Usual>, strings: Strings) {
        let prefix = abi::own_prefix(&self.interpreter);
        self.cache_path = Some(strings.cache.unwrap_or_else(|| match prefix {
            Some(prefix) => [prefix, b"/etc/ld.so.cache"].concat(),
            None => b"/etc/ld.so.cache".to_vec(),
        }));
        self.preload_path = strings.preload;
        self.dirs = strings.dirs;
        if self.dirs.is_empty() {
            self.dirs = match (prefix, usual) {
                (Some(prefix), _) => vec![[prefix, b"/lib/"].concat()],
                (None, Some(usual)) => usual.assumed_dirs(|dir| files.sysroot.is_dir(dir)),
                (None, None) => vec![b"/lib/".to_vec(), b"/usr/lib/".to_vec()],
            };
        }
        self.lib = abi::dst_lib(&self.dirs);
    }

    /// The cache, read on first use.
    pub(super) fn cache(&self, files: &Files) -> Result<&LdCache, Why> {
        let Some(path) = &self.cache_path else {
            return Err(Why::NoFile);
        };
        let read = || {
            let file = files.sysroot.open(path).map_err(|e| Why::from_io(&e))?;
            if !file.metadata().is_ok_and(|m| m.is_file()) {
                return Err(Why::NotAFile);
            }
            let reader = FileReader::new(file).map_err(|e| Why::from_io(&e))?;
            LdCache::read(&reader, self.format)
        };
        self.cache
            .get_or_init(read)
            .as_ref()
            .map_err(|why| why.clone())
    }

    /// The existing subdirectories of a directory, out of `subdirs`; `None` if it is no directory.
    pub(super) fn subdirs_of(&self, files: &Files, dir: &[u8]) -> Option<Arc<[usize]>> {
        if let Some(known) = self.known_dirs.get(dir) {
            return known;
        }
        let exists = |sub: &str| files.sysroot.is_dir(&[dir, sub.as_bytes()].concat());
        let found = files.sysroot.is_dir(dir).then(|| {
            // Their first parts are few: `tls` of `tls/haswell/x86_64/`.
            let mut firsts: Vec<(&str, bool)> = Vec::new();
            (0..self.subdirs.len())
                .filter(|&i| {
                    let sub = self.subdirs[i].as_str();
                    let first = sub.split_inclusive('/').next().unwrap_or(sub);
                    let there = match firsts.iter().find(|(known, _)| *known == first) {
                        Some((_, there)) => *there,
                        None => {
                            let there = exists(first);
                            firsts.push((first, there));
                            there
                        }
                    };
                    there && exists(sub)
                })
                .collect()
        });
        self.known_dirs
            .insert(dir.into(), found.clone(), dir.len() + 96);
        found
    }

    /// The values of tokens for an object whose directory is `origin`.
    pub(super) fn tokens<'a>(&'a self, origin: &'a [u8], trust: Trust<'a>) -> Tokens<'a> {
        Tokens {
            origin,
            lib: &self.lib,
            platform: self.platform.map(str::as_bytes),
            trust,
        }
    }
}

/// Strings found in ld.so.
#[derive(Default)]
struct Strings {
    dirs: Vec<Vec<u8>>,
    cache: Option<Vec<u8>>,
    preload: Option<Vec<u8>>,
    release: Option<(u32, u32)>,
    stand_in: Option<StandIn>,
}

impl Strings {
    fn read(files: &Files, path: &[u8]) -> Strings {
        let open = || {
            let reader = FileReader::new(files.sysroot.open(path).ok()?).ok()?;
            let info = ElfInfo::read(&reader).ok()?;
            Some((reader, info))
        };
        let mut strings = Strings::default();
        let Some((reader, info)) = open() else {
            return strings;
        };
        let mut left = MAX_INTERPRETER_BYTES;
        for segment in &info.segments {
            if segment.p_type != elf::PT_LOAD || segment.flags & elf::PF_W != 0 {
                continue;
            }
            let len = segment.filesz.min(left);
            left -= len;
            if let Ok(bytes) = reader.read_vec(segment.offset, len as usize) {
                strings.take(&bytes);
            }
        }
        strings
    }

    /// Looks for the strings in the bytes of one segment; the first match of each is kept.
    fn take(&mut self, bytes: &[u8]) {
        self.stand_in = self.stand_in.or_else(|| StandIn::of(bytes));
        let mut run: Vec<Vec<u8>> = Vec::new();
        for string in bytes.split(|&b| b == 0) {
            // `system_dirs` is one array: directories that end in a slash, NUL between them.
            if is_directory(string) {
                run.push(string.to_vec());
                continue;
            }
            if self.dirs.is_empty() && !run.is_empty() {
                self.dirs = std::mem::take(&mut run);
            }
            run.clear();
            if self.cache.is_none() && string.starts_with(b"/") && string.ends_with(b"/ld.so.cache")
            {
                self.cache = Some(string.to_vec());
            }
            // nixpkgs' glibc names another file than /etc/ld.so.preload.
            let preload = string.starts_with(b"/") && string.ends_with(b".preload");
            if self.preload.is_none() && preload {
                self.preload = Some(string.to_vec());
            }
            if self.release.is_none() {
                self.release = release_in(string);
            }
        }
        if self.dirs.is_empty() {
            self.dirs = run;
        }
    }
}

fn is_directory(string: &[u8]) -> bool {
    string.len() > 2
        && string.starts_with(b"/")
        && string.ends_with(b"/")
        && string.iter().all(|b| b.is_ascii_graphic() && *b != b'%')
        && !string.starts_with(b"/proc/")
        && !string.starts_with(b"/dev/")
        && !string.starts_with(b"/sys/")
}

/// `… (GNU libc) stable release version 2.36.`
fn release_in(string: &[u8]) -> Option<(u32, u32)> {
    const BEFORE: &[u8] = b" release version ";
    let at = memmem::find(string, BEFORE)?;
    let text = std::str::from_utf8(&string[at + BEFORE.len()..]).ok()?;
    let mut numbers = text
        .split(|c: char| !c.is_ascii_digit())
        .map(str::parse::<u32>);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// musl's `sys_path` (ldso/dynlink.c): /etc/ld-musl-ARCH.path below the interpreter's prefix.
fn musl_dirs(files: &Files, interpreter: &[u8], arch: &[u8]) -> Vec<Vec<u8>> {
    let prefix = match interpreter.strip_prefix(b"/") {
        Some(_) => tokens::origin_of(tokens::origin_of(interpreter)),
        None => b"",
    };
    let prefix = if prefix == b"/" { b"" } else { prefix };
    let path = [prefix, b"/etc/ld-musl-", arch, b".path"].concat();
    let text = match files.sysroot.open(&path) {
        Ok(file) => FileReader::new(file)
            .ok()
            .filter(|reader| reader.len() <= 1 << 16)
            .and_then(|reader| reader.read_vec(0, reader.len() as usize).ok())
            .unwrap_or_default(),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            b"/lib:/usr/local/lib:/usr/lib".to_vec()
        }
        Err(_) => Vec::new(),
    };
    super::musl::elements(&text)
        .map(|(_, dir)| dir.to_vec())
        .collect()
}

impl Rules {
    /// The word for reports: `glibc 2.36`, `musl`.
    pub fn describe(self) -> String {
        match self {
            Rules::Glibc(Some((major, minor))) => format!("glibc {major}.{minor}"),
            Rules::Glibc(None) => "glibc, its directories assumed".into(),
            Rules::Musl => "musl".into(),
            Rules::Unknown => "an unknown loader".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_cache_and_release_are_found_among_other_strings() {
        let mut strings = Strings::default();
        strings.take(
            b"\0x/\0/etc/%s/\0/nix/store/abc-glibc-2.39/lib/\0/nix/store/def-libgcc/lib/\0\0\
              /proc/self/\0/nix/store/abc-glibc-2.39/etc/ld.so.cache\0/lib/\0\
              ld.so (GNU libc) stable release version 2.39.\nCopyright\0",
        );
        assert_eq!(
            strings.dirs,
            [
                b"/nix/store/abc-glibc-2.39/lib/".to_vec(),
                b"/nix/store/def-libgcc/lib/".to_vec()
            ]
        );
        assert_eq!(
            strings.cache.unwrap(),
            b"/nix/store/abc-glibc-2.39/etc/ld.so.cache"
        );
        assert_eq!(strings.release, Some((2, 39)));
    }
}
