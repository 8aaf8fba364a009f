//! Decodes one image, to no more than the size that its header states.

use super::{Compression, FatbinEntry, ImageKind};
use elf_edit::{ReadAt, SubReader};
use ruzstd::decoding::StreamingDecoder;
use std::io::{self, Read, Write};

/// An LZ4 block is decoded in memory: one that states more is refused.
const MAX_LZ4: u64 = 1 << 30;
/// Greatest ratio of an LZ4 block: bytes of output for one byte of input.
const LZ4_RATIO: u64 = 255;
/// Bytes that are copied at a time.
const CHUNK: usize = 256 << 10;

/// Why an image can't be decoded.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// Impossible values in the header.
    #[error("{0}")]
    Lie(String),
    /// The compressed bytes are broken.
    #[error("its {kind} data is broken: {what}")]
    Broken {
        /// LZ4 or ZSTD.
        kind: &'static str,
        /// The decoder's message.
        what: String,
    },
    /// Reading or writing failed.
    #[error("{}", elf_edit::reason(.0))]
    Io(#[from] io::Error),
}

/// Writes the image of `entry` to `out`. For an image inside a concatenated entry, `whole` is
/// that entry. LTO-IR is written as it is stored: its encoding is its own.
pub fn write<R: ReadAt + ?Sized>(
    file: &R,
    entry: &FatbinEntry,
    whole: Option<&FatbinEntry>,
    out: &mut impl Write,
) -> Result<(), PayloadError> {
    if let (Some(part), Some(whole)) = (entry.part, whole) {
        let mut part_of = Slice {
            skip: part.offset,
            left: entry.size,
            out,
        };
        decode(file, whole, &mut part_of)?;
        return match part_of.left {
            0 => Ok(()),
            left => Err(PayloadError::Lie(format!(
                "its last {left} bytes lie past the end of the concatenated entry"
            ))),
        };
    }
    if entry.kind == ImageKind::Ptx {
        // PTX is text, without the NULs that end and pad it in a fatbin.
        return decode(file, entry, &mut WithoutLastNuls { nuls: 0, out });
    }
    decode(file, entry, out)
}

fn decode<R: ReadAt + ?Sized>(
    file: &R,
    entry: &FatbinEntry,
    out: &mut impl Write,
) -> Result<(), PayloadError> {
    let stored = match entry.compressed_size {
        0 => entry.size,
        size => u64::from(size).min(entry.size),
    };
    let Some(stored) = SubReader::new(file, entry.payload, stored) else {
        return Err(PayloadError::Lie(format!(
            "its payload of {stored} bytes ends past the end of the file"
        )));
    };
    match entry.compression {
        Compression::None | Compression::Other => copy(&stored, out),
        Compression::Lz4 => lz4(&stored, entry.uncompressed_size, out),
        Compression::Zstd => zstd(&stored, entry.uncompressed_size, out),
    }
}

fn copy<R: ReadAt>(stored: &R, out: &mut impl Write) -> Result<(), PayloadError> {
    let mut at = 0;
    while at < stored.len() {
        let size = CHUNK.min((stored.len() - at) as usize);
        out.write_all(&stored.read_vec(at, size)?)?;
        at += size as u64;
    }
    Ok(())
}

fn lz4<R: ReadAt>(stored: &R, stated: u64, out: &mut impl Write) -> Result<(), PayloadError> {
    if stated > MAX_LZ4 || stated > stored.len().saturating_mul(LZ4_RATIO) {
        return Err(PayloadError::Lie(format!(
            "its header states {stated} bytes for {} bytes of LZ4, which can't be or is more than {MAX_LZ4}",
            stored.len()
        )));
    }
    let bytes = stored.read_vec(0, stored.len() as usize)?;
    let mut decoded = vec![0; stated as usize];
    let size = lz4_flex::block::decompress_into(&bytes, &mut decoded).map_err(|error| {
        PayloadError::Broken {
            kind: "LZ4",
            what: error.to_string(),
        }
    })?;
    if size as u64 != stated {
        return Err(wrong_size("LZ4", stated, size as u64));
    }
    Ok(out.write_all(&decoded)?)
}

fn zstd<R: ReadAt>(stored: &R, stated: u64, out: &mut impl Write) -> Result<(), PayloadError> {
    let broken = |what: String| PayloadError::Broken { kind: "ZSTD", what };
    let source = Sequential { of: stored, at: 0 };
    let mut decoder = StreamingDecoder::new(source).map_err(|error| broken(error.to_string()))?;
    let mut buffer = vec![0; CHUNK];
    let mut done = 0;
    loop {
        let size = match decoder.read(&mut buffer) {
            Ok(0) => break,
            Ok(size) => size,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(broken(error.to_string())),
        };
        done += size as u64;
        if done > stated {
            return Err(wrong_size("ZSTD", stated, done));
        }
        out.write_all(&buffer[..size])?;
    }
    if done != stated {
        return Err(wrong_size("ZSTD", stated, done));
    }
    Ok(())
}

