//! The least that a program can do which looks at every file: walk, open, read the first 4 KiB; and
//! the least that one can do which rewrites every ELF file so that a kill at any time leaves a file
//! that loads.

use anyhow::Context;
use rayon::prelude::*;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Walks `tree`, then reads the start of its regular files on `threads` threads.
pub fn floor(tree: &Path, threads: usize) -> anyhow::Result<()> {
    let files = regular_files(tree)?;
    let read = |path: &PathBuf| -> u64 {
        let mut head = [0; 4096];
        let file = File::open(path);
        file.and_then(|file| file.read_at(&mut head, 0))
            .map_or(0, |count| count as u64)
    };
    let bytes: u64 = pool(threads)?.install(|| files.par_iter().map(read).sum());
    println!("{} files, {bytes} bytes", files.len());
    Ok(())
}

/// The same, and each ELF file gets the system calls of a rewrite in place, with the bytes that it
/// has: it is as before in the end.
pub fn rewrite(tree: &Path, threads: usize) -> anyhow::Result<()> {
    let files = regular_files(tree)?;
    let one = |path: &PathBuf| usize::from(rewrite_file(path).unwrap_or(false));
    let rewritten: usize = pool(threads)?.install(|| files.par_iter().map(one).sum());
    println!("{} files, {rewritten} rewritten", files.len());
    Ok(())
}

/// Whether it is an ELF file.
fn rewrite_file(path: &Path) -> io::Result<bool> {
    const PAGE: u64 = 4096;
    /// A rewriter reads the tables of a large file, not all of it.
    const MOST: u64 = 32 << 10;
    let mut page = [0; PAGE as usize];
    // The first pass: headers and dynamic section, of which only a few bytes are kept.
    let file = File::open(path)?;
    let read = file.read_at(&mut page, 0)?;
    if !page[..read].starts_with(b"\x7fELF") {
        return Ok(false);
    }
    let len = file.metadata()?.len();
    file.read_at(&mut page, len / PAGE * PAGE)?;
    drop(file);
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let len = file.metadata()?.len();
    let mut whole = vec![0; len.min(MOST) as usize];
    file.read_exact_at(&mut whole, 0)?;
    let part = |at: usize, len: usize| &whole[at.min(whole.len())..(at + len).min(whole.len())];
    // The new contents behind the file, and a header that uses them: the journal.
    file.write_all_at(part(0, 2048), len)?;
    file.write_all_at(part(0, 64), 0)?;
    // What no state of the journal uses: program headers, strings, the dynamic section, section headers.
    for (at, len) in [(64, 512), (1024, 64), (2048, 384), (4096, 256)] {
        file.write_all_at(part(at, len), at as u64)?;
    }
    // The final header, and the end of the journal.
    file.write_all_at(part(0, 64), 0)?;
    file.set_len(len)?;
    // The result is read back by another reader.
    file.read_at(&mut page, 0)?;
    file.read_at(&mut page, len / PAGE * PAGE)?;
    Ok(true)
}

fn pool(threads: usize) -> anyhow::Result<rayon::ThreadPool> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    pool.build().context("cannot start threads")
}

fn regular_files(tree: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in walkdir::WalkDir::new(tree) {
        let entry = entry?;
        if entry.file_type().is_file() {
            files.push(entry.into_path());
        }
    }
    Ok(files)
}
