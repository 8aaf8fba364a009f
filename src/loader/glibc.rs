//! glibc's search (`_dl_map_object` in elf/dl-load.c) and its check of symbol versions
//! (`_dl_check_map_versions` in elf/dl-version.c).

use super::closure::{Closure, FoundObject, List};
use super::library::Library;
use super::open_verify::SearchStep;
use super::search_log::{SearchLog, Step, Why};
use super::tokens::{self, Dir};
use elf_edit::tokens::{Piece, TokenEnd, pieces};
use std::rc::Rc;
use std::sync::Arc;

/// Result of one step of the search.
enum Stepped {
    Found(FoundObject),
    Next,
    Stop,
}

/// Resolves `name` in DT_NEEDED of object `by`.
pub(super) fn find(c: &mut Closure, by: usize, name: &[u8], trail: &mut SearchLog) -> FoundObject {
    let expanded;
    let mut name = name;
    if name.contains(&b'$') {
        let tokens = pieces(name, TokenEnd::Identifier);
        if c.variables.secure && tokens.into_iter().any(|p| matches!(p, Piece::Token(_))) {
            let why = "a token in a needed name of a program that runs with more rights";
            c.note(trail, Step::Path, name, Why::Broken(why.into()));
            return FoundObject::Nothing;
        }
        let origin = c.origin(by);
        match tokens::expand(name, &c.system.tokens(&origin, c.trust(by))) {
            Some(text) => {
                expanded = text;
                name = &expanded;
            }
            None => {
                let why = Why::Broken("a token in the name has no value".into());
                c.note(trail, Step::Path, name, why);
                return FoundObject::Nothing;
            }
        }
    }
    if let Some(known) = c.loaded(name) {
        return FoundObject::Known(known);
    }
    if is_interpreter(c, name) {
        return FoundObject::Known(c.interpreter(by));
    }
    if name.contains(&b'/') {
        return match c.file(Step::Path, None, name.to_vec(), trail) {
            Ok(found) => found,
            Err(_) => FoundObject::Nothing,
        };
    }
    search_steps(
        c,
        &[rpath, library_path, runpath, cache, default],
        by,
        name,
        trail,
    )
}

/// The search without the environment, also for a name that is loaded already.
pub(super) fn find_elsewhere(
    c: &mut Closure,
    by: usize,
    name: &[u8],
    trail: &mut SearchLog,
) -> FoundObject {
    if name.contains(&b'/') || name.contains(&b'$') {
        return FoundObject::Nothing;
    }
    search_steps(c, &[rpath, runpath, cache, default], by, name, trail)
}

type Search = fn(&mut Closure, usize, &[u8], &mut SearchLog) -> Stepped;

fn search_steps(
    c: &mut Closure,
    steps: &[Search],
    by: usize,
    name: &[u8],
    trail: &mut SearchLog,
) -> FoundObject {
    for step in steps {
        match step(c, by, name, trail) {
            Stepped::Found(found) => return found,
            Stepped::Next => {}
            Stepped::Stop => return FoundObject::Nothing,
        }
    }
    FoundObject::Nothing
}

fn is_interpreter(c: &Closure, name: &[u8]) -> bool {
    name == c.system.interpreter
        || c.system
            .library
            .as_ref()
            .is_some_and(|l| l.soname.as_deref() == Some(name))
}

/// DT_RPATH of the object, of the one that loaded it, and so on up: unless the object itself
/// has a DT_RUNPATH.
fn rpath(c: &mut Closure, by: usize, name: &[u8], trail: &mut SearchLog) -> Stepped {
    let own_runpath = c.library(by).is_some_and(|l| l.runpath.is_some());
    let mut at = Some(by);
    while let Some(of) = at {
        at = c.objects[of].needed_by;
        // glibc ignores a DT_RPATH if there is a DT_RUNPATH.
        let used = |l: &Library| l.rpath.is_some() && l.runpath.is_none();
        if !c.library(of).is_some_and(used) {
            continue;
        }
        if own_runpath {
            let why = Why::LeftOut("the object that needs it has a RUNPATH");
            c.note(trail, Step::Rpath(of), b"", why);
            continue;
        }
        let list = colons(c, of, List::Rpath);
        match search(c, Step::Rpath(of), &list, name, trail) {
            Stepped::Next => {}
            done => return done,
        }
    }
    Stepped::Next
}

fn library_path(c: &mut Closure, _: usize, name: &[u8], trail: &mut SearchLog) -> Stepped {
    let list = c.list(0, List::LibraryPath, |c, text, origin| {
        let separator = |b| b == b':' || b == b';';
        tokens::search_list(text, separator, &c.system.tokens(origin, c.trust(0)))
    });
    search(c, Step::LibraryPath, &list, name, trail)
}

/// DT_RUNPATH of the object alone, which applies to its own DT_NEEDED only.
fn runpath(c: &mut Closure, by: usize, name: &[u8], trail: &mut SearchLog) -> Stepped {
    let list = colons(c, by, List::Runpath);
    search(c, Step::Runpath(by), &list, name, trail)
}

