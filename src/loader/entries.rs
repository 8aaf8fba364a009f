//! The elements of a RUNPATH or RPATH, and the libraries that each provides.

use super::closure::Closure;
use super::interpreter::Rules;
use super::search_log::Step;
use super::{Candidate, musl, tokens};
use crate::build_directories::is_build_directory;
use crate::cuda::driver;

/// One element of a RUNPATH or RPATH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchEntry {
    /// The text in the file.
    pub text: Vec<u8>,
    /// The directory that the loader searches; `None` where it drops the element.
    pub directory: Option<Vec<u8>>,
    /// Names of DT_NEEDED that are found through it: the file's own, and with an RPATH those of
    /// the libraries below it.
    pub provides: Vec<Vec<u8>>,
    /// Names of dlopen candidates that would be found through it.
    pub provides_dlopen: Vec<Vec<u8>>,
    /// Remarks about it.
    pub marks: Vec<Mark>,
}

/// Something to know about an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The whole RPATH counts for nothing, the file has a RUNPATH.
    Ignored,
    Missing,
    /// Another element before it is the same directory.
    Duplicate,
    /// An empty element: the current directory of the calling process.
    Empty,
    /// Relative to the current directory of the calling process.
    Relative,
    /// A `stubs` directory of a CUDA toolkit: for the linker, never for the loader.
    Stubs,
    /// A directory that only the machine has where the file was built.
    BuildDirectory,
    /// Nothing that the file needs is found through it.
    ProvidesNothing,
}

impl Mark {
    /// The words for reports; with `-` for spaces, the word of `--json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Mark::Ignored => "ignored",
            Mark::Missing => "no such directory",
            Mark::Duplicate => "duplicate",
            Mark::Empty => "empty",
            Mark::Relative => "relative",
            Mark::Stubs => "stubs",
            Mark::BuildDirectory => "build directory",
            Mark::ProvidesNothing => "provides nothing",
        }
    }
}

/// The elements of an object's RUNPATH or RPATH.
pub(super) fn entries(
    c: &Closure,
    of: usize,
    runpath: bool,
    dlopen: &[Candidate],
) -> Vec<SearchEntry> {
    let Some(library) = c.library(of) else {
        return Vec::new();
    };
    let (text, step) = match runpath {
        true => (&library.runpath, Step::Runpath(of)),
        false => (&library.rpath, Step::Rpath(of)),
    };
    let Some(text) = text.as_deref().filter(|text| !text.is_empty()) else {
        return Vec::new();
    };
    let ignored = !runpath && library.runpath.is_some();
    let musl = c.system.rules == Rules::Musl;
    let origin = match text.contains(&b'$') {
        true => c.origin(of),
        false => Vec::new(),
    };
    let mut entries: Vec<SearchEntry> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for element in text.split(|&b| b == b':' || (musl && b == b'\n')) {
        let directory = match musl {
            true => musl::directory(element, (!c.distrusts(of)).then_some(&origin)),
            false => tokens::directory(element, &c.system.tokens(&origin, c.trust(of))),
        };
        let mut marks = Vec::new();
        marks.extend(ignored.then_some(Mark::Ignored));
        if element.is_empty() {
            marks.push(Mark::Empty);
        } else if let Some(dir) = &directory {
            marks.extend((!dir.starts_with(b"/")).then_some(Mark::Relative));
            marks.extend((!c.files.is_dir(dir)).then_some(Mark::Missing));
        }
        if let Some(dir) = &directory {
            marks.extend((!seen.insert(dir.clone())).then_some(Mark::Duplicate));
        }
        let is_stubs = driver::is_stubs(directory.as_deref().unwrap_or(element));
        marks.extend(is_stubs.then_some(Mark::Stubs));
        marks.extend(is_build_directory(element).then_some(Mark::BuildDirectory));
        entries.push(SearchEntry {
            text: element.to_vec(),
            directory,
            provides: Vec::new(),
            provides_dlopen: Vec::new(),
            marks,
        });
    }
    fill(c, of, step, dlopen, &mut entries);
    entries
}

/// Adds to each entry the libraries found through it.
fn fill(c: &Closure, of: usize, step: Step, dlopen: &[Candidate], entries: &mut [SearchEntry]) {
    for need in c.objects.iter().flat_map(|o| &o.needs) {
        if let Some(via) = need.via.filter(|via| via.step == step)
            && let Some(entry) = via.element.and_then(|e| entries.get_mut(e))
            && !entry.provides.contains(&need.name)
        {
            entry.provides.push(need.name.clone());
        }
    }
    // A name that is a path names the directory as well: other loaders, and a return to bare names,
    // need the entry.
    for name in c.library(of).iter().flat_map(|library| &library.needed) {
        let directory = |entry: &&mut SearchEntry| {
            let directory = entry.directory.as_ref()?;
            let rest = name.strip_prefix(directory.as_slice())?;
            Some(!rest.is_empty() && !rest.contains(&b'/') && name.starts_with(b"/"))
        };
        let mut all = entries.iter_mut();
        if let Some(entry) = all.find(|entry| directory(entry) == Some(true))
            && !entry.provides.contains(name)
        {
            entry.provides.push(name.clone());
        }
    }
    for candidate in dlopen {
        if let Some(found) = candidate.found.as_ref().filter(|f| f.via.step == step)
            && let Some(entry) = found.via.element.and_then(|e| entries.get_mut(e))
        {
            entry.provides_dlopen.push(found.name.clone());
        }
    }
    let hidden = c.hidden.iter().filter(|hidden| hidden.via.step == step);
    let hidden: Vec<_> = hidden.filter_map(|hidden| hidden.via.element).collect();
    for (at, entry) in entries.iter_mut().enumerate() {
        // What only the environment hides is found through it everywhere else.
        if entry.provides.is_empty() && entry.provides_dlopen.is_empty() && !hidden.contains(&at) {
            entry.marks.push(Mark::ProvidesNothing);
        }
    }
}
