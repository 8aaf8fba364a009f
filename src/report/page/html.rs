//! The parts of a page that are HTML.

use super::{PageInput, closure, duplicates};
use crate::cuda::fatbin::ImageKind;
use crate::escape::{counted, shown};
use crate::lint::Severity;
use crate::loader::Verdict;
use crate::report::bytes::bytes;
use crate::report::diff;
use crate::survey::Survey;
use crate::survey::diff::Comparison;
use crate::survey::graph::NodeKind;
use std::fmt::Write;

/// Rows of changes that are shown.
const MAX_CHANGES: usize = 2000;

/// Text as HTML, in elements and in attributes.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// A table; cells are HTML.
pub(super) fn table<const N: usize>(
    caption: &str,
    head: &[&str; N],
    rows: &[[String; N]],
) -> String {
    let cells = head.map(|cell| format!("<th scope=\"col\">{cell}</th>"));
    let mut out = format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{caption}\"><table>\
         <caption>{caption}</caption><thead><tr>{}</tr></thead><tbody>\n",
        cells.concat()
    );
    for row in rows {
        let cells = row.each_ref().map(|cell| format!("<td>{cell}</td>"));
        // Writing to a String cannot fail.
        let _ = writeln!(out, "<tr>{}</tr>", cells.concat());
    }
    out.push_str("</tbody></table></div>\n");
    out
}

/// The names of the trees.
pub(super) fn title(survey: &Survey) -> String {
    let names = survey.roots.iter().take(3).map(|root| {
        let name = root.canonical.file_name();
        name.map_or_else(
            || shown(&root.canonical).to_string(),
            |n| shown(n).to_string(),
        )
    });
    let mut names = names.collect::<Vec<_>>().join(", ");
    if survey.roots.len() > 3 {
        let _ = write!(names, " and {} more", survey.roots.len() - 3);
    }
    escaped(&names)
}

pub(super) fn body(input: PageInput<'_>) -> String {
    let has_code = input.survey.files.iter().any(|f| !f.facts.code.is_empty());
    let mut links = vec![
        ("summary", "Summary"),
        ("findings", "Findings"),
        ("libraries", "Libraries"),
        ("device-code", "Device code"),
        ("runpaths", "RUNPATHs"),
        ("duplicates", "Duplicates"),
    ];
    if input.comparison.is_some() {
        links.insert(1, ("changes", "Changes"));
    }
    if input.closure.is_some() {
        links.push(("closure", "Closure"));
    }
    links.push(("files", "Files"));
    let links = links
        .iter()
        .map(|(id, name)| format!("<li><a href=\"#{id}\">{name}</a></li>"));
    let changes = input.comparison.map(changes).unwrap_or_default();
    format!(
        "<a class=\"skip\" href=\"#main\">Skip to the report</a>\n<header><h1>{}</h1>\
         <button type=\"button\" id=\"theme\" hidden>Theme</button></header>\n\
         <nav aria-label=\"Sections\"><ul>{}</ul></nav>\n<main id=\"main\">\n\
         <p id=\"failure\" class=\"error\" role=\"alert\" hidden></p>\n\
         <noscript><p class=\"warning\">Tables and graph need JavaScript; nothing is fetched. \
         <code>cuda-fixup lint</code> and <code>cuda-fixup inspect</code> print the same as \
         text.</p></noscript>\n{}{changes}{FINDINGS}{LIBRARIES}{}{RUNPATHS}\
         <section id=\"duplicates\"><h2>Duplicates</h2>\n<p class=\"lead\">Libraries that are in \
         the package more than once, and its CUDA runtimes. Two runtimes in one process do not \
         share contexts, streams or memory.</p>\n{}</section>\n{}{FILES}</main>\n\
         <footer>Made by cuda-fixup {} from {}. This page fetches nothing.</footer>\n",
        title(input.survey),
        links.collect::<String>(),
        summary(input),
        if has_code {
            DEVICE_CODE
        } else {
            NO_DEVICE_CODE
        },
        duplicates::section(input.survey),
        input.closure.map(closure::section).unwrap_or_default(),
        env!("CARGO_PKG_VERSION"),
        roots(input.survey),
    )
}

fn roots(survey: &Survey) -> String {
    let roots = survey.roots.iter().take(20);
    let roots =
        roots.map(|root| format!("<code>{}</code>", escaped(&shown(&root.given).to_string())));
    roots.collect::<Vec<_>>().join(", ")
}

