//! Selects the needed names that can become absolute paths: those for which every loader then loads
//! the same files, in the same order, as with the bare names.
//!
//! glibc takes a loaded object for a bare name if its DT_SONAME is that name, however it was loaded.
//! musl remembers an object that was loaded by a path by that path alone. Neither takes an object
//! that was loaded from another file for a path. So the name must mean one file throughout.

use super::directories::{has_hwcaps, is_fixed};
use crate::cuda::driver;
use crate::loader::{Object, Rules, Step};
use elf_edit::FileId;
use elf_edit::tokens::{Token, TokenEnd, leading_token};
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// A needed name and its replacement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// The name in the file, before this edit.
    pub from: Vec<u8>,
    /// The name that it gets; the same where nothing changes.
    pub to: Vec<u8>,
    /// Why that is not the path of the library.
    pub why: Option<Why>,
}

/// Why a name stays one that is searched for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    Driver,
    Libc,
    NotFound,
    /// Not through the file's own RUNPATH or RPATH.
    Elsewhere,
    /// The DT_SONAME of the library that is found.
    OtherSoname(Option<Vec<u8>>),
    /// Two of the files that it means.
    SeveralFiles,
    /// A file asks for symbol versions of it, and doesn't need it.
    VersionsOnly,
    /// musl, and a file that needs it doesn't find it by itself, or opens it with dlopen.
    NotByItself,
    /// This entry decides only when the program runs.
    Undecided(Vec<u8>),
    /// The entry that finds it is relative to a file that may be moved.
    Movable(Vec<u8>),
    /// The path can't be written down as a name.
    Path,
    /// With it, the loader model loads other files, or in another order.
    Differs,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = String::from_utf8_lossy;
        f.write_str(match self {
            Why::Driver => "the driver's libraries are known only where the program runs",
            Why::Libc => "it is the libc's",
            Why::NotFound => "it is not found",
            Why::Elsewhere => "it is not found through the file's own RUNPATH",
            Why::OtherSoname(Some(soname)) => {
                return write!(f, "its DT_SONAME is {}", text(soname));
            }
            Why::OtherSoname(None) => "it has no DT_SONAME",
            Why::SeveralFiles => "it means another file for another object",
            Why::VersionsOnly => "a file that does not need it asks for versions of its symbols",
            Why::NotByItself => {
                "musl knows a library that was loaded by its path by no other name, and another file \
                 may rely on the name"
            }
            Why::Undecided(entry) => {
                return write!(f, "what is in {} is known only when the program runs", text(entry));
            }
            Why::Movable(entry) => {
                return write!(f, "{} makes the file movable with its libraries", text(entry));
            }
            Why::Path => "its path can't be a needed name",
            Why::Differs => "with the path, other files would be loaded",
        })
    }
}

/// What all objects of a run, and those that they load, say of a name.
#[derive(Debug, Default)]
struct Name {
    /// Files that it means for one of them, or whose DT_SONAME it is; two at most.
    files: Vec<FileId>,
    versions_only: bool,
    not_by_itself: bool,
}

impl Name {
    fn means(&mut self, file: FileId) {
        if self.files.len() < 2 && !self.files.contains(&file) {
            self.files.push(file);
        }
    }
}

/// The facts on which all choices rest.
#[derive(Debug, Default)]
pub(crate) struct Names {
    names: HashMap<Vec<u8>, Name>,
    differing: HashSet<Vec<u8>>,
}

/// The last component: what a loader would search for.
pub(crate) fn base(name: &[u8]) -> &[u8] {
    name.rsplit(|&byte| byte == b'/').next().unwrap_or(name)
}

impl Names {
    /// Adds an object, the first of `objects`, which has loaded what it needs and nothing more;
    /// `opened` are names that it may dlopen.
    pub(crate) fn add(&mut self, objects: &[Object], rules: Rules, opened: &[Vec<u8>]) {
        let Some((object, library)) = objects
            .first()
            .and_then(|object| Some((object, object.library.as_ref()?)))
        else {
            return;
        };
        if let Some(soname) = &library.soname {
            self.of(soname).means(library.id);
        }
        for need in &object.needs {
            let found = need.object.and_then(|at| objects[at].library.as_ref());
            match found {
                Some(found) => self.of(base(&need.name)).means(found.id),
                None => self.of(base(&need.name)).not_by_itself |= rules == Rules::Musl,
            }
        }
        for wanted in &library.wanted {
            if !library.needed.contains(&wanted.file) {
                self.of(base(&wanted.file)).versions_only = true;
            }
        }
        for name in opened {
            self.of(name).not_by_itself |= rules == Rules::Musl;
        }
    }

    /// Excludes names with which the loader model loads other files.
    pub(crate) fn exclude(&mut self, names: impl IntoIterator<Item = Vec<u8>>) {
        self.differing.extend(names);
    }

