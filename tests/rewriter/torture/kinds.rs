//! The kinds of ELF file that the matrix edits, made by compilers and linkers.

use crate::torture::process::{must, run};
use crate::torture::target::{ANSWER, OLD_RUNPATH, Target, sources, unused};
use crate::torture::{doctored, histories, newer, packed, tails};
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Is run.
    Program,
    /// Is loaded by `load`.
    Library,
}

/// A kind of file, in two variants.
#[derive(Clone)]
pub struct Kind {
    pub name: String,
    pub target: Arc<Target>,
    pub used_as: Use,
    /// With an old RUNPATH.
    pub with_runpath: PathBuf,
    /// With no RUNPATH at all.
    pub bare: PathBuf,
    /// Whether it needs `libanswer` and `libunused`; a Go program answers by itself.
    pub linked: bool,
    /// A symbol that a debugger finds, with its line in the source.
    pub symbol: &'static str,
    /// How much a first long RUNPATH may add, in bytes.
    pub growth: u64,
    /// Whether the result may say that strip breaks it: where the program header table can't
    /// grow in place.
    pub may_be_unsafe_to_strip: bool,
    /// Whether data follows the ELF file, which the program reads. Strip tools drop it.
    pub has_tail: bool,
}

/// The RUNPATH of the variant that has one.
pub fn old_runpath(target: &Target) -> String {
    format!(
        "/nix/store/{OLD_RUNPATH}-old-1.0/lib:{}",
        target.libs().display()
    )
}

/// A linker's command line.
pub struct Link<'a> {
    pub name: &'a str,
    /// Empty: the machine's own.
    pub compiler: &'a str,
    pub used_as: Use,
    pub flags: &'a [&'a str],
}

const PROGRAM: Use = Use::Program;
const LIBRARY: Use = Use::Library;

/// What GNU ld, gold, lld and mold make on x86-64.
const NATIVE: &[(&str, &str, Use, &[&str])] = &[
    ("gcc-pie", "gcc", PROGRAM, &["-pie"]),
    ("gcc-nopie", "gcc", PROGRAM, &["-no-pie"]),
    ("gcc-lib", "gcc", LIBRARY, &[]),
    (
        "gcc-pie-rpath",
        "gcc",
        PROGRAM,
        &["-pie", "-Wl,--disable-new-dtags"],
    ),
    (
        "gcc-pie-sysv-hash",
        "gcc",
        PROGRAM,
        &["-pie", "-Wl,--hash-style=sysv"],
    ),
    (
        "gcc-lib-sysv-hash",
        "gcc",
        LIBRARY,
        &["-Wl,--hash-style=sysv"],
    ),
    (
        "gcc-lib-both-hashes",
        "gcc",
        LIBRARY,
        &["-Wl,--hash-style=both"],
    ),
    (
        "gcc-pie-noseparate-code",
        "gcc",
        PROGRAM,
        &["-pie", "-Wl,-z,noseparate-code"],
    ),
    (
        "gcc-lib-noseparate-code",
        "gcc",
        LIBRARY,
        &["-Wl,-z,noseparate-code"],
    ),
    (
        "gcc-pie-relr",
        "gcc",
        PROGRAM,
        &["-pie", "-Wl,-z,pack-relative-relocs"],
    ),
    (
        "gcc-pie-norelro",
        "gcc",
        PROGRAM,
        &["-pie", "-Wl,-z,norelro,-z,lazy"],
    ),
    ("gcc-nopie-now", "gcc", PROGRAM, &["-no-pie", "-Wl,-z,now"]),
    (
        "gcc-pie-16k",
        "gcc",
        PROGRAM,
        &["-pie", "-Wl,-z,max-page-size=0x4000"],
    ),
    (
        "gcc-pie-64k",
        "gcc",
        PROGRAM,
        &["-pie", "-Wl,-z,max-page-size=0x10000"],
    ),
    (
        "gcc-lib-64k",
        "gcc",
        LIBRARY,
        &["-Wl,-z,max-page-size=0x10000"],
    ),
    (
        "gcc-pie-2m",
        "gcc",
        PROGRAM,
        &["-pie", "-Wl,-z,max-page-size=0x200000"],
    ),
    (
        "gcc-nopie-2m",
        "gcc",
        PROGRAM,
        &["-no-pie", "-Wl,-z,max-page-size=0x200000"],
    ),
    (
        "gcc-lib-2m",
        "gcc",
        LIBRARY,
        &["-Wl,-z,max-page-size=0x200000"],
    ),
    // The size of the stack in PT_GNU_STACK, from address 0 on.
    (
        "gcc-lib-stack-size",
        "gcc",
        LIBRARY,
        &["-Wl,-z,stack-size=0x1000000"],
    ),
    ("gold-pie", "gcc", PROGRAM, &["-pie", "-fuse-ld=gold"]),
    ("gold-lib", "gcc", LIBRARY, &["-fuse-ld=gold"]),
    (
        "lld-pie",
        "clang",
        PROGRAM,
        &["-fPIE", "-pie", "-fuse-ld=lld"],
    ),
    ("lld-nopie", "clang", PROGRAM, &["-no-pie", "-fuse-ld=lld"]),
    ("lld-lib", "clang", LIBRARY, &["-fuse-ld=lld"]),
    (
        "lld-lib-2m",
        "clang",
        LIBRARY,
        &["-fuse-ld=lld", "-Wl,-z,max-page-size=0x200000"],
    ),
    (
        "lld-pie-64k",
        "clang",
        PROGRAM,
        &[
            "-fPIE",
            "-pie",
            "-fuse-ld=lld",
            "-Wl,-z,max-page-size=0x10000",
        ],
    ),
    (
        "lld-pie-rodynamic",
        "clang",
        PROGRAM,
        &["-fPIE", "-pie", "-fuse-ld=lld", "-Wl,-z,rodynamic"],
    ),
    (
        "mold-pie",
        "clang",
        PROGRAM,
        &["-fPIE", "-pie", "-fuse-ld=mold"],
    ),
    (
        "mold-nopie",
        "clang",
        PROGRAM,
        &["-no-pie", "-fuse-ld=mold"],
    ),
    ("mold-lib", "clang", LIBRARY, &["-fuse-ld=mold"]),
];

