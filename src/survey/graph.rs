//! The library graph: who needs and who opens whom.

use super::links::LibraryLink;
use crate::cuda::driver;
use elf_edit::FileId;
use std::collections::HashMap;

/// A library or a program of the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum NodeKind {
    /// A file of the given trees.
    Inside,
    /// A file outside of them.
    Outside,
    /// A library of the driver, which only the machine has that runs the program.
    Driver,
    /// A library that is not found and that a file needs.
    Missing,
    /// A library that is not found and that a file may open.
    NotOpened,
}

impl NodeKind {
    /// The word that reports use.
    pub(crate) fn word(self) -> &'static str {
        match self {
            NodeKind::Inside => "file",
            NodeKind::Outside => "outside",
            NodeKind::Driver => "driver",
            NodeKind::Missing => "missing",
            NodeKind::NotOpened => "not-found",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GraphNode {
    pub kind: NodeKind,
    /// A path, or the name of a library that is not found.
    pub path: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GraphEdge {
    /// Indices into [`Graph::nodes`].
    pub from: usize,
    pub to: usize,
    pub link: LibraryLink,
}

/// Nodes in the order of the trees, then the others by kind and path; edges by node, in the order
/// of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Graph {
    pub nodes: Vec<GraphNode>,
    pub edges: Vec<GraphEdge>,
}

/// A file of the trees, with its links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LinkedFile {
    /// As the user names it.
    pub path: Vec<u8>,
    pub id: FileId,
    pub links: Vec<LibraryLink>,
}

impl Graph {
    /// The graph of these files. An inode that has several names is one node.
    pub(crate) fn new(files: Vec<LinkedFile>) -> Graph {
        let mut graph = Graph::default();
        let mut by_id: HashMap<FileId, usize> = HashMap::new();
        let mut linked = Vec::new();
        for file in files {
            if by_id.contains_key(&file.id) {
                continue;
            }
            by_id.insert(file.id, graph.nodes.len());
            graph.nodes.push(GraphNode {
                kind: NodeKind::Inside,
                path: file.path,
            });
            linked.push(file.links);
        }
        let mut others: Vec<(NodeKind, Vec<u8>)> = Vec::new();
        for link in linked.iter().flatten() {
            others.extend(other(link, &by_id));
        }
        others.sort();
        others.dedup();
        let first = graph.nodes.len();
        for (at, links) in linked.into_iter().enumerate() {
            for link in links {
                let to = match other(&link, &by_id) {
                    Some(key) => others.binary_search(&key).ok().map(|place| first + place),
                    None => inside(&link, &by_id),
                };
                if let Some(to) = to {
                    graph.edges.push(GraphEdge { from: at, to, link });
                }
            }
        }
        let nodes = others.into_iter();
        graph
            .nodes
            .extend(nodes.map(|(kind, path)| GraphNode { kind, path }));
        graph
    }

    /// The edges that leave a node.
    pub(crate) fn from(&self, node: usize) -> &[GraphEdge] {
        let start = self.edges.partition_point(|edge| edge.from < node);
        let end = self.edges.partition_point(|edge| edge.from <= node);
        &self.edges[start..end]
    }
}

fn inside(link: &LibraryLink, by_id: &HashMap<FileId, usize>) -> Option<usize> {
    by_id.get(&link.found.as_ref()?.id?).copied()
}

/// The node of a link that leads to none of the trees' files.
fn other(link: &LibraryLink, by_id: &HashMap<FileId, usize>) -> Option<(NodeKind, Vec<u8>)> {
    if inside(link, by_id).is_some() {
        return None;
    }
    let name = file_name(&link.name);
    let kind = match &link.found {
        _ if driver::library(name).is_some() => NodeKind::Driver,
        Some(found) => return Some((NodeKind::Outside, found.path.clone())),
        None if link.opened => NodeKind::NotOpened,
        None => NodeKind::Missing,
    };
    Some((kind, name.to_vec()))
}

fn file_name(path: &[u8]) -> &[u8] {
    path.rsplit(|&byte| byte == b'/').next().unwrap_or(path)
}
