//! `--why SONAME`: the shortest way from the file to a library, and who else needs it.

use super::super::paint::Paint;
use super::human::trail;
use super::{Inspected, shown};
use crate::loader::Need;
use std::fmt::Write;

/// Why `name` is loaded, or `None` if nothing wants it.
pub fn why(file: Inspected, name: &[u8], paint: Paint) -> Option<String> {
    let resolution = file.resolution;
    let mut users = Vec::new();
    for (by, object) in resolution.objects.iter().enumerate() {
        let wanted = |need: &&Need| is(file, need, name);
        users.extend(object.needs.iter().find(wanted).map(|need| (by, need)));
    }
    let mut candidates = resolution.dlopen.iter();
    let opens = candidates.any(|c| c.names.iter().any(|n| n == name));
    if users.is_empty() && !opens {
        return None;
    }
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{}", paint.title(super::super::shown(file.path)));
    if let Some((by, need)) = users.first() {
        let _ = chain(&mut out, file, *by, need, paint);
    }
    for (by, _) in users.iter().skip(1) {
        let _ = writeln!(out, "  also needed by {}", file.shown_object(*by));
    }
    if opens {
        let _ = writeln!(out, "  may open {} with dlopen", shown(name));
    }
    Some(out)
}

/// Whether this DT_NEEDED is it: by its name, or by the SONAME or file name of what was found.
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
    while let Some(above) = objects[way[way.len() - 1]].needed_by {
        way.push(above);
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
