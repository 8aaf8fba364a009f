//! Tar archives, the one inside a Debian package, and layers of images.

use super::staging::{ArchiveMember, Staging};
use super::stream::{Allowance, Packing};
use super::{ArchiveError, stream};
use std::io::{self, BufReader, Read};
use tar::{Archive, EntryType};

/// Bytes between the contents of two members: long names, attributes.
const MAX_HEADERS: u64 = 8 << 20;

/// Reads a tar archive.
pub(super) fn read(
    from: Box<dyn Read + '_>,
    allowance: &Allowance,
    staging: &mut Staging,
    layer: bool,
) -> Result<(), ArchiveError> {
    let mut archive = Archive::new(allowance.limit(from));
    let mut entries = archive.entries()?;
    loop {
        // The crate reads long names whole.
        let next = allowance.within(MAX_HEADERS, || entries.next());
        let Some(entry) = next else {
            return Ok(());
        };
        let mut entry = entry.map_err(stream::error)?;
        let name = entry.path_bytes().into_owned();
        if layer && whiteout(&name, staging) {
            continue;
        }
        let target = entry.link_name_bytes().map(|target| target.into_owned());
        match (entry.header().entry_type(), target) {
            (EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse, _) => {
                staging.add(&name, ArchiveMember::File(&mut entry))?;
            }
            (EntryType::Symlink, Some(target)) => {
                staging.add(&name, ArchiveMember::Link(&target))?
            }
            (EntryType::Link, Some(target)) => {
                staging.add(&name, ArchiveMember::HardLink(&target))?
            }
            _ => {}
        }
        io::copy(&mut entry, &mut io::sink()).map_err(stream::error)?;
    }
}

/// Applies the mark of a layer that removes files of the layers below it (OCI image-spec,
/// layer.md).
fn whiteout(name: &[u8], staging: &mut Staging) -> bool {
    let at = name
        .iter()
        .rposition(|&byte| byte == b'/')
        .map_or(0, |at| at + 1);
    let (directory, file) = name.split_at(at);
    let Some(hidden) = file.strip_prefix(b".wh.") else {
        return false;
    };
    match hidden {
        b".wh..opq" => staging.remove(directory, true),
        hidden => staging.remove(&[directory, hidden].concat(), false),
    }
    true
}

/// Reads a Debian package: an ar(5) archive with a data.tar in it (deb(5)).
pub(super) fn read_deb(
    mut from: impl Read,
    allowance: &Allowance,
    staging: &mut Staging,
) -> Result<(), ArchiveError> {
    staging.is_system = true;
    let malformed = |what: &str| ArchiveError::Malformed(format!("not a Debian package: {what}"));
    let mut magic = [0; 8];
    from.read_exact(&mut magic)?;
    loop {
        let mut header = [0; 60];
        if from.read_exact(&mut header).is_err() {
            return Err(malformed("it has no data.tar"));
        }
        let size = str::from_utf8(&header[48..58]).ok();
        let size: Option<u64> = size.and_then(|size| size.trim().parse().ok());
        let size = size.ok_or_else(|| malformed("a member without a size"))?;
        let mut member = from.by_ref().take(size);
        if !header.starts_with(b"data.tar") {
            io::copy(&mut member, &mut io::sink())?;
            if size % 2 == 1 {
                io::copy(&mut from.by_ref().take(1), &mut io::sink())?;
            }
            continue;
        }
        let mut member = BufReader::new(member);
        let head = io::BufRead::fill_buf(&mut member)?;
        let packing = Packing::of(head);
        let data: Box<dyn Read + '_> = packing.unpacked(member);
        return read(data, allowance, staging, false);
    }
}
