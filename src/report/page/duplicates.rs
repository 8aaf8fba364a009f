//! Libraries of which the trees have more than one file.

use super::data::name;
use super::html::{escaped, table};
use crate::cuda::Soname;
use crate::cuda::linkage::Linkage;
use crate::escape::counted;
use crate::report::bytes::bytes;
use crate::survey::{Survey, SurveyedFile, cudart_word};
use std::collections::BTreeMap;

/// Groups that are listed.
const MAX_GROUPS: usize = 200;

/// Files by the stem of their sonames, where there are several for one machine.
pub(super) fn groups(survey: &Survey) -> Vec<(String, Vec<&SurveyedFile>)> {
    let mut groups: BTreeMap<(Vec<u8>, u16), Vec<&SurveyedFile>> = BTreeMap::new();
    for file in &survey.files {
        let file_name = file.path.file_name().unwrap_or_default();
        let soname = file.facts.info.soname.as_deref();
        let soname = soname.unwrap_or(file_name.as_encoded_bytes());
        let stem = Soname::parse(soname).filter(|soname| !soname.version.is_empty());
        if let Some(soname) = stem {
            let key = (soname.stem.to_vec(), file.facts.info.machine);
            groups.entry(key).or_default().push(file);
        }
    }
    let several = groups.into_iter().filter(|(_, files)| files.len() > 1);
    several
        .map(|((stem, _), files)| (String::from_utf8_lossy(&stem).into_owned(), files))
        .collect()
}

/// The section's tables.
pub(super) fn section(survey: &Survey) -> String {
    let groups = groups(survey);
    let mut out = String::new();
    let rows: Vec<[String; 5]> = groups
        .iter()
        .take(MAX_GROUPS)
        .flat_map(|(stem, files)| files.iter().map(move |file| (stem, file)))
        .map(|(stem, file)| {
            let facts = &file.facts;
            let soname = facts.info.soname.as_deref().unwrap_or_default();
            [
                escaped(stem),
                format!("<code>{}</code>", escaped(&name(survey, &file.path))),
                escaped(&crate::escape::Shown::from(soname).to_string()),
                bytes(facts.info.size),
                escaped(&cudart_word(&facts.cudart).unwrap_or_default()),
            ]
        })
        .collect();
    if rows.is_empty() {
        out.push_str("<p class=\"fine\">No library is there twice.</p>\n");
    } else {
        let head = ["Library", "File", "Soname", "Size", "CUDA runtime"];
        out.push_str(&table("Several files of one library", &head, &rows));
    }
    if groups.len() > MAX_GROUPS {
        let more = groups.len() - MAX_GROUPS;
        out.push_str(&format!(
            "<p class=\"dim\">and {}</p>\n",
            counted(more, "more library", "more libraries")
        ));
    }
    out.push_str(&runtimes(survey));
    out
}

/// The CUDA runtimes, each with the files that have or need it.
fn runtimes(survey: &Survey) -> String {
    let mut files: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in &survey.files {
        if file.facts.cudart.linkage != Linkage::None
            && let Some(word) = cudart_word(&file.facts.cudart)
        {
            let path = name(survey, &file.path);
            files.entry(word).or_default().push(path);
        }
    }
    if files.is_empty() {
        return String::new();
    }
    let rows = files.into_iter().map(|(word, files)| {
        let list = files.iter().map(|path| escaped(path));
        let list: Vec<String> = list
            .map(|path| format!("<li><code>{path}</code></li>"))
            .collect();
        let number = counted(list.len(), "file", "files");
        let files = format!(
            "<details><summary>{number}</summary><ul>{}</ul></details>",
            list.concat()
        );
        [escaped(&word), files]
    });
    let rows: Vec<[String; 2]> = rows.collect();
    table("CUDA runtimes", &["CUDA runtime", "Files"], &rows)
}
