//! `--why SONAME`: the shortest path from the file to a library, and its other dependents.

use super::Inspected;
use super::human::trail;
use super::shown;
use crate::loader::{Candidate, LoadProblem, Need};
use crate::terminal::Paint;
use std::fmt::Write;

/// Why `name` is loaded, or `None` without a dependent.
pub(crate) fn why(file: Inspected, name: &[u8], paint: Paint) -> Option<String> {
    let resolution = file.resolution;
    let mut users = Vec::new();
    for (by, object) in resolution.loaded().iter().enumerate() {
        let wanted = |need: &&Need| is(file, need, name);
        users.extend(object.needs.iter().find(wanted).map(|need| (by, need)));
    }
    let candidates = resolution.dlopen.iter();
    let opens: Vec<&Candidate> = candidates
        .filter(|c| c.names.iter().any(|n| n == name))
        .collect();
    if users.is_empty() && opens.is_empty() {
        return None;
    }
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{}", paint.title(crate::escape::shown(file.path)));
    if let Some((by, need)) = users.first() {
        let _ = chain(&mut out, file, *by, need, paint);
        let _ = remedy(&mut out, file, need, paint);
    }
    for (by, _) in users.iter().skip(1) {
        let _ = writeln!(out, "  also needed by {}", file.shown_object(*by));
    }
    for candidate in opens {
        let _ = opened(&mut out, file, candidate, name, paint);
    }
    Some(out)
}

/// That the file may open it, where it would be found, and if nowhere, where was looked.
fn opened(
    out: &mut String,
    file: Inspected,
    candidate: &Candidate,
    name: &[u8],
    paint: Paint,
) -> std::fmt::Result {
    let from = match candidate.noted {
        true => "its .note.dlopen",
        false => "a string in it",
    };
    write!(out, "  may open {} with dlopen ({from}) => ", shown(name))?;
    match &candidate.found {
        Some(found) if found.name == name => {
            let via = paint.faint(format!("({})", file.step(found.via.step, 0)));
            writeln!(out, "{} {via}", shown(&found.path))?;
        }
        Some(found) => writeln!(out, "{} in its place", shown(&found.path))?,
        None => writeln!(out, "{}", paint.odd("would not be found"))?,
    }
    let mut tried = candidate.names.iter().zip(&candidate.trails);
    match tried.find(|(n, _)| *n == name && candidate.found.is_none()) {
        Some((_, tried)) => trail(out, file, 0, tried, "    "),
        None => Ok(()),
    }
}

/// Whether this DT_NEEDED matches: by its name, or by the SONAME or file name of the found library.
fn is(file: Inspected, need: &Need, name: &[u8]) -> bool {
    let Some(found) = need.object.map(|o| &file.resolution.objects[o]) else {
        return need.name == name;
    };
    need.name == name
        || found.path.rsplit(|&b| b == b'/').next() == Some(name)
        || found
            .library
            .as_ref()
            .is_some_and(|l| l.soname.as_deref() == Some(name))
}

/// Cause and remedy, where it is not found or lacks a version.
fn remedy(out: &mut String, file: Inspected, need: &Need, paint: Paint) -> std::fmt::Result {
    let of_need = |problem: &LoadProblem| match problem {
        LoadProblem::Missing(_, other) | LoadProblem::Versions(_, other) => {
            std::ptr::eq(*other, need)
        }
        _ => false,
    };
    let problems = file.resolution.problems();
    let advice = problems.iter().position(of_need);
    let advice = advice.and_then(|at| file.advice.get(at));
    for line in advice.iter().flat_map(|advice| advice.lines()) {
        writeln!(out, "  {}", paint.advice(&line))?;
    }
    Ok(())
}

/// From the file down to the object that needs it, one a line.
fn chain(
    out: &mut String,
    file: Inspected,
    by: usize,
    need: &Need,
    paint: Paint,
) -> std::fmt::Result {
    let objects = &file.resolution.objects;
    let mut way = vec![by];
    let mut at = by;
    // The file itself may have been loaded by a program.
    while at != 0
        && let Some(above) = objects[at].needed_by
    {
        way.push(above);
        at = above;
    }
    way.reverse();
    for pair in way.windows(2) {
        let object = &objects[pair[1]];
        let via = paint.faint(format!("({})", file.via(object.via, pair[0], pair[1])));
        writeln!(out, "  needs {} {via}", shown(&object.path))?;
    }
    write!(out, "  needs {} => ", shown(&need.name))?;
    match need.object {
        Some(object) => {
            let via = paint.faint(format!("({})", file.via(need.via, by, object)));
            writeln!(out, "{} {via}", file.shown_object(object))
        }
        None => {
            writeln!(out, "{}", paint.bad("not found"))?;
            trail(out, file, by, &need.trail, "    ")
        }
    }
}
