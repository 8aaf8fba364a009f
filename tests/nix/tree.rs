//! Outputs as values that can be compared: every byte but the hashes of store paths, or only the
//! loader's input.

use goblin::elf::Elf;
use goblin::elf::dynamic::{DT_RPATH, DT_RUNPATH};
use regex::bytes::Regex;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// One entry of a directory tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A directory.
    Directory,
    /// A link, and to what.
    Link(String),
    /// A file: its mode, the number of its names, its bytes.
    File(u32, u64, Vec<u8>),
}

/// `bytes` with the hash of each store path made equal: same length, so that layouts compare.
fn without_hashes(bytes: &[u8]) -> Vec<u8> {
    let hash = Regex::new(r"(?-u)/nix/store/[0-9a-z]{32}-").unwrap();
    hash.replace_all(bytes, &b"/nix/store/00000000000000000000000000000000-"[..])
        .into_owned()
}

/// Store paths by name: `/store/greet-1.0/lib`.
pub fn by_name(text: &str) -> String {
    let path = Regex::new(r"(?-u)/[^:\s]*/nix/store/[0-9a-z]{32}-").unwrap();
    String::from_utf8(
        path.replace_all(text.as_bytes(), &b"/store/"[..])
            .into_owned(),
    )
    .unwrap()
}

/// Every entry of a tree by its path in it, hashes of store paths left out.
pub fn snapshot(root: &Path) -> BTreeMap<String, Entry> {
    let mut entries = BTreeMap::new();
    for entry in walkdir::WalkDir::new(root).min_depth(1) {
        let entry = entry.unwrap();
        let name = entry.path().strip_prefix(root).unwrap();
        let metadata = entry.path().symlink_metadata().unwrap();
        let value = if metadata.is_dir() {
            Entry::Directory
        } else if metadata.is_symlink() {
            let to = fs::read_link(entry.path()).unwrap();
            let to = without_hashes(to.as_os_str().as_bytes());
            Entry::Link(String::from_utf8(to).unwrap())
        } else {
            let bytes = fs::read(entry.path()).unwrap();
            Entry::File(
                metadata.permissions().mode(),
                metadata.nlink(),
                without_hashes(&bytes),
            )
        };
        entries.insert(name.to_str().unwrap().to_owned(), value);
    }
    entries
}

/// The loader's input in a file, store paths by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meaning {
    /// PT_INTERP, empty without.
    pub interpreter: String,
    /// DT_RUNPATH, whole.
    pub runpath: Option<String>,
    /// DT_RPATH, whole.
    pub rpath: Option<String>,
    /// DT_NEEDED
    pub needed: Vec<String>,
}

/// Reads it with goblin's own parser.
pub fn meaning(file: &Path) -> Meaning {
    let bytes = fs::read(file).unwrap();
    let elf = Elf::parse(&bytes).unwrap();
    let string = |tag| {
        let dynamic = elf.dynamic.as_ref()?;
        let entry = dynamic.dyns.iter().find(|entry| entry.d_tag == tag)?;
        elf.dynstrtab
            .get_at(usize::try_from(entry.d_val).unwrap())
            .map(by_name)
    };
    Meaning {
        interpreter: by_name(elf.interpreter.unwrap_or_default()),
        runpath: string(DT_RUNPATH),
        rpath: string(DT_RPATH),
        needed: elf.libraries.iter().map(|&name| name.to_owned()).collect(),
    }
}
