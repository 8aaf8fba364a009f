//! Reads everything about trees that a report or a comparison shows, in one pass over their files,
//! and returns it as a value.

pub(crate) mod diff;
pub(crate) mod graph;
pub(crate) mod links;

use crate::cuda::device_code::{ByArch, by_arch};
use crate::cuda::linkage::{Cudart, Linkage};
use crate::lint::{self, Context, Finding, LintFiles, Linter, Options, SelectedRules, Subject};
use crate::loader::{Cpu, Environment, LoadedBy, SearchEntry, User, Verdict};
use crate::scan::{self, FileError, ScanProblem, Skip};
use elf_edit::{ElfInfo, FileId, FileReader, versions};
use graph::{Graph, LinkedFile};
use links::LibraryLink;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The files of some trees.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// The trees, as the user names them and without links.
    pub roots: Vec<scan::Root>,
    /// The dynamic ELF files, by tree and then by path; each inode once.
    pub files: Vec<SurveyedFile>,
    /// Sorted by path and rule.
    pub findings: Vec<Finding>,
    /// Files that can't be read.
    pub problems: Vec<ScanProblem>,
    /// Whether an archive among the trees could not be read.
    pub incomplete: bool,
    /// All other regular files.
    pub other_files: u64,
}

/// A dynamic ELF file.
#[derive(Clone, Debug)]
pub(crate) struct SurveyedFile {
    /// As the user names it.
    pub path: PathBuf,
    /// Inside its tree; of a file that the user names, its name.
    pub inside: PathBuf,
    pub id: FileId,
    pub facts: FileFacts,
}

/// The contents of a dynamic ELF file, as far as reports and comparisons need them.
#[derive(Clone, Debug)]
pub(crate) struct FileFacts {
    pub kind: &'static str,
    pub info: ElfHeaders,
    pub verdict: Verdict,
    /// Elements of RUNPATH and RPATH with the name of the tag.
    pub search: Vec<(&'static str, SearchEntry)>,
    pub links: Vec<LibraryLink>,
    pub cudart: Cudart,
    pub code: ByArch,
    /// Versions of symbols that it exports.
    pub exports: Vec<Vec<u8>>,
    /// Versions of symbols that it wants, by library.
    pub wants: BTreeMap<Vec<u8>, Vec<Vec<u8>>>,
}

/// The headers that reports show.
#[derive(Clone, Debug)]
pub(crate) struct ElfHeaders {
    pub size: u64,
    pub machine: u16,
    pub soname: Option<Vec<u8>>,
    pub interpreter: Option<Vec<u8>>,
}

impl ElfHeaders {
    /// `x86-64`
    pub(crate) fn machine_name(&self) -> String {
        match elf_edit::machine_name(self.machine) {
            Some(name) => name.to_owned(),
            None => format!("machine {}", self.machine),
        }
    }
}

/// Options of a survey.
#[derive(Clone, Debug)]
pub(crate) struct SurveyOptions {
    /// Directory of packages.
    pub store: PathBuf,
    /// Location of the files, which decides which rules apply.
    pub context: Option<Context>,
    /// Where absolute paths begin, if not at this machine's root; free of links.
    pub root: Option<PathBuf>,
}

impl Survey {
    /// Reads all files below `paths`, in the caller's pool of threads; `seen` counts them.
    pub(crate) fn read(
        paths: &[PathBuf],
        options: &SurveyOptions,
        cwd: PathBuf,
        seen: &AtomicUsize,
    ) -> Survey {
        let rules = SelectedRules::all();
        let files = LintFiles::find(paths, options.root.as_deref(), rules.clone());
        let number = files.all;
        let options = lint_options(options, &files);
        let linter = files.linter(environment(cwd), options.clone());
        let look = |shown: &Path, path: &Path, file: &FileReader| {
            seen.fetch_add(1, Ordering::Relaxed);
            one(&linter, shown, path, file)
        };
        let mut findings = Vec::new();
        let mut members = Vec::new();
        let mut surveyed = Vec::new();
        let problems = files.read(look, |at, (looked, facts): Surveyed| {
            findings.extend(looked.findings);
            members.extend(looked.member);
            surveyed.extend(facts.map(|facts| (at, facts)));
        });
        surveyed.sort_by_key(|(at, _)| *at);
        let roots = files.roots();
        let surveyed = surveyed.into_iter().map(|(at, (id, facts))| {
            let path = files.path(at);
            SurveyedFile {
                inside: inside(roots, &path),
                path,
                id,
                facts,
            }
        });
        let mut survey = Survey {
            roots: roots.to_vec(),
            files: surveyed.collect(),
            findings,
            problems,
            ..Survey::default()
        };
        let sayings = linter.sayings();
        let of_trees =
            lint::tree::check(roots, members, &options, &rules, &survey.findings, sayings);
        survey.findings.extend(of_trees);
        survey.findings.sort();
        survey.findings.dedup();
        survey.other_files = number.saturating_sub(survey.files.len() as u64);
        survey
    }
}

impl Survey {
    /// Whether the trees are in a store of packages, or search it for libraries.
    pub(crate) fn refers_to(&self, store: &Path) -> bool {
        let below = |path: &[u8]| path.starts_with(store.as_os_str().as_bytes());
        let mut roots = self.roots.iter();
        roots.any(|root| root.canonical.starts_with(store))
            || self.files.iter().any(|file| {
                let mut search = file.facts.search.iter();
                search.any(|(_, entry)| below(&entry.text))
                    || file.facts.info.interpreter.as_deref().is_some_and(below)
            })
    }