/// Every kind, built below `dir`.
pub fn all(dir: &Path, targets: &[Arc<Target>]) -> Vec<Kind> {
    let target = |name: &str| {
        let named = targets.iter().find(|target| target.name == name);
        named.expect("a target of that name").clone()
    };
    let native = target("x86_64-linux-gnu");
    let mut kinds = of_linkers(dir, &native, |_| true);
    let others = targets.iter().filter(|other| other.name != native.name);
    let others: Vec<&Arc<Target>> = others.collect();
    kinds.par_extend(others.par_iter().flat_map(|target| {
        [
            ("pie", PROGRAM, &["-fPIE", "-pie"][..]),
            ("nopie", PROGRAM, &["-no-pie"]),
            ("lib", LIBRARY, &[]),
        ]
        .into_par_iter()
        .map(|(variant, used_as, flags)| {
            let link = Link {
                name: &format!("{}-{variant}", target.name),
                compiler: "",
                used_as,
                flags,
            };
            linked(dir, target, &link)
        })
    }));
    // DT_MIPS_XHASH instead of DT_GNU_HASH.
    let gnu_hash = Link {
        name: "mips-linux-gnu-lib-xhash",
        compiler: "",
        used_as: LIBRARY,
        flags: &["-Wl,--hash-style=gnu"],
    };
    kinds.push(linked(dir, &target("mips-linux-gnu"), &gnu_hash));
    kinds.push(rust(dir, &native, Use::Program));
    kinds.push(rust(dir, &native, Use::Library));
    kinds.push(go(dir, &native));
    if crate::support::long() {
        kinds.extend(newer::all(dir, &native));
    }
    let made_by_linkers = kinds.clone();
    kinds.extend(doctored::all(dir, &made_by_linkers));
    kinds.extend(histories::all(dir, &made_by_linkers));
    kinds.extend(tails::all(dir, targets));
    kinds.extend(packed::all(dir));
    kinds
}

/// What the linkers of this machine make, those of it whose name is wanted.
pub fn of_linkers(dir: &Path, native: &Arc<Target>, wanted: impl Fn(&str) -> bool) -> Vec<Kind> {
    let links: Vec<_> = NATIVE.iter().filter(|(name, ..)| wanted(name)).collect();
    links
        .into_par_iter()
        .map(|&(name, compiler, used_as, flags)| {
            let link = Link {
                name,
                compiler,
                used_as,
                flags,
            };
            linked(dir, native, &link)
        })
        .collect()
}

/// A kind with nothing built yet.
pub fn kind(dir: &Path, name: &str, target: &Arc<Target>, used_as: Use) -> Kind {
    let below = |variant: &str| {
        let dir = dir.join(variant);
        std::fs::create_dir_all(&dir).unwrap();
        dir.join(match used_as {
            Use::Program => name.to_owned(),
            Use::Library => format!("lib{name}.so"),
        })
    };
    Kind {
        name: name.to_owned(),
        target: target.clone(),
        used_as,
        with_runpath: below("with-runpath"),
        bare: below("bare"),
        linked: true,
        symbol: match used_as {
            Use::Program => "main",
            Use::Library => "subject",
        },
        growth: 2048,
        may_be_unsafe_to_strip: false,
        has_tail: false,
    }
}

/// What every subject is linked with.
fn dependencies(target: &Target) -> Vec<String> {
    vec![
        "-Wl,--no-as-needed".to_owned(),
        format!("-L{}", target.libs().display()),
        format!("-l:{ANSWER}"),
        format!("-l:{}", unused()),
    ]
}

