//! A report as one HTML page that needs nothing else: no network, no other file.
//!
//! The summary, duplicates and changes are HTML; the rest is data from which a script makes the
//! page's tables and the graph when they come into view. Text of files is escaped in the one and
//! becomes text nodes in the other; the page's policy runs no script but its own.

mod closure;
mod data;
mod duplicates;
mod html;

use crate::lint::ReportedFinding;
use crate::store::StoreClosure;
use crate::survey::Survey;
use crate::survey::diff::Comparison;
use crate::survey::graph::Graph;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use std::io::{self, Write};

const STYLE: &str = include_str!("page.css");
const SCRIPTS: [&str; 3] = [
    include_str!("page.js"),
    include_str!("graph.js"),
    include_str!("main.js"),
];
/// Data that is larger is compressed.
const MAX_PLAIN: usize = 1 << 20;

/// The values that the page shows.
#[derive(Clone, Copy)]
pub(crate) struct PageInput<'a> {
    pub survey: &'a Survey,
    pub graph: &'a Graph,
    pub findings: &'a [ReportedFinding<'a>],
    /// The changes since another tree.
    pub comparison: Option<&'a Comparison>,
    /// The store paths that a package of Nix keeps alive.
    pub closure: Option<&'a StoreClosure>,
}

/// The whole page.
pub(crate) fn page(input: PageInput<'_>) -> io::Result<String> {
    let script = SCRIPTS.concat();
    let hash = STANDARD.encode(Sha256::digest(script.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{hash}'; \
         base-uri 'none'; form-action 'none'"
    );
    let (form, data) = embedded(&data::data(input))?;
    let title = html::title(input.survey);
    Ok(format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <meta name=\"generator\" content=\"cuda-fixup {}\">\n\
         <title>{title} – cuda-fixup report</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         {}<script type=\"application/json\" id=\"data\" data-form=\"{form}\">{data}</script>\n\
         <script>{script}</script>\n</body>\n</html>\n",
        env!("CARGO_PKG_VERSION"),
        html::body(input),
    ))
}

/// The data as the text of a script element: JSON, or gzip in base64.
fn embedded(data: &serde_json::Value) -> io::Result<(&'static str, String)> {
    let json = data.to_string();
    if json.len() <= MAX_PLAIN {
        // No character that could end the element or begin a comment.
        let json = json.replace('<', "\\u003c").replace('>', "\\u003e");
        return Ok(("json", json.replace('&', "\\u0026")));
    }
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(json.as_bytes())?;
    Ok(("gzip", STANDARD.encode(packed.finish()?)))
}
