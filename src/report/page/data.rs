//! The data of a page, with short keys: page.js has their meaning.

use super::PageInput;
use crate::cuda::Capability;
use crate::cuda::driver;
use crate::cuda::fatbin::ImageKind;
use crate::escape::{Shown, sentence, shown};
use crate::lint::RULES;
use crate::loader::{Mark, SearchEntry, Verdict};
use crate::report::by_arch::arch;
use crate::scan;
use crate::survey::graph::{GraphEdge, NodeKind};
use crate::survey::{Survey, SurveyedFile, cudart_word};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Places that are shown of a search that was successful.
const MAX_TRAIL: usize = 8;

/// Everything that the page's script needs.
pub(super) fn data(input: PageInput<'_>) -> Value {
    let survey = input.survey;
    json!({
        "files": survey.files.iter().map(|f| file(survey, f)).collect::<Vec<_>>(),
        "archs": archs(survey),
        "nodes": nodes(input),
        "edges": input.graph.edges.iter().map(|e| edge(input, e)).collect::<Vec<_>>(),
        "findings": findings(input),
        "rules": rules(input),
    })
}

/// How the page names a file: inside its tree, if there is one tree.
pub(super) fn name(survey: &Survey, path: &Path) -> String {
    let only = survey.roots.len() == 1;
    let inside = scan::root_of(&survey.roots, path).filter(|_| only);
    match inside {
        Some((_, inside)) if !inside.as_os_str().is_empty() => shown(inside).to_string(),
        Some(_) => shown(path.file_name().unwrap_or_default()).to_string(),
        None => shown(path).to_string(),
    }
}

pub(super) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Loads => "loads",
        Verdict::WillNotLoad => "does not load",
        Verdict::Unknown => "unknown",
    }
}

fn text(bytes: &[u8]) -> String {
    Shown::from(bytes).to_string()
}

fn texts(list: &[Vec<u8>]) -> Vec<String> {
    list.iter().map(|bytes| text(bytes)).collect()
}

fn file(survey: &Survey, file: &SurveyedFile) -> Value {
    let facts = &file.facts;
    let code = facts.code.iter();
    let code: Map<String, Value> = code
        .map(|((kind, capability), sum)| (key(*kind, *capability), json!(sum.bytes)))
        .collect();
    let search = facts.search.iter();
    json!({
        "p": name(survey, &file.path),
        "k": facts.kind,
        "m": facts.info.machine_name(),
        "s": facts.info.size,
        "n": facts.info.soname.as_deref().map(text),
        "v": verdict(facts.verdict),
        "c": cudart_word(&facts.cudart),
        "r": search.map(|(tag, e)| entry(tag, e, facts.info.machine)).collect::<Vec<_>>(),
        "a": code,
    })
}

fn entry(tag: &str, entry: &SearchEntry, machine: u16) -> Value {
    let marks = entry.marks.iter();
    let marks = marks.filter(|mark| **mark != Mark::ProvidesNothing);
    let is_driver =
        entry.text.strip_suffix(b"/").unwrap_or(&entry.text) == driver::link(machine).as_bytes();
    json!({
        "t": tag,
        "e": text(&entry.text),
        "d": entry.directory.as_deref().map(text),
        "p": texts(&entry.provides),
        "o": texts(&entry.provides_dlopen),
        // The driver link is on no build machine.
        "m": marks.filter(|mark| !(is_driver && **mark == Mark::Missing))
            .map(|mark| mark.as_str()).collect::<Vec<_>>(),
        "w": is_driver.then_some("the driver's libraries on NixOS"),
    })
}

fn key(kind: ImageKind, capability: Option<Capability>) -> String {
    format!("{} {}", kind.word(), arch(kind, capability))
}

/// The columns of the heat map: cubins first, then PTX.
fn archs(survey: &Survey) -> Vec<Value> {
    let all = survey.files.iter().flat_map(|file| file.facts.code.keys());
    let mut all: Vec<_> = all.copied().collect::<BTreeSet<_>>().into_iter().collect();
    all.sort_by_key(|(kind, capability)| (*kind != ImageKind::Cubin, *kind, *capability));
    let column = |(kind, capability): (ImageKind, Option<Capability>)| {
        json!({
            "k": key(kind, capability),
            "n": arch(kind, capability),
            "g": kind.word(),
        })
    };
    all.into_iter().map(column).collect()
}

fn nodes(input: PageInput<'_>) -> Vec<Value> {
    let nodes = input.graph.nodes.iter().enumerate();
    nodes
        .map(|(at, node)| {
            let file = input.survey.files.get(at);
            let path = match (node.kind, file) {
                (NodeKind::Inside, Some(file)) => name(input.survey, &file.path),
                _ => text(&node.path),
            };
            json!([node.kind.word(), path])
        })
        .collect()
}

fn edge(input: PageInput<'_>, edge: &GraphEdge) -> Value {
    let kind = input.graph.nodes.get(edge.to).map(|node| node.kind);
    let most = match kind {
        Some(NodeKind::Missing | NodeKind::NotOpened) => usize::MAX,
        // Every file needs the libc.
        Some(NodeKind::Outside) => 0,
        _ => MAX_TRAIL,
    };
    let link = &edge.link;
    let trail: Vec<&String> = link.trail.iter().take(most).collect();
    let opened = u8::from(link.opened);
    json!([
        edge.from,
        edge.to,
        text(&link.name),
        opened,
        link.step,
        trail
    ])
}

/// Findings that differ in the file alone are one.
fn findings(input: PageInput<'_>) -> Vec<Value> {
    type Key = (
        std::cmp::Reverse<crate::lint::Severity>,
        usize,
        String,
        Vec<String>,
    );
    let mut groups: BTreeMap<Key, Vec<String>> = BTreeMap::new();
    for reported in input.findings {
        let finding = reported.finding;
        let advice = finding.advice();
        let key = (
            std::cmp::Reverse(reported.severity),
            finding.rule,
            sentence(finding.message()).to_string(),
            advice.lines().collect(),
        );
        let path = name(input.survey, &finding.path);
        groups.entry(key).or_default().push(path);
    }
    let groups = groups.into_iter();
    groups
        .map(|((severity, rule, message, advice), files)| {
            json!({
                "s": severity.0.word(),
                "c": RULES.get(rule).map(crate::lint::Rule::code),
                "m": message,
                "a": advice,
                "p": files,
            })
        })
        .collect()
}

/// The pages of the rules that have a finding.
fn rules(input: PageInput<'_>) -> Map<String, Value> {
    let rules = input.findings.iter().map(|reported| reported.finding.rule);
    let rules: BTreeSet<usize> = rules.collect();
    let rules = rules.into_iter().filter_map(|rule| RULES.get(rule));
    rules
        .map(|rule| (rule.code(), json!(rule.text())))
        .collect()
}
