//! The library graph for other programs: Graphviz, Mermaid, JSON.

use super::schema;
use crate::escape::Shown;
use crate::survey::graph::{Graph, GraphEdge, GraphNode, NodeKind};
use serde_json::{Value, json};
use std::fmt::Write;

/// A form of the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum GraphFormat {
    /// For Graphviz
    Dot,
    /// For Markdown on GitHub and elsewhere
    Mermaid,
    /// One object with nodes and edges
    Json,
}

/// The whole graph in that form.
pub(crate) fn graph(graph: &Graph, format: GraphFormat) -> String {
    match format {
        GraphFormat::Dot => dot(graph),
        GraphFormat::Mermaid => mermaid(graph),
        GraphFormat::Json => format!("{}\n", json(graph)),
    }
}

/// Path or name of a node, as text.
pub(crate) fn label(node: &GraphNode) -> String {
    Shown::from(&node.path[..]).to_string()
}

fn dot(graph: &Graph) -> String {
    let mut out = "digraph libraries {\n  rankdir=LR;\n  node [shape=box];\n".to_owned();
    // Writing to a String cannot fail.
    for (at, node) in graph.nodes.iter().enumerate() {
        let style = match node.kind {
            NodeKind::Inside => "",
            NodeKind::Outside => ", color=gray, fontcolor=gray",
            NodeKind::Driver => ", color=green4, style=dashed",
            NodeKind::Missing => ", color=red, fontcolor=red",
            NodeKind::NotOpened => ", color=orange, fontcolor=orange",
        };
        let _ = writeln!(out, "  n{at} [label={}{style}];", quoted(&label(node)));
    }
    for edge in &graph.edges {
        let style = if edge.link.opened {
            ", style=dashed"
        } else {
            ""
        };
        let (from, to) = (edge.from, edge.to);
        let how = quoted(edge.link.step.as_deref().unwrap_or_default());
        let _ = writeln!(out, "  n{from} -> n{to} [tooltip={how}{style}];");
    }
    out.push_str("}\n");
    out
}

/// A string of the DOT language. Graphviz reads `\l`, `\N` and the like in labels.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn mermaid(graph: &Graph) -> String {
    let mut out = "flowchart LR\n".to_owned();
    for (at, node) in graph.nodes.iter().enumerate() {
        let text = entities(&label(node));
        let class = match node.kind {
            NodeKind::Inside => String::new(),
            kind => format!(":::{}", kind.word()),
        };
        let _ = writeln!(out, "  n{at}[\"{text}\"]{class}");
    }
    for edge in &graph.edges {
        let arrow = if edge.link.opened { "-.->" } else { "-->" };
        let _ = writeln!(out, "  n{} {arrow} n{}", edge.from, edge.to);
    }
    out.push_str("  classDef missing stroke:#c00,color:#c00\n");
    out.push_str("  classDef not-found stroke:#b60,color:#b60\n");
    out.push_str("  classDef driver stroke:#070,stroke-dasharray:4\n");
    out.push_str("  classDef outside stroke:#888,color:#888\n");
    out
}

/// Text in which no character is Mermaid's or HTML's.
fn entities(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c.is_alphanumeric() || " ./-+_:,$".contains(c) {
            true => out.push(c),
            false => {
                let _ = write!(out, "#{};", u32::from(c));
            }
        }
    }
    out
}

fn json(graph: &Graph) -> Value {
    let node = |node: &GraphNode| json!({ "kind": node.kind.word(), "path": label(node) });
    let edge = |edge: &GraphEdge| {
        json!({
            "from": edge.from,
            "to": edge.to,
            "name": Shown::from(&edge.link.name[..]).to_string(),
            "opened": edge.link.opened,
            "via": edge.link.step,
            "trail": edge.link.trail,
        })
    };
    json!({
        "schema": schema::GRAPH,
        "nodes": graph.nodes.iter().map(node).collect::<Vec<_>>(),
        "edges": graph.edges.iter().map(edge).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_text_in_every_form() {
        assert_eq!(quoted(r#"a"b\N"#), r#""a\"b\\N""#);
        assert_eq!(entities(r#"a"]<b>"#), "a#34;#93;#60;b#62;");
    }
}
