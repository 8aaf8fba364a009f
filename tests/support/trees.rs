//! A small tree of compiled files, and the binary run on it, for the tests of the applets.

use elf_edit::{Class, ElfInfo, Platform};
use elf_fixtures::Minimal;
use object::Endianness;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

pub const BINARY: &str = env!("CARGO_BIN_EXE_cuda-fixup");
pub const DRIVER: &str = "/run/opengl-driver/lib";

pub const AARCH64: Platform = Platform {
    machine: 183,
    class: Class::Elf64,
    endian: Endianness::Little,
    os_abi: 0,
};
pub const X86_64: Platform = Platform {
    machine: 62,
    ..AARCH64
};

pub struct Tree {
    dir: TempDir,
    root: PathBuf,
}

impl Tree {
    pub fn new() -> Tree {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        Tree { dir, root }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A path in the tree; its directory is made.
    pub fn at(&self, name: &str) -> PathBuf {
        let path = self.root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    pub fn text(&self, name: &str) -> String {
        self.at(name).to_str().unwrap().to_owned()
    }

    fn gcc(&self, source: &str, out: &Path, args: &[&str]) {
        let file = self.at("source.c");
        fs::write(&file, source).unwrap();
        let done = Command::new("gcc")
            .current_dir(&self.root)
            .args(["-Wl,--no-as-needed", "-Wl,--enable-new-dtags", "-o"])
            .args([out, &file])
            .args(args)
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
        fs::remove_file(file).unwrap();
    }

    /// A library that has a function named as its file up to the first dot, less `lib`.
    pub fn library(&self, name: &str, args: &[&str]) -> PathBuf {
        let out = self.at(name);
        let file = out.file_name().unwrap().to_str().unwrap();
        let function = file[3..file.find('.').unwrap()].replace('-', "_");
        let soname = format!("-Wl,-soname,{file}");
        let args = [&["-shared", "-fPIC", soname.as_str()], args].concat();
        self.gcc(
            &format!("int {function}(void) {{ return 42; }}"),
            &out,
            &args,
        );
        out
    }

    /// A program that ends in 0 if `function` gives 42.
    pub fn program(&self, name: &str, function: &str, args: &[&str]) -> PathBuf {
        let out = self.at(name);
        let source =
            format!("int {function}(void); int main(void) {{ return {function}() != 42; }}");
        self.gcc(&source, &out, args);
        out
    }

    pub fn minimal(&self, name: &str, platform: Platform) -> PathBuf {
        let out = self.at(name);
        fs::write(&out, Minimal::new(platform).bytes()).unwrap();
        out
    }

    /// The binary with `args`, in the tree.
    pub fn run(&self, args: &[&str]) -> Output {
        Command::new(BINARY)
            .current_dir(&self.root)
            .args(args)
            .env_remove("NIX_BINTOOLS")
            .output()
            .unwrap()
    }

    /// Inode, times and bytes of every file.
    pub fn state(&self) -> BTreeMap<PathBuf, (u64, i64, i64, Vec<u8>)> {
        walkdir::WalkDir::new(&self.root)
            .into_iter()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.file_type().is_file())
            .map(|entry| {
                let m = entry.metadata().unwrap();
                let bytes = fs::read(entry.path()).unwrap();
                let path = entry.into_path();
                (path, (m.ino(), m.mtime(), m.mtime_nsec(), bytes))
            })
            .collect()
    }
}

pub fn info(file: &Path) -> ElfInfo {
    ElfInfo::read(&fs::read(file).unwrap()[..]).unwrap()
}

/// DT_RUNPATH, and that there is no DT_RPATH.
pub fn runpath(file: &Path) -> Option<String> {
    let dynamic = info(file).dynamic.unwrap();
    assert_eq!(dynamic.rpath, None, "{}", file.display());
    dynamic
        .runpath
        .map(|bytes| String::from_utf8(bytes).unwrap())
}

pub fn interpreter(file: &Path) -> String {
    String::from_utf8(info(file).interpreter.unwrap()).unwrap()
}

pub fn runs(program: &Path) -> bool {
    Command::new(program)
        .env_clear()
        .status()
        .unwrap()
        .success()
}

pub fn status(output: &Output) -> i32 {
    output.status.code().unwrap()
}

pub fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The JSON lines of an output.
pub fn json(output: &Output) -> Vec<serde_json::Value> {
    out(output)
        .lines()
        .map(|line| crate::support::schema::parsed(line))
        .collect()
}
