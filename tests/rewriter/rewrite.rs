//! The rewriter on files that compilers here make: each result is loaded or run, and so is
//! each state in between.

use elf_edit::writes::Patched;
use elf_edit::{
    Edit, ElfInfo, FileReader, Platform, ReadAt, RewriteOptions, Rewritten, prepare, rewrite,
};
use elf_fixtures::Minimal;
use object::elf;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Compilers and flags that lay an executable out differently.
const KINDS: [(&str, &[&str]); 6] = [
    ("gcc", &[]),
    ("gcc", &["-no-pie"]),
    (
        "gcc",
        &["-Wl,-z,noseparate-code", "-Wl,-z,max-page-size=0x200000"],
    ),
    ("clang", &["-fuse-ld=lld"]),
    ("clang", &["-fuse-ld=lld", "-no-pie"]),
    ("gcc", &["-fuse-ld=mold"]),
];

struct Case {
    dir: TempDir,
    exe: PathBuf,
}

/// `exe` needs `libone.so` of `libs/a`; `libs/b` has the same library with another answer, and
/// `libtwo.so`.
fn case(compiler: &str, flags: &[&str]) -> Case {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    for (sub, lib, answer) in [("a", "one", 1), ("b", "one", 2), ("b", "two", 2)] {
        let libs = d.join("libs").join(sub);
        fs::create_dir_all(&libs).unwrap();
        let source = d.join("lib.c");
        fs::write(
            &source,
            format!("int answer(void) {{ return {answer}; }}\n"),
        )
        .unwrap();
        let name = format!("lib{lib}.so");
        let out = libs.join(&name);
        run(Command::new(compiler)
            .args(flags.iter().filter(|f| **f != "-no-pie"))
            .args(["-shared", "-fPIC"])
            .arg(format!("-Wl,-soname,{name}"))
            .arg("-o")
            .args([&out, &source]));
    }
    let source = d.join("exe.c");
    fs::write(
        &source,
        "#include <stdio.h>\nint answer(void);\nint main(void) { printf(\"%d\\n\", answer()); return 0; }\n",
    )
    .unwrap();
    let exe = d.join("exe");
    run(Command::new(compiler)
        .args(flags)
        .arg("-o")
        .args([&exe, &source])
        .arg(d.join("libs/a/libone.so")));
    Case { exe, dir }
}

impl Case {
    fn libs(&self, sub: &str) -> String {
        self.dir
            .path()
            .join("libs")
            .join(sub)
            .to_str()
            .unwrap()
            .to_owned()
    }
}

fn run(command: &mut Command) -> String {
    let out = output(command);
    assert!(
        out.status.success(),
        "{command:?}: {:?}\n{}",
        out.status,
        String::from_utf8_lossy(&out.stderr)
    );
    String::from_utf8(out.stdout).unwrap()
}

