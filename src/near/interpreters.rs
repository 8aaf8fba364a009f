//! Interpreters of this machine that a program could use.

use super::root::Root;
use super::{Surroundings, bytes};
use crate::advice::Near;
use crate::loader::{assumed_interpreters, runs_here};
use elf_edit::{ElfInfo, FileReader, ReadAt};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Text of NixOS's stub (stub-ld), which is in the place of a loader.
const NIXOS_STUB: &[u8] = b"NixOS cannot run dynamically linked executables";
/// The stub is smaller.
const MAX_STUB: u64 = 1 << 20;

pub(super) fn near(around: &Surroundings, file: &Path, info: &ElfInfo, interpreter: &[u8]) -> Near {
    let root = &around.root;
    let mut there = assumed_interpreters(&info.header, interpreter);
    there.extend(of_shell(root, info, interpreter));
    there.retain(|path| path != interpreter && root.host(OsStr::from_bytes(path)).exists());
    let foreign = !runs_here(info.header.machine);
    Near {
        file: Some(bytes(file)),
        interpreters: there,
        foreign: foreign.then(|| info.platform().to_string()),
        nixos_stub: is_stub(root, interpreter) == Some(true),
        distribution: around.distribution(),
        ..around.machine()
    }
}

/// The interpreter of /bin/sh, where it is of the same libc: NixOS has no other fixed path to one.
fn of_shell(root: &Root, info: &ElfInfo, interpreter: &[u8]) -> Option<Vec<u8>> {
    let file = crate::scan::open(&root.host("/bin/sh"), true).ok()?;
    let shell = ElfInfo::read(&file).ok()?;
    let musl = |path: &[u8]| memchr::memmem::find(path, b"ld-musl-").is_some();
    let fits = shell.platform().goes_with(info.platform());
    shell
        .interpreter
        .filter(|path| fits && musl(path) == musl(interpreter))
}

fn is_stub(root: &Root, interpreter: &[u8]) -> Option<bool> {
    let path = root.host(OsStr::from_bytes(interpreter));
    let file: FileReader = crate::scan::open(&path, true).ok()?;
    if file.len() > MAX_STUB {
        return Some(false);
    }
    let contents = file.read_vec(0, file.len() as usize).ok()?;
    Some(memchr::memmem::find(&contents, NIXOS_STUB).is_some())
}
