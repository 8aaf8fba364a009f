//! The libraries of the libc: those in its directory. By default, that is the directory of the
//! interpreter, and glibc's own names are built in.

use crate::loader::{glibc_names, usual_interpreters};
use elf_edit::Platform;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

type Names = HashSet<Vec<u8>>;

/// Location of the libc's libraries.
#[derive(Clone, Debug, Default)]
pub(crate) struct Libc {
    /// Names by platform; the platform is `None` for a libc that the user named.
    known: Vec<(Option<Platform>, Arc<Names>)>,
    directories: Vec<PathBuf>,
}

impl Libc {
    /// The libc of this directory, or of its `lib`.
    pub(crate) fn in_directory(directory: &Path) -> io::Result<Libc> {
        let lib = directory.join("lib");
        let directory = if lib.is_dir() {
            lib
        } else {
            directory.to_owned()
        };
        let names = names_in(&directory)?;
        Ok(Libc {
            known: vec![(None, Arc::new(names))],
            directories: vec![directory],
        })
    }

    /// The libc in the directory of an interpreter.
    pub(crate) fn beside(interpreter: &Path) -> io::Result<Libc> {
        let target = interpreter.canonicalize()?;
        let directory = target.parent().unwrap_or(Path::new("/"));
        let names = names_in(directory)?;
        Ok(Libc {
            known: vec![(None, Arc::new(names))],
            directories: vec![directory.to_owned()],
        })
    }

    /// The libc of this machine, for each platform that it runs.
    pub(crate) fn of_this_machine() -> Libc {
        let mut libc = Libc::default();
        for (machine, class, interpreter) in usual_interpreters() {
            let Ok(target) = Path::new(interpreter).canonicalize() else {
                continue;
            };
            let Some(platform) = platform_of(&target) else {
                continue;
            };
            if (platform.machine, platform.class) != (machine, class) {
                continue;
            }
            let Some(directory) = target.parent() else {
                continue;
            };
            let mut names = names_in(directory).unwrap_or_default();
            // Where /lib is not a link to /usr/lib, both are searched.
            if let Ok(inside) = directory.strip_prefix("/") {
                names.extend(names_in(&Path::new("/usr").join(inside)).unwrap_or_default());
            }
            libc.directories.push(directory.to_owned());
            libc.known.push((Some(platform), Arc::new(names)));
        }
        libc
    }

    /// Whether a library of that name comes with the libc for this platform.
    pub(super) fn has(&self, name: &[u8], platform: Platform) -> bool {
        let of_user = self.known.iter().any(|(of, _)| of.is_none());
        if !of_user && is_glibc_name(name) {
            return true;
        }
        self.known
            .iter()
            .filter(|(of, _)| of.is_none_or(|of| of.goes_with(platform)))
            .any(|(_, names)| names.contains(name))
    }
}

/// Whether a library of that name is one of glibc's own.
pub(super) fn is_glibc_name(name: &[u8]) -> bool {
    glibc_names().any(|known| name == known.as_bytes())
        || usual_interpreters().any(|(_, _, interpreter)| {
            let file = Path::new(interpreter).file_name();
            file == Some(OsStr::from_bytes(name))
        })
}

/// Names of the files in a directory, links to files too.
fn names_in(directory: &Path) -> io::Result<Names> {
    let mut names = Names::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_file() || (kind.is_symlink() && entry.path().is_file()) {
            names.insert(entry.file_name().into_encoded_bytes());
        }
    }
    Ok(names)
}

/// The platform that an ELF file was built for.
pub(crate) fn platform_of(path: &Path) -> Option<Platform> {
    let file = crate::scan::open(path, true).ok()?;
    let header = elf_edit::FileHeader::decode(file.head())?;
    Some(Platform::of(&header))
}

#[cfg(test)]
mod tests {
    use super::is_glibc_name;

    #[test]
    fn the_loader_of_every_machine_comes_with_the_libc() {
        for name in [
            "ld-linux-loongarch-lp64d.so.1",
            "ld-linux-x32.so.2",
            "ld64.so.2",
        ] {
            assert!(is_glibc_name(name.as_bytes()), "{name}");
        }
        assert!(!is_glibc_name(b"ld-elf.so.1"));
    }
}
