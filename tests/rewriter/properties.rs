//! Arbitrary edits on files of many linkers and machines: edits read back, only the declared ranges
//! change, contents that code addresses don't move, and a second run changes nothing.

use crate::at_phdr;
use crate::support::peers::run;
use elf_edit::writes::{Patch, Patched};
use elf_edit::{
    Edit, ElfInfo, FileReader, Prepared, ReadAt, Refusal, RewriteError, RewriteOptions, prepare,
    rewrite,
};
use object::elf;
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestError, TestRng, TestRunner};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::process::Command;
use std::sync::OnceLock;

/// Compiler and flags of each file.
const FILES: [(&str, &str); 19] = [
    ("gcc", ""),
    ("gcc", "-no-pie"),
    (
        "gcc",
        "-shared -Wl,-soname,libx.so.1 -Wl,-rpath,/old:/rpath",
    ),
    (
        "gcc",
        "-shared -Wl,--hash-style=sysv -Wl,--disable-new-dtags -Wl,-rpath,/old",
    ),
    (
        "gcc",
        "-Wl,-z,noseparate-code -Wl,-z,max-page-size=0x200000 -s",
    ),
    (
        "gcc",
        "-shared -s -Wl,-z,noseparate-code -Wl,-z,max-page-size=0x200000",
    ),
    ("gcc", "-Wl,-z,norelro -static-pie"),
    ("gcc", "-fuse-ld=mold"),
    ("clang", "-fuse-ld=lld"),
    ("clang", "-fuse-ld=lld -no-pie"),
    ("clang", "-fuse-ld=lld -shared -Wl,-z,nognustack"),
    ("aarch64-linux-gnu-gcc", ""),
    ("arm-linux-gnueabihf-gcc", ""),
    ("i686-linux-gnu-gcc", "-shared"),
    ("mips-linux-gnu-gcc", ""),
    ("powerpc64-linux-gnu-gcc", ""),
    ("powerpc64le-linux-gnu-gcc", "-shared"),
    ("riscv64-linux-gnu-gcc", "-no-pie"),
    ("s390x-linux-gnu-gcc", ""),
];

/// Sections that may move, as headers and dynamic tags alone lead to them, and those that nothing
/// at run time reads.
const MOVABLE: [&str; 14] = [
    ".interp",
    ".hash",
    ".gnu.hash",
    ".dynsym",
    ".dynstr",
    ".gnu.version",
    ".gnu.version_r",
    ".gnu.version_d",
    ".dynamic",
    ".note.gnu.property",
    ".note.gnu.build-id",
    ".note.ABI-tag",
    ".note.package",
    ".MIPS.xhash",
];

fn files() -> &'static [(String, Vec<u8>)] {
    static FILES_BUILT: OnceLock<Vec<(String, Vec<u8>)>> = OnceLock::new();
    FILES_BUILT.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        fs::write(
            dir.path().join("a.c"),
            "#include <stdio.h>\nint foo(void) { return puts(\"a\"); }\nint main(void) { return foo(); }\n",
        )
        .unwrap();
        FILES
            .iter()
            .map(|(compiler, flags)| {
                run(Command::new(compiler)
                    .current_dir(dir.path())
                    .args(["-fPIC", "a.c", "-o", "out"])
                    .args(flags.split_whitespace()));
                (format!("{compiler} {flags}"), fs::read(dir.path().join("out")).unwrap())
            })
            .collect()
    })
}

/// What a file says, as far as edits can change it: the model that results are held against.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Meaning {
    interpreter: Option<Vec<u8>>,
    runpath: Option<Vec<u8>>,
    rpath: Option<Vec<u8>>,
    soname: Option<Vec<u8>>,
    needed: Vec<Vec<u8>>,
    no_default_lib: bool,
    debug_tag: bool,
    os_abi: u8,
    executable_stack: Option<bool>,
    cache: Option<Vec<u8>>,
}