/// A number of the summary, and a remark.
struct Card {
    class: &'static str,
    name: &'static str,
    number: String,
    more: String,
}

fn card(class: &'static str, name: &'static str, number: impl ToString, more: String) -> Card {
    Card {
        class,
        name,
        number: number.to_string(),
        more,
    }
}

fn cards(input: PageInput<'_>) -> [Card; 8] {
    let survey = input.survey;
    let of = |severity| {
        let findings = input.findings.iter();
        findings.filter(|f| f.severity == severity).count()
    };
    let size: u64 = survey.files.iter().map(|f| f.facts.info.size).sum();
    let code = |wanted: fn(ImageKind) -> bool| -> u64 {
        let code = survey.files.iter().flat_map(|f| &f.facts.code);
        let code = code.filter(|((kind, _), _)| wanted(*kind));
        code.map(|(_, sum)| sum.bytes).sum()
    };
    let nodes = |wanted| {
        let nodes = input.graph.nodes.iter();
        nodes.filter(|node| node.kind == wanted).count()
    };
    let fail = survey.files.iter();
    let fail = fail
        .filter(|f| f.facts.verdict == Verdict::WillNotLoad)
        .count();
    let (errors, warnings) = (of(Severity::Error), of(Severity::Warning));
    let missing = nodes(NodeKind::Missing);
    let class = |n: usize, class| if n > 0 { class } else { "good" };
    let files = format!(
        "and {}",
        counted(survey.other_files, "other file", "other files")
    );
    let driver = format!("and {} of the driver", nodes(NodeKind::Driver));
    let notes = counted(of(Severity::Note), "note", "notes");
    let ptx = format!("{} of PTX", bytes(code(|kind| kind == ImageKind::Ptx)));
    let twice = duplicates::groups(survey).len();
    [
        card("", "ELF files", survey.files.len(), files),
        card(
            class(fail, "bad"),
            "Do not load",
            fail,
            "on this machine".into(),
        ),
        card(class(missing, "bad"), "Missing libraries", missing, driver),
        card(class(errors, "bad"), "Errors", errors, String::new()),
        card(class(warnings, "warn"), "Warnings", warnings, notes),
        card("", "Size", bytes(size), "of ELF files".into()),
        card("", "Device code", bytes(code(|_| true)), ptx),
        card(
            "",
            "Duplicates",
            twice,
            "libraries with several files".into(),
        ),
    ]
}

fn summary(input: PageInput<'_>) -> String {
    let cards = cards(input).map(|card| {
        let Card {
            class,
            name,
            number,
            more,
        } = card;
        format!(
            "<div class=\"{class}\"><dt>{name}</dt><dd>{number}<small>{more}</small></dd></div>\n"
        )
    });
    let problems = input.survey.problems.iter();
    let unread: Vec<String> = problems
        .map(|problem| {
            let path = escaped(&shown(&problem.path).to_string());
            let what = escaped(&crate::escape::sentence(&problem.what).to_string());
            format!("<li class=\"error\"><code>{path}</code>: {what}</li>")
        })
        .collect();
    let unread = match unread.is_empty() {
        true => String::new(),
        false => format!("<ul>{}</ul>", unread.concat()),
    };
    format!(
        "<section id=\"summary\"><h2>Summary</h2>\n<dl class=\"cards\">\n{}</dl>\n{unread}</section>\n",
        cards.concat(),
    )
}

fn changes(comparison: &Comparison) -> String {
    let mut rows: Vec<[String; 3]> = Vec::new();
    for (path, what, worse) in diff::rows(comparison) {
        rows.push([
            format!("<code>{}</code>", escaped(&path)),
            format!("<code>{}</code>", escaped(&what)),
            match worse {
                true => "<span class=\"badge error\">worse</span>".to_owned(),
                false => String::new(),
            },
        ]);
    }
    let more = rows.len().saturating_sub(MAX_CHANGES);
    rows.truncate(MAX_CHANGES);
    let more = match more {
        0 => String::new(),
        more => format!("<p class=\"dim\">and {more} more changes</p>\n"),
    };
    let table = match rows.is_empty() {
        true => String::new(),
        false => table("Changes by file", &["File", "Change", ""], &rows),
    };
    format!(
        "<section id=\"changes\"><h2>Changes</h2>\n<p class=\"lead\">{}</p>\n{table}{more}</section>\n",
        escaped(&diff::summary(comparison))
    )
}

