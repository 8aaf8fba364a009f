//! The changes of a fixup in the form of a unified diff: a line for each entry of a RUNPATH.

use crate::escape::{Shown, shown};
use crate::fixup::FileReport;
use crate::terminal::Paint;
use elf_edit::Edit;
use std::collections::HashMap;
use std::io::{self, Write};

/// A file's old and new interpreter, RUNPATH and stack, as far as they change.
pub(crate) fn write_diff(out: &mut dyn Write, file: &FileReport, paint: Paint) -> io::Result<()> {
    let Some(name) = file.names.first() else {
        return Ok(());
    };
    let (old, new) = lines(file);
    let mut page = String::new();
    let (mut kept, mut at) = (0, 0);
    // Entries that stay do so in their order, or count as taken out and put in again.
    let last: HashMap<&String, usize> = new.iter().enumerate().map(|(i, l)| (l, i)).collect();
    for line in &old {
        match last.get(line) {
            Some(&place) if place >= at => {
                for added in &new[at..place] {
                    page.push_str(&format!("{}\n", paint.good(format_args!("+{added}"))));
                }
                page.push_str(&format!(" {line}\n"));
                at = place + 1;
                kept += 1;
            }
            _ => page.push_str(&format!("{}\n", paint.bad(format_args!("-{line}")))),
        }
    }
    for added in &new[at..] {
        page.push_str(&format!("{}\n", paint.good(format_args!("+{added}"))));
    }
    if kept == old.len() && kept == new.len() {
        return Ok(());
    }
    let name = shown(name);
    writeln!(out, "{}", paint.title(format_args!("--- {name}")))?;
    writeln!(out, "{}", paint.title(format_args!("+++ {name}")))?;
    writeln!(out, "@@ -{} +{} @@", range(old.len()), range(new.len()))?;
    out.write_all(page.as_bytes())
}

/// The range of all lines in the head of a hunk.
fn range(lines: usize) -> String {
    match lines {
        0 => "0,0".to_owned(),
        lines => format!("1,{lines}"),
    }
}

fn lines(file: &FileReport) -> (Vec<String>, Vec<String>) {
    let plan = &file.plan;
    let text = |bytes: &[u8]| Shown::from(bytes).to_string();
    let (mut old, mut new) = (Vec::new(), Vec::new());
    if let Some((from, to)) = &plan.interpreter {
        old.push(format!("interpreter {}", text(from)));
        new.push(format!("interpreter {}", text(to)));
    }
    if plan.changes_runpath() {
        let tag = |is_rpath| if is_rpath { "RPATH" } else { "RUNPATH" };
        let was = plan.old_runpath.as_deref().unwrap_or_default();
        let entries = was.split(|&b| b == b':').filter(|_| !was.is_empty());
        old.extend(entries.map(|entry| match entry {
            [] => format!("{} (empty)", tag(plan.old_is_rpath)),
            _ => format!("{} {}", tag(plan.old_is_rpath), text(entry)),
        }));
        let is = tag(plan.new_is_rpath());
        new.extend(
            plan.runpath
                .iter()
                .map(|e| format!("{is} {}", text(&e.text))),
        );
    }
    if plan.edits.contains(&Edit::SetExecutableStack(false)) {
        old.push("stack executable".to_owned());
        new.push("stack not executable".to_owned());
    }
    (old, new)
}
