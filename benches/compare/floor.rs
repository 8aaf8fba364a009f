//! The least that a program can do which looks at every file: walk, open, read the first 4 KiB.

use anyhow::Context;
use rayon::prelude::*;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Walks `tree`, then reads the start of its regular files on `threads` threads.
pub fn floor(tree: &Path, threads: usize) -> anyhow::Result<()> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .context("cannot start threads")?;
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in walkdir::WalkDir::new(tree) {
        let entry = entry?;
        if entry.file_type().is_file() {
            files.push(entry.into_path());
        }
    }
    let read = |path: &PathBuf| -> u64 {
        let mut head = [0; 4096];
        let file = File::open(path);
        file.and_then(|file| file.read_at(&mut head, 0))
            .map_or(0, |count| count as u64)
    };
    let bytes: u64 = pool.install(|| files.par_iter().map(read).sum());
    println!("{} files, {bytes} bytes", files.len());
    Ok(())
}
