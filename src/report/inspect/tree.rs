//! `--tree`: the dependencies, depth first. Each library is expanded once; later occurrences are
//! single lines.

use super::Inspected;
use super::human::trail;
use super::shown;
use crate::loader::{Need, Rules, Step, glibc_names};
use crate::terminal::Paint;
use std::fmt::Write;

/// Deeper than this nothing is drawn: a hostile chain would fill the screen with lines.
const MAX_DEPTH: usize = 100;

/// A node whose children are being drawn.
struct OpenNode<'a> {
    object: usize,
    needs: Vec<&'a Need>,
    next: usize,
}

/// The tree of one file. With `all`, the libc's own libraries too: every program has them.
pub(crate) fn tree(file: Inspected, all: bool, paint: Paint) -> String {
    let mut out = String::new();
    let objects = &file.resolution.objects;
    let shown_needs = |object: usize| -> Vec<&Need> {
        let needs = objects[object].needs.iter();
        needs.filter(|need| all || !is_libc(file, need)).collect()
    };
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{}", paint.title(crate::escape::shown(file.path)));
    if let Some(interpreter) = &file.resolution.interpreter
        && interpreter.named
        && !interpreter.exists
    {
        let what = paint.bad("no such ELF file");
        let _ = writeln!(out, "interpreter {}: {what}", shown(&interpreter.path));
    }
    let mut drawn = vec![false; objects.len()];
    let mut open = vec![OpenNode {
        object: 0,
        needs: shown_needs(0),
        next: 0,
    }];
    drawn[0] = true;
    while let Some(node) = open.last_mut() {
        let by = node.object;
        let Some(need) = node.needs.get(node.next).copied() else {
            open.pop();
            continue;
        };
        node.next += 1;
        let above = &open[..open.len() - 1];
        let below = prefix(above);
        let last = open.last().is_none_or(|node| node.next == node.needs.len());
        let (branch, deeper) = if last {
            ("└── ", "    ")
        } else {
            ("├── ", "│   ")
        };
        let _ = write!(out, "{below}{branch}");
        let _ = line(&mut out, file, by, need, &format!("{below}{deeper}"), paint);
        let Some(object) = need.object else {
            continue;
        };
        if open.iter().any(|above| above.object == object) {
            let _ = writeln!(out, " {}", paint.faint("cycle"));
        } else if drawn[object] && !shown_needs(object).is_empty() {
            let _ = writeln!(out, " {}", paint.faint("above"));
        } else if open.len() >= MAX_DEPTH {
            let _ = writeln!(out, " {}", paint.odd("too deep to draw"));
        } else {
            let _ = writeln!(out);
            drawn[object] = true;
            open.push(OpenNode {
                object,
                needs: shown_needs(object),
                next: 0,
            });
        }
    }
    let _ = super::problems::symbols(&mut out, file, "", paint);
    let _ = super::human::advice(&mut out, file, "", paint);
    out
}

/// The lines that lead down past these nodes.
fn prefix(above: &[OpenNode]) -> String {
    let more = |node: &OpenNode| node.next < node.needs.len();
    let part = |node| if more(node) { "│   " } else { "    " };
    above.iter().map(part).collect()
}

/// A dependency and its resolution; below a missing one, the searched directories.
fn line(
    out: &mut String,
    file: Inspected,
    by: usize,
    need: &Need,
    below: &str,
    paint: Paint,
) -> std::fmt::Result {
    write!(out, "{} => ", shown(&need.name))?;
    let Some(object) = need.object else {
        writeln!(out, "{}", paint.bad("not found"))?;
        return trail(out, file, by, &need.trail, below);
    };
    write!(out, "{}", file.shown_object(object))?;
    let how = file.via(need.via, by, object);
    if need.via.is_some_and(|via| via.step != Step::Loaded) {
        write!(out, " {}", paint.faint(format_args!("({how})")))?;
    }
    for version in &need.missing_versions {
        let version = format!("{} not found", shown(version));
        write!(out, " {}", paint.bad(version))?;
    }
    Ok(())
}

/// Whether it is one of the libc's own libraries, found and with all versions.
fn is_libc(file: Inspected, need: &Need) -> bool {
    let Some(object) = need.object.filter(|_| need.missing_versions.is_empty()) else {
        return false;
    };
    let path = &file.resolution.objects[object].path;
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    let Some(interpreter) = &file.resolution.interpreter else {
        return false;
    };
    *path == interpreter.path
        || match interpreter.rules {
            Rules::Glibc(_) => glibc_names().any(|known| name == known.as_bytes()),
            // musl is one file with several names.
            Rules::Musl => name.starts_with(b"libc.musl-") || name == b"libc.so",
            Rules::Unknown => false,
        }
}
