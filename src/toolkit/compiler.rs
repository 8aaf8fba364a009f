//! The version of a host compiler: read from gcc's files, which takes a tenth of the time that
//! `gcc --version` does, and less of that of Nix's wrapper, a script. Of any other compiler, and
//! wherever gcc's files leave a doubt, from what it prints.

use super::record::KnownCompiler;
use super::versions::{MAX_BYTES, read_start};
use crate::cuda::host_compilers::{Compiler, Family};
use crate::rodata;
use elf_edit::windows::{Window, windows};
use elf_edit::{ElfInfo, FileReader};
use memchr::{memchr, memchr_iter, memmem};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A text of the program gcc, and of no compiler that only calls it.
const DRIVER: &[u8] = b"gcc driver version %s %sexecuting gcc version %s\n";
/// Longest version, such as `14.2.0`.
const MAX_VERSION: usize = 12;
/// Directories of gcc's own programs and libraries, beside `bin`: `lib/gcc/TARGET/VERSION`.
const LIBRARIES: [&str; 2] = ["lib/gcc", "libexec/gcc"];
/// Of Nix's wrappers: a file with the package that they wrap.
const WRAPPED: &str = "nix-support/orig-cc";

/// Name and version of a compiler; `None` if it is neither gcc nor clang.
pub(crate) fn known(file: &Path) -> Option<KnownCompiler> {
    Some(KnownCompiler {
        path: file.to_owned(),
        size: file.metadata().ok()?.len(),
        compiler: of_files(file).or_else(|| ask(file))?,
    })
}

fn ask(file: &Path) -> Option<Compiler> {
    let output = Command::new(file).arg("--version").output().ok()?;
    Compiler::from_version_text(&String::from_utf8_lossy(&output.stdout))
}

/// The version of a gcc by two witnesses: the only version among the strings of the program, and a
/// directory of that name for its libraries.
fn of_files(file: &Path) -> Option<Compiler> {
    let file = file.canonicalize().ok()?;
    let program = match wrapped(&file) {
        Some(program) => program.canonicalize().ok()?,
        None => file,
    };
    let version = version_in(&program)?;
    let (major, _) = version.split_once('.')?;
    let prefix = program.parent()?.parent()?;
    let targets = LIBRARIES
        .iter()
        .filter_map(|dir| fs::read_dir(prefix.join(dir)).ok());
    let has_libraries = targets.flatten().flatten().any(|target| {
        let target = target.path();
        // Debian's have the first number only.
        target.join(&version).is_dir() || target.join(major).is_dir()
    });
    let compiler = Compiler {
        family: Family::Gcc,
        major: major.parse().ok()?,
    };
    has_libraries.then_some(compiler)
}

/// The program that a wrapper of Nix's runs: a script that names one program of the package that it
/// wraps.
fn wrapped(script: &Path) -> Option<PathBuf> {
    let package = script.parent()?.parent()?;
    let original = read_start(&package.join(WRAPPED), MAX_BYTES).ok()?;
    let programs = format!("{}/bin/", original.trim_end());
    let text = read_start(script, MAX_BYTES).ok()?;
    if !text.starts_with("#!") || !programs.starts_with('/') {
        return None;
    }
    let mut named = text.match_indices(&programs).map(|(at, _)| {
        let rest = &text[at + programs.len()..];
        let is_name = |c: char| c.is_ascii_alphanumeric() || "+-._".contains(c);
        let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        &rest[..end]
    });
    let name = named.next()?;
    (!name.is_empty() && named.all(|other| other == name)).then(|| Path::new(&programs).join(name))
}

/// The only version among the strings of the program gcc.
fn version_in(program: &Path) -> Option<String> {
    let file = FileReader::new(File::open(program).ok()?).ok()?;
    let info = ElfInfo::read(&file).ok()?;
    let mut is_driver = false;
    let mut versions = BTreeSet::new();
    let driver = memmem::Finder::new(DRIVER);
    for region in rodata::read_only_data(&file, &info).ok()? {
        let look = |window: Window<'_>| {
            is_driver = is_driver || driver.find(window.bytes).is_some();
            // Dots are rare in tables of numbers, NUL bytes are not.
            let dots = memchr_iter(b'.', window.bytes);
            versions.extend(dots.filter_map(|dot| version_at(window, dot).map(str::to_owned)));
        };
        windows(&file, region, look).ok()?;
    }
    let mut versions = versions.into_iter();
    versions
        .next()
        .filter(|_| is_driver && versions.next().is_none())
}

