//! Reads archives without unpacking them for the user: members that a loader or a rule reads go, in
//! one pass over the stream, into a private temporary directory, and reports name them
//! `ARCHIVE!path`. The directory is removed with the value, or when a signal ends the process.
//!
//! Nothing in an archive decides where something is written: names are taken apart, links are made
//! last and only where they lead to a member. Memory is bounded by the windows of the decompressors,
//! and output by the size of the archive.

mod format;
mod nar;
mod oci;
mod private;
mod staging;
mod stream;
mod tape;

pub(crate) use stream::Packing;

use crate::escape;
use private::PrivateDirectory;
use staging::Staging;
use std::fs::File;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Why an archive can't be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArchiveError {
    #[error("cannot be read: {}", elf_edit::reason(.0))]
    Io(#[from] io::Error),
    #[error("cannot be read as zip: {0}")]
    Zip(#[from] zip::result::ZipError),
    #[error("{0}")]
    Malformed(String),
    #[error(
        "expands to more than {} times its size: a file made to exhaust a machine, or unpack it \
         yourself",
        stream::MAX_RATIO
    )]
    Bomb,
    #[error(
        "an archive in an unknown form: expected .whl, .zip, .tar (.gz, .lz4, .xz, .zst), .deb, .nar \
         (.lz4, .xz, .zst) or an image as `docker save` writes it"
    )]
    Unknown,
}

/// The members of which contents are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Those that a loader or a rule reads.
    #[default]
    Needed,
    /// All, and links wherever they lead.
    Whole,
}

/// Archives of one run.
#[derive(Debug, Default)]
pub(crate) struct Archives {
    /// The paths to read: those that were given, with a directory for each archive.
    pub paths: Vec<PathBuf>,
    /// Members that were left out, each with the reason.
    pub warnings: Vec<String>,
    /// Archives that can't be read.
    pub problems: Vec<(PathBuf, ArchiveError)>,
    directories: Vec<PrivateDirectory>,
    extent: Extent,
    /// The root directory of an image, if there is one and nothing else.
    pub image: Option<PathBuf>,
}

impl Archives {
    /// Replaces archives among `paths`, and members of archives (`ARCHIVE!path`).
    pub(crate) fn open(paths: &[PathBuf], extent: Extent) -> Archives {
        let mut archives = Archives {
            extent,
            ..Archives::default()
        };
        for path in paths {
            match archives.one(path) {
                Ok(path) => archives.paths.push(path),
                Err(error) => archives.problems.push((path.clone(), error)),
            }
        }
        archives.image = archives.image.filter(|_| paths.len() == 1);
        archives
    }

    /// Where the members are.
    pub(crate) fn directories(&self) -> impl Iterator<Item = &Path> {
        self.directories.iter().map(PrivateDirectory::path)
    }

    /// Whether any path is inside an archive.
    pub(crate) fn any(&self) -> bool {
        !self.directories.is_empty()
    }

    fn one(&mut self, path: &Path) -> Result<PathBuf, ArchiveError> {
        if path.is_file() {
            return Ok(self.stage(path)?.unwrap_or_else(|| path.to_owned()));
        }
        let bytes = path.as_os_str().as_bytes();
        if let Some(at) = bytes.iter().position(|&byte| byte == b'!')
            && !path.exists()
        {
            let part = |bytes: &[u8]| PathBuf::from(std::ffi::OsString::from_vec(bytes.to_vec()));
            let (archive, member) = (part(&bytes[..at]), part(&bytes[at + 1..]));
            if archive.is_file()
                && let Some(root) = self.stage(&archive)?
            {
                let member = staging::inside(&member).unwrap_or_default();
                return Ok(root.join(member));
            }
        }
        Ok(path.to_owned())
    }

    /// The directory with the members; `None` where the file is no archive.
    fn stage(&mut self, path: &Path) -> Result<Option<PathBuf>, ArchiveError> {
        let file = File::open(path)?;
        let Some(format) = format::of(&file, path)? else {
            return Ok(None);
        };
        let directory = PrivateDirectory::new()?;
        let base = directory.path().canonicalize()?;
        let name = path.file_name().unwrap_or_default();
        let root = base.join(name);
        let mut staging = Staging::new(&root, self.extent)?;
        format.read(file, &mut staging)?;
        let image = staging.is_image;
        let left_out = staging.finish();
        let shown = escape::shown(path).to_string();
        let warnings = left_out.into_iter();
        self.warnings
            .extend(warnings.map(|what| format!("{shown}: {what}")));
        escape::show_as(root.as_os_str().as_bytes(), path.as_os_str().as_bytes());
        self.directories.push(directory);
        self.image = (image && self.directories.len() == 1).then(|| root.clone());
        Ok(Some(root))
    }
}
