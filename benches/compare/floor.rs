//! The least that a program can do which looks at every file: walk, open, read the first 4 KiB; the
//! least that one can do which learns what libraries there are before it decides about each file,
//! and lets no other process write meanwhile; and the least that one can do which rewrites every ELF
//! file so that a kill at any time leaves a file that loads.

use anyhow::Context;
use rayon::prelude::*;
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const PAGE: u64 = 4096;

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

/// The same, and each ELF file gets the system calls of two passes that find nothing to change: its
/// headers are at its start, its dynamic section at its end.
pub fn examine(tree: &Path, threads: usize) -> anyhow::Result<()> {
    let files = regular_files(tree)?;
    let first = |path: &PathBuf| {
        let file = File::open(path)?;
        read_headers(&file)
    };
    let second = |path: &PathBuf| {
        let file = File::open(path)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        // Another process may have replaced the file before the lock was there.
        fs::symlink_metadata(path)?;
        read_headers(&file)
    };
    let pool = pool(threads)?;
    let is_elf = |path: &&PathBuf| first(path).unwrap_or(false);
    let elf: Vec<&PathBuf> = pool.install(|| files.par_iter().filter(is_elf).collect());
    let one = |path: &&PathBuf| usize::from(second(path).unwrap_or(false));
    let read: usize = pool.install(|| elf.par_iter().map(one).sum());
    println!("{} files, {read} examined", files.len());
    Ok(())
}

/// Whether it is an ELF file.
fn read_headers(file: &File) -> io::Result<bool> {
    let mut page = [0; PAGE as usize];
    let len = file.metadata()?.len();
    let read = file.read_at(&mut page, 0)?;
    if !page[..read].starts_with(b"\x7fELF") {
        return Ok(false);
    }
    file.read_at(&mut page, len.saturating_sub(1) / PAGE * PAGE)?;
    Ok(true)
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
    /// A rewriter reads the tables of a large file, not all of it.
    const MOST: u64 = 32 << 10;
    let mut page = [0; PAGE as usize];
    // The first pass, of which only a few bytes are kept.
    if !read_headers(&File::open(path)?)? {
        return Ok(false);
    }
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