/// The string whose first dot this is, if it is three numbers and nothing else: an unreleased gcc
/// says a date, too.
fn version_at(window: Window<'_>, dot: usize) -> Option<&str> {
    let bytes = window.bytes;
    let before = bytes[..dot].iter().rev().take(MAX_VERSION);
    let start = dot - before.take_while(|byte| byte.is_ascii_digit()).count();
    // A string that begins before the window is whole in the one before.
    let begins = match start {
        0 => window.first,
        _ => bytes[start - 1] == 0,
    };
    let rest = &bytes[start..bytes.len().min(start + MAX_VERSION + 1)];
    let text = std::str::from_utf8(&rest[..memchr(0, rest)?]).ok()?;
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let is_version = text.split('.').count() == 3 && text.split('.').all(is_number);
    (begins && is_version).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    /// A gcc that says nothing, with these strings, in a package with these directories.
    fn gcc(strings: &[&str], directories: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for directory in ["bin"].iter().chain(directories) {
            fs::create_dir_all(dir.path().join(directory)).unwrap();
        }
        let strings = strings.iter().map(|text| format!("{text:?}, "));
        let code = format!(
            "const char *const texts[] = {{ {} 0 }};\nint main(void) {{ return !texts[0]; }}\n",
            strings.collect::<String>()
        );
        let source = dir.path().join("gcc.c");
        fs::write(&source, code).unwrap();
        let program = dir.path().join("bin/gcc");
        let mut cc = Command::new("cc");
        assert!(
            cc.arg("-o")
                .args([&program, &source])
                .status()
                .unwrap()
                .success()
        );
        dir
    }

    /// A wrapper of Nix's around the package `of`.
    fn wrapper(of: &Path, text: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for directory in ["bin", "nix-support"] {
            fs::create_dir(dir.path().join(directory)).unwrap();
        }
        fs::write(dir.path().join(WRAPPED), format!("{}\n", of.display())).unwrap();
        let script = dir.path().join("bin/gcc");
        fs::write(&script, text.replace("ORIGINAL", &of.display().to_string())).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        symlink("gcc", dir.path().join("bin/cc")).unwrap();
        dir
    }

    const DRIVER: &str = "gcc driver version %s %sexecuting gcc version %s\n";

    fn major(file: &Path) -> Option<u32> {
        let compiler = of_files(file)?;
        assert_eq!(compiler.family, Family::Gcc);
        Some(compiler.major)
    }

    #[test]
    fn two_witnesses_say_the_version() {
        let strings = [DRIVER, "14.2.0", "(GCC) ", "14.2.0 "];
        let debians = gcc(&strings, &["lib/gcc/x86_64-linux-gnu/14"]);
        assert_eq!(major(&debians.path().join("bin/gcc")), Some(14));
        let others = gcc(&strings, &["libexec/gcc/x/14.2.0", "lib/gcc/y/13.1.0"]);
        let program = others.path().join("bin/gcc");
        assert_eq!(major(&program), Some(14));
        let link = debians.path().join("cc");
        symlink(&program, &link).unwrap();
        assert_eq!(major(&link), Some(14));
    }

    #[test]
    fn a_doubt_is_none() {
        let libraries = &["lib/gcc/x86_64-linux-gnu/14"][..];
        for (strings, directories) in [
            (
                &[DRIVER, "14.2.0"][..],
                &["lib/gcc/x86_64-linux-gnu/13"][..],
            ),
            (&[DRIVER, "14.2.0"], &[]),
            // That of another library in the program.
            (&[DRIVER, "14.2.0", "1.3.1"], libraries),
            (&[DRIVER, "14.0.1 20240412 (experimental)"], libraries),
            (&[DRIVER, "14.2"], libraries),
            (&["14.2.0"], libraries),
        ] {
            let dir = gcc(strings, directories);
            assert_eq!(major(&dir.path().join("bin/gcc")), None, "{strings:?}");
        }
        assert_eq!(major(Path::new("/no/such/gcc")), None);
    }

    #[test]
    fn the_program_behind_a_wrapper() {
        let real = gcc(&[DRIVER, "14.2.0"], &["lib/gcc/x86_64-linux-gnu/14.2.0"]);
        let calls =
            "#!/bin/sh\nif [ ORIGINAL/bin/gcc = x ]; then exit; fi\nexec ORIGINAL/bin/gcc \"$@\"\n";
        let nix = wrapper(real.path(), calls);
        for name in ["bin/gcc", "bin/cc"] {
            assert_eq!(major(&nix.path().join(name)), Some(14), "{name}");
        }
        let two = format!("{calls}ORIGINAL/bin/g++\n");
        for text in [&two[..], "#!/bin/sh\nexec gcc\n", "exec ORIGINAL/bin/gcc\n"] {
            let other = wrapper(real.path(), text);
            assert_eq!(major(&other.path().join("bin/gcc")), None, "{text}");
        }
    }

    /// This machine's compilers say of themselves what their files do.
    #[test]
    fn files_and_output_say_the_same() {
        for name in ["gcc", "g++", "cc", "c++", "gcc-11", "gcc-12", "clang"] {
            let file = Path::new("/usr/bin").join(name);
            if let Some(found) = of_files(&file) {
                assert_eq!(Some(found), ask(&file), "{name}");
            }
        }
    }
}
