//! Opens files as a process below a root directory would see them (`--root DIR`).
//!
//! Absolute links are followed inside the root, and `..` does not lead out of it. Without a root
//! the kernel resolves paths.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

/// As many links as Linux follows in one path (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// The file system that the loader searches.
#[derive(Clone, Debug)]
pub(super) struct Sysroot {
    root: Option<PathBuf>,
    /// Base of relative names, as seen inside the root.
    cwd: PathBuf,
}

impl Sysroot {
    pub(super) fn new(root: Option<PathBuf>, cwd: PathBuf) -> Sysroot {
        Sysroot { root, cwd }
    }

    /// Opens a file for reading. A FIFO does not block, a terminal does not become ours.
    pub(super) fn open(&self, path: &[u8]) -> io::Result<File> {
        let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
        OpenOptions::new()
            .read(true)
            .custom_flags(flags.bits() as i32)
            .open(self.host(path)?)
    }

    /// Whether there is a directory of that name.
    pub(super) fn is_dir(&self, path: &[u8]) -> bool {
        self.host(path)
            .and_then(fs::metadata)
            .is_ok_and(|m| m.is_dir())
    }

    /// `path` with all links followed, as seen inside the root.
    pub(super) fn real(&self, path: &[u8]) -> io::Result<Vec<u8>> {
        let host = self.host(path)?;
        let inside = match &self.root {
            None => fs::canonicalize(host)?,
            Some(root) => Path::new("/").join(host.strip_prefix(root).unwrap_or(&host)),
        };
        Ok(inside.into_os_string().into_encoded_bytes())
    }

    /// The file of this machine behind `path`, with all links followed.
    pub(super) fn host_real(&self, path: &[u8]) -> Option<PathBuf> {
        fs::canonicalize(self.host(path).ok()?).ok()
    }

    /// `path` made absolute by the current directory; nothing else about it changes.
    pub(super) fn absolute(&self, path: &[u8]) -> Vec<u8> {
        let joined = self.cwd.join(OsStr::from_bytes(path));
        joined.into_os_string().into_encoded_bytes()
    }

    /// Where `path` is on this machine.
    fn host(&self, path: &[u8]) -> io::Result<PathBuf> {
        let path = Path::new(OsStr::from_bytes(path));
        match &self.root {
            // An empty name is the current directory for the loader: "" + "libx.so".
            None if path.as_os_str().is_empty() => Ok(PathBuf::from(".")),
            None => Ok(path.to_owned()),
            Some(root) => walk(root, &self.cwd.join(path)),
        }
    }
}

/// Follows `path` below `root`, link by link. The last component need not exist.
pub(crate) fn walk(root: &Path, path: &Path) -> io::Result<PathBuf> {
    let mut todo: VecDeque<OsString> = components(path);
    let mut done: Vec<OsString> = Vec::new();
    let mut links = 0;
    while let Some(component) = todo.pop_front() {
        if component == ".." {
            done.pop();
            continue;
        }
        let mut here = root.to_owned();
        here.extend(&done);
        here.push(&component);
        let target = match fs::symlink_metadata(&here) {
            Ok(meta) if meta.is_symlink() => fs::read_link(&here)?,
            Ok(_) => {
                done.push(component);
                continue;
            }
            Err(e) if todo.is_empty() && e.kind() == io::ErrorKind::NotFound => {
                done.push(component);
                continue;
            }
            Err(e) => return Err(e),
        };
        links += 1;
        if links > MAX_LINKS {
            return Err(rustix::io::Errno::LOOP.into());
        }
        if target.is_absolute() {
            done.clear();
        }
        for part in components(&target).into_iter().rev() {
            todo.push_front(part);
        }
    }
    let mut host = root.to_owned();
    host.extend(done);
    Ok(host)
}

/// The parts of a path, `..` kept.
fn components(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter(|c| matches!(c, Component::Normal(_) | Component::ParentDir))
        .map(|c| c.as_os_str().to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_and_dots_stay_inside_the_root() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir_all(root.join("usr/lib")).unwrap();
        fs::write(root.join("usr/lib/libx.so"), "x").unwrap();
        symlink("/usr/lib", root.join("lib")).unwrap();
        symlink("../../../../../../usr/lib/libx.so", root.join("usr/up.so")).unwrap();
        symlink("/loop", root.join("loop")).unwrap();
        let sysroot = Sysroot::new(Some(root.to_owned()), PathBuf::from("/"));
        assert_eq!(sysroot.real(b"/lib/libx.so").unwrap(), b"/usr/lib/libx.so");
        assert_eq!(sysroot.real(b"/usr/up.so").unwrap(), b"/usr/lib/libx.so");
        assert!(sysroot.is_dir(b"/lib"));
        assert!(sysroot.open(b"/usr/../../lib/libx.so").is_ok());
        assert_eq!(
            sysroot.open(b"/loop").unwrap_err().raw_os_error(),
            Some(rustix::io::Errno::LOOP.raw_os_error())
        );
        assert!(!sysroot.is_dir(b"/etc"));
    }
}
