//! A log of a library search: the step that succeeded, and the failed attempts.

use elf_edit::{machine_name, reason};
use std::fmt;
use std::io;

/// A step of the loader's search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Loaded already under that name: by an earlier object, or as the interpreter.
    Loaded,
    /// Loaded before everything: LD_PRELOAD or /etc/ld.so.preload.
    Preload,
    /// DT_RPATH of the object with this index.
    Rpath(usize),
    /// LD_LIBRARY_PATH.
    LibraryPath,
    /// DT_RUNPATH of the object with this index.
    Runpath(usize),
    /// ld.so.cache.
    Cache,
    /// The interpreter's own default directories.
    Default,
    /// The name has a slash, so it is the path.
    Path,
}

impl Step {
    /// The word for reports, without whose RPATH or RUNPATH it is.
    pub fn as_str(self) -> &'static str {
        match self {
            Step::Loaded => "loaded",
            Step::Preload => "LD_PRELOAD",
            Step::Rpath(_) => "RPATH",
            Step::LibraryPath => "LD_LIBRARY_PATH",
            Step::Runpath(_) => "RUNPATH",
            Step::Cache => "ld.so.cache",
            Step::Default => "default",
            Step::Path => "absolute",
        }
    }

    /// The object whose RPATH or RUNPATH it is.
    pub fn owner(self) -> Option<usize> {
        match self {
            Step::Rpath(of) | Step::Runpath(of) => Some(of),
            _ => None,
        }
    }
}

/// The step that found a library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Via {
    pub step: Step,
    /// Index of the element in that RPATH, RUNPATH or LD_LIBRARY_PATH, from 0.
    pub element: Option<usize>,
}

impl Via {
    pub(super) fn step(step: Step) -> Via {
        Via {
            step,
            element: None,
        }
    }
}

/// A place that was looked at in vain, or a step that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// The step it belongs to.
    pub step: Step,
    /// The file, the directory that is not there, or the cache; empty for a step left out.
    pub place: Vec<u8>,
    /// Why the candidate was rejected.
    pub why: Why,
}

/// Why a candidate was rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// ENOENT.
    NoFile,
    /// The directory itself does not exist, or is none.
    NoDirectory,
    /// Opening failed for another reason.
    Unreadable(String),
    /// 32-bit where 64-bit is wanted, or the other way round.
    OtherClass,
    /// Another `e_machine`.
    OtherMachine(u16),
    /// Big-endian where little-endian is wanted, or the other way round.
    OtherByteOrder,
    NotElf,
    /// Shorter than an ELF header.
    TooShort,
    /// A directory, FIFO, socket or device.
    NotAFile,
    /// An ELF file that the loader refuses.
    Broken(String),
    /// The cache has no entry of that name for this kind of program.
    NotInCache,
    /// The step is left out, for this reason.
    LeftOut(&'static str),
    /// Our own limit on the search.
    GaveUp,
}

impl Why {
    pub(super) fn from_io(error: &io::Error) -> Why {
        match error.kind() {
            io::ErrorKind::NotFound => Why::NoFile,
            _ => Why::Unreadable(reason(error)),
        }
    }

    /// The word for `--json`.
    pub fn code(&self) -> &'static str {
        match self {
            Why::NoFile => "no-such-file",
            Why::NoDirectory => "no-such-directory",
            Why::Unreadable(_) => "unreadable",
            Why::OtherClass => "other-class",
            Why::OtherMachine(_) => "other-machine",
            Why::OtherByteOrder => "other-byte-order",
            Why::NotElf => "not-elf",
            Why::TooShort => "too-short",
            Why::NotAFile => "not-a-file",
            Why::Broken(_) => "broken",
            Why::NotInCache => "not-in-cache",
            Why::LeftOut(_) => "left-out",
            Why::GaveUp => "gave-up",
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Why::NoFile => "no such file",
            Why::NoDirectory => "no such directory",
            Why::Unreadable(error) => return write!(f, "cannot be opened: {error}"),
            Why::OtherClass => "other word size (32-bit against 64-bit)",
            Why::OtherMachine(found) => {
                return match machine_name(*found) {
                    Some(name) => write!(f, "other machine ({name})"),
                    None => write!(f, "other machine ({found})"),
                };
            }
            Why::OtherByteOrder => "other byte order",
            Why::NotElf => "not ELF: the loader stops with an error here",
            Why::TooShort => "too short for ELF: the loader stops with an error here",
            Why::NotAFile => "no regular file: the loader stops with an error here",
            Why::Broken(what) => {
                return write!(f, "{what}: the loader stops with an error here");
            }
            Why::NotInCache => "no entry of that name",
            Why::LeftOut(reason) => return write!(f, "left out: {reason}"),
            Why::GaveUp => "gave up: more places than any real program looks at",
        })
    }
}

/// The failed attempts, in order. Bounded: hostile search paths have hundreds of thousands of
/// elements.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchLog {
    /// The places, in order.
    pub tried: Vec<Tried>,
    /// Number of attempts that are not recorded.
    pub left_out: usize,
}

/// Most places of one trail that are kept.
const MAX_TRIED: usize = 2000;

impl SearchLog {
    /// Adds an attempt, if `budget` allows it, and reduces `budget` by its size.
    pub(super) fn push(&mut self, budget: &mut usize, step: Step, place: &[u8], why: Why) {
        let size = place.len() + size_of::<Tried>();
        if self.tried.len() >= MAX_TRIED || *budget < size {
            self.left_out += 1;
            return;
        }
        *budget -= size;
        self.tried.push(Tried {
            step,
            place: place.to_vec(),
            why,
        });
    }
}
