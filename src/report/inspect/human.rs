//! For people: one block a file.

use super::super::{write_cudart, write_entries, write_groups, write_problems};
use super::{Inspected, shown_dir};
use super::{cache, environment, shown};
use crate::advice::{Advice, executable_stack};
use crate::escape::counted;
use crate::loader::{Candidate, LoadedBy, Mark, Need, Rules, SearchEntry, SearchLog};
use crate::terminal::Paint;
use std::fmt::Write;

/// The block of one file.
pub(crate) fn human(file: Inspected, paint: Paint) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = header(&mut out, file, paint);
    let runpath = &file.resolution.runpath;
    let _ = entries(&mut out, "RUNPATH", runpath, paint);
    let _ = entries(&mut out, "RPATH", &file.resolution.rpath, paint);
    let _ = cache::human(&mut out, file, paint);
    let _ = needed(&mut out, file, paint);
    let _ = environment::hidden(&mut out, file, paint);
    let _ = environment::not_preloaded(&mut out, file, paint);
    let _ = environment::by_variable_alone(&mut out, file, paint);
    let _ = super::problems::deeper(&mut out, file, paint);
    let _ = super::problems::loose_symbols(&mut out, file, "  ", paint);
    let _ = advice(&mut out, file, "  ", paint);
    let _ = dlopen(&mut out, file, paint);
    out.push_str(&cuda(file));
    out
}

