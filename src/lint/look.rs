//! Reads the inputs of the rules for a file, and runs them.

use super::below::{Covered, OwnFaults};
use super::context::Context;
use super::interface;
use super::meeting::CudaLibraries;
use super::plugins::Plugins;
use super::runtimes::{self, KnownLibraries, RuntimeKind, meet_here};
use super::tree::Member;
use super::{Check, Finding, Input, Options, Said, Sayings, SelectedRules, Subject, TextFile};
use crate::advice::Advice;
use crate::cuda::device_code::{self, DeviceCode};
use crate::cuda::linkage::Cudart;
use crate::cuda::symbols::{REGISTERS, of_interface};
use crate::loader::{Environment, Loader, Resolution, Step, TreeLoaders};
use crate::near::{self, Surroundings};
use crate::path_list::PathList;
use crate::rodata::{self, Contents};
use elf_edit::{ElfInfo, FileId, FileReader, ReadAt, ReadError};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

/// Text files larger than this are no configuration.
const MAX_TEXT: u64 = 1 << 20;
/// Names of files that builds read.
const TEXT_NAMES: [&str; 8] = ["pc", "cmake", "la", "sh", "profile", "cfg", "conf", "prf"];

/// Results for one file.
#[derive(Debug, Default)]
pub(crate) struct Looked {
    pub findings: Vec<Finding>,
    /// Its properties for the rules about trees.
    pub member: Option<Member>,
}

/// Lints files of one package, or of many.
pub(crate) struct Linter {
    loader: Loader,
    /// The same without LD_LIBRARY_PATH, if that is set.
    elsewhere: Option<Loader>,
    options: Options,
    rules: SelectedRules,
    libraries: KnownLibraries,
    faults: OwnFaults,
    tree: TreeLoaders,
    plugins: Plugins,
    around: Surroundings,
    sayings: Sayings,
}

impl Linter {
    /// One that finds libraries as programs do in this environment.
    /// `tree` and `files` are the files that are linted, absolute and as the user names them.
    pub(crate) fn new(
        environment: Environment,
        options: Options,
        rules: SelectedRules,
        tree: TreeLoaders,
        files: Arc<PathList>,
    ) -> Linter {
        let without = Environment {
            library_path: None,
            preload: None,
            ..environment.clone()
        };
        let has_path = environment.library_path.is_some();
        let around = Surroundings::new(
            files,
            environment.library_path.clone(),
            options.root.clone(),
        );
        let mut loader = Loader::new(environment);
        loader.read_symbols(rules.read(Input::Symbols));
        loader.note_registration(rules.read(Input::Interfaces));
        Linter {
            loader,
            elsewhere: has_path.then(|| Loader::new(without)),
            options,
            rules,
            libraries: KnownLibraries::default(),
            faults: OwnFaults::default(),
            plugins: Plugins::new(tree.files().clone()),
            tree,
            around,
            sayings: Sayings::default(),
        }
    }

    /// Asks all rules for ELF files. `path` is absolute, `shown` is how the user names the file.
    pub(crate) fn elf(
        &self,
        shown: &Path,
        path: &Path,
        file: &FileReader,
        info: &ElfInfo,
    ) -> Result<Looked, ReadError> {
        self.elf_and(shown, path, file, info, |_| ())
            .map(|(looked, ())| looked)
    }