impl Meaning {
    fn of(info: &ElfInfo) -> Meaning {
        let dynamic = info.dynamic.as_ref();
        let stack = info.segments.iter().find(|s| s.p_type == elf::PT_GNU_STACK);
        Meaning {
            interpreter: info.interpreter.clone(),
            runpath: dynamic.and_then(|d| d.runpath.clone()),
            rpath: dynamic.and_then(|d| d.rpath.clone()),
            soname: dynamic.and_then(|d| d.soname.clone()),
            needed: info.needed().to_vec(),
            no_default_lib: dynamic.is_some_and(|d| d.flags_1 & u64::from(elf::DF_1_NODEFLIB) != 0),
            debug_tag: dynamic.is_some_and(|d| d.value(elf::DT_DEBUG).is_some()),
            os_abi: info.header.os_abi,
            executable_stack: stack.map(|s| s.flags & elf::PF_X != 0),
            cache: info
                .resolution_caches
                .first()
                .map(|cache| cache.description.clone().unwrap()),
        }
    }

    /// What a resolution cache was made of.
    fn search(&self) -> (Option<&Vec<u8>>, BTreeSet<&Vec<u8>>) {
        let path = self.runpath.as_ref().or(self.rpath.as_ref());
        (path, self.needed.iter().collect())
    }

    fn edited(&self, edits: &[Edit]) -> Meaning {
        let mut now = self.clone();
        let mut cache = None;
        for edit in edits {
            match edit.clone() {
                Edit::SetInterpreter(path) => now.interpreter = Some(path),
                Edit::SetRunpath(value) => (now.runpath, now.rpath) = (Some(value), None),
                Edit::SetRpath(value) => (now.runpath, now.rpath) = (None, Some(value)),
                Edit::RemoveRunpath => (now.runpath, now.rpath) = (None, None),
                Edit::SetSoname(name) => now.soname = Some(name),
                Edit::AddNeeded(name) if !now.needed.contains(&name) => now.needed.insert(0, name),
                Edit::AddNeeded(_) => {}
                Edit::RemoveNeeded(name) => now.needed.retain(|n| *n != name),
                Edit::ReplaceNeeded { from, to } => {
                    for name in now.needed.iter_mut().filter(|n| **n == from) {
                        name.clone_from(&to);
                    }
                }
                Edit::NoDefaultLib => now.no_default_lib = true,
                Edit::AddDebugTag => now.debug_tag = true,
                Edit::SetOsAbi(abi) => now.os_abi = abi,
                Edit::SetExecutableStack(wanted) => now.executable_stack = Some(wanted),
                Edit::ClearSymbolVersion(_) | Edit::RenameSymbols(_) => {}
                Edit::SetResolutionCache(description) => cache = Some(Some(description)),
                Edit::RemoveResolutionCache => cache = Some(None),
            }
        }
        if let Some(cache) = cache {
            now.cache = cache;
        } else if now.search() != self.search() {
            now.cache = None;
        }
        now
    }
}

/// Names short and long, there and not, of any byte but NUL.
fn name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => prop::sample::select(vec!["libc.so.6", "liba.so.1", "libnew.so", "/old", "6", ""])
            .prop_map(|name| name.as_bytes().to_vec()),
        3 => "[a-z/.:$]{1,60}".prop_map(String::into_bytes),
        1 => prop::collection::vec(1u8..=255, 0..300),
        1 => (1000usize..6000).prop_map(|len| vec![b'n'; len]),
    ]
}

fn edit() -> impl Strategy<Value = Edit> {
    let symbol = || {
        prop::sample::select(vec!["puts", "foo", "printf", "a_name_longer_than_it_had"])
            .prop_map(|name| name.as_bytes().to_vec())
    };
    prop_oneof![
        1 => name().prop_map(Edit::SetInterpreter),
        3 => name().prop_map(Edit::SetRunpath),
        1 => name().prop_map(Edit::SetRpath),
        1 => Just(Edit::RemoveRunpath),
        2 => prop::collection::vec(any::<u8>(), 1..300).prop_map(Edit::SetResolutionCache),
        1 => Just(Edit::RemoveResolutionCache),
        1 => name().prop_map(Edit::SetSoname),
        2 => name().prop_map(Edit::AddNeeded),
        1 => name().prop_map(Edit::RemoveNeeded),
        2 => (name(), name()).prop_map(|(from, to)| Edit::ReplaceNeeded { from, to }),
        1 => Just(Edit::NoDefaultLib),
        1 => Just(Edit::AddDebugTag),
        1 => any::<u8>().prop_map(Edit::SetOsAbi),
        1 => any::<bool>().prop_map(Edit::SetExecutableStack),
        1 => symbol().prop_map(Edit::ClearSymbolVersion),
        1 => (symbol(), symbol()).prop_map(|pair| Edit::RenameSymbols(vec![pair])),
    ]
}