/// Starts a file that this process has just written. A fork in another thread may still hold
/// it open for writing: then the kernel says ETXTBSY for a moment.
fn output(command: &mut Command) -> std::process::Output {
    loop {
        match command.output() {
            Err(e) if e.kind() == std::io::ErrorKind::ExecutableFileBusy => {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            other => return other.unwrap(),
        }
    }
}

fn info(path: &Path) -> (FileReader, ElfInfo) {
    let reader = FileReader::new(File::open(path).unwrap()).unwrap();
    let info = ElfInfo::read(&reader).unwrap();
    (reader, info)
}

fn edit(path: &Path, edits: &[Edit]) -> Rewritten {
    let (reader, info) = info(path);
    rewrite(
        &[path.to_owned()],
        &reader,
        &info,
        edits,
        &RewriteOptions::default(),
    )
    .unwrap()
}

fn set_runpath(value: &str) -> Edit {
    Edit::SetRunpath(value.as_bytes().to_vec())
}

fn answer(exe: &Path) -> String {
    run(&mut Command::new(exe)).trim().to_owned()
}

#[test]
fn a_first_longer_shorter_and_removed_runpath_is_what_the_loader_uses() {
    for (compiler, flags) in KINDS {
        let case = case(compiler, flags);
        let about = format!("{compiler} {flags:?}");
        edit(&case.exe, &[set_runpath(&case.libs("a"))]);
        assert_eq!(answer(&case.exe), "1", "{about}");
        let long = format!("{}:/nonexistent/{}", case.libs("b"), "x".repeat(3000));
        edit(&case.exe, &[set_runpath(&long)]);
        assert_eq!(answer(&case.exe), "2", "{about}");
        edit(&case.exe, &[set_runpath(&case.libs("a"))]);
        assert_eq!(answer(&case.exe), "1", "{about}");
        let bytes = fs::read(&case.exe).unwrap();
        assert!(
            !find(&bytes, b"/nonexistent/"),
            "{about}: the old RUNPATH stays in the file"
        );
        edit(&case.exe, &[Edit::RemoveRunpath]);
        assert!(info(&case.exe).1.runpath_or_rpath().is_none());
        assert!(!find(&fs::read(&case.exe).unwrap(), b"/libs/a"), "{about}");
        run(Command::new(&case.exe).env("LD_LIBRARY_PATH", case.libs("b")));
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|w| w == needle)
}

#[test]
fn interpreter_needed_and_runpath_change_in_one_plan() {
    for (compiler, flags) in KINDS {
        let case = case(compiler, flags);
        edit(&case.exe, &[set_runpath(&case.libs("a"))]);
        let interpreter = info(&case.exe).1.interpreter.unwrap();
        let long = case
            .dir
            .path()
            .join("a-longer-name-for-the-same-dynamic-loader.so");
        fs::copy(std::str::from_utf8(&interpreter).unwrap(), &long).unwrap();
        let done = edit(
            &case.exe,
            &[
                Edit::SetInterpreter(long.to_str().unwrap().as_bytes().to_vec()),
                Edit::ReplaceNeeded {
                    from: b"libone.so".to_vec(),
                    to: b"libtwo.so".to_vec(),
                },
                set_runpath(&case.libs("b")),
            ],
        );
        assert!(done.changed && done.strip_safe, "{compiler} {flags:?}");
        assert_eq!(answer(&case.exe), "2", "{compiler} {flags:?}");
        run(Command::new("strip").arg(&case.exe));
        assert_eq!(answer(&case.exe), "2", "{compiler} {flags:?}, stripped");
    }
}

#[test]
fn every_state_in_between_loads_with_the_old_or_the_new_meaning() {
    for (compiler, flags) in KINDS {
        let case = case(compiler, flags);
        edit(&case.exe, &[set_runpath(&case.libs("a"))]);
        let long = format!("{}:/{}", case.libs("b"), "y".repeat(500));
        let interpreter = info(&case.exe).1.interpreter.unwrap();
        let longer = case
            .dir
            .path()
            .join("a-longer-name-for-the-same-dynamic-loader.so");
        fs::copy(std::str::from_utf8(&interpreter).unwrap(), &longer).unwrap();
        let plans: [&[Edit]; 4] = [
            &[set_runpath(&long)],
            &[
                Edit::SetInterpreter(longer.to_str().unwrap().as_bytes().to_vec()),
                Edit::ReplaceNeeded {
                    from: b"libone.so".to_vec(),
                    to: b"libtwo.so".to_vec(),
                },
                set_runpath(&long),
            ],
            &[set_runpath(&case.libs("b"))],
            &[
                Edit::AddNeeded(b"libtwo.so".to_vec()),
                set_runpath(&case.libs("b")),
            ],
        ];
        for (number, edits) in plans.into_iter().enumerate() {
            each_prefix(
                &case,
                edits,
                &format!("{compiler} {flags:?}, plan {number}"),
            );
        }
    }
}

/// Runs the file as it is after 0, 1, 2, … of the writes.
fn each_prefix(case: &Case, edits: &[Edit], about: &str) {
    let (reader, info) = info(&case.exe);
    let patch = prepare(&reader, &info, edits, &RewriteOptions::default())
        .unwrap()
        .patch
        .unwrap();
    let mut answers = Vec::new();
    for count in 0..=patch.steps.len() {
        let state = Patched::new(&reader, &patch.steps[..count]);
        let bytes = state.read_vec(0, state.len() as usize).unwrap();
        // Who is killed here must be able to run again.
        let read = ElfInfo::read(&state);
        assert!(read.is_ok(), "{about}: after {count} writes: {read:?}");
        let path = case.dir.path().join(format!("prefix-{count}"));
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let out = output(&mut Command::new(&path));
        assert!(
            out.status.success(),
            "{about}: after {count} of {} writes: {:?}\n{}\n{:?}",
            patch.steps.len(),
            out.status,
            String::from_utf8_lossy(&out.stderr),
            patch.steps[..count].last()
        );
        answers.push(String::from_utf8(out.stdout).unwrap().trim().to_owned());
    }
    let switch = answers.iter().position(|a| a == "2").unwrap();
    assert!(
        answers[..switch].iter().all(|a| a == "1"),
        "{about}: {answers:?}"
    );
    assert!(
        answers[switch..].iter().all(|a| a == "2"),
        "{about}: {answers:?}"
    );
}

#[test]
fn a_second_time_writes_nothing() {
    let case = case("gcc", &[]);
    edit(&case.exe, &[set_runpath("/a:/b")]);
    let before = fs::metadata(&case.exe).unwrap().modified().unwrap();
    assert!(!edit(&case.exe, &[set_runpath("/a:/b")]).changed);
    assert_eq!(fs::metadata(&case.exe).unwrap().modified().unwrap(), before);
}

#[test]
fn a_hundred_rounds_add_one_segment_and_only_strings() {
    for (compiler, flags) in KINDS {
        let case = case(compiler, flags);
        let start = fs::metadata(&case.exe).unwrap().len();
        let (_, before) = info(&case.exe);
        for round in 1..=100 {
            let runpath = format!("{}:/{}", case.libs("a"), "z".repeat(round * 10));
            edit(&case.exe, &[set_runpath(&runpath)]);
            if round % 20 == 0 {
                assert_eq!(
                    answer(&case.exe),
                    "1",
                    "{compiler} {flags:?}, round {round}"
                );
            }
        }
        let (_, after) = info(&case.exe);
        assert!(
            after.segments.len() <= before.segments.len() + 1,
            "{compiler} {flags:?}"
        );
        let grown = fs::metadata(&case.exe).unwrap().len() - start;
        assert!(grown < 2500, "{compiler} {flags:?}: grew by {grown} bytes");
    }
}

#[test]
fn a_renamed_symbol_is_found_by_its_new_name_and_no_longer_by_the_old() {
    for style in ["gnu", "sysv", "both"] {
        let dir = tempfile::tempdir().unwrap();
        let d = dir.path();
        let lib = d.join("libmany.so");
        let source = d.join("many.c");
        let functions: String = (0..200)
            .map(|i| format!("int number_{i}(void) {{ return {i}; }}\n"))
            .collect();
        fs::write(
            &source,
            format!("{functions}int (*pointer)(void) = number_77;\nint through(void) {{ return pointer() + number_3(); }}\n"),
        )
        .unwrap();
        run(Command::new("gcc")
            .args(["-shared", "-fPIC", "-o"])
            .args([&lib, &source])
            .arg(format!("-Wl,--hash-style={style}")));
        let names = [("number_77", "a_rather_different_name"), ("number_3", "n3")];
        let pairs = names.map(|(from, to)| (from.as_bytes().to_vec(), to.as_bytes().to_vec()));
        edit(&lib, &[Edit::RenameSymbols(pairs.to_vec())]);
        let source = d.join("load.c");
        fs::write(
            &source,
            r#"#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv) {
    void *lib = dlopen(argv[1], RTLD_NOW);
    if (!lib) { puts(dlerror()); return 1; }
    for (int i = 0; i < 200; i++) {
        char name[32];
        snprintf(name, sizeof name, "number_%d", i);
        int (*f)(void) = dlsym(lib, name);
        if (i == 77 || i == 3) { if (f) return 2; continue; }
        if (!f || f() != i) return 3;
    }
    int (*f)(void) = dlsym(lib, "a_rather_different_name");
    if (!f || f() != 77) return 4;
    f = dlsym(lib, "n3");
    if (!f || f() != 3) return 5;
    f = dlsym(lib, "through");
    return f && f() == 80 ? 0 : 6;
}
"#,
        )
        .unwrap();
        let exe = d.join("load");
        run(Command::new("gcc").arg("-o").args([&exe, &source]));
        run(Command::new(&exe).arg(&lib));
    }
}

