//! The private directory with the members of an archive.

use super::{ArchiveError, Extent, private, stream};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink};
use std::path::{Component, Path, PathBuf};

/// Members of an archive that are looked at; a package of a distribution has some 100,000.
const MAX_MEMBERS: u64 = 2_000_000;
/// Members that are left out and named.
const MAX_NAMED: usize = 5;
/// Bytes that are kept of a file whose contents are not needed.
const KEPT: usize = 64;
/// Suffixes of text files of which rules read all.
const TEXTS: [&str; 9] = [
    "pc", "cmake", "la", "sh", "profile", "cfg", "conf", "prf", "json",
];
/// The most that is kept of one.
const MAX_TEXT: u64 = 1 << 20;

/// A member of an archive.
pub(super) enum ArchiveMember<'a> {
    File(&'a mut dyn Read),
    /// The target of a symbolic link.
    Link(&'a [u8]),
    /// The name of an earlier member.
    HardLink(&'a [u8]),
}

/// Receives the members.
#[derive(Debug)]
pub(super) struct Staging {
    root: PathBuf,
    extent: Extent,
    members: u64,
    /// Made at the end: nothing is written through one.
    links: BTreeMap<PathBuf, PathBuf>,
    left_out: u64,
    named: Vec<String>,
    /// Where absolute links begin at the root of the archive: packages and images of a system.
    pub(super) is_system: bool,
    /// The layers of an image.
    pub(super) is_image: bool,
}

impl Staging {
    pub(super) fn new(root: &Path, extent: Extent) -> io::Result<Staging> {
        let _lock = private::lock();
        DirBuilder::new().mode(0o700).create(root)?;
        Ok(Staging {
            root: root.to_owned(),
            extent,
            members: 0,
            links: BTreeMap::new(),
            left_out: 0,
            named: Vec::new(),
            is_system: false,
            is_image: false,
        })
    }

    /// Adds a member; its contents may be left unread.
    pub(super) fn add(
        &mut self,
        name: &[u8],
        member: ArchiveMember<'_>,
    ) -> Result<(), ArchiveError> {
        self.members += 1;
        if self.members > MAX_MEMBERS {
            let what = format!("it has more than {MAX_MEMBERS} members");
            return Err(ArchiveError::Malformed(what));
        }
        let Some(path) = inside(Path::new(OsStr::from_bytes(name))) else {
            self.leave_out(name, "its name leads out of the archive");
            return Ok(());
        };
        if path.as_os_str().is_empty() {
            return Ok(());
        }
        self.links.remove(&path);
        match member {
            ArchiveMember::Link(target) => {
                let target = Path::new(OsStr::from_bytes(target));
                match target_of(&path, target, self.is_system) {
                    Some(target) => {
                        self.links.insert(path, target);
                    }
                    // Links are made last, and nothing but the loader's search follows them.
                    None if self.extent == Extent::Whole && !self.is_system => {
                        self.links.insert(path, target.to_owned());
                    }
                    None if target.is_absolute() => {}
                    None => self.leave_out(name, "a link that leads out of the archive"),
                }
            }
            ArchiveMember::HardLink(target) => {
                let _lock = private::lock();
                let target = inside(Path::new(OsStr::from_bytes(target)));
                let known = target.map(|target| self.root.join(target));
                let linked =
                    known.filter(|known| known.symlink_metadata().is_ok_and(|m| m.is_file()));
                if let Some(known) = linked
                    && self.make_room(&path).is_ok()
                    && fs::hard_link(known, self.root.join(&path)).is_err()
                {
                    self.leave_out(name, "its link can't be made");
                }
            }
            ArchiveMember::File(contents) => self.write(name, &path, contents)?,
        }
        Ok(())
    }

    fn write(&mut self, name: &[u8], path: &Path, from: &mut dyn Read) -> Result<(), ArchiveError> {
        let mut head = Vec::new();
        from.take(KEPT as u64)
            .read_to_end(&mut head)
            .map_err(stream::error)?;
        let lock = private::lock();
        if self.make_room(path).is_err() {
            self.leave_out(name, "a file and a directory have the same name");
            return Ok(());
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(self.root.join(path))?;
        drop(lock);
        file.write_all(&head)?;
        let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default();
        let text = TEXTS.contains(&extension);
        let magic: [&[u8]; 4] = [b"\x7fELF", b"!<arch>\n", b"\x50\xed\x55\xba", b"#!"];
        let script = head.starts_with(b"#!");
        let whole = self.extent == Extent::Whole;
        if whole || (magic.iter().any(|magic| head.starts_with(magic)) && !script) {
            copy_sparse(from, &mut file)
        } else if text || script {
            let rest = &mut from.take(MAX_TEXT);
            copy_sparse(rest, &mut file)
        } else {
            Ok(())
        }
    }

    /// Makes the directories of a member, and removes an earlier one of its name.
    fn make_room(&self, path: &Path) -> io::Result<()> {
        let whole = self.root.join(path);
        if let Some(parent) = whole.parent() {
            DirBuilder::new()
                .mode(0o700)
                .recursive(true)
                .create(parent)?;
        }
        match fs::remove_file(&whole) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Removes a member of a lower layer, or all of a directory's.
    pub(super) fn remove(&mut self, name: &[u8], children_only: bool) {
        let Some(path) = inside(Path::new(OsStr::from_bytes(name))) else {
            return;
        };
        self.links
            .retain(|link, _| !(link.starts_with(&path) && (!children_only || *link != path)));
        let whole = self.root.join(&path);
        // A file that can't be removed is one too many in a report.
        let _ = match whole.symlink_metadata() {
            Ok(there) if there.is_dir() => fs::remove_dir_all(&whole),
            Ok(_) => fs::remove_file(&whole),
            Err(error) => Err(error),
        };
    }

    fn leave_out(&mut self, name: &[u8], why: &str) {
        self.left_out += 1;
        if self.named.len() < MAX_NAMED {
            let name = crate::escape::Shown::from(name);
            self.named.push(format!("{name} is left out: {why}"));
        }
    }

    /// Makes the links, and returns a line for each that is left out.
    pub(super) fn finish(mut self) -> Vec<String> {
        let _lock = private::lock();
        for (path, target) in std::mem::take(&mut self.links) {
            let whole = self.root.join(&path);
            // Where a directory or a file has the name, that stays.
            if let Some(parent) = whole.parent()
                && DirBuilder::new()
                    .mode(0o700)
                    .recursive(true)
                    .create(parent)
                    .is_ok()
            {
                let _ = symlink(&target, &whole);
            }
        }
        let more = self.left_out.saturating_sub(self.named.len() as u64);
        if more > 0 {
            self.named.push(format!("{more} more members are left out"));
        }
        self.named
    }
}

/// Copies, with holes where there are only zeroes: a bomb takes no room.
pub(super) fn copy_sparse(from: &mut dyn Read, to: &mut File) -> Result<(), ArchiveError> {
    let mut buffer = vec![0; 64 << 10];
    let mut at = to.stream_position()?;
    loop {
        let mut filled = 0;
        while filled < buffer.len() {
            match from.read(&mut buffer[filled..]).map_err(stream::error)? {
                0 => break,
                read => filled += read,
            }
        }
        if filled == 0 {
            break;
        }
        if buffer[..filled].iter().any(|&byte| byte != 0) {
            to.seek(SeekFrom::Start(at))?;
            to.write_all(&buffer[..filled])?;
        }
        at += filled as u64;
    }
    Ok(to.set_len(at)?)
}

/// The path of a member below the root; `None` where it leads out of it.
pub(super) fn inside(name: &Path) -> Option<PathBuf> {
    let mut path = PathBuf::new();
    for component in name.components() {
        match component {
            Component::Normal(part) => path.push(part),
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => return None,
        }
    }
    Some(path)
}

/// The target of a link that stays below the root: no more `..` than there are directories above
/// it, all of them first. Each step then goes through directories and links of the same kind.
fn target_of(link: &Path, target: &Path, is_system: bool) -> Option<PathBuf> {
    let depth = link.components().count().checked_sub(1)?;
    let mut up = 0;
    let mut path = PathBuf::new();
    if target.is_absolute() {
        if !is_system {
            return None;
        }
        for _ in 0..depth {
            path.push("..");
        }
    }
    let mut down = target.is_absolute();
    for component in target.components() {
        match component {
            Component::ParentDir if !down => {
                up += 1;
                path.push("..");
            }
            Component::Normal(part) => {
                down = true;
                path.push(part);
            }
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => return None,
        }
    }
    (up <= depth && !path.as_os_str().is_empty()).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_stay_inside() {
        let target = |link: &str, target: &str, system| {
            let found = target_of(Path::new(link), Path::new(target), system);
            found.map(|path| path.to_str().unwrap().to_owned())
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(target("lib/a.so", "a.so.1", false), some("a.so.1"));
        assert_eq!(target("lib/a.so", "../x/a.so", false), some("../x/a.so"));
        assert_eq!(target("lib/a.so", "../../x", false), None);
        assert_eq!(target("a", "b/../../x", false), None);
        assert_eq!(target("a", "..", false), None);
        assert_eq!(target("usr/a", "/etc/x", false), None);
        assert_eq!(target("usr/a", "/etc/x", true), some("../etc/x"));
        assert_eq!(target("usr/a", "/etc/../../x", true), None);
        assert_eq!(inside(Path::new("./a//b")), Some("a/b".into()));
        assert_eq!(inside(Path::new("a/../b")), None);
    }
}
