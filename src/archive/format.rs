//! The form of an archive, by its contents.

use super::staging::{ArchiveMember, Staging};
use super::stream::{Allowance, Packing};
use super::{ArchiveError, nar, oci, staging, stream, tape};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use zip::ZipArchive;

/// Suffixes of archives: a file of such a name that is none of them is an error.
const SUFFIXES: [&str; 14] = [
    ".whl", ".zip", ".tar", ".tgz", ".txz", ".tar.gz", ".tar.xz", ".tar.lz4", ".tar.zst", ".deb",
    ".nar", ".nar.lz4", ".nar.xz", ".nar.zst",
];
/// Suffixes of archives that are not read.
const FOREIGN: [&str; 5] = [".tar.bz2", ".rpm", ".7z", ".conda", ".nar.bz2"];

/// Bytes that are unpacked to recognize a form.
const HEAD: u64 = 16 << 10;

/// A form of archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Zip,
    Deb,
    Tar(Packing),
    /// A packed archive that begins as an image does.
    PackedImage(Packing),
    Nar(Packing),
}

/// The form of a file; `None` for any other file.
pub(super) fn of(file: &File, path: &Path) -> Result<Option<Format>, ArchiveError> {
    let mut head = Vec::new();
    let mut from: &File = file;
    from.take(512).read_to_end(&mut head)?;
    from.seek(SeekFrom::Start(0))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let has = |suffixes: &[&str]| suffixes.iter().any(|suffix| name.ends_with(suffix));
    let named = has(&SUFFIXES) || has(&FOREIGN);
    if head.starts_with(b"\x7fELF") {
        return Ok(None);
    }
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        return Ok(Some(Format::Zip));
    }
    if head.starts_with(b"!<arch>\ndebian-binary") {
        return Ok(Some(Format::Deb));
    }
    let packing = Packing::of(&head);
    if packing != Packing::Plain {
        let mut unpacked = Vec::new();
        let stream = packing.unpacked(BufReader::new(file));
        // A broken stream shows again when it is read.
        let _ = stream.take(HEAD).read_to_end(&mut unpacked);
        from.seek(SeekFrom::Start(0))?;
        head = unpacked;
    }
    match &head[..] {
        head if head.starts_with(nar::MAGIC) => Ok(Some(Format::Nar(packing))),
        head if is_tar(head) && packing != Packing::Plain && oci::begins_image(head) => {
            Ok(Some(Format::PackedImage(packing)))
        }
        head if is_tar(head) => Ok(Some(Format::Tar(packing))),
        _ if named => Err(ArchiveError::Unknown),
        _ => Ok(None),
    }
}

/// The magic of ustar and of GNU's tar.
fn is_tar(head: &[u8]) -> bool {
    head.get(257..262) == Some(b"ustar")
}

impl Format {
    /// Gives all members to `staging`.
    pub(super) fn read(self, file: File, staging: &mut Staging) -> Result<(), ArchiveError> {
        let allowance = Allowance::of(file.metadata()?.len());
        match self {
            Format::Zip => read_zip(file, &allowance, staging),
            Format::Deb => tape::read_deb(BufReader::new(file), &allowance, staging),
            Format::Nar(packing) => {
                let unpacked = packing.unpacked(BufReader::new(file));
                nar::read(&mut BufReader::new(allowance.limit(unpacked)), staging)
            }
            Format::Tar(Packing::Plain) => read_tar(file, &allowance, staging),
            Format::PackedImage(packing) => {
                let unpacked = packing.unpacked(BufReader::new(file));
                let mut whole = tempfile::tempfile()?;
                staging::copy_sparse(&mut allowance.limit(unpacked), &mut whole)?;
                whole.seek(SeekFrom::Start(0))?;
                read_tar(whole, &allowance, staging)
            }
            Format::Tar(packing) => {
                let unpacked = packing.unpacked(BufReader::new(file));
                tape::read(unpacked, &allowance, staging, false)
            }
        }
    }
}

/// Reads a tar archive that is not packed.
fn read_tar(file: File, allowance: &Allowance, staging: &mut Staging) -> Result<(), ArchiveError> {
    match oci::is_image(&file)? {
        true => oci::read(&file, allowance, staging),
        false => tape::read(Box::new(BufReader::new(file)), allowance, staging, false),
    }
}

fn read_zip(file: File, allowance: &Allowance, staging: &mut Staging) -> Result<(), ArchiveError> {
    let mut archive = ZipArchive::new(BufReader::new(file))?;
    for at in 0..archive.len() {
        let mut member = archive.by_index(at)?;
        let name = member.name_raw().to_vec();
        if member.is_dir() {
            continue;
        }
        if member.is_symlink() {
            let mut target = Vec::new();
            let limited = allowance.limit(&mut member);
            limited
                .take(4096)
                .read_to_end(&mut target)
                .map_err(stream::error)?;
            staging.add(&name, ArchiveMember::Link(&target))?;
            continue;
        }
        let mut contents = allowance.limit(&mut member);
        staging.add(&name, ArchiveMember::File(&mut contents))?;
    }
    Ok(())
}
