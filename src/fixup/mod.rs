//! The one way of every fixup: scan, facts, plan, apply. A first pass opens each file of the
//! trees once and keeps a few bytes of each library for the index; the second reads the ELF files
//! again, decides and writes, so that memory stays small however large the trees are.

mod absolute;
mod cache;
mod file_system;
mod first_pass;
mod inherited;
mod libc;
mod relative;
mod request;
mod results;

pub(crate) use file_system::FileSystem;
pub(crate) use libc::{Libc, platform_of};
pub(crate) use relative::Relative;
pub(crate) use request::{FixupProgress, FixupRequest};
pub(crate) use results::{FileReport, SideEffects, Status, Summary};

use crate::parallel;
use crate::plan::{self, Context, Plan, Policy};
use crate::resolution;
use crate::rodata;
use crate::scan::{self, FileError, Root, Skip, Visited};
use crate::soname_index::{Index, LibraryInfo, RunpathDirectories};
use absolute::Absolute;
use elf_edit::{ElfInfo, FileId, FileReader, Patience};
use first_pass::{look, only_of_platform, only_selected};
use inherited::Inherited;
use rayon::ThreadPool;
use relative::RelativeRoots;
use std::collections::BTreeMap;
use std::io;
use std::mem;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

/// Runs a request on the threads of `pool`. `emit` receives the files in an order that depends on
/// neither threads nor the file system; `waits` receives a file that another process has locked,
/// once the wait is long enough to be reported.
pub(crate) fn run(
    pool: &ThreadPool,
    request: &FixupRequest,
    waits: &(dyn Fn(&Path) + Sync),
    emit: &mut (dyn FnMut(&FileReport) -> io::Result<()> + Send),
) -> io::Result<Summary> {
    let runpaths = RunpathDirectories::default();
    let skipped_files = Mutex::new(Vec::new());
    let mut visit = look(pool, request, &runpaths, &skipped_files);
    let (roots, links) = (mem::take(&mut visit.roots), mem::take(&mut visit.links));
    let mut skipped_files = skipped_files
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    let mut index = Index::new(runpaths);
    if request.policy.finds_dependencies() {
        let mut problems = pool.install(|| {
            if request.index_own {
                index.add_trees(&roots, &visit.files, &links);
            }
            index.add_directories(&request.libs)
        });
        if !request.skip_unreadable_libs {
            visit.problems.append(&mut problems);
        }
    }
    let policy = &request.policy;
    let inherited = match policy.force_rpath {
        true => Inherited::default(),
        false => pool.install(|| Inherited::new(&visit.files, policy.finds_dependencies())),
    };
    let relative = RelativeRoots::new(request, &roots, &links);
    drop(links);
    only_of_platform(request, &mut visit, &mut skipped_files);
    only_selected(request, &mut visit);
    skipped_files.sort_by(|(a, _), (b, _)| a.cmp(b));

    let mut summary = Summary {
        skipped_files,
        skipped: visit.skipped,
        problems: visit.problems,
        searched: index.searched().cloned().collect(),
        ..Summary::default()
    };
    let mut pass = SecondPass {
        policy: with_roots(&request.policy, &relative),
        selected: selected_policies(request, &relative),
        relative,
        inherited,
        file_system: FileSystem::new(index, request.libc.clone()),
        request,
        roots,
        waits,
        absolute: None,
    };
    if request.resolution == resolution::Mode::Absolute {
        pass.absolute = Some(Absolute::new(&pass, pool, &visit.files));
    }
    let progress = &request.progress;
    progress.files.store(visit.files.len(), Ordering::Relaxed);
    let mut note = |results: Vec<_>| {
        let mut results = results.into_iter();
        results.try_for_each(|result| summary.note(result, emit))
    };
    pool.install(|| parallel::stream(&visit.files, |file| pass.fix(file), &mut note))?;
    Ok(summary)
}

fn leads_to(name: &Path, file: FileId) -> bool {
    FileId::at(name).is_ok_and(|id| id == file)
}

fn selected_policies<'a>(
    request: &'a FixupRequest,
    relative: &RelativeRoots,
) -> BTreeMap<&'a Path, Policy> {
    let selected = request.selected.iter().flatten();
    selected
        .map(|(name, policy)| (name.as_path(), with_roots(policy, relative)))
        .collect()
}