#[test]
fn the_stack_flag_and_the_os_abi_change_in_place() {
    for (compiler, flags) in KINDS {
        let case = case(compiler, flags);
        let before = fs::metadata(&case.exe).unwrap().len();
        edit(&case.exe, &[set_runpath(&case.libs("a"))]);
        let stack = |path: &Path| {
            let segments = info(path).1.segments;
            segments
                .iter()
                .find(|s| s.p_type == 0x6474_e551)
                .map(|s| s.flags & 1)
        };
        edit(
            &case.exe,
            &[Edit::SetExecutableStack(true), Edit::SetOsAbi(3)],
        );
        assert_eq!(
            (stack(&case.exe), info(&case.exe).1.header.os_abi),
            (Some(1), 3)
        );
        assert_eq!(answer(&case.exe), "1");
        edit(&case.exe, &[Edit::SetExecutableStack(false)]);
        assert_eq!(stack(&case.exe), Some(0));
        assert_eq!(answer(&case.exe), "1");
        assert!(fs::metadata(&case.exe).unwrap().len() < before + 2000);
    }
}

#[test]
fn the_last_string_gives_way_to_two_others() {
    let case = case("gcc", &[]);
    edit(&case.exe, &[set_runpath("libc.so.6")]);
    edit(
        &case.exe,
        &[set_runpath("."), Edit::AddNeeded(b"liba.so.1".to_vec())],
    );
    let info = info(&case.exe).1;
    assert_eq!(info.runpath_or_rpath(), Some(&b"."[..]));
    assert_eq!(info.needed()[0], b"liba.so.1");
}

