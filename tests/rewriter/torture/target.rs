//! The machines that files are built for, and what a file under test finds there: loaders
//! (ld.so) by long names, libraries, and a program that loads libraries.

use crate::torture::process::{self, must};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Parts of paths that look like a store's: none may stay in a file after it was edited away.
pub const OLD_RUNPATH: &str = "0ldrunpath0aaaaaaaaaaaaaaaaaaaaa";
pub const OLD_INTERPRETER: &str = "0ldinterp0bbbbbbbbbbbbbbbbbbbbbb";
pub const UNUSED: &str = "0ldneeded0cccccccccccccccccccccc";
/// In what edits write.
pub const NEW: &str = "newnewnew0dddddddddddddddddddddd";

/// The library that the subject needs, and the one that a replaced NEEDED names.
pub const ANSWER: &str = "libanswer-0ldreplaced0eeeeeeeeeeeeee.so.1";
pub const ANOTHER: &str = "libanswer-of-another-and-a-longer-name-than-before-newreplaced.so.1";
/// Announces itself when loaded; nothing needs it until an edit adds it.
pub const EXTRA: &str = "libextra.so";

/// A machine with its C library.
pub struct Target {
    pub name: &'static str,
    compiler: String,
    /// Options that every call of a compiler begins with.
    options: &'static [&'static str],
    pub strip: String,
    pub objcopy: String,
    /// The emulator's command line; empty: runs as it is.
    emulator: Vec<String>,
    /// Where a program that runs as it is finds a C library that is not this machine's own.
    c_library: Option<PathBuf>,
    /// Where all of the below lies.
    pub dir: PathBuf,
    /// Path of a loader that works, as files are linked with it.
    pub interpreter: PathBuf,
    /// Another that works, by a longer path.
    pub other_interpreter: PathBuf,
    /// Whether there is a loader that runs or loads files. Without one, readers judge them.
    pub has_loader: bool,
}

/// Debian's triple and QEMU's word for the machine.
pub const CROSS: [(&str, &str); 12] = [
    ("aarch64-linux-gnu", "aarch64"),
    ("arm-linux-gnueabihf", "arm"),
    ("i686-linux-gnu", ""),
    ("mips-linux-gnu", "mips"),
    ("mips64el-linux-gnuabi64", "mips64el"),
    ("mipsel-linux-gnu", "mipsel"),
    ("powerpc-linux-gnu", "ppc"),
    ("powerpc64-linux-gnu", "ppc64"),
    ("powerpc64le-linux-gnu", "ppc64le"),
    ("riscv64-linux-gnu", "riscv64"),
    ("s390x-linux-gnu", "s390x"),
    ("x86_64-linux-gnu", ""),
];

impl Target {
    /// The machine of a Debian triple.
    pub fn gnu(triple: &'static str, qemu: &str, below: &Path) -> Target {
        let mut target = Target::new(triple, &format!("{triple}-gcc"), below);
        target.strip = format!("{triple}-strip");
        target.objcopy = format!("{triple}-objcopy");
        if !qemu.is_empty() {
            let root = format!("/usr/{triple}");
            target.emulator = vec![format!("qemu-{qemu}"), "-L".to_owned(), root];
        }
        if triple == "i686-linux-gnu" {
            target.c_library = Some(format!("/usr/{triple}/lib").into());
        }
        target.furnish();
        target
    }

    /// This machine with musl.
    pub fn musl(below: &Path) -> Target {
        let target = Target::new("musl", "musl-gcc", below);
        target.furnish();
        target
    }

