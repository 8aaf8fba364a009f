//! `--resolution` changes how libraries are found, never which: over programs of this machine in a
//! store, and wheels, the real loader loads the same files in the same order as without it.

use crate::support::peers::run;
use crate::support::{BINARY, long, wheel, wheels};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// This machine's loader.
const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";

/// The files that a loader loads for a program or a library, in order: by their real paths, below
/// the store. `None` where it does not load.
pub(crate) fn loaded(loader: &Path, file: &Path, store: &Path) -> Option<Vec<PathBuf>> {
    let out = Command::new(loader)
        .arg("--list")
        .arg(file)
        .env_clear()
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    if !out.status.success() || text.contains("not found") {
        return None;
    }
    let path = |line: &str| {
        let path = line.split("=> ").last()?.split_whitespace().next()?;
        let path = Path::new(path).canonicalize().ok()?;
        Some(
            path.strip_prefix(store)
                .map_or(path.clone(), Path::to_owned),
        )
    };
    Some(text.lines().filter_map(path).collect())
}

pub(crate) fn fixup(store: &Path, libs: &[PathBuf], mode: &str, more: &[&str]) {
    let libs = libs.iter().map(|lib| format!("--lib={}", lib.display()));
    let out = Command::new(BINARY)
        .args(["fixup", "--keep-libc", "--resolution", mode])
        .args(libs)
        .args(more)
        .arg(store)
        .env("NIX_STORE", store)
        .env_remove("LD_LIBRARY_PATH")
        .output()
        .unwrap();
    assert!(out.status.code() < Some(2), "{out:?}");
}

/// Needed names of all files that are paths.
fn paths(files: &[PathBuf]) -> usize {
    let needed = |file: &PathBuf| {
        let reader = elf_edit::FileReader::new(fs::File::open(file).unwrap()).ok();
        let info = reader.and_then(|reader| elf_edit::ElfInfo::read(&reader).ok());
        let names = info.map(|info| info.needed().to_vec()).unwrap_or_default();
        names.iter().filter(|name| name.starts_with(b"/")).count()
    };
    files.iter().map(needed).sum()
}

/// Compares the modes over these files of a store; the number of names that became paths.
fn same_in_all_modes(store: &Path, libs: &[PathBuf], files: &[PathBuf]) -> usize {
    fixup(store, libs, "off", &[]);
    let load = || -> BTreeMap<&PathBuf, _> {
        files
            .iter()
            .map(|file| (file, loaded(Path::new(LOADER), file, store)))
            .collect()
    };
    let (before, paths_before) = (load(), paths(files));
    for mode in ["note", "absolute"] {
        fixup(store, libs, mode, &[]);
        for (file, after) in load() {
            assert_eq!(after, before[file], "{mode}: {}", file.display());
        }
    }
    assert!(before.values().flatten().count() > 0, "nothing loads");
    paths(files) - paths_before
}

fn is_elf(file: &Path) -> bool {
    fs::symlink_metadata(file).is_ok_and(|metadata| metadata.is_file())
        && fs::read(file).is_ok_and(|bytes| bytes.starts_with(b"\x7fELF"))
}

/// Programs of this machine, with what they load, in a store.
pub(crate) struct MachineStore {
    /// All ELF files of it.
    pub files: Vec<PathBuf>,
    /// The directories of its libraries.
    pub libs: Vec<PathBuf>,
}

/// Copies `count` programs of this machine and the libraries that they load, each to a prefix of its
/// own, by the names that are searched for: by DT_SONAME. The libc stays where it is.
pub(crate) fn machine_store(store: &Path, count: usize) -> MachineStore {
    let mut programs: Vec<PathBuf> = fs::read_dir("/usr/bin")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| is_elf(path))
        .collect();
    programs.sort();
    let mut made = MachineStore {
        files: Vec::new(),
        libs: Vec::new(),
    };
    fs::create_dir_all(store.join("app/bin")).unwrap();
    for program in programs.iter().step_by(programs.len() / count + 1) {
        let Some(all) = loaded(Path::new(LOADER), program, store) else {
            continue;
        };
        let copy = store.join("app/bin").join(program.file_name().unwrap());
        fs::copy(program, &copy).unwrap();
        made.files.push(copy);
        for library in all {
            add_library(store, &library, &mut made);
        }
    }
    made
}

fn add_library(store: &Path, library: &Path, made: &mut MachineStore) {
    let of_libc = [
        "ld-linux",
        "libc.",
        "libm.",
        "libdl.",
        "librt.",
        "libpthread.",
        "libresolv.",
    ];
    let reader = elf_edit::FileReader::new(fs::File::open(library).unwrap()).unwrap();
    let info = elf_edit::ElfInfo::read(&reader).unwrap();
    let Some(soname) = info.dynamic.and_then(|dynamic| dynamic.soname) else {
        return;
    };
    let soname = String::from_utf8(soname).unwrap();
    let lib = store.join(soname.split(".so").next().unwrap()).join("lib");
    let copy = lib.join(&soname);
    if of_libc.iter().any(|name| soname.starts_with(name)) || copy.exists() {
        return;
    }
    fs::create_dir_all(&lib).unwrap();
    fs::copy(library, &copy).unwrap();
    made.files.push(copy);
    made.libs.push(lib);
}

#[test]
fn programs_of_this_machine_in_a_store() {
    let temp = tempfile::tempdir().unwrap();
    let store = temp.path().canonicalize().unwrap();
    let made = machine_store(&store, if long() { usize::MAX } else { 12 });
    let changed = same_in_all_modes(&store, &made.libs, &made.files);
    assert!(changed > 10, "{changed} of {} files", made.files.len());
}

#[test]
fn wheels_in_a_store() {
    let names: Vec<PathBuf> = match long() {
        true => {
            let all = fs::read_dir(wheels()).unwrap();
            let mut all: Vec<_> = all.map(|entry| entry.unwrap().path()).collect();
            all.sort();
            all
        }
        false => ["nvidia-cufile-1.20.0.107", "nvidia-cuda-runtime-13.5.37"]
            .map(wheel)
            .to_vec(),
    };
    for wheel in names {
        let temp = tempfile::tempdir().unwrap();
        let store = temp.path().canonicalize().unwrap();
        run(Command::new("cp")
            .arg("-rL")
            .arg(&wheel)
            .arg(store.join("wheel")));
        let walk = walkdir::WalkDir::new(&store)
            .sort_by_file_name()
            .into_iter();
        let all = walk.flatten().map(walkdir::DirEntry::into_path);
        let files: Vec<PathBuf> = all.filter(|path| is_elf(path)).collect();
        if files
            .iter()
            .any(|file| loaded(Path::new(LOADER), file, &store).is_some())
        {
            same_in_all_modes(&store, &[], &files);
        }
    }
}
