//! Describes what unpacked archives hold: libraries and programs, what they need and for which GPUs
//! they are built, stubs, static libraries, headers, and files for pkg-config, CMake and Python.

mod elf;
mod floor;
mod layout;
mod python;
pub(crate) mod wheels;

pub(crate) use elf::{CudartFeature, ElfFeatures, ImageSet};
pub(crate) use floor::Floor;
pub(crate) use python::PythonModule;

use crate::escape::shown;
use crate::scan::{self, FileList, ScanProblem, Visited, Walk};
use elf::Contents;
use layout::{FileKind, Layout};
use serde::Serialize;
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

/// All of one archive. Paths are relative to [`Features::path`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Features {
    /// The directory, as named.
    pub path: String,
    /// Where below it bin, include and lib are; empty: in itself.
    pub prefix: String,
    /// Number of files and links.
    pub files: usize,
    /// The outputs of a package that its files go to.
    pub outputs: Vec<String>,
    /// Folders below lib that are named after a version of CUDA.
    pub cuda_folders: Vec<String>,
    /// The newest versions that any library or program needs.
    #[serde(flatten)]
    pub floor: Floor,
    /// Device code of all files.
    #[serde(flatten)]
    pub images: ImageSet,
    pub libraries: Vec<ElfFeatures>,
    pub executables: Vec<Executable>,
    pub stubs: Vec<ElfFeatures>,
    pub static_libraries: Vec<DeviceCodeFile>,
    /// Cubins, fatbins and object files.
    pub device_code_files: Vec<DeviceCodeFile>,
    pub headers: Headers,
    pub pkg_config: Vec<String>,
    pub cmake: Vec<String>,
    pub python: Vec<PythonModule>,
}

/// A program, or a script.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum Executable {
    Program(Box<ElfFeatures>),
    Script { path: String, script: String },
}

/// A file whose device code is all that it is described by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct DeviceCodeFile {
    pub path: String,
    #[serde(flatten)]
    pub images: ImageSet,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Headers {
    pub count: usize,
    /// Files and directories (with a slash) right below `include`.
    pub top: Vec<String>,
}

/// The archives in the order of `directories`, and the files that can't be read.
pub(crate) fn read(directories: &[PathBuf]) -> (Vec<Features>, Vec<ScanProblem>) {
    let mut tree = scan::list(Walk {
        wanted_link: &|_| true,
        ..Walk::of(directories)
    });
    let mut archives: Vec<Archive> = (0..tree.roots.len())
        .map(|root| Archive::new(&tree, root))
        .collect();
    // Headers by the thousand are known by their paths.
    tree.files
        .retain(|file| archives[file.root].kind(&file.path) == FileKind::Unknown);
    let links = links(&tree);
    let visit = scan::visit_listed(tree, |walked, file| elf::read(&walked.path, file));
    for file in visit.files {
        archives[file.root].add(file, &links);
    }
    let archives = archives.into_iter().map(Archive::finish).collect();
    (archives, visit.problems)
}

/// Links by the file that they lead to.
fn links(tree: &FileList) -> HashMap<PathBuf, Vec<PathBuf>> {
    let mut links: HashMap<PathBuf, Vec<PathBuf>> = HashMap::new();
    for link in &tree.links {
        if let Ok(target) = link.path.canonicalize() {
            links.entry(target).or_default().push(link.path.clone());
        }
    }
    links
}

/// The links to directories of one archive, by path, with what they name.
fn link_targets(tree: &FileList, root: usize) -> Vec<(String, String)> {
    let given = &tree.roots[root].given;
    let links = tree.links.iter().filter(|link| link.root == root);
    let links = links.filter(|link| link.path.is_dir()).filter_map(|link| {
        let to = std::fs::read_link(&link.path).ok()?;
        Some((below(given, &link.path), to.to_str()?.to_owned()))
    });
    links.collect()
}