/// The CUDA runtime and the device code, as the applets of their own show them.
fn cuda(file: Inspected) -> String {
    let mut out = Vec::new();
    if let Some(cuda) = file.cuda {
        // Writing to a Vec cannot fail.
        let _ = write_cudart(&mut out, "  ", &cuda.cudart);
        let _ = match cuda.every {
            true => write_entries(&mut out, "  ", &cuda.code),
            false => write_groups(&mut out, "  ", &cuda.code),
        };
        let _ = write_problems(&mut out, "  ", &cuda.code);
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn header(out: &mut String, file: Inspected, paint: Paint) -> std::fmt::Result {
    let path = paint.title(crate::escape::shown(file.path));
    write!(
        out,
        "{path}: {}, {}",
        file.info.kind.as_str(),
        file.machine()
    )?;
    match &file.resolution.loaded_by {
        LoadedBy::First => writeln!(out, ", on its own")?,
        LoadedBy::Program { path, opened } => {
            let how = if *opened { "opened" } else { "loaded" };
            writeln!(out, ", as {} {how} it", shown(path))?;
        }
        _ => writeln!(out)?,
    }
    if let Some(interpreter) = &file.resolution.interpreter {
        let path = shown(&interpreter.path);
        let rules = interpreter.rules.describe();
        let what = if interpreter.named {
            "interpreter"
        } else {
            "loader"
        };
        match &interpreter.nix_ld {
            Some(nix_ld) => {
                let loader = shown(&nix_ld.loader);
                write!(out, "  {what} {path} (nix-ld, starts {loader}: {rules})")?;
            }
            None => write!(out, "  {what} {path} ({rules})")?,
        }
        match (interpreter.exists, interpreter.rules) {
            (false, _) => writeln!(out, "  {}", paint.bad("no such ELF file"))?,
            (true, Rules::Unknown) => writeln!(out, "  {}", paint.odd("nothing can be resolved"))?,
            (true, _) => writeln!(out)?,
        }
    } else if let Some(interpreter) = &file.info.interpreter {
        writeln!(out, "  interpreter {}", shown(interpreter))?;
    }
    secure(out, file, paint)?;
    let soname = file.info.dynamic.as_ref().and_then(|d| d.soname.as_ref());
    if let Some(soname) = soname {
        writeln!(out, "  soname {}", shown(soname))?;
    }
    if file.info.asks_for_executable_stack() {
        let path = file.path.as_os_str().as_encoded_bytes();
        for line in executable_stack(path).lines() {
            writeln!(out, "  {}", paint.advice(&line))?;
        }
    }
    Ok(())
}

/// Privileges that the program grants, and the variables that the loader then ignores.
fn secure(out: &mut String, file: Inspected, paint: Paint) -> std::fmt::Result {
    let LoadedBy::Itself { user, privileges } = &file.resolution.loaded_by else {
        return Ok(());
    };
    if !privileges.any() {
        return Ok(());
    }
    let ignores = "LD_LIBRARY_PATH and LD_PRELOAD are ignored, and so is $ORIGIN outside of the \
                   default directories";
    if privileges.secure_for(*user) {
        let mode = paint.odd(format!("run by {user}: secure-execution mode"));
        return writeln!(out, "  {privileges}, {mode}: {ignores}");
    }
    let mode = paint.odd("an ordinary user: secure-execution mode");
    writeln!(out, "  {privileges}; this is the answer for {user}")?;
    write!(out, "  run by {mode}: {ignores}")?;
    match file.ordinary {
        Some(other) if !other.loads() => writeln!(out, "; {}", paint.bad("it will not load")),
        _ => writeln!(out),
    }
}

fn entries(
    out: &mut String,
    title: &str,
    entries: &[SearchEntry],
    paint: Paint,
) -> std::fmt::Result {
    if entries.is_empty() {
        return Ok(());
    }
    writeln!(out, "  {title}")?;
    for entry in entries {
        match entry.text.is_empty() {
            true => write!(out, "    (empty)")?,
            false => write!(out, "    {}", shown(&entry.text))?,
        }
        if let Some(dir) = &entry.directory
            && entry.text.contains(&b'$')
        {
            write!(out, " = {}", shown_dir(dir))?;
        }
        let mut notes = Vec::new();
        if !entry.provides.is_empty() {
            notes.push(format!("provides {}", list(&entry.provides)));
        }
        if !entry.provides_dlopen.is_empty() {
            notes.push(format!("for dlopen: {}", list(&entry.provides_dlopen)));
        }
        if entry.directory.is_none() {
            notes.push(paint.odd("a token has no value: dropped"));
        }
        for mark in &entry.marks {
            notes.push(match mark {
                Mark::ProvidesNothing => paint.faint(mark.as_str()),
                Mark::Ignored => paint.odd("ignored, there is a RUNPATH"),
                Mark::Empty => paint.odd("empty: the current directory"),
                _ => paint.odd(mark.as_str()),
            });
        }
        writeln!(out, "  {}", notes.join(", "))?;
    }
    Ok(())
}

fn list(names: &[Vec<u8>]) -> String {
    let shown: Vec<String> = names.iter().map(|n| shown(n).to_string()).collect();
    shown.join(", ")
}

fn needed(out: &mut String, file: Inspected, paint: Paint) -> std::fmt::Result {
    let root = &file.resolution.objects[0];
    if root.needs.is_empty() {
        return Ok(());
    }
    writeln!(out, "  needed")?;
    for need in &root.needs {
        one_need(out, file, 0, need, "    ", paint)?;
    }
    if root.needs.iter().any(|need| need.name.starts_with(b"/")) {
        let what = "a path is opened as it is: LD_LIBRARY_PATH does not override it";
        writeln!(out, "    {}", paint.faint(what))?;
    }
    Ok(())
}

pub(super) fn one_need(
    out: &mut String,
    file: Inspected,
    by: usize,
    need: &Need,
    indent: &str,
    paint: Paint,
) -> std::fmt::Result {
    write!(out, "{indent}{} => ", shown(&need.name))?;
    match need.object {
        Some(object) => {
            let via = paint.faint(format!("({})", file.via(need.via, by, object)));
            writeln!(out, "{} {via}", file.shown_object(object))?;
        }
        None => {
            writeln!(out, "{}", paint.bad("not found"))?;
            trail(out, file, by, &need.trail, &format!("{indent}  "))?;
        }
    }
    for version in &need.missing_versions {
        let version = format!("{} not found in it", shown(version));
        writeln!(out, "{indent}  {}", paint.bad(version))?;
    }
    Ok(())
}

/// The numbered places that were looked at.
pub(super) fn trail(
    out: &mut String,
    file: Inspected,
    by: usize,
    trail: &SearchLog,
    indent: &str,
) -> std::fmt::Result {
    for (number, tried) in trail.tried.iter().enumerate() {
        let step = file.step(tried.step, by);
        write!(out, "{indent}{}. {step}", number + 1)?;
        match tried.place.is_empty() {
            true => writeln!(out, ": {}", tried.why)?,
            false => writeln!(out, " {}: {}", shown_dir(&tried.place), tried.why)?,
        }
    }
    if trail.left_out > 0 {
        writeln!(
            out,
            "{indent}… and {}",
            counted(trail.left_out, "more place", "more places")
        )?;
    }
    Ok(())
}

/// Causes and remedies, each once: several files may need one library.
pub(super) fn advice(
    out: &mut String,
    file: Inspected,
    indent: &str,
    paint: Paint,
) -> std::fmt::Result {
    let mut before: Vec<String> = Vec::new();
    for line in file.advice.iter().flat_map(Advice::lines) {
        if !before.contains(&line) {
            writeln!(out, "{indent}{}", paint.advice(&line))?;
            before.push(line);
        }
    }
    Ok(())
}

fn dlopen(out: &mut String, file: Inspected, paint: Paint) -> std::fmt::Result {
    if file.resolution.dlopen.is_empty() {
        return Ok(());
    }
    writeln!(out, "  may dlopen")?;
    for candidate in &file.resolution.dlopen {
        one_candidate(out, file, candidate, paint)?;
    }
    Ok(())
}

fn one_candidate(
    out: &mut String,
    file: Inspected,
    candidate: &Candidate,
    paint: Paint,
) -> std::fmt::Result {
    let names: Vec<String> = candidate
        .names
        .iter()
        .map(|n| shown(n).to_string())
        .collect();
    write!(out, "    {} => ", names.join(" or "))?;
    match &candidate.found {
        Some(found) => {
            let via = paint.faint(format!("({})", file.step(found.via.step, 0)));
            write!(out, "{} {via}", shown(&found.path))?;
        }
        None => write!(out, "{}", paint.odd("would not be found"))?,
    }
    if candidate.noted {
        let what = [&candidate.priority, &candidate.feature];
        let what: Vec<String> = what
            .into_iter()
            .flatten()
            .map(|text| shown(text.as_bytes()).to_string())
            .collect();
        write!(
            out,
            " [note{}{}]",
            if what.is_empty() { "" } else { ": " },
            what.join(", ")
        )?;
    }
    writeln!(out)
}