#[test]
fn what_is_removed_and_set_again_is_no_change() {
    let case = case("gcc", &[]);
    let edits = [
        Edit::RemoveRunpath,
        set_runpath("/a"),
        Edit::SetSoname(b"a.so".to_vec()),
    ];
    assert!(edit(&case.exe, &edits).changed);
    assert!(!edit(&case.exe, &edits).changed);
}

#[test]
fn an_undefined_symbol_is_renamed_where_no_symbol_is_hashed() {
    let dir = tempfile::tempdir().unwrap();
    let (source, exe) = (dir.path().join("a.c"), dir.path().join("a"));
    fs::write(
        &source,
        "int puts(const char *s);\nint main(void) { puts(\"a\"); return 0; }\n",
    )
    .unwrap();
    run(Command::new("gcc")
        .args(["-no-pie", "-o"])
        .args([&exe, &source]));
    let names = vec![(b"puts".to_vec(), b"perror".to_vec())];
    edit(&exe, &[Edit::RenameSymbols(names)]);
    let out = output(&mut Command::new(&exe));
    assert!(
        String::from_utf8_lossy(&out.stderr).starts_with("a: "),
        "{out:?}"
    );
    // The same from bytes in memory.
    let bytes = fs::read(&exe).unwrap();
    let info = ElfInfo::read(&bytes[..]).unwrap();
    let prepared = prepare(
        &bytes[..],
        &info,
        &[set_runpath("/b")],
        &RewriteOptions::default(),
    );
    assert!(prepared.unwrap().patch.is_some());
}

#[test]
fn a_version_by_the_name_of_the_library_is_found_after_the_soname_changed() {
    for flags in [&[][..], &["-fuse-ld=gold"], &["-fuse-ld=mold"]] {
        let dir = tempfile::tempdir().unwrap();
        let d = dir.path();
        let (source, script, library) = (d.join("one.c"), d.join("one.map"), d.join("libone.so.1"));
        fs::write(&source, "int answer(void) { return 7; }\n").unwrap();
        // As NVIDIA's libraries have it.
        fs::write(&script, "libone.so.1 { global: answer; local: *; };\n").unwrap();
        run(Command::new("gcc")
            .args(flags)
            .args(["-shared", "-fPIC", "-Wl,-soname,libone.so.1"])
            .arg(format!("-Wl,--version-script={}", script.display()))
            .arg("-o")
            .args([&library, &source]));
        let (source, exe) = (d.join("exe.c"), d.join("exe"));
        let text = "int answer(void);\nint main(void) { return answer() - 7; }\n";
        fs::write(&source, text).unwrap();
        run(Command::new("gcc")
            .arg(format!("-Wl,-rpath,{}", d.display()))
            .arg("-o")
            .args([&exe, &source, &library]));
        edit(&library, &[Edit::SetSoname(b"libother.so.2".to_vec())]);
        fs::rename(&library, d.join("libother.so.2")).unwrap();
        let renamed = Edit::ReplaceNeeded {
            from: b"libone.so.1".to_vec(),
            to: b"libother.so.2".to_vec(),
        };
        edit(&exe, &[renamed]);
        run(&mut Command::new(&exe));
        let versions = run(Command::new("readelf")
            .arg("-VW")
            .arg(d.join("libother.so.2")));
        let base = versions.lines().find(|line| line.contains("BASE")).unwrap();
        assert!(base.ends_with("Name: libone.so.1"), "{flags:?}: {base}");
    }
}