/// An archive while it is read.
struct Archive {
    given: PathBuf,
    layout: Layout,
    features: Features,
}

impl Features {
    /// Faults of files that are described all the same.
    pub(crate) fn problems(&self) -> Vec<String> {
        let libraries = self.libraries.iter().chain(&self.stubs);
        let programs = self
            .executables
            .iter()
            .filter_map(|executable| match executable {
                Executable::Program(program) => Some(&**program),
                Executable::Script { .. } => None,
            });
        let elf = libraries
            .chain(programs)
            .map(|elf| (&elf.path, &elf.images));
        let others = self.static_libraries.iter().chain(&self.device_code_files);
        let others = others.map(|file| (&file.path, &file.images));
        let all = elf.chain(others).flat_map(|(path, images)| {
            let problems = images.problems.iter();
            problems.map(move |problem| format!("{path}: {problem}"))
        });
        all.collect()
    }
}

impl Archive {
    fn new(tree: &FileList, root: usize) -> Archive {
        let given = tree.roots[root].given.clone();
        let files = tree.files.iter().filter(|file| file.root == root);
        let links = tree.links.iter().filter(|link| link.root == root);
        let paths = files.map(|f| &f.path).chain(links.map(|l| &l.path));
        let paths: BTreeSet<String> = paths.map(|path| below(&given, path)).collect();
        let layout = Layout::new(&paths, &link_targets(tree, root));
        let mut features = Features {
            path: shown(&given).to_string(),
            prefix: layout.prefix().to_owned(),
            files: paths.len(),
            outputs: layout.outputs(&paths),
            cuda_folders: layout.cuda_folders(),
            python: python::modules(&paths),
            ..Features::default()
        };
        let mut top = BTreeSet::new();
        for path in &paths {
            match layout.kind(path) {
                FileKind::Header(name) => {
                    features.headers.count += 1;
                    top.insert(name);
                }
                FileKind::PkgConfig => features.pkg_config.push(path.clone()),
                FileKind::CMake => features.cmake.push(path.clone()),
                FileKind::Python | FileKind::Unknown => {}
            }
        }
        features.headers.top = top.into_iter().collect();
        Archive {
            given,
            layout,
            features,
        }
    }

    fn kind(&self, path: &Path) -> FileKind {
        self.layout.kind(&below(&self.given, path))
    }

    fn add(&mut self, file: Visited<Contents>, links: &HashMap<PathBuf, Vec<PathBuf>>) {
        let path = below(&self.given, &file.names[0]);
        let features = &mut self.features;
        match file.value {
            Contents::Elf(mut elf) => {
                let target = file.names[0].canonicalize().unwrap_or_default();
                let links = links.get(&target).into_iter().flatten();
                let names = file.names[1..].iter().chain(links);
                elf.links = names.map(|name| below(&self.given, name)).collect();
                elf.links.sort();
                elf.path = path;
                if layout::is_stub(&elf.path) {
                    features.stubs.push(*elf);
                    return;
                }
                features.floor.raise(&elf.floor);
                features.images.merge(&elf.images);
                features.python.extend(python::extension(&elf));
                if elf.is_library {
                    features.libraries.push(*elf);
                } else {
                    features.executables.push(Executable::Program(elf));
                }
            }
            Contents::Script(script) => {
                features
                    .executables
                    .push(Executable::Script { path, script });
            }
            Contents::StaticLibrary(images) => {
                features.images.merge(&images);
                let file = DeviceCodeFile { path, images };
                features.static_libraries.push(file);
            }
            Contents::DeviceCode(images) => {
                features.images.merge(&images);
                let file = DeviceCodeFile { path, images };
                features.device_code_files.push(file);
            }
        }
    }

    fn finish(mut self) -> Features {
        self.features.python.sort();
        self.features
    }
}

/// The path below a directory, shown.
fn below(directory: &Path, path: &Path) -> String {
    shown(path.strip_prefix(directory).unwrap_or(path)).to_string()
}
