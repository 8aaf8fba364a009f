//! The store paths that a package of Nix keeps alive, as a table.

use super::html::{escaped, table};
use crate::escape::{counted, shown};
use crate::report::bytes::bytes;
use crate::report::closure::{by_size, groups, summary};
use crate::store::{StoreClosure, StoreReference};

/// Paths that are shown.
const MAX_ROWS: usize = 500;
/// Files of one line that are named.
const MAX_FILES: usize = 50;

pub(super) fn section(closure: &StoreClosure) -> String {
    let references = by_size(closure);
    let rows = references
        .iter()
        .take(MAX_ROWS)
        .map(|reference| row(reference));
    let rows: Vec<[String; 4]> = rows.collect();
    let more = match references.len().saturating_sub(MAX_ROWS) {
        0 => String::new(),
        more => format!("<p class=\"dim\">and {more} more store paths</p>\n"),
    };
    format!(
        "<section id=\"closure\"><h2>Closure</h2>\n<p class=\"lead\">Store paths that the package \
         keeps alive, each with all that it needs, and the part of that which only this reference \
         keeps. {}</p>\n{}{more}</section>\n",
        escaped(&summary(closure)),
        table(
            "Store paths",
            &["Store path", "Closure", "Alone", "Because of"],
            &rows
        )
    )
}

fn row(reference: &StoreReference) -> [String; 4] {
    let path = escaped(&shown(&reference.path).to_string());
    let goes = match reference.goes {
        true => " <span class=\"badge warning\">goes with --shrink</span>",
        false => "",
    };
    let size = |sum: Option<crate::store::StoreSum>| match sum {
        Some(sum) => bytes(sum.bytes),
        None => "not here".to_owned(),
    };
    let uses = groups(reference).into_iter().map(|(title, files)| {
        let named = files.iter().take(MAX_FILES).map(|file| {
            let file = escaped(&shown(*file).to_string());
            format!("<li><code>{file}</code></li>")
        });
        let more = match files.len().saturating_sub(MAX_FILES) {
            0 => String::new(),
            more => format!("<li>and {more} more</li>"),
        };
        format!(
            "<details><summary>{}: {}</summary><ul>{}{more}</ul></details>",
            escaped(&title),
            counted(files.len() as u64, "file", "files"),
            named.collect::<String>()
        )
    });
    [
        format!("<code>{path}</code>{goes}"),
        size(reference.closure),
        size(reference.alone),
        uses.collect(),
    ]
}
