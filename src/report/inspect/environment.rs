//! What the environment does: LD_LIBRARY_PATH and LD_PRELOAD.

use super::{Inspected, shown};
use crate::advice::Advice;
use crate::loader::{Hidden, Why};
use crate::terminal::Paint;
use std::fmt::Write;

/// Libraries that the environment hides.
pub(super) fn hidden(out: &mut String, file: Inspected, paint: Paint) -> std::fmt::Result {
    for hidden in file.resolution.hidden_by_environment() {
        let Hidden { name, object, .. } = hidden;
        let name = paint.odd(shown(name));
        let loaded = file.shown_object(*object);
        let (variable, step) = (
            file.variable(*object),
            file.step(hidden.via.step, hidden.by),
        );
        let path = shown(&hidden.path);
        writeln!(
            out,
            "  {variable} hides {name}: {loaded} is loaded, not {path} ({step})"
        )?;
    }
    Ok(())
}

/// Libraries that a user without this shell's LD_LIBRARY_PATH lacks.
pub(super) fn by_variable_alone(
    out: &mut String,
    file: Inspected,
    paint: Paint,
) -> std::fmt::Result {
    let resolution = file.resolution;
    let interpreter = resolution.interpreter.as_ref();
    if interpreter.is_some_and(|interpreter| interpreter.nix_ld.is_some()) {
        // nix-ld sets the variable for everyone.
        return Ok(());
    }
    let found = resolution.by_variable_alone.iter();
    let found: Vec<_> = found
        .filter(|(by, _)| *by < resolution.loaded().len())
        .collect();
    let Some((by, object)) = found.first() else {
        return Ok(());
    };
    let mut advice = Advice::default();
    let more = match found.len() {
        1 => "is".to_owned(),
        n => format!("and {} more are", n - 1),
    };
    advice.notes.push(format!(
        "{} {more} found through LD_LIBRARY_PATH alone, which sudo, services, cron and set-uid \
         programs don't pass on",
        file.shown_object(*object)
    ));
    let path = file.path.as_os_str().as_encoded_bytes();
    let user = match by {
        0 => path,
        by => &resolution.objects[*by].path,
    };
    advice.add_directory(
        "add its directory",
        &resolution.objects[*object].path,
        Some(user),
    );
    for line in advice.lines() {
        writeln!(out, "  {}", paint.advice(&line))?;
    }
    Ok(())
}

/// Libraries that the loader can't preload: it says so at each start, and goes on.
pub(super) fn not_preloaded(out: &mut String, file: Inspected, paint: Paint) -> std::fmt::Result {
    let preloads = file.resolution.preloads.iter();
    for preload in preloads.filter(|preload| preload.object.is_none()) {
        let name = paint.odd(shown(&preload.name));
        let from = match preload.listed {
            true => "the loader's list",
            false => "LD_PRELOAD",
        };
        let why = preload.why.as_ref();
        let why = why.map_or_else(|| "not found".to_owned(), ToString::to_string);
        writeln!(out, "  {from} names {name}, which is left out: {why}")?;
        let advice = match preload.why {
            Some(Why::OtherClass | Why::OtherMachine(_)) => {
                "where programs of both word sizes run, put $LIB or $PLATFORM into its path"
            }
            _ => "take it out, or bring that library",
        };
        writeln!(out, "  {}", paint.advice(&format!("help: {advice}")))?;
    }
    Ok(())
}
