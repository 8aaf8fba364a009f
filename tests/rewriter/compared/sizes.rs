//! Growth of files and bytes written, for RUNPATHs that are the same on every machine.

use crate::compared::rewriter::Rewriter;
use crate::compared::table::{Cell, Part};
use crate::support::wheels;
use crate::torture::process::{copy, must, run};
use elf_edit::Edit;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The files that are measured.
struct Files {
    program: PathBuf,
    cudart_11: PathBuf,
    nvrtc_13: PathBuf,
}

/// A RUNPATH of the length that Nix makes them, longer each round.
fn runpath(round: usize) -> Edit {
    let libraries = "/nix/store/00000000000000000000000000000000-some-library-1.2.3/lib";
    Edit::SetRunpath(
        format!(
            "/run/opengl-driver/lib:{libraries}:/{}",
            "r".repeat(10 * round)
        )
        .into(),
    )
}

/// Measures; `ours_alone`: the other columns stay empty.
pub fn measure(dir: &Path, ours_alone: bool) -> Part {
    let program = dir.join("program");
    let source = dir.join("program.c");
    std::fs::write(&source, "int main(void) { return 0; }\n").unwrap();
    must(
        "gcc",
        ["-o".as_ref(), program.as_os_str(), source.as_os_str()],
    );
    let wheel = |path: &str| {
        let path = wheels().join(path);
        assert!(path.exists(), "{path:?}: run testdata/fetch-wheels");
        path
    };
    let files = Files {
        program,
        cudart_11: wheel(
            "nvidia-cuda-runtime-cu11-11.8.89/nvidia/cuda_runtime/lib/libcudart.so.11.0",
        ),
        nvrtc_13: wheel("nvidia-cuda-nvrtc-13.5.37/nvidia/cu13/lib/libnvrtc.so.13"),
    };
    Part::measured("Growth, and bytes written", ours_alone, |rewriter| {
        column(dir, rewriter, &files)
    })
}

fn column(dir: &Path, rewriter: Rewriter, files: &Files) -> Vec<(String, Cell)> {
    let place = tempfile::tempdir_in(dir).unwrap();
    let copied = |from: &Path| {
        let file = place.path().join("file");
        copy(from, &file);
        file
    };
    let grown = |from: &Path, file: &Path| size(file) - size(from);
    let mut cells = Vec::new();
    let mut row = |what: &str, cell| cells.push((what.to_owned(), cell));

    let file = copied(&files.program);
    let done = rewriter.edit(&[runpath(1)], &file).is_ok() && runs(&file);
    row(
        "a 16 KB PIE, first RUNPATH: grows by",
        checked(done, || Cell::Bytes(grown(&files.program, &file))),
    );
    let before = std::fs::metadata(&file).unwrap();
    let again = rewriter.edit(&[runpath(1)], &file).is_ok();
    row(
        "the same once more",
        checked(again, || Cell::Words(touched(&before, &file))),
    );
    let mut done = again;
    for round in 2..=100 {
        done = done && rewriter.edit(&[runpath(round)], &file).is_ok();
    }
    row(
        "the PIE after 100 growing RUNPATHs (1,086 bytes the last): grown by",
        checked(done && runs(&file), || {
            Cell::Bytes(grown(&files.program, &file))
        }),
    );
    row(
        "and has so many segments more",
        checked(done, || {
            Cell::Words((segments(&file) - segments(&files.program)).to_string())
        }),
    );
    let file = copied(&files.program);
    let survived = (1..=100)
        .take_while(|round| {
            let edited = rewriter.edit(&[runpath(*round)], &file).is_ok();
            edited && run(Command::new("strip").arg(&file)).ok && runs(&file)
        })
        .count();
    row(
        "100 times a growing RUNPATH and GNU `strip`: rounds that it does not survive",
        Cell::Faults(100 - survived as u64, 100),
    );

    let file = copied(&files.cudart_11);
    let first = written(rewriter, &[runpath(1)], &file);
    row(
        "libcudart.so.11.0 (679,264 B), first RUNPATH: grows by",
        checked(loads(&file), || Cell::Bytes(grown(&files.cudart_11, &file))),
    );
    row("and writes", checked(loads(&file), || Cell::Bytes(first)));
    let mut works = u64::from(loads(&file));
    for round in 2..=10 {
        let edited = rewriter.edit(&[runpath(round)], &file).is_ok();
        works += u64::from(edited && loads(&file));
    }
    row(
        "libcudart.so.11.0, ten growing RUNPATHs: size",
        Cell::Bytes(size(&file)),
    );
    row(
        "of which it does not load after",
        Cell::Faults(10 - works, 10),
    );

    let file = copied(&files.nvrtc_13);
    let bytes = written(rewriter, &[runpath(1)], &file);
    row(
        "libnvrtc.so.13 (141 MB), first RUNPATH: writes",
        checked(loads(&file), || Cell::Bytes(bytes)),
    );
    cells
}

/// The cell, where the file is whole.
fn checked(holds: bool, cell: impl FnOnce() -> Cell) -> Cell {
    match holds {
        true => cell(),
        false => Cell::Words("**broken**".to_owned()),
    }
}

fn size(file: &Path) -> i64 {
    file.metadata().unwrap().len() as i64
}

fn runs(file: &Path) -> bool {
    run(Command::new("timeout").arg("20").arg(file)).ok
}

/// Whether the dynamic loader takes the library.
fn loads(file: &Path) -> bool {
    let load = "import ctypes, sys; ctypes.CDLL(sys.argv[1])";
    run(Command::new("timeout")
        .args(["20", "python3", "-c", load])
        .arg(file))
    .ok
}

fn segments(file: &Path) -> i64 {
    let header = must("readelf", ["-hW".as_ref(), file.as_os_str()]);
    let number = header.split("Number of program headers:").nth(1);
    let number = number.and_then(|rest| rest.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap()
}

fn touched(before: &std::fs::Metadata, file: &Path) -> String {
    use std::os::unix::fs::MetadataExt;
    let now = std::fs::metadata(file).unwrap();
    let stamps = |of: &std::fs::Metadata| (of.ino(), of.mtime(), of.mtime_nsec());
    if stamps(&now) == stamps(before) {
        "not touched".to_owned()
    } else if now.len() == before.len() {
        "written again".to_owned()
    } else {
        "written again, another size".to_owned()
    }
}

/// Edits the file, and gives how many bytes it handed to `write(2)` and its like.
fn written(rewriter: Rewriter, edits: &[Edit], file: &Path) -> i64 {
    // The kernel adds what a child wrote to its parent's account.
    let account = r#""$@" >/dev/null 2>&1; while read -r name count; do
        [ "$name" = wchar: ] && echo "$count"; done </proc/$$/io"#;
    let ran = rewriter.run_below(&["bash", "-c", account, "bash"], edits, file);
    ran.stdout
        .trim()
        .parse()
        .unwrap_or_else(|_| panic!("{}: {}", ran.status, ran.stderr))
}
