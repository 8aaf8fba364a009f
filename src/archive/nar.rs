//! Nix archives, as "The Purely Functional Software Deployment Model" defines them (figure 5.2):
//! strings with their lengths in front, padded to eight bytes.

use super::ArchiveError;
use super::staging::{ArchiveMember, Staging};
use super::stream;
use std::io::{self, Read};

/// Longest name or target of a link, as Linux has it.
const MAX_STRING: u64 = 4096;
/// Deeper than any path that Linux opens.
const MAX_DEPTH: usize = 2048;
/// The first bytes of a Nix archive.
pub(super) const MAGIC: &[u8] = b"\x0d\0\0\0\0\0\0\0nix-archive-1\0\0\0";

/// Reads the members of a stream behind its magic.
pub(super) fn read(from: &mut dyn Read, staging: &mut Staging) -> Result<(), ArchiveError> {
    let mut magic = [0; 24];
    from.read_exact(&mut magic).map_err(stream::error)?;
    if magic != MAGIC {
        return Err(ArchiveError::Unknown);
    }
    // The directories that are open, from the root.
    let mut open: Vec<Vec<u8>> = Vec::new();
    let mut name: Vec<u8> = Vec::new();
    loop {
        let is_directory = node(from, &open, &name, staging)?;
        if is_directory {
            if open.len() >= MAX_DEPTH {
                return Err(malformed("directories are nested too deep"));
            }
            open.push(std::mem::take(&mut name));
        }
        // Behind a node: the next entry of its directory, or the end of that.
        loop {
            if open.is_empty() {
                return Ok(());
            }
            match &string(from)?[..] {
                b"entry" => {
                    expect(from, b"(")?;
                    expect(from, b"name")?;
                    name = string(from)?;
                    expect(from, b"node")?;
                    break;
                }
                b")" => {
                    open.pop();
                    // The entry of the directory above ends, too.
                    if !open.is_empty() {
                        expect(from, b")")?;
                    }
                }
                _ => return Err(malformed("expected an entry of a directory, or its end")),
            }
        }
    }
}

/// Reads one node, up to and with its end unless it is a directory.
fn node(
    from: &mut dyn Read,
    open: &[Vec<u8>],
    name: &[u8],
    staging: &mut Staging,
) -> Result<bool, ArchiveError> {
    expect(from, b"(")?;
    expect(from, b"type")?;
    // The root has no name: a file that is an archive's only member gets one.
    let parts = open.iter().skip(1).map(|part| &part[..]);
    let parts: Vec<&[u8]> = parts.chain([name]).collect();
    let path = match open.is_empty() {
        true => b"file".to_vec(),
        false => parts.join(&b'/'),
    };
    match &string(from)?[..] {
        b"directory" => return Ok(true),
        b"symlink" => {
            expect(from, b"target")?;
            let target = string(from)?;
            staging.add(&path, ArchiveMember::Link(&target))?;
        }
        b"regular" => {
            let mut tag = string(from)?;
            if tag == b"executable" {
                expect(from, b"")?;
                tag = string(from)?;
            }
            if tag != b"contents" {
                return Err(malformed("expected the contents of a file"));
            }
            let size = number(from)?;
            let mut contents = (&mut *from).take(size);
            staging.add(&path, ArchiveMember::File(&mut contents))?;
            drain(&mut contents)?;
            pad(from, size)?;
        }
        _ => return Err(malformed("a node of an unknown type")),
    }
    expect(from, b")")?;
    if !open.is_empty() {
        // The end of the entry around it.
        expect(from, b")")?;
    }
    Ok(false)
}

fn malformed(what: &str) -> ArchiveError {
    ArchiveError::Malformed(format!("not a Nix archive: {what}"))
}

fn drain<R: Read>(rest: &mut io::Take<R>) -> Result<(), ArchiveError> {
    io::copy(rest, &mut io::sink()).map_err(stream::error)?;
    match rest.limit() {
        0 => Ok(()),
        _ => Err(malformed("it ends inside a file")),
    }
}

fn number(from: &mut dyn Read) -> Result<u64, ArchiveError> {
    let mut bytes = [0; 8];
    from.read_exact(&mut bytes).map_err(stream::error)?;
    Ok(u64::from_le_bytes(bytes))
}

fn pad(from: &mut dyn Read, length: u64) -> Result<(), ArchiveError> {
    let mut zeroes = [0; 8];
    let padding = (8 - length % 8) % 8;
    from.read_exact(&mut zeroes[..padding as usize])
        .map_err(stream::error)
}

fn string(from: &mut dyn Read) -> Result<Vec<u8>, ArchiveError> {
    let length = number(from)?;
    if length > MAX_STRING {
        return Err(malformed("a name is longer than any path"));
    }
    let mut text = vec![0; length as usize];
    from.read_exact(&mut text).map_err(stream::error)?;
    pad(from, length)?;
    Ok(text)
}

fn expect(from: &mut dyn Read, word: &[u8]) -> Result<(), ArchiveError> {
    match string(from)? == word {
        true => Ok(()),
        false => {
            let word = String::from_utf8_lossy(word);
            Err(malformed(&format!("expected `{word}`")))
        }
    }
}
