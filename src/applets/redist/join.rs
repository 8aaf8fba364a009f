//! `redist join`: links in `out` to the contents of the other outputs, and in `dev` to the headers.

use super::Outcome;
use super::install::output;
use crate::escape::shown;
use anyhow::Context;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// Link the outputs of a package into its `out`
///
/// `out` then has the whole package and depends on all of it, and `dev` has the headers, where
/// CMake files look for them. A directory that comes from one output is one link.
#[derive(Debug, clap::Args)]
#[command(after_help = super::super::examples::REDIST_JOIN)]
pub(super) struct Args {
    /// An output and its directory
    #[arg(long = "output", required = true, value_name = "NAME=DIR", value_parser = output)]
    outputs: Vec<(String, PathBuf)>,
}

/// A directory of the joined tree, or a file.
#[derive(Default)]
struct Node {
    /// The outputs that have this path or something below it.
    outputs: BTreeSet<String>,
    children: BTreeMap<PathBuf, Node>,
}

/// Nix's own data about an output, which is not shared.
const OWN: &str = "nix-support";

pub(super) fn run(args: Args) -> anyhow::Result<Outcome> {
    let dirs: BTreeMap<String, PathBuf> = args.outputs.into_iter().collect();
    let mut root = Node::default();
    for (name, dir) in &dirs {
        for entry in walkdir::WalkDir::new(dir).sort_by_file_name() {
            let entry = entry.with_context(|| shown(dir).to_string())?;
            let path = entry.path().strip_prefix(dir)?;
            if entry.file_type().is_dir() || path.starts_with(OWN) {
                continue;
            }
            let mut node = &mut root;
            node.outputs.insert(name.clone());
            for part in path {
                node = node.children.entry(part.into()).or_default();
                node.outputs.insert(name.clone());
            }
        }
    }
    if let Some(out) = dirs.get("out") {
        link(&root, &dirs, Path::new(""), "out", out)?;
    }
    if let (Some(dev), Some(headers)) = (dirs.get("dev"), root.children.get(Path::new("include"))) {
        link(headers, &dirs, Path::new("include"), "dev", dev)?;
    }
    Ok(Outcome::Fine)
}

/// Links the entries of `node`, which is at `path`, from other outputs into the output `name`.
fn link(
    node: &Node,
    dirs: &BTreeMap<String, PathBuf>,
    path: &Path,
    name: &str,
    into: &Path,
) -> anyhow::Result<()> {
    // The output's own directory stays one.
    let own = node.outputs.contains(name) || path.as_os_str().is_empty();
    if !own && node.outputs.len() == 1 {
        let other = node.outputs.first().and_then(|other| dirs.get(other));
        let to = into.join(path);
        if let (Some(other), Some(parent)) = (other, to.parent()) {
            fs::create_dir_all(parent).with_context(|| shown(parent).to_string())?;
            symlink(other.join(path), &to).with_context(|| shown(&to).to_string())?;
        }
        return Ok(());
    }
    for (part, child) in &node.children {
        let path = path.join(part);
        // A file of this output's is there already; of two others' the first has the place.
        if child.children.is_empty() && child.outputs.contains(name) {
            continue;
        }
        if child.children.is_empty() && child.outputs.len() > 1 {
            let first = child.outputs.first().cloned();
            let node = Node {
                outputs: first.into_iter().collect(),
                ..Node::default()
            };
            link(&node, dirs, &path, name, into)?;
        } else {
            link(child, dirs, &path, name, into)?;
        }
    }
    Ok(())
}