/// The address that DT_MIPS_RLD_MAP_REL leads to: its value counts from the entry itself.
fn rld_map<R: ReadAt + ?Sized>(file: &R) -> u64 {
    const DT_MIPS_RLD_MAP_REL: i64 = 0x7000_0035;
    let info = ElfInfo::read(file).unwrap();
    let start = info.segments.iter().find(|s| s.p_type == 2).unwrap().vaddr;
    let entries = &info.dynamic.as_ref().unwrap().entries;
    let index = entries.iter().position(|d| d.tag == DT_MIPS_RLD_MAP_REL);
    let index = index.unwrap();
    let entry = start + (index * info.format().dyn_size()) as u64;
    // A 32-bit difference wraps round.
    let mask = u64::MAX >> (64 - 8 * info.format().word_size());
    entry.wrapping_add(entries[index].value) & mask
}

#[test]
fn the_rld_map_of_mips_stays_where_debuggers_look_for_it() {
    for compiler in [
        "mips-linux-gnu-gcc",
        "mipsel-linux-gnu-gcc",
        "mips64el-linux-gnuabi64-gcc",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (source, exe) = (dir.path().join("a.c"), dir.path().join("a"));
        fs::write(&source, "int main(void) { return 0; }\n").unwrap();
        run(Command::new(compiler)
            .args(["-fPIE", "-pie", "-o"])
            .args([&exe, &source]));
        let before = rld_map(&info(&exe).0);
        let place = info(&exe).1.dynamic.unwrap().offset;
        // One more entry before it, then more than the dynamic section has room for.
        for count in [1, 40] {
            let added = (0..count).map(|n| Edit::AddNeeded(format!("lib{count}-{n}.so").into()));
            let edits: Vec<Edit> = added.collect();
            let (reader, now) = info(&exe);
            let prepared = prepare(&reader, &now, &edits, &RewriteOptions::default()).unwrap();
            let patch = prepared.patch.unwrap();
            for done in 0..=patch.steps.len() {
                let state = Patched::new(&reader, &patch.steps[..done]);
                assert_eq!(rld_map(&state), before, "{compiler}: after {done} writes");
            }
            edit(&exe, &edits);
        }
        assert_ne!(info(&exe).1.dynamic.unwrap().offset, place, "{compiler}");
        assert_eq!(rld_map(&info(&exe).0), before);
    }
}

/// As many as PT_DYNAMIC may hold: two walks of the list for each entry took 47 s.
#[test]
fn the_time_of_an_edit_is_linear_in_the_number_of_entries() {
    let mut file = Minimal::new(Platform::X86_64);
    file.needed = (0..65_000).map(|n| format!("{n}").into()).collect();
    let bytes = file.bytes();
    let info = ElfInfo::read(&bytes[..]).unwrap();
    let start = Instant::now();
    let edits = [
        Edit::SetRunpath(b"/a".to_vec()),
        Edit::RemoveNeeded(b"7".to_vec()),
    ];
    let options = RewriteOptions::default();
    let prepared = prepare(&bytes[..], &info, &edits, &options).unwrap();
    assert!(prepared.patch.is_some());
    let took = start.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
}

/// 20,000 entries that name one string of 800 KB: 16 GB, if each were kept.
#[test]
fn many_entries_of_one_long_string_are_refused_and_cost_no_memory() {
    let mut file = Minimal::new(Platform::X86_64);
    file.needed = vec![Vec::new(); 20_000];
    file.soname = Some(vec![b'x'; 800_000]);
    let mut bytes = file.bytes();
    let dynamic = ElfInfo::read(&bytes[..]).unwrap().dynamic.unwrap();
    let long = dynamic.value(elf::DT_SONAME).unwrap();
    for (index, entry) in dynamic.entries.iter().enumerate() {
        if entry.tag == elf::DT_NEEDED {
            let at = dynamic.offset as usize + index * 16;
            bytes[at..at + 8].copy_from_slice(&elf::DT_AUDIT.to_le_bytes());
            bytes[at + 8..at + 16].copy_from_slice(&long.to_le_bytes());
        }
    }
    let info = ElfInfo::read(&bytes[..]).unwrap();
    let edits = [Edit::SetRunpath(b"/a".to_vec())];
    let refused = prepare(&bytes[..], &info, &edits, &RewriteOptions::default());
    let why = refused.unwrap_err().to_string();
    assert!(why.contains("bytes of strings"), "{why}");
}
