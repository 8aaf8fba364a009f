//! Device code in files: ELF files, static archives, `.fatbin` files, bare cubins.

mod archive;
mod by_arch;
mod groups;
mod host;

pub(crate) use by_arch::{ArchBytes, ByArch, by_arch};
pub(crate) use groups::Group;
pub use groups::groups;

use super::capability::Variant;
use super::cubin::{self, EM_CUDA};
use super::fatbin::{
    CONTAINER_MAGIC, Compression, FatbinEntry, FatbinProblem, FatbinRegion, FoundFatbins,
    ImageKind, scan,
};
use elf_edit::windows::Region;
use elf_edit::{FileHeader, FileReader, ReadAt, ReadError};
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Location of device code in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Member of an archive.
    pub member: Option<Vec<u8>>,
    /// The file that contains it, if another than the one passed in: a member of a thin archive.
    pub file: Option<PathBuf>,
    /// Section of an ELF file. None for other files, and for ELF files without section headers.
    pub section: Option<Vec<u8>>,
}

/// One image and where it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    pub entry: FatbinEntry,
    /// Index into [`DeviceCode::places`].
    pub place: usize,
}

/// All device code of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceCode {
    /// Locations of device code, in file order.
    pub places: Vec<Place>,
    /// All images, in file order.
    pub images: Vec<Image>,
    /// Wrappers in `.nvFatBinSegment`: registered by the host code, one for each module.
    pub wrappers: usize,
    /// Wrappers of a device link (version 2): `nvcc -rdc=true`.
    pub linked_wrappers: usize,
    /// Violations of the format, each with the index of its location.
    pub problems: Vec<(usize, FatbinProblem)>,
    /// A limit was reached; the rest is missing.
    pub truncated: bool,
}

impl DeviceCode {
    /// Whether no device code was found.
    pub fn is_empty(&self) -> bool {
        self.images.is_empty() && self.problems.is_empty()
    }

    fn add(&mut self, place: Place, found: FoundFatbins) {
        self.truncated |= found.truncated;
        if found.entries.is_empty() && found.problems.is_empty() {
            return;
        }
        let index = self.places.len();
        self.places.push(place);
        let images = found.entries.into_iter();
        self.images.extend(images.map(|entry| Image {
            entry,
            place: index,
        }));
        let problems = found.problems.into_iter();
        self.problems
            .extend(problems.map(|problem| (index, problem)));
    }

    /// Adds the device code of an archive's member, whose first byte is at `base`.
    fn add_member(&mut self, mut member: DeviceCode, base: u64) {
        for image in &mut member.images {
            image.place += self.places.len();
            image.entry.shift(base);
        }
        for (place, problem) in &mut member.problems {
            *place += self.places.len();
            problem.offset += base;
        }
        self.places.append(&mut member.places);
        self.images.append(&mut member.images);
        self.problems.append(&mut member.problems);
        self.wrappers += member.wrappers;
        self.linked_wrappers += member.linked_wrappers;
        self.truncated |= member.truncated;
    }

    /// A problem of the file itself, not of one of its fatbins.
    fn problem(&mut self, place: Place, offset: u64, what: String) {
        let mut found = FoundFatbins::default();
        found.problems.push(FatbinProblem { offset, what });
        self.add(place, found);
    }
}

/// Why the device code of a file can't be read.
#[derive(Debug, thiserror::Error)]
pub enum NoDeviceCode {
    /// Most files of a tree.
    #[error("neither an ELF file, a static archive, a fatbin nor a cubin")]
    OtherFile,
    /// ELF magic, but a malformed file; or the read itself failed.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl From<io::Error> for NoDeviceCode {
    fn from(error: io::Error) -> NoDeviceCode {
        NoDeviceCode::Read(error.into())
    }
}

/// Opens a regular file; one that is none (a FIFO) is an error and never waited for.
pub fn open(path: &Path) -> io::Result<FileReader> {
    let nonblock = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let file = File::options()
        .read(true)
        .custom_flags(nonblock)
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    FileReader::new(file)
}

/// Whether a file is of a kind that may have device code, by its first bytes.
pub(crate) fn may_be_in(head: &[u8]) -> bool {
    archive::is_archive(head) || head.starts_with(&CONTAINER_MAGIC) || head.starts_with(b"\x7fELF")
}

/// Reads all device code of the file at `path`, opened as `file`. The path is used for the members
/// of a thin archive only.
pub fn read(path: &Path, file: &FileReader) -> Result<DeviceCode, NoDeviceCode> {
    let mut code = DeviceCode::default();
    if archive::is_archive(file.head()) {
        archive::read(path, file, &mut code)?;
    } else if !read_image(file, &Place::default(), &mut code)? {
        return Err(NoDeviceCode::OtherFile);
    }
    Ok(code)
}

/// Reads the device code of an ELF file.
pub(crate) fn read_elf<R: ReadAt + ?Sized>(
    file: &R,
    header: &FileHeader,
) -> Result<DeviceCode, ReadError> {
    read_elf_outside(file, header, &[])
}

/// The same for a file whose ranges `quiet` were searched already: no fatbin begins there.
pub(crate) fn read_elf_outside<R: ReadAt + ?Sized>(
    file: &R,
    header: &FileHeader,
    quiet: &[Region],
) -> Result<DeviceCode, ReadError> {
    let mut code = DeviceCode::default();
    read_elf_into(file, header, &Place::default(), quiet, &mut code)?;
    Ok(code)
}

/// Adds the device code of `file` if its kind can hold any; returns whether it can.
fn read_image<R: ReadAt + ?Sized>(
    file: &R,
    place: &Place,
    code: &mut DeviceCode,
) -> Result<bool, ReadError> {
    let head = file.read_vec(0, file.len().min(64) as usize)?;
    if head.starts_with(&CONTAINER_MAGIC) {
        let mut found = FoundFatbins::default();
        let whole = FatbinRegion {
            start: 0,
            end: file.len(),
            only_fatbins: true,
        };
        scan(file, whole, &mut found)?;
        code.add(place.clone(), found);
        return Ok(true);
    }
    if !head.starts_with(b"\x7fELF") {
        return Ok(false);
    }
    let Some(header) = FileHeader::decode(&head) else {
        return Err(ReadError::Malformed(
            "the ELF header is cut off, or of an unknown class or byte order".to_owned(),
        ));
    };
    read_elf_into(file, &header, place, &[], code)?;
    Ok(true)
}

fn read_elf_into<R: ReadAt + ?Sized>(
    file: &R,
    header: &FileHeader,
    place: &Place,
    quiet: &[Region],
    code: &mut DeviceCode,
) -> Result<(), ReadError> {
    if header.machine == EM_CUDA {
        let mut found = FoundFatbins::default();
        found.entries.push(bare_cubin(file, header)?);
        code.add(place.clone(), found);
        return Ok(());
    }
    host::read(file, header, place, quiet, code)
}

/// A cubin in a file of its own, as an entry.
fn bare_cubin<R: ReadAt + ?Sized>(file: &R, header: &FileHeader) -> Result<FatbinEntry, ReadError> {
    let arch = cubin::arch(file, header)?;
    Ok(FatbinEntry {
        kind: ImageKind::Cubin,
        arch: arch.map_or(0, |a| a.number),
        variant: arch.map_or(Variant::Base, |a| a.variant),
        version: (0, 0),
        flags: 0,
        offset: 0,
        payload: 0,
        size: file.len(),
        compressed_size: 0,
        uncompressed_size: 0,
        compression: Compression::None,
        name: None,
        part: None,
    })
}
