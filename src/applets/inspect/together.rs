//! What is shown of all files together, after the last one was read: `--graph`, and `--tree` of a
//! directory.

use super::Run;
use crate::loader::Resolution;
use crate::report::folded::folded;
use crate::report::graph;
use crate::scan::{self, Walked};
use crate::survey::graph::{Graph, LinkedFile};
use crate::survey::links::links;
use crate::terminal;
use elf_edit::{FileId, FileReader};
use std::ffi::OsStr;
use std::io::{self, Write};
use std::mem;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::PoisonError;

impl Run {
    /// Keeps the links of a file.
    pub(super) fn keep(&self, walked: &Walked, file: &FileReader, resolution: &Resolution) {
        let id_of = |path: &[u8]| {
            let path = self.loader.real_path(Path::new(OsStr::from_bytes(path)))?;
            FileId::at(&path).ok()
        };
        let linked = LinkedFile {
            path: walked.path.as_os_str().as_bytes().to_vec(),
            id: FileId::from(file),
            links: links(resolution, id_of),
        };
        let mut all = self.linked.lock().unwrap_or_else(PoisonError::into_inner);
        all.push((walked.clone(), linked));
    }

    /// Shows the files that were kept.
    pub(super) fn show_together(&self) -> io::Result<()> {
        if !self.together {
            return Ok(());
        }
        let mut linked = self.linked.lock().unwrap_or_else(PoisonError::into_inner);
        let mut files = mem::take(&mut *linked);
        // Threads finish in any order.
        files.sort_by(|(a, _), (b, _)| {
            let by_path = || scan::tree_order(&a.path, &b.path);
            a.root.cmp(&b.root).then_with(by_path)
        });
        let graph = Graph::new(files.into_iter().map(|(_, file)| file).collect());
        let text = match self.args.graph {
            Some(format) => graph::graph(&graph, format),
            None => folded(&graph, self.args.verbose, self.paint),
        };
        terminal::stdout().write_all(text.as_bytes())
    }
}