const FINDINGS: &str = r#"<section id="findings"><h2>Findings</h2>
<p class="lead">Faults that lint finds, worst first. <span id="findings-count" role="status"></span></p>
<div class="bar" role="search"><input type="search" id="findings-search" placeholder="Search findings" aria-label="Search findings">
<label>Rule <select id="findings-rule"><option value="">all rules</option></select></label>
<label><input type="checkbox" id="show-error" checked> errors</label>
<label><input type="checkbox" id="show-warning" checked> warnings</label>
<label><input type="checkbox" id="show-note"> notes</label></div>
<ul id="findings-list" class="plain"></ul></section>
"#;

const LIBRARIES: &str = r#"<section id="libraries"><h2>Libraries</h2>
<p class="lead">Who needs whom, from left to right. <span id="graph-count" role="status"></span></p>
<div class="bar"><input type="search" id="graph-search" placeholder="Search libraries" aria-label="Search libraries">
<label>Group by <select id="graph-by"><option value="package">package</option><option value="directory">directory</option><option value="none">nothing</option></select></label>
<label><input type="checkbox" id="graph-opened" checked> dlopen</label>
<label title="Names in the data of a file that dlopen would not find"><input type="checkbox" id="graph-guesses"> not found for dlopen</label>
<label title="Libraries that are in none of the given trees"><input type="checkbox" id="graph-outside"> outside</label>
<button type="button" id="graph-expand">Open all</button><button type="button" id="graph-collapse">Close all</button>
<button type="button" id="graph-out" aria-label="Zoom out">−</button><button type="button" id="graph-in" aria-label="Zoom in">+</button></div>
<div class="graph"><div class="canvas" id="graph-canvas" tabindex="0" role="region" aria-label="Drawing of the library graph"></div>
<div class="panel" id="graph-panel" role="region" aria-label="Details" aria-live="polite" tabindex="0"></div></div>
<ul class="legend"><li><span class="key"></span>file</li><li><span class="key group"></span>▸ group</li><li><span class="key missing"></span>✕ missing</li>
<li><span class="key driver"></span>◆ of the driver</li><li><span class="key not-found"></span>? may be opened, not found</li><li><span class="key outside"></span>outside</li><li>dashed line: dlopen</li></ul>
</section>
"#;

const DEVICE_CODE: &str = r#"<section id="device-code"><h2>Device code</h2>
<p class="lead">Bytes of each library by architecture: cubins run on one architecture, PTX is compiled by the driver.</p>
<div class="bar"><input type="search" id="heat-search" placeholder="Search files" aria-label="Search files with device code"></div>
<p class="saving" id="heat-saving" role="status"></p>
<div class="scroll" tabindex="0" role="region" aria-label="Device code by file and architecture" style="max-height:75vh"><table class="heat"><thead id="heat-head"></thead><tbody id="heat-body"></tbody><tfoot id="heat-foot"></tfoot></table></div>
</section>
"#;

const NO_DEVICE_CODE: &str = r#"<section id="device-code"><h2>Device code</h2>
<p class="lead">None of the files has code for a GPU.</p></section>
"#;

const RUNPATHS: &str = r#"<section id="runpaths"><h2>RUNPATHs</h2>
<p class="lead">Each entry of a RUNPATH or RPATH, what is found through it, and its faults.</p>
<div class="bar"><input type="search" id="runpaths-search" placeholder="Search entries, libraries, files" aria-label="Search RUNPATHs">
<label><input type="checkbox" id="runpaths-faults"> only with faults</label></div>
<div class="scroll" tabindex="0" role="region" aria-label="RUNPATH entries"><table><thead><tr><th scope="col">Entry</th><th scope="col">Use</th><th scope="col">Faults</th><th scope="col">Files</th></tr></thead><tbody id="runpaths-body"></tbody></table></div>
</section>
"#;

const FILES: &str = r#"<section id="files"><h2>Files</h2>
<p class="lead">All ELF files that a loader loads. <span id="files-count" role="status"></span></p>
<div class="bar"><input type="search" id="files-search" placeholder="Search files" aria-label="Search files"></div>
<div class="scroll" tabindex="0" role="region" aria-label="Files"><table><thead><tr><th scope="col">File</th><th scope="col">Kind</th><th scope="col">Machine</th><th scope="col" class="num">Size</th><th scope="col">Soname</th><th scope="col">CUDA runtime</th><th scope="col">Loads</th></tr></thead><tbody id="files-body"></tbody></table></div>
</section>
"#;
