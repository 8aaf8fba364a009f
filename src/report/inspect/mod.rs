//! The output of `inspect`: for people, as a tree, and as JSON, all from the same values.

mod cache;
mod environment;
mod headers;
mod human;
mod json;
mod problems;
mod schema;
mod tree;
mod why;

pub(crate) use headers::{headers, headers_json};
pub(crate) use human::human;
pub(crate) use json::{json, summary};
pub(crate) use problems::problems;
pub(crate) use tree::tree;
pub(crate) use why::why;

use crate::advice::Advice;
use crate::cuda::device_code::DeviceCode;
use crate::cuda::linkage::Cudart;
use crate::escape::{Shown, counted};
use crate::loader::{LoadedBy, Resolution, Step, Via};
use crate::terminal::Paint;
use elf_edit::machine_name;
use elf_edit::{Class, ElfInfo};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// One file with the results for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inspected<'a> {
    /// As named by the user, or found in a directory that they named.
    pub path: &'a Path,
    /// Scripts that the user named and that it runs.
    pub scripts: &'a [Script],
    pub info: &'a ElfInfo,
    /// The result of loading it.
    pub resolution: &'a Resolution,
    /// The result for an ordinary user, if `resolution` is about one for whom the loader is not in
    /// secure-execution mode.
    pub ordinary: Option<&'a Resolution>,
    /// Advice for each of its problems, in their order.
    pub advice: &'a [Advice],
    /// What is wrong with its resolution cache, by a look at the file system.
    pub stale_cache: &'a [String],
    /// Its CUDA, where that was looked for.
    pub cuda: Option<&'a Cuda>,
}

/// A script, which another program runs.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub path: PathBuf,
    /// Its first line behind `#!`.
    pub line: Vec<u8>,
}

/// The traces of CUDA in a file.
#[derive(Clone, Debug)]
pub(crate) struct Cuda {
    pub cudart: Cudart,
    pub code: DeviceCode,
    /// Every image is shown, not one line for each architecture.
    pub every: bool,
}

impl Inspected<'_> {
    fn machine(&self) -> String {
        machine(self.info)
    }

    /// A library's search depends on the program that loads it: alone is one case of many.
    fn on_its_own(&self) -> bool {
        self.resolution.loaded_by == LoadedBy::First
    }

    /// The process to which the result applies, if not the usual one: ` (run by root)`.
    fn context(&self) -> String {
        match &self.resolution.loaded_by {
            LoadedBy::Itself { user, privileges } if privileges.any() => {
                format!(" ({privileges}, run by {user})")
            }
            LoadedBy::First => " (on its own)".to_owned(),
            LoadedBy::Program { path, .. } => format!(" (in {})", shown(path)),
            _ => String::new(),
        }
    }

    /// The variable that brought an object.
    fn variable(&self, object: usize) -> &'static str {
        match self.resolution.objects[object].via {
            Some(via) if via.step == Step::Preload => "LD_PRELOAD",
            _ => "LD_LIBRARY_PATH",
        }
    }

    fn shown_object(&self, object: usize) -> Shown<'_> {
        Shown::from(self.resolution.objects[object].path.as_slice())
    }

    /// `RUNPATH`, `RPATH of /x/liby.so`: whose it is, unless the needing object's own.
    fn step(&self, step: Step, by: usize) -> String {
        match step.owner() {
            Some(owner) if owner != by => {
                format!("{} of {}", step.as_str(), self.shown_object(owner))
            }
            _ => match step {
                Step::Loaded => "already loaded".into(),
                Step::Default => "default directory".into(),
                Step::Path => "path".into(),
                _ => step.as_str().into(),
            },
        }
    }

    /// How object `by` finds `object`.
    fn via(&self, via: Option<Via>, by: usize, object: usize) -> String {
        let interpreter = self.resolution.interpreter.as_ref();
        let path = &self.resolution.objects[object].path;
        match via {
            Some(via) if via.step != Step::Loaded => self.step(via.step, by),
            _ if interpreter.is_some_and(|i| i.path == *path) => "the loader itself".into(),
            _ => self.step(Step::Loaded, by),
        }
    }
}

/// The libraries that a tree lacks, with the number of files that load each.
pub(crate) fn missing(names: &BTreeMap<Vec<u8>, u64>) -> String {
    let one = |(name, files): (&Vec<u8>, &u64)| {
        let files = counted(*files, "file needs it", "files need it");
        format!("  {}: {files}\n", shown(name))
    };
    match names.is_empty() {
        true => String::new(),
        false => format!("not found:\n{}", names.iter().map(one).collect::<String>()),
    }
}

/// Numbers of files of a tree that load, and that don't.
pub(crate) fn totals(files: u64, not: u64, unknown: u64, passed_over: u64) -> String {
    let mut text = match (files, not) {
        (0, _) => "no dynamic ELF file".to_owned(),
        (1, 0) if unknown == 0 => "1 file: it loads".to_owned(),
        (_, 0) if unknown == 0 => format!("{files} files: all load"),
        _ => format!("{}: {not} will not load", counted(files, "file", "files")),
    };
    if unknown > 0 {
        let _ = write!(text, ", {unknown} by an unknown loader");
    }
    if passed_over > 0 {
        let other = counted(passed_over, "other file", "other files");
        let _ = write!(text, "; {other} passed over");
    }
    text + "\n"
}

/// A line for each script that leads to a program.
pub(crate) fn scripts(scripts: &[Script], paint: Paint) -> String {
    let one = |script: &Script| {
        let path = paint.title(crate::escape::shown(&script.path));
        format!("{path}: script, run by {}\n", shown(&script.line))
    };
    scripts.iter().map(one).collect()
}

pub(crate) fn machine(info: &ElfInfo) -> String {
    let header = &info.header;
    match (machine_name(header.machine), header.format.class) {
        (Some("x86-64"), Class::Elf32) => "x32".into(),
        (Some(name), _) => name.into(),
        (None, _) => format!("machine {}", header.machine),
    }
}

fn shown(bytes: &[u8]) -> Shown<'_> {
    Shown::from(bytes)
}

/// A directory as people write it: without the slash at its end.
fn shown_dir(prefix: &[u8]) -> Shown<'_> {
    match prefix.strip_suffix(b"/") {
        Some(b"") | None => Shown::from(prefix),
        Some(dir) => Shown::from(dir),
    }
}
