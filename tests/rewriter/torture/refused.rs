//! Files that can't take an edit: refused with the reason, and not a byte or time stamp changed.

use crate::torture::kinds::Kind;
use crate::torture::process::{copy, must};
use crate::torture::say;
use crate::torture::subject::rewrite;
use crate::torture::target::Target;
use elf_edit::Edit;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file that must stay as it is.
struct Refused {
    name: String,
    file: PathBuf,
    /// In the reason.
    because: &'static str,
}

/// Tries, and gives what went wrong.
pub fn run(dir: &Path, targets: &[Arc<Target>], kinds: &[Kind]) -> Vec<String> {
    let mut files = Vec::new();
    for target in targets {
        files.extend(of_target(dir, target));
    }
    let library = &kinds
        .iter()
        .find(|kind| kind.name == "gcc-lib")
        .unwrap()
        .bare;
    let program = &kinds
        .iter()
        .find(|kind| kind.name == "gcc-pie")
        .unwrap()
        .bare;
    files.push(vdso(dir));
    files.extend(of_other_processors(dir, library));
    files.extend(debug_files(dir, program));
    files.extend(debug_files(dir, library));
    let edits = [
        Edit::SetRunpath(b"/lib".to_vec()),
        Edit::SetRpath(b"/lib".to_vec()),
        Edit::SetInterpreter(b"/lib/ld.so".to_vec()),
        Edit::AddNeeded(b"libextra.so".to_vec()),
        Edit::SetSoname(b"libsubject.so".to_vec()),
        Edit::NoDefaultLib,
    ];
    let mut wrong = Vec::new();
    for refused in &files {
        wrong.extend(edits.iter().filter_map(|edit| try_edit(refused, edit)));
    }
    say(&format!(
        "{} edits of {} files that must stay as they are tried",
        files.len() * edits.len(),
        files.len()
    ));
    wrong
}

fn try_edit(refused: &Refused, edit: &Edit) -> Option<String> {
    let Refused { file, because, .. } = refused;
    let state = || {
        let modified = fs::metadata(file).unwrap().modified().unwrap();
        (fs::read(file).unwrap(), modified)
    };
    let before = state();
    let tried = rewrite(file, std::slice::from_ref(edit));
    let about = format!("{} / {edit:?}", refused.name);
    // No PT_INTERP is a reason of its own.
    let no_interpreter =
        |why: &str| matches!(edit, Edit::SetInterpreter(_)) && why.contains("has no interpreter");
    match tried {
        Ok(_) => Some(format!("{about}: not refused")),
        Err(why) if !why.contains(because) && !no_interpreter(&why) => {
            Some(format!("{about}: refused for another reason: {why}"))
        }
        Err(_) if state() != before => Some(format!("{about}: touched")),
        Err(_) => None,
    }
}

/// Programs that need no loader, and the loader itself under another name.
fn of_target(dir: &Path, target: &Target) -> Vec<Refused> {
    let mut files = Vec::new();
    for name in ["static", "static-pie"] {
        // Not every C library here has start files for a static PIE.
        if name == "static-pie" && !target.has_static_pie() {
            continue;
        }
        let name = format!("{}-{name}", target.name);
        let file = dir.join(&name);
        let flag = name.strip_prefix(target.name).unwrap();
        target.compile("static.c", &file, &[flag]);
        files.push(Refused {
            name,
            file,
            because: "static",
        });
    }
    let name = format!("{}-loader", target.name);
    let file = dir.join(&name);
    copy(&target.interpreter.canonicalize().unwrap(), &file);
    files.push(Refused {
        name,
        file,
        because: "is a dynamic loader",
    });
    files
}

/// The vDSO of this process, as the kernel mapped it.
fn vdso(dir: &Path) -> Refused {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let line = maps.lines().find(|line| line.ends_with("[vdso]")).unwrap();
    let (range, _) = line.split_once(' ').unwrap();
    let (start, end) = range.split_once('-').unwrap();
    let [start, end] = [start, end].map(|text| u64::from_str_radix(text, 16).unwrap());
    let mut memory = File::open("/proc/self/mem").unwrap();
    memory.seek(SeekFrom::Start(start)).unwrap();
    let mut image = vec![0; (end - start) as usize];
    memory.read_exact(&mut image).unwrap();
    let file = dir.join("vdso");
    fs::write(&file, image).unwrap();
    Refused {
        name: "vdso".to_owned(),
        file,
        because: "is a vDSO image",
    }
}

/// A library whose header names a processor that runs no loader.
fn of_other_processors(dir: &Path, library: &Path) -> Vec<Refused> {
    let machines = [
        ("cuda", 190, 0x33),
        ("amdgpu", 224, 64),
        ("bpf", 247, 0),
        ("none", 0, 0),
    ];
    let make = |(name, machine, os_abi): (&str, u16, u8)| {
        let mut bytes = fs::read(library).unwrap();
        bytes[18..20].copy_from_slice(&machine.to_le_bytes());
        bytes[7] = os_abi;
        let file = dir.join(format!("{name}-object"));
        fs::write(&file, bytes).unwrap();
        Refused {
            name: format!("{name}-object"),
            file,
            because: "is no program for a processor",
        }
    };
    machines.map(make).into()
}

/// What separates the debug information of a file, by each tool.
fn debug_files(dir: &Path, of: &Path) -> Vec<Refused> {
    let base = of.file_name().unwrap().to_str().unwrap();
    let make = |tool: &str| {
        let name = format!("{base}.{tool}.debug");
        let file = dir.join(&name);
        match tool {
            "eu-strip" => {
                let stripped = dir.join("stripped");
                let [stripped, debug] = [&stripped, &file].map(|path| path.to_str().unwrap());
                must(tool, ["-f", debug, "-o", stripped, of.to_str().unwrap()]);
            }
            _ => {
                must(tool, [Path::new("--only-keep-debug"), of, &file]);
            }
        }
        Refused {
            name,
            file,
            because: "is a separate debug file",
        }
    };
    ["objcopy", "llvm-objcopy", "eu-strip"].map(make).into()
}