    fn of(&mut self, name: &[u8]) -> &mut Name {
        if !self.names.contains_key(name) {
            self.names.insert(name.to_vec(), Name::default());
        }
        self.names.entry(name.to_vec()).or_default()
    }

    /// Why a name that means `file` for one object can't be a path for all.
    fn objection(&self, name: &[u8], file: FileId) -> Option<Why> {
        if self.differing.contains(name) {
            return Some(Why::Differs);
        }
        let known = self.names.get(name)?;
        if known.files.iter().any(|other| *other != file) {
            Some(Why::SeveralFiles)
        } else if known.versions_only {
            Some(Why::VersionsOnly)
        } else if known.not_by_itself {
            Some(Why::NotByItself)
        } else {
            None
        }
    }
}

/// What a choice rests on besides the names: the file whose names they are.
pub(crate) struct Chooser<'a> {
    pub names: &'a Names,
    pub rules: Rules,
    /// Its RUNPATH, or RPATH.
    pub path: &'a [u8],
    /// `$ORIGIN`, where it is one directory for good.
    pub origin: Option<&'a [u8]>,
    /// The directory of the driver, and that of compat libraries.
    pub machine: &'a [&'a [u8]],
    /// Whether a name is one of the libc's.
    pub in_libc: &'a dyn Fn(&[u8]) -> bool,
    /// Whether a path is in a store, where nothing is added later.
    pub in_store: &'a dyn Fn(&Path) -> bool,
    /// Where its interpreter is.
    pub libc: Option<PathBuf>,
}

impl Chooser<'_> {
    /// The path that takes the place of a needed name of the first object, or why none does.
    pub(crate) fn path(&self, objects: &[Object], at: usize) -> Result<Vec<u8>, Why> {
        let Some(need) = objects.first().and_then(|first| first.needs.get(at)) else {
            return Err(Why::NotFound);
        };
        let name = base(&need.name);
        if driver::library(name).is_some() {
            return Err(Why::Driver);
        }
        if (self.in_libc)(name) {
            return Err(Why::Libc);
        }
        let (Some(object), Some(via)) = (need.object.map(|at| &objects[at]), need.via) else {
            return Err(Why::NotFound);
        };
        let (Some(library), Step::Runpath(0) | Step::Rpath(0)) = (&object.library, via.step) else {
            return Err(Why::Elsewhere);
        };
        if let Some(why) = self.names.objection(name, library.id) {
            return Err(why);
        }
        let is_musl = self.rules == Rules::Musl;
        if !is_musl && library.soname.as_deref() != Some(name) {
            return Err(Why::OtherSoname(library.soname.clone()));
        }
        self.entries(via.element.unwrap_or(0))?;
        let path = writable(&object.path, name).ok_or(Why::Path)?;
        if self.libc.is_some() && path.parent().and_then(|dir| dir.canonicalize().ok()) == self.libc
        {
            return Err(Why::Libc);
        }
        Ok(path.into_os_string().into_encoded_bytes())
    }

    /// Checks the entries up to that which found a library.
    fn entries(&self, found: usize) -> Result<(), Why> {
        let is_end = |&byte: &u8| byte == b':' || (self.rules == Rules::Musl && byte == b'\n');
        for (at, entry) in self.path.split(is_end).enumerate().take(found + 1) {
            if at < found && self.machine.contains(&entry) {
                continue;
            }
            let directory = match leading_token(entry, TokenEnd::Identifier) {
                Some((Token::Origin, len)) => match self.origin {
                    Some(origin) => [origin, &entry[len..]].concat(),
                    None => return Err(Why::Movable(entry.to_vec())),
                },
                _ => entry.to_vec(),
            };
            let is_decided = is_fixed(&directory) || (at < found && self.stays_away(&directory));
            if !is_decided || self.machine.contains(&entry) {
                return Err(Why::Undecided(entry.to_vec()));
            }
        }
        Ok(())
    }

    /// Whether a directory that isn't there will not be there either when the program runs.
    fn stays_away(&self, entry: &[u8]) -> bool {
        let path = Path::new(OsStr::from_bytes(entry));
        entry.starts_with(b"/")
            && !entry.contains(&b'$')
            && (self.in_store)(path)
            && path.symlink_metadata().is_err()
            && !has_hwcaps(entry)
    }
}

/// The path as a needed name: absolute, without `..`, and in the same directory.
fn writable(path: &[u8], name: &[u8]) -> Option<PathBuf> {
    let given = Path::new(OsStr::from_bytes(path));
    if !given.is_absolute() || path.contains(&b'$') || base(path) != name {
        return None;
    }
    let mut plain = PathBuf::new();
    for component in given.components() {
        match component {
            Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    let place = |path: &Path| path.parent().and_then(|dir| dir.canonicalize().ok());
    (place(&plain).is_some() && place(&plain) == place(given)).then_some(plain)
}