fn wrong_size(kind: &'static str, stated: u64, found: u64) -> PayloadError {
    PayloadError::Broken {
        kind,
        what: format!("the header states {stated} bytes, there are {found} or more"),
    }
}

/// Bytes read from the front to the end.
struct Sequential<'a, R> {
    of: &'a R,
    at: u64,
}

impl<R: ReadAt> Read for Sequential<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let size = (self.of.len() - self.at).min(buf.len() as u64) as usize;
        self.of.read_exact_at(self.at, &mut buf[..size])?;
        self.at += size as u64;
        Ok(size)
    }
}

/// Passes through a slice of the written bytes.
struct Slice<'a, W> {
    skip: u64,
    left: u64,
    out: &'a mut W,
}

impl<W: Write> Write for Slice<'_, W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let skipped = self.skip.min(buf.len() as u64);
        let rest = &buf[skipped as usize..];
        let wanted = self.left.min(rest.len() as u64);
        self.out.write_all(&rest[..wanted as usize])?;
        self.skip -= skipped;
        self.left -= wanted;
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Keeps NULs back until something else follows.
struct WithoutLastNuls<'a, W> {
    nuls: u64,
    out: &'a mut W,
}

impl<W: Write> Write for WithoutLastNuls<'_, W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let text = buf.iter().rposition(|&b| b != 0).map_or(0, |last| last + 1);
        if text > 0 {
            io::copy(&mut io::repeat(0).take(self.nuls), self.out)?;
            self.out.write_all(&buf[..text])?;
            self.nuls = 0;
        }
        self.nuls += (buf.len() - text) as u64;
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cuda::capability::Variant;

    fn entry(compression: Compression, stored: usize, stated: u64) -> FatbinEntry {
        FatbinEntry {
            kind: ImageKind::Cubin,
            arch: 90,
            variant: Variant::Base,
            version: (1, 8),
            flags: 0,
            offset: 0,
            payload: 0,
            size: stored as u64,
            compressed_size: stored as u32,
            uncompressed_size: stated,
            compression,
            name: None,
            part: None,
        }
    }

    fn decoded(bytes: &[u8], compression: Compression, stated: u64) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        let entry = entry(compression, bytes.len(), stated);
        match write(bytes, &entry, None, &mut out) {
            Ok(()) => Ok(out),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn lz4_gives_what_the_header_states_or_an_error() {
        // Four literals, then a match of 8 bytes 4 back; then the last literals.
        let block = b"\x44abcd\x04\x00\x50efghi";
        assert_eq!(
            decoded(block, Compression::Lz4, 17).unwrap(),
            b"abcdabcdabcdefghi"
        );
        for stated in [0, 1, 16, 18, 1 << 20, 1 << 31, u64::MAX] {
            assert!(
                decoded(block, Compression::Lz4, stated).is_err(),
                "{stated}"
            );
        }
        assert!(decoded(b"\xff\xff\xff", Compression::Lz4, 100).is_err());
    }

    /// One frame of one RLE block: 128 KiB of zeros from a few bytes, many times over.
    fn bomb(blocks: usize) -> Vec<u8> {
        let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58];
        for i in 0..blocks {
            let last = u32::from(i + 1 == blocks);
            let header = last | 1 << 1 | (128 << 10) << 3;
            frame.extend_from_slice(&header.to_le_bytes()[..3]);
            frame.push(0);
        }
        frame
    }

    #[test]
    fn a_zstd_bomb_stops_at_the_size_that_the_header_states() {
        let frame = bomb(3);
        assert_eq!(
            decoded(&frame, Compression::Zstd, 3 * (128 << 10)).unwrap(),
            vec![0; 3 * (128 << 10)]
        );
        let error = decoded(&bomb(100_000), Compression::Zstd, 1 << 20).unwrap_err();
        assert!(error.contains("states 1048576 bytes"), "{error}");
        for len in 0..frame.len() {
            assert!(decoded(&frame[..len], Compression::Zstd, 3 * (128 << 10)).is_err());
        }
    }

    #[test]
    fn nuls_at_the_end_of_ptx_go_and_those_inside_stay() {
        let mut out = Vec::new();
        let mut ptx = WithoutLastNuls {
            nuls: 0,
            out: &mut out,
        };
        for part in [&b".version\0"[..], b"\0", b"\0x\n", b"\0\0", b""] {
            ptx.write_all(part).unwrap();
        }
        assert_eq!(out, b".version\0\0\0x\n");
    }

    #[test]
    fn a_part_past_the_end_is_an_error() {
        let whole = entry(Compression::None, 10, 0);
        let mut part = entry(Compression::None, 0, 0);
        part.part = Some(super::super::entry::Part { offset: 4, of: 0 });
        part.size = 6;
        let mut out = Vec::new();
        write(&b"0123456789"[..], &part, Some(&whole), &mut out).unwrap();
        assert_eq!(out, b"456789");
        part.size = 7;
        assert!(write(&b"0123456789"[..], &part, Some(&whole), &mut out).is_err());
    }
}
