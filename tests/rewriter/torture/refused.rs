//! Files that can't take an edit: refused with the reason, and not a byte or time stamp changed.

use crate::torture::say;
use crate::torture::subject::rewrite;
use crate::torture::target::Target;
use elf_edit::Edit;
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// Tries, and gives what went wrong.
pub fn run(dir: &Path, targets: &[Arc<Target>]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut tried = 0;
    let runpath = Edit::SetRunpath(b"/lib".to_vec());
    let rpath = Edit::SetRpath(b"/lib".to_vec());
    let interpreter = Edit::SetInterpreter(b"/lib/ld.so".to_vec());
    let needed = Edit::AddNeeded(b"libextra.so".to_vec());
    let soname = Edit::SetSoname(b"libsubject.so".to_vec());
    let without_loader = [
        &runpath,
        &rpath,
        &interpreter,
        &needed,
        &soname,
        &Edit::NoDefaultLib,
    ];
    for target in targets {
        for (name, edits) in [
            ("static", &without_loader[..]),
            ("static-pie", &without_loader[..]),
        ] {
            // Not every C library here has start files for a static PIE.
            if name == "static-pie" && !target.has_static_pie() {
                continue;
            }
            let file = dir.join(format!("{}-{name}", target.name));
            target.compile("static.c", &file, &[&format!("-{name}")]);
            let bytes = fs::read(&file).unwrap();
            let modified = fs::metadata(&file).unwrap().modified().unwrap();
            for edit in edits {
                tried += 1;
                let about = format!("{} {name} / {edit:?}", target.name);
                match rewrite(&file, std::slice::from_ref(*edit)) {
                    Ok(_) => wrong.push(format!("{about}: not refused")),
                    Err(why) if !why.contains("static") => {
                        wrong.push(format!("{about}: refused for another reason: {why}"));
                    }
                    Err(_) => {}
                }
                if fs::read(&file).unwrap() != bytes
                    || fs::metadata(&file).unwrap().modified().unwrap() != modified
                {
                    wrong.push(format!("{about}: touched"));
                }
            }
        }
    }
    say(&format!("{tried} edits of static executables tried"));
    wrong
}
