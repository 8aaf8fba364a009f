//! The reasons why a file does not load, for people.

use super::environment::hidden;
use super::human::{advice, one_need};
use super::{Inspected, shown};
use crate::loader::{LoadProblem, LoadedBy, MissingSymbol, Object, Verdict};
use crate::terminal::Paint;
use std::fmt::Write;

/// Symbols of a library that are named.
const SHOWN: usize = 5;

/// Only the reasons why the file does not load; empty if it does.
pub(crate) fn problems(file: Inspected, paint: Paint) -> String {
    let mut out = String::new();
    let found = file.resolution.problems();
    if !found.is_empty() {
        let path = crate::escape::shown(file.path);
        let _ = writeln!(
            out,
            "{}: {}{}",
            paint.title(path),
            match file.resolution.verdict() {
                Verdict::Unknown => "unknown whether it loads",
                _ => "will not load",
            },
            file.context()
        );
        let mut last = 0;
        for problem in found {
            let _ = one_problem(&mut out, file, problem, &mut last, paint);
        }
        let _ = hidden(&mut out, file, paint);
        let _ = advice(&mut out, file, "  ", paint);
    }
    let quiet = file.resolution.loaded_by == LoadedBy::First || !file.resolution.loads();
    let mut loose = String::new();
    if !quiet {
        let _ = loose_symbols(&mut loose, file, "    ", paint);
    }
    if !loose.is_empty() {
        let path = paint.title(crate::escape::shown(file.path));
        let _ = writeln!(out, "{path}: loads, but lacks symbols{}", file.context());
        out.push_str(&loose);
    }
    if file.ordinary.is_some_and(|other| !other.loads()) {
        let path = crate::escape::shown(file.path);
        let _ = writeln!(out, "{}: will not load for another user", paint.title(path));
    }
    out
}

/// Problems of its dependencies.
pub(super) fn deeper(out: &mut String, file: Inspected, paint: Paint) -> std::fmt::Result {
    let root = std::ptr::from_ref(&file.resolution.objects[0]);
    let below = |problem: &LoadProblem| match problem {
        LoadProblem::Missing(object, _) | LoadProblem::Versions(object, _) => {
            !std::ptr::eq(root, *object)
        }
        LoadProblem::NoInterpreter(_) => false,
        _ => true,
    };
    let problems: Vec<LoadProblem> = file
        .resolution
        .problems()
        .into_iter()
        .filter(below)
        .collect();
    if !problems.is_empty() {
        writeln!(out, "  further down")?;
    }
    let mut last = 0;
    for problem in problems {
        one_problem(out, file, problem, &mut last, paint)?;
    }
    Ok(())
}

/// A symbol with its version, as ld.so writes it.
fn name(symbol: &MissingSymbol) -> String {
    match &symbol.version {
        Some(version) => format!("{}, version {}", shown(&symbol.name), shown(version)),
        None => shown(&symbol.name).to_string(),
    }
}

/// Missing symbols that keep nothing from loading.
pub(super) fn loose_symbols(
    out: &mut String,
    file: Inspected,
    indent: &str,
    paint: Paint,
) -> std::fmt::Result {
    let resolution = file.resolution;
    let loose = resolution.missing_symbols.iter();
    let loose: Vec<&MissingSymbol> = loose.filter(|s| !resolution.is_fatal(s)).collect();
    if resolution.loaded_by == LoadedBy::First {
        let names: Vec<String> = loose
            .iter()
            .take(SHOWN)
            .map(|symbol| name(symbol))
            .collect();
        let more = loose.len().saturating_sub(SHOWN);
        return match (names.is_empty(), more) {
            (true, _) => Ok(()),
            (_, 0) => writeln!(out, "{indent}leaves to its program: {}", names.join("; ")),
            _ => writeln!(
                out,
                "{indent}leaves to its program: {}; and {more} more",
                names.join("; ")
            ),
        };
    }
    for symbol in loose {
        let by = file.shown_object(symbol.by);
        let effect = match symbol.lazy {
            true => "and its first call ends the program",
            false => "and opening the library fails",
        };
        let what = paint.odd(format_args!("{} is missing, {effect}", name(symbol)));
        writeln!(out, "{indent}{by}: {what}")?;
    }
    Ok(())
}

/// Symbols that keep a program from starting, and versions of a library that nothing loads.
pub(super) fn symbols(
    out: &mut String,
    file: Inspected,
    indent: &str,
    paint: Paint,
) -> std::fmt::Result {
    let mut last = 0;
    for problem in file.resolution.problems() {
        if matches!(
            problem,
            LoadProblem::Symbol(..) | LoadProblem::VersionsOfNothing(..)
        ) {
            let mut text = String::new();
            one_problem(&mut text, file, problem, &mut last, paint)?;
            write!(out, "{indent}{}", text.trim_start())?;
        }
    }
    Ok(())
}

/// `last` is the object that the line before was about: its name is not said again.
fn one_problem(
    out: &mut String,
    file: Inspected,
    problem: LoadProblem,
    last: &mut usize,
    paint: Paint,
) -> std::fmt::Result {
    let index = |object: &Object| {
        let objects = &file.resolution.objects;
        let same = |o: &Object| std::ptr::eq(o, object);
        objects.iter().position(same).unwrap_or(0)
    };
    match problem {
        LoadProblem::NoInterpreter(interpreter) => {
            let path = shown(&interpreter.path);
            let what = paint.bad("no such ELF file");
            writeln!(out, "    interpreter {path}: {what}")
        }
        LoadProblem::Missing(object, need) | LoadProblem::Versions(object, need) => {
            let by = index(object);
            if by != std::mem::replace(last, by) {
                writeln!(out, "    {} needs", shown(&object.path))?;
            }
            let indent = if by == 0 { "    " } else { "      " };
            one_need(out, file, by, need, indent, paint)
        }
        LoadProblem::VersionsOfNothing(object, name) => {
            let what = paint.bad("which nothing loads: glibc stops there");
            let path = shown(&object.path);
            writeln!(out, "    {path} wants versions of {}, {what}", shown(name))
        }
        LoadProblem::Symbol(object, symbol) => {
            let what = paint.bad("which nothing that is loaded has");
            let path = shown(&object.path);
            writeln!(out, "    {path} needs the symbol {}, {what}", name(symbol))
        }
        LoadProblem::Incomplete => {
            let what = paint.bad("gave up: more libraries or places than any real program has");
            writeln!(out, "    {what}")
        }
    }
}