/// All bytes after a patch.
fn patched(file: &FileReader, patch: Option<&Patch>) -> Vec<u8> {
    let steps = patch.map_or(&[][..], |p| &p.steps);
    let view = Patched::new(file, steps);
    view.read_vec(0, view.len() as usize).unwrap()
}

/// Contents and address of each section that code can reach by its own means.
fn fixed_sections(bytes: &[u8]) -> Vec<(String, u64, Vec<u8>)> {
    use object::{Object, ObjectSection, SectionFlags};
    let parsed = object::File::parse(bytes).unwrap();
    let allocated = |flags| match flags {
        SectionFlags::Elf { sh_flags } => sh_flags & u64::from(elf::SHF_ALLOC) != 0,
        _ => false,
    };
    parsed
        .sections()
        .filter(|s| allocated(s.flags()))
        .map(|s| {
            let name = String::from_utf8_lossy(s.name_bytes().unwrap()).into_owned();
            (name, s.address(), s.data().unwrap().to_vec())
        })
        .filter(|(name, ..)| !MOVABLE.contains(&name.as_str()) && !name.starts_with(".note"))
        .collect()
}

/// A refusal that the file's kind gives cause for.
fn expected(error: &RewriteError, about: &str, info: &ElfInfo, edits: &[Edit]) -> bool {
    let has = |tag: i64| {
        let dynamic = info.dynamic.as_ref();
        dynamic.is_some_and(|d| d.value(tag).is_some())
    };
    let unfit = |e: &Edit| match e {
        Edit::ClearSymbolVersion(_) => !has(elf::DT_VERSYM),
        // The GOT is in the order of the symbols; entries of `.hash` have 8 bytes.
        Edit::RenameSymbols(_) => match info.header.machine {
            elf::EM_MIPS => true,
            elf::EM_S390 => has(elf::DT_HASH),
            _ => false,
        },
        // There may be no room for its program header.
        Edit::SetResolutionCache(_) => info.header.machine == elf::EM_MIPS,
        _ => false,
    };
    match error {
        RewriteError::Refused(Refusal::NoInterpreter(_)) => info.interpreter.is_none(),
        RewriteError::Refused(Refusal::StaticPie | Refusal::Unread(_)) => {
            about.contains("static-pie")
        }
        RewriteError::Refused(Refusal::NotDynamic(..)) => info.dynamic.is_none(),
        RewriteError::Refused(Refusal::Layout(_)) => edits.iter().any(unfit),
        _ => false,
    }
}

/// Whether a symbol gets a name that others lose.
fn renames_its_own_names(edits: &[Edit]) -> bool {
    let renames = || {
        let lists = edits.iter().filter_map(|e| match e {
            Edit::RenameSymbols(names) => Some(names),
            _ => None,
        });
        lists.flatten()
    };
    renames().any(|(from, to)| from != to && renames().any(|(other, _)| other == to))
}

