//! The libraries of a whole tree as one tree: each file is expanded once, and files of a directory
//! that load the same libraries share a line.

use super::graph::label;
use crate::survey::graph::{Graph, GraphEdge, NodeKind};
use crate::terminal::Paint;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Deeper than this nothing is drawn.
const MAX_DEPTH: usize = 64;
/// Names of a group that are shown.
const SHOWN: usize = 3;

/// Draws the graph. With `all`, libraries outside of the tree have lines of their own, too.
pub(crate) fn folded(graph: &Graph, all: bool, paint: Paint) -> String {
    let mut drawing = Drawing {
        graph,
        all,
        paint,
        drawn: vec![false; graph.nodes.len()],
        out: String::new(),
    };
    let mut needed = vec![false; graph.nodes.len()];
    for edge in graph.edges.iter().filter(|edge| edge.from != edge.to) {
        needed[edge.to] = true;
    }
    let inside = |at: &usize| graph.nodes[*at].kind == NodeKind::Inside;
    let first: Vec<usize> = (0..graph.nodes.len())
        .filter(inside)
        .filter(|at| !needed[*at])
        .collect();
    for group in drawing.groups(&first) {
        drawing.root(&group);
    }
    // Files that need each other in a circle.
    for at in (0..graph.nodes.len()).filter(inside) {
        if !drawing.drawn[at] {
            drawing.root(&[at]);
        }
    }
    drawing.out
}

struct Drawing<'a> {
    graph: &'a Graph,
    all: bool,
    paint: Paint,
    drawn: Vec<bool>,
    out: String,
}

impl<'a> Drawing<'a> {
    /// Files of one directory with the same dependencies, in the order of the first of each group.
    fn groups(&self, files: &[usize]) -> Vec<Vec<usize>> {
        let mut places: BTreeMap<(String, Vec<(usize, bool)>), usize> = BTreeMap::new();
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for &at in files {
            let edges = self.graph.from(at).iter();
            let to = edges.map(|edge| (edge.to, edge.link.opened)).collect();
            let path = label(&self.graph.nodes[at]);
            let directory = path.rsplit_once('/').map_or("", |(dir, _)| dir).to_owned();
            let place = *places.entry((directory, to)).or_insert(groups.len());
            match groups.get_mut(place) {
                Some(group) => group.push(at),
                None => groups.push(vec![at]),
            }
        }
        groups
    }

    fn root(&mut self, group: &[usize]) {
        let labels: Vec<String> = group
            .iter()
            .map(|at| label(&self.graph.nodes[*at]))
            .collect();
        let Some((first, rest)) = labels.split_first() else {
            return;
        };
        let _ = write!(self.out, "{}", self.paint.title(first));
        let name = |path: &String| path.rsplit('/').next().unwrap_or(path).to_owned();
        let names: Vec<String> = rest.iter().take(SHOWN).map(name).collect();
        if !names.is_empty() {
            let _ = write!(self.out, ", {}", names.join(", "));
        }
        if rest.len() > names.len() {
            let _ = write!(self.out, " and {} more", rest.len() - names.len());
        }
        self.out.push('\n');
        for at in group {
            self.drawn[*at] = true;
        }
        self.children(group[0], "", 1);
    }

    fn children(&mut self, of: usize, before: &str, depth: usize) {
        let edges: Vec<&'a GraphEdge> = self.graph.from(of).iter().collect();
        let outside = |edge: &&GraphEdge| self.graph.nodes[edge.to].kind == NodeKind::Outside;
        let (outer, shown): (Vec<_>, Vec<_>) = match self.all {
            true => (Vec::new(), edges),
            false => edges.into_iter().partition(outside),
        };
        let last = shown.len() + usize::from(!outer.is_empty());
        for (at, edge) in shown.into_iter().enumerate() {
            let (branch, deeper) = branches(at + 1 == last, edge.link.opened);
            let _ = write!(self.out, "{before}{branch}");
            self.line(edge);
            let inside = self.graph.nodes[edge.to].kind == NodeKind::Inside;
            let new = !std::mem::replace(&mut self.drawn[edge.to], true);
            let more = inside && !self.graph.from(edge.to).is_empty();
            match (more, new) {
                (true, false) => {
                    let _ = writeln!(self.out, " {}", self.paint.faint("above"));
                }
                (true, true) if depth >= MAX_DEPTH => {
                    let _ = writeln!(self.out, " {}", self.paint.odd("too deep to draw"));
                }
                (true, true) => {
                    self.out.push('\n');
                    self.children(edge.to, &format!("{before}{deeper}"), depth + 1);
                }
                (false, _) => self.out.push('\n'),
            }
        }
        if !outer.is_empty() {
            let names: Vec<String> = outer
                .iter()
                .map(|edge| crate::escape::Shown::from(&edge.link.name[..]).to_string())
                .collect();
            let names = format!("outside: {}", names.join(", "));
            let _ = writeln!(self.out, "{before}└── {}", self.paint.faint(names));
        }
    }

    fn line(&mut self, edge: &GraphEdge) {
        let node = &self.graph.nodes[edge.to];
        let name = crate::escape::Shown::from(&edge.link.name[..]);
        let paint = self.paint;
        let opened = if edge.link.opened { "opens " } else { "" };
        let text = match node.kind {
            NodeKind::Inside | NodeKind::Outside => {
                let step = edge.link.step.as_deref().unwrap_or_default();
                format!(
                    "{opened}{} {}",
                    label(node),
                    paint.faint(format!("({step})"))
                )
            }
            NodeKind::Driver => format!("{opened}{name} {}", paint.good("of the driver")),
            NodeKind::Missing => format!("{opened}{name} {}", paint.bad("not found")),
            NodeKind::NotOpened => format!("{opened}{name} {}", paint.odd("would not be found")),
        };
        self.out.push_str(&text);
    }
}

fn branches(last: bool, opened: bool) -> (&'static str, &'static str) {
    match (last, opened) {
        (true, false) => ("└── ", "    "),
        (false, false) => ("├── ", "│   "),
        (true, true) => ("└╌╌ ", "    "),
        (false, true) => ("├╌╌ ", "│   "),
    }
}
