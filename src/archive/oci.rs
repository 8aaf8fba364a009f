//! Images of containers, as `docker save` and `skopeo copy … oci-archive:` write them: a tar
//! archive with a manifest and the layers as members.

use super::staging::Staging;
use super::stream::{Allowance, Packing};
use super::{ArchiveError, tape};
use serde_json::Value;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use tar::Archive;

/// A larger manifest is none.
const MAX_MANIFEST: u64 = 4 << 20;
/// Members of an image that are listed.
const MAX_MEMBERS: usize = 100_000;
/// Members at the start that are looked at for a manifest.
const FIRST: usize = 4096;

/// Members of images, apart from those whose names are hashes.
const FIRST_NAMES: [&[u8]; 5] = [
    b"blobs",
    b"index.json",
    b"manifest.json",
    b"oci-layout",
    b"repositories",
];

/// Start and length of each member.
type Members = HashMap<Vec<u8>, (u64, u64)>;

/// Whether the start of a packed archive may be that of an image, which then has to be unpacked
/// whole to be read: its manifest is anywhere, and its layers are in no order.
pub(super) fn begins_image(head: &[u8]) -> bool {
    let mut archive = Archive::new(head);
    let Ok(entries) = archive.entries() else {
        return false;
    };
    let names = entries.map_while(Result::ok);
    let mut names = names.map(|entry| entry.path_bytes().into_owned());
    let first = names.find(|name| !matches!(&name[..], b"" | b"." | b"./"));
    first.is_some_and(|name| {
        let name = name.strip_prefix(b"./").unwrap_or(&name);
        let part = name.split(|&byte| byte == b'/').next().unwrap_or(name);
        let stem = part.split(|&byte| byte == b'.').next().unwrap_or(part);
        let is_hash = stem.len() == 64 && stem.iter().all(u8::is_ascii_hexdigit);
        is_hash || FIRST_NAMES.contains(&part)
    })
}

/// Whether a tar archive is an image.
pub(super) fn is_image(file: &File) -> Result<bool, ArchiveError> {
    let members = members(file, FIRST)?;
    let has = |name: &[u8]| members.contains_key(name);
    Ok((has(b"oci-layout") && has(b"index.json"))
        || (has(b"manifest.json") && has_layers(file, &members)?))
}

fn has_layers(file: &File, members: &Members) -> Result<bool, ArchiveError> {
    let manifest = json(file, members, b"manifest.json")?;
    Ok(manifest.is_some_and(|manifest| manifest[0]["Layers"].is_array()))
}

/// Reads the layers, the lowest first.
pub(super) fn read(
    file: &File,
    allowance: &Allowance,
    staging: &mut Staging,
) -> Result<(), ArchiveError> {
    staging.is_system = true;
    staging.is_image = true;
    let members = members(file, MAX_MEMBERS)?;
    for layer in layers(file, &members)? {
        let Some(&(start, length)) = members.get(&layer) else {
            let name = crate::escape::Shown::from(&layer[..]);
            let what = format!("an image without its layer {name}");
            return Err(ArchiveError::Malformed(what));
        };
        let mut from = BufReader::new(part(file, start, length)?);
        let packing = Packing::of(from.fill_buf()?);
        tape::read(packing.unpacked(from), allowance, staging, true)?;
    }
    Ok(())
}

fn members(file: &File, most: usize) -> Result<Members, ArchiveError> {
    let mut from: &File = file;
    from.seek(SeekFrom::Start(0))?;
    let mut found = Members::new();
    let mut archive = Archive::new(from);
    for entry in archive.entries_with_seek()?.take(most) {
        // What can't be read is reported when the archive is read as one without a manifest.
        let Ok(entry) = entry else { break };
        let name = entry.path_bytes();
        let name = name.strip_prefix(b"./").unwrap_or(&name).to_vec();
        let place = (entry.raw_file_position(), entry.size());
        if name.len() <= 4096 {
            found.insert(name, place);
        }
    }
    from.seek(SeekFrom::Start(0))?;
    Ok(found)
}

fn part(file: &File, start: u64, length: u64) -> Result<impl Read + '_, ArchiveError> {
    let mut from: &File = file;
    from.seek(SeekFrom::Start(start))?;
    Ok(from.take(length))
}

fn json(file: &File, members: &Members, name: &[u8]) -> Result<Option<Value>, ArchiveError> {
    let Some(&(start, length)) = members.get(name) else {
        return Ok(None);
    };
    let mut text = Vec::new();
    part(file, start, length.min(MAX_MANIFEST))?.read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text).ok())
}

/// The names of the layers' members.
fn layers(file: &File, members: &Members) -> Result<Vec<Vec<u8>>, ArchiveError> {
    let blob = |digest: &Value| -> Option<Vec<u8>> {
        let (kind, hash) = digest.as_str()?.split_once(':')?;
        Some(format!("blobs/{kind}/{hash}").into_bytes())
    };
    let malformed = || ArchiveError::Malformed("an image without a manifest of layers".to_owned());
    if let Some(manifest) = json(file, members, b"manifest.json")? {
        let layers = manifest[0]["Layers"].as_array().ok_or_else(malformed)?;
        let names = layers.iter().filter_map(Value::as_str);
        return Ok(names.map(|name| name.as_bytes().to_vec()).collect());
    }
    let index = json(file, members, b"index.json")?.ok_or_else(malformed)?;
    let mut manifest = blob(&index["manifests"][0]["digest"]).ok_or_else(malformed)?;
    let mut found = json(file, members, &manifest)?.ok_or_else(malformed)?;
    // An index of several platforms: the first.
    if let Some(nested) = blob(&found["manifests"][0]["digest"]) {
        manifest = nested;
        found = json(file, members, &manifest)?.ok_or_else(malformed)?;
    }
    let layers = found["layers"].as_array().ok_or_else(malformed)?;
    Ok(layers
        .iter()
        .filter_map(|layer| blob(&layer["digest"]))
        .collect())
}