/// Checks all that is promised of one rewrite, and returns the file as it is afterwards.
fn check(about: &str, bytes: &[u8], edits: &[Edit]) -> Result<Vec<u8>, TestCaseError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), bytes).unwrap();
    let reader = FileReader::new(File::open(file.path()).unwrap()).unwrap();
    let info = ElfInfo::read(&reader).unwrap();
    let options = RewriteOptions::default();
    let patch = match prepare(&reader, &info, edits, &options) {
        Ok(Prepared { patch, .. }) => patch,
        Err(error) => {
            prop_assert!(expected(&error, about, &info, edits), "{about}: {error}");
            return Ok(bytes.to_vec());
        }
    };
    let result = patched(&reader, patch.as_ref());
    let after = ElfInfo::read(&result[..])
        .map_err(|e| TestCaseError::fail(format!("{about}: the result is unreadable: {e}")))?;
    let wanted = Meaning::of(&info).edited(edits);
    prop_assert_eq!(&Meaning::of(&after), &wanted, "{}", about);
    prop_assert_eq!(fixed_sections(&result), fixed_sections(bytes), "{}", about);

    // What `rewrite` leaves on the disk is the same, and only declared ranges have changed.
    let done = rewrite(&[file.path().to_owned()], &reader, &info, edits, &options)
        .map_err(|e| TestCaseError::fail(format!("{about}: {e}")))?;
    let written = fs::read(file.path()).unwrap();
    prop_assert!(
        written == result,
        "{about}: the file is not what the patch says"
    );
    let at_phdr = at_phdr::check_rewritten(&info, &after, done.strip_safe);
    prop_assert!(at_phdr.is_ok(), "{about}: {at_phdr:?}");
    prop_assert_eq!(done.changed, patch.is_some());
    prop_assert_eq!(done.size_after, written.len() as u64);
    let ranges: Vec<(u64, u64)> = patch
        .iter()
        .flat_map(|p| &p.steps)
        .map(|step| step.range())
        .collect();
    let changed = (0..bytes.len().min(written.len())).filter(|&at| bytes[at] != written[at]);
    for at in changed.map(|at| at as u64) {
        let declared = |(start, len): &(u64, u64)| (*start..start + len).contains(&at);
        prop_assert!(
            ranges.iter().any(declared),
            "{about}: byte {at:#x} changed, in no declared range"
        );
    }

    // The model shows whether a second application changes nothing: a NEEDED may be replaced by one
    // that is replaced itself, and so may a symbol.
    if wanted.edited(edits) == wanted && !renames_its_own_names(edits) {
        let reader = FileReader::new(File::open(file.path()).unwrap()).unwrap();
        let again = prepare(&reader, &after, edits, &options)
            .map_err(|e| TestCaseError::fail(format!("{about}, again: {e}")))?;
        let writes = again.patch.map_or(0, |p| p.steps.len());
        prop_assert!(writes == 0, "{about}: a second time writes {writes} times");
    }
    Ok(written)
}

/// The short run takes the same cases each time, the long one many others.
fn runner(share: u32) -> TestRunner {
    let long = crate::support::long();
    let config = ProptestConfig {
        cases: if long { 20_000 } else { 120 } / share,
        failure_persistence: None,
        max_shrink_iters: 300,
        ..ProptestConfig::default()
    };
    if long {
        TestRunner::new(config)
    } else {
        TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
    }
}

/// Fails with the reason and the smallest case, its strings as text.
fn no_failure<T: std::fmt::Debug>(outcome: Result<(), TestError<T>>) {
    match outcome {
        Ok(()) => {}
        Err(TestError::Abort(reason)) => panic!("{reason}"),
        Err(TestError::Fail(reason, case)) => {
            let numbers = regex::bytes::Regex::new(r"\[(?:[0-9]+(?:, )?)*\]").unwrap();
            let shown = format!("{case:?}");
            let shown =
                numbers.replace_all(shown.as_bytes(), |found: &regex::bytes::Captures<'_>| {
                    let list = String::from_utf8_lossy(&found[0]).into_owned();
                    let bytes = list.trim_matches(['[', ']']).split(", ");
                    let bytes: Vec<u8> = bytes.filter_map(|n| n.parse().ok()).collect();
                    let start = &bytes[..bytes.len().min(40)];
                    format!("\"{}\" ({} bytes)", start.escape_ascii(), bytes.len()).into_bytes()
                });
            panic!("{reason}\nfor {}", String::from_utf8_lossy(&shown));
        }
    }
}

#[test]
fn any_edits_of_any_file_read_back_and_change_nothing_else() {
    let strategy = (0..FILES.len(), prop::collection::vec(edit(), 1..6));
    let outcome = runner(1).run(&strategy, |(which, edits)| {
        let (about, bytes) = &files()[which];
        check(about, bytes, &edits).map(|_| ())
    });
    no_failure(outcome);
}

#[test]
fn a_chain_of_rewrites_stays_readable() {
    let strategy = (
        0..FILES.len(),
        prop::collection::vec(prop::collection::vec(edit(), 1..3), 2..8),
    );
    let outcome = runner(4).run(&strategy, |(which, rounds)| {
        let (about, bytes) = &files()[which];
        let mut bytes = bytes.clone();
        for edits in &rounds {
            bytes = check(about, &bytes, edits)?;
        }
        Ok(())
    });
    no_failure(outcome);
}
