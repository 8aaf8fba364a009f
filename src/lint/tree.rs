//! The input of the rules about a whole tree: its libraries and the names of its files.

use super::{Check, Context, Finding, Options, Sayings, SelectedRules};
use crate::scan::{Root, absolute};
use elf_edit::{ElfInfo, FileReader, ReadAt};
use foldhash::quality::FixedState;
use object::elf;
use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Smaller libraries are not compared with each other.
const BIG: u64 = 8 << 20;
/// Samples of the code of a big library, and bytes of each.
const SAMPLES: u64 = 64;
const SAMPLE: u64 = 4 << 10;

/// A dynamic ELF file of a tree.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// As the user names it.
    pub shown: Arc<Path>,
    pub soname: Option<Box<[u8]>>,
    pub size: u64,
    /// `e_machine`
    pub machine: u16,
    /// A hash of its code, for a big one.
    pub code: Option<u64>,
    /// It names libdevice.10.bc, which NVVM compiles with.
    pub wants_libdevice: bool,
    /// Where it is.
    pub context: Context,
}

impl Member {
    /// Properties of a file for later rules; the hash of its code only with `samples`.
    pub(crate) fn read(
        shown: Arc<Path>,
        file: &FileReader,
        info: &ElfInfo,
        wants_libdevice: bool,
        context: Context,
        samples: bool,
    ) -> io::Result<Member> {
        let soname = info.dynamic.as_ref().and_then(|d| d.soname.as_deref());
        let big = samples && info.size >= BIG;
        Ok(Member {
            shown,
            soname: soname.map(Box::from),
            size: info.size,
            machine: info.header.machine,
            code: big.then(|| code(file, info)).transpose()?,
            wants_libdevice,
            context,
        })
    }

    /// Its SONAME, else its file name.
    pub(crate) fn name(&self) -> &[u8] {
        let file_name = || self.shown.file_name().unwrap_or_default();
        match &self.soname {
            Some(soname) => soname,
            None => file_name().as_encoded_bytes(),
        }
    }
}

/// A hash of samples of the executable segments: tools that change SONAME or RUNPATH leave these
/// as they are.
fn code(file: &FileReader, info: &ElfInfo) -> io::Result<u64> {
    let mut hash = FixedState::default().build_hasher();
    let mut sample = vec![0; SAMPLE as usize];
    let executable = info.segments.iter();
    let executable = executable.filter(|s| s.p_type == elf::PT_LOAD && s.flags & elf::PF_X != 0);
    for segment in executable {
        hash.write_u64(segment.filesz);
        let step = (segment.filesz / SAMPLES).max(SAMPLE);
        let mut at = 0;
        while at < segment.filesz {
            let length = SAMPLE.min(segment.filesz - at);
            let Some(offset) = segment.offset.checked_add(at) else {
                break;
            };
            if offset.saturating_add(length) > info.size {
                break;
            }
            file.read_once_at(offset, &mut sample[..length as usize])?;
            hash.write(&sample[..length as usize]);
            at = at.saturating_add(step);
        }
    }
    Ok(hash.finish())
}

/// One tree that the user named.
pub(crate) struct LintedTree<'a> {
    /// As the user names it.
    pub root: &'a Path,
    /// Its dynamic ELF files, by path, each inode once.
    pub members: Vec<Member>,
    pub options: &'a Options,
    /// The file names in it.
    pub names: &'a BTreeSet<Vec<u8>>,
    /// Its METADATA files of Python packages, absolute.
    pub metadata: Vec<PathBuf>,
    /// This rule has a finding for a file of this tree.
    pub has_finding: bool,
}

/// Asks the rules for trees. `members` are those of all roots.
pub(crate) fn check(
    roots: &[Root],
    members: Vec<Member>,
    options: &Options,
    rules: &SelectedRules,
    findings: &[Finding],
    sayings: &Sayings,
) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut by_root: Vec<Vec<Member>> = roots.iter().map(|_| Vec::new()).collect();
    for member in members {
        if let Some((at, _)) = crate::scan::root_of(roots, &member.shown) {
            by_root[at].push(member);
        }
    }
    for (root, mut members) in roots.iter().zip(by_root) {
        members.sort_by(|a, b| a.shown.cmp(&b.shown));
        let mut tree = LintedTree {
            root: &root.given,
            members,
            options,
            names: &options.names,
            metadata: options
                .metadata
                .iter()
                .filter(|path| path.starts_with(&root.canonical))
                .cloned()
                .collect(),
            has_finding: false,
        };
        for (at, rule) in rules.iter() {
            let (Check::Tree(check) | Check::Both(_, check)) = &rule.check else {
                continue;
            };
            let here = |finding: &Finding| finding.path.starts_with(&root.given);
            tree.has_finding = findings.iter().any(|f| f.rule == at && here(f));
            check(&tree, &mut |path, message| {
                let absolute = absolute(roots, path).unwrap_or_default();
                let context = options.contexts.of(&options.inside(&absolute));
                let said = message.into();
                found.push(Finding::new(path.into(), at, context, said, sayings));
            });
        }
    }
    found
}