/// A file of a linker, in both variants.
pub fn linked(dir: &Path, target: &Arc<Target>, link: &Link) -> Kind {
    let kind = kind(dir, link.name, target, link.used_as);
    let rpath = format!("-Wl,-rpath,{}", old_runpath(target));
    let interpreter = format!("-Wl,--dynamic-linker={}", target.interpreter.display());
    let dependencies = dependencies(target);
    for (output, with_runpath) in [(&kind.with_runpath, true), (&kind.bare, false)] {
        let mut flags = vec!["-Wl,--enable-new-dtags,--build-id"];
        flags.extend(link.flags);
        flags.extend(dependencies.iter().map(String::as_str));
        if with_runpath {
            flags.push(&rpath);
        }
        let source = match link.used_as {
            Use::Program => {
                flags.push(&interpreter);
                "program.c"
            }
            Use::Library => {
                flags.extend(["-shared", "-fPIC"]);
                // The other variant has no SONAME to begin with.
                if with_runpath {
                    flags.push("-Wl,-soname,libsubject-0ldsoname.so.1");
                }
                "library.c"
            }
        };
        let source = match target.has_loader {
            true => source,
            false => "unhosted.c",
        };
        if link.compiler.is_empty() {
            target.compile(source, output, &flags);
        } else {
            target.compile_with(link.compiler, source, output, &flags);
        }
    }
    kind
}

fn rust(dir: &Path, target: &Arc<Target>, used_as: Use) -> Kind {
    let (name, source, crate_type) = match used_as {
        Use::Program => ("rust-bin", "program.rs", "bin"),
        Use::Library => ("rust-cdylib", "library.rs", "cdylib"),
    };
    let mut kind = kind(dir, name, target, used_as);
    // Its own tables (.dynsym, .gnu.hash) are larger, and move.
    kind.growth = 32 << 10;
    let rpath = format!("-Wl,-rpath,{}", old_runpath(target));
    let interpreter = format!("-Wl,--dynamic-linker={}", target.interpreter.display());
    for (output, with_runpath) in [(&kind.with_runpath, true), (&kind.bare, false)] {
        let mut arguments = dependencies(target);
        arguments.push("-Wl,--enable-new-dtags".to_owned());
        if with_runpath {
            arguments.push(rpath.clone());
        }
        match used_as {
            Use::Program => arguments.push(interpreter.clone()),
            Use::Library if with_runpath => {
                arguments.push("-Wl,-soname,libsubject-0ldsoname.so.1".to_owned());
            }
            Use::Library => {}
        }
        let mut command: Vec<String> = ["--edition=2024", "-g", "--crate-type", crate_type, "-o"]
            .map(str::to_owned)
            .to_vec();
        command.push(output.display().to_string());
        command.push(sources().join(source).display().to_string());
        for argument in arguments {
            command.extend(["-C".to_owned(), format!("link-arg={argument}")]);
        }
        must("rustc", command);
    }
    kind
}

/// Compiled and linked without `go build`, which would record the flags, old RUNPATH and all, or
/// with -trimpath compile the standard library once more.
fn go(dir: &Path, target: &Arc<Target>) -> Kind {
    let mut kind = kind(dir, "go-internal-link", target, Use::Program);
    kind.linked = false;
    kind.symbol = "main.main";
    let source = sources().join("program.go");
    let [packages, object] = ["go-packages", "go-main.o"].map(|name| dir.join(name));
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let export = "{{if .Export}}packagefile {{.ImportPath}}={{.Export}}{{end}}";
    let list = ["list", "-export", "-deps", "-f", export, &path(&source)];
    std::fs::write(&packages, run_go(dir, &list)).unwrap();
    let [packages, object] = [&packages, &object].map(|file| path(file));
    let compile = ["tool", "compile", "-p", "main", "-importcfg", &packages];
    run_go(
        dir,
        &[&compile[..], &["-o", &object, &path(&source)]].concat(),
    );
    let interpreter = path(&target.interpreter);
    for (output, runpath) in [
        (&kind.with_runpath, &["-r", &old_runpath(target)][..]),
        (&kind.bare, &[]),
    ] {
        let link = ["tool", "link", "-importcfg", &packages];
        let options = ["-linkmode=internal", "-I", &interpreter];
        let files = ["-o", &path(output), &object];
        run_go(dir, &[&link[..], &options, runpath, &files].concat());
    }
    kind
}

/// What the go command prints.
fn run_go(dir: &Path, arguments: &[&str]) -> String {
    let mut command = std::process::Command::new("go");
    command
        .args(arguments)
        .env("GO111MODULE", "off")
        .env("CGO_ENABLED", "1")
        .env("GOCACHE", dir.join("go-cache"));
    let ran = run(&mut command);
    assert!(ran.ok, "{command:?}: {}", ran.stderr);
    ran.stdout
}
