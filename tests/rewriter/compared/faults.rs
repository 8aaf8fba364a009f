//! Files after the rewriter was killed or the disk was full, and files that should not be edited at
//! all.

use crate::compared::cells::case;
use crate::compared::rewriter::Rewriter;
use crate::compared::table::{Cell, Part};
use crate::torture::edits::{Change, Meaning};
use crate::torture::kinds::Kind;
use crate::torture::matrix::subject;
use crate::torture::process::{copy, must, run};
use crate::torture::subject::look_as_loader;
use elf_edit::Edit;
use std::path::Path;
use std::process::Command;

/// The calls that change a file, of which those on the file's own path count. With a question mark: not every machine's kernel has it.
const WRITES: &str = "write,pwrite64,writev,pwritev,pwritev2,ftruncate,fallocate,copy_file_range,\
    sendfile,?rename,renameat,renameat2,?unlink,unlinkat";

/// Tries; `ours_alone`: the other columns stay empty.
pub fn measure(dir: &Path, kinds: &[Kind], ours_alone: bool) -> Part {
    Part::measured(
        "Killed, out of space, and files to leave alone",
        ours_alone,
        |rewriter| column(dir, rewriter, kinds),
    )
}

fn column(dir: &Path, rewriter: Rewriter, kinds: &[Kind]) -> Vec<(String, Cell)> {
    let mut rows = Vec::new();
    for (name, what) in [
        ("gcc-pie", "a PIE, interpreter, NEEDED and RUNPATH at once"),
        ("gcc-lib", "a library, SONAME, NEEDED and RUNPATH at once"),
    ] {
        let kind = kinds.iter().find(|kind| kind.name == name).unwrap();
        let (states, broken) = kill(dir, rewriter, kind);
        rows.push((
            format!("{what}, killed before each write: neither the old file nor the new"),
            Cell::Faults(broken, states),
        ));
        rows.push((
            format!("{what}, disk full half way"),
            full_disk(dir, rewriter, kind),
        ));
    }
    let place = tempfile::tempdir_in(dir).unwrap();
    let source = place.path().join("a.c");
    std::fs::write(&source, "int main(void) { return 0; }\n").unwrap();
    let source = source.to_str().unwrap();
    for (what, flags) in [
        ("a static executable, given a RUNPATH", &["-static"][..]),
        ("a static PIE, given a RUNPATH", &["-static-pie"]),
        ("an object file, given a RUNPATH", &["-c"]),
        ("a separate debug file, given a RUNPATH", &["-g"]),
    ] {
        let file = place.path().join("file");
        let output = file.to_str().unwrap();
        must("gcc", ["-o", output, source].iter().chain(flags));
        if what.contains("debug") {
            must("objcopy", ["--only-keep-debug", output]);
        }
        let before = std::fs::read(&file).unwrap();
        let ran = rewriter.run_below(&[], &[Edit::SetRunpath(b"/a/b".to_vec())], &file);
        let runs = flags[0].starts_with("-static") && run(&mut Command::new(&file)).ok;
        let same = std::fs::read(&file).unwrap() == before;
        let seen = match (same, ran.ok) {
            (true, false) => "refused",
            (true, true) => "left as it is",
            (false, _) if flags[0].starts_with("-static") && !runs => "**altered, broken**",
            (false, _) => "**altered**",
        };
        rows.push((what.to_owned(), Cell::Words(seen.to_owned())));
    }
    rows.push((
        "inode, mode, extended attribute and second name of a file".to_owned(),
        Cell::Words(kept(place.path(), rewriter, source).to_owned()),
    ));
    rows
}

/// Old and new meaning of the file, and the edits between them.
fn meanings(kind: &Kind, file: &Path) -> (Vec<Edit>, [Meaning; 2]) {
    let case = case(Change::Together, kind).unwrap();
    let (old, failure) = look_as_loader(kind, file);
    assert_eq!(failure, "", "{}", kind.name);
    let mut new = old.clone();
    (case.apply)(&mut new, kind);
    let mut both = [old, new];
    both.iter_mut().for_each(|meaning| meaning.needed.sort());
    (case.edits, both)
}

fn is_whole(kind: &Kind, file: &Path, meanings: &[Meaning; 2]) -> bool {
    let (mut seen, failure) = look_as_loader(kind, file);
    seen.needed.sort();
    failure.is_empty() && meanings.contains(&seen)
}

/// Kills it before each of its writes: how many states that gives, and how many are broken.
fn kill(dir: &Path, rewriter: Rewriter, kind: &Kind) -> (u64, u64) {
    let mut broken = 0;
    for count in 1.. {
        let place = tempfile::tempdir_in(dir).unwrap();
        let file = subject(place.path(), kind, false);
        let (edits, meanings) = meanings(kind, &file);
        let (trace, path) = (format!("trace={WRITES}"), file.to_str().unwrap());
        let inject = format!("inject={WRITES}:signal=SIGKILL:when={count}");
        let strace = [
            &["strace", "-f", "-qq", "-o", "/dev/null", "-P", path][..],
            &["-e", &trace, "-e", &inject],
        ]
        .concat();
        let ran = rewriter.run_below(&strace, &edits, &file);
        if ran.ok {
            return (count - 1, broken);
        }
        // strace itself fails otherwise, as where it may not trace.
        assert!(ran.stderr.is_empty(), "{}: {}", ran.status, ran.stderr);
        broken += u64::from(!is_whole(kind, &file, &meanings));
    }
    unreachable!()
}

/// No file may grow beyond half of the old size: the remaining file, and the message.
fn full_disk(dir: &Path, rewriter: Rewriter, kind: &Kind) -> Cell {
    let place = tempfile::tempdir_in(dir).unwrap();
    let file = subject(place.path(), kind, false);
    let (edits, meanings) = meanings(kind, &file);
    // In units of 1024 bytes; the signal is ignored, so that the write fails as on a full disk.
    let half = file.metadata().unwrap().len() / 2048;
    let limit = format!("trap '' XFSZ; ulimit -f {half}; exec \"$@\"");
    let ran = rewriter.run_below(&["bash", "-c", &limit, "bash"], &edits, &file);
    let state = match is_whole(kind, &file, &meanings) {
        true => "the old file",
        false => "**broken**",
    };
    let says = if ran.ok {
        "**says that all is well**"
    } else {
        "says so"
    };
    Cell::Words(format!("{state}, {says}"))
}

/// Whether everything of a file but its bytes stays.
fn kept(dir: &Path, rewriter: Rewriter, source: &str) -> &'static str {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let made = dir.join("made");
    must("gcc", ["-o", made.to_str().unwrap(), source]);
    let file = dir.join("kept");
    copy(&made, &file);
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o751)).unwrap();
    std::fs::hard_link(&file, dir.join("second-name")).unwrap();
    must(
        "setfattr",
        ["-n", "user.test", "-v", "kept", file.to_str().unwrap()],
    );
    let before = std::fs::metadata(&file).unwrap();
    let done = rewriter
        .edit(&[Edit::SetRunpath(b"/a/b".to_vec())], &file)
        .is_ok();
    let now = std::fs::metadata(&file).unwrap();
    let stays = |of: &std::fs::Metadata| (of.ino(), of.mode(), of.nlink());
    let attribute = run(Command::new("getfattr")
        .args(["-n", "user.test"])
        .arg(&file));
    match done && stays(&before) == stays(&now) && attribute.ok {
        true => "kept",
        false => "**lost**",
    }
}