    /// A machine or a system whose C library and loader are not here: clang compiles for it.
    pub fn without_loader(
        name: &'static str,
        options: &'static [&'static str],
        below: &Path,
    ) -> Target {
        let mut target = Target::new(name, "clang-22", below);
        target.options = options;
        target.has_loader = false;
        target.strip = "llvm-strip".to_owned();
        target.objcopy = "llvm-objcopy".to_owned();
        std::fs::create_dir_all(target.libs()).unwrap();
        for library in [ANSWER, ANOTHER, &unused()] {
            let soname = format!("-Wl,-soname,{library}");
            let flags = ["-shared", "-fPIC", "-DLIBRARY", &soname];
            target.compile("unhosted.c", &target.libs().join(library), &flags);
        }
        target
    }

    fn new(name: &'static str, compiler: &str, below: &Path) -> Target {
        let dir = below.join(name);
        Target {
            name,
            compiler: compiler.to_owned(),
            options: &[],
            strip: "strip".to_owned(),
            objcopy: "objcopy".to_owned(),
            emulator: Vec::new(),
            c_library: None,
            interpreter: dir.join(OLD_INTERPRETER).join("ld.so"),
            other_interpreter: dir
                .join(NEW)
                .join("a-path-that-is-longer-than-the-one-it-replaces/ld.so"),
            has_loader: true,
            dir,
        }
    }

    /// A C compiler of this machine's on a source in `testdata/torture`.
    pub fn compile(&self, source: &str, output: &Path, flags: &[&str]) {
        self.compile_with(&self.compiler, source, output, flags);
    }

    /// As `compile`, with another compiler.
    pub fn compile_with(&self, compiler: &str, source: &str, output: &Path, flags: &[&str]) {
        let source = sources().join(source);
        let mut arguments = self.options.to_vec();
        arguments.extend(["-g", "-O1", "-o"]);
        arguments.push(output.to_str().unwrap());
        arguments.push(source.to_str().unwrap());
        arguments.extend(flags);
        must(compiler, arguments);
    }

    /// Where the libraries are that a subject finds by its RUNPATH.
    pub fn libs(&self) -> PathBuf {
        self.dir.join("lib")
    }

    /// A command that runs `program` on this machine or its emulator. `with_path`: with LD_LIBRARY_PATH.
    pub fn command(&self, program: &Path, with_path: bool) -> Command {
        // A broken file may loop.
        let mut command = Command::new("timeout");
        command.arg("20");
        let path = self.library_path(with_path);
        if let [emulator, options @ ..] = &self.emulator[..] {
            command.arg(emulator).args(options);
            command.args(["-E", &format!("LD_LIBRARY_PATH={path}")]);
        } else {
            command.env("LD_LIBRARY_PATH", path);
        }
        command.arg(program);
        command
    }

    /// LD_LIBRARY_PATH for a program.
    pub fn library_path(&self, with_path: bool) -> String {
        let libs = with_path.then(|| self.libs());
        let parts = libs.iter().chain(&self.c_library);
        let parts: Vec<String> = parts.map(|part| part.display().to_string()).collect();
        parts.join(":")
    }

    /// Whether the C library brings what a static PIE starts with.
    pub fn has_static_pie(&self) -> bool {
        // musl-gcc would take glibc's.
        let start = must(&self.compiler, ["-print-file-name=rcrt1.o"]);
        self.name != "musl" && Path::new(start.trim()).is_absolute()
    }

    /// Whether files run without an emulator, so that a debugger can run them too.
    pub fn is_native(&self) -> bool {
        self.has_loader && self.emulator.is_empty()
    }

    fn furnish(&self) {
        let libs = self.libs();
        std::fs::create_dir_all(&libs).unwrap();
        let map = sources().join("answer.map");
        let script = format!("-Wl,--version-script={}", map.display());
        for (name, answer) in [(ANSWER, "-DANSWER=42"), (ANOTHER, "-DANSWER=43")] {
            let soname = format!("-Wl,-soname,{name}");
            let flags = ["-shared", "-fPIC", answer, &script, &soname];
            self.compile("answer.c", &libs.join(name), &flags);
        }
        for (name, words) in [(EXTRA.to_owned(), "extra"), (unused(), "unused")] {
            let define = format!("-DWORDS=\"{words}\"");
            let soname = format!("-Wl,-soname,{name}");
            let flags = ["-shared", "-fPIC", &define, &soname];
            self.compile("announce.c", &libs.join(name), &flags);
        }
        // The loader is known by what the compiler puts into a program.
        let load = self.dir.join("load");
        self.compile("load.c", &load, &["-ldl"]);
        let headers = must("readelf", [Path::new("-lW"), &load]);
        let named = headers
            .split("program interpreter: ")
            .nth(1)
            .and_then(|rest| rest.split(']').next())
            .unwrap();
        let root = match (&self.emulator[..], &self.c_library) {
            ([.., root], _) => root.clone(),
            ([], Some(lib)) => lib.parent().unwrap().display().to_string(),
            ([], None) => String::new(),
        };
        let file_name = Path::new(named).file_name().unwrap();
        let real = [
            PathBuf::from(format!("{root}{named}")),
            Path::new(&root).join("lib").join(file_name),
        ]
        .into_iter()
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("{}: no {named} below {root}", self.name));
        for link in [&self.interpreter, &self.other_interpreter] {
            std::fs::create_dir_all(link.parent().unwrap()).unwrap();
            symlink(&real, link).unwrap();
        }
        // The path that the compiler names need not be there: Debian's cross packages have
        // their loaders elsewhere.
        let by_name = format!("-Wl,--dynamic-linker={}", self.interpreter.display());
        self.compile("load.c", &load, &["-ldl", &by_name]);
        let ran = process::run(&mut self.command(&load, false));
        assert!(
            ran.stdout.starts_with("dl"),
            "{}: {}",
            self.name,
            ran.stderr
        );
    }
}

/// The library that the subject has a NEEDED of, without need.
pub fn unused() -> String {
    format!("libunused-{UNUSED}.so")
}

/// Where the sources are.
pub fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/torture")
}