    /// Who needs and who opens whom. The first nodes are the files, in their order.
    pub(crate) fn graph(&self) -> Graph {
        let files = self.files.iter().map(|file| LinkedFile {
            path: file.path.as_os_str().as_bytes().to_vec(),
            id: file.id,
            links: file.facts.links.clone(),
        });
        Graph::new(files.collect())
    }
}

/// The path of a file inside its tree.
fn inside(roots: &[scan::Root], path: &Path) -> PathBuf {
    match scan::root_of(roots, path) {
        Some((_, inside)) if !inside.as_os_str().is_empty() => inside.to_owned(),
        _ => path.file_name().unwrap_or_default().into(),
    }
}

fn environment(cwd: PathBuf) -> Environment {
    Environment {
        // A package is for all users.
        user: User::Ordinary,
        cwd,
        cpu: Cpu::host(),
        ..Environment::default()
    }
}

fn lint_options(options: &SurveyOptions, files: &LintFiles) -> Options {
    let store = &options.store;
    let stores = [Some(store.clone()), fs::canonicalize(store).ok()];
    let of_run = Options {
        stores: stores.into_iter().flatten().collect(),
        ..Options::default()
    };
    files.options(options.context, of_run)
}

type Surveyed = (lint::Looked, Option<(FileId, FileFacts)>);

fn one(
    linter: &Linter,
    shown: &Path,
    path: &Path,
    file: &FileReader,
) -> Result<Surveyed, FileError> {
    let problem = |error: elf_edit::ReadError| FileError::Problem(error.to_string());
    let info = match scan::dynamic_info(file) {
        Ok(info) => info,
        Err(FileError::Skip(Skip::NotElf)) => {
            let looked = linter.text_file(shown, path, file);
            let looked = looked.map_err(|e| FileError::Problem(elf_edit::reason(&e)))?;
            return Ok((looked, None));
        }
        Err(other) => return Err(other),
    };
    let exports = versions::defined(file, &info).map_err(problem)?;
    let wants = versions::wanted(file, &info).map_err(problem)?;
    let (looked, mut facts) = linter
        .elf_and(shown, path, file, &info, |subject| facts(linter, subject))
        .map_err(problem)?;
    facts.exports = exports
        .into_iter()
        .flatten()
        .map(|version| version.name)
        .collect();
    for wanted in wants {
        let names = wanted.versions.into_iter().map(|version| version.name);
        facts.wants.entry(wanted.file).or_default().extend(names);
    }
    Ok((looked, Some((FileId::from(file), facts))))
}

fn facts(linter: &Linter, subject: &Subject<'_>) -> FileFacts {
    let info: &ElfInfo = subject.info;
    let search = subject.search_path();
    let verdict = match subject.resolution.loaded_by {
        LoadedBy::Nothing => Verdict::Loads,
        _ => subject.resolution.verdict(),
    };
    FileFacts {
        kind: info.kind.as_str(),
        info: ElfHeaders {
            size: info.size,
            machine: info.header.machine,
            soname: info.dynamic.as_ref().and_then(|d| d.soname.clone()),
            interpreter: info.interpreter.clone(),
        },
        verdict,
        search: search.map(|(tag, entry)| (tag, entry.clone())).collect(),
        links: links::links(subject.resolution, |path| linter.id_of(path)),
        cudart: subject.cudart.clone(),
        code: by_arch(subject.device_code),
        exports: Vec::new(),
        wants: BTreeMap::new(),
    }
}

/// `static 12.4`, `libcudart.so.12`, or nothing.
pub(crate) fn cudart_word(cudart: &Cudart) -> Option<String> {
    let version = cudart.version.map(|version| version.to_string());
    let needed = cudart.needed.as_deref();
    let needed = needed.map(|name| String::from_utf8_lossy(name).into_owned());
    let own = match cudart.linkage {
        Linkage::Static => Some(("static", version)),
        Linkage::Shared if needed.is_none() => Some(("the shared one", version)),
        Linkage::Shared | Linkage::None => None,
    };
    let own = own.map(|(word, version)| match version {
        Some(version) => format!("{word}, {version}"),
        None => word.to_owned(),
    });
    match (own, needed) {
        (Some(own), Some(needed)) => Some(format!("{own}; {needed}")),
        (own, needed) => own.or(needed),
    }
}