    /// The same for a caller who has a use for the inputs of the rules.
    pub(crate) fn elf_and<T>(
        &self,
        shown: &Path,
        path: &Path,
        file: &FileReader,
        info: &ElfInfo,
        also: impl FnOnce(&Subject<'_>) -> T,
    ) -> Result<(Looked, T), ReadError> {
        let context = self.options.contexts.of(path);
        let inputs = self.rules.inputs(context);
        let reads = |input| inputs.contains(&input);
        let (contents, code) = contents(&inputs, file, info)?;
        let names = &contents.sonames;
        let resolution = self.tree.resolve(&self.loader, path, file, info, names)?;
        let through_environment = self.through_environment(path, file, info, &resolution)?;
        let advice = self.advice(shown, info, &resolution);
        let runtimes = match reads(Input::Runtimes) {
            false if !reads(Input::SharedRuntimes) => Vec::new(),
            all => self.libraries.runtimes(&self.loader, &resolution, all),
        };
        let (mut lacking, mut older) = Default::default();
        if reads(Input::Interfaces) {
            lacking = unprovided(&self.loader, file, info, &resolution)?;
            older = interface::older(&self.loader, file, info, &resolution)?;
        }
        let options = &self.options;
        let covered = Covered { options, context };
        let below = &self.faults;
        let below = below.below(&self.loader, &self.tree, &resolution, &covered);
        let plugin = || self.plugins.opener(&self.loader, path, info);
        let asks = reads(Input::Opener) && lacks_library(&resolution);
        let opener = asks.then(plugin).flatten();
        let subject = Subject {
            path,
            opener: opener.as_deref(),
            shown,
            info,
            contents: &contents,
            cudart: &Cudart::new(info, contents.cudart.as_ref()),
            device_code: &code,
            advice: &advice,
            unprovided: &lacking,
            older: &older,
            below: &below,
            cuda_libraries: &CudaLibraries::of(&resolution),
            runtimes_meet: meet_here(&resolution, &runtimes, |_| true),
            shared_runtimes_meet: meet_here(&resolution, &runtimes, RuntimeKind::is_shared),
            runtimes: &runtimes,
            through_environment: &through_environment,
            resolution: &resolution,
            context,
            options,
        };
        let named = Arc::from(shown);
        let findings = self.ask(&named, context, |check, say| match check {
            Check::Elf(check) | Check::Both(check, _) => {
                check(&subject, &mut |message| say(message.into()));
            }
            Check::Advised(check) => check(&subject, say),
            Check::Text(_) | Check::Tree(_) => {}
        });
        let samples = reads(Input::Samples);
        let member = Member::read(named, file, info, contents.libdevice, context, samples)?;
        let looked = Looked {
            findings,
            member: Some(member),
        };
        Ok((looked, also(&subject)))
    }

    /// The words of its findings.
    pub(crate) fn sayings(&self) -> &Sayings {
        &self.sayings
    }

    /// The file at a path that a resolution names.
    pub(crate) fn id_of(&self, path: &[u8]) -> Option<FileId> {
        let path = self.loader.real_path(Path::new(OsStr::from_bytes(path)))?;
        FileId::at(&path).ok()
    }

    /// Advice for each of the problems of a file, in their order.
    fn advice(&self, shown: &Path, info: &ElfInfo, resolution: &Resolution) -> Vec<Advice> {
        let problems = resolution.problems().into_iter();
        let advise = |problem| near::advice(&self.around, shown, info, resolution, problem);
        problems.map(advise).collect()
    }

    /// What the file needs and finds through LD_LIBRARY_PATH alone.
    fn through_environment(
        &self,
        path: &Path,
        file: &FileReader,
        info: &ElfInfo,
        resolution: &Resolution,
    ) -> Result<Vec<Vec<u8>>, ReadError> {
        Ok(match &self.elsewhere {
            Some(elsewhere) if by_environment(resolution).next().is_some() => {
                let without = elsewhere.resolve(path, file, info, &[])?;
                let missing = without.objects.first().into_iter().flat_map(|o| &o.needs);
                let missing: BTreeSet<_> = missing
                    .filter(|need| need.object.is_none())
                    .map(|need| need.name.clone())
                    .collect();
                let names = by_environment(resolution).cloned();
                names.filter(|name| missing.contains(name)).collect()
            }
            _ => Vec::new(),
        })
    }

    /// Asks all rules for text files, if this is one that builds read.
    pub(crate) fn text_file(
        &self,
        shown: &Path,
        path: &Path,
        file: &FileReader,
    ) -> io::Result<Looked> {
        let Some(bytes) = text(shown, file)? else {
            return Ok(Looked::default());
        };
        let text = TextFile { bytes: &bytes };
        let context = self.options.contexts.of(path);
        let findings = self.ask(&shown.into(), context, |check, say| {
            if let Check::Text(check) = check {
                check(&text, &mut |message| say(message.into()));
            }
        });
        Ok(Looked {
            findings,
            member: None,
        })
    }

    fn ask(
        &self,
        shown: &Arc<Path>,
        context: Context,
        run: impl Fn(&Check, &mut dyn FnMut(Said)),
    ) -> Vec<Finding> {
        let mut found = Vec::new();
        for (at, rule) in self.rules.of(context) {
            run(&rule.check, &mut |said| {
                let shown = shown.clone();
                found.push(Finding::new(shown, at, context, said, &self.sayings));
            });
        }
        found
    }
}

/// The file's read-only data and device code, as far as rules read them.
fn contents(
    inputs: &BTreeSet<Input>,
    file: &FileReader,
    info: &ElfInfo,
) -> Result<(Contents, DeviceCode), ReadError> {
    let (mut contents, mut code) = Default::default();
    let reads = |input| inputs.contains(&input);
    match (reads(Input::Strings), reads(Input::DeviceCode)) {
        (true, true) => (contents, code) = rodata::read_with_device_code(file, info)?,
        (true, false) => contents = rodata::read(file, info)?,
        (false, true) => code = device_code::read_elf(file, &info.header)?,
        (false, false) => {}
    }
    Ok((contents, code))
}

/// The contents of a text file that builds read.
fn text(path: &Path, file: &FileReader) -> io::Result<Option<Vec<u8>>> {
    let extension = path.extension().and_then(|e| e.to_str());
    if !extension.is_some_and(|e| TEXT_NAMES.contains(&e)) || file.len() > MAX_TEXT {
        return Ok(None);
    }
    let bytes = file.read_vec(0, file.len() as usize)?;
    Ok((!bytes.contains(&0)).then_some(bytes))
}

/// Whether a rule for text files finds anything, wherever the file is. One that can't be read
/// counts, so that it is reported.
pub(super) fn has_text_finding(rules: &SelectedRules, path: &Path, file: &FileReader) -> bool {
    let is_text = |check: &Check| matches!(check, Check::Text(_));
    if !rules.iter().any(|(_, rule)| is_text(&rule.check)) {
        return false;
    }
    let Ok(bytes) = text(path, file).map(Option::unwrap_or_default) else {
        return true;
    };
    let mut found = false;
    for (_, rule) in rules.iter() {
        if let Check::Text(check) = rule.check {
            check(&TextFile { bytes: &bytes }, &mut |_| found = true);
        }
    }
    found
}

/// Dependencies that are found through LD_LIBRARY_PATH.
fn by_environment(resolution: &Resolution) -> impl Iterator<Item = &Vec<u8>> {
    let needs = resolution
        .objects
        .first()
        .into_iter()
        .flat_map(|o| &o.needs);
    let found = needs.filter(|n| n.via.is_some_and(|via| via.step == Step::LibraryPath));
    found.map(|need| &need.name)
}

/// Symbols `__cudaRegister…` that the file wants and that nothing has that is loaded with it.
fn unprovided(
    loader: &Loader,
    file: &FileReader,
    info: &ElfInfo,
    resolution: &Resolution,
) -> Result<BTreeSet<Vec<u8>>, ReadError> {
    let own = resolution.objects.first();
    let library = own.and_then(|object| object.library.as_deref());
    if library.is_some_and(|library| !loader.may_register(library)) {
        return Ok(BTreeSet::new());
    }
    let mut wanted = of_interface(file, info, &[REGISTERS])?.wanted;
    for object in resolution.loaded().iter().skip(1) {
        if wanted.is_empty() {
            break;
        }
        let library = runtimes::open(loader, &object.path);
        let found = library.and_then(|(file, info)| of_interface(&file, &info, &[REGISTERS]).ok());
        let defined = found.unwrap_or_default().defined;
        wanted.retain(|name| !defined.contains(name));
    }
    Ok(wanted)
}

/// Whether the loader finds a library of the file's own needs nowhere.
fn lacks_library(resolution: &Resolution) -> bool {
    let own = resolution.objects.first().into_iter();
    own.flat_map(|object| &object.needs)
        .any(|need| need.object.is_none())
}