fn with_roots(policy: &Policy, relative: &RelativeRoots) -> Policy {
    let mut policy = policy.clone();
    policy.relative_roots.extend(relative.roots());
    policy
}

struct SecondPass<'a> {
    request: &'a FixupRequest,
    policy: Policy,
    /// Policies of single files, by the name under which they were met.
    selected: BTreeMap<&'a Path, Policy>,
    relative: RelativeRoots,
    inherited: Inherited,
    file_system: FileSystem,
    roots: Vec<Root>,
    waits: &'a (dyn Fn(&Path) + Sync),
    /// The names of all files, where they become paths.
    absolute: Option<Absolute>,
}

impl SecondPass<'_> {
    /// Fixes a file: one report, or one for each file that its names lead to by now.
    fn fix(&self, file: &Visited<LibraryInfo>) -> Vec<Result<FileReport, (PathBuf, FileError)>> {
        self.request.progress.done.fetch_add(1, Ordering::Relaxed);
        let mut names = self.names(file);
        let mut results = Vec::with_capacity(1);
        while let Some(first) = names.first().cloned() {
            let mut elsewhere = Vec::new();
            let result = self.fix_names(file, &first, names, &mut elsewhere);
            results.push(result.map_err(|pass| (first, pass)));
            names = elsewhere;
        }
        results
    }

    /// The names to write to: for a link that the user named, its target.
    fn names(&self, file: &Visited<LibraryInfo>) -> Vec<PathBuf> {
        let follow = |name: &PathBuf| match name.canonicalize() {
            Ok(target) if file.named && name.is_symlink() => target,
            _ => name.clone(),
        };
        file.names
            .iter()
            .map(|name| {
                if file.named {
                    follow(name)
                } else {
                    name.clone()
                }
            })
            .collect()
    }

    /// Fixes the file that `first`, the first of the names, leads to. The names that lead to another
    /// one are added to `elsewhere`: another run may be replacing the file by a changed copy, name by
    /// name.
    fn fix_names(
        &self,
        file: &Visited<LibraryInfo>,
        first: &Path,
        mut names: Vec<PathBuf>,
        elsewhere: &mut Vec<PathBuf>,
    ) -> Result<FileReport, FileError> {
        let (lock, reader) = if self.request.dry_run {
            (None, scan::open(first, false)?)
        } else if let Some((lock, reader)) = scan::open_locked(first, Patience::NONE, self.waits)? {
            (Some(lock), reader)
        } else {
            // Another process holds its lock. That matters only if there is something to change.
            let reader = scan::open(first, false)?;
            let id = FileId::from(&reader);
            // A header that it writes at this moment may look malformed: read again without it.
            if names[1..].iter().all(|name| leads_to(name, id))
                && let Ok((info, plan)) = self.examine(file, &names, &reader)
                && plan.edits.is_empty()
            {
                return Ok(self.report(names, id, &info, plan, Status::Unchanged));
            }
            let waited = scan::open_locked(first, Patience::default(), self.waits)?;
            let (lock, reader) = waited.ok_or(FileError::Skip(Skip::Vanished))?;
            (Some(lock), reader)
        };
        let id = FileId::from(&reader);
        elsewhere.extend(names.extract_if(1.., |name| !leads_to(name, id)));
        let (info, plan) = self.examine(file, &names, &reader)?;
        let status = self.apply(&names, &reader, &info, &plan);
        Ok(FileReport {
            locked: lock.is_none_or(|lock| lock.is_held()),
            ..self.report(names, id, &info, plan, status)
        })
    }

    /// Reads a file and decides what to change.
    fn examine(
        &self,
        file: &Visited<LibraryInfo>,
        names: &[PathBuf],
        reader: &FileReader,
    ) -> Result<(ElfInfo, Plan), FileError> {
        let (info, mut plan) = self.examine_search(file, names, reader)?;
        match &self.absolute {
            Some(absolute) => absolute.of(FileId::from(reader)).apply(&mut plan),
            None => cache::add(
                self.request.resolution,
                self.policy_of(file),
                &info,
                &mut plan,
            ),
        }
        Ok((info, plan))
    }

    /// The same without what follows from the RUNPATHs of all files.
    fn examine_search(
        &self,
        file: &Visited<LibraryInfo>,
        names: &[PathBuf],
        reader: &FileReader,
    ) -> Result<(ElfInfo, Plan), FileError> {
        let info = scan::dynamic_info(reader)?;
        self.check_kind(file.named, reader, &info)?;
        if let (Some(why), Some(_)) = (&self.request.no_interpreter, &info.interpreter) {
            return Err(FileError::Problem(why.clone()));
        }
        let plan = self.plan(self.policy_of(file), file.id, names, reader, &info)?;
        Ok((info, plan))
    }

    fn policy_of(&self, file: &Visited<LibraryInfo>) -> &Policy {
        let met = file.names.iter();
        let own = met.filter_map(|name| self.selected.get(name.as_path()));
        own.last().unwrap_or(&self.policy)
    }

    /// The absolute directory, free of links, of each name.
    fn origins(&self, names: &[PathBuf]) -> Vec<Vec<u8>> {
        let directory = |name: &PathBuf| {
            let whole = scan::absolute(&self.roots, name).or_else(|| name.canonicalize().ok())?;
            Some(whole.parent()?.as_os_str().as_bytes().to_vec())
        };
        names.iter().filter_map(directory).collect()
    }

    /// Passes over files that no RUNPATH suits. They are in the index all the same: a libc may be
    /// a loader, too.
    fn check_kind(&self, named: bool, file: &FileReader, info: &ElfInfo) -> Result<(), FileError> {
        let unfit = elf_edit::unfit(file, info)
            .map_err(|error| FileError::Problem(format!("cannot be read: {error}")))?;
        if let Some(unfit) = &unfit
            && named
            && self.request.refuse_unfit
        {
            return Err(FileError::Problem(unfit.to_string()));
        }
        let skip = match unfit {
            Some(elf_edit::Unfit::Loader) => Skip::Loader,
            Some(elf_edit::Unfit::Vdso) => Skip::Vdso,
            Some(elf_edit::Unfit::Device) => Skip::Device,
            // With a platform to compare with, files of others are gone already.
            None if self.request.platform.is_none() && !info.platform().is_linux() => {
                Skip::ForeignOsAbi
            }
            None => return Ok(()),
        };
        Err(FileError::Skip(skip))
    }

    fn plan(
        &self,
        policy: &Policy,
        id: FileId,
        names: &[PathBuf],
        file: &FileReader,
        info: &ElfInfo,
    ) -> Result<Plan, FileError> {
        let contents = if policy.needs_contents(self.request.report_dlopen) {
            let contents = rodata::read(file, info);
            Some(contents.map_err(|error| FileError::Problem(error.to_string()))?)
        } else {
            None
        };
        let origins = self.origins(names);
        let context = Context {
            policy,
            libraries: &self.file_system,
            origins: &origins,
            contents: contents.as_ref(),
            stays_absolute: names
                .first()
                .and_then(|name| self.relative.stays_absolute(name, file, info)),
            inherited: self.inherited.of(id),
        };
        Ok(match self.request.resolution {
            resolution::Mode::Absolute => {
                plan::plan(&absolute::searched(info, context.origin()), &context)
            }
            _ => plan::plan(info, &context),
        })
    }

    fn apply(&self, names: &[PathBuf], file: &FileReader, info: &ElfInfo, plan: &Plan) -> Status {
        if plan.edits.is_empty() {
            return Status::Unchanged;
        }
        let options = &self.request.rewrite;
        if self.request.dry_run {
            return match elf_edit::prepare(file, info, &plan.edits, options) {
                Ok(prepared) => Status::Planned(SideEffects {
                    strip_safe: prepared.patch.as_ref().is_none_or(|p| p.strip_safe),
                    tail_copied: prepared.patch.as_ref().map_or(0, |p| p.tail_copied),
                }),
                Err(error) => Status::Failed(error.to_string()),
            };
        }
        match elf_edit::rewrite(names, file, info, &plan.edits, options) {
            Ok(done) if done.changed => Status::Changed(done),
            Ok(_) => Status::Unchanged,
            Err(error) => Status::Failed(error.to_string()),
        }
    }

    fn report(
        &self,
        names: Vec<PathBuf>,
        file: FileId,
        info: &ElfInfo,
        plan: Plan,
        status: Status,
    ) -> FileReport {
        let absolute = self.absolute.as_ref().map(|a| a.of(file).names.clone());
        FileReport {
            names,
            kind: info.kind.as_str(),
            platform: info.platform(),
            absolute: absolute.unwrap_or_default(),
            plan,
            status,
            locked: true,
        }
    }
}
