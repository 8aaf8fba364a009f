//! `--tree`: what needs what, depth first. Each library is opened up once; where it is met
//! again it stands alone.

use super::Inspected;
use super::shown;
use crate::terminal::Paint;
use std::fmt::Write;

/// Deeper than this nothing is drawn: a hostile chain would fill the screen with lines.
const MAX_DEPTH: usize = 100;

/// A node whose children are being drawn.
struct Open {
    object: usize,
    next: usize,
}

/// The tree of one file.
pub(crate) fn tree(file: Inspected, paint: Paint) -> String {
    let mut out = String::new();
    let objects = &file.resolution.objects;
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{}", paint.title(crate::escape::shown(file.path)));
    let mut drawn = vec![false; objects.len()];
    let mut open = vec![Open { object: 0, next: 0 }];
    drawn[0] = true;
    while let Some(node) = open.last_mut() {
        let by = node.object;
        let Some(need) = objects[by].needs.get(node.next) else {
            open.pop();
            continue;
        };
        node.next += 1;
        for above in &open[..open.len() - 1] {
            let more = above.next < objects[above.object].needs.len();
            out.push_str(if more { "│   " } else { "    " });
        }
        let last = open.last().map_or(0, |n| n.next) == objects[by].needs.len();
        out.push_str(if last { "└── " } else { "├── " });
        let _ = write!(out, "{} => ", shown(&need.name));
        let Some(object) = need.object else {
            let _ = writeln!(out, "{}", paint.bad("not found"));
            continue;
        };
        let via = paint.faint(format!("({})", file.via(need.via, by, object)));
        let _ = write!(out, "{} {via}", file.shown_object(object));
        for version in &need.missing_versions {
            let version = format!("{} not found", shown(version));
            let _ = write!(out, " {}", paint.bad(version));
        }
        if open.iter().any(|above| above.object == object) {
            let _ = writeln!(out, " {}", paint.faint("cycle"));
        } else if drawn[object] && !objects[object].needs.is_empty() {
            let _ = writeln!(out, " {}", paint.faint("above"));
        } else if open.len() >= MAX_DEPTH {
            let _ = writeln!(out, " {}", paint.odd("too deep to draw"));
        } else {
            let _ = writeln!(out);
            drawn[object] = true;
            open.push(Open { object, next: 0 });
        }
    }
    out
}
