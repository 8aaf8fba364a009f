//! Options and result of a rewrite.

/// Options of a rewrite.
#[derive(Clone, Debug, Default)]
pub struct RewriteOptions {
    /// Write a copy and rename it over the file: the old inode stays as it was, for programs
    /// that have it mapped, and a power failure leaves the old file or the new one.
    pub atomic: bool,
    /// Write to the inode whatever other names it has: they change with it.
    pub keep_links: bool,
    /// Alignment of a new segment in bytes; default: the machine's largest page size.
    pub page_size: Option<u64>,
}

/// Result of a rewrite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rewritten {
    /// Whether the file was written to at all.
    pub changed: bool,
    /// Whether GNU strip and its like still work on the result.
    pub strip_safe: bool,
    /// Bytes behind the ELF file that were copied to its new end, for readers that look for them
    /// there. They keep their old place, too.
    pub tail_copied: u64,
    /// Bytes that were written, a copy for `atomic` or for a broken hard link not counted.
    pub bytes_written: u64,
    /// Length before, in bytes.
    pub size_before: u64,
    /// Length afterwards, in bytes.
    pub size_after: u64,
}
