//! Files of linkers that no distribution has yet: wild, and Zig's own, which lays out debug builds.
//! The long run fetches them.

use crate::support::peers::cargo_install;
use crate::torture::kinds::{Kind, Link, Use, kind, linked, old_runpath};
use crate::torture::process::run;
use crate::torture::target::{ANSWER, Target, sources, unused};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

const WILD: &str = "0.10.0";

/// Every such kind.
pub fn all(dir: &Path, native: &Arc<Target>) -> Vec<Kind> {
    let mut kinds = by_wild(dir, native);
    kinds.push(by_zig(dir, native, "zig-bin", Use::Program));
    kinds.push(by_zig(dir, native, "zig-lib", Use::Library));
    kinds
}

fn by_wild(dir: &Path, native: &Arc<Target>) -> Vec<Kind> {
    let below = crate::support::root().join(format!("target/wild-{WILD}"));
    let wild = cargo_install(&below, "wild-linker", WILD, "wild");
    let linker = format!("--ld-path={}", wild.display());
    let variants = [
        ("wild-pie", Use::Program, &["-fPIE", "-pie"][..]),
        ("wild-nopie", Use::Program, &["-no-pie"]),
        ("wild-lib", Use::Library, &[]),
    ];
    let link = |(name, used_as, flags): (&str, Use, &[&str])| {
        let flags: Vec<&str> = flags.iter().copied().chain([linker.as_str()]).collect();
        let link = Link {
            name,
            compiler: "clang",
            used_as,
            flags: &flags,
        };
        linked(dir, native, &link)
    };
    variants.map(link).into()
}

fn by_zig(dir: &Path, native: &Arc<Target>, name: &str, used_as: Use) -> Kind {
    let mut kind = kind(dir, name, native, used_as);
    let zig = crate::support::wheel("ziglang-0.15.2").join("ziglang/zig");
    let unused = unused();
    let unused = unused.strip_prefix("lib").unwrap();
    let unused = unused.strip_suffix(".so").unwrap();
    for (output, with_runpath) in [(&kind.with_runpath, true), (&kind.bare, false)] {
        let mut command = Command::new(&zig);
        command.env("ZIG_GLOBAL_CACHE_DIR", dir.join("zig-cache"));
        command.env("ZIG_LOCAL_CACHE_DIR", dir.join("zig-cache"));
        match used_as {
            Use::Program => {
                command.arg("build-exe").arg(sources().join("program.zig"));
                command.arg("--dynamic-linker").arg(&native.interpreter);
            }
            Use::Library => {
                command.args(["build-lib", "-dynamic"]);
                command.arg(sources().join("library.zig"));
                command.arg(match with_runpath {
                    true => "-fsoname=libsubject-0ldsoname.so.1",
                    false => "-fno-soname",
                });
            }
        }
        command.args(["-lc", "-target", "x86_64-linux-gnu", "-O", "Debug"]);
        command.arg(native.libs().join(ANSWER));
        command.arg(format!("-L{}", native.libs().display()));
        command.arg(format!("-needed-l{unused}"));
        if with_runpath {
            command.args(["-rpath", &old_runpath(native)]);
        }
        command.arg(format!("-femit-bin={}", output.display()));
        let ran = run(&mut command);
        assert!(ran.ok, "{command:?}: {}", ran.stderr);
    }
    // Its string table has the names of the libc's symbols, and moves.
    kind.growth = 8192;
    kind
}
