//! musl's search (`load_library` in ldso/dynlink.c).
//!
//! LD_LIBRARY_PATH comes first; RUNPATH is as good as RPATH, and both are inherited; the first
//! file that opens is taken, whatever it is; sonames count for nothing.

use super::closure::{Closure, FoundObject, List};
use super::open_verify::SearchStep;
use super::search_log::{SearchLog, Step, Why};
use super::tokens::Dir;
use elf_edit::tokens::{Piece, Token, TokenEnd, pieces};
use std::rc::Rc;

/// Libraries that musl's libc.so is itself: `libNAME.` at the start of the name.
const ITSELF: [&str; 7] = ["c.", "pthread.", "rt.", "m.", "dl.", "util.", "xnet."];
/// NAME_MAX.
const MAX_NAME: usize = 255;

/// Resolves `name` in DT_NEEDED of object `by`.
pub(super) fn find(c: &mut Closure, by: usize, name: &[u8], trail: &mut SearchLog) -> FoundObject {
    let itself = name
        .strip_prefix(b"lib")
        .is_some_and(|rest| ITSELF.iter().any(|n| rest.starts_with(n.as_bytes())));
    if itself || name == c.system.interpreter {
        return FoundObject::Known(c.interpreter(by));
    }
    if name.contains(&b'/') {
        return c
            .file(Step::Path, None, name.to_vec(), trail)
            .unwrap_or(FoundObject::Nothing);
    }
    if let Some(known) = c.loaded(name) {
        return FoundObject::Known(known);
    }
    if name.is_empty() || name.len() > MAX_NAME {
        let why = Why::Broken("no name for a file".into());
        c.note(trail, Step::Default, b"", why);
        return FoundObject::Nothing;
    }
    search(c, by, name, true, trail).unwrap_or(FoundObject::Nothing)
}

/// The search without the environment, also for a name that is loaded already.
pub(super) fn find_elsewhere(
    c: &mut Closure,
    by: usize,
    name: &[u8],
    trail: &mut SearchLog,
) -> FoundObject {
    if name.contains(&b'/') {
        return FoundObject::Nothing;
    }
    search(c, by, name, false, trail).unwrap_or(FoundObject::Nothing)
}

/// All lists in order. `Err` is the end of the search.
fn search(
    c: &mut Closure,
    by: usize,
    name: &[u8],
    environment: bool,
    trail: &mut SearchLog,
) -> Result<FoundObject, SearchStep> {
    let dirs = match environment {
        true => c.list(0, List::LibraryPath, |_, text, _| plain(text)),
        false => Rc::default(),
    };
    if let Some(found) = in_dirs(c, Step::LibraryPath, &dirs, name, trail)? {
        return Ok(found);
    }
    let mut at = Some(by);
    while let Some(of) = at {
        at = c.objects[of].needed_by;
        let has_runpath = c.library(of).is_some_and(|l| l.runpath.is_some());
        let (which, step) = match has_runpath {
            true => (List::Runpath, Step::Runpath(of)),
            false => (List::Rpath, Step::Rpath(of)),
        };
        let dirs = c.list(of, which, |c, text, origin| {
            with_origin(text, (!c.distrusts(of)).then_some(origin))
        });
        if let Some(found) = in_dirs(c, step, &dirs, name, trail)? {
            return Ok(found);
        }
    }
    let system = c.system;
    let dirs: Vec<Dir> = system
        .dirs
        .iter()
        .enumerate()
        .map(|(element, dir)| Dir {
            prefix: [dir, &b"/"[..]].concat(),
            element,
        })
        .collect();
    Ok(in_dirs(c, Step::Default, &dirs, name, trail)?.unwrap_or(FoundObject::Nothing))
}

/// `path_open`.
fn in_dirs(
    c: &mut Closure,
    step: Step,
    dirs: &[Dir],
    name: &[u8],
    trail: &mut SearchLog,
) -> Result<Option<FoundObject>, SearchStep> {
    for dir in dirs {
        if !c.may_look() {
            c.note(trail, step, b"", Why::GaveUp);
            return Err(SearchStep::Stop);
        }
        let path = [&dir.prefix, name].concat();
        c.count_open(&path, false);
        if c.system.subdirs_of(c.files, &dir.prefix).is_none() {
            c.note(trail, step, &dir.prefix, Why::NoDirectory);
            continue;
        }
        match c.file(step, Some(dir.element), path, trail) {
            Ok(found) => return Ok(Some(found)),
            Err(SearchStep::Next) => {}
            Err(stop) => return Err(stop),
        }
    }
    Ok(None)
}

/// The elements of a path list, with their places in it.
pub(super) fn elements(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    text.split(|&b| b == b':' || b == b'\n')
        .enumerate()
        .filter(|(_, dir)| !dir.is_empty())
}

fn plain(text: &[u8]) -> Vec<Dir> {
    elements(text)
        .map(|(element, dir)| Dir {
            prefix: [dir, b"/"].concat(),
            element,
        })
        .collect()
}

/// `fixup_rpath`: `$ORIGIN` is known, any other `$` makes the whole list void; in
/// secure-execution mode so does `$ORIGIN` of the program.
fn with_origin(text: &[u8], origin: Option<&[u8]>) -> Vec<Dir> {
    let mut out = Vec::new();
    for piece in pieces(text, TokenEnd::Name) {
        match (piece, origin) {
            (Piece::Text(text), _) if !text.starts_with(b"$") => out.extend_from_slice(text),
            (Piece::Token(Token::Origin), Some(origin)) => out.extend_from_slice(origin),
            _ => return Vec::new(),
        }
    }
    plain(&out)
}

/// One element with its tokens replaced, for the report; `None` if musl drops it.
pub(super) fn directory(element: &[u8], origin: Option<&[u8]>) -> Option<Vec<u8>> {
    with_origin(element, origin).pop().map(|dir| dir.prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_token_voids_the_list() {
        let dirs = |text: &[u8]| -> Vec<String> {
            with_origin(text, Some(b"/o"))
                .into_iter()
                .map(|d| String::from_utf8(d.prefix).unwrap())
                .collect()
        };
        assert_eq!(
            dirs(b"$ORIGIN/../lib::/x\n${ORIGIN}"),
            ["/o/../lib/", "/x/", "/o/"]
        );
        assert!(dirs(b"/x:$LIB").is_empty() && dirs(b"/x:$").is_empty());
        assert_eq!(dirs(b"$ORIGINAL"), ["/oAL/"]);
        assert!(with_origin(b"/x:$ORIGIN", None).is_empty());
        assert_eq!(with_origin(b"/x", None).len(), 1);
    }
}