fn colons(c: &mut Closure, of: usize, which: List) -> Rc<[Dir]> {
    c.list(of, which, |c, text, origin| {
        let tokens = c.system.tokens(origin, c.trust(of));
        tokens::search_list(text, |b| b == b':', &tokens)
    })
}

fn cache(c: &mut Closure, by: usize, name: &[u8], trail: &mut SearchLog) -> Stepped {
    let system = c.system;
    let place = system.cache_path.as_deref().unwrap_or(b"");
    let cache = match system.cache(c.files) {
        Ok(cache) => cache,
        Err(why) => {
            c.note(trail, Step::Cache, place, why);
            return Stepped::Next;
        }
    };
    let Some(path) = cache.find(name, system.cache_flags, &system.cpu) else {
        c.note(trail, Step::Cache, place, Why::NotInCache);
        return Stepped::Next;
    };
    let no_default_lib = c.library(by).is_some_and(Library::no_default_lib);
    if no_default_lib && system.dirs.iter().any(|dir| path.starts_with(dir)) {
        let why = Why::LeftOut("DF_1_NODEFLIB: the cache names a default directory");
        c.note(trail, Step::Cache, path, why);
        return Stepped::Next;
    }
    match c.file(Step::Cache, None, path.to_vec(), trail) {
        Ok(found) => Stepped::Found(found),
        Err(SearchStep::Stop) => Stepped::Stop,
        Err(_) => Stepped::Next,
    }
}

fn default(c: &mut Closure, by: usize, name: &[u8], trail: &mut SearchLog) -> Stepped {
    if c.library(by).is_some_and(Library::no_default_lib) {
        c.note(trail, Step::Default, b"", Why::LeftOut("DF_1_NODEFLIB"));
        return Stepped::Next;
    }
    let system = c.system;
    let list: Rc<[Dir]> = system
        .dirs
        .iter()
        .enumerate()
        .map(|(element, dir)| Dir {
            prefix: dir.clone(),
            element,
        })
        .collect();
    search(c, Step::Default, &list, name, trail)
}

/// `open_path`: each directory's subdirectories for the processor, then the directory itself.
fn search(
    c: &mut Closure,
    step: Step,
    list: &[Dir],
    name: &[u8],
    trail: &mut SearchLog,
) -> Stepped {
    let system = c.system;
    for dir in list {
        if !c.may_look() {
            c.note(trail, step, b"", Why::GaveUp);
            return Stepped::Stop;
        }
        let first = !c.visited.contains(&dir.prefix);
        if first {
            c.visited.insert(dir.prefix.clone());
        }
        let Some(subdirs) = system.subdirs_of(c.files, &dir.prefix) else {
            if first {
                c.failed_opens.plain += 1;
                c.failed_opens.for_processor += system.subdirs.len() as u64;
            }
            c.note(trail, step, &dir.prefix, Why::NoDirectory);
            continue;
        };
        if first {
            c.failed_opens.for_processor += (system.subdirs.len() - subdirs.len()) as u64;
        }
        let subdirs = subdirs.iter().map(|&i| system.subdirs[i].as_str());
        for sub in subdirs.chain([""]) {
            let path = [&dir.prefix, sub.as_bytes(), name].concat();
            c.count_open(&path, !sub.is_empty());
            match c.file(step, Some(dir.element), path, trail) {
                Ok(found) => return Stepped::Found(found),
                Err(SearchStep::Next) => {}
                // Only errors in the directory itself, tried last, end the list.
                Err(SearchStep::NextStep) if sub.is_empty() => return Stepped::Next,
                Err(SearchStep::NextStep) => {}
                Err(SearchStep::Stop) => return Stepped::Stop,
            }
        }
    }
    Stepped::Next
}

/// Finds the versions that loaded files want and that others lack.
pub(super) fn check_versions(c: &mut Closure) {
    let sysroot = &c.files.sysroot;
    for at in 0..c.objects.len() {
        let Some(library) = c.objects[at].library.clone() else {
            continue;
        };
        for wanted in &library.wanted {
            let Some(from) = c.named(&wanted.file) else {
                let missed = |o: &super::Object| {
                    let mut needs = o.needs.iter();
                    needs.any(|n| n.object.is_none() && n.name == wanted.file)
                };
                if c.complete && !c.objects.iter().any(missed) {
                    c.objects[at].versions_of_nothing.push(wanted.file.clone());
                }
                continue;
            };
            let Some(provider): Option<Arc<Library>> = c.objects[from].library.clone() else {
                continue;
            };
            let path = &c.objects[from].path;
            let Some(defined) = provider.defined(|| sysroot.open(path).ok()) else {
                continue;
            };
            let lacks: Vec<Vec<u8>> = wanted
                .versions
                .iter()
                .filter(|v| !v.weak)
                .filter(|v| !defined.iter().any(|d| d.hash == v.hash && d.name == v.name))
                .map(|v| v.name.clone())
                .collect();
            if lacks.is_empty() {
                continue;
            }
            let needs = &mut c.objects[at].needs;
            if let Some(need) = needs.iter_mut().find(|n| n.name == wanted.file) {
                need.missing_versions.extend(lacks);
            }
        }
    }
}
